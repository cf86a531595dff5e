//! A filter driver that passes writes on: one synchronous write to the next device for each.

use core::mem;
use core::ptr;

use wdk_sys::{
    _WDF_EXECUTION_LEVEL, _WDF_IO_QUEUE_DISPATCH_TYPE, _WDF_MEMORY_DESCRIPTOR_TYPE,
    _WDF_REQUEST_SEND_OPTIONS_FLAGS, _WDF_SYNCHRONIZATION_SCOPE, _WDF_TRI_STATE, BOOLEAN,
    NT_SUCCESS, NTSTATUS, PAGED_CODE, PCUNICODE_STRING, PDRIVER_OBJECT, PWDFDEVICE_INIT, ULONG,
    ULONG_PTR, WDF_DRIVER_CONFIG, WDF_IO_QUEUE_CONFIG, WDF_MEMORY_DESCRIPTOR, WDF_NO_HANDLE,
    WDF_NO_OBJECT_ATTRIBUTES, WDF_OBJECT_ATTRIBUTES, WDF_OBJECT_CONTEXT_TYPE_INFO,
    WDF_REQUEST_PARAMETERS, WDF_REQUEST_SEND_OPTIONS, WDFDEVICE, WDFDRIVER, WDFMEMORY, WDFQUEUE,
    WDFREQUEST, call_unsafe_wdf_function_binding,
};

/// What the driver keeps for each device.
struct DeviceContext {
    _writes: u64,
}

#[repr(transparent)]
struct TypeInfo(WDF_OBJECT_CONTEXT_TYPE_INFO);

// SAFETY: it is never written, and points to statics only.
unsafe impl Sync for TypeInfo {}

static DEVICE_CONTEXT: TypeInfo = TypeInfo(WDF_OBJECT_CONTEXT_TYPE_INFO {
    Size: size_of_ulong::<WDF_OBJECT_CONTEXT_TYPE_INFO>(),
    ContextName: c"DeviceContext".as_ptr(),
    ContextSize: mem::size_of::<DeviceContext>(),
    UniqueType: &raw const DEVICE_CONTEXT.0,
    EvtDriverGetUniqueContextType: None,
});

/// The size of a type as KMDF's structures hold it.
#[expect(
    clippy::cast_possible_truncation,
    reason = "no structure of KMDF comes near 4 GiB"
)]
const fn size_of_ulong<T>() -> ULONG {
    mem::size_of::<T>() as ULONG
}

pub(crate) unsafe extern "system" fn driver_entry(
    driver: PDRIVER_OBJECT,
    registry_path: PCUNICODE_STRING,
) -> NTSTATUS {
    let mut config = WDF_DRIVER_CONFIG {
        Size: size_of_ulong::<WDF_DRIVER_CONFIG>(),
        EvtDriverDeviceAdd: Some(device_add),
        ..WDF_DRIVER_CONFIG::default()
    };
    // SAFETY: the arguments are those of DriverEntry, and `config` lives during the call.
    unsafe {
        call_unsafe_wdf_function_binding!(
            WdfDriverCreate,
            driver,
            registry_path,
            WDF_NO_OBJECT_ATTRIBUTES,
            &mut config,
            WDF_NO_HANDLE.cast::<WDFDRIVER>(),
        )
    }
}

extern "C" fn device_add(_driver: WDFDRIVER, mut device_init: PWDFDEVICE_INIT) -> NTSTATUS {
    // SAFETY: `device_init` is the one that the framework passed.
    unsafe { call_unsafe_wdf_function_binding!(WdfFdoInitSetFilter, device_init) };
    let mut attributes = WDF_OBJECT_ATTRIBUTES {
        Size: size_of_ulong::<WDF_OBJECT_ATTRIBUTES>(),
        ExecutionLevel: _WDF_EXECUTION_LEVEL::WdfExecutionLevelInheritFromParent,
        SynchronizationScope: _WDF_SYNCHRONIZATION_SCOPE::WdfSynchronizationScopeInheritFromParent,
        ContextTypeInfo: DEVICE_CONTEXT.0.UniqueType,
        ..WDF_OBJECT_ATTRIBUTES::default()
    };
    let mut device: WDFDEVICE = ptr::null_mut();
    // SAFETY: `device_init` is the framework's, and what is pointed to lives during the call.
    let status = unsafe {
        call_unsafe_wdf_function_binding!(
            WdfDeviceCreate,
            &mut device_init,
            &mut attributes,
            &mut device
        )
    };
    if !NT_SUCCESS(status) {
        return status;
    }
    let mut config = WDF_IO_QUEUE_CONFIG {
        Size: size_of_ulong::<WDF_IO_QUEUE_CONFIG>(),
        DispatchType: _WDF_IO_QUEUE_DISPATCH_TYPE::WdfIoQueueDispatchParallel,
        PowerManaged: _WDF_TRI_STATE::WdfFalse,
        DefaultQueue: BOOLEAN::from(true),
        EvtIoWrite: Some(io_write),
        ..WDF_IO_QUEUE_CONFIG::default()
    };
    config.Settings.Parallel.NumberOfPresentedRequests = ULONG::MAX;
    let mut queue: WDFQUEUE = ptr::null_mut();
    // SAFETY: `device` was just created, and what is pointed to lives during the call.
    let status = unsafe {
        call_unsafe_wdf_function_binding!(
            WdfIoQueueCreate,
            device,
            &mut config,
            WDF_NO_OBJECT_ATTRIBUTES,
            &mut queue
        )
    };
    // SAFETY: `device` was just created.
    let target = unsafe { call_unsafe_wdf_function_binding!(WdfDeviceGetIoTarget, device) };
    debug_assert!(!target.is_null());
    status
}

extern "C" fn io_write(queue: WDFQUEUE, request: WDFREQUEST, _length: usize) {
    let mut written: ULONG_PTR = 0;
    let status = send(queue, request, &mut written);
    let information = if NT_SUCCESS(status) { written } else { 0 };
    // SAFETY: the driver owns the request until this call.
    unsafe {
        call_unsafe_wdf_function_binding!(
            WdfRequestCompleteWithInformation,
            request,
            status,
            information
        )
    };
}

fn send(queue: WDFQUEUE, request: WDFREQUEST, written: &mut ULONG_PTR) -> NTSTATUS {
    let mut parameters = WDF_REQUEST_PARAMETERS {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the structure has 40 bytes"
        )]
        Size: mem::size_of::<WDF_REQUEST_PARAMETERS>() as u16,
        ..WDF_REQUEST_PARAMETERS::default()
    };
    // SAFETY: the driver owns the request, and `parameters` says its size.
    unsafe { call_unsafe_wdf_function_binding!(WdfRequestGetParameters, request, &mut parameters) };
    // SAFETY: the request is a write.
    let mut offset = unsafe { parameters.Parameters.Write.DeviceOffset };

    let mut memory: WDFMEMORY = ptr::null_mut();
    // SAFETY: the driver owns the request.
    let status = unsafe {
        call_unsafe_wdf_function_binding!(WdfRequestRetrieveInputMemory, request, &mut memory)
    };
    if !NT_SUCCESS(status) {
        return status;
    }
    let mut descriptor = WDF_MEMORY_DESCRIPTOR {
        Type: _WDF_MEMORY_DESCRIPTOR_TYPE::WdfMemoryDescriptorTypeHandle,
        ..WDF_MEMORY_DESCRIPTOR::default()
    };
    descriptor.u.HandleType.Memory = memory;
    let mut options = WDF_REQUEST_SEND_OPTIONS {
        Size: size_of_ulong::<WDF_REQUEST_SEND_OPTIONS>(),
        Flags: _WDF_REQUEST_SEND_OPTIONS_FLAGS::WDF_REQUEST_SEND_OPTION_TIMEOUT.cast_unsigned(),
        Timeout: -10_000_000,
    };
    // SAFETY: the queue is the one that the framework passed. In the test, queue and device are one.
    let target = unsafe { call_unsafe_wdf_function_binding!(WdfDeviceGetIoTarget, queue.cast()) };
    // SAFETY: the target is the device's, and what is pointed to lives during the call.
    unsafe {
        call_unsafe_wdf_function_binding!(
            WdfIoTargetSendWriteSynchronously,
            target,
            ptr::null_mut(),
            &mut descriptor,
            &mut offset,
            &mut options,
            written
        )
    }
}

/// What a pageable function does first.
pub(crate) fn touch_pageable_memory() {
    PAGED_CODE!();
}
