//! The rules modelled on the DDI compliance rules, each with a driver that breaks it and one that does not.

mod common;

use std::cell::Cell;
use std::rc::Rc;

use common::*;
use kmdf_host::{
    Host, HostConfig, Loopback, LowerDevice, Mode, Reply, Report, Scripted, ViolationKind,
};
use kmdf_sys::*;

fn kinds(report: &Report) -> Vec<ViolationKind> {
    let violations = report.violations.iter();
    violations.map(|violation| violation.kind).collect()
}

fn compliance() -> HostConfig {
    HostConfig::new().compliance(true)
}

/// Writes once through a driver with this callback, and ends the run.
fn after_write(config: HostConfig, write: impl Fn(WDFREQUEST) + 'static) -> Report {
    let hooks = Hooks {
        filter: true,
        write: Some(Rc::new(move |_, request, _| write(request))),
        ..Hooks::default()
    };
    let bench = bench(config, Loopback::new(), hooks);
    let file = bench.host.open(bench.stack).unwrap();
    bench.host.submit_write(file, 0, b"data", Mode::User);
    ignore(bench.host.run());
    bench.host.finish()
}

/// Runs `f` as a thread of a driver, and ends the run.
fn after_thread(
    config: HostConfig,
    lower: impl LowerDevice + 'static,
    f: impl FnOnce() + 'static,
) -> Report {
    let bench = plain(config, lower);
    bench.host.spawn("test", f);
    ignore(bench.host.run());
    bench.host.finish()
}

fn complete(request: WDFREQUEST, status: NTSTATUS) {
    wdf!(WdfRequestComplete(request, status));
}

#[test]
fn request_completed() {
    let report = after_write(HostConfig::new(), |_| {});
    assert_eq!(kinds(&report), [ViolationKind::RequestLost], "{report}");
    let lost = &report.violations[0];
    assert!(
        lost.explanation
            .contains("presented to driver filter in EvtIoWrite")
    );
    assert_eq!(lost.object.expect("the request").class, "WDFREQUEST");
    let report = after_write(HostConfig::new(), |request| {
        complete(request, STATUS_SUCCESS)
    });
    assert!(report.is_clean(), "{report}");
}

/// A forward that failed leaves the request with the driver, which says why it is lost.
#[test]
fn request_completed_after_a_failure() {
    let wrong = |fixed: bool| {
        let hooks = Hooks {
            filter: true,
            write: Some(Rc::new(move |_, request, _| {
                let options = Some(options(FORGET | TIMEOUT, 0));
                if !send(request, target(), options) && fixed {
                    complete(request, STATUS_UNSUCCESSFUL);
                }
            })),
            ..Hooks::default()
        };
        let bench = bench(HostConfig::new(), Loopback::new(), hooks);
        let file = bench.host.open(bench.stack).unwrap();
        bench.host.submit_write(file, 0, b"data", Mode::User);
        ignore(bench.host.run());
        bench.host.finish()
    };
    let report = wrong(false);
    assert_eq!(
        kinds(&report),
        [ViolationKind::SendOptions, ViolationKind::RequestLost]
    );
    let why = &report.violations[1].explanation;
    assert!(
        why.contains("WdfRequestSend had failed for it with 0xC000000D"),
        "{why}"
    );
    assert_eq!(kinds(&wrong(true)), [ViolationKind::SendOptions]);
}

#[test]
fn deferred_request_completed() {
    for completes in [false, true] {
        let report = after_write(HostConfig::new(), move |request| {
            wdf!(WdfRequestSetCompletionRoutine(
                request,
                Some(evt_completed),
                null()
            ));
            hook(|hooks| {
                hooks.completed = Some(Rc::new(move |request, status, _| {
                    if completes {
                        complete(request, status);
                    }
                }));
            });
            wdf!(WdfRequestFormatRequestUsingCurrentType(request));
            assert!(send(request, target(), None));
        });
        if completes {
            assert!(report.is_clean(), "{report}");
        } else {
            assert_eq!(
                kinds(&report),
                [ViolationKind::DeferredRequestLost],
                "{report}"
            );
        }
    }
    let report = after_write(HostConfig::new(), |request| {
        wdf!(WdfRequestMarkCancelable(request, Some(evt_cancel)));
    });
    assert_eq!(
        kinds(&report),
        [ViolationKind::DeferredRequestLost],
        "{report}"
    );
}

#[test]
fn request_completed_local() {
    let kept = Rc::new(Cell::new(null()));
    let run = |config: HostConfig, cancelable: bool| {
        let keep = Rc::clone(&kept);
        let hooks = Hooks {
            filter: true,
            write: Some(Rc::new(move |_, request, _| {
                keep.set(request);
                if cancelable {
                    wdf!(WdfRequestMarkCancelable(request, Some(evt_cancel)));
                }
            })),
            ..Hooks::default()
        };
        let bench = bench(config, Loopback::new(), hooks);
        let file = bench.host.open(bench.stack).unwrap();
        for _ in 0..3 {
            bench.host.submit_write(file, 0, b"data", Mode::User);
            bench.host.run().unwrap();
            let request = kept.get();
            on_thread(&bench.host, move || {
                if cancelable {
                    assert_eq!(wdf!(WdfRequestUnmarkCancelable(request)), STATUS_SUCCESS);
                }
                complete(request, STATUS_SUCCESS);
            });
        }
        bench.host.finish()
    };
    assert!(
        run(HostConfig::new(), false).is_clean(),
        "only when asked for"
    );
    // Once for the callback, not for every request.
    assert_eq!(
        kinds(&run(compliance(), false)),
        [ViolationKind::RequestNotCompletedLocal]
    );
    assert!(run(compliance(), true).is_clean());
}

unsafe extern "system" fn without_create(_: PDRIVER_OBJECT, _: PCUNICODE_STRING) -> NTSTATUS {
    STATUS_SUCCESS
}

unsafe extern "system" fn ignores_failure(
    driver: PDRIVER_OBJECT,
    path: PCUNICODE_STRING,
) -> NTSTATUS {
    ignore(create(driver, path, 0));
    STATUS_SUCCESS
}

unsafe extern "system" fn fails_properly(
    driver: PDRIVER_OBJECT,
    path: PCUNICODE_STRING,
) -> NTSTATUS {
    create(driver, path, 0)
}

unsafe extern "system" fn creates_twice(
    driver: PDRIVER_OBJECT,
    path: PCUNICODE_STRING,
) -> NTSTATUS {
    let status = create(driver, path, size::<WDF_DRIVER_CONFIG>());
    ignore(create(driver, path, size::<WDF_DRIVER_CONFIG>()));
    status
}

fn create(driver: PDRIVER_OBJECT, path: PCUNICODE_STRING, config_size: u32) -> NTSTATUS {
    let mut config = WDF_DRIVER_CONFIG {
        Size: config_size,
        ..Default::default()
    };
    wdf!(WdfDriverCreate(
        driver,
        path,
        null(),
        &raw mut config,
        null()
    ))
}

#[test]
fn driver_create() {
    for (entry, wrong) in [
        (without_create as kmdf_host::DriverEntry, true),
        (ignores_failure, true),
        (creates_twice, true),
        (fails_properly, false),
        (driver_entry, false),
    ] {
        let host = Host::new(HostConfig::new());
        ignore(host.load("driver", entry));
        let expected: &[ViolationKind] = if wrong {
            &[ViolationKind::DriverCreate]
        } else {
            &[]
        };
        let report = host.finish();
        assert_eq!(kinds(&report), expected, "{report}");
    }
}

/// Hands a received request to a synchronous call, and completes it.
fn misuse(major: u8, call: impl Fn(WDFREQUEST) + 'static) -> Report {
    let call = Rc::new(call);
    let (one, two, three) = (Rc::clone(&call), Rc::clone(&call), call);
    let hooks = Hooks {
        filter: true,
        write: Some(Rc::new(move |_, request, _| {
            one(request);
            complete(request, STATUS_SUCCESS);
        })),
        read: Some(Rc::new(move |_, request, _| {
            two(request);
            complete(request, STATUS_SUCCESS);
        })),
        control: Some(Rc::new(move |_, request, _, _, _| {
            three(request);
            complete(request, STATUS_SUCCESS);
        })),
        ..Hooks::default()
    };
    let bench = bench(
        HostConfig::new(),
        Scripted::new(vec![Reply::default(); 2]),
        hooks,
    );
    let file = bench.host.open(bench.stack).unwrap();
    match major {
        3 => ignore(bench.host.read(file, 0, &mut [0; 4]).unwrap()),
        4 => ignore(bench.host.write(file, 0, b"data").unwrap()),
        _ => ignore(bench.host.submit_ioctl(file, 0, b"in", 4, Mode::User)),
    }
    bench.host.run().unwrap();
    bench.host.finish()
}

fn sync_read(request: WDFREQUEST) {
    let mut buffer = [0u8; 4];
    let mut descriptor = buffer_descriptor(buffer.as_mut_ptr(), 4);
    ignore(wdf!(WdfIoTargetSendReadSynchronously(
        target(),
        request,
        &raw mut descriptor,
        null(),
        null(),
        null()
    )));
}

fn sync_ioctl(request: WDFREQUEST) {
    ignore(wdf!(WdfIoTargetSendIoctlSynchronously(
        target(),
        request,
        0,
        null(),
        null(),
        null(),
        null()
    )));
}

#[test]
fn received_requests_are_what_they_are() {
    let write = |request| ignore(sync_write(target(), request, b"data", None));
    let calls: [Rc<dyn Fn(WDFREQUEST)>; 3] =
        [Rc::new(sync_read), Rc::new(write), Rc::new(sync_ioctl)];
    for (major, own, kind) in [
        (3, 0, ViolationKind::ReadMisused),
        (4, 1, ViolationKind::WriteMisused),
        (14, 2, ViolationKind::IoctlMisused),
    ] {
        for (index, call) in calls.iter().enumerate() {
            let with = Rc::clone(call);
            let report = misuse(major, move |request| with(request));
            let expected = if index == own { &[][..] } else { &[kind][..] };
            assert_eq!(kinds(&report), expected, "{major} by {index}: {report}");
            let without = Rc::clone(call);
            assert!(misuse(major, move |_| without(null())).is_clean());
        }
    }
}

#[test]
fn sync_req_send() {
    let run = |config: HostConfig, timeout| {
        kinds(&after_thread(config, Loopback::new(), move || {
            let options = timeout;
            ignore(sync_write(target(), null(), b"data", options));
            ignore(sync_write(target(), null(), b"data", options));
        }))
    };
    assert_eq!(run(HostConfig::new(), None), []);
    assert_eq!(run(compliance(), None), [ViolationKind::SyncWithoutTimeout]);
    assert_eq!(run(compliance(), Some(options(TIMEOUT, ms(10)))), []);
    // A time-out of 0 waits for ever whatever rules are on.
    let zero = run(HostConfig::new(), Some(options(TIMEOUT, 0)));
    assert_eq!(zero, [ViolationKind::TimeoutZero; 2]);
}

#[test]
fn send_options_mean_what_they_say() {
    for (flags, timeout) in [(FORGET, 0), (FORGET | IGNORE_STATE, 0)] {
        let report = after_thread(HostConfig::new(), Loopback::new(), move || {
            ignore(sync_write(
                target(),
                null(),
                b"data",
                Some(options(flags, timeout)),
            ));
        });
        assert_eq!(kinds(&report), [ViolationKind::SendOptions], "{flags:#x}");
    }
}

#[test]
fn kmdf_irql_2() {
    let run = |config: HostConfig, passive: bool| {
        let hooks = Hooks {
            filter: true,
            write: Some(Rc::new(|_, request, _| {
                ignore(sync_write(
                    target(),
                    null(),
                    b"data",
                    Some(options(TIMEOUT, ms(10))),
                ));
                complete(request, STATUS_SUCCESS);
            })),
            queue: Some(Box::new(move |device| {
                let mut config =
                    default_queue(_WDF_IO_QUEUE_DISPATCH_TYPE::WdfIoQueueDispatchParallel);
                let mut attributes = attributes();
                if passive {
                    attributes.ExecutionLevel = _WDF_EXECUTION_LEVEL::WdfExecutionLevelPassive;
                }
                let status = wdf!(WdfIoQueueCreate(
                    device,
                    &raw mut config,
                    &raw mut attributes,
                    null()
                ));
                assert_eq!(status, STATUS_SUCCESS);
            })),
            ..Hooks::default()
        };
        let bench = bench(config, Loopback::new(), hooks);
        let file = bench.host.open(bench.stack).unwrap();
        bench.host.write(file, 0, b"data").unwrap();
        kinds(&bench.host.finish())
    };
    assert_eq!(run(compliance(), false), [ViolationKind::IrqlOfLevel]);
    assert_eq!(run(compliance(), true), []);
    assert_eq!(run(HostConfig::new(), false), []);
}
