//! WDFUSBPIPE.

use core::fmt;
use core::marker::PhantomData;
use core::num::NonZeroU32;
use core::ptr::{self, NonNull};

use super::device::OfConfiguration;
use crate::ffi;
use crate::io_target::IoTargetState;
use crate::irql::require_passive;
use crate::memory::{MemoryDescriptor, RawDescriptor};
use crate::object::{Object, ObjectRef, Referenceable, object, private};
use crate::request::SendRequest;
use crate::send_options::SendOptions;
use crate::status::{NtStatus, Result, TransferError, Transferred};

object! {
    /// The pipe itself, which may outlive its configuration while referenced.
    pub(super) struct Pipe = ffi::WDFUSBPIPE__;
}

// SAFETY: the only thing done with a bare `Pipe` is giving the reference back; it is used only
// through a `UsbPipe`.
unsafe impl Referenceable for Pipe {}

/// Direction of a pipe not told apart yet.
#[derive(Debug, Clone, Copy)]
pub enum Any {}

/// A bulk or interrupt pipe from the device: it is read.
#[derive(Debug, Clone, Copy)]
pub enum In {}

/// A bulk or interrupt pipe to the device: it is written.
#[derive(Debug, Clone, Copy)]
pub enum Out {}

/// Transfer type of an endpoint.
#[doc(alias = "WDF_USB_PIPE_TYPE")]
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PipeType {
    /// Control.
    Control,
    /// Isochronous.
    Isochronous,
    /// Bulk.
    Bulk,
    /// Interrupt.
    Interrupt,
    /// None that the framework knows.
    Invalid,
}

/// Direction of an endpoint, as bit 7 of its address has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PipeDirection {
    /// From the device.
    In,
    /// To the device.
    Out,
}

/// What the endpoint's descriptor and the USB stack say of a pipe.
///
/// C:
/// [`WDF_USB_PIPE_INFORMATION`](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfusb/ns-wdfusb-_wdf_usb_pipe_information).
#[doc(alias = "WDF_USB_PIPE_INFORMATION")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PipeInformation {
    /// `bEndpointAddress`: number and direction.
    pub endpoint_address: u8,
    /// Transfer type.
    pub pipe_type: PipeType,
    /// Bytes in one packet, at most.
    pub maximum_packet_size: u32,
    /// Bytes in one transfer, at most, as the USB stack reports it. Neither the framework nor this
    /// library compares.
    pub maximum_transfer_size: u32,
    /// Polling interval of an interrupt endpoint, in units that depend on the bus speed.
    pub interval: u8,
}

impl PipeInformation {
    fn from_raw(raw: &ffi::WDF_USB_PIPE_INFORMATION) -> Self {
        Self {
            endpoint_address: raw.EndpointAddress,
            pipe_type: match raw.PipeType {
                ffi::PIPE_TYPE_CONTROL => PipeType::Control,
                ffi::PIPE_TYPE_ISOCHRONOUS => PipeType::Isochronous,
                ffi::PIPE_TYPE_BULK => PipeType::Bulk,
                ffi::PIPE_TYPE_INTERRUPT => PipeType::Interrupt,
                _ => PipeType::Invalid,
            },
            maximum_packet_size: raw.MaximumPacketSize,
            maximum_transfer_size: raw.MaximumTransferSize,
            interval: raw.Interval,
        }
    }

    /// Direction, from the endpoint's address.
    #[doc(alias = "WdfUsbTargetPipeIsInEndpoint")]
    #[doc(alias = "WdfUsbTargetPipeIsOutEndpoint")]
    #[must_use]
    pub const fn direction(&self) -> PipeDirection {
        if self.endpoint_address & 0x80 == 0 {
            PipeDirection::Out
        } else {
            PipeDirection::In
        }
    }

    const fn is_bulk_or_interrupt(&self) -> bool {
        matches!(self.pipe_type, PipeType::Bulk | PipeType::Interrupt)
    }
}

/// A pipe of a configuration, which it borrows: it cannot be kept past it.
///
/// Type and direction are told apart once, by [`into_out`](UsbPipe::into_out), so that a pipe that
/// cannot be written has no `pipe_write_sync`.
///
/// # Invariants
///
/// `handle` is a pipe of the configuration that is borrowed, and exists as long. Where `D` is
/// [`Out`] or [`In`] it is bulk or interrupt, of that direction.
#[doc(alias = "WDFUSBPIPE")]
pub struct UsbPipe<'c, D = Out> {
    handle: NonNull<ffi::WDFUSBPIPE__>,
    information: PipeInformation,
    configuration: u64,
    _configuration: OfConfiguration<'c>,
    _direction: PhantomData<D>,
}

impl<D> Clone for UsbPipe<'_, D> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<D> Copy for UsbPipe<'_, D> {}

// SAFETY: a pipe may be used from any thread; the framework locks it.
unsafe impl<D> Send for UsbPipe<'_, D> {}
// SAFETY: as for Send.
unsafe impl<D> Sync for UsbPipe<'_, D> {}

impl UsbPipe<'_, Any> {
    /// # Safety
    ///
    /// `handle` is a configured pipe of the configuration of number `configuration`, which is
    /// borrowed for the pipe's lifetime, and `information` is that pipe's.
    pub(super) unsafe fn from_raw(
        handle: NonNull<ffi::WDFUSBPIPE__>,
        information: &ffi::WDF_USB_PIPE_INFORMATION,
        configuration: u64,
    ) -> Self {
        // INVARIANT: by the caller's word; `Any` promises nothing.
        Self {
            handle,
            information: PipeInformation::from_raw(information),
            configuration,
            _configuration: PhantomData,
            _direction: PhantomData,
        }
    }
}

impl<'c> UsbPipe<'c, Any> {
    /// The pipe as one to write to: bulk or interrupt, to the device.
    #[must_use]
    pub fn into_out(self) -> Option<UsbPipe<'c, Out>> {
        // INVARIANT: checked here.
        (self.information.is_bulk_or_interrupt()
            && self.information.direction() == PipeDirection::Out)
            .then(|| self.directed())
    }

    /// The pipe as one to read from: bulk or interrupt, from the device.
    #[must_use]
    pub fn into_in(self) -> Option<UsbPipe<'c, In>> {
        // INVARIANT: checked here.
        (self.information.is_bulk_or_interrupt()
            && self.information.direction() == PipeDirection::In)
            .then(|| self.directed())
    }

    /// The same pipe under another name; the callers establish the invariant.
    fn directed<D>(self) -> UsbPipe<'c, D> {
        UsbPipe {
            handle: self.handle,
            information: self.information,
            configuration: self.configuration,
            _configuration: PhantomData,
            _direction: PhantomData,
        }
    }
}

impl<D> UsbPipe<'_, D> {
    /// What the descriptor and the USB stack say.
    #[doc(alias = "WdfUsbTargetPipeGetInformation")]
    #[doc(alias = "WdfUsbTargetPipeGetType")]
    #[must_use]
    pub const fn information(&self) -> &PipeInformation {
        &self.information
    }

    /// What one transfer may have at most, in bytes; 4 GiB - 1 where the USB stack names no limit.
    #[must_use]
    pub const fn maximum_transfer_size(&self) -> NonZeroU32 {
        match NonZeroU32::new(self.information.maximum_transfer_size) {
            Some(size) => size,
            None => NonZeroU32::MAX,
        }
    }

    /// What a driver can keep of a pipe; [`UsbConfiguration::pipe`](crate::UsbConfiguration::pipe)
    /// makes a pipe of it again.
    #[must_use]
    pub fn key(&self) -> PipeKey<D> {
        // SAFETY: the pipe exists (the type's invariant).
        let pipe = unsafe { Pipe::from_raw(self.handle) };
        PipeKey {
            pipe: ObjectRef::new(pipe),
            information: self.information,
            configuration: self.configuration,
            _direction: PhantomData,
        }
    }

    /// Cancels what is under way on the pipe, and clears a stall on both sides.
    ///
    /// C:
    /// [`WdfUsbTargetPipeResetSynchronously`](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfusb/nf-wdfusb-wdfusbtargetpiperesetsynchronously),
    /// with the framework's own request. IRQL: `PASSIVE_LEVEL`. It works on a stopped or purged
    /// pipe too.
    ///
    /// # Errors
    ///
    /// * `STATUS_INVALID_DEVICE_REQUEST`: not at `PASSIVE_LEVEL`.
    /// * `STATUS_IO_TIMEOUT`: the time-out ran out.
    /// * any other: the USB stack's.
    #[doc(alias = "WdfUsbTargetPipeResetSynchronously")]
    pub fn reset_sync(&self, options: &SendOptions) -> Result {
        require_passive()?;
        let mut options = options.to_raw();
        let options = options.as_mut().map_or(ptr::null_mut(), ptr::from_mut);
        // SAFETY: the pipe is live; the framework uses a request of its own; the options live
        // through the call.
        let status = unsafe {
            ffi::WdfUsbTargetPipeResetSynchronously(self.handle.as_ptr(), ptr::null_mut(), options)
        };
        NtStatus::from_raw(status).ok().map(drop)
    }
}

impl UsbPipe<'_, Out> {
    /// Writes to the pipe, and waits until the write is done.
    ///
    /// * `request`: which request is used, see [`SendRequest`].
    /// * `buffer`: what is written, without a copy; none is one zero-length packet. It may have any
    ///   length; the framework never adds a zero-length packet, and does not compare with
    ///   [`maximum_transfer_size`](Self::maximum_transfer_size), see
    ///   [`send_in_pieces`](crate::send_in_pieces).
    /// * `options`: the time-out (none: for ever) and whether the pipe's state is ignored.
    ///
    /// Returns the bytes that the USB stack says went out.
    ///
    /// C:
    /// [`WdfUsbTargetPipeWriteSynchronously`](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfusb/nf-wdfusb-wdfusbtargetpipewritesynchronously).
    ///
    /// ```
    /// # #[allow(dead_code)]
    /// # mod common { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/common/mod.rs")); }
    /// # use common::{Setup, World};
    /// # use kmdf_host::{UsbDescriptors, UsbInterface};
    /// # let descriptors = UsbDescriptors::new(0x1209, 1).interface(UsbInterface::new(0).bulk(0x01, 512));
    /// # let world = World::usb(Setup::default(), kmdf_host::UsbDevice::new(descriptors));
    /// # world.in_driver(|device, request| -> kmdf::Result<(), kmdf::TransferError> {
    /// # let _ = (&device, &request);
    /// use kmdf::{MemoryDescriptor, SendOptions, SendRequest};
    ///
    /// // The device's context, where PrepareHardware put the configuration and the key of the pipe.
    /// let usb = device.context()?.usb.acquire().ok_or(kmdf::Error::DEVICE_NOT_CONNECTED)?;
    /// let pipe = usb.configuration.pipe(&usb.out)?;
    /// let data = MemoryDescriptor::bytes(b"hello")?;
    /// let sent = pipe.pipe_write_sync(SendRequest::Framework, data, &SendOptions::new())?;
    /// assert_eq!(sent.bytes(), 5);
    /// # Ok(())
    /// # }).unwrap();
    /// # world.finish();
    /// ```
    ///
    /// # IRQL
    ///
    /// `PASSIVE_LEVEL`, checked in every build.
    ///
    /// # Errors
    ///
    /// * `STATUS_INVALID_DEVICE_REQUEST`: not at `PASSIVE_LEVEL`; nothing was sent. (A pipe of the
    ///   wrong type or direction has no such call.)
    /// * `STATUS_IO_TIMEOUT`: the time-out ran out; see [`SendOptions`] for what that means.
    /// * `STATUS_CANCELLED`: cancelled, by a [`CancelHandle`](crate::CancelHandle), a reset of the
    ///   pipe, or because the pipe was stopped or purged.
    /// * `STATUS_INSUFFICIENT_RESOURCES`: no memory for the request or its URB.
    /// * `STATUS_REQUEST_NOT_ACCEPTED`: a received request without enough stack locations for the
    ///   USB stack.
    /// * `STATUS_INVALID_DEVICE_STATE`: the pipe is purged, or gone with the device.
    /// * `STATUS_INVALID_PARAMETER`, `STATUS_INFO_LENGTH_MISMATCH`: documented for the DDI; what
    ///   provokes them cannot be expressed here.
    /// * any other: the USB stack's. A stall is `STATUS_UNSUCCESSFUL` or what the host controller's
    ///   driver makes of it: the framework does not translate `USBD_STATUS`.
    ///   [`reset_sync`](Self::reset_sync) clears it.
    #[doc(alias = "WdfUsbTargetPipeWriteSynchronously")]
    #[inline]
    pub fn pipe_write_sync<'r>(
        &self,
        request: impl Into<SendRequest<'r>>,
        buffer: MemoryDescriptor<'_>,
        options: &SendOptions,
    ) -> Result<Transferred, TransferError> {
        require_passive()?;
        let mut place = RawDescriptor::new();
        let descriptor = buffer.write_to(&mut place);
        let mut raw_options = options.to_raw();
        let raw_options = raw_options.as_mut().map_or(ptr::null_mut(), ptr::from_mut);
        let mut written: ffi::ULONG = 0;
        let count = &raw mut written;
        let status = request.into().send(options.has_timeout(), |request| {
            // SAFETY: the pipe and the request are live; the request is idle and this thread's
            // alone for the whole call; all pointers are to locals, or to what `buffer` borrows,
            // that outlive the call, and the framework is done with them when it returns.
            unsafe {
                ffi::WdfUsbTargetPipeWriteSynchronously(
                    self.handle.as_ptr(),
                    request,
                    raw_options,
                    descriptor,
                    count,
                )
            }
        })?;
        let requested = buffer.len();
        // The USB stack's word: never more than was given.
        let bytes = usize::try_from(written.min(requested)).unwrap_or(usize::MAX);
        match NtStatus::from_raw(status).ok() {
            Ok(status) => Ok(Transferred::new(bytes, status)),
            // A URB that was never sent still has the requested length in it, and the framework
            // reports that.
            Err(error) => Err(TransferError::new(
                error,
                (requested == 0 || written < requested).then_some(bytes),
            )),
        }
    }
}

impl<D> private::Sealed for UsbPipe<'_, D> {}

impl<D> IoTargetState for UsbPipe<'_, D> {
    /// `WdfUsbTargetPipeGetIoTarget`, which is a cast: a pipe is an I/O target.
    #[doc(alias = "WdfUsbTargetPipeGetIoTarget")]
    fn target_handle(&self) -> ffi::WDFIOTARGET {
        self.handle.as_ptr().cast()
    }
}

impl<D> fmt::Debug for UsbPipe<'_, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UsbPipe")
            .field("handle", &self.handle)
            .field("information", &self.information)
            .finish_non_exhaustive()
    }
}

/// A pipe as a driver stores it: it can be used only together with the
/// [`UsbConfiguration`](crate::UsbConfiguration) that it is part of.
///
/// It holds a reference, so that the pipe's memory outlives a configuration that goes first.
pub struct PipeKey<D = Out> {
    pipe: ObjectRef<Pipe>,
    information: PipeInformation,
    configuration: u64,
    _direction: PhantomData<fn() -> D>,
}

impl<D> PipeKey<D> {
    #[inline]
    pub(super) fn configuration(&self) -> u64 {
        self.configuration
    }

    /// For [`UsbConfiguration::pipe`](crate::UsbConfiguration::pipe), which compared the
    /// configurations and binds the lifetime to both.
    #[inline]
    pub(super) fn pipe(&self) -> UsbPipe<'_, D> {
        UsbPipe {
            // INVARIANT: made from a pipe of direction `D`; the reference keeps it, and the
            // configuration is borrowed by the caller.
            handle: NonNull::from(&*self.pipe).cast(),
            information: self.information,
            configuration: self.configuration,
            _configuration: PhantomData,
            _direction: PhantomData,
        }
    }
}

impl<D> fmt::Debug for PipeKey<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PipeKey")
            .field("pipe", &*self.pipe)
            .field("information", &self.information)
            .finish_non_exhaustive()
    }
}
