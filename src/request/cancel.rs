//! Cancelling a request that another thread sends.

use core::fmt;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicU64, Ordering};

use crate::ffi;
use crate::object::{Created, context};

/// Bit 0: a canceller is inside `WdfRequestCancelSentRequest`. Bits 1 to 63: the number of the
/// submission that may be cancelled.
///
/// The framework's cancel flag is sticky: a cancel that comes after the send is over would hit the
/// *next* send. So a canceller sets the bit for the submission it means, and the sender moves on to
/// the next number only while the bit is clear.
pub(crate) struct CancelState(AtomicU64);

crate::context!(CancelState);

const CANCELLING: u64 = 1;
const NEXT: u64 = 2;

impl CancelState {
    pub(super) const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Ends the submission: from now on its handles are spent. Waits while a canceller is at work.
    /// `PASSIVE_LEVEL`.
    pub(super) fn finish_submission(&self) {
        let mut current = self.0.load(Ordering::Relaxed) & !CANCELLING;
        while let Err(seen) = self.0.compare_exchange_weak(
            current,
            current.wrapping_add(NEXT),
            Ordering::AcqRel,
            Ordering::Relaxed,
        ) {
            current = seen & !CANCELLING;
            if seen & CANCELLING != 0 {
                // The canceller is in a call that does not wait. Let its processor time pass: it
                // may be a thread of lower priority.
                let mut one_tick = ffi::LARGE_INTEGER { QuadPart: -1 };
                // SAFETY: senders are at PASSIVE_LEVEL; the interval lives through the call.
                let _status = unsafe {
                    ffi::KeDelayExecutionThread(
                        ffi::KERNEL_MODE,
                        ffi::BOOLEAN::from(false),
                        &raw mut one_tick,
                    )
                };
            }
        }
    }
}

/// What became of [`CancelHandle::cancel`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancellation {
    /// The send was under way, and the lower driver was told to cancel.
    Requested,
    /// The cancel is on record: a send that has not reached the lower driver yet will not, and one
    /// that has is completed by the lower driver, which did not let itself be cancelled.
    Noted,
    /// The send is over (or another cancel of it is at work): nothing was done, and the next send
    /// is not touched.
    TooLate,
}

/// Cancels one send of a [`Request`](crate::Request), from any thread.
///
/// It keeps the request's memory alive, not the request.
///
/// ```
/// # #[allow(dead_code)]
/// # mod common { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/common/mod.rs")); }
/// # use common::{Setup, World};
/// # let world = World::filter(Setup::default(), kmdf_host::Loopback::new());
/// # world.in_driver(|device, request| -> kmdf::Result<(), kmdf::TransferError> {
/// # let _ = (&device, &request);
/// use kmdf::{Cancellation, ErrorKind, MemoryDescriptor, Request, SendOptions};
///
/// let target = device.io_target()?;
/// let mut request = Request::create(target)?;
/// let handle = request.cancel_handle().unwrap(); // for another thread
/// assert_eq!(handle.cancel(), Cancellation::Noted);
///
/// let send = |request: &mut Request| {
///     target.send_write_sync(request, MemoryDescriptor::NONE, None, &SendOptions::new())
/// };
/// assert_eq!(send(&mut request).unwrap_err().kind(), ErrorKind::Cancelled);
/// assert_eq!(handle.cancel(), Cancellation::TooLate);
/// assert!(send(&mut request).is_ok()); // the next send is not touched
/// # Ok(())
/// # }).unwrap();
/// # world.finish();
/// ```
///
/// # Invariants
///
/// One reference is held on `request`, whose context is a `CancelState`. `submission` is even.
pub struct CancelHandle {
    request: NonNull<ffi::WDFREQUEST__>,
    submission: u64,
}

// SAFETY: the reference belongs to no thread, and `cancel` may be called from any.
unsafe impl Send for CancelHandle {}
// SAFETY: as for Send; concurrent cancels are told apart by the atomic state.
unsafe impl Sync for CancelHandle {}

impl CancelHandle {
    pub(super) fn new(request: &Created<ffi::WDFREQUEST__>) -> Option<Self> {
        let request = request.as_non_null();
        // SAFETY: the owner is borrowed, so that the request lives.
        let state = unsafe { context::<CancelState>(request.as_ptr().cast()) }?;
        let submission = state.0.load(Ordering::Acquire) & !CANCELLING;
        // SAFETY: the owner is borrowed, so that the request lives; tag, line and file are
        // optional.
        unsafe {
            ffi::WdfObjectReferenceActual(request.as_ptr().cast(), ptr::null_mut(), 0, ptr::null())
        };
        // INVARIANT: the reference was just taken; bit 0 was masked out.
        Some(Self {
            request,
            submission,
        })
    }

    /// Cancels the send this handle is for.
    ///
    /// C:
    /// [`WdfRequestCancelSentRequest`](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfrequest/nf-wdfrequest-wdfrequestcancelsentrequest).
    /// IRQL: up to `DISPATCH_LEVEL`.
    ///
    /// The send then fails with [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled), unless the
    /// lower driver completes it otherwise.
    #[doc(alias = "WdfRequestCancelSentRequest")]
    pub fn cancel(&self) -> Cancellation {
        // SAFETY: the reference of the type's invariant keeps the request and its context.
        let Some(state) = (unsafe { context::<CancelState>(self.request.as_ptr().cast()) }) else {
            return Cancellation::TooLate;
        };
        if state
            .0
            .compare_exchange(
                self.submission,
                self.submission | CANCELLING,
                Ordering::AcqRel,
                Ordering::Relaxed,
            )
            .is_err()
        {
            return Cancellation::TooLate;
        }
        // SAFETY: the reference keeps the request. While the bit is set the sender does not go on
        // to the next submission, so that this cancels the one that is meant.
        let told = unsafe { ffi::WdfRequestCancelSentRequest(self.request.as_ptr()) } != 0;
        state.0.fetch_and(!CANCELLING, Ordering::Release);
        if told {
            Cancellation::Requested
        } else {
            Cancellation::Noted
        }
    }
}

impl Drop for CancelHandle {
    fn drop(&mut self) {
        // SAFETY: the reference of the type's invariant, given back once.
        unsafe {
            ffi::WdfObjectDereferenceActual(
                self.request.as_ptr().cast(),
                ptr::null_mut(),
                0,
                ptr::null(),
            )
        };
    }
}

impl fmt::Debug for CancelHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelHandle")
            .field("request", &self.request)
            .field("submission", &(self.submission / NEXT))
            .finish()
    }
}
