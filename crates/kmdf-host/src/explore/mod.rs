//! Running a scenario in many schedules: who wins each race is a choice, and all choices of a run can be made again.

mod exhaustive;
mod run;
mod schedule;
mod seeds;

use core::num::NonZeroUsize;
use std::collections::{BTreeMap, BTreeSet};

use crate::config::{HostConfig, Policy};
use crate::host::Host;
use crate::report::Report;
use crate::system::choice::ChoiceKind;
use crate::trace::Trace;

pub(crate) use run::panic_message;
pub use run::{Failure, ScheduleRun};
pub use schedule::{Schedule, UnknownSchedule};

use run::Run;

/// Which schedules are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// Every choice is drawn from the seed, each alternative with the same probability.
    Random,
    /// Threads have random priorities, and change them a few times: see [`Policy::Pct`].
    Pct {
        /// How many ordering constraints a bug may need.
        depth: u32,
    },
    /// Every schedule that departs from [`Policy::InOrder`] in at most `bound` choices, each once.
    Exhaustive {
        /// The most departures.
        bound: u32,
    },
}

impl Strategy {
    /// [`Strategy::Pct`] with a depth that finds most bugs of real programs.
    pub const PCT: Self = Self::Pct {
        depth: schedule::DEPTH,
    };
}

/// What is to be explored.
///
/// ```
/// use kmdf_host::{Disk, Explore, Host, HostConfig, LowerConfig, Strategy};
///
/// let explore = Explore::new(HostConfig::new()).strategy(Strategy::Exhaustive { bound: 2 });
/// let exploration = Host::explore(&explore, |host| {
///     let disk = host.add_lower(Disk::in_memory(), LowerConfig::new("disk"));
///     let stack = host.plug(disk, &[])?;
///     let file = host.open(stack)?;
///     for offset in [0, 8] {
///         host.thread("application", move |thread| {
///             assert_eq!(thread.write(file, offset, b"written!").information, 8);
///             thread.tally("written");
///         });
///     }
///     host.run()?;
///     host.close(file)?;
///     Ok(())
/// });
/// assert!(exploration.is_clean() && exploration.exhausted);
/// assert_eq!(exploration.tallies["written"], 2 * exploration.schedules);
/// ```
#[derive(Clone, Debug)]
pub struct Explore {
    config: HostConfig,
    strategy: Strategy,
    first_seed: u64,
    schedules: Option<u64>,
    failures: usize,
    jobs: NonZeroUsize,
}

/// Seeds that are tried unless one says how many.
const SEEDS: u64 = 1_000;

impl Explore {
    /// 1,000 random schedules from seed 0 on, up to the first that fails. Pre-emption is on, whatever `config` says, and
    /// its seed and policy do not matter.
    #[must_use]
    pub fn new(config: HostConfig) -> Self {
        Self {
            config: config.preempt(true).trace(false),
            strategy: Strategy::Random,
            first_seed: 0,
            schedules: None,
            failures: 1,
            jobs: NonZeroUsize::MIN,
        }
    }

    /// Which schedules are tried.
    #[must_use]
    pub const fn strategy(mut self, strategy: Strategy) -> Self {
        self.strategy = strategy;
        self
    }

    /// How many schedules are tried at most; of [`Strategy::Exhaustive`] all, unless this is said.
    #[must_use]
    pub const fn schedules(mut self, count: u64) -> Self {
        self.schedules = Some(count);
        self
    }

    /// The first seed; the others follow.
    #[must_use]
    pub const fn first_seed(mut self, seed: u64) -> Self {
        self.first_seed = seed;
        self
    }

    /// After how many failures the exploration ends; 1 unless this is said.
    #[must_use]
    pub const fn failures(mut self, count: usize) -> Self {
        self.failures = count;
        self
    }

    /// On how many operating-system threads seeds are tried. The result does not depend on it. Does nothing for
    /// [`Strategy::Exhaustive`], which must see a run before it knows the next.
    #[must_use]
    pub const fn jobs(mut self, jobs: NonZeroUsize) -> Self {
        self.jobs = jobs;
        self
    }
}

/// How far an exploration is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExploreProgress {
    /// Schedules that were run.
    pub schedules: u64,
    /// Schedules that are to be run, where that is known.
    pub planned: Option<u64>,
}

/// A schedule in which something is wrong.
#[derive(Clone, Debug)]
pub struct ExploreFailure {
    /// The schedule; [`Host::replay`] runs it again.
    pub schedule: Schedule,
    /// What is wrong.
    pub failure: Failure,
    /// The report of the host.
    pub report: Report,
    /// What happened, from a second run of the schedule.
    pub trace: Trace,
    /// Whether the second run failed in the same way. If not, the scenario or the driver keeps something from one run to
    /// the next, or looks at something outside the host.
    pub reproduced: bool,
}

/// What an exploration found.
#[derive(Clone, Debug, Default)]
pub struct Exploration {
    /// Schedules that were run.
    pub schedules: u64,
    /// How many of them made other choices than all before.
    pub distinct: u64,
    /// How many different sets of tallies ([`Host::tally`]) the runs had.
    pub outcomes: u64,
    /// Choices that were made, by what they were about.
    pub choices: BTreeMap<ChoiceKind, u64>,
    /// Most choices in one run.
    pub most_choices: u64,
    /// The sum of what the runs counted with [`Host::tally`].
    pub tallies: BTreeMap<&'static str, u64>,
    /// Whether there is no other schedule within the bound of [`Strategy::Exhaustive`].
    pub exhausted: bool,
    /// The schedules that failed, in the order in which they were tried.
    pub failures: Vec<ExploreFailure>,
}

impl Exploration {
    /// Whether nothing failed.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.failures.is_empty()
    }
}

/// A scenario that can be run on several operating-system threads.
type Scenario<'a> = &'a (dyn Fn(&Host) -> Result<(), Failure> + Sync);

/// Adds runs up.
#[derive(Default)]
struct Sum {
    schedules: u64,
    choices: [u64; ChoiceKind::ALL.len()],
    most_choices: u64,
    tallies: BTreeMap<&'static str, u64>,
    hashes: BTreeSet<u64>,
    outcomes: BTreeSet<u64>,
}

impl Sum {
    fn add(&mut self, run: &Run) {
        self.schedules += 1;
        for (sum, count) in self.choices.iter_mut().zip(run.choices) {
            *sum += count;
        }
        self.most_choices = self.most_choices.max(run.choices.iter().sum());
        // Sums do not depend on the order in which something was first counted.
        let mut outcome = 0;
        for &(what, count) in &run.tallies {
            *self.tallies.entry(what).or_default() += count;
            outcome ^= fnv(what.as_bytes().iter().copied().chain(count.to_le_bytes()));
        }
        self.hashes.insert(run.hash);
        self.outcomes.insert(outcome);
    }

    fn merge(&mut self, other: Self) {
        self.schedules += other.schedules;
        for (sum, count) in self.choices.iter_mut().zip(other.choices) {
            *sum += count;
        }
        self.most_choices = self.most_choices.max(other.most_choices);
        for (what, count) in other.tallies {
            *self.tallies.entry(what).or_default() += count;
        }
        self.hashes.extend(other.hashes);
        self.outcomes.extend(other.outcomes);
    }

    fn exploration(self, exhausted: bool, failures: Vec<ExploreFailure>) -> Exploration {
        Exploration {
            schedules: self.schedules,
            distinct: self.hashes.len() as u64,
            outcomes: self.outcomes.len() as u64,
            choices: ChoiceKind::ALL.into_iter().zip(self.choices).collect(),
            most_choices: self.most_choices,
            tallies: self.tallies,
            exhausted,
            failures,
        }
    }
}

/// FNV-1a.
fn fnv(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    })
}

impl Explore {
    fn run(&self, schedule: &Schedule, scenario: Scenario<'_>) -> Run {
        Run::of(self.config.clone().schedule(schedule), scenario)
    }

    /// Runs a schedule that failed once more, to see what happens in it.
    fn failed(
        &self,
        schedule: Schedule,
        failure: Failure,
        scenario: Scenario<'_>,
    ) -> ExploreFailure {
        let again = Run::of(
            self.config.clone().schedule(&schedule).trace(true),
            scenario,
        );
        ExploreFailure {
            schedule,
            reproduced: again.failure.as_ref() == Some(&failure),
            failure,
            report: again.report,
            trace: again.trace,
        }
    }
}

impl Host {
    /// Runs a scenario in many schedules, each on a host of its own, and takes everything down after each. A run fails that
    /// stops, that breaks a rule or leaves something behind, that the scenario finds wrong, or in which it panics.
    ///
    /// A panic in a callback that C code calls cannot be caught and ends the process, as everywhere in Rust.
    pub fn explore(
        explore: &Explore,
        scenario: impl Fn(&Self) -> Result<(), Failure> + Sync,
    ) -> Exploration {
        Self::explore_watched(explore, scenario, |_| ())
    }

    /// As [`Host::explore`]; `progress` is told now and then.
    pub fn explore_watched(
        explore: &Explore,
        scenario: impl Fn(&Self) -> Result<(), Failure> + Sync,
        mut progress: impl FnMut(ExploreProgress),
    ) -> Exploration {
        match explore.strategy {
            Strategy::Random => seeds::explore(explore, &scenario, &mut progress, |seed| {
                Schedule::Random { seed }
            }),
            Strategy::Pct { depth } => {
                let length = explore.length(&scenario);
                seeds::explore(explore, &scenario, &mut progress, |seed| Schedule::Pct {
                    seed,
                    depth,
                    length,
                })
            }
            Strategy::Exhaustive { bound } => {
                exhaustive::explore(explore, bound, &scenario, &mut progress)
            }
        }
    }

    /// Runs one schedule of a scenario, as an exploration does; `config` says whether it is traced.
    pub fn replay(
        config: HostConfig,
        schedule: &Schedule,
        scenario: impl Fn(&Self) -> Result<(), Failure>,
    ) -> ScheduleRun {
        let run = Run::of(config.preempt(true).schedule(schedule), &scenario);
        ScheduleRun {
            schedule: schedule.clone(),
            failure: run.failure,
            tallies: run.tallies,
            report: run.report,
            trace: run.trace,
        }
    }
}

impl Explore {
    /// Steps of a run for [`Policy::Pct`]: as many as in order, or somewhat more. A power of two, so that the name of a
    /// schedule survives small changes of the driver.
    fn length(&self, scenario: Scenario<'_>) -> u32 {
        let config = self.config.clone().policy(Policy::InOrder);
        let run = Run::of(config, scenario);
        let steps =
            run.choices[ChoiceKind::Thread as usize] + run.choices[ChoiceKind::Preemption as usize];
        u32::try_from(steps.max(1).next_power_of_two()).unwrap_or(u32::MAX)
    }
}
