//! Allocations that fail on request.

use core::cell::Cell;

/// A sort of allocation, or of an operation that can fail for want of resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Allocation {
    /// An IRP.
    Irp,
    /// The double buffer of a request to a buffered target.
    Buffer,
    /// What the framework remembers of a formatted request.
    Context,
    /// An MDL.
    Mdl,
    /// Mapping an MDL to system address space.
    Map,
    /// Locking pages; raises `STATUS_ACCESS_VIOLATION`.
    Probe,
    /// A framework object.
    Object,
    /// The timer of a request.
    Timer,
    /// A URB.
    Urb,
    /// Any other pool.
    Pool,
}

/// All sorts, in the order of their declaration.
pub(crate) const ALLOCATIONS: [Allocation; 10] = [
    Allocation::Irp,
    Allocation::Buffer,
    Allocation::Context,
    Allocation::Mdl,
    Allocation::Map,
    Allocation::Probe,
    Allocation::Object,
    Allocation::Timer,
    Allocation::Urb,
    Allocation::Pool,
];

/// Which allocations fail and how many there were.
#[derive(Debug)]
pub(crate) struct Faults {
    made: [Cell<u64>; ALLOCATIONS.len()],
    fails_at: [Cell<u64>; ALLOCATIONS.len()],
    probe_status: Cell<i32>,
}

impl Faults {
    pub(crate) const fn new() -> Self {
        Self {
            made: [const { Cell::new(0) }; ALLOCATIONS.len()],
            fails_at: [const { Cell::new(0) }; ALLOCATIONS.len()],
            probe_status: Cell::new(kmdf_sys::STATUS_ACCESS_VIOLATION),
        }
    }

    /// The `nth` allocation from now, 1 being the next, fails.
    pub(crate) fn fail(&self, kind: Allocation, nth: u32) {
        let slot = kind as usize;
        self.fails_at[slot].set(if nth == 0 {
            0
        } else {
            self.made[slot].get() + u64::from(nth)
        });
    }

    pub(crate) fn set_probe_status(&self, status: i32) {
        self.probe_status.set(status);
    }

    pub(crate) fn probe_status(&self) -> i32 {
        self.probe_status.get()
    }

    /// Counts an allocation; `true` when it must fail.
    #[inline]
    pub(crate) fn fails(&self, kind: Allocation) -> bool {
        let slot = kind as usize;
        let number = self.made[slot].get() + 1;
        self.made[slot].set(number);
        self.fails_at[slot].get() == number
    }

    pub(crate) fn made(&self, kind: Allocation) -> u64 {
        self.made[kind as usize].get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_nth_from_now_fails() {
        let faults = Faults::new();
        assert!(!faults.fails(Allocation::Irp));
        faults.fail(Allocation::Irp, 2);
        assert!(!faults.fails(Allocation::Irp));
        assert!(!faults.fails(Allocation::Mdl));
        assert!(faults.fails(Allocation::Irp));
        assert!(!faults.fails(Allocation::Irp));
        assert_eq!(faults.made(Allocation::Irp), 4);
    }
}
