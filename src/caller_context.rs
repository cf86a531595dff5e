//! Neither I/O: locking the application's buffer while its thread is there.

use core::ptr::{self, NonNull};

use crate::ffi;
use crate::object::{attributes_with_context, initialise};
use crate::request::{RequestParameters, parameters};
use crate::status::NtStatus;

/// Context of a received request: the buffer that was locked in the caller's context.
///
/// # Invariants
///
/// `input` is a WDFMEMORY that is a child of the request, and lives until the request is completed.
pub(crate) struct LockedBuffers {
    input: Option<NonNull<ffi::WDFMEMORY__>>,
}

// SAFETY: a handle belongs to no thread.
unsafe impl Send for LockedBuffers {}
// SAFETY: never changed once made.
unsafe impl Sync for LockedBuffers {}

crate::context!(LockedBuffers);

impl LockedBuffers {
    pub(crate) fn input(&self) -> Option<NonNull<ffi::WDFMEMORY__>> {
        self.input
    }
}

/// Makes the framework call [`evt_io_in_caller_context`] for every request, and gives every request
/// room for what it locks.
///
/// # Safety
///
/// `init` is a live WDFDEVICE_INIT.
pub(crate) unsafe fn register(init: ffi::PWDFDEVICE_INIT) {
    let mut attributes = attributes_with_context::<LockedBuffers>();
    // SAFETY: `init` is valid by the caller's word; the framework copies the attributes.
    unsafe { ffi::WdfDeviceInitSetRequestAttributes(init, &raw mut attributes) };
    // SAFETY: as above; the callback is a static function.
    unsafe { ffi::WdfDeviceInitSetIoInCallerContextCallback(init, Some(evt_io_in_caller_context)) };
}

/// Whether the device does neither buffered nor direct I/O for reads and writes.
///
/// # Safety
///
/// `device` is a live WDFDEVICE.
pub(crate) unsafe fn does_neither_io(device: ffi::WDFDEVICE) -> bool {
    // SAFETY: the device is live by the caller's word.
    let object = unsafe { ffi::WdfDeviceWdmGetDeviceObject(device) };
    // SAFETY: a device's device object lives as long as the device; the I/O type's flags are not
    // changed after it was made.
    let flags = unsafe { (*object).Flags };
    flags & (ffi::DO_BUFFERED_IO | ffi::DO_DIRECT_IO) == 0
}

/// EvtIoInCallerContext: runs in the application's thread, where its addresses mean something.
unsafe extern "C" fn evt_io_in_caller_context(device: ffi::WDFDEVICE, request: ffi::WDFREQUEST) {
    // SAFETY: the framework passes a live device and a live request that is the driver's.
    let status = unsafe { lock_input(device, request) }.and_then(|()| {
        // SAFETY: as above; the driver gives the request back to the framework, to be queued.
        NtStatus::from_raw(unsafe { ffi::WdfDeviceEnqueueRequest(device, request) }).ok()
    });
    if let Err(error) = status {
        // SAFETY: not enqueued, so that the driver still owns the request; completed once, here.
        unsafe { ffi::WdfRequestComplete(request, error.status().into_raw()) };
    }
}

/// Locks the buffer of a write to a device that does neither I/O; leaves every other request as it
/// is.
///
/// # Safety
///
/// `device` and `request` are those of the current EvtIoInCallerContext.
unsafe fn lock_input(device: ffi::WDFDEVICE, request: ffi::WDFREQUEST) -> crate::Result {
    // SAFETY: the request is live and not completed.
    let RequestParameters::Write { length, .. } = (unsafe { parameters(request) }) else {
        return Ok(());
    };
    // SAFETY: the device is live.
    if length == 0 || !unsafe { does_neither_io(device) } {
        return Ok(());
    }
    let (mut buffer, mut available) = (ptr::null_mut(), 0);
    // SAFETY: called in the caller's context, as it has to be; the out-parameters live through the
    // call.
    let status = unsafe {
        ffi::WdfRequestRetrieveUnsafeUserInputBuffer(
            request,
            length,
            &raw mut buffer,
            &raw mut available,
        )
    };
    NtStatus::from_raw(status).ok()?;
    let mut memory = ptr::null_mut();
    // SAFETY: address and length are the caller's own, which the framework probes and locks, or
    // says why not.
    let status = unsafe {
        ffi::WdfRequestProbeAndLockUserBufferForRead(request, buffer, available, &raw mut memory)
    };
    NtStatus::from_raw(status).ok()?;
    // SAFETY: the request was made with this context, and nobody but this callback has seen it.
    unsafe {
        initialise(
            request.cast(),
            LockedBuffers {
                input: NonNull::new(memory),
            },
        )
    };
    Ok(())
}
