//! The record of a run: typed, cloneable, in order.

mod tracer;
mod value;

use core::fmt;
use std::sync::Arc;

use kmdf_sys::NTSTATUS;

use crate::fx::pnp_irp::PnpIrp;
use crate::report::ViolationKind;
use crate::time::Ticks;

pub use value::Value;

pub(crate) use tracer::Tracer;
pub(crate) use value::{Traced, returned_value, status_value};

/// Who acts: `"app"`, a driver's service name, a lower device's name, or `"framework"`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Actor(Arc<str>);

impl Actor {
    /// Names somebody; two of equal names are equal.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(Arc::from(name))
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Names a logical thread in a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ThreadId(pub u32);

/// Names an IRP in a trace; numbers are given in order of allocation and never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IrpId(pub u64);

/// What happened to a timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimerChange {
    /// It was set to fire at that time.
    Set {
        /// When.
        due: Ticks,
    },
    /// It was stopped before it fired.
    Stopped,
    /// Its time has come.
    Fired,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A driver called a DDI.
    Call {
        /// The calling driver.
        driver: Actor,
        /// The DDI.
        ddi: &'static str,
        /// Its arguments by name.
        arguments: Vec<(&'static str, Value)>,
    },
    /// The DDI returned.
    Return {
        /// The DDI.
        ddi: &'static str,
        /// Its result.
        result: Value,
    },
    /// The framework called a driver.
    CallbackEnter {
        /// The driver.
        driver: Actor,
        /// Which callback, for example `"EvtIoWrite"`.
        callback: &'static str,
        /// The object it is about.
        object: u64,
    },
    /// The callback returned.
    CallbackLeave {
        /// The driver.
        driver: Actor,
        /// Which callback.
        callback: &'static str,
        /// Its result.
        result: Value,
    },
    /// An application handed in an I/O.
    IoSubmitted {
        /// The IRP made for it.
        irp: IrpId,
        /// `IRP_MJ_` code.
        major: u8,
        /// Length, or output length of a control code.
        length: u32,
        /// Device offset.
        offset: u64,
    },
    /// The I/O manager completed an application's I/O.
    IoCompleted {
        /// The IRP.
        irp: IrpId,
        /// Final status.
        status: NTSTATUS,
        /// Final information.
        information: u64,
    },
    /// An IRP was passed to a device.
    IrpDown {
        /// The IRP.
        irp: IrpId,
        /// Who passed it.
        from: Actor,
        /// The owner of the device.
        to: Actor,
        /// `IRP_MJ_` code.
        major: u8,
        /// Length, or output length of a control code.
        length: u32,
        /// Device offset.
        offset: u64,
        /// URB function and transfer length, when it carries a URB.
        urb: Option<(u16, u32)>,
    },
    /// The owner of a device completed an IRP.
    IrpUp {
        /// The IRP.
        irp: IrpId,
        /// Who completed it.
        from: Actor,
        /// Status.
        status: NTSTATUS,
        /// Information.
        information: u64,
    },
    /// The time-out of a request that was sent has come; its IRP is cancelled next.
    TimeOut {
        /// The request's IRP.
        irp: Option<IrpId>,
    },
    /// `IoCancelIrp`.
    IrpCancel {
        /// The IRP.
        irp: IrpId,
        /// Who wants it: a driver, in whose call or callback it happens, or the application or the framework.
        by: Actor,
        /// Whether a cancel routine was there.
        routine: bool,
    },
    /// A logical thread began to wait.
    Wait {
        /// For what.
        what: String,
    },
    /// A logical thread goes on.
    Resume {
        /// Whether the wait ended by time-out.
        timeout: bool,
    },
    /// The framework called a routine of the kernel that tells somebody else something.
    KernelRoutine {
        /// Its name.
        routine: &'static str,
    },
    /// A request of the PnP or power manager was sent to a stack.
    PnpDown {
        /// The request.
        request: PnpIrp,
        /// The owner of the device at the top of the stack.
        to: Actor,
    },
    /// It has been answered.
    PnpUp {
        /// The request.
        request: PnpIrp,
        /// The owner of the device at the top of the stack.
        from: Actor,
        /// Status.
        status: NTSTATUS,
    },
    /// A device changes its power state; its callbacks follow.
    Power {
        /// The device's driver.
        driver: Actor,
        /// The device.
        device: u64,
        /// The state it leaves, for example `"D3Final"`.
        from: &'static str,
        /// The state it enters.
        to: &'static str,
    },
    /// A queue begins to act otherwise.
    Queue {
        /// The queue.
        queue: u64,
        /// What it does from now on, for example `"stopped"`.
        state: &'static str,
    },
    /// A timer was set, was stopped, or fired.
    Timer {
        /// The timer.
        timer: u64,
        /// Which of these.
        change: TimerChange,
    },
    /// A DPC or work item was queued; its callback follows.
    Enqueued {
        /// The callback, `"EvtDpcFunc"` or `"EvtWorkItem"`.
        callback: &'static str,
        /// The object.
        object: u64,
    },
    /// More than one continuation was possible, and one was chosen.
    Choice {
        /// Between what.
        what: &'static str,
        /// Between how many.
        among: usize,
        /// Which; 0 is the first.
        chosen: usize,
    },
    /// Something was found wrong.
    Violation {
        /// Its sort.
        kind: ViolationKind,
        /// For a driver writer.
        explanation: String,
    },
    /// The framework broke into the debugger.
    DebugBreak {
        /// Why.
        reason: &'static str,
    },
    /// A driver printed to the debugger.
    DebugPrint {
        /// The driver.
        driver: Actor,
        /// `DPFLTR_` component.
        component: u32,
        /// `DPFLTR_` level.
        level: u32,
        /// What it printed.
        text: String,
    },
    /// The system crashed.
    Bugcheck {
        /// The bugcheck code.
        code: u32,
        /// Its first parameter.
        p1: u64,
    },
    /// The run stopped for another reason.
    Stopped {
        /// Why.
        reason: String,
    },
}

/// One entry of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Virtual time.
    pub time: Ticks,
    /// The logical thread, `None` for the scheduler itself.
    pub thread: Option<ThreadId>,
    /// What the thread did then: the host uses a thread again under another name.
    pub thread_name: Arc<str>,
    /// The IRQL.
    pub irql: u8,
    /// What happened.
    pub event: Event,
}

/// A recorded run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// The records in order.
    pub records: Vec<Record>,
}
