//! The modelled machine: processor, clock, threads, memory, devices. The framework stands on it.
//!
//! One [`System`] belongs to one [`Host`](crate::Host). Its state is shared between logical threads that run one at a time
//! on one operating-system thread, so cells suffice; no borrow of a `RefCell` may live while driver code runs.

pub(crate) mod choice;
pub(crate) mod clock;
pub(crate) mod coroutine;
pub(crate) mod device;
pub(crate) mod dispatcher;
pub(crate) mod ends;
pub(crate) mod fail;
pub(crate) mod io;
pub(crate) mod irp;
pub(crate) mod mdl;
pub(crate) mod pool;
pub(crate) mod scheduler;
pub(crate) mod slab;
pub(crate) mod special_pool;
pub(crate) mod sync;
pub(crate) mod wait;

use core::cell::{Cell, RefCell};
use core::ptr;
use std::rc::Rc;

use crate::config::{ClientVersion, HostConfig};
use crate::faults::Faults;
use crate::fx::Framework;
use crate::lower::Lower;
use crate::report::{Counters, Violation};
use crate::stop::Stop;
use crate::time::Ticks;
use crate::trace::{Actor, Event, Record, Tracer};
use crate::verify::stack::StackBuffers;

use clock::Clock;
use device::DeviceTable;
use dispatcher::KernelObjects;
use io::IoTable;
use irp::IrpTable;
use mdl::MdlTable;
use pool::Pool;
use scheduler::Scheduler;
use special_pool::SpecialPool;
use sync::DispatcherObjects;

pub(crate) const PASSIVE_LEVEL: u8 = 0;
pub(crate) const APC_LEVEL: u8 = 1;
pub(crate) const DISPATCH_LEVEL: u8 = 2;

thread_local! {
    /// The system whose logical thread runs on this operating-system thread.
    static CURRENT: Cell<*const System> = const { Cell::new(ptr::null()) };
}

/// Everything one host owns.
pub(crate) struct System {
    pub(crate) config: HostConfig,
    pub(crate) clock: Clock,
    pub(crate) scheduler: Scheduler,
    pub(crate) irps: IrpTable,
    pub(crate) ios: IoTable,
    pub(crate) mdls: MdlTable,
    pub(crate) pool: Pool,
    pub(crate) devices: DeviceTable,
    pub(crate) dispatchers: DispatcherObjects,
    pub(crate) kernel: KernelObjects,
    pub(crate) lowers: RefCell<Vec<Rc<Lower>>>,
    pub(crate) framework: Framework,
    pub(crate) faults: Faults,
    pub(crate) tracer: Tracer,
    pub(crate) counters: Counters,
    pub(crate) violations: RefCell<Vec<Violation>>,
    pub(crate) stack_buffers: StackBuffers,
    pub(crate) verify: crate::verify::State,
    /// Where memory of drivers comes from, if it is to be guarded.
    pub(crate) special_pool: Option<Rc<SpecialPool>>,
    pub(crate) stop: RefCell<Option<Stop>>,
    /// Whether `stop` is set; the cheap question asked in every scheduling step.
    pub(crate) stopped: Cell<bool>,
    pub(crate) actors: Actors,
}

/// Actors that always exist.
pub(crate) struct Actors {
    pub(crate) app: Actor,
    pub(crate) framework: Actor,
}

impl System {
    pub(crate) fn new(config: HostConfig) -> Self {
        Self {
            clock: Clock::new(),
            scheduler: Scheduler::new(&config),
            irps: IrpTable::new(),
            ios: IoTable::new(),
            mdls: MdlTable::new(),
            pool: Pool::new(),
            devices: DeviceTable::new(),
            dispatchers: DispatcherObjects::new(),
            kernel: KernelObjects::new(),
            lowers: RefCell::new(Vec::new()),
            framework: Framework::new(),
            faults: Faults::new(),
            tracer: Tracer::new(config.trace),
            counters: Counters::default(),
            violations: RefCell::new(Vec::new()),
            stack_buffers: StackBuffers::new(),
            verify: crate::verify::State::new(),
            special_pool: special_pool(&config),
            stop: RefCell::new(None),
            stopped: Cell::new(false),
            actors: Actors {
                app: Actor::new("app"),
                framework: Actor::new("framework"),
            },
            config,
        }
    }

    pub(crate) fn now(&self) -> Ticks {
        self.clock.now()
    }

    pub(crate) fn verifier(&self) -> bool {
        self.config.verifier
    }

    pub(crate) fn client_at_least(&self, minor: u32) -> bool {
        self.config.client >= ClientVersion::kmdf1(minor)
    }

    /// Appends to the trace; `event` is only built when tracing is on.
    #[inline]
    pub(crate) fn trace(&self, event: impl FnOnce() -> Event) {
        if self.tracer.is_on() {
            self.tracer.push(Record {
                time: self.now(),
                thread: self.scheduler.current_id(),
                thread_name: self.scheduler.current_name(),
                irql: self.irql(),
                event: event(),
            });
        }
    }

    pub(crate) fn irql(&self) -> u8 {
        self.scheduler.context.irql.get()
    }

    pub(crate) fn set_irql(&self, irql: u8) {
        self.scheduler.context.irql.set(irql);
    }

    /// `ObReferenceObject` and its opposite, on device and file objects, which live as long as what they belong to.
    pub(crate) fn reference_os_object(&self, by: i64) -> i64 {
        let references = &self.counters.os_references;
        references.set(references.get() + by);
        references.get()
    }

    /// The DDI or event that is being executed, for reports.
    pub(crate) fn ddi(&self) -> &'static str {
        self.scheduler.context.ddi.get()
    }
}

/// The special pool that a host asks for, and the handler that its faults need.
fn special_pool(config: &HostConfig) -> Option<Rc<SpecialPool>> {
    if !config.special_pool {
        return None;
    }
    crate::verify::fault::install();
    let pool = SpecialPool::new();
    assert!(
        pool.is_some() || !cfg!(unix),
        "there is no address space for special pool"
    );
    pool.map(Rc::new)
}

/// Makes a system current for as long as it lives.
pub(crate) struct Entered {
    previous: *const System,
}

impl Entered {
    pub(crate) fn new(system: &System) -> Self {
        Self {
            previous: CURRENT.replace(ptr::from_ref(system)),
        }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.previous);
    }
}

/// The system of the running logical thread, or `None` outside a host's run.
pub(crate) fn try_current<'a>() -> Option<&'a System> {
    let system = CURRENT.get();
    // SAFETY: `CURRENT` is either null or set by `Entered` from a reference that outlives the `Entered`, which restores the
    // previous value when dropped; whoever runs here runs below that `Entered`, or is a suspended coroutine resumed below one.
    unsafe { system.as_ref() }
}

/// The system of the running logical thread.
///
/// Outside a host's run no driver code may run: there is nobody to report to, so the process ends with a message.
pub(crate) fn current<'a>(function: &'static str) -> &'a System {
    match try_current() {
        Some(system) => system,
        None => no_host(function),
    }
}

#[cold]
fn no_host(function: &'static str) -> ! {
    eprintln!(
        "{function} was called outside Host::run, Host::spawn or another call on a kmdf-host Host"
    );
    std::process::abort()
}
