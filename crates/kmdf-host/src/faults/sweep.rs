//! A scenario once for everything in it that can fail.

use core::fmt;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use kmdf_sys::{
    NTSTATUS, STATUS_BUFFER_OVERFLOW, STATUS_CANCELLED, STATUS_DEVICE_NOT_CONNECTED,
    STATUS_INSUFFICIENT_RESOURCES, STATUS_IO_DEVICE_ERROR, STATUS_NO_SUCH_DEVICE,
};

use super::{Allocation, Fault, FaultKind, FaultPoint, LowerFault, Seen};
use crate::config::HostConfig;
use crate::explore::{Failure, panic_message};
use crate::host::Host;
use crate::report::Report;
use crate::stop::Stop;
use crate::time::Ticks;
use crate::trace::Trace;

/// How late a lower device is that is late, unless [`Sweep::late`] says otherwise.
pub(super) const LATE: Ticks = Ticks::from_millis(60_000);

/// What a sweep lets fail.
///
/// ```
/// use kmdf_host::{Disk, Host, HostConfig, LowerConfig, Stop, Sweep};
///
/// fn scenario(host: &Host) -> Result<(), Stop> {
///     let disk = host.add_lower(Disk::in_memory(), LowerConfig::new("disk"));
///     // Drivers that `Host::load` returned go between the brackets.
///     let stack = host.plug(disk, &[])?;
///     let file = host.open(stack)?;
///     host.write(file, 0, b"hello")?;
///     host.close(file)
/// }
///
/// let sweep = Sweep::new(HostConfig::new()).pairs(10);
/// let report = Host::sweep_faults(&sweep, scenario);
/// assert!(report.is_clean(), "{report}");
/// ```
#[derive(Clone, Debug)]
pub struct Sweep {
    config: HostConfig,
    lower: Vec<LowerFault>,
    pairs: usize,
    seed: u64,
    late: Ticks,
    only: Vec<Fault>,
}

impl Sweep {
    /// Every allocation, every PnP request that a lower device may fail, and every request to one in each of these ways: the statuses
    /// `STATUS_IO_DEVICE_ERROR`, `STATUS_DEVICE_NOT_CONNECTED`, `STATUS_NO_SUCH_DEVICE`, `STATUS_BUFFER_OVERFLOW` and
    /// `STATUS_CANCELLED`, and all others of [`LowerFault`]. No pairs.
    #[must_use]
    pub fn new(config: HostConfig) -> Self {
        let statuses = [
            STATUS_IO_DEVICE_ERROR,
            STATUS_DEVICE_NOT_CONNECTED,
            STATUS_NO_SUCH_DEVICE,
            STATUS_BUFFER_OVERFLOW,
            STATUS_CANCELLED,
        ];
        Self {
            config,
            lower: statuses
                .into_iter()
                .map(LowerFault::Status)
                .chain(LowerFault::all())
                .collect(),
            pairs: 0,
            seed: 0,
            late: LATE,
            only: Vec::new(),
        }
    }

    /// So many pairs of faults besides, drawn from all that there are.
    #[must_use]
    pub const fn pairs(mut self, pairs: usize) -> Self {
        self.pairs = pairs;
        self
    }

    /// The seed by which pairs are drawn. The seed of the runs is that of the configuration.
    #[must_use]
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// What lower devices make of requests.
    #[must_use]
    pub fn lower_faults(mut self, faults: &[LowerFault]) -> Self {
        self.lower = faults.to_vec();
        self
    }

    /// Leaves out some of what lower devices make of requests.
    #[must_use]
    pub fn without(mut self, which: impl Fn(&LowerFault) -> bool) -> Self {
        self.lower.retain(|fault| !which(fault));
        self
    }

    /// How late a late device is, 60 seconds unless set: longer than any time-out of the drivers.
    #[must_use]
    pub const fn late(mut self, late: Ticks) -> Self {
        self.late = late;
        self
    }

    /// Only these faults, and no pairs. May be called again for more.
    #[must_use]
    pub fn only(mut self, fault: Fault) -> Self {
        self.only.push(fault);
        self
    }

    /// All faults that a run offers.
    fn singles(&self, offers: &Offers) -> Vec<Fault> {
        let allocations = offers
            .allocations
            .iter()
            .flat_map(|&(kind, count)| (1..=count).map(move |at| FaultPoint::Allocation(kind, at)));
        let pnp = (1..=offers.pnp).map(|at| FaultPoint::Pnp(at, STATUS_INSUFFICIENT_RESOURCES));
        let lower = (1..).zip(&offers.requests).flat_map(|(at, seen)| {
            let possible = self.lower.iter().filter(|fault| fault.is_possible(seen));
            possible.map(move |&fault| FaultPoint::Lower(at, fault))
        });
        allocations
            .chain(pnp)
            .chain(lower)
            .map(Fault::from)
            .collect()
    }

    fn pairs_of(&self, singles: &[Fault]) -> Vec<Fault> {
        let mut random = fastrand::Rng::with_seed(self.seed);
        let mut pairs = Vec::new();
        if singles.len() < 2 {
            return pairs;
        }
        // Many draws give the same pair, or two faults of one request, where there is little to draw from.
        let mut draws = self.pairs.saturating_mul(8);
        while pairs.len() < self.pairs && draws > 0 {
            draws -= 1;
            let points: Vec<FaultPoint> = (0..2)
                .flat_map(|_| singles[random.usize(0..singles.len())].points())
                .copied()
                .collect();
            let pair = Fault::new(&points);
            if !has_double(&pair) && !pairs.contains(&pair) {
                pairs.push(pair);
            }
        }
        pairs
    }
}

/// Whether both points are of one request, or are the same.
fn has_double(pair: &Fault) -> bool {
    match pair.points() {
        [FaultPoint::Lower(first, _), FaultPoint::Lower(second, _)]
        | [FaultPoint::Pnp(first, _), FaultPoint::Pnp(second, _)] => first == second,
        points => points.len() < 2,
    }
}

impl LowerFault {
    /// Whether only a cancel ends the request: a driver that sends it without a time-out waits for ever.
    #[must_use]
    pub const fn waits_for_cancel(&self) -> bool {
        matches!(self, Self::Never | Self::SlowCancel)
    }

    /// Whether it makes a difference to a request that ended like this.
    const fn is_possible(self, seen: &Seen) -> bool {
        match self {
            Self::Short => seen.moved > 1,
            Self::Empty => seen.moved > 0,
            // A device that said so of a read would have written beyond the buffer.
            Self::Excess => seen.write && seen.moved > 0 && seen.moved == seen.asked,
            _ => true,
        }
    }
}

/// What is wrong with a run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// It crashed, hung ([`Stop::Deadlock`]), left something behind, broke a rule, or the scenario found it wrong.
    Failed(Failure),
    /// The run never came to the fault. Of one that the sweep itself planned it means that two runs of one seed differ.
    NotReached,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(failure) => failure.fmt(f),
            Self::NotReached => f.write_str("the run never came to the fault"),
        }
    }
}

/// A run that did not end as it must.
#[derive(Clone, Debug)]
pub struct SweepFailure {
    /// What failed in it; `None` in the run in which nothing failed.
    pub fault: Option<Fault>,
    /// What is wrong.
    pub problem: Problem,
    /// What the run found.
    pub report: Report,
    /// The run, recorded.
    pub trace: Trace,
}

impl fmt::Display for SweepFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.fault {
            Some(fault) => write!(f, "{fault}: ")?,
            None => f.write_str("without a fault: ")?,
        }
        self.problem.fmt(f)
    }
}

/// How the faults of one sort went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KindCount {
    /// Runs in which such a fault happened.
    pub injected: u64,
    /// Those of them that ended as they must.
    pub survived: u64,
    /// How the requests of applications ended in these runs, and how often.
    pub statuses: BTreeMap<NTSTATUS, u64>,
    /// The statuses with which loading, starting, stopping or opening failed in these runs, and how often.
    pub failed_steps: BTreeMap<NTSTATUS, u64>,
}

/// What a sweep found.
#[derive(Clone, Debug, Default)]
pub struct SweepReport {
    /// How often the scenario ran, the run in which nothing failed included.
    pub runs: u64,
    /// What happened, by sort of fault.
    pub kinds: BTreeMap<FaultKind, KindCount>,
    /// Runs that did not end as they must.
    pub failures: Vec<SweepFailure>,
    /// Pairs of which only the first happened, since it kept the run from the second. They are not counted as injected.
    pub unreached: Vec<Fault>,
}

impl SweepReport {
    /// Whether every run ended as it must.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.failures.is_empty()
    }

    /// Faults that happened, pairs as one.
    #[must_use]
    pub fn injected(&self) -> u64 {
        self.kinds.values().map(|count| count.injected).sum()
    }
}

impl fmt::Display for SweepReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for failure in &self.failures {
            writeln!(f, "{failure}")?;
        }
        write!(
            f,
            "{} runs, {} faults, {} pairs not reached, {} failures",
            self.runs,
            self.injected(),
            self.unreached.len(),
            self.failures.len()
        )
    }
}

/// How far a sweep is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SweepProgress {
    /// Faults that were tried.
    pub done: usize,
    /// Faults that are planned.
    pub planned: usize,
    /// Runs that did not end as they must, so far.
    pub failures: usize,
}

/// One run of a scenario, in which something failed or nothing did.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FaultRun {
    /// What is wrong with it.
    pub problem: Option<Problem>,
    /// Whether everything failed in it that was planned.
    pub reached: bool,
    /// How the requests of applications ended, and how often.
    pub statuses: BTreeMap<NTSTATUS, u64>,
    /// The statuses with which loading, starting, stopping or opening failed, and how often.
    pub failed_steps: BTreeMap<NTSTATUS, u64>,
    /// What the run found.
    pub report: Report,
    /// The run, if it was recorded.
    pub trace: Trace,
    offers: Offers,
    hits: usize,
}

/// What can fail in a run.
#[derive(Clone, Debug)]
struct Offers {
    allocations: Vec<(Allocation, u64)>,
    pnp: u64,
    requests: Vec<Seen>,
}

type Scenario<'a> = dyn Fn(&Host) -> Result<(), Failure> + 'a;

impl FaultRun {
    fn new(sweep: &Sweep, fault: Option<&Fault>, trace: bool, scenario: &Scenario<'_>) -> Self {
        let host = Host::new(sweep.config.clone().trace(trace));
        let points = fault.map_or(&[][..], Fault::points);
        let faults = &host.system.faults;
        faults.watching.set(true);
        faults.late.set(sweep.late);
        faults.plan(points);
        let ran = catch_unwind(AssertUnwindSafe(|| scenario(&host)));
        host.wind_up();
        let watched = faults.watched.take();
        let report = host.report();
        Self {
            problem: problem(ran, &report),
            reached: points.iter().all(|point| watched.hit.contains(point)),
            hits: watched.hit.len(),
            statuses: watched.statuses,
            failed_steps: watched.failed_steps,
            offers: Offers {
                allocations: Allocation::all()
                    .map(|kind| (kind, faults.made(kind)))
                    .collect(),
                pnp: faults.pnp.get(),
                requests: watched.requests,
            },
            trace: host.trace(),
            report,
        }
    }
}

/// What is wrong with a run, the worst first. That a driver or the framework failed a step with a status is as it must be.
fn problem(ran: std::thread::Result<Result<(), Failure>>, report: &Report) -> Option<Problem> {
    let result = match ran {
        Ok(result) => result,
        Err(payload) => Err(Failure::Panicked(panic_message(&*payload))),
    };
    let failure = match (&report.stop, result) {
        (_, Err(failure @ Failure::Panicked(_))) => Some(failure),
        (Some(stop), _) if !matches!(stop, Stop::Status { .. }) => {
            Some(Failure::Stopped(stop.clone()))
        }
        (_, Ok(()) | Err(Failure::Stopped(Stop::Status { .. }))) => {
            let violations = &report.violations;
            (!violations.is_empty()).then(|| Failure::Violations(violations.clone()))
        }
        (_, Err(failure)) => Some(failure),
    };
    failure.map(Problem::Failed)
}

impl Host {
    /// Runs a scenario once to count what can fail in it, and then once for each fault: every allocation, every PnP request
    /// and every request of a lower device in turn, and as many pairs as the sweep wants.
    ///
    /// The scenario is given an empty host. Where a step fails it may end with that or go on. Afterwards everything is
    /// taken down. A run must end without a bugcheck, without anything left behind, and with every request completed; which
    /// status it had does not matter. Where a lower device holds a request of an application until it is cancelled and
    /// nothing else can happen, the application cancels it; a driver that waits for a request of its own hangs.
    pub fn sweep_faults<E: Into<Failure>>(
        sweep: &Sweep,
        scenario: impl Fn(&Self) -> Result<(), E>,
    ) -> SweepReport {
        Self::sweep_faults_watched(sweep, scenario, |_| ())
    }

    /// As [`Host::sweep_faults`]; `progress` is told after every run.
    pub fn sweep_faults_watched<E: Into<Failure>>(
        sweep: &Sweep,
        scenario: impl Fn(&Self) -> Result<(), E>,
        mut progress: impl FnMut(SweepProgress),
    ) -> SweepReport {
        let scenario = |host: &Self| scenario(host).map_err(Into::into);
        let mut report = SweepReport::default();
        let base = FaultRun::new(sweep, None, false, &scenario);
        report.runs += 1;
        if let Some(problem) = base.problem {
            report.add_failure(sweep, None, problem, &scenario);
            return report;
        }
        let planned = if sweep.only.is_empty() {
            let singles = sweep.singles(&base.offers);
            let pairs = sweep.pairs_of(&singles);
            [singles, pairs].concat()
        } else {
            sweep.only.clone()
        };
        for (done, fault) in planned.iter().enumerate() {
            report.try_fault(sweep, fault, &scenario);
            progress(SweepProgress {
                done: done + 1,
                planned: planned.len(),
                failures: report.failures.len(),
            });
        }
        report
    }

    /// One run of a sweep, recorded: with a fault, or the one in which nothing fails.
    pub fn run_with_fault<E: Into<Failure>>(
        sweep: &Sweep,
        fault: Option<&Fault>,
        scenario: impl Fn(&Self) -> Result<(), E>,
    ) -> FaultRun {
        FaultRun::new(sweep, fault, true, &|host| {
            scenario(host).map_err(Into::into)
        })
    }
}

impl SweepReport {
    fn try_fault(&mut self, sweep: &Sweep, fault: &Fault, scenario: &Scenario<'_>) {
        let run = FaultRun::new(sweep, Some(fault), false, scenario);
        self.runs += 1;
        let mut problem = run.problem;
        if !run.reached {
            // The first fault of several may keep the run from the others.
            if run.hits > 0 {
                self.unreached.push(fault.clone());
            } else {
                problem = problem.or(Some(Problem::NotReached));
            }
        } else {
            let count = self.kinds.entry(fault.kind()).or_default();
            count.injected += 1;
            count.survived += u64::from(problem.is_none());
            add_up(&mut count.statuses, &run.statuses);
            add_up(&mut count.failed_steps, &run.failed_steps);
        }
        if let Some(problem) = problem {
            self.add_failure(sweep, Some(fault), problem, scenario);
        }
    }

    /// Records a failing run, by running it again.
    fn add_failure(
        &mut self,
        sweep: &Sweep,
        fault: Option<&Fault>,
        problem: Problem,
        scenario: &Scenario<'_>,
    ) {
        let run = FaultRun::new(sweep, fault, true, scenario);
        self.runs += 1;
        self.failures.push(SweepFailure {
            fault: fault.cloned(),
            problem,
            report: run.report,
            trace: run.trace,
        });
    }
}

fn add_up(sum: &mut BTreeMap<NTSTATUS, u64>, counts: &BTreeMap<NTSTATUS, u64>) {
    for (&status, times) in counts {
        *sum.entry(status).or_default() += times;
    }
}
