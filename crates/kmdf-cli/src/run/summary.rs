//! What a run says at its end.

use std::io::{self, Write};

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use indicatif::HumanCount;
use kmdf_host::Stop;

use super::files::{Files, Medium};
use super::scenario::{FailedWrite, Outcome, Scenario};
use crate::args::{Driver, Io};
use crate::status::Status;

/// A run and what came of it.
pub(super) struct Summary<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) files: &'a Files,
    pub(super) outcome: &'a Outcome,
    pub(super) medium: Medium,
}

impl Summary<'_> {
    pub(super) fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut table = Table::new();
        table.load_style(NOTHING);
        for (what, how) in [
            ("arrived", self.arrived()),
            ("application", self.application()),
            (self.scenario.driver.lower(), self.lower()),
            ("virtual time", self.outcome.report.time.to_string()),
            ("left over", self.left_over()),
        ] {
            table.add_row([what, &how]);
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        for line in table.lines() {
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }

    fn arrived(&self) -> String {
        let place = match self.scenario.driver {
            Driver::WriteFilter => format!(", at offset {}", HumanCount(self.scenario.offset)),
            Driver::UsbBulk => String::new(),
        };
        let bytes = bytes(self.outcome.arrived);
        let (input, output) = (self.files.name.display(), self.files.output.display());
        let check = if self.medium.holds_all {
            "read back and equal"
        } else {
            "read back and NOT equal"
        };
        format!("{bytes} of {input} in {output}{place}; {check}")
    }

    fn application(&self) -> String {
        let succeeded = self.outcome.writes;
        let success = Status(kmdf_sys::STATUS_SUCCESS);
        let each = HumanCount(self.scenario.write_size.get().into());
        let done = match succeeded {
            0 => String::new(),
            _ => format!(
                "{} of up to {each} bytes: {success}",
                count(succeeded, "write")
            ),
        };
        match (&self.outcome.failed, succeeded) {
            (None, 0) => "no write, the file is empty".to_owned(),
            (None, _) => done,
            (Some(failed), 0) => format!("1 write: {}", failed.status),
            (Some(failed), _) => format!("{done}; then 1 write: {}", failed.status),
        }
    }

    fn lower(&self) -> String {
        let mut text = match self.outcome.transfers {
            None => {
                let requests = count(self.outcome.report.totals.lower_irps, "IRP");
                format!("{requests}, {} I/O", io_name(self.scenario.io))
            }
            Some(transfers) => {
                let packets = count(transfers.packets, "packet");
                format!("{} in {packets}", count(transfers.urbs, "URB"))
            }
        };
        if let Some(fail) = self.scenario.lower_fail
            && self.outcome.failed.is_none()
        {
            text.push_str(&format!(
                "; request {} never came, so that none failed",
                HumanCount(fail.nth)
            ));
        }
        text
    }

    fn left_over(&self) -> String {
        match self.outcome.report.violations.len() {
            0 => {
                "nothing at unload: every object, reference, request and allocation was given back"
                    .to_owned()
            }
            found => format!("{} at unload", count(found as u64, "finding")),
        }
    }

    /// What is wrong, if anything.
    pub(super) fn complaint(&self) -> Option<String> {
        let mut complaints = Vec::new();
        complaints.extend(self.outcome.failed.map(|failed| self.failed(&failed)));
        complaints.extend(
            self.outcome
                .stop
                .as_ref()
                .map(|stop| format!("the run stopped: {}", stopped(stop))),
        );
        let report = &self.outcome.report;
        if let Some(stop) = &report.stop
            && report.stop != self.outcome.stop
        {
            complaints.push(format!(
                "the driver could not be unloaded: {}",
                stopped(stop)
            ));
        }
        complaints.extend(report.violations.iter().map(ToString::to_string));
        if !self.medium.holds_all {
            let output = self.files.output.display();
            complaints.push(format!(
                "{output} does not hold what the application was told was written"
            ));
        }
        (!complaints.is_empty()).then(|| complaints.join("\nerror: "))
    }

    fn failed(&self, failed: &FailedWrite) -> String {
        let FailedWrite {
            number,
            offset,
            length,
            status,
            information,
        } = *failed;
        let outcome = if status.is_success() {
            format!(
                "was short: {status}, but {} were written",
                bytes(information)
            )
        } else {
            format!("failed: {status}, after {} of it", bytes(information))
        };
        let before = match number {
            1 => "it was the first".to_owned(),
            _ => format!(
                "the {} before it had written {}",
                count(number - 1, "write"),
                bytes(offset - self.scenario.offset)
            ),
        };
        format!(
            "write {} of the application, {} at offset {}, {outcome}; {before}",
            HumanCount(number),
            bytes(length),
            HumanCount(offset),
        )
    }
}

const fn io_name(io: Io) -> &'static str {
    match io {
        Io::Buffered => "buffered",
        Io::Direct => "direct",
        Io::Neither => "neither",
    }
}

fn stopped(stop: &Stop) -> String {
    match stop {
        Stop::Status { what, status } => format!("{what} failed with {}", Status(*status)),
        other => other.to_string(),
    }
}

fn bytes(number: u64) -> String {
    count(number, "byte")
}

fn count(number: u64, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {what}{plural}", HumanCount(number))
}
