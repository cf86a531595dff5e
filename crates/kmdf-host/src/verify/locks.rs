//! Which locks a logical thread holds.

use core::fmt;

use crate::report::{Origin, Subject, ViolationKind};
use crate::system::System;

/// A lock that a thread holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HeldLock {
    /// The C name of its type.
    pub(crate) class: &'static str,
    /// The object whose lock it is, by its handle.
    pub(crate) handle: usize,
    /// Whether it keeps the processor at `DISPATCH_LEVEL`.
    pub(crate) spins: bool,
    /// Where it was acquired.
    pub(crate) acquired: Origin,
}

impl HeldLock {
    /// What a finding says about it.
    pub(crate) fn subject(&self) -> Subject {
        Subject {
            class: self.class,
            handle: self.handle as u64,
            origin: self.acquired,
            ended: None,
        }
    }
}

impl fmt::Display for HeldLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the {} {:#x} (acquired by {})",
            self.class, self.handle, self.acquired
        )
    }
}

impl System {
    /// The running thread has acquired a lock.
    pub(crate) fn lock_acquired(&self, class: &'static str, handle: usize, spins: bool) {
        let thread = self.running_thread();
        thread.locks.borrow_mut().push(HeldLock {
            class,
            handle,
            spins,
            acquired: self.origin(),
        });
        let held = &self.scheduler.context.locks;
        held.set(held.get() + 1);
    }

    /// The running thread has released a lock; one that another thread acquired is not on its list.
    pub(crate) fn lock_released(&self, handle: usize) {
        let thread = self.running_thread();
        let mut locks = thread.locks.borrow_mut();
        if let Some(place) = locks.iter().rposition(|lock| lock.handle == handle) {
            locks.remove(place);
            let held = &self.scheduler.context.locks;
            held.set(held.get() - 1);
        }
    }

    /// A thread has done its work: it must hold no lock any more.
    #[inline]
    pub(crate) fn thread_ended(&self) {
        if self.scheduler.context.locks.get() > 0 {
            for lock in self.locks_since(0) {
                self.violation_about(
                    ViolationKind::LockHeld,
                    Some(lock.subject()),
                    format!("the thread ended and still holds {lock}"),
                );
            }
        }
    }

    /// The spin lock that the running thread acquired last and still holds.
    pub(crate) fn held_spin_lock(&self) -> Option<HeldLock> {
        let thread = self.scheduler.current()?;
        let locks = thread.locks.borrow();
        locks.iter().rev().find(|lock| lock.spins).copied()
    }

    /// The locks that the running thread acquired when it held `before` already.
    pub(crate) fn locks_since(&self, before: usize) -> Vec<HeldLock> {
        let thread = self.running_thread();
        let locks = thread.locks.borrow();
        locks.get(before..).unwrap_or_default().to_vec()
    }
}
