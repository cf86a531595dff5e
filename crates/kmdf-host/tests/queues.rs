//! Sections 8.3 and 8.4: queues and the delivery of requests.

mod common;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use common::*;
use kmdf_host::{Disk, FileId, HostConfig, IoId, IrpSpec, Mode, Policy, Scripted, Stop, Ticks};
use kmdf_sys::missing::*;
use kmdf_sys::*;

const SEQUENTIAL: i32 = 1;
const PARALLEL: i32 = 2;
const MANUAL: i32 = 3;

type Kept = Rc<RefCell<Vec<WDFREQUEST>>>;

/// A driver whose default queue keeps writes, presented under this configuration.
fn keeping(
    dispatch: i32,
    change: impl Fn(&mut WDF_IO_QUEUE_CONFIG) + 'static,
) -> (Bench, FileId, Rc<Cell<WDFQUEUE>>, Kept) {
    keeping_with(
        HostConfig::new().policy(Policy::InOrder),
        dispatch,
        change,
        |hooks| {
            let _ = hooks;
        },
    )
}

fn keeping_with(
    config: HostConfig,
    dispatch: i32,
    change: impl Fn(&mut WDF_IO_QUEUE_CONFIG) + 'static,
    more: impl FnOnce(&mut Hooks),
) -> (Bench, FileId, Rc<Cell<WDFQUEUE>>, Kept) {
    let kept = Kept::default();
    let queue = Rc::new(Cell::new(null()));
    let (slot, list) = (Rc::clone(&queue), Rc::clone(&kept));
    let mut hooks = Hooks {
        write: Some(Rc::new(move |_, request, length| {
            log(format!("EvtIoWrite {length}"));
            list.borrow_mut().push(request);
        })),
        queue: Some(Box::new(move |device| {
            let mut config = default_queue(dispatch);
            if dispatch == MANUAL {
                config.EvtIoWrite = None;
            }
            config.PowerManaged = _WDF_TRI_STATE::WdfFalse;
            change(&mut config);
            slot.set(create_queue(device, config));
        })),
        ..Hooks::default()
    };
    more(&mut hooks);
    let bench = bench(config, Scripted::default(), hooks);
    let file = bench.host.open(bench.stack).unwrap();
    (bench, file, queue, kept)
}

fn counts(queue: WDFQUEUE) -> (i32, u32, u32) {
    let (mut queued, mut owned) = (0u32, 0u32);
    let state = wdf!(WdfIoQueueGetState(queue, &raw mut queued, &raw mut owned));
    (state, queued, owned)
}

fn write(bench: &Bench, file: FileId, length: usize) -> IoId {
    let io = bench
        .host
        .submit_write(file, 0, &vec![0; length], Mode::User);
    bench.host.run().unwrap();
    io
}

fn complete(bench: &Bench, request: WDFREQUEST) {
    on_thread(&bench.host, move || {
        wdf!(WdfRequestComplete(request, STATUS_SUCCESS))
    });
}

#[test]
fn configurations_are_checked() {
    let bench = plain(HostConfig::new(), Disk::in_memory());
    on_thread(&bench.host, || {
        let create = |config: WDF_IO_QUEUE_CONFIG, out: bool| {
            let mut config = config;
            let mut queue: WDFQUEUE = null();
            let out = if out { &raw mut queue } else { null() };
            wdf!(WdfIoQueueCreate(device(), &raw mut config, null(), out))
        };
        let with = |dispatch, change: fn(&mut WDF_IO_QUEUE_CONFIG)| {
            let mut config = queue_config(dispatch);
            change(&mut config);
            create(config, true)
        };
        assert_eq!(with(MANUAL, |_| ()), STATUS_SUCCESS);
        assert_eq!(
            create(queue_config(MANUAL), false),
            STATUS_INVALID_PARAMETER_4
        );
        assert_eq!(with(MANUAL, |c| c.Size = 3), STATUS_INFO_LENGTH_MISMATCH);
        assert_eq!(
            with(MANUAL, |c| c.DefaultQueue = 1),
            STATUS_INVALID_DEVICE_STATE,
            "already started"
        );
        assert_eq!(with(0, |_| ()), STATUS_INVALID_PARAMETER);
        assert_eq!(with(4, |_| ()), STATUS_INVALID_PARAMETER);
        assert_eq!(with(PARALLEL, |_| ()), STATUS_WDF_NO_CALLBACK);
        hook(|hooks| hooks.write = Some(Rc::new(|_, _, _| ())));
        assert_eq!(with(MANUAL, fill), STATUS_INVALID_PARAMETER);
        assert_eq!(with(PARALLEL, fill), STATUS_SUCCESS);
        assert_eq!(
            with(SEQUENTIAL, |c| {
                fill(c);
                c.Settings.Parallel.NumberOfPresentedRequests = 1;
            }),
            STATUS_INVALID_PARAMETER
        );
    });
}

#[test]
fn a_sequential_queue_presents_one_at_a_time() {
    let (bench, file, queue, kept) = keeping(SEQUENTIAL, |_| ());
    for length in [1, 2, 3] {
        write(&bench, file, length);
    }
    assert_eq!(take_log(), ["EvtIoWrite 1"]);
    assert_eq!(
        on_thread(&bench.host, move || counts(queue.get())),
        (3, 2, 1)
    );
    for expected in ["EvtIoWrite 2", "EvtIoWrite 3"] {
        let request = *kept.borrow().last().unwrap();
        complete(&bench, request);
        assert_eq!(take_log(), [expected]);
    }
}

#[test]
fn a_parallel_queue_presents_up_to_its_limit() {
    for (limit, presented) in [(u32::MAX, 3), (2, 2), (0, 0)] {
        let (bench, file, queue, kept) = keeping(PARALLEL, move |config| {
            config.Settings.Parallel.NumberOfPresentedRequests = limit
        });
        for length in [1, 2, 3] {
            write(&bench, file, length);
        }
        assert_eq!(take_log().len(), presented);
        let owned = u32::try_from(presented).unwrap();
        let (_, queued, got) = on_thread(&bench.host, move || counts(queue.get()));
        assert_eq!((queued, got), (3 - owned, owned));
        if limit == 2 {
            let first = kept.borrow()[0];
            complete(&bench, first);
            assert_eq!(take_log(), ["EvtIoWrite 3"]);
        }
    }
}

#[test]
fn requests_are_not_presented_from_inside_a_callback_of_the_same_dispatcher() {
    let hooks = Hooks {
        write: Some(Rc::new(|_, request, length| {
            log(format!("enter {length}"));
            wdf!(WdfRequestComplete(request, STATUS_SUCCESS));
            log(format!("leave {length}"));
        })),
        queue: Some(Box::new(|device| {
            let mut config = default_queue(SEQUENTIAL);
            config.PowerManaged = 0;
            let queue = create_queue(device, config);
            wdf!(WdfIoQueueStop(queue, None, null()));
        })),
        ..Hooks::default()
    };
    let bench = bench(
        HostConfig::new().policy(Policy::InOrder),
        Scripted::default(),
        hooks,
    );
    let file = bench.host.open(bench.stack).unwrap();
    for length in [1, 2] {
        write(&bench, file, length);
    }
    assert!(take_log().is_empty());
    on_thread(&bench.host, || {
        let queue = wdf!(WdfDeviceGetDefaultQueue(device()));
        wdf!(WdfIoQueueStart(queue));
    });
    assert_eq!(take_log(), ["enter 1", "leave 1", "enter 2", "leave 2"]);
}

#[test]
fn zero_length_transfers_are_the_frameworks_unless_allowed() {
    for allowed in [0, 1] {
        let (bench, file, _, kept) = keeping(PARALLEL, move |config| {
            config.AllowZeroLengthRequests = allowed
        });
        let io = write(&bench, file, 0);
        if allowed == 0 {
            let result = bench.host.result(io).unwrap();
            assert_eq!((result.status, result.information), (STATUS_SUCCESS, 0));
            assert!(kept.borrow().is_empty());
        } else {
            assert_eq!(bench.host.result(io), None);
            assert_eq!(take_log(), ["EvtIoWrite 0"]);
            complete(&bench, kept.take()[0]);
        }
    }
}

#[test]
fn what_no_callback_takes_goes_down_in_a_filter_and_fails_in_a_function_driver() {
    for filter in [true, false] {
        let hooks = Hooks {
            filter,
            write: Some(Rc::new(|_, request, _| {
                wdf!(WdfRequestComplete(request, STATUS_SUCCESS))
            })),
            ..Hooks::default()
        };
        let bench = bench(HostConfig::new(), Disk::in_memory(), hooks);
        let file = bench.host.open(bench.stack).unwrap();
        let mut buffer = [0u8; 4];
        let read = bench.host.read(file, 0, &mut buffer).unwrap();
        assert_eq!(
            read.status,
            if filter {
                STATUS_END_OF_FILE
            } else {
                STATUS_INVALID_DEVICE_REQUEST
            }
        );
        let control = bench
            .host
            .ioctl(file, 0x22_2000, &[1], &mut buffer)
            .unwrap();
        assert_eq!(
            (control.status, control.information),
            (STATUS_INVALID_DEVICE_REQUEST, 0)
        );
        bench.host.close(file).unwrap();
        assert!(bench.host.finish().is_clean());
    }
}

#[test]
fn a_manual_queue_gives_its_requests_when_asked() {
    let (bench, file, queue, _) = keeping(MANUAL, |_| ());
    let ios = [1, 2, 3].map(|length| write(&bench, file, length));
    let queue = queue.get();
    on_thread(&bench.host, move || {
        let next = || {
            let mut request: WDFREQUEST = null();
            let status = wdf!(WdfIoQueueRetrieveNextRequest(queue, &raw mut request));
            (status, request)
        };
        let (status, first) = next();
        assert_eq!((status, counts(queue)), (STATUS_SUCCESS, (3, 2, 1)));
        let (_, second) = next();
        assert_eq!(wdf!(WdfRequestRequeue(first)), STATUS_SUCCESS);
        assert_eq!(wdf!(WdfRequestRequeue(second)), STATUS_SUCCESS);
        assert_eq!(next(), (STATUS_SUCCESS, second));
        assert_eq!(next(), (STATUS_SUCCESS, first));
        // Find leaves the request where it is, with a reference.
        let mut found: WDFREQUEST = null();
        let mut parameters = WDF_REQUEST_PARAMETERS {
            Size: u16::try_from(size_of::<WDF_REQUEST_PARAMETERS>()).unwrap(),
            ..Default::default()
        };
        let status = wdf!(WdfIoQueueFindRequest(
            queue,
            null(),
            null(),
            &raw mut parameters,
            &raw mut found
        ));
        assert_eq!(status, STATUS_SUCCESS);
        // SAFETY: the request is a write.
        assert_eq!(unsafe { parameters.Parameters.Write.Length }, 3);
        let mut none: WDFREQUEST = null();
        let status = wdf!(WdfIoQueueFindRequest(
            queue,
            found,
            null(),
            null(),
            &raw mut none
        ));
        assert_eq!(status, STATUS_NO_MORE_ENTRIES);
        wdf!(WdfIoQueueStop(queue, None, null()));
        let mut out: WDFREQUEST = null();
        assert_eq!(
            wdf!(WdfIoQueueRetrieveFoundRequest(queue, found, &raw mut out)),
            STATUS_WDF_PAUSED
        );
        assert_eq!(next().0, STATUS_WDF_PAUSED);
        wdf!(WdfIoQueueStart(queue));
        assert_eq!(
            wdf!(WdfIoQueueRetrieveFoundRequest(queue, found, &raw mut out)),
            STATUS_SUCCESS
        );
        assert_eq!(out, found);
        assert_eq!(
            wdf!(WdfIoQueueRetrieveFoundRequest(queue, found, &raw mut out)),
            STATUS_NOT_FOUND
        );
        wdf!(WdfObjectDereferenceActual(
            found.cast(),
            null(),
            0,
            std::ptr::null()
        ));
        assert_eq!(next().0, STATUS_NO_MORE_ENTRIES);
        for request in [first, second, found] {
            wdf!(WdfRequestComplete(request, STATUS_SUCCESS));
        }
    });
    assert!(ios.iter().all(|io| bench.host.result(*io).is_some()));
    assert!(bench.host.finish().is_clean());
}

#[test]
fn a_parallel_queue_gives_nothing_and_finds_nothing() {
    let (bench, _, queue, _) = keeping(PARALLEL, |_| ());
    let queue = queue.get();
    on_thread(&bench.host, move || {
        let mut request: WDFREQUEST = null();
        let status = wdf!(WdfIoQueueRetrieveNextRequest(queue, &raw mut request));
        assert_eq!(status, STATUS_INVALID_DEVICE_STATE);
        let status = wdf!(WdfIoQueueFindRequest(
            queue,
            null(),
            null(),
            null(),
            &raw mut request
        ));
        assert_eq!(status, STATUS_INVALID_DEVICE_REQUEST);
        let status = wdf!(WdfIoQueueReadyNotify(queue, Some(evt_state), null()));
        assert_eq!(status, STATUS_INVALID_DEVICE_REQUEST);
    });
}

#[test]
fn a_ready_notification_comes_when_the_queue_is_no_longer_empty() {
    let (bench, file, queue, _) = keeping_with(
        HostConfig::new(),
        MANUAL,
        |_| (),
        |hooks| {
            hooks.state = Some(Rc::new(|_, context| {
                log(format!("ready {}", context.addr()))
            }));
        },
    );
    let queue = queue.get();
    let context: WDFCONTEXT = std::ptr::without_provenance_mut(7);
    on_thread(&bench.host, move || {
        assert_eq!(
            wdf!(WdfIoQueueReadyNotify(queue, Some(evt_state), context)),
            STATUS_SUCCESS
        );
        let again = wdf!(WdfIoQueueReadyNotify(queue, Some(evt_state), context));
        assert_eq!(again, STATUS_INVALID_DEVICE_REQUEST);
    });
    write(&bench, file, 1);
    assert_eq!(take_log(), ["ready 7"]);
    write(&bench, file, 1);
    assert!(take_log().is_empty());
}

#[test]
fn requests_are_forwarded_to_another_queue() {
    let (bench, file, queue, kept) = keeping(PARALLEL, |_| ());
    let other = on_thread(&bench.host, || create_queue(device(), queue_config(MANUAL)));
    let io = write(&bench, file, 5);
    let (request, queue) = (kept.borrow()[0], queue.get());
    on_thread(&bench.host, move || {
        assert_eq!(wdf!(WdfRequestGetIoQueue(request)), queue);
        assert_eq!(
            wdf!(WdfRequestRequeue(request)),
            STATUS_INVALID_DEVICE_REQUEST,
            "not a manual queue"
        );
        assert_eq!(
            wdf!(WdfRequestForwardToIoQueue(request, other)),
            STATUS_SUCCESS
        );
        assert_eq!((counts(queue).2, counts(other)), (0, (11, 1, 0)));
        let mut back: WDFREQUEST = null();
        assert_eq!(
            wdf!(WdfIoQueueRetrieveNextRequest(other, &raw mut back)),
            STATUS_SUCCESS
        );
        assert_eq!((back, wdf!(WdfRequestGetIoQueue(back))), (request, other));
        wdf!(WdfIoQueuePurgeSynchronously(queue));
        assert_eq!(
            wdf!(WdfRequestForwardToIoQueue(request, queue)),
            STATUS_WDF_BUSY
        );
        wdf!(WdfRequestComplete(request, STATUS_SUCCESS));
    });
    assert!(bench.host.result(io).is_some());
    assert!(bench.host.finish().is_clean());
}

#[test]
fn queued_requests_are_cancelled_by_the_framework_and_seen_ones_by_the_driver() {
    let (bench, file, queue, _) = keeping_with(
        HostConfig::new(),
        MANUAL,
        |_| (),
        |hooks| {
            hooks.canceled_on_queue = Some(Rc::new(|_, request| {
                log("EvtIoCanceledOnQueue");
                wdf!(WdfRequestComplete(request, STATUS_CANCELLED));
            }));
        },
    );
    let queue = queue.get();
    let io = write(&bench, file, 1);
    assert!(bench.host.cancel(io).unwrap());
    assert_eq!(
        (bench.host.result(io).unwrap().status, take_log().len()),
        (STATUS_CANCELLED, 0)
    );
    let io = write(&bench, file, 1);
    on_thread(&bench.host, move || {
        let mut request: WDFREQUEST = null();
        assert_eq!(
            wdf!(WdfIoQueueRetrieveNextRequest(queue, &raw mut request)),
            STATUS_SUCCESS
        );
        assert_eq!(wdf!(WdfRequestRequeue(request)), STATUS_SUCCESS);
    });
    assert!(bench.host.cancel(io).unwrap());
    assert_eq!(bench.host.result(io).unwrap().status, STATUS_CANCELLED);
    assert_eq!(take_log(), ["EvtIoCanceledOnQueue"]);
    assert!(bench.host.finish().is_clean());
}

#[test]
fn stop_drain_and_purge() {
    type Change = fn(WDFQUEUE);
    let cases: [(&str, Change, i32, Option<NTSTATUS>, bool); 4] = [
        (
            "stop",
            |q| wdf!(WdfIoQueueStop(q, Some(evt_state), null())),
            1,
            None,
            true,
        ),
        (
            "stop and purge",
            |q| wdf!(WdfIoQueueStopAndPurge(q, Some(evt_state), null())),
            1,
            Some(STATUS_CANCELLED),
            true,
        ),
        (
            "drain",
            |q| wdf!(WdfIoQueueDrain(q, Some(evt_state), null())),
            2,
            None,
            false,
        ),
        (
            "purge",
            |q| wdf!(WdfIoQueuePurge(q, Some(evt_state), null())),
            2,
            Some(STATUS_CANCELLED),
            false,
        ),
    ];
    for (name, change, bits, waiting, accepts) in cases {
        let (bench, file, queue, kept) = keeping_with(
            HostConfig::new().policy(Policy::InOrder),
            SEQUENTIAL,
            |_| (),
            |hooks| hooks.state = Some(Rc::new(|_, _| log("changed"))),
        );
        let queue = queue.get();
        write(&bench, file, 1);
        let second = write(&bench, file, 2);
        take_log();
        on_thread(&bench.host, move || {
            change(queue);
            assert_eq!(counts(queue).0 & 3, bits, "{name}");
        });
        assert_eq!(
            bench.host.result(second).map(|result| result.status),
            waiting,
            "{name}"
        );
        assert!(
            take_log().is_empty(),
            "{name}: the driver still has a request"
        );
        let late = write(&bench, file, 3);
        assert_eq!(
            bench.host.result(late).map(|result| result.status),
            (!accepts).then_some(STATUS_INVALID_DEVICE_STATE)
        );
        let first = kept.borrow()[0];
        complete(&bench, first);
        match name {
            // A drained queue goes on presenting what it has, and tells when all is done.
            "drain" => {
                assert_eq!(take_log(), ["EvtIoWrite 2"]);
                let second = kept.borrow()[1];
                complete(&bench, second);
                assert_eq!(take_log(), ["changed"]);
            }
            _ => assert_eq!(take_log(), ["changed"], "{name}"),
        }
    }
}

#[test]
fn a_second_change_with_a_callback_is_a_bugcheck() {
    let (bench, file, queue, _) = keeping(PARALLEL, |_| ());
    write(&bench, file, 1);
    let queue = queue.get();
    let crash = bugcheck(&bench, move || {
        wdf!(WdfIoQueueStop(queue, Some(evt_state), null()));
        wdf!(WdfIoQueueStop(queue, Some(evt_state), null()));
    });
    assert_eq!(crash.p1, 0xA);
}

#[test]
fn synchronous_changes_wait_for_the_driver() {
    let (bench, file, queue, kept) = keeping(PARALLEL, |_| ());
    write(&bench, file, 1);
    let queue = queue.get();
    bench.host.spawn("stopper", move || {
        wdf!(WdfIoQueueStopSynchronously(queue));
        log("stopped");
    });
    let Err(Stop::Deadlock(deadlock)) = bench.host.run() else {
        panic!("the queue cannot have stopped")
    };
    assert!(
        deadlock.threads[0].waits_for.contains("requests of queue"),
        "{deadlock}"
    );
    take_log();
    let request = kept.borrow()[0];
    complete(&bench, request);
    assert_eq!(take_log(), ["stopped"]);
}

#[test]
fn a_purge_cancels_what_the_driver_has_marked() {
    let (bench, file, queue, kept) = keeping_with(
        HostConfig::new(),
        PARALLEL,
        |_| (),
        |hooks| {
            hooks.cancelled = Some(Rc::new(|request| {
                log("EvtRequestCancel");
                wdf!(WdfRequestComplete(request, STATUS_CANCELLED));
            }));
        },
    );
    let io = write(&bench, file, 1);
    take_log();
    let (request, queue) = (kept.borrow()[0], queue.get());
    on_thread(&bench.host, move || {
        assert_eq!(
            wdf!(WdfRequestMarkCancelableEx(request, Some(evt_cancel))),
            STATUS_SUCCESS
        );
        wdf!(WdfIoQueuePurgeSynchronously(queue));
        log("purged");
    });
    assert_eq!(take_log(), ["EvtRequestCancel", "purged"]);
    assert_eq!(bench.host.result(io).unwrap().status, STATUS_CANCELLED);
}

#[test]
fn scopes_and_levels_set_the_irql_and_serialize() {
    for (scope, level, irql) in [(3, 1, 2u8), (3, 2, 0), (4, 1, 0), (2, 1, 2)] {
        let hooks = Hooks {
            write: Some(Rc::new(move |_, request, length| {
                // SAFETY: no precondition.
                assert_eq!(unsafe { ntddk::KeGetCurrentIrql() }, irql);
                log(format!("enter {length}"));
                if irql == 0 {
                    sleep(1);
                }
                log(format!("leave {length}"));
                wdf!(WdfRequestComplete(request, STATUS_SUCCESS));
            })),
            queue: Some(Box::new(move |device| {
                let mut config = default_queue(PARALLEL);
                let mut attributes = WDF_OBJECT_ATTRIBUTES {
                    SynchronizationScope: scope,
                    ExecutionLevel: level,
                    ..attributes()
                };
                let mut queue: WDFQUEUE = null();
                let status = wdf!(WdfIoQueueCreate(
                    device,
                    &raw mut config,
                    &raw mut attributes,
                    &raw mut queue
                ));
                assert_eq!(status, STATUS_SUCCESS);
            })),
            ..Hooks::default()
        };
        let bench = bench(
            HostConfig::new().policy(Policy::InOrder),
            Scripted::default(),
            hooks,
        );
        let file = bench.host.open(bench.stack).unwrap();
        for length in [1, 2] {
            bench
                .host
                .submit_write(file, 0, &vec![0; length], Mode::User);
        }
        bench.host.run().unwrap();
        let expected = if scope == 4 {
            ["enter 1", "enter 2", "leave 1", "leave 2"]
        } else {
            ["enter 1", "leave 1", "enter 2", "leave 2"]
        };
        assert_eq!(take_log(), expected, "scope {scope} level {level}");
        assert!(bench.host.finish().is_clean());
    }
}

#[test]
fn a_lost_request_is_found_at_the_end() {
    let (bench, file, _, _) = keeping(PARALLEL, |_| ());
    write(&bench, file, 1);
    let report = bench.host.finish();
    // Removal waits for the driver for ever.
    assert!(matches!(report.stop, Some(Stop::Deadlock(_))), "{report}");
    assert_eq!(report.time, Ticks::ZERO);
}

#[test]
fn dispatching_is_configured_before_the_start() {
    let seen = Rc::new(Cell::new(null::<WDFQUEUE__>()));
    let slot = Rc::clone(&seen);
    let hooks = Hooks {
        filter: true,
        write: Some(Rc::new(move |queue, request, _| {
            slot.set(queue);
            wdf!(WdfRequestComplete(request, STATUS_SUCCESS));
        })),
        queue: Some(Box::new(|device| {
            let queue = create_queue(device, {
                let mut config = queue_config(PARALLEL);
                fill(&mut config);
                config
            });
            let configure =
                |queue, kind| wdf!(WdfDeviceConfigureRequestDispatching(device, queue, kind));
            assert_eq!(configure(queue, 9), STATUS_INVALID_PARAMETER);
            assert_eq!(configure(queue, 3), STATUS_INVALID_DEVICE_REQUEST);
            assert_eq!(configure(queue, 4), STATUS_SUCCESS);
            assert_eq!(configure(queue, 4), STATUS_WDF_BUSY);
            let default = create_queue(device, default_queue(PARALLEL));
            assert_eq!(configure(default, 4), STATUS_INVALID_DEVICE_REQUEST);
        })),
        ..Hooks::default()
    };
    let bench = bench(HostConfig::new(), Scripted::default(), hooks);
    let file = bench.host.open(bench.stack).unwrap();
    bench.host.write(file, 0, b"1").unwrap();
    let queue = seen.get();
    on_thread(&bench.host, move || {
        assert_ne!(queue, wdf!(WdfDeviceGetDefaultQueue(device())));
        assert_eq!(wdf!(WdfIoQueueGetDevice(queue)), device());
        let status = wdf!(WdfDeviceConfigureRequestDispatching(device(), queue, 14));
        assert_eq!(status, STATUS_INVALID_DEVICE_STATE);
    });
}

/// A sender that sends the next request when it sees one completed: the driver has the first one until the completion is
/// over, so a sequential queue presents the second only then.
#[test]
fn a_request_sent_from_a_completion_waits_for_the_end_of_the_completion() {
    let (bench, _, queue, kept) = keeping(SEQUENTIAL, |_| ());
    let host = Rc::new(bench.host);
    let spec = IrpSpec {
        major: 4,
        length: 8,
        data: vec![0; 8],
        stack_count: 2,
        ..IrpSpec::default()
    };
    let first = host.make_irp(device(), &spec).unwrap();
    let second = host.make_irp(device(), &spec).unwrap();
    let sender = Rc::clone(&host);
    on_thread(&host, move || {
        let next = Rc::clone(&sender);
        let sent = sender.send_irp(device(), first, move || {
            log(format!("first completed, {:?}", counts(queue.get())));
            let sent = next.send_irp(device(), second, || log("second completed"));
            assert_eq!(sent, STATUS_PENDING);
            log(format!("second sent, {:?}", counts(queue.get())));
        });
        assert_eq!(sent, STATUS_PENDING);
    });
    let request = kept.borrow()[0];
    on_thread(&host, move || {
        wdf!(WdfRequestComplete(request, STATUS_SUCCESS));
        log("WdfRequestComplete returned");
    });
    assert_eq!(
        take_log(),
        [
            "EvtIoWrite 8",
            "first completed, (7, 0, 1)",
            "second sent, (3, 1, 1)",
            "EvtIoWrite 8",
            "WdfRequestComplete returned",
        ]
    );
    let request = kept.borrow()[1];
    on_thread(&host, move || {
        wdf!(WdfRequestComplete(request, STATUS_SUCCESS))
    });
    assert_eq!(take_log(), ["second completed"]);
}
