//! The application side of a driver that takes writes: writes a file to a device and checks what
//! the device says it took.
//!
//! [`Device`] is what such a program needs of a system. On Windows that is `WriteFile`
//! (module `windows`); in the tests of this crate it is the model of the framework, with the real
//! drivers in it.

mod device;
mod transfer;
#[cfg(windows)]
pub mod windows;

pub use device::{Device, Mode, Write};
pub use transfer::{Failed, Options, Summary, TransferError, write_all};
