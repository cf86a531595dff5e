//! The trace of a run, for people and for tools.
//!
//! A renderer takes the records as they come and keeps nothing of them but what is still open, so
//! that the length of a run does not matter.

mod holders;
mod json;
mod sequence;
mod stream;
mod table;
mod words;

use std::io::{self, Write};

use kmdf_host::Record;

use crate::args::TraceForm;

pub(crate) use stream::Stream;

/// Writes records in some form.
pub(crate) trait Renderer {
    /// Writes some more records.
    fn records(&mut self, records: &[Record], out: &mut dyn Write) -> io::Result<()>;

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
