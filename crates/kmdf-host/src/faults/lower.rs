//! Requests that go wrong at a lower device, whatever device it is.

use std::rc::Rc;

use kmdf_sys::{
    NT_SUCCESS, NTSTATUS, STATUS_CANCELLED, STATUS_DEVICE_NOT_CONNECTED,
    STATUS_INSUFFICIENT_RESOURCES, STATUS_SUCCESS,
};

use super::{Allocation, LowerFault, Seen};
use crate::lower::{Ending, Held, Lower, Outcome, UsbDevice, urb};
use crate::system::System;
use crate::system::clock::Due;
use crate::system::irp::{IRP_MJ_READ, Irp};
use crate::time::Ticks;

impl System {
    /// Counts an allocation of the framework's that has no sort of its own.
    pub(crate) fn pool_allocation(&self) -> Result<(), NTSTATUS> {
        if self.faults.fails(Allocation::Pool) {
            Err(STATUS_INSUFFICIENT_RESOURCES)
        } else {
            Ok(())
        }
    }

    /// An IRP has arrived that goes wrong.
    #[cold]
    pub(crate) fn lower_fails(
        &self,
        lower: &Rc<Lower>,
        irp: &Rc<Irp>,
        fault: LowerFault,
    ) -> NTSTATUS {
        let status = match fault {
            LowerFault::Status(status) => status,
            LowerFault::Gone => {
                self.lower_goes(lower);
                STATUS_DEVICE_NOT_CONNECTED
            }
            LowerFault::Short | LowerFault::Empty | LowerFault::Excess => {
                return self.lower_arrives(lower, irp, Some(fault));
            }
            LowerFault::Late | LowerFault::Deaf | LowerFault::Never | LowerFault::SlowCancel => {
                return self.withhold(lower, irp, fault);
            }
        };
        urb::fail(irp, status);
        self.finish_lower(lower, irp, Outcome::new(status, 0), Ending::default())
    }

    /// Holds an IRP back from the device.
    fn withhold(&self, lower: &Rc<Lower>, irp: &Rc<Irp>, fault: LowerFault) -> NTSTATUS {
        let arrives = !fault.waits_for_cancel();
        let timer = arrives.then(|| {
            let (lower, irp) = (Rc::clone(lower), Rc::clone(irp));
            let arrive = move |system: &Self| {
                if system.take_back(&lower, &irp).is_some() {
                    system.lower_arrives(&lower, &irp, None);
                }
            };
            let at = self.now() + self.faults.late.get();
            self.clock.arm(at, Due::Call("dpc", Box::new(arrive)))
        });
        let held = Held {
            irp: Rc::clone(irp),
            timer,
            ending: Ending {
                fault: Some(fault),
                twice: false,
            },
            withheld: true,
        };
        self.hold(lower, held, fault == LowerFault::Deaf)
    }

    /// An IRP is cancelled that the device has not been given.
    pub(crate) fn cancel_withheld(&self, lower: &Rc<Lower>, irp: &Rc<Irp>, fault: LowerFault) {
        if fault == LowerFault::SlowCancel {
            let late = self.faults.late.get();
            let timer = self.complete_later(lower, irp, late, Outcome::cancelled());
            self.replace_timer(lower, irp, timer);
        } else {
            self.complete_held(lower, irp, Outcome::cancelled());
        }
    }

    /// The lower device is pulled out.
    fn lower_goes(&self, lower: &Rc<Lower>) {
        lower.remove();
        lower.with(UsbDevice::disconnect);
        for irp in lower.held() {
            if let Some(held) = lower
                .held
                .borrow_mut()
                .iter_mut()
                .find(|held| Rc::ptr_eq(&held.irp, &irp))
            {
                held.ending.fault = Some(LowerFault::Gone);
            }
            let outcome = Outcome::new(STATUS_DEVICE_NOT_CONNECTED, 0);
            let timer = self.complete_later(lower, &irp, Ticks::ZERO, outcome);
            self.replace_timer(lower, &irp, timer);
        }
    }

    /// How an IRP ends in truth that would end with `outcome`.
    #[cold]
    pub(crate) fn bend(&self, irp: &Rc<Irp>, outcome: Outcome, fault: LowerFault) -> Outcome {
        let other = |moved: u64| match fault {
            LowerFault::Short => moved / 2,
            LowerFault::Empty => 0,
            _ => moved + 1,
        };
        match fault {
            LowerFault::Short | LowerFault::Empty | LowerFault::Excess
                if NT_SUCCESS(outcome.status) =>
            {
                if let Some((moved, urb)) = urb::moved(irp) {
                    let length = u32::try_from(other(u64::from(moved))).unwrap_or(u32::MAX);
                    urb.set_transfer_length(length);
                    return outcome;
                }
                let information = outcome.information.map(other);
                Outcome {
                    information,
                    ..outcome
                }
            }
            LowerFault::Gone => {
                urb::fail(irp, STATUS_DEVICE_NOT_CONNECTED);
                Outcome::new(STATUS_DEVICE_NOT_CONNECTED, 0)
            }
            // Ended by a cancel before the device was given it.
            LowerFault::Late | LowerFault::Never | LowerFault::SlowCancel
                if outcome.status == STATUS_CANCELLED =>
            {
                urb::fail(irp, STATUS_CANCELLED);
                outcome
            }
            _ => outcome,
        }
    }

    #[cold]
    pub(crate) fn watch_request(&self, irp: &Rc<Irp>) {
        let parameters = irp.parameters();
        let (write, asked) = match urb::moved(irp) {
            Some((asked, urb)) => (urb.is_out(), u64::from(asked)),
            None if parameters.is_transfer() => (
                parameters.major != IRP_MJ_READ,
                u64::from(parameters.length()),
            ),
            None => (false, u64::from(parameters.output_length())),
        };
        self.faults.saw_request(Seen {
            irp: irp.id(),
            write,
            asked,
            moved: 0,
        });
    }

    #[cold]
    pub(crate) fn watch_completion(&self, irp: &Rc<Irp>) {
        let moved = if irp.status.get() == STATUS_SUCCESS {
            urb::moved(irp).map_or(irp.information.get(), |(moved, _)| u64::from(moved))
        } else {
            0
        };
        self.faults.saw_completion(irp.id(), moved);
    }
}
