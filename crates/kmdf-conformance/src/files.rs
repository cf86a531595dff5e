//! Running files of cases and saying how it went.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::panic::{self, PanicHookInfo};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::case_run::{self, Verdict};
use crate::cases::{self, Body, Case};
use crate::error::Problem;

/// How many cases passed and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Cases that passed.
    pub passed: usize,
    /// Cases that failed, and files that could not be read.
    pub failed: usize,
}

impl Count {
    fn add(&mut self, passed: bool) {
        if passed {
            self.passed += 1;
        } else {
            self.failed += 1;
        }
    }
}

/// How a run went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// All cases and unreadable files together.
    pub total: Count,
    /// Cases by the section of the semantics that they belong to.
    pub sections: BTreeMap<String, Count>,
}

impl Outcome {
    /// Whether nothing failed.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        self.total.failed == 0
    }
}

/// Runs all cases of the files, and writes a line for each, then how many passed and failed.
///
/// Cases marked undefined are not run and not counted. A file that cannot be read or parsed counts as one failure.
///
/// # Errors
///
/// Only those of `out`.
pub fn run_files<P: AsRef<Path>>(
    paths: impl IntoIterator<Item = P>,
    out: &mut dyn Write,
) -> io::Result<Outcome> {
    let mut outcome = Outcome::default();
    let _texts = PanicTexts::record();
    for path in paths {
        let path = path.as_ref();
        let source = std::fs::read_to_string(path).map_err(|error| error.to_string());
        let cases = source.and_then(|text| cases::read(&text).map_err(|error| error.to_string()));
        match cases {
            Ok(cases) => run_cases(&cases, &mut outcome, out)?,
            Err(why) => {
                outcome.total.add(false);
                writeln!(out, "FAIL {}: {}", path.display(), one_line(&why))?;
            }
        }
    }
    let Count { passed, failed } = outcome.total;
    writeln!(out, "{passed} passed, {failed} failed")?;
    Ok(outcome)
}

fn run_cases(cases: &[Case], outcome: &mut Outcome, out: &mut dyn Write) -> io::Result<()> {
    for case in cases {
        let verdict = match &case.body {
            Ok(_) if case.undefined => continue,
            Ok(body) => run_apart(body),
            Err(malformed) => Err((None, malformed.clone().into())),
        };
        outcome.total.add(verdict.is_ok());
        let section = outcome.sections.entry(case.section.clone()).or_default();
        section.add(verdict.is_ok());
        writeln!(out, "{}", line(&case.id, verdict))?;
    }
    Ok(())
}

type PanicHook = Box<dyn Fn(&PanicHookInfo<'_>) + Sync + Send>;

/// Keeps the texts of panics instead of printing them, until it is dropped.
struct PanicTexts(Option<PanicHook>);

/// The text of the last panic.
static LAST_PANIC: Mutex<String> = Mutex::new(String::new());

impl PanicTexts {
    fn record() -> Self {
        let before = panic::take_hook();
        panic::set_hook(Box::new(|info| {
            let mut text = LAST_PANIC.lock().unwrap_or_else(PoisonError::into_inner);
            *text = info.payload_as_str().unwrap_or("no text").to_owned();
        }));
        Self(Some(before))
    }

    fn last() -> String {
        let text = LAST_PANIC.lock().unwrap_or_else(PoisonError::into_inner);
        text.clone()
    }
}

impl Drop for PanicTexts {
    fn drop(&mut self) {
        if let Some(before) = self.0.take() {
            panic::set_hook(before);
        }
    }
}

/// Runs a case on an operating-system thread of its own, so that a panic of the model takes nothing else down.
fn run_apart(body: &Body) -> Verdict {
    let body = body.clone();
    let ended = thread::spawn(move || case_run::run(&body)).join();
    match ended {
        Ok(Err((step, Problem::Panic(_)))) => Err((step, Problem::Panic(PanicTexts::last()))),
        Ok(verdict) => verdict,
        Err(_) => Err((None, Problem::Panic(PanicTexts::last()))),
    }
}

fn line(id: &str, verdict: Verdict) -> String {
    let Err((step, problem)) = verdict else {
        return format!("PASS {id}");
    };
    // A world that could not be built has failed before the first step.
    let step = step.map_or(1, |index| index + 1);
    match problem {
        Problem::Malformed(why) => format!("FAIL {id}: malformed: {}", one_line(&why.to_string())),
        Problem::Panic(text) => format!("FAIL {id}: step {step}: panic: {}", one_line(&text)),
        Problem::Differs { expected, found } => {
            let (expected, found) = (one_line(&expected), one_line(&found));
            format!("FAIL {id}: step {step}: expected {expected} got {found}")
        }
    }
}

fn one_line(text: &str) -> String {
    text.split('\n').collect::<Vec<_>>().join(" ")
}
