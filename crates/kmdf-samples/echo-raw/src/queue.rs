//! The queue: requests, the timer that completes them, and their cancellation.

use core::ptr;

use wdk::{nt_success, paged_code, println, wdf};
use wdk_sys::{
    _WDF_IO_QUEUE_DISPATCH_TYPE, _WDF_TRI_STATE, NTSTATUS, POOL_FLAG_NON_PAGED, PVOID,
    STATUS_BUFFER_OVERFLOW, STATUS_CANCELLED, STATUS_INSUFFICIENT_RESOURCES, STATUS_SUCCESS, ULONG,
    WDF_IO_QUEUE_CONFIG, WDF_NO_HANDLE, WDF_TIMER_CONFIG, WDFDEVICE, WDFMEMORY, WDFOBJECT,
    WDFQUEUE, WDFREQUEST, WDFTIMER, call_unsafe_wdf_function_binding,
    ntddk::{ExAllocatePool2, ExFreePool},
};

use crate::context::context_type;
use crate::device::attributes;
use crate::size;

/// The longest write.
const MAX_WRITE: usize = 40 * 1024;
/// Milliseconds from one completion to the next.
const PERIOD: ULONG = 10_000;
/// Until the first, in units of 100 ns from now.
const FIRST: i64 = -100 * 10_000;
const TAG: ULONG = u32::from_ne_bytes(*b"Echo");

/// What a queue keeps.
pub(crate) struct Echo {
    /// What was written last, in pool; NULL before.
    data: PVOID,
    length: usize,
    timer: wdf::Timer,
    /// Guards `pending`.
    lock: wdf::SpinLock,
    /// The request that waits for the timer; NULL when there is none. While it is here it is not completed.
    pub(crate) pending: WDFREQUEST,
}
context_type!(Echo, ECHO_CONTEXT, echo);

/// Creates the default queue, with its lock and its timer.
#[cfg_attr(windows, unsafe(link_section = "PAGE"))]
pub(crate) fn create(device: WDFDEVICE) -> NTSTATUS {
    paged_code!();
    let mut config = WDF_IO_QUEUE_CONFIG {
        Size: const { size::<WDF_IO_QUEUE_CONFIG>() },
        PowerManaged: _WDF_TRI_STATE::WdfUseDefault,
        DefaultQueue: u8::from(true),
        DispatchType: _WDF_IO_QUEUE_DISPATCH_TYPE::WdfIoQueueDispatchSequential,
        EvtIoRead: Some(evt_io_read),
        EvtIoWrite: Some(evt_io_write),
        ..WDF_IO_QUEUE_CONFIG::default()
    };
    let mut queue = WDF_NO_HANDLE as WDFQUEUE;
    let mut with_context = attributes(ECHO_CONTEXT.unique());
    with_context.EvtDestroyCallback = Some(evt_queue_destroy);
    // SAFETY: the device is valid, and so are configuration, attributes and result.
    let status = unsafe {
        call_unsafe_wdf_function_binding!(
            WdfIoQueueCreate,
            device,
            &raw mut config,
            &raw mut with_context,
            &raw mut queue,
        )
    };
    if !nt_success(status) {
        println!("WdfIoQueueCreate failed: {status:#010X}");
        return status;
    }

    let mut children = attributes(ptr::null());
    children.ParentObject = queue as WDFOBJECT;
    let lock = match wdf::SpinLock::create(&mut children) {
        Ok(lock) => lock,
        Err(status) => return status,
    };
    let mut config = WDF_TIMER_CONFIG {
        Size: const { size::<WDF_TIMER_CONFIG>() },
        EvtTimerFunc: Some(evt_timer),
        Period: PERIOD,
        AutomaticSerialization: u8::from(true),
        ..WDF_TIMER_CONFIG::default()
    };
    let timer = match wdf::Timer::create(&mut config, &mut children) {
        Ok(timer) => timer,
        Err(status) => return status,
    };
    // SAFETY: the queue was created just now.
    let context = unsafe { echo(queue as WDFOBJECT) };
    // SAFETY: it was created with this context, and gets no request before the device is started.
    unsafe {
        context.write(Echo {
            data: ptr::null_mut(),
            length: 0,
            timer,
            lock,
            pending: ptr::null_mut(),
        });
    };
    STATUS_SUCCESS
}

/// Starts the timer.
///
/// # Safety
///
/// The queue must be one that [`create`] made.
pub(crate) unsafe fn start_timer(queue: WDFQUEUE) {
    // SAFETY: the caller's promise.
    let context = unsafe { echo(queue as WDFOBJECT) };
    // SAFETY: the timer is set once, in `create`.
    let timer = unsafe { &(*context).timer };
    let _ = timer.start(FIRST);
}

/// Stops the timer and waits for its callback.
///
/// # Safety
///
/// The queue must be one that [`create`] made.
pub(crate) unsafe fn stop_timer(queue: WDFQUEUE) {
    // SAFETY: the caller's promise.
    let context = unsafe { echo(queue as WDFOBJECT) };
    // SAFETY: the timer is set once, in `create`.
    let timer = unsafe { &(*context).timer };
    let _ = timer.stop(true);
}

extern "C" fn evt_queue_destroy(object: WDFOBJECT) {
    // SAFETY: contexts can be had until this callback returns.
    let context = unsafe { echo(object) };
    // SAFETY: nobody else uses the context any more. All zeros, if `create` did not get as far.
    let data = unsafe { (*context).data };
    if !data.is_null() {
        // SAFETY: it came from `ExAllocatePool2`, and the queue that kept it is gone.
        unsafe { ExFreePool(data) };
    }
}

fn complete(request: WDFREQUEST, status: NTSTATUS) {
    // SAFETY: callers own the request.
    unsafe { call_unsafe_wdf_function_binding!(WdfRequestComplete, request, status) };
}

extern "C" fn evt_io_read(queue: WDFQUEUE, request: WDFREQUEST, length: usize) {
    // SAFETY: the queue is one that `create` made.
    let context = unsafe { echo(queue as WDFOBJECT) };
    // SAFETY: the queue is sequential: nobody writes meanwhile.
    let data = unsafe { (*context).data };
    // SAFETY: the same.
    let available = unsafe { (*context).length };
    let length = length.min(available);
    if data.is_null() {
        complete(request, STATUS_SUCCESS);
        return;
    }
    let mut memory = WDF_NO_HANDLE as WDFMEMORY;
    // SAFETY: the request is the queue's, and the result is valid.
    let mut status = unsafe {
        call_unsafe_wdf_function_binding!(WdfRequestRetrieveOutputMemory, request, &raw mut memory)
    };
    if nt_success(status) {
        // SAFETY: the memory belongs to the request; the data has at least this length.
        status = unsafe {
            call_unsafe_wdf_function_binding!(WdfMemoryCopyFromBuffer, memory, 0, data, length)
        };
    }
    if nt_success(status) {
        pend(queue, request, length);
    } else {
        println!("read of {length} bytes failed: {status:#010X}");
        complete(request, status);
    }
}

extern "C" fn evt_io_write(queue: WDFQUEUE, request: WDFREQUEST, length: usize) {
    if length > MAX_WRITE {
        println!("write of {length} bytes is too long");
        complete(request, STATUS_BUFFER_OVERFLOW);
        return;
    }
    match keep(queue, request, length) {
        Ok(()) => pend(queue, request, length),
        Err(status) => complete(request, status),
    }
}

/// Keeps what a request writes.
fn keep(queue: WDFQUEUE, request: WDFREQUEST, length: usize) -> Result<(), NTSTATUS> {
    let mut memory = WDF_NO_HANDLE as WDFMEMORY;
    // SAFETY: the request is the queue's, and the result is valid.
    let status = unsafe {
        call_unsafe_wdf_function_binding!(WdfRequestRetrieveInputMemory, request, &raw mut memory)
    };
    if !nt_success(status) {
        return Err(status);
    }
    // SAFETY: no precondition; the IRQL is at most DISPATCH_LEVEL in a queue's callback.
    let data = unsafe { ExAllocatePool2(POOL_FLAG_NON_PAGED, length as u64, TAG) };
    if data.is_null() {
        return Err(STATUS_INSUFFICIENT_RESOURCES);
    }
    // SAFETY: the memory belongs to the request; the pool has this length.
    let status = unsafe {
        call_unsafe_wdf_function_binding!(WdfMemoryCopyToBuffer, memory, 0, data, length)
    };
    // SAFETY: the queue is one that `create` made.
    let context = unsafe { echo(queue as WDFOBJECT) };
    let unused = if nt_success(status) {
        // SAFETY: the queue is sequential: nobody else uses the data meanwhile.
        let before = unsafe { (*context).data };
        // SAFETY: the same.
        unsafe { (*context).data = data };
        // SAFETY: the same.
        unsafe { (*context).length = length };
        before
    } else {
        data
    };
    if !unused.is_null() {
        // SAFETY: it came from `ExAllocatePool2`, and nothing refers to it any more.
        unsafe { ExFreePool(unused) };
    }
    if nt_success(status) {
        Ok(())
    } else {
        Err(status)
    }
}

/// Leaves a request that is carried out to the timer.
fn pend(queue: WDFQUEUE, request: WDFREQUEST, information: usize) {
    // SAFETY: the request is the queue's.
    unsafe {
        call_unsafe_wdf_function_binding!(WdfRequestSetInformation, request, information as u64);
    };
    // SAFETY: the queue is one that `create` made.
    let context = unsafe { echo(queue as WDFOBJECT) };
    // SAFETY: the lock is set once, in `create`.
    let lock = unsafe { &(*context).lock };
    lock.acquire();
    // SAFETY: the request is the queue's; its callback takes the lock before anything else.
    let status = unsafe {
        call_unsafe_wdf_function_binding!(
            WdfRequestMarkCancelableEx,
            request,
            Some(evt_request_cancel)
        )
    };
    if nt_success(status) {
        // SAFETY: the lock is held.
        unsafe { (*context).pending = request };
    }
    lock.release();
    if !nt_success(status) {
        // It is cancelled already, and its callback is not called.
        cancelled(request);
    }
}

fn cancelled(request: WDFREQUEST) {
    // SAFETY: callers own the request.
    unsafe {
        call_unsafe_wdf_function_binding!(
            WdfRequestCompleteWithInformation,
            request,
            STATUS_CANCELLED,
            0
        );
    };
}

extern "C" fn evt_request_cancel(request: WDFREQUEST) {
    // SAFETY: the request is not completed before this callback does so.
    let queue = unsafe { call_unsafe_wdf_function_binding!(WdfRequestGetIoQueue, request) };
    // SAFETY: the queue is one that `create` made.
    let context = unsafe { echo(queue as WDFOBJECT) };
    // SAFETY: the lock is set once, in `create`.
    let lock = unsafe { &(*context).lock };
    lock.acquire();
    // SAFETY: the lock is held.
    unsafe { (*context).pending = ptr::null_mut() };
    lock.release();
    cancelled(request);
}

extern "C" fn evt_timer(timer: WDFTIMER) {
    // SAFETY: the framework passes its timer, whose parent is the queue.
    let queue = unsafe { call_unsafe_wdf_function_binding!(WdfTimerGetParentObject, timer) };
    // SAFETY: the queue is one that `create` made.
    let context = unsafe { echo(queue) };
    // SAFETY: the lock is set once, in `create`.
    let lock = unsafe { &(*context).lock };
    lock.acquire();
    // SAFETY: the lock is held.
    let request = unsafe { (*context).pending };
    let mut owned = false;
    if !request.is_null() {
        // SAFETY: the cancel callback takes the lock before it completes the request, so the request is still there.
        let status =
            unsafe { call_unsafe_wdf_function_binding!(WdfRequestUnmarkCancelable, request) };
        owned = status != STATUS_CANCELLED;
    }
    if owned {
        // SAFETY: the lock is held.
        unsafe { (*context).pending = ptr::null_mut() };
    }
    lock.release();
    if owned {
        complete(request, STATUS_SUCCESS);
    }
}
