//! Requests: the ones a queue hands out, the ones the driver creates, and which of them a send
//! uses.

mod cancel;
mod created;
mod received;
mod request_parameters;

pub use cancel::{CancelHandle, Cancellation};
pub use created::Request;
pub use received::Received;
pub(crate) use received::parameters;
pub use request_parameters::RequestParameters;

use core::ptr;

use crate::ffi;
use crate::status::Result;

/// Which request a synchronous send uses.
///
/// `&mut Request` and `&Received` convert by themselves.
#[derive(Debug)]
pub enum SendRequest<'r> {
    /// The framework's own, made for this one send. It carries nothing of a received request: not
    /// its file object, and not the flags of its stack location, write-through among them; a
    /// forwarded one does.
    Framework,
    /// One that the driver created and uses again: nothing is allocated to send it, and it can be
    /// cancelled by a [`CancelHandle`].
    Created(&'r mut Request),
    /// A received one, forwarded: the target sees the IRP of the application.
    Received(&'r Received<'r>),
}

impl<'r> From<&'r mut Request> for SendRequest<'r> {
    fn from(request: &'r mut Request) -> Self {
        Self::Created(request)
    }
}

impl<'r> From<&'r Received<'r>> for SendRequest<'r> {
    fn from(request: &'r Received<'r>) -> Self {
        Self::Received(request)
    }
}

impl SendRequest<'_> {
    /// Makes the request ready, lets `send` use its handle, and makes it ready again: the one way a
    /// synchronous send uses a request.
    ///
    /// # Errors
    ///
    /// As [`Received::prepare_to_send`]; `send` was not called then.
    #[inline(always)]
    pub(crate) fn send<R>(
        self,
        timeout: bool,
        send: impl FnOnce(ffi::WDFREQUEST) -> R,
    ) -> Result<R> {
        Ok(match self {
            Self::Framework => send(ptr::null_mut()),
            Self::Created(request) => {
                let result = send(request.handle());
                request.finish_send();
                result
            }
            Self::Received(request) => {
                request.prepare_to_send(timeout)?;
                send(request.handle())
            }
        })
    }
}

/// `WdfRequestReuse` with flags 0: clears what the last send left, the sticky cancel flag and the
/// completion routine among it.
///
/// # Safety
///
/// `request` is a live WDFREQUEST that is not in flight.
#[inline]
pub(crate) unsafe fn reuse(request: ffi::WDFREQUEST) -> ffi::NTSTATUS {
    let mut params = ffi::WDF_REQUEST_REUSE_PARAMS {
        Size: crate::object::size_of_u32::<ffi::WDF_REQUEST_REUSE_PARAMS>(),
        Status: ffi::STATUS_SUCCESS,
        ..Default::default()
    };
    // SAFETY: the request is valid and idle by the caller's word; `params` lives through the call.
    unsafe { ffi::WdfRequestReuse(request, &raw mut params) }
}
