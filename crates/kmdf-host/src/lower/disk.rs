//! A byte-addressed disk, in memory or on a file.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use kmdf_sys::{
    NTSTATUS, STATUS_END_OF_FILE, STATUS_INVALID_DEVICE_REQUEST, STATUS_INVALID_PARAMETER,
    STATUS_IO_DEVICE_ERROR, STATUS_SUCCESS,
};

use super::{Disposition, LowerDevice, LowerIrp, Outcome};
use crate::status::STATUS_DISK_FULL;
use crate::system::irp::{IRP_MJ_READ, IRP_MJ_WRITE};

/// Where the bytes are.
#[derive(Debug)]
enum Medium {
    Memory(Vec<u8>),
    File { file: File, position: u64 },
}

/// A disk that takes any offset and length: reads stop at its end, writes beyond its size fail.
#[derive(Debug)]
pub struct Disk {
    medium: Medium,
    capacity: u64,
    length: u64,
    writes: u64,
    reads: u64,
}

impl Disk {
    /// An empty disk in memory that grows as it is written.
    #[must_use]
    pub fn in_memory() -> Self {
        Self {
            medium: Medium::Memory(Vec::new()),
            capacity: u64::MAX,
            length: 0,
            writes: 0,
            reads: 0,
        }
    }

    /// A disk on the file at `path`, which is created if it does not exist and grows as it is written.
    ///
    /// # Errors
    ///
    /// Whatever opening the file gives.
    pub fn on_file(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        let length = file.metadata()?.len();
        Ok(Self {
            medium: Medium::File { file, position: 0 },
            capacity: u64::MAX,
            length,
            writes: 0,
            reads: 0,
        })
    }

    /// The same disk with room for `bytes` only.
    #[must_use]
    pub fn capacity(mut self, bytes: u64) -> Self {
        self.capacity = bytes;
        self
    }

    /// The bytes of a disk in memory; nothing for one on a file.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match &self.medium {
            Medium::Memory(bytes) => bytes,
            Medium::File { .. } => &[],
        }
    }

    /// How many bytes there are.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.length
    }

    /// Whether nothing was ever on it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Writes that succeeded.
    #[must_use]
    pub const fn writes(&self) -> u64 {
        self.writes
    }

    /// Reads that succeeded.
    #[must_use]
    pub const fn reads(&self) -> u64 {
        self.reads
    }

    fn write(&mut self, offset: i64, data: &[u8]) -> Result<usize, NTSTATUS> {
        let offset = u64::try_from(offset).map_err(|_| STATUS_INVALID_PARAMETER)?;
        let end = offset
            .checked_add(data.len() as u64)
            .ok_or(STATUS_INVALID_PARAMETER)?;
        if end > self.capacity {
            return Err(STATUS_DISK_FULL);
        }
        match &mut self.medium {
            Medium::Memory(bytes) => {
                let start = usize::try_from(offset).map_err(|_| STATUS_DISK_FULL)?;
                let stop = start + data.len();
                if bytes.len() < stop {
                    bytes.resize(stop, 0);
                }
                bytes[start..stop].copy_from_slice(data);
            }
            Medium::File { file, position } => {
                seek(file, position, offset).map_err(|_| STATUS_IO_DEVICE_ERROR)?;
                file.write_all(data).map_err(|_| STATUS_IO_DEVICE_ERROR)?;
                *position = end;
            }
        }
        self.length = self.length.max(end);
        self.writes += 1;
        Ok(data.len())
    }

    fn read(&mut self, offset: i64, area: &mut [u8]) -> Result<usize, NTSTATUS> {
        let offset = u64::try_from(offset).map_err(|_| STATUS_INVALID_PARAMETER)?;
        if offset >= self.length && !area.is_empty() {
            return Err(STATUS_END_OF_FILE);
        }
        let rest = usize::try_from(self.length - offset.min(self.length)).unwrap_or(usize::MAX);
        let count = area.len().min(rest);
        match &mut self.medium {
            Medium::Memory(bytes) => {
                let start = usize::try_from(offset).map_err(|_| STATUS_END_OF_FILE)?;
                area[..count].copy_from_slice(&bytes[start..start + count]);
            }
            Medium::File { file, position } => {
                seek(file, position, offset).map_err(|_| STATUS_IO_DEVICE_ERROR)?;
                file.read_exact(&mut area[..count])
                    .map_err(|_| STATUS_IO_DEVICE_ERROR)?;
                *position = offset + count as u64;
            }
        }
        self.reads += 1;
        Ok(count)
    }
}

/// Seeks unless the file is there already, as it is in a sequential transfer.
fn seek(file: &mut File, position: &mut u64, offset: u64) -> io::Result<()> {
    if *position != offset {
        file.seek(SeekFrom::Start(offset))?;
        *position = offset;
    }
    Ok(())
}

impl LowerDevice for Disk {
    fn dispatch(&mut self, irp: &mut LowerIrp<'_>) -> Disposition {
        let offset = irp.offset();
        let moved = match irp.major() {
            IRP_MJ_WRITE => self.write(offset, irp.input()),
            IRP_MJ_READ => self.read(offset, irp.output()),
            _ => Err(STATUS_INVALID_DEVICE_REQUEST),
        };
        Disposition::Complete(match moved {
            Ok(count) => Outcome::new(STATUS_SUCCESS, count as u64),
            Err(status) => Outcome::new(status, 0),
        })
    }
}
