//! The trace as a table.

use std::io::{self, Write};

use comfy_table::presets::NOTHING;
use comfy_table::{ColumnConstraint, ContentArrangement, Row, Width};
use kmdf_host::Record;

use super::{Renderer, words};

/// Rows that are laid out together; a table of a whole run could be as long as the run.
const PAGE: usize = 1_000;

/// Virtual time, thread, IRQL, event.
#[derive(Debug)]
pub(super) struct Table {
    width: usize,
    headed: bool,
}

const TIME: u16 = 16;
const THREAD: u16 = 16;
const IRQL: u16 = 9;
const EVENT_AT_LEAST: u16 = 24;

impl Table {
    pub(super) fn new(width: usize) -> Self {
        Self {
            width,
            headed: false,
        }
    }

    fn page(&mut self, rows: impl Iterator<Item = Row>) -> comfy_table::Table {
        let mut table = comfy_table::Table::new();
        table
            .load_style(NOTHING)
            .set_content_arrangement(ContentArrangement::Dynamic);
        if !self.headed {
            self.headed = true;
            table.add_row(["time", "thread", "IRQL", "event"]);
        }
        table.add_rows(rows);
        let fixed = TIME + THREAD + IRQL;
        let event = u16::try_from(self.width)
            .unwrap_or(u16::MAX)
            .saturating_sub(fixed)
            .max(EVENT_AT_LEAST);
        let constraints = [TIME, THREAD, IRQL, event]
            .map(|width| ColumnConstraint::Absolute(Width::Fixed(width)));
        table
            .set_width(fixed.saturating_add(event))
            .set_constraints(constraints);
        for column in table.column_iter_mut() {
            column.set_padding((0, 1));
        }
        table
    }
}

impl Renderer for Table {
    fn records(&mut self, records: &[Record], out: &mut dyn Write) -> io::Result<()> {
        for page in records.chunks(PAGE) {
            let rows = page.iter().map(|record| {
                Row::from([
                    record.time.to_string(),
                    record.thread_name.to_string(),
                    irql(record.irql),
                    words::event(&record.event),
                ])
            });
            for line in self.page(rows).lines() {
                writeln!(out, "{}", line.trim_end())?;
            }
        }
        Ok(())
    }

    fn finish(&mut self, records: u64, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", words::records(records))
    }
}

fn irql(level: u8) -> String {
    match level {
        0 => "PASSIVE".to_owned(),
        1 => "APC".to_owned(),
        2 => "DISPATCH".to_owned(),
        other => other.to_string(),
    }
}
