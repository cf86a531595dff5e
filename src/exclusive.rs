//! What may be done to an object by one thread at a time.

use core::sync::atomic::{AtomicBool, Ordering};

/// A claim on an object, in a context of that object.
pub(crate) struct Exclusive(AtomicBool);

impl Exclusive {
    pub(crate) const fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    /// Takes the claim, unless somebody has it. [`release`](Self::release) gives it back.
    pub(crate) fn claim(&self) -> bool {
        !self.0.swap(true, Ordering::Acquire)
    }

    pub(crate) fn release(&self) {
        self.0.store(false, Ordering::Release);
    }
}
