//! `kmdf run`.

mod device;
mod files;
mod plan;
mod scenario;
mod summary;

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;

use crate::args::RunArgs;
use crate::output;
use crate::progress::Progress;
use crate::trace::{self, Look, Stream};
use files::Files;
use summary::Summary;

/// Writes the file through the driver.
pub(crate) fn command(args: RunArgs) -> Result<ExitCode, Box<dyn Error>> {
    let scenario = plan::scenario(&args)?;
    let to = args.trace.wanted()?;
    let files = Files::open(args.input, args.output)?;
    let stream = match &to {
        Some(to) => {
            let (driver, seed) = (scenario.driver, scenario.seed);
            let title = format!("kmdf run {}, seed {seed}", driver.service());
            let look = Look::of(driver, &title);
            let out = to.open(&[&files.name, &files.output])?;
            Some(Stream::new(trace::renderer(to.form, look), out))
        }
        None => None,
    };
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
    if let Some(to) = &to {
        to.set_off()?;
    }
    let outcome = outcome?;
    let summary = Summary {
        scenario: &scenario,
        outcome: &outcome,
        input: &files.name,
        output: &files.output,
        equal: files.compare(&scenario, &outcome)?,
    };
    let mut out = trace::beside(to.as_ref());
    summary.print(&mut out)?;
    out.flush()?;
    if let Some(complaint) = summary.complaint() {
        output::complain(&complaint);
        return Ok(ExitCode::from(output::FAILED));
    }
    Ok(ExitCode::SUCCESS)
}
