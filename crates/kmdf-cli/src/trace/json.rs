//! The trace in the Trace Event Format that Perfetto and chrome://tracing read.
//!
//! Each logical thread is a track of the process `kmdf`, with its calls, callbacks and waits inside
//! one another. Each IRP is a track of its own, with one span for each device that has it.

use std::io::{self, Write};

use kmdf_host::{Event, IrpId, Record, ThreadId, Ticks};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::holders::Holders;
use super::words;
use crate::status::Status;

const PROCESS: u32 = 1;
const IRP: &str = "irp";

/// Writes one event a line.
#[derive(Debug, Default)]
pub(super) struct Json {
    begun: bool,
    /// The host uses a logical thread again under another name; each name has a track of its own.
    tracks: Vec<(Option<ThreadId>, String)>,
    holders: Holders,
}

/// Where and when something happened.
#[derive(Clone, Copy)]
struct Place {
    track: usize,
    time: Ticks,
}

impl Place {
    #[expect(
        clippy::cast_precision_loss,
        reason = "exact for the first 28 years of a run"
    )]
    fn microseconds(self) -> f64 {
        self.time.0 as f64 / 10.0
    }
}

/// One event of the format, as far as it is used here.
#[derive(Debug, Serialize)]
struct Entry<'a> {
    ph: &'static str,
    pid: u32,
    tid: usize,
    /// Microseconds.
    ts: f64,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cat: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    s: Option<&'static str>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    args: Map<String, Value>,
}

impl<'a> Entry<'a> {
    fn new(place: Place, ph: &'static str, name: &'a str, args: Value) -> Self {
        let args = if let Value::Object(args) = args {
            args
        } else {
            Map::new()
        };
        Self {
            ph,
            pid: PROCESS,
            tid: place.track,
            ts: place.microseconds(),
            name,
            cat: None,
            id: None,
            s: None,
            args,
        }
    }

    fn of_irp(mut self, irp: IrpId) -> Self {
        self.cat = Some(IRP);
        self.id = Some(irp.0);
        self
    }

    /// An event without a duration, on its track.
    fn on_thread(mut self) -> Self {
        self.s = Some("t");
        self
    }

    /// An event without a duration, marked through the whole process.
    fn everywhere(mut self) -> Self {
        self.s = Some("p");
        self
    }
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
        let is_known = |(thread, known): &(_, String)| *thread == record.thread && known == name;
        if let Some(track) = self.tracks.iter().rposition(is_known) {
            return Ok(track);
        }
        if self.tracks.is_empty() {
            self.entry(&metadata("process_name", 0, "kmdf"), out)?;
        }
        let track = self.tracks.len();
        self.tracks.push((record.thread, name.to_owned()));
        self.entry(&metadata("thread_name", track, name), out)?;
        Ok(track)
    }

    fn event(&mut self, place: Place, event: &Event, out: &mut dyn Write) -> io::Result<()> {
        let entry = |ph, name, args| Entry::new(place, ph, name, args);
        match event {
            Event::Call { ddi, arguments, .. } => {
                let arguments: Map<_, _> = arguments
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), words::value(value).into()))
                    .collect();
                self.entry(&entry("B", ddi, arguments.into()), out)
            }
            Event::Return { ddi, result } => self.entry(&entry("E", ddi, returned(result)), out),
            Event::CallbackEnter {
                driver,
                callback,
                object,
            } => {
                let args = json!({"driver": driver.name(), "object": format!("{object:#x}")});
                self.entry(&entry("B", callback, args), out)
            }
            Event::CallbackLeave {
                callback, result, ..
            } => self.entry(&entry("E", callback, returned(result)), out),
            Event::Wait { what } => self.entry(&entry("B", "wait", json!({"for": what})), out),
            Event::Resume { timeout } => {
                self.entry(&entry("E", "wait", json!({"timeout": timeout})), out)
            }
            Event::IoSubmitted {
                irp,
                major,
                length,
                offset,
            } => {
                let args =
                    json!({"major": words::major(*major), "length": length, "offset": offset});
                self.entry(&entry("b", &words::irp(*irp), args).of_irp(*irp), out)
            }
            Event::IoCompleted {
                irp,
                status,
                information,
            } => {
                let args = ended(*status, *information);
                for pass in self.holders.end(*irp) {
                    self.entry(
                        &Entry::new(place, "e", pass.to.name(), args.clone()).of_irp(*irp),
                        out,
                    )?;
                }
                self.entry(&entry("e", &words::irp(*irp), args).of_irp(*irp), out)
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
                let args = json!({
                    "from": from.name(),
                    "request": words::request(*major, *length, *offset, *urb),
                    "irp": irp.0,
                });
                self.holders.down(*irp, from, to);
                self.entry(&entry("b", to.name(), args).of_irp(*irp), out)
            }
            Event::IrpUp {
                irp,
                from,
                status,
                information,
            } => {
                let args = ended(*status, *information);
                for pass in self.holders.up(*irp, from) {
                    self.entry(
                        &Entry::new(place, "e", pass.to.name(), args.clone()).of_irp(*irp),
                        out,
                    )?;
                }
                Ok(())
            }
            Event::IrpCancel { irp, routine } => {
                let args = json!({"cancel routine": routine});
                self.entry(&entry("n", "IoCancelIrp", args).of_irp(*irp), out)
            }
            Event::KernelRoutine { routine } => {
                self.entry(&entry("i", routine, json!({})).everywhere(), out)
            }
            Event::PnpDown { request, to } => {
                let name = request.to_string();
                self.entry(&entry("B", &name, json!({"to": to.name()})), out)
            }
            Event::PnpUp {
                request, status, ..
            } => {
                let args = json!({"status": Status(*status).to_string()});
                self.entry(&entry("E", &request.to_string(), args), out)
            }
            Event::Power {
                driver,
                device,
                from,
                to,
            } => {
                let args = json!({"driver": driver.name(), "device": format!("{device:#x}")});
                let name = format!("{from} → {to}");
                self.entry(&entry("i", &name, args).on_thread(), out)
            }
            Event::Queue { queue, state } => {
                let args = json!({"queue": format!("{queue:#x}")});
                let name = format!("queue: {state}");
                self.entry(&entry("i", &name, args).on_thread(), out)
            }
            Event::Timer { timer, change } => {
                let args = json!({"timer": format!("{timer:#x}")});
                let name = format!("timer {}", words::timer(*change));
                self.entry(&entry("i", &name, args).on_thread(), out)
            }
            Event::Enqueued { callback, object } => {
                let args = json!({"object": format!("{object:#x}")});
                let name = format!("{callback} queued");
                self.entry(&entry("i", &name, args).on_thread(), out)
            }
            Event::Choice {
                what,
                among,
                chosen,
            } => {
                let args = json!({"between": what, "among": among, "chosen": chosen});
                self.entry(&entry("i", "choice", args).on_thread(), out)
            }
            Event::Violation { kind, explanation } => {
                let args = json!({"kind": format!("{kind:?}"), "explanation": explanation});
                self.entry(&entry("i", "violation", args).everywhere(), out)
            }
            Event::Stopped { reason } => self.entry(
                &entry("i", "stopped", json!({"reason": reason})).everywhere(),
                out,
            ),
            Event::DebugBreak { reason } => self.entry(
                &entry("i", "debug break", json!({"reason": reason})).everywhere(),
                out,
            ),
            Event::DebugPrint {
                component,
                level,
                text,
                ..
            } => {
                let args = json!({"text": text, "component": component, "level": level});
                self.entry(&entry("i", "DbgPrint", args), out)
            }
            Event::Bugcheck { code, p1 } => {
                let args =
                    json!({"code": format!("{code:#X}"), "first parameter": format!("{p1:#x}")});
                self.entry(&entry("i", "bugcheck", args).everywhere(), out)
            }
        }
    }
}

fn metadata(what: &str, track: usize, name: &str) -> Value {
    json!({"ph": "M", "pid": PROCESS, "tid": track, "name": what, "args": {"name": name}})
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
            let place = Place {
                track,
                time: record.time,
            };
            self.event(place, &record.event, out)?;
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if !self.begun {
            out.write_all(b"{\"displayTimeUnit\":\"ns\",\"traceEvents\":[")?;
        }
        out.write_all(b"\n]}\n")
    }
}
