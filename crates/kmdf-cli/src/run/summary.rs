//! What a run says at its end.

use std::io::{self, Write};
use std::path::Path;

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use indicatif::HumanCount;
use kmdf_host::Stop;

use super::scenario::{FailedWrite, Outcome, Scenario};
use crate::args::{Driver, Io};
use crate::status::Status;

/// A run and what came of it.
pub(super) struct Summary<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) outcome: &'a Outcome,
    pub(super) input: &'a Path,
    pub(super) output: &'a Path,
    /// The output, read back, holds what was written.
    pub(super) equal: bool,
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
        let (input, output) = (self.input.display(), self.output.display());
        let check = if self.equal {
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
        let report = &self.outcome.report;
        match report.violations.len() {
            _ if report.stop.is_some() => "not known, the run stopped".to_owned(),
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
        if !self.equal {
            let output = self.output.display();
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

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use kmdf_host::{
        Bugcheck, BugcheckKind, Place, Report, Ticks, Totals, Violation, ViolationKind,
        WDF_VIOLATION,
    };

    use super::*;

    const SCENARIO: Scenario = Scenario {
        driver: Driver::WriteFilter,
        io: Io::Buffered,
        offset: 512,
        write_size: NonZeroU32::new(4096).unwrap(),
        piece: None,
        timeout_ms: None,
        seed: 0,
        lower_delay: None,
        lower_fail: None,
        verifier: true,
    };

    fn outcome() -> Outcome {
        let totals = Totals::default();
        let time = Ticks::ZERO;
        let report = Report {
            violations: Vec::new(),
            stop: None,
            totals,
            time,
        };
        Outcome {
            writes: 2,
            arrived: 8192,
            checksum: 0,
            failed: None,
            stop: None,
            transfers: None,
            report,
        }
    }

    /// The summary, then the complaint.
    fn said(outcome: &Outcome, equal: bool) -> (String, Option<String>) {
        let (input, output) = (Path::new("in"), Path::new("out"));
        let summary = Summary {
            scenario: &SCENARIO,
            outcome,
            input,
            output,
            equal,
        };
        let mut text = Vec::new();
        summary.print(&mut text).unwrap();
        (String::from_utf8(text).unwrap(), summary.complaint())
    }

    fn bugcheck() -> Stop {
        Stop::Bugcheck(Box::new(Bugcheck {
            kind: BugcheckKind::StaleHandle,
            code: WDF_VIOLATION,
            p1: 5,
            p2: 0,
            p3: 0,
            p4: 0,
            ddi: "WdfRequestComplete",
            time: Ticks::ZERO,
            explanation: "used after delete".to_owned(),
            place: Place::default(),
            object: None,
        }))
    }

    #[test]
    fn a_clean_run_has_no_complaint() {
        let (summary, complaint) = said(&outcome(), true);
        assert_eq!(complaint, None);
        assert!(
            summary.contains("8,192 bytes of in in out, at offset 512"),
            "{summary}"
        );
        assert!(summary.contains("left over     nothing"), "{summary}");
    }

    #[test]
    fn bytes_that_are_not_there_are_a_failure() {
        let (summary, complaint) = said(&outcome(), false);
        assert!(summary.contains("NOT equal"), "{summary}");
        assert!(complaint.unwrap().contains("out does not hold"));
    }

    #[test]
    fn a_short_write_is_a_failure() {
        let mut outcome = outcome();
        let status = Status(kmdf_sys::STATUS_SUCCESS);
        let failed = FailedWrite {
            number: 2,
            offset: 4608,
            length: 4096,
            status,
            information: 7,
        };
        outcome.failed = Some(failed);
        let complaint = said(&outcome, true).1.unwrap();
        assert!(complaint.contains("write 2 of the application, 4,096 bytes at offset 4,608"));
        assert!(complaint.contains("was short: STATUS_SUCCESS (0x00000000), but 7 bytes"));
        assert!(complaint.contains("the 1 write before it had written 4,096 bytes"));
    }

    #[test]
    fn what_is_left_over_is_a_failure() {
        let mut outcome = outcome();
        outcome.report.violations.push(Violation::new(
            ViolationKind::ReferenceLeak,
            Ticks::ZERO,
            "WdfObjectReferenceActual",
            "a reference was not given back",
        ));
        let (summary, complaint) = said(&outcome, true);
        assert!(summary.contains("1 finding at unload"), "{summary}");
        assert!(
            complaint
                .unwrap()
                .contains("a reference was not given back")
        );
    }

    #[test]
    fn a_bugcheck_is_told_once() {
        let mut outcome = outcome();
        outcome.stop = Some(bugcheck());
        outcome.report.stop = Some(bugcheck());
        let (summary, complaint) = said(&outcome, true);
        assert!(summary.contains("not known, the run stopped"), "{summary}");
        assert_eq!(complaint.unwrap().matches("used after delete").count(), 1);
    }

    #[test]
    fn a_status_is_named() {
        let mut outcome = outcome();
        let status = kmdf_sys::STATUS_INSUFFICIENT_RESOURCES;
        outcome.stop = Some(Stop::Status {
            what: "DriverEntry".to_owned(),
            status,
        });
        let complaint = said(&outcome, true).1.unwrap();
        assert!(complaint.contains("DriverEntry failed with STATUS_INSUFFICIENT_RESOURCES"));
    }
}
