//! WDFUSBINTERFACE: settings and their endpoints.

use core::mem::offset_of;
use core::ptr;
use std::rc::Rc;

use kmdf_sys::{
    _URB_SELECT_INTERFACE, _USB_INTERFACE_DESCRIPTOR, _USBD_INTERFACE_INFORMATION,
    _USBD_PIPE_INFORMATION, _WDF_USB_INTERFACE_SELECT_SETTING_PARAMS, _WDF_USB_PIPE_INFORMATION,
    _WDF_USB_PIPE_TYPE as pipe_types, _WdfUsbTargetDeviceSelectSettingType as setting_types, BYTE,
    NT_SUCCESS, NTSTATUS, PURB, PUSB_INTERFACE_DESCRIPTOR, PWDF_OBJECT_ATTRIBUTES,
    PWDF_USB_INTERFACE_SELECT_SETTING_PARAMS, PWDF_USB_PIPE_INFORMATION,
    STATUS_INFO_LENGTH_MISMATCH, STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_DEVICE_REQUEST,
    STATUS_INVALID_PARAMETER, STATUS_SUCCESS, UCHAR, URB_FUNCTION_SELECT_INTERFACE,
    USBD_DEFAULT_MAXIMUM_TRANSFER_SIZE, WDFUSBINTERFACE, WDFUSBPIPE,
};

use super::descriptor::Endpoint;
use super::pipe::pipe_type;
use super::urb::{Urb, UrbMemory};
use super::{UsbInterface, UsbPipe, own_options, seconds};
use crate::fx::attributes::{Attributes, Rules};
use crate::fx::class::Obj;
use crate::fx::target::TargetState;
use crate::report::ViolationKind;
use crate::system::{PASSIVE_LEVEL, System};

/// Size of an interface's information without pipes.
const NO_PIPES: usize = offset_of!(_USBD_INTERFACE_INFORMATION, Pipes);
const HIGH_SPEED_TRANSFER: u32 = 2 * 1024 * 1024;
const OTHER_SPEED_TRANSFER: u32 = 256 * 1024;
const CONTROL_TRANSFER: u32 = 4 * 1024;

/// `GET_USBD_INTERFACE_SIZE`.
pub(super) const fn information_size(endpoints: usize) -> usize {
    NO_PIPES + endpoints * size_of::<_USBD_PIPE_INFORMATION>()
}

/// Size of the URB that selects a setting with so many endpoints.
pub(super) const fn select_interface_size(endpoints: usize) -> usize {
    offset_of!(_URB_SELECT_INTERFACE, Interface) + information_size(endpoints)
}

/// Fills an interface's information in a URB as the framework asks for it.
pub(super) fn write_information(urb: Urb, offset: usize, number: u8, alternate: u8, endpoints: u8) {
    let size = information_size(usize::from(endpoints));
    let length = u16::try_from(size).unwrap_or(u16::MAX);
    urb.write(
        offset + offset_of!(_USBD_INTERFACE_INFORMATION, Length),
        length,
    );
    urb.write(
        offset + offset_of!(_USBD_INTERFACE_INFORMATION, InterfaceNumber),
        number,
    );
    urb.write(
        offset + offset_of!(_USBD_INTERFACE_INFORMATION, AlternateSetting),
        alternate,
    );
    urb.write(
        offset + offset_of!(_USBD_INTERFACE_INFORMATION, NumberOfPipes),
        u32::from(endpoints),
    );
    for index in 0..usize::from(endpoints) {
        let pipe = offset + information_size(index);
        let size = offset_of!(_USBD_PIPE_INFORMATION, MaximumTransferSize);
        urb.write(pipe + size, USBD_DEFAULT_MAXIMUM_TRANSFER_SIZE);
    }
}

impl System {
    /// `WdfUsbInterfaceGetInterfaceNumber`.
    pub(crate) fn wdf_usb_interface_get_interface_number(
        &self,
        interface: WDFUSBINTERFACE,
    ) -> BYTE {
        let interface: Obj<UsbInterface> = self.object(interface);
        interface.number
    }

    /// `WdfUsbInterfaceGetNumSettings`.
    pub(crate) fn wdf_usb_interface_get_num_settings(&self, interface: WDFUSBINTERFACE) -> BYTE {
        let interface: Obj<UsbInterface> = self.object(interface);
        u8::try_from(interface.settings.len()).unwrap_or(u8::MAX)
    }

    /// `WdfUsbInterfaceGetNumEndpoints`.
    pub(crate) fn wdf_usb_interface_get_num_endpoints(
        &self,
        interface: WDFUSBINTERFACE,
        setting: UCHAR,
    ) -> BYTE {
        let interface: Obj<UsbInterface> = self.object(interface);
        interface
            .setting(setting)
            .map_or(0, |setting| setting.declared_endpoints)
    }

    /// `WdfUsbInterfaceGetDescriptor`.
    pub(crate) fn wdf_usb_interface_get_descriptor(
        &self,
        interface: WDFUSBINTERFACE,
        setting: UCHAR,
        out: PUSB_INTERFACE_DESCRIPTOR,
    ) {
        let interface: Obj<UsbInterface> = self.object(interface);
        self.require(out, "InterfaceDescriptor");
        let device = self.usb_device_of(interface.rc());
        let configuration = device.configuration.borrow();
        let start = interface.setting(setting).map(|setting| setting.offset);
        let bytes = start
            .zip(configuration.as_ref())
            .and_then(|(start, known)| known.bytes().get(start..));
        let mut descriptor = [0_u8; size_of::<_USB_INTERFACE_DESCRIPTOR>()];
        if let Some(bytes) = bytes {
            let length = descriptor.len().min(bytes.len());
            descriptor[..length].copy_from_slice(&bytes[..length]);
        }
        // The structure is packed bytes.
        self.put(out.cast(), descriptor);
    }

    /// `WdfUsbInterfaceGetEndpointInformation`.
    pub(crate) fn wdf_usb_interface_get_endpoint_information(
        &self,
        interface: WDFUSBINTERFACE,
        setting: UCHAR,
        endpoint: UCHAR,
        out: PWDF_USB_PIPE_INFORMATION,
    ) {
        let interface: Obj<UsbInterface> = self.object(interface);
        self.require(out, "EndpointInfo");
        if !self.has_pipe_information_size(out) {
            return;
        }
        let endpoints = interface.setting(setting).map(|setting| &setting.endpoints);
        let Some(found) = endpoints.and_then(|endpoints| endpoints.get(usize::from(endpoint)))
        else {
            return;
        };
        let mut information = self.get(out);
        self.describe_endpoint(&interface, found, &mut information);
        information.SettingIndex = setting;
        self.put(out, information);
    }

    fn has_pipe_information_size(&self, information: PWDF_USB_PIPE_INFORMATION) -> bool {
        let right = self.get(information).Size as usize == size_of::<_WDF_USB_PIPE_INFORMATION>();
        if !right {
            self.misuse_of_call(
                ViolationKind::StructureSize,
                "WDF_USB_PIPE_INFORMATION has the wrong size",
            );
        }
        right
    }

    fn describe_endpoint(
        &self,
        interface: &Obj<UsbInterface>,
        endpoint: &Endpoint,
        information: &mut _WDF_USB_PIPE_INFORMATION,
    ) {
        information.MaximumPacketSize = u32::from(endpoint.max_packet);
        information.EndpointAddress = endpoint.address;
        information.Interval = endpoint.interval;
        information.PipeType = pipe_type(i32::from(endpoint.transfer_type()));
        information.MaximumTransferSize =
            if information.PipeType == pipe_types::WdfUsbPipeTypeControl {
                CONTROL_TRANSFER
            } else if self.usb_device_of(interface.rc()).is_at_high_speed() {
                HIGH_SPEED_TRANSFER
            } else {
                OTHER_SPEED_TRANSFER
            };
    }

    /// `WdfUsbInterfaceGetConfiguredSettingIndex`.
    pub(crate) fn wdf_usb_interface_get_configured_setting_index(
        &self,
        interface: WDFUSBINTERFACE,
    ) -> BYTE {
        let interface: Obj<UsbInterface> = self.object(interface);
        if interface.is_configured() {
            return interface.current.get();
        }
        self.debug_break("an interface that is not configured was asked for its setting");
        0
    }

    /// `WdfUsbInterfaceGetNumConfiguredPipes`.
    pub(crate) fn wdf_usb_interface_get_num_configured_pipes(
        &self,
        interface: WDFUSBINTERFACE,
    ) -> BYTE {
        let interface: Obj<UsbInterface> = self.object(interface);
        interface.pipe_count()
    }

    /// `WdfUsbInterfaceGetConfiguredPipe`.
    pub(crate) fn wdf_usb_interface_get_configured_pipe(
        &self,
        interface: WDFUSBINTERFACE,
        index: UCHAR,
        out: PWDF_USB_PIPE_INFORMATION,
    ) -> WDFUSBPIPE {
        let interface: Obj<UsbInterface> = self.object(interface);
        if !out.is_null() && !self.has_pipe_information_size(out) {
            return ptr::null_mut();
        }
        let pipe = interface.pipes().get(usize::from(index)).cloned();
        let Some(pipe) = pipe else {
            return ptr::null_mut();
        };
        if !out.is_null() {
            self.put_pipe_information(&pipe, out);
        }
        pipe.handle()
    }

    /// `WdfUsbInterfaceSelectSetting`.
    pub(crate) fn wdf_usb_interface_select_setting(
        &self,
        interface: WDFUSBINTERFACE,
        attributes: PWDF_OBJECT_ATTRIBUTES,
        params: PWDF_USB_INTERFACE_SELECT_SETTING_PARAMS,
    ) -> NTSTATUS {
        let interface: Obj<UsbInterface> = self.object(interface);
        self.require(params, "Params");
        if !self.irql_at_most(PASSIVE_LEVEL) {
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        let params = self.get(params);
        if params.Size as usize != size_of::<_WDF_USB_INTERFACE_SELECT_SETTING_PARAMS>() {
            return STATUS_INFO_LENGTH_MISMATCH;
        }
        let attributes = match self.attributes(attributes, Rules::REQUEST) {
            Ok(attributes) => attributes,
            Err(status) => return status,
        };
        match params.Type {
            setting_types::WdfUsbInterfaceSelectSettingTypeDescriptor => {
                // SAFETY: the type says which member the driver set.
                let descriptor = unsafe { params.Types.Descriptor.InterfaceDescriptor };
                if descriptor.is_null() {
                    return STATUS_INVALID_PARAMETER;
                }
                let descriptor = self.get(descriptor);
                if interface.has_selected(descriptor.bAlternateSetting) {
                    return STATUS_SUCCESS;
                }
                if descriptor.bInterfaceNumber != interface.number {
                    return STATUS_INVALID_PARAMETER;
                }
                self.select_setting(
                    &interface,
                    &attributes,
                    descriptor.bAlternateSetting,
                    descriptor.bNumEndpoints,
                )
            }
            setting_types::WdfUsbInterfaceSelectSettingTypeSetting => {
                // SAFETY: the type says which member the driver set.
                let index = unsafe { params.Types.Interface.SettingIndex };
                if interface.has_selected(index) {
                    return STATUS_SUCCESS;
                }
                match interface
                    .setting(index)
                    .map(|setting| setting.declared_endpoints)
                {
                    Some(endpoints) => {
                        self.select_setting(&interface, &attributes, index, endpoints)
                    }
                    None => STATUS_INVALID_PARAMETER,
                }
            }
            setting_types::WdfUsbInterfaceSelectSettingTypeUrb => {
                // SAFETY: the type says which member the driver set.
                let urb = unsafe { params.Types.Urb.Urb };
                self.select_setting_by_driver_urb(&interface, &attributes, urb)
            }
            _ => STATUS_INVALID_PARAMETER,
        }
    }

    fn select_setting_by_driver_urb(
        &self,
        interface: &Obj<UsbInterface>,
        attributes: &Attributes,
        urb: PURB,
    ) -> NTSTATUS {
        urb.expose_provenance();
        // SAFETY: the DDI's contract is that the driver passes a URB of the length its header says, valid during the call.
        let Some(urb) = (unsafe { Urb::new(urb) }) else {
            return STATUS_INVALID_PARAMETER;
        };
        let shortest = size_of::<_URB_SELECT_INTERFACE>() - size_of::<_USBD_PIPE_INFORMATION>();
        if urb.function() != URB_FUNCTION_SELECT_INTERFACE || urb.length() < shortest {
            return STATUS_INVALID_PARAMETER;
        }
        self.select_setting_by_urb(interface, attributes, urb)
    }

    fn select_setting(
        &self,
        interface: &Obj<UsbInterface>,
        attributes: &Attributes,
        alternate: u8,
        endpoints: u8,
    ) -> NTSTATUS {
        if let Err(status) = self.pool_allocation() {
            return status;
        }
        let Some(memory) = self.select_interface_urb(interface, alternate, endpoints) else {
            return STATUS_INSUFFICIENT_RESOURCES;
        };
        self.select_setting_by_urb(interface, attributes, memory.urb())
    }

    /// The URB that selects a setting.
    pub(super) fn select_interface_urb(
        &self,
        interface: &Obj<UsbInterface>,
        alternate: u8,
        endpoints: u8,
    ) -> Option<UrbMemory> {
        let size = select_interface_size(usize::from(endpoints));
        let memory = UrbMemory::new(size)?;
        let urb = memory.begin(URB_FUNCTION_SELECT_INTERFACE, size);
        let handle = self
            .usb_device_of(interface.rc())
            .configuration_handle
            .get();
        urb.write(
            offset_of!(_URB_SELECT_INTERFACE, ConfigurationHandle),
            handle,
        );
        let place = offset_of!(_URB_SELECT_INTERFACE, Interface);
        write_information(urb, place, interface.number, alternate, endpoints);
        Some(memory)
    }

    fn select_setting_by_urb(
        &self,
        interface: &Obj<UsbInterface>,
        attributes: &Attributes,
        urb: Urb,
    ) -> NTSTATUS {
        let place = offset_of!(_URB_SELECT_INTERFACE, Interface);
        let alternate =
            urb.field::<u8>(place + offset_of!(_USBD_INTERFACE_INFORMATION, AlternateSetting));
        if alternate.is_some_and(|alternate| interface.has_selected(alternate)) {
            return STATUS_SUCCESS;
        }
        let device = self.usb_device_of(interface.rc());
        let request = self.take_internal_request();
        let status = match self.validate_target(&request, &device.target) {
            Ok(_) => self.replace_pipes(interface, attributes, urb, |system| {
                let options = own_options(true, seconds(2));
                system.submit_own_urb(&request, &device, urb, options)
            }),
            Err(status) => status,
        };
        self.return_internal_request(&request);
        status
    }

    /// Makes pipes for the setting, removes the old ones, and gives the interface the new ones if `select` succeeds.
    fn replace_pipes(
        &self,
        interface: &Obj<UsbInterface>,
        attributes: &Attributes,
        urb: Urb,
        select: impl FnOnce(&Self) -> NTSTATUS,
    ) -> NTSTATUS {
        let place = offset_of!(_URB_SELECT_INTERFACE, Interface);
        // How many pipes there are is told by the length that the sender gave.
        let length = urb
            .field::<u16>(place + offset_of!(_USBD_INTERFACE_INFORMATION, Length))
            .unwrap_or(0);
        let count =
            usize::from(length).saturating_sub(NO_PIPES) / size_of::<_USBD_PIPE_INFORMATION>();
        let pipes = match self.create_pipes(interface, count, attributes) {
            Ok(pipes) => pipes,
            Err(status) => return status,
        };
        if interface.is_configured() {
            self.remove_pipes(interface);
        }
        let status = select(self);
        if NT_SUCCESS(status) {
            self.take_setting(interface, urb, place, pipes);
        } else {
            self.discard_pipes(pipes);
        }
        status
    }

    /// As many pipes as a setting has endpoints, not yet described.
    pub(super) fn create_pipes(
        &self,
        interface: &Obj<UsbInterface>,
        count: usize,
        attributes: &Attributes,
    ) -> Result<Vec<Obj<UsbPipe>>, NTSTATUS> {
        self.pool_allocation()?;
        let mut pipes = Vec::with_capacity(count);
        for _ in 0..count {
            match self.create_pipe(interface.rc(), attributes) {
                Ok(pipe) => pipes.push(pipe),
                Err(status) => {
                    self.discard_pipes(pipes);
                    return Err(status);
                }
            }
        }
        Ok(pipes)
    }

    /// Unmakes pipes that nobody has seen.
    pub(super) fn discard_pipes(&self, pipes: Vec<Obj<UsbPipe>>) {
        for pipe in pipes {
            self.discard(pipe.rc());
        }
    }

    /// The interface now has these pipes, as the URB describes them.
    pub(super) fn take_setting(
        &self,
        interface: &Obj<UsbInterface>,
        urb: Urb,
        place: usize,
        pipes: Vec<Obj<UsbPipe>>,
    ) {
        let alternate =
            urb.field(place + offset_of!(_USBD_INTERFACE_INFORMATION, AlternateSetting));
        interface.current.set(alternate.unwrap_or(0));
        for (index, pipe) in pipes.iter().enumerate() {
            if let Some(information) = urb.field(place + information_size(index)) {
                pipe.information.set(information);
            }
        }
        *interface.pipes.borrow_mut() = Some(pipes);
    }

    /// Removes the pipes of an interface: their I/O is cancelled and waited for.
    pub(super) fn remove_pipes(&self, interface: &Obj<UsbInterface>) {
        let targets: Vec<_> = interface
            .pipes()
            .iter()
            .map(Obj::<UsbPipe>::io_target)
            .collect();
        self.stop_sending(&targets, TargetState::Deleted);
        let pipes = interface.pipes.borrow_mut().take();
        for pipe in pipes.unwrap_or_default() {
            self.delete_object(&Rc::clone(pipe.rc()));
        }
    }
}

impl UsbInterface {
    pub(super) fn pipe_count(&self) -> u8 {
        u8::try_from(self.pipes.borrow().as_ref().map_or(0, Vec::len)).unwrap_or(u8::MAX)
    }

    fn has_selected(&self, alternate: u8) -> bool {
        self.is_configured() && self.current.get() == alternate
    }
}
