//! Mistakes with the functions of the kernel, and with what outlives the driver.

use std::cell::UnsafeCell;
use std::rc::Rc;

use kmdf_host::{BugcheckKind, Host, Stop, Ticks, ViolationKind};
use kmdf_sys::*;

use crate::common::*;
use crate::kit::*;
use crate::start::*;
use crate::table::{Finding, Planted};

pub(crate) const PLANTED: &[Planted] = &[
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
];

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

unsafe extern "C" fn waits_for_ever(_: PVOID) {
    sleep(1_000);
}

unsafe extern "C" fn ends_at_once(_: PVOID) {}

unsafe extern "C" fn expired(_: PKDPC, _: PVOID, _: PVOID, _: PVOID) {}

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
