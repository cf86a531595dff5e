//! Devices made from other devices.

use kmdf_sys::NTSTATUS;

use super::{CancelDisposition, Disposition, LowerDevice, LowerIrp, Outcome};
use crate::fx::pnp_irp::PnpIrp;
use crate::time::Ticks;
use crate::trace::IrpId;

/// A device that takes its time: what `inner` would complete at once is completed `delay` later.
#[derive(Clone, Debug)]
pub struct Delayed<D> {
    /// The device.
    pub inner: D,
    /// How long it takes.
    pub delay: Ticks,
}

impl<D> Delayed<D> {
    /// `inner`, `delay` later.
    #[must_use]
    pub const fn new(inner: D, delay: Ticks) -> Self {
        Self { inner, delay }
    }
}

impl<D: LowerDevice> LowerDevice for Delayed<D> {
    fn dispatch(&mut self, irp: &mut LowerIrp<'_>) -> Disposition {
        match self.inner.dispatch(irp) {
            Disposition::Complete(outcome) => Disposition::CompleteAfter(self.delay, outcome),
            Disposition::CompleteAfter(span, outcome) => {
                Disposition::CompleteAfter(span + self.delay, outcome)
            }
            Disposition::Pend => Disposition::Pend,
        }
    }

    fn cancelled(&mut self, irp: &mut LowerIrp<'_>) -> CancelDisposition {
        self.inner.cancelled(irp)
    }

    fn completing(&mut self, irp: &mut LowerIrp<'_>, outcome: Outcome) -> Outcome {
        self.inner.completing(irp, outcome)
    }

    fn ready(&mut self) -> Vec<(IrpId, Ticks, Outcome)> {
        self.inner.ready()
    }

    fn pnp(&mut self, irp: PnpIrp) -> NTSTATUS {
        self.inner.pnp(irp)
    }
}

/// A device that fails one IRP without doing anything for it.
#[derive(Clone, Debug)]
pub struct FailNth<D> {
    /// The device.
    pub inner: D,
    status: NTSTATUS,
    nth: u64,
    seen: u64,
}

impl<D> FailNth<D> {
    /// `inner`, but the `nth` IRP (1 is the first) fails with `status`.
    #[must_use]
    pub const fn new(inner: D, status: NTSTATUS, nth: u64) -> Self {
        Self {
            inner,
            status,
            nth,
            seen: 0,
        }
    }
}

impl<D: LowerDevice> LowerDevice for FailNth<D> {
    fn dispatch(&mut self, irp: &mut LowerIrp<'_>) -> Disposition {
        self.seen += 1;
        if self.seen == self.nth {
            irp.fail_urb(self.status);
            return Disposition::Complete(Outcome::new(self.status, 0));
        }
        self.inner.dispatch(irp)
    }

    fn cancelled(&mut self, irp: &mut LowerIrp<'_>) -> CancelDisposition {
        self.inner.cancelled(irp)
    }

    fn completing(&mut self, irp: &mut LowerIrp<'_>, outcome: Outcome) -> Outcome {
        self.inner.completing(irp, outcome)
    }

    fn ready(&mut self) -> Vec<(IrpId, Ticks, Outcome)> {
        self.inner.ready()
    }

    fn pnp(&mut self, irp: PnpIrp) -> NTSTATUS {
        self.inner.pnp(irp)
    }
}
