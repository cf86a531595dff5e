//! A USB device below the raw test driver, and what a driver does to take it into use.

#![allow(dead_code, reason = "each test uses a part")]

use std::ptr;

use kmdf_host::{
    CancelDisposition, Disposition, HostConfig, LowerConfig, LowerDevice, LowerIrp, Outcome, Setup,
    UsbDescriptors, UsbDevice, UsbInterface,
};
use kmdf_sys::*;

use crate::common::*;

/// What [`Recorder`] does with one IRP.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UrbReply {
    pub(crate) status: NTSTATUS,
    pub(crate) usbd_status: USBD_STATUS,
    /// The transfer length to store; `None` leaves it.
    pub(crate) length: Option<u32>,
    /// Whether the IRP is held until it is cancelled, and then gets these values.
    pub(crate) pend: bool,
}

impl UrbReply {
    pub(crate) const SUCCESS: Self = Self {
        status: STATUS_SUCCESS,
        usbd_status: 0,
        length: None,
        pend: false,
    };
    pub(crate) const PEND: Self = Self {
        status: STATUS_CANCELLED,
        pend: true,
        ..Self::SUCCESS
    };
}

/// A URB, or another request, as it arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SeenUrb {
    pub(crate) major: u8,
    pub(crate) code: u32,
    pub(crate) function: u16,
    pub(crate) header_length: u16,
    pub(crate) pipe: usize,
    pub(crate) flags: u32,
    pub(crate) buffer: usize,
    pub(crate) mdl: usize,
    pub(crate) length: u32,
    pub(crate) link: usize,
    pub(crate) setup: Option<Setup>,
    pub(crate) data: Vec<u8>,
    pub(crate) stack_flags: u8,
    pub(crate) file: usize,
}

/// Remembers what arrives and answers from a script; the last answer is for all that follow.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    pub(crate) replies: Vec<UrbReply>,
    pub(crate) seen: Vec<SeenUrb>,
}

impl Recorder {
    pub(crate) fn new(replies: &[UrbReply]) -> Self {
        Self {
            replies: replies.to_vec(),
            seen: Vec::new(),
        }
    }

    fn reply(&self, number: usize) -> UrbReply {
        let last = self.replies.last().copied().unwrap_or(UrbReply::SUCCESS);
        self.replies.get(number).copied().unwrap_or(last)
    }
}

fn store(irp: &mut LowerIrp<'_>, reply: &UrbReply) {
    irp.set_usbd_status(reply.usbd_status);
    if let Some(length) = reply.length {
        irp.set_transfer_length(length);
    }
}

fn see(irp: &LowerIrp<'_>) -> SeenUrb {
    let mut seen = SeenUrb {
        major: irp.major(),
        code: irp.code(),
        function: irp.urb_function().unwrap_or(0),
        header_length: irp.urb_length().unwrap_or(0),
        pipe: irp.urb_pipe().unwrap_or(0),
        setup: irp.setup(),
        data: irp.input().to_vec(),
        stack_flags: irp.stack_flags(),
        file: irp.file_object(),
        ..SeenUrb::default()
    };
    if let Some(transfer) = irp.urb_transfer() {
        seen.flags = transfer.TransferFlags;
        seen.buffer = transfer.TransferBuffer.addr();
        seen.mdl = transfer.TransferBufferMDL.addr();
        seen.length = transfer.TransferBufferLength;
        seen.link = transfer.UrbLink.addr();
    }
    seen
}

impl LowerDevice for Recorder {
    fn dispatch(&mut self, irp: &mut LowerIrp<'_>) -> Disposition {
        let reply = self.reply(self.seen.len());
        self.seen.push(see(irp));
        if reply.pend {
            return Disposition::Pend;
        }
        store(irp, &reply);
        Disposition::Complete(Outcome::new(reply.status, u64::from(irp.length())))
    }

    fn cancelled(&mut self, irp: &mut LowerIrp<'_>) -> CancelDisposition {
        let held = self.replies.iter().find(|reply| reply.pend);
        let reply = held.copied().unwrap_or(UrbReply::PEND);
        store(irp, &reply);
        CancelDisposition::Complete(Outcome::new(reply.status, 0))
    }
}

/// Bulk and interrupt endpoints in both directions, and one of each kind that takes no transfers.
pub(crate) fn descriptors() -> UsbDescriptors {
    UsbDescriptors::new(0x1209, 0x0001).interface(
        UsbInterface::new(0)
            .bulk(0x01, 512)
            .bulk(0x81, 512)
            .interrupt(0x02, 64, 4)
            .interrupt(0x82, 64, 4)
            .endpoint(0x03, 1, 192, 1)
            .endpoint(0x04, 0, 64, 0),
    )
}

/// The pipes of [`descriptors`] by index.
pub(crate) const BULK_OUT: u8 = 0;
pub(crate) const BULK_IN: u8 = 1;
pub(crate) const INTERRUPT_OUT: u8 = 2;
pub(crate) const INTERRUPT_IN: u8 = 3;
pub(crate) const ISOCHRONOUS: u8 = 4;
pub(crate) const CONTROL: u8 = 5;

/// A device whose transfers go to a [`Recorder`] with these replies.
pub(crate) fn recorded(replies: &[UrbReply]) -> UsbDevice {
    UsbDevice::new(descriptors()).with_transfers_to(Recorder::new(replies))
}

/// A started stack of the raw driver on `device`.
pub(crate) fn machine(config: HostConfig, device: UsbDevice) -> Bench {
    bench_on(config, device, LowerConfig::new("usb"), Hooks::default())
}

/// A started stack on a device with these descriptors.
pub(crate) fn usb_with(descriptors: UsbDescriptors) -> Bench {
    machine(HostConfig::new(), UsbDevice::new(descriptors))
}

/// What arrived at the [`Recorder`].
pub(crate) fn seen(bench: &Bench) -> Vec<SeenUrb> {
    bench
        .host
        .with_lower(bench.lower, |device: &mut UsbDevice| {
            let recorder: &mut Recorder = device.transfers().expect("the transfers are recorded");
            recorder.seen.clone()
        })
}

pub(crate) fn create_usb() -> (NTSTATUS, WDFUSBDEVICE) {
    let mut usb = ptr::null_mut();
    let status = wdf!(WdfUsbTargetDeviceCreate(
        device(),
        ptr::null_mut(),
        &raw mut usb
    ));
    (status, usb)
}

pub(crate) fn select_params(
    kind: WdfUsbTargetDeviceSelectConfigType,
) -> WDF_USB_DEVICE_SELECT_CONFIG_PARAMS {
    WDF_USB_DEVICE_SELECT_CONFIG_PARAMS {
        Size: size::<WDF_USB_DEVICE_SELECT_CONFIG_PARAMS>(),
        Type: kind,
        ..Default::default()
    }
}

pub(crate) fn select(
    usb: WDFUSBDEVICE,
    params: &mut WDF_USB_DEVICE_SELECT_CONFIG_PARAMS,
) -> NTSTATUS {
    wdf!(WdfUsbTargetDeviceSelectConfig(
        usb,
        ptr::null_mut(),
        &raw mut *params
    ))
}

pub(crate) const SINGLE: i32 =
    _WdfUsbTargetDeviceSelectConfigType::WdfUsbTargetDeviceSelectConfigTypeSingleInterface;

/// A WDFUSBDEVICE with its single interface configured.
pub(crate) fn configured() -> WDFUSBDEVICE {
    let (status, usb) = create_usb();
    assert_eq!(status, STATUS_SUCCESS);
    assert_eq!(select(usb, &mut select_params(SINGLE)), STATUS_SUCCESS);
    usb
}

pub(crate) fn pipe_of(usb: WDFUSBDEVICE, index: u8) -> WDFUSBPIPE {
    let interface = wdf!(WdfUsbTargetDeviceGetInterface(usb, 0));
    wdf!(WdfUsbInterfaceGetConfiguredPipe(
        interface,
        index,
        ptr::null_mut()
    ))
}

/// A pipe of a freshly configured device.
pub(crate) fn pipe(index: u8) -> WDFUSBPIPE {
    pipe_of(configured(), index)
}

/// A synchronous write to a pipe: the status, and the count, which begins as `0xDEAD`.
pub(crate) fn pipe_write(
    pipe: WDFUSBPIPE,
    request: WDFREQUEST,
    descriptor: Option<WDF_MEMORY_DESCRIPTOR>,
    options: Option<WDF_REQUEST_SEND_OPTIONS>,
) -> (NTSTATUS, u32) {
    let (mut descriptor, mut options, mut moved) = (descriptor, options, 0xDEAD_u32);
    let status = wdf!(WdfUsbTargetPipeWriteSynchronously(
        pipe,
        request,
        pointer(&mut options),
        pointer(&mut descriptor),
        &raw mut moved
    ));
    (status, moved)
}

pub(crate) fn pipe_read(
    pipe: WDFUSBPIPE,
    buffer: &mut [u8],
    options: Option<WDF_REQUEST_SEND_OPTIONS>,
) -> (NTSTATUS, u32) {
    let length = u32::try_from(buffer.len()).expect("a small buffer");
    let mut descriptor = buffer_descriptor(buffer.as_mut_ptr(), length);
    let (mut options, mut moved) = (options, 0xDEAD_u32);
    let status = wdf!(WdfUsbTargetPipeReadSynchronously(
        pipe,
        ptr::null_mut(),
        pointer(&mut options),
        &raw mut descriptor,
        &raw mut moved
    ));
    (status, moved)
}

pub(crate) fn pointer<T>(value: &mut Option<T>) -> *mut T {
    value
        .as_mut()
        .map_or(ptr::null_mut(), |value| &raw mut *value)
}

pub(crate) fn of(data: &[u8]) -> Option<WDF_MEMORY_DESCRIPTOR> {
    let length = u32::try_from(data.len()).expect("a small buffer");
    Some(buffer_descriptor(data.as_ptr(), length))
}

/// Ends the run and demands that nothing was found wrong.
pub(crate) fn finish(bench: Bench) {
    let report = bench.host.finish();
    assert!(report.is_clean(), "{report}");
}
