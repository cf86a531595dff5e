//! One run of a driver in the model.

use std::io::{self, Read};
use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use crc32fast::Hasher;
use kmdf_host::{DriverEntry, Host, HostConfig, IoResult, Report, Stop};

use super::device::{self, Transfers};
use crate::args::{Driver, Io, LowerFail};
use crate::status::Status;
use crate::trace::Stream;

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

    pub(crate) const fn entry(self) -> DriverEntry {
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
}

/// What has been written so far.
#[derive(Default)]
struct Written {
    writes: u64,
    bytes: u64,
    checksum: Hasher,
    failed: Option<FailedWrite>,
}

impl Scenario {
    /// Loads the driver, writes `input` to a device on the file `output`, and unloads it again.
    /// `arrived` hears of more bytes that were written, `trace` gets what happens.
    pub(crate) fn run(
        &self,
        input: &mut dyn Read,
        output: &Path,
        arrived: &mut dyn FnMut(u64),
        trace: Option<&Stream>,
    ) -> Result<Outcome, RunError> {
        let config = HostConfig::new().seed(self.seed).verifier(self.verifier);
        let host = Host::new(config);
        if let Some(trace) = trace {
            host.stream_trace(trace.sink());
        }
        let mut written = Written::default();
        let below = device::add(self, &host, output).map_err(RunError::Medium)?;
        let stop = match self.drive(&host, &below, input, &mut written, arrived) {
            Ok(()) => None,
            Err(Ended::Stopped(stop)) => Some(stop),
            Err(Ended::Failed(error)) => return Err(error),
        };
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
        arrived: &mut dyn FnMut(u64),
    ) -> Result<(), Ended> {
        let service = self.driver.service();
        if let Some(piece) = self.piece {
            host.set_parameter(service, "MaximumPiece", piece.get());
        }
        if let Some(timeout_ms) = self.timeout_ms {
            host.set_parameter(service, "TimeoutMs", timeout_ms);
        }
        let driver = host.load(service, self.driver.entry())?;
        let stack = host.plug(below.id(), &[driver])?;
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
            let result = host.write(file, offset, &buffer)?;
            written.add(offset, &buffer, result);
            arrived(result.information.min(length));
        }
        host.close(file)?;
        host.remove(stack)?;
        host.unload(driver)?;
        Ok(())
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
