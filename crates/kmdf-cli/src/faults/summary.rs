//! What a sweep says at its end.

use std::collections::BTreeMap;
use std::io::{self, Write};

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use kmdf_host::{KindCount, SweepReport};
use kmdf_sys::NTSTATUS;

use crate::args::Driver;
use crate::status::Status;

pub(super) fn print(driver: Driver, report: &SweepReport, out: &mut dyn Write) -> io::Result<()> {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.add_row(["fault", "injected", "survived", "the application saw"]);
    for (kind, count) in &report.kinds {
        table.add_row([
            kind.to_string(),
            count.injected.to_string(),
            count.survived.to_string(),
            saw(count),
        ]);
    }
    for (place, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if place == 1 || place == 2 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for line in table.lines() {
        writeln!(out, "{}", line.trim_end())?;
    }
    writeln!(out)?;
    let unreached = match report.unreached.len() {
        0 => String::new(),
        pairs => format!(" ({pairs} more pairs: the first kept the run from the second)"),
    };
    let failures = match report.failures.len() {
        0 => "every run ended clean: no bugcheck, no leak, no hang, no lost request".to_owned(),
        1 => "1 run did NOT".to_owned(),
        failures => format!("{failures} runs did NOT"),
    };
    writeln!(
        out,
        "{}: {} runs, {} faults{unreached}; {failures}",
        driver.service(),
        report.runs,
        report.injected()
    )
}

/// How requests ended, and how steps failed, the most frequent first.
fn saw(count: &KindCount) -> String {
    let requests = names(&count.statuses);
    if count.failed_steps.is_empty() {
        return requests;
    }
    let steps = format!(
        "failed to load, start or open: {}",
        names(&count.failed_steps)
    );
    if requests.is_empty() {
        steps
    } else {
        format!("{requests}; {steps}")
    }
}

fn names(statuses: &BTreeMap<NTSTATUS, u64>) -> String {
    let mut statuses: Vec<(NTSTATUS, u64)> = statuses
        .iter()
        .map(|(&status, &times)| (status, times))
        .collect();
    statuses.sort_by_key(|&(status, times)| (std::cmp::Reverse(times), status));
    let names: Vec<String> = statuses
        .iter()
        .map(|&(status, times)| match Status(status).name() {
            Some(name) => format!("{times} {}", name.trim_start_matches("STATUS_")),
            None => format!("{times} {status:#010X}"),
        })
        .collect();
    names.join(", ")
}
