//! Windows kernel drivers in safe Rust, on KMDF, the Kernel-Mode Driver Framework.
//!
//! The heart is the synchronous write: [`IoTarget::send_write_sync`] over
//! `WdfIoTargetSendWriteSynchronously`, and [`UsbPipe::pipe_write_sync`] over
//! `WdfUsbTargetPipeWriteSynchronously`. Around it stands what a filter or function driver needs.
//!
//! | to | see |
//! |---|---|
//! | make a driver | [`driver!`], [`Driver`], [`Parameters`] |
//! | make a device and its queues | [`DeviceInit`], [`Device`], [`PnpPowerCallbacks`], [`Queue`], [`QueueConfig`] |
//! | take requests | [`EvtIoWrite`], [`EvtIoRead`], [`EvtIoDeviceControl`], [`Received`] |
//! | say what is written | [`MemoryDescriptor`], [`Memory`], [`RequestMemory`], [`Mdl`] |
//! | send it | [`IoTarget`], [`RemoteIoTarget`], [`UsbDevice`], [`UsbPipe`], [`SendOptions`], [`SendRequest`] |
//! | cancel it | [`Request`], [`CancelHandle`] |
//! | see how it ended | [`Transferred`], [`TransferError`], [`Error`], [`ErrorKind`], [`NtStatus`] |
//! | keep state | [`context!`], [`Rundown`] |
//!
//! A DDI is found by its C name in the search of this documentation. The README has a first driver;
//! `docs/traps.md` says what becomes of KMDF's surprises here.
//!
//! # What always holds
//!
//! * Nothing in safe code can bring the system down by this library: not by order of calls, not by
//!   lifetime, not by what a lower driver answers.
//! * No panic: none is linked into a driver.
//! * The path of a write allocates nothing and takes no lock: descriptor and options stand on the
//!   stack, one call goes through the framework's table. (A send that somebody cancels at that
//!   moment waits for the canceller to be done.)
//! * A length is never truncated, a time-out never becomes "for ever", a status is never changed
//!   but where the documentation says so.
//!
//! # Three worlds
//!
//! With the feature `wdk`, on Windows, the bindings are `wdk-sys`; without it `kmdf-sys`, and the
//! same source runs on the model `kmdf-host` on any machine. Nothing else differs.
#![no_std]

mod caller_context;
mod device;
mod driver;
mod exclusive;
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
pub use object::{Context, Object};
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
