//! The option `--trace FORM [FILE]`.

use std::error::Error;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use kmdf_host::Record;

use super::Look;
use crate::output::Output;

/// What a trace looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TraceForm {
    /// One line for each event, with virtual time, thread and IRQL
    Table,
    /// Who passes what to whom, as lifelines in the terminal
    Sequence,
    /// The same as a picture
    Svg,
    /// The Trace Event Format, for Perfetto and chrome://tracing
    Json,
}

/// The option.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct TraceArgs {
    /// Show everything that happened; in FILE, or on standard output
    ///
    /// FORM is table (one line for each event, with virtual time, thread and IRQL), sequence (who
    /// passes what to whom, as lifelines), svg (the same as a picture, which needs a FILE), or json
    /// (the Trace Event Format, for Perfetto and chrome://tracing). With json on standard output
    /// everything else goes to standard error.
    ///
    /// Where there are many runs, it is the one in which something was wrong, which is shown as a
    /// sequence unless told otherwise, or the one that was asked for alone.
    #[arg(long = "trace", num_args = 1..=2, value_names = ["FORM", "FILE"])]
    words: Vec<OsString>,
}

impl TraceArgs {
    /// What was asked for.
    pub(crate) fn wanted(&self) -> Result<Option<TraceTo>, TraceError> {
        let mut words = self.words.iter();
        let Some(form) = words.next() else {
            return Ok(None);
        };
        let file = words.next().map(PathBuf::from);
        let known = form.to_str().map(|form| TraceForm::from_str(form, false));
        let Some(Ok(form)) = known else {
            let form = form.to_string_lossy().into_owned();
            return Err(TraceError::Form { form });
        };
        match (form, file) {
            (TraceForm::Svg, None) => Err(TraceError::NoFile),
            (form, file) => Ok(Some(TraceTo { form, file })),
        }
    }
}

/// An option `--trace` that cannot be followed, and what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TraceError {
    #[error("`{form}` is no form of a trace; give --trace table, sequence, json, or svg FILE")]
    Form { form: String },
    #[error("a picture needs a file; give --trace svg FILE")]
    NoFile,
    #[error("cannot write the trace {}: {error}; give another file with --trace", path.display())]
    File { path: PathBuf, error: io::Error },
    #[error("{} is in use for something else; give another file with --trace", path.display())]
    Used { path: PathBuf },
}

/// A form, and where the trace goes: to a file, or to standard output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TraceTo {
    pub(crate) form: TraceForm,
    pub(crate) file: Option<PathBuf>,
}

impl TraceTo {
    /// What a run in which something was wrong is shown as, unless something else is asked for.
    pub(crate) const SEQUENCE: Self = Self {
        form: TraceForm::Sequence,
        file: None,
    };

    /// Opens where it goes, made anew, unless that is one of the files `used` otherwise.
    pub(crate) fn open(&self, used: &[&Path]) -> Result<Box<dyn Write>, TraceError> {
        let Some(path) = self.file.as_deref() else {
            return Ok(Box::new(Output::stdout()));
        };
        let exists = fs::exists(path).unwrap_or(true);
        let is_used = |other: &&Path| same_file::is_same_file(path, other).unwrap_or(false);
        if exists && used.iter().any(is_used) {
            let path = path.to_owned();
            return Err(TraceError::Used { path });
        }
        match File::create(path) {
            Ok(file) => Ok(Box::new(BufWriter::new(file))),
            Err(error) => {
                let path = path.to_owned();
                Err(TraceError::File { path, error })
            }
        }
    }

    /// Writes a trace that is complete.
    pub(crate) fn show(&self, look: Look<'_>, records: &[Record]) -> Result<(), Box<dyn Error>> {
        let mut out = self.open(&[])?;
        super::write(self.form, look, records, &mut out)?;
        out.flush()?;
        self.set_off()?;
        Ok(())
    }

    /// After a trace for people: sets off what follows it.
    pub(crate) fn set_off(&self) -> io::Result<()> {
        if self.form == TraceForm::Json || self.file.is_some() {
            return Ok(());
        }
        let mut out = Output::stdout();
        writeln!(out)?;
        out.flush()
    }
}

/// Where everything else goes: apart from a trace for tools.
pub(crate) fn beside(trace: Option<&TraceTo>) -> Output {
    match trace {
        Some(to) if to.form == TraceForm::Json && to.file.is_none() => Output::stderr(),
        Some(_) | None => Output::stdout(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(words: &[&str]) -> Result<Option<TraceTo>, TraceError> {
        let words = words.iter().map(OsString::from).collect();
        TraceArgs { words }.wanted()
    }

    #[test]
    fn a_form_may_have_a_file() {
        let to = |form, file: Option<&str>| {
            let file = file.map(PathBuf::from);
            Some(TraceTo { form, file })
        };
        assert_eq!(wanted(&[]).unwrap(), None);
        assert_eq!(wanted(&["table"]).unwrap(), to(TraceForm::Table, None));
        assert_eq!(
            wanted(&["json", "a.json"]).unwrap(),
            to(TraceForm::Json, Some("a.json"))
        );
        assert_eq!(
            wanted(&["svg", "a.svg"]).unwrap(),
            to(TraceForm::Svg, Some("a.svg"))
        );
        assert!(matches!(wanted(&["svg"]), Err(TraceError::NoFile)));
        for wrong in ["", "SVG", "a.svg"] {
            assert!(matches!(wanted(&[wrong]), Err(TraceError::Form { .. })));
        }
    }

    #[test]
    fn the_help_names_every_form() {
        let help = TraceArgs::augment_args(clap::Command::new("kmdf"))
            .render_long_help()
            .to_string();
        for form in TraceForm::value_variants() {
            let name = form.to_possible_value().unwrap();
            assert!(help.contains(&format!("{} (", name.get_name())), "{help}");
        }
    }
}
