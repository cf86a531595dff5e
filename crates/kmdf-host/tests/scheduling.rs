//! Threads, virtual time, determinism, deadlocks.

mod common;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use common::*;
use kmdf_host::{
    Disk, HostConfig, Mode, Outcome, Policy, Reply, Scripted, Stop, Ticks, Trace, ViolationKind,
};
use kmdf_sys::*;

#[test]
fn time_passes_only_while_all_threads_wait() {
    let bench = plain(HostConfig::new(), Disk::in_memory());
    bench.host.spawn("a", || {
        sleep(5);
        log("a 5");
        sleep(10);
        log("a 15");
    });
    bench.host.spawn("b", || {
        sleep(7);
        log("b 7");
    });
    bench.host.run().unwrap();
    assert_eq!(take_log(), ["a 5", "b 7", "a 15"]);
    assert_eq!(bench.host.now(), Ticks::from_millis(15));
    bench.host.run_for(Ticks::from_millis(3)).unwrap();
    assert_eq!(bench.host.now(), Ticks::from_millis(18));
}

#[test]
fn a_thread_in_a_synchronous_send_holds_up_nobody() {
    let slow = Reply::new(STATUS_SUCCESS).after(Ticks::from_millis(10));
    let bench = plain(
        HostConfig::new(),
        Scripted::new(vec![slow, Reply::default()]),
    );
    bench.host.spawn("slow", || {
        assert_eq!(
            sync_write(target(), null(), b"first", None),
            (STATUS_SUCCESS, 5)
        );
        log("slow");
    });
    bench.host.spawn("fast", || {
        sleep(1);
        assert_eq!(
            sync_write(target(), null(), b"second", None),
            (STATUS_SUCCESS, 6)
        );
        log("fast");
    });
    bench.host.run().unwrap();
    assert_eq!(take_log(), ["fast", "slow"]);
    assert!(bench.host.finish().is_clean());
}

#[test]
fn two_application_writes_are_in_flight_at_once() {
    let reply = Reply::new(STATUS_SUCCESS).after(Ticks::from_millis(10));
    let hooks = Hooks {
        filter: true,
        write: Some(Rc::new(|_, request, length| {
            let (status, written) = sync_write(target(), null(), &vec![0; length], None);
            wdf!(WdfRequestCompleteWithInformation(request, status, written));
        })),
        ..Hooks::default()
    };
    let bench = bench(HostConfig::new(), Scripted::new(vec![reply]), hooks);
    let file = bench.host.open(bench.stack).unwrap();
    let one = bench.host.submit_write(file, 0, &[0; 8], Mode::User);
    let two = bench.host.submit_write(file, 8, &[0; 8], Mode::User);
    bench.host.run().unwrap();
    assert_eq!(bench.host.result(one).unwrap().information, 8);
    assert_eq!(bench.host.result(two).unwrap().information, 8);
    assert_eq!(bench.host.now(), Ticks::from_millis(10));
    bench.host.with_lower(bench.lower, |lower: &mut Scripted| {
        assert!(lower.seen().iter().all(|seen| seen.time == Ticks::ZERO));
    });
}

/// Several threads compete for a wait lock and a target; everything they do is recorded.
fn contended(config: HostConfig) -> (Trace, Vec<String>) {
    let reply = Reply::new(STATUS_SUCCESS).after(Ticks::from_millis(1));
    let bench = plain(
        config.trace(true).preempt(true),
        Scripted::new(vec![reply, Reply::default()]),
    );
    let lock = Rc::new(Cell::new(null()));
    let shared = Rc::clone(&lock);
    on_thread(&bench.host, move || {
        let mut lock: WDFWAITLOCK = null();
        assert_eq!(
            wdf!(WdfWaitLockCreate(null(), &raw mut lock)),
            STATUS_SUCCESS
        );
        shared.set(lock);
    });
    for name in ["a", "b", "c", "d"] {
        let lock = Rc::clone(&lock);
        bench.host.spawn(name, move || {
            for round in 0..3 {
                assert_eq!(wdf!(WdfWaitLockAcquire(lock.get(), null())), STATUS_SUCCESS);
                assert_eq!(
                    sync_write(target(), null(), b"data", None).0,
                    STATUS_SUCCESS
                );
                log(format!("{name}{round}"));
                wdf!(WdfWaitLockRelease(lock.get()));
            }
        });
    }
    bench.host.run().unwrap();
    let trace = bench.host.trace();
    let order = take_log();
    assert!(bench.host.finish().is_clean());
    (trace, order)
}

#[test]
fn one_seed_gives_one_trace_and_seeds_differ() {
    let mut orders = Vec::new();
    for seed in 0..20 {
        let (trace, order) = contended(HostConfig::new().seed(seed));
        assert_eq!(
            contended(HostConfig::new().seed(seed)),
            (trace, order.clone())
        );
        assert_eq!(order.len(), 12);
        orders.push(order);
    }
    orders.sort();
    orders.dedup();
    assert!(orders.len() > 3, "only {} orders in 20 seeds", orders.len());
    let (_, order) = contended(HostConfig::new().policy(Policy::InOrder));
    assert_eq!(order[..4], ["a0", "b0", "c0", "d0"]);
}

#[test]
fn a_deadlock_names_who_waits_for_what() {
    let bench = plain(HostConfig::new(), Disk::in_memory());
    let locks = on_thread(&bench.host, || {
        let mut locks: [WDFWAITLOCK; 2] = [null(); 2];
        for lock in &mut locks {
            assert_eq!(
                wdf!(WdfWaitLockCreate(null(), &raw mut *lock)),
                STATUS_SUCCESS
            );
        }
        locks
    });
    for (name, first, second) in [("a", 0, 1), ("b", 1, 0)] {
        bench.host.spawn(name, move || {
            let _ = wdf!(WdfWaitLockAcquire(locks[first], null()));
            sleep(1);
            let _ = wdf!(WdfWaitLockAcquire(locks[second], null()));
        });
    }
    let Err(Stop::Deadlock(deadlock)) = bench.host.run() else {
        panic!("no deadlock")
    };
    let mut waiting: Vec<_> = deadlock
        .threads
        .iter()
        .map(|blocked| blocked.thread.as_str())
        .collect();
    waiting.sort_unstable();
    assert_eq!(waiting, ["a", "b"]);
    assert!(
        deadlock
            .threads
            .iter()
            .all(|blocked| blocked.waits_for.contains("lock"))
    );
    let report = bench.host.finish();
    assert!(matches!(report.stop, Some(Stop::Deadlock(_))));
}

#[test]
fn an_io_that_nobody_completes_is_a_deadlock_until_it_is_completed_from_outside() {
    let bench = plain(
        HostConfig::new(),
        Scripted::new(vec![Reply::default().pend()]),
    );
    let file = bench.host.open(bench.stack).unwrap();
    let Err(Stop::Deadlock(deadlock)) = bench.host.write(file, 0, b"x") else {
        panic!("no deadlock")
    };
    assert_eq!(deadlock.io.len(), 1);
    assert_eq!(deadlock.io[0].waits_for, "disk");
    let io = bench.host.submit_write(file, 0, b"yz", Mode::User);
    bench.host.run().unwrap();
    assert_eq!(
        (bench.host.result(io), bench.host.held_by(bench.lower)),
        (None, 2)
    );
    assert!(
        bench
            .host
            .complete_lower(bench.lower, 1, Outcome::new(STATUS_SUCCESS, 2))
            .unwrap()
    );
    assert_eq!(bench.host.result(io).unwrap().information, 2);
    let report = bench.host.finish();
    assert_eq!(report.violations.len(), 1);
    assert_eq!(report.violations[0].kind, ViolationKind::RequestLost);
}

#[test]
fn waiting_at_dispatch_level_ends_the_run() {
    let bench = plain(
        HostConfig::new(),
        Scripted::new(vec![Reply::default().after(Ticks::from_millis(1))]),
    );
    let crash = bugcheck(&bench, || {
        // SAFETY: no precondition.
        unsafe { ntddk::KfRaiseIrql(2) };
        let _ = sync_write(target(), null(), b"x", None);
    });
    assert_eq!(
        (crash.code, crash.ddi),
        (0xB8, "WdfIoTargetSendWriteSynchronously")
    );
    assert!(bench.host.run().is_err());
    assert!(bench.host.open(bench.stack).is_err());
    let report = bench.host.finish();
    assert!(matches!(report.stop, Some(Stop::Bugcheck(_))));
}

#[test]
fn events_wake_one_or_all() {
    let bench = plain(HostConfig::new().policy(Policy::InOrder), Disk::in_memory());
    for (event_type, expected) in [
        (_EVENT_TYPE::SynchronizationEvent, vec!["set", "0"]),
        (_EVENT_TYPE::NotificationEvent, vec!["set", "0", "1"]),
    ] {
        let event = Rc::new(RefCell::new(Box::new(KEVENT::default())));
        let address = &raw mut **event.borrow_mut();
        // SAFETY: the event lives in the box to the end of this round.
        unsafe { ntddk::KeInitializeEvent(address, event_type, 0) };
        for number in 0..2 {
            bench.host.spawn("waiter", move || {
                // SAFETY: as above.
                let status =
                    unsafe { ntddk::KeWaitForSingleObject(address.cast(), 0, 0, 0, null()) };
                assert_eq!(status, STATUS_SUCCESS);
                log(number.to_string());
            });
        }
        bench.host.spawn("setter", move || {
            sleep(1);
            log("set");
            // SAFETY: as above.
            assert_eq!(unsafe { ntddk::KeSetEvent(address, 0, 0) }, 0);
        });
        let _ = bench.host.run();
        assert_eq!(take_log(), expected);
        bench.host.spawn("setter", move || {
            // SAFETY: as above.
            unsafe { ntddk::KeSetEvent(address, 0, 0) };
        });
        bench.host.run().unwrap();
        take_log();
        let mut timeout = LARGE_INTEGER { QuadPart: ms(3) };
        on_thread(&bench.host, move || {
            // SAFETY: as above.
            unsafe { ntddk::KeClearEvent(address) };
            // SAFETY: as above.
            let status =
                unsafe { ntddk::KeWaitForSingleObject(address.cast(), 0, 0, 0, &raw mut timeout) };
            assert_eq!(status, STATUS_TIMEOUT);
        });
    }
}

#[test]
fn a_panic_of_test_code_reaches_the_test() {
    let bench = plain(HostConfig::new(), Disk::in_memory());
    bench.host.spawn("test", || panic!("as expected"));
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| bench.host.run()));
    assert_eq!(
        *result.unwrap_err().downcast::<&str>().unwrap(),
        "as expected"
    );
    bench.host.spawn("next", || log("runs on"));
    bench.host.run().unwrap();
    assert_eq!(take_log(), ["runs on"]);
}

#[test]
fn hosts_on_other_threads_do_not_meet() {
    let threads: Vec<_> = (0..4)
        .map(|seed| {
            std::thread::spawn(move || {
                let (trace, _) = contended(HostConfig::new().seed(seed));
                trace.records.len()
            })
        })
        .collect();
    for (seed, thread) in threads.into_iter().enumerate() {
        let (trace, _) = contended(HostConfig::new().seed(seed as u64));
        assert_eq!(thread.join().unwrap(), trace.records.len());
    }
}
