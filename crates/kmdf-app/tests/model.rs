//! The program's writes against the real drivers, in the model of the framework.

use std::error::Error;
use std::fmt;
use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::rc::Rc;

use kmdf_app::{Device, Failed, Mode, Options, Summary, TransferError, Write, write_all};
use kmdf_host::{
    Disk, DriverEntry, FileId, Host, HostConfig, IoResult, LowerConfig, LowerDevice, LowerId,
    StackId, Stop, UsbDescriptors, UsbDevice, UsbInterface,
};

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// Endpoint 1, OUT.
const BULK_OUT: u8 = 0x01;

/// Why the model refused something.
#[derive(Debug)]
enum ModelError {
    Stop(Stop),
    Status(i32),
}

impl fmt::Display for ModelError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stop(stop) => stop.fmt(formatter),
            Self::Status(status) => write!(formatter, "status {status:#010X}"),
        }
    }
}

impl Error for ModelError {}

/// A file that an application has open in the model.
struct ModelDevice {
    host: Rc<Host>,
    file: FileId,
}

fn taken(result: std::result::Result<IoResult, Stop>) -> std::result::Result<usize, ModelError> {
    let result = result.map_err(ModelError::Stop)?;
    if result.status < 0 {
        return Err(ModelError::Status(result.status));
    }
    Ok(usize::try_from(result.information).unwrap_or(usize::MAX))
}

impl Device for ModelDevice {
    type Name = (Rc<Host>, StackId);
    type Error = ModelError;

    fn open((host, stack): &Self::Name, _mode: Mode) -> std::result::Result<Self, ModelError> {
        Ok(Self {
            file: host.open(*stack).map_err(ModelError::Stop)?,
            host: Rc::clone(host),
        })
    }

    fn write_at(&mut self, write: Write<'_>) -> std::result::Result<usize, ModelError> {
        taken(self.host.write(self.file, write.offset, write.data))
    }

    fn write_overlapped(
        &mut self,
        writes: &[Write<'_>],
    ) -> Vec<std::result::Result<usize, ModelError>> {
        let started: Vec<_> = writes
            .iter()
            .map(|write| {
                self.host
                    .submit_write(self.file, write.offset, write.data, kmdf_host::Mode::User)
            })
            .collect();
        started
            .into_iter()
            .map(|write| taken(self.host.wait(write)))
            .collect()
    }

    fn close(self) -> std::result::Result<(), ModelError> {
        self.host.close(self.file).map_err(ModelError::Stop)
    }
}

/// Loads a driver above a device, does something with the device, and takes all down again: nothing
/// may be left over.
fn with_device<T>(
    entry: DriverEntry,
    lower: impl LowerDevice + 'static,
    act: impl FnOnce(&(Rc<Host>, StackId), LowerId) -> Result<T>,
) -> Result<T> {
    let host = Rc::new(Host::new(HostConfig::new().seed(1).verifier(true)));
    let lower = host.add_lower(lower, LowerConfig::new("lower"));
    let driver = host.load("driver", entry)?;
    let name = (Rc::clone(&host), host.plug(lower, &[driver])?);
    let result = act(&name, lower)?;
    host.remove(name.1)?;
    host.unload(driver)?;
    drop(name);
    let report = Rc::into_inner(host)
        .ok_or("the host is still in use")?
        .finish();
    assert!(report.violations.is_empty(), "{report:?}");
    Ok(result)
}

fn options(block: usize, overlapped: Option<usize>) -> Options {
    Options {
        block: NonZeroUsize::new(block).unwrap_or(NonZeroUsize::MIN),
        overlapped: overlapped.and_then(NonZeroUsize::new),
        offset: 0,
        zero_at_end: false,
    }
}

/// Bytes of which no two neighbouring blocks are the same.
fn data(length: usize) -> Vec<u8> {
    (0..=250)
        .flat_map(|byte| [byte; 7])
        .cycle()
        .take(length)
        .collect()
}

fn transfer(
    name: &(Rc<Host>, StackId),
    input: &mut dyn Read,
    options: &Options,
) -> Result<std::result::Result<Summary, Failed<ModelError>>> {
    let mut device = ModelDevice::open(name, options.mode())?;
    let result = write_all(&mut device, input, options);
    device.close()?;
    Ok(result)
}

/// What arrives on the disk below write-filter.
fn to_disk(length: usize, options: &Options) -> Result<(Summary, Vec<u8>)> {
    with_device(
        write_filter::driver_entry,
        Disk::in_memory(),
        |name, lower| {
            let summary = transfer(name, &mut data(length).as_slice(), options)??;
            let bytes = name
                .0
                .with_lower(lower, |disk: &mut Disk| disk.bytes().to_vec());
            Ok((summary, bytes))
        },
    )
}

#[test]
fn plain_and_overlapped_writes_arrive() -> Result {
    for overlapped in [None, Some(1), Some(4), Some(100)] {
        let (summary, bytes) = to_disk(300_001, &options(10_000, overlapped))?;
        let expected = Summary {
            writes: 31,
            bytes: 300_001,
        };
        assert_eq!(summary, expected, "{overlapped:?}");
        assert!(bytes == data(300_001), "{overlapped:?}");
    }
    Ok(())
}

#[test]
fn an_offset_is_kept() -> Result {
    let mut options = options(512, Some(2));
    options.offset = 1_000;
    let (summary, bytes) = to_disk(2_000, &options)?;
    assert_eq!(summary.bytes, 2_000);
    assert_eq!(bytes.len(), 3_000);
    assert!(bytes[1_000..] == data(2_000));
    Ok(())
}

#[test]
fn no_input_is_no_write() -> Result {
    let (summary, bytes) = to_disk(0, &options(512, None))?;
    assert_eq!((summary, bytes.len()), (Summary::default(), 0));
    Ok(())
}

#[test]
fn a_full_disk_is_said_with_its_place() -> Result {
    for overlapped in [None, Some(3)] {
        let disk = Disk::in_memory().capacity(2_500);
        let failed = with_device(write_filter::driver_entry, disk, |name, _| {
            let options = options(1_000, overlapped);
            transfer(name, &mut data(6_000).as_slice(), &options)
        })?
        .expect_err("the disk is too small");
        assert_eq!(failed.done.bytes, 2_000, "{overlapped:?}");
        let TransferError::Refused {
            number,
            offset,
            length,
            source: ModelError::Status(_),
        } = failed.error
        else {
            panic!("{overlapped:?}: {failed}");
        };
        assert_eq!(
            (number, offset, length),
            (3, 2_000, 1_000),
            "{overlapped:?}"
        );
    }
    Ok(())
}

#[test]
fn a_zero_length_packet_ends_a_transfer() -> Result {
    let interface = UsbInterface::new(0).class(0xFF, 0, 0).bulk(BULK_OUT, 512);
    let usb = UsbDevice::new(UsbDescriptors::new(0x1209, 0x0001).interface(interface));
    let packets = with_device(usb_bulk::driver_entry, usb, |name, lower| {
        let mut options = options(1_024, Some(2));
        let packets = || {
            name.0.with_lower(lower, |device: &mut UsbDevice| {
                device
                    .endpoint(BULK_OUT)
                    .map_or(0, |endpoint| endpoint.counters().packets)
            })
        };
        let summary = transfer(name, &mut data(2_048).as_slice(), &options)??;
        assert_eq!((summary.writes, summary.bytes), (2, 2_048));
        let without = packets();
        options.zero_at_end = true;
        let summary = transfer(name, &mut data(2_048).as_slice(), &options)??;
        assert_eq!((summary.writes, summary.bytes), (3, 2_048));
        Ok((without, packets() - without))
    })?;
    assert_eq!(packets, (4, 5));
    Ok(())
}

/// A device that takes less, or says it took more, and reports success.
struct Liar(isize);

impl Device for Liar {
    type Name = isize;
    type Error = io::Error;

    fn open(name: &isize, _mode: Mode) -> io::Result<Self> {
        Ok(Self(*name))
    }

    fn write_at(&mut self, write: Write<'_>) -> io::Result<usize> {
        Ok(write.data.len().saturating_add_signed(self.0))
    }

    fn write_overlapped(&mut self, writes: &[Write<'_>]) -> Vec<io::Result<usize>> {
        writes.iter().map(|&write| self.write_at(write)).collect()
    }

    fn close(self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_wrong_count_is_an_error() {
    for (lie, overlapped) in [(-1, None), (1, None), (-1, Some(2)), (1, Some(2))] {
        let failed = write_all(
            &mut Liar(lie),
            &mut [0; 100].as_slice(),
            &options(60, overlapped),
        )
        .expect_err("the count is wrong");
        assert_eq!(failed.done, Summary::default());
        assert!(
            matches!(failed.error, TransferError::Count { number: 1, length: 60, taken, .. }
                if taken == 60_usize.saturating_add_signed(lie)),
            "{failed}"
        );
    }
}

/// An input that fails after so many bytes.
struct Breaks(usize);

impl Read for Breaks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0 == 0 {
            return Err(io::Error::other("the cable is out"));
        }
        let count = buffer.len().min(self.0);
        buffer[..count].fill(1);
        self.0 -= count;
        Ok(count)
    }
}

#[test]
fn what_was_read_before_is_written() {
    let failed = write_all(&mut Liar(0), &mut Breaks(30), &options(10, Some(2)))
        .expect_err("the input breaks");
    assert_eq!((failed.done.writes, failed.done.bytes), (3, 30));
    assert!(failed.to_string().contains("the cable is out"), "{failed}");
}

#[test]
fn no_offset_is_beyond_the_last() {
    let mut options = options(10, None);
    options.offset = i64::MAX as u64 - 15;
    let failed = write_all(&mut Liar(0), &mut [0; 100].as_slice(), &options)
        .expect_err("there is no such offset");
    assert_eq!(failed.done.bytes, 10);
    assert!(matches!(failed.error, TransferError::TooLong));
}
