//! Lower devices that do what none should.

mod common;

use std::rc::Rc;

use common::*;
use kmdf_host::{
    BugcheckKind, Delayed, Disposition, FailNth, Failure, Fault, Host, HostConfig, LowerConfig,
    LowerDevice, LowerFault, LowerIrp, OnCancel, Outcome, PnpIrp, Problem, Reply, Scripted, Stop,
    Sweep, Ticks,
};
use kmdf_sys::*;

/// The bugcheck of a synchronous write that a device answers so.
fn sync_write_to(reply: Reply) -> kmdf_host::Bugcheck {
    let bench = plain(HostConfig::new().verifier(true), Scripted::new(vec![reply]));
    bugcheck(&bench, || {
        ignore(sync_write(
            target(),
            null(),
            b"data",
            Some(options(TIMEOUT, ms(10))),
        ));
    })
}

fn assert_is_double_completion(bugcheck: &kmdf_host::Bugcheck) {
    assert_eq!(bugcheck.code, 0x44);
    assert_eq!(bugcheck.kind, BugcheckKind::IrpCompletedTwice);
    let text = bugcheck.to_string();
    assert!(text.contains("twice by the lower device disk"), "{text}");
}

#[test]
fn a_device_that_completes_twice_is_caught() {
    let reply = Reply::new(STATUS_SUCCESS).twice();
    for reply in [
        reply.clone(),
        reply.clone().after(Ticks::from_millis(1)),
        // Its cancel routine completes it, when the time-out has come.
        reply.clone().pend(),
        reply.clone().pend().on_cancel(OnCancel::Complete {
            outcome: Outcome::cancelled(),
            after: Ticks::from_millis(3),
        }),
        // Deaf: it completes late.
        reply
            .after(Ticks::from_millis(50))
            .on_cancel(OnCancel::Ignore),
    ] {
        assert_is_double_completion(&sync_write_to(reply));
    }
}

/// The request of the application itself, which nobody above looks at on its way back.
#[test]
fn a_request_that_was_passed_down_is_not_completed_twice() {
    let bench = plain(
        HostConfig::new(),
        Scripted::new(vec![Reply::default(), Reply::default().twice()]),
    );
    let file = bench.host.open(bench.stack).unwrap();
    assert_eq!(bench.host.write(file, 0, b"data").unwrap().status, 0);
    match bench.host.write(file, 0, b"data") {
        Err(Stop::Bugcheck(bugcheck)) => assert_is_double_completion(&bugcheck),
        other => panic!("{other:?}"),
    }
}

/// The count is the device's word, whatever was asked.
#[test]
fn a_count_beyond_what_was_asked_is_handed_on() {
    let lies = Scripted::new(vec![Reply::default().information(99)]);
    let bench = plain(HostConfig::new().verifier(true), lies);
    let result = on_thread(&bench.host, || sync_write(target(), null(), b"data", None));
    assert_eq!(result, (STATUS_SUCCESS, 99));
    let report = bench.host.finish();
    assert!(report.is_clean(), "{report}");
}

/// A driver above that sends what it is given down as it is, with a time-out, and completes with what came back.
fn forwarding() -> Hooks {
    Hooks {
        filter: true,
        write: Some(Rc::new(|_, request, length| {
            wdf!(WdfRequestFormatRequestUsingCurrentType(request));
            let synchronously = options(SYNCHRONOUS | TIMEOUT, ms(10));
            send(request, target(), Some(synchronously));
            let status = wdf!(WdfRequestGetStatus(request));
            // The device's word is not taken for it: more than was asked would crash the system.
            let information = wdf!(WdfRequestGetInformation(request)).min(length as u64);
            wdf!(WdfRequestCompleteWithInformation(
                request,
                status,
                information
            ));
        })),
        queue: Some(Box::new(|device| {
            let mut attributes = WDF_OBJECT_ATTRIBUTES {
                ExecutionLevel: _WDF_EXECUTION_LEVEL::WdfExecutionLevelPassive,
                ..attributes()
            };
            let dispatch = _WDF_IO_QUEUE_DISPATCH_TYPE::WdfIoQueueDispatchParallel;
            let mut config = default_queue(dispatch);
            ignore(wdf!(WdfIoQueueCreate(
                device,
                &raw mut config,
                &raw mut attributes,
                null()
            )));
        })),
        ..Hooks::default()
    }
}

fn one_write(host: &Host) -> Result<(), Stop> {
    hook(|hooks| *hooks = forwarding());
    let driver = host.load("filter", driver_entry)?;
    let disk = host.add_lower(kmdf_host::Disk::in_memory(), LowerConfig::new("disk"));
    let stack = host.plug(disk, &[driver])?;
    let file = host.open(stack)?;
    host.write(file, 0, b"12345678")?;
    host.close(file)
}

/// What the application sees of each fault, and when.
#[test]
fn every_fault_of_a_lower_device() {
    let late = 1_000;
    let seen = |fault: LowerFault| {
        let sweep = Sweep::new(HostConfig::new().verifier(true)).late(Ticks::from_millis(late));
        let fault = Fault::from(kmdf_host::FaultPoint::Lower(1, fault));
        let run = Host::run_with_fault(&sweep, Some(&fault), one_write);
        assert!(
            run.reached && run.problem.is_none(),
            "{fault}: {}",
            run.report
        );
        let moved = run
            .trace
            .records
            .iter()
            .find_map(|record| match record.event {
                kmdf_host::Event::IoCompleted {
                    status,
                    information,
                    ..
                } if run.statuses.len() == 1 || status != STATUS_SUCCESS => {
                    Some((status, information))
                }
                _ => None,
            });
        let (status, _) = moved.expect("it completed");
        (status, run.report.time.as_millis())
    };
    for (fault, status, time) in [
        (LowerFault::Status(STATUS_CRC_ERROR), STATUS_CRC_ERROR, 0),
        (
            LowerFault::Status(STATUS_BUFFER_OVERFLOW),
            STATUS_BUFFER_OVERFLOW,
            0,
        ),
        (LowerFault::Short, STATUS_SUCCESS, 0),
        (LowerFault::Empty, STATUS_SUCCESS, 0),
        (LowerFault::Excess, STATUS_SUCCESS, 0),
        // The time-out cancels it.
        (LowerFault::Late, STATUS_IO_TIMEOUT, 10),
        (LowerFault::Never, STATUS_IO_TIMEOUT, 10),
        // The driver waits until the device lets go.
        (LowerFault::SlowCancel, STATUS_IO_TIMEOUT, 10 + late),
        (LowerFault::Deaf, STATUS_SUCCESS, late),
        (LowerFault::Gone, STATUS_DEVICE_NOT_CONNECTED, 0),
    ] {
        assert_eq!(seen(fault), (status, time), "{fault}");
    }
}

#[test]
fn forwarding_survives_everything() {
    let config = HostConfig::new().seed(2).verifier(true);
    let report = Host::sweep_faults(&Sweep::new(config).pairs(100), one_write);
    assert!(report.is_clean(), "{report}");
    assert!(report.injected() > 30, "{report}");
}

/// A filter that hands its request on for good leaves it to the application to give up.
#[test]
fn an_application_gives_up_what_never_ends() {
    let scenario = |host: &Host| -> Result<(), Stop> {
        hook(|hooks| {
            *hooks = Hooks {
                filter: true,
                ..Hooks::default()
            };
        });
        let driver = host.load("filter", driver_entry)?;
        let disk = host.add_lower(kmdf_host::Disk::in_memory(), LowerConfig::new("disk"));
        let stack = host.plug(disk, &[driver])?;
        let file = host.open(stack)?;
        host.write(file, 0, b"12345678")?;
        host.close(file)
    };
    let sweep = Sweep::new(HostConfig::new());
    for fault in ["lower#1=never", "lower#1=slow-cancel"] {
        let fault = fault.parse().unwrap();
        let run = Host::run_with_fault(&sweep, Some(&fault), scenario);
        assert_eq!(run.problem, None, "{fault}");
        assert_eq!(run.statuses[&STATUS_CANCELLED], 1, "{fault}");
    }
}

/// Counts what reaches it.
#[derive(Debug, Default)]
struct Counting {
    pnp: Vec<PnpIrp>,
}

impl LowerDevice for Counting {
    fn dispatch(&mut self, irp: &mut LowerIrp<'_>) -> Disposition {
        Disposition::Complete(Outcome::new(STATUS_SUCCESS, u64::from(irp.length())))
    }

    fn pnp(&mut self, irp: PnpIrp) -> NTSTATUS {
        self.pnp.push(irp);
        if irp == PnpIrp::QueryStopDevice {
            STATUS_DEVICE_BUSY
        } else {
            STATUS_SUCCESS
        }
    }
}

#[test]
fn decorated_devices_get_their_pnp_requests() {
    let device = Delayed::new(
        FailNth::new(Counting::default(), STATUS_IO_DEVICE_ERROR, 1),
        Ticks::from_millis(1),
    );
    let bench = plain(HostConfig::new(), device);
    let refused = bench.host.stop(bench.stack);
    assert!(
        matches!(
            refused,
            Err(Stop::Status {
                status: STATUS_DEVICE_BUSY,
                ..
            })
        ),
        "{refused:?}"
    );
    bench
        .host
        .with_lower(bench.lower, |device: &mut Delayed<FailNth<Counting>>| {
            let seen = &device.inner.inner.pnp;
            assert_eq!(*seen, [PnpIrp::StartDevice, PnpIrp::QueryStopDevice]);
        });
    let report = bench.host.finish();
    assert!(report.is_clean(), "{report}");
}

#[test]
fn a_hang_of_the_driver_is_no_application_that_gives_up() {
    // The driver waits without a time-out: the application's cancel does not reach it.
    let scenario = |host: &Host| -> Result<(), Stop> {
        hook(|hooks| {
            *hooks = Hooks {
                filter: true,
                write: Some(Rc::new(|_, request, _| {
                    let (status, _) = sync_write(target(), null(), b"data", None);
                    wdf!(WdfRequestComplete(request, status));
                })),
                ..Hooks::default()
            };
        });
        let driver = host.load("filter", driver_entry)?;
        let disk = host.add_lower(kmdf_host::Disk::in_memory(), LowerConfig::new("disk"));
        let stack = host.plug(disk, &[driver])?;
        let file = host.open(stack)?;
        host.write(file, 0, b"12345678")?;
        host.close(file)
    };
    let sweep = Sweep::new(HostConfig::new());
    let fault = "lower#1=never".parse().unwrap();
    let run = Host::run_with_fault(&sweep, Some(&fault), scenario);
    assert!(
        matches!(
            run.problem,
            Some(Problem::Failed(Failure::Stopped(Stop::Deadlock(_))))
        ),
        "{:?}",
        run.problem
    );
}

/// What no object stands for is accounted for too.
#[test]
fn forgotten_irps_and_references_are_found() {
    for (expected, forget) in [
        (
            "1 IRPs allocated by the driver were never freed",
            (|host| {
                let irp = host.allocate_irp(1);
                assert!(!irp.is_null());
            }) as fn(&Host),
        ),
        ("2 references on objects of the system", |host| {
            on_thread(host, || {
                for _ in 0..2 {
                    let object = wdf!(WdfDeviceWdmGetAttachedDevice(device()));
                    // SAFETY: the device object exists.
                    ignore(unsafe { ntddk::ObfReferenceObject(object.cast()) });
                }
            });
        }),
    ] {
        let bench = plain(HostConfig::new(), Scripted::new(vec![]));
        forget(&bench.host);
        let report = bench.host.finish();
        assert_eq!(report.violations.len(), 1, "{report}");
        let text = report.to_string();
        assert!(text.contains(expected), "{text}");
    }
}
