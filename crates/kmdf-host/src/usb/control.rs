//! Control transfers and a driver's own URBs to a WDFUSBDEVICE.

use core::mem::offset_of;

use kmdf_sys::{
    _URB_CONTROL_TRANSFER, _WDF_USB_CONTROL_SETUP_PACKET, _WDF_USB_REQUEST_TYPE as request_types,
    NT_SUCCESS, NTSTATUS, PULONG, PURB, PWDF_MEMORY_DESCRIPTOR, PWDF_REQUEST_SEND_OPTIONS,
    PWDF_USB_CONTROL_SETUP_PACKET, PWDFMEMORY_OFFSET, STATUS_INVALID_PARAMETER,
    URB_FUNCTION_CONTROL_TRANSFER, USBD_DEFAULT_PIPE_TRANSFER, USBD_SHORT_TRANSFER_OK,
    USBD_TRANSFER_DIRECTION_IN, WDFMEMORY, WDFREQUEST, WDFUSBDEVICE,
};

use super::UsbDevice;
use super::format::UrbOf;
use super::urb::{Urb, UrbMemory};
use crate::fx::class::Obj;
use crate::fx::request::Request;
use crate::fx::request::format::ContextType;
use crate::fx::target::buffer::{Nothing, RequestBuffer};
use crate::fx::target::format_ddi::status_of;
use crate::system::System;

/// The most that a control transfer can move.
const MAXIMUM_LENGTH: u32 = 0xFFFF;
/// Bit of `bmRequestType`.
const DEVICE_TO_HOST: u8 = 0x80;

impl System {
    /// `WdfUsbTargetDeviceSendControlTransferSynchronously`.
    pub(crate) fn wdf_usb_target_device_send_control_transfer_synchronously(
        &self,
        usb: WDFUSBDEVICE,
        request: WDFREQUEST,
        options: PWDF_REQUEST_SEND_OPTIONS,
        setup: PWDF_USB_CONTROL_SETUP_PACKET,
        buffer: PWDF_MEMORY_DESCRIPTOR,
        moved: PULONG,
    ) -> NTSTATUS {
        let usb: Obj<UsbDevice> = self.object(usb);
        let request = self.begin_sync_request(request);
        self.require(setup, "SetupPacket");
        let memory = self.take_urb();
        let formatted = self.check_sync(options).and_then(|options| {
            let buffer = self.descriptor(buffer, Nothing::Allowed)?;
            let setup = self.get(setup);
            let (urb, _) = self.format_control_transfer(
                &request,
                &usb,
                &setup,
                &buffer,
                &UrbOf::Sender(&memory),
            )?;
            Ok((options, urb))
        });
        let status = match formatted {
            Ok((options, urb)) => {
                let status = self.submit_and_wait(&request, &usb.io_target(), options);
                self.put(
                    moved,
                    if NT_SUCCESS(status) {
                        urb.transfer_length()
                    } else {
                        0
                    },
                );
                status
            }
            Err(status) => status,
        };
        self.end_sync_request(&request);
        self.give_urb(memory);
        status
    }

    /// `WdfUsbTargetDeviceFormatRequestForControlTransfer`.
    pub(crate) fn wdf_usb_target_device_format_request_for_control_transfer(
        &self,
        usb: WDFUSBDEVICE,
        request: WDFREQUEST,
        setup: PWDF_USB_CONTROL_SETUP_PACKET,
        memory: WDFMEMORY,
        offsets: PWDFMEMORY_OFFSET,
    ) -> NTSTATUS {
        let usb: Obj<UsbDevice> = self.object(usb);
        self.require(setup, "SetupPacket");
        let request: Obj<Request> = self.object(request);
        let setup = self.get(setup);
        status_of(self.memory_range(memory, offsets).and_then(|buffer| {
            let urb =
                self.format_control_transfer(&request, &usb, &setup, &buffer, &UrbOf::Request)?;
            let (handle, _) = buffer.shown();
            let kind = request_types::WdfUsbRequestTypeDeviceControlTransfer;
            self.keep_urb(&request, urb, kind, |parameters| {
                parameters.Parameters.DeviceControlTransfer.Buffer = handle;
                parameters.Parameters.DeviceControlTransfer.SetupPacket = setup;
                parameters.Parameters.DeviceControlTransfer.Length = buffer.length();
            });
            Ok(())
        }))
    }

    fn format_control_transfer(
        &self,
        request: &Obj<Request>,
        usb: &Obj<UsbDevice>,
        setup: &_WDF_USB_CONTROL_SETUP_PACKET,
        buffer: &RequestBuffer,
        of: &UrbOf<'_>,
    ) -> Result<(Urb, Option<UrbMemory>), NTSTATUS> {
        if buffer.length() > MAXIMUM_LENGTH {
            return Err(STATUS_INVALID_PARAMETER);
        }
        let irp = self.validate_target(request, &usb.target)?;
        self.begin_format(request, &irp, ContextType::UsbControl)?;
        let structure = (
            URB_FUNCTION_CONTROL_TRANSFER,
            size_of::<_URB_CONTROL_TRANSFER>(),
        );
        let built = self.urb_for(request, usb, of, structure).and_then(|urb| {
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
        // SAFETY: both members of the union are eight bytes.
        let mut packet = unsafe { setup.Generic.Bytes };
        let [.., low, high] = &mut packet;
        [*low, *high] = u16::try_from(place.length)
            .unwrap_or(u16::MAX)
            .to_le_bytes();
        let direction = if packet[0] & DEVICE_TO_HOST == 0 {
            0
        } else {
            USBD_TRANSFER_DIRECTION_IN
        };
        let (pipe, default_pipe) = if usb.on_usbd.get() {
            (usb.control_pipe.get(), 0)
        } else {
            (core::ptr::null_mut(), USBD_DEFAULT_PIPE_TRANSFER)
        };
        urb.write(
            0,
            _URB_CONTROL_TRANSFER {
                Hdr: urb.header(),
                PipeHandle: pipe,
                TransferFlags: USBD_SHORT_TRANSFER_OK | direction | default_pipe,
                TransferBufferLength: place.length,
                TransferBuffer: place.buffer,
                TransferBufferMDL: place.mdl,
                SetupPacket: packet,
                ..Default::default()
            },
        );
        debug_assert_eq!(
            urb.field::<[u8; 8]>(offset_of!(_URB_CONTROL_TRANSFER, SetupPacket)),
            Some(packet)
        );
        self.end_urb_format(request, &irp, urb);
        Ok((urb, memory))
    }

    /// `WdfUsbTargetDeviceSendUrbSynchronously`.
    pub(crate) fn wdf_usb_target_device_send_urb_synchronously(
        &self,
        usb: WDFUSBDEVICE,
        request: WDFREQUEST,
        options: PWDF_REQUEST_SEND_OPTIONS,
        urb: PURB,
    ) -> NTSTATUS {
        let usb: Obj<UsbDevice> = self.object(usb);
        self.send_driver_urb(usb.rc(), request, options, urb)
    }

    /// `WdfUsbTargetDeviceFormatRequestForUrb`.
    pub(crate) fn wdf_usb_target_device_format_request_for_urb(
        &self,
        usb: WDFUSBDEVICE,
        request: WDFREQUEST,
        memory: WDFMEMORY,
        offsets: PWDFMEMORY_OFFSET,
    ) -> NTSTATUS {
        let usb: Obj<UsbDevice> = self.object(usb);
        self.require(memory, "UrbMemory");
        self.memory(memory);
        let request: Obj<Request> = self.object(request);
        let kind = request_types::WdfUsbRequestTypeDeviceUrb;
        status_of(self.format_request_for_urb(&usb.target, &request, memory, offsets, kind))
    }
}
