//! Queues, power, timers and work items: what is stopped is started again, what runs is stopped in time.

use std::rc::Rc;

use kmdf_host::{Awaited, BugcheckKind, Disk, Host, Stop, UsbDevice, ViolationKind};
use kmdf_sys::*;

use crate::common::*;
use crate::kit::*;
use crate::start::*;
use crate::table::{Finding, Planted};
use crate::usb_support;

pub(crate) const PLANTED: &[Planted] = &[
    Planted {
        name: "EvtIoStop without an answer",
        mistake: "EvtIoStop neither acknowledges nor completes the request when the device goes to sleep",
        finding: Finding::Violation(ViolationKind::RequestLost),
        seeds: 1,
        run: stop_without_answer,
    },
    Planted {
        name: "queue stopped and never started",
        mistake: "a queue is stopped for a change of settings and not started again",
        finding: Finding::Deadlock(Awaited::Request),
        seeds: 1,
        run: queue_not_started,
    },
    Planted {
        name: "queue stopped in its own callback",
        mistake: "WdfIoQueueStopSynchronously in EvtIoWrite waits for the request that EvtIoWrite has",
        finding: Finding::Deadlock(Awaited::Request),
        seeds: 1,
        run: queue_stopped_in_callback,
    },
    Planted {
        name: "purge of requests that cannot be cancelled",
        mistake: "WdfIoQueuePurgeSynchronously while the driver keeps a request that is not cancelable",
        finding: Finding::Violation(ViolationKind::RequestLost),
        seeds: 1,
        run: purge_without_cancel,
    },
    Planted {
        name: "manual queue never retrieved",
        mistake: "requests are forwarded to a manual queue from which nobody takes them",
        finding: Finding::Deadlock(Awaited::Request),
        seeds: 1,
        run: never_retrieved,
    },
    Planted {
        name: "target stopped and never started",
        mistake: "the I/O target is stopped in EvtDeviceD0Exit and not started in EvtDeviceD0Entry",
        finding: Finding::Deadlock(Awaited::Request),
        seeds: 1,
        run: target_not_started,
    },
    Planted {
        name: "timer callback uses a deleted object",
        mistake: "the object that a timer works on is deleted without stopping the timer",
        finding: Finding::Bugcheck(BugcheckKind::StaleHandle),
        seeds: 1,
        run: timer_after_delete,
    },
    Planted {
        name: "work item not flushed",
        mistake: "EvtDeviceReleaseHardware deletes what a queued work item is going to use",
        finding: Finding::Bugcheck(BugcheckKind::StaleHandle),
        seeds: 20,
        run: work_item_not_flushed,
    },
    Planted {
        name: "timer handle used after removal",
        mistake: "a thread starts the timer of a device that has been removed",
        finding: Finding::Bugcheck(BugcheckKind::StaleHandle),
        seeds: 1,
        run: timer_after_removal,
    },
    Planted {
        name: "continuous reader not stopped",
        mistake: "EvtDeviceD0Exit does not stop the pipe of a continuous reader",
        finding: Finding::Violation(ViolationKind::ReaderRunning),
        seeds: 1,
        run: reader_not_stopped,
    },
    Planted {
        name: "pipe used after ReleaseHardware",
        mistake: "the handle of a pipe is used after the configuration it belongs to was given up",
        finding: Finding::Bugcheck(BugcheckKind::StaleHandle),
        seeds: 1,
        run: pipe_after_release,
    },
];

fn stop_without_answer(host: &Host, wrong: bool) -> Result<(), Stop> {
    let kept = slot();
    let of_write = Rc::clone(&kept);
    let stop = move |_, request, _| {
        if !wrong {
            wdf!(WdfRequestStopAcknowledge(request, 0));
        }
    };
    let driver = Hooks {
        stop: Some(Rc::new(stop)),
        ..on_write(move |request| of_write.set(request))
    };
    on(host, Disk::in_memory(), driver, |machine| {
        let io = machine.submit();
        machine.host.run()?;
        machine.host.sleep(machine.stack)?;
        machine.host.wake(machine.stack)?;
        machine.thread(move || complete(kept.get(), STATUS_SUCCESS));
        machine.host.wait(io).map(ignore)
    })
}

fn queue_not_started(host: &Host, wrong: bool) -> Result<(), Stop> {
    let driver = on_write(|request| complete(request, STATUS_SUCCESS));
    on(host, Disk::in_memory(), driver, |machine| {
        machine.thread(move || {
            let queue = wdf!(WdfDeviceGetDefaultQueue(device()));
            wdf!(WdfIoQueueStopSynchronously(queue));
            if !wrong {
                wdf!(WdfIoQueueStart(queue));
            }
        });
        machine.host.run()?;
        machine.write()
    })
}

fn queue_stopped_in_callback(host: &Host, wrong: bool) -> Result<(), Stop> {
    let driver = on_write(move |request| {
        let queue = wdf!(WdfDeviceGetDefaultQueue(device()));
        if wrong {
            wdf!(WdfIoQueueStopSynchronously(queue));
        } else {
            wdf!(WdfIoQueueStop(queue, None, null()));
        }
        wdf!(WdfIoQueueStart(queue));
        complete(request, STATUS_SUCCESS);
    });
    one_write(host, driver)
}

fn purge_without_cancel(host: &Host, wrong: bool) -> Result<(), Stop> {
    let writes = on_write(move |request| {
        if !wrong {
            mark_cancelable(request);
        }
    });
    let driver = Hooks {
        cancelled: Some(Rc::new(|request| complete(request, STATUS_CANCELLED))),
        ..writes
    };
    on(host, Disk::in_memory(), driver, |machine| {
        let _ = machine.submit();
        machine.host.run()?;
        machine.thread(|| {
            let queue = wdf!(WdfDeviceGetDefaultQueue(device()));
            wdf!(WdfIoQueuePurgeSynchronously(queue));
            wdf!(WdfIoQueueStart(queue));
        });
        machine.host.run()
    })
}

fn never_retrieved(host: &Host, wrong: bool) -> Result<(), Stop> {
    let manual = slot();
    let (queue, of_work) = (Rc::clone(&manual), Rc::clone(&manual));
    let item = slot();
    let of_write = Rc::clone(&item);
    let forwards = on_write(move |request| {
        let status = wdf!(WdfRequestForwardToIoQueue(request, queue.get()));
        if !NT_SUCCESS(status) {
            complete(request, status);
        } else if !wrong {
            enqueue(of_write.get());
        }
    });
    let driver = with_manual_queue(forwards, &manual);
    on(host, Disk::in_memory(), driver, |machine| {
        machine.thread(move || {
            item.set(work_item(move || {
                let mut next = null();
                while NT_SUCCESS(wdf!(WdfIoQueueRetrieveNextRequest(
                    of_work.get(),
                    &raw mut next
                ))) {
                    complete(next, STATUS_SUCCESS);
                }
            }));
        });
        machine.host.run()?;
        machine.write()
    })
}

fn target_not_started(host: &Host, wrong: bool) -> Result<(), Stop> {
    let d0_exit = || {
        let action = _WDF_IO_TARGET_SENT_IO_ACTION::WdfIoTargetCancelSentIo;
        wdf!(WdfIoTargetStop(target(), action));
    };
    let d0_entry = move || {
        if !wrong && !device().is_null() {
            assert_eq!(wdf!(WdfIoTargetStart(target())), STATUS_SUCCESS);
        }
    };
    let pnp = Pnp {
        d0_entry: Some(Rc::new(d0_entry)),
        d0_exit: Some(Rc::new(d0_exit)),
        ..Pnp::default()
    };
    let writes = on_write(|request| {
        wdf!(WdfRequestFormatRequestUsingCurrentType(request));
        with_routine(request);
        if !send(request, target(), None) {
            complete(request, wdf!(WdfRequestGetStatus(request)));
        }
    });
    let driver = Hooks {
        completed: Some(Rc::new(|request, status, _| complete(request, status))),
        ..with_pnp(writes, pnp)
    };
    on(host, Disk::in_memory(), driver, |machine| {
        machine.write()?;
        machine.host.sleep(machine.stack)?;
        machine.host.wake(machine.stack)?;
        machine.write()
    })
}

fn buffer_of(memory: WDFMEMORY) {
    ignore(wdf!(WdfMemoryGetBuffer(memory, null())));
}

fn timer_after_delete(host: &Host, wrong: bool) -> Result<(), Stop> {
    let driver = Hooks {
        filter: true,
        ..Hooks::default()
    };
    on(host, Disk::in_memory(), driver, |machine| {
        machine.thread(move || {
            let memory = create_memory(b"data");
            let timer = timer(move || buffer_of(memory));
            start_timer(timer, 5);
            sleep(1);
            if !wrong {
                ignore(wdf!(WdfTimerStop(timer, 1)));
            }
            delete(memory);
        });
        machine.host.run()
    })
}

fn work_item_not_flushed(host: &Host, wrong: bool) -> Result<(), Stop> {
    let (memory, item) = (slot(), slot());
    let (of_release, flushed) = (Rc::clone(&memory), Rc::clone(&item));
    let release = move || {
        if !wrong {
            wdf!(WdfWorkItemFlush(flushed.get()));
        }
        delete(of_release.get());
    };
    let pnp = Pnp {
        release_hardware: Some(Rc::new(release)),
        ..Pnp::default()
    };
    let of_exit = Rc::clone(&item);
    let pnp = Pnp {
        d0_exit: Some(Rc::new(move || enqueue(of_exit.get()))),
        ..pnp
    };
    let driver = with_pnp(
        Hooks {
            filter: true,
            ..Hooks::default()
        },
        pnp,
    );
    on(host, Disk::in_memory(), driver, |machine| {
        machine.thread(move || {
            memory.set(create_memory(b"data"));
            item.set(work_item(move || buffer_of(memory.get())));
        });
        machine.host.run()
    })
}

fn timer_after_removal(host: &Host, wrong: bool) -> Result<(), Stop> {
    let driver = Hooks {
        filter: true,
        ..Hooks::default()
    };
    on(host, Disk::in_memory(), driver, |machine| {
        let kept = slot();
        let of_thread = Rc::clone(&kept);
        machine.thread(move || of_thread.set(timer(|| {})));
        machine.host.run()?;
        let start = move || start_timer(kept.get(), 5);
        if wrong {
            machine.host.remove(machine.stack)?;
            machine.thread(start);
        } else {
            machine.thread(start);
            machine.host.run()?;
            machine.host.remove(machine.stack)?;
        }
        machine.host.run()
    })
}

unsafe extern "C" fn read_complete(_: WDFUSBPIPE, _: WDFMEMORY, _: usize, _: WDFCONTEXT) {}

fn reader_not_stopped(host: &Host, wrong: bool) -> Result<(), Stop> {
    let pipe = slot();
    let (of_prepare, of_entry, of_exit) = (Rc::clone(&pipe), Rc::clone(&pipe), pipe);
    let prepare = move || {
        let pipe = usb_support::pipe(usb_support::BULK_IN);
        let mut config = WDF_USB_CONTINUOUS_READER_CONFIG {
            Size: size::<WDF_USB_CONTINUOUS_READER_CONFIG>(),
            TransferLength: 512,
            EvtUsbTargetPipeReadComplete: Some(read_complete),
            ..Default::default()
        };
        let status = wdf!(WdfUsbTargetPipeConfigContinuousReader(
            pipe,
            &raw mut config
        ));
        assert_eq!(status, STATUS_SUCCESS);
        of_prepare.set(pipe);
    };
    let start = move || {
        let status = wdf!(WdfIoTargetStart(of_entry.get().cast()));
        assert_eq!(status, STATUS_SUCCESS);
    };
    let stop = move || {
        let action = _WDF_IO_TARGET_SENT_IO_ACTION::WdfIoTargetCancelSentIo;
        if !wrong {
            wdf!(WdfIoTargetStop(of_exit.get().cast(), action));
        }
    };
    let pnp = Pnp {
        prepare_hardware: Some(Rc::new(prepare)),
        d0_entry: Some(Rc::new(start)),
        d0_exit: Some(Rc::new(stop)),
        ..Pnp::default()
    };
    let usb = UsbDevice::new(usb_support::descriptors());
    let driver = with_pnp(Hooks::default(), pnp);
    on(host, usb, driver, |machine| {
        machine.host.sleep(machine.stack)?;
        machine.host.wake(machine.stack)
    })
}

fn pipe_after_release(host: &Host, wrong: bool) -> Result<(), Stop> {
    let usb = UsbDevice::new(usb_support::descriptors());
    on(host, usb, Hooks::default(), |machine| {
        machine.thread(move || {
            let usb = usb_support::configured();
            let pipe = usb_support::pipe_of(usb, usb_support::BULK_OUT);
            let write = || {
                let options = Some(options(TIMEOUT, ms(10)));
                ignore(usb_support::pipe_write(
                    pipe,
                    null(),
                    usb_support::of(b"data"),
                    options,
                ));
            };
            if !wrong {
                write();
            }
            let mut off = usb_support::select_params(
                _WdfUsbTargetDeviceSelectConfigType::WdfUsbTargetDeviceSelectConfigTypeDeconfig,
            );
            assert_eq!(usb_support::select(usb, &mut off), STATUS_SUCCESS);
            if wrong {
                write();
            }
        });
        machine.host.run()
    })
}
