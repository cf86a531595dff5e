//! Formatting requests with URBs, and what their completion parameters show.

use core::ffi::c_void;
use core::ptr;
use std::rc::Rc;

use kmdf_sys::{
    _URB_BULK_OR_INTERRUPT_TRANSFER, _URB_HEADER, _URB_PIPE_REQUEST,
    _WDF_REQUEST_COMPLETION_PARAMS, _WDF_REQUEST_TYPE as request_type,
    _WDF_USB_REQUEST_COMPLETION_PARAMS, NTSTATUS, PMDL, PURB, PWDFMEMORY_OFFSET,
    STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_PARAMETER,
    URB_FUNCTION_BULK_OR_INTERRUPT_TRANSFER, USBD_PIPE_HANDLE, WDF_USB_REQUEST_TYPE, WDFMEMORY,
};

use super::urb::{Urb, UrbMemory};
use super::{UsbDevice, UsbPipe};
use crate::faults::Allocation;
use crate::fx::class::Obj;
use crate::fx::device::Device;
use crate::fx::request::Request;
use crate::fx::request::format::ContextType;
use crate::fx::request::format::FormatExtra;
use crate::fx::target::IoTarget;
use crate::fx::target::buffer::{Range, RequestBuffer};
use crate::system::System;
use crate::system::irp::{IOCTL_SUBMIT_URB, IRP_MJ_INTERNAL_DEVICE_CONTROL, Irp, Parameters};

/// Where the buffer of a transfer is, as its URB says it.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) buffer: *mut c_void,
    pub(super) mdl: PMDL,
    pub(super) length: u32,
}

/// Which URB a format uses.
pub(super) enum UrbOf<'a> {
    /// That of a synchronous send, which goes with the sender.
    Sender(&'a UrbMemory),
    /// One that stays with the request.
    Request,
}

/// Which length the completion parameters show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    /// The transfer length of the URB, for pipes.
    Transfer,
    /// The same, for control transfers.
    Control,
    /// None.
    Nothing,
}

/// What a formatted request keeps: its URB and the structure that the completion parameters point to.
pub(super) struct UrbContext {
    urb: Urb,
    /// The memory of `urb`, unless a driver owns it.
    _memory: Option<UrbMemory>,
    shown: Shown,
    parameters: Box<_WDF_USB_REQUEST_COMPLETION_PARAMS>,
}

impl FormatExtra for UrbContext {
    fn completed(&mut self, _irp: &Irp, params: &mut _WDF_REQUEST_COMPLETION_PARAMS) {
        self.parameters.UsbdStatus = self.urb.header().Status;
        let length = self.urb.transfer_length();
        match self.shown {
            Shown::Transfer => {
                params.IoStatus.Information = u64::from(length);
                // Reads and writes have the same layout.
                self.parameters.Parameters.PipeWrite.Length = length as usize;
            }
            Shown::Control => {
                params.IoStatus.Information = u64::from(length);
                self.parameters.Parameters.DeviceControlTransfer.Length = length;
            }
            Shown::Nothing => {}
        }
        params.Parameters.Usb.Completion = &raw mut *self.parameters;
    }
}

/// The stack location that carries a URB.
pub(super) fn parameters(urb: Urb) -> Parameters {
    let address = urb.as_ptr().expose_provenance() as u64;
    Parameters {
        major: IRP_MJ_INTERNAL_DEVICE_CONTROL,
        arguments: [address, 0, u64::from(IOCTL_SUBMIT_URB), 0],
        ..Parameters::default()
    }
}

impl System {
    /// The URB that `of` says, with the memory to be kept.
    pub(super) fn urb_for(
        &self,
        request: &Obj<Request>,
        device: &Obj<UsbDevice>,
        of: &UrbOf<'_>,
        (function, length): (u32, usize),
    ) -> Result<(Urb, Option<UrbMemory>), NTSTATUS> {
        match of {
            UrbOf::Sender(memory) => Ok((memory.begin(function, length), None)),
            UrbOf::Request => {
                if self.stack_allocates_urb(request, device) && self.faults.fails(Allocation::Urb) {
                    return Err(STATUS_INSUFFICIENT_RESOURCES);
                }
                let memory = UrbMemory::new(length).ok_or(STATUS_INSUFFICIENT_RESOURCES)?;
                Ok((memory.begin(function, length), Some(memory)))
            }
        }
    }

    /// Whether the USB stack allocates the URB: only where it is certain to be freed before the device goes.
    fn stack_allocates_urb(&self, request: &Obj<Request>, device: &Obj<UsbDevice>) -> bool {
        if !device.has_contract {
            return false;
        }
        let mut next = Some(Rc::clone(request.rc()));
        while let Some(object) = next {
            if Obj::<Device>::new(&object).is_some()
                || Obj::<Request>::new(&object).is_some_and(|own| own.is_received())
            {
                return true;
            }
            next = object.parent();
        }
        false
    }

    /// Keeps the memory of a buffer, and says where it is as the framework does for URBs.
    pub(super) fn place_buffer(
        &self,
        request: &Obj<Request>,
        buffer: &RequestBuffer,
    ) -> Result<Place, NTSTATUS> {
        let mdl = match buffer {
            RequestBuffer::Mdl(mdl, _) => *mdl,
            RequestBuffer::Memory(memory, range) if !memory.mdl().is_null() => {
                self.part_of_mdl(request, memory.mdl(), *range)?
            }
            RequestBuffer::None | RequestBuffer::Buffer(..) | RequestBuffer::Memory(..) => {
                ptr::null_mut()
            }
        };
        if let Some(memory) = buffer.memory() {
            self.keep_memory(request, memory);
        }
        let address = if mdl.is_null() {
            buffer.address()
        } else {
            ptr::null_mut()
        };
        address.expose_provenance();
        Ok(Place {
            buffer: address,
            mdl,
            length: urb_length(buffer),
        })
    }

    /// Ends a format: the URB goes into the next stack location, which says nothing else.
    pub(super) fn end_urb_format(&self, request: &Obj<Request>, irp: &Irp, urb: Urb) {
        irp.set_next(parameters(urb));
        request.formatted.set(true);
    }

    /// What an asynchronous format leaves with the request.
    pub(super) fn keep_urb(
        &self,
        request: &Obj<Request>,
        (urb, memory): (Urb, Option<UrbMemory>),
        kind: WDF_USB_REQUEST_TYPE,
        describe: impl FnOnce(&mut _WDF_USB_REQUEST_COMPLETION_PARAMS),
    ) {
        use kmdf_sys::_WDF_USB_REQUEST_TYPE as types;
        let shown = match kind {
            types::WdfUsbRequestTypePipeWrite | types::WdfUsbRequestTypePipeRead => Shown::Transfer,
            types::WdfUsbRequestTypeDeviceControlTransfer => Shown::Control,
            _ => Shown::Nothing,
        };
        let mut parameters = Box::new(_WDF_USB_REQUEST_COMPLETION_PARAMS {
            Type: kind,
            ..Default::default()
        });
        describe(&mut parameters);
        let mut context = Box::new(UrbContext {
            urb,
            _memory: memory,
            shown,
            parameters,
        });
        let mut format = request.format.borrow_mut();
        format.params.Type = request_type::WdfRequestTypeUsb;
        format.params.Parameters.Usb.Completion = &raw mut *context.parameters;
        format.extra = Some(context);
    }

    /// Formats a bulk or interrupt transfer whose buffer and pipe were checked.
    pub(super) fn format_transfer_urb(
        &self,
        request: &Obj<Request>,
        pipe: &Obj<UsbPipe>,
        buffer: &RequestBuffer,
        flags: u32,
        of: &UrbOf<'_>,
    ) -> Result<(Urb, Option<UrbMemory>), NTSTATUS> {
        let irp = self.validate_target(request, &pipe.target)?;
        self.begin_format(request, &irp, ContextType::UsbTransfer)?;
        let structure = (
            URB_FUNCTION_BULK_OR_INTERRUPT_TRANSFER,
            size_of::<_URB_BULK_OR_INTERRUPT_TRANSFER>(),
        );
        let built = self
            .urb_for(request, &self.usb_device_of(pipe.rc()), of, structure)
            .and_then(|urb| {
                let place = self.place_buffer(request, buffer)?;
                Ok((urb, place))
            });
        let ((urb, memory), place) = match built {
            Ok(built) => built,
            Err(status) => {
                self.release_format(request);
                return Err(status);
            }
        };
        urb.write(
            0,
            _URB_BULK_OR_INTERRUPT_TRANSFER {
                Hdr: urb.header(),
                PipeHandle: pipe.information.get().PipeHandle,
                TransferFlags: flags,
                TransferBufferLength: place.length,
                TransferBuffer: place.buffer,
                TransferBufferMDL: place.mdl,
                ..Default::default()
            },
        );
        self.end_urb_format(request, &irp, urb);
        Ok((urb, memory))
    }

    /// Formats a request that concerns a pipe: abort or reset.
    pub(super) fn format_pipe_request(
        &self,
        request: &Obj<Request>,
        pipe: &Obj<UsbPipe>,
        function: u32,
        of: &UrbOf<'_>,
    ) -> Result<(Urb, Option<UrbMemory>), NTSTATUS> {
        let irp = self.validate_target(request, &pipe.target)?;
        self.begin_format(request, &irp, ContextType::UsbPipe)?;
        let device = self.usb_device_of(pipe.rc());
        let (urb, memory) = self.urb_for(
            request,
            &device,
            of,
            (function, size_of::<_URB_PIPE_REQUEST>()),
        )?;
        let handle: USBD_PIPE_HANDLE = pipe.information.get().PipeHandle;
        urb.write(core::mem::offset_of!(_URB_PIPE_REQUEST, PipeHandle), handle);
        self.end_urb_format(request, &irp, urb);
        Ok((urb, memory))
    }

    /// Formats a request with a URB of the driver's.
    pub(super) fn format_driver_urb(
        &self,
        request: &Obj<Request>,
        target: &IoTarget,
        urb: PURB,
        memory: Option<&RequestBuffer>,
    ) -> Result<Urb, NTSTATUS> {
        let irp = self.validate_target(request, target)?;
        self.begin_format(request, &irp, ContextType::UsbUrb)?;
        if let Some(memory) = memory.and_then(RequestBuffer::memory) {
            self.keep_memory(request, memory);
        }
        // SAFETY: the DDI's contract is that the driver passes a URB of the length its header says, which stays valid until
        // the request completes.
        let urb = unsafe { Urb::new(urb) }.ok_or(STATUS_INVALID_PARAMETER)?;
        self.end_urb_format(request, &irp, urb);
        Ok(urb)
    }

    /// `WdfUsbTargetPipeFormatRequestForUrb` and its like for devices, after the handles.
    pub(super) fn format_request_for_urb(
        &self,
        target: &IoTarget,
        request: &Obj<Request>,
        memory: WDFMEMORY,
        offsets: PWDFMEMORY_OFFSET,
        kind: WDF_USB_REQUEST_TYPE,
    ) -> Result<(), NTSTATUS> {
        let buffer = self.memory_range(memory, offsets)?;
        let (size, offset) = match &buffer {
            RequestBuffer::Memory(memory, range) => {
                (memory.size(), range.map_or(0, |range| range.offset))
            }
            _ => (0, 0),
        };
        if size - offset < size_of::<_URB_HEADER>() {
            return Err(STATUS_INVALID_PARAMETER);
        }
        let urb =
            self.format_driver_urb(request, target, buffer.address().cast(), Some(&buffer))?;
        self.keep_urb(request, (urb, None), kind, |parameters| {
            // The URB's memory is at the same place for devices and pipes.
            parameters.Parameters.PipeUrb.Buffer = memory;
        });
        Ok(())
    }
}

/// The length that a URB is given: of a range with an offset and no length it is the whole memory's.
#[allow(
    clippy::cast_possible_truncation,
    reason = "the framework cuts it to 32 bits without a check"
)]
fn urb_length(buffer: &RequestBuffer) -> u32 {
    match buffer {
        RequestBuffer::Memory(memory, range) => match range {
            Some(Range { length, .. }) if *length > 0 => *length as u32,
            _ => memory.size() as u32,
        },
        _ => buffer.length(),
    }
}
