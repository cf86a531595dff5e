//! Devices: making one, its PnP and power callbacks.

use core::fmt;
use core::marker::PhantomData;
use core::ptr::{self, NonNull};

use crate::caller_context;
use crate::ffi;
use crate::io_target::IoTarget;
use crate::irql::require_passive;
use crate::object::{
    Context, Object, attributes_with_context, context, initialise, object, size_of_u32,
};
use crate::status::{Error, NtStatus, Result};

object! {
    /// A device of this driver, with a context of type `D`.
    ///
    /// It is borrowed for a callback: the framework keeps a device until its callbacks have
    /// returned.
    #[doc(alias = "WDFDEVICE")]
    pub struct Device<D> = ffi::WDFDEVICE__;
}

impl<D> Device<D> {
    /// The next-lower driver of the device's stack: where a filter, or the function driver of a
    /// bus, sends requests.
    ///
    /// The framework starts it with the device, and neither stops nor purges it when the device
    /// powers down or is removed.
    ///
    /// C:
    /// [`WdfDeviceGetIoTarget`](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfdevice/nf-wdfdevice-wdfdevicegetiotarget).
    /// IRQL: up to `DISPATCH_LEVEL`.
    ///
    /// # Errors
    ///
    /// * `STATUS_INVALID_DEVICE_REQUEST`: the device has none (a control device).
    #[doc(alias = "WdfDeviceGetIoTarget")]
    pub fn io_target(&self) -> Result<&IoTarget> {
        // SAFETY: the device is live.
        let target = unsafe { ffi::WdfDeviceGetIoTarget(self.as_raw()) };
        let target = NonNull::new(target).ok_or(Error::INVALID_DEVICE_REQUEST)?;
        // SAFETY: the default target is part of the device and exists as long as it.
        Ok(unsafe { IoTarget::from_raw(target) })
    }

    /// Registers an interface of the device, by which applications find and open it. The framework
    /// enables it when the device has started.
    ///
    /// C:
    /// [`WdfDeviceCreateDeviceInterface`](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfdevice/nf-wdfdevice-wdfdevicecreatedeviceinterface),
    /// without a reference string. IRQL: `PASSIVE_LEVEL`.
    ///
    /// # Errors
    ///
    /// * `STATUS_INVALID_DEVICE_REQUEST`: not at `PASSIVE_LEVEL`.
    /// * `STATUS_INSUFFICIENT_RESOURCES`: no memory.
    /// * any other: that of registering the interface.
    #[doc(alias = "WdfDeviceCreateDeviceInterface")]
    pub fn create_device_interface(&self, class: &Guid) -> Result {
        require_passive()?;
        // SAFETY: the device is live, the GUID lives through the call, and no reference string is
        // given.
        let status = unsafe {
            ffi::WdfDeviceCreateDeviceInterface(self.as_raw(), &raw const class.0, ptr::null())
        };
        NtStatus::from_raw(status).ok().map(drop)
    }

    /// The device object this device is attached to; null for none.
    ///
    /// C:
    /// [`WdfDeviceWdmGetAttachedDevice`](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfdevice/nf-wdfdevice-wdfdevicewdmgetattacheddevice).
    #[doc(alias = "WdfDeviceWdmGetAttachedDevice")]
    #[must_use]
    pub fn attached_device(&self) -> ffi::PDEVICE_OBJECT {
        // SAFETY: the device is live.
        unsafe { ffi::WdfDeviceWdmGetAttachedDevice(self.as_raw()) }
    }
}

impl<D: Context> Device<D> {
    /// The device's context.
    ///
    /// # Errors
    ///
    /// * `STATUS_INVALID_DEVICE_STATE`: it is not there yet, which [`DeviceInit::create`] rules out
    ///   for everybody else.
    #[doc(alias = "WdfObjectGetTypedContextWorker")]
    #[inline]
    pub fn context(&self) -> Result<&D> {
        // SAFETY: the device lives as long as `self`, and with it its context.
        unsafe { context(self.as_object()) }.ok_or(Error::INVALID_DEVICE_STATE)
    }
}

/// A GUID: what tells a class of device interfaces from every other.
///
/// ```
/// use kmdf::Guid;
///
/// // {a5dcbf10-6530-11d2-901f-00c04fb951ed}, GUID_DEVINTERFACE_USB_DEVICE
/// const USB_DEVICE: Guid = Guid::from_u128(0xa5dcbf10_6530_11d2_901f_00c04fb951ed);
/// ```
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub struct Guid(ffi::GUID);

impl Guid {
    /// The GUID whose digits, without the hyphens, are those of `value` in hexadecimal.
    #[must_use]
    pub const fn from_u128(value: u128) -> Self {
        let [a, b, c, d, e, f, g, h, rest @ ..] = value.to_be_bytes();
        Self(ffi::GUID {
            Data1: u32::from_be_bytes([a, b, c, d]),
            Data2: u16::from_be_bytes([e, f]),
            Data3: u16::from_be_bytes([g, h]),
            Data4: rest,
        })
    }
}

/// How a device gets the data of reads and writes.
#[doc(alias = "WDF_DEVICE_IO_TYPE")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IoType {
    /// As a copy in kernel memory.
    Buffered,
    /// As locked pages, by MDL.
    Direct,
    /// As the caller's bare address, see [`DeviceInit::lock_caller_buffers`].
    Neither,
}

/// What a device will be, until it is made. Borrowed for
/// [`Driver::evt_device_add`](crate::Driver::evt_device_add).
///
/// C: [`WDFDEVICE_INIT`](https://learn.microsoft.com/windows-hardware/drivers/wdf/wdfdevice_init).
///
/// # Invariants
///
/// `*init` is the framework's structure, of which no device was made yet.
#[doc(alias = "WDFDEVICE_INIT")]
pub struct DeviceInit<'a, D> {
    init: &'a mut ffi::PWDFDEVICE_INIT,
    _context: PhantomData<fn() -> D>,
}

impl<'a, D: Context> DeviceInit<'a, D> {
    /// # Safety
    ///
    /// `*init` is the structure that the framework passed to the current EvtDriverDeviceAdd.
    pub(crate) unsafe fn new(init: &'a mut ffi::PWDFDEVICE_INIT) -> Self {
        Self {
            init,
            _context: PhantomData,
        }
    }

    /// Makes the device a filter: requests that its queues do not take go down unchanged, it does
    /// not own the power policy, and it does I/O as the device below does.
    ///
    /// C:
    /// [`WdfFdoInitSetFilter`](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdffdo/nf-wdffdo-wdffdoinitsetfilter).
    #[doc(alias = "WdfFdoInitSetFilter")]
    pub fn set_filter(&mut self) {
        // SAFETY: `*init` is live (the type's invariant).
        unsafe { ffi::WdfFdoInitSetFilter(*self.init) };
    }

    /// How the device gets the data of reads and writes; buffered when not called. Without effect
    /// for a filter.
    ///
    /// C:
    /// [`WdfDeviceInitSetIoType`](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfdevice/nf-wdfdevice-wdfdeviceinitsetiotype).
    #[doc(alias = "WdfDeviceInitSetIoType")]
    pub fn set_io_type(&mut self, io_type: IoType) {
        let io_type = match io_type {
            IoType::Buffered => ffi::IO_BUFFERED,
            IoType::Direct => ffi::IO_DIRECT,
            IoType::Neither => ffi::IO_NEITHER,
        };
        // SAFETY: `*init` is live.
        unsafe { ffi::WdfDeviceInitSetIoType(*self.init, io_type) };
    }

    /// For devices that do neither buffered nor direct I/O, as a filter over such a one: locks the
    /// data of every write while the application's thread is there, so that
    /// [`Received::input_memory`](crate::Received::input_memory) has it later. Without effect for
    /// the other I/O types.
    ///
    /// C:
    /// [`WdfDeviceInitSetIoInCallerContextCallback`](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfdevice/nf-wdfdevice-wdfdeviceinitsetioincallercontextcallback)
    /// and
    /// [`WdfRequestProbeAndLockUserBufferForRead`](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfrequest/nf-wdfrequest-wdfrequestprobeandlockuserbufferforread).
    /// A write whose address is bad fails with the status of the probe, `STATUS_ACCESS_VIOLATION`,
    /// before the driver sees it.
    #[doc(alias = "EvtIoInCallerContext")]
    #[doc(alias = "WdfDeviceInitSetIoInCallerContextCallback")]
    #[doc(alias = "WdfRequestProbeAndLockUserBufferForRead")]
    pub fn lock_caller_buffers(&mut self) {
        // SAFETY: `*init` is live.
        unsafe { caller_context::register(*self.init) };
    }

    /// Has `D`'s PnP and power callbacks called.
    ///
    /// C:
    /// [`WdfDeviceInitSetPnpPowerEventCallbacks`](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfdevice/nf-wdfdevice-wdfdeviceinitsetpnppowereventcallbacks).
    #[doc(alias = "WdfDeviceInitSetPnpPowerEventCallbacks")]
    pub fn set_pnp_power_callbacks(&mut self)
    where
        D: PnpPowerCallbacks,
    {
        let mut callbacks = ffi::WDF_PNPPOWER_EVENT_CALLBACKS {
            Size: size_of_u32::<ffi::WDF_PNPPOWER_EVENT_CALLBACKS>(),
            EvtDevicePrepareHardware: Some(evt_device_prepare_hardware::<D>),
            EvtDeviceReleaseHardware: Some(evt_device_release_hardware::<D>),
            EvtDeviceD0Entry: Some(evt_device_d0_entry::<D>),
            EvtDeviceD0Exit: Some(evt_device_d0_exit::<D>),
            EvtDeviceSelfManagedIoInit: Some(evt_device_self_managed_io_init::<D>),
            EvtDeviceSelfManagedIoSuspend: Some(evt_device_self_managed_io_suspend::<D>),
            EvtDeviceSelfManagedIoRestart: Some(evt_device_self_managed_io_restart::<D>),
            EvtDeviceSelfManagedIoFlush: Some(evt_device_self_managed_io_flush::<D>),
            EvtDeviceSelfManagedIoCleanup: Some(evt_device_self_managed_io_cleanup::<D>),
            EvtDeviceSurpriseRemoval: Some(evt_device_surprise_removal::<D>),
            ..Default::default()
        };
        // SAFETY: `*init` is live; the framework copies the structure.
        unsafe { ffi::WdfDeviceInitSetPnpPowerEventCallbacks(*self.init, &raw mut callbacks) };
    }

    /// Makes the device, with `context`. Queues are made next, before
    /// [`Driver::evt_device_add`](crate::Driver::evt_device_add) returns.
    ///
    /// C:
    /// [`WdfDeviceCreate`](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfdevice/nf-wdfdevice-wdfdevicecreate).
    ///
    /// # Errors
    ///
    /// * `STATUS_NO_SUCH_DEVICE`: it could not be attached to the stack.
    /// * `STATUS_INSUFFICIENT_RESOURCES`: no memory.
    ///
    /// `context` is dropped then.
    #[doc(alias = "WdfDeviceCreate")]
    pub fn create(self, context: D) -> Result<&'a Device<D>> {
        let mut attributes = attributes_with_context::<D>();
        let mut handle = ptr::null_mut();
        // SAFETY: `*init` is live, and of no further use to anybody: `self` was taken by value. The
        // rest are locals that live through the call.
        let status =
            unsafe { ffi::WdfDeviceCreate(self.init, &raw mut attributes, &raw mut handle) };
        NtStatus::from_raw(status).ok()?;
        let handle = NonNull::new(handle).ok_or(Error::INTERNAL_ERROR)?;
        // SAFETY: just created with these attributes. The framework calls none of the device's
        // callbacks before EvtDriverDeviceAdd returns.
        unsafe { initialise(handle.as_ptr().cast(), context) };
        // SAFETY: the device is deleted at the earliest after EvtDriverDeviceAdd returned, which
        // `'a` does not outlive.
        Ok(unsafe { Device::from_raw(handle) })
    }
}

impl<D> fmt::Debug for DeviceInit<'_, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceInit").finish_non_exhaustive()
    }
}

/// A device power state, as the power callbacks get it.
#[doc(alias = "WDF_POWER_DEVICE_STATE")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PowerState {
    /// Working.
    D0,
    /// Low power.
    D1,
    /// Lower.
    D2,
    /// Off, or nearly.
    D3,
    /// Off for good: the device is being removed or stopped.
    D3Final,
    /// Off for hibernation, on the hibernation path.
    PrepareForHibernation,
    /// None of these: before the first D0.
    Invalid,
}

impl PowerState {
    fn from_raw(state: ffi::WDF_POWER_DEVICE_STATE) -> Self {
        match state {
            ffi::POWER_DEVICE_D0 => Self::D0,
            ffi::POWER_DEVICE_D1 => Self::D1,
            ffi::POWER_DEVICE_D2 => Self::D2,
            ffi::POWER_DEVICE_D3 => Self::D3,
            ffi::POWER_DEVICE_D3_FINAL => Self::D3Final,
            ffi::POWER_DEVICE_PREPARE_FOR_HIBERNATION => Self::PrepareForHibernation,
            _ => Self::Invalid,
        }
    }
}

/// A device's PnP and power callbacks; each has a default that does nothing. All are called at
/// `PASSIVE_LEVEL`, one at a time for a device.
///
/// Start: prepare hardware, D0 entry, self-managed I/O init. Removal: self-managed I/O suspend,
/// (power-managed queues stop), D0 exit, release hardware, self-managed I/O flush and cleanup; a
/// surprise removal is told first.
///
/// C: [PnP and power management
/// callbacks](https://learn.microsoft.com/windows-hardware/drivers/wdf/supporting-pnp-and-power-management-in-function-drivers).
#[doc(alias = "WDF_PNPPOWER_EVENT_CALLBACKS")]
#[expect(unused_variables, reason = "the defaults do nothing")]
pub trait PnpPowerCallbacks: Context {
    /// The device's resources are assigned.
    ///
    /// # Errors
    ///
    /// Any: the device is not started, with this status.
    #[doc(alias = "EvtDevicePrepareHardware")]
    fn evt_device_prepare_hardware(&self, device: &Device<Self>) -> Result {
        Ok(())
    }

    /// The device's resources go away. Called too when preparing them failed.
    ///
    /// # Errors
    ///
    /// Any: the framework notes it.
    #[doc(alias = "EvtDeviceReleaseHardware")]
    fn evt_device_release_hardware(&self, device: &Device<Self>) -> Result {
        Ok(())
    }

    /// The device entered D0.
    ///
    /// # Errors
    ///
    /// Any: the device is not started; a start fails with `STATUS_DEVICE_POWER_FAILURE`.
    #[doc(alias = "EvtDeviceD0Entry")]
    fn evt_device_d0_entry(&self, device: &Device<Self>, previous: PowerState) -> Result {
        Ok(())
    }

    /// The device is about to leave D0.
    ///
    /// # Errors
    ///
    /// Any: the device is failed.
    #[doc(alias = "EvtDeviceD0Exit")]
    fn evt_device_d0_exit(&self, device: &Device<Self>, target: PowerState) -> Result {
        Ok(())
    }

    /// I/O that no queue controls may begin, for the first time.
    ///
    /// # Errors
    ///
    /// Any: the start fails with `STATUS_DEVICE_POWER_FAILURE`.
    #[doc(alias = "EvtDeviceSelfManagedIoInit")]
    fn evt_device_self_managed_io_init(&self, device: &Device<Self>) -> Result {
        Ok(())
    }

    /// I/O that no queue controls must cease. The first callback of a power-down or removal, before
    /// the power-managed queues stop: here a driver makes the requests it has sent come back.
    ///
    /// # Errors
    ///
    /// Any: the device is failed.
    #[doc(alias = "EvtDeviceSelfManagedIoSuspend")]
    fn evt_device_self_managed_io_suspend(&self, device: &Device<Self>) -> Result {
        Ok(())
    }

    /// I/O that no queue controls may go on after a suspend.
    ///
    /// # Errors
    ///
    /// Any: the device is failed.
    #[doc(alias = "EvtDeviceSelfManagedIoRestart")]
    fn evt_device_self_managed_io_restart(&self, device: &Device<Self>) -> Result {
        Ok(())
    }

    /// The device is gone: I/O that no queue controls must be given up.
    #[doc(alias = "EvtDeviceSelfManagedIoFlush")]
    fn evt_device_self_managed_io_flush(&self, device: &Device<Self>) {}

    /// The last callback: what self-managed I/O init made is unmade.
    #[doc(alias = "EvtDeviceSelfManagedIoCleanup")]
    fn evt_device_self_managed_io_cleanup(&self, device: &Device<Self>) {}

    /// The device was pulled out. The callbacks of a removal follow.
    #[doc(alias = "EvtDeviceSurpriseRemoval")]
    fn evt_device_surprise_removal(&self, device: &Device<Self>) {}
}

/// Calls `callback` with the device of the current callback and its context.
///
/// # Safety
///
/// `handle` is the live device, with a context of type `D`, that the framework passed to the
/// callback that is running.
unsafe fn with_device<D: Context, R>(
    handle: ffi::WDFDEVICE,
    callback: impl FnOnce(&D, &Device<D>) -> R,
) -> Result<R> {
    let handle = NonNull::new(handle).ok_or(Error::INTERNAL_ERROR)?;
    // SAFETY: the device lives until the callback returns.
    let device = unsafe { Device::from_raw(handle) };
    Ok(callback(device.context()?, device))
}

fn status_of(result: Result<Result>) -> ffi::NTSTATUS {
    match result {
        Ok(Ok(())) => ffi::STATUS_SUCCESS,
        Ok(Err(error)) | Err(error) => error.status().into_raw(),
    }
}

macro_rules! pnp_trampolines {
    ($($(#[$meta:meta])* fn $name:ident($($argument:ident: $type:ty => $value:expr),*) -> status;)*) => {$(
        $(#[$meta])*
        unsafe extern "C" fn $name<D: PnpPowerCallbacks>(device: ffi::WDFDEVICE $(, $argument: $type)*) -> ffi::NTSTATUS {
            // SAFETY: the framework calls this for devices created with the context `D`, which
            // registered it.
            status_of(unsafe { with_device(device, |context: &D, device| context.$name(device $(, $value)*)) })
        }
    )*};
    ($($(#[$meta:meta])* fn $name:ident();)*) => {$(
        $(#[$meta])*
        unsafe extern "C" fn $name<D: PnpPowerCallbacks>(device: ffi::WDFDEVICE) {
            // SAFETY: the framework calls this for devices created with the context `D`, which
            // registered it. A device without is ignored.
            let _ignored = unsafe { with_device(device, |context: &D, device| context.$name(device)) };
        }
    )*};
}

pnp_trampolines! {
    fn evt_device_d0_entry(previous: ffi::WDF_POWER_DEVICE_STATE => PowerState::from_raw(previous)) -> status;
    fn evt_device_d0_exit(target: ffi::WDF_POWER_DEVICE_STATE => PowerState::from_raw(target)) -> status;
    fn evt_device_self_managed_io_init() -> status;
    fn evt_device_self_managed_io_suspend() -> status;
    fn evt_device_self_managed_io_restart() -> status;
}

pnp_trampolines! {
    fn evt_device_self_managed_io_flush();
    fn evt_device_self_managed_io_cleanup();
    fn evt_device_surprise_removal();
}

unsafe extern "C" fn evt_device_prepare_hardware<D: PnpPowerCallbacks>(
    device: ffi::WDFDEVICE,
    _raw: ffi::WDFCMRESLIST,
    _translated: ffi::WDFCMRESLIST,
) -> ffi::NTSTATUS {
    // SAFETY: as in `pnp_trampolines`.
    status_of(unsafe {
        with_device(device, |context: &D, device| {
            context.evt_device_prepare_hardware(device)
        })
    })
}

unsafe extern "C" fn evt_device_release_hardware<D: PnpPowerCallbacks>(
    device: ffi::WDFDEVICE,
    _translated: ffi::WDFCMRESLIST,
) -> ffi::NTSTATUS {
    // SAFETY: as in `pnp_trampolines`.
    status_of(unsafe {
        with_device(device, |context: &D, device| {
            context.evt_device_release_hardware(device)
        })
    })
}
