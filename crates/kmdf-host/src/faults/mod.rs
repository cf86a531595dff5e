//! What can fail, and what fails on request.

mod fault;
mod lower;
mod sweep;

use core::cell::{Cell, RefCell};
use core::fmt;
use core::str::FromStr;
use std::collections::{BTreeMap, VecDeque};

use kmdf_sys::NTSTATUS;

use crate::fx::pnp_irp::PnpIrp;
use crate::time::Ticks;
use crate::trace::IrpId;

pub use fault::{Fault, FaultKind, FaultPoint, LowerFault, UnknownFault};
pub use sweep::{FaultRun, KindCount, Problem, Sweep, SweepFailure, SweepProgress, SweepReport};

/// A sort of allocation, or of an operation that can fail for want of resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
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

/// All sorts, in the order of their declaration, with the names they have in that of a fault.
const NAMES: [(Allocation, &str); 10] = [
    (Allocation::Irp, "irp"),
    (Allocation::Buffer, "buffer"),
    (Allocation::Context, "context"),
    (Allocation::Mdl, "mdl"),
    (Allocation::Map, "map"),
    (Allocation::Probe, "probe"),
    (Allocation::Object, "object"),
    (Allocation::Timer, "timer"),
    (Allocation::Urb, "urb"),
    (Allocation::Pool, "pool"),
];

const SORTS: usize = NAMES.len();

impl Allocation {
    /// All sorts, in the order of their declaration.
    pub fn all() -> impl Iterator<Item = Self> {
        NAMES.iter().map(|&(kind, _)| kind)
    }
}

impl fmt::Display for Allocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = NAMES.iter().find(|(kind, _)| kind == self);
        f.pad(name.map_or("", |&(_, name)| name))
    }
}

impl FromStr for Allocation {
    type Err = UnknownFault;

    fn from_str(text: &str) -> Result<Self, UnknownFault> {
        let named = NAMES.iter().find(|(_, name)| *name == text);
        named
            .map(|&(kind, _)| kind)
            .ok_or_else(|| UnknownFault::new(text))
    }
}

/// A request to a lower device, as the run that counts them remembers it.
#[derive(Clone, Copy, Debug)]
struct Seen {
    irp: IrpId,
    /// Whether it carries data to the device.
    write: bool,
    asked: u64,
    moved: u64,
}

/// What happened while a sweep watched.
#[derive(Debug, Default)]
struct Watched {
    requests: Vec<Seen>,
    /// The planned points that were reached.
    hit: Vec<FaultPoint>,
    /// How the requests of applications ended, and how often.
    statuses: BTreeMap<NTSTATUS, u64>,
    /// How steps of the application, the loader or the PnP manager failed, and how often.
    failed_steps: BTreeMap<NTSTATUS, u64>,
}

/// Which allocations and requests fail, and how many there were.
#[derive(Debug)]
pub(crate) struct Faults {
    made: [Cell<u64>; SORTS],
    fails_at: [Cell<u64>; SORTS],
    /// Allocations that fail after those of `fails_at`.
    more: RefCell<Vec<(Allocation, u64)>>,
    probe_status: Cell<i32>,
    /// Requests that reached lower devices.
    requests: Cell<u64>,
    /// The number of the next of them that goes wrong; 0 for none.
    request_at: Cell<u64>,
    request_plan: RefCell<VecDeque<(u64, LowerFault)>>,
    /// PnP requests that a lower device may fail.
    pnp: Cell<u64>,
    pnp_plan: RefCell<Vec<(u64, NTSTATUS)>>,
    /// How late a late lower device is.
    late: Cell<Ticks>,
    watching: Cell<bool>,
    watched: RefCell<Watched>,
}

impl Faults {
    pub(crate) const fn new() -> Self {
        Self {
            made: [const { Cell::new(0) }; SORTS],
            fails_at: [const { Cell::new(0) }; SORTS],
            more: RefCell::new(Vec::new()),
            probe_status: Cell::new(kmdf_sys::STATUS_ACCESS_VIOLATION),
            requests: Cell::new(0),
            request_at: Cell::new(0),
            request_plan: RefCell::new(VecDeque::new()),
            pnp: Cell::new(0),
            pnp_plan: RefCell::new(Vec::new()),
            late: Cell::new(sweep::LATE),
            watching: Cell::new(false),
            watched: RefCell::new(Watched {
                requests: Vec::new(),
                hit: Vec::new(),
                statuses: BTreeMap::new(),
                failed_steps: BTreeMap::new(),
            }),
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

    /// Lets these points fail, counted from the beginning of the run.
    fn plan(&self, points: &[FaultPoint]) {
        let mut requests: Vec<_> = Vec::new();
        for &point in points {
            match point {
                FaultPoint::Allocation(kind, number) => {
                    self.more.borrow_mut().push((kind, number));
                }
                FaultPoint::Lower(number, fault) => requests.push((number, fault)),
                FaultPoint::Pnp(number, status) => {
                    self.pnp_plan.borrow_mut().push((number, status));
                }
            }
        }
        for kind in Allocation::all() {
            self.next_allocation(kind);
        }
        requests.sort_by_key(|&(number, _)| number);
        self.request_at
            .set(requests.first().map_or(0, |&(number, _)| number));
        *self.request_plan.borrow_mut() = requests.into();
    }

    /// Moves the next planned allocation of a sort to where it is looked for.
    fn next_allocation(&self, kind: Allocation) {
        let mut more = self.more.borrow_mut();
        let of_kind = more.iter().enumerate().filter(|(_, next)| next.0 == kind);
        let next = of_kind.min_by_key(|(_, next)| next.1).map(|(at, _)| at);
        self.fails_at[kind as usize].set(next.map_or(0, |at| more.remove(at).1));
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
        self.fails_at[slot].get() == number && self.hit_allocation(kind, number)
    }

    #[cold]
    fn hit_allocation(&self, kind: Allocation, number: u64) -> bool {
        self.hit(FaultPoint::Allocation(kind, number));
        self.next_allocation(kind);
        true
    }

    fn hit(&self, point: FaultPoint) {
        self.watched.borrow_mut().hit.push(point);
    }

    pub(crate) fn made(&self, kind: Allocation) -> u64 {
        self.made[kind as usize].get()
    }

    /// Counts a request to a lower device; what goes wrong with it, if anything does.
    #[inline]
    pub(crate) fn next_request(&self) -> Option<LowerFault> {
        let number = self.requests.get() + 1;
        self.requests.set(number);
        if self.request_at.get() == number {
            self.hit_request()
        } else {
            None
        }
    }

    #[cold]
    fn hit_request(&self) -> Option<LowerFault> {
        let mut plan = self.request_plan.borrow_mut();
        let (number, fault) = plan.pop_front()?;
        self.request_at
            .set(plan.front().map_or(0, |&(number, _)| number));
        self.hit(FaultPoint::Lower(number, fault));
        Some(fault)
    }

    /// Counts a PnP request that a lower device may fail; the status with which it does.
    pub(crate) fn next_pnp(&self, irp: PnpIrp) -> Option<NTSTATUS> {
        if !matches!(
            irp,
            PnpIrp::StartDevice | PnpIrp::QueryStopDevice | PnpIrp::QueryRemoveDevice
        ) {
            return None;
        }
        let number = self.pnp.get() + 1;
        self.pnp.set(number);
        let plan = self.pnp_plan.borrow();
        let &(_, status) = plan.iter().find(|&&(at, _)| at == number)?;
        self.hit(FaultPoint::Pnp(number, status));
        Some(status)
    }

    /// Whether a sweep looks at what happens.
    #[inline]
    pub(crate) fn watching(&self) -> bool {
        self.watching.get()
    }

    /// An application's request has ended.
    #[cold]
    pub(crate) fn ended(&self, status: NTSTATUS) {
        let statuses = &mut self.watched.borrow_mut().statuses;
        *statuses.entry(status).or_default() += 1;
    }

    /// A step has failed.
    pub(crate) fn step_failed(&self, status: NTSTATUS) {
        let steps = &mut self.watched.borrow_mut().failed_steps;
        *steps.entry(status).or_default() += 1;
    }

    #[cold]
    fn saw_request(&self, seen: Seen) {
        self.watched.borrow_mut().requests.push(seen);
    }

    #[cold]
    fn saw_completion(&self, irp: IrpId, moved: u64) {
        let requests = &mut self.watched.borrow_mut().requests;
        if let Some(seen) = requests.iter_mut().rev().find(|seen| seen.irp == irp) {
            seen.moved = moved;
        }
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

    #[test]
    fn two_of_one_sort_can_be_planned() {
        let faults = Faults::new();
        let points = [4, 2].map(|number| FaultPoint::Allocation(Allocation::Mdl, number));
        faults.plan(&points);
        let failed: Vec<bool> = (0..5).map(|_| faults.fails(Allocation::Mdl)).collect();
        assert_eq!(failed, [false, true, false, true, false]);
        assert_eq!(faults.watched.borrow().hit.len(), 2);
    }

    #[test]
    fn the_sorts_are_in_the_order_of_their_declaration() {
        for (place, kind) in Allocation::all().enumerate() {
            assert_eq!(kind as usize, place);
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
    }
}
