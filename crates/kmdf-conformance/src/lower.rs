//! The driver below: answers from a script, and remembers what it was given.

use core::mem::offset_of;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use kmdf_host::{
    CancelDisposition, Disposition, IrpId, LowerDevice, LowerIrp, MdlState, Outcome, Ticks,
};
use kmdf_sys::{
    _URB_BULK_OR_INTERRUPT_TRANSFER, _URB_HEADER, NT_SUCCESS, NTSTATUS, PMDL, PURB,
    STATUS_CANCELLED, STATUS_SUCCESS,
};
use toml::{Table, Value};

use crate::call::Word;
use crate::content::Content;
use crate::error::{Malformed, malformed};
use crate::keys::{integer, known_keys, status};
use crate::memory::{peek, poke};

const IRP_MJ_READ: u8 = 3;
const IRP_MJ_WRITE: u8 = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Information {
    Number(u64),
    Length,
    Keep,
}

/// How an IRP is completed.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    status: NTSTATUS,
    information: Option<Information>,
    urb_length: Option<u32>,
    usbd_status: i32,
    data: Option<Content>,
}

#[derive(Clone, Copy, Debug)]
enum Pend {
    No,
    For(u64),
    ForEver,
}

#[derive(Clone, Debug)]
struct Reply {
    answer: Answer,
    pend: Pend,
    /// `None` is no cancel routine.
    on_cancel: Option<(Answer, u64)>,
}

/// The keys of an answer, in replies and in `complete` steps.
pub(crate) const ANSWER_KEYS: &[&str] =
    &["status", "information", "urb_length", "usbd_status", "data"];

impl Answer {
    pub(crate) fn parse(table: &Table) -> Result<Self, Malformed> {
        Ok(Self {
            status: table.get("status").map_or(Ok(STATUS_SUCCESS), status)?,
            information: table.get("information").map(information).transpose()?,
            urb_length: urb_length(table)?,
            usbd_status: table.get("usbd_status").map_or(Ok(0), status)?,
            data: table.get("data").map(Content::parse).transpose()?,
        })
    }

    fn cancelled(table: &Table) -> Result<(Self, u64), Malformed> {
        known_keys(
            table,
            &[
                "status",
                "information",
                "urb_length",
                "usbd_status",
                "after",
            ],
        )?;
        let mut answer = Self::parse(table)?;
        if !table.contains_key("status") {
            answer.status = STATUS_CANCELLED;
        }
        answer.information = answer.information.or(Some(Information::Number(0)));
        Ok((answer, milliseconds(table.get("after"))?))
    }

    fn outcome(&self, irp: &LowerIrp<'_>) -> Outcome {
        let default = if NT_SUCCESS(self.status) {
            Information::Length
        } else {
            Information::Number(0)
        };
        let information = match self.information.unwrap_or(default) {
            Information::Number(number) => Some(number),
            Information::Length if irp.urb().is_some() => Some(0),
            Information::Length if is_transfer(irp) => Some(irp.length().into()),
            Information::Length if has_lengths(irp) => Some(irp.output_length().into()),
            Information::Length => Some(0),
            Information::Keep => None,
        };
        Outcome {
            status: self.status,
            information,
        }
    }

    /// Writes what the device returns besides the status.
    fn deliver(&self, irp: &mut LowerIrp<'_>, outcome: Outcome) {
        let urb = irp.urb();
        let information = outcome.information.unwrap_or_else(|| irp.information());
        if let Some(content) = &self.data
            && has_lengths(irp)
        {
            let area = irp.output();
            let wanted = match (urb, self.urb_length) {
                (Some(_), Some(length)) => length as usize,
                (Some(_), None) => area.len(),
                (None, _) => usize::try_from(information).unwrap_or(usize::MAX),
            };
            let count = wanted.min(area.len());
            content.fill(&mut area[..count]);
        }
        if let Some(urb) = urb {
            let status = offset_of!(_URB_HEADER, Status);
            write_urb(urb, status, &self.usbd_status.to_le_bytes());
            if let Some(length) = self.urb_length {
                let place = offset_of!(_URB_BULK_OR_INTERRUPT_TRANSFER, TransferBufferLength);
                write_urb(urb, place, &length.to_le_bytes());
            }
        }
    }
}

fn is_transfer(irp: &LowerIrp<'_>) -> bool {
    matches!(irp.major(), IRP_MJ_READ | IRP_MJ_WRITE)
}

/// Whether the IRP says how long its buffers are. One for `Parameters.Others` has addresses where the lengths of a control
/// code are, and nothing but its sender knows what is there.
fn has_lengths(irp: &LowerIrp<'_>) -> bool {
    let is_length = |number| u32::try_from(irp.argument(number).addr()).is_ok();
    is_transfer(irp) || irp.urb().is_some() || is_length(1) && is_length(2)
}

fn urb_bytes(urb: PURB) -> Vec<u8> {
    let urb = urb.expose_provenance();
    // SAFETY: whoever sends a URB owns a structure that begins with a header and stays until it is completed.
    let header = unsafe { peek(urb, size_of::<_URB_HEADER>()) };
    let length = usize::from(u16::from_le_bytes([header[0], header[1]]));
    // SAFETY: the header says that the structure is this long.
    unsafe { peek(urb, length) }
}

fn write_urb(urb: PURB, offset: usize, bytes: &[u8]) {
    if offset + bytes.len() <= urb_bytes(urb).len() {
        // SAFETY: the range is inside the URB, which the device may write to until it completes it.
        unsafe { poke(urb.expose_provenance() + offset, bytes) }
    }
}

fn information(value: &Value) -> Result<Information, Malformed> {
    match value.as_str() {
        Some("length") => Ok(Information::Length),
        Some("keep") => Ok(Information::Keep),
        _ => integer(value).map(|number| Information::Number(number.cast_unsigned())),
    }
}

fn urb_length(table: &Table) -> Result<Option<u32>, Malformed> {
    match table.get("urb_length") {
        None => Ok(None),
        Some(value) if value.as_str() == Some("keep") => Ok(None),
        Some(value) => u32::try_from(integer(value)?)
            .map(Some)
            .map_err(|_| malformed("urb_length is no 32-bit number")),
    }
}

fn milliseconds(value: Option<&Value>) -> Result<u64, Malformed> {
    let number = value.map_or(Ok(0), integer)?;
    u64::try_from(number).map_err(|_| malformed("a negative time"))
}

fn reply(value: &Value) -> Result<Reply, Malformed> {
    let table = value
        .as_table()
        .ok_or_else(|| malformed("a reply is a table"))?;
    known_keys(table, &[ANSWER_KEYS, &["pend", "on_cancel"]].concat())?;
    let pend = match table.get("pend") {
        None | Some(Value::Boolean(false)) => Pend::No,
        Some(Value::Boolean(true)) => Pend::ForEver,
        Some(value) => Pend::For(milliseconds(Some(value))?),
    };
    let on_cancel = match table.get("on_cancel") {
        None => Some(Answer::cancelled(&Table::new())?),
        Some(Value::Table(table)) => Some(Answer::cancelled(table)?),
        Some(value) if value.as_str() == Some("ignore") => None,
        Some(value) => return Err(malformed(format!("on_cancel = {value}"))),
    };
    Ok(Reply {
        answer: Answer::parse(table)?,
        pend,
        on_cancel,
    })
}

/// An IRP as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    id: IrpId,
    pub(crate) address: usize,
    pub(crate) major: u8,
    /// Fields of the stack location and of the IRP, by the names of the format.
    pub(crate) fields: BTreeMap<&'static str, Word>,
    pub(crate) mdl: Option<MdlState>,
    pub(crate) urb: Option<Vec<u8>>,
    pub(crate) urb_mdl: Option<MdlState>,
    pub(crate) data: Vec<u8>,
    pub(crate) time: Ticks,
    /// The cancel flag when it was completed; `None` while it is not.
    pub(crate) cancelled: Option<bool>,
}

/// What a case and the machine know of a device below.
pub(crate) struct Below {
    pub(crate) number: usize,
    replies: RefCell<Vec<Reply>>,
    pub(crate) seen: RefCell<Vec<Seen>>,
    chosen: RefCell<BTreeMap<IrpId, usize>>,
    /// Answers that take the place of the script's.
    instead: RefCell<BTreeMap<IrpId, Answer>>,
    /// Answers of `complete` steps, for the IRP that is completed next.
    next: RefCell<Option<Answer>>,
    reporting: Rc<Cell<bool>>,
    mdl_state: Box<dyn Fn(PMDL) -> Option<MdlState>>,
    arrived: Box<dyn Fn(usize)>,
}

impl Below {
    pub(crate) fn new(
        number: usize,
        reporting: Rc<Cell<bool>>,
        mdl_state: impl Fn(PMDL) -> Option<MdlState> + 'static,
        arrived: impl Fn(usize) + 'static,
    ) -> Rc<Self> {
        Rc::new(Self {
            number,
            replies: RefCell::new(Vec::new()),
            seen: RefCell::new(Vec::new()),
            chosen: RefCell::new(BTreeMap::new()),
            instead: RefCell::new(BTreeMap::new()),
            next: RefCell::new(None),
            reporting,
            mdl_state: Box::new(mdl_state),
            arrived: Box::new(arrived),
        })
    }

    pub(crate) fn set_script(&self, script: &Value) -> Result<(), Malformed> {
        let replies = script
            .as_array()
            .ok_or_else(|| malformed("`lower` is an array of replies"))?;
        *self.replies.borrow_mut() = replies.iter().map(reply).collect::<Result<_, _>>()?;
        Ok(())
    }

    pub(crate) fn answer_next(&self, answer: Answer) {
        *self.next.borrow_mut() = Some(answer);
    }

    fn reply(&self, number: usize) -> Option<Reply> {
        let replies = self.replies.borrow();
        replies.get(number).or(replies.last()).cloned()
    }

    fn see(&self, irp: &mut LowerIrp<'_>) {
        let urb = irp.urb().map(urb_bytes);
        let urb_mdl = urb.as_ref().and_then(|urb| {
            let field = crate::layout::URB.field("TransferBufferMDL")?;
            let bytes = urb.get(field.offset..field.offset + field.size)?;
            let address = crate::memory::word(bytes);
            let address = usize::try_from(address).unwrap_or(0);
            (self.mdl_state)(core::ptr::with_exposed_provenance_mut(address))
        });
        let data = if !has_lengths(irp) {
            Vec::new()
        } else if irp.major() == IRP_MJ_READ {
            irp.output().to_vec()
        } else {
            irp.input().to_vec()
        };
        let mut fields = BTreeMap::from([
            ("SystemBuffer", word(irp.system_buffer())),
            ("UserBuffer", word(irp.user_buffer())),
            ("MdlAddress", word(irp.mdl())),
            ("Argument1", word(irp.argument(1))),
            ("Argument2", word(irp.argument(2))),
            ("Argument4", word(irp.argument(4))),
        ]);
        if is_transfer(irp) {
            fields.insert("Length", irp.length().into());
            fields.insert("ByteOffset", irp.offset().cast_unsigned());
        } else {
            fields.insert("IoControlCode", irp.code().into());
            fields.insert("InputBufferLength", irp.input_length().into());
            fields.insert("OutputBufferLength", irp.output_length().into());
            fields.insert("Type3InputBuffer", word(irp.type3_input()));
        }
        self.seen.borrow_mut().push(Seen {
            id: irp.id(),
            address: irp.address(),
            major: irp.major(),
            fields,
            mdl: (self.mdl_state)(irp.mdl()),
            urb,
            urb_mdl,
            data,
            time: irp.now(),
            cancelled: None,
        });
        (self.arrived)(self.number);
    }

    fn completed(&self, irp: &LowerIrp<'_>) {
        let mut seen = self.seen.borrow_mut();
        if let Some(seen) = seen.iter_mut().rev().find(|seen| seen.id == irp.id()) {
            seen.cancelled = Some(irp.is_cancelled());
        }
    }
}

fn word<T>(pointer: *mut T) -> Word {
    pointer.expose_provenance() as Word
}

/// The device itself.
pub(crate) struct Script(pub(crate) Rc<Below>);

impl LowerDevice for Script {
    fn dispatch(&mut self, irp: &mut LowerIrp<'_>) -> Disposition {
        let below = &self.0;
        let number = below.seen.borrow().len();
        let reply = if below.reporting.get() {
            below.see(irp);
            below.reply(number)
        } else {
            None
        };
        let Some(reply) = reply else {
            below.completed(irp);
            let length = if is_transfer(irp) { irp.length() } else { 0 };
            return Disposition::Complete(Outcome::new(STATUS_SUCCESS, length.into()));
        };
        below.chosen.borrow_mut().insert(irp.id(), number);
        if reply.on_cancel.is_none() {
            irp.ignore_cancel();
        }
        let outcome = reply.answer.outcome(irp);
        match reply.pend {
            Pend::No => {
                reply.answer.deliver(irp, outcome);
                below.completed(irp);
                Disposition::Complete(outcome)
            }
            Pend::For(span) => Disposition::CompleteAfter(Ticks::from_millis(span), outcome),
            Pend::ForEver => Disposition::Pend,
        }
    }

    fn cancelled(&mut self, irp: &mut LowerIrp<'_>) -> CancelDisposition {
        let number = self.0.chosen.borrow().get(&irp.id()).copied();
        let reply = number.and_then(|number| self.0.reply(number));
        let Some((answer, after)) = reply.and_then(|reply| reply.on_cancel) else {
            return CancelDisposition::Complete(Outcome::cancelled());
        };
        let outcome = answer.outcome(irp);
        self.0.instead.borrow_mut().insert(irp.id(), answer);
        if after == 0 {
            CancelDisposition::Complete(outcome)
        } else {
            CancelDisposition::CompleteAfter(Ticks::from_millis(after), outcome)
        }
    }

    fn completing(&mut self, irp: &mut LowerIrp<'_>, outcome: Outcome) -> Outcome {
        let below = &self.0;
        let instead = below.instead.borrow_mut().remove(&irp.id());
        let next = below.next.borrow_mut().take();
        let number = below.chosen.borrow().get(&irp.id()).copied();
        let script = || Some(below.reply(number?)?.answer);
        let outcome = match next.or(instead).or_else(script) {
            Some(answer) => {
                let outcome = answer.outcome(irp);
                answer.deliver(irp, outcome);
                outcome
            }
            None => outcome,
        };
        below.completed(irp);
        outcome
    }
}
