//! The driver that the runner plays, as far as it has code of its own.

use core::ptr;

use kmdf_sys::{
    _WDF_DRIVER_CONFIG, NTSTATUS, PCUNICODE_STRING, PDRIVER_OBJECT, PWDFDEVICE_INIT,
    STATUS_UNSUCCESSFUL, WDFDRIVER, WDFQUEUE, WDFREQUEST,
};

use crate::call::Word;
use crate::case_run::{Run, current};

/// Its DriverEntry.
pub(crate) unsafe extern "system" fn driver_entry(
    driver: PDRIVER_OBJECT,
    registry: PCUNICODE_STRING,
) -> NTSTATUS {
    let mut config = _WDF_DRIVER_CONFIG {
        EvtDriverDeviceAdd: Some(device_add),
        ..Default::default()
    };
    config.Size = u32::try_from(size_of::<_WDF_DRIVER_CONFIG>()).unwrap_or(0);
    // SAFETY: both arguments are those of DriverEntry, and the configuration exists during the call.
    unsafe {
        kmdf_sys::call_unsafe_wdf_function_binding!(
            WdfDriverCreate,
            driver,
            registry,
            ptr::null_mut(),
            &raw mut config,
            ptr::null_mut()
        )
    }
}

/// The driver's EvtDriverDeviceAdd: the world's device, or a callback of the case.
unsafe extern "C" fn device_add(driver: WDFDRIVER, mut init: PWDFDEVICE_INIT) -> NTSTATUS {
    let Some(run) = current() else {
        return STATUS_UNSUCCESSFUL;
    };
    let callback = run.adding.borrow_mut().take();
    if let Some(place) = callback.and_then(|name| run.callback(&name)?.place.get()) {
        let arguments = [
            driver.expose_provenance() as Word,
            init.expose_provenance() as Word,
        ];
        return crate::case_run::invoked(place.0, place.1, &arguments);
    }
    let Some(new) = run.adding_device.borrow_mut().take() else {
        return STATUS_UNSUCCESSFUL;
    };
    if new.filter {
        // SAFETY: the initializer is that of this call.
        unsafe { kmdf_sys::call_unsafe_wdf_function_binding!(WdfFdoInitSetFilter, init) };
    } else {
        // SAFETY: as above.
        unsafe {
            kmdf_sys::call_unsafe_wdf_function_binding!(WdfDeviceInitSetIoType, init, new.io_type)
        };
    }
    let mut device = ptr::null_mut();
    let attributes = Run::handle(new.attributes).cast();
    // SAFETY: the initializer is that of this call, the attributes are NULL or kept until the case is over.
    unsafe {
        kmdf_sys::call_unsafe_wdf_function_binding!(
            WdfDeviceCreate,
            &raw mut init,
            attributes,
            &raw mut device
        )
    }
}

/// EvtIoDefault of the standard queue: the driver has the request, and that is all.
pub(crate) unsafe extern "C" fn standard_io_default(_queue: WDFQUEUE, _request: WDFREQUEST) {
    if let Some(run) = current() {
        run.find_requests();
    }
}
