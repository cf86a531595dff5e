//! Semaphores, mutexes, timers, DPCs, and waits for several objects.

use kmdf_sys::{
    _TIMER_TYPE as timer_type, _WAIT_TYPE as wait_type, BOOLEAN, KPRIORITY, KPROCESSOR_MODE,
    KWAIT_REASON, LARGE_INTEGER, LONG, NTSTATUS, PFAST_MUTEX, PKDEFERRED_ROUTINE, PKDPC, PKTIMER,
    PKWAIT_BLOCK, PLARGE_INTEGER, PRKDPC, PRKEVENT, PRKMUTEX, PRKSEMAPHORE, PVOID,
    STATUS_INVALID_PARAMETER, STATUS_TIMEOUT, TIMER_TYPE, ULONG, WAIT_TYPE,
};

use super::{check_wait_irql, enter, event_at, timeout_at};
use crate::report::BugcheckKind;
use crate::status::{STATUS_MUTANT_NOT_OWNED, STATUS_SEMAPHORE_LIMIT_EXCEEDED};
use crate::system::dispatcher::{Dispatcher, WaitEnd, object_type};
use crate::system::{APC_LEVEL, System};
use crate::time::{Ticks, due};

/// `MAXIMUM_WAIT_OBJECTS`, and how many of them fit without wait blocks of the caller's.
const MAXIMUM_WAIT_OBJECTS: usize = 64;
const THREAD_WAIT_OBJECTS: usize = 3;

/// A dispatcher object that a driver passes.
fn object_at(object: PVOID) -> Dispatcher {
    // SAFETY: the callers of the functions below promise that it is a valid dispatcher object.
    unsafe { Dispatcher::new(object) }
}

/// An exception that no driver of the kernel handles.
fn raise(system: &System, status: NTSTATUS, explanation: &str) -> ! {
    system.bugcheck_os(
        BugcheckKind::KernelException,
        0x1E,
        [u64::from(status.cast_unsigned()), 0, 0, 0],
        format!("{} raised {status:#010X}: {explanation}", system.ddi()),
    )
}

/// Initializes a semaphore.
///
/// # Safety
///
/// `semaphore` must point to memory for a semaphore.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn KeInitializeSemaphore(semaphore: PRKSEMAPHORE, count: LONG, limit: LONG) {
    enter("KeInitializeSemaphore", |_| {
        // SAFETY: the caller promises memory for a semaphore.
        unsafe { Dispatcher::initialize(semaphore, object_type::SEMAPHORE, count) };
        // SAFETY: the same.
        unsafe { (*semaphore).Limit = limit };
    });
}

/// Adds to the count of a semaphore and returns the count before.
///
/// # Safety
///
/// `semaphore` must point to an initialized semaphore.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn KeReleaseSemaphore(
    semaphore: PRKSEMAPHORE,
    _increment: KPRIORITY,
    adjustment: LONG,
    _wait: BOOLEAN,
) -> LONG {
    enter("KeReleaseSemaphore", |system| {
        match system.release_semaphore(semaphore, adjustment) {
            Some(before) => before,
            None => raise(
                system,
                STATUS_SEMAPHORE_LIMIT_EXCEEDED,
                "the count of a semaphore never exceeds its limit",
            ),
        }
    })
}

/// The count of a semaphore.
///
/// # Safety
///
/// `semaphore` must point to an initialized semaphore.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn KeReadStateSemaphore(semaphore: PRKSEMAPHORE) -> LONG {
    enter("KeReadStateSemaphore", |_| {
        object_at(semaphore.cast()).state()
    })
}

/// Initializes a mutex, which nobody owns.
///
/// # Safety
///
/// `mutex` must point to memory for a mutex.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn KeInitializeMutex(mutex: PRKMUTEX, _level: ULONG) {
    enter("KeInitializeMutex", |_| {
        // SAFETY: the caller promises memory for a mutex.
        unsafe { Dispatcher::initialize(mutex, object_type::MUTANT, 1) };
        // Normal kernel APCs are disabled for its owner.
        // SAFETY: the same.
        unsafe { (*mutex).ApcDisable = 1 };
    });
}

/// Gives a mutex up once; 0 when nobody owns it any more.
///
/// # Safety
///
/// `mutex` must point to an initialized mutex.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn KeReleaseMutex(mutex: PRKMUTEX, _wait: BOOLEAN) -> LONG {
    enter("KeReleaseMutex", |system| {
        match system.release_mutex(mutex) {
            Some(before) => before,
            None => raise(
                system,
                STATUS_MUTANT_NOT_OWNED,
                "a mutex is released by the thread that waited for it",
            ),
        }
    })
}

/// The state of a mutex: 1 when nobody owns it.
///
/// # Safety
///
/// `mutex` must point to an initialized mutex.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn KeReadStateMutex(mutex: PRKMUTEX) -> LONG {
    enter("KeReadStateMutex", |_| object_at(mutex.cast()).state())
}

/// The state of an event.
///
/// # Safety
///
/// `event` must point to an initialized event.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn KeReadStateEvent(event: PRKEVENT) -> LONG {
    enter("KeReadStateEvent", |_| object_at(event.cast()).state())
}

/// Waits for one or all of several objects.
///
/// # Safety
///
/// `objects` must point to `count` initialized dispatcher objects, `timeout` be NULL or point to a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn KeWaitForMultipleObjects(
    count: ULONG,
    objects: *mut PVOID,
    which: WAIT_TYPE,
    _reason: KWAIT_REASON,
    _mode: KPROCESSOR_MODE,
    _alertable: BOOLEAN,
    timeout: PLARGE_INTEGER,
    blocks: PKWAIT_BLOCK,
) -> NTSTATUS {
    enter("KeWaitForMultipleObjects", |system| {
        let count = count as usize;
        let most = if blocks.is_null() {
            THREAD_WAIT_OBJECTS
        } else {
            MAXIMUM_WAIT_OBJECTS
        };
        if count > most {
            system.bugcheck_os(
                BugcheckKind::TooManyWaitObjects,
                0xC,
                [0; 4],
                format!("{count} objects are waited for, and there are wait blocks for {most}"),
            );
        }
        if count == 0 {
            return STATUS_INVALID_PARAMETER;
        }
        let timeout = timeout_at(system, timeout);
        check_wait_irql(system, timeout);
        let objects: Vec<Dispatcher> = (0..count)
            .map(|place| object_at(system.get(objects.wrapping_add(place))))
            .collect();
        let deadline = timeout.map(|timeout| deadline(system, timeout));
        match system.wait_objects(&objects, which == wait_type::WaitAll, deadline) {
            // STATUS_WAIT_0 and those after it are the numbers of the objects.
            WaitEnd::Object(place) => i32::try_from(place).unwrap_or(0),
            WaitEnd::Timeout => STATUS_TIMEOUT,
        }
    })
}

pub(super) fn deadline(system: &System, timeout: i64) -> Ticks {
    if timeout == 0 {
        system.now()
    } else {
        due(system.now(), timeout)
    }
}

/// Initializes a notification timer.
///
/// # Safety
///
/// `timer` must point to memory for a timer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn KeInitializeTimer(timer: PKTIMER) {
    // SAFETY: the same contract.
    unsafe { KeInitializeTimerEx(timer, timer_type::NotificationTimer) };
}

/// Initializes a timer.
///
/// # Safety
///
/// `timer` must point to memory for a timer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn KeInitializeTimerEx(timer: PKTIMER, which: TIMER_TYPE) {
    enter("KeInitializeTimerEx", |_| {
        let kind = if which == timer_type::SynchronizationTimer {
            object_type::TIMER_SYNCHRONIZATION
        } else {
            object_type::TIMER_NOTIFICATION
        };
        // SAFETY: the caller promises memory for a timer.
        unsafe { Dispatcher::initialize(timer, kind, 0) };
    });
}

/// Sets a timer that fires once; whether it was set already.
///
/// # Safety
///
/// As [`KeSetTimerEx`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn KeSetTimer(
    timer: PKTIMER,
    due_time: LARGE_INTEGER,
    dpc: PKDPC,
) -> BOOLEAN {
    enter("KeSetTimer", |system| {
        set_timer(system, timer, due_time, 0, dpc)
    })
}

/// Sets a timer; whether it was set already.
///
/// # Safety
///
/// `timer` must point to an initialized timer, and `dpc` be NULL or point to an initialized DPC; both must stay valid until
/// the timer is cancelled or has fired for the last time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn KeSetTimerEx(
    timer: PKTIMER,
    due_time: LARGE_INTEGER,
    period: LONG,
    dpc: PKDPC,
) -> BOOLEAN {
    enter("KeSetTimerEx", |system| {
        set_timer(system, timer, due_time, period.cast_unsigned(), dpc)
    })
}

/// As [`KeSetTimerEx`]; the model's timers are never late.
///
/// # Safety
///
/// As [`KeSetTimerEx`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn KeSetCoalescableTimer(
    timer: PKTIMER,
    due_time: LARGE_INTEGER,
    period: ULONG,
    _tolerable_delay: ULONG,
    dpc: PKDPC,
) -> BOOLEAN {
    enter("KeSetCoalescableTimer", |system| {
        set_timer(system, timer, due_time, period, dpc)
    })
}

fn set_timer(
    system: &System,
    timer: PKTIMER,
    due_time: LARGE_INTEGER,
    period: ULONG,
    dpc: PKDPC,
) -> BOOLEAN {
    // SAFETY: every member of the union is plain data of the same 64 bits.
    let due_time = unsafe { due_time.QuadPart };
    u8::from(system.set_kernel_timer(timer, deadline(system, due_time), period, dpc))
}

/// Cancels a timer; whether it was set.
///
/// # Safety
///
/// `timer` must point to an initialized timer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn KeCancelTimer(timer: PKTIMER) -> BOOLEAN {
    enter("KeCancelTimer", |system| {
        u8::from(system.cancel_kernel_timer(timer))
    })
}

/// Whether a timer has fired.
///
/// # Safety
///
/// `timer` must point to an initialized timer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn KeReadStateTimer(timer: PKTIMER) -> BOOLEAN {
    enter("KeReadStateTimer", |_| {
        u8::from(object_at(timer.cast()).state() != 0)
    })
}

/// Initializes a DPC.
///
/// # Safety
///
/// `dpc` must point to memory for a DPC.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn KeInitializeDpc(dpc: PRKDPC, routine: PKDEFERRED_ROUTINE, context: PVOID) {
    // `KOBJECTS::DpcObject`.
    const DPC_OBJECT: u8 = 19;
    enter("KeInitializeDpc", |system| {
        let state = kmdf_sys::_KDPC {
            DeferredRoutine: routine,
            DeferredContext: context,
            ..Default::default()
        };
        system.put(dpc, state);
        // SAFETY: the type is the first byte of a DPC, for which the caller promises memory.
        unsafe { dpc.cast::<u8>().write(DPC_OBJECT) };
    });
}

/// Queues a DPC; 0 when it is queued already.
///
/// # Safety
///
/// `dpc` must point to an initialized DPC that stays valid until it has run.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn KeInsertQueueDpc(dpc: PRKDPC, first: PVOID, second: PVOID) -> BOOLEAN {
    enter("KeInsertQueueDpc", |system| {
        let driver = system.scheduler.context.driver.get();
        u8::from(system.insert_dpc(dpc, driver, first, second))
    })
}

/// Takes a DPC out of the queue; whether it was there.
///
/// # Safety
///
/// `dpc` must point to an initialized DPC.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn KeRemoveQueueDpc(dpc: PRKDPC) -> BOOLEAN {
    enter("KeRemoveQueueDpc", |system| {
        u8::from(system.remove_dpc(dpc))
    })
}

/// Waits until the DPCs that are queued have run.
#[unsafe(no_mangle)]
pub extern "C" fn KeFlushQueuedDpcs() {
    enter("KeFlushQueuedDpcs", |system| {
        // Everything that is ready runs before time passes.
        system.sleep(system.now() + Ticks(1));
    });
}

/// Acquires a fast mutex and stays at `APC_LEVEL`.
///
/// # Safety
///
/// `mutex` must point to an initialized fast mutex.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ExAcquireFastMutex(mutex: PFAST_MUTEX) {
    enter("ExAcquireFastMutex", |system| {
        let irql = system.irql();
        system.set_irql(irql.max(APC_LEVEL));
        let mut state = system.get(mutex);
        state.Count -= 1;
        system.put(mutex, state);
        if state.Count != 0 {
            // SAFETY: the event is part of the mutex.
            let event = unsafe { &raw mut (*mutex).Event };
            system.wait_event(event_at(event), None);
        }
        own_fast_mutex(system, mutex, irql);
    });
}

/// Acquires a fast mutex if nobody has it; 0 when somebody does.
///
/// # Safety
///
/// `mutex` must point to an initialized fast mutex.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ExTryToAcquireFastMutex(mutex: PFAST_MUTEX) -> BOOLEAN {
    enter("ExTryToAcquireFastMutex", |system| {
        let mut state = system.get(mutex);
        if state.Count != 1 {
            return 0;
        }
        state.Count = 0;
        system.put(mutex, state);
        let irql = system.irql();
        system.set_irql(irql.max(APC_LEVEL));
        own_fast_mutex(system, mutex, irql);
        1
    })
}

fn own_fast_mutex(system: &System, mutex: PFAST_MUTEX, irql: u8) {
    let mut state = system.get(mutex);
    state.OldIrql = u32::from(irql);
    // The thread's number: no address, and never NULL.
    let number = system.running_thread().id.0 as usize + 1;
    state.Owner = core::ptr::without_provenance_mut(number);
    system.put(mutex, state);
}

/// Gives a fast mutex up and lowers the IRQL again.
///
/// # Safety
///
/// `mutex` must point to a fast mutex that the calling thread acquired.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ExReleaseFastMutex(mutex: PFAST_MUTEX) {
    enter("ExReleaseFastMutex", |system| {
        let mut state = system.get(mutex);
        if state.Owner.addr() != system.running_thread().id.0 as usize + 1 {
            system.not_locked(0);
        }
        let irql = u8::try_from(state.OldIrql).unwrap_or(APC_LEVEL);
        state.Owner = core::ptr::null_mut();
        state.Count += 1;
        system.put(mutex, state);
        if state.Count <= 0 {
            // SAFETY: the event is part of the mutex.
            let event = unsafe { &raw mut (*mutex).Event };
            system.set_event(event_at(event));
        }
        system.set_irql(irql);
    });
}
