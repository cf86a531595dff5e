//! Running files of cases and saying how it went.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::panic::{self, PanicHookInfo};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;

use toml::Value;

use crate::case_run::{self, Verdict};
use crate::cases::{self, Body, Case};
use crate::error::{Malformed, Problem, malformed};

/// How many cases passed and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Cases that passed.
    pub passed: usize,
    /// Cases that failed, and files that could not be read.
    pub failed: usize,
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

impl Count {
    /// Counts one more.
    pub const fn add(&mut self, passed: bool) {
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

/// What is told of a run while it goes on.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// A case, or a file that is none, is next: its section and its id, or `-` and its name.
    pub unit: fn(&str, &str),
    /// A step of the case begins; the number counts from 1.
    pub step: fn(usize),
}

impl Progress {
    /// Nobody is told.
    pub const SILENT: Self = Self {
        unit: |_, _| (),
        step: |_| (),
    };
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
    let outcome = run_units(paths, 0, Progress::SILENT, out)?;
    writeln!(out, "{}", outcome.total)?;
    Ok(outcome)
}

/// Runs the cases of the files, without the first `skip` cases and unreadable files, and writes a line for each.
///
/// This is for a process of its own: should the model bring it down, `progress` has told where, and another process goes
/// on behind that.
///
/// # Errors
///
/// Only those of `out`.
pub fn run_units<P: AsRef<Path>>(
    paths: impl IntoIterator<Item = P>,
    skip: usize,
    progress: Progress,
    out: &mut dyn Write,
) -> io::Result<Outcome> {
    let _texts = PanicTexts::record();
    let mut units = Units {
        outcome: Outcome::default(),
        ids: BTreeMap::new(),
        skip,
        progress,
        out,
    };
    for path in paths {
        units.file(path.as_ref())?;
    }
    Ok(units.outcome)
}

/// Cases and unreadable files, one after the other.
struct Units<'a> {
    outcome: Outcome,
    /// The cases that have been there, by their ids, and their files.
    ids: BTreeMap<String, (Value, PathBuf)>,
    skip: usize,
    progress: Progress,
    out: &'a mut dyn Write,
}

impl Units<'_> {
    fn file(&mut self, path: &Path) -> io::Result<()> {
        let source = std::fs::read_to_string(path).map_err(|error| error.to_string());
        let cases = source.and_then(|text| cases::read(&text).map_err(|error| error.to_string()));
        match cases {
            Ok(cases) => cases.into_iter().try_for_each(|case| self.case(case, path)),
            Err(why) => {
                if !self.begin("-", &path.display().to_string()) {
                    return Ok(());
                }
                self.outcome.total.add(false);
                writeln!(self.out, "FAIL {}: {}", path.display(), one_line(&why))
            }
        }
    }

    /// Whether the next unit is one to run.
    fn begin(&mut self, section: &str, name: &str) -> bool {
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        (self.progress.unit)(section, name);
        true
    }

    fn case(&mut self, case: Case, path: &Path) -> io::Result<()> {
        let other = self.other_of_this_id(&case, path);
        if case.undefined && case.body.is_ok() || !self.begin(&case.section, &case.id) {
            return Ok(());
        }
        let verdict = match (&case.body, &other) {
            (Err(malformed), _) | (Ok(_), Some(malformed)) => Err((None, malformed.clone().into())),
            (Ok(body), None) => run_apart(body, self.progress.step),
        };
        self.outcome.total.add(verdict.is_ok());
        let section = self.outcome.sections.entry(case.section).or_default();
        section.add(verdict.is_ok());
        writeln!(self.out, "{}", line(&case.id, verdict))
    }

    /// Ids are unique over all files. The same case once more, as when a file is named twice, is only run again.
    fn other_of_this_id(&mut self, case: &Case, path: &Path) -> Option<Malformed> {
        let first = self
            .ids
            .entry(case.id.clone())
            .or_insert_with(|| (case.source.clone(), path.to_owned()));
        (first.0 != case.source).then(|| {
            malformed(format!(
                "the id is that of another case in {}",
                first.1.display()
            ))
        })
    }
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
fn run_apart(body: &Body, on_step: fn(usize)) -> Verdict {
    let body = body.clone();
    let ended = thread::spawn(move || case_run::run(&body, on_step)).join();
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
