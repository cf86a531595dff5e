//! Spin locks of drivers, plain and queued, and the lists that are guarded by one.

use core::ptr;

use kmdf_sys::{BOOLEAN, KIRQL, PKLOCK_QUEUE_HANDLE, PKSPIN_LOCK, PLIST_ENTRY};

use super::enter;
use crate::report::ViolationKind;
use crate::system::{DISPATCH_LEVEL, System};

fn acquire(system: &System, lock: PKSPIN_LOCK) {
    system.acquire_spin_lock(lock.addr());
    // The lock's own memory shows that it is held, as it does in Windows.
    system.put(lock, 1);
}

fn release(system: &System, lock: PKSPIN_LOCK) {
    if !system.release_spin_lock(lock.addr()) {
        system.not_locked(0);
    }
    if !system.spin_lock_is_held(lock.addr()) {
        system.put(lock, 0);
    }
}

/// The functions that do not raise the IRQL rely on the caller for that.
fn at_dispatch_level(system: &System) {
    if system.irql() < DISPATCH_LEVEL {
        system.violation(
            ViolationKind::Irql,
            format!(
                "{} was called at IRQL {}; it does not raise the IRQL, so it is for callers at DISPATCH_LEVEL",
                system.ddi(),
                system.irql()
            ),
        );
    }
}

/// Initializes a spin lock.
///
/// # Safety
///
/// `lock` must point to memory for a spin lock.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn KeInitializeSpinLock(lock: PKSPIN_LOCK) {
    enter("KeInitializeSpinLock", |system| system.put(lock, 0));
}

/// Acquires a spin lock, raises to `DISPATCH_LEVEL`, and returns the IRQL before.
///
/// # Safety
///
/// `lock` must point to an initialized spin lock.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn KeAcquireSpinLockRaiseToDpc(lock: PKSPIN_LOCK) -> KIRQL {
    enter("KeAcquireSpinLockRaiseToDpc", |system| {
        let irql = system.irql();
        system.set_irql(DISPATCH_LEVEL);
        acquire(system, lock);
        irql
    })
}

/// Gives a spin lock up and lowers the IRQL.
///
/// # Safety
///
/// `lock` must point to a spin lock that the caller holds, `irql` be what acquiring it returned.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn KeReleaseSpinLock(lock: PKSPIN_LOCK, irql: KIRQL) {
    enter("KeReleaseSpinLock", |system| {
        release(system, lock);
        system.set_irql(irql);
    });
}

/// Acquires a spin lock at `DISPATCH_LEVEL`.
///
/// # Safety
///
/// `lock` must point to an initialized spin lock.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn KeAcquireSpinLockAtDpcLevel(lock: PKSPIN_LOCK) {
    enter("KeAcquireSpinLockAtDpcLevel", |system| {
        at_dispatch_level(system);
        acquire(system, lock);
    });
}

/// Gives a spin lock up and stays at `DISPATCH_LEVEL`.
///
/// # Safety
///
/// `lock` must point to a spin lock that the caller holds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn KeReleaseSpinLockFromDpcLevel(lock: PKSPIN_LOCK) {
    enter("KeReleaseSpinLockFromDpcLevel", |system| {
        release(system, lock)
    });
}

/// Acquires a spin lock at `DISPATCH_LEVEL` if nobody holds it; 0 when somebody does.
///
/// # Safety
///
/// `lock` must point to an initialized spin lock.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn KeTryToAcquireSpinLockAtDpcLevel(lock: PKSPIN_LOCK) -> BOOLEAN {
    enter("KeTryToAcquireSpinLockAtDpcLevel", |system| {
        at_dispatch_level(system);
        if system.spin_lock_is_held(lock.addr()) {
            return 0;
        }
        acquire(system, lock);
        1
    })
}

/// Whether nobody holds a spin lock.
///
/// # Safety
///
/// `lock` must point to an initialized spin lock.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn KeTestSpinLock(lock: PKSPIN_LOCK) -> BOOLEAN {
    enter("KeTestSpinLock", |system| {
        u8::from(!system.spin_lock_is_held(lock.addr()))
    })
}

fn acquire_queued(system: &System, lock: PKSPIN_LOCK, handle: PKLOCK_QUEUE_HANDLE, irql: KIRQL) {
    acquire(system, lock);
    let mut queued = kmdf_sys::_KLOCK_QUEUE_HANDLE {
        OldIrql: irql,
        ..Default::default()
    };
    queued.LockQueue.Lock = lock;
    system.put(handle, queued);
}

fn release_queued(system: &System, handle: PKLOCK_QUEUE_HANDLE) -> KIRQL {
    let queued = system.get(handle);
    system.require(queued.LockQueue.Lock, "LockHandle");
    release(system, queued.LockQueue.Lock);
    queued.OldIrql
}

/// Acquires a queued spin lock and raises to `DISPATCH_LEVEL`.
///
/// # Safety
///
/// `lock` must point to an initialized spin lock, `handle` to memory for a handle until the release.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn KeAcquireInStackQueuedSpinLock(
    lock: PKSPIN_LOCK,
    handle: PKLOCK_QUEUE_HANDLE,
) {
    enter("KeAcquireInStackQueuedSpinLock", |system| {
        let irql = system.irql();
        system.set_irql(DISPATCH_LEVEL);
        acquire_queued(system, lock, handle, irql);
    });
}

/// Gives a queued spin lock up and lowers the IRQL.
///
/// # Safety
///
/// `handle` must be that of a lock which the caller holds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn KeReleaseInStackQueuedSpinLock(handle: PKLOCK_QUEUE_HANDLE) {
    enter("KeReleaseInStackQueuedSpinLock", |system| {
        let irql = release_queued(system, handle);
        system.set_irql(irql);
    });
}

/// Acquires a queued spin lock at `DISPATCH_LEVEL`.
///
/// # Safety
///
/// As [`KeAcquireInStackQueuedSpinLock`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn KeAcquireInStackQueuedSpinLockAtDpcLevel(
    lock: PKSPIN_LOCK,
    handle: PKLOCK_QUEUE_HANDLE,
) {
    enter("KeAcquireInStackQueuedSpinLockAtDpcLevel", |system| {
        at_dispatch_level(system);
        acquire_queued(system, lock, handle, system.irql());
    });
}

/// Gives a queued spin lock up and stays at `DISPATCH_LEVEL`.
///
/// # Safety
///
/// `handle` must be that of a lock which the caller holds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn KeReleaseInStackQueuedSpinLockFromDpcLevel(handle: PKLOCK_QUEUE_HANDLE) {
    enter("KeReleaseInStackQueuedSpinLockFromDpcLevel", |system| {
        release_queued(system, handle);
    });
}

/// Runs `work` on a list under its lock, at the highest IRQL, as the interlocked functions do.
fn interlocked<R>(function: &'static str, lock: PKSPIN_LOCK, work: impl FnOnce(&System) -> R) -> R {
    enter(function, |system| {
        let irql = system.irql();
        system.set_irql(irql.max(DISPATCH_LEVEL));
        acquire(system, lock);
        let result = work(system);
        release(system, lock);
        system.set_irql(irql);
        result
    })
}

/// Puts an entry between two that follow each other.
fn link(system: &System, before: PLIST_ENTRY, entry: PLIST_ENTRY, after: PLIST_ENTRY) {
    let own = kmdf_sys::_LIST_ENTRY {
        Flink: after,
        Blink: before,
    };
    system.put(entry, own);
    // SAFETY: the callers promise a valid list.
    unsafe { (*before).Flink = entry };
    // SAFETY: the same.
    unsafe { (*after).Blink = entry };
}

/// NULL for an entry that is the head itself: the list is, or was, empty.
fn unless_head(entry: PLIST_ENTRY, head: PLIST_ENTRY) -> PLIST_ENTRY {
    if entry == head {
        ptr::null_mut()
    } else {
        entry
    }
}

/// Puts an entry at the head of a list; the entry that was first, or NULL.
///
/// # Safety
///
/// List, entry and lock must be valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ExInterlockedInsertHeadList(
    head: PLIST_ENTRY,
    entry: PLIST_ENTRY,
    lock: PKSPIN_LOCK,
) -> PLIST_ENTRY {
    interlocked("ExInterlockedInsertHeadList", lock, |system| {
        let first = system.get(head).Flink;
        link(system, head, entry, first);
        unless_head(first, head)
    })
}

/// Puts an entry at the tail of a list; the entry that was last, or NULL.
///
/// # Safety
///
/// List, entry and lock must be valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ExInterlockedInsertTailList(
    head: PLIST_ENTRY,
    entry: PLIST_ENTRY,
    lock: PKSPIN_LOCK,
) -> PLIST_ENTRY {
    interlocked("ExInterlockedInsertTailList", lock, |system| {
        let last = system.get(head).Blink;
        link(system, last, entry, head);
        unless_head(last, head)
    })
}

/// Takes the first entry of a list; NULL when there is none.
///
/// # Safety
///
/// List and lock must be valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ExInterlockedRemoveHeadList(
    head: PLIST_ENTRY,
    lock: PKSPIN_LOCK,
) -> PLIST_ENTRY {
    interlocked("ExInterlockedRemoveHeadList", lock, |system| {
        let first = unless_head(system.get(head).Flink, head);
        if !first.is_null() {
            let next = system.get(first).Flink;
            // SAFETY: the callers promise a valid list.
            unsafe { (*head).Flink = next };
            // SAFETY: the same.
            unsafe { (*next).Blink = head };
        }
        first
    })
}
