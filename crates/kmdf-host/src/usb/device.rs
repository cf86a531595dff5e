//! WDFUSBDEVICE: creation, which enumerates the device, and what is known of it.

use core::mem::offset_of;
use core::ptr;

use kmdf_sys::missing::IOCTL_INTERNAL_USB_RESET_PORT;
use kmdf_sys::{
    _URB_CONTROL_DESCRIPTOR_REQUEST, _URB_CONTROL_GET_STATUS_REQUEST, _USBD_VERSION_INFORMATION,
    _WDF_USB_DEVICE_CREATE_CONFIG, _WDF_USB_DEVICE_INFORMATION, _WDF_USB_DEVICE_TRAITS as traits,
    NT_SUCCESS, NTSTATUS, PUSB_DEVICE_DESCRIPTOR, PUSHORT, PVOID, PWDF_OBJECT_ATTRIBUTES,
    PWDF_USB_DEVICE_CREATE_CONFIG, PWDF_USB_DEVICE_INFORMATION, STATUS_BUFFER_TOO_SMALL,
    STATUS_DEVICE_DATA_ERROR, STATUS_DEVICE_DOES_NOT_EXIST, STATUS_INFO_LENGTH_MISMATCH,
    STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_DEVICE_REQUEST, STATUS_INVALID_PARAMETER,
    STATUS_SUCCESS, STATUS_UNSUCCESSFUL, UCHAR, ULONG, URB_FUNCTION_GET_DESCRIPTOR_FROM_DEVICE,
    URB_FUNCTION_GET_STATUS_FROM_DEVICE, USB_CONFIGURATION_DESCRIPTOR_TYPE,
    USB_DEVICE_DESCRIPTOR_TYPE, USBD_CLIENT_CONTRACT_VERSION_INVALID, USBD_CONFIGURATION_HANDLE,
    USBD_PORT_CONNECTED, USBD_PORT_ENABLED, USHORT, WDFDEVICE, WDFUSBDEVICE, WDFUSBINTERFACE,
};

use super::descriptor::{CONFIGURATION_LENGTH, Malformed};
use super::urb::{Urb, UrbMemory};
use super::{Descriptors, UsbDevice, UsbInterface, own_options, seconds};
use crate::fx::attributes::{Attributes, Rules};
use crate::fx::class::{Kind, Obj};
use crate::fx::device::{Device, bottom};
use crate::fx::request::Request;
use crate::fx::target::buffer::RequestBuffer;
use crate::fx::target::submit::SendOptions;
use crate::lower::usb as model;
use crate::system::device::DeviceKind;
use crate::system::{PASSIVE_LEVEL, System};

/// Bits of `bmAttributes` of a configuration.
const REMOTE_WAKE_UP: u8 = 0x20;
/// Bit of the status a device reports.
const SELF_POWERED: u16 = 1;
/// `IOCTL_INTERNAL_USB_GET_PORT_STATUS`.
const GET_PORT_STATUS: u32 = kmdf_sys::missing::IOCTL_INTERNAL_USB_GET_PORT_STATUS;

impl UsbDevice {
    fn add_trait(&self, which: i32) {
        self.traits.set(self.traits.get() | which.cast_unsigned());
    }

    pub(super) fn is_at_high_speed(&self) -> bool {
        self.traits.get() & traits::WDF_USB_DEVICE_TRAIT_AT_HIGH_SPEED.cast_unsigned() != 0
    }
}

impl System {
    /// `WdfUsbTargetDeviceCreate`.
    pub(crate) fn wdf_usb_target_device_create(
        &self,
        device: WDFDEVICE,
        attributes: PWDF_OBJECT_ATTRIBUTES,
        out: *mut WDFUSBDEVICE,
    ) -> NTSTATUS {
        let device: Obj<Device> = self.object(device);
        self.create_usb_device(
            &device,
            USBD_CLIENT_CONTRACT_VERSION_INVALID,
            attributes,
            out,
        )
    }

    /// `WdfUsbTargetDeviceCreateWithParameters`.
    pub(crate) fn wdf_usb_target_device_create_with_parameters(
        &self,
        device: WDFDEVICE,
        config: PWDF_USB_DEVICE_CREATE_CONFIG,
        attributes: PWDF_OBJECT_ATTRIBUTES,
        out: *mut WDFUSBDEVICE,
    ) -> NTSTATUS {
        let device: Obj<Device> = self.object(device);
        self.require(config, "Config");
        let config = self.get(config);
        if config.Size as usize != size_of::<_WDF_USB_DEVICE_CREATE_CONFIG>() {
            return STATUS_INFO_LENGTH_MISMATCH;
        }
        self.create_usb_device(&device, config.USBDClientContractVersion, attributes, out)
    }

    fn create_usb_device(
        &self,
        device: &Obj<Device>,
        contract: ULONG,
        attributes: PWDF_OBJECT_ATTRIBUTES,
        out: *mut WDFUSBDEVICE,
    ) -> NTSTATUS {
        self.require(out, "UsbDevice");
        self.put(out, ptr::null_mut());
        if !self.irql_at_most(PASSIVE_LEVEL) {
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        let attributes = match self.attributes(attributes, Rules::REQUEST) {
            Ok(attributes) => attributes,
            Err(status) => return status,
        };
        let has_contract = contract != USBD_CLIENT_CONTRACT_VERSION_INVALID;
        let kind = Kind::UsbDevice(UsbDevice::new(&device.attached, has_contract));
        let object = match self.create_object(kind, device.rc(), &attributes) {
            Ok(object) => object,
            Err(status) => return status,
        };
        object.passive_dispose.set(true);
        let usb: Obj<UsbDevice> = Obj::new(&object).expect("it was made a USB device");
        match self
            .enumerate(device, &usb)
            .and_then(|()| self.create_interfaces(&usb))
        {
            Ok(()) => {
                self.put(out, object.handle());
                STATUS_SUCCESS
            }
            Err(status) => {
                self.discard(&object);
                status
            }
        }
    }

    /// Asks the device what it is.
    fn enumerate(&self, device: &Obj<Device>, usb: &Obj<UsbDevice>) -> Result<(), NTSTATUS> {
        let request = self.take_internal_request();
        let found = self
            .validate_target(&request, &usb.target)
            .and_then(|_| self.fetch_descriptors(usb, &request));
        self.return_internal_request(&request);
        found?;
        self.query_bus_interface(device, usb);
        Ok(())
    }

    fn fetch_descriptors(
        &self,
        usb: &Obj<UsbDevice>,
        request: &Obj<Request>,
    ) -> Result<(), NTSTATUS> {
        // What the device writes to is memory of the model's own.
        let memory = Descriptors::new(size_of_u16::<kmdf_sys::_USB_DEVICE_DESCRIPTOR>());
        let memory = memory.ok_or(STATUS_INSUFFICIENT_RESOURCES)?;
        let urb = self.fetch_descriptor(usb, request, USB_DEVICE_DESCRIPTOR_TYPE, &memory)?;
        usb.control_pipe.set(urb.control_pipe());
        // SAFETY: the memory is as long as the structure, and any bytes are a device descriptor.
        usb.descriptor.set(unsafe {
            memory
                .as_ptr()
                .cast::<kmdf_sys::_USB_DEVICE_DESCRIPTOR>()
                .read_unaligned()
        });

        let header = Descriptors::new(u16::try_from(CONFIGURATION_LENGTH).unwrap_or(0));
        let header = header.ok_or(STATUS_INSUFFICIENT_RESOURCES)?;
        let urb =
            self.fetch_descriptor(usb, request, USB_CONFIGURATION_DESCRIPTOR_TYPE, &header)?;
        let total = header.parsed().total_length();
        if urb.urb().transfer_length() == 0 || usize::from(total) < CONFIGURATION_LENGTH {
            return Err(STATUS_UNSUCCESSFUL);
        }
        self.pool_allocation()?;
        let configuration = Descriptors::new(total).ok_or(STATUS_INSUFFICIENT_RESOURCES)?;
        self.fetch_descriptor(
            usb,
            request,
            USB_CONFIGURATION_DESCRIPTOR_TYPE,
            &configuration,
        )?;
        if configuration.parsed().total_length() != total {
            return Err(STATUS_DEVICE_DATA_ERROR);
        }
        if configuration.parsed().attributes() & REMOTE_WAKE_UP != 0 {
            usb.add_trait(traits::WDF_USB_DEVICE_TRAIT_REMOTE_WAKE_CAPABLE);
        }
        *usb.configuration.borrow_mut() = Some(configuration);
        self.fetch_status(usb, request);
        Ok(())
    }

    fn fetch_descriptor(
        &self,
        usb: &Obj<UsbDevice>,
        request: &Obj<Request>,
        kind: u32,
        into: &Descriptors,
    ) -> Result<UrbMemory, NTSTATUS> {
        let memory = descriptor_urb(kind, 0, 0, into).ok_or(STATUS_INSUFFICIENT_RESOURCES)?;
        let status =
            self.submit_own_urb(request, usb, memory.urb(), own_options(false, seconds(5)));
        if NT_SUCCESS(status) {
            Ok(memory)
        } else {
            Err(status)
        }
    }

    /// Whether the device has a supply of its own. It need not tell.
    fn fetch_status(&self, usb: &Obj<UsbDevice>, request: &Obj<Request>) {
        let length = size_of::<_URB_CONTROL_GET_STATUS_REQUEST>();
        let (Some(memory), Some(answer)) = (UrbMemory::new(length), Descriptors::new(2)) else {
            return;
        };
        let urb = memory.begin(URB_FUNCTION_GET_STATUS_FROM_DEVICE, length);
        urb.write(
            offset_of!(_URB_CONTROL_GET_STATUS_REQUEST, TransferBufferLength),
            2_u32,
        );
        urb.write(
            offset_of!(_URB_CONTROL_GET_STATUS_REQUEST, TransferBuffer),
            answer.as_ptr(),
        );
        let status = self.submit_own_urb(request, usb, urb, own_options(false, seconds(5)));
        let &[low, high] = answer.bytes() else {
            return;
        };
        if NT_SUCCESS(status) && u16::from_le_bytes([low, high]) & SELF_POWERED != 0 {
            usb.add_trait(traits::WDF_USB_DEVICE_TRAIT_SELF_POWERED);
        }
    }

    /// The bus interface of the stack below, which says whether the device is at high speed. A stack need not have one.
    fn query_bus_interface(&self, device: &Obj<Device>, usb: &Obj<UsbDevice>) {
        let below = bottom(&device.attached);
        let high_speed = match &below.kind {
            DeviceKind::Lower(lower) => lower.upgrade().and_then(|lower| {
                lower.with(|device: &mut model::UsbDevice| device.is_high_speed())
            }),
            DeviceKind::Framework(_) => None,
        };
        usb.on_usbd.set(high_speed.is_none());
        if high_speed == Some(true) {
            usb.add_trait(traits::WDF_USB_DEVICE_TRAIT_AT_HIGH_SPEED);
        }
    }

    /// Sends one of the framework's own URBs and waits. The request may have been used before.
    pub(super) fn submit_own_urb(
        &self,
        request: &Obj<Request>,
        usb: &Obj<UsbDevice>,
        urb: Urb,
        options: SendOptions,
    ) -> NTSTATUS {
        let Some(irp) = request.irp() else {
            return STATUS_INVALID_DEVICE_REQUEST;
        };
        irp.reuse(STATUS_SUCCESS);
        request.sticky_cancel.set(false);
        irp.set_next(super::format::parameters(urb));
        request.formatted.set(true);
        self.submit_and_wait(request, &usb.io_target(), options)
    }

    fn create_interfaces(&self, usb: &Obj<UsbDevice>) -> Result<(), NTSTATUS> {
        let interfaces = {
            let configuration = usb.configuration.borrow();
            let Some(configuration) = configuration.as_ref() else {
                return Err(STATUS_INVALID_PARAMETER);
            };
            usb.mismatched
                .set(configuration.parsed().has_undeclared_interfaces());
            configuration
                .parsed()
                .interfaces()
                .map_err(|malformed| match malformed {
                    Malformed::Length => STATUS_INVALID_PARAMETER,
                    Malformed::Settings | Malformed::NoInterface => STATUS_INVALID_DEVICE_REQUEST,
                })?
        };
        self.pool_allocation()?;
        for interface in interfaces {
            let kind = Kind::UsbInterface(UsbInterface::new(interface));
            let object = self.create_object(kind, usb.rc(), &Attributes::NONE)?;
            object.no_delete.set(true);
            object.passive_dispose.set(true);
            self.pool_allocation()?;
            let interface = Obj::new(&object).expect("it was made an interface");
            usb.interfaces.borrow_mut().push(interface);
        }
        Ok(())
    }

    /// `WdfUsbTargetDeviceRetrieveInformation`.
    pub(crate) fn wdf_usb_target_device_retrieve_information(
        &self,
        usb: WDFUSBDEVICE,
        out: PWDF_USB_DEVICE_INFORMATION,
    ) -> NTSTATUS {
        let usb: Obj<UsbDevice> = self.object(usb);
        self.require(out, "Information");
        let mut information = self.get(out);
        if information.Size as usize != size_of::<_WDF_USB_DEVICE_INFORMATION>() {
            return STATUS_INFO_LENGTH_MISMATCH;
        }
        information.Traits = usb.traits.get();
        // What the Windows stack reports, where it has a bus interface to ask.
        let (version, capabilities) = if usb.on_usbd.get() {
            (_USBD_VERSION_INFORMATION::default(), 0)
        } else {
            (
                _USBD_VERSION_INFORMATION {
                    USBDI_Version: 0x600,
                    Supported_USB_Version: 0x200,
                },
                1,
            )
        };
        information.UsbdVersionInformation = version;
        information.HcdPortCapabilities = capabilities;
        self.put(out, information);
        STATUS_SUCCESS
    }

    /// `WdfUsbTargetDeviceGetDeviceDescriptor`.
    pub(crate) fn wdf_usb_target_device_get_device_descriptor(
        &self,
        usb: WDFUSBDEVICE,
        out: PUSB_DEVICE_DESCRIPTOR,
    ) {
        let usb: Obj<UsbDevice> = self.object(usb);
        self.require(out, "UsbDeviceDescriptor");
        if self.irql_at_most(PASSIVE_LEVEL) {
            self.put(out, usb.descriptor.get());
        }
    }

    /// `WdfUsbTargetDeviceRetrieveConfigDescriptor`.
    pub(crate) fn wdf_usb_target_device_retrieve_config_descriptor(
        &self,
        usb: WDFUSBDEVICE,
        out: PVOID,
        length: PUSHORT,
    ) -> NTSTATUS {
        let usb: Obj<UsbDevice> = self.object(usb);
        self.require(length, "ConfigDescriptorLength");
        if !self.irql_at_most(PASSIVE_LEVEL) {
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        let configuration = usb.configuration.borrow();
        let bytes = configuration.as_ref().map_or(&[][..], Descriptors::bytes);
        let room = usize::from(self.get(length));
        self.put(length, u16::try_from(bytes.len()).unwrap_or(u16::MAX));
        if out.is_null() {
            return STATUS_BUFFER_TOO_SMALL;
        }
        crate::fx::memory::copy(bytes.as_ptr().cast(), out, bytes.len().min(room));
        if room < bytes.len() {
            STATUS_BUFFER_TOO_SMALL
        } else {
            STATUS_SUCCESS
        }
    }

    /// `WdfUsbTargetDeviceGetNumInterfaces`.
    pub(crate) fn wdf_usb_target_device_get_num_interfaces(&self, usb: WDFUSBDEVICE) -> UCHAR {
        let usb: Obj<UsbDevice> = self.object(usb);
        u8::try_from(usb.interfaces.borrow().len()).unwrap_or(u8::MAX)
    }

    /// `WdfUsbTargetDeviceGetInterface`.
    pub(crate) fn wdf_usb_target_device_get_interface(
        &self,
        usb: WDFUSBDEVICE,
        index: UCHAR,
    ) -> WDFUSBINTERFACE {
        let usb: Obj<UsbDevice> = self.object(usb);
        let interfaces = usb.interfaces.borrow();
        interfaces
            .get(usize::from(index))
            .map_or(ptr::null_mut(), Obj::handle)
    }

    /// `WdfUsbTargetDeviceWdmGetConfigurationHandle`.
    pub(crate) fn wdf_usb_target_device_wdm_get_configuration_handle(
        &self,
        usb: WDFUSBDEVICE,
    ) -> USBD_CONFIGURATION_HANDLE {
        let usb: Obj<UsbDevice> = self.object(usb);
        usb.configuration_handle.get()
    }

    /// `WdfUsbTargetDeviceIsConnectedSynchronous`.
    pub(crate) fn wdf_usb_target_device_is_connected_synchronous(
        &self,
        usb: WDFUSBDEVICE,
    ) -> NTSTATUS {
        let usb: Obj<UsbDevice> = self.object(usb);
        if !self.irql_at_most(PASSIVE_LEVEL) {
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        self.usb_is_connected(&usb)
    }

    pub(super) fn usb_is_connected(&self, usb: &Obj<UsbDevice>) -> NTSTATUS {
        match self.port_status(usb) {
            Ok(status) if status & USBD_PORT_CONNECTED == 0 => STATUS_DEVICE_DOES_NOT_EXIST,
            Ok(_) => STATUS_SUCCESS,
            Err(status) => status,
        }
    }

    /// Whether the port is enabled; a port that cannot be asked is taken to be.
    pub(super) fn usb_is_enabled(&self, usb: &Obj<UsbDevice>) -> bool {
        !self
            .port_status(usb)
            .is_ok_and(|status| status & USBD_PORT_ENABLED == 0)
    }

    fn port_status(&self, usb: &Obj<UsbDevice>) -> Result<ULONG, NTSTATUS> {
        let answer =
            Descriptors::new(size_of_u16::<ULONG>()).ok_or(STATUS_INSUFFICIENT_RESOURCES)?;
        let request = self.take_internal_request();
        let arguments = [
            RequestBuffer::Buffer(answer.as_ptr(), 0),
            RequestBuffer::None,
            RequestBuffer::None,
        ];
        let target = usb.io_target();
        let status = match self.format_others(&request, &target, GET_PORT_STATUS, &arguments) {
            Ok(()) => self.submit_and_wait(&request, &target, own_options(true, None)),
            Err(status) => status,
        };
        self.return_internal_request(&request);
        let &[a, b, c, d] = answer.bytes() else {
            return Err(STATUS_UNSUCCESSFUL);
        };
        if NT_SUCCESS(status) {
            Ok(u32::from_le_bytes([a, b, c, d]))
        } else {
            Err(status)
        }
    }

    /// `WdfUsbTargetDeviceResetPortSynchronously`.
    pub(crate) fn wdf_usb_target_device_reset_port_synchronously(
        &self,
        usb: WDFUSBDEVICE,
    ) -> NTSTATUS {
        self.port_request(usb, IOCTL_INTERNAL_USB_RESET_PORT)
    }

    /// `WdfUsbTargetDeviceCyclePortSynchronously`.
    pub(crate) fn wdf_usb_target_device_cycle_port_synchronously(
        &self,
        usb: WDFUSBDEVICE,
    ) -> NTSTATUS {
        self.port_request(usb, kmdf_sys::missing::IOCTL_INTERNAL_USB_CYCLE_PORT)
    }

    fn port_request(&self, usb: WDFUSBDEVICE, code: u32) -> NTSTATUS {
        let usb: Obj<UsbDevice> = self.object(usb);
        if !self.irql_at_most(PASSIVE_LEVEL) {
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        self.send_port_request(&usb, code)
    }

    pub(super) fn reset_port(&self, usb: &Obj<UsbDevice>) -> NTSTATUS {
        self.send_port_request(usb, IOCTL_INTERNAL_USB_RESET_PORT)
    }

    /// Sends a request that concerns the port, after cancelling all I/O of the device and its pipes.
    fn send_port_request(&self, usb: &Obj<UsbDevice>, code: u32) -> NTSTATUS {
        let request = self.take_internal_request();
        let target = usb.io_target();
        let nothing = RequestBuffer::None;
        let status = match self.format_ioctl(&request, &target, (code, true), &nothing, &nothing) {
            Ok(()) => {
                for pipe in usb.pipes() {
                    self.cancel_sent(&pipe.target);
                }
                self.cancel_sent(&target);
                self.submit_and_wait(&request, &target, own_options(true, None))
            }
            Err(status) => status,
        };
        self.return_internal_request(&request);
        status
    }
}

impl UrbMemory {
    /// The handle of the control pipe, which the stack leaves in a URB of the default pipe.
    fn control_pipe(&self) -> PVOID {
        self.urb()
            .field(offset_of!(_URB_CONTROL_DESCRIPTOR_REQUEST, Reserved))
            .unwrap_or(ptr::null_mut())
    }
}

/// A request for a descriptor, as much of it as there is room `into`.
pub(super) fn descriptor_urb(
    kind: u32,
    index: u8,
    language: USHORT,
    into: &Descriptors,
) -> Option<UrbMemory> {
    let length = size_of::<_URB_CONTROL_DESCRIPTOR_REQUEST>();
    let memory = UrbMemory::new(length)?;
    let urb = memory.begin(URB_FUNCTION_GET_DESCRIPTOR_FROM_DEVICE, length);
    let room = u32::try_from(into.bytes().len()).unwrap_or(0);
    urb.write(
        offset_of!(_URB_CONTROL_DESCRIPTOR_REQUEST, TransferBufferLength),
        room,
    );
    urb.write(
        offset_of!(_URB_CONTROL_DESCRIPTOR_REQUEST, TransferBuffer),
        into.as_ptr(),
    );
    urb.write(
        offset_of!(_URB_CONTROL_DESCRIPTOR_REQUEST, DescriptorType),
        u8::try_from(kind).unwrap_or(0),
    );
    urb.write(offset_of!(_URB_CONTROL_DESCRIPTOR_REQUEST, Index), index);
    urb.write(
        offset_of!(_URB_CONTROL_DESCRIPTOR_REQUEST, LanguageId),
        language,
    );
    Some(memory)
}

fn size_of_u16<T>() -> u16 {
    u16::try_from(size_of::<T>()).unwrap_or(u16::MAX)
}
