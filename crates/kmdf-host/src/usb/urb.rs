//! URBs in memory: fields are read and written only where the URB's own length says that they exist.

use core::mem::offset_of;
use core::ptr::NonNull;

use kmdf_sys::{
    _URB_BULK_OR_INTERRUPT_TRANSFER, _URB_CONTROL_DESCRIPTOR_REQUEST,
    _URB_CONTROL_GET_STATUS_REQUEST, _URB_CONTROL_TRANSFER, _URB_HEADER, _URB_PIPE_REQUEST,
    _USBD_INTERFACE_INFORMATION, _USBD_PIPE_INFORMATION, PURB,
    URB_FUNCTION_BULK_OR_INTERRUPT_TRANSFER, URB_FUNCTION_CLASS_DEVICE,
    URB_FUNCTION_CLASS_ENDPOINT, URB_FUNCTION_CLASS_INTERFACE, URB_FUNCTION_CLASS_OTHER,
    URB_FUNCTION_CONTROL_TRANSFER, URB_FUNCTION_CONTROL_TRANSFER_EX,
    URB_FUNCTION_GET_CONFIGURATION, URB_FUNCTION_GET_DESCRIPTOR_FROM_DEVICE,
    URB_FUNCTION_GET_DESCRIPTOR_FROM_ENDPOINT, URB_FUNCTION_GET_DESCRIPTOR_FROM_INTERFACE,
    URB_FUNCTION_GET_INTERFACE, URB_FUNCTION_GET_STATUS_FROM_DEVICE,
    URB_FUNCTION_GET_STATUS_FROM_ENDPOINT, URB_FUNCTION_GET_STATUS_FROM_INTERFACE,
    URB_FUNCTION_GET_STATUS_FROM_OTHER, URB_FUNCTION_SET_DESCRIPTOR_TO_DEVICE,
    URB_FUNCTION_VENDOR_DEVICE, URB_FUNCTION_VENDOR_ENDPOINT, URB_FUNCTION_VENDOR_INTERFACE,
    URB_FUNCTION_VENDOR_OTHER, USBD_STATUS, USBD_TRANSFER_DIRECTION_IN,
};

use crate::system::pool::Zeroed;

/// Whether a URB of this function describes a transfer buffer. All that do have it at the same place.
pub(crate) const fn has_transfer_buffer(function: u16) -> bool {
    matches!(
        function as u32,
        URB_FUNCTION_BULK_OR_INTERRUPT_TRANSFER
            | URB_FUNCTION_CONTROL_TRANSFER
            | URB_FUNCTION_CONTROL_TRANSFER_EX
            | URB_FUNCTION_GET_DESCRIPTOR_FROM_DEVICE
            | URB_FUNCTION_SET_DESCRIPTOR_TO_DEVICE
            | URB_FUNCTION_GET_DESCRIPTOR_FROM_ENDPOINT
            | URB_FUNCTION_GET_DESCRIPTOR_FROM_INTERFACE
            | URB_FUNCTION_GET_STATUS_FROM_DEVICE
            | URB_FUNCTION_GET_STATUS_FROM_INTERFACE
            | URB_FUNCTION_GET_STATUS_FROM_ENDPOINT
            | URB_FUNCTION_GET_STATUS_FROM_OTHER
            | URB_FUNCTION_VENDOR_DEVICE
            | URB_FUNCTION_VENDOR_INTERFACE
            | URB_FUNCTION_VENDOR_ENDPOINT
            | URB_FUNCTION_VENDOR_OTHER
            | URB_FUNCTION_CLASS_DEVICE
            | URB_FUNCTION_CLASS_INTERFACE
            | URB_FUNCTION_CLASS_ENDPOINT
            | URB_FUNCTION_CLASS_OTHER
            | URB_FUNCTION_GET_CONFIGURATION
            | URB_FUNCTION_GET_INTERFACE
    )
}

/// Memory for a URB.
pub(crate) struct UrbMemory(Zeroed);

impl UrbMemory {
    /// Zeroed memory of `size` bytes; a size below that of a header is raised to it.
    pub(crate) fn new(size: usize) -> Option<Self> {
        Zeroed::new(size.max(size_of::<_URB_HEADER>())).map(Self)
    }

    pub(crate) fn zero(&mut self) {
        // SAFETY: the memory is an allocation of its size, and this is the only reference to it.
        unsafe { self.0.as_ptr().cast::<u8>().write_bytes(0, self.0.size()) };
    }

    /// Makes it a URB of this function and length. The length is that of the function's structure.
    pub(crate) fn begin(&self, function: u32, length: usize) -> Urb {
        debug_assert!(length <= self.0.size());
        let urb = self.urb();
        let function = u16::try_from(function).unwrap_or(u16::MAX);
        let length = u16::try_from(length.min(self.0.size())).unwrap_or(u16::MAX);
        let header = _URB_HEADER {
            Length: length,
            Function: function,
            ..Default::default()
        };
        // SAFETY: the memory is at least a header long, and writable.
        unsafe {
            self.0
                .as_ptr()
                .cast::<_URB_HEADER>()
                .write_unaligned(header)
        };
        urb
    }

    pub(crate) fn urb(&self) -> Urb {
        let memory = NonNull::new(self.0.as_ptr().cast());
        Urb(memory.expect("memory was allocated"))
    }
}

/// Types of which every byte pattern is a value: integers, raw pointers and C structures of them.
///
/// # Safety
///
/// That must hold.
pub(crate) unsafe trait Plain: Copy {}

macro_rules! plain {
    ($($type:ty),*) => {$(
        // SAFETY: an integer, a raw pointer, or a structure of `usb.h` made of them.
        unsafe impl Plain for $type {}
    )*};
}

plain!(
    u8,
    u16,
    u32,
    i32,
    usize,
    [u8; 8],
    *mut core::ffi::c_void,
    _URB_BULK_OR_INTERRUPT_TRANSFER,
    _URB_CONTROL_DESCRIPTOR_REQUEST,
    _URB_CONTROL_GET_STATUS_REQUEST,
    _URB_CONTROL_TRANSFER,
    _URB_PIPE_REQUEST,
    _USBD_INTERFACE_INFORMATION,
    _USBD_PIPE_INFORMATION
);

/// A URB that a sender owns and has lent to the device below until its IRP is completed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Urb(NonNull<u8>);

impl Urb {
    /// The URB at `urb`, unless it is NULL.
    ///
    /// # Safety
    ///
    /// `urb` is NULL or the address of a URB of at least `UrbHeader.Length` bytes, and never less than a header, which
    /// stays valid, and to which no reference exists, for as long as the result is used.
    pub(crate) const unsafe fn new(urb: PURB) -> Option<Self> {
        match NonNull::new(urb.cast()) {
            Some(urb) => Some(Self(urb)),
            None => None,
        }
    }

    pub(crate) const fn as_ptr(self) -> PURB {
        self.0.as_ptr().cast()
    }

    pub(crate) fn header(self) -> _URB_HEADER {
        // SAFETY: a URB is at least a header long, by the promise of `new`.
        unsafe { self.0.cast::<_URB_HEADER>().read_unaligned() }
    }

    pub(crate) fn length(self) -> usize {
        usize::from(self.header().Length)
    }

    pub(crate) fn function(self) -> u32 {
        u32::from(self.header().Function)
    }

    pub(crate) fn set_status(self, status: USBD_STATUS) {
        self.write(offset_of!(_URB_HEADER, Status), status);
    }

    fn fits<T>(self, offset: usize) -> bool {
        offset
            .checked_add(size_of::<T>())
            .is_some_and(|end| end <= self.length())
    }

    /// The value at `offset`, if the URB is that long.
    pub(crate) fn field<T: Plain>(self, offset: usize) -> Option<T> {
        if !self.fits::<T>(offset) {
            return None;
        }
        // SAFETY: the URB is at least `offset + size_of::<T>()` bytes long, and any bytes are a valid `T`.
        Some(unsafe {
            self.0
                .as_ptr()
                .wrapping_add(offset)
                .cast::<T>()
                .read_unaligned()
        })
    }

    /// Writes the value at `offset`; `false` when the URB is not that long.
    pub(crate) fn write<T: Plain>(self, offset: usize, value: T) -> bool {
        if !self.fits::<T>(offset) {
            return false;
        }
        // SAFETY: the URB is at least `offset + size_of::<T>()` bytes long and nobody holds a reference to it.
        unsafe {
            self.0
                .as_ptr()
                .wrapping_add(offset)
                .cast::<T>()
                .write_unaligned(value)
        };
        true
    }

    /// The fields that every URB with a transfer buffer begins with.
    pub(crate) fn transfer(self) -> Option<_URB_BULK_OR_INTERRUPT_TRANSFER> {
        if !has_transfer_buffer(self.header().Function) {
            return None;
        }
        self.field(0)
    }

    pub(crate) fn transfer_length(self) -> u32 {
        self.transfer()
            .map_or(0, |transfer| transfer.TransferBufferLength)
    }

    /// Whether it carries data to the device.
    pub(crate) fn is_out(self) -> bool {
        self.transfer()
            .is_some_and(|transfer| transfer.TransferFlags & USBD_TRANSFER_DIRECTION_IN == 0)
    }

    pub(crate) fn set_transfer_length(self, length: u32) {
        if has_transfer_buffer(self.header().Function) {
            self.write(
                offset_of!(_URB_BULK_OR_INTERRUPT_TRANSFER, TransferBufferLength),
                length,
            );
        }
    }
}
