//! A WDFREQUEST that a queue handed to the driver.

use core::cell::Cell;
use core::fmt;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ptr::{self, NonNull};

use super::request_parameters::RequestParameters;
use super::reuse;
use crate::caller_context::{LockedBuffers, does_neither_io};
use crate::ffi;
use crate::memory::{Mdl, RequestMemory};
use crate::object::{NotSync, context, size_of_u32};
use crate::status::{Error, NtStatus, Result, Severity};

/// A request from a queue, to be completed or passed on exactly once.
///
/// Completing takes it by value, and its memory borrows it, so that neither a second completion nor
/// one with the data still in use compiles. A `Received` that is dropped is completed with
/// `STATUS_DRIVER_INTERNAL_ERROR`; on the model that is reported as a violation.
///
/// # Invariants
///
/// The driver owns `handle`: it was presented by a queue and not completed, forwarded or sent away.
/// `queue` is that queue, and outlives `'q`.
#[doc(alias = "WDFREQUEST")]
pub struct Received<'q> {
    handle: NonNull<ffi::WDFREQUEST__>,
    queue: ffi::WDFQUEUE,
    sent: Cell<Sent>,
    /// Bytes at the start of the output that this driver wrote.
    written: usize,
    _queue: PhantomData<&'q ()>,
    // Not Sync: two threads must not send the same request.
    _not_sync: NotSync,
}

/// What was done with a request before.
#[derive(Clone, Copy)]
enum Sent {
    /// Nothing.
    Never,
    /// It was sent. What cancelled it, if anything did, was the application.
    Plain,
    /// It was sent with a time-out, which cancels it too.
    WithTimeout,
}

/// Of whose requests a rule speaks.
#[derive(Clone, Copy)]
enum Requestor {
    User,
    Any,
}

// SAFETY: a request belongs to no thread; whoever has it may complete it anywhere.
unsafe impl Send for Received<'_> {}

impl<'q> Received<'q> {
    /// # Safety
    ///
    /// `handle` was just presented to the driver by `queue`, which exists for `'q`; nobody else has
    /// it.
    pub(crate) unsafe fn from_raw(
        handle: NonNull<ffi::WDFREQUEST__>,
        queue: ffi::WDFQUEUE,
    ) -> Self {
        // INVARIANT: by the caller's word.
        Self {
            handle,
            queue,
            sent: Cell::new(Sent::Never),
            written: 0,
            _queue: PhantomData,
            _not_sync: PhantomData,
        }
    }

    #[inline]
    pub(crate) fn handle(&self) -> ffi::WDFREQUEST {
        self.handle.as_ptr()
    }

    /// What is asked for.
    ///
    /// C:
    /// [`WdfRequestGetParameters`](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfrequest/nf-wdfrequest-wdfrequestgetparameters).
    /// IRQL: up to `DISPATCH_LEVEL`.
    #[doc(alias = "WdfRequestGetParameters")]
    #[must_use]
    pub fn parameters(&self) -> RequestParameters {
        // SAFETY: the driver owns the request (the type's invariant).
        unsafe { parameters(self.handle()) }
    }

    /// Whether the application gave up on it, or a send of it was cancelled.
    ///
    /// C:
    /// [`WdfRequestIsCanceled`](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfrequest/nf-wdfrequest-wdfrequestiscanceled).
    #[doc(alias = "WdfRequestIsCanceled")]
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        // SAFETY: the driver owns the request.
        unsafe { ffi::WdfRequestIsCanceled(self.handle()) != 0 }
    }

    /// The data that came with the request: of a write, or the input of a device control.
    ///
    /// C:
    /// [`WdfRequestRetrieveInputMemory`](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfrequest/nf-wdfrequest-wdfrequestretrieveinputmemory);
    /// where the device does neither I/O, what
    /// [`DeviceInit::lock_caller_buffers`](crate::DeviceInit::lock_caller_buffers) locked. IRQL: up
    /// to `DISPATCH_LEVEL`.
    ///
    /// # Errors
    ///
    /// * `STATUS_INVALID_DEVICE_REQUEST`: the request has no input; or neither I/O from user mode
    ///   whose buffer was not locked (where the framework, without its verifier, hands out a NULL
    ///   buffer).
    /// * `STATUS_BUFFER_TOO_SMALL`: the input has length 0.
    /// * `STATUS_INSUFFICIENT_RESOURCES`: the data could not be mapped.
    ///
    /// ```
    /// # #[allow(dead_code)]
    /// # mod common { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/common/mod.rs")); }
    /// # use common::{Setup, World};
    /// # let world = World::filter(Setup::default(), kmdf_host::Loopback::new());
    /// # world.in_driver(|device, request| -> kmdf::Result<(), kmdf::TransferError> {
    /// # let _ = (&device, &request);
    /// use kmdf::WdfMemory;
    ///
    /// let data = request.input_memory()?;
    /// let mut first = [0; 1];
    /// data.copy_to(0, &mut first)?;
    /// # Ok(())
    /// # }).unwrap();
    /// # world.finish();
    /// ```
    #[doc(alias = "WdfRequestRetrieveInputMemory")]
    #[doc(alias = "WdfRequestRetrieveInputBuffer")]
    pub fn input_memory(&self) -> Result<RequestMemory<'_>> {
        let locked = self.locked_buffers().and_then(LockedBuffers::input);
        let memory = match locked {
            Some(memory) => memory.as_ptr(),
            None => {
                self.refuse_bare_address(Requestor::User)?;
                let mut memory = ptr::null_mut();
                // SAFETY: the driver owns the request; the out-parameter lives through the call.
                let status =
                    unsafe { ffi::WdfRequestRetrieveInputMemory(self.handle(), &raw mut memory) };
                NtStatus::from_raw(status).ok()?;
                memory
            }
        };
        // SAFETY: the framework keeps the memory until the request is completed, which the borrow
        // of `self` prevents.
        unsafe { RequestMemory::new(memory) }
    }

    /// The data that came with the request, as an MDL.
    ///
    /// C:
    /// [`WdfRequestRetrieveInputWdmMdl`](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfrequest/nf-wdfrequest-wdfrequestretrieveinputwdmmdl).
    /// IRQL: up to `DISPATCH_LEVEL`.
    ///
    /// # Errors
    ///
    /// * `STATUS_INVALID_DEVICE_REQUEST`: the request has no input, or the device does neither I/O.
    /// * `STATUS_BUFFER_TOO_SMALL`: the input has length 0.
    /// * `STATUS_INSUFFICIENT_RESOURCES`: no memory for the MDL.
    #[doc(alias = "WdfRequestRetrieveInputWdmMdl")]
    pub fn input_mdl(&self) -> Result<&Mdl> {
        if self
            .locked_buffers()
            .and_then(LockedBuffers::input)
            .is_some()
        {
            // Neither I/O: the framework has no MDL for it, and under its verifier breaks into the
            // debugger when asked.
            return Err(Error::INVALID_DEVICE_REQUEST);
        }
        self.refuse_bare_address(Requestor::Any)?;
        let mut mdl = ptr::null_mut();
        // SAFETY: the driver owns the request; the out-parameter lives through the call.
        let status = unsafe { ffi::WdfRequestRetrieveInputWdmMdl(self.handle(), &raw mut mdl) };
        NtStatus::from_raw(status).ok()?;
        let mdl = NonNull::new(mdl).ok_or(Error::INTERNAL_ERROR)?;
        // SAFETY: the MDL describes the request's locked pages or its nonpaged buffer, and stays
        // until the request is completed, which the borrow of `self` prevents.
        Ok(unsafe { Mdl::from_raw(mdl) })
    }

    /// Copies `answer` to where the application reads: of a read, or the output of a device
    /// control. Says how many bytes fitted.
    ///
    /// C:
    /// [`WdfRequestRetrieveOutputMemory`](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfrequest/nf-wdfrequest-wdfrequestretrieveoutputmemory)
    /// and
    /// [`WdfMemoryCopyFromBuffer`](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfmemory/nf-wdfmemory-wdfmemorycopyfrombuffer).
    ///
    /// # Errors
    ///
    /// As [`input_memory`](Self::input_memory), for the output.
    #[doc(alias = "WdfRequestRetrieveOutputMemory")]
    #[doc(alias = "WdfRequestRetrieveOutputBuffer")]
    pub fn write_output(&mut self, answer: &[u8]) -> Result<usize> {
        self.refuse_bare_address(Requestor::User)?;
        if self.parameters().output_is_input() {
            // METHOD_IN_DIRECT: the application's second buffer is for reading from; the framework
            // has it read-only, and under its verifier breaks into the debugger.
            return Err(Error::INVALID_DEVICE_REQUEST);
        }
        let mut memory = ptr::null_mut();
        // SAFETY: the driver owns the request; the out-parameter lives through the call.
        let status = unsafe { ffi::WdfRequestRetrieveOutputMemory(self.handle(), &raw mut memory) };
        NtStatus::from_raw(status).ok()?;
        // SAFETY: the framework keeps the memory until the request is completed.
        let written = unsafe { RequestMemory::new(memory) }?.fill_from(answer)?;
        self.written = self.written.max(written);
        Ok(written)
    }

    /// Completes the request: `Information` is 0.
    ///
    /// C:
    /// [`WdfRequestComplete`](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfrequest/nf-wdfrequest-wdfrequestcomplete).
    /// IRQL: up to `DISPATCH_LEVEL`. For what is changed on the way see
    /// [`complete_with_information`](Self::complete_with_information).
    #[doc(alias = "WdfRequestComplete")]
    pub fn complete(self, status: impl Into<NtStatus>) {
        self.complete_with_information(status, 0);
    }

    /// Completes the request, with the number of bytes moved.
    ///
    /// C:
    /// [`WdfRequestCompleteWithInformation`](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfrequest/nf-wdfrequest-wdfrequestcompletewithinformation).
    /// IRQL: up to `DISPATCH_LEVEL`.
    ///
    /// What must not reach the framework is replaced:
    ///
    /// * `STATUS_PENDING`, which is no completion, by `STATUS_DRIVER_INTERNAL_ERROR`;
    /// * a success or warning with more bytes than the request has room for, which is a bugcheck, or
    ///   than [`write_output`](Self::write_output) wrote, which shows the application what happened
    ///   to lie in the system's memory, by
    ///   `STATUS_DRIVER_INTERNAL_ERROR` and 0;
    /// * `STATUS_WDF_DEVICE_REMOVED_NOT_SENT`, which the framework would turn into
    ///   `STATUS_INVALID_DEVICE_REQUEST`, by `STATUS_DEVICE_REMOVED`.
    #[doc(alias = "WdfRequestCompleteWithInformation")]
    pub fn complete_with_information(self, status: impl Into<NtStatus>, information: usize) {
        let status = match status.into() {
            NtStatus::PENDING => NtStatus::DRIVER_INTERNAL_ERROR,
            NtStatus::WDF_DEVICE_REMOVED_NOT_SENT => NtStatus::DEVICE_REMOVED,
            status => status,
        };
        // For a warning too the system copies that many bytes to the application.
        let (status, information) = if status.severity() != Severity::Error
            && information > 0
            && information > self.parameters().information_limit(self.written)
        {
            (NtStatus::DRIVER_INTERNAL_ERROR, 0)
        } else {
            (status, information)
        };
        let request = ManuallyDrop::new(self);
        // A usize has 64 bits at most wherever KMDF runs, so that this never saturates.
        let information = ffi::ULONG_PTR::try_from(information).unwrap_or(ffi::ULONG_PTR::MAX);
        // SAFETY: the driver owns the request, gives it up here, and nothing borrows its memory:
        // `self` was taken by value.
        unsafe {
            ffi::WdfRequestCompleteWithInformation(request.handle(), status.into_raw(), information)
        };
    }

    /// Passes the request to the next-lower driver and forgets it: the lower driver's completion
    /// goes to the application.
    ///
    /// C:
    /// [`WdfRequestSend`](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfrequest/nf-wdfrequest-wdfrequestsend)
    /// with `WDF_REQUEST_SEND_OPTION_SEND_AND_FORGET`, to the device's own I/O target, for which
    /// the IRP always has a stack location. It does not look at the target's state. IRQL: up to
    /// `DISPATCH_LEVEL`.
    ///
    /// # Errors
    ///
    /// The request is given back with the status, `STATUS_INVALID_DEVICE_REQUEST` among others.
    #[doc(alias = "WdfRequestSend")]
    #[doc(alias = "WDF_REQUEST_SEND_OPTION_SEND_AND_FORGET")]
    pub fn pass_down(self) -> Result<(), (Self, Error)> {
        // SAFETY: the queue exists as long as `'q` (the type's invariant).
        let device = unsafe { ffi::WdfIoQueueGetDevice(self.queue) };
        // SAFETY: a queue's device exists as long as the queue.
        let target = unsafe { ffi::WdfDeviceGetIoTarget(device) };
        if target.is_null() {
            return Err((self, Error::INVALID_DEVICE_REQUEST));
        }
        // SAFETY: the request came from a queue of a device with a target below, so that its IRP
        // has a next stack location.
        unsafe { ffi::WdfRequestFormatRequestUsingCurrentType(self.handle()) };
        let mut options = ffi::WDF_REQUEST_SEND_OPTIONS {
            Size: size_of_u32::<ffi::WDF_REQUEST_SEND_OPTIONS>(),
            Flags: ffi::SEND_OPTION_SEND_AND_FORGET,
            Timeout: 0,
        };
        // SAFETY: the driver owns the request, which is formatted; nothing borrows its memory,
        // since `self` was taken by value.
        let sent = unsafe { ffi::WdfRequestSend(self.handle(), target, &raw mut options) } != 0;
        if sent {
            let _gone = ManuallyDrop::new(self);
            return Ok(());
        }
        // SAFETY: not sent, so that the driver still owns it.
        let status = unsafe { ffi::WdfRequestGetStatus(self.handle()) };
        let error = Error::new(NtStatus::from_raw(status)).unwrap_or(Error::INVALID_DEVICE_REQUEST);
        Err((self, error))
    }

    /// Before a synchronous send: clears what an earlier send left, the sticky cancel flag and the
    /// byte count.
    ///
    /// Not after the send: the result of the last one stays visible to
    /// [`is_cancelled`](Self::is_cancelled).
    ///
    /// # Errors
    ///
    /// * `STATUS_CANCELLED`: the application cancelled it during the last send.
    #[inline]
    pub(super) fn prepare_to_send(&self, timeout: bool) -> Result {
        let now = if timeout {
            Sent::WithTimeout
        } else {
            Sent::Plain
        };
        match self.sent.replace(now) {
            Sent::Never => return Ok(()),
            // To reuse it would forget the cancel.
            Sent::Plain if self.is_cancelled() => return Err(Error::CANCELLED),
            Sent::Plain | Sent::WithTimeout => {}
        }
        // SAFETY: the driver owns the request, and a synchronous send is over when it returns.
        NtStatus::from_raw(unsafe { reuse(self.handle()) }).ok()?;
        // SAFETY: as above. A reused request from a queue keeps its byte count, which a refused
        // send would report as its own.
        unsafe { ffi::WdfRequestSetInformation(self.handle(), 0) };
        Ok(())
    }

    /// Refuses neither I/O whose buffer nobody locked. Asked for the data of such a request from
    /// user mode the framework hands out a NULL buffer, and for the MDL of any it has none; under
    /// its verifier it breaks into the debugger for both.
    fn refuse_bare_address(&self, requestor: Requestor) -> Result {
        // SAFETY: the queue exists as long as `'q` (the type's invariant).
        let device = unsafe { ffi::WdfIoQueueGetDevice(self.queue) };
        // SAFETY: a queue's device exists as long as the queue.
        if !unsafe { does_neither_io(device) } {
            return Ok(());
        }
        // SAFETY: the driver owns the request.
        let mode = unsafe { ffi::WdfRequestGetRequestorMode(self.handle()) };
        let concerned = match requestor {
            Requestor::User => mode != ffi::KERNEL_MODE,
            Requestor::Any => true,
        };
        match self.parameters() {
            RequestParameters::Read { .. } | RequestParameters::Write { .. } if concerned => {
                Err(Error::INVALID_DEVICE_REQUEST)
            }
            _ => Ok(()),
        }
    }

    fn locked_buffers(&self) -> Option<&LockedBuffers> {
        // SAFETY: the driver owns the request, so that its context exists; `LockedBuffers` borrowed
        // from `self` is gone when it is completed.
        unsafe { context::<LockedBuffers>(self.handle().cast()) }
    }
}

/// What `request` asks for.
///
/// # Safety
///
/// `request` is a WDFREQUEST from a queue that is not completed.
pub(crate) unsafe fn parameters(request: ffi::WDFREQUEST) -> RequestParameters {
    let mut raw = ffi::WDF_REQUEST_PARAMETERS {
        Size: const {
            assert!(size_of::<ffi::WDF_REQUEST_PARAMETERS>() <= u16::MAX as usize);
            #[expect(clippy::cast_possible_truncation, reason = "checked just above")]
            let size = size_of::<ffi::WDF_REQUEST_PARAMETERS>() as u16;
            size
        },
        ..Default::default()
    };
    // SAFETY: the request is valid by the caller's word; `raw` lives through the call and has the
    // right size.
    unsafe { ffi::WdfRequestGetParameters(request, &raw mut raw) };
    // SAFETY: filled just above.
    unsafe { RequestParameters::from_raw(&raw) }
}

impl Drop for Received<'_> {
    /// The driver lost it. The application must not wait for ever.
    fn drop(&mut self) {
        // SAFETY: the driver owns the request; it is completed once, here.
        unsafe {
            ffi::WdfRequestCompleteWithInformation(
                self.handle(),
                ffi::STATUS_DRIVER_INTERNAL_ERROR,
                0,
            )
        };
    }
}

impl fmt::Debug for Received<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Received")
            .field("handle", &self.handle)
            .finish_non_exhaustive()
    }
}
