//! `kmdf run`.

mod device;
mod files;
mod plan;
mod scenario;
mod summary;

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;

use crate::args::{RunArgs, TraceForm};
use crate::output::{self, Output};
use crate::progress::Progress;
use crate::trace::{self, Stream};
use files::Files;
use summary::Summary;

/// Writes the file through the driver.
pub(crate) fn command(args: RunArgs) -> Result<ExitCode, Box<dyn Error>> {
    let form = args.trace;
    let scenario = plan::scenario(&args)?;
    let files = Files::open(args.input, args.output)?;
    let actors = ["app", scenario.driver.service(), scenario.driver.lower()];
    let stream = form.map(|form| {
        let renderer = trace::renderer(form, &actors, output::width());
        Stream::new(renderer, Box::new(Output::stdout()))
    });
    let mut progress = Progress::bytes(files.size);
    let mut arrived = |bytes| progress.advance(bytes);
    let outcome = scenario.run(
        &mut &files.input,
        &files.output,
        &mut arrived,
        stream.as_ref(),
    );
    progress.finish();
    if let Some(stream) = &stream {
        stream.finish()?;
    }
    let outcome = outcome?;
    let summary = Summary {
        scenario: &scenario,
        outcome: &outcome,
        input: &files.name,
        output: &files.output,
        equal: files.compare(&scenario, &outcome)?,
    };
    if form == Some(TraceForm::Json) {
        let mut errors = Output::stderr();
        summary.print(&mut errors)?;
        errors.flush()?;
    } else {
        let mut out = Output::stdout();
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
