//! The record of a run: typed, cloneable, in order.

use core::cell::{Cell, RefCell};
use core::fmt;
use std::sync::Arc;

use kmdf_sys::NTSTATUS;

use crate::time::Ticks;

/// Who acts: `"app"`, a driver's service name, a lower device's name, or `"framework"`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Actor(Arc<str>);

impl Actor {
    pub(crate) fn new(name: &str) -> Self {
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

/// An argument or result. Addresses are reduced to NULL or not, so that traces of equal runs are equal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// No result.
    Unit,
    /// An integer.
    Integer(i64),
    /// A status.
    Status(NTSTATUS),
    /// A handle, by its stable value.
    Handle(u64),
    /// A pointer that is NULL or not.
    Pointer {
        /// Whether it is NULL.
        null: bool,
    },
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
    /// `IoCancelIrp`.
    IrpCancel {
        /// The IRP.
        irp: IrpId,
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
    /// The framework broke into the debugger.
    DebugBreak {
        /// Why.
        reason: &'static str,
    },
    /// The system crashed.
    Bugcheck {
        /// The bugcheck code.
        code: u32,
        /// Its first parameter.
        p1: u64,
    },
}

/// One entry of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Virtual time.
    pub time: Ticks,
    /// The logical thread, `None` for the scheduler itself.
    pub thread: Option<ThreadId>,
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
    /// Names of the logical threads, by number.
    pub threads: Vec<String>,
}

/// Collects records; costs one branch when off.
#[derive(Debug)]
pub(crate) struct Tracer {
    on: Cell<bool>,
    records: RefCell<Vec<Record>>,
}

impl Tracer {
    pub(crate) const fn new(on: bool) -> Self {
        Self {
            on: Cell::new(on),
            records: RefCell::new(Vec::new()),
        }
    }

    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.on.get()
    }

    pub(crate) fn push(&self, record: Record) {
        self.records.borrow_mut().push(record);
    }

    pub(crate) fn records(&self) -> Vec<Record> {
        self.records.borrow().clone()
    }
}

/// What a DDI's parameter or result looks like in a trace.
pub(crate) trait Traced {
    fn traced(&self) -> Value;
}

impl Traced for () {
    fn traced(&self) -> Value {
        Value::Unit
    }
}

impl<T> Traced for *mut T {
    fn traced(&self) -> Value {
        pointer_value(self.addr())
    }
}

impl<T> Traced for *const T {
    fn traced(&self) -> Value {
        pointer_value(self.addr())
    }
}

impl<T> Traced for Option<T> {
    fn traced(&self) -> Value {
        Value::Pointer {
            null: self.is_none(),
        }
    }
}

fn pointer_value(address: usize) -> Value {
    if crate::fx::handle::is_handle(address) {
        Value::Handle(address as u64)
    } else {
        Value::Pointer { null: address == 0 }
    }
}

macro_rules! traced_integers {
    ($($integer:ty),*) => {$(
        impl Traced for $integer {
            fn traced(&self) -> Value {
                Value::Integer(i64::from(*self))
            }
        }
    )*};
}

traced_integers!(u8, i8, u16, i32, u32, i64);

impl Traced for u64 {
    fn traced(&self) -> Value {
        Value::Integer(self.cast_signed())
    }
}

impl Traced for usize {
    fn traced(&self) -> Value {
        Value::Integer((*self as u64).cast_signed())
    }
}
