//! The machine, seen from outside.

mod account;
mod io;
mod observe;
mod pnp;
mod thread;
mod within;

use std::marker::PhantomData;
use std::rc::Rc;

use kmdf_sys::NT_SUCCESS;

use crate::config::HostConfig;
use crate::faults::Allocation;
use crate::fx::driver::{DriverEntry, DriverNumber, Module};
use crate::fx::registry::parameters_path;
use crate::lower::{LowerConfig, LowerDevice, LowerId, Outcome};
use crate::report::Report;
use crate::stop::{Awaited, Blocked, Deadlock, Stop};
use crate::system::scheduler::{self, Job, Started};
use crate::system::{DISPATCH_LEVEL, PASSIVE_LEVEL, System};
use crate::time::Ticks;
use crate::trace::{Event, Record, ThreadId, Trace};

pub use io::{FileId, IoId, Mode};
pub use observe::{ObjectState, RequestPlace};
pub use pnp::StackId;
pub use thread::HostThread;
pub use within::{BoundTable, IrpSpec, MdlState};

/// Names a loaded driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DriverId(pub(crate) u32);

/// A machine with drivers, lower devices and applications.
///
/// It belongs to the operating-system thread that made it.
pub struct Host {
    pub(crate) system: Rc<System>,
    stacks: Rc<pnp::Stacks>,
    not_send: PhantomData<*const ()>,
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host")
            .field("config", &self.system.config)
            .field("now", &self.now())
            .finish_non_exhaustive()
    }
}

impl Host {
    /// An empty machine.
    #[must_use]
    pub fn new(config: HostConfig) -> Self {
        Self {
            system: Rc::new(System::new(config)),
            stacks: Rc::default(),
            not_send: PhantomData,
        }
    }

    /// Sets a DWORD value in `Services\<service>\Parameters` of the registry.
    pub fn set_parameter(&self, service: &str, name: &str, value: u32) {
        let registry = &self.system.framework.registry;
        registry.set_ulong(&parameters_path(service), name, value);
    }

    /// Sets a value of any type (`REG_SZ` is 1, `REG_BINARY` 3, `REG_MULTI_SZ` 7) in `Services\<service>\Parameters` of the
    /// registry; texts are terminated UTF-16 in little-endian order.
    pub fn set_parameter_value(&self, service: &str, name: &str, kind: u32, data: &[u8]) {
        let registry = &self.system.framework.registry;
        registry.set(&parameters_path(service), name, kind, data);
    }

    /// Loads a driver: calls its entry point as the loader would.
    ///
    /// # Errors
    ///
    /// [`Stop::Status`] when the entry point fails, and whatever ends the run.
    pub fn load(&self, service: &str, entry: DriverEntry) -> Result<DriverId, Stop> {
        let module = {
            let mut modules = self.system.framework.modules.borrow_mut();
            let number = DriverNumber(u32::try_from(modules.len()).unwrap_or(u32::MAX - 1));
            let module = Rc::new(Module::new(number, service));
            modules.push(Rc::clone(&module));
            module
        };
        let own = Rc::clone(&module);
        let status = self.call("loader", move |system| {
            let number = own.number;
            let status = system.callback(number, "DriverEntry", 0, || {
                // SAFETY: the caller names a function with the contract of DriverEntry; both arguments are valid.
                unsafe { entry(own.driver_object(), own.registry_string()) }
            });
            system.driver_entry_returned(&own, status);
            if !NT_SUCCESS(status) {
                system.delete_driver(&own);
            }
            status
        })?;
        if NT_SUCCESS(status) {
            module.loaded.set(true);
            Ok(DriverId(module.number.0))
        } else {
            Err(self.failed(&format!("DriverEntry of {service}"), status))
        }
    }

    /// Sets a property of a lower device, as the PnP manager knows it: what `WdfDeviceQueryProperty` and its kin give back.
    ///
    /// `property` is one of `DEVICE_REGISTRY_PROPERTY`; texts are terminated UTF-16 in little-endian order.
    pub fn set_property(&self, lower: LowerId, property: i32, value: &[u8]) {
        let device = self.system.lower(lower).object();
        let properties = &self.system.framework.properties;
        properties.set(&device, property, value);
    }

    /// Puts a lower device into the machine.
    pub fn add_lower(&self, device: impl LowerDevice + 'static, config: LowerConfig) -> LowerId {
        self.system.add_lower(Box::new(device), config)
    }

    /// Looks at or changes a lower device.
    ///
    /// # Panics
    ///
    /// When the device is not a `T`.
    pub fn with_lower<T: LowerDevice, R>(&self, id: LowerId, f: impl FnOnce(&mut T) -> R) -> R {
        self.system.with_lower(id, f)
    }

    /// Number of IRPs that a lower device holds.
    #[must_use]
    pub fn held_by(&self, id: LowerId) -> usize {
        self.system.lower(id).held().len()
    }

    /// Completes the `index`-th IRP that a lower device holds (0 is the oldest); `false` when there is none.
    ///
    /// # Errors
    ///
    /// Whatever ends the run.
    pub fn complete_lower(
        &self,
        id: LowerId,
        index: usize,
        outcome: Outcome,
    ) -> Result<bool, Stop> {
        let lower = self.system.lower(id);
        self.call_at("interrupt", DISPATCH_LEVEL, move |system| {
            system.complete_lower_at(&lower, index, outcome)
        })
    }

    /// Starts a logical thread at `PASSIVE_LEVEL` that may call DDIs. It runs when the host runs.
    pub fn spawn(&self, name: &str, f: impl FnOnce() + 'static) -> ThreadId {
        let started = self
            .system
            .start_thread(name, PASSIVE_LEVEL, Job::Call(Box::new(|_| f())));
        started.thread_id()
    }

    /// Runs until nothing is left to run. Requests that lower devices hold may remain; they can be completed or cancelled.
    ///
    /// A timer that fires for ever (a periodic one, or one that its callback starts again) does not keep this from returning
    /// once nobody waits any more.
    ///
    /// # Errors
    ///
    /// [`Stop::Deadlock`] when threads wait and nothing that could wake them is outstanding; whatever ends the run.
    pub fn run(&self) -> Result<(), Stop> {
        self.system.run_until(None, &|| self.is_quiet())?;
        while self.applications_give_up()? {
            self.system.run_until(None, &|| self.is_quiet())?;
        }
        let blocked = self.system.scheduler.blocked();
        let held = self
            .system
            .lowers
            .borrow()
            .iter()
            .any(|lower| lower.holds_indefinitely());
        if blocked.is_empty() || held {
            Ok(())
        } else {
            Err(self.deadlock())
        }
    }

    /// The system shuts down: calls `EvtDeviceShutdownNotification` of the control devices that have one.
    ///
    /// # Errors
    ///
    /// Whatever ends the run.
    pub fn notify_shutdown(&self) -> Result<(), Stop> {
        self.call("shutdown", System::notify_shutdown)
    }

    /// Whether nothing but timers that fire for ever is left, and nobody waits for one.
    fn is_quiet(&self) -> bool {
        let system = &self.system;
        !system.scheduler.has_ready()
            && system.clock.only_recurring()
            && system.scheduler.blocked().is_empty()
            && system
                .irps
                .live()
                .iter()
                .all(|irp| irp.io.borrow().is_none())
    }

    /// Runs for a span of virtual time.
    ///
    /// # Errors
    ///
    /// Whatever ends the run.
    pub fn run_for(&self, span: Ticks) -> Result<(), Stop> {
        let until = self.now() + span;
        self.system.run_until(Some(until), &|| false)?;
        self.system.clock.advance_to(until);
        Ok(())
    }

    /// Virtual time.
    #[must_use]
    pub fn now(&self) -> Ticks {
        self.system.now()
    }

    /// Lets the `nth` allocation of a sort from now on fail; 1 is the next, 0 takes it back.
    pub fn fail_allocation(&self, kind: Allocation, nth: u32) {
        self.system.faults.fail(kind, nth);
    }

    /// The status that locking pages raises when [`Allocation::Probe`] fails.
    pub fn set_probe_status(&self, status: kmdf_sys::NTSTATUS) {
        self.system.faults.set_probe_status(status);
    }

    /// How many allocations of a sort there were.
    #[must_use]
    pub fn allocations(&self, kind: Allocation) -> u64 {
        self.system.faults.made(kind)
    }

    /// What was recorded so far; empty when tracing is off.
    #[must_use]
    pub fn trace(&self) -> Trace {
        Trace {
            records: self.system.tracer.records(),
        }
    }

    /// What was recorded since the last call, which is kept no longer; empty when tracing is off.
    #[must_use]
    pub fn take_trace(&self) -> Trace {
        Trace {
            records: self.system.tracer.take(),
        }
    }

    /// Records from now on and hands the records to `sink`, some at a time, instead of keeping them, so that the length of
    /// a run does not matter; the last come when the host is finished or dropped.
    ///
    /// The sink may be called wherever something happens, on the stack of a logical thread
    /// ([`HostConfig::stack_bytes`]), and must not use the host.
    ///
    /// ```
    /// use std::{cell::Cell, rc::Rc};
    ///
    /// use kmdf_host::{Disk, Event, Host, HostConfig, LowerConfig};
    ///
    /// # fn main() -> Result<(), kmdf_host::Stop> {
    /// let host = Host::new(HostConfig::new());
    /// let submitted = Rc::new(Cell::new(0));
    /// let seen = Rc::clone(&submitted);
    /// host.stream_trace(move |records| {
    ///     let new = records.iter().filter(|record| matches!(record.event, Event::IoSubmitted { .. }));
    ///     seen.set(seen.get() + new.count());
    /// });
    /// let disk = host.add_lower(Disk::in_memory(), LowerConfig::new("disk"));
    /// let stack = host.plug(disk, &[])?;
    /// let file = host.open(stack)?;
    /// host.write(file, 0, b"hello")?;
    /// host.close(file)?;
    /// assert!(host.finish().is_clean());
    /// // Create, write, cleanup, close.
    /// assert_eq!(submitted.get(), 4);
    /// # Ok(())
    /// # }
    /// ```
    pub fn stream_trace(&self, sink: impl FnMut(&[Record]) + 'static) {
        self.system.tracer.set_sink(Box::new(sink));
    }

    /// Why the host stopped for good, if it did.
    #[must_use]
    pub fn stopped(&self) -> Option<Stop> {
        self.system.stop.borrow().clone()
    }

    /// Debug breaks of the framework's verifier so far.
    #[must_use]
    pub fn breaks(&self) -> u64 {
        self.system.counters.breaks.get()
    }

    /// Removes all stacks, unloads all drivers and accounts for everything.
    #[must_use]
    pub fn finish(self) -> Report {
        self.wind_up();
        self.report()
    }

    /// Runs `work` in a logical thread until it is done.
    fn call<R: 'static>(
        &self,
        name: &str,
        work: impl FnOnce(&System) -> R + 'static,
    ) -> Result<R, Stop> {
        self.call_at(name, PASSIVE_LEVEL, work)
    }

    fn call_at<R: 'static>(
        &self,
        name: &str,
        irql: u8,
        work: impl FnOnce(&System) -> R + 'static,
    ) -> Result<R, Stop> {
        let result = Rc::new(std::cell::Cell::new(None));
        let slot = Rc::clone(&result);
        let job = Job::Call(Box::new(move |system: &System| {
            slot.set(Some(work(system)))
        }));
        let started = self.system.start_thread(name, irql, job);
        self.run_to_end(&started)?;
        result.take().ok_or_else(|| self.deadlock())
    }

    fn run_to_end(&self, started: &Started) -> Result<(), Stop> {
        match self.system.run_until(None, &|| started.is_done())? {
            scheduler::Outcome::Done => Ok(()),
            scheduler::Outcome::Idle => Err(self.deadlock()),
        }
    }

    /// A step that a driver or the framework failed.
    fn failed(&self, what: &str, status: kmdf_sys::NTSTATUS) -> Stop {
        if self.system.faults.watching() {
            self.system.faults.step_failed(status);
        }
        Stop::Status {
            what: what.to_owned(),
            status,
        }
    }

    fn deadlock(&self) -> Stop {
        let stop = self.describe_deadlock();
        self.system.trace(|| Event::Stopped {
            reason: stop.to_string(),
        });
        stop
    }

    fn describe_deadlock(&self) -> Stop {
        let live = self.system.irps.live();
        let io = live.iter().filter_map(|irp| {
            let io = irp.io.borrow();
            let io = io.as_ref()?;
            let holder = irp.holder.borrow().as_ref().map(ToString::to_string);
            let with = holder.or_else(|| irp.device().map(|device| device.actor.to_string()));
            Some(Blocked {
                thread: io.describe(),
                waits_for: with.unwrap_or_else(|| "nobody".to_owned()),
                awaited: Awaited::Request,
            })
        });
        Stop::Deadlock(Deadlock {
            threads: self.system.scheduler.blocked(),
            io: io.collect(),
        })
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.system.tear_down();
    }
}
