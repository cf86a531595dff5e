//! Every choice of a run: how it is made, and what is remembered of it.

use core::cell::{Cell, RefCell};

use crate::config::{Deviation, HostConfig, Policy};
use crate::trace::ThreadId;

/// What a choice is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum ChoiceKind {
    /// Which ready thread runs, or whether an event that is due comes first.
    Thread,
    /// Which of the events that are due at one time happens first.
    Event,
    /// Whether another processor gets ahead of this thread, and with which thread.
    Preemption,
    /// [`Host::choose`](crate::Host::choose): the scenario asked.
    Scenario,
    /// [`LowerIrp::choose`](crate::LowerIrp::choose): a lower device asked.
    Lower,
}

impl ChoiceKind {
    /// All kinds, in the order of their declaration.
    pub const ALL: [Self; 5] = [
        Self::Thread,
        Self::Event,
        Self::Preemption,
        Self::Scenario,
        Self::Lower,
    ];

    /// Between what the choice is.
    #[must_use]
    pub const fn between(self) -> &'static str {
        match self {
            Self::Thread => "ready threads",
            Self::Event => "events that are due",
            Self::Preemption => "going on and another thread",
            Self::Scenario => "what the scenario offers",
            Self::Lower => "what the lower device can do",
        }
    }
}

/// A choice that was made; one between fewer than two alternatives is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Choice {
    /// What it was about.
    pub kind: ChoiceKind,
    /// The alternative that was taken; 0 is that of [`Policy::InOrder`].
    pub taken: u32,
    /// How many alternatives there were.
    pub of: u32,
}

/// Priority of a thread under [`Policy::Pct`], above those that change points give.
const INITIAL: u64 = 1 << 32;

/// Threads are held up in one of so many choices: enough that it happens, seldom enough that runs get ahead.
const HELD_UP: u32 = 32;

/// Makes the choices of a run.
pub(crate) struct Chooser {
    policy: Policy,
    random: RefCell<fastrand::Rng>,
    deviations: Vec<Deviation>,
    next_deviation: Cell<usize>,
    /// Priorities of threads by number, under [`Policy::Pct`].
    priorities: RefCell<Vec<u64>>,
    /// Steps at which the running thread falls back, under [`Policy::Pct`]; the last is the first to come.
    change_points: RefCell<Vec<u32>>,
    steps: Cell<u32>,
    made: Cell<u64>,
    by_kind: [Cell<u64>; ChoiceKind::ALL.len()],
    hash: Cell<u64>,
    record: bool,
    recorded: RefCell<Vec<Choice>>,
}

impl Chooser {
    pub(crate) fn new(config: &HostConfig) -> Self {
        let mut random = fastrand::Rng::with_seed(config.seed);
        let mut change_points = Vec::new();
        if let Policy::Pct { depth, length } = config.policy {
            change_points.extend((1..depth).map(|_| random.u32(1..=length.max(1))));
            change_points.sort_unstable_by(|a, b| b.cmp(a));
        }
        Self {
            policy: config.policy,
            random: RefCell::new(random),
            deviations: config.deviations.clone(),
            next_deviation: Cell::new(0),
            priorities: RefCell::new(Vec::new()),
            change_points: RefCell::new(change_points),
            steps: Cell::new(0),
            made: Cell::new(0),
            by_kind: [const { Cell::new(0) }; ChoiceKind::ALL.len()],
            hash: Cell::new(0xCBF2_9CE4_8422_2325),
            record: config.record_choices,
            recorded: RefCell::new(Vec::new()),
        }
    }

    /// One of `count` alternatives.
    pub(crate) fn choose(&self, kind: ChoiceKind, count: usize) -> usize {
        if count <= 1 {
            return 0;
        }
        let taken = match self.policy {
            Policy::InOrder => self.deviation(count),
            Policy::Random | Policy::Pct { .. } => self.random.borrow_mut().usize(0..count),
        };
        self.note(kind, taken, count)
    }

    /// Which of the ready threads runs; from `ready.len()` on, an event that is due first; and if they can be `held_up`, at
    /// last that none does until the next event.
    pub(crate) fn choose_ready(&self, ready: &[ThreadId], due: usize, held_up: bool) -> usize {
        let others = ready.len() + due;
        let count = others + usize::from(held_up);
        if count <= 1 {
            return 0;
        }
        if self.policy == Policy::InOrder {
            return self.choose(ChoiceKind::Thread, count);
        }
        if held_up && self.random.borrow_mut().u32(0..HELD_UP) == 0 {
            return self.note(ChoiceKind::Thread, others, count);
        }
        let taken = match self.policy {
            Policy::Pct { .. } => self.first_ready(ready, due),
            _ => self.random.borrow_mut().usize(0..others),
        };
        self.note(ChoiceKind::Thread, taken, count)
    }

    /// The ready thread with the highest priority, or an event that is due.
    fn first_ready(&self, ready: &[ThreadId], due: usize) -> usize {
        let mut taken = self.first(ready);
        if self.falls_back() {
            self.lower(ready[taken]);
            taken = self.first(ready);
        }
        // Events have no priority: an interrupt comes when it comes.
        if due > 0 && self.random.borrow_mut().bool() {
            taken = ready.len() + self.random.borrow_mut().usize(0..due);
        }
        taken
    }

    /// Whether a ready thread gets ahead of the running one: 0 for none, else its place in `ready` plus 1; and if it can be
    /// `held_up`, at last that all are until the next event.
    pub(crate) fn choose_preemption(
        &self,
        running: ThreadId,
        ready: &[ThreadId],
        held_up: bool,
    ) -> usize {
        let others = ready.len() + 1;
        let count = others + usize::from(held_up);
        if count <= 1 {
            return 0;
        }
        if self.policy == Policy::InOrder {
            return self.choose(ChoiceKind::Preemption, count);
        }
        if held_up && self.random.borrow_mut().u32(0..HELD_UP) == 0 {
            return self.note(ChoiceKind::Preemption, others, count);
        }
        if ready.is_empty() {
            return self.note(ChoiceKind::Preemption, 0, count);
        }
        let taken = match self.policy {
            Policy::Pct { .. } => self.first_ahead(running, ready),
            _ => {
                let mut random = self.random.borrow_mut();
                if random.bool() {
                    1 + random.usize(0..ready.len())
                } else {
                    0
                }
            }
        };
        self.note(ChoiceKind::Preemption, taken, count)
    }

    fn first_ahead(&self, running: ThreadId, ready: &[ThreadId]) -> usize {
        if self.falls_back() {
            self.lower(running);
        }
        let first = self.first(ready);
        if self.priority(ready[first]) > self.priority(running) {
            first + 1
        } else {
            0
        }
    }

    /// A thread has been given a job, and with it a priority.
    pub(crate) fn started(&self, thread: ThreadId) {
        if matches!(self.policy, Policy::Pct { .. }) {
            let priority = INITIAL | u64::from(self.random.borrow_mut().u32(..));
            self.set_priority(thread, priority);
        }
    }

    fn deviation(&self, count: usize) -> usize {
        let next = self.next_deviation.get();
        match self.deviations.get(next) {
            Some(deviation) if u64::from(deviation.position) == self.made.get() => {
                self.next_deviation.set(next + 1);
                // A schedule of another version of the driver may not fit; it stays a schedule all the same.
                (deviation.taken as usize).min(count - 1)
            }
            _ => 0,
        }
    }

    fn note(&self, kind: ChoiceKind, taken: usize, of: usize) -> usize {
        self.made.set(self.made.get() + 1);
        let by_kind = &self.by_kind[kind as usize];
        by_kind.set(by_kind.get() + 1);
        // FNV-1a, a word at a time.
        let word = (kind as u64) << 56 | (of as u64) << 28 | taken as u64;
        self.hash
            .set((self.hash.get() ^ word).wrapping_mul(0x0100_0000_01B3));
        if self.record {
            self.recorded.borrow_mut().push(Choice {
                kind,
                taken: u32::try_from(taken).unwrap_or(u32::MAX),
                of: u32::try_from(of).unwrap_or(u32::MAX),
            });
        }
        taken
    }

    /// Counts a step; whether it is a change point.
    fn falls_back(&self) -> bool {
        let step = self.steps.get() + 1;
        self.steps.set(step);
        let mut points = self.change_points.borrow_mut();
        if points.last().is_none_or(|&point| point > step) {
            return false;
        }
        points.pop();
        true
    }

    /// Below all threads that have not fallen back, and below those that fell back before.
    fn lower(&self, thread: ThreadId) {
        self.set_priority(thread, self.change_points.borrow().len() as u64);
    }

    fn set_priority(&self, thread: ThreadId, priority: u64) {
        let mut priorities = self.priorities.borrow_mut();
        let index = thread.0 as usize;
        if priorities.len() <= index {
            priorities.resize(index + 1, 0);
        }
        priorities[index] = priority;
    }

    fn priority(&self, thread: ThreadId) -> u64 {
        let priorities = self.priorities.borrow();
        priorities.get(thread.0 as usize).copied().unwrap_or(0)
    }

    /// The place of the ready thread with the highest priority.
    fn first(&self, ready: &[ThreadId]) -> usize {
        let places = 0..ready.len();
        // Of equal priorities the one that has been ready longest.
        places
            .rev()
            .max_by_key(|&place| self.priority(ready[place]))
            .unwrap_or(0)
    }

    pub(crate) fn made_by_kind(&self) -> [u64; ChoiceKind::ALL.len()] {
        ChoiceKind::ALL.map(|kind| self.by_kind[kind as usize].get())
    }

    /// A number that tells runs with different choices apart.
    pub(crate) fn hash(&self) -> u64 {
        self.hash.get()
    }

    pub(crate) fn recorded(&self) -> Vec<Choice> {
        self.recorded.borrow().clone()
    }
}
