//! Received requests: each is completed exactly once, by whoever owns it, with a final status.

use std::rc::Rc;

use kmdf_host::{BugcheckKind, Disk, Host, Stop, ViolationKind};
use kmdf_sys::*;

use crate::common::*;
use crate::kit::*;
use crate::table::{Finding, Planted};

pub(crate) const PLANTED: &[Planted] = &[
    Planted {
        name: "double completion",
        mistake: "EvtIoWrite completes the request twice",
        finding: Finding::Bugcheck(BugcheckKind::DoubleCompletion),
        seeds: 1,
        run: double_completion,
    },
    Planted {
        name: "completion by two paths",
        mistake: "two work items take the same pending request without a lock and both complete it",
        finding: Finding::Bugcheck(BugcheckKind::DoubleCompletion),
        seeds: 50,
        run: two_paths,
    },
    Planted {
        name: "lost request",
        mistake: "EvtIoWrite returns on an error path without completing the request",
        finding: Finding::Violation(ViolationKind::RequestLost),
        seeds: 1,
        run: lost_request,
    },
    Planted {
        name: "request kept at removal",
        mistake: "the driver keeps a request and has no EvtIoStop when the device is removed",
        finding: Finding::Violation(ViolationKind::RequestLost),
        seeds: 1,
        run: kept_at_removal,
    },
    Planted {
        name: "completion with memory still referenced",
        mistake: "the driver completes a request whose memory its own request is still formatted with",
        finding: Finding::Bugcheck(BugcheckKind::MemoryReferenced),
        seeds: 1,
        run: memory_referenced,
    },
    Planted {
        name: "use after completion",
        mistake: "the driver asks a request for its information after completing it",
        finding: Finding::Bugcheck(BugcheckKind::StaleHandle),
        seeds: 1,
        run: use_after_completion,
    },
    Planted {
        name: "information too large",
        mistake: "a read of 4 bytes is completed with 8 bytes",
        finding: Finding::Bugcheck(BugcheckKind::InformationTooLarge),
        seeds: 1,
        run: information_too_large,
    },
    Planted {
        name: "completion with STATUS_PENDING",
        mistake: "the driver completes a request with the status that says it will be completed later",
        finding: Finding::Violation(ViolationKind::CompletedPending),
        seeds: 1,
        run: completed_pending,
    },
    Planted {
        name: "forward then complete",
        mistake: "a request is forwarded to a manual queue and completed at once",
        finding: Finding::Violation(ViolationKind::NotOwned),
        seeds: 1,
        run: forward_then_complete,
    },
    Planted {
        name: "forward failure ignored",
        mistake: "WdfRequestForwardToIoQueue fails because the queue is draining, and nobody completes the request",
        finding: Finding::Violation(ViolationKind::RequestLost),
        seeds: 1,
        run: forward_failure_ignored,
    },
    Planted {
        name: "completion of a created request",
        mistake: "WdfRequestComplete for a request that the driver made with WdfRequestCreate",
        finding: Finding::Violation(ViolationKind::CompletedOwnRequest),
        seeds: 1,
        run: created_completed,
    },
    Planted {
        name: "completion routine forgets",
        mistake: "the completion routine of the driver's own request does not complete the received one on failure",
        finding: Finding::Violation(ViolationKind::RequestLost),
        seeds: 1,
        run: routine_forgets,
    },
];

fn double_completion(host: &Host, wrong: bool) -> Result<(), Stop> {
    let driver = on_write(move |request| {
        complete(request, STATUS_SUCCESS);
        if wrong {
            complete(request, STATUS_SUCCESS);
        }
    });
    one_write(host, driver)
}

fn two_paths(host: &Host, wrong: bool) -> Result<(), Stop> {
    let (pending, items) = (slot(), [slot(), slot()]);
    let (keep, enqueued) = (Rc::clone(&pending), items.clone());
    let driver = on_write(move |request| {
        keep.set(request);
        for item in &enqueued {
            enqueue(item.get());
        }
    });
    on(host, Disk::in_memory(), driver, |machine| {
        machine.thread(move || {
            let lock = spin_lock();
            for item in &items {
                let pending = Rc::clone(&pending);
                item.set(work_item(move || {
                    let request = if wrong {
                        pending.get()
                    } else {
                        locked(lock, || pending.replace(null()))
                    };
                    if !request.is_null() {
                        complete(request, STATUS_SUCCESS);
                        pending.set(null());
                    }
                }));
            }
        });
        machine.host.run()?;
        machine.write()
    })
}

fn lost_request(host: &Host, wrong: bool) -> Result<(), Stop> {
    let driver = on_write(move |request| {
        let mut buffer = null();
        let least = 100;
        let status = wdf!(WdfRequestRetrieveInputBuffer(
            request,
            least,
            &raw mut buffer,
            null()
        ));
        if NT_SUCCESS(status) || !wrong {
            complete(request, status);
        }
    });
    on(host, Disk::in_memory(), driver, |machine| {
        machine.host.write(machine.file, 0, b"data").map(ignore)
    })
}

fn kept_at_removal(host: &Host, wrong: bool) -> Result<(), Stop> {
    let driver = Hooks {
        stop: (!wrong).then(|| {
            let stop = |_, request, _| complete(request, STATUS_CANCELLED);
            Rc::new(stop) as Rc<dyn Fn(WDFQUEUE, WDFREQUEST, u32)>
        }),
        ..on_write(|_| {})
    };
    on(host, Disk::in_memory(), driver, |machine| {
        let _ = machine.submit();
        machine.host.run()?;
        machine.host.remove(machine.stack)
    })
}

fn memory_referenced(host: &Host, wrong: bool) -> Result<(), Stop> {
    let driver = on_write(move |request| {
        let own = create_request(target());
        let status = format_write(target(), own, input_memory(request));
        assert_eq!(status, STATUS_SUCCESS);
        send(own, target(), Some(options(SYNCHRONOUS, 0)));
        if wrong {
            complete(request, STATUS_SUCCESS);
            delete(own);
        } else {
            delete(own);
            complete(request, STATUS_SUCCESS);
        }
    });
    one_write(host, driver)
}

fn use_after_completion(host: &Host, wrong: bool) -> Result<(), Stop> {
    let driver = on_write(move |request| {
        let information = |request| wdf!(WdfRequestGetInformation(request));
        if !wrong {
            ignore(information(request));
        }
        complete_with(request, STATUS_SUCCESS, 4);
        if wrong {
            ignore(information(request));
        }
    });
    one_write(host, driver)
}

fn information_too_large(host: &Host, wrong: bool) -> Result<(), Stop> {
    let read = move |_, request, length: usize| {
        let moved = if wrong { 8 } else { length as u64 };
        complete_with(request, STATUS_SUCCESS, moved);
    };
    let driver = Hooks {
        read: Some(Rc::new(read)),
        ..Hooks::default()
    };
    on(host, Disk::in_memory(), driver, |machine| {
        let result = machine.host.read(machine.file, 0, &mut [0; 4])?;
        succeeded("the read", result.status)
    })
}

fn completed_pending(host: &Host, wrong: bool) -> Result<(), Stop> {
    let driver = on_write(move |request| {
        let status = if wrong {
            STATUS_PENDING
        } else {
            STATUS_SUCCESS
        };
        complete(request, status);
    });
    one_write(host, driver)
}

fn forward_then_complete(host: &Host, wrong: bool) -> Result<(), Stop> {
    let manual = slot();
    let queue = Rc::clone(&manual);
    let forwards = on_write(move |request| {
        let status = wdf!(WdfRequestForwardToIoQueue(request, queue.get()));
        if wrong || !NT_SUCCESS(status) {
            complete(request, status);
            return;
        }
        let mut next = null();
        let status = wdf!(WdfIoQueueRetrieveNextRequest(queue.get(), &raw mut next));
        if NT_SUCCESS(status) {
            complete(next, STATUS_SUCCESS);
        }
    });
    one_write(host, with_manual_queue(forwards, &manual))
}

fn forward_failure_ignored(host: &Host, wrong: bool) -> Result<(), Stop> {
    let manual = slot();
    let queue = Rc::clone(&manual);
    let forwards = on_write(move |request| {
        wdf!(WdfIoQueueDrain(queue.get(), None, null()));
        let status = wdf!(WdfRequestForwardToIoQueue(request, queue.get()));
        if !NT_SUCCESS(status) && !wrong {
            complete(request, status);
        }
    });
    let driver = with_manual_queue(forwards, &manual);
    on(host, Disk::in_memory(), driver, |machine| {
        machine.host.write(machine.file, 0, b"data").map(ignore)
    })
}

fn created_completed(host: &Host, wrong: bool) -> Result<(), Stop> {
    let driver = on_write(move |request| {
        let own = create_request(target());
        if wrong {
            complete(own, STATUS_SUCCESS);
        } else {
            delete(own);
        }
        complete(request, STATUS_SUCCESS);
    });
    one_write(host, driver)
}

fn routine_forgets(host: &Host, wrong: bool) -> Result<(), Stop> {
    let received = slot();
    let of_routine = Rc::clone(&received);
    let writes = on_write(move |request| {
        received.set(request);
        let own = create_request(target());
        let memory = create_memory(b"data");
        assert_eq!(format_write(target(), own, memory), STATUS_SUCCESS);
        delete(memory);
        with_routine(own);
        send(own, target(), None);
    });
    let completed = move |own, status, _| {
        delete(own);
        if NT_SUCCESS(status) || !wrong {
            complete(of_routine.get(), status);
        }
    };
    let driver = Hooks {
        completed: Some(Rc::new(completed)),
        ..writes
    };
    let failing = kmdf_host::FailNth::new(Disk::in_memory(), STATUS_DEVICE_NOT_CONNECTED, 1);
    on(host, failing, driver, |machine| {
        machine.host.write(machine.file, 0, b"data").map(ignore)
    })
}
