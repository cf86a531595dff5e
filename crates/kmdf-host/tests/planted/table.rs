//! The table of planted mistakes, and the test over it.

use std::fmt::{self, Write as _};

use kmdf_host::{
    Awaited, BugcheckKind, Exploration, Explore, ExploreFailure, Failure, Host, HostConfig, Stop,
    Strategy, ViolationKind,
};

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
    ("Addresses", crate::addresses::PLANTED),
    ("Queues, power, timers", crate::power::PLANTED),
    ("Setting up", crate::setup::PLANTED),
    ("Between the rules", crate::adversary::PLANTED),
    ("The kernel", crate::kernel::PLANTED),
];

/// Seeds that a twin is silent for, beyond those of the wrong driver.
const MORE_SEEDS: u64 = 200;

fn explore(planted: &Planted, wrong: bool, strategy: Strategy, schedules: u64) -> Exploration {
    let explore = Explore::new(HostConfig::new().verifier(true).special_pool(true));
    let explore = explore.strategy(strategy).schedules(schedules);
    Host::explore(&explore, |host| {
        kit::reset();
        Ok((planted.run)(host, wrong)?)
    })
}

/// What was found first in a schedule.
fn first(failure: &ExploreFailure) -> Finding {
    match (failure.report.violations.first(), &failure.failure) {
        (Some(violation), _) => Finding::Violation(violation.kind),
        (None, Failure::Stopped(stop)) => Finding::of(stop),
        _ => Finding::Other,
    }
}

/// Schedules needed to find the mistake, or what went wrong.
fn schedules_needed(planted: &Planted, strategy: Strategy, within: u64) -> Result<u64, String> {
    let found = explore(planted, true, strategy, within);
    let Some(failure) = found.failures.first() else {
        return Err(format!(
            "not found within {within} schedules; expected {}",
            planted.finding
        ));
    };
    let finding = first(failure);
    if finding != planted.finding {
        return Err(format!(
            "named {finding}, expected {}, in schedule {}:\n{}\n{}",
            planted.finding, failure.schedule, failure.failure, failure.report
        ));
    }
    if !failure.reproduced {
        return Err(format!("schedule {} does not replay", failure.schedule));
    }
    Ok(found.schedules)
}

fn false_alarm(planted: &Planted) -> Option<String> {
    let schedules = planted.seeds + MORE_SEEDS;
    let found = explore(planted, false, Strategy::Random, schedules);
    let failure = found.failures.first()?;
    Some(format!(
        "the twin was blamed in schedule {}:\n{}\n{}",
        failure.schedule, failure.failure, failure.report
    ))
}

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/planted.md");

/// What stands above the table.
fn introduction() -> String {
    let count: usize = THEMES.iter().map(|(_, planted)| planted.len()).sum();
    format!(
        "# Planted mistakes\n\n\
         {count} small wrong drivers, each with one classic mistake, in `crates/kmdf-host/tests/planted`. Each has a twin that\n\
         differs in nothing but the mistake. The model must name the mistake, and nothing else first, within the number of\n\
         seeds that is stated; of the twin it must say nothing with any of these seeds and {MORE_SEEDS} more. Every schedule that\n\
         fails must fail in the same way when it is replayed, and the races must be found by priorities (PCT) and by exhausting\n\
         all schedules with few deviations as well. What the names mean is in [violations.md](violations.md).\n\n\
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
            match schedules_needed(planted, Strategy::Random, planted.seeds) {
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

/// Not only chance finds the races.
#[test]
fn every_strategy_finds_the_races() {
    let mut wrong = String::new();
    let all = THEMES.iter().flat_map(|(_, planted)| planted.iter());
    for planted in all.filter(|planted| planted.seeds > 1) {
        for strategy in [
            Strategy::Pct { depth: 3 },
            Strategy::Exhaustive { bound: 2 },
        ] {
            if let Err(message) = schedules_needed(planted, strategy, 10_000) {
                let _ = writeln!(wrong, "{} by {strategy:?}: {message}", planted.name);
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
