//! One seed after the other, or on several threads at once.

use core::sync::atomic::{AtomicU64, Ordering};

use super::run::Failure;
use super::{Exploration, Explore, ExploreProgress, SEEDS, Scenario, Schedule, Sum};

/// Seeds that one thread tries before all threads meet; enough that starting a thread does not count.
const BLOCK: u64 = 2_000;
/// Schedules between two reports of progress.
const PROGRESS: u64 = 100;

pub(super) fn explore(
    explore: &Explore,
    scenario: Scenario<'_>,
    progress: &mut dyn FnMut(ExploreProgress),
    schedule: impl Fn(u64) -> Schedule + Sync,
) -> Exploration {
    let count = explore.schedules.unwrap_or(SEEDS);
    let mut search = Search {
        explore,
        scenario,
        schedule: &schedule,
        sum: Sum::default(),
        failures: Vec::new(),
    };
    let jobs = explore.jobs.get() as u64;
    let mut done = 0;
    while done < count && search.failures.len() < explore.failures {
        let step = if jobs == 1 { PROGRESS } else { BLOCK * jobs };
        let step = step.min(count - done);
        let first = explore.first_seed.wrapping_add(done);
        if jobs == 1 || !search.in_parallel(first, step) {
            search.in_order(first, step);
        }
        done += step;
        progress(ExploreProgress {
            schedules: search.sum.schedules,
            planned: Some(count),
        });
    }
    let failures = search.failures;
    let failed = failures
        .into_iter()
        .map(|(schedule, failure)| explore.failed(schedule, failure, scenario));
    search.sum.exploration(false, failed.collect())
}

struct Search<'a> {
    explore: &'a Explore,
    scenario: Scenario<'a>,
    schedule: &'a (dyn Fn(u64) -> Schedule + Sync),
    sum: Sum,
    failures: Vec<(Schedule, Failure)>,
}

impl Search<'_> {
    fn in_order(&mut self, first: u64, count: u64) {
        for number in 0..count {
            let schedule = (self.schedule)(first.wrapping_add(number));
            let run = self.explore.run(&schedule, self.scenario);
            self.sum.add(&run);
            if let Some(failure) = run.failure {
                self.failures.push((schedule, failure));
                if self.failures.len() == self.explore.failures {
                    return;
                }
            }
        }
    }

    /// Tries seeds on all threads; `false`, with nothing counted, when one of them fails: then they have to be tried in
    /// order, so that what is counted does not depend on which thread was ahead.
    fn in_parallel(&mut self, first: u64, count: u64) -> bool {
        let jobs = self.explore.jobs.get() as u64;
        let failed = AtomicU64::new(0);
        let work = |job: u64| {
            let mut sum = Sum::default();
            let mut number = job;
            while number < count && failed.load(Ordering::Relaxed) == 0 {
                let schedule = (self.schedule)(first.wrapping_add(number));
                let run = self.explore.run(&schedule, self.scenario);
                sum.add(&run);
                if run.failure.is_some() {
                    failed.store(1, Ordering::Relaxed);
                }
                number += jobs;
            }
            sum
        };
        let sums: Vec<Sum> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..jobs)
                .map(|job| scope.spawn(move || work(job)))
                .collect();
            threads
                .into_iter()
                .map(|thread| match thread.join() {
                    Ok(sum) => sum,
                    Err(panic) => std::panic::resume_unwind(panic),
                })
                .collect()
        });
        if failed.load(Ordering::Relaxed) != 0 {
            return false;
        }
        for sum in sums {
            self.sum.merge(sum);
        }
        true
    }
}
