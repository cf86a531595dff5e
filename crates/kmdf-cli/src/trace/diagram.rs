//! From records to the steps of a sequence diagram, for the terminal and for the picture.

use std::collections::{BTreeMap, BTreeSet};

use kmdf_host::{Actor, Event, IrpId, Record, ThreadId, Ticks, Value};
use kmdf_sys::{STATUS_CANCELLED, STATUS_IO_TIMEOUT, STATUS_TIMEOUT};

use super::holders::Holders;
use super::words;

/// What a step is about, where it is not the ordinary course.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Tone {
    Plain,
    Failed,
    TimedOut,
    Cancelled,
    Violation,
}

impl Tone {
    fn of_status(status: i32) -> Self {
        match status {
            STATUS_CANCELLED => Self::Cancelled,
            STATUS_TIMEOUT | STATUS_IO_TIMEOUT => Self::TimedOut,
            ..0 => Self::Failed,
            0.. => Self::Plain,
        }
    }
}

/// One line of the diagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) time: Ticks,
    pub(super) tone: Tone,
    pub(super) what: What,
}

/// What an arrow stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Request,
    Answer,
    /// Of a request that was passed on before.
    Cancel,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// Something passed from one to another.
    Arrow {
        from: Actor,
        to: Actor,
        irp: Option<IrpId>,
        label: String,
        way: Way,
    },
    /// Something that happens to one of them.
    Note { actor: Actor, text: String },
    /// The framework calls a driver.
    Enter { actor: Actor, text: String },
    /// The driver returns; with a text where that says something.
    Leave { actor: Actor, text: Option<String> },
    /// Something that concerns everybody.
    Banner { text: String },
}

/// Makes steps; keeps of the records only what is still open.
#[derive(Debug)]
pub(super) struct Diagram {
    framework: Actor,
    holders: Holders,
    /// Who called the DDIs that have not returned.
    callers: BTreeMap<Option<ThreadId>, Vec<Actor>>,
    /// IRPs that are about to be cancelled because their time is up.
    late: BTreeSet<IrpId>,
}

impl Diagram {
    pub(super) fn new() -> Self {
        Self {
            framework: Actor::new(super::FRAMEWORK),
            holders: Holders::default(),
            callers: BTreeMap::new(),
            late: BTreeSet::new(),
        }
    }

    /// The step that a record makes, if any.
    pub(super) fn step(&mut self, record: &Record) -> Option<Step> {
        let (tone, what) = self.what(record)?;
        Some(Step {
            time: record.time,
            tone,
            what,
        })
    }

    fn what(&mut self, record: &Record) -> Option<(Tone, What)> {
        let arrow = |from: &Actor, to: &Actor, irp, label, way| What::Arrow {
            from: from.clone(),
            to: to.clone(),
            irp,
            label,
            way,
        };
        match &record.event {
            Event::Call { driver, .. } => {
                let callers = self.callers.entry(record.thread).or_default();
                callers.push(driver.clone());
                None
            }
            Event::Return { ddi, result } => {
                let actor = self.returns(record.thread)?;
                let (tone, status) = failure(result)?;
                let text = format!("{ddi}: {status}");
                Some((tone, What::Note { actor, text }))
            }
            Event::CallbackEnter {
                driver, callback, ..
            } => {
                let (actor, text) = (driver.clone(), (*callback).to_owned());
                Some((Tone::Plain, What::Enter { actor, text }))
            }
            Event::CallbackLeave {
                driver,
                callback,
                result,
            } => {
                let failure = failure(result);
                let actor = driver.clone();
                let tone = failure.as_ref().map_or(Tone::Plain, |(tone, _)| *tone);
                let text = failure.map(|(_, status)| format!("{callback}: {status}"));
                Some((tone, What::Leave { actor, text }))
            }
            Event::IrpDown {
                irp,
                from,
                to,
                major,
                length,
                offset,
                urb,
            } => {
                self.holders.down(*irp, from, to);
                let label = words::short_request(*major, *length, *offset, *urb);
                Some((
                    Tone::Plain,
                    arrow(from, to, Some(*irp), label, Way::Request),
                ))
            }
            Event::IrpUp {
                irp,
                from,
                status,
                information,
            } => {
                let passes = self.holders.up(*irp, from);
                let pass = passes.last()?;
                let label = words::short_outcome(*status, *information);
                let what = arrow(&pass.to, &pass.from, Some(*irp), label, Way::Answer);
                Some((Tone::of_status(*status), what))
            }
            Event::IoCompleted {
                irp,
                status,
                information,
            } => {
                // What is left was passed on by devices that did not wait for it, and so do not
                // complete it themselves.
                let passes = self.holders.end(*irp);
                let (inner, outer) = (passes.first()?, passes.last()?);
                let label = words::short_outcome(*status, *information);
                let what = arrow(&inner.to, &outer.from, Some(*irp), label, Way::Answer);
                Some((Tone::of_status(*status), what))
            }
            Event::TimeOut { irp } => {
                self.late.extend(*irp);
                let whose = irp.map_or_else(|| "a request".to_owned(), words::irp);
                let text = format!("time-out of {whose}");
                let actor = self.framework.clone();
                Some((Tone::TimedOut, What::Note { actor, text }))
            }
            Event::IrpCancel { irp, by, .. } => {
                let by = if self.late.remove(irp) {
                    &self.framework
                } else {
                    by
                };
                let what = match self.holders.of(*irp) {
                    Some(holder) => arrow(by, holder, Some(*irp), "cancel".to_owned(), Way::Cancel),
                    None => What::Note {
                        actor: by.clone(),
                        text: format!("{} cancelled", words::irp(*irp)),
                    },
                };
                Some((Tone::Cancelled, what))
            }
            Event::PnpDown { request, to } => {
                let what = arrow(&self.framework, to, None, request.to_string(), Way::Request);
                Some((Tone::Plain, what))
            }
            Event::PnpUp {
                request,
                from,
                status,
            } => {
                let label = format!("{request}: {}", words::short_status(*status));
                let what = arrow(from, &self.framework, None, label, Way::Answer);
                Some((Tone::of_status(*status), what))
            }
            Event::Power {
                driver, from, to, ..
            } => {
                let (actor, text) = (driver.clone(), format!("{from} → {to}"));
                Some((Tone::Plain, What::Note { actor, text }))
            }
            event @ (Event::DebugBreak { .. }
            | Event::Bugcheck { .. }
            | Event::Stopped { .. }
            | Event::Violation { .. }) => {
                let text = words::event(event);
                Some((Tone::Violation, What::Banner { text }))
            }
            Event::DebugPrint { driver, text, .. } => {
                let (actor, text) = (driver.clone(), text.trim_end().to_owned());
                Some((Tone::Plain, What::Note { actor, text }))
            }
            event @ Event::KernelRoutine { .. } => {
                let (actor, text) = (self.framework.clone(), words::event(event));
                Some((Tone::Plain, What::Note { actor, text }))
            }
            Event::IoSubmitted { .. }
            | Event::Wait { .. }
            | Event::Resume { .. }
            | Event::Queue { .. }
            | Event::Timer { .. }
            | Event::Enqueued { .. }
            | Event::Choice { .. } => None,
        }
    }

    /// Who made the call that returns on this thread.
    fn returns(&mut self, thread: Option<ThreadId>) -> Option<Actor> {
        let callers = self.callers.get_mut(&thread)?;
        let actor = callers.pop();
        if callers.is_empty() {
            self.callers.remove(&thread);
        }
        actor
    }
}

/// What is said at an arrow where there is room for it.
pub(super) fn label(irp: Option<IrpId>, label: &str) -> String {
    irp.map_or_else(
        || label.to_owned(),
        |irp| format!("{}: {label}", words::irp(irp)),
    )
}

/// How a failure is shown, and what it is.
fn failure(result: &Value) -> Option<(Tone, String)> {
    match result {
        Value::Status(status) if *status < 0 => {
            Some((Tone::of_status(*status), words::short_status(*status)))
        }
        _ => None,
    }
}
