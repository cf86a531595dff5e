//! IRQL: the limits of functions, locks, and what a callback must leave as it found it.

mod common;

use std::rc::Rc;

use common::*;
use kmdf_host::{
    Bugcheck, BugcheckKind, HostConfig, Loopback, LowerDevice, Reply, Report, Scripted, Stop,
    Ticks, Violation, ViolationKind,
};
use kmdf_sys::*;

fn kinds(report: &Report) -> Vec<ViolationKind> {
    let violations = report.violations.iter();
    violations.map(|violation| violation.kind).collect()
}

/// What is found when `f` runs as a driver's thread.
fn found_on(lower: impl LowerDevice + 'static, f: impl FnOnce() + 'static) -> Report {
    let bench = plain(HostConfig::new(), lower);
    bench.host.spawn("test", f);
    ignore(bench.host.run());
    bench.host.finish()
}

fn found(f: impl FnOnce() + 'static) -> Report {
    found_on(Loopback::new(), f)
}

/// What is found in a callback that handles a write and completes it.
fn found_in_write(config: HostConfig, f: impl Fn() + 'static) -> Report {
    let hooks = Hooks {
        filter: true,
        write: Some(Rc::new(move |_, request, _| {
            f();
            wdf!(WdfRequestComplete(request, STATUS_SUCCESS));
        })),
        ..Hooks::default()
    };
    let bench = bench(config, Loopback::new(), hooks);
    let file = bench.host.open(bench.stack).unwrap();
    ignore(bench.host.write(file, 0, b"data"));
    bench.host.finish()
}

fn raise(irql: u8) -> u8 {
    // SAFETY: no precondition.
    unsafe { ntddk::KfRaiseIrql(irql) }
}

fn lower(irql: u8) {
    // SAFETY: no precondition.
    unsafe { ntddk::KeLowerIrql(irql) }
}

fn spin_lock() -> WDFSPINLOCK {
    let mut lock = null();
    let status = wdf!(WdfSpinLockCreate(null(), &raw mut lock));
    assert_eq!(status, STATUS_SUCCESS);
    lock
}

fn wait_lock() -> WDFWAITLOCK {
    let mut lock = null();
    let status = wdf!(WdfWaitLockCreate(null(), &raw mut lock));
    assert_eq!(status, STATUS_SUCCESS);
    lock
}

#[test]
fn a_function_is_called_at_its_highest_irql_and_one_above() {
    // A function of PASSIVE_LEVEL, one of DISPATCH_LEVEL, one of the level above, and one of the kernel.
    let calls: [(u8, Rc<dyn Fn()>); 4] = [
        (
            0,
            Rc::new(|| {
                wdf!(WdfDeviceSetDeviceInterfaceState(
                    device(),
                    &GUID::default(),
                    null(),
                    0
                ));
            }),
        ),
        (
            2,
            Rc::new(|| ignore(wdf!(WdfDeviceGetDefaultQueue(device())))),
        ),
        (2, Rc::new(|| ignore(wdf!(WdfDeviceGetDriver(device()))))),
        (
            1,
            Rc::new(|| {
                // SAFETY: no precondition.
                unsafe { ntddk::KeEnterCriticalRegion() };
                // SAFETY: no precondition.
                unsafe { ntddk::KeLeaveCriticalRegion() };
            }),
        ),
    ];
    for (limit, call) in calls {
        for (irql, expected) in [(limit, &[][..]), (limit + 1, &[ViolationKind::Irql][..])] {
            let call = Rc::clone(&call);
            let report = found(move || {
                let old = raise(irql);
                call();
                lower(old);
            });
            assert_eq!(
                kinds(&report),
                expected,
                "limit {limit}, at {irql}: {report}"
            );
        }
    }
}

#[test]
fn a_limit_that_depends_on_an_argument_is_looked_at_in_the_function() {
    let at_dispatch = |f: fn()| {
        kinds(&found(move || {
            let old = raise(2);
            f();
            lower(old);
        }))
    };
    assert_eq!(
        at_dispatch(|| wdf!(WdfIoTargetStop(
            target(),
            _WDF_IO_TARGET_SENT_IO_ACTION::WdfIoTargetLeaveSentIoPending
        ))),
        []
    );
    assert_eq!(
        at_dispatch(|| wdf!(WdfIoTargetStop(
            target(),
            _WDF_IO_TARGET_SENT_IO_ACTION::WdfIoTargetWaitForSentIoToComplete
        ))),
        [ViolationKind::Irql]
    );
}

fn crash_of(report: &Report) -> &Bugcheck {
    match &report.stop {
        Some(Stop::Bugcheck(crash)) => crash,
        other => panic!("expected a crash, got {other:?}"),
    }
}

#[test]
fn a_synchronous_send_under_a_spin_lock_is_named_as_such() {
    let late = Scripted::new(vec![Reply::default().after(Ticks::from_millis(1))]);
    let report = found_on(late, || {
        let lock = spin_lock();
        wdf!(WdfSpinLockAcquire(lock));
        ignore(sync_write(target(), null(), b"data", None));
    });
    assert_eq!(kinds(&report), [ViolationKind::WaitUnderSpinLock]);
    let violation: &Violation = &report.violations[0];
    assert_eq!(violation.ddi, "WdfIoTargetSendWriteSynchronously");
    assert_eq!(violation.object.expect("the lock").class, "WDFSPINLOCK");
    assert_eq!(crash_of(&report).kind, BugcheckKind::WaitUnderSpinLock);

    // The other ways to wait.
    let report = found(|| {
        wdf!(WdfSpinLockAcquire(spin_lock()));
        sleep(1);
    });
    assert_eq!(kinds(&report), [ViolationKind::WaitUnderSpinLock]);

    // After the lock is released all is well.
    let report = found(|| {
        let lock = spin_lock();
        wdf!(WdfSpinLockAcquire(lock));
        wdf!(WdfSpinLockRelease(lock));
        ignore(sync_write(target(), null(), b"data", None));
        delete(lock);
    });
    assert!(report.is_clean(), "{report}");
}

#[test]
fn a_callback_releases_the_locks_that_it_acquires() {
    for verifier in [false, true] {
        let report = found_in_write(HostConfig::new().verifier(verifier), || {
            wdf!(WdfSpinLockAcquire(spin_lock()));
        });
        assert_eq!(kinds(&report)[0], ViolationKind::LockHeld, "{report}");
        assert_eq!(report.violations[0].place.callback, Some("EvtIoWrite"));
    }
    let report = found_in_write(HostConfig::new(), || {
        let status = wdf!(WdfWaitLockAcquire(wait_lock(), null()));
        assert_eq!(status, STATUS_SUCCESS);
    });
    assert_eq!(kinds(&report)[0], ViolationKind::LockHeld, "{report}");
    let report = found_in_write(HostConfig::new(), || {
        let lock = spin_lock();
        wdf!(WdfSpinLockAcquire(lock));
        wdf!(WdfSpinLockRelease(lock));
        delete(lock);
        let lock = wait_lock();
        let status = wdf!(WdfWaitLockAcquire(lock, null()));
        assert_eq!(status, STATUS_SUCCESS);
        wdf!(WdfWaitLockRelease(lock));
        delete(lock);
    });
    assert!(report.is_clean(), "{report}");
}

#[test]
fn a_thread_ends_without_locks() {
    let report = found(|| {
        let status = wdf!(WdfWaitLockAcquire(wait_lock(), null()));
        assert_eq!(status, STATUS_SUCCESS);
    });
    assert_eq!(kinds(&report)[0], ViolationKind::LockHeld, "{report}");
}

#[test]
fn a_callback_returns_at_its_irql() {
    let change = || ignore(raise(2));
    let report = found_in_write(HostConfig::new(), change);
    assert_eq!(kinds(&report), [ViolationKind::CallbackIrql], "{report}");
    assert_eq!(report.stop, None);

    let report = found_in_write(HostConfig::new().enhanced_verifier(true), change);
    let crash = crash_of(&report);
    assert_eq!(crash.kind, BugcheckKind::CallbackIrql);
    assert_eq!((crash.p1, crash.p2, crash.p3), (0xE, 0, 2));
}

#[test]
fn a_callback_leaves_the_critical_regions_as_they_were() {
    // SAFETY: no precondition.
    let enter = || unsafe { ntddk::KeEnterCriticalRegion() };
    // SAFETY: no precondition.
    let leave = || unsafe { ntddk::KeLeaveCriticalRegion() };
    for enhanced in [false, true] {
        let config = HostConfig::new().enhanced_verifier(enhanced);
        let report = found_in_write(config.clone(), move || {
            enter();
            leave();
        });
        assert!(report.is_clean(), "{report}");

        // The framework presents requests inside a region, so one that is entered once more does not show to it.
        let report = found_in_write(config.clone(), enter);
        assert_eq!(kinds(&report), [ViolationKind::CriticalRegion], "{report}");
        assert_eq!(report.stop, None);

        let report = found_in_write(config, leave);
        assert_eq!(kinds(&report), [ViolationKind::CriticalRegion], "{report}");
        if enhanced {
            let crash = crash_of(&report);
            assert_eq!((crash.kind, crash.p1), (BugcheckKind::CriticalRegion, 0xF));
        } else {
            assert_eq!(report.stop, None);
        }
    }
}

#[test]
fn a_lock_is_released_by_who_holds_it() {
    let report = found(|| wdf!(WdfSpinLockRelease(spin_lock())));
    assert_eq!(crash_of(&report).kind, BugcheckKind::NotLocked);
    let report = found(|| wdf!(WdfWaitLockRelease(wait_lock())));
    assert_eq!(kinds(&report)[0], ViolationKind::Lock);
}
