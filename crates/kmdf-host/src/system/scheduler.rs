//! Logical threads, one at a time, in an order that the choices of the run decide.

use core::cell::{Cell, RefCell};
use core::fmt;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use super::choice::{ChoiceKind, Chooser};
use super::clock::{Due, TimerId};
use super::coroutine::{Fiber, SuspendPoint, Suspender};
use super::wait::{WaitReason, Wake};
use super::{DISPATCH_LEVEL, Entered, PASSIVE_LEVEL, System, current};
use crate::config::HostConfig;
use crate::fx::driver::DriverNumber;
use crate::stop::{Blocked, Stop};
use crate::system::io::Io;
use crate::time::Ticks;
use crate::trace::{Event, ThreadId};
use crate::verify::HeldLock;
use crate::verify::stack::here;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Ready,
    Running,
    Blocked,
    Dead,
}

/// Work for a logical thread.
pub(crate) enum Job {
    /// An application's I/O.
    Io(Rc<Io>),
    /// Anything else.
    Call(Box<dyn FnOnce(&System)>),
}

/// What belongs to the thread that runs and is kept with it while it does not.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) irql: Cell<u8>,
    pub(crate) driver: Cell<DriverNumber>,
    pub(crate) ddi: Cell<&'static str>,
    /// The innermost callback of a driver's.
    pub(crate) callback: Cell<&'static str>,
    /// The object it is about, by its handle.
    pub(crate) object: Cell<usize>,
    /// Depth of critical regions (normal kernel APCs disabled).
    pub(crate) critical_regions: Cell<u32>,
    /// How many locks the thread holds.
    pub(crate) locks: Cell<usize>,
}

impl Context {
    const fn new() -> Self {
        Self {
            irql: Cell::new(PASSIVE_LEVEL),
            driver: Cell::new(DriverNumber::NONE),
            ddi: Cell::new(""),
            callback: Cell::new(""),
            object: Cell::new(0),
            critical_regions: Cell::new(0),
            locks: Cell::new(0),
        }
    }

    fn swap(&self, other: &Self) {
        self.irql.swap(&other.irql);
        self.driver.swap(&other.driver);
        self.ddi.swap(&other.ddi);
        self.callback.swap(&other.callback);
        self.object.swap(&other.object);
        self.critical_regions.swap(&other.critical_regions);
        self.locks.swap(&other.locks);
    }
}

/// A logical thread.
pub(crate) struct Thread {
    pub(crate) id: ThreadId,
    pub(crate) name: RefCell<Arc<str>>,
    fiber: RefCell<Option<Fiber>>,
    suspend_point: SuspendPoint,
    state: Cell<State>,
    job: RefCell<Option<Job>>,
    saved: Context,
    wake: Cell<Wake>,
    timer: Cell<Option<TimerId>>,
    waits_for: Cell<WaitReason>,
    /// The thread on whose processor this DPC is queued, and its job: it runs when that is below `DISPATCH_LEVEL` again.
    behind: RefCell<Option<Started>>,
    /// How often a job was given to this thread; tells one job of a reused thread from the next.
    pub(crate) jobs: Cell<u64>,
    /// An address above all frames of its jobs.
    pub(crate) stack_top: Cell<usize>,
    /// The locks that it holds, in the order in which it acquired them.
    pub(crate) locks: RefCell<Vec<HeldLock>>,
}

impl fmt::Debug for Thread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Thread({}, {})", self.id.0, self.name.borrow())
    }
}

/// A job that was given to a thread.
#[derive(Clone, Debug)]
pub(crate) struct Started {
    thread: Rc<Thread>,
    job: u64,
}

impl Started {
    pub(crate) fn thread_id(&self) -> ThreadId {
        self.thread.id
    }

    /// Whether the job has ended.
    pub(crate) fn is_done(&self) -> bool {
        self.thread.jobs.get() != self.job || self.thread.state.get() == State::Idle
    }
}

/// How a run of the scheduler ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The condition came true.
    Done,
    /// Nothing can run and no event is due before the limit.
    Idle,
}

/// The threads that can run.
#[derive(Default)]
struct Candidates {
    numbers: Vec<ThreadId>,
    /// Their places among those that are ready.
    places: Vec<usize>,
}

/// Who gets ahead of the thread that runs.
enum Ahead {
    Nobody,
    /// Another thread, on another processor.
    Thread(Rc<Thread>),
    /// One of the events that are due.
    Due(usize),
    /// All threads are held up until the next event.
    Event,
}

/// The threads and who is next.
pub(crate) struct Scheduler {
    pub(crate) context: Context,
    pub(crate) chooser: Chooser,
    preempt: bool,
    stack_bytes: usize,
    threads: RefCell<Vec<Rc<Thread>>>,
    idle: RefCell<Vec<Rc<Thread>>>,
    ready: RefCell<VecDeque<Rc<Thread>>>,
    /// Kept for choices between ready threads.
    candidates: RefCell<Candidates>,
    /// Who has got ahead of the thread that ran.
    next: RefCell<Ahead>,
    current: RefCell<Option<Rc<Thread>>>,
    current_id: Cell<Option<ThreadId>>,
    /// The name in a trace of what no thread did.
    own_name: Arc<str>,
}

impl Scheduler {
    pub(crate) fn new(config: &HostConfig) -> Self {
        Self {
            context: Context::new(),
            chooser: Chooser::new(config),
            preempt: config.preempt,
            stack_bytes: config.stack_bytes,
            threads: RefCell::new(Vec::new()),
            idle: RefCell::new(Vec::new()),
            ready: RefCell::new(VecDeque::new()),
            candidates: RefCell::default(),
            next: RefCell::new(Ahead::Nobody),
            current: RefCell::new(None),
            current_id: Cell::new(None),
            own_name: Arc::from("scheduler"),
        }
    }

    pub(crate) fn current_id(&self) -> Option<ThreadId> {
        self.current_id.get()
    }

    pub(crate) fn current(&self) -> Option<Rc<Thread>> {
        self.current.borrow().clone()
    }

    /// Whether a thread could run now.
    pub(crate) fn has_ready(&self) -> bool {
        !self.ready.borrow().is_empty()
    }

    /// The name of the running thread, or that of what stands in for one while none runs.
    pub(crate) fn current_name(&self) -> Arc<str> {
        match &*self.current.borrow() {
            Some(thread) => Arc::clone(&thread.name.borrow()),
            None => Arc::clone(&self.own_name),
        }
    }

    pub(crate) fn blocked(&self) -> Vec<Blocked> {
        let threads = self.threads.borrow();
        let blocked = threads
            .iter()
            .filter(|thread| thread.state.get() == State::Blocked);
        blocked
            .map(|thread| Blocked {
                thread: thread.name.borrow().to_string(),
                waits_for: thread.waits_for.get().to_string(),
                awaited: thread.waits_for.get().sort(),
            })
            .collect()
    }

    /// Gives up all threads, for the end of a host.
    pub(crate) fn abandon(&self) {
        let threads = core::mem::take(&mut *self.threads.borrow_mut());
        self.idle.borrow_mut().clear();
        self.ready.borrow_mut().clear();
        self.next.replace(Ahead::Nobody);
        for thread in threads {
            thread.state.set(State::Dead);
            let fiber = thread.fiber.borrow_mut().take();
            drop(fiber);
            let job = thread.job.borrow_mut().take();
            drop(job);
        }
    }
}

impl System {
    /// Starts a logical thread at `irql` with `job`, on an idle stack if there is one.
    pub(crate) fn start_thread(&self, name: &str, irql: u8, job: Job) -> Started {
        let idle = self.scheduler.idle.borrow_mut().pop();
        let thread = idle.unwrap_or_else(|| self.new_thread());
        if **thread.name.borrow() != *name {
            *thread.name.borrow_mut() = Arc::from(name);
        }
        thread.saved.irql.set(irql);
        thread.saved.driver.set(DriverNumber::NONE);
        thread.saved.ddi.set("");
        thread.saved.callback.set("");
        thread.saved.object.set(0);
        thread.saved.critical_regions.set(0);
        thread.saved.locks.set(0);
        thread.locks.borrow_mut().clear();
        thread.behind.borrow_mut().take();
        *thread.job.borrow_mut() = Some(job);
        let number = thread.jobs.get() + 1;
        thread.jobs.set(number);
        self.scheduler.chooser.started(thread.id);
        self.make_ready(&thread);
        Started {
            thread,
            job: number,
        }
    }

    fn new_thread(&self) -> Rc<Thread> {
        let mut threads = self.scheduler.threads.borrow_mut();
        let id = ThreadId(u32::try_from(threads.len()).unwrap_or(u32::MAX));
        let fiber = Fiber::new(self.scheduler.stack_bytes, thread_main);
        let thread = Rc::new(Thread {
            id,
            name: RefCell::new(Arc::clone(&self.scheduler.own_name)),
            fiber: RefCell::new(Some(
                fiber.expect("memory for the stack of a logical thread"),
            )),
            suspend_point: SuspendPoint::none(),
            state: Cell::new(State::Idle),
            job: RefCell::new(None),
            saved: Context::new(),
            wake: Cell::new(Wake::Signaled),
            timer: Cell::new(None),
            waits_for: Cell::new(WaitReason::Nothing),
            behind: RefCell::new(None),
            jobs: Cell::new(0),
            stack_top: Cell::new(0),
            locks: RefCell::new(Vec::new()),
        });
        threads.push(Rc::clone(&thread));
        thread
    }

    /// A thread of the system at `PASSIVE_LEVEL`, as a work item runs.
    pub(crate) fn queue_work(&self, name: &str, work: impl FnOnce(&System) + 'static) {
        self.start_thread(name, PASSIVE_LEVEL, Job::Call(Box::new(work)));
    }

    /// A deferred procedure call at `DISPATCH_LEVEL`.
    pub(crate) fn queue_dpc(&self, name: &str, work: Box<dyn FnOnce(&System)>) {
        let dpc = self.start_thread(name, DISPATCH_LEVEL, Job::Call(work));
        if self.scheduler.preempt
            && self.irql() >= DISPATCH_LEVEL
            && let Some(thread) = self.scheduler.current()
        {
            let job = thread.jobs.get();
            *dpc.thread.behind.borrow_mut() = Some(Started { thread, job });
        }
    }

    /// Whether a ready thread can run now: a DPC cannot while the processor that queued it is at `DISPATCH_LEVEL`.
    fn can_run(&self, thread: &Thread) -> bool {
        let mut behind = thread.behind.borrow_mut();
        let Some(queued_by) = behind.as_ref() else {
            return true;
        };
        let running = self.scheduler.current_id() == Some(queued_by.thread.id);
        let irql = if running {
            self.irql()
        } else {
            queued_by.thread.saved.irql.get()
        };
        // A processor that spins, or has stopped, must not hold up the run.
        let goes_on = matches!(queued_by.thread.state.get(), State::Running | State::Ready);
        if goes_on && irql >= DISPATCH_LEVEL && !queued_by.is_done() {
            return false;
        }
        *behind = None;
        true
    }

    /// The threads that can run now: their numbers and their places among the ready ones.
    fn candidates(&self) -> std::cell::RefMut<'_, Candidates> {
        let mut candidates = self.scheduler.candidates.borrow_mut();
        let Candidates { numbers, places } = &mut *candidates;
        numbers.clear();
        places.clear();
        for (place, thread) in self.scheduler.ready.borrow().iter().enumerate() {
            if self.can_run(thread) {
                numbers.push(thread.id);
                places.push(place);
            }
        }
        candidates
    }

    /// One of `count` alternatives; a choice between fewer than two is none. Every choice of a run is made here or in the two
    /// functions that follow.
    pub(crate) fn choose(&self, kind: ChoiceKind, count: usize) -> usize {
        let chosen = self.scheduler.chooser.choose(kind, count);
        self.trace_choice(kind, count, chosen);
        chosen
    }

    /// Which thread runs, or which of `due` events happens first, or, if all threads can be `held_up`, that none runs.
    fn choose_ready(&self, due: usize, held_up: bool) -> Ahead {
        let candidates = self.candidates();
        let threads = candidates.places.len();
        let count = threads + due + usize::from(held_up);
        let chooser = &self.scheduler.chooser;
        let chosen = chooser.choose_ready(&candidates.numbers, due, held_up);
        self.trace_choice(ChoiceKind::Thread, count, chosen);
        match candidates.places.get(chosen) {
            Some(&place) => self.take_ready(place),
            None if chosen < threads + due => Ahead::Due(chosen - threads),
            None => Ahead::Event,
        }
    }

    fn take_ready(&self, place: usize) -> Ahead {
        let thread = self.scheduler.ready.borrow_mut().remove(place);
        thread.map_or(Ahead::Nobody, Ahead::Thread)
    }

    /// Who gets ahead of `running`.
    fn choose_preemption(&self, running: ThreadId, held_up: bool) -> Ahead {
        let candidates = self.candidates();
        let chooser = &self.scheduler.chooser;
        let chosen = chooser.choose_preemption(running, &candidates.numbers, held_up);
        let among = candidates.places.len() + 1 + usize::from(held_up);
        self.trace_choice(ChoiceKind::Preemption, among, chosen);
        match chosen.checked_sub(1) {
            None => Ahead::Nobody,
            Some(number) => match candidates.places.get(number) {
                Some(&place) => self.take_ready(place),
                None => Ahead::Event,
            },
        }
    }

    fn trace_choice(&self, kind: ChoiceKind, among: usize, chosen: usize) {
        if among > 1 {
            self.trace(|| Event::Choice {
                what: kind.between(),
                among,
                chosen,
            });
        }
    }

    fn make_ready(&self, thread: &Rc<Thread>) {
        thread.state.set(State::Ready);
        self.scheduler
            .ready
            .borrow_mut()
            .push_back(Rc::clone(thread));
    }

    /// Runs until `done`, or until nothing can run and no event is due up to `limit`.
    pub(crate) fn run_until(
        &self,
        limit: Option<Ticks>,
        done: &dyn Fn() -> bool,
    ) -> Result<Outcome, Stop> {
        let _entered = Entered::new(self);
        loop {
            if self.stopped.get() {
                return Err(self.stop_reason());
            }
            if done() {
                return Ok(Outcome::Done);
            }
            if !self.step(limit) {
                return Ok(Outcome::Idle);
            }
        }
    }

    fn step(&self, limit: Option<Ticks>) -> bool {
        let ahead = self.scheduler.next.replace(Ahead::Nobody);
        if let Ahead::Thread(thread) = &ahead {
            self.resume(thread);
            return true;
        }
        if matches!(ahead, Ahead::Event) && self.next_event(limit) {
            return true;
        }
        if self.scheduler.has_ready() {
            let (due, later) = self.competing_events(limit);
            match self.choose_ready(due, later > 0) {
                Ahead::Thread(thread) => {
                    self.resume(&thread);
                    return true;
                }
                Ahead::Due(index) => {
                    self.happen(self.now(), index);
                    return true;
                }
                Ahead::Nobody | Ahead::Event => {}
            }
        } else if self.clock.is_exhausted() {
            return false;
        }
        self.next_event(limit)
    }

    /// Lets time pass until the next event, if there is one up to `limit`.
    fn next_event(&self, limit: Option<Ticks>) -> bool {
        let Some((time, count)) = self.clock.next() else {
            return false;
        };
        if limit.is_some_and(|limit| time > limit) {
            return false;
        }
        let index = self.choose(ChoiceKind::Event, count);
        self.happen(time, index);
        true
    }

    /// How many events are due at this moment and compete with threads that are ready; or, if there is none, how many come
    /// next and may do so while the threads are held up.
    fn competing_events(&self, limit: Option<Ticks>) -> (usize, usize) {
        if !self.scheduler.preempt {
            return (0, 0);
        }
        match self.clock.next() {
            Some((time, count)) if time <= self.now() => (count, 0),
            Some((time, count))
                if self.config.hold_up && limit.is_none_or(|limit| time <= limit) =>
            {
                (0, count)
            }
            _ => (0, 0),
        }
    }

    /// Lets the `index`-th of the events due at `time` happen.
    fn happen(&self, time: Ticks, index: usize) {
        let due = self.clock.take(time, index);
        self.clock.advance_to(time);
        match due {
            Some(Due::Wake(thread)) => {
                thread.timer.set(None);
                self.wake(&thread, Wake::Timeout);
            }
            Some(Due::Call(name, call)) => self.queue_dpc(name, call),
            None => {}
        }
    }

    fn resume(&self, thread: &Rc<Thread>) {
        // Taken out while it runs: the thread may start others, and no borrow may be held meanwhile.
        let Some(mut fiber) = thread.fiber.borrow_mut().take() else {
            return;
        };
        thread.state.set(State::Running);
        self.scheduler.context.swap(&thread.saved);
        let running = Running {
            system: self,
            thread,
        };
        *self.scheduler.current.borrow_mut() = Some(Rc::clone(thread));
        self.scheduler.current_id.set(Some(thread.id));
        let alive = fiber.resume();
        drop(running);
        if alive {
            *thread.fiber.borrow_mut() = Some(fiber);
            if thread.state.get() == State::Idle {
                self.scheduler.idle.borrow_mut().push(Rc::clone(thread));
            }
        }
    }

    /// Suspends the running thread until it is woken or `deadline` has come.
    ///
    /// A processor at `DISPATCH_LEVEL` cannot switch threads; the wait that needs it ends the run.
    pub(crate) fn wait(&self, reason: WaitReason, deadline: Option<Ticks>) -> Wake {
        if self.irql() >= DISPATCH_LEVEL {
            self.wait_at_dispatch(reason);
        }
        self.block(reason, deadline)
    }

    /// Waits for a lock. A spin lock is spun for, on this processor alone, so its IRQL does not matter.
    pub(crate) fn wait_for_lock(
        &self,
        reason: WaitReason,
        spins: bool,
        deadline: Option<Ticks>,
    ) -> Wake {
        if spins {
            self.block(reason, deadline)
        } else {
            self.wait(reason, deadline)
        }
    }

    fn block(&self, reason: WaitReason, deadline: Option<Ticks>) -> Wake {
        let thread = self.running_thread();
        thread.waits_for.set(reason);
        thread.state.set(State::Blocked);
        if let Some(deadline) = deadline {
            thread.timer.set(Some(
                self.clock.arm(deadline, Due::Wake(Rc::clone(&thread))),
            ));
        }
        self.trace(|| Event::Wait {
            what: reason.to_string(),
        });
        self.suspend(&thread);
        thread.waits_for.set(WaitReason::Nothing);
        let wake = thread.wake.get();
        self.trace(|| Event::Resume {
            timeout: wake == Wake::Timeout,
        });
        wake
    }

    /// A point at which another processor may get ahead of this thread: no lock of the framework's is held here. It costs a
    /// branch unless pre-emption is on.
    #[inline]
    pub(crate) fn preemption_point(&self) {
        if self.scheduler.preempt {
            self.maybe_preempt();
        }
    }

    fn maybe_preempt(&self) {
        let Some(running) = self.scheduler.current_id() else {
            return;
        };
        let held_up = self.config.hold_up && self.clock.next().is_some();
        if self.stopped.get() || (self.scheduler.ready.borrow().is_empty() && !held_up) {
            return;
        }
        let ahead = self.choose_preemption(running, held_up);
        if !matches!(ahead, Ahead::Nobody) {
            let thread = self.running_thread();
            thread.waits_for.set(WaitReason::Preempted);
            self.make_ready(&thread);
            self.scheduler.next.replace(ahead);
            self.suspend(&thread);
        }
    }

    fn suspend(&self, thread: &Rc<Thread>) {
        // SAFETY: `thread` is the running thread; its fiber set the suspend point when it began.
        unsafe { thread.suspend_point.suspend() }
    }

    /// Ends a wait; `false` for a thread that does not wait, or whose wait has ended already.
    pub(crate) fn wake(&self, thread: &Rc<Thread>, why: Wake) -> bool {
        if thread.state.get() != State::Blocked {
            return false;
        }
        if let Some(timer) = thread.timer.take() {
            self.clock.disarm(timer);
        }
        thread.wake.set(why);
        self.make_ready(thread);
        true
    }

    /// Never runs the current thread again.
    pub(crate) fn halt(&self) -> ! {
        let thread = self.running_thread();
        thread.state.set(State::Dead);
        loop {
            self.suspend(&thread);
        }
    }

    pub(crate) fn running_thread(&self) -> Rc<Thread> {
        self.scheduler
            .current()
            .expect("driver code runs only in a logical thread")
    }
}

/// Puts the scheduler back in order when a thread gives up control, also by a panic of test code.
struct Running<'a> {
    system: &'a System,
    thread: &'a Rc<Thread>,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.system.scheduler.context.swap(&self.thread.saved);
        *self.system.scheduler.current.borrow_mut() = None;
        self.system.scheduler.current_id.set(None);
        if self.thread.state.get() == State::Running {
            self.thread.state.set(State::Dead);
        }
    }
}

/// What every fiber runs: one job after the other.
fn thread_main(suspender: Suspender<'_>) {
    loop {
        let system = current("a logical thread");
        let thread = system.running_thread();
        thread.suspend_point.set(suspender);
        thread.stack_top.set(here());
        let job = thread.job.borrow_mut().take();
        match job {
            Some(Job::Io(io)) => system.issue(&io),
            Some(Job::Call(call)) => call(system),
            None => {}
        }
        system.thread_ended();
        system.check_stack_buffers(here());
        thread.state.set(State::Idle);
        system.suspend(&thread);
    }
}
