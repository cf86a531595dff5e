//! Mistakes that are meant to slip through: between two rules.

use std::cell::{Cell, UnsafeCell};
use std::rc::Rc;

use kmdf_host::{Awaited, BugcheckKind, Disk, Host, Stop, Ticks, ViolationKind};
use kmdf_sys::*;

use crate::common::*;
use crate::kit::*;
use crate::table::{Finding, Planted};

pub(crate) const PLANTED: &[Planted] = &[
    Planted {
        name: "requeue in flight",
        mistake: "EvtIoStop acknowledges with Requeue a request that the lower driver has",
        finding: Finding::Violation(ViolationKind::NotOwned),
        seeds: 1,
        run: requeue_in_flight,
    },
    Planted {
        name: "forward in flight",
        mistake: "a request that the lower driver has is forwarded to another queue",
        finding: Finding::Violation(ViolationKind::NotOwned),
        seeds: 1,
        run: forward_in_flight,
    },
    Planted {
        name: "canceled on queue and forgotten",
        mistake: "EvtIoCanceledOnQueue does not complete the request",
        finding: Finding::Violation(ViolationKind::RequestLost),
        seeds: 1,
        run: canceled_on_queue,
    },
    Planted {
        name: "one request for two writes",
        mistake: "a parallel queue's writes share one request of the device's",
        finding: Finding::Bugcheck(BugcheckKind::AlreadySent),
        seeds: 1,
        run: shared_request,
    },
    Planted {
        name: "memory of a completed request",
        mistake: "the WDFMEMORY of a received request is used after the request was completed",
        finding: Finding::Bugcheck(BugcheckKind::StaleHandle),
        seeds: 1,
        run: memory_of_completed,
    },
    Planted {
        name: "write into the input",
        mistake: "EvtIoWrite copies into the memory that the application gave to read from",
        finding: Finding::Violation(ViolationKind::BufferDirection),
        seeds: 1,
        run: write_into_input,
    },
    Planted {
        name: "user address outside the caller's context",
        mistake: "EvtIoDeviceControl asks for the user's address of a METHOD_NEITHER control code",
        finding: Finding::Violation(ViolationKind::UserAddress),
        seeds: 1,
        run: user_address,
    },
    Planted {
        name: "enqueue outside the caller's context",
        mistake: "EvtIoWrite calls WdfDeviceEnqueueRequest to have the request presented again",
        finding: Finding::Violation(ViolationKind::NotOwned),
        seeds: 1,
        run: enqueue_outside,
    },
    Planted {
        name: "acknowledged twice",
        mistake: "EvtIoStop acknowledges the request twice",
        finding: Finding::Violation(ViolationKind::NotOwned),
        seeds: 1,
        run: acknowledged_twice,
    },
    Planted {
        name: "waiting for the own queue",
        mistake: "EvtIoWrite of a sequential queue waits for an event that the next write would set",
        finding: Finding::Deadlock(Awaited::Event),
        seeds: 1,
        run: waits_for_own_queue,
    },
    Planted {
        name: "check and act on a cancelled request",
        mistake: "WdfRequestIsCanceled is asked of a cancelable request instead of unmarking it",
        finding: Finding::Violation(ViolationKind::CancelState),
        seeds: 1,
        run: is_canceled_of_cancelable,
    },
    Planted {
        name: "target closed, send ignored",
        mistake: "a write goes to a remote target that was closed, and nobody completes the received request",
        finding: Finding::Violation(ViolationKind::RequestLost),
        seeds: 1,
        run: closed_target,
    },
];

/// Sends the received request down with the logging completion routine.
fn send_down(request: WDFREQUEST) {
    wdf!(WdfRequestFormatRequestUsingCurrentType(request));
    with_routine(request);
    assert!(send(request, target(), None));
}

fn completes(hooks: Hooks) -> Hooks {
    Hooks {
        completed: Some(Rc::new(|request, status, _| complete(request, status))),
        ..hooks
    }
}

fn requeue_in_flight(host: &Host, wrong: bool) -> Result<(), Stop> {
    let stop = move |_, request, _| {
        wdf!(WdfRequestStopAcknowledge(request, u8::from(wrong)));
    };
    let driver = Hooks {
        stop: Some(Rc::new(stop)),
        ..completes(on_write(send_down))
    };
    on(host, very_slow(), driver, |machine| {
        let io = machine.submit();
        machine.host.run_for(Ticks::from_millis(1))?;
        machine.host.sleep(machine.stack)?;
        machine.host.wake(machine.stack)?;
        machine.host.wait(io).map(ignore)
    })
}

fn forward_in_flight(host: &Host, wrong: bool) -> Result<(), Stop> {
    let manual = slot();
    let queue = Rc::clone(&manual);
    let forwards = completes(on_write(move |request| {
        send_down(request);
        if wrong {
            ignore(wdf!(WdfRequestForwardToIoQueue(request, queue.get())));
        }
    }));
    on(
        host,
        slow(),
        with_manual_queue(forwards, &manual),
        |machine| {
            let io = machine.submit();
            machine.host.run()?;
            machine.host.cancel(io)?;
            machine.host.wait(io).map(ignore)
        },
    )
}

fn canceled_on_queue(host: &Host, wrong: bool) -> Result<(), Stop> {
    let manual = slot();
    let queue = Rc::clone(&manual);
    let canceled = move |_, request| {
        if !wrong {
            complete(request, STATUS_CANCELLED);
        }
    };
    let hooks = Hooks {
        canceled_on_queue: Some(Rc::new(canceled)),
        ..on_write(move |request| {
            let status = wdf!(WdfRequestForwardToIoQueue(request, queue.get()));
            assert_eq!(status, STATUS_SUCCESS);
        })
    };
    let create = move |device| {
        create_queue(device, default_queue(PARALLEL));
        let mut config = queue_config(MANUAL);
        fill(&mut config);
        (config.EvtIoWrite, config.EvtIoRead) = (None, None);
        manual.set(create_queue(device, config));
    };
    let driver = Hooks {
        queue: Some(Box::new(create)),
        ..hooks
    };
    on(host, Disk::in_memory(), driver, |machine| {
        let io = machine.submit();
        machine.host.run()?;
        machine.host.cancel(io)?;
        machine.host.wait(io).map(ignore)
    })
}

fn shared_request(host: &Host, wrong: bool) -> Result<(), Stop> {
    let (shared, received) = (slot(), slot());
    let (of_thread, of_write) = (Rc::clone(&shared), Rc::clone(&received));
    let writes = on_write(move |request| {
        of_write.set(request);
        if !wrong {
            send_down(request);
            return;
        }
        let memory = create_memory(b"data");
        ignore(format_write(target(), shared.get(), memory));
        delete(memory);
        with_routine(shared.get());
        send(shared.get(), target(), None);
    });
    let completed = move |request, status, _| {
        complete(if wrong { received.get() } else { request }, status);
    };
    let driver = Hooks {
        completed: Some(Rc::new(completed)),
        ..writes
    };
    on(host, slow(), driver, |machine| {
        machine.thread(move || of_thread.set(create_request(target())));
        machine.host.run()?;
        let ios = [machine.submit(), machine.submit()];
        ios.into_iter()
            .try_for_each(|io| machine.host.wait(io).map(ignore))
    })
}

fn memory_of_completed(host: &Host, wrong: bool) -> Result<(), Stop> {
    let driver = on_write(move |request| {
        let memory = input_memory(request);
        let size = || ignore(wdf!(WdfMemoryGetBuffer(memory, null())));
        if !wrong {
            size();
        }
        complete(request, STATUS_SUCCESS);
        if wrong {
            size();
        }
    });
    one_write(host, driver)
}

fn write_into_input(host: &Host, wrong: bool) -> Result<(), Stop> {
    let driver = on_write(move |request| {
        let memory = input_memory(request);
        let mut bytes = [0_u8; 4];
        let address = bytes.as_mut_ptr().cast();
        let status = if wrong {
            wdf!(WdfMemoryCopyFromBuffer(memory, 0, address, 4))
        } else {
            wdf!(WdfMemoryCopyToBuffer(memory, 0, address, 4))
        };
        complete(request, status);
    });
    on(host, Disk::in_memory(), driver, |machine| {
        machine.host.write(machine.file, 0, b"data").map(ignore)
    })
}

fn user_address(host: &Host, wrong: bool) -> Result<(), Stop> {
    let control = move |_, request, _, _, _| {
        let mut buffer = null();
        let status = if wrong {
            wdf!(WdfRequestRetrieveUnsafeUserInputBuffer(
                request,
                1,
                &raw mut buffer,
                null()
            ))
        } else {
            wdf!(WdfRequestRetrieveInputBuffer(
                request,
                1,
                &raw mut buffer,
                null()
            ))
        };
        complete(request, status);
    };
    let driver = Hooks {
        control: Some(Rc::new(control)),
        ..Hooks::default()
    };
    let code = if wrong { 0x22_0003 + 4 } else { 0x22_0004 };
    on(host, Disk::in_memory(), driver, |machine| {
        let result = machine.host.ioctl(machine.file, code, &[1; 4], &mut []);
        result.map(ignore)
    })
}

fn enqueue_outside(host: &Host, wrong: bool) -> Result<(), Stop> {
    let driver = on_write(move |request| {
        if wrong {
            ignore(wdf!(WdfDeviceEnqueueRequest(device(), request)));
        }
        complete(request, STATUS_SUCCESS);
    });
    one_write(host, driver)
}

fn acknowledged_twice(host: &Host, wrong: bool) -> Result<(), Stop> {
    let stop = move |_, request, _| {
        wdf!(WdfRequestStopAcknowledge(request, 0));
        if wrong {
            wdf!(WdfRequestStopAcknowledge(request, 0));
        }
    };
    let driver = Hooks {
        stop: Some(Rc::new(stop)),
        ..completes(on_write(send_down))
    };
    on(host, very_slow(), driver, |machine| {
        let io = machine.submit();
        machine.host.run_for(Ticks::from_millis(1))?;
        machine.host.sleep(machine.stack)?;
        machine.host.wake(machine.stack)?;
        machine.host.wait(io).map(ignore)
    })
}

/// An event that lives as long as the driver.
fn event() -> Rc<UnsafeCell<KEVENT>> {
    let event = Rc::new(UnsafeCell::new(KEVENT::default()));
    // SAFETY: the event is shared from here on, and used by the kernel's functions alone.
    unsafe { ntddk::KeInitializeEvent(event.get(), _EVENT_TYPE::NotificationEvent, 0) };
    event
}

fn waits_for_own_queue(host: &Host, wrong: bool) -> Result<(), Stop> {
    let written = Rc::new(Cell::new(0));
    let event = event();
    let hooks = on_write(move |request| {
        written.set(written.get() + 1);
        if written.get() == 1 {
            // SAFETY: the event lives as long as the driver.
            ignore(unsafe { ntddk::KeWaitForSingleObject(event.get().cast(), 0, 0, 0, null()) });
        } else {
            // SAFETY: as above.
            unsafe { ntddk::KeSetEvent(event.get(), 0, 0) };
        }
        complete(request, STATUS_SUCCESS);
    });
    let dispatch = if wrong {
        _WDF_IO_QUEUE_DISPATCH_TYPE::WdfIoQueueDispatchSequential
    } else {
        PARALLEL
    };
    let driver = Hooks {
        queue: Some(Box::new(move |device| {
            create_queue(device, default_queue(dispatch));
        })),
        ..hooks
    };
    on(host, Disk::in_memory(), driver, |machine| {
        let ios = [machine.submit(), machine.submit()];
        ios.into_iter()
            .try_for_each(|io| machine.host.wait(io).map(ignore))
    })
}

fn is_canceled_of_cancelable(host: &Host, wrong: bool) -> Result<(), Stop> {
    let writes = on_write(move |request| {
        let canceled = |request| wdf!(WdfRequestIsCanceled(request)) != 0;
        if !wrong {
            ignore(canceled(request));
        }
        mark_cancelable(request);
        if wrong {
            ignore(canceled(request));
        }
        if unmark_cancelable(request) == STATUS_SUCCESS {
            complete(request, STATUS_SUCCESS);
        }
    });
    let driver = Hooks {
        cancelled: Some(Rc::new(|request| complete(request, STATUS_CANCELLED))),
        ..writes
    };
    one_write(host, driver)
}

fn closed_target(host: &Host, wrong: bool) -> Result<(), Stop> {
    let driver = completes(on_write(move |request| {
        let remote = remote_target();
        assert_eq!(open_existing(remote), STATUS_SUCCESS);
        wdf!(WdfIoTargetClose(remote));
        wdf!(WdfRequestFormatRequestUsingCurrentType(request));
        with_routine(request);
        let sent = send(request, remote, None);
        if !sent && !wrong {
            complete(request, wdf!(WdfRequestGetStatus(request)));
        }
        delete(remote);
    }));
    on(host, Disk::in_memory(), driver, |machine| {
        machine.host.write(machine.file, 0, b"data").map(ignore)
    })
}
