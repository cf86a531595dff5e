//! URBs as lower devices and traces see them.

use core::ffi::c_void;
use core::ptr;

use kmdf_sys::{_URB_BULK_OR_INTERRUPT_TRANSFER, _URB_HEADER, PURB};

use super::irp::mdl_area;
use crate::system::System;
use crate::system::irp::Parameters;
use crate::usb::urb::has_transfer_buffer;

/// The URB a stack location carries.
pub(crate) fn of(parameters: &Parameters) -> Option<PURB> {
    let urb: PURB = parameters.argument(0).cast();
    (parameters.is_urb() && !urb.is_null()).then_some(urb)
}

pub(crate) fn header(urb: PURB) -> _URB_HEADER {
    // SAFETY: whoever sends a URB owns a structure that begins with a header and stays valid until it is completed.
    unsafe { urb.cast::<_URB_HEADER>().read() }
}

/// Function and transfer length, for the trace.
pub(crate) fn summary(parameters: &Parameters) -> Option<(u16, u32)> {
    let urb = of(parameters)?;
    let function = header(urb).Function;
    Some((
        function,
        transfer(urb).map_or(0, |transfer| transfer.TransferBufferLength),
    ))
}

/// The transfer fields, which all URBs with a transfer buffer have at the same place.
fn transfer(urb: PURB) -> Option<_URB_BULK_OR_INTERRUPT_TRANSFER> {
    let header = header(urb);
    if !has_transfer_buffer(header.Function)
        || usize::from(header.Length) < size_of::<_URB_BULK_OR_INTERRUPT_TRANSFER>()
    {
        return None;
    }
    // SAFETY: the header says that the structure is at least as long as this one, and of a kind that begins like it.
    Some(unsafe { urb.cast::<_URB_BULK_OR_INTERRUPT_TRANSFER>().read() })
}

/// The memory a transfer URB describes.
pub(crate) fn transfer_area(system: &System, urb: PURB) -> (*mut c_void, usize) {
    let Some(transfer) = transfer(urb) else {
        return (ptr::null_mut(), 0);
    };
    let length = transfer.TransferBufferLength as usize;
    if transfer.TransferBuffer.is_null() {
        mdl_area(system, transfer.TransferBufferMDL, length)
    } else {
        (transfer.TransferBuffer, length)
    }
}
