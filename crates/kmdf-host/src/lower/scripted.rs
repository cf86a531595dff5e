//! A device that answers from a script and remembers what it saw.

use core::ffi::c_void;

use kmdf_sys::{NT_SUCCESS, NTSTATUS, PMDL, PURB, STATUS_CANCELLED, STATUS_SUCCESS};

use super::{CancelDisposition, Disposition, LowerDevice, LowerIrp, Outcome};
use crate::system::irp::IRP_MJ_WRITE;
use crate::time::Ticks;
use crate::trace::IrpId;

/// What cancelling a held IRP does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnCancel {
    /// Completes it, `after` later; zero means inside the cancel routine.
    Complete {
        /// Final status and information.
        outcome: Outcome,
        /// How much later.
        after: Ticks,
    },
    /// There is no cancel routine; the reply goes on.
    Ignore,
}

/// When a reply completes the IRP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Inside the dispatch routine.
    AtOnce,
    /// That much later.
    After(Ticks),
    /// When it is cancelled or completed from outside.
    Never,
}

/// The answer to one IRP.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Final status.
    pub status: NTSTATUS,
    /// Final information; `None` is the length of a successful transfer and 0 of a failed one.
    pub information: Option<u64>,
    /// When.
    pub when: When,
    /// What a cancel does meanwhile.
    pub on_cancel: OnCancel,
    /// What is put into the transfer buffer before completing.
    pub data: Option<Vec<u8>>,
    /// Whether the IRP is completed twice.
    pub twice: bool,
}

impl Reply {
    /// Completes at once with `status`.
    #[must_use]
    pub const fn new(status: NTSTATUS) -> Self {
        let outcome = Outcome::new(STATUS_CANCELLED, 0);
        let on_cancel = OnCancel::Complete {
            outcome,
            after: Ticks::ZERO,
        };
        Self {
            status,
            information: None,
            when: When::AtOnce,
            on_cancel,
            data: None,
            twice: false,
        }
    }

    /// With this information.
    #[must_use]
    pub const fn information(mut self, information: u64) -> Self {
        self.information = Some(information);
        self
    }

    /// That much later.
    #[must_use]
    pub const fn after(mut self, span: Ticks) -> Self {
        self.when = When::After(span);
        self
    }

    /// Not before it is cancelled or completed from outside.
    #[must_use]
    pub const fn pend(mut self) -> Self {
        self.when = When::Never;
        self
    }

    /// What a cancel does.
    #[must_use]
    pub const fn on_cancel(mut self, on_cancel: OnCancel) -> Self {
        self.on_cancel = on_cancel;
        self
    }

    /// Completes the IRP twice, however it comes to be completed: the run ends there, with bugcheck 0x44.
    #[must_use]
    pub const fn twice(mut self) -> Self {
        self.twice = true;
        self
    }

    /// Returns these bytes.
    #[must_use]
    pub fn data(mut self, bytes: &[u8]) -> Self {
        self.data = Some(bytes.to_vec());
        self
    }
}

impl Default for Reply {
    fn default() -> Self {
        Self::new(STATUS_SUCCESS)
    }
}

/// An IRP as it arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its number.
    pub id: IrpId,
    /// Its address.
    pub address: usize,
    /// `IRP_MJ_` code.
    pub major: u8,
    /// Length of a read or write.
    pub length: u32,
    /// Device offset of a read or write.
    pub offset: i64,
    /// Control code.
    pub code: u32,
    /// Length of a control code's input.
    pub input_length: u32,
    /// Length of a control code's output.
    pub output_length: u32,
    /// `Parameters.Others.Argument1` to `4`.
    pub arguments: [*mut c_void; 4],
    /// `AssociatedIrp.SystemBuffer`.
    pub system_buffer: *mut c_void,
    /// `UserBuffer`.
    pub user_buffer: *mut c_void,
    /// `MdlAddress`.
    pub mdl: PMDL,
    /// The URB it carried.
    pub urb: Option<PURB>,
    /// What the device was given.
    pub data: Vec<u8>,
    /// When.
    pub time: Ticks,
    /// At which IRQL.
    pub irql: u8,
}

/// A device that gives the n-th reply to the n-th IRP and the last one to all later ones.
#[derive(Clone, Debug, Default)]
pub struct Scripted {
    replies: Vec<Reply>,
    seen: Vec<Seen>,
    cancels: usize,
    answered: Vec<(IrpId, usize)>,
}

impl Scripted {
    /// A device with this script; an empty one is a single successful reply.
    #[must_use]
    pub fn new(replies: Vec<Reply>) -> Self {
        let replies = if replies.is_empty() {
            vec![Reply::default()]
        } else {
            replies
        };
        Self {
            replies,
            ..Self::default()
        }
    }

    /// The IRPs that arrived.
    #[must_use]
    pub fn seen(&self) -> &[Seen] {
        &self.seen
    }

    /// How often a cancel routine of this device ran.
    #[must_use]
    pub const fn cancels(&self) -> usize {
        self.cancels
    }

    fn reply_to(&self, irp: IrpId) -> &Reply {
        let number = self
            .answered
            .iter()
            .find(|(id, _)| *id == irp)
            .map_or(0, |(_, number)| *number);
        &self.replies[number]
    }

    fn outcome(reply: &Reply, irp: &LowerIrp<'_>) -> Outcome {
        let length = if irp.urb().is_some() {
            0
        } else if irp.major() > IRP_MJ_WRITE {
            irp.output_length()
        } else {
            irp.length()
        };
        let default = if NT_SUCCESS(reply.status) {
            u64::from(length)
        } else {
            0
        };
        Outcome::new(reply.status, reply.information.unwrap_or(default))
    }

    fn put_data(reply: &Reply, irp: &mut LowerIrp<'_>, outcome: Outcome) {
        if let Some(data) = &reply.data {
            let area = irp.output();
            let wanted = usize::try_from(outcome.information.unwrap_or(0)).unwrap_or(usize::MAX);
            let count = wanted.min(area.len()).min(data.len());
            area[..count].copy_from_slice(&data[..count]);
        }
    }
}

impl LowerDevice for Scripted {
    fn dispatch(&mut self, irp: &mut LowerIrp<'_>) -> Disposition {
        self.seen.push(Seen {
            id: irp.id(),
            address: irp.address(),
            major: irp.major(),
            length: irp.length(),
            offset: irp.offset(),
            code: irp.code(),
            input_length: irp.input_length(),
            output_length: irp.output_length(),
            arguments: [1, 2, 3, 4].map(|number| irp.argument(number)),
            system_buffer: irp.system_buffer(),
            user_buffer: irp.user_buffer(),
            mdl: irp.mdl(),
            urb: irp.urb(),
            data: irp.input().to_vec(),
            time: irp.now(),
            irql: irp.irql(),
        });
        if self.replies.is_empty() {
            self.replies.push(Reply::default());
        }
        let number = (self.seen.len() - 1).min(self.replies.len() - 1);
        self.answered.push((irp.id(), number));
        let reply = &self.replies[number];
        if reply.on_cancel == OnCancel::Ignore {
            irp.ignore_cancel();
        }
        if reply.twice {
            irp.complete_twice();
        }
        let outcome = Self::outcome(reply, irp);
        match reply.when {
            When::AtOnce => {
                Self::put_data(reply, irp, outcome);
                Disposition::Complete(outcome)
            }
            When::After(span) => Disposition::CompleteAfter(span, outcome),
            When::Never => Disposition::Pend,
        }
    }

    fn cancelled(&mut self, irp: &mut LowerIrp<'_>) -> CancelDisposition {
        self.cancels += 1;
        match self.reply_to(irp.id()).on_cancel {
            OnCancel::Complete { outcome, after } if after == Ticks::ZERO => {
                CancelDisposition::Complete(outcome)
            }
            OnCancel::Complete { outcome, after } => {
                CancelDisposition::CompleteAfter(after, outcome)
            }
            OnCancel::Ignore => CancelDisposition::Ignore,
        }
    }

    fn completing(&mut self, irp: &mut LowerIrp<'_>, outcome: Outcome) -> Outcome {
        Self::put_data(self.reply_to(irp.id()), irp, outcome);
        outcome
    }
}
