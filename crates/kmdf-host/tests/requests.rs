//! Section 3: requests that drivers create and send, and what receiving drivers may do with theirs.

mod common;

use std::cell::Cell;
use std::rc::Rc;

use common::*;
use kmdf_host::{
    Disk, HostConfig, Mode, OnCancel, Outcome, Reply, RequestPlace, Scripted, Stop, Ticks,
    ViolationKind,
};
use kmdf_sys::missing::*;
use kmdf_sys::*;

fn format(target: WDFIOTARGET, request: WDFREQUEST, memory: WDFMEMORY) -> NTSTATUS {
    wdf!(WdfIoTargetFormatRequestForWrite(
        target,
        request,
        memory,
        null(),
        null()
    ))
}

fn send(
    request: WDFREQUEST,
    target: WDFIOTARGET,
    options: Option<WDF_REQUEST_SEND_OPTIONS>,
) -> bool {
    let mut options = options;
    let options = options.as_mut().map_or(null(), |options| &raw mut *options);
    wdf!(WdfRequestSend(request, target, options)) != 0
}

fn with_routine(request: WDFREQUEST) {
    wdf!(WdfRequestSetCompletionRoutine(
        request,
        Some(evt_completed),
        null()
    ));
}

/// Logs how each asynchronous send completes.
fn logs_completion() -> Hooks {
    Hooks {
        filter: true,
        completed: Some(Rc::new(|_, status, information| {
            // SAFETY: no precondition.
            let irql = unsafe { ntddk::KeGetCurrentIrql() };
            log(format!("{status:#x} {information} irql {irql}"));
        })),
        ..Hooks::default()
    }
}

#[test]
fn an_asynchronous_send_completes_inline_or_later() {
    let later = Reply::default().after(Ticks::from_millis(5));
    let bench = bench(
        HostConfig::new(),
        Scripted::new(vec![Reply::default(), later]),
        logs_completion(),
    );
    on_thread(&bench.host, || {
        let request = create_request(target());
        let memory = create_memory(&[1, 2, 3]);
        for expected in ["inline", "later"] {
            assert_eq!(format(target(), request, memory), STATUS_SUCCESS);
            with_routine(request);
            assert!(send(request, target(), None));
            log(expected);
            if expected == "inline" {
                let mut params = WDF_REQUEST_COMPLETION_PARAMS {
                    Size: size::<WDF_REQUEST_COMPLETION_PARAMS>(),
                    ..Default::default()
                };
                wdf!(WdfRequestGetCompletionParams(request, &raw mut params));
                // SAFETY: the request is a write.
                let write = unsafe { params.Parameters.Write };
                assert_eq!(
                    (params.Type, write.Buffer, write.Length, write.Offset),
                    (4, memory, 3, 0)
                );
                assert_eq!(reuse(request, STATUS_NOT_SUPPORTED), STATUS_SUCCESS);
                assert_eq!(wdf!(WdfRequestGetStatus(request)), STATUS_NOT_SUPPORTED);
                assert_eq!(wdf!(WdfRequestGetInformation(request)), 0);
            }
        }
    });
    assert_eq!(
        take_log(),
        ["0x0 3 irql 0", "inline", "later", "0x0 3 irql 2"]
    );
    assert!(bench.host.finish().is_clean());
}

#[test]
fn formats_hold_their_memory_until_the_request_lets_go() {
    let bench = plain(HostConfig::new(), Scripted::default());
    let (request, memory) = on_thread(&bench.host, || {
        let request = create_request(target());
        let memory = create_memory(&[0; 8]);
        assert_eq!(format(target(), request, memory), STATUS_SUCCESS);
        (request, memory)
    });
    let references = || bench.host.object_state(memory).unwrap().references;
    assert_eq!(references(), 2);
    on_thread(&bench.host, move || {
        assert_eq!(format(target(), request, memory), STATUS_SUCCESS)
    });
    assert_eq!(references(), 2);
    on_thread(&bench.host, move || assert!(send(request, target(), None)));
    assert_eq!(
        references(),
        2,
        "completion by the target does not release it"
    );
    on_thread(&bench.host, move || {
        assert_eq!(reuse(request, 0), STATUS_SUCCESS)
    });
    assert_eq!(references(), 1);
    on_thread(&bench.host, move || {
        assert_eq!(format(target(), request, memory), STATUS_SUCCESS);
        assert_eq!(
            wdf!(WdfRequestChangeTarget(request, target())),
            STATUS_SUCCESS
        );
    });
    assert_eq!(references(), 1);
    on_thread(&bench.host, move || {
        assert_eq!(format(target(), request, memory), STATUS_SUCCESS);
        delete(request);
    });
    assert_eq!(references(), 1);
    on_thread(&bench.host, move || delete(memory));
    assert!(bench.host.object_state(memory).is_none());
}

#[test]
fn a_buffered_target_takes_the_data_when_formatted() {
    let bench = plain(HostConfig::new(), Scripted::default());
    on_thread(&bench.host, || {
        let request = create_request(target());
        let memory = create_memory(b"early");
        assert_eq!(format(target(), request, memory), STATUS_SUCCESS);
        let mut late = *b"later";
        let status = wdf!(WdfMemoryCopyFromBuffer(
            memory,
            0,
            late.as_mut_ptr().cast(),
            5
        ));
        assert_eq!(status, STATUS_SUCCESS);
        assert!(send(request, target(), None));
    });
    bench.host.with_lower(bench.lower, |lower: &mut Scripted| {
        assert_eq!(lower.seen()[0].data, b"early")
    });
}

#[test]
fn sending_twice_is_a_bugcheck() {
    for verifier in [false, true] {
        let bench = plain(
            HostConfig::new().verifier(verifier),
            Scripted::new(vec![Reply::default().pend()]),
        );
        let crash = bugcheck(&bench, || {
            let request = create_request(target());
            let memory = create_memory(&[0; 4]);
            assert_eq!(format(target(), request, memory), STATUS_SUCCESS);
            assert!(send(request, target(), None));
            send(request, target(), None);
        });
        assert_eq!(
            (crash.code, crash.p1, crash.p2, crash.ddi),
            (0x10D, 6, 3, "WdfRequestSend")
        );
    }
}

#[test]
fn the_verifier_wants_a_formatted_request() {
    let bench = plain(HostConfig::new().verifier(true), Scripted::default());
    on_thread(&bench.host, || {
        let request = create_request(target());
        assert!(!send(request, target(), None));
        assert_eq!(
            wdf!(WdfRequestGetStatus(request)),
            STATUS_REQUEST_NOT_ACCEPTED
        );
    });
    assert_eq!(bench.host.breaks(), 1);
}

#[test]
fn bad_options_give_one_status_whatever_they_are() {
    let bench = plain(HostConfig::new(), Scripted::default());
    on_thread(&bench.host, || {
        let request = create_request(target());
        let mut bad = options(0, 0);
        bad.Size = 3;
        for options in [bad, options(0x20, 0), options(FORGET | SYNCHRONOUS, 0)] {
            assert!(!send(request, target(), Some(options)));
            assert_eq!(wdf!(WdfRequestGetStatus(request)), STATUS_INVALID_PARAMETER);
        }
        assert!(!send(request, target(), Some(options(FORGET, 0))));
        assert_eq!(
            wdf!(WdfRequestGetStatus(request)),
            STATUS_INVALID_DEVICE_STATE
        );
    });
}

#[test]
fn an_asynchronous_time_out_cancels() {
    let cancelled = OnCancel::Complete {
        outcome: Outcome::new(STATUS_CANCELLED, 1),
        after: Ticks::from_millis(2),
    };
    let bench = bench(
        HostConfig::new(),
        Scripted::new(vec![Reply::default().pend().on_cancel(cancelled)]),
        logs_completion(),
    );
    on_thread(&bench.host, || {
        let request = create_request(target());
        let memory = create_memory(&[0; 4]);
        assert_eq!(format(target(), request, memory), STATUS_SUCCESS);
        with_routine(request);
        assert!(send(request, target(), Some(options(TIMEOUT, ms(10)))));
    });
    assert_eq!(take_log(), ["0xc00000b5 1 irql 2"]);
    assert_eq!(bench.host.now(), Ticks::from_millis(12));
}

#[test]
fn a_time_out_is_lost_when_a_stopped_target_starts() {
    let bench = bench(
        HostConfig::new(),
        Scripted::new(vec![Reply::default().after(Ticks::from_millis(50))]),
        logs_completion(),
    );
    on_thread(&bench.host, || {
        let request = create_request(target());
        let memory = create_memory(&[0; 4]);
        assert_eq!(format(target(), request, memory), STATUS_SUCCESS);
        with_routine(request);
        wdf!(WdfIoTargetStop(target(), 3));
        assert!(send(request, target(), Some(options(TIMEOUT, ms(10)))));
        assert_eq!(wdf!(WdfIoTargetStart(target())), STATUS_SUCCESS);
    });
    assert_eq!(take_log(), ["0x0 4 irql 2"]);
}

#[test]
fn a_synchronous_request_send_tells_the_driver_before_it_returns() {
    let bench = bench(
        HostConfig::new(),
        Scripted::new(vec![Reply::default().after(Ticks::from_millis(1))]),
        logs_completion(),
    );
    on_thread(&bench.host, || {
        let request = create_request(target());
        let memory = create_memory(&[0; 4]);
        assert_eq!(format(target(), request, memory), STATUS_SUCCESS);
        with_routine(request);
        assert!(send(request, target(), Some(options(SYNCHRONOUS, 0))));
        log("returned");
        assert_eq!(wdf!(WdfRequestGetStatus(request)), STATUS_SUCCESS);
        // Refused, the driver's routine stays for the next send.
        wdf!(WdfIoTargetPurge(target(), 2));
        assert_eq!(reuse(request, 0), STATUS_SUCCESS);
        assert_eq!(format(target(), request, memory), STATUS_SUCCESS);
        with_routine(request);
        assert!(!send(request, target(), Some(options(SYNCHRONOUS, 0))));
        assert_eq!(
            wdf!(WdfRequestGetStatus(request)),
            STATUS_INVALID_DEVICE_STATE
        );
        assert_eq!(wdf!(WdfIoTargetStart(target())), STATUS_SUCCESS);
        assert!(send(request, target(), None));
    });
    assert_eq!(take_log(), ["0x0 4 irql 2", "returned", "0x0 4 irql 2"]);
}

#[test]
fn a_failed_synchronous_ddi_leaves_a_dead_completion_routine() {
    let bench = plain(HostConfig::new(), Scripted::default());
    let crash = bugcheck(&bench, || {
        let request = create_request(target());
        let memory = create_memory(&[0; 4]);
        wdf!(WdfIoTargetPurge(target(), 2));
        assert_eq!(
            sync_write(target(), request, b"x", None),
            (STATUS_INVALID_DEVICE_STATE, 0)
        );
        assert_eq!(wdf!(WdfIoTargetStart(target())), STATUS_SUCCESS);
        assert_eq!(format(target(), request, memory), STATUS_SUCCESS);
        send(request, target(), None);
    });
    assert!(crash.explanation.contains("WdfRequestReuse"), "{crash}");
}

#[test]
fn reuse_checks_its_parameters() {
    let bench = plain(HostConfig::new(), Scripted::default());
    on_thread(&bench.host, || {
        let request = create_request(target());
        let mut params = WDF_REQUEST_REUSE_PARAMS {
            Size: 4,
            ..Default::default()
        };
        assert_eq!(
            wdf!(WdfRequestReuse(request, &raw mut params)),
            STATUS_INVALID_PARAMETER
        );
        params.Size = size::<WDF_REQUEST_REUSE_PARAMS>();
        params.Flags = 0x80;
        assert_eq!(
            wdf!(WdfRequestReuse(request, &raw mut params)),
            STATUS_INVALID_PARAMETER
        );
        params.Flags = 1;
        assert_eq!(
            wdf!(WdfRequestReuse(request, &raw mut params)),
            STATUS_SUCCESS
        );
        assert!(wdf!(WdfRequestWdmGetIrp(request)).is_null());
    });
    assert_eq!(bench.host.framework_irps(), 0);
}

#[test]
fn formatting_a_request_in_flight_frees_its_irp_under_the_driver_below() {
    let bench = plain(
        HostConfig::new(),
        Scripted::new(vec![Reply::default().after(Ticks::from_millis(1))]),
    );
    on_thread(&bench.host, || {
        let request = create_request(target());
        let memory = create_memory(&[0; 4]);
        assert_eq!(format(target(), request, memory), STATUS_SUCCESS);
        assert!(send(request, target(), None));
        assert_eq!(format(target(), request, memory), STATUS_SUCCESS);
    });
    let report = bench.host.finish();
    assert_eq!(report.violations[0].kind, ViolationKind::IrpFreedInFlight);
}

#[test]
fn requests_from_irps() {
    let bench = plain(HostConfig::new(), Scripted::default());
    let irp = bench.host.allocate_irp(1);
    on_thread(&bench.host, move || {
        let mut request = null();
        assert_eq!(
            wdf!(WdfRequestCreateFromIrp(null(), irp, 1, &raw mut request)),
            STATUS_SUCCESS
        );
        assert_eq!(wdf!(WdfRequestWdmGetIrp(request)), irp);
        let memory = create_memory(&[0; 4]);
        assert_eq!(format(target(), request, memory), STATUS_SUCCESS);
        assert!(send(request, target(), None));
        delete(request);
    });
    assert!(!bench.host.free_irp(irp));
    let short = bench.host.allocate_irp(0);
    on_thread(&bench.host, move || {
        let mut request = null();
        assert_eq!(
            wdf!(WdfRequestCreateFromIrp(null(), short, 0, &raw mut request)),
            STATUS_SUCCESS
        );
        assert_eq!(
            format(target(), request, null()),
            STATUS_REQUEST_NOT_ACCEPTED
        );
        delete(request);
    });
    assert!(bench.host.free_irp(short));
}

#[test]
fn create_checks() {
    let bench = plain(HostConfig::new(), Scripted::default());
    on_thread(&bench.host, || {
        let closed = remote_target();
        let mut request = std::ptr::without_provenance_mut(1);
        assert_eq!(
            wdf!(WdfRequestCreate(null(), closed, &raw mut request)),
            STATUS_INVALID_DEVICE_STATE
        );
        assert!(request.is_null());
        let mut scoped = attributes();
        scoped.SynchronizationScope = _WDF_SYNCHRONIZATION_SCOPE::WdfSynchronizationScopeQueue;
        let status = wdf!(WdfRequestCreate(&raw mut scoped, null(), &raw mut request));
        assert_eq!(status, STATUS_WDF_SYNCHRONIZATION_SCOPE_INVALID);
        assert_eq!(
            wdf!(WdfRequestCreate(null(), null(), &raw mut request)),
            STATUS_SUCCESS
        );
        assert!(wdf!(WdfRequestWdmGetIrp(request)).is_null());
        assert_eq!(format(target(), request, null()), STATUS_SUCCESS);
        assert!(!wdf!(WdfRequestWdmGetIrp(request)).is_null());
    });
    assert!(bench.host.finish().is_clean());
}

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
    assert!(bench.host.finish().is_clean());
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
            assert_eq!(format(target(), own, memory), STATUS_SUCCESS);
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
        assert_eq!(format(target(), own, memory), STATUS_SUCCESS);
        assert!(send(own, target(), None));
        assert_eq!(reuse(own, 0), STATUS_SUCCESS);
        // Forwarding its own memory with the request itself is no obstacle.
        assert_eq!(format(target(), received, memory), STATUS_SUCCESS);
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
fn completing_twice_is_use_after_delete() {
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
    assert!(crash.explanation.contains("used after delete"));
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
    assert!(bench.host.finish().is_clean());
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
            let mut interval = LARGE_INTEGER { QuadPart: ms(10) };
            // SAFETY: the interval is valid.
            assert_eq!(
                unsafe { ntddk::KeDelayExecutionThread(0, 0, &raw mut interval) },
                STATUS_SUCCESS
            );
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
