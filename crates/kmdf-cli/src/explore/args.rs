//! The arguments of `kmdf explore`.

use std::num::{NonZeroU32, NonZeroUsize};

use clap::{Args, ValueEnum};
use kmdf_host::{Explore, HostConfig, Schedule, Strategy};

use crate::args::{Driver, Switch};
use crate::trace::TraceArgs;

const EXAMPLES: &str = "\
Examples:
  Try 100,000 schedules on four processors:
      kmdf explore write-filter --seeds 100000 --jobs 4
  Give threads priorities that change a few times, which finds what random choices miss:
      kmdf explore usb-bulk --strategy pct --seeds 100000
  Try everything that departs from the plain order in at most two choices:
      kmdf explore write-filter --exhaustive 2
  Run one schedule again, and see what happens in it:
      kmdf explore usb-bulk --replay 4711 --trace sequence
      kmdf explore usb-bulk --replay pct:17:3:1024 --trace json run.json
      kmdf explore write-filter --replay path:12=1,40=2 --trace table

Exit code: 0 when nothing was found, 1 when something was, 2 for arguments that cannot be used.";

/// Try a driver in many schedules
///
/// Two applications open the driver's device and write to it, some writes in several pieces, some
/// of no length, waiting, overlapped, cancelled, or left behind when the device is closed. The
/// device below answers at once, before, at the very moment of, or after the driver's time-out,
/// only when it is cancelled, or with an error. Meanwhile the device may be put to sleep, stopped
/// for rebalancing, pulled out, or removed. Who wins each race is a choice, and every run makes
/// other choices; after each the device is removed, the driver unloaded, and everything must be
/// accounted for.
///
/// Of a run in which something is wrong the schedule is printed, with which it can be run again, and
/// what happened in it.
#[derive(Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct ExploreArgs {
    /// The driver
    pub(crate) driver: Driver,

    /// How many schedules to try; with --exhaustive at most, otherwise [default: 1000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) seeds: Option<u64>,

    /// The first seed; the others follow it
    #[arg(
        long,
        value_name = "S",
        default_value_t = 0,
        conflicts_with = "exhaustive"
    )]
    pub(crate) first_seed: u64,

    /// How the choices of a run are made
    #[arg(long, default_value = "random", conflicts_with = "exhaustive")]
    pub(crate) strategy: StrategyName,

    /// With --strategy pct: how many ordering constraints a bug may need [default: 3]
    #[arg(long, value_name = "N", conflicts_with = "exhaustive")]
    pub(crate) depth: Option<NonZeroU32>,

    /// Try every schedule that departs from the plain order in at most so many choices
    #[arg(long, value_name = "BOUND")]
    pub(crate) exhaustive: Option<u32>,

    /// Run one schedule only: a seed, or what was printed for a run in which something was wrong
    #[arg(
        long,
        value_name = "SCHEDULE",
        conflicts_with_all = ["seeds", "first_seed", "strategy", "depth", "exhaustive", "jobs"]
    )]
    pub(crate) replay: Option<Schedule>,

    #[command(flatten)]
    pub(crate) trace: TraceArgs,

    /// Whether the framework's own verifier watches the driver
    #[arg(long, value_name = "SWITCH", default_value = "on")]
    pub(crate) verifier: Switch,

    /// On how many processors; does not change the result, and does nothing with --exhaustive
    #[arg(long, value_name = "N", default_value = "1")]
    pub(crate) jobs: NonZeroUsize,
}

/// How choices are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum StrategyName {
    /// Every alternative with the same probability
    Random,
    /// Probabilistic concurrency testing: the ready thread with the highest priority runs;
    /// priorities are random and change a few times
    Pct,
}

impl ExploreArgs {
    pub(super) fn config(&self) -> HostConfig {
        HostConfig::new()
            .verifier(self.verifier == Switch::On)
            .hold_up(true)
    }

    pub(super) fn explore(&self) -> Explore {
        let strategy = match (self.exhaustive, self.strategy, self.depth) {
            (Some(bound), _, _) => Strategy::Exhaustive { bound },
            (None, StrategyName::Random, _) => Strategy::Random,
            (None, StrategyName::Pct, None) => Strategy::PCT,
            (None, StrategyName::Pct, Some(depth)) => Strategy::Pct { depth: depth.get() },
        };
        let explore = Explore::new(self.config())
            .strategy(strategy)
            .first_seed(self.first_seed)
            .jobs(self.jobs);
        match self.seeds {
            Some(seeds) => explore.schedules(seeds),
            None => explore,
        }
    }

    /// The command that runs a schedule again.
    pub(super) fn replay_command(&self, schedule: &Schedule) -> String {
        let verifier = match self.verifier {
            Switch::On => "",
            Switch::Off => " --verifier off",
        };
        let driver = self.driver.service();
        format!("kmdf explore {driver} --replay {schedule}{verifier}")
    }
}
