//! IRPs on their way into a lower device and out of it again.

use core::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use kmdf_sys::{NTSTATUS, STATUS_NO_SUCH_DEVICE, STATUS_PENDING, STATUS_SUCCESS};

use super::{
    CancelDisposition, Disposition, Ending, Held, Lower, LowerConfig, LowerDevice, LowerId,
    LowerIrp, Outcome, urb,
};
use crate::faults::LowerFault;
use crate::fx::pnp_irp::PnpIrp;
use crate::report::BugcheckKind;
use crate::system::clock::{Due, TimerId};
use crate::system::device::{DeviceKind, NewDevice};
use crate::system::irp::{CancelRoutine, Irp};
use crate::system::{DISPATCH_LEVEL, System};
use crate::time::Ticks;
use crate::trace::Actor;

/// Bugcheck code of an IRP that is completed twice.
const MULTIPLE_IRP_COMPLETE_REQUESTS: u32 = 0x44;

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
            BugcheckKind::IrpCompletedTwice,
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
