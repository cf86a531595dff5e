//! All schedules within a bound, depth first.
//!
//! A run in order makes choices 0, 1, 2, ...; the same run with one of them made otherwise is another schedule, and so on.
//! Each schedule is reached exactly once: from the one that lacks its last deviation.

use super::run::{Failure, Run};
use super::{Exploration, Explore, ExploreProgress, Scenario, Schedule, Sum};
use crate::config::Deviation;

/// Schedules between two reports of progress.
const PROGRESS: u64 = 100;

/// A schedule that was run and has others behind it.
struct Branch {
    deviations: Vec<Deviation>,
    /// How many alternatives each choice of the run had.
    alternatives: Vec<u32>,
    next: Deviation,
}

impl Branch {
    fn new(deviations: Vec<Deviation>, run: &Run) -> Self {
        let position = deviations.last().map_or(0, |last| last.position + 1);
        Self {
            deviations,
            alternatives: run.recorded.iter().map(|choice| choice.of).collect(),
            next: Deviation { position, taken: 1 },
        }
    }

    /// The next schedule with one deviation more.
    fn next(&mut self) -> Option<Vec<Deviation>> {
        while let Some(&of) = self.alternatives.get(self.next.position as usize) {
            if self.next.taken < of {
                let mut deviations = self.deviations.clone();
                deviations.push(self.next);
                self.next.taken += 1;
                return Some(deviations);
            }
            self.next = Deviation {
                position: self.next.position + 1,
                taken: 1,
            };
        }
        None
    }
}

pub(super) fn explore(
    explore: &Explore,
    bound: u32,
    scenario: Scenario<'_>,
    progress: &mut dyn FnMut(ExploreProgress),
) -> Exploration {
    let explore = Explore {
        config: explore.config.clone().record_choices(true),
        ..explore.clone()
    };
    let mut sum = Sum::default();
    let mut failures: Vec<(Schedule, Failure)> = Vec::new();
    let mut branches: Vec<Branch> = Vec::new();
    let mut next = Some(Vec::new());
    while let Some(deviations) = next
        .take_if(|_| explore.schedules != Some(sum.schedules) && failures.len() < explore.failures)
    {
        let schedule = Schedule::Path(deviations.clone());
        let run = explore.run(&schedule, scenario);
        sum.add(&run);
        if sum.schedules.is_multiple_of(PROGRESS) {
            progress(ExploreProgress {
                schedules: sum.schedules,
                planned: explore.schedules,
            });
        }
        if let Some(failure) = &run.failure {
            failures.push((schedule, failure.clone()));
        }
        if deviations.len() < bound as usize {
            branches.push(Branch::new(deviations, &run));
        }
        next = following(&mut branches);
    }
    let failed = failures
        .into_iter()
        .map(|(schedule, failure)| explore.failed(schedule, failure, scenario));
    let failed = failed.collect();
    sum.exploration(next.is_none(), failed)
}

/// The next schedule, behind the one that was run last if there is one.
fn following(branches: &mut Vec<Branch>) -> Option<Vec<Deviation>> {
    while let Some(last) = branches.last_mut() {
        let next = last.next();
        if next.is_some() {
            return next;
        }
        branches.pop();
    }
    None
}
