//! `kmdf inf`.

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;

use kmdf_inf::Options;

use crate::args::{Format, InfArgs, Level};
use crate::output::Output;

/// Judges the files.
pub(crate) fn command(args: &InfArgs) -> Result<ExitCode, Box<dyn Error>> {
    let level = match args.level {
        Level::W => kmdf_inf::Level::WindowsDriver,
        Level::H => kmdf_inf::Level::Signature,
        Level::U => kmdf_inf::Level::Universal,
    };
    let format = match args.format {
        Format::Human => kmdf_inf::Format::Human,
        Format::Json => kmdf_inf::Format::Json,
    };
    let (mut out, mut errors) = (Output::stdout(), Output::stderr());
    let colour = Output::has_colour();
    let outcome = kmdf_inf::run_files(
        &args.files,
        &Options::at(level),
        format,
        colour,
        &mut out,
        &mut errors,
    )?;
    out.flush()?;
    errors.flush()?;
    Ok(outcome.into())
}
