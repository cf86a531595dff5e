//! Lower devices: what stands below the drivers under test.

pub(crate) mod decorators;
pub(crate) mod disk;
pub(crate) mod irp;
pub(crate) mod loopback;
pub(crate) mod scripted;
pub(crate) mod urb;
pub(crate) mod usb;

use core::any::Any;
use core::cell::{Cell, RefCell};
use core::fmt;
use std::collections::VecDeque;
use std::rc::Rc;

use kmdf_sys::{NTSTATUS, STATUS_CANCELLED, STATUS_NO_SUCH_DEVICE, STATUS_PENDING, STATUS_SUCCESS};

use crate::faults::LowerFault;
use crate::fx::pnp_irp::PnpIrp;
use crate::system::clock::{Due, TimerId};
use crate::system::device::{DeviceKind, DeviceObject, IoType, NewDevice};
use crate::system::ends;
use crate::system::irp::{CancelRoutine, Irp};
use crate::system::{DISPATCH_LEVEL, System};
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

/// Bugcheck code of an IRP that is completed twice.
const MULTIPLE_IRP_COMPLETE_REQUESTS: u32 = 0x44;

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

impl System {
    pub(crate) fn add_lower(&self, device: Box<dyn LowerDevice>, config: LowerConfig) -> LowerId {
        let lower = Rc::new(Lower {
            actor: Actor::new(&config.name),
            device: RefCell::new(device),
            device_object: RefCell::new(None),
            held: RefCell::new(VecDeque::new()),
            removed: Cell::new(false),
        });
        let object = self.devices.create(NewDevice {
            kind: DeviceKind::Lower(Rc::downgrade(&lower)),
            actor: lower.actor.clone(),
            io_type: config.io_type,
            stack_size: config.stack_size,
            device_type: config.device_type,
            characteristics: 0,
            name: config.object_name,
        });
        *lower.device_object.borrow_mut() = Some(object);
        let mut lowers = self.lowers.borrow_mut();
        lowers.push(lower);
        LowerId(lowers.len() - 1)
    }

    pub(crate) fn lower(&self, id: LowerId) -> Rc<Lower> {
        Rc::clone(&self.lowers.borrow()[id.0])
    }

    /// Looks at or changes a lower device, which may then have something to complete.
    pub(crate) fn with_lower<T: LowerDevice, R>(
        &self,
        id: LowerId,
        f: impl FnOnce(&mut T) -> R,
    ) -> R {
        let lower = self.lower(id);
        let result = lower.with(f).expect("the lower device is of another type");
        self.schedule_ready(&lower);
        result
    }

    /// The dispatch routine of a lower device.
    pub(crate) fn lower_dispatch(&self, lower: &Rc<Lower>, irp: &Rc<Irp>) -> NTSTATUS {
        let parameters = irp.parameters();
        if lower.removed.get() {
            urb::fail(irp, STATUS_NO_SUCH_DEVICE);
            return self.complete_irp(irp, STATUS_NO_SUCH_DEVICE, 0, &lower.actor);
        }
        if !(parameters.is_transfer() || parameters.is_ioctl()) {
            return self.complete_irp(irp, STATUS_SUCCESS, 0, &lower.actor);
        }
        self.counters
            .lower_irps
            .set(self.counters.lower_irps.get() + 1);
        if parameters.is_urb() {
            self.counters.urbs.set(self.counters.urbs.get() + 1);
        }
        if self.faults.watching() {
            self.watch_request(irp);
        }
        match self.faults.next_request() {
            None => self.lower_arrives(lower, irp, None),
            Some(fault) => self.lower_fails(lower, irp, fault),
        }
    }

    /// A PnP or power request arrives at the bottom of its stack.
    pub(crate) fn lower_pnp(&self, lower: &Rc<Lower>, irp: PnpIrp) -> NTSTATUS {
        if let Some(status) = self.faults.next_pnp(irp) {
            return status;
        }
        let status = lower.device.borrow_mut().pnp(irp);
        self.schedule_ready(lower);
        status
    }

    /// Gives an IRP to the device.
    pub(crate) fn lower_arrives(
        &self,
        lower: &Rc<Lower>,
        irp: &Rc<Irp>,
        fault: Option<LowerFault>,
    ) -> NTSTATUS {
        let mut view = LowerIrp::new(self, irp, lower.io_type());
        let disposition = lower.device.borrow_mut().dispatch(&mut view);
        let ignores_cancel = view.ignores_cancel();
        let ending = Ending {
            fault,
            twice: view.completes_twice(),
        };
        self.schedule_ready(lower);
        let timer = match disposition {
            Disposition::Complete(outcome) => {
                return self.finish_lower(lower, irp, outcome, ending);
            }
            Disposition::CompleteAfter(span, outcome) => {
                Some(self.complete_later(lower, irp, span, outcome))
            }
            Disposition::Pend => None,
        };
        let held = Held {
            irp: Rc::clone(irp),
            timer,
            ending,
            withheld: false,
        };
        self.hold(lower, held, ignores_cancel)
    }

    pub(crate) fn hold(&self, lower: &Rc<Lower>, held: Held, ignores_cancel: bool) -> NTSTATUS {
        let irp = Rc::clone(&held.irp);
        self.remember_stack_buffers(&irp);
        lower.held.borrow_mut().push_back(held);
        *irp.holder.borrow_mut() = Some(lower.actor.clone());
        if !ignores_cancel {
            if irp.cancel.get() {
                self.lower_cancel(lower, &irp);
            } else {
                *irp.cancel_routine.borrow_mut() = Some(CancelRoutine::Lower(Rc::clone(lower)));
            }
        }
        STATUS_PENDING
    }

    pub(crate) fn complete_later(
        &self,
        lower: &Rc<Lower>,
        irp: &Rc<Irp>,
        span: Ticks,
        outcome: Outcome,
    ) -> TimerId {
        let (lower, irp) = (Rc::clone(lower), Rc::clone(irp));
        let at = self.now() + span;
        self.clock.arm(
            at,
            Due::Call(
                "dpc",
                Box::new(move |system| system.complete_held(&lower, &irp, outcome)),
            ),
        )
    }

    /// Lets held IRPs complete that the device has become ready to complete.
    pub(crate) fn schedule_ready(&self, lower: &Rc<Lower>) {
        let ready = lower.device.borrow_mut().ready();
        for (id, span, outcome) in ready {
            let Some(irp) = lower.held().into_iter().find(|irp| irp.id() == id) else {
                continue;
            };
            let timer = self.complete_later(lower, &irp, span, outcome);
            self.replace_timer(lower, &irp, timer);
        }
    }

    /// A held IRP is completed by `timer`, and by no other.
    pub(crate) fn replace_timer(&self, lower: &Lower, irp: &Rc<Irp>, timer: TimerId) {
        let mut held = lower.held.borrow_mut();
        if let Some(held) = held.iter_mut().find(|held| Rc::ptr_eq(&held.irp, irp))
            && let Some(old) = held.timer.replace(timer)
        {
            self.clock.disarm(old);
        }
    }

    /// Completes an IRP that the device holds, if it still does.
    pub(crate) fn complete_held(&self, lower: &Rc<Lower>, irp: &Rc<Irp>, outcome: Outcome) {
        let Some(held) = self.take_back(lower, irp) else {
            return;
        };
        if held.withheld {
            self.finish_lower(lower, irp, outcome, held.ending);
            return;
        }
        let mut view = LowerIrp::new(self, irp, lower.io_type());
        let outcome = lower.device.borrow_mut().completing(&mut view, outcome);
        let ending = Ending {
            twice: held.ending.twice || view.completes_twice(),
            ..held.ending
        };
        self.schedule_ready(lower);
        self.finish_lower(lower, irp, outcome, ending);
    }

    /// Takes an IRP from what the device holds, if it is there and has not been freed.
    pub(crate) fn take_back(&self, lower: &Rc<Lower>, irp: &Rc<Irp>) -> Option<Held> {
        let held = lower.take_held(irp)?;
        self.forget_stack_buffers(irp);
        if let Some(timer) = held.timer {
            self.clock.disarm(timer);
        }
        if !self.irps.is_live(irp) {
            self.violation(
                crate::report::ViolationKind::IrpFreedInFlight,
                format!(
                    "IRP {} was freed while {} had it: its request was formatted or sent again, or deleted, before the \
                     driver below had completed it",
                    irp.id().0,
                    lower.actor
                ),
            );
            return None;
        }
        irp.cancel_routine.borrow_mut().take();
        Some(held)
    }

    pub(crate) fn finish_lower(
        &self,
        lower: &Rc<Lower>,
        irp: &Rc<Irp>,
        mut outcome: Outcome,
        ending: Ending,
    ) -> NTSTATUS {
        if let Some(fault) = ending.fault {
            outcome = self.bend(irp, outcome, fault);
        }
        irp.status.set(outcome.status);
        if let Some(information) = outcome.information {
            irp.information.set(information);
        }
        if self.faults.watching() {
            self.watch_completion(irp);
        }
        if ending.twice {
            self.complete_twice(irp, &lower.actor);
        }
        self.complete_request(irp, &lower.actor);
        outcome.status
    }

    /// The first completion hands the IRP back to the drivers above, which may have freed it by the second.
    #[cold]
    fn complete_twice(&self, irp: &Rc<Irp>, by: &Actor) -> ! {
        let (id, address) = (irp.id().0, irp.address().addr() as u64);
        self.complete_request(irp, by);
        self.bugcheck_os(
            crate::report::BugcheckKind::IrpCompletedTwice,
            MULTIPLE_IRP_COMPLETE_REQUESTS,
            [address, 0, 0, 0],
            format!(
                "IRP {id} was completed twice by the lower device {by}. Who calls IoCompleteRequest gives the IRP away: the \
                 drivers above may have freed it, or sent it again, by the second call. The mistake is in {by}, not in the \
                 drivers above it"
            ),
        )
    }

    /// The cancel routine of a lower device.
    pub(crate) fn lower_cancel(&self, lower: &Rc<Lower>, irp: &Rc<Irp>) {
        if let Some(fault) = lower.withholds(irp) {
            return self.cancel_withheld(lower, irp, fault);
        }
        let mut view = LowerIrp::new(self, irp, lower.io_type());
        let disposition = lower.device.borrow_mut().cancelled(&mut view);
        self.schedule_ready(lower);
        match disposition {
            CancelDisposition::Complete(outcome) => self.complete_held(lower, irp, outcome),
            CancelDisposition::CompleteAfter(span, outcome) => {
                let timer = self.complete_later(lower, irp, span, outcome);
                self.replace_timer(lower, irp, timer);
            }
            CancelDisposition::Ignore => {}
        }
    }

    /// Completes the `index`-th IRP that a device holds, at `DISPATCH_LEVEL` as an interrupt would.
    pub(crate) fn complete_lower_at(
        &self,
        lower: &Rc<Lower>,
        index: usize,
        outcome: Outcome,
    ) -> bool {
        let held = lower.held.borrow();
        let Some(irp) = held.get(index).map(|held| Rc::clone(&held.irp)) else {
            return false;
        };
        drop(held);
        let irql = self.irql();
        self.set_irql(DISPATCH_LEVEL);
        self.complete_held(lower, &irp, outcome);
        self.set_irql(irql);
        true
    }
}
