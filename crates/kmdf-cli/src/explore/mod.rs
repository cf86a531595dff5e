//! `kmdf explore`.

mod args;
mod summary;

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;
use std::time::Instant;

use kmdf_host::{Exploration, ExploreFailure, Failure, Host, Schedule, Trace};

pub(crate) use args::ExploreArgs;

use crate::output;
use crate::progress::Progress;
use crate::stress;
use crate::trace::{self, Look, TraceTo};

/// Tries the driver in many schedules, or in one.
pub(crate) fn command(args: &ExploreArgs) -> Result<ExitCode, Box<dyn Error>> {
    match &args.replay {
        Some(schedule) => replay(args, schedule),
        None => explore(args),
    }
}

fn scenario(args: &ExploreArgs) -> impl Fn(&Host) -> Result<(), Failure> + Sync + use<> {
    let driver = args.driver;
    move |host| Ok(stress::race(driver, host)?)
}

fn explore(args: &ExploreArgs) -> Result<ExitCode, Box<dyn Error>> {
    let to = args.trace.wanted()?;
    let mut progress = Progress::runs(0);
    let mut known = 0;
    let began = Instant::now();
    let exploration = Host::explore_watched(&args.explore(), scenario(args), |now| {
        // Of an exhaustive exploration nobody knows how much is to come.
        progress.set_total(now.planned.unwrap_or(now.schedules));
        progress.advance(now.schedules - known);
        known = now.schedules;
    });
    progress.finish();
    let took = began.elapsed();
    let failed = exploration.failures.first();
    let to = to.or_else(|| failed.map(|_| TraceTo::SEQUENCE));
    if let (Some(to), Some(failed)) = (&to, failed) {
        show(args, to, &failed.schedule, &failed.trace)?;
    }
    let mut out = trace::beside(to.as_ref());
    summary::print(args, &exploration, took, &mut out)?;
    out.flush()?;
    Ok(ended(args, &exploration))
}

fn ended(args: &ExploreArgs, exploration: &Exploration) -> ExitCode {
    match exploration.failures.first() {
        None => ExitCode::SUCCESS,
        Some(failed) => {
            output::complain(&complaint(args, failed));
            ExitCode::from(output::FAILED)
        }
    }
}

/// What is wrong, and the command that shows it again.
fn complaint(args: &ExploreArgs, failed: &ExploreFailure) -> String {
    let unlike = if failed.reproduced {
        ""
    } else {
        "\nit did not fail in the same way when it was run again"
    };
    let again = args.replay_command(&failed.schedule);
    format!("{}{unlike}\nthe same run again: {again}", failed.failure)
}

fn replay(args: &ExploreArgs, schedule: &Schedule) -> Result<ExitCode, Box<dyn Error>> {
    let to = args.trace.wanted()?;
    let run = Host::replay(args.config().trace(true), schedule, scenario(args));
    let to = to.or_else(|| run.failure.as_ref().map(|_| TraceTo::SEQUENCE));
    if let Some(to) = &to {
        show(args, to, schedule, &run.trace)?;
    }
    let mut out = trace::beside(to.as_ref());
    summary::print_run(args, &run, &mut out)?;
    out.flush()?;
    Ok(match &run.failure {
        None => ExitCode::SUCCESS,
        Some(failure) => {
            output::complain(&failure.to_string());
            ExitCode::from(output::FAILED)
        }
    })
}

/// What happened in a run.
fn show(
    args: &ExploreArgs,
    to: &TraceTo,
    schedule: &Schedule,
    recorded: &Trace,
) -> Result<(), Box<dyn Error>> {
    let title = format!(
        "kmdf explore {}, schedule {schedule}",
        args.driver.service()
    );
    to.show(Look::of(args.driver, &title), &recorded.records)
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use kmdf_host::{Report, Ticks, Totals};

    use super::*;
    use crate::args::{Cli, Command};

    fn args(line: &str) -> ExploreArgs {
        match Cli::parse_from(line.split(' ')).command {
            Command::Explore(args) => args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_complaint_says_how_to_run_it_again() {
        let report = Report {
            violations: Vec::new(),
            stop: None,
            totals: Totals::default(),
            time: Ticks::ZERO,
        };
        let mut failed = ExploreFailure {
            schedule: "path:3=1,9=2".parse().unwrap(),
            failure: Failure::Wrong("the write is lost".to_owned()),
            report,
            trace: Trace::default(),
            reproduced: true,
        };
        let told = complaint(&args("kmdf explore usb-bulk --exhaustive 2"), &failed);
        assert_eq!(
            told,
            "the write is lost\nthe same run again: kmdf explore usb-bulk --replay path:3=1,9=2"
        );
        failed.reproduced = false;
        let told = complaint(&args("kmdf explore usb-bulk --verifier off"), &failed);
        assert!(told.contains("did not fail in the same way"), "{told}");
        assert!(
            told.ends_with("--replay path:3=1,9=2 --verifier off"),
            "{told}"
        );
    }
}
