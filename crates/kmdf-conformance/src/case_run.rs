//! One case, run in a machine of its own.

use core::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use kmdf_host::{ClientVersion, DriverId, Host, HostConfig, LowerId, Policy, Stop, Ticks};
use kmdf_sys::NTSTATUS;

use crate::call::Word;
use crate::callback::Signature;
use crate::cases::{Body, Does, Step};
use crate::error::{Malformed, Problem, differs, malformed};
use crate::keys::{boolean, text};
use crate::layout;
use crate::lower::Below;
use crate::memory::Block;
use crate::names::{Call, Callback, Entity, Structure, Variable};

thread_local! {
    /// The case that is running on this operating-system thread.
    static CURRENT: RefCell<Option<Rc<Run>>> = const { RefCell::new(None) };
}

/// Something that happened, by its name in `log`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Callback(String),
    /// An IRP reached the device below of this number.
    Irp(usize),
    Completed(String),
}

/// An invocation of a callback that has not returned.
#[derive(Debug)]
pub(crate) struct Frame {
    number: usize,
    pub(crate) callback: Rc<Callback>,
    pub(crate) arguments: BTreeMap<&'static str, Word>,
}

/// The running case.
pub(crate) struct Run {
    pub(crate) host: Host,
    pub(crate) body: Body,
    pub(crate) driver: Cell<Option<DriverId>>,
    pub(crate) names: RefCell<BTreeMap<String, Entity>>,
    pub(crate) variables: RefCell<BTreeMap<String, Variable>>,
    /// The variables that some step makes, which may be looked at before.
    pub(crate) made_by_steps: BTreeSet<String>,
    pub(crate) callbacks: RefCell<Vec<Rc<Callback>>>,
    pub(crate) frames: RefCell<Vec<Frame>>,
    frame_numbers: Cell<usize>,
    pub(crate) events: RefCell<Vec<Event>>,
    /// The devices below, by number; 0 is that of `dev`.
    pub(crate) belows: RefCell<Vec<(Rc<Below>, LowerId)>>,
    /// Whether IRPs are reported: not while the world is built.
    pub(crate) reporting: Rc<Cell<bool>>,
    pub(crate) blocks: RefCell<Vec<Rc<Block>>>,
    /// Reference counts that `refs` is relative to, by name.
    pub(crate) baselines: RefCell<BTreeMap<String, i32>>,
    /// MDLs and IRPs of the framework at the start of the steps.
    pub(crate) allocated: Cell<(i64, i64)>,
    pub(crate) began: Cell<Ticks>,
    pub(crate) problem: RefCell<Option<(usize, Problem)>>,
    /// Steps that have begun and not ended, the last to begin last.
    running: RefCell<Vec<usize>>,
    after_left: Cell<usize>,
    main_done: Cell<bool>,
    /// How many steps have begun.
    begun: Cell<usize>,
    /// What ended the machine before the building of the world was seen to be over.
    pub(crate) stop: RefCell<Option<Stop>>,
    on_step: fn(usize),
    /// The callback that stands for EvtDriverDeviceAdd now.
    pub(crate) adding: RefCell<Option<String>>,
    /// The devices below the devices of the driver, by their names.
    pub(crate) device_belows: RefCell<BTreeMap<String, usize>>,
    /// The device that is being added.
    pub(crate) adding_device: RefCell<Option<crate::world::NewDevice>>,
}

/// How a case ended.
pub(crate) type Verdict = Result<(), (Option<usize>, Problem)>;

/// More steps than any case needs: what executes as many goes round in a circle.
const STEPS: usize = 20_000;

/// More invocations inside one another than any case needs.
const DEPTH: usize = 48;

/// The stack of a logical thread, for so many invocations inside one another.
const STACK_BYTES: usize = 16 << 20;

/// Runs a case; `on_step` is told the number of each step that begins.
pub(crate) fn run(body: &Body, on_step: fn(usize)) -> Verdict {
    let run = Rc::new(Run::new(body.clone(), on_step).map_err(|error| (None, error.into()))?);
    CURRENT.set(Some(Rc::clone(&run)));
    let verdict = run.whole();
    CURRENT.set(None);
    run.host.shut_down();
    verdict
}

pub(crate) fn current() -> Option<Rc<Run>> {
    CURRENT.with_borrow(Clone::clone)
}

/// A callback of the running case was called.
pub(crate) fn invoked(signature: Signature, slot: usize, arguments: &[Word]) -> NTSTATUS {
    let Some(run) = current() else {
        return 0;
    };
    let callback = {
        let callbacks = run.callbacks.borrow();
        callbacks
            .iter()
            .find(|callback| callback.place.get() == Some((signature, slot)))
            .cloned()
    };
    callback.map_or(0, |callback| {
        run.invoke_callback(&callback, signature, arguments)
    })
}

impl Run {
    fn new(body: Body, on_step: fn(usize)) -> Result<Self, Malformed> {
        let verifier = body.world.get("verifier").map_or(Ok(false), boolean)?;
        let client = body.world.get("client").map_or(Ok("1.33"), text)?;
        let minor = client
            .strip_prefix("1.")
            .and_then(|minor| minor.parse().ok());
        let minor = minor.ok_or_else(|| malformed(format!("client {client}")))?;
        let config = HostConfig::new()
            .policy(Policy::InOrder)
            .stack_bytes(STACK_BYTES)
            .verifier(verifier)
            .client(ClientVersion::kmdf1(minor));
        Ok(Self {
            host: Host::new(config),
            made_by_steps: body.variables(),
            body,
            driver: Cell::new(None),
            names: RefCell::default(),
            variables: RefCell::default(),
            callbacks: RefCell::default(),
            frames: RefCell::default(),
            frame_numbers: Cell::new(0),
            events: RefCell::default(),
            belows: RefCell::default(),
            reporting: Rc::default(),
            blocks: RefCell::default(),
            baselines: RefCell::default(),
            allocated: Cell::default(),
            began: Cell::new(Ticks::ZERO),
            problem: RefCell::default(),
            running: RefCell::default(),
            after_left: Cell::new(0),
            main_done: Cell::new(false),
            begun: Cell::new(0),
            stop: RefCell::default(),
            on_step,
            adding: RefCell::default(),
            device_belows: RefCell::default(),
            adding_device: RefCell::default(),
        })
    }

    fn whole(self: &Rc<Self>) -> Verdict {
        self.check_names().map_err(|error| (None, error.into()))?;
        self.build().map_err(|problem| (None, problem))?;
        let over = || self.has_failed() || self.main_done.get() && self.after_left.get() == 0;
        let ended = match self.stop.borrow_mut().take() {
            Some(stop) => Err(stop),
            None => self.host.run_until(over),
        };
        if let Some((step, problem)) = self.problem.borrow_mut().take() {
            return Err((Some(step), problem));
        }
        match ended {
            Ok(true) => Ok(()),
            Ok(false) => self.hung(),
            Err(stop) => self.stopped(&stop),
        }
    }

    /// Every callback that a step belongs to exists.
    fn check_names(&self) -> Result<(), Malformed> {
        let callbacks = self
            .body
            .world
            .get("callback")
            .and_then(toml::Value::as_table);
        for name in self
            .body
            .steps
            .iter()
            .filter_map(|step| step.within.as_ref())
        {
            if !callbacks.is_some_and(|callbacks| callbacks.contains_key(name)) {
                return Err(malformed(format!("unknown callback {name}")));
            }
        }
        Ok(())
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.problem.borrow().is_some()
    }

    /// Virtual milliseconds since the first step.
    pub(crate) fn at(&self) -> u64 {
        (self.host.now() - self.began.get()).as_millis()
    }

    pub(crate) fn main_sequence(self: &Rc<Self>) {
        for (index, step) in self.body.steps.iter().enumerate() {
            if step.within.is_none() {
                self.reach(index, step);
                self.host.settle();
            }
            if self.has_failed() {
                return;
            }
        }
        self.main_done.set(true);
    }

    /// Executes a step, or schedules it.
    fn reach(self: &Rc<Self>, index: usize, step: &Step) {
        let Some(after) = step.after else {
            return self.execute(index, step);
        };
        self.after_left.set(self.after_left.get() + 1);
        let run = Rc::clone(self);
        let own = step.clone();
        self.host.spawn("another thread", move || {
            if after > 0 {
                run.host.pass(Ticks::from_millis(after));
            }
            run.execute(index, &own);
            run.after_left.set(run.after_left.get() - 1);
        });
    }

    fn execute(self: &Rc<Self>, index: usize, step: &Step) {
        if self.has_failed() {
            return;
        }
        let begun = self.begun.get() + 1;
        self.begun.set(begun);
        if begun > STEPS {
            let found = format!("{STEPS} steps executed");
            return self.fail(index, differs("the case to end", found));
        }
        (self.on_step)(index + 1);
        self.running.borrow_mut().push(index);
        let before = self.host.irql();
        if let Some(irql) = step.irql {
            self.host.set_irql(irql);
        }
        let breaks = self.host.breaks();
        let outcome = match &step.does {
            Does::Call(ddi) => self.call(ddi, step),
            Does::Action(action) => self.act(action, step),
            Does::Check => Ok(crate::step::Outcome::default()),
        };
        if step.irql.is_some() {
            self.host.set_irql(before);
        }
        self.running
            .borrow_mut()
            .retain(|running| *running != index);
        let checked = outcome.and_then(|outcome| {
            self.find_requests();
            self.check(step, &outcome, self.host.breaks() - breaks)
        });
        if let Err(problem) = checked {
            self.fail(index, problem);
        }
    }

    fn fail(&self, index: usize, problem: Problem) {
        self.problem.borrow_mut().get_or_insert((index, problem));
    }

    fn invoke_callback(
        self: &Rc<Self>,
        callback: &Rc<Callback>,
        signature: Signature,
        arguments: &[Word],
    ) -> NTSTATUS {
        self.find_requests();
        let names = signature.parameters().iter().copied();
        let arguments: BTreeMap<_, _> = names.zip(arguments.iter().copied()).collect();
        let params = arguments
            .get("Params")
            .and_then(|params| usize::try_from(*params).ok());
        let params = params.filter(|address| *address != 0).map(|address| {
            // SAFETY: the framework passes completion parameters of its own to a completion routine.
            unsafe { Structure::copy(&layout::COMPLETION_PARAMS, address) }
        });
        callback.calls.borrow_mut().push(Call {
            arguments: arguments.clone(),
            params,
            at: self.at(),
            irql: self.host.irql(),
        });
        self.events
            .borrow_mut()
            .push(Event::Callback(callback.name.clone()));
        if self.frames.borrow().len() >= DEPTH {
            let step = self.running.borrow().last().copied().unwrap_or(0);
            let found = format!("{DEPTH} invocations inside one another");
            self.fail(step, differs("the case to end", found));
            return callback.returns;
        }
        let invocation = callback.calls.borrow().len();
        let number = self.frame_numbers.get();
        self.frame_numbers.set(number + 1);
        self.frames.borrow_mut().push(Frame {
            number,
            callback: Rc::clone(callback),
            arguments,
        });
        for (index, step) in self.body.steps.iter().enumerate() {
            let own = step.within.as_deref() == Some(callback.name.as_str());
            if own && step.nth.is_none_or(|nth| nth == invocation) {
                self.reach(index, step);
            }
        }
        self.frames
            .borrow_mut()
            .retain(|frame| frame.number != number);
        callback.returns
    }

    /// Nothing is left to run, but a step is not over.
    fn hung(&self) -> Verdict {
        let running = self.running.borrow().clone();
        let expected = |index: &usize| self.body.steps[*index].expect.contains_key("hangs");
        if let Some(index) = running.iter().rev().find(|index| expected(index)) {
            let rest = self.check_rest(&self.body.steps[*index]);
            return rest.map_err(|problem| (Some(*index), problem));
        }
        match running.first() {
            Some(index) => Err((
                Some(*index),
                differs("the call to return", "it blocks for ever"),
            )),
            None => Err((None, differs("every step to run", "nothing is left to run"))),
        }
    }

    fn stopped(&self, stop: &Stop) -> Verdict {
        let running = self.running.borrow().clone();
        let last = running.last().copied();
        if let Stop::Panic { ddi } = stop {
            return Err((last, Problem::Panic((*ddi).to_owned())));
        }
        let awaited = |index: &usize| self.body.steps[*index].expect.contains_key("hangs");
        if matches!(stop, Stop::Deadlock(..)) && running.iter().any(awaited) {
            return self.hung();
        }
        let Stop::Bugcheck(bugcheck) = stop else {
            return Err((last, differs("the run to go on", stop.to_string())));
        };
        let expected = |index: &usize| self.body.steps[*index].expect.contains_key("bugcheck");
        match running.iter().rev().find(|index| expected(index)) {
            Some(index) => {
                let step = &self.body.steps[*index];
                self.check_bugcheck(step, bugcheck)
                    .and_then(|()| self.check_rest(step))
                    .map_err(|problem| (Some(*index), problem))
            }
            None => Err((last, differs("no bugcheck", bugcheck.to_string()))),
        }
    }
}
