//! `kmdf faults`.

mod summary;

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;

use kmdf_host::{Failure, Host, HostConfig, LowerFault, Problem, Sweep, SweepFailure};

use crate::args::{FaultsArgs, Switch};
use crate::output;
use crate::progress::Progress;
use crate::stress::{self, Flaw};
use crate::trace::{self, Look, TraceTo};

/// The only fault asked for does not exist.
#[derive(Debug, thiserror::Error)]
#[error("the run never comes to {0}: the numbers begin at 1 and end with what the driver uses")]
struct NeverReached(String);

/// Lets everything fail around the driver.
pub(crate) fn command(args: &FaultsArgs) -> Result<ExitCode, Box<dyn Error>> {
    let to = args.trace.wanted()?;
    let sweep = sweep(args);
    let scenario = |host: &Host| -> Result<(), Failure> {
        if !args.race {
            stress::steady(args.driver, host)?;
            return Ok(());
        }
        match stress::race(args.driver, host) {
            // The fault is the reason.
            Ok(()) | Err(Flaw::NoReason(_)) => Ok(()),
            Err(flaw) => Err(flaw.into()),
        }
    };
    let mut progress = Progress::runs(0);
    let report = Host::sweep_faults_watched(&sweep, scenario, |now| {
        progress.set_total(now.planned as u64);
        progress.advance(1);
    });
    progress.finish();
    if let Some(failure) = report.failures.first()
        && failure.problem == Problem::NotReached
        && let Some(fault) = args
            .only
            .iter()
            .find(|&only| Some(only) == failure.fault.as_ref())
    {
        return Err(Box::new(NeverReached(fault.to_string())));
    }
    let recorded = match (&report.failures[..], &args.only[..]) {
        ([failure, ..], _) => Some(failure.trace.clone()),
        ([], [only, ..]) if to.is_some() => {
            Some(Host::run_with_fault(&sweep, Some(only), scenario).trace)
        }
        _ => None,
    };
    let to = to.or_else(|| recorded.as_ref().map(|_| TraceTo::SEQUENCE));
    if let (Some(to), Some(recorded)) = (&to, &recorded) {
        let title = format!("kmdf faults {}, seed {}", args.driver.service(), args.seed);
        to.show(Look::of(args.driver, &title), &recorded.records)?;
    }
    let mut out = trace::beside(to.as_ref());
    summary::print(args.driver, &report, &mut out)?;
    out.flush()?;
    Ok(match report.failures.first() {
        None => ExitCode::SUCCESS,
        Some(failure) => {
            output::complain(&complaint(args, failure, report.failures.len()));
            ExitCode::from(output::FAILED)
        }
    })
}

fn sweep(args: &FaultsArgs) -> Sweep {
    let config = HostConfig::new()
        .seed(args.seed)
        .verifier(args.verifier == Switch::On)
        .preempt(args.race);
    let mut sweep = Sweep::new(config).seed(args.seed).pairs(args.pairs);
    if args.race {
        // Its writes are whole or fail.
        sweep = sweep.without(|fault| {
            matches!(
                fault,
                LowerFault::Short | LowerFault::Empty | LowerFault::Excess
            )
        });
    }
    args.only
        .iter()
        .fold(sweep, |sweep, fault| sweep.only(fault.clone()))
}

/// What is wrong, and the command that shows it again.
fn complaint(args: &FaultsArgs, failure: &SweepFailure, failures: usize) -> String {
    let again = failure.fault.as_ref().map_or_else(String::new, |fault| {
        let race = if args.race { " --race" } else { "" };
        let verifier = match args.verifier {
            Switch::On => "",
            Switch::Off => " --verifier off",
        };
        format!(
            "\nthe same again: kmdf faults {} --seed {} --only {fault}{race}{verifier}",
            args.driver.service(),
            args.seed
        )
    });
    let others = match failures {
        1 => String::new(),
        _ => format!("\nand {} more", failures - 1),
    };
    format!("{failure}{again}{others}")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Command};

    fn args(line: &str) -> FaultsArgs {
        let line = format!("kmdf faults {line}");
        match Cli::try_parse_from(line.split_whitespace())
            .unwrap()
            .command
        {
            Command::Faults(args) => args,
            other => panic!("{other:?}"),
        }
    }

    /// No driver here fails, so that the scenario does.
    #[test]
    fn a_failure_says_what_and_how_to_see_it_again() {
        let args = args("write-filter --seed 7 --verifier off --pairs 0");
        let report = Host::sweep_faults(&sweep(&args), |host| -> Result<(), Failure> {
            stress::steady(args.driver, host)?;
            match host.allocations(kmdf_host::Allocation::Buffer) {
                11 => Ok(()),
                other => Err(Failure::Wrong(format!("{other} buffers"))),
            }
        });
        let failure = &report.failures[0];
        let fault = failure.fault.as_ref().unwrap();
        let text = complaint(&args, failure, report.failures.len());
        assert!(text.starts_with(&format!("{fault}: ")), "{text}");
        assert!(text.contains(" buffers\n"), "{text}");
        let again = format!(
            "the same again: kmdf faults write-filter --seed 7 --only {fault} --verifier off"
        );
        assert!(text.contains(&again), "{text}");
        assert!(
            text.ends_with(&format!("\nand {} more", report.failures.len() - 1)),
            "{text}"
        );
        let mut table = Vec::new();
        summary::print(args.driver, &report, &mut table).unwrap();
        let table = String::from_utf8(table).unwrap();
        let end = format!("; {} runs did NOT\n", report.failures.len());
        assert!(table.ends_with(&end), "{table}");
    }
}
