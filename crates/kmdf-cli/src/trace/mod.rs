//! The trace of a run, for people and for tools.
//!
//! A renderer takes the records as they come and keeps nothing of them but what is still open, so
//! that the length of a run does not matter.

mod holders;
mod json;
mod sequence;
mod table;
mod words;

use std::io::{self, Write};

use kmdf_host::{Record, ThreadId};

use crate::args::TraceForm;

/// Names of the logical threads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Threads<'a>(pub(crate) &'a [String]);

impl<'a> Threads<'a> {
    /// What stands for the scheduler, which is no thread.
    const SCHEDULER: &'static str = "-";

    fn name(self, thread: Option<ThreadId>) -> &'a str {
        let named = thread.and_then(|thread| self.0.get(usize::try_from(thread.0).ok()?));
        named.map_or(Self::SCHEDULER, String::as_str)
    }
}

/// Writes records in some form.
pub(crate) trait Renderer {
    /// Writes some more records.
    fn records(
        &mut self,
        records: &[Record],
        threads: Threads<'_>,
        out: &mut dyn Write,
    ) -> io::Result<()>;

    /// Writes what ends the trace.
    fn finish(&mut self, out: &mut dyn Write) -> io::Result<()>;
}

/// The renderer of a form, for a terminal of `width` columns. `actors` stand side by side in a
/// sequence, from left to right; others are added as they appear.
pub(crate) fn renderer(form: TraceForm, actors: &[&str], width: usize) -> Box<dyn Renderer> {
    match form {
        TraceForm::Table => Box::new(table::Table::new(width)),
        TraceForm::Sequence => Box::new(sequence::Sequence::new(actors, width)),
        TraceForm::Json => Box::new(json::Json::new()),
    }
}
