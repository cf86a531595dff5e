//! What comes and goes with the hardware while callbacks may be using it.

use core::cell::UnsafeCell;
use core::fmt;
use core::mem::MaybeUninit;
use core::ops::Deref;
use core::sync::atomic::{AtomicUsize, Ordering};

/// A place for a value that is there between [`publish`](Self::publish) and
/// [`run_down`](Self::run_down), for a device's context.
///
/// A device's hardware comes with PrepareHardware and goes with ReleaseHardware, while an I/O
/// callback may still be using it: even on a power-managed queue a callback can run on for a moment
/// after it completed its request. Whoever holds a [`RundownGuard`] keeps the value; the last one
/// to let go drops it. Nobody waits, no lock is taken, and nothing is allocated: two atomic
/// operations a use.
///
/// Kernel: [run-down
/// protection](https://learn.microsoft.com/windows-hardware/drivers/kernel/run-down-protection).
/// IRQL: any that `T` allows.
///
/// ```
/// use kmdf::Rundown;
///
/// let hardware = Rundown::new();
/// assert!(hardware.acquire().is_none());
/// hardware.publish("bulk pipe").unwrap();
///
/// let guard = hardware.acquire().unwrap();
/// hardware.run_down();
/// assert!(hardware.acquire().is_none()); // no new use
/// assert_eq!(*guard, "bulk pipe");       // the old one goes on
/// ```
#[doc(alias = "EX_RUNDOWN_REF")]
#[doc(alias = "ExAcquireRundownProtection")]
pub struct Rundown<T> {
    /// The state in the two low bits, above them the number of guards.
    state: AtomicUsize,
    value: UnsafeCell<MaybeUninit<T>>,
}

/// No value, no guards.
const EMPTY: usize = 0;
/// The value may be acquired.
const PUBLISHED: usize = 1;
/// The value may not be acquired any more; the last guard drops it.
const RUNNING_DOWN: usize = 2;
/// One thread is writing or dropping the value.
const EXCLUSIVE: usize = 3;
const STATE: usize = 3;
const GUARD: usize = 4;

// SAFETY: moving it moves the value.
unsafe impl<T: Send> Send for Rundown<T> {}
// SAFETY: guards share the value (`Sync`), and any thread may come to drop it (`Send`).
unsafe impl<T: Send + Sync> Sync for Rundown<T> {}

impl<T> Rundown<T> {
    /// Without a value.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            state: AtomicUsize::new(EMPTY),
            value: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }

    /// Puts a value there.
    ///
    /// # Errors
    ///
    /// The value is given back when one is there, or a former one is still in use.
    pub fn publish(&self, value: T) -> Result<(), T> {
        if self
            .state
            .compare_exchange(EMPTY, EXCLUSIVE, Ordering::Acquire, Ordering::Relaxed)
            .is_err()
        {
            return Err(value);
        }
        // SAFETY: in EXCLUSIVE this thread alone accesses the value, and there is none to drop.
        unsafe { (*self.value.get()).write(value) };
        self.state.store(PUBLISHED, Ordering::Release);
        Ok(())
    }

    /// Uses the value; `None` when there is none, or it is running down.
    #[inline]
    pub fn acquire(&self) -> Option<RundownGuard<'_, T>> {
        self.state
            .fetch_update(Ordering::Acquire, Ordering::Relaxed, |state| {
                if state & STATE == PUBLISHED {
                    state.checked_add(GUARD)
                } else {
                    None
                }
            })
            .ok()
            .map(|_| RundownGuard { rundown: self })
    }

    /// Takes the value away: no new guards from now on. It is dropped here, or by the last guard.
    pub fn run_down(&self) {
        let taken =
            self.state
                .fetch_update(Ordering::AcqRel, Ordering::Relaxed, |state| match state {
                    PUBLISHED => Some(EXCLUSIVE),
                    state if state & STATE == PUBLISHED => Some(state - PUBLISHED + RUNNING_DOWN),
                    _ => None,
                });
        if taken == Ok(PUBLISHED) {
            // SAFETY: EXCLUSIVE since just now, with a value.
            unsafe { self.drop_value() };
        }
    }

    /// # Safety
    ///
    /// The state is EXCLUSIVE, set by this thread, and there is a value.
    unsafe fn drop_value(&self) {
        // SAFETY: in EXCLUSIVE this thread alone accesses the value.
        let value = unsafe { &mut *self.value.get() };
        // SAFETY: there is a value, by the caller's word; it is not used again before the next
        // `publish`.
        unsafe { value.assume_init_drop() };
        self.state.store(EMPTY, Ordering::Release);
    }
}

impl<T> Default for Rundown<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Drop for Rundown<T> {
    fn drop(&mut self) {
        // No guards: they borrow `self`. (One that was leaked leaves RUNNING_DOWN or a count
        // behind, and its value is leaked with it.)
        self.run_down();
    }
}

impl<T> fmt::Debug for Rundown<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.load(Ordering::Relaxed);
        f.debug_struct("Rundown")
            .field("published", &(state & STATE == PUBLISHED))
            .field("guards", &(state / GUARD))
            .finish()
    }
}

/// Keeps the value of a [`Rundown`] while it is used.
pub struct RundownGuard<'a, T> {
    rundown: &'a Rundown<T>,
}

impl<T> Deref for RundownGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: while a guard is counted the state is PUBLISHED or RUNNING_DOWN, in which the
        // value is only shared.
        let value = unsafe { &*self.rundown.value.get() };
        // SAFETY: in both states there is a value.
        unsafe { value.assume_init_ref() }
    }
}

impl<T> Drop for RundownGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        let before = self.rundown.state.fetch_sub(GUARD, Ordering::AcqRel);
        if before == RUNNING_DOWN + GUARD {
            // Nobody acquires, publishes or runs down in RUNNING_DOWN, so that the state is this
            // thread's.
            self.rundown.state.store(EXCLUSIVE, Ordering::Relaxed);
            // SAFETY: EXCLUSIVE since just now, by the last guard, with the value it kept.
            unsafe { self.rundown.drop_value() };
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for RundownGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
