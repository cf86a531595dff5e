//! The trace as a sequence diagram.

use std::io::{self, Write};

use kmdf_host::{Actor, Event, Record, Ticks, Value};

use super::holders::Holders;
use super::{Renderer, words};
use crate::status::Status;

/// Columns for the time, left of the first lifeline.
const TIME: usize = 15;
/// Fewest columns between two lifelines; a narrower terminal wraps.
const GAP_AT_LEAST: usize = 24;
/// Most columns between two lifelines; more only tears the picture apart.
const GAP_AT_MOST: usize = 52;

/// One lifeline for each actor, arrows for what they pass to one another, notes for what happens to
/// one of them.
#[derive(Debug)]
pub(super) struct Sequence {
    width: usize,
    actors: Vec<String>,
    headed: bool,
    shown: Option<Ticks>,
    holders: Holders,
}

impl Sequence {
    pub(super) fn new(actors: &[&str], width: usize) -> Self {
        let actors = actors.iter().map(|&actor| actor.to_owned()).collect();
        Self {
            width,
            actors,
            headed: false,
            shown: None,
            holders: Holders::default(),
        }
    }

    fn gap(&self) -> usize {
        let room = self.width.saturating_sub(TIME) / self.actors.len().max(1);
        room.clamp(GAP_AT_LEAST, GAP_AT_MOST)
    }

    /// The column of a lifeline.
    fn column(&self, actor: usize) -> usize {
        TIME + actor * self.gap()
    }

    /// The lifeline of an actor; one that was not known so far gets the last, and new headings.
    fn lifeline(&mut self, actor: &str) -> usize {
        if let Some(known) = self.actors.iter().position(|name| name == actor) {
            return known;
        }
        self.actors.push(actor.to_owned());
        self.headed = false;
        self.actors.len() - 1
    }

    /// A row with all lifelines.
    fn row(&self) -> Row {
        let mut row = Row::new(TIME + self.actors.len() * self.gap());
        for actor in 0..self.actors.len() {
            row.put(self.column(actor), '│');
        }
        row
    }

    fn line(&mut self, time: Ticks, mut row: Row, out: &mut dyn Write) -> io::Result<()> {
        if !self.headed {
            self.headed = true;
            let mut names = Row::new(TIME + self.actors.len() * self.gap());
            for (actor, name) in self.actors.iter().enumerate() {
                names.text(self.column(actor), self.gap() - 1, name);
            }
            writeln!(out, "{}", names.finish())?;
        }
        if self.shown != Some(time) {
            self.shown = Some(time);
            row.text(0, TIME - 1, &time.to_string());
        }
        writeln!(out, "{}", row.finish())
    }

    fn arrow(&mut self, time: Ticks, arrow: &Arrow<'_>, out: &mut dyn Write) -> io::Result<()> {
        let (from, to) = (
            self.lifeline(arrow.from.name()),
            self.lifeline(arrow.to.name()),
        );
        let mut row = self.row();
        if from == to {
            row.text(self.column(from) + 2, self.gap() - 3, &arrow.label);
            return self.line(time, row, out);
        }
        let (left, right) = (self.column(from.min(to)) + 1, self.column(from.max(to)) - 1);
        let shaft = if arrow.back { '┄' } else { '─' };
        for column in left..=right {
            row.put(column, shaft);
        }
        if from < to {
            row.put(right, '►');
        } else {
            row.put(left, '◄');
        }
        // One column of the shaft stays visible on either side, one is the head, and blanks set the
        // label off.
        let room = (right - left).saturating_sub(5);
        // The word that all names of statuses begin with is the first that can go.
        let label = if arrow.label.chars().count() > room {
            arrow.label.replacen("STATUS_", "", 1)
        } else {
            arrow.label.clone()
        };
        let label = format!(" {} ", fitted(&label, room));
        let free = (right + 1 - left).saturating_sub(label.chars().count());
        row.text(left + free / 2, room + 2, &label);
        self.line(time, row, out)
    }

    fn note(
        &mut self,
        time: Ticks,
        actor: &str,
        note: &str,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let actor = self.lifeline(actor);
        let mut row = self.row();
        row.text(self.column(actor) + 2, self.gap() - 3, note);
        self.line(time, row, out)
    }

    /// A line that concerns everybody.
    fn banner(&mut self, time: Ticks, text: &str, out: &mut dyn Write) -> io::Result<()> {
        let mut row = Row::new(TIME + text.chars().count());
        row.text(TIME, text.chars().count(), text);
        self.line(time, row, out)
    }

    fn record(&mut self, record: &Record, out: &mut dyn Write) -> io::Result<()> {
        let time = record.time;
        match &record.event {
            Event::CallbackEnter {
                driver, callback, ..
            } => self.note(time, driver.name(), callback, out),
            Event::CallbackLeave {
                driver,
                callback,
                result: Value::Status(status),
            } if *status < 0 => {
                let note = format!("{callback}: {}", Status(*status));
                self.note(time, driver.name(), &note, out)
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
                self.arrow(
                    time,
                    &Arrow {
                        from,
                        to,
                        label,
                        back: false,
                    },
                    out,
                )
            }
            Event::IrpUp {
                irp,
                from,
                status,
                information,
            } => {
                let passes = self.holders.up(*irp, from);
                let Some(pass) = passes.last() else {
                    return Ok(());
                };
                let label = words::short_outcome(*status, *information);
                self.arrow(
                    time,
                    &Arrow {
                        from: &pass.to,
                        to: &pass.from,
                        label,
                        back: true,
                    },
                    out,
                )
            }
            Event::IoCompleted {
                irp,
                status,
                information,
            } => {
                // What is left was passed on by devices that did not wait for it, and so do not
                // complete it themselves.
                let passes = self.holders.end(*irp);
                let (Some(inner), Some(outer)) = (passes.first(), passes.last()) else {
                    return Ok(());
                };
                let label = words::short_outcome(*status, *information);
                self.arrow(
                    time,
                    &Arrow {
                        from: &inner.to,
                        to: &outer.from,
                        label,
                        back: true,
                    },
                    out,
                )
            }
            Event::IrpCancel { irp, .. } => {
                let holder = self.holders.of(*irp).map(|actor| actor.name().to_owned());
                match holder {
                    Some(holder) => self.note(
                        time,
                        &holder,
                        &format!("{} cancelled", words::irp(*irp)),
                        out,
                    ),
                    None => Ok(()),
                }
            }
            event @ (Event::KernelRoutine { .. }
            | Event::DebugBreak { .. }
            | Event::Bugcheck { .. }
            | Event::Violation { .. }
            | Event::Stopped { .. }) => self.banner(time, &words::event(event), out),
            Event::PnpDown { request, to } => self.note(time, to.name(), &request.to_string(), out),
            Event::PnpUp {
                request,
                from,
                status,
            } => {
                let note = format!("{request}: {}", Status(*status));
                self.note(time, from.name(), &note, out)
            }
            Event::Power {
                driver, from, to, ..
            } => self.note(time, driver.name(), &format!("{from} → {to}"), out),
            Event::DebugPrint { driver, text, .. } => {
                self.note(time, driver.name(), text.trim_end(), out)
            }
            Event::Call { .. }
            | Event::Return { .. }
            | Event::CallbackLeave { .. }
            | Event::IoSubmitted { .. }
            | Event::Wait { .. }
            | Event::Resume { .. }
            | Event::Queue { .. }
            | Event::Timer { .. }
            | Event::Enqueued { .. }
            | Event::Choice { .. } => Ok(()),
        }
    }
}

impl Renderer for Sequence {
    fn records(&mut self, records: &[Record], out: &mut dyn Write) -> io::Result<()> {
        records
            .iter()
            .try_for_each(|record| self.record(record, out))
    }

    fn finish(&mut self, _out: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}

/// Something passed from one to another.
struct Arrow<'a> {
    from: &'a Actor,
    to: &'a Actor,
    label: String,
    /// An answer.
    back: bool,
}

/// `text`, cut where it is longer than `room`.
fn fitted(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(room.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// A line under construction.
struct Row(Vec<char>);

impl Row {
    fn new(width: usize) -> Self {
        Self(vec![' '; width])
    }

    fn put(&mut self, column: usize, c: char) {
        if let Some(place) = self.0.get_mut(column) {
            *place = c;
        }
    }

    fn text(&mut self, column: usize, room: usize, text: &str) {
        for (offset, c) in fitted(text, room).chars().enumerate() {
            self.put(column + offset, c);
        }
    }

    fn finish(self) -> String {
        let line: String = self.0.into_iter().collect();
        line.trim_end().to_owned()
    }
}
