//! WDFUSBDEVICE and WDFUSBINTERFACE: from the device to its pipes.

use core::fmt;
use core::marker::PhantomData;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicU64, Ordering};

use super::pipe::{Any, PipeKey, UsbPipe};
use crate::device::Device;
use crate::exclusive::Exclusive;
use crate::ffi;
use crate::irql::require_passive;
use crate::object::{Created, Object, attributes, context, context_at_first_use, size_of_u32};
use crate::status::{Error, NtStatus, Result};

/// A USB device, by its WDF object, until its configuration is selected. Created in
/// [`evt_device_prepare_hardware`](crate::PnpPowerCallbacks::evt_device_prepare_hardware), deleted
/// when dropped. It borrows the device it is of, which it cannot outlive.
///
/// C: [Working with USB
/// devices](https://learn.microsoft.com/windows-hardware/drivers/wdf/working-with-usb-devices).
#[doc(alias = "WDFUSBDEVICE")]
pub struct UsbDevice<'d> {
    object: Created<ffi::WDFUSBDEVICE__>,
    _device: PhantomData<&'d ()>,
}

/// Taken while a device has a USB device: a second one would select the configuration anew under the
/// first one's pipes.
struct UsbClaim(Exclusive);

crate::context!(UsbClaim);

/// EvtCleanupCallback of the USB device: another may be created.
unsafe extern "C" fn evt_usb_device_cleanup(object: ffi::WDFOBJECT) {
    // SAFETY: the object is a USB device, which is an I/O target, and lives through its cleanup.
    let device = unsafe { ffi::WdfIoTargetGetDevice(object.cast()) };
    // SAFETY: the device is the parent, whose contexts outlive the cleanup of its children.
    if let Some(UsbClaim(exclusive)) = unsafe { context(device.cast()) } {
        exclusive.release();
    }
}

impl<'d> UsbDevice<'d> {
    /// Reads the device's descriptors and makes its interfaces known.
    ///
    /// C:
    /// [`WdfUsbTargetDeviceCreateWithParameters`](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfusb/nf-wdfusb-wdfusbtargetdevicecreatewithparameters),
    /// for client contract version 0x602. IRQL: `PASSIVE_LEVEL`.
    ///
    /// # Errors
    ///
    /// * `STATUS_INVALID_DEVICE_REQUEST`: not at `PASSIVE_LEVEL`, or the descriptors name
    ///   interfaces that are not there.
    /// * `STATUS_INVALID_PARAMETER`, `STATUS_UNSUCCESSFUL`, `STATUS_DEVICE_DATA_ERROR`: the
    ///   descriptors are malformed.
    /// * `STATUS_INSUFFICIENT_RESOURCES`: no memory.
    /// * `STATUS_DEVICE_BUSY`: `device` has a USB device, or a configuration made of one, already.
    /// * any other: the USB stack's.
    #[doc(alias = "WdfUsbTargetDeviceCreate")]
    #[doc(alias = "WdfUsbTargetDeviceCreateWithParameters")]
    pub fn create<D>(device: &'d Device<D>) -> Result<Self> {
        require_passive()?;
        // SAFETY: the device is live, and only this function makes a context of that type.
        let UsbClaim(exclusive) =
            unsafe { context_at_first_use(device.as_object(), || UsbClaim(Exclusive::new())) }?;
        if !exclusive.claim() {
            return Err(Error::DEVICE_BUSY);
        }
        let created = Self::create_claimed(device);
        if created.is_err() {
            // There is no object whose cleanup would.
            exclusive.release();
        }
        created
    }

    fn create_claimed<D>(device: &'d Device<D>) -> Result<Self> {
        let mut config = ffi::WDF_USB_DEVICE_CREATE_CONFIG {
            Size: size_of_u32::<ffi::WDF_USB_DEVICE_CREATE_CONFIG>(),
            USBDClientContractVersion: ffi::USBD_CLIENT_CONTRACT_VERSION_602,
        };
        let mut attributes = ffi::WDF_OBJECT_ATTRIBUTES {
            EvtCleanupCallback: Some(evt_usb_device_cleanup),
            ..attributes()
        };
        let mut handle = ptr::null_mut();
        // SAFETY: the device is live; the other pointers are to locals that live through the call.
        let status = unsafe {
            ffi::WdfUsbTargetDeviceCreateWithParameters(
                device.as_raw(),
                &raw mut config,
                &raw mut attributes,
                &raw mut handle,
            )
        };
        NtStatus::from_raw(status).ok()?;
        let handle = NonNull::new(handle).ok_or(Error::INTERNAL_ERROR)?;
        // SAFETY: the framework just made the object for us.
        let object = unsafe { Created::new(handle) };
        Ok(Self {
            object,
            _device: PhantomData,
        })
    }

    /// Selects the device's configuration, with alternate setting 0 of every interface, and lets
    /// `pick` choose among its pipes.
    ///
    /// `pick` gets the interfaces for as long as it runs and returns what the driver keeps, usually
    /// a [`PipeKey`] or several.
    ///
    /// C:
    /// [`WdfUsbTargetDeviceSelectConfig`](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfusb/nf-wdfusb-wdfusbtargetdeviceselectconfig)
    /// with the type single interface, or multiple interfaces where the device has several. IRQL:
    /// `PASSIVE_LEVEL`.
    ///
    /// # Errors
    ///
    /// * `STATUS_INVALID_DEVICE_REQUEST`: not at `PASSIVE_LEVEL`.
    /// * `STATUS_INSUFFICIENT_RESOURCES`: no memory.
    /// * any other: the USB stack's, or `pick`'s.
    ///
    /// The USB device is dropped then.
    #[doc(alias = "WdfUsbTargetDeviceSelectConfig")]
    #[doc(alias = "WDF_USB_DEVICE_SELECT_CONFIG_PARAMS_INIT_SINGLE_INTERFACE")]
    #[doc(alias = "WDF_USB_DEVICE_SELECT_CONFIG_PARAMS_INIT_MULTIPLE_INTERFACES")]
    pub fn select_config<T>(
        self,
        pick: impl FnOnce(&UsbInterfaces<'_>) -> Result<T>,
    ) -> Result<(UsbConfiguration, T)> {
        require_passive()?;
        let mut params = ffi::WDF_USB_DEVICE_SELECT_CONFIG_PARAMS {
            Size: size_of_u32::<ffi::WDF_USB_DEVICE_SELECT_CONFIG_PARAMS>(),
            Type: if num_interfaces(&self.object) == 1 {
                ffi::SELECT_CONFIG_SINGLE_INTERFACE
            } else {
                ffi::SELECT_CONFIG_MULTI_INTERFACE
            },
            ..Default::default()
        };
        // SAFETY: the USB device is live; no pipe attributes; `params` lives through the call. With
        // the pairs NULL, all zero, the framework takes setting 0 of every interface.
        let status = unsafe {
            ffi::WdfUsbTargetDeviceSelectConfig(
                self.object.as_ptr(),
                ptr::null_mut(),
                &raw mut params,
            )
        };
        NtStatus::from_raw(status).ok()?;
        // Never wraps: at a thousand a second it would take 500 million years.
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let configuration = UsbConfiguration {
            object: self.object,
            id: NEXT.fetch_add(1, Ordering::Relaxed),
        };
        let picked = pick(&UsbInterfaces {
            configuration: &configuration,
        })?;
        Ok((configuration, picked))
    }
}

fn num_interfaces(usb_device: &Created<ffi::WDFUSBDEVICE__>) -> u8 {
    // SAFETY: the USB device is live.
    unsafe { ffi::WdfUsbTargetDeviceGetNumInterfaces(usb_device.as_ptr()) }
}

impl fmt::Debug for UsbDevice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("UsbDevice").field(&self.object).finish()
    }
}

/// A USB device whose configuration is selected. Its pipes cannot be used beyond it.
///
/// Keep it where callbacks find it while the hardware is there, in a [`Rundown`](crate::Rundown).
/// Dropping it deletes the USB device; another can be created then.
#[derive(Debug)]
pub struct UsbConfiguration {
    object: Created<ffi::WDFUSBDEVICE__>,
    /// Unlike that of any other configuration of any device in this driver.
    id: u64,
}

// SAFETY: a USB target may be used from any thread; the framework locks it.
unsafe impl Send for UsbConfiguration {}
// SAFETY: as for Send.
unsafe impl Sync for UsbConfiguration {}

impl UsbConfiguration {
    /// The pipe that `key` was made from.
    ///
    /// # Errors
    ///
    /// * `STATUS_INVALID_DEVICE_STATE`: `key` is of another configuration.
    #[inline]
    pub fn pipe<'c, D>(&'c self, key: &'c PipeKey<D>) -> Result<UsbPipe<'c, D>> {
        if key.configuration() != self.id {
            return Err(Error::INVALID_DEVICE_STATE);
        }
        Ok(key.pipe())
    }
}

/// The interfaces of a configuration, while the driver picks its pipes.
#[derive(Debug, Clone, Copy)]
pub struct UsbInterfaces<'c> {
    configuration: &'c UsbConfiguration,
}

impl<'c> UsbInterfaces<'c> {
    /// All interfaces, in the order of the configuration descriptor.
    ///
    /// C:
    /// [`WdfUsbTargetDeviceGetInterface`](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfusb/nf-wdfusb-wdfusbtargetdevicegetinterface).
    #[doc(alias = "WdfUsbTargetDeviceGetNumInterfaces")]
    #[doc(alias = "WdfUsbTargetDeviceGetInterface")]
    pub fn iter(&self) -> impl Iterator<Item = UsbInterface<'c>> + use<'c> {
        let configuration = self.configuration;
        (0..num_interfaces(&configuration.object)).filter_map(move |index| {
            // SAFETY: the USB device is live; an index out of range gives NULL.
            let handle = unsafe {
                ffi::WdfUsbTargetDeviceGetInterface(configuration.object.as_ptr(), index)
            };
            // INVARIANT: an interface of the live device.
            NonNull::new(handle).map(|handle| UsbInterface {
                handle,
                configuration,
            })
        })
    }

    /// All configured pipes of all interfaces.
    pub fn pipes(&self) -> impl Iterator<Item = UsbPipe<'c, Any>> + use<'c> {
        self.iter().flat_map(|interface| interface.pipes())
    }
}

/// One interface of a configuration.
///
/// # Invariants
///
/// `handle` is an interface of the configuration's device, which is borrowed together with a
/// callback's device while interfaces are to be had.
#[doc(alias = "WDFUSBINTERFACE")]
#[derive(Clone, Copy)]
pub struct UsbInterface<'c> {
    handle: NonNull<ffi::WDFUSBINTERFACE__>,
    configuration: &'c UsbConfiguration,
}

impl<'c> UsbInterface<'c> {
    /// `bInterfaceNumber`.
    ///
    /// C:
    /// [`WdfUsbInterfaceGetInterfaceNumber`](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfusb/nf-wdfusb-wdfusbinterfacegetinterfacenumber).
    #[doc(alias = "WdfUsbInterfaceGetInterfaceNumber")]
    #[must_use]
    pub fn number(&self) -> u8 {
        // SAFETY: the interface is live (the type's invariant).
        unsafe { ffi::WdfUsbInterfaceGetInterfaceNumber(self.handle.as_ptr()) }
    }

    /// The configured pipes, in the order of the endpoint descriptors.
    ///
    /// C:
    /// [`WdfUsbInterfaceGetConfiguredPipe`](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfusb/nf-wdfusb-wdfusbinterfacegetconfiguredpipe).
    #[doc(alias = "WdfUsbInterfaceGetNumConfiguredPipes")]
    #[doc(alias = "WdfUsbInterfaceGetConfiguredPipe")]
    pub fn pipes(&self) -> impl Iterator<Item = UsbPipe<'c, Any>> + use<'c> {
        let (handle, configuration) = (self.handle, self.configuration);
        // SAFETY: the interface is live.
        let count = unsafe { ffi::WdfUsbInterfaceGetNumConfiguredPipes(handle.as_ptr()) };
        (0..count).filter_map(move |index| {
            let mut information = ffi::WDF_USB_PIPE_INFORMATION {
                Size: size_of_u32::<ffi::WDF_USB_PIPE_INFORMATION>(),
                ..Default::default()
            };
            // SAFETY: the interface is live, `information` has the right size; an index out of
            // range gives NULL.
            let pipe = unsafe {
                ffi::WdfUsbInterfaceGetConfiguredPipe(handle.as_ptr(), index, &raw mut information)
            };
            // SAFETY: a configured pipe of the configuration, described by `information`.
            NonNull::new(pipe)
                .map(|pipe| unsafe { UsbPipe::from_raw(pipe, &information, configuration.id) })
        })
    }
}

impl fmt::Debug for UsbInterface<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UsbInterface")
            .field("handle", &self.handle)
            .finish_non_exhaustive()
    }
}

/// The configuration's lifetime, as the pipes carry it.
pub(super) type OfConfiguration<'c> = PhantomData<&'c UsbConfiguration>;
