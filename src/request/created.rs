//! A WDFREQUEST of the driver's own.

use core::fmt;
use core::ptr::{self, NonNull};

use super::cancel::{CancelHandle, CancelState};
use super::reuse;
use crate::ffi;
use crate::io_target::IoTarget;
use crate::object::{Created, Object, attributes_with_context, context, initialise};
use crate::status::{Error, NtStatus, Result};

/// A request that the driver creates once and sends as often as it likes, one send at a time.
/// Deleted when dropped.
///
/// A `Request` in hand is always ready: after every send the library calls `WdfRequestReuse`,
/// without which a time-out or a cancel would make the next send fail with `STATUS_CANCELLED`.
///
/// C:
/// [`WdfRequestCreate`](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfrequest/nf-wdfrequest-wdfrequestcreate).
///
/// ```
/// # #[allow(dead_code)]
/// # mod common { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/common/mod.rs")); }
/// # use common::{Setup, World};
/// # let world = World::filter(Setup::default(), kmdf_host::Loopback::new());
/// # world.in_driver(|device, request| -> kmdf::Result<(), kmdf::TransferError> {
/// # let _ = (&device, &request);
/// use kmdf::{MemoryDescriptor, Request, SendOptions};
///
/// let target = device.io_target()?;
/// let mut request = Request::create(target)?;
/// for block in [b"one", b"two"] {
///     let data = MemoryDescriptor::bytes(block)?;
///     target.send_write_sync(&mut request, data, None, &SendOptions::new())?;
/// }
/// # Ok(())
/// # }).unwrap();
/// # world.finish();
/// ```
///
/// # Invariants
///
/// The request is not in flight, it was reused since its last send, and it has a `CancelState` as
/// context.
#[doc(alias = "WDFREQUEST")]
pub struct Request {
    object: Created<ffi::WDFREQUEST__>,
    /// A [`CancelHandle`] for the next send is out.
    cancellable: bool,
}

// SAFETY: a request belongs to no thread. It is not `Sync`: one send at a time, which takes `&mut
// self`.
unsafe impl Send for Request {}
// SAFETY: a shared `&Request` gives nothing but its `Debug`.
unsafe impl Sync for Request {}

impl Request {
    /// Creates a request for `target`. It can be sent to any other target too; one with a deeper
    /// stack makes the framework allocate a new IRP.
    ///
    /// The request's parent is the driver, so that it outlives the target. IRQL: up to
    /// `DISPATCH_LEVEL`.
    ///
    /// # Errors
    ///
    /// * `STATUS_INSUFFICIENT_RESOURCES`: no memory for the request or its IRP.
    /// * `STATUS_INVALID_DEVICE_STATE`: `target` is closed.
    #[doc(alias = "WdfRequestCreate")]
    pub fn create(target: &IoTarget) -> Result<Self> {
        let mut attributes = attributes_with_context::<CancelState>();
        let mut handle = ptr::null_mut();
        // SAFETY: `target` is a live I/O target, the other pointers are to locals that live through
        // the call.
        let status =
            unsafe { ffi::WdfRequestCreate(&raw mut attributes, target.as_raw(), &raw mut handle) };
        NtStatus::from_raw(status).ok()?;
        let handle = NonNull::new(handle).ok_or(Error::INTERNAL_ERROR)?;
        // SAFETY: the framework just made the object for us.
        let object = unsafe { Created::new(handle) };
        // SAFETY: just created with these attributes, and nobody else knows it.
        unsafe { initialise(object.as_ptr().cast(), CancelState::new()) };
        // INVARIANT: new, never sent.
        Ok(Self {
            object,
            cancellable: false,
        })
    }

    /// A handle by which any thread can cancel the *next* send of this request, before or while it
    /// is under way.
    ///
    /// Once that send is over the handle is spent, see [`CancelHandle::cancel`].
    #[must_use]
    pub fn cancel_handle(&mut self) -> Option<CancelHandle> {
        self.cancellable = true;
        CancelHandle::new(&self.object)
    }

    #[inline]
    pub(crate) fn handle(&self) -> ffi::WDFREQUEST {
        self.object.as_ptr()
    }

    /// Makes the request ready for the next send.
    #[inline]
    pub(super) fn finish_send(&mut self) {
        if self.cancellable {
            self.finish_cancellable_send();
        }
        // SAFETY: a synchronous send is over when it returns, so that the request is idle; no
        // canceller is at work any more. With an IRP of the framework's it always succeeds; were it
        // not to, the next send would fail with its own status.
        let _status = unsafe { reuse(self.handle()) };
    }

    /// Out of line: most sends have no cancel handle.
    #[cold]
    fn finish_cancellable_send(&mut self) {
        self.cancellable = false;
        // SAFETY: the request lives as long as `self`.
        if let Some(state) = unsafe { context::<CancelState>(self.handle().cast()) } {
            state.finish_submission();
        }
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Request").field(&self.object).finish()
    }
}
