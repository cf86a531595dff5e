//! What an exploration has seen, for a person.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};
use indicatif::HumanCount;
use kmdf_host::{ChoiceKind, Exploration, ScheduleRun};

use super::ExploreArgs;
use super::args::StrategyName;

/// Prints what was tried and seen.
pub(super) fn print(
    args: &ExploreArgs,
    exploration: &Exploration,
    took: Duration,
    out: &mut dyn Write,
) -> io::Result<()> {
    let driver = args.driver.service();
    writeln!(out, "driver        {driver}")?;
    writeln!(out, "schedules     {}", schedules(args, exploration))?;
    writeln!(out, "rate          {}", rate(exploration.schedules, took))?;
    writeln!(out, "choices       {}", choices(exploration))?;
    writeln!(
        out,
        "outcomes      {} different",
        HumanCount(exploration.outcomes)
    )?;
    let found = exploration.failures.len() as u64;
    let found = match found {
        0 => "none".to_owned(),
        _ => HumanCount(found).to_string(),
    };
    writeln!(out, "violations    {found}")?;
    writeln!(out)?;
    let tallies = exploration.tallies.iter();
    tables(tallies.map(|(&what, &count)| (what, count)), out)
}

/// Prints what was seen in one run.
pub(super) fn print_run(
    args: &ExploreArgs,
    run: &ScheduleRun,
    out: &mut dyn Write,
) -> io::Result<()> {
    writeln!(out, "driver        {}", args.driver.service())?;
    writeln!(out, "schedule      {}", run.schedule)?;
    let found = if run.failure.is_some() { "yes" } else { "none" };
    writeln!(out, "violations    {found}")?;
    writeln!(out)?;
    tables(run.tallies.iter().copied(), out)
}

fn schedules(args: &ExploreArgs, exploration: &Exploration) -> String {
    let how = match (args.exhaustive, args.strategy) {
        (Some(bound), _) if exploration.exhausted => {
            format!("all that depart from the plain order in at most {bound} choices")
        }
        (Some(bound), _) => {
            format!("not all that depart from the plain order in at most {bound} choices")
        }
        (None, StrategyName::Random) => format!("random, from seed {} on", args.first_seed),
        (None, StrategyName::Pct) => {
            format!(
                "of random priorities (PCT), from seed {} on",
                args.first_seed
            )
        }
    };
    let count = HumanCount(exploration.schedules);
    let distinct = HumanCount(exploration.distinct);
    format!("{count} ({distinct} distinct), {how}")
}

fn rate(schedules: u64, took: Duration) -> String {
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1);
    let rate = schedules.saturating_mul(1_000_000) / micros;
    format!("{} schedules/s", HumanCount(rate))
}

fn choices(exploration: &Exploration) -> String {
    let of = |kind| {
        let count = exploration.choices.get(&kind).copied().unwrap_or(0);
        HumanCount(count)
    };
    format!(
        "{} of threads, {} of events, {} of pre-emption, {} of the scenario, {} of the device; at most {} in one run",
        of(ChoiceKind::Thread),
        of(ChoiceKind::Event),
        of(ChoiceKind::Preemption),
        of(ChoiceKind::Scenario),
        of(ChoiceKind::Lower),
        HumanCount(exploration.most_choices)
    )
}

/// A tally is named `subject: what`; one table lists them by subject.
fn tables(
    tallies: impl Iterator<Item = (&'static str, u64)>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut subjects: BTreeMap<&str, Vec<(&str, u64)>> = BTreeMap::new();
    for (name, count) in tallies {
        let (subject, what) = name.split_once(": ").unwrap_or(("", name));
        subjects.entry(subject).or_default().push((what, count));
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    for (subject, seen) in subjects {
        for (number, (what, count)) in seen.into_iter().enumerate() {
            let subject = if number == 0 { subject } else { "" };
            table.add_row([subject, what, &HumanCount(count).to_string()]);
        }
    }
    if let Some(column) = table.column_mut(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    for line in table.lines() {
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}
