//! The device: its start and its suspension.

use core::ptr;

use wdk::{nt_success, paged_code, println};
use wdk_sys::{
    _WDF_EXECUTION_LEVEL, _WDF_SYNCHRONIZATION_SCOPE, GUID, NTSTATUS,
    PCWDF_OBJECT_CONTEXT_TYPE_INFO, PWDFDEVICE_INIT, STATUS_SUCCESS, WDF_NO_HANDLE,
    WDF_OBJECT_ATTRIBUTES, WDF_PNPPOWER_EVENT_CALLBACKS, WDFDEVICE, WDFOBJECT,
    call_unsafe_wdf_function_binding,
};

use crate::context::context_type;
use crate::queue;
use crate::size;

/// How applications find the device.
static INTERFACE: GUID = GUID {
    Data1: 0x5F1A_0C1B,
    Data2: 0x7D35,
    Data3: 0x4C0E,
    Data4: [0x9B, 0x02, 0x6E, 0x3B, 0x51, 0x8A, 0xD4, 0x70],
};

/// Counts how often the device was started.
#[derive(Debug)]
pub(crate) struct DeviceContext {
    starts: u32,
}
context_type!(DeviceContext, DEVICE_CONTEXT, device_context);

/// Attributes with a context and nothing else.
pub(crate) fn attributes(context: PCWDF_OBJECT_CONTEXT_TYPE_INFO) -> WDF_OBJECT_ATTRIBUTES {
    WDF_OBJECT_ATTRIBUTES {
        Size: const { size::<WDF_OBJECT_ATTRIBUTES>() },
        ExecutionLevel: _WDF_EXECUTION_LEVEL::WdfExecutionLevelInheritFromParent,
        SynchronizationScope: _WDF_SYNCHRONIZATION_SCOPE::WdfSynchronizationScopeInheritFromParent,
        ContextTypeInfo: context,
        ..WDF_OBJECT_ATTRIBUTES::default()
    }
}

/// Creates the device with its interface and its queue.
#[cfg_attr(windows, unsafe(link_section = "PAGE"))]
pub(crate) fn create(mut init: PWDFDEVICE_INIT) -> NTSTATUS {
    paged_code!();
    let mut callbacks = WDF_PNPPOWER_EVENT_CALLBACKS {
        Size: const { size::<WDF_PNPPOWER_EVENT_CALLBACKS>() },
        EvtDeviceSelfManagedIoInit: Some(evt_self_managed_io_start),
        EvtDeviceSelfManagedIoSuspend: Some(evt_self_managed_io_suspend),
        EvtDeviceSelfManagedIoRestart: Some(evt_self_managed_io_start),
        ..WDF_PNPPOWER_EVENT_CALLBACKS::default()
    };
    // SAFETY: the framework passed the initializer; the callbacks are copied.
    unsafe {
        call_unsafe_wdf_function_binding!(
            WdfDeviceInitSetPnpPowerEventCallbacks,
            init,
            &raw mut callbacks
        );
    };

    let mut attributes = attributes(DEVICE_CONTEXT.unique());
    let mut device = WDF_NO_HANDLE as WDFDEVICE;
    // SAFETY: the initializer is taken over; attributes and result are valid.
    let status = unsafe {
        call_unsafe_wdf_function_binding!(
            WdfDeviceCreate,
            &raw mut init,
            &raw mut attributes,
            &raw mut device,
        )
    };
    if !nt_success(status) {
        return status;
    }
    // SAFETY: the device was created just now.
    let context = unsafe { device_context(device as WDFOBJECT) };
    // SAFETY: it was created with this context, which nobody else knows yet.
    unsafe { context.write(DeviceContext { starts: 0 }) };

    // SAFETY: the device is valid, the class is a constant, and there is no reference string.
    let status = unsafe {
        call_unsafe_wdf_function_binding!(
            WdfDeviceCreateDeviceInterface,
            device,
            &raw const INTERFACE,
            ptr::null()
        )
    };
    if !nt_success(status) {
        return status;
    }
    queue::create(device)
}

extern "C" fn evt_self_managed_io_start(device: WDFDEVICE) -> NTSTATUS {
    // SAFETY: the framework passes its device, which has this context.
    let context = unsafe { device_context(device as WDFOBJECT) };
    // SAFETY: PnP callbacks of a device never run at the same time, and nothing else uses the count.
    let context = unsafe { &mut *context };
    context.starts += 1;
    println!("start {}", context.starts);
    // SAFETY: the device is valid.
    let queue = unsafe { call_unsafe_wdf_function_binding!(WdfDeviceGetDefaultQueue, device) };
    // SAFETY: the queue was created with the device.
    unsafe { call_unsafe_wdf_function_binding!(WdfIoQueueStart, queue) };
    // SAFETY: the queue has its context, whose timer was set when it was created.
    unsafe { queue::start_timer(queue) };
    STATUS_SUCCESS
}

#[cfg_attr(windows, unsafe(link_section = "PAGE"))]
extern "C" fn evt_self_managed_io_suspend(device: WDFDEVICE) -> NTSTATUS {
    paged_code!();
    // SAFETY: the framework passes its device.
    let queue = unsafe { call_unsafe_wdf_function_binding!(WdfDeviceGetDefaultQueue, device) };
    // The timer still runs: it completes the request that this waits for.
    // SAFETY: the queue was created with the device.
    unsafe { call_unsafe_wdf_function_binding!(WdfIoQueueStopSynchronously, queue) };
    // SAFETY: the queue has its context, whose timer was set when it was created.
    unsafe { queue::stop_timer(queue) };
    println!("suspended");
    STATUS_SUCCESS
}
