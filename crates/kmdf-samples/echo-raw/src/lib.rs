//! An echo device: what is written to it is kept, and reads give it back. Written as drivers are against Microsoft's crates.
//!
//! Reads and writes arrive in a sequential queue. Each is carried out at once but completed later, by a periodic timer, as if
//! hardware had to say that it is done; until then it can be cancelled. Timer, cancellation and new requests meet at
//! `queue::Echo::pending`, under a spin lock.

#![no_std]

extern crate alloc;
#[cfg(not(test))]
extern crate wdk_panic as _;

mod context;
mod device;
mod queue;

use alloc::{slice, string::String};
use core::ptr;

use wdk::{nt_success, paged_code, println};
use wdk_alloc::WdkAllocator;
use wdk_sys::{
    DRIVER_OBJECT, NTSTATUS, PCUNICODE_STRING, PDRIVER_OBJECT, PWDFDEVICE_INIT, ULONG,
    UNICODE_STRING, WDF_DRIVER_CONFIG, WDF_DRIVER_VERSION_AVAILABLE_PARAMS, WDF_NO_HANDLE,
    WDF_NO_OBJECT_ATTRIBUTES, WDFDRIVER, WDFOBJECT, WDFSTRING, call_unsafe_wdf_function_binding,
};

#[global_allocator]
static ALLOCATOR: WdkAllocator = WdkAllocator;

/// The size of a structure, as the structures themselves carry it.
#[allow(clippy::cast_possible_truncation, reason = "asserted")]
const fn size<T>() -> ULONG {
    assert!(size_of::<T>() <= ULONG::MAX as usize);
    size_of::<T>() as ULONG
}

/// What the loader calls.
///
/// # Safety
///
/// Only the loader may call it, with a registry path that is valid during the call.
#[unsafe(export_name = "DriverEntry")]
#[cfg_attr(windows, unsafe(link_section = "INIT"))]
pub unsafe extern "system" fn driver_entry(
    driver: &mut DRIVER_OBJECT,
    registry_path: PCUNICODE_STRING,
) -> NTSTATUS {
    let mut config = WDF_DRIVER_CONFIG {
        Size: const { size::<WDF_DRIVER_CONFIG>() },
        EvtDriverDeviceAdd: Some(evt_driver_device_add),
        ..WDF_DRIVER_CONFIG::default()
    };
    // SAFETY: driver object, path and configuration are valid; no handle is asked for.
    let status = unsafe {
        call_unsafe_wdf_function_binding!(
            WdfDriverCreate,
            ptr::from_mut(driver) as PDRIVER_OBJECT,
            registry_path,
            WDF_NO_OBJECT_ATTRIBUTES,
            &raw mut config,
            WDF_NO_HANDLE.cast::<WDFDRIVER>(),
        )
    };
    if !nt_success(status) {
        println!("WdfDriverCreate failed: {status:#010X}");
        return status;
    }
    let said = print_version();
    if !nt_success(said) {
        println!("the framework's version is not to be had: {said:#010X}");
    }
    status
}

#[cfg_attr(windows, unsafe(link_section = "PAGE"))]
extern "C" fn evt_driver_device_add(_driver: WDFDRIVER, init: PWDFDEVICE_INIT) -> NTSTATUS {
    paged_code!();
    device::create(init)
}

/// Prints what the framework says of itself, and whether it is as old as 1.0.
#[cfg_attr(windows, unsafe(link_section = "INIT"))]
fn print_version() -> NTSTATUS {
    let mut string: WDFSTRING = ptr::null_mut();
    // SAFETY: an empty string is asked for; its parent is the driver.
    let status = unsafe {
        call_unsafe_wdf_function_binding!(
            WdfStringCreate,
            ptr::null_mut(),
            WDF_NO_OBJECT_ATTRIBUTES,
            &raw mut string,
        )
    };
    if !nt_success(status) {
        return status;
    }
    // SAFETY: nobody writes to it once the framework is bound.
    let globals = unsafe { wdk_sys::WdfDriverGlobals };
    // SAFETY: the framework is bound, so its globals are valid.
    let driver = unsafe { (*globals).Driver };
    // SAFETY: both handles are valid.
    let status = unsafe {
        call_unsafe_wdf_function_binding!(WdfDriverRetrieveVersionString, driver, string)
    };
    if nt_success(status) {
        let mut version = UNICODE_STRING::default();
        // SAFETY: the handle is valid, and so is the place for the result.
        unsafe {
            call_unsafe_wdf_function_binding!(WdfStringGetUnicodeString, string, &raw mut version);
        };
        // SAFETY: the string object has a buffer of the length given, as long as it lives.
        let units =
            unsafe { slice::from_raw_parts(version.Buffer, usize::from(version.Length) / 2) };
        println!("echo on {}", String::from_utf16_lossy(units));
    }
    // SAFETY: the handle is valid and not used any more.
    unsafe { call_unsafe_wdf_function_binding!(WdfObjectDelete, string as WDFOBJECT) };

    let mut wanted = WDF_DRIVER_VERSION_AVAILABLE_PARAMS {
        Size: const { size::<WDF_DRIVER_VERSION_AVAILABLE_PARAMS>() },
        MajorVersion: 1,
        MinorVersion: 0,
    };
    // SAFETY: the handle is valid, and so are the parameters.
    let available = unsafe {
        call_unsafe_wdf_function_binding!(WdfDriverIsVersionAvailable, driver, &raw mut wanted)
    };
    println!(
        "1.0 is {}available",
        if available == 0 { "not " } else { "" }
    );
    status
}
