//! One run of a driver in the model.

use std::io::{self, Read};
use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use crc32fast::Hasher;
use kmdf_host::{DriverEntry, Host, HostConfig, IoResult, Record, Report, Stop};

use super::device::{self, Transfers};
use crate::args::{Driver, Io, LowerFail};
use crate::status::Status;

impl Driver {
    /// The name of its service, which is also its name in a trace.
    pub(crate) const fn service(self) -> &'static str {
        match self {
            Self::WriteFilter => "write-filter",
            Self::UsbBulk => "usb-bulk",
        }
    }

    /// The name of the device below it.
    pub(crate) const fn lower(self) -> &'static str {
        match self {
            Self::WriteFilter => "disk",
            Self::UsbBulk => "usb",
        }
    }

    fn entry(self) -> DriverEntry {
        match self {
            Self::WriteFilter => write_filter::driver_entry,
            Self::UsbBulk => usb_bulk::driver_entry,
        }
    }
}

/// What is to be run.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) driver: Driver,
    /// How the device that the application opens takes data.
    pub(crate) io: Io,
    /// Where on the medium the input begins.
    pub(crate) offset: u64,
    /// Most bytes in one write of the application.
    pub(crate) write_size: NonZeroU32,
    /// The driver's parameter `MaximumPiece`; `None` leaves the driver's default.
    pub(crate) piece: Option<NonZeroU32>,
    /// The driver's parameter `TimeoutMs`; `None` leaves the driver's default.
    pub(crate) timeout_ms: Option<u32>,
    pub(crate) seed: u64,
    pub(crate) lower_delay: Option<Duration>,
    pub(crate) lower_fail: Option<LowerFail>,
    pub(crate) verifier: bool,
    pub(crate) trace: bool,
}

/// Sees a run while it goes on.
pub(crate) trait Observer {
    /// That many more bytes were written.
    fn arrived(&mut self, bytes: u64);

    /// That happened since the last call; `threads` are the names of the logical threads.
    fn recorded(&mut self, records: &[Record], threads: &[String]) -> io::Result<()>;
}

/// What came of a run.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// Writes of the application that succeeded.
    pub(crate) writes: u64,
    /// Bytes that the application was told were written, in order, from the first.
    pub(crate) arrived: u64,
    /// CRC-32 of these bytes.
    pub(crate) checksum: u32,
    /// The write that was not done as asked; it was the last.
    pub(crate) failed: Option<FailedWrite>,
    /// A step other than a write that failed, or what ended the run.
    pub(crate) stop: Option<Stop>,
    /// What the endpoint saw, of a USB device.
    pub(crate) transfers: Option<Transfers>,
    pub(crate) report: Report,
}

/// A write of the application that was not done as asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FailedWrite {
    /// 1 is the first.
    pub(crate) number: u64,
    /// Its place on the device.
    pub(crate) offset: u64,
    /// What was to be written.
    pub(crate) length: u64,
    pub(crate) status: Status,
    /// What had been written of it.
    pub(crate) information: u64,
}

/// A file that could not be used, or an output that could not be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    #[error("the input cannot be read: {0}")]
    Input(#[source] io::Error),
    #[error("the output file cannot be opened: {0}; check its folder and your rights there")]
    Medium(#[source] io::Error),
    #[error(
        "the input is too long for a device: with --offset it goes beyond {}",
        i64::MAX
    )]
    TooLong,
    #[error(transparent)]
    Trace(io::Error),
    #[error(
        "a trace is kept in memory until it is printed, and ends at {MOST_TRACED} requests to the \
         lower device; give a shorter file, or larger pieces with --piece and --write-size"
    )]
    TraceTooLong,
}

/// Most requests to the lower device in a run that is traced, which bounds the memory that the
/// records take: about 2 KiB for each.
const MOST_TRACED: u64 = 50_000;
/// The drivers' default of `MaximumPiece`.
const DEFAULT_PIECE: u32 = 64 << 10;

/// What has been written so far.
#[derive(Default)]
struct Written {
    writes: u64,
    bytes: u64,
    checksum: Hasher,
    failed: Option<FailedWrite>,
    /// Records that the observer has seen.
    shown: usize,
}

impl Scenario {
    /// Loads the driver, writes `input` to a device on the file `output`, and unloads it again.
    pub(crate) fn run(
        &self,
        input: &mut dyn Read,
        output: &Path,
        observer: &mut dyn Observer,
    ) -> Result<Outcome, RunError> {
        let config = HostConfig::new()
            .seed(self.seed)
            .verifier(self.verifier)
            .trace(self.trace);
        let host = Host::new(config);
        let mut written = Written::default();
        let below = device::add(self, &host, output).map_err(RunError::Medium)?;
        let stop = match self.drive(&host, &below, input, &mut written, observer) {
            Ok(()) => None,
            Err(Ended::Stopped(stop)) => Some(stop),
            Err(Ended::Failed(error)) => return Err(error),
        };
        self.show(&host, &mut written, observer)?;
        let transfers = below.transfers(&host);
        let report = host.finish();
        Ok(Outcome {
            writes: written.writes,
            arrived: written.bytes,
            checksum: written.checksum.finalize(),
            failed: written.failed,
            stop,
            transfers,
            report,
        })
    }

    fn drive(
        &self,
        host: &Host,
        below: &device::Below,
        input: &mut dyn Read,
        written: &mut Written,
        observer: &mut dyn Observer,
    ) -> Result<(), Ended> {
        let service = self.driver.service();
        if let Some(piece) = self.piece {
            host.set_parameter(service, "MaximumPiece", piece.get());
        }
        if let Some(timeout_ms) = self.timeout_ms {
            host.set_parameter(service, "TimeoutMs", timeout_ms);
        }
        // Shown step by step: the host uses its threads again under the names of the next step.
        let driver = host.load(service, self.driver.entry())?;
        self.show(host, written, observer)?;
        let stack = host.plug(below.id(), &[driver])?;
        self.show(host, written, observer)?;
        let file = host.open(stack)?;
        let mut buffer = Vec::new();
        while written.failed.is_none() {
            buffer.clear();
            let most = u64::from(self.write_size.get());
            Read::take(&mut *input, most)
                .read_to_end(&mut buffer)
                .map_err(RunError::Input)?;
            let length = buffer.len() as u64;
            if length == 0 {
                break;
            }
            let offset = self
                .offset
                .checked_add(written.bytes)
                .ok_or(RunError::TooLong)?;
            if offset
                .checked_add(length)
                .is_none_or(|end| i64::try_from(end).is_err())
            {
                return Err(RunError::TooLong.into());
            }
            if self.trace && self.requests(written.bytes + length) > MOST_TRACED {
                return Err(RunError::TraceTooLong.into());
            }
            let result = host.write(file, offset, &buffer)?;
            written.add(offset, &buffer, result);
            observer.arrived(result.information.min(length));
        }
        host.close(file)?;
        self.show(host, written, observer)?;
        host.remove(stack)?;
        self.show(host, written, observer)?;
        host.unload(driver)?;
        Ok(())
    }

    /// Requests to the lower device that `bytes` take, if none fails.
    pub(crate) fn requests(&self, bytes: u64) -> u64 {
        let write = u64::from(self.write_size.get());
        let piece = u64::from(self.piece.map_or(DEFAULT_PIECE, NonZeroU32::get));
        (bytes / write) * write.div_ceil(piece) + (bytes % write).div_ceil(piece)
    }

    /// Gives the observer what was recorded since the last time.
    fn show(
        &self,
        host: &Host,
        written: &mut Written,
        observer: &mut dyn Observer,
    ) -> Result<(), RunError> {
        if !self.trace {
            return Ok(());
        }
        let trace = host.trace();
        let new = trace.records.get(written.shown..).unwrap_or_default();
        written.shown = trace.records.len();
        observer
            .recorded(new, &trace.threads)
            .map_err(RunError::Trace)
    }
}

impl Written {
    fn add(&mut self, offset: u64, data: &[u8], result: IoResult) {
        let length = data.len() as u64;
        let status = Status(result.status);
        let arrived = result.information.min(length);
        let count = usize::try_from(arrived).unwrap_or(data.len());
        self.checksum.update(data.get(..count).unwrap_or(data));
        self.bytes += arrived;
        if status.is_success() && result.information == length {
            self.writes += 1;
            return;
        }
        let information = result.information;
        self.failed = Some(FailedWrite {
            number: self.writes + 1,
            offset,
            length,
            status,
            information,
        });
    }
}

/// Why a run did not go to its end.
enum Ended {
    /// In the model.
    Stopped(Stop),
    /// Outside it.
    Failed(RunError),
}

impl From<Stop> for Ended {
    fn from(stop: Stop) -> Self {
        Self::Stopped(stop)
    }
}

impl From<RunError> for Ended {
    fn from(error: RunError) -> Self {
        Self::Failed(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_as_the_drivers_divide() {
        let mut scenario = Scenario {
            driver: Driver::WriteFilter,
            io: Io::Direct,
            offset: 0,
            write_size: NonZeroU32::new(1000).unwrap(),
            piece: NonZeroU32::new(300),
            timeout_ms: None,
            seed: 0,
            lower_delay: None,
            lower_fail: None,
            verifier: true,
            trace: true,
        };
        assert_eq!(
            [0, 1, 300, 301, 1000, 2001].map(|bytes| scenario.requests(bytes)),
            [0, 1, 1, 2, 4, 9]
        );
        scenario.piece = None;
        assert_eq!(scenario.requests(2001), 3);
    }
}
