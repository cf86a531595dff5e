//! Sections 3.3 to 3.5: what a driver may do with the requests it receives.

mod common;

use std::cell::Cell;
use std::rc::Rc;

use common::*;
use kmdf_host::{
    BugcheckKind, Disk, HostConfig, Mode, Reply, RequestPlace, Scripted, Stop, Ticks, ViolationKind,
};
use kmdf_sys::missing::*;
use kmdf_sys::*;

/// A driver that keeps what it receives, for a test to work on.
fn keeps(
    config: HostConfig,
    lower: impl kmdf_host::LowerDevice + 'static,
) -> (Bench, Rc<Cell<WDFREQUEST>>) {
    let kept = Rc::new(Cell::new(null()));
    let slot = Rc::clone(&kept);
    let hooks = Hooks {
        filter: true,
        write: Some(Rc::new(move |_, request, _| slot.set(request))),
        read: Some(Rc::new(|_, request, _| {
            wdf!(WdfRequestComplete(request, STATUS_SUCCESS))
        })),
        ..logs_completion()
    };
    (bench(config, lower, hooks), kept)
}

#[test]
fn a_received_request_is_forwarded_and_completed() {
    let (bench, kept) = keeps(
        HostConfig::new(),
        Scripted::new(vec![Reply::default().after(Ticks::from_millis(1))]),
    );
    let file = bench.host.open(bench.stack).unwrap();
    let io = bench.host.submit_write(file, 40, b"forward", Mode::User);
    bench.host.run().unwrap();
    assert_eq!(bench.host.place_of(io), RequestPlace::Driver);
    let request = kept.get();
    hook(|hooks| {
        hooks.completed = Some(Rc::new(|request, status, information| {
            wdf!(WdfRequestCompleteWithInformation(
                request,
                status,
                information
            ));
        }));
    });
    on_thread(&bench.host, move || {
        wdf!(WdfRequestFormatRequestUsingCurrentType(request));
        assert!(
            !send(request, target(), None),
            "a received request needs a completion routine"
        );
        assert_eq!(
            wdf!(WdfRequestGetStatus(request)),
            STATUS_INVALID_DEVICE_REQUEST
        );
        with_routine(request);
        assert!(send(request, target(), None));
    });
    assert_eq!(bench.host.result(io).unwrap().information, 7);
    assert_eq!(bench.host.place_of(io), RequestPlace::Completed);
    bench.host.with_lower(bench.lower, |lower: &mut Scripted| {
        assert_eq!(
            (lower.seen()[0].offset, &lower.seen()[0].data[..]),
            (40, &b"forward"[..])
        );
    });
    assert_eq!(found(bench), [ViolationKind::NoCompletionRoutine]);
}

#[test]
fn send_and_forget_passes_the_irp_on_for_good() {
    for formatted in [false, true] {
        let (bench, kept) = keeps(HostConfig::new(), Disk::in_memory());
        let file = bench.host.open(bench.stack).unwrap();
        let io = bench.host.submit_write(file, 0, b"gone", Mode::User);
        bench.host.run().unwrap();
        let request = kept.get();
        on_thread(&bench.host, move || {
            if formatted {
                wdf!(WdfRequestFormatRequestUsingCurrentType(request));
            }
            // The target's state does not matter.
            wdf!(WdfIoTargetPurge(target(), 2));
            assert!(send(request, target(), Some(options(FORGET, 0))));
        });
        assert_eq!(bench.host.result(io).unwrap().information, 4);
        assert!(bench.host.object_state(request).is_none());
        assert!(bench.host.finish().is_clean());
    }
}

#[test]
fn completing_while_the_memory_is_in_use_is_a_bugcheck() {
    for verifier in [false, true] {
        let (bench, kept) = keeps(HostConfig::new().verifier(verifier), Scripted::default());
        let file = bench.host.open(bench.stack).unwrap();
        bench.host.submit_write(file, 0, b"data", Mode::User);
        bench.host.run().unwrap();
        let received = kept.get();
        let crash = bugcheck(&bench, move || {
            let own = create_request(target());
            let mut memory = null();
            assert_eq!(
                wdf!(WdfRequestRetrieveInputMemory(received, &raw mut memory)),
                STATUS_SUCCESS
            );
            assert_eq!(format_write(target(), own, memory), STATUS_SUCCESS);
            assert!(send(own, target(), None));
            wdf!(WdfRequestComplete(received, STATUS_SUCCESS));
        });
        assert_eq!(
            (crash.p1, crash.p2, crash.p3),
            (3, received.addr() as u64, 1)
        );
    }
    let (bench, kept) = keeps(HostConfig::new(), Scripted::default());
    let file = bench.host.open(bench.stack).unwrap();
    let io = bench.host.submit_write(file, 0, b"data", Mode::User);
    bench.host.run().unwrap();
    let received = kept.get();
    on_thread(&bench.host, move || {
        let own = create_request(target());
        let mut memory = null();
        assert_eq!(
            wdf!(WdfRequestRetrieveInputMemory(received, &raw mut memory)),
            STATUS_SUCCESS
        );
        assert_eq!(format_write(target(), own, memory), STATUS_SUCCESS);
        assert!(send(own, target(), None));
        assert_eq!(reuse(own, 0), STATUS_SUCCESS);
        // Forwarding its own memory with the request itself is no obstacle.
        assert_eq!(format_write(target(), received, memory), STATUS_SUCCESS);
        wdf!(WdfRequestCompleteWithInformation(
            received,
            STATUS_SUCCESS,
            4
        ));
    });
    assert_eq!(bench.host.result(io).unwrap().information, 4);
}

#[test]
fn completing_a_created_request() {
    let bench = plain(HostConfig::new().verifier(true), Scripted::default());
    on_thread(&bench.host, || {
        let request = create_request(target());
        wdf!(WdfRequestComplete(request, STATUS_SUCCESS));
        delete(request);
    });
    assert_eq!(bench.host.breaks(), 1);
    let bench = plain(HostConfig::new(), Scripted::default());
    let crash = bugcheck(&bench, || {
        wdf!(WdfRequestComplete(create_request(target()), STATUS_SUCCESS))
    });
    assert_eq!(crash.p1, 7);
}

#[test]
fn statuses_and_information_of_completions() {
    for (status, information, expected) in [
        (STATUS_SUCCESS, 3, (STATUS_SUCCESS, 3)),
        (STATUS_UNSUCCESSFUL, 5, (STATUS_UNSUCCESSFUL, 5)),
        (STATUS_WDF_PAUSED, 0, (STATUS_DEVICE_BUSY, 0)),
        (STATUS_WDF_BUSY, 0, (STATUS_DEVICE_BUSY, 0)),
        (STATUS_WDF_INTERNAL_ERROR, 0, (STATUS_INTERNAL_ERROR, 0)),
        (
            STATUS_WDF_NOT_ENOUGH_MAP_REGISTERS,
            0,
            (STATUS_INSUFFICIENT_RESOURCES, 0),
        ),
        (
            STATUS_WDF_DEVICE_REMOVED_NOT_SENT,
            0,
            (STATUS_INVALID_DEVICE_REQUEST, 0),
        ),
        (
            STATUS_WDF_TOO_FRAGMENTED,
            0,
            (STATUS_INVALID_DEVICE_REQUEST, 0),
        ),
    ] {
        let hooks = Hooks {
            filter: true,
            write: Some(Rc::new(move |_, request, _| {
                wdf!(WdfRequestCompleteWithInformation(
                    request,
                    status,
                    information
                ));
            })),
            ..Hooks::default()
        };
        let bench = bench(HostConfig::new(), Scripted::default(), hooks);
        let file = bench.host.open(bench.stack).unwrap();
        let result = bench.host.write(file, 0, b"12345").unwrap();
        assert_eq!((result.status, result.information), expected);
    }
}

#[test]
fn too_much_information_is_a_bugcheck_for_the_verifier() {
    for verifier in [false, true] {
        let hooks = Hooks {
            filter: true,
            write: Some(Rc::new(|_, request, _| {
                wdf!(WdfRequestCompleteWithInformation(
                    request,
                    STATUS_SUCCESS,
                    6
                ))
            })),
            ..Hooks::default()
        };
        let bench = bench(
            HostConfig::new().verifier(verifier),
            Scripted::default(),
            hooks,
        );
        let file = bench.host.open(bench.stack).unwrap();
        match bench.host.write(file, 0, b"12345") {
            Ok(result) => assert!(!verifier && result.information == 6),
            Err(Stop::Bugcheck(crash)) => assert!(verifier && (crash.p1, crash.p2) == (6, 4)),
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn a_dropped_request_is_a_violation() {
    let hooks = Hooks {
        filter: true,
        write: Some(Rc::new(|_, request, _| {
            wdf!(WdfRequestComplete(request, STATUS_DRIVER_INTERNAL_ERROR))
        })),
        ..Hooks::default()
    };
    let bench = bench(HostConfig::new(), Scripted::default(), hooks);
    let file = bench.host.open(bench.stack).unwrap();
    assert_eq!(
        bench.host.write(file, 0, b"1").unwrap().status,
        STATUS_DRIVER_INTERNAL_ERROR
    );
    let report = bench.host.finish();
    assert_eq!(report.violations.len(), 1);
    assert_eq!(report.violations[0].kind, ViolationKind::RequestDropped);
}

#[test]
fn completing_twice_is_a_double_completion() {
    let (bench, kept) = keeps(HostConfig::new(), Scripted::default());
    let file = bench.host.open(bench.stack).unwrap();
    bench.host.submit_write(file, 0, b"1", Mode::User);
    bench.host.run().unwrap();
    let request = kept.get();
    let crash = bugcheck(&bench, move || {
        wdf!(WdfRequestComplete(request, STATUS_SUCCESS));
        wdf!(WdfRequestComplete(request, STATUS_SUCCESS));
    });
    assert_eq!(
        (crash.p1, crash.p2, crash.p3),
        (5, request.addr() as u64, 0x1008)
    );
    assert_eq!(crash.kind, BugcheckKind::DoubleCompletion);
}

#[test]
fn marking_unmarking_and_cancelling() {
    let cancels: Rc<dyn Fn(WDFREQUEST)> = Rc::new(|request| {
        log(format!("cancelled {}", wdf!(WdfRequestIsCanceled(request))));
        wdf!(WdfRequestComplete(request, STATUS_CANCELLED));
    });
    // Marked, then cancelled.
    let (bench, kept) = keeps(HostConfig::new(), Scripted::default());
    hook(|hooks| hooks.cancelled = Some(Rc::clone(&cancels)));
    let file = bench.host.open(bench.stack).unwrap();
    let io = bench.host.submit_write(file, 0, b"1", Mode::User);
    bench.host.run().unwrap();
    let request = kept.get();
    on_thread(&bench.host, move || {
        assert_eq!(
            wdf!(WdfRequestMarkCancelableEx(request, Some(evt_cancel))),
            STATUS_SUCCESS
        );
    });
    assert!(bench.host.cancel(io).unwrap());
    assert_eq!(bench.host.result(io).unwrap().status, STATUS_CANCELLED);
    // Unmarked in time: the cancel changes nothing but the flag.
    let io = bench.host.submit_write(file, 0, b"2", Mode::User);
    bench.host.run().unwrap();
    let request = kept.get();
    on_thread(&bench.host, move || {
        assert_eq!(
            wdf!(WdfRequestMarkCancelableEx(request, Some(evt_cancel))),
            STATUS_SUCCESS
        );
        assert_eq!(wdf!(WdfRequestUnmarkCancelable(request)), STATUS_SUCCESS);
        assert_eq!(wdf!(WdfRequestUnmarkCancelable(request)), STATUS_CANCELLED);
    });
    assert!(!bench.host.cancel(io).unwrap());
    on_thread(&bench.host, move || {
        assert_eq!(wdf!(WdfRequestIsCanceled(request)), 1);
        assert_eq!(
            wdf!(WdfRequestMarkCancelableEx(request, Some(evt_cancel))),
            STATUS_CANCELLED
        );
        wdf!(WdfRequestComplete(request, STATUS_SUCCESS));
    });
    assert_eq!(bench.host.result(io).unwrap().status, STATUS_SUCCESS);
    // Cancelled before it is marked: the plain DDI calls back.
    let io = bench.host.submit_write(file, 0, b"3", Mode::User);
    bench.host.run().unwrap();
    assert!(!bench.host.cancel(io).unwrap());
    let request = kept.get();
    on_thread(&bench.host, move || {
        wdf!(WdfRequestMarkCancelable(request, Some(evt_cancel)))
    });
    assert_eq!(bench.host.result(io).unwrap().status, STATUS_CANCELLED);
    assert_eq!(take_log(), ["cancelled 1", "cancelled 1"]);
    on_thread(&bench.host, || {
        let own = create_request(target());
        assert_eq!(
            wdf!(WdfRequestMarkCancelableEx(own, Some(evt_cancel))),
            STATUS_INVALID_DEVICE_REQUEST
        );
        assert_eq!(
            wdf!(WdfRequestUnmarkCancelable(own)),
            STATUS_INVALID_DEVICE_REQUEST
        );
    });
    // The driver's own request.
    assert_eq!(found(bench), [ViolationKind::CancelState; 2]);
}

#[test]
fn a_cancel_callback_waits_for_the_running_callback_of_its_queue() {
    let hooks = Hooks {
        filter: true,
        write: Some(Rc::new(|_, request, _| {
            assert_eq!(
                wdf!(WdfRequestMarkCancelableEx(request, Some(evt_cancel))),
                STATUS_SUCCESS
            );
            sleep(10);
            log("leaving EvtIoWrite");
        })),
        cancelled: Some(Rc::new(|request| {
            log("EvtRequestCancel");
            wdf!(WdfRequestComplete(request, STATUS_CANCELLED));
        })),
        ..Hooks::default()
    };
    let bench = bench(HostConfig::new(), Scripted::default(), hooks);
    let file = bench.host.open(bench.stack).unwrap();
    let io = bench.host.submit_write(file, 0, b"1", Mode::User);
    bench.host.run_for(Ticks::from_millis(1)).unwrap();
    assert!(bench.host.cancel(io).unwrap());
    bench.host.run().unwrap();
    assert_eq!(take_log(), ["leaving EvtIoWrite", "EvtRequestCancel"]);
    assert_eq!(bench.host.result(io).unwrap().status, STATUS_CANCELLED);
}
