//! Lower devices: what stands below the drivers under test.

pub(crate) mod decorators;
pub(crate) mod disk;
pub(crate) mod irp;
pub(crate) mod loopback;
mod passing;
pub(crate) mod scripted;
pub(crate) mod urb;
pub(crate) mod usb;

use core::any::Any;
use core::cell::{Cell, RefCell};
use core::fmt;
use std::collections::VecDeque;
use std::rc::Rc;

use kmdf_sys::{NTSTATUS, STATUS_CANCELLED, STATUS_SUCCESS};

use crate::faults::LowerFault;
use crate::fx::pnp_irp::PnpIrp;
use crate::system::clock::TimerId;
use crate::system::device::{DeviceObject, IoType};
use crate::system::ends;
use crate::system::irp::Irp;
use crate::time::Ticks;
use crate::trace::{Actor, IrpId};

pub use decorators::{Delayed, FailNth};
pub use disk::Disk;
pub use irp::LowerIrp;
pub use loopback::Loopback;
pub use scripted::{OnCancel, Reply, Scripted, Seen};
pub use usb::{
    ControlAnswer, Malformation, Setup, UsbCounters, UsbDescriptors, UsbDevice, UsbEndpoint,
    UsbFault, UsbInterface,
};

/// How an IRP ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Final status.
    pub status: NTSTATUS,
    /// Final information; `None` leaves what is there.
    pub information: Option<u64>,
}

impl Outcome {
    /// Ends with `status` and `information`.
    #[must_use]
    pub const fn new(status: NTSTATUS, information: u64) -> Self {
        Self {
            status,
            information: Some(information),
        }
    }

    /// As a cancelled IRP ends by default.
    #[must_use]
    pub const fn cancelled() -> Self {
        Self::new(STATUS_CANCELLED, 0)
    }
}

/// What a device does with an IRP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// Completes it inside the dispatch routine.
    Complete(Outcome),
    /// Completes it that much later, at `DISPATCH_LEVEL`.
    CompleteAfter(Ticks, Outcome),
    /// Holds it until it is cancelled or [`Host::complete_lower`](crate::Host::complete_lower) is called.
    Pend,
}

/// What a device does with a held IRP that is cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelDisposition {
    /// Completes it inside its cancel routine.
    Complete(Outcome),
    /// Completes it that much later.
    CompleteAfter(Ticks, Outcome),
    /// Goes on holding it, or with the completion that was under way.
    Ignore,
}

/// A device below the drivers under test. It never calls back into them: it says what becomes of an IRP, the host does it.
pub trait LowerDevice: Any {
    /// A read, write or control code has arrived.
    fn dispatch(&mut self, irp: &mut LowerIrp<'_>) -> Disposition;

    /// An IRP that this device holds is cancelled. Not called for IRPs on which
    /// [`LowerIrp::ignore_cancel`] was called: they have no cancel routine.
    fn cancelled(&mut self, irp: &mut LowerIrp<'_>) -> CancelDisposition {
        let _ = irp;
        CancelDisposition::Complete(Outcome::cancelled())
    }

    /// A held IRP is about to be completed with `outcome`; the last chance to move data or to end it otherwise.
    fn completing(&mut self, irp: &mut LowerIrp<'_>, outcome: Outcome) -> Outcome {
        let _ = irp;
        outcome
    }

    /// A request of the PnP or power manager has come down the stack.
    ///
    /// A failure counts for those requests that may fail: starting and the queries.
    fn pnp(&mut self, irp: PnpIrp) -> NTSTATUS {
        let _ = irp;
        STATUS_SUCCESS
    }

    /// IRPs that this device holds and that can be completed now, because of what has happened since: how much later, and
    /// how. Asked after every call of the device.
    fn ready(&mut self) -> Vec<(IrpId, Ticks, Outcome)> {
        Vec::new()
    }
}

/// How a lower device is put into the system.
#[derive(Clone, Debug)]
pub struct LowerConfig {
    name: String,
    io_type: IoType,
    stack_size: usize,
    device_type: u32,
    object_name: Option<String>,
}

impl LowerConfig {
    /// A device called `name` in traces; buffered I/O, one stack location, no object name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            io_type: IoType::Buffered,
            stack_size: 1,
            device_type: kmdf_sys::FILE_DEVICE_UNKNOWN,
            object_name: None,
        }
    }

    /// Its buffer method for reads and writes.
    #[must_use]
    pub fn io_type(mut self, io_type: IoType) -> Self {
        self.io_type = io_type;
        self
    }

    /// Its stack size.
    #[must_use]
    pub fn stack_size(mut self, locations: usize) -> Self {
        self.stack_size = locations.max(1);
        self
    }

    /// Its device type.
    #[must_use]
    pub fn device_type(mut self, device_type: u32) -> Self {
        self.device_type = device_type;
        self
    }

    /// Its name in the object manager, for example `\Device\Disk0`, by which a driver can open it.
    #[must_use]
    pub fn named(mut self, object_name: &str) -> Self {
        self.object_name = Some(object_name.to_owned());
        self
    }
}

/// Names a lower device of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LowerId(pub(crate) usize);

/// An IRP that a lower device holds.
pub(crate) struct Held {
    pub(crate) irp: Rc<Irp>,
    pub(crate) timer: Option<TimerId>,
    pub(crate) ending: Ending,
    /// Whether the device has not been given it yet.
    pub(crate) withheld: bool,
}

/// What is wrong with how a lower device ends an IRP.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ending {
    pub(crate) fault: Option<LowerFault>,
    /// Whether it completes the IRP once more.
    pub(crate) twice: bool,
}

/// A lower device in the system.
pub(crate) struct Lower {
    pub(crate) actor: Actor,
    device: RefCell<Box<dyn LowerDevice>>,
    pub(crate) device_object: RefCell<Option<Rc<DeviceObject>>>,
    pub(crate) held: RefCell<VecDeque<Held>>,
    removed: Cell<bool>,
}

impl fmt::Debug for Lower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lower({})", self.actor)
    }
}

impl Lower {
    pub(crate) fn object(&self) -> Rc<DeviceObject> {
        self.device_object
            .borrow()
            .clone()
            .expect("set when the device is added")
    }

    pub(crate) fn with<T: LowerDevice, R>(&self, f: impl FnOnce(&mut T) -> R) -> Option<R> {
        let mut device = self.device.borrow_mut();
        let any: &mut dyn Any = &mut **device;
        any.downcast_mut::<T>().map(f)
    }

    /// IRPs it holds, oldest first.
    pub(crate) fn held(&self) -> Vec<Rc<Irp>> {
        self.held
            .borrow()
            .iter()
            .map(|held| Rc::clone(&held.irp))
            .collect()
    }

    /// Whether it holds an IRP without knowing when it will complete it.
    pub(crate) fn holds_indefinitely(&self) -> bool {
        self.held.borrow().iter().any(|held| held.timer.is_none())
    }

    pub(crate) fn take_held(&self, irp: &Rc<Irp>) -> Option<Held> {
        ends::take(&mut self.held.borrow_mut(), |held| {
            Rc::ptr_eq(&held.irp, irp)
        })
    }

    /// The fault for which it was not given an IRP that it holds.
    fn withholds(&self, irp: &Rc<Irp>) -> Option<LowerFault> {
        let held = self.held.borrow();
        let held = held.iter().find(|held| Rc::ptr_eq(&held.irp, irp))?;
        held.ending.fault.filter(|_| held.withheld)
    }

    pub(crate) fn remove(&self) {
        self.removed.set(true);
    }

    fn io_type(&self) -> IoType {
        self.object().io_type
    }
}
