//! DriverEntry, and the driver object.

use core::fmt;
use core::marker::PhantomData;
use core::ptr::{self, NonNull};

use widestring::Utf16Str;

use crate::device::DeviceInit;
use crate::ffi;
use crate::object::{Context, attributes_with_context, context, initialise, size_of_u32};
use crate::status::{Error, ErrorKind, NtStatus, Result};
use crate::unicode_string::UnicodeString;

/// A driver: what is made when it is loaded, and dropped when it is unloaded.
///
/// [`driver!`](crate::driver) makes a type that implements this the driver of its crate.
pub trait Driver: Context {
    /// Context of the devices this driver makes.
    type Device: Context;

    /// DriverEntry: the driver was loaded. `parameters` are its own, in the registry.
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    ///
    /// # Errors
    ///
    /// Any; the driver is not loaded then, and Windows reports the status.
    fn load(parameters: &Parameters<'_>) -> Result<Self>;

    /// A device arrived whose stack this driver is part of. The driver makes its device by
    /// [`DeviceInit::create`], and queues for it.
    ///
    /// C:
    /// [`EVT_WDF_DRIVER_DEVICE_ADD`](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfdriver/nc-wdfdriver-evt_wdf_driver_device_add).
    /// IRQL: `PASSIVE_LEVEL`.
    ///
    /// # Errors
    ///
    /// Any; a device that was made is deleted again. Of a filter ([`DeviceInit::set_filter`]) the
    /// stack is started without it.
    #[doc(alias = "EvtDriverDeviceAdd")]
    fn evt_device_add(&self, init: DeviceInit<'_, Self::Device>) -> Result;

    /// The driver is about to be unloaded; all its devices are gone.
    ///
    /// C:
    /// [`EVT_WDF_DRIVER_UNLOAD`](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfdriver/nc-wdfdriver-evt_wdf_driver_unload).
    /// IRQL: `PASSIVE_LEVEL`.
    #[doc(alias = "EvtDriverUnload")]
    fn evt_driver_unload(&self) {}
}

/// Makes a type the driver of this crate: defines `driver_entry`, and exports it as `DriverEntry`
/// where a driver image is built (feature `image` or `wdk`).
///
/// The type also becomes a [`Context`](crate::Context), of the driver object.
#[macro_export]
macro_rules! driver {
    ($type:ty) => {
        $crate::context!($type);
        $crate::__driver_entry!($type);
    };
}

/// What `driver!` makes of DriverEntry.
///
/// # Safety
///
/// Called once by the framework's FxDriverEntry, with a driver object and registry path that live
/// through the call.
#[doc(hidden)]
pub unsafe fn entry<D: Driver>(
    driver: ffi::PDRIVER_OBJECT,
    registry_path: ffi::PCUNICODE_STRING,
) -> ffi::NTSTATUS {
    // SAFETY: the caller's contract is ours.
    let status = match unsafe { load::<D>(driver, registry_path) } {
        Ok(()) => NtStatus::SUCCESS,
        Err(error) => error.status(),
    };
    status.into_raw()
}

/// # Safety
///
/// As [`entry`].
unsafe fn load<D: Driver>(
    driver: ffi::PDRIVER_OBJECT,
    registry_path: ffi::PCUNICODE_STRING,
) -> Result {
    let mut attributes = attributes_with_context::<D>();
    let mut config = ffi::WDF_DRIVER_CONFIG {
        Size: size_of_u32::<ffi::WDF_DRIVER_CONFIG>(),
        EvtDriverDeviceAdd: Some(evt_driver_device_add::<D>),
        EvtDriverUnload: Some(evt_driver_unload::<D>),
        ..Default::default()
    };
    let mut handle = ptr::null_mut();
    // SAFETY: driver object and registry path are valid by the caller's word, the rest are locals
    // that live through the call.
    let status = unsafe {
        ffi::WdfDriverCreate(
            driver,
            registry_path,
            &raw mut attributes,
            &raw mut config,
            &raw mut handle,
        )
    };
    NtStatus::from_raw(status).ok()?;
    // SAFETY: the driver object was just created.
    let parameters = unsafe { Parameters::open(handle) }?;
    let value = D::load(&parameters)?;
    // SAFETY: created with these attributes; no device is added and nothing unloaded before
    // DriverEntry returns.
    unsafe { initialise(handle.cast(), value) };
    Ok(())
}

/// EvtDriverDeviceAdd.
unsafe extern "C" fn evt_driver_device_add<D: Driver>(
    driver: ffi::WDFDRIVER,
    init: ffi::PWDFDEVICE_INIT,
) -> ffi::NTSTATUS {
    // SAFETY: the driver object lives at least until its unload, after which no device is added.
    let Some(value) = (unsafe { context::<D>(driver.cast()) }) else {
        return Error::INTERNAL_ERROR.status().into_raw();
    };
    let mut init = init;
    // SAFETY: the framework's init structure, ours until this callback returns or a device is made
    // of it.
    let init = unsafe { DeviceInit::new(&mut init) };
    match value.evt_device_add(init) {
        Ok(()) => ffi::STATUS_SUCCESS,
        Err(error) => error.status().into_raw(),
    }
}

/// EvtDriverUnload.
unsafe extern "C" fn evt_driver_unload<D: Driver>(driver: ffi::WDFDRIVER) {
    // SAFETY: the driver object lives until after this callback.
    if let Some(value) = unsafe { context::<D>(driver.cast()) } {
        value.evt_driver_unload();
    }
}

/// The driver's own settings: the key `Parameters` of its service in the registry, which its INF
/// fills.
pub struct Parameters<'a> {
    key: NonNull<ffi::WDFKEY__>,
    _driver: PhantomData<&'a ()>,
}

impl Parameters<'_> {
    /// # Safety
    ///
    /// `driver` is a live WDFDRIVER.
    unsafe fn open(driver: ffi::WDFDRIVER) -> Result<Self> {
        let mut key = ptr::null_mut();
        // SAFETY: the driver is live by the caller's word; default attributes; the out-parameter
        // lives through the call.
        let status = unsafe {
            ffi::WdfDriverOpenParametersRegistryKey(
                driver,
                ffi::GENERIC_READ,
                ptr::null_mut(),
                &raw mut key,
            )
        };
        NtStatus::from_raw(status).ok()?;
        let key = NonNull::new(key).ok_or(Error::INTERNAL_ERROR)?;
        Ok(Self {
            key,
            _driver: PhantomData,
        })
    }

    /// A `REG_DWORD`; `None` when there is no value of that name.
    ///
    /// C:
    /// [`WdfRegistryQueryULong`](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfregistry/nf-wdfregistry-wdfregistryqueryulong).
    /// IRQL: `PASSIVE_LEVEL`.
    ///
    /// # Errors
    ///
    /// * `STATUS_OBJECT_TYPE_MISMATCH`: the value is not a `REG_DWORD`.
    /// * `STATUS_INVALID_PARAMETER`: `name` is empty or too long.
    /// * any other: the registry's.
    #[doc(alias = "WdfRegistryQueryULong")]
    pub fn query_u32(&self, name: &Utf16Str) -> Result<Option<u32>> {
        let name = UnicodeString::new(name)?;
        let mut value = 0;
        // SAFETY: the key is open; name and value live through the call.
        let status =
            unsafe { ffi::WdfRegistryQueryULong(self.key.as_ptr(), name.as_ptr(), &raw mut value) };
        match NtStatus::from_raw(status).ok() {
            Ok(_) => Ok(Some(value)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Drop for Parameters<'_> {
    #[doc(alias = "WdfRegistryClose")]
    fn drop(&mut self) {
        // SAFETY: open since `open`, closed once.
        unsafe { ffi::WdfRegistryClose(self.key.as_ptr()) };
    }
}

impl fmt::Debug for Parameters<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Parameters").field(&self.key).finish()
    }
}
