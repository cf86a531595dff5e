//! The kernel functions that drivers use besides the framework, under their C names.

#![allow(non_snake_case, reason = "the names of C")]

mod arguments;
pub mod debug;
pub mod dispatcher;
mod format;
pub mod spin_lock;
pub mod strings;
pub mod threads;
pub mod time;

use core::ptr;

use kmdf_sys::{
    BOOLEAN, CCHAR, EVENT_TYPE, KIRQL, KPRIORITY, KPROCESSOR_MODE, KWAIT_REASON, LONG, LONG_PTR,
    NTSTATUS, PLARGE_INTEGER, PMDL, PMDLX, POOL_FLAGS, POOL_TYPE, PRKEVENT, PVOID, SIZE_T,
    STATUS_SUCCESS, STATUS_TIMEOUT, ULONG, ULONG_PTR,
};

use crate::faults::Allocation;
use crate::report::{BugcheckKind, ViolationKind};
use crate::system::dispatcher::{Dispatcher, WaitEnd};
use crate::system::mdl::{Access, Mdl, MdlOwner};
use crate::system::sync::KernelEvent;
use crate::system::wait::Wake;
use crate::system::{APC_LEVEL, DISPATCH_LEVEL, PASSIVE_LEVEL, System, current, try_current};
use crate::time::due;

/// Runs kernel code under its name.
fn enter<R>(function: &'static str, work: impl FnOnce(&System) -> R) -> R {
    let system = current(function);
    let caller = system.scheduler.context.ddi.replace(function);
    system.preemption_point();
    system.check_kernel_irql(function);
    let result = work(system);
    system.scheduler.context.ddi.set(caller);
    result
}

/// The current IRQL; `PASSIVE_LEVEL` outside a host's run.
#[unsafe(no_mangle)]
pub extern "C" fn KeGetCurrentIrql() -> KIRQL {
    try_current().map_or(PASSIVE_LEVEL, System::irql)
}

/// Raises the IRQL and returns the one before.
#[unsafe(no_mangle)]
pub extern "C" fn KfRaiseIrql(new: KIRQL) -> KIRQL {
    enter("KfRaiseIrql", |system| {
        let old = system.irql();
        if new < old {
            system.bugcheck_os(
                BugcheckKind::RaiseToLower,
                0x9,
                [u64::from(old), u64::from(new), 0, 0],
                format!("KeRaiseIrql from {old} to {new}, which is lower"),
            );
        }
        system.set_irql(new);
        old
    })
}

/// Lowers the IRQL.
#[unsafe(no_mangle)]
pub extern "C" fn KeLowerIrql(new: KIRQL) {
    enter("KeLowerIrql", |system| {
        let old = system.irql();
        if new > old {
            system.bugcheck_os(
                BugcheckKind::LowerToHigher,
                0xA,
                [u64::from(old), u64::from(new), 0, 0],
                format!("KeLowerIrql from {old} to {new}, which is higher"),
            );
        }
        system.set_irql(new);
    });
}

/// Keeps normal kernel APCs away from the thread until [`KeLeaveCriticalRegion`].
#[unsafe(no_mangle)]
pub extern "C" fn KeEnterCriticalRegion() {
    enter("KeEnterCriticalRegion", |system| {
        let regions = &system.scheduler.context.critical_regions;
        regions.set(regions.get() + 1);
    });
}

/// Leaves a critical region.
#[unsafe(no_mangle)]
pub extern "C" fn KeLeaveCriticalRegion() {
    enter("KeLeaveCriticalRegion", |system| {
        let regions = &system.scheduler.context.critical_regions;
        match regions.get().checked_sub(1) {
            Some(left) => regions.set(left),
            None => system.violation(
                ViolationKind::CriticalRegion,
                "KeLeaveCriticalRegion without KeEnterCriticalRegion".to_owned(),
            ),
        }
    });
}

/// Reads a time-out that a driver passes by address.
fn timeout_at(system: &System, timeout: PLARGE_INTEGER) -> Option<i64> {
    if timeout.is_null() {
        return None;
    }
    // SAFETY: every member of the union is plain data of the same 64 bits.
    Some(unsafe { system.get(timeout).QuadPart })
}

/// Sleeps.
///
/// # Safety
///
/// `interval` must point to a valid time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn KeDelayExecutionThread(
    _mode: KPROCESSOR_MODE,
    _alertable: BOOLEAN,
    interval: PLARGE_INTEGER,
) -> NTSTATUS {
    enter("KeDelayExecutionThread", |system| {
        if let Some(interval) = timeout_at(system, interval) {
            system.sleep(due(system.now(), interval));
        }
        STATUS_SUCCESS
    })
}

/// The system time, which is virtual.
///
/// # Safety
///
/// `time` must point to memory for a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn KeQuerySystemTimePrecise(time: PLARGE_INTEGER) {
    enter("KeQuerySystemTimePrecise", |system| {
        let now = kmdf_sys::LARGE_INTEGER {
            QuadPart: system.now().system_time().cast_signed(),
        };
        system.put(time, now);
    });
}

/// The performance counter: virtual time in its own unit.
///
/// # Safety
///
/// `frequency` must be NULL or point to memory for a number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn KeQueryPerformanceCounter(
    frequency: PLARGE_INTEGER,
) -> kmdf_sys::LARGE_INTEGER {
    enter("KeQueryPerformanceCounter", |system| {
        system.put(
            frequency,
            kmdf_sys::LARGE_INTEGER {
                QuadPart: 10_000_000,
            },
        );
        kmdf_sys::LARGE_INTEGER {
            QuadPart: system.now().0.cast_signed(),
        }
    })
}

/// A driver's event.
fn event_at(event: PRKEVENT) -> KernelEvent {
    // SAFETY: the callers of the functions below promise that it is a valid event.
    unsafe { KernelEvent::new(event) }
}

/// Initializes an event.
///
/// # Safety
///
/// `event` must point to memory for an event.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn KeInitializeEvent(
    event: PRKEVENT,
    event_type: EVENT_TYPE,
    state: BOOLEAN,
) {
    let synchronization = event_type == kmdf_sys::_EVENT_TYPE::SynchronizationEvent;
    event_at(event).initialize(synchronization, state != 0);
}

/// Sets an event.
///
/// # Safety
///
/// `event` must point to an initialized event.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn KeSetEvent(
    event: PRKEVENT,
    _increment: KPRIORITY,
    _wait: BOOLEAN,
) -> LONG {
    enter("KeSetEvent", |system| system.set_event(event_at(event)))
}

/// Clears an event.
///
/// # Safety
///
/// `event` must point to an initialized event.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn KeClearEvent(event: PRKEVENT) {
    event_at(event).reset();
}

/// Clears an event and returns its state before.
///
/// # Safety
///
/// `event` must point to an initialized event.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn KeResetEvent(event: PRKEVENT) -> LONG {
    event_at(event).reset()
}

/// Waits for an event, semaphore, mutex, timer or thread.
///
/// # Safety
///
/// `object` must point to an initialized one, `timeout` be NULL or point to a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn KeWaitForSingleObject(
    object: PVOID,
    _reason: KWAIT_REASON,
    _mode: KPROCESSOR_MODE,
    _alertable: BOOLEAN,
    timeout: PLARGE_INTEGER,
) -> NTSTATUS {
    enter("KeWaitForSingleObject", |system| {
        let timeout = timeout_at(system, timeout);
        check_wait_irql(system, timeout);
        let deadline = timeout.map(|timeout| dispatcher::deadline(system, timeout));
        // SAFETY: the caller promises an initialized dispatcher object.
        let own = unsafe { Dispatcher::new(object) };
        if own.is_event() {
            return match system.wait_event(event_at(object.cast()), deadline) {
                Wake::Signaled => STATUS_SUCCESS,
                Wake::Timeout => STATUS_TIMEOUT,
            };
        }
        match system.wait_objects(&[own], false, deadline) {
            WaitEnd::Object(_) => STATUS_SUCCESS,
            WaitEnd::Timeout => STATUS_TIMEOUT,
        }
    })
}

/// A wait needs another thread to run: only a look may be taken at `DISPATCH_LEVEL`.
fn check_wait_irql(system: &System, timeout: Option<i64>) {
    if timeout != Some(0) && system.irql() >= DISPATCH_LEVEL {
        system.irql_too_high(APC_LEVEL);
    }
}

/// Allocates pool, zeroed.
#[unsafe(no_mangle)]
pub extern "C" fn ExAllocatePool2(_flags: POOL_FLAGS, size: SIZE_T, tag: ULONG) -> PVOID {
    enter("ExAllocatePool2", |system| allocate_pool(system, size, tag))
}

/// Allocates pool. Windows leaves in it what was there before; the model fills it, so that a driver that relies on zeros is
/// found out.
#[unsafe(no_mangle)]
pub extern "C" fn ExAllocatePoolWithTag(_pool: POOL_TYPE, size: SIZE_T, tag: ULONG) -> PVOID {
    enter("ExAllocatePoolWithTag", |system| {
        let memory = allocate_pool(system, size, tag);
        if let (false, Ok(size)) = (memory.is_null(), usize::try_from(size)) {
            // SAFETY: the block was allocated just now, with this size.
            unsafe { ptr::write_bytes(memory.cast::<u8>(), UNINITIALIZED, size) };
        }
        memory
    })
}

/// What fresh pool of [`ExAllocatePoolWithTag`] holds.
const UNINITIALIZED: u8 = 0xCD;

fn allocate_pool(system: &System, size: SIZE_T, tag: ULONG) -> PVOID {
    let Ok(size) = usize::try_from(size) else {
        return ptr::null_mut();
    };
    if system.faults.fails(Allocation::Pool) {
        return ptr::null_mut();
    }
    system.pool.allocate(size, tag, system.origin())
}

/// Frees pool.
///
/// # Safety
///
/// The memory must no longer be used.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ExFreePool(memory: PVOID) {
    // SAFETY: the same contract.
    unsafe { ExFreePoolWithTag(memory, 0) }
}

/// Frees pool.
///
/// # Safety
///
/// The memory must no longer be used.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ExFreePoolWithTag(memory: PVOID, tag: ULONG) {
    enter("ExFreePoolWithTag", |system| {
        if let Some(block) = system.pool.at(memory) {
            let size = block.size;
            system.check_freed_memory(memory, size);
            if tag != 0 && tag != block.tag {
                system.violation(
                    ViolationKind::BadFree,
                    format!(
                        "{size} bytes of pool were allocated with tag {:#010x} by {} and are freed with {tag:#010x}",
                        block.tag, block.origin
                    ),
                );
            }
            if system.kernel.has_timer_in(memory.addr(), size) {
                system.bugcheck_os(
                    BugcheckKind::TimerInFreedMemory,
                    0xC7,
                    [0; 4],
                    format!("{size} bytes of pool were freed in which a kernel timer is still set"),
                );
            }
        }
        if !system.pool.free(memory) {
            system.bugcheck_os(
                BugcheckKind::BadFree,
                0xC2,
                // The second parameter is the address, which differs from run to run.
                [0x46, 0, 0, 0],
                "pool was freed that is not allocated, or freed twice".to_owned(),
            );
        }
    });
}

/// Allocates an MDL.
///
/// # Safety
///
/// The memory described must stay valid while the MDL is used; the IRP must be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn IoAllocateMdl(
    va: PVOID,
    length: ULONG,
    _secondary: BOOLEAN,
    _charge: BOOLEAN,
    _irp: kmdf_sys::PIRP,
) -> PMDL {
    enter("IoAllocateMdl", |system| {
        if system.faults.fails(Allocation::Mdl) {
            return ptr::null_mut();
        }
        system
            .mdls
            .allocate(va, length, MdlOwner::Driver, system.origin())
    })
}

/// Frees an MDL.
///
/// # Safety
///
/// The MDL must no longer be used.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn IoFreeMdl(mdl: PMDL) {
    enter("IoFreeMdl", |system| {
        system.check_freed_mdl(mdl);
        if let Some(info) = system.mdls.info(mdl)
            && info.locked.is_some()
        {
            system.violation(
                ViolationKind::MdlLocking,
                format!(
                    "an MDL made by {} is freed while its pages are locked",
                    info.origin
                ),
            );
        }
        if !system.mdls.free(mdl) {
            system.bugcheck_os(
                BugcheckKind::BadFree,
                0xC2,
                // The second parameter is the address, which differs from run to run.
                [0x7, 0, 0, 0],
                "an MDL was freed that is not allocated, or freed twice".to_owned(),
            );
        }
    });
}

/// Describes nonpaged memory by an MDL.
///
/// # Safety
///
/// The MDL must come from `IoAllocateMdl`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn MmBuildMdlForNonPagedPool(mdl: PMDLX) {
    enter("MmBuildMdlForNonPagedPool", |system| {
        system.mdls.build_nonpaged(mdl)
    });
}

/// Locks the pages an MDL describes.
///
/// # Safety
///
/// The MDL must come from `IoAllocateMdl`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn MmProbeAndLockPages(
    mdl: PMDLX,
    _mode: KPROCESSOR_MODE,
    operation: kmdf_sys::LOCK_OPERATION,
) {
    // IoReadAccess is 0: the device reads the memory.
    let access = if operation == 0 {
        Access::Read
    } else {
        Access::Write
    };
    enter("MmProbeAndLockPages", |system| {
        system.mdls.lock(mdl, access)
    });
}

/// Unlocks the pages an MDL describes.
///
/// # Safety
///
/// The MDL must have been locked.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn MmUnlockPages(mdl: PMDLX) {
    enter("MmUnlockPages", |system| {
        if let Some(info) = system.mdls.info(mdl)
            && info.locked.is_none()
        {
            system.violation(
                ViolationKind::MdlLocking,
                format!(
                    "the pages of an MDL made by {} are unlocked, which are not locked",
                    info.origin
                ),
            );
        }
        system.mdls.unlock(mdl);
    });
}

/// Describes part of what another MDL describes.
///
/// # Safety
///
/// Both MDLs must be valid, and the part lie inside the source.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn IoBuildPartialMdl(source: PMDL, target: PMDL, va: PVOID, length: ULONG) {
    enter("IoBuildPartialMdl", |system| {
        system.mdls.build_partial(source, target, va, length)
    });
}

/// The system address of what an MDL describes.
///
/// # Safety
///
/// The MDL must be valid and its pages locked.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn MmMapLockedPagesSpecifyCache(
    mdl: PMDLX,
    _mode: KPROCESSOR_MODE,
    _cache: kmdf_sys::MEMORY_CACHING_TYPE,
    _address: PVOID,
    _bugcheck_on_failure: ULONG,
    _priority: ULONG,
) -> PVOID {
    enter("MmMapLockedPagesSpecifyCache", |system| {
        if system.faults.fails(Allocation::Map) {
            return ptr::null_mut();
        }
        Mdl::at(mdl).va()
    })
}

/// References an object of the operating system; only device and file objects exist, and they live long enough.
///
/// # Safety
///
/// `object` must be an object of the operating system.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ObfReferenceObject(_object: PVOID) -> LONG_PTR {
    enter("ObfReferenceObject", |system| system.reference_os_object(1))
}

/// Gives a reference back.
///
/// # Safety
///
/// `object` must be an object of the operating system.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ObfDereferenceObject(_object: PVOID) -> LONG_PTR {
    enter("ObfDereferenceObject", |system| {
        system.reference_os_object(-1)
    })
}

/// Ends the run.
#[unsafe(no_mangle)]
pub extern "C" fn KeBugCheckEx(
    code: ULONG,
    p1: ULONG_PTR,
    p2: ULONG_PTR,
    p3: ULONG_PTR,
    p4: ULONG_PTR,
) -> ! {
    let system = current("KeBugCheckEx");
    system.scheduler.context.ddi.set("KeBugCheckEx");
    system.bugcheck_os(
        BugcheckKind::ByDriver,
        code,
        [p1, p2, p3, p4],
        "the driver itself called KeBugCheckEx".to_owned(),
    )
}

/// Passes an IRP to a device.
///
/// # Safety
///
/// Both must be valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn IofCallDriver(
    device: kmdf_sys::PDEVICE_OBJECT,
    irp: kmdf_sys::PIRP,
) -> NTSTATUS {
    enter("IofCallDriver", |system| {
        let irp = system.irp(irp);
        let from = system.actor(system.scheduler.context.driver.get());
        match system.devices.by_address(device) {
            Some(device) => system.call_driver(&irp, &device, &from),
            None => kmdf_sys::STATUS_NO_SUCH_DEVICE,
        }
    })
}

/// Completes an IRP.
///
/// # Safety
///
/// The IRP must be valid and the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn IofCompleteRequest(irp: kmdf_sys::PIRP, _boost: CCHAR) {
    enter("IofCompleteRequest", |system| {
        let irp = system.irp(irp);
        let from = system.actor(system.scheduler.context.driver.get());
        system.complete_request(&irp, &from);
    });
}

/// Makes a counted string of a terminated one.
///
/// # Safety
///
/// `target` must point to memory for a counted string, `source` be NULL or a terminated string that outlives it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn RtlInitUnicodeString(
    target: kmdf_sys::PUNICODE_STRING,
    source: kmdf_sys::PCWSTR,
) {
    let mut units = 0usize;
    while !source.is_null() {
        // SAFETY: the caller promises a terminated string, and no terminator was found before.
        let unit = unsafe { source.wrapping_add(units).read() };
        if unit == 0 {
            break;
        }
        units += 1;
    }
    let bytes = u16::try_from(units * 2).unwrap_or(u16::MAX - 3);
    let string = kmdf_sys::_UNICODE_STRING {
        Length: bytes,
        MaximumLength: if source.is_null() { 0 } else { bytes + 2 },
        Buffer: source.cast_mut(),
    };
    // SAFETY: the caller promises memory for a counted string.
    unsafe { target.write(string) };
}

/// Copies as much of a counted string as fits.
///
/// # Safety
///
/// `target` must be a valid counted string with a buffer of its maximum length, `source` NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn RtlCopyUnicodeString(
    target: kmdf_sys::PUNICODE_STRING,
    source: kmdf_sys::PCUNICODE_STRING,
) {
    enter("RtlCopyUnicodeString", |system| {
        let mut string = system.get(target);
        let units = system.units(source).unwrap_or_default();
        let count = units.len().min(usize::from(string.MaximumLength) / 2);
        string.Length = u16::try_from(count * 2).unwrap_or(u16::MAX - 1);
        if count > 0 {
            // SAFETY: the caller promises a buffer of the maximum length; the source was copied out before.
            unsafe { ptr::copy_nonoverlapping(units.as_ptr(), string.Buffer, count) };
        }
        system.put(target, string);
    });
}

/// Compares two counted strings, without regard to case if asked (by Unicode's simple rules, near those of the kernel).
///
/// # Safety
///
/// Both must be valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn RtlCompareUnicodeString(
    first: kmdf_sys::PCUNICODE_STRING,
    second: kmdf_sys::PCUNICODE_STRING,
    ignore_case: BOOLEAN,
) -> LONG {
    enter("RtlCompareUnicodeString", |system| {
        let fold = |string| {
            let text = system.text(string).unwrap_or_default();
            if ignore_case == 0 {
                text
            } else {
                text.to_uppercase()
            }
        };
        let (first, second) = (fold(first), fold(second));
        first.encode_utf16().cmp(second.encode_utf16()) as LONG
    })
}
