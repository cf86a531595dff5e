//! The virtual clock and what falls due on it.

use core::cell::{Cell, RefCell};
use std::collections::BTreeMap;
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
}

impl Clock {
    pub(crate) const fn new() -> Self {
        Self {
            now: Cell::new(Ticks::ZERO),
            sequence: Cell::new(0),
            events: RefCell::new(BTreeMap::new()),
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

    /// Takes an event back; `false` when it has already happened.
    pub(crate) fn disarm(&self, id: TimerId) -> bool {
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
        events.remove(&id)
    }

    pub(crate) fn clear(&self) {
        let events = core::mem::take(&mut *self.events.borrow_mut());
        drop(events);
    }
}
