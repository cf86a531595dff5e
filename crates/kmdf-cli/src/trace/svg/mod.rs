//! The trace as a picture: a sequence diagram in SVG.

mod draw;
mod layout;

use std::collections::VecDeque;
use std::io::{self, Write};

use kmdf_host::{Record, Ticks};

use super::Renderer;
use super::diagram::{Diagram, Step};

/// Steps that are shown from the beginning and from the end of a run; a longer picture helps nobody.
const FIRST: usize = 1_500;
const LAST: usize = 500;

/// Steps between the beginning and the end that the picture has no room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct LeftOut {
    count: u64,
    from: Ticks,
    to: Ticks,
}

/// Keeps the steps that will be shown, and draws them in the end.
#[derive(Debug)]
pub(super) struct Svg {
    title: String,
    /// Who stands where, from the left; others follow as they appear.
    actors: Vec<String>,
    diagram: Diagram,
    first: Vec<Step>,
    last: VecDeque<Step>,
    left_out: Option<LeftOut>,
}

impl Svg {
    pub(super) fn new(title: &str, actors: &[&str]) -> Self {
        Self {
            title: title.to_owned(),
            actors: actors.iter().map(|&actor| actor.to_owned()).collect(),
            diagram: Diagram::new(),
            first: Vec::new(),
            last: VecDeque::new(),
            left_out: None,
        }
    }

    fn keep(&mut self, step: Step) {
        if self.first.len() < FIRST {
            self.first.push(step);
            return;
        }
        self.last.push_back(step);
        if self.last.len() <= LAST {
            return;
        }
        if let Some(step) = self.last.pop_front() {
            let left_out = self.left_out.get_or_insert(LeftOut {
                count: 0,
                from: step.time,
                to: step.time,
            });
            left_out.count += 1;
            left_out.to = step.time;
        }
    }
}

impl Renderer for Svg {
    fn records(&mut self, records: &[Record], _out: &mut dyn Write) -> io::Result<()> {
        for record in records {
            if let Some(step) = self.diagram.step(record) {
                self.keep(step);
            }
        }
        Ok(())
    }

    fn finish(&mut self, count: u64, out: &mut dyn Write) -> io::Result<()> {
        let picture = draw::Picture {
            title: &self.title,
            first: &self.first,
            left_out: self.left_out,
            last: self.last.make_contiguous(),
            records: count,
        };
        svg::write(&mut *out, &picture.document(&self.actors))?;
        writeln!(out)
    }
}
