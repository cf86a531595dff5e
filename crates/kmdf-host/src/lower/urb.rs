//! URBs as lower devices and traces see them.

use core::ffi::c_void;
use core::ptr;

use kmdf_sys::missing::{
    USBD_STATUS_BUFFER_OVERRUN, USBD_STATUS_CANCELED, USBD_STATUS_DEVICE_GONE,
    USBD_STATUS_INSUFFICIENT_RESOURCES, USBD_STATUS_INTERNAL_HC_ERROR,
    USBD_STATUS_INVALID_PARAMETER, USBD_STATUS_SUCCESS,
};
use kmdf_sys::{
    _URB_BULK_OR_INTERRUPT_TRANSFER, _URB_HEADER, NT_SUCCESS, NTSTATUS, PURB,
    STATUS_BUFFER_OVERFLOW, STATUS_CANCELLED, STATUS_DEVICE_NOT_CONNECTED,
    STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_PARAMETER, STATUS_NO_SUCH_DEVICE, USBD_STATUS,
};

use super::irp::mdl_area;
use crate::system::System;
use crate::system::irp::{Irp, Parameters};
use crate::usb::urb::{Urb, has_transfer_buffer};

/// The URB a stack location carries.
pub(crate) fn of(parameters: &Parameters) -> Option<PURB> {
    let urb: PURB = parameters.argument(0).cast();
    (parameters.is_urb() && !urb.is_null()).then_some(urb)
}

pub(crate) fn header(urb: PURB) -> _URB_HEADER {
    // SAFETY: whoever sends a URB owns a structure that begins with a header and stays valid until it is completed.
    unsafe { urb.cast::<_URB_HEADER>().read() }
}

/// The URB an IRP carries, to be completed.
fn carried(irp: &Irp) -> Option<Urb> {
    // SAFETY: an IRP with this control code carries a URB, which its sender keeps valid until the IRP is completed.
    of(&irp.parameters()).and_then(|urb| unsafe { Urb::new(urb) })
}

/// Ends the URB of an IRP, if it carries one, as the USB stack does with this status: nothing was moved.
pub(crate) fn fail(irp: &Irp, status: NTSTATUS) {
    if let Some(urb) = carried(irp) {
        urb.set_status(usbd_status(status));
        urb.set_transfer_length(0);
    }
}

/// Bytes that the URB of an IRP says, and a way to change it.
pub(crate) fn moved(irp: &Irp) -> Option<(u32, Urb)> {
    let urb = carried(irp)?;
    urb.transfer()
        .map(|transfer| (transfer.TransferBufferLength, urb))
}

/// The URB status that goes with a status.
pub(super) const fn usbd_status(status: NTSTATUS) -> USBD_STATUS {
    match status {
        STATUS_CANCELLED => USBD_STATUS_CANCELED,
        STATUS_NO_SUCH_DEVICE | STATUS_DEVICE_NOT_CONNECTED => USBD_STATUS_DEVICE_GONE,
        STATUS_INSUFFICIENT_RESOURCES => USBD_STATUS_INSUFFICIENT_RESOURCES,
        STATUS_INVALID_PARAMETER => USBD_STATUS_INVALID_PARAMETER,
        STATUS_BUFFER_OVERFLOW => USBD_STATUS_BUFFER_OVERRUN,
        status if NT_SUCCESS(status) => USBD_STATUS_SUCCESS,
        _ => USBD_STATUS_INTERNAL_HC_ERROR,
    }
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
