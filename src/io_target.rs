//! I/O targets: where requests are sent.

use core::fmt;
use core::num::NonZeroU32;
use core::ops::Deref;
use core::ptr::{self, NonNull};

use widestring::Utf16Str;

use crate::device::Device;
use crate::exclusive::Exclusive;
use crate::ffi;
use crate::irql::require_passive;
use crate::memory::{MemoryDescriptor, RawDescriptor, WdfMemory};
use crate::object::{
    Created, Object, attributes, context_at_first_use, object, private, size_of_u32,
};
use crate::request::SendRequest;
use crate::send_options::SendOptions;
use crate::status::{Error, NtStatus, Result, TransferError, Transferred};
use crate::unicode_string::UnicodeString;

object! {
    /// A target for requests: the next-lower driver of a device ([`Device::io_target`]), or another
    /// device ([`RemoteIoTarget`]).
    ///
    /// C: [I/O
    /// targets](https://learn.microsoft.com/windows-hardware/drivers/wdf/using-i-o-targets).
    #[doc(alias = "WDFIOTARGET")]
    pub struct IoTarget = ffi::WDFIOTARGET__;
}

/// Taken while a thread changes the state of a target: the framework does not allow for two at once.
struct StateChange(Exclusive);

crate::context!(StateChange);

/// Runs `change`, unless another thread is changing the target's state.
///
/// # Safety
///
/// `target` is a handle of a target that lives through the call.
unsafe fn change_state(target: ffi::WDFIOTARGET, change: impl FnOnce() -> Result) -> Result {
    // SAFETY: the target lives, and only this function makes a context of that type.
    let StateChange(exclusive) =
        unsafe { context_at_first_use(target.cast(), || StateChange(Exclusive::new())) }?;
    if !exclusive.claim() {
        return Err(Error::DEVICE_BUSY);
    }
    let result = change();
    exclusive.release();
    result
}

/// What [`IoTargetState::state`] tells.
#[doc(alias = "WDF_IO_TARGET_STATE")]
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetState {
    /// Requests are sent on.
    Started,
    /// Requests wait in the framework until the target is started.
    Stopped,
    /// Requests fail with `STATUS_INVALID_DEVICE_STATE`.
    Purged,
    /// Closed, also for a query-remove: requests fail with `STATUS_INVALID_DEVICE_STATE`.
    Closed,
    /// Being deleted.
    Deleted,
    /// Any other.
    Undefined,
}

/// What becomes of requests that are already with the lower driver when a target is stopped.
#[doc(alias = "WDF_IO_TARGET_SENT_IO_ACTION")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SentIo {
    /// They are cancelled and waited for.
    Cancel,
    /// They are waited for.
    Wait,
    /// They go on; the call returns at once.
    LeavePending,
}

/// Starting, stopping and purging; for every kind of I/O target.
///
/// One thread at a time changes the state of a target: a call that comes while another is still
/// under way fails with `STATUS_DEVICE_BUSY`, and changes nothing.
///
/// The framework stops or purges none by itself: not when the device powers down, not when it is
/// removed. A driver that wants it does it in its power callbacks.
///
/// ```
/// # #[allow(dead_code)]
/// # mod common { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/common/mod.rs")); }
/// # use common::{Setup, World};
/// # let world = World::filter(Setup::default(), kmdf_host::Loopback::new());
/// # world.in_driver(|device, request| -> kmdf::Result<(), kmdf::TransferError> {
/// # let _ = (&device, &request);
/// use kmdf::{IoTargetState, SentIo, TargetState};
///
/// let target = device.io_target()?;
/// target.stop(SentIo::Wait)?;
/// assert_eq!(target.state(), TargetState::Stopped);
/// target.start()?;
/// # Ok(())
/// # }).unwrap();
/// # world.finish();
/// ```
pub trait IoTargetState: private::Sealed {
    /// The handle.
    #[doc(hidden)]
    fn target_handle(&self) -> ffi::WDFIOTARGET;

    /// The state now; another thread may change it at any time.
    ///
    /// C:
    /// [`WdfIoTargetGetState`](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfiotarget/nf-wdfiotarget-wdfiotargetgetstate).
    /// IRQL: up to `DISPATCH_LEVEL`.
    #[doc(alias = "WdfIoTargetGetState")]
    fn state(&self) -> TargetState {
        // SAFETY: the handle is that of a live target, which `self` is.
        match unsafe { ffi::WdfIoTargetGetState(self.target_handle()) } {
            ffi::TARGET_STARTED => TargetState::Started,
            ffi::TARGET_STOPPED => TargetState::Stopped,
            ffi::TARGET_PURGED => TargetState::Purged,
            ffi::TARGET_CLOSED | ffi::TARGET_CLOSED_FOR_QUERY_REMOVE => TargetState::Closed,
            ffi::TARGET_DELETED => TargetState::Deleted,
            _ => TargetState::Undefined,
        }
    }

    /// Lets requests through, those that waited first.
    ///
    /// C:
    /// [`WdfIoTargetStart`](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfiotarget/nf-wdfiotarget-wdfiotargetstart).
    /// IRQL: `PASSIVE_LEVEL`, by this library's rule.
    ///
    /// # Errors
    ///
    /// * `STATUS_INVALID_DEVICE_REQUEST`: not at `PASSIVE_LEVEL`.
    /// * `STATUS_INVALID_DEVICE_STATE`: the target is being deleted.
    /// * `STATUS_DEVICE_BUSY`: another thread is changing the state.
    /// * `STATUS_INSUFFICIENT_RESOURCES`: no memory to keep track of that, at the first change.
    #[doc(alias = "WdfIoTargetStart")]
    fn start(&self) -> Result {
        require_passive()?;
        let target = self.target_handle();
        let start = || {
            // SAFETY: the handle is that of a live target, whose state nobody else changes now.
            let status = unsafe { ffi::WdfIoTargetStart(target) };
            NtStatus::from_raw(status).ok().map(drop)
        };
        // SAFETY: the handle is that of a live target, which `self` is.
        unsafe { change_state(target, start) }
    }

    /// Holds requests back from now on: a synchronous send then *waits* until the target is
    /// started, purged or its time-out runs out.
    ///
    /// C:
    /// [`WdfIoTargetStop`](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfiotarget/nf-wdfiotarget-wdfiotargetstop).
    /// IRQL: `PASSIVE_LEVEL`; with [`SentIo::LeavePending`] up to `DISPATCH_LEVEL`.
    ///
    /// # Errors
    ///
    /// * `STATUS_INVALID_DEVICE_REQUEST`: the call would wait, and this is not `PASSIVE_LEVEL`.
    /// * `STATUS_DEVICE_BUSY`: another thread is changing the state.
    /// * `STATUS_INSUFFICIENT_RESOURCES`: no memory to keep track of that, at the first change.
    #[doc(alias = "WdfIoTargetStop")]
    fn stop(&self, sent: SentIo) -> Result {
        let action = match sent {
            SentIo::Cancel => ffi::CANCEL_SENT_IO,
            SentIo::Wait => ffi::WAIT_FOR_SENT_IO_TO_COMPLETE,
            SentIo::LeavePending => ffi::LEAVE_SENT_IO_PENDING,
        };
        if sent != SentIo::LeavePending {
            require_passive()?;
        }
        let target = self.target_handle();
        let stop = || {
            // SAFETY: the handle is that of a live target, whose state nobody else changes now.
            unsafe { ffi::WdfIoTargetStop(target, action) };
            Ok(())
        };
        // SAFETY: the handle is that of a live target, which `self` is.
        unsafe { change_state(target, stop) }
    }

    /// Cancels all requests, waits for them, and refuses new ones until the target is started.
    ///
    /// C:
    /// [`WdfIoTargetPurge`](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfiotarget/nf-wdfiotarget-wdfiotargetpurge)
    /// with `WdfIoTargetPurgeIoAndWait`. IRQL: `PASSIVE_LEVEL`.
    ///
    /// # Errors
    ///
    /// * `STATUS_INVALID_DEVICE_REQUEST`: not at `PASSIVE_LEVEL`.
    /// * `STATUS_DEVICE_BUSY`: another thread is changing the state.
    /// * `STATUS_INSUFFICIENT_RESOURCES`: no memory to keep track of that, at the first change.
    #[doc(alias = "WdfIoTargetPurge")]
    fn purge(&self) -> Result {
        require_passive()?;
        let target = self.target_handle();
        let purge = || {
            // SAFETY: the handle is that of a live target, whose state nobody else changes now.
            unsafe { ffi::WdfIoTargetPurge(target, ffi::PURGE_IO_AND_WAIT) };
            Ok(())
        };
        // SAFETY: the handle is that of a live target, which `self` is.
        unsafe { change_state(target, purge) }
    }
}

impl IoTargetState for IoTarget {
    fn target_handle(&self) -> ffi::WDFIOTARGET {
        self.as_raw()
    }
}

impl IoTarget {
    /// Writes, and waits until the write is done.
    ///
    /// * `request`: which request is used, see [`SendRequest`].
    /// * `buffer`: what is written. A target that does buffered I/O gets a copy.
    /// * `device_offset`: where on the device, in bytes; `None` is 0, for devices that have no
    ///   offsets.
    /// * `options`: the time-out (none: for ever) and whether the target's state is ignored.
    ///
    /// Returns the bytes the lower driver took, which may be fewer than given.
    ///
    /// C:
    /// [`WdfIoTargetSendWriteSynchronously`](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfiotarget/nf-wdfiotarget-wdfiotargetsendwritesynchronously).
    ///
    /// ```
    /// # #[allow(dead_code)]
    /// # mod common { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/common/mod.rs")); }
    /// # use common::{Setup, World};
    /// # let world = World::filter(Setup::default(), kmdf_host::Loopback::new());
    /// # world.in_driver(|device, request| -> kmdf::Result<(), kmdf::TransferError> {
    /// # let _ = (&device, &request);
    /// use core::time::Duration;
    /// use kmdf::{MemoryDescriptor, SendOptions, SendRequest};
    ///
    /// let target = device.io_target()?;
    /// let data = MemoryDescriptor::bytes(b"hello")?;
    /// let options = SendOptions::new().timeout(Duration::from_millis(500));
    /// let sent = target.send_write_sync(SendRequest::Framework, data, Some(4096), &options)?;
    /// assert_eq!(sent.bytes(), 5);
    /// # Ok(())
    /// # }).unwrap();
    /// # world.finish();
    /// ```
    ///
    /// # IRQL
    ///
    /// `PASSIVE_LEVEL`, checked in every build; queue callbacks run there when the queue asks for
    /// it ([`QueueConfig::passive_level`](crate::QueueConfig::passive_level)).
    ///
    /// # Errors
    ///
    /// * `STATUS_INVALID_DEVICE_REQUEST`: not at `PASSIVE_LEVEL` (nothing was sent), or the lower
    ///   driver does not take writes.
    /// * `STATUS_IO_TIMEOUT`: the time-out ran out; see [`SendOptions`] for what that means.
    /// * `STATUS_CANCELLED`: cancelled, by a [`CancelHandle`](crate::CancelHandle) or because the
    ///   target was stopped.
    /// * `STATUS_INSUFFICIENT_RESOURCES`: no memory for the request, its buffer or its MDL.
    /// * `STATUS_REQUEST_NOT_ACCEPTED`: a received request without enough stack locations for this
    ///   target.
    /// * `STATUS_INVALID_DEVICE_STATE`: the target is purged or closed.
    /// * `STATUS_WDF_DEVICE_REMOVED_NOT_SENT`: the target was purged or removed while the request
    ///   waited for a stopped one.
    /// * `STATUS_INVALID_PARAMETER`, `STATUS_INFO_LENGTH_MISMATCH`: documented for the DDI; what
    ///   provokes them cannot be expressed here.
    /// * any other: the lower driver's.
    #[doc(alias = "WdfIoTargetSendWriteSynchronously")]
    #[inline]
    pub fn send_write_sync<'r>(
        &self,
        request: impl Into<SendRequest<'r>>,
        buffer: MemoryDescriptor<'_>,
        device_offset: Option<i64>,
        options: &SendOptions,
    ) -> Result<Transferred, TransferError> {
        require_passive()?;
        let mut place = RawDescriptor::new();
        let descriptor = buffer.write_to(&mut place);
        let mut offset = device_offset.unwrap_or(0);
        // A NULL offset and an offset of 0 are the same write.
        let offset = &raw mut offset;
        let mut raw_options = options.to_raw();
        let raw_options = raw_options.as_mut().map_or(ptr::null_mut(), ptr::from_mut);
        // The framework leaves it alone when nothing is sent.
        let mut written: ffi::ULONG_PTR = 0;
        let count = &raw mut written;
        let status = request.into().send(options.has_timeout(), |request| {
            // SAFETY: the target and the request are live; the request is idle and this thread's
            // alone for the whole call; all pointers are to locals, or to what `buffer` borrows,
            // that outlive the call, and the framework is done with them when it returns.
            unsafe {
                ffi::WdfIoTargetSendWriteSynchronously(
                    self.as_raw(),
                    request,
                    descriptor,
                    offset,
                    raw_options,
                    count,
                )
            }
        })?;
        // The lower driver's word: never more than was given.
        let bytes = usize::try_from(written)
            .unwrap_or(usize::MAX)
            .min(buffer.len() as usize);
        match NtStatus::from_raw(status).ok() {
            Ok(status) => Ok(Transferred::new(bytes, status)),
            Err(error) => Err(TransferError::new(error, Some(bytes))),
        }
    }
}

/// Calls `send` for one piece of `memory` after the other, each of at most `maximum` bytes, until
/// all is sent, a piece is taken only in part, or one fails.
///
/// For devices that take no more than so much at a time
/// ([`UsbPipe::maximum_transfer_size`](crate::UsbPipe::maximum_transfer_size), or a limit of the
/// driver's own). `send` gets the piece, a range of `memory` without a copy, and how many bytes
/// went before.
///
/// # Errors
///
/// That of the piece that failed. Its [`bytes`](TransferError::bytes) are the sum of all that
/// arrived, where known.
///
/// ```
/// # #[allow(dead_code)]
/// # mod common { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/common/mod.rs")); }
/// # use common::{Setup, World};
/// # let world = World::filter(Setup::default(), kmdf_host::Loopback::new());
/// # world.in_driver(|device, request| -> kmdf::Result<(), kmdf::TransferError> {
/// # let _ = (&device, &request);
/// use core::num::NonZeroU32;
/// use kmdf::{Memory, SendOptions, SendRequest, send_in_pieces};
///
/// let memory = Memory::create(1000)?;
/// let target = device.io_target()?;
/// let maximum = NonZeroU32::new(300).unwrap();
/// let mut pieces = Vec::new();
/// let written = send_in_pieces(&memory, maximum, |piece, done| {
///     pieces.push((done, piece.len()));
///     target.send_write_sync(SendRequest::Framework, piece, None, &SendOptions::new())
/// })?;
/// assert_eq!(written, 1000);
/// assert_eq!(pieces, [(0, 300), (300, 300), (600, 300), (900, 100)]);
/// # Ok(())
/// # }).unwrap();
/// # world.finish();
/// ```
pub fn send_in_pieces(
    memory: &impl WdfMemory,
    maximum: NonZeroU32,
    mut send: impl FnMut(MemoryDescriptor<'_>, usize) -> Result<Transferred, TransferError>,
) -> Result<usize, TransferError> {
    let maximum = usize::try_from(maximum.get()).unwrap_or(usize::MAX);
    let mut done = 0;
    while done < memory.len() {
        let end = memory.len().min(done.saturating_add(maximum));
        let piece = MemoryDescriptor::memory_range(memory, done..end)
            .map_err(|error| TransferError::new(error, Some(done)))?;
        match send(piece, done) {
            Ok(sent) => {
                // What `send` returns may be the count of something else: never more than the piece.
                done = end.min(done.saturating_add(sent.bytes()));
                if done < end {
                    break;
                }
            }
            Err(failed) => {
                return Err(TransferError::new(
                    failed.error(),
                    failed.bytes().map(|bytes| done.saturating_add(bytes)),
                ));
            }
        }
    }
    Ok(done)
}

/// A target of the driver's own making: another device, opened. Closed and deleted when dropped.
///
/// It is opened when it is made, so that a target without a device cannot be had (the framework
/// would call it started).
///
/// # Invariants
///
/// `object` is a remote I/O target.
pub struct RemoteIoTarget {
    object: Created<ffi::WDFIOTARGET__>,
}

// SAFETY: a target may be used from any thread; the framework locks it.
unsafe impl Send for RemoteIoTarget {}
// SAFETY: as for Send.
unsafe impl Sync for RemoteIoTarget {}

/// What the opener wants to do with a device.
#[doc(alias = "ACCESS_MASK")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// `GENERIC_READ`.
    Read,
    /// `GENERIC_WRITE`.
    Write,
    /// Both.
    ReadWrite,
}

impl RemoteIoTarget {
    /// Opens a device by name, `\Device\...` or a symbolic link, shared for reading and writing.
    ///
    /// C:
    /// [`WdfIoTargetCreate`](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfiotarget/nf-wdfiotarget-wdfiotargetcreate)
    /// and
    /// [`WdfIoTargetOpen`](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfiotarget/nf-wdfiotarget-wdfiotargetopen)
    /// with `WdfIoTargetOpenByName`. IRQL: `PASSIVE_LEVEL`.
    ///
    /// # Errors
    ///
    /// * `STATUS_INVALID_DEVICE_REQUEST`: not at `PASSIVE_LEVEL`.
    /// * `STATUS_INVALID_PARAMETER`: `name` is empty, or longer than 65,534 bytes.
    /// * `STATUS_INSUFFICIENT_RESOURCES`: no memory for the target.
    /// * any status of opening the device, `STATUS_OBJECT_NAME_NOT_FOUND` among them.
    ///
    /// ```
    /// # #[allow(dead_code)]
    /// # mod common { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/common/mod.rs")); }
    /// # use common::{Setup, World};
    /// # let world = World::filter(Setup::default(), kmdf_host::Loopback::new());
    /// # world.in_driver(|device, request| -> kmdf::Result<(), kmdf::TransferError> {
    /// # let _ = (&device, &request);
    /// use kmdf::{Access, MemoryDescriptor, RemoteIoTarget, SendOptions, SendRequest, utf16str};
    ///
    /// let missing = RemoteIoTarget::open_by_name(device, utf16str!("\\Device\\None"), Access::Write);
    /// assert_eq!(missing.unwrap_err().kind(), kmdf::ErrorKind::NotFound);
    /// # Ok(())
    /// # }).unwrap();
    /// # world.finish();
    /// ```
    #[doc(alias = "WDF_IO_TARGET_OPEN_PARAMS_INIT_OPEN_BY_NAME")]
    #[doc(alias = "WdfIoTargetOpen")]
    pub fn open_by_name<D>(device: &Device<D>, name: &Utf16Str, access: Access) -> Result<Self> {
        let name = UnicodeString::new(name)?;
        let mut params = ffi::WDF_IO_TARGET_OPEN_PARAMS {
            Type: ffi::OPEN_BY_NAME,
            TargetDeviceName: name.as_raw(),
            DesiredAccess: match access {
                Access::Read => ffi::GENERIC_READ,
                Access::Write => ffi::GENERIC_WRITE,
                Access::ReadWrite => ffi::GENERIC_READ | ffi::GENERIC_WRITE,
            },
            ShareAccess: ffi::FILE_SHARE_READ | ffi::FILE_SHARE_WRITE,
            CreateDisposition: ffi::FILE_OPEN,
            FileAttributes: ffi::FILE_ATTRIBUTE_NORMAL,
            CreateOptions: ffi::FILE_NON_DIRECTORY_FILE,
            ..open_params()
        };
        // SAFETY: the name is a valid string that outlives the call.
        unsafe { Self::open(device, &mut params) }
    }

    /// Opens the device that `device` is attached to, or any other device object.
    ///
    /// C: `WdfIoTargetOpen` with `WdfIoTargetOpenUseExistingDevice`. IRQL: `PASSIVE_LEVEL`.
    ///
    /// # Errors
    ///
    /// * `STATUS_INVALID_DEVICE_REQUEST`: not at `PASSIVE_LEVEL`.
    /// * `STATUS_INVALID_PARAMETER`: `target` is null.
    /// * `STATUS_INSUFFICIENT_RESOURCES`: no memory for the target.
    ///
    /// # Safety
    ///
    /// `target` is null or a device object that exists until this target is dropped: the framework
    /// does not reference it.
    #[doc(alias = "WDF_IO_TARGET_OPEN_PARAMS_INIT_EXISTING_DEVICE")]
    pub unsafe fn open_device_object<D>(
        device: &Device<D>,
        target: ffi::PDEVICE_OBJECT,
    ) -> Result<Self> {
        let mut params = ffi::WDF_IO_TARGET_OPEN_PARAMS {
            Type: ffi::OPEN_USE_EXISTING_DEVICE,
            TargetDeviceObject: target,
            ..open_params()
        };
        // SAFETY: the device object is valid by the caller's word; there is no name.
        unsafe { Self::open(device, &mut params) }
    }

    /// # Safety
    ///
    /// What `params` points to is valid: names for this call, a device object as long as the
    /// target.
    unsafe fn open<D>(
        device: &Device<D>,
        params: &mut ffi::WDF_IO_TARGET_OPEN_PARAMS,
    ) -> Result<Self> {
        require_passive()?;
        let mut attributes = attributes();
        let mut handle = ptr::null_mut();
        // SAFETY: the device is live; the other pointers are to locals that live through the call.
        let status = unsafe {
            ffi::WdfIoTargetCreate(device.as_raw(), &raw mut attributes, &raw mut handle)
        };
        NtStatus::from_raw(status).ok()?;
        let handle = NonNull::new(handle).ok_or(Error::INTERNAL_ERROR)?;
        // SAFETY: the framework just made the object for us.
        let object = unsafe { Created::new(handle) };
        // INVARIANT: WdfIoTargetCreate makes remote targets.
        let target = Self { object };
        // SAFETY: the target is live and not open yet; `params` is valid by the caller's word.
        let status = unsafe { ffi::WdfIoTargetOpen(target.as_raw(), params) };
        NtStatus::from_raw(status).ok()?;
        Ok(target)
    }
}

/// C: the part of `WDF_IO_TARGET_OPEN_PARAMS_INIT` that all ways to open share.
fn open_params() -> ffi::WDF_IO_TARGET_OPEN_PARAMS {
    ffi::WDF_IO_TARGET_OPEN_PARAMS {
        Size: size_of_u32::<ffi::WDF_IO_TARGET_OPEN_PARAMS>(),
        ..Default::default()
    }
}

impl Deref for RemoteIoTarget {
    type Target = IoTarget;

    fn deref(&self) -> &IoTarget {
        // SAFETY: the object lives as long as `self`.
        unsafe { IoTarget::from_raw(self.object.as_non_null()) }
    }
}

impl fmt::Debug for RemoteIoTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RemoteIoTarget").field(&self.object).finish()
    }
}
