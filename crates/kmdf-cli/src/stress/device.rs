//! Devices that leave it to the run when and how they answer.

use kmdf_host::{
    CancelDisposition, Disk, Disposition, LowerDevice, LowerIrp, Outcome, PnpIrp, Ticks,
    UsbDescriptors, UsbDevice, UsbFault, UsbInterface,
};
use kmdf_sys::{
    NTSTATUS, STATUS_IO_DEVICE_ERROR, STATUS_PENDING, URB_FUNCTION_BULK_OR_INTERRUPT_TRANSFER,
};

use super::TIMEOUT_MS;

/// Identifiers that the pid.codes registry keeps for tests.
const VENDOR: u16 = 0x1209;
const PRODUCT: u16 = 0x0001;
/// Endpoint 1, OUT.
const BULK_OUT: u8 = 0x01;
/// The maximum packet size of every high-speed bulk endpoint.
const PACKET: u16 = 512;

/// Sooner than the driver's time-out.
pub(super) const EARLY: Ticks = Ticks::from_millis(1);
/// At the very moment of the driver's time-out.
pub(super) const AT_TIMEOUT: Ticks = Ticks::from_millis(TIMEOUT_MS as u64);
/// Later than the driver's time-out.
pub(super) const LATE: Ticks = Ticks::from_millis(TIMEOUT_MS as u64 + 1);

/// When a device answers a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// Inside its dispatch routine.
    Inline,
    /// That much later.
    After(Ticks),
    /// Never, unless it is cancelled.
    Never,
    /// With an error, inside its dispatch routine.
    Error,
}

const ANSWERS: [Answer; 7] = [
    Answer::Inline,
    Answer::After(Ticks(1)),
    Answer::After(EARLY),
    Answer::After(AT_TIMEOUT),
    Answer::After(LATE),
    Answer::Error,
    Answer::Never,
];

impl Answer {
    /// How a request is answered; one that no driver above has given a time-out, at some time.
    fn choose(irp: &LowerIrp<'_>, timed: bool) -> Self {
        let answers = if timed {
            &ANSWERS[..]
        } else {
            &ANSWERS[..ANSWERS.len() - 1]
        };
        answers[irp.choose(answers.len())]
    }

    fn tally(self, irp: &LowerIrp<'_>) {
        irp.tally(match self {
            Self::Inline => "device: answered at once",
            Self::After(AT_TIMEOUT) => "device: answered at the moment of the time-out",
            Self::After(LATE) => "device: answered after the time-out",
            Self::After(_) => "device: answered before the time-out",
            Self::Never => "device: never answered",
            Self::Error => "device: failed",
        });
    }
}

/// A request that a racing device holds.
#[derive(Clone, Copy, Debug)]
struct Held {
    irp: kmdf_host::IrpId,
    answer: Answer,
    since: Ticks,
}

/// Requests that a racing device holds.
#[derive(Debug, Default)]
struct Holding(Vec<Held>);

impl Holding {
    fn hold(&mut self, irp: &LowerIrp<'_>, answer: Answer) {
        self.0.push(Held {
            irp: irp.id(),
            answer,
            since: irp.now(),
        });
    }

    fn release(&mut self, irp: &LowerIrp<'_>) -> Option<Held> {
        let index = self.0.iter().position(|held| held.irp == irp.id())?;
        Some(self.0.swap_remove(index))
    }

    /// A request is completed without having been cancelled.
    fn completing(&mut self, irp: &LowerIrp<'_>) {
        if let Some(held) = self.release(irp)
            && held.answer == Answer::After(AT_TIMEOUT)
            && !irp.is_cancelled()
        {
            irp.tally("race of completion and time-out: completion first");
        }
    }

    /// What becomes of a request that is cancelled, where the device would complete it with `outcome`.
    fn cancelled(&mut self, irp: &LowerIrp<'_>, outcome: Outcome) -> CancelDisposition {
        let Some(held) = self.release(irp) else {
            return CancelDisposition::Complete(outcome);
        };
        let waited = irp.now() - held.since;
        if held.answer == Answer::After(AT_TIMEOUT) && waited == AT_TIMEOUT {
            irp.tally("race of completion and time-out: time-out first");
        }
        match irp.choose(2) {
            0 => CancelDisposition::Complete(outcome),
            _ => CancelDisposition::CompleteAfter(EARLY, outcome),
        }
    }
}

/// A disk that races.
#[derive(Debug)]
pub(super) struct RacyDisk {
    disk: Disk,
    holding: Holding,
}

impl RacyDisk {
    pub(super) fn new() -> Self {
        Self {
            disk: Disk::in_memory(),
            holding: Holding::default(),
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.disk.bytes()
    }
}

impl LowerDevice for RacyDisk {
    fn dispatch(&mut self, irp: &mut LowerIrp<'_>) -> Disposition {
        // The filter passes writes of no length on as they are.
        let answer = Answer::choose(irp, irp.length() > 0);
        answer.tally(irp);
        match answer {
            Answer::Inline => self.disk.dispatch(irp),
            Answer::Error => Disposition::Complete(Outcome::new(STATUS_IO_DEVICE_ERROR, 0)),
            Answer::After(span) => {
                self.holding.hold(irp, answer);
                if irp.choose(2) == 1 {
                    irp.ignore_cancel();
                }
                // What it ends with is known when it does.
                Disposition::CompleteAfter(span, Outcome::new(STATUS_PENDING, 0))
            }
            Answer::Never => {
                self.holding.hold(irp, answer);
                Disposition::Pend
            }
        }
    }

    fn cancelled(&mut self, irp: &mut LowerIrp<'_>) -> CancelDisposition {
        self.holding.cancelled(irp, Outcome::cancelled())
    }

    fn completing(&mut self, irp: &mut LowerIrp<'_>, outcome: Outcome) -> Outcome {
        self.holding.completing(irp);
        if outcome.status != STATUS_PENDING {
            return outcome;
        }
        match self.disk.dispatch(irp) {
            Disposition::Complete(outcome) => outcome,
            _ => outcome,
        }
    }
}

/// A USB device with a bulk OUT endpoint that takes everything at once.
pub(super) fn usb_device() -> UsbDevice {
    let interface = UsbInterface::new(0)
        .class(0xFF, 0, 0)
        .bulk(BULK_OUT, PACKET);
    UsbDevice::new(UsbDescriptors::new(VENDOR, PRODUCT).interface(interface))
}

/// What came out of its endpoint.
pub(super) fn stream(device: &mut UsbDevice) -> &[u8] {
    device.endpoint_mut(BULK_OUT).bytes()
}

/// A USB device that races.
#[derive(Debug)]
pub(super) struct RacyUsb {
    device: UsbDevice,
    holding: Holding,
    /// Whether a transfer came while another was under way.
    overlapped: bool,
}

impl RacyUsb {
    pub(super) fn new() -> Self {
        Self {
            device: usb_device(),
            holding: Holding::default(),
            overlapped: false,
        }
    }

    pub(super) fn stream(&mut self) -> &[u8] {
        stream(&mut self.device)
    }

    pub(super) const fn overlapped(&self) -> bool {
        self.overlapped
    }

    pub(super) fn disconnect(&mut self) {
        self.device.disconnect();
    }

    /// Sets the endpoint up for the transfer that arrives.
    fn prepare(&mut self, irp: &LowerIrp<'_>) {
        self.overlapped |= !self.holding.0.is_empty();
        let answer = Answer::choose(irp, true);
        answer.tally(irp);
        let endpoint = self.device.endpoint_mut(BULK_OUT);
        endpoint.set_delay(match answer {
            Answer::After(span) => span,
            Answer::Inline | Answer::Never | Answer::Error => Ticks::ZERO,
        });
        match answer {
            Answer::Inline => {}
            Answer::After(_) => self.holding.hold(irp, answer),
            Answer::Never => {
                endpoint.fault(1, UsbFault::Nak { after: 0 });
                self.holding.hold(irp, answer);
            }
            Answer::Error => endpoint.fault(1, UsbFault::Stall { after: 0 }),
        }
    }
}

impl LowerDevice for RacyUsb {
    fn dispatch(&mut self, irp: &mut LowerIrp<'_>) -> Disposition {
        let transfer = irp.urb_summary().map(|(function, _)| u32::from(function))
            == Some(URB_FUNCTION_BULK_OR_INTERRUPT_TRANSFER);
        if transfer && self.device.is_connected() {
            self.prepare(irp);
        }
        self.device.dispatch(irp)
    }

    fn cancelled(&mut self, irp: &mut LowerIrp<'_>) -> CancelDisposition {
        match self.device.cancelled(irp) {
            CancelDisposition::Complete(outcome) => self.holding.cancelled(irp, outcome),
            other => other,
        }
    }

    fn completing(&mut self, irp: &mut LowerIrp<'_>, outcome: Outcome) -> Outcome {
        self.holding.completing(irp);
        self.device.completing(irp, outcome)
    }

    fn ready(&mut self) -> Vec<(kmdf_host::IrpId, Ticks, Outcome)> {
        self.device.ready()
    }

    fn pnp(&mut self, irp: PnpIrp) -> NTSTATUS {
        self.device.pnp(irp)
    }
}
