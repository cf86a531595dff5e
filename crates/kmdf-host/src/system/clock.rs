//! The virtual clock and what falls due on it.

use core::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::System;
use super::scheduler::Thread;
use crate::time::Ticks;

/// Names an armed timer event.
pub(crate) type TimerId = (Ticks, u64);

/// What happens when the time has come.
pub(crate) enum Due {
    /// A wait of a thread times out.
    Wake(Rc<Thread>),
    /// Something runs as a deferred procedure call.
    Call(&'static str, Box<dyn FnOnce(&System)>),
}

/// Virtual time; moves only when nothing can run.
pub(crate) struct Clock {
    now: Cell<Ticks>,
    sequence: Cell<u64>,
    events: RefCell<BTreeMap<TimerId, Due>>,
    /// Those of the events that come back for ever: a run that has nothing else left is over.
    recurring: RefCell<BTreeSet<TimerId>>,
    /// Recurring events taken since the last other one.
    streak: Cell<u32>,
}

/// So many recurring events in a row without any other, and whoever still waits will wait for ever.
const LONGEST_STREAK: u32 = 10_000;

impl Clock {
    pub(crate) const fn new() -> Self {
        Self {
            now: Cell::new(Ticks::ZERO),
            sequence: Cell::new(0),
            events: RefCell::new(BTreeMap::new()),
            recurring: RefCell::new(BTreeSet::new()),
            streak: Cell::new(0),
        }
    }

    pub(crate) fn now(&self) -> Ticks {
        self.now.get()
    }

    pub(crate) fn advance_to(&self, time: Ticks) {
        self.now.set(self.now.get().max(time));
    }

    pub(crate) fn arm(&self, at: Ticks, due: Due) -> TimerId {
        let sequence = self.sequence.get();
        self.sequence.set(sequence + 1);
        let id = (at, sequence);
        self.events.borrow_mut().insert(id, due);
        id
    }

    /// As [`Clock::arm`], for an event that will come again, and again.
    pub(crate) fn arm_recurring(&self, at: Ticks, due: Due) -> TimerId {
        let id = self.arm(at, due);
        self.recurring.borrow_mut().insert(id);
        id
    }

    /// Whether nothing but recurring events is to come.
    pub(crate) fn only_recurring(&self) -> bool {
        self.events.borrow().len() == self.recurring.borrow().len()
    }

    /// Whether nothing but recurring events is to come, and there were too many of them.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.streak.get() >= LONGEST_STREAK && self.only_recurring()
    }

    /// Takes an event back; `false` when it has already happened.
    pub(crate) fn disarm(&self, id: TimerId) -> bool {
        self.recurring.borrow_mut().remove(&id);
        let event = self.events.borrow_mut().remove(&id);
        event.is_some()
    }

    /// The time of the next event and how many events fall due at that time.
    pub(crate) fn next(&self) -> Option<(Ticks, usize)> {
        let events = self.events.borrow();
        let (&(time, _), _) = events.first_key_value()?;
        let count = events.range((time, 0)..=(time, u64::MAX)).count();
        Some((time, count))
    }

    /// Removes the `index`-th of the events that fall due at `time`.
    pub(crate) fn take(&self, time: Ticks, index: usize) -> Option<Due> {
        let mut events = self.events.borrow_mut();
        let id = *events.range((time, 0)..=(time, u64::MAX)).nth(index)?.0;
        let recurring = self.recurring.borrow_mut().remove(&id);
        self.streak
            .set(if recurring { self.streak.get() + 1 } else { 0 });
        events.remove(&id)
    }

    pub(crate) fn clear(&self) {
        self.recurring.borrow_mut().clear();
        let events = core::mem::take(&mut *self.events.borrow_mut());
        drop(events);
    }
}
