//! Writes a file to a device and checks the counts.

use std::error::Error;
use std::fs::File;
use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use kmdf_app::Options;

/// Writes a file to a device and checks that the device took every byte.
///
/// The device is named by a path that CreateFile takes, or by the instance ID that Device Manager
/// and `pnputil /enum-devices` show. Ends with 0 when every write was taken as a whole, and with 1
/// otherwise.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
struct Arguments {
    /// The file to write; `-` is the standard input.
    input: PathBuf,

    /// Path of the device: an interface path, or `\\.\Name`.
    #[arg(long, value_name = "PATH", required_unless_present = "instance")]
    device: Option<PathBuf>,

    /// Instance ID of the device, for one without an interface.
    #[arg(long, value_name = "ID", conflicts_with = "device")]
    instance: Option<String>,

    /// Most bytes in one write.
    #[arg(long, value_name = "SIZE", default_value = "64K", value_parser = parse_block)]
    block: NonZeroUsize,

    /// Overlapped writes, that many at a time; without this one plain WriteFile after the other.
    #[arg(long, value_name = "COUNT")]
    overlapped: Option<NonZeroUsize>,

    /// Where on the device the first byte goes.
    #[arg(long, value_name = "SIZE", default_value = "0", value_parser = parse_offset)]
    offset: u64,

    /// One write of no bytes at the end: on a bulk pipe a zero-length packet.
    #[arg(long)]
    zero_at_end: bool,
}

/// Sizes are binary: 64K is 65536.
fn parse_offset(text: &str) -> Result<u64, parse_size::Error> {
    parse_size::Config::new().with_binary().parse_size(text)
}

/// One WriteFile has a length of 32 bits.
fn parse_block(text: &str) -> Result<NonZeroUsize, String> {
    let size = parse_offset(text).map_err(|error| error.to_string())?;
    u32::try_from(size)
        .ok()
        .and_then(|size| usize::try_from(size).ok())
        .and_then(NonZeroUsize::new)
        .ok_or_else(|| "one write has 1 byte to 4 GiB less one".to_owned())
}

impl Arguments {
    fn options(&self) -> Options {
        Options {
            block: self.block,
            overlapped: self.overlapped,
            offset: self.offset,
            zero_at_end: self.zero_at_end,
        }
    }

    fn open_input(&self) -> Result<Box<dyn Read>, String> {
        if self.input.as_os_str() == "-" {
            return Ok(Box::new(io::stdin().lock()));
        }
        match File::open(&self.input) {
            Ok(file) => Ok(Box::new(file)),
            Err(error) => Err(format!("{}: {error}", self.input.display())),
        }
    }
}

#[cfg(windows)]
fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    use std::time::Instant;

    use kmdf_app::windows::{WindowsDevice, path_of_instance};
    use kmdf_app::{Device, write_all};

    let mut input = arguments.open_input()?;
    let path = match (&arguments.device, &arguments.instance) {
        (Some(path), _) => path.clone(),
        (None, Some(instance)) => {
            path_of_instance(instance).map_err(|error| format!("{instance}: {error}"))?
        }
        (None, None) => return Err("no device is named".into()),
    };
    let options = arguments.options();
    let mut device = WindowsDevice::open(&path, options.mode())
        .map_err(|error| format!("opening {}: {error}", path.display()))?;
    let start = Instant::now();
    let summary = write_all(&mut device, &mut *input, &options)?;
    let elapsed = start.elapsed();
    device.close()?;
    println!("{summary}, {elapsed:.1?}");
    Ok(())
}

#[cfg(not(windows))]
fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    // What can be wrong with the arguments is said on every system.
    let (_input, _options) = (arguments.open_input()?, arguments.options());
    Err(
        "devices are there on Windows only; `kmdf run` has the drivers in a model, on any system"
            .into(),
    )
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kmdf-app: {error}");
            ExitCode::FAILURE
        }
    }
}
