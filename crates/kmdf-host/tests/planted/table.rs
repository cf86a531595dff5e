//! The table of planted mistakes, and the test over it.

use std::fmt::{self, Write as _};

use kmdf_host::{Awaited, BugcheckKind, Host, HostConfig, Report, Stop, ViolationKind};

use crate::kit;

/// What the model must find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// A violation of this kind.
    Violation(ViolationKind),
    /// A bugcheck of this kind.
    Bugcheck(BugcheckKind),
    /// Nothing can run any more before this has happened.
    Deadlock(Awaited),
    /// Anything else that ends a run; no mistake is meant to be found this way.
    Other,
}

impl Finding {
    fn of(stop: &Stop) -> Self {
        match stop {
            Stop::Bugcheck(bugcheck) => Self::Bugcheck(bugcheck.kind),
            Stop::Deadlock(deadlock) => deadlock.awaited().map_or(Self::Other, Self::Deadlock),
            _ => Self::Other,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Violation(kind) => write!(f, "`{kind}`"),
            Self::Bugcheck(kind) => write!(f, "bugcheck `{kind}`"),
            Self::Deadlock(awaited) => write!(f, "deadlock: waits for {awaited}"),
            Self::Other => f.write_str("the run failed"),
        }
    }
}

/// One mistake.
pub(crate) struct Planted {
    pub(crate) name: &'static str,
    /// What the wrong driver does.
    pub(crate) mistake: &'static str,
    pub(crate) finding: Finding,
    /// Within how many seeds it must be found.
    pub(crate) seeds: u64,
    /// Runs the driver with the mistake, or its twin without it.
    pub(crate) run: fn(&Host, bool) -> Result<(), Stop>,
}

const THEMES: &[(&str, &[Planted])] = &[
    ("Completing received requests", crate::completion::PLANTED),
    ("Cancelling", crate::cancelling::PLANTED),
    ("Sending", crate::sending::PLANTED),
    ("Locks and IRQL", crate::locks::PLANTED),
    ("Objects", crate::lifetime::PLANTED),
    ("Memory", crate::memory::PLANTED),
    ("Queues, power, timers", crate::power::PLANTED),
    ("Setting up", crate::setup::PLANTED),
    ("Between the rules", crate::adversary::PLANTED),
];

/// Seeds that a twin is silent for, beyond those of the wrong driver.
const MORE_SEEDS: u64 = 200;

/// A run: the first thing found, and everything for a message.
struct Run {
    first: Option<Finding>,
    report: Report,
    ended: Result<(), Stop>,
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Err(stop) = &self.ended {
            writeln!(f, "the scenario ended: {stop}")?;
        }
        write!(f, "{}", self.report)
    }
}

fn run(planted: &Planted, seed: u64, wrong: bool) -> Run {
    kit::reset();
    let host = Host::new(HostConfig::new().seed(seed).preempt(true).verifier(true));
    let ended = (planted.run)(&host, wrong);
    let report = host.finish();
    let first = match (report.violations.first(), &ended, &report.stop) {
        (Some(violation), ..) => Some(Finding::Violation(violation.kind)),
        (None, Err(stop), _) | (None, Ok(()), Some(stop)) => Some(Finding::of(stop)),
        (None, Ok(()), None) => None,
    };
    Run {
        first,
        report,
        ended,
    }
}

/// Seeds needed to find the mistake, or what went wrong.
fn seeds_needed(planted: &Planted) -> Result<u64, String> {
    for seed in 0..planted.seeds {
        let run = run(planted, seed, true);
        match run.first {
            Some(finding) if finding == planted.finding => return Ok(seed + 1),
            Some(other) => {
                return Err(format!(
                    "named {other}, expected {}, with seed {seed}:\n{run}",
                    planted.finding
                ));
            }
            None => {}
        }
    }
    Err(format!(
        "not found within {} seeds; expected {}",
        planted.seeds, planted.finding
    ))
}

fn false_alarm(planted: &Planted) -> Option<String> {
    (0..planted.seeds + MORE_SEEDS).find_map(|seed| {
        let run = run(planted, seed, false);
        run.first
            .map(|_| format!("the twin was blamed with seed {seed}:\n{run}"))
    })
}

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/planted.md");

/// What stands above the table.
fn introduction() -> String {
    let count: usize = THEMES.iter().map(|(_, planted)| planted.len()).sum();
    format!(
        "# Planted mistakes\n\n\
         {count} small wrong drivers, each with one classic mistake, in `crates/kmdf-host/tests/planted`. Each has a twin that\n\
         differs in nothing but the mistake. The model must name the mistake, and nothing else first, within the number of\n\
         seeds that is stated; of the twin it must say nothing with any of these seeds and {MORE_SEEDS} more. What the names mean is\n\
         in [violations.md](violations.md).\n\n\
         Written by `UPDATE_DOCS=1 cargo test -p kmdf-host --test planted`, which fails when it is not what was found.\n"
    )
}

/// Runs every mistake and its twin: the table, and what went wrong.
fn run_all(only: &str) -> (String, String) {
    let (mut table, mut wrong) = (String::new(), String::new());
    for (theme, planted) in THEMES {
        let _ = write!(
            table,
            "\n## {theme}\n\n\
             | Mistake | What the driver does | What the model names | Seeds stated | Seeds needed |\n\
             |---|---|---|---|---|\n"
        );
        for planted in planted.iter().filter(|planted| planted.name.contains(only)) {
            match seeds_needed(planted) {
                Ok(needed) => {
                    let _ = writeln!(
                        table,
                        "| {} | {} | {} | {} | {needed} |",
                        planted.name, planted.mistake, planted.finding, planted.seeds
                    );
                }
                Err(message) => {
                    let _ = writeln!(wrong, "{}: {message}", planted.name);
                }
            }
            if let Some(message) = false_alarm(planted) {
                let _ = writeln!(wrong, "{}: {message}", planted.name);
            }
        }
    }
    (table, wrong)
}

/// `PLANTED=words` runs only the mistakes whose name has these words.
#[test]
fn every_mistake_is_named_and_no_twin_is_blamed() {
    let only = std::env::var("PLANTED").unwrap_or_default();
    let (table, wrong) = run_all(&only);
    println!("{table}");
    assert!(wrong.is_empty(), "{wrong}");
    if !only.is_empty() {
        return;
    }
    let text = introduction() + &table;
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(PATH, &text).expect("the document can be written");
    }
    let written = std::fs::read_to_string(PATH).expect("docs/planted.md exists");
    // A checkout may have the line ends of Windows.
    assert_eq!(
        written.replace("\r\n", "\n"),
        text,
        "run with UPDATE_DOCS=1 to write it anew"
    );
}
