//! What drivers of the kernel wait for and run besides the framework's objects.

mod common;

use std::cell::RefCell;
use std::ffi::c_void;
use std::ptr;

use common::{attributes, device, log, ms, null, on_thread, plain, sleep, take_log, wdf};
use kmdf_host::{BugcheckKind, HostConfig, Loopback, Stop, ViolationKind};
use kmdf_sys::ntddk::*;
use kmdf_sys::*;

/// Memory with a fixed address, all zeros.
fn boxed<T: Default>() -> *mut T {
    Box::into_raw(Box::default())
}

fn time(milliseconds: i64) -> LARGE_INTEGER {
    LARGE_INTEGER {
        QuadPart: ms(milliseconds),
    }
}

/// Calls a function of the kernel.
macro_rules! nt {
    ($call:expr) => {
        // SAFETY: a test calls what it means to call, with objects that live long enough; the model checks the rest.
        unsafe { $call }
    };
}

fn wait(object: *mut c_void, timeout: Option<i64>) -> NTSTATUS {
    let mut timeout = timeout.map(time);
    let timeout = timeout.as_mut().map_or(null(), |timeout| &raw mut *timeout);
    nt!(KeWaitForSingleObject(object, 0, 0, 0, timeout))
}

fn wait_many(objects: &[*mut c_void], which: WAIT_TYPE, timeout: i64) -> NTSTATUS {
    let mut objects = objects.to_vec();
    let mut timeout = time(timeout);
    let count = u32::try_from(objects.len()).unwrap();
    nt!(KeWaitForMultipleObjects(
        count,
        objects.as_mut_ptr(),
        which,
        0,
        0,
        0,
        &raw mut timeout,
        null()
    ))
}

fn strict(seed: u64) -> HostConfig {
    HostConfig::new().seed(seed).verifier(true).preempt(true)
}

/// Runs as driver code on a machine of its own, which must end clean.
fn clean(seed: u64, f: impl FnOnce() + 'static) {
    let bench = plain(strict(seed), Loopback::new());
    on_thread(&bench.host, f);
    let report = bench.host.finish();
    assert!(report.is_clean(), "seed {seed}: {report}");
}

#[test]
fn a_semaphore_counts() {
    clean(0, || {
        let semaphore: *mut KSEMAPHORE = boxed();
        nt!(KeInitializeSemaphore(semaphore, 2, 3));
        assert_eq!(wait(semaphore.cast(), Some(0)), STATUS_SUCCESS);
        assert_eq!(wait(semaphore.cast(), None), STATUS_SUCCESS);
        assert_eq!(wait(semaphore.cast(), Some(5)), STATUS_TIMEOUT);
        assert_eq!(nt!(KeReleaseSemaphore(semaphore, 0, 3, 0)), 0);
        assert_eq!(nt!(KeReadStateSemaphore(semaphore)), 3);
    });
}

#[test]
fn a_semaphore_over_its_limit_is_an_exception() {
    let bench = plain(strict(0), Loopback::new());
    bench.host.spawn("test", || {
        let semaphore: *mut KSEMAPHORE = boxed();
        nt!(KeInitializeSemaphore(semaphore, 1, 1));
        nt!(KeReleaseSemaphore(semaphore, 0, 1, 0));
    });
    match bench.host.run() {
        Err(Stop::Bugcheck(bugcheck)) => {
            assert_eq!(bugcheck.kind, BugcheckKind::KernelException);
            assert_eq!((bugcheck.code, bugcheck.p1), (0x1E, 0xC000_0047));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_mutex_belongs_to_a_thread() {
    for seed in 0..50 {
        let bench = plain(strict(seed), Loopback::new());
        let mutex: *mut KMUTEX = boxed();
        on_thread(&bench.host, move || {
            nt!(KeInitializeMutex(mutex, 0));
            assert_eq!(nt!(KeReadStateMutex(mutex)), 1);
        });
        let inside: *mut u32 = boxed();
        for _ in 0..3 {
            bench.host.spawn("worker", move || {
                assert_eq!(wait(mutex.cast(), None), STATUS_SUCCESS);
                // The owner may wait for it again.
                assert_eq!(wait(mutex.cast(), Some(0)), STATUS_SUCCESS);
                nt!(*inside += 1);
                assert_eq!(nt!(*inside), 1);
                sleep(3);
                nt!(*inside -= 1);
                assert_eq!(nt!(KeReleaseMutex(mutex, 0)), -1);
                assert_eq!(nt!(KeReleaseMutex(mutex, 0)), 0);
            });
        }
        bench.host.run().expect("all get it in turn");
        assert_eq!(bench.host.now().as_millis(), 9);
        assert!(bench.host.finish().is_clean());
    }
}

#[test]
fn a_wait_for_several_objects() {
    clean(3, || {
        let first: *mut KEVENT = boxed();
        let second: *mut KEVENT = boxed();
        for event in [first, second] {
            nt!(KeInitializeEvent(
                event,
                _EVENT_TYPE::SynchronizationEvent,
                0
            ));
        }
        let both = [first.cast(), second.cast()];
        assert_eq!(wait_many(&both, _WAIT_TYPE::WaitAny, 1), STATUS_TIMEOUT);
        nt!(KeSetEvent(second, 0, 0));
        assert_eq!(wait_many(&both, _WAIT_TYPE::WaitAll, 1), STATUS_TIMEOUT);
        assert_eq!(nt!(KeReadStateEvent(second)), 1);
        assert_eq!(wait_many(&both, _WAIT_TYPE::WaitAny, 1), 1);
        assert_eq!(nt!(KeReadStateEvent(second)), 0);
    });
}

#[test]
fn a_waiter_for_any_object_is_woken_by_either() {
    for seed in 0..40 {
        let bench = plain(strict(seed), Loopback::new());
        let events: [*mut KEVENT; 2] = [boxed(), boxed()];
        on_thread(&bench.host, move || {
            for event in events {
                nt!(KeInitializeEvent(event, _EVENT_TYPE::NotificationEvent, 0));
            }
        });
        bench.host.spawn("waiter", move || {
            let objects = events.map(<*mut KEVENT>::cast);
            log(format!(
                "{}",
                wait_many(&objects, _WAIT_TYPE::WaitAny, 1000)
            ));
            assert_eq!(
                wait_many(&objects, _WAIT_TYPE::WaitAll, 1000),
                STATUS_SUCCESS
            );
        });
        for event in events {
            bench.host.spawn("setter", move || {
                sleep(1);
                nt!(KeSetEvent(event, 0, 0));
            });
        }
        bench.host.run().expect("the waiter ends");
        assert!(["0", "1"].contains(&take_log()[0].as_str()));
        assert!(bench.host.finish().is_clean());
    }
}

#[test]
fn four_objects_need_wait_blocks() {
    let bench = plain(strict(0), Loopback::new());
    bench.host.spawn("test", || {
        let event: *mut KEVENT = boxed();
        wait_many(&[event.cast(); 4], _WAIT_TYPE::WaitAny, 1);
    });
    match bench.host.run() {
        Err(Stop::Bugcheck(bugcheck)) => {
            assert_eq!(bugcheck.kind, BugcheckKind::TooManyWaitObjects);
        }
        other => panic!("{other:?}"),
    }
}

unsafe extern "C" fn deferred(_dpc: PKDPC, context: PVOID, first: PVOID, _second: PVOID) {
    log(format!(
        "dpc {} {} irql {}",
        context.addr(),
        first.addr(),
        nt!(KeGetCurrentIrql())
    ));
}

#[test]
fn a_timer_signals_and_queues_its_dpc() {
    clean(1, || {
        let timer: *mut KTIMER = boxed();
        let dpc: *mut KDPC = boxed();
        nt!(KeInitializeTimer(timer));
        nt!(KeInitializeDpc(
            dpc,
            Some(deferred),
            ptr::without_provenance_mut(7)
        ));
        assert_eq!(nt!(KeSetTimer(timer, time(10), dpc)), 0);
        assert_eq!(nt!(KeSetTimer(timer, time(20), dpc)), 1);
        sleep(15);
        assert_eq!(nt!(KeReadStateTimer(timer)), 0);
        assert_eq!(wait(timer.cast(), None), STATUS_SUCCESS);
        assert_eq!(nt!(KeReadStateTimer(timer)), 1);
        sleep(1);
        assert_eq!(nt!(KeCancelTimer(timer)), 0);
        nt!(KeSetTimerEx(timer, time(10), 10, dpc));
        sleep(35);
        assert_eq!(nt!(KeCancelTimer(timer)), 1);
        nt!(KeFlushQueuedDpcs());
        assert_eq!(take_log(), vec!["dpc 7 0 irql 2"; 4]);
    });
}

/// Without pre-emption, which would let another processor run the DPC between two calls.
#[test]
fn a_dpc_is_queued_once() {
    let bench = plain(HostConfig::new().verifier(true), Loopback::new());
    on_thread(&bench.host, || {
        let dpc: *mut KDPC = boxed();
        nt!(KeInitializeDpc(dpc, Some(deferred), null()));
        let argument = ptr::without_provenance_mut(3);
        let old = nt!(KfRaiseIrql(2));
        assert_eq!(nt!(KeInsertQueueDpc(dpc, argument, null())), 1);
        assert_eq!(nt!(KeInsertQueueDpc(dpc, argument, null())), 0);
        assert_eq!(nt!(KeRemoveQueueDpc(dpc)), 1);
        assert_eq!(nt!(KeRemoveQueueDpc(dpc)), 0);
        assert_eq!(nt!(KeInsertQueueDpc(dpc, argument, null())), 1);
        nt!(KeLowerIrql(old));
        nt!(KeFlushQueuedDpcs());
        assert_eq!(take_log(), ["dpc 0 3 irql 2"]);
    });
    assert!(bench.host.finish().is_clean());
}

#[test]
fn freeing_a_timer_that_is_set_is_caught() {
    let bench = plain(strict(0), Loopback::new());
    bench.host.spawn("test", || {
        let memory = nt!(ExAllocatePool2(POOL_FLAG_NON_PAGED, 256, 1));
        let timer: *mut KTIMER = memory.wrapping_byte_add(64).cast();
        nt!(KeInitializeTimer(timer));
        nt!(KeSetTimer(timer, time(10), null()));
        nt!(ExFreePool(memory));
    });
    match bench.host.run() {
        Err(Stop::Bugcheck(bugcheck)) => {
            assert_eq!(bugcheck.kind, BugcheckKind::TimerInFreedMemory);
            assert_eq!(bugcheck.code, 0xC7);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn spin_locks_exclude_and_raise() {
    for seed in 0..100 {
        let bench = plain(strict(seed), Loopback::new());
        let lock: *mut KSPIN_LOCK = boxed();
        let inside: *mut u32 = boxed();
        for worker in 0..4 {
            bench.host.spawn("worker", move || {
                let mut handle = KLOCK_QUEUE_HANDLE::default();
                let mut irql = 0;
                if worker % 2 == 0 {
                    irql = nt!(KeAcquireSpinLockRaiseToDpc(lock));
                } else {
                    nt!(KeAcquireInStackQueuedSpinLock(lock, &raw mut handle));
                }
                assert_eq!(nt!(KeGetCurrentIrql()), 2);
                nt!(*inside += 1);
                nt!(KeStallExecutionProcessor(10));
                assert_eq!(nt!(*inside), 1);
                nt!(*inside -= 1);
                assert_eq!(nt!(KeTestSpinLock(lock)), 0);
                if worker % 2 == 0 {
                    nt!(KeReleaseSpinLock(lock, irql));
                } else {
                    nt!(KeReleaseInStackQueuedSpinLock(&raw mut handle));
                }
                assert_eq!(nt!(KeGetCurrentIrql()), 0);
            });
        }
        bench.host.run().expect("all get it in turn");
        assert_eq!(bench.host.now().0, 400);
        let report = bench.host.finish();
        assert!(report.is_clean(), "{report}");
    }
}

#[test]
fn a_spin_lock_at_passive_level_is_found() {
    let bench = plain(HostConfig::new(), Loopback::new());
    on_thread(&bench.host, || {
        let lock: *mut KSPIN_LOCK = boxed();
        nt!(KeInitializeSpinLock(lock));
        nt!(KeAcquireSpinLockAtDpcLevel(lock));
        nt!(KeReleaseSpinLockFromDpcLevel(lock));
        nt!(KeStallExecutionProcessor(100));
    });
    let report = bench.host.finish();
    let kinds: Vec<_> = report.violations.iter().map(|found| found.kind).collect();
    assert_eq!(kinds, [ViolationKind::Irql, ViolationKind::LongStall]);
}

#[test]
fn a_spin_lock_that_nobody_holds_cannot_be_released() {
    let bench = plain(HostConfig::new(), Loopback::new());
    bench.host.spawn("test", || {
        let lock: *mut KSPIN_LOCK = boxed();
        nt!(KeReleaseSpinLock(lock, 0));
    });
    match bench.host.run() {
        Err(Stop::Bugcheck(bugcheck)) => assert_eq!(bugcheck.kind, BugcheckKind::NotLocked),
        other => panic!("{other:?}"),
    }
}

fn fast_mutex() -> *mut FAST_MUTEX {
    let mutex: *mut FAST_MUTEX = boxed();
    nt!((*mutex).Count = 1);
    nt!(KeInitializeEvent(
        &raw mut (*mutex).Event,
        _EVENT_TYPE::SynchronizationEvent,
        0
    ));
    mutex
}

#[test]
fn fast_mutexes_exclude_at_apc_level() {
    for seed in 0..60 {
        let bench = plain(strict(seed), Loopback::new());
        let mutex = on_thread(&bench.host, fast_mutex);
        let inside: *mut u32 = boxed();
        for _ in 0..3 {
            bench.host.spawn("worker", move || {
                nt!(ExAcquireFastMutex(mutex));
                assert_eq!(nt!(KeGetCurrentIrql()), 1);
                assert_eq!(nt!(ExTryToAcquireFastMutex(mutex)), 0);
                nt!(*inside += 1);
                sleep(2);
                assert_eq!(nt!(*inside), 1);
                nt!(*inside -= 1);
                nt!(ExReleaseFastMutex(mutex));
                assert_eq!(nt!(KeGetCurrentIrql()), 0);
            });
        }
        bench.host.run().expect("all get it in turn");
        assert_eq!(bench.host.now().as_millis(), 6);
        assert!(bench.host.finish().is_clean());
    }
}

thread_local! {
    static STOP: RefCell<*mut KEVENT> = const { RefCell::new(ptr::null_mut()) };
}

unsafe extern "C" fn worker(context: PVOID) {
    assert_eq!(
        wait(STOP.with_borrow(|stop| (*stop).cast()), None),
        STATUS_SUCCESS
    );
    sleep(5);
    log("worker ends");
    if !context.is_null() {
        let status = nt!(PsTerminateSystemThread(STATUS_SUCCESS));
        log(format!("terminated, and yet here: {status:#x}"));
    }
}

/// Starts a worker and waits until it has ended.
fn run_worker(context: PVOID, close: bool) {
    let stop: *mut KEVENT = boxed();
    nt!(KeInitializeEvent(stop, _EVENT_TYPE::NotificationEvent, 0));
    STOP.set(stop);
    let mut handle: HANDLE = null();
    let status = nt!(PsCreateSystemThread(
        &raw mut handle,
        0,
        null(),
        null(),
        null(),
        Some(worker),
        context
    ));
    assert_eq!(status, STATUS_SUCCESS);
    let mut thread: PVOID = null();
    let status = nt!(ObReferenceObjectByHandle(
        handle,
        0,
        null(),
        0,
        &raw mut thread,
        null()
    ));
    assert_eq!(status, STATUS_SUCCESS);
    if close {
        assert_eq!(nt!(ZwClose(handle)), STATUS_SUCCESS);
        assert_eq!(nt!(ZwClose(handle)), STATUS_INVALID_HANDLE);
    }
    assert_eq!(wait(thread, Some(1)), STATUS_TIMEOUT);
    nt!(KeSetEvent(stop, 0, 0));
    assert_eq!(wait(thread, None), STATUS_SUCCESS);
    assert_eq!(take_log(), ["worker ends"]);
    nt!(ObfDereferenceObject(thread));
}

#[test]
fn a_system_thread_is_waited_for() {
    for seed in 0..30 {
        clean(seed, || run_worker(null(), true));
        clean(seed, || run_worker(ptr::without_provenance_mut(1), true));
    }
}

#[test]
fn a_handle_that_is_not_closed_is_a_leak() {
    let bench = plain(strict(0), Loopback::new());
    on_thread(&bench.host, || run_worker(null(), false));
    let report = bench.host.finish();
    assert_eq!(report.violations.len(), 1, "{report}");
    assert_eq!(report.violations[0].kind, ViolationKind::ReferenceLeak);
}

unsafe extern "C" fn work(device: PDEVICE_OBJECT, context: PVOID) {
    log(format!("{} {}", !device.is_null(), context.addr()));
}

#[test]
fn work_items_of_the_io_manager() {
    clean(4, || {
        let object = wdf!(WdfDeviceWdmGetDeviceObject(device()));
        let item = nt!(IoAllocateWorkItem(object));
        nt!(IoQueueWorkItem(
            item,
            Some(work),
            1,
            ptr::without_provenance_mut(9)
        ));
        sleep(1);
        nt!(IoFreeWorkItem(item));
        assert_eq!(take_log(), ["true 9"]);
        let top = nt!(IoGetAttachedDeviceReference(object));
        assert_eq!(top, object);
        nt!(ObfDereferenceObject(top.cast()));
    });
}

#[test]
fn interlocked_lists() {
    clean(5, || {
        let lock: *mut KSPIN_LOCK = boxed();
        let head: *mut LIST_ENTRY = boxed();
        nt!((*head).Flink = head);
        nt!((*head).Blink = head);
        let entries: [*mut LIST_ENTRY; 3] = [boxed(), boxed(), boxed()];
        assert!(nt!(ExInterlockedRemoveHeadList(head, lock)).is_null());
        assert!(nt!(ExInterlockedInsertTailList(head, entries[1], lock)).is_null());
        assert_eq!(
            nt!(ExInterlockedInsertTailList(head, entries[2], lock)),
            entries[1]
        );
        assert_eq!(
            nt!(ExInterlockedInsertHeadList(head, entries[0], lock)),
            entries[1]
        );
        for entry in entries {
            assert_eq!(nt!(ExInterlockedRemoveHeadList(head, lock)), entry);
        }
        assert!(nt!(ExInterlockedRemoveHeadList(head, lock)).is_null());
        // An object of the framework as well, so that the driver is seen to be whole.
        let mut object = null();
        let mut attributes = attributes();
        assert_eq!(
            wdf!(WdfObjectCreate(&raw mut attributes, &raw mut object)),
            STATUS_SUCCESS
        );
        wdf!(WdfObjectDelete(object));
    });
}

#[test]
fn the_clocks_agree() {
    clean(6, || {
        let start = nt!(KeQueryInterruptTime());
        sleep(10);
        assert_eq!(nt!(KeQueryInterruptTime()) - start, 100_000);
        assert_eq!(nt!(KeQueryUnbiasedInterruptTime()) - start, 100_000);
        let mut counter = 0;
        assert_eq!(
            nt!(KeQueryInterruptTimePrecise(&raw mut counter)) - start,
            100_000
        );
        assert_eq!(counter - start, 100_000);
        assert_eq!(nt!(KeQueryTimeIncrement()), 156_250);
    });
}
