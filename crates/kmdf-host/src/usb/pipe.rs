//! WDFUSBPIPE: what pipes are, and sending to them.

use std::rc::Rc;

use kmdf_sys::{
    _USBD_PIPE_TYPE as usbd_types, _WDF_USB_PIPE_TYPE as types,
    _WDF_USB_REQUEST_TYPE as request_types, BOOLEAN, NTSTATUS, PULONG, PURB,
    PWDF_MEMORY_DESCRIPTOR, PWDF_REQUEST_SEND_OPTIONS, PWDF_USB_PIPE_INFORMATION,
    PWDFMEMORY_OFFSET, STATUS_INVALID_BUFFER_SIZE, STATUS_INVALID_DEVICE_REQUEST, ULONG,
    URB_FUNCTION_ABORT_PIPE, URB_FUNCTION_RESET_PIPE, USBD_PIPE_HANDLE, USBD_SHORT_TRANSFER_OK,
    USBD_TRANSFER_DIRECTION_IN, WDF_USB_PIPE_TYPE, WDFMEMORY, WDFREQUEST, WDFUSBPIPE,
};

use super::UsbPipe;
use super::format::UrbOf;
use super::urb::Urb;
use crate::fx::class::Obj;
use crate::fx::object::Object;
use crate::fx::request::Request;
use crate::fx::target::buffer::{Nothing, RequestBuffer};
use crate::fx::target::format_ddi::status_of;
use crate::fx::target::submit::SendOptions;
use crate::system::System;

/// Bit of an endpoint's address.
const IN: u8 = 0x80;
const WRITE: ULONG = 0;
const READ: ULONG = USBD_TRANSFER_DIRECTION_IN | USBD_SHORT_TRANSFER_OK;

/// `WDF_USB_PIPE_TYPE` of a `USBD_PIPE_TYPE`.
pub(super) const fn pipe_type(usbd_type: i32) -> WDF_USB_PIPE_TYPE {
    match usbd_type {
        usbd_types::UsbdPipeTypeControl => types::WdfUsbPipeTypeControl,
        usbd_types::UsbdPipeTypeIsochronous => types::WdfUsbPipeTypeIsochronous,
        usbd_types::UsbdPipeTypeBulk => types::WdfUsbPipeTypeBulk,
        usbd_types::UsbdPipeTypeInterrupt => types::WdfUsbPipeTypeInterrupt,
        _ => types::WdfUsbPipeTypeInvalid,
    }
}

impl UsbPipe {
    fn is_in(&self) -> bool {
        self.information.get().EndpointAddress & IN != 0
    }

    /// Only bulk and interrupt pipes take transfers.
    pub(super) fn takes_transfers(&self) -> bool {
        matches!(
            pipe_type(self.information.get().PipeType),
            types::WdfUsbPipeTypeBulk | types::WdfUsbPipeTypeInterrupt
        )
    }

    /// A read must ask for whole packets, unless the check is off.
    pub(super) fn allows_length(&self, length: usize) -> bool {
        let packet = usize::from(self.information.get().MaximumPacketSize);
        !self.check_packet_size.get() || length.checked_rem(packet).is_none_or(|rest| rest == 0)
    }

    /// The checks of a transfer that come before its target is looked at.
    fn check_transfer(&self, length: u32, flags: ULONG) -> Result<(), NTSTATUS> {
        if !self.takes_transfers() || self.is_in() != (flags & USBD_TRANSFER_DIRECTION_IN != 0) {
            return Err(STATUS_INVALID_DEVICE_REQUEST);
        }
        if self.is_in() && !self.allows_length(length as usize) {
            return Err(STATUS_INVALID_BUFFER_SIZE);
        }
        Ok(())
    }

    pub(super) const fn is_out(&self) -> bool {
        self.information.get().EndpointAddress & IN == 0
    }
}

impl System {
    /// Fills a `WDF_USB_PIPE_INFORMATION`, but for its size.
    pub(super) fn put_pipe_information(&self, pipe: &Obj<UsbPipe>, out: PWDF_USB_PIPE_INFORMATION) {
        let known = pipe.information.get();
        let mut information = self.get(out);
        information.MaximumPacketSize = u32::from(known.MaximumPacketSize);
        information.EndpointAddress = known.EndpointAddress;
        information.Interval = known.Interval;
        information.PipeType = pipe_type(known.PipeType);
        information.MaximumTransferSize = known.MaximumTransferSize;
        information.SettingIndex = pipe
            .interface()
            .map_or(0, |interface| interface.current.get());
        self.put(out, information);
    }

    /// `WdfUsbTargetPipeGetInformation`.
    pub(crate) fn wdf_usb_target_pipe_get_information(
        &self,
        pipe: WDFUSBPIPE,
        out: PWDF_USB_PIPE_INFORMATION,
    ) {
        let pipe: Obj<UsbPipe> = self.object(pipe);
        self.require(out, "PipeInformation");
        self.put_pipe_information(&pipe, out);
    }

    /// `WdfUsbTargetPipeIsInEndpoint`.
    pub(crate) fn wdf_usb_target_pipe_is_in_endpoint(&self, pipe: WDFUSBPIPE) -> BOOLEAN {
        let pipe: Obj<UsbPipe> = self.object(pipe);
        u8::from(pipe.is_in())
    }

    /// `WdfUsbTargetPipeIsOutEndpoint`.
    pub(crate) fn wdf_usb_target_pipe_is_out_endpoint(&self, pipe: WDFUSBPIPE) -> BOOLEAN {
        let pipe: Obj<UsbPipe> = self.object(pipe);
        u8::from(pipe.is_out())
    }

    /// `WdfUsbTargetPipeGetType`.
    pub(crate) fn wdf_usb_target_pipe_get_type(&self, pipe: WDFUSBPIPE) -> WDF_USB_PIPE_TYPE {
        let pipe: Obj<UsbPipe> = self.object(pipe);
        pipe_type(pipe.information.get().PipeType)
    }

    /// `WdfUsbTargetPipeSetNoMaximumPacketSizeCheck`.
    pub(crate) fn wdf_usb_target_pipe_set_no_maximum_packet_size_check(&self, pipe: WDFUSBPIPE) {
        let pipe: Obj<UsbPipe> = self.object(pipe);
        pipe.check_packet_size.set(false);
    }

    /// `WdfUsbTargetPipeWdmGetPipeHandle`.
    pub(crate) fn wdf_usb_target_pipe_wdm_get_pipe_handle(
        &self,
        pipe: WDFUSBPIPE,
    ) -> USBD_PIPE_HANDLE {
        let pipe: Obj<UsbPipe> = self.object(pipe);
        pipe.information.get().PipeHandle
    }

    /// `WdfUsbTargetPipeWriteSynchronously`.
    pub(crate) fn wdf_usb_target_pipe_write_synchronously(
        &self,
        pipe: WDFUSBPIPE,
        request: WDFREQUEST,
        options: PWDF_REQUEST_SEND_OPTIONS,
        buffer: PWDF_MEMORY_DESCRIPTOR,
        moved: PULONG,
    ) -> NTSTATUS {
        self.pipe_transfer(pipe, request, options, buffer, moved, WRITE)
    }

    /// `WdfUsbTargetPipeReadSynchronously`.
    pub(crate) fn wdf_usb_target_pipe_read_synchronously(
        &self,
        pipe: WDFUSBPIPE,
        request: WDFREQUEST,
        options: PWDF_REQUEST_SEND_OPTIONS,
        buffer: PWDF_MEMORY_DESCRIPTOR,
        moved: PULONG,
    ) -> NTSTATUS {
        self.pipe_transfer(pipe, request, options, buffer, moved, READ)
    }

    fn pipe_transfer(
        &self,
        pipe: WDFUSBPIPE,
        request: WDFREQUEST,
        options: PWDF_REQUEST_SEND_OPTIONS,
        buffer: PWDF_MEMORY_DESCRIPTOR,
        moved: PULONG,
        flags: ULONG,
    ) -> NTSTATUS {
        let pipe: Obj<UsbPipe> = self.object(pipe);
        let request = self.begin_sync_request(request);
        self.put(moved, 0);
        let memory = self.take_urb();
        let formatted = self.check_sync(options).and_then(|options| {
            let buffer = self.descriptor(buffer, Nothing::Refused)?;
            let urb = self.format_pipe_transfer(
                &request,
                &pipe,
                &buffer,
                flags,
                &UrbOf::Sender(&memory),
            )?;
            Ok((options, urb))
        });
        let status = match formatted {
            Ok((options, urb)) => {
                let status = self.submit_and_wait(&request, &pipe.io_target(), options);
                // Also when it was never sent: then it is the length that was asked for.
                self.put(moved, urb.transfer_length());
                status
            }
            Err(status) => status,
        };
        self.end_sync_request(&request);
        self.give_urb(memory);
        status
    }

    fn format_pipe_transfer(
        &self,
        request: &Obj<Request>,
        pipe: &Obj<UsbPipe>,
        buffer: &RequestBuffer,
        flags: ULONG,
        of: &UrbOf<'_>,
    ) -> Result<Urb, NTSTATUS> {
        pipe.check_transfer(buffer.length(), flags)?;
        let (urb, memory) = self.format_transfer_urb(request, pipe, buffer, flags, of)?;
        if matches!(of, UrbOf::Request) {
            let (handle, offset) = buffer.shown();
            let kind = if flags & USBD_TRANSFER_DIRECTION_IN == 0 {
                request_types::WdfUsbRequestTypePipeWrite
            } else {
                request_types::WdfUsbRequestTypePipeRead
            };
            self.keep_urb(request, (urb, memory), kind, |parameters| {
                // Reads and writes have the same layout.
                parameters.Parameters.PipeWrite.Buffer = handle;
                parameters.Parameters.PipeWrite.Offset = offset;
                parameters.Parameters.PipeWrite.Length = buffer.length() as usize;
            });
        }
        Ok(urb)
    }

    /// `WdfUsbTargetPipeFormatRequestForWrite`.
    pub(crate) fn wdf_usb_target_pipe_format_request_for_write(
        &self,
        pipe: WDFUSBPIPE,
        request: WDFREQUEST,
        memory: WDFMEMORY,
        offsets: PWDFMEMORY_OFFSET,
    ) -> NTSTATUS {
        self.pipe_format(pipe, request, memory, offsets, WRITE)
    }

    /// `WdfUsbTargetPipeFormatRequestForRead`.
    pub(crate) fn wdf_usb_target_pipe_format_request_for_read(
        &self,
        pipe: WDFUSBPIPE,
        request: WDFREQUEST,
        memory: WDFMEMORY,
        offsets: PWDFMEMORY_OFFSET,
    ) -> NTSTATUS {
        self.pipe_format(pipe, request, memory, offsets, READ)
    }

    fn pipe_format(
        &self,
        pipe: WDFUSBPIPE,
        request: WDFREQUEST,
        memory: WDFMEMORY,
        offsets: PWDFMEMORY_OFFSET,
        flags: ULONG,
    ) -> NTSTATUS {
        let pipe: Obj<UsbPipe> = self.object(pipe);
        let request: Obj<Request> = self.object(request);
        status_of(self.memory_range(memory, offsets).and_then(|buffer| {
            self.format_pipe_transfer(&request, &pipe, &buffer, flags, &UrbOf::Request)
                .map(drop)
        }))
    }

    /// Formats a read of a continuous reader.
    pub(super) fn format_reader(
        &self,
        request: &Obj<Request>,
        pipe: &Obj<UsbPipe>,
        buffer: &RequestBuffer,
    ) -> Result<(), NTSTATUS> {
        self.format_pipe_transfer(request, pipe, buffer, READ, &UrbOf::Request)
            .map(drop)
    }

    /// `WdfUsbTargetPipeAbortSynchronously`.
    pub(crate) fn wdf_usb_target_pipe_abort_synchronously(
        &self,
        pipe: WDFUSBPIPE,
        request: WDFREQUEST,
        options: PWDF_REQUEST_SEND_OPTIONS,
    ) -> NTSTATUS {
        let pipe: Obj<UsbPipe> = self.object(pipe);
        let request = self.begin_sync_request(request);
        let options = self.check_sync(options);
        let status = match options {
            Ok(options) => {
                self.send_pipe_request(&pipe, &request, options, URB_FUNCTION_ABORT_PIPE)
            }
            Err(status) => status,
        };
        self.end_sync_request(&request);
        status
    }

    /// `WdfUsbTargetPipeResetSynchronously`.
    pub(crate) fn wdf_usb_target_pipe_reset_synchronously(
        &self,
        pipe: WDFUSBPIPE,
        request: WDFREQUEST,
        options: PWDF_REQUEST_SEND_OPTIONS,
    ) -> NTSTATUS {
        let pipe: Obj<UsbPipe> = self.object(pipe);
        let request = self.begin_sync_request(request);
        let options = self.check_sync(options);
        let status = match options {
            Ok(options) => {
                let options = SendOptions {
                    ignores_state: true,
                    ..options
                };
                self.send_pipe_request(&pipe, &request, options, URB_FUNCTION_RESET_PIPE)
            }
            Err(status) => status,
        };
        self.end_sync_request(&request);
        status
    }

    /// Resets a pipe for the framework itself.
    pub(super) fn reset_pipe(&self, pipe: &Obj<UsbPipe>) -> NTSTATUS {
        let request = self.take_internal_request();
        let options = super::own_options(true, None);
        let status = self.send_pipe_request(pipe, &request, options, URB_FUNCTION_RESET_PIPE);
        self.return_internal_request(&request);
        status
    }

    /// Sends an abort or a reset. Before a reset, and only once it is formatted, the pipe's I/O is cancelled.
    fn send_pipe_request(
        &self,
        pipe: &Obj<UsbPipe>,
        request: &Obj<Request>,
        options: SendOptions,
        function: u32,
    ) -> NTSTATUS {
        let memory = self.take_urb();
        let status =
            match self.format_pipe_request(request, pipe, function, &UrbOf::Sender(&memory)) {
                Ok(_) => {
                    if function == URB_FUNCTION_RESET_PIPE {
                        self.cancel_sent(&pipe.target);
                    }
                    self.submit_and_wait(request, &pipe.io_target(), options)
                }
                Err(status) => status,
            };
        self.give_urb(memory);
        status
    }

    /// `WdfUsbTargetPipeFormatRequestForAbort`.
    pub(crate) fn wdf_usb_target_pipe_format_request_for_abort(
        &self,
        pipe: WDFUSBPIPE,
        request: WDFREQUEST,
    ) -> NTSTATUS {
        self.pipe_request_format(
            pipe,
            request,
            URB_FUNCTION_ABORT_PIPE,
            request_types::WdfUsbRequestTypePipeAbort,
        )
    }

    /// `WdfUsbTargetPipeFormatRequestForReset`.
    pub(crate) fn wdf_usb_target_pipe_format_request_for_reset(
        &self,
        pipe: WDFUSBPIPE,
        request: WDFREQUEST,
    ) -> NTSTATUS {
        self.pipe_request_format(
            pipe,
            request,
            URB_FUNCTION_RESET_PIPE,
            request_types::WdfUsbRequestTypePipeReset,
        )
    }

    fn pipe_request_format(
        &self,
        pipe: WDFUSBPIPE,
        request: WDFREQUEST,
        function: u32,
        kind: i32,
    ) -> NTSTATUS {
        let pipe: Obj<UsbPipe> = self.object(pipe);
        let request: Obj<Request> = self.object(request);
        status_of(
            self.format_pipe_request(&request, &pipe, function, &UrbOf::Request)
                .map(|urb| {
                    self.keep_urb(&request, urb, kind, |_| {});
                }),
        )
    }

    /// `WdfUsbTargetPipeSendUrbSynchronously`.
    pub(crate) fn wdf_usb_target_pipe_send_urb_synchronously(
        &self,
        pipe: WDFUSBPIPE,
        request: WDFREQUEST,
        options: PWDF_REQUEST_SEND_OPTIONS,
        urb: PURB,
    ) -> NTSTATUS {
        let pipe: Obj<UsbPipe> = self.object(pipe);
        self.send_driver_urb(pipe.rc(), request, options, urb)
    }

    /// Sends a driver's URB to a device or pipe.
    pub(super) fn send_driver_urb(
        &self,
        target: &Rc<Object>,
        request: WDFREQUEST,
        options: PWDF_REQUEST_SEND_OPTIONS,
        urb: PURB,
    ) -> NTSTATUS {
        let target = super::io_target(target);
        let request = self.begin_sync_request(request);
        self.require(urb, "Urb");
        let formatted = self.check_sync(options).and_then(|options| {
            urb.expose_provenance();
            self.format_driver_urb(&request, &target, urb, None)?;
            Ok(options)
        });
        let status = match formatted {
            Ok(options) => self.submit_and_wait(&request, &target, options),
            Err(status) => status,
        };
        self.end_sync_request(&request);
        status
    }

    /// `WdfUsbTargetPipeFormatRequestForUrb`.
    pub(crate) fn wdf_usb_target_pipe_format_request_for_urb(
        &self,
        pipe: WDFUSBPIPE,
        request: WDFREQUEST,
        memory: WDFMEMORY,
        offsets: PWDFMEMORY_OFFSET,
    ) -> NTSTATUS {
        let pipe: Obj<UsbPipe> = self.object(pipe);
        // The memory's handle is resolved before the request's.
        self.memory(memory);
        let request: Obj<Request> = self.object(request);
        let kind = request_types::WdfUsbRequestTypePipeUrb;
        status_of(self.format_request_for_urb(&pipe.target, &request, memory, offsets, kind))
    }

    /// A pipe below an interface, as selecting a setting makes it.
    pub(super) fn create_pipe(
        &self,
        interface: &Rc<Object>,
        attributes: &crate::fx::attributes::Attributes,
    ) -> Result<Obj<UsbPipe>, NTSTATUS> {
        let device = self.usb_device_of(interface);
        let below = device
            .target
            .device
            .borrow()
            .clone()
            .ok_or(kmdf_sys::STATUS_INVALID_DEVICE_STATE)?;
        let pipe = UsbPipe::new(&below, Default::default());
        let object =
            self.create_object(crate::fx::class::Kind::UsbPipe(pipe), interface, attributes)?;
        object.no_delete.set(true);
        object.passive_dispose.set(true);
        Ok(Obj::new(&object).expect("it was made a pipe"))
    }
}
