//! Sending: formatted, one at a time, left alone until the completion routine has been called.

use std::rc::Rc;

use kmdf_host::{BugcheckKind, Disk, Host, Scripted, Stop, ViolationKind};
use kmdf_sys::*;

use crate::common::*;
use crate::kit::*;
use crate::table::{Finding, Planted};

pub(crate) const PLANTED: &[Planted] = &[
    Planted {
        name: "send of an unformatted request",
        mistake: "a request is sent again after WdfRequestReuse without being formatted",
        finding: Finding::Violation(ViolationKind::Unformatted),
        seeds: 1,
        run: unformatted,
    },
    Planted {
        name: "reuse in flight",
        mistake: "WdfRequestReuse of a request that the lower driver still has",
        finding: Finding::Violation(ViolationKind::ReusedInFlight),
        seeds: 1,
        run: reuse_in_flight,
    },
    Planted {
        name: "delete in flight",
        mistake: "WdfObjectDelete of a request that the lower driver still has",
        finding: Finding::Violation(ViolationKind::DeletedInFlight),
        seeds: 1,
        run: delete_in_flight,
    },
    Planted {
        name: "format in flight",
        mistake: "a request is formatted for the next write while the lower driver still has the last",
        finding: Finding::Violation(ViolationKind::FormattedInFlight),
        seeds: 1,
        run: format_in_flight,
    },
    Planted {
        name: "send in flight",
        mistake: "a request is sent a second time before it has completed",
        finding: Finding::Bugcheck(BugcheckKind::AlreadySent),
        seeds: 1,
        run: send_in_flight,
    },
    Planted {
        name: "time-out of 0",
        mistake: "a synchronous write with a time-out of 0, which is none",
        finding: Finding::Violation(ViolationKind::TimeoutZero),
        seeds: 1,
        run: timeout_zero,
    },
    Planted {
        name: "send failure ignored",
        mistake: "WdfRequestSend returns FALSE, and nobody completes the received request",
        finding: Finding::Violation(ViolationKind::RequestLost),
        seeds: 1,
        run: send_failure_ignored,
    },
    Planted {
        name: "sent and completed at once",
        mistake: "EvtIoWrite sends the request down and completes it in the same breath",
        finding: Finding::Violation(ViolationKind::CompletedInFlight),
        seeds: 1,
        run: sent_and_completed,
    },
    Planted {
        name: "sent without a completion routine",
        mistake: "a received request is sent down without a completion routine, and the failure completes nothing",
        finding: Finding::Violation(ViolationKind::NoCompletionRoutine),
        seeds: 1,
        run: no_routine,
    },
    Planted {
        name: "send and forget then complete",
        mistake: "a request that was sent with WDF_REQUEST_SEND_OPTION_SEND_AND_FORGET is completed",
        finding: Finding::Bugcheck(BugcheckKind::DoubleCompletion),
        seeds: 1,
        run: forgotten_and_completed,
    },
    Planted {
        name: "send and forget with a time-out",
        mistake: "WDF_REQUEST_SEND_OPTION_SEND_AND_FORGET together with a time-out, and the failure completes nothing",
        finding: Finding::Violation(ViolationKind::SendOptions),
        seeds: 1,
        run: forget_with_timeout,
    },
    Planted {
        name: "missing reuse after a failed synchronous send",
        mistake: "a request whose synchronous send was refused is sent asynchronously without WdfRequestReuse",
        finding: Finding::Bugcheck(BugcheckKind::DeadSyncRoutine),
        seeds: 1,
        run: dead_routine,
    },
    Planted {
        name: "missing reuse after a cancel",
        mistake: "a request is cancelled when it is not sent, and then sent without WdfRequestReuse",
        finding: Finding::Violation(ViolationKind::StaleCancel),
        seeds: 1,
        run: cancelled_when_idle,
    },
    Planted {
        name: "MDL freed in flight",
        mistake: "the MDL of a write is freed before the write has completed",
        finding: Finding::Violation(ViolationKind::BufferFreedInFlight),
        seeds: 1,
        run: mdl_freed_in_flight,
    },
    Planted {
        name: "pool freed in flight",
        mistake: "the buffer behind a preallocated WDFMEMORY is freed before the write has completed",
        finding: Finding::Violation(ViolationKind::BufferFreedInFlight),
        seeds: 1,
        run: pool_freed_in_flight,
    },
    Planted {
        name: "local buffer out of scope",
        mistake: "EvtIoWrite sends a read into an array of its own and returns",
        finding: Finding::Violation(ViolationKind::BufferOutOfScope),
        seeds: 1,
        run: local_buffer,
    },
    Planted {
        name: "write request to a read",
        mistake: "the request from EvtIoWrite is given to WdfIoTargetSendReadSynchronously",
        finding: Finding::Violation(ViolationKind::WriteMisused),
        seeds: 1,
        run: write_to_read,
    },
];

/// A driver with a request of its own, sent to a device that completes a millisecond later.
fn in_flight(host: &Host, meanwhile: impl FnOnce(WDFREQUEST) + 'static) -> Result<(), Stop> {
    let driver = Hooks {
        filter: true,
        ..Hooks::default()
    };
    on(host, slow(), driver, |machine| {
        machine.thread(move || {
            let own = create_request(target());
            send_data(own);
            meanwhile(own);
            sleep(5);
            delete(own);
        });
        machine.host.run()
    })
}

fn idle(host: &Host, lower: Scripted, work: impl FnOnce() + 'static) -> Result<(), Stop> {
    let driver = Hooks {
        filter: true,
        ..Hooks::default()
    };
    on(host, lower, driver, |machine| {
        machine.thread(work);
        machine.host.run()
    })
}

fn unformatted(host: &Host, wrong: bool) -> Result<(), Stop> {
    in_flight(host, move |own| {
        sleep(2);
        reuse(own, STATUS_SUCCESS);
        if wrong {
            send(own, target(), None);
        } else {
            send_data(own);
        }
    })
}

fn reuse_in_flight(host: &Host, wrong: bool) -> Result<(), Stop> {
    in_flight(host, move |own| {
        if !wrong {
            sleep(2);
        }
        reuse(own, STATUS_SUCCESS);
    })
}

fn delete_in_flight(host: &Host, wrong: bool) -> Result<(), Stop> {
    idle(host, slow(), move || {
        let own = create_request(target());
        send_data(own);
        if !wrong {
            sleep(2);
        }
        delete(own);
        sleep(5);
    })
}

fn format_in_flight(host: &Host, wrong: bool) -> Result<(), Stop> {
    in_flight(host, move |own| {
        if !wrong {
            sleep(2);
            reuse(own, STATUS_SUCCESS);
        }
        let memory = create_memory(b"next");
        ignore(format_write(target(), own, memory));
        delete(memory);
    })
}

fn send_in_flight(host: &Host, wrong: bool) -> Result<(), Stop> {
    in_flight(host, move |own| {
        if !wrong {
            sleep(2);
            reuse(own, STATUS_SUCCESS);
            send_data(own);
            return;
        }
        send(own, target(), None);
    })
}

fn timeout_zero(host: &Host, wrong: bool) -> Result<(), Stop> {
    let driver = on_write(move |request| {
        let time = if wrong { 0 } else { ms(10) };
        let (status, _) = sync_write(target(), null(), b"data", Some(options(TIMEOUT, time)));
        complete(request, status);
    });
    one_write(host, driver)
}

fn send_failure_ignored(host: &Host, wrong: bool) -> Result<(), Stop> {
    let driver = on_write(move |request| {
        wdf!(WdfRequestFormatRequestUsingCurrentType(request));
        with_routine(request);
        let purge = _WDF_IO_TARGET_PURGE_IO_ACTION::WdfIoTargetPurgeIo;
        wdf!(WdfIoTargetPurge(target(), purge));
        if !send(request, target(), None) && !wrong {
            complete(request, wdf!(WdfRequestGetStatus(request)));
        }
    });
    on(host, Disk::in_memory(), driver, |machine| {
        machine.host.write(machine.file, 0, b"data").map(ignore)
    })
}

fn sent_and_completed(host: &Host, wrong: bool) -> Result<(), Stop> {
    let writes = on_write(move |request| {
        wdf!(WdfRequestFormatRequestUsingCurrentType(request));
        with_routine(request);
        if !send(request, target(), None) || wrong {
            complete(request, STATUS_SUCCESS);
        }
    });
    let driver = Hooks {
        completed: Some(Rc::new(|request, status, _| complete(request, status))),
        ..writes
    };
    on(host, slow(), driver, Machine::write)
}

fn no_routine(host: &Host, wrong: bool) -> Result<(), Stop> {
    let writes = on_write(move |request| {
        wdf!(WdfRequestFormatRequestUsingCurrentType(request));
        if !wrong {
            with_routine(request);
        }
        send(request, target(), None);
    });
    let driver = Hooks {
        completed: Some(Rc::new(|request, status, _| complete(request, status))),
        ..writes
    };
    on(host, Disk::in_memory(), driver, Machine::write)
}

fn forgotten_and_completed(host: &Host, wrong: bool) -> Result<(), Stop> {
    let driver = on_write(move |request| {
        let sent = send(request, target(), Some(options(FORGET, 0)));
        if !sent || wrong {
            complete(request, STATUS_SUCCESS);
        }
    });
    one_write(host, driver)
}

fn forget_with_timeout(host: &Host, wrong: bool) -> Result<(), Stop> {
    let driver = on_write(move |request| {
        let flags = if wrong { FORGET | TIMEOUT } else { FORGET };
        let sent = send(request, target(), Some(options(flags, ms(10))));
        if !sent && !wrong {
            complete(request, wdf!(WdfRequestGetStatus(request)));
        }
    });
    on(host, Disk::in_memory(), driver, |machine| {
        machine.host.write(machine.file, 0, b"data").map(ignore)
    })
}

fn dead_routine(host: &Host, wrong: bool) -> Result<(), Stop> {
    idle(host, slow(), move || {
        let own = create_request(target());
        let purge = _WDF_IO_TARGET_PURGE_IO_ACTION::WdfIoTargetPurgeIo;
        wdf!(WdfIoTargetPurge(target(), purge));
        ignore(sync_write(
            target(),
            own,
            b"data",
            Some(options(TIMEOUT, ms(10))),
        ));
        assert_eq!(wdf!(WdfIoTargetStart(target())), STATUS_SUCCESS);
        if !wrong {
            reuse(own, STATUS_SUCCESS);
        }
        let memory = create_memory(b"data");
        assert_eq!(format_write(target(), own, memory), STATUS_SUCCESS);
        send(own, target(), None);
        sleep(5);
        delete(own);
        delete(memory);
    })
}

fn cancelled_when_idle(host: &Host, wrong: bool) -> Result<(), Stop> {
    in_flight(host, move |own| {
        sleep(2);
        cancel_sent(own);
        if !wrong {
            reuse(own, STATUS_SUCCESS);
        }
        let memory = create_memory(b"next");
        assert_eq!(format_write(target(), own, memory), STATUS_SUCCESS);
        delete(memory);
        send(own, target(), None);
    })
}

fn mdl_freed_in_flight(host: &Host, wrong: bool) -> Result<(), Stop> {
    let driver = Hooks {
        filter: true,
        ..Hooks::default()
    };
    on_direct(host, slow(), driver, |machine| {
        machine.thread(move || {
            let block = allocate(16);
            let mdl = mdl_of(block, 16);
            if wrong {
                // Half a millisecond later, when the write below is on its way.
                let timer = timer(move || free_mdl(mdl));
                ignore(wdf!(WdfTimerStart(timer, ms(1) / 2)));
            }
            let mut descriptor = WDF_MEMORY_DESCRIPTOR {
                Type: _WDF_MEMORY_DESCRIPTOR_TYPE::WdfMemoryDescriptorTypeMdl,
                ..Default::default()
            };
            descriptor.u.MdlType.Mdl = mdl;
            descriptor.u.MdlType.BufferLength = 16;
            let mut options = options(TIMEOUT, ms(10));
            ignore(wdf!(WdfIoTargetSendWriteSynchronously(
                target(),
                null(),
                &raw mut descriptor,
                null(),
                &raw mut options,
                null()
            )));
            if !wrong {
                free_mdl(mdl);
            }
            free(block);
        });
        machine.host.run()
    })
}

fn pool_freed_in_flight(host: &Host, wrong: bool) -> Result<(), Stop> {
    let driver = Hooks {
        filter: true,
        ..Hooks::default()
    };
    on_direct(host, slow(), driver, |machine| {
        machine.thread(move || {
            let block = allocate(16);
            let own = create_request(target());
            let memory = memory_over(block, 16);
            assert_eq!(format_write(target(), own, memory), STATUS_SUCCESS);
            send(own, target(), None);
            if !wrong {
                sleep(2);
            }
            free(block);
            sleep(5);
            delete(own);
            delete(memory);
        });
        machine.host.run()
    })
}

fn local_buffer(host: &Host, wrong: bool) -> Result<(), Stop> {
    let (received, memory) = (slot(), slot());
    let (of_write, in_flight) = (Rc::clone(&received), Rc::clone(&memory));
    let writes = on_write(move |request| {
        let mut local = [0_u8; 64];
        let own = create_request(target());
        let memory = if wrong {
            memory_over(local.as_mut_ptr(), local.len())
        } else {
            memory_below(own, 64)
        };
        of_write.set(request);
        in_flight.set(memory);
        assert_eq!(format_read(own, memory), STATUS_SUCCESS);
        with_routine(own);
        send(own, target(), None);
    });
    let completed = move |own, status, _| {
        if wrong {
            delete(memory.get());
        }
        delete(own);
        complete(received.get(), status);
    };
    let driver = Hooks {
        completed: Some(Rc::new(completed)),
        ..writes
    };
    on(host, slow(), driver, Machine::write)
}

fn write_to_read(host: &Host, wrong: bool) -> Result<(), Stop> {
    let driver = on_write(move |request| {
        let mut buffer = [0_u8; 4];
        let mut descriptor = buffer_descriptor(buffer.as_mut_ptr(), 4);
        let mut options = options(TIMEOUT, ms(10));
        let status = wdf!(WdfIoTargetSendReadSynchronously(
            target(),
            if wrong { request } else { null() },
            &raw mut descriptor,
            null(),
            &raw mut options,
            null()
        ));
        complete(request, status);
    });
    on(host, slow(), driver, Machine::write)
}
