//! Sections 3.1 to 3.4: requests that drivers create and send.

mod common;

use common::*;
use kmdf_host::{HostConfig, OnCancel, Outcome, Reply, Scripted, Ticks, ViolationKind};
use kmdf_sys::missing::*;
use kmdf_sys::*;

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
            assert_eq!(format_write(target(), request, memory), STATUS_SUCCESS);
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
        assert_eq!(format_write(target(), request, memory), STATUS_SUCCESS);
        (request, memory)
    });
    let references = || bench.host.object_state(memory).unwrap().references;
    assert_eq!(references(), 2);
    on_thread(&bench.host, move || {
        assert_eq!(format_write(target(), request, memory), STATUS_SUCCESS)
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
        assert_eq!(format_write(target(), request, memory), STATUS_SUCCESS);
        assert_eq!(
            wdf!(WdfRequestChangeTarget(request, target())),
            STATUS_SUCCESS
        );
    });
    assert_eq!(references(), 1);
    on_thread(&bench.host, move || {
        assert_eq!(format_write(target(), request, memory), STATUS_SUCCESS);
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
        assert_eq!(format_write(target(), request, memory), STATUS_SUCCESS);
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
            assert_eq!(format_write(target(), request, memory), STATUS_SUCCESS);
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
    // The framework traces this and does not break.
    assert_eq!(bench.host.breaks(), 0);
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
        assert_eq!(format_write(target(), request, memory), STATUS_SUCCESS);
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
        assert_eq!(format_write(target(), request, memory), STATUS_SUCCESS);
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
        assert_eq!(format_write(target(), request, memory), STATUS_SUCCESS);
        with_routine(request);
        assert!(send(request, target(), Some(options(SYNCHRONOUS, 0))));
        log("returned");
        assert_eq!(wdf!(WdfRequestGetStatus(request)), STATUS_SUCCESS);
        // Refused, the driver's routine stays for the next send.
        wdf!(WdfIoTargetPurge(target(), 2));
        assert_eq!(reuse(request, 0), STATUS_SUCCESS);
        assert_eq!(format_write(target(), request, memory), STATUS_SUCCESS);
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
        assert_eq!(format_write(target(), request, memory), STATUS_SUCCESS);
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
        assert_eq!(format_write(target(), request, memory), STATUS_SUCCESS);
        assert!(send(request, target(), None));
        assert_eq!(format_write(target(), request, memory), STATUS_SUCCESS);
    });
    let report = bench.host.finish();
    let found: Vec<_> = report.violations.iter().map(|found| found.kind).collect();
    assert_eq!(
        found,
        [
            ViolationKind::FormattedInFlight,
            ViolationKind::IrpFreedInFlight
        ]
    );
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
        assert_eq!(format_write(target(), request, memory), STATUS_SUCCESS);
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
            format_write(target(), request, null()),
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
        assert_eq!(format_write(target(), request, null()), STATUS_SUCCESS);
        assert!(!wdf!(WdfRequestWdmGetIrp(request)).is_null());
    });
    assert!(bench.host.finish().is_clean());
}
