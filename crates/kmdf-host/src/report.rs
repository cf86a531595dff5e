//! What a run found.

use core::cell::{Cell, RefCell};
use core::fmt;

use crate::faults::{Allocation, Faults};
use crate::stop::Stop;
use crate::time::Ticks;

pub use crate::verify::{BugcheckKind, Place, Subject, Violation, ViolationKind};

/// Where something was created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The DDI, or the event in whose course the framework did it.
    pub ddi: &'static str,
    /// When.
    pub time: Ticks,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.ddi, self.time)
    }
}

/// Where what only the accounting finds is found.
pub(crate) const END: &str = "the end of the run";

/// Running counts.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) ddi_calls: Cell<u64>,
    pub(crate) urbs: Cell<u64>,
    pub(crate) lower_irps: Cell<u64>,
    pub(crate) breaks: Cell<u64>,
    /// Requests that drivers were given.
    pub(crate) presented: Cell<u64>,
    /// The most of them that a driver had of one queue at one time.
    pub(crate) most_owned: Cell<u64>,
    /// References on operating-system objects that drivers hold.
    pub(crate) os_references: Cell<i64>,
    /// Blocks for which special pool had no room.
    pub(crate) unguarded: Cell<u64>,
    /// What scenarios and lower devices have counted; a few, so that a search is cheap.
    tallies: RefCell<Vec<(&'static str, u64)>>,
}

impl Counters {
    pub(crate) fn tally(&self, what: &'static str) {
        let mut tallies = self.tallies.borrow_mut();
        match tallies.iter_mut().find(|(name, _)| *name == what) {
            Some((_, count)) => *count += 1,
            None => tallies.push((what, 1)),
        }
    }

    pub(crate) fn tallies(&self) -> Vec<(&'static str, u64)> {
        self.tallies.borrow().clone()
    }
}

/// Counts of a whole run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// DDI calls.
    pub ddi_calls: u64,
    /// IRPs allocated, by whomever.
    pub irps: u64,
    /// Reads, writes and control codes that reached lower devices.
    pub lower_irps: u64,
    /// URBs that reached lower devices.
    pub urbs: u64,
    /// Debug breaks of the framework's verifier.
    pub breaks: u64,
    /// Blocks that special pool was to guard and had no room for: of these, bad accesses were not seen.
    pub unguarded: u64,
    /// Allocations, by sort.
    pub allocations: Vec<(Allocation, u64)>,
}

impl Totals {
    pub(crate) fn new(counters: &Counters, faults: &Faults, irps: u64) -> Self {
        Self {
            ddi_calls: counters.ddi_calls.get(),
            irps,
            lower_irps: counters.lower_irps.get(),
            urbs: counters.urbs.get(),
            breaks: counters.breaks.get(),
            unguarded: counters.unguarded.get(),
            allocations: Allocation::all()
                .map(|kind| (kind, faults.made(kind)))
                .collect(),
        }
    }
}

/// The result of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Everything found wrong, in order.
    pub violations: Vec<Violation>,
    /// Why the run stopped, if it did not end by itself.
    pub stop: Option<Stop>,
    /// Counts.
    pub totals: Totals,
    /// Virtual time at the end.
    pub time: Ticks,
}

impl Report {
    /// Whether nothing was found.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.violations.is_empty() && self.stop.is_none()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(stop) = &self.stop {
            writeln!(f, "stopped: {stop}")?;
        }
        for violation in &self.violations {
            writeln!(f, "{violation}")?;
        }
        if self.totals.unguarded > 0 {
            writeln!(
                f,
                "special pool was full: {} blocks were not guarded",
                self.totals.unguarded
            )?;
        }
        write!(
            f,
            "{} violations, {} IRPs, {}",
            self.violations.len(),
            self.totals.irps,
            self.time
        )
    }
}
