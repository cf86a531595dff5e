//! USB targets.

mod device;
mod pipe;

pub use device::{UsbConfiguration, UsbDevice, UsbInterface, UsbInterfaces};
pub use pipe::{Any, In, Out, PipeDirection, PipeInformation, PipeKey, PipeType, UsbPipe};
