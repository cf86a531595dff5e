//! `kmdf run`.

mod device;
mod files;
mod plan;
mod progress;
mod scenario;
mod summary;

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use kmdf_host::Record;

use crate::args::{RunArgs, TraceForm};
use crate::output::{self, Output};
use crate::trace::{self, Renderer, Threads};
use files::Files;
use progress::Progress;
use scenario::Observer;
use summary::Summary;

/// Writes the file through the driver.
pub(crate) fn command(args: RunArgs) -> Result<ExitCode, Box<dyn Error>> {
    let form = args.trace;
    let scenario = plan::scenario(&args)?;
    let files = Files::open(args.input, args.output)?;
    let mut out = Output::stdout();
    let actors = ["app", scenario.driver.service(), scenario.driver.lower()];
    let mut watcher = Watcher {
        progress: Progress::new(files.size),
        renderer: form.map(|form| trace::renderer(form, &actors, output::width())),
        out: &mut out,
    };
    let outcome = scenario.run(&mut &files.input, &files.output, &mut watcher)?;
    watcher.finish()?;
    let summary = Summary {
        scenario: &scenario,
        outcome: &outcome,
        input: &files.name,
        output: &files.output,
        equal: files.compare(&scenario, &outcome)?,
    };
    if form == Some(TraceForm::Json) {
        out.flush()?;
        let mut errors = Output::stderr();
        summary.print(&mut errors)?;
        errors.flush()?;
    } else {
        if form.is_some() {
            writeln!(out)?;
        }
        summary.print(&mut out)?;
        out.flush()?;
    }
    if let Some(complaint) = summary.complaint() {
        output::complain(&complaint);
        return Ok(ExitCode::from(output::FAILED));
    }
    Ok(ExitCode::SUCCESS)
}

/// Shows a run while it goes on.
struct Watcher<'a> {
    progress: Progress,
    renderer: Option<Box<dyn Renderer>>,
    out: &'a mut Output,
}

impl Watcher<'_> {
    fn finish(&mut self) -> io::Result<()> {
        self.progress.finish();
        match &mut self.renderer {
            Some(renderer) => renderer.finish(self.out),
            None => Ok(()),
        }
    }
}

impl Observer for Watcher<'_> {
    fn arrived(&mut self, bytes: u64) {
        self.progress.advance(bytes);
    }

    fn recorded(&mut self, records: &[Record], threads: &[String]) -> io::Result<()> {
        match &mut self.renderer {
            Some(renderer) => renderer.records(records, Threads(threads), self.out),
            None => Ok(()),
        }
    }
}
