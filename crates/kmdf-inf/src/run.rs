//! What a command line does with files: read, judge, print.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::str::FromStr;
use std::{fmt, fs};

use crate::render::{render, to_json};
use crate::rule::Severity;
use crate::{Options, Report, lint};

/// The form of the output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people: source lines and a summary.
    #[default]
    Human,
    /// For tools: one JSON array.
    Json,
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        match name {
            "human" => Ok(Self::Human),
            "json" => Ok(Self::Json),
            _ => Err(UnknownFormat),
        }
    }
}

/// A format other than `human` and `json` was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownFormat;

impl fmt::Display for UnknownFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the formats are human and json")
    }
}

impl std::error::Error for UnknownFormat {}

/// How a run ended; also its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Nothing was found: 0.
    Clean,
    /// Something was found: 1.
    Findings,
    /// A file could not be read: 2.
    Unreadable,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(match outcome {
            Outcome::Clean => 0,
            Outcome::Findings => 1,
            Outcome::Unreadable => 2,
        })
    }
}

/// Judges `paths`; findings go to `out`, files that cannot be read to `errors`.
///
/// # Errors
///
/// When writing to `out` or `errors` fails.
pub fn run_files(
    paths: &[impl AsRef<Path>],
    options: &Options,
    format: Format,
    colour: bool,
    out: &mut dyn Write,
    errors: &mut dyn Write,
) -> io::Result<Outcome> {
    let mut reports = Vec::new();
    let mut outcome = Outcome::Clean;
    for path in paths {
        let path = path.as_ref();
        match fs::read(path) {
            Ok(bytes) => reports.push(lint(&path.display().to_string(), &bytes, options)),
            Err(error) => {
                outcome = Outcome::Unreadable;
                writeln!(errors, "{}: {error}", path.display())?;
            }
        }
    }
    if reports.iter().any(|report| !report.is_clean()) {
        outcome = outcome.max(Outcome::Findings);
    }
    match format {
        Format::Json => writeln!(out, "{}", to_json(&reports)?)?,
        Format::Human => human(&reports, colour, out)?,
    }
    Ok(outcome)
}

fn human(reports: &[Report], colour: bool, out: &mut dyn Write) -> io::Result<()> {
    for report in reports {
        out.write_all(render(report, colour).as_bytes())?;
    }
    let count = |severity| {
        reports
            .iter()
            .flat_map(|report| &report.findings)
            .filter(|finding| finding.severity == severity)
            .count()
    };
    let numbered =
        |count: usize, what| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    writeln!(
        out,
        "{}: {}, {}",
        numbered(reports.len(), "file"),
        numbered(count(Severity::Error), "error"),
        numbered(count(Severity::Warning), "warning")
    )
}
