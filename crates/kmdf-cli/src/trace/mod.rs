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

use kmdf_host::{Record, Trace};

use crate::args::{Driver, TraceForm};
use crate::output::{self, Output};

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

/// Prints a run that was recorded to the end, and an empty line if it is for people.
pub(crate) fn print(form: TraceForm, driver: Driver, recorded: &Trace) -> io::Result<()> {
    let actors = ["app", driver.service(), driver.lower()];
    let mut renderer = renderer(form, &actors, output::width());
    let mut out = Output::stdout();
    renderer.records(&recorded.records, &mut out)?;
    renderer.finish(&mut out)?;
    if form != TraceForm::Json {
        writeln!(out)?;
    }
    out.flush()
}

/// Where the summary goes: with json the trace is all that goes to standard output.
pub(crate) fn summary_output(form: Option<TraceForm>) -> Output {
    if form == Some(TraceForm::Json) {
        Output::stderr()
    } else {
        Output::stdout()
    }
}
