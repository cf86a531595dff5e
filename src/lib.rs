//! Windows kernel drivers (KMDF) in safe Rust, at the cost of the raw call.
#![no_std]

mod caller_context;
mod device;
mod driver;
pub mod ffi;
mod io_target;
mod irql;
mod memory;
#[doc(hidden)]
pub mod object;
mod queue;
mod request;
mod rundown;
mod send_options;
mod status;
mod time;
mod unicode_string;
mod usb;

pub use device::{Device, DeviceInit, Guid, IoType, PnpPowerCallbacks, PowerState};
pub use driver::{Driver, Parameters, entry as __entry};
pub use io_target::{
    Access, IoTarget, IoTargetState, RemoteIoTarget, SentIo, TargetState, send_in_pieces,
};
pub use irql::Irql;
pub use memory::{
    Mdl, Memory, MemoryDescriptor, MemoryMdl, PreallocatedMemory, RequestMemory, WdfMemory,
};
pub use object::{Context, Object, ObjectRef, Referenceable};
pub use queue::{EvtIoDeviceControl, EvtIoRead, EvtIoWrite, Queue, QueueConfig};
pub use request::{CancelHandle, Cancellation, Received, Request, RequestParameters, SendRequest};
pub use rundown::{Rundown, RundownGuard};
pub use send_options::SendOptions;
pub use status::{Error, ErrorKind, NtStatus, Result, Severity, TransferError, Transferred};
pub use time::{SystemTime, Timeout};
pub use usb::{
    Any, In, Out, PipeDirection, PipeInformation, PipeKey, PipeType, UsbConfiguration, UsbDevice,
    UsbInterface, UsbInterfaces, UsbPipe,
};
/// UTF-16 text, and [`utf16str!`](widestring::utf16str) to write it down.
pub use widestring::{Utf16Str, utf16str};
