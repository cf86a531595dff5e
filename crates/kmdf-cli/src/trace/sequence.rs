//! The trace as a sequence diagram in the terminal.

use std::io::{self, Write};

use kmdf_host::{Record, Ticks};

use super::diagram::{Diagram, Step, Way, What, label as label_of};
use super::{FRAMEWORK, Renderer};

/// Columns for the time, left of the first lifeline.
const TIME: usize = 15;
/// Fewest columns between two lifelines; a narrower terminal wraps.
const GAP_AT_LEAST: usize = 20;
/// Most columns between two lifelines; more only tears the picture apart.
const GAP_AT_MOST: usize = 52;

/// One lifeline for each actor, arrows for what they pass to one another, notes for what happens to
/// one of them. The framework has no lifeline: what it does stands at the driver or device that it
/// does it to.
#[derive(Debug)]
pub(super) struct Sequence {
    width: usize,
    actors: Vec<String>,
    headed: bool,
    diagram: Diagram,
}

impl Sequence {
    pub(super) fn new(actors: &[&str], width: usize) -> Self {
        let actors = actors.iter().map(|&actor| actor.to_owned()).collect();
        Self {
            width,
            actors,
            headed: false,
            diagram: Diagram::new(),
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
        row.text(0, TIME - 1, &time.to_string());
        writeln!(out, "{}", row.finish())
    }

    fn arrow(&mut self, time: Ticks, arrow: &Arrow<'_>, out: &mut dyn Write) -> io::Result<()> {
        let (from, to) = (self.lifeline(arrow.from), self.lifeline(arrow.to));
        if from == to {
            return self.note(time, arrow.from, arrow.label, out);
        }
        let mut row = self.row();
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
        let label = format!(" {} ", fitted(arrow.label, room));
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
        let begin = self.column(actor) + 2;
        // The lifelines right of it say nothing in this line.
        let end = self.width.max(begin + GAP_AT_LEAST);
        row.widen(end);
        row.text(begin, end - begin, &fitted(note, end - begin));
        self.line(time, row, out)
    }

    /// Lines that concern everybody.
    fn banner(&mut self, time: Ticks, text: &str, out: &mut dyn Write) -> io::Result<()> {
        let room = self.width.saturating_sub(TIME).max(GAP_AT_LEAST);
        for line in textwrap::wrap(text, room) {
            let mut row = Row::new(TIME + room);
            row.text(TIME, room, &line);
            self.line(time, row, out)?;
        }
        Ok(())
    }

    fn step(&mut self, step: &Step, out: &mut dyn Write) -> io::Result<()> {
        let time = step.time;
        match &step.what {
            What::Arrow {
                from,
                to,
                irp,
                label,
                way,
            } => match (from.name(), to.name()) {
                (FRAMEWORK, other) | (other, FRAMEWORK) => {
                    let said = match way {
                        Way::Cancel => &label_of(*irp, label),
                        Way::Request | Way::Answer => label,
                    };
                    self.note(time, other, said, out)
                }
                (from, to) => {
                    let arrow = Arrow {
                        from,
                        to,
                        label,
                        back: *way == Way::Answer,
                    };
                    self.arrow(time, &arrow, out)
                }
            },
            What::Note { actor, text } if actor.name() == FRAMEWORK => self.banner(time, text, out),
            What::Note { actor, text }
            | What::Enter { actor, text }
            | What::Leave {
                actor,
                text: Some(text),
            } => self.note(time, actor.name(), text, out),
            What::Leave { text: None, .. } => Ok(()),
            What::Banner { text } => self.banner(time, text, out),
        }
    }
}

impl Renderer for Sequence {
    fn records(&mut self, records: &[Record], out: &mut dyn Write) -> io::Result<()> {
        for record in records {
            if let Some(step) = self.diagram.step(record) {
                self.step(&step, out)?;
            }
        }
        Ok(())
    }

    fn finish(&mut self, count: u64, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", super::words::records(count))
    }
}

/// Something passed from one to another.
struct Arrow<'a> {
    from: &'a str,
    to: &'a str,
    label: &'a str,
    /// An answer.
    back: bool,
}

/// `text`, shortened where it is longer than `room`: the word that all names of statuses begin with
/// is the first that can go.
fn fitted(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    let text = text.replacen("STATUS_", "", 1);
    if text.chars().count() <= room {
        return text;
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

    fn widen(&mut self, width: usize) {
        if self.0.len() < width {
            self.0.resize(width, ' ');
        }
    }

    fn put(&mut self, column: usize, c: char) {
        if let Some(place) = self.0.get_mut(column) {
            *place = c;
        }
    }

    fn text(&mut self, column: usize, room: usize, text: &str) {
        for (offset, c) in text.chars().take(room).enumerate() {
            self.put(column + offset, c);
        }
    }

    fn finish(self) -> String {
        let line: String = self.0.into_iter().collect();
        line.trim_end().to_owned()
    }
}
