//! `kmdf explore`.

mod args;
mod summary;

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Instant;

use kmdf_host::{Exploration, Failure, Host, Schedule, Trace};

pub(crate) use args::ExploreArgs;

use crate::args::TraceForm;
use crate::output;
use crate::progress::Progress;
use crate::stress;
use crate::trace;

/// Tries the driver in many schedules, or in one.
pub(crate) fn command(args: &ExploreArgs) -> Result<ExitCode, Box<dyn Error>> {
    match &args.replay {
        Some(schedule) => Ok(replay(args, schedule)?),
        None => Ok(explore(args)?),
    }
}

fn scenario(args: &ExploreArgs) -> impl Fn(&Host) -> Result<(), Failure> + Sync + use<> {
    let driver = args.driver;
    move |host| Ok(stress::race(driver, host)?)
}

fn explore(args: &ExploreArgs) -> io::Result<ExitCode> {
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
    if let Some(failed) = exploration.failures.first() {
        show(args, Some(TraceForm::Sequence), &failed.trace)?;
    }
    let mut out = trace::summary_output(args.trace);
    summary::print(args, &exploration, took, &mut out)?;
    out.flush()?;
    Ok(ended(args, &exploration))
}

fn ended(args: &ExploreArgs, exploration: &Exploration) -> ExitCode {
    let Some(failed) = exploration.failures.first() else {
        return ExitCode::SUCCESS;
    };
    let unlike = if failed.reproduced {
        ""
    } else {
        "\nwarning: this run did not fail in the same way when it was run again"
    };
    output::complain(&format!(
        "{}{unlike}\nthe same run again: {}",
        failed.failure,
        args.replay_command(&failed.schedule)
    ));
    ExitCode::from(output::FAILED)
}

fn replay(args: &ExploreArgs, schedule: &Schedule) -> io::Result<ExitCode> {
    let run = Host::replay(args.config().trace(true), schedule, scenario(args));
    let unless_told = run.failure.is_some().then_some(TraceForm::Sequence);
    show(args, unless_told, &run.trace)?;
    let mut out = trace::summary_output(args.trace);
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

/// What happened in a run, in the form that was asked for.
fn show(args: &ExploreArgs, unless_told: Option<TraceForm>, recorded: &Trace) -> io::Result<()> {
    match args.trace.or(unless_told) {
        Some(form) => trace::print(form, args.driver, recorded),
        None => Ok(()),
    }
}
