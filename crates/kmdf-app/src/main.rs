//! Writes a file to a device and checks the counts.

use std::error::Error;
use std::fs::File;
use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser};
use kmdf_app::Options;
use uuid::Uuid;

/// Writes a file to a device and checks that the device took every byte.
///
/// The device is named by the class of its interface, by its instance ID, or by a path. Ends with 0
/// when every write was taken as a whole, and with 1 otherwise.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
struct Arguments {
    /// The file to write; `-` is the standard input.
    input: PathBuf,

    #[command(flatten)]
    device: DeviceName,

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

/// How the device is found.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct DeviceName {
    /// The only device with an interface of this class, a GUID.
    #[arg(long, value_name = "CLASS")]
    interface: Option<Uuid>,

    /// The device with this instance ID, as in Device Manager; for a device without an interface.
    #[arg(long, value_name = "ID")]
    instance: Option<String>,

    /// A path that CreateFile takes.
    #[arg(long, value_name = "PATH")]
    device: Option<PathBuf>,
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
impl DeviceName {
    fn path(&self) -> Result<PathBuf, String> {
        use kmdf_app::windows::{path_of_instance, paths_of_interface};

        if let Some(path) = &self.device {
            return Ok(path.clone());
        }
        if let Some(instance) = &self.instance {
            return path_of_instance(instance).map_err(|error| format!("{instance}: {error}"));
        }
        let class = self.interface.unwrap_or_default();
        let mut paths =
            paths_of_interface(class).map_err(|error| format!("interface {class}: {error}"))?;
        match (paths.pop(), paths.len()) {
            (Some(path), 0) => Ok(path),
            (None, _) => Err(format!(
                "no started device has an interface of class {class}"
            )),
            (Some(_), others) => Err(format!(
                "{} devices have an interface of class {class}; name one by --instance",
                others + 1
            )),
        }
    }
}

#[cfg(windows)]
fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    use std::time::Instant;

    use kmdf_app::windows::WindowsDevice;
    use kmdf_app::{Device, write_all};

    let mut input = arguments.open_input()?;
    let path = arguments.device.path()?;
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
    let DeviceName {
        interface: _,
        instance: _,
        device: _,
    } = &arguments.device;
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
