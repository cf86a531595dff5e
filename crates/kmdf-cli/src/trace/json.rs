//! The trace in the Trace Event Format that Perfetto and chrome://tracing read.
//!
//! Each logical thread is a track of the process `kmdf`, with its calls, callbacks and waits inside
//! one another. Each IRP is a track of its own, with one span for each device that has it, and a
//! flow, drawn as arrows, through the places of the threads where it is passed on.
//!
//! What happens in the model takes no virtual time. So that it can still be seen, each record is at
//! least a nanosecond after the one before; `at` among its arguments is the virtual time itself.

mod entries;

use std::collections::BTreeMap;
use std::io::{self, Write};

use kmdf_host::{Event, IrpId, Record, ThreadId, Ticks};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::holders::Holders;
use super::words;
use crate::status::Status;
use entries::{Entry, Place, metadata};

/// Writes one event a line.
#[derive(Debug, Default)]
pub(super) struct Json {
    begun: bool,
    /// Nanoseconds, of the last record.
    now: u64,
    /// The host uses a logical thread again under another name; each name has a track of its own.
    tracks: Vec<Track>,
    holders: Holders,
    /// IRPs of applications that are under way.
    submitted: BTreeMap<IrpId, String>,
    /// Flows that have begun: an IRP that is sent again begins another.
    flows: BTreeMap<IrpId, u64>,
    flows_begun: u64,
}

#[derive(Debug)]
struct Track {
    thread: Option<ThreadId>,
    name: String,
    /// Spans that have begun.
    open: Vec<String>,
}

/// Where a flow goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    Ends,
}

impl Json {
    pub(super) fn new() -> Self {
        Self::default()
    }

    fn entry(&mut self, entry: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(if self.begun {
            b",\n"
        } else {
            b"{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n"
        })?;
        self.begun = true;
        serde_json::to_writer(out, entry).map_err(io::Error::from)
    }

    /// The track of the record's thread, which is announced when it is used for the first time.
    fn track(&mut self, record: &Record, out: &mut dyn Write) -> io::Result<usize> {
        let name = &*record.thread_name;
        let is_known = |track: &Track| track.thread == record.thread && track.name == name;
        if let Some(track) = self.tracks.iter().rposition(is_known) {
            return Ok(track);
        }
        if self.tracks.is_empty() {
            self.entry(&metadata("process_name", 0, "kmdf"), out)?;
        }
        let track = self.tracks.len();
        self.tracks.push(Track {
            thread: record.thread,
            name: name.to_owned(),
            open: Vec::new(),
        });
        self.entry(&metadata("thread_name", track, name), out)?;
        Ok(track)
    }

    /// The place of a record: after the one before.
    fn place(&mut self, track: usize, time: Ticks) -> Place {
        let virtual_time = time.0.saturating_mul(100);
        self.now = virtual_time.max(self.now + 1);
        Place {
            track,
            nanoseconds: self.now,
            time: Some(time),
        }
    }

    fn begin(
        &mut self,
        place: Place,
        name: &str,
        args: Value,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        if let Some(track) = self.tracks.get_mut(place.track) {
            track.open.push(name.to_owned());
        }
        self.entry(&Entry::new(place, "B", name, args), out)
    }

    /// Ends the span that began last on the track. What does not end in order, because its thread
    /// was stopped for ever, is ended with the trace.
    fn end(
        &mut self,
        place: Place,
        name: &str,
        args: Value,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let open = self
            .tracks
            .get_mut(place.track)
            .map(|track| &mut track.open);
        if open.is_some_and(|open| open.pop_if(|last| last == name).is_some()) {
            self.entry(&Entry::new(place, "E", name, args), out)?;
        }
        Ok(())
    }

    /// What happens at once, on its thread.
    fn instant(
        &mut self,
        place: Place,
        name: &str,
        args: Value,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        self.entry(&Entry::new(place, "i", name, args).scoped("t"), out)
    }

    /// What concerns everybody.
    fn everywhere(
        &mut self,
        place: Place,
        name: &str,
        args: Value,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        self.entry(&Entry::new(place, "i", name, args).scoped("p"), out)
    }

    /// A step of an IRP on the thread that takes it, tied to the steps before.
    fn flow(
        &mut self,
        place: Place,
        irp: IrpId,
        name: &str,
        flow: Flow,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        self.entry(
            &Entry::new(place, "X", name, json!({"irp": irp.0})).lasting(),
            out,
        )?;
        let known = self.flows.get(&irp).copied();
        let (phase, id) = match (known, flow) {
            (None, _) => {
                self.flows_begun += 1;
                self.flows.insert(irp, self.flows_begun);
                ("s", self.flows_begun)
            }
            (Some(id), Flow::On) => ("t", id),
            (Some(id), Flow::Ends) => {
                self.flows.remove(&irp);
                ("f", id)
            }
        };
        let entry = Entry::new(place.silent(), phase, "IRP", Value::Null).of("flow", id);
        self.entry(&entry.binding(phase == "f"), out)
    }

    /// How many IRPs are under way, as a curve.
    fn counter(&mut self, place: Place, out: &mut dyn Write) -> io::Result<()> {
        let count = json!({"IRPs": self.holders.count()});
        self.entry(
            &Entry::new(place.silent(), "C", "IRPs under way", count),
            out,
        )
    }

    /// The spans of an IRP end that are at the devices which `passes` names.
    fn leave(
        &mut self,
        place: Place,
        irp: IrpId,
        names: impl Iterator<Item = String>,
        args: &Value,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        for name in names {
            let entry = Entry::new(place, "e", &name, args.clone()).of("irp", irp.0);
            self.entry(&entry, out)?;
        }
        Ok(())
    }

    fn event(&mut self, place: Place, event: &Event, out: &mut dyn Write) -> io::Result<()> {
        match event {
            Event::Call { ddi, arguments, .. } => {
                let arguments: Map<_, _> = arguments
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), words::value(value).into()))
                    .collect();
                self.begin(place, ddi, arguments.into(), out)
            }
            Event::Return { ddi, result } => self.end(place, ddi, returned(result), out),
            Event::CallbackEnter {
                driver,
                callback,
                object,
            } => {
                let args = json!({"driver": driver.name(), "object": handle(*object)});
                self.begin(place, callback, args, out)
            }
            Event::CallbackLeave {
                callback, result, ..
            } => self.end(place, callback, returned(result), out),
            Event::Wait { what } => self.begin(place, "wait", json!({"for": what}), out),
            Event::Resume { timeout } => self.end(place, "wait", json!({"timeout": timeout}), out),
            Event::PnpDown { request, to } => {
                let name = request.to_string();
                self.begin(place, &name, json!({"to": to.name()}), out)
            }
            Event::PnpUp {
                request, status, ..
            } => {
                let args = json!({"status": Status(*status).to_string()});
                self.end(place, &request.to_string(), args, out)
            }
            Event::IoSubmitted { .. }
            | Event::IoCompleted { .. }
            | Event::IrpDown { .. }
            | Event::IrpUp { .. }
            | Event::IrpCancel { .. } => self.irp(place, event, out),
            Event::TimeOut { irp } => {
                let args = json!({"irp": irp.map(|irp| irp.0)});
                self.instant(place, "time-out", args, out)
            }
            Event::Power {
                driver,
                device,
                from,
                to,
            } => {
                let args = json!({"driver": driver.name(), "device": handle(*device)});
                self.instant(place, &format!("{from} → {to}"), args, out)
            }
            Event::Queue { queue, state } => {
                let args = json!({"queue": handle(*queue)});
                self.instant(place, &format!("queue: {state}"), args, out)
            }
            Event::Timer { timer, change } => {
                let args = json!({"timer": handle(*timer)});
                self.instant(
                    place,
                    &format!("timer {}", words::timer(*change)),
                    args,
                    out,
                )
            }
            Event::Enqueued { callback, object } => {
                let args = json!({"object": handle(*object)});
                self.instant(place, &format!("{callback} queued"), args, out)
            }
            Event::Choice {
                what,
                among,
                chosen,
            } => {
                let args = json!({"between": what, "among": among, "chosen": chosen});
                self.instant(place, "choice", args, out)
            }
            Event::DebugPrint {
                driver,
                component,
                level,
                text,
            } => {
                let args = json!({
                    "driver": driver.name(), "component": component, "level": level, "text": text,
                });
                self.instant(place, "DbgPrint", args, out)
            }
            Event::KernelRoutine { routine } => self.instant(place, routine, json!({}), out),
            Event::Violation { kind, explanation } => {
                let args = json!({"kind": format!("{kind:?}"), "explanation": explanation});
                self.everywhere(place, "violation", args, out)
            }
            Event::Stopped { reason } => {
                self.everywhere(place, "stopped", json!({"reason": reason}), out)
            }
            Event::DebugBreak { reason } => {
                self.everywhere(place, "debug break", json!({"reason": reason}), out)
            }
            Event::Bugcheck { code, p1 } => {
                let args = json!({"code": handle((*code).into()), "first parameter": handle(*p1)});
                self.everywhere(place, "bugcheck", args, out)
            }
        }
    }

    /// What happens to an IRP.
    fn irp(&mut self, place: Place, event: &Event, out: &mut dyn Write) -> io::Result<()> {
        match event {
            Event::IoSubmitted {
                irp,
                major,
                length,
                offset,
            } => {
                let args =
                    json!({"major": words::major(*major), "length": length, "offset": offset});
                let name = words::irp(*irp);
                self.entry(&Entry::new(place, "b", &name, args).of("irp", irp.0), out)?;
                self.submitted.insert(*irp, name);
                Ok(())
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
                let request = words::request(*major, *length, *offset, *urb);
                let args = json!({"from": from.name(), "request": request});
                self.holders.down(*irp, from, to);
                let begun = Entry::new(place, "b", to.name(), args).of("irp", irp.0);
                self.entry(&begun, out)?;
                let name = format!("{} → {to}", words::irp(*irp));
                self.flow(place, *irp, &name, Flow::On, out)?;
                self.counter(place, out)
            }
            Event::IrpUp {
                irp,
                from,
                status,
                information,
            } => {
                let args = ended(*status, *information);
                let passes = self.holders.up(*irp, from);
                let names = passes.iter().map(|pass| pass.to.name().to_owned());
                self.leave(place, *irp, names, &args, out)?;
                let flow = if self.holders.of(*irp).is_some() || self.submitted.contains_key(irp) {
                    Flow::On
                } else {
                    Flow::Ends
                };
                let name = format!("{} ← {from}", words::irp(*irp));
                self.flow(place, *irp, &name, flow, out)?;
                self.counter(place, out)
            }
            Event::IoCompleted {
                irp,
                status,
                information,
            } => {
                let args = ended(*status, *information);
                let passes = self.holders.end(*irp);
                let own = self.submitted.remove(irp);
                let names = passes.iter().map(|pass| pass.to.name().to_owned());
                self.leave(place, *irp, names.chain(own), &args, out)?;
                let name = format!("{} is done", words::irp(*irp));
                self.flow(place, *irp, &name, Flow::Ends, out)?;
                self.counter(place, out)
            }
            Event::IrpCancel { irp, by, routine } => {
                let args = json!({"by": by.name(), "cancel routine": routine});
                let entry = Entry::new(place, "n", "IoCancelIrp", args).of("irp", irp.0);
                self.entry(&entry, out)
            }
            _ => Ok(()),
        }
    }

    /// Ends everything that has begun: the run was stopped, or a request never came back.
    fn close(&mut self, out: &mut dyn Write) -> io::Result<()> {
        self.now += 1;
        let place = |track| Place {
            track,
            nanoseconds: self.now,
            time: None,
        };
        let at = place(0);
        let open: Vec<_> = self
            .tracks
            .iter_mut()
            .enumerate()
            .map(|(track, known)| (place(track), std::mem::take(&mut known.open)))
            .collect();
        let never = json!({"ended": "never"});
        for (place, names) in open {
            for name in names.iter().rev() {
                self.entry(&Entry::new(place, "E", name, never.clone()), out)?;
            }
        }
        let submitted = std::mem::take(&mut self.submitted);
        for irp in self.holders.irps() {
            let passes = self.holders.end(irp);
            let names = passes.iter().map(|pass| pass.to.name().to_owned());
            self.leave(at, irp, names, &never, out)?;
        }
        for (irp, name) in submitted {
            self.leave(at, irp, std::iter::once(name), &never, out)?;
        }
        for (_, id) in std::mem::take(&mut self.flows) {
            let entry = Entry::new(at, "f", "IRP", Value::Null).of("flow", id);
            self.entry(&entry.binding(true), out)?;
        }
        Ok(())
    }
}

fn handle(handle: u64) -> String {
    format!("{handle:#x}")
}

fn returned(result: &kmdf_host::Value) -> Value {
    match result {
        kmdf_host::Value::Unit => Value::Null,
        other => json!({"result": words::value(other)}),
    }
}

fn ended(status: i32, information: u64) -> Value {
    json!({"status": Status(status).to_string(), "information": information})
}

impl super::Renderer for Json {
    fn records(&mut self, records: &[Record], out: &mut dyn Write) -> io::Result<()> {
        for record in records {
            let track = self.track(record, out)?;
            let place = self.place(track, record.time);
            self.event(place, &record.event, out)?;
        }
        Ok(())
    }

    fn finish(&mut self, records: u64, out: &mut dyn Write) -> io::Result<()> {
        self.close(out)?;
        if !self.begun {
            out.write_all(b"{\"displayTimeUnit\":\"ns\",\"traceEvents\":[")?;
        }
        let other = json!({"records": words::records(records)});
        writeln!(out, "\n],\"otherData\":{other}}}")
    }
}
