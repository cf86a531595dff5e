//! A driver in the raw style of wdk-sys compiles against kmdf-sys, and its calls arrive.

mod driver;
mod framework;

use std::ptr;

use framework::{Call, FILE_OFFSET, WRITE_LENGTH, calls, deliver_write, fail_send};
use wdk_sys::{STATUS_IO_TIMEOUT, STATUS_SUCCESS, call_unsafe_wdf_function_binding};

#[test]
fn a_write_goes_through_the_driver() {
    // SAFETY: the framework of this test does not look at the driver object or the path.
    let status = unsafe { driver::driver_entry(ptr::null_mut(), ptr::null()) };
    assert_eq!(status, STATUS_SUCCESS);
    let started = [
        Call::DriverCreate,
        Call::FdoInitSetFilter,
        Call::DeviceCreate,
        Call::IoQueueCreate,
        Call::DeviceGetIoTarget,
    ];
    assert_eq!(calls(), started);

    deliver_write();
    let sent = |status, information| {
        [
            Call::RequestGetParameters,
            Call::RequestRetrieveInputMemory,
            Call::DeviceGetIoTarget,
            Call::SendWrite {
                offset: FILE_OFFSET,
                timeout: -10_000_000,
            },
            Call::Complete {
                status,
                information,
            },
        ]
    };
    assert_eq!(calls(), sent(STATUS_SUCCESS, WRITE_LENGTH));

    fail_send(STATUS_IO_TIMEOUT);
    deliver_write();
    assert_eq!(calls(), sent(STATUS_IO_TIMEOUT, 0));
}

#[test]
fn every_result_of_a_call_has_its_type() {
    // SAFETY: not called; only its type matters.
    let call =
        || unsafe { call_unsafe_wdf_function_binding!(WdfUsbTargetPipeGetType, ptr::null_mut(),) };
    let _: fn() -> wdk_sys::WDF_USB_PIPE_TYPE = call;
    // SAFETY: as above.
    let call = || unsafe { call_unsafe_wdf_function_binding!(WdfSpinLockAcquire, ptr::null_mut()) };
    let _: fn() = call;
}

#[test]
fn paged_code_is_checked() {
    framework::set_irql(wdk_sys::APC_LEVEL);
    driver::touch_pageable_memory();
    framework::set_irql(wdk_sys::DISPATCH_LEVEL);
    let panic = std::panic::catch_unwind(driver::touch_pageable_memory);
    assert_eq!(panic.is_err(), cfg!(debug_assertions));
}
