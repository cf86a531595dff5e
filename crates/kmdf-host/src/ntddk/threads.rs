//! System threads, work items, and the handles and references that go with them.

use kmdf_sys::{
    ACCESS_MASK, HANDLE, KPROCESSOR_MODE, NTSTATUS, PCLIENT_ID, PDEVICE_OBJECT, PHANDLE,
    PIO_WORKITEM, PIO_WORKITEM_ROUTINE, PKSTART_ROUTINE, POBJECT_ATTRIBUTES,
    POBJECT_HANDLE_INFORMATION, POBJECT_TYPE, PVOID, STATUS_INSUFFICIENT_RESOURCES,
    STATUS_INVALID_HANDLE, STATUS_SUCCESS, ULONG, WORK_QUEUE_TYPE,
};

use super::enter;
use crate::faults::Allocation;
use crate::report::BugcheckKind;
use crate::system::PASSIVE_LEVEL;
use crate::system::device::DeviceTable;
use crate::system::scheduler::Job;

/// Tag of the pool that a work item is.
const WORK_ITEM_TAG: u32 = u32::from_le_bytes(*b"IoWI");
/// Bytes of pool that a work item takes.
const WORK_ITEM_SIZE: usize = 64;

/// Starts a thread of the system. Its handle is to be closed, and the driver must not be unloaded while it runs.
///
/// # Safety
///
/// `handle` must point to memory for a handle, and `context` be what `routine` wants.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn PsCreateSystemThread(
    handle: PHANDLE,
    _access: ULONG,
    _attributes: POBJECT_ATTRIBUTES,
    _process: HANDLE,
    _client: PCLIENT_ID,
    routine: PKSTART_ROUTINE,
    context: PVOID,
) -> NTSTATUS {
    enter("PsCreateSystemThread", |system| {
        system.require(handle, "ThreadHandle");
        let Some(routine) = routine else {
            system.null_parameter("StartRoutine");
        };
        if system.faults.fails(Allocation::Pool) {
            return STATUS_INSUFFICIENT_RESOURCES;
        }
        let driver = system.scheduler.context.driver.get();
        let (object, value) = system.new_thread_object();
        let job = Job::Call(Box::new(move |system| {
            system.system_thread_started(&object);
            system.callback(driver, "StartRoutine", 0, || {
                // SAFETY: the driver started the thread with this routine and context.
                unsafe { routine(context) };
            });
            system.system_thread_ended();
        }));
        system.start_thread("system thread", PASSIVE_LEVEL, job);
        system.put(handle, core::ptr::without_provenance_mut(value));
        STATUS_SUCCESS
    })
}

/// Ends the system thread that calls it, and returns only in another thread: with an error.
///
/// # Safety
///
/// What the thread has on its stack must not be used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn PsTerminateSystemThread(_status: NTSTATUS) -> NTSTATUS {
    enter("PsTerminateSystemThread", |system| {
        if system.system_thread_ended() {
            system.thread_ended();
            system.halt();
        }
        kmdf_sys::STATUS_INVALID_PARAMETER
    })
}

/// References the object of a handle; only those of threads exist.
///
/// # Safety
///
/// `object` must point to memory for a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ObReferenceObjectByHandle(
    handle: HANDLE,
    _access: ACCESS_MASK,
    _object_type: POBJECT_TYPE,
    _mode: KPROCESSOR_MODE,
    object: *mut PVOID,
    _information: POBJECT_HANDLE_INFORMATION,
) -> NTSTATUS {
    enter("ObReferenceObjectByHandle", |system| {
        system.require(object, "Object");
        system.put(object, core::ptr::null_mut());
        let Some(thread) = system.kernel.thread_of(handle.addr()) else {
            return STATUS_INVALID_HANDLE;
        };
        system.reference_os_object(1);
        system.put(object, thread.address());
        STATUS_SUCCESS
    })
}

/// Closes a handle.
///
/// # Safety
///
/// The handle must not be used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ZwClose(handle: HANDLE) -> NTSTATUS {
    enter("ZwClose", |system| {
        if system.kernel.close_handle(handle.addr()) {
            STATUS_SUCCESS
        } else {
            STATUS_INVALID_HANDLE
        }
    })
}

/// The device at the top of a stack, with a reference.
///
/// # Safety
///
/// `device` must be a valid device object.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn IoGetAttachedDeviceReference(device: PDEVICE_OBJECT) -> PDEVICE_OBJECT {
    enter("IoGetAttachedDeviceReference", |system| {
        system.require(device, "DeviceObject");
        match system.devices.by_address(device) {
            Some(device) => {
                system.reference_os_object(1);
                DeviceTable::top(&device).address()
            }
            None => device,
        }
    })
}

/// Allocates a work item of the I/O manager.
///
/// # Safety
///
/// `device` must be a valid device object.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn IoAllocateWorkItem(device: PDEVICE_OBJECT) -> PIO_WORKITEM {
    enter("IoAllocateWorkItem", |system| {
        if system.faults.fails(Allocation::Pool) {
            return core::ptr::null_mut();
        }
        let item = system
            .pool
            .allocate(WORK_ITEM_SIZE, WORK_ITEM_TAG, system.origin());
        let devices = &system.kernel.work_items;
        devices.borrow_mut().insert(item.addr(), device);
        item.cast()
    })
}

/// Queues a work item: its routine runs at `PASSIVE_LEVEL`.
///
/// # Safety
///
/// The item must come from [`IoAllocateWorkItem`] and not be queued, and `context` be what `routine` wants.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn IoQueueWorkItem(
    item: PIO_WORKITEM,
    routine: PIO_WORKITEM_ROUTINE,
    _queue: WORK_QUEUE_TYPE,
    context: PVOID,
) {
    enter("IoQueueWorkItem", |system| {
        let device = system.kernel.work_items.borrow().get(&item.addr()).copied();
        let Some(device) = device else {
            bad_item(system);
        };
        let Some(routine) = routine else {
            system.null_parameter("WorkerRoutine");
        };
        let driver = system.scheduler.context.driver.get();
        system.queue_work("io work item", move |system| {
            system.callback(driver, "WorkerRoutine", 0, || {
                // SAFETY: the driver queued the item with this routine and context; the device outlives it.
                unsafe { routine(device, context) };
            });
        });
    });
}

/// Frees a work item.
///
/// # Safety
///
/// The item must not be queued nor be used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn IoFreeWorkItem(item: PIO_WORKITEM) {
    enter("IoFreeWorkItem", |system| {
        let known = system.kernel.work_items.borrow_mut().remove(&item.addr());
        if known.is_none() || !system.pool.free(item.cast()) {
            bad_item(system);
        }
    });
}

fn bad_item(system: &crate::system::System) -> ! {
    system.bugcheck_os(
        BugcheckKind::BadFree,
        0xC2,
        [0x46, 0, 0, 0],
        format!(
            "{} was given what is no work item, or no longer one",
            system.ddi()
        ),
    )
}
