//! The smallest function driver: it creates a device and says so. Written as drivers are against Microsoft's crates.

#![no_std]

extern crate alloc;
#[cfg(not(test))]
extern crate wdk_panic as _;

use alloc::{ffi::CString, string::String, vec::Vec};
use core::{ptr, slice};

use wdk::{nt_success, println};
use wdk_alloc::WdkAllocator;
use wdk_sys::{
    DRIVER_OBJECT, NTSTATUS, PCUNICODE_STRING, PDRIVER_OBJECT, PWDFDEVICE_INIT,
    STATUS_INSUFFICIENT_RESOURCES, ULONG, WDF_DRIVER_CONFIG, WDF_NO_HANDLE,
    WDF_NO_OBJECT_ATTRIBUTES, WDFDEVICE, WDFDRIVER, call_unsafe_wdf_function_binding,
    ntddk::DbgPrint,
};

#[global_allocator]
static ALLOCATOR: WdkAllocator = WdkAllocator;

#[allow(clippy::cast_possible_truncation, reason = "asserted")]
const CONFIG_SIZE: ULONG = {
    assert!(size_of::<WDF_DRIVER_CONFIG>() <= ULONG::MAX as usize);
    size_of::<WDF_DRIVER_CONFIG>() as ULONG
};

/// What the loader calls.
///
/// # Safety
///
/// Only the loader may call it, with a registry path that is valid during the call.
#[unsafe(export_name = "DriverEntry")]
pub unsafe extern "system" fn driver_entry(
    driver: &mut DRIVER_OBJECT,
    registry_path: PCUNICODE_STRING,
) -> NTSTATUS {
    // The binding itself, not through `println!`.
    let Ok(greeting) = CString::new("sample-kmdf-raw: the answer is") else {
        return STATUS_INSUFFICIENT_RESOURCES;
    };
    // SAFETY: the format names a terminated string and an `int`.
    unsafe { DbgPrint(c"%s %d\n".as_ptr(), greeting.as_ptr(), 42i32) };

    // The framework replaces it by its own.
    driver.DriverUnload = Some(never_called);

    let mut config = WDF_DRIVER_CONFIG {
        Size: CONFIG_SIZE,
        EvtDriverDeviceAdd: Some(evt_driver_device_add),
        EvtDriverUnload: Some(evt_driver_unload),
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
        return status;
    }
    // SAFETY: the loader passes a valid path.
    let path = unsafe { registry_path.read() };
    // SAFETY: a counted string has a buffer of its length, which nobody changes here.
    let units = unsafe { slice::from_raw_parts(path.Buffer, usize::from(path.Length) / 2) };
    let path = String::from_utf16_lossy(units);
    let parts: Vec<&str> = path.split('\\').filter(|part| !part.is_empty()).collect();
    println!("{} loaded from {path}", parts.last().unwrap_or(&"driver"));
    status
}

extern "C" fn evt_driver_device_add(_driver: WDFDRIVER, mut init: PWDFDEVICE_INIT) -> NTSTATUS {
    let mut device: WDFDEVICE = WDF_NO_HANDLE.cast();
    // SAFETY: the framework passes an initializer, which the call takes over.
    let status = unsafe {
        call_unsafe_wdf_function_binding!(
            WdfDeviceCreate,
            &mut init,
            WDF_NO_OBJECT_ATTRIBUTES,
            &mut device,
        )
    };
    println!("device added: {status:#010x}");
    status
}

extern "C" fn evt_driver_unload(_driver: WDFDRIVER) {
    println!("unloaded");
}

extern "C" fn never_called(_driver: PDRIVER_OBJECT) {
    println!("the framework did not replace DriverUnload");
}
