//! The command line.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use kmdf_host::Fault;

use crate::explore::ExploreArgs;
use crate::status::Status;
use crate::trace::TraceArgs;

/// Runs Windows kernel-mode drivers (KMDF) in a model of the framework, on any machine, and checks
/// their INF files and the model itself.
#[derive(Debug, Parser)]
#[command(
    name = "kmdf",
    version,
    max_term_width = 100,
    arg_required_else_help = true
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Run(RunArgs),
    Explore(ExploreArgs),
    Faults(FaultsArgs),
    Inf(InfArgs),
    Conformance(ConformanceArgs),
}

/// Check the model against cases that say what the framework does
///
/// One line for each case, PASS or FAIL with the step and what was expected of it; then how many
/// passed and failed. The cases of this project and their format are in tests/conformance.
///
/// Exit code: 0 when all passed, 1 otherwise.
#[derive(Args, Debug)]
pub(crate) struct ConformanceArgs {
    /// Tell also how many of each section of the semantics passed and failed
    #[arg(long)]
    pub(crate) sections: bool,

    /// Run the cases in this process, without the first so many, and tell the process above where it is
    #[arg(long, hide = true, value_name = "N")]
    pub(crate) worker: Option<usize>,

    /// The files of cases
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
}

const RUN_EXAMPLES: &str = "\
Examples:
  Write a file to a disk through the filter:
      kmdf run write-filter --input README.md --output disk.img
  Send it to a USB device instead:
      kmdf run usb-bulk --input README.md --output packets.bin
  Let the disk fail the third piece, and see what the application gets:
      kmdf run write-filter --input big.bin --piece 4K --lower-fail STATUS_IO_DEVICE_ERROR@3
  Let the disk take longer than the driver waits, and look at who does what when:
      kmdf run write-filter --input README.md --lower-delay 2s --timeout 500ms --trace sequence
  Draw the same as a picture:
      kmdf run write-filter --input README.md --lower-delay 2s --timeout 500ms --trace svg run.svg
  Look at a run in Perfetto (https://ui.perfetto.dev):
      kmdf run write-filter --input README.md --trace json run.json

Exit code: 0 when all arrived, 1 when a write failed or something was left over at unload,
2 for arguments or files that cannot be used.";

/// Write a file to a device through a driver
///
/// The driver is loaded into the model and its device is started. An application then opens the
/// device and writes the file to it, --write-size bytes at a time, each at its place behind
/// --offset. When it has closed the device, the device is removed and the driver unloaded. Time is
/// virtual: no delay and no time-out makes anybody wait.
#[derive(Args, Debug)]
#[command(after_long_help = RUN_EXAMPLES)]
pub(crate) struct RunArgs {
    /// The driver
    pub(crate) driver: Driver,

    /// The file to be written; may be empty
    #[arg(long, short, value_name = "FILE")]
    pub(crate) input: PathBuf,

    /// The file that is the device's medium, made anew [default: the input file's name with .img
    /// appended]
    ///
    /// For write-filter it is the image of the disk: the bytes before --offset are zeros. For
    /// usb-bulk it holds the data of the packets that arrived at the endpoint, in their order.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    /// Where on the disk the file begins, in bytes, for example 1M; write-filter only
    #[arg(long, value_name = "N", value_parser = size, default_value = "0")]
    #[arg(allow_negative_numbers = true)]
    pub(crate) offset: u64,

    /// How the device takes data [default: buffered for write-filter, direct for usb-bulk]
    ///
    /// A filter does as the device below it, so that this is the disk's choice with write-filter;
    /// usb-bulk itself does direct I/O.
    #[arg(long, value_name = "METHOD")]
    pub(crate) io: Option<Io>,

    /// The driver's parameter MaximumPiece: most bytes in one request to the lower device [default:
    /// the driver's, 64K]
    #[arg(long, value_name = "BYTES", value_parser = nonzero_size)]
    pub(crate) piece: Option<NonZeroU32>,

    /// Most bytes in one write of the application
    #[arg(long, value_name = "BYTES", value_parser = nonzero_size, default_value = "64K")]
    pub(crate) write_size: NonZeroU32,

    /// The driver's parameter TimeoutMs: how long it waits for a piece; 0s is for ever [default:
    /// the driver's, 5s]
    #[arg(long, value_name = "TIME", value_parser = milliseconds)]
    pub(crate) timeout: Option<u32>,

    /// Seed of every choice of the scheduler; the same seed gives the same run
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,

    /// How long the lower device takes for a request, for example 2ms
    #[arg(long, value_name = "TIME", value_parser = span)]
    pub(crate) lower_delay: Option<Duration>,

    /// Let the N-th request to the lower device fail with STATUS, a name or a value:
    /// STATUS_IO_DEVICE_ERROR@3
    ///
    /// For usb-bulk these are the transfers to the bulk endpoint. A request that fails so has
    /// written nothing.
    #[arg(long, value_name = "STATUS@N", value_parser = lower_fail)]
    pub(crate) lower_fail: Option<LowerFail>,

    /// Whether the framework's own verifier watches the driver
    #[arg(long, value_name = "SWITCH", default_value = "on")]
    pub(crate) verifier: Switch,

    #[command(flatten)]
    pub(crate) trace: TraceArgs,
}

const FAULTS_EXAMPLES: &str = "\
Examples:
  Let everything fail around the filter, one by one, and 200 pairs:
      kmdf faults write-filter
  More pairs, others with every seed:
      kmdf faults usb-bulk --pairs 5000 --seed 7
  One fault alone, and what happens then:
      kmdf faults usb-bulk --only lower#8=late --trace sequence
  While applications, PnP and power race:
      kmdf faults usb-bulk --race --seed 3
  Two at once:
      kmdf faults write-filter --only irp#2+lower#3=STATUS_DEVICE_NOT_CONNECTED

Faults, N being a number that begins at 1:
  irp#N buffer#N context#N mdl#N map#N probe#N object#N timer#N urb#N pool#N
                  that allocation fails
  pnp#N           the device fails a start, or refuses to be stopped or removed
  lower#N=STATUS  the device ends its N-th request at once with this status
  lower#N=short, =empty, =excess
                  it says that it moved half, nothing, or more than was asked
  lower#N=late, =deaf
                  it answers a minute later, and lets itself be cancelled, or does not
  lower#N=never, =slow-cancel
                  it answers only when cancelled, at once or a minute later
  lower#N=gone    it is pulled out

Exit code: 0 when every run ended clean, 1 when one did not, 2 for arguments that cannot be used.";

/// Let everything fail around a driver, once each
///
/// The driver is loaded into the model, started, written to, put to sleep and woken, stopped and
/// started again, removed and unloaded: once to count what it uses, and then again and again, each
/// time with another allocation, PnP request or answer of the device below that goes wrong, and
/// with pairs of them. Every run must end without bugcheck, leak, hang or lost request, and what
/// the application was told was written must be there. Of a run that does not, the name of its
/// fault is printed, by which it can be repeated, and the run itself.
#[derive(Args, Debug)]
#[command(after_long_help = FAULTS_EXAMPLES)]
pub(crate) struct FaultsArgs {
    /// The driver
    pub(crate) driver: Driver,

    /// How many pairs of faults to try besides, drawn by the seed
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub(crate) pairs: usize,

    /// Seed of every choice: of the pairs, and of the scheduler
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,

    /// Only this fault, for example irp#3, lower#2=late or mdl#1+lower#4; may be given several
    /// times
    #[arg(long, value_name = "FAULT")]
    pub(crate) only: Vec<Fault>,

    /// Let everything fail while several applications, the device, PnP and power race, as they do
    /// in kmdf explore, instead of one thing after the other
    #[arg(long)]
    pub(crate) race: bool,

    #[command(flatten)]
    pub(crate) trace: TraceArgs,

    /// Whether the framework's own verifier watches the driver
    #[arg(long, value_name = "SWITCH", default_value = "on")]
    pub(crate) verifier: Switch,
}

const INF_EXAMPLES: &str = "\
Examples:
  kmdf inf drivers/write-filter/write_filter.inx
  kmdf inf --level h --format json *.inf

Exit code: 0 when nothing was found, 1 when something was, 2 when a file cannot be read.";

/// Find mistakes in INF and INX files
///
/// Applies the rules that Windows' InfVerif has, as far as they can be decided from the file alone.
/// A file without a finding is ready for InfVerif.
#[derive(Args, Debug)]
#[command(after_long_help = INF_EXAMPLES)]
pub(crate) struct InfArgs {
    /// The files
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,

    /// The mode of InfVerif to follow
    #[arg(long, default_value = "w")]
    pub(crate) level: Level,

    /// The form of the findings
    #[arg(long, default_value = "human")]
    pub(crate) format: Format,
}

/// The drivers this command can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Driver {
    /// An upper filter that divides writes, above a disk
    WriteFilter,
    /// A function driver that writes to a USB device's bulk OUT endpoint
    UsbBulk,
}

/// Buffer methods of reads and writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Io {
    /// A copy in system memory
    Buffered,
    /// The application's memory, locked and described by an MDL
    Direct,
    /// The application's address as it is
    Neither,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Switch {
    On,
    Off,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Level {
    /// Windows Driver: universal, and isolated to its driver package
    W,
    /// What a WHQL signature asks for
    H,
    /// Universal
    U,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Source lines with marks
    Human,
    /// One JSON array
    Json,
}

/// Which request to the lower device fails, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LowerFail {
    pub(crate) status: Status,
    /// 1 is the first.
    pub(crate) nth: u64,
}

fn size(text: &str) -> Result<u64, String> {
    parse_size::Config::new()
        .with_binary()
        .parse_size(text)
        .map_err(|error| {
            format!("{error}; give bytes, or a unit such as 64K or 1M (powers of 1024)")
        })
}

fn nonzero_size(text: &str) -> Result<NonZeroU32, String> {
    let bytes = size(text)?;
    u32::try_from(bytes)
        .ok()
        .and_then(NonZeroU32::new)
        .ok_or_else(|| format!("{bytes} bytes is out of range; give 1 to {}", u32::MAX))
}

fn span(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|error| format!("{error}; give a number with a unit, such as 500ms or 2s"))
}

fn milliseconds(text: &str) -> Result<u32, String> {
    let span = span(text)?;
    let whole = Duration::from_millis(u64::try_from(span.as_millis()).unwrap_or(u64::MAX));
    if whole != span {
        return Err("the driver counts whole milliseconds; give a multiple of 1ms".to_owned());
    }
    u32::try_from(span.as_millis())
        .map_err(|_| format!("too long; give at most {}ms, or 0s for ever", u32::MAX))
}

fn lower_fail(text: &str) -> Result<LowerFail, String> {
    let example = "for example STATUS_IO_DEVICE_ERROR@3 for the third request";
    let (status, nth) = text
        .split_once('@')
        .ok_or_else(|| format!("which request is to fail? Append @ and its number, {example}"))?;
    let status: Status = status
        .parse()
        .map_err(|error: crate::status::UnknownStatus| error.to_string())?;
    if status.is_success() {
        return Err(format!(
            "{status} is a success; give a status that is an error or a warning, {example}"
        ));
    }
    let nth = nth.parse().ok().filter(|&nth| nth != 0).ok_or_else(|| {
        format!("`{nth}` is not the number of a request; the first is 1, {example}")
    })?;
    Ok(LowerFail { status, nth })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn sizes() {
        assert_eq!(size("512"), Ok(512));
        assert_eq!(size("64K"), Ok(64 << 10));
        assert_eq!(size("64KiB"), Ok(64 << 10));
        assert_eq!(size("1M"), Ok(1 << 20));
        assert!(size("-1").is_err());
        assert!(size("64X").is_err());
        assert_eq!(nonzero_size("1"), Ok(NonZeroU32::MIN));
        assert_eq!(nonzero_size("4294967295"), Ok(NonZeroU32::MAX));
        assert_eq!(
            nonzero_size("0"),
            Err("0 bytes is out of range; give 1 to 4294967295".to_owned())
        );
        assert!(nonzero_size("4G").is_err());
    }

    #[test]
    fn times() {
        assert_eq!(span("2ms"), Ok(Duration::from_millis(2)));
        assert_eq!(milliseconds("0s"), Ok(0));
        assert_eq!(milliseconds("1s 500ms"), Ok(1_500));
        assert_eq!(milliseconds("4294967295ms"), Ok(u32::MAX));
        assert!(milliseconds("4294967296ms").is_err());
        assert!(milliseconds("1500us").is_err());
        assert!(milliseconds("5").is_err());
    }

    #[test]
    fn failures() {
        let expected = LowerFail {
            status: Status(kmdf_sys::STATUS_IO_DEVICE_ERROR),
            nth: 3,
        };
        assert_eq!(lower_fail("STATUS_IO_DEVICE_ERROR@3"), Ok(expected));
        assert_eq!(lower_fail("0xC0000185@3"), Ok(expected));
        for wrong in [
            "STATUS_IO_DEVICE_ERROR",
            "STATUS_SUCCESS@1",
            "0xC0000185@0",
            "0xC0000185@x",
            "X@1",
        ] {
            assert!(lower_fail(wrong).is_err(), "{wrong}");
        }
    }
}
