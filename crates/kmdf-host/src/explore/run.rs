//! One schedule of a scenario.

use core::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::schedule::Schedule;
use crate::config::HostConfig;
use crate::host::Host;
use crate::report::{Report, Violation};
use crate::stop::Stop;
use crate::system::choice::{Choice, ChoiceKind};
use crate::trace::Trace;

/// What is wrong with a run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// It stopped: a crash, a deadlock, a function that is not modelled, a step that failed.
    Stopped(Stop),
    /// It broke rules or left something behind.
    Violations(Vec<Violation>),
    /// The scenario found something that is not as it must be.
    Wrong(String),
    /// The scenario or the test's driver panicked, with this message.
    Panicked(String),
}

impl From<Stop> for Failure {
    fn from(stop: Stop) -> Self {
        Self::Stopped(stop)
    }
}

impl From<String> for Failure {
    fn from(wrong: String) -> Self {
        Self::Wrong(wrong)
    }
}

impl From<&str> for Failure {
    fn from(wrong: &str) -> Self {
        Self::Wrong(wrong.to_owned())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped(stop) => stop.fmt(f),
            Self::Violations(violations) => {
                for (number, violation) in violations.iter().enumerate() {
                    let line = if number == 0 { "" } else { "\n" };
                    write!(f, "{line}{violation}")?;
                }
                Ok(())
            }
            Self::Wrong(wrong) => f.write_str(wrong),
            Self::Panicked(message) => write!(f, "panicked: {message}"),
        }
    }
}

impl core::error::Error for Failure {}

/// A run with one schedule, to its end.
#[derive(Clone, Debug)]
pub struct ScheduleRun {
    /// The schedule.
    pub schedule: Schedule,
    /// What is wrong, if anything.
    pub failure: Option<Failure>,
    /// What was counted with [`Host::tally`].
    pub tallies: Vec<(&'static str, u64)>,
    /// The report of the host.
    pub report: Report,
    /// What happened, if the run was traced.
    pub trace: Trace,
}

/// A run, as the exploration needs it.
pub(super) struct Run {
    pub(super) failure: Option<Failure>,
    pub(super) choices: [u64; ChoiceKind::ALL.len()],
    /// Tells its sequence of choices from others.
    pub(super) hash: u64,
    pub(super) tallies: Vec<(&'static str, u64)>,
    /// If they were to be recorded.
    pub(super) recorded: Vec<Choice>,
    pub(super) report: Report,
    pub(super) trace: Trace,
}

impl Run {
    pub(super) fn of(config: HostConfig, scenario: &dyn Fn(&Host) -> Result<(), Failure>) -> Self {
        let host = Host::new(config);
        let ran = catch_unwind(AssertUnwindSafe(|| {
            let result = scenario(&host);
            // After a crash there is nothing to take down, and after a flaw it is that which is to be seen. After a deadlock
            // the taking down tells what was lost.
            if matches!(result, Ok(()) | Err(Failure::Stopped(Stop::Deadlock(_)))) {
                host.wind_up();
            }
            result
        }));
        let report = host.report();
        let failure = match ran {
            Err(payload) => Some(Failure::Panicked(panic_message(&*payload))),
            Ok(Err(failure)) => Some(failure),
            Ok(Ok(())) => match &report.stop {
                Some(stop) => Some(Failure::Stopped(stop.clone())),
                None if report.violations.is_empty() => None,
                None => Some(Failure::Violations(report.violations.clone())),
            },
        };
        let chooser = &host.system.scheduler.chooser;
        Self {
            failure,
            choices: chooser.made_by_kind(),
            hash: chooser.hash(),
            tallies: host.tallies(),
            recorded: host.choices(),
            report,
            trace: host.trace(),
        }
    }
}

/// What a panic said.
pub(crate) fn panic_message(payload: &(dyn std::any::Any + Send)) -> String {
    match (
        payload.downcast_ref::<String>(),
        payload.downcast_ref::<&str>(),
    ) {
        (Some(text), _) => text.clone(),
        (None, Some(text)) => (*text).to_owned(),
        (None, None) => "without a message".to_owned(),
    }
}
