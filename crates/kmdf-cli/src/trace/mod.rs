//! The trace of a run, for people and for tools.
//!
//! A renderer takes the records as they come and keeps nothing of them but what is still open, so
//! that the length of a run does not matter.

mod diagram;
mod holders;
mod json;
mod option;
mod sequence;
mod stream;
mod svg;
mod table;
#[cfg(test)]
mod tests;
mod words;

use std::io::{self, Write};

use kmdf_host::Record;

use crate::args::Driver;
use crate::output;

pub(crate) use option::{TraceArgs, TraceForm, TraceTo, beside};
pub(crate) use stream::Stream;

/// The framework's name in a trace.
const FRAMEWORK: &str = "framework";

/// Writes records in some form.
pub(crate) trait Renderer {
    /// Writes some more records.
    fn records(&mut self, records: &[Record], out: &mut dyn Write) -> io::Result<()>;

    /// Writes what ends the trace, which had so many records.
    fn finish(&mut self, records: u64, out: &mut dyn Write) -> io::Result<()>;
}

/// What a trace looks like besides its form.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look<'a> {
    /// Over a picture.
    pub(crate) title: &'a str,
    /// Who stands side by side in a sequence, from left to right; others are added as they appear.
    pub(crate) actors: [&'a str; 3],
    /// Columns of the terminal.
    pub(crate) width: usize,
}

impl<'a> Look<'a> {
    /// Of a run of a driver.
    pub(crate) fn of(driver: Driver, title: &'a str) -> Self {
        Self {
            title,
            actors: ["app", driver.service(), driver.lower()],
            width: output::width(),
        }
    }
}

/// The renderer of a form.
pub(crate) fn renderer(form: TraceForm, look: Look<'_>) -> Box<dyn Renderer> {
    match form {
        TraceForm::Table => Box::new(table::Table::new(look.width)),
        TraceForm::Sequence => Box::new(sequence::Sequence::new(&look.actors, look.width)),
        TraceForm::Svg => Box::new(svg::Svg::new(look.title, &look.actors)),
        TraceForm::Json => Box::new(json::Json::new()),
    }
}

/// Writes a whole trace.
pub(crate) fn write(
    form: TraceForm,
    look: Look<'_>,
    records: &[Record],
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut renderer = renderer(form, look);
    renderer.records(records, out)?;
    renderer.finish(records.len() as u64, out)
}
