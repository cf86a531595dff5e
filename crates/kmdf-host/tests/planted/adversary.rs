//! Mistakes that are meant to slip through: between two rules, or with the kernel's own functions.

use std::cell::{Cell, UnsafeCell};
use std::rc::Rc;

use kmdf_host::{Awaited, BugcheckKind, Disk, Host, Stop, Ticks, ViolationKind};
use kmdf_sys::*;

use crate::common::*;
use crate::kit::*;
use crate::start::*;
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
        name: "pool freed with another tag",
        mistake: "ExFreePoolWithTag with a tag that the block was not allocated with",
        finding: Finding::Violation(ViolationKind::BadFree),
        seeds: 1,
        run: wrong_tag,
    },
    Planted {
        name: "pool freed under a WDFMEMORY",
        mistake: "the buffer of a preallocated WDFMEMORY is freed before it is copied from",
        finding: Finding::Bugcheck(BugcheckKind::FreedMemory),
        seeds: 1,
        run: freed_under_memory,
    },
    Planted {
        name: "reference tag mismatch",
        mistake: "an object is dereferenced with another tag than it was referenced with",
        finding: Finding::Violation(ViolationKind::ReferenceTag),
        seeds: 1,
        run: tag_mismatch,
    },
    Planted {
        name: "MDL freed with its pages locked",
        mistake: "IoFreeMdl without MmUnlockPages after MmProbeAndLockPages",
        finding: Finding::Violation(ViolationKind::MdlLocking),
        seeds: 1,
        run: mdl_freed_locked,
    },
    Planted {
        name: "pages unlocked that are not locked",
        mistake: "MmUnlockPages of an MDL over pool, whose pages were never locked",
        finding: Finding::Violation(ViolationKind::MdlLocking),
        seeds: 1,
        run: unlocked_unlocked,
    },
    Planted {
        name: "key closed twice",
        mistake: "WdfRegistryClose and then WdfObjectDelete of the same key",
        finding: Finding::Bugcheck(BugcheckKind::StaleHandle),
        seeds: 1,
        run: key_closed_twice,
    },
    Planted {
        name: "system thread outlives the driver",
        mistake: "a thread of PsCreateSystemThread is not ended and waited for before the driver is unloaded",
        finding: Finding::Violation(ViolationKind::ThreadRunning),
        seeds: 1,
        run: thread_at_unload,
    },
    Planted {
        name: "kernel timer outlives the driver",
        mistake: "a KTIMER in static memory is still set when the driver is unloaded",
        finding: Finding::Violation(ViolationKind::TimerRunning),
        seeds: 1,
        run: timer_at_unload,
    },
    Planted {
        name: "kernel spin lock not released",
        mistake: "KeAcquireSpinLock without KeReleaseSpinLock on an error path",
        finding: Finding::Violation(ViolationKind::LockHeld),
        seeds: 1,
        run: kernel_spin_lock_kept,
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

fn wrong_tag(host: &Host, wrong: bool) -> Result<(), Stop> {
    let driver = on_write(move |request| {
        let block = allocate(16);
        let tag = if wrong { TAG + 1 } else { TAG };
        // SAFETY: the block was just allocated.
        unsafe { ntddk::ExFreePoolWithTag(block.cast(), tag) };
        complete(request, STATUS_SUCCESS);
    });
    one_write(host, driver)
}

fn freed_under_memory(host: &Host, wrong: bool) -> Result<(), Stop> {
    let driver = on_write(move |request| {
        let block = allocate(16);
        let memory = memory_over(block, 16);
        if wrong {
            free(block);
        }
        let mut bytes = [0_u8; 4];
        let address = bytes.as_mut_ptr().cast();
        ignore(wdf!(WdfMemoryCopyToBuffer(memory, 0, address, 4)));
        delete(memory);
        if !wrong {
            free(block);
        }
        complete(request, STATUS_SUCCESS);
    });
    one_write(host, driver)
}

fn tag_mismatch(host: &Host, wrong: bool) -> Result<(), Stop> {
    let driver = on_write(move |request| {
        let memory = create_memory(b"data").cast();
        let tag = |value: usize| std::ptr::without_provenance_mut(value);
        let file = std::ptr::null();
        wdf!(WdfObjectReferenceActual(memory, tag(1), 0, file));
        let other = if wrong { 2 } else { 1 };
        wdf!(WdfObjectDereferenceActual(memory, tag(other), 0, file));
        delete(memory);
        complete(request, STATUS_SUCCESS);
    });
    one_write(host, driver)
}

fn mdl_freed_locked(host: &Host, wrong: bool) -> Result<(), Stop> {
    let driver = on_write(move |request| {
        let block = allocate(16);
        // SAFETY: the block has this length.
        let mdl = unsafe { ntddk::IoAllocateMdl(block.cast(), 16, 0, 0, null()) };
        // SAFETY: the MDL was just allocated.
        unsafe { ntddk::MmProbeAndLockPages(mdl, 0, _LOCK_OPERATION::IoReadAccess) };
        if !wrong {
            // SAFETY: its pages are locked.
            unsafe { ntddk::MmUnlockPages(mdl) };
        }
        free_mdl(mdl);
        free(block);
        complete(request, STATUS_SUCCESS);
    });
    one_write(host, driver)
}

fn unlocked_unlocked(host: &Host, wrong: bool) -> Result<(), Stop> {
    let driver = on_write(move |request| {
        let block = allocate(16);
        let mdl = mdl_of(block, 16);
        if wrong {
            // SAFETY: what is wrong with it is for the model to find.
            unsafe { ntddk::MmUnlockPages(mdl) };
        }
        free_mdl(mdl);
        free(block);
        complete(request, STATUS_SUCCESS);
    });
    one_write(host, driver)
}

fn key_closed_twice(host: &Host, wrong: bool) -> Result<(), Stop> {
    let driver = on_write(move |request| {
        let driver = wdf!(WdfDeviceGetDriver(device()));
        let mut key = null();
        let status = wdf!(WdfDriverOpenParametersRegistryKey(
            driver,
            0x2_0019,
            null(),
            &raw mut key
        ));
        assert_eq!(status, STATUS_SUCCESS);
        wdf!(WdfRegistryClose(key));
        if wrong {
            delete(key);
        }
        complete(request, STATUS_SUCCESS);
    });
    one_write(host, driver)
}

unsafe extern "C" fn waits_for_ever(_: PVOID) {
    sleep(1_000);
}

unsafe extern "C" fn ends_at_once(_: PVOID) {}

/// Loads a driver that does `work` in its DriverEntry, and unloads it a millisecond later.
fn loaded_and_unloaded(host: &Host, work: impl Fn() + 'static) -> Result<(), Stop> {
    set_entry(move |driver, path| {
        let mut config = WDF_DRIVER_CONFIG {
            Size: size::<WDF_DRIVER_CONFIG>(),
            EvtDriverDeviceAdd: Some(device_add),
            ..Default::default()
        };
        work();
        wdf!(WdfDriverCreate(
            driver,
            path,
            null(),
            &raw mut config,
            null()
        ))
    });
    let driver = host.load("planted", entry_point)?;
    host.run_for(Ticks::from_millis(1))?;
    host.unload(driver)
}

fn thread_at_unload(host: &Host, wrong: bool) -> Result<(), Stop> {
    loaded_and_unloaded(host, move || {
        let mut handle = null();
        let routine: unsafe extern "C" fn(PVOID) =
            if wrong { waits_for_ever } else { ends_at_once };
        // SAFETY: the routine needs no context.
        let status = unsafe {
            ntddk::PsCreateSystemThread(
                &raw mut handle,
                0x1F_FFFF,
                null(),
                null(),
                null(),
                Some(routine),
                null(),
            )
        };
        assert_eq!(status, STATUS_SUCCESS);
        // SAFETY: the handle was just made.
        ignore(unsafe { ntddk::ZwClose(handle) });
    })
}

unsafe extern "C" fn expired(_: PKDPC, _: PVOID, _: PVOID, _: PVOID) {}

fn timer_at_unload(host: &Host, wrong: bool) -> Result<(), Stop> {
    let both = Rc::new(UnsafeCell::new((KTIMER::default(), KDPC::default())));
    loaded_and_unloaded(host, move || {
        let both = both.get();
        // SAFETY: timer and DPC live as long as the driver and are used by the kernel's functions alone.
        let timer = unsafe { &raw mut (*both).0 };
        // SAFETY: as above.
        let dpc = unsafe { &raw mut (*both).1 };
        // SAFETY: as above.
        unsafe { ntddk::KeInitializeTimer(timer) };
        // SAFETY: as above.
        unsafe { ntddk::KeInitializeDpc(dpc, Some(expired), null()) };
        let due = LARGE_INTEGER {
            QuadPart: ms(1_000),
        };
        // SAFETY: as above.
        ignore(unsafe { ntddk::KeSetTimer(timer, due, dpc) });
        if !wrong {
            // SAFETY: as above.
            ignore(unsafe { ntddk::KeCancelTimer(timer) });
        }
    })
}

fn kernel_spin_lock_kept(host: &Host, wrong: bool) -> Result<(), Stop> {
    let lock = Rc::new(UnsafeCell::new(KSPIN_LOCK::default()));
    let driver = on_write(move |request| {
        // SAFETY: the lock lives as long as the driver.
        unsafe { ntddk::KeInitializeSpinLock(lock.get()) };
        // SAFETY: as above.
        let irql = unsafe { ntddk::KeAcquireSpinLockRaiseToDpc(lock.get()) };
        if !wrong {
            // SAFETY: it was just acquired.
            unsafe { ntddk::KeReleaseSpinLock(lock.get(), irql) };
        }
        complete(request, STATUS_SUCCESS);
    });
    one_write(host, driver)
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
