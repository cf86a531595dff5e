//! Cancelling: who completes, and what a handle is worth when the other side may have completed already.

use std::rc::Rc;

use kmdf_host::{BugcheckKind, Disk, Host, Stop, ViolationKind};
use kmdf_sys::*;

use crate::common::*;
use crate::kit::*;
use crate::table::{Finding, Planted};

pub(crate) const PLANTED: &[Planted] = &[
    Planted {
        name: "missing unmark",
        mistake: "a cancelable request is completed without WdfRequestUnmarkCancelable",
        finding: Finding::Violation(ViolationKind::CompletedCancelable),
        seeds: 1,
        run: missing_unmark,
    },
    Planted {
        name: "unmark status ignored",
        mistake: "the driver completes although WdfRequestUnmarkCancelable said that EvtRequestCancel will",
        finding: Finding::Violation(ViolationKind::DoubleCompletion),
        seeds: 50,
        run: unmark_ignored,
    },
    Planted {
        name: "use after marking cancelable",
        mistake: "the driver goes on using a request that EvtRequestCancel may have completed meanwhile",
        finding: Finding::Bugcheck(BugcheckKind::StaleHandle),
        seeds: 50,
        run: use_after_mark,
    },
    Planted {
        name: "cancel routine and completion routine complete",
        mistake: "EvtRequestCancel completes the request and cancels the sent one, whose completion routine completes again",
        finding: Finding::Violation(ViolationKind::DoubleCompletion),
        seeds: 1,
        run: both_routines,
    },
    Planted {
        name: "cancel routine forgets",
        mistake: "EvtRequestCancel does not complete the request",
        finding: Finding::Violation(ViolationKind::DeferredRequestLost),
        seeds: 1,
        run: cancel_forgets,
    },
    Planted {
        name: "stale cancel handle",
        mistake: "a sent request is cancelled without a reference when its completion routine may have deleted it",
        finding: Finding::Bugcheck(BugcheckKind::StaleHandle),
        seeds: 20,
        run: stale_cancel,
    },
    Planted {
        name: "reference of the canceller kept",
        mistake: "the reference taken for WdfRequestCancelSentRequest is not given back",
        finding: Finding::Violation(ViolationKind::ReferenceLeak),
        seeds: 20,
        run: reference_kept,
    },
];

/// A request in the driver's hands that is cancelled by the application, at any time from its arrival on.
fn cancelled(host: &Host, driver: Hooks) -> Result<(), Stop> {
    on(host, Disk::in_memory(), driver, |machine| {
        let io = machine.submit();
        machine.host.cancel(io)?;
        machine.host.run()?;
        machine.host.cancel(io)?;
        machine.host.wait(io).map(ignore)
    })
}

fn cancels_with(hooks: Hooks, cancelled: impl Fn(WDFREQUEST) + 'static) -> Hooks {
    Hooks {
        cancelled: Some(Rc::new(cancelled)),
        ..hooks
    }
}

fn missing_unmark(host: &Host, wrong: bool) -> Result<(), Stop> {
    let writes = on_write(move |request| {
        mark_cancelable(request);
        if wrong || unmark_cancelable(request) == STATUS_SUCCESS {
            complete(request, STATUS_SUCCESS);
        }
    });
    let driver = cancels_with(writes, |request| complete(request, STATUS_CANCELLED));
    one_write(host, driver)
}

/// A request that the application cancels while a work item that `create` makes is about to run.
fn cancelled_with_work(
    host: &Host,
    driver: Hooks,
    create: impl FnOnce() + 'static,
) -> Result<(), Stop> {
    on(host, Disk::in_memory(), driver, |machine| {
        machine.thread(create);
        machine.host.run()?;
        let io = machine.submit();
        machine.host.cancel(io)?;
        machine.host.run()?;
        machine.host.cancel(io)?;
        machine.host.wait(io).map(ignore)
    })
}

fn unmark_ignored(host: &Host, wrong: bool) -> Result<(), Stop> {
    let (pending, lock, item) = (slot(), slot(), slot());
    let (of_write, enqueued) = (Rc::clone(&pending), Rc::clone(&item));
    let writes = on_write(move |request| {
        of_write.set(request);
        mark_cancelable(request);
        enqueue(enqueued.get());
    });
    let (of_cancel, lock_of_cancel) = (Rc::clone(&pending), Rc::clone(&lock));
    let driver = cancels_with(writes, move |request| {
        locked(lock_of_cancel.get(), || of_cancel.set(null()));
        complete(request, STATUS_CANCELLED);
    });
    cancelled_with_work(host, driver, move || {
        let own = spin_lock();
        lock.set(own);
        item.set(work_item(move || {
            // EvtRequestCancel needs the lock before it completes, so the handle is good in here.
            locked(own, || {
                let request: WDFREQUEST = pending.replace(null());
                if request.is_null() {
                    return;
                }
                if unmark_cancelable(request) == STATUS_SUCCESS || wrong {
                    complete(request, STATUS_SUCCESS);
                }
            });
        }));
    })
}

fn use_after_mark(host: &Host, wrong: bool) -> Result<(), Stop> {
    let (received, item) = (slot(), slot());
    let (of_write, enqueued) = (Rc::clone(&received), Rc::clone(&item));
    let writes = on_write(move |request| {
        of_write.set(request);
        enqueue(enqueued.get());
    });
    let driver = cancels_with(writes, |request| complete(request, STATUS_CANCELLED));
    cancelled_with_work(host, driver, move || {
        item.set(work_item(move || {
            let request: WDFREQUEST = received.get();
            if !wrong {
                wdf!(WdfRequestSetInformation(request, 0));
            }
            mark_cancelable(request);
            if wrong {
                wdf!(WdfRequestSetInformation(request, 0));
            }
        }));
    })
}

fn both_routines(host: &Host, wrong: bool) -> Result<(), Stop> {
    let (received, sent) = (slot(), slot());
    let (of_write, of_completion) = ((Rc::clone(&received), Rc::clone(&sent)), received);
    let writes = on_write(move |request| {
        let own = create_request(target());
        let memory = create_memory(b"data");
        assert_eq!(format_write(target(), own, memory), STATUS_SUCCESS);
        delete(memory);
        with_routine(own);
        of_write.0.set(request);
        of_write.1.set(own);
        send(own, target(), None);
        mark_cancelable(request);
    });
    let completed = move |own, _, _| {
        delete(own);
        complete(of_completion.get(), STATUS_CANCELLED);
    };
    let cancel = move |request| {
        let own: WDFREQUEST = sent.get();
        if wrong {
            complete(request, STATUS_CANCELLED);
        }
        cancel_sent(own);
    };
    let driver = Hooks {
        completed: Some(Rc::new(completed)),
        ..cancels_with(writes, cancel)
    };
    on(host, holding(), driver, |machine| {
        let io = machine.submit();
        machine.host.run()?;
        machine.host.cancel(io)?;
        machine.host.wait(io).map(ignore)
    })
}

fn cancel_forgets(host: &Host, wrong: bool) -> Result<(), Stop> {
    let driver = cancels_with(on_write(mark_cancelable), move |request| {
        if !wrong {
            complete(request, STATUS_CANCELLED);
        }
    });
    cancelled(host, driver)
}

/// A request that completes, and is deleted by its completion routine, at the moment at which a thread cancels it.
fn cancel_at_completion(
    host: &Host,
    cancel: impl FnOnce(&Rc<std::cell::Cell<WDFREQUEST>>, WDFSPINLOCK, WDFREQUEST) + 'static,
) -> Result<(), Stop> {
    let (sent, lock) = (slot(), slot());
    let (of_routine, lock_of_routine) = (Rc::clone(&sent), Rc::clone(&lock));
    let completed = move |own, _, _| {
        locked(lock_of_routine.get(), || of_routine.set(null()));
        delete(own);
    };
    let driver = Hooks {
        filter: true,
        completed: Some(Rc::new(completed)),
        ..Hooks::default()
    };
    on(host, slow(), driver, |machine| {
        machine.thread(move || {
            lock.set(spin_lock());
            let own = create_request(target());
            let memory = create_memory(b"data");
            assert_eq!(format_write(target(), own, memory), STATUS_SUCCESS);
            delete(memory);
            with_routine(own);
            sent.set(own);
            send(own, target(), None);
            sleep(1);
            cancel(&sent, lock.get(), own);
        });
        machine.host.run()
    })
}

fn stale_cancel(host: &Host, wrong: bool) -> Result<(), Stop> {
    cancel_at_completion(host, move |sent, lock, remembered| {
        if wrong {
            cancel_sent(remembered);
            return;
        }
        let own = locked(lock, || {
            let own = sent.get();
            if !own.is_null() {
                reference(own.cast());
            }
            own
        });
        if !own.is_null() {
            cancel_sent(own);
            dereference(own.cast());
        }
    })
}

fn reference_kept(host: &Host, wrong: bool) -> Result<(), Stop> {
    cancel_at_completion(host, move |sent, lock, _| {
        let own = locked(lock, || {
            let own = sent.get();
            if !own.is_null() {
                reference(own.cast());
            }
            own
        });
        if !own.is_null() {
            cancel_sent(own);
            if !wrong {
                dereference(own.cast());
            }
        }
    })
}
