//! `kmdf conformance`.

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;

use crate::args::ConformanceArgs;
use crate::output::{FAILED, Output};

/// Runs the cases of the files.
pub(crate) fn command(args: &ConformanceArgs) -> Result<ExitCode, Box<dyn Error>> {
    let mut out = Output::stdout();
    let outcome = kmdf_conformance::run_files(&args.files, &mut out)?;
    out.flush()?;
    Ok(if outcome.is_success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(FAILED)
    })
}
