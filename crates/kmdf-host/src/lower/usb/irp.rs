//! What a lower device sees of a URB, and how it answers one.

use kmdf_sys::{_URB_BULK_OR_INTERRUPT_TRANSFER, NTSTATUS, USBD_STATUS, USHORT};

use super::{Setup, urb_of};
use crate::lower::LowerIrp;
use crate::lower::urb::usbd_status;

impl LowerIrp<'_> {
    /// `UrbHeader.Function` of the URB it carries.
    #[must_use]
    pub fn urb_function(&self) -> Option<USHORT> {
        urb_of(self).map(|urb| urb.header().Function)
    }

    /// `UrbHeader.Length` of the URB it carries.
    #[must_use]
    pub fn urb_length(&self) -> Option<USHORT> {
        urb_of(self).map(|urb| urb.header().Length)
    }

    /// The handle of the pipe that the URB it carries is for; 0 for none.
    #[must_use]
    pub fn urb_pipe(&self) -> Option<usize> {
        super::pipe_handle(urb_of(self)?)
    }

    /// What URBs with a transfer buffer begin with, as it is now.
    #[must_use]
    pub fn urb_transfer(&self) -> Option<_URB_BULK_OR_INTERRUPT_TRANSFER> {
        urb_of(self)?.transfer()
    }

    /// The control request that the URB it carries stands for.
    #[must_use]
    pub fn setup(&self) -> Option<Setup> {
        Setup::of(urb_of(self)?)
    }

    /// Ends the URB it carries, if there is one, as the USB stack does with this status, nothing having been moved.
    pub fn fail_urb(&mut self, status: NTSTATUS) {
        if let Some(urb) = urb_of(self) {
            urb.set_status(usbd_status(status));
            urb.set_transfer_length(0);
        }
    }

    /// Sets `UrbHeader.Status` of the URB it carries, if there is one.
    pub fn set_usbd_status(&mut self, status: USBD_STATUS) {
        if let Some(urb) = urb_of(self) {
            urb.set_status(status);
        }
    }

    /// Sets the transfer length of the URB it carries, if it has one.
    pub fn set_transfer_length(&mut self, bytes: u32) {
        if let Some(urb) = urb_of(self) {
            urb.set_transfer_length(bytes);
        }
    }
}
