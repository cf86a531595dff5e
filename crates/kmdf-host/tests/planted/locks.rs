//! Locks and IRQL: what may be called where, and who gives back what.

use std::rc::Rc;

use kmdf_host::{Awaited, BugcheckKind, Disk, Host, Stop, ViolationKind};
use kmdf_sys::*;

use crate::common::*;
use crate::kit::*;
use crate::table::{Finding, Planted};

pub(crate) const PLANTED: &[Planted] = &[
    Planted {
        name: "sync send in a completion routine",
        mistake: "a completion routine, which may run at DISPATCH_LEVEL, sends the next request and waits",
        finding: Finding::Violation(ViolationKind::Irql),
        seeds: 1,
        run: sync_send_in_routine,
    },
    Planted {
        name: "passive DDI at DISPATCH_LEVEL",
        mistake: "a registry key is opened while a spin lock is held",
        finding: Finding::Violation(ViolationKind::Irql),
        seeds: 1,
        run: passive_ddi_at_dispatch,
    },
    Planted {
        name: "spin lock released twice",
        mistake: "a spin lock is released that is not held any more",
        finding: Finding::Bugcheck(BugcheckKind::NotLocked),
        seeds: 1,
        run: released_twice,
    },
    Planted {
        name: "spin lock acquired twice",
        mistake: "a function that takes a spin lock calls another that takes it too",
        finding: Finding::Deadlock(Awaited::Lock),
        seeds: 1,
        run: spin_lock_twice,
    },
    Planted {
        name: "wait lock acquired twice",
        mistake: "a function that takes a wait lock calls another that takes it too",
        finding: Finding::Deadlock(Awaited::Lock),
        seeds: 1,
        run: wait_lock_twice,
    },
    Planted {
        name: "lock order",
        mistake: "two work items take the same two wait locks in opposite order",
        finding: Finding::Deadlock(Awaited::Lock),
        seeds: 50,
        run: lock_order,
    },
    Planted {
        name: "wait lock released by another",
        mistake: "a wait lock taken in EvtIoWrite is released in a work item",
        finding: Finding::Violation(ViolationKind::Lock),
        seeds: 1,
        run: released_by_another,
    },
    Planted {
        name: "callback returns at raised IRQL",
        mistake: "KeRaiseIrql without KeLowerIrql on an error path",
        finding: Finding::Violation(ViolationKind::CallbackIrql),
        seeds: 1,
        run: irql_kept,
    },
    Planted {
        name: "waiting for a callback under its lock",
        mistake: "WdfWorkItemFlush under the wait lock that the work item takes",
        finding: Finding::Deadlock(Awaited::Callback),
        seeds: 20,
        run: flush_under_lock,
    },
    Planted {
        name: "sync send under a spin lock",
        mistake: "WdfIoTargetSendWriteSynchronously while a spin lock is held",
        finding: Finding::Violation(ViolationKind::WaitUnderSpinLock),
        seeds: 1,
        run: sync_send_under_lock,
    },
    Planted {
        name: "wait under a spin lock",
        mistake: "KeWaitForSingleObject while a spin lock is held",
        finding: Finding::Violation(ViolationKind::WaitUnderSpinLock),
        seeds: 1,
        run: wait_under_lock,
    },
    Planted {
        name: "spin lock not released",
        mistake: "EvtIoWrite returns on an error path with its spin lock held",
        finding: Finding::Violation(ViolationKind::LockHeld),
        seeds: 1,
        run: spin_lock_kept,
    },
    Planted {
        name: "wait lock not released",
        mistake: "EvtIoWrite returns on an error path with its wait lock held",
        finding: Finding::Violation(ViolationKind::LockHeld),
        seeds: 1,
        run: wait_lock_kept,
    },
];

fn acquire(lock: WDFWAITLOCK) {
    assert_eq!(wdf!(WdfWaitLockAcquire(lock, null())), STATUS_SUCCESS);
}

fn release(lock: WDFWAITLOCK) {
    wdf!(WdfWaitLockRelease(lock));
}

/// One write to a driver that has a lock, made by `create` before.
fn with_lock<L: 'static>(
    host: &Host,
    create: fn() -> *mut L,
    write: impl Fn(*mut L, WDFREQUEST) + 'static,
) -> Result<(), Stop> {
    let lock = slot();
    let own = Rc::clone(&lock);
    let driver = on_write(move |request| write(own.get(), request));
    let driver = Hooks {
        filter: true,
        ..driver
    };
    on(host, Disk::in_memory(), driver, |machine| {
        machine.thread(move || lock.set(create()));
        machine.host.run()?;
        machine.write()
    })
}

fn sync_send_in_routine(host: &Host, wrong: bool) -> Result<(), Stop> {
    let item = slot();
    let of_routine = Rc::clone(&item);
    let next = || {
        ignore(sync_write(
            target(),
            null(),
            b"next",
            Some(options(TIMEOUT, ms(10))),
        ))
    };
    let completed = move |own, _, _| {
        delete(own);
        if wrong {
            next();
        } else {
            enqueue(of_routine.get());
        }
    };
    let driver = Hooks {
        filter: true,
        completed: Some(Rc::new(completed)),
        ..Hooks::default()
    };
    on(host, slow(), driver, |machine| {
        machine.thread(move || {
            item.set(work_item(next));
            send_data(create_request(target()));
        });
        machine.host.run()
    })
}

fn passive_ddi_at_dispatch(host: &Host, wrong: bool) -> Result<(), Stop> {
    with_lock(host, spin_lock, move |lock, request| {
        let open = || {
            let driver = wdf!(WdfDeviceGetDriver(device()));
            let mut key = null();
            let status = wdf!(WdfDriverOpenParametersRegistryKey(
                driver,
                0x2_0019,
                null(),
                &raw mut key
            ));
            if NT_SUCCESS(status) {
                wdf!(WdfRegistryClose(key));
            }
        };
        if wrong {
            locked(lock, open);
        } else {
            open();
        }
        complete(request, STATUS_SUCCESS);
    })
}

fn released_twice(host: &Host, wrong: bool) -> Result<(), Stop> {
    with_lock(host, spin_lock, move |lock, request| {
        locked(lock, || {});
        if wrong {
            wdf!(WdfSpinLockRelease(lock));
        }
        complete(request, STATUS_SUCCESS);
    })
}

fn spin_lock_twice(host: &Host, wrong: bool) -> Result<(), Stop> {
    with_lock(host, spin_lock, move |lock, request| {
        locked(lock, || {
            if wrong {
                locked(lock, || {});
            }
        });
        complete(request, STATUS_SUCCESS);
    })
}

fn wait_lock_twice(host: &Host, wrong: bool) -> Result<(), Stop> {
    with_lock(host, wait_lock, move |lock, request| {
        acquire(lock);
        if wrong {
            acquire(lock);
            release(lock);
        }
        release(lock);
        complete(request, STATUS_SUCCESS);
    })
}

fn lock_order(host: &Host, wrong: bool) -> Result<(), Stop> {
    let driver = Hooks {
        filter: true,
        ..Hooks::default()
    };
    on(host, Disk::in_memory(), driver, |machine| {
        machine.thread(move || {
            let (first, second) = (wait_lock(), wait_lock());
            let take = |outer, inner| {
                enqueue(work_item(move || {
                    acquire(outer);
                    acquire(inner);
                    release(inner);
                    release(outer);
                }));
            };
            take(first, second);
            if wrong {
                take(second, first);
            } else {
                take(first, second);
            }
        });
        machine.host.run()
    })
}

fn released_by_another(host: &Host, wrong: bool) -> Result<(), Stop> {
    with_lock(host, wait_lock, move |lock, request| {
        let release_in = |f: Box<dyn Fn()>| if wrong { enqueue(work_item(f)) } else { f() };
        acquire(lock);
        release_in(Box::new(move || {
            release(lock);
            complete(request, STATUS_SUCCESS);
        }));
        if wrong {
            // The callback is still in possession of the lock when the work item comes.
            sleep(1);
        }
    })
}

fn irql_kept(host: &Host, wrong: bool) -> Result<(), Stop> {
    let driver = on_write(move |request| {
        // SAFETY: no precondition.
        let before = unsafe { ntddk::KfRaiseIrql(2) };
        complete(request, STATUS_SUCCESS);
        if !wrong {
            // SAFETY: the IRQL from before the raise.
            unsafe { ntddk::KeLowerIrql(before) };
        }
    });
    one_write(host, driver)
}

fn flush_under_lock(host: &Host, wrong: bool) -> Result<(), Stop> {
    with_lock(host, wait_lock, move |lock, request| {
        let item = work_item(move || {
            acquire(lock);
            release(lock);
        });
        enqueue(item);
        acquire(lock);
        if wrong {
            wdf!(WdfWorkItemFlush(item));
        }
        release(lock);
        wdf!(WdfWorkItemFlush(item));
        complete(request, STATUS_SUCCESS);
    })
}

fn sync_send_under_lock(host: &Host, wrong: bool) -> Result<(), Stop> {
    with_lock(host, spin_lock, move |lock, request| {
        let send = || {
            ignore(sync_write(
                target(),
                null(),
                b"data",
                Some(options(TIMEOUT, ms(10))),
            ))
        };
        if wrong {
            locked(lock, send);
        } else {
            locked(lock, || {});
            send();
        }
        complete(request, STATUS_SUCCESS);
    })
}

fn wait_under_lock(host: &Host, wrong: bool) -> Result<(), Stop> {
    with_lock(host, spin_lock, move |lock, request| {
        let wait = || {
            let mut event = KEVENT::default();
            let kind = _EVENT_TYPE::NotificationEvent;
            // SAFETY: the event lives to the end of this function, which waits no longer.
            unsafe { ntddk::KeInitializeEvent(&raw mut event, kind, 0) };
            let mut timeout = LARGE_INTEGER { QuadPart: ms(1) };
            let object = (&raw mut event).cast();
            // SAFETY: as above.
            ignore(unsafe { ntddk::KeWaitForSingleObject(object, 0, 0, 0, &raw mut timeout) });
        };
        if wrong {
            locked(lock, wait);
        } else {
            locked(lock, || {});
            wait();
        }
        complete(request, STATUS_SUCCESS);
    })
}

fn spin_lock_kept(host: &Host, wrong: bool) -> Result<(), Stop> {
    with_lock(host, spin_lock, move |lock, request| {
        wdf!(WdfSpinLockAcquire(lock));
        if !wrong {
            wdf!(WdfSpinLockRelease(lock));
        }
        complete(request, STATUS_SUCCESS);
    })
}

fn wait_lock_kept(host: &Host, wrong: bool) -> Result<(), Stop> {
    with_lock(host, wait_lock, move |lock, request| {
        acquire(lock);
        if !wrong {
            release(lock);
        }
        complete(request, STATUS_SUCCESS);
    })
}
