//! Devices of Windows.

mod find;
mod overlapped;

use std::fs::{File, OpenOptions};
use std::io;
use std::os::windows::fs::{FileExt, OpenOptionsExt};
use std::os::windows::io::AsHandle;
use std::path::Path;

use windows_sys::Win32::Storage::FileSystem::FILE_FLAG_OVERLAPPED;

pub use self::find::{path_of_instance, paths_of_interface};
use crate::{Device, Mode, Write};

/// A device that `CreateFile` opened.
#[derive(Debug)]
pub struct WindowsDevice(File);

impl Device for WindowsDevice {
    /// A path as `CreateFile` takes it: one of [`paths_of_interface`], [`path_of_instance`], or
    /// `\\.\Name`.
    type Name = Path;
    type Error = io::Error;

    fn open(path: &Path, mode: Mode) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.write(true);
        if mode == Mode::Overlapped {
            options.custom_flags(FILE_FLAG_OVERLAPPED);
        }
        options.open(path).map(Self)
    }

    fn write_at(&mut self, write: Write<'_>) -> io::Result<usize> {
        self.0.seek_write(write.data, write.offset)
    }

    fn write_overlapped(&mut self, writes: &[Write<'_>]) -> Vec<io::Result<usize>> {
        overlapped::write(self.0.as_handle(), writes)
    }

    /// Windows sends the device IRP_MJ_CLEANUP; it cannot fail.
    fn close(self) -> io::Result<()> {
        drop(self);
        Ok(())
    }
}
