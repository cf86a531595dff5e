//! What a program needs of a system to write to a device.

use std::error::Error;

/// How a device is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// One write at a time: the system returns when it is done.
    Plain,
    /// Any number of writes at a time.
    Overlapped,
}

/// A write, of those that are under way at the same time.
#[derive(Debug, Clone, Copy)]
pub struct Write<'a> {
    /// Where on the device it begins. A device without places, like a pipe, takes no notice of it.
    pub offset: u64,
    /// What is written.
    pub data: &'a [u8],
}

/// A device that is open.
pub trait Device: Sized {
    /// By what a device is found.
    type Name: ?Sized;
    /// Why the system refused something.
    type Error: Error + Send + Sync + 'static;

    /// Opens a device.
    ///
    /// # Errors
    ///
    /// When there is none of that name, or the system refuses.
    fn open(name: &Self::Name, mode: Mode) -> Result<Self, Self::Error>;

    /// Writes, and returns how many bytes the device took. The device was opened with
    /// [`Mode::Plain`].
    ///
    /// # Errors
    ///
    /// What the driver or the system completed the write with.
    fn write_at(&mut self, write: Write<'_>) -> Result<usize, Self::Error>;

    /// Starts all writes before it waits for the first, and returns when all are done: for each
    /// what came of it, in their order. The device was opened with [`Mode::Overlapped`].
    fn write_overlapped(&mut self, writes: &[Write<'_>]) -> Vec<Result<usize, Self::Error>>;

    /// Closes the device.
    ///
    /// # Errors
    ///
    /// What the system says of it.
    fn close(self) -> Result<(), Self::Error>;
}
