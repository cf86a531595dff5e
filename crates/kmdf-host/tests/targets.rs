//! Section 6.1: I/O targets, their states, opening and closing.

mod common;

use std::rc::Rc;

use common::*;
use kmdf_host::{Disk, HostConfig, LowerConfig, OnCancel, Reply, Scripted, Ticks};
use kmdf_sys::missing::*;
use kmdf_sys::*;

const STARTED: i32 = _WDF_IO_TARGET_STATE::WdfIoTargetStarted;
const STOPPED: i32 = _WDF_IO_TARGET_STATE::WdfIoTargetStopped;
const CLOSED: i32 = _WDF_IO_TARGET_STATE::WdfIoTargetClosed;
const CLOSED_FOR_QUERY: i32 = _WDF_IO_TARGET_STATE::WdfIoTargetClosedForQueryRemove;
const PURGED: i32 = _WDF_IO_TARGET_STATE::WdfIoTargetPurged;

fn state(target: WDFIOTARGET) -> i32 {
    wdf!(WdfIoTargetGetState(target))
}

#[test]
fn a_remote_target_is_opened_used_and_closed() {
    let bench = plain(HostConfig::new(), Disk::in_memory());
    on_thread(&bench.host, || {
        let target = remote_target();
        assert_eq!(wdf!(WdfIoTargetGetDevice(target)), device());
        assert_eq!(state(target), STARTED, "never opened, and yet");
        assert_eq!(
            sync_write(target, null(), b"1", None),
            (STATUS_INVALID_DEVICE_STATE, u64::MAX)
        );
        assert_eq!(open_existing(target), STATUS_SUCCESS);
        assert_eq!(open_existing(target), STATUS_INVALID_DEVICE_STATE);
        assert_eq!(sync_write(target, null(), b"12", None), (STATUS_SUCCESS, 2));
        wdf!(WdfIoTargetClose(target));
        assert_eq!(state(target), CLOSED);
        assert_eq!(
            sync_write(target, null(), b"1", None).0,
            STATUS_INVALID_DEVICE_STATE
        );
        // Starting a closed target changes the state and nothing else.
        assert_eq!(wdf!(WdfIoTargetStart(target)), STATUS_SUCCESS);
        assert_eq!(state(target), STARTED);
        assert_eq!(
            sync_write(target, null(), b"1", None).0,
            STATUS_INVALID_DEVICE_STATE
        );
        assert_eq!(open_existing(target), STATUS_SUCCESS);
        assert_eq!(
            sync_write(target, null(), b"123", None),
            (STATUS_SUCCESS, 3)
        );
        delete(target);
    });
    assert!(bench.host.finish().is_clean());
}

#[test]
fn open_by_name_and_reopen() {
    let bench = plain(HostConfig::new(), Disk::in_memory());
    let other = bench.host.add_lower(
        Disk::in_memory(),
        LowerConfig::new("other").named("\\Device\\Other"),
    );
    on_thread(&bench.host, || {
        let target = remote_target();
        let open = |kind, name: &str| {
            let units: Vec<u16> = name.encode_utf16().collect();
            let bytes = u16::try_from(units.len() * 2).unwrap();
            let mut params = WDF_IO_TARGET_OPEN_PARAMS {
                Size: size::<WDF_IO_TARGET_OPEN_PARAMS>(),
                Type: kind,
                TargetDeviceName: UNICODE_STRING {
                    Length: bytes,
                    MaximumLength: bytes,
                    Buffer: units.as_ptr().cast_mut(),
                },
                ..Default::default()
            };
            wdf!(WdfIoTargetOpen(target, &raw mut params))
        };
        let (existing, by_name, reopen, by_file) = (1, 2, 3, 4);
        assert_eq!(open(reopen, ""), STATUS_INVALID_DEVICE_REQUEST);
        assert_eq!(open(existing, ""), STATUS_INVALID_PARAMETER);
        assert_eq!(open(by_name, ""), STATUS_INVALID_PARAMETER);
        assert_eq!(open(by_file, ""), STATUS_INVALID_PARAMETER);
        assert_eq!(open(0, ""), STATUS_INVALID_PARAMETER);
        assert_eq!(
            open(by_name, "\\Device\\None"),
            STATUS_OBJECT_NAME_NOT_FOUND
        );
        assert_eq!(state(target), CLOSED);
        assert_eq!(open(by_name, "\\Device\\Other"), STATUS_SUCCESS);
        assert_eq!(
            sync_write(target, null(), b"name", None),
            (STATUS_SUCCESS, 4)
        );
        wdf!(WdfIoTargetCloseForQueryRemove(target));
        assert_eq!(state(target), CLOSED_FOR_QUERY);
        assert_eq!(open(reopen, ""), STATUS_SUCCESS);
        assert_eq!(
            sync_write(target, null(), b"again", None),
            (STATUS_SUCCESS, 5)
        );
        let mut bad = WDF_IO_TARGET_OPEN_PARAMS {
            Size: 3,
            ..Default::default()
        };
        assert_eq!(
            wdf!(WdfIoTargetOpen(target, &raw mut bad)),
            STATUS_INFO_LENGTH_MISMATCH
        );
    });
    assert_eq!(
        bench
            .host
            .with_lower(other, |disk: &mut Disk| disk.bytes().to_vec()),
        b"again"
    );
}

#[test]
fn a_devices_own_target_can_be_neither_opened_nor_closed() {
    let bench = plain(HostConfig::new(), Disk::in_memory());
    let crash = bugcheck(&bench, || wdf!(WdfIoTargetClose(target())));
    assert_eq!((crash.p1, crash.p3), (5, 0x1201));
}

#[test]
fn a_parent_must_be_below_the_device() {
    let bench = plain(HostConfig::new(), Disk::in_memory());
    on_thread(&bench.host, || {
        let mut foreign = WDF_OBJECT_ATTRIBUTES {
            ParentObject: wdf!(WdfDeviceGetDriver(device())).cast(),
            ..attributes()
        };
        let mut target: WDFIOTARGET = null();
        let status = wdf!(WdfIoTargetCreate(
            device(),
            &raw mut foreign,
            &raw mut target
        ));
        assert_eq!(status, STATUS_INVALID_DEVICE_REQUEST);
    });
}

#[test]
fn the_table_of_states() {
    let stop = |target| wdf!(WdfIoTargetStop(target, 1));
    let purge = |target| wdf!(WdfIoTargetPurge(target, 1));
    let close = |target| wdf!(WdfIoTargetClose(target));
    let start = |target| assert_eq!(wdf!(WdfIoTargetStart(target)), STATUS_SUCCESS);
    let bench = plain(HostConfig::new(), Disk::in_memory());
    on_thread(&bench.host, move || {
        let reach: [(i32, &dyn Fn(WDFIOTARGET)); 4] = [
            (STARTED, &|_| ()),
            (STOPPED, &stop),
            (PURGED, &purge),
            (CLOSED, &close),
        ];
        for (from, reach) in reach {
            let open = from != CLOSED;
            let acts: [(&dyn Fn(WDFIOTARGET), i32); 4] = [
                (&start, STARTED),
                (&stop, if open { STOPPED } else { CLOSED }),
                (&purge, if open { PURGED } else { CLOSED }),
                (&close, CLOSED),
            ];
            for (act, to) in acts {
                let target = remote_target();
                assert_eq!(open_existing(target), STATUS_SUCCESS);
                reach(target);
                assert_eq!(state(target), from);
                act(target);
                assert_eq!(state(target), to, "from {from}");
                delete(target);
            }
        }
        wdf!(WdfIoTargetStop(target(), 0));
        wdf!(WdfIoTargetStop(target(), 4));
        wdf!(WdfIoTargetPurge(target(), 0));
        assert_eq!(state(target()), STARTED, "unknown actions do nothing");
    });
    assert!(bench.host.finish().is_clean());
}

/// Sends one asynchronous write that completes after 20 ms unless cancelled, then lets `act` end it.
fn with_io(
    ignores_state: bool,
    on_cancel: Option<OnCancel>,
    act: fn(WDFIOTARGET),
) -> (Vec<String>, u64) {
    let mut reply = Reply::default().after(Ticks::from_millis(20));
    if let Some(on_cancel) = on_cancel {
        reply = reply.on_cancel(on_cancel);
    }
    let hooks = Hooks {
        filter: true,
        completed: Some(Rc::new(|_, status, _| log(format!("{status:#x}")))),
        ..Hooks::default()
    };
    let bench = bench(HostConfig::new(), Scripted::new(vec![reply]), hooks);
    let at = on_thread(&bench.host, move || {
        let target = remote_target();
        assert_eq!(open_existing(target), STATUS_SUCCESS);
        let request = create_request(target);
        let memory = create_memory(&[0; 4]);
        assert_eq!(
            wdf!(WdfIoTargetFormatRequestForWrite(
                target,
                request,
                memory,
                null(),
                null()
            )),
            STATUS_SUCCESS
        );
        wdf!(WdfRequestSetCompletionRoutine(
            request,
            Some(evt_completed),
            null()
        ));
        let mut ignoring = options(IGNORE_STATE, 0);
        let options = if ignores_state {
            &raw mut ignoring
        } else {
            null()
        };
        assert_eq!(wdf!(WdfRequestSend(request, target, options)), 1);
        act(target);
        log("returned");
        // SAFETY: a NULL frequency is allowed.
        let time = unsafe { ntddk::KeQueryPerformanceCounter(null()) };
        // SAFETY: every member covers the same 64 bits.
        unsafe { time.QuadPart / 10_000 }
    });
    (take_log(), at.unsigned_abs())
}

#[test]
fn stop_purge_and_close_do_what_they_say_to_sent_io() {
    let cancelled = format!("{STATUS_CANCELLED:#x}");
    let (done, returned) = ("0x0".to_owned(), "returned".to_owned());
    type Act = fn(WDFIOTARGET);
    let cases: [(&str, bool, Act, [&String; 2], u64); 8] = [
        (
            "stop, cancel",
            false,
            |t| wdf!(WdfIoTargetStop(t, 1)),
            [&cancelled, &returned],
            0,
        ),
        (
            "stop, wait",
            false,
            |t| wdf!(WdfIoTargetStop(t, 2)),
            [&done, &returned],
            20,
        ),
        (
            "stop, leave",
            false,
            |t| wdf!(WdfIoTargetStop(t, 3)),
            [&returned, &done],
            0,
        ),
        (
            "purge, wait",
            false,
            |t| wdf!(WdfIoTargetPurge(t, 1)),
            [&cancelled, &returned],
            0,
        ),
        (
            "purge",
            false,
            |t| wdf!(WdfIoTargetPurge(t, 2)),
            [&cancelled, &returned],
            0,
        ),
        (
            "close",
            false,
            |t| wdf!(WdfIoTargetClose(t)),
            [&cancelled, &returned],
            0,
        ),
        (
            "stop, ignoring",
            true,
            |t| wdf!(WdfIoTargetStop(t, 1)),
            [&returned, &done],
            0,
        ),
        (
            "close, ignoring",
            true,
            |t| wdf!(WdfIoTargetClose(t)),
            [&cancelled, &returned],
            0,
        ),
    ];
    for (name, ignoring, act, expected, at) in cases {
        let (log, time) = with_io(ignoring, None, act);
        assert_eq!(
            (log.iter().collect::<Vec<_>>(), time),
            (expected.to_vec(), at),
            "{name}"
        );
    }
    let (log, time) = with_io(false, Some(OnCancel::Ignore), |t| {
        wdf!(WdfIoTargetStop(t, 1))
    });
    assert_eq!(
        (log, time),
        (vec![done.clone(), returned.clone()], 20),
        "waits for what cannot be cancelled"
    );
    let (log, _) = with_io(false, None, delete);
    assert_eq!(log, [cancelled, returned], "deletion cancels and waits");
}

#[test]
fn pended_requests_are_sent_in_order_or_failed() {
    for (act, expected) in [
        ("start", vec!["0x0", "0x0"]),
        ("purge", vec!["0xc0200206", "0xc0200206"]),
        ("close", vec!["0xc0200206", "0xc0200206"]),
        ("cancel", vec!["0xc0000120"]),
    ] {
        let hooks = Hooks {
            filter: true,
            completed: Some(Rc::new(|_, status, information| {
                assert!(status == 0 || information == 0);
                log(format!("{status:#x}"));
            })),
            ..Hooks::default()
        };
        let bench = bench(HostConfig::new(), Scripted::default(), hooks);
        on_thread(&bench.host, move || {
            let target = remote_target();
            assert_eq!(open_existing(target), STATUS_SUCCESS);
            wdf!(WdfIoTargetStop(target, 3));
            let requests = [1u8, 2].map(|byte| {
                let request = create_request(target);
                let memory = create_memory(&[byte; 4]);
                assert_eq!(
                    wdf!(WdfIoTargetFormatRequestForWrite(
                        target,
                        request,
                        memory,
                        null(),
                        null()
                    )),
                    STATUS_SUCCESS
                );
                wdf!(WdfRequestSetCompletionRoutine(
                    request,
                    Some(evt_completed),
                    null()
                ));
                assert_eq!(wdf!(WdfRequestSend(request, target, null())), 1);
                request
            });
            match act {
                "start" => assert_eq!(wdf!(WdfIoTargetStart(target)), STATUS_SUCCESS),
                "purge" => wdf!(WdfIoTargetPurge(target, 2)),
                "close" => wdf!(WdfIoTargetClose(target)),
                _ => assert_eq!(wdf!(WdfRequestCancelSentRequest(requests[1])), 1),
            }
        });
        assert_eq!(take_log(), expected, "{act}");
        assert_eq!(
            STATUS_WDF_DEVICE_REMOVED_NOT_SENT.cast_unsigned(),
            0xC020_0206
        );
        bench.host.with_lower(bench.lower, |lower: &mut Scripted| {
            let order: Vec<u8> = lower.seen().iter().map(|seen| seen.data[0]).collect();
            assert_eq!(order, if act == "start" { vec![1, 2] } else { vec![] });
        });
    }
}

#[test]
fn a_start_waits_for_a_stop_that_is_waiting() {
    let reply = Reply::default()
        .after(Ticks::from_millis(10))
        .on_cancel(OnCancel::Ignore);
    let bench = plain(HostConfig::new(), Scripted::new(vec![reply]));
    bench.host.spawn("sender", || {
        assert_eq!(
            sync_write(target(), null(), b"1", None),
            (STATUS_SUCCESS, 1)
        );
        log("sent");
    });
    let _ = bench.host.run_for(Ticks::from_millis(1));
    bench.host.spawn("stopper", || {
        wdf!(WdfIoTargetStop(target(), 1));
        log("stopped");
    });
    let _ = bench.host.run_for(Ticks::from_millis(1));
    bench.host.spawn("starter", || {
        assert_eq!(state(target()), STOPPED);
        assert_eq!(wdf!(WdfIoTargetStart(target())), STATUS_SUCCESS);
        log("started");
    });
    bench.host.run().unwrap();
    let order = take_log();
    assert_eq!(order.len(), 3);
    let place = |what| order.iter().position(|entry| entry == what).unwrap();
    assert!(place("stopped") < place("started"), "{order:?}");
}
