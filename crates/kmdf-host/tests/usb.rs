//! The framework's USB targets: what each DDI checks, sends and returns.

mod common;
mod usb_support;

use std::ptr;
use std::rc::Rc;

use common::*;
use kmdf_host::{HostConfig, UsbDescriptors, UsbDevice, UsbInterface};
use kmdf_sys::missing::*;
use kmdf_sys::*;
use usb_support::*;

fn ramp(length: u8) -> Vec<u8> {
    (0..length).collect()
}

#[test]
fn a_bulk_write_is_one_urb_over_the_callers_buffer() {
    let bench = machine(HostConfig::new(), recorded(&[]));
    let (result, address, handle) = on_thread(&bench.host, || {
        let pipe = pipe(BULK_OUT);
        let data = ramp(64);
        let result = pipe_write(pipe, ptr::null_mut(), of(&data), None);
        let handle = wdf!(WdfUsbTargetPipeWdmGetPipeHandle(pipe));
        (result, data.as_ptr().addr(), handle.addr())
    });
    assert_eq!(result, (STATUS_SUCCESS, 64));
    let expected = SeenUrb {
        major: 15,
        code: IOCTL_INTERNAL_USB_SUBMIT_URB,
        function: 9,
        header_length: 128,
        pipe: handle,
        flags: 0,
        buffer: address,
        mdl: 0,
        length: 64,
        link: 0,
        setup: [0; 8],
        data: ramp(64),
        stack_flags: 0,
        file: 0,
    };
    assert_eq!(seen(&bench), [expected]);
    finish(bench);
}

#[test]
fn the_checks_of_a_transfer_come_in_order() {
    let small = ramp(64);
    let bench = machine(HostConfig::new(), recorded(&[]));
    on_thread(&bench.host, move || {
        let usb = configured();
        let mut bad_size = options(0, 0);
        bad_size.Size = 0;
        let null = buffer_descriptor(ptr::null(), 0);
        let none = ptr::null_mut();
        let write =
            |index, descriptor, options| pipe_write(pipe_of(usb, index), none, descriptor, options);
        // The count is zeroed before anything is looked at.
        assert_eq!(
            write(BULK_OUT, Some(null), None),
            (STATUS_INVALID_PARAMETER, 0)
        );
        assert_eq!(
            write(BULK_IN, Some(null), Some(bad_size)),
            (STATUS_INFO_LENGTH_MISMATCH, 0)
        );
        assert_eq!(
            write(BULK_OUT, of(&small), Some(options(0x10, 0))),
            (STATUS_INVALID_PARAMETER, 0)
        );
        for index in [BULK_IN, INTERRUPT_IN, ISOCHRONOUS, CONTROL] {
            assert_eq!(
                write(index, of(&small), None),
                (STATUS_INVALID_DEVICE_REQUEST, 0),
                "{index}"
            );
        }
        let memory = create_memory(&small);
        let mut beyond = WDFMEMORY_OFFSET {
            BufferOffset: 0,
            BufferLength: 65,
        };
        let descriptor = memory_descriptor(memory, &raw mut beyond);
        assert_eq!(
            write(BULK_OUT, Some(descriptor), None),
            (STATUS_INTEGER_OVERFLOW, 0)
        );
        let mut buffer = [0; 512];
        let read = |index, buffer: &mut [u8]| pipe_read(pipe_of(usb, index), buffer, None);
        assert_eq!(
            read(BULK_IN, &mut buffer[..100]),
            (STATUS_INVALID_BUFFER_SIZE, 0)
        );
        for index in [BULK_OUT, ISOCHRONOUS, CONTROL] {
            assert_eq!(
                read(index, &mut buffer),
                (STATUS_INVALID_DEVICE_REQUEST, 0),
                "{index}"
            );
        }
        wdf!(WdfUsbTargetPipeSetNoMaximumPacketSizeCheck(pipe_of(
            usb, BULK_IN
        )));
        assert_eq!(read(BULK_IN, &mut buffer[..100]), (STATUS_SUCCESS, 100));
        // Writes need no multiple of the packet size, and a missing descriptor is a packet of length zero.
        assert_eq!(
            write(INTERRUPT_OUT, of(&small[..63]), None),
            (STATUS_SUCCESS, 63)
        );
        assert_eq!(write(BULK_OUT, None, None), (STATUS_SUCCESS, 0));
        delete(memory);
    });
    let arrived: Vec<_> = seen(&bench)
        .iter()
        .map(|urb| (urb.flags, urb.length, urb.buffer == 0))
        .collect();
    assert_eq!(arrived, [(3, 100, false), (0, 63, false), (0, 0, true)]);
    finish(bench);
}

#[test]
fn ranges_of_memory() {
    let bench = machine(HostConfig::new(), recorded(&[]));
    let (results, start) = on_thread(&bench.host, || {
        let pipe = pipe(BULK_OUT);
        let memory = create_memory(&ramp(64));
        let write = |offset, length| {
            let mut range = WDFMEMORY_OFFSET {
                BufferOffset: offset,
                BufferLength: length,
            };
            let descriptor = memory_descriptor(memory, &raw mut range);
            pipe_write(pipe, ptr::null_mut(), Some(descriptor), None)
        };
        let whole = memory_descriptor(memory, ptr::null_mut());
        let results = [
            pipe_write(pipe, ptr::null_mut(), Some(whole), None),
            write(16, 8),
            write(0, 0),
        ];
        let start = wdf!(WdfMemoryGetBuffer(memory, ptr::null_mut()));
        delete(memory);
        (results, start.addr())
    });
    assert_eq!(
        results,
        [
            (STATUS_SUCCESS, 64),
            (STATUS_SUCCESS, 8),
            (STATUS_SUCCESS, 64)
        ]
    );
    let arrived: Vec<_> = seen(&bench)
        .iter()
        .map(|urb| (urb.buffer - start, urb.length, urb.data[0]))
        .collect();
    assert_eq!(arrived, [(0, 64, 0), (16, 8, 16), (0, 64, 0)]);
    finish(bench);
}

/// An offset without a length moves the pointer, but not the end: the transfer runs past the memory.
#[test]
fn an_offset_without_a_length_overruns_the_memory() {
    let bench = machine(HostConfig::new(), recorded(&[]));
    let result = on_thread(&bench.host, || {
        let pipe = pipe(BULK_OUT);
        // The preallocated memory is the first half of the buffer, so that the overrun stays inside it.
        let mut buffer = ramp(128);
        let mut memory = ptr::null_mut();
        let status = wdf!(WdfMemoryCreatePreallocated(
            ptr::null_mut(),
            buffer.as_mut_ptr().cast(),
            64,
            &raw mut memory
        ));
        assert_eq!(status, STATUS_SUCCESS);
        let mut range = WDFMEMORY_OFFSET {
            BufferOffset: 4,
            BufferLength: 0,
        };
        let descriptor = memory_descriptor(memory, &raw mut range);
        let result = pipe_write(pipe, ptr::null_mut(), Some(descriptor), None);
        delete(memory);
        result
    });
    assert_eq!(result, (STATUS_SUCCESS, 64));
    assert_eq!(seen(&bench)[0].data, ramp(68)[4..]);
    finish(bench);
}

#[test]
fn status_and_count_come_from_below() {
    let stall = UrbReply {
        status: STATUS_UNSUCCESSFUL,
        usbd_status: USBD_STATUS_STALL_PID,
        ..UrbReply::SUCCESS
    };
    let cases = [
        (
            UrbReply {
                length: Some(5),
                ..UrbReply::SUCCESS
            },
            (STATUS_SUCCESS, 5),
        ),
        (stall, (STATUS_UNSUCCESSFUL, 16)),
        (
            UrbReply {
                length: Some(7),
                ..stall
            },
            (STATUS_UNSUCCESSFUL, 7),
        ),
        (
            UrbReply {
                status: STATUS_BUFFER_OVERFLOW,
                ..UrbReply::SUCCESS
            },
            (STATUS_BUFFER_OVERFLOW, 16),
        ),
    ];
    for (reply, expected) in cases {
        let bench = machine(HostConfig::new(), recorded(&[reply]));
        let result = on_thread(&bench.host, || {
            pipe_write(pipe(BULK_OUT), ptr::null_mut(), of(&ramp(16)), None)
        });
        assert_eq!(result, expected, "{reply:?}");
        finish(bench);
    }
}

#[test]
fn a_time_out_keeps_the_count_of_the_urb() {
    let pend = UrbReply {
        length: Some(12),
        ..UrbReply::PEND
    };
    let bench = machine(HostConfig::new(), recorded(&[pend]));
    let before = bench.host.now();
    let result = on_thread(&bench.host, || {
        let time_out = options(TIMEOUT, ms(10));
        pipe_write(
            pipe(BULK_OUT),
            ptr::null_mut(),
            of(&ramp(64)),
            Some(time_out),
        )
    });
    assert_eq!(result, (STATUS_IO_TIMEOUT, 12));
    assert_eq!((bench.host.now() - before).as_millis(), 10);
    finish(bench);
}

/// Nothing is sent to a pipe that is not started, and the count is what was asked for.
#[test]
fn the_count_of_what_was_never_sent() {
    let bench = machine(HostConfig::new(), recorded(&[]));
    let (stopped, purged, ignoring, started) = on_thread(&bench.host, || {
        let pipe = pipe(BULK_OUT);
        let target: WDFIOTARGET = pipe.cast();
        let leave = _WDF_IO_TARGET_SENT_IO_ACTION::WdfIoTargetLeaveSentIoPending;
        wdf!(WdfIoTargetStop(target, leave));
        let write = |options| pipe_write(pipe, ptr::null_mut(), of(&[1; 16]), options);
        let stopped = write(Some(options(TIMEOUT, ms(10))));
        let purge = _WDF_IO_TARGET_PURGE_IO_ACTION::WdfIoTargetPurgeIo;
        wdf!(WdfIoTargetPurge(target, purge));
        let purged = write(None);
        let ignoring = write(Some(options(IGNORE_STATE, 0)));
        assert_eq!(wdf!(WdfIoTargetStart(target)), STATUS_SUCCESS);
        (stopped, purged, ignoring, write(None))
    });
    assert_eq!(stopped, (STATUS_IO_TIMEOUT, 16));
    assert_eq!(purged, (STATUS_INVALID_DEVICE_STATE, 16));
    assert_eq!(ignoring, (STATUS_SUCCESS, 16));
    assert_eq!(started, (STATUS_SUCCESS, 16));
    assert_eq!(seen(&bench).len(), 2);
    finish(bench);
}

#[test]
fn a_device_target_takes_its_pipes_with_it() {
    let bench = machine(HostConfig::new(), recorded(&[]));
    on_thread(&bench.host, || {
        let usb = configured();
        let states = || {
            [usb.cast(), pipe_of(usb, 0).cast(), pipe_of(usb, 3).cast()]
                .map(|target: WDFIOTARGET| wdf!(WdfIoTargetGetState(target)))
        };
        use _WDF_IO_TARGET_STATE as state;
        assert_eq!(states(), [state::WdfIoTargetStarted; 3]);
        let cancel = _WDF_IO_TARGET_SENT_IO_ACTION::WdfIoTargetCancelSentIo;
        wdf!(WdfIoTargetStop(usb.cast(), cancel));
        assert_eq!(states(), [state::WdfIoTargetStopped; 3]);
        let wait = _WDF_IO_TARGET_PURGE_IO_ACTION::WdfIoTargetPurgeIoAndWait;
        wdf!(WdfIoTargetPurge(usb.cast(), wait));
        assert_eq!(states(), [state::WdfIoTargetPurged; 3]);
        assert_eq!(wdf!(WdfIoTargetStart(usb.cast())), STATUS_SUCCESS);
        assert_eq!(states(), [state::WdfIoTargetStarted; 3]);
    });
    finish(bench);
}

#[test]
fn a_plain_write_to_a_pipe_is_no_urb() {
    let bench = machine(HostConfig::new(), recorded(&[]));
    let result = on_thread(&bench.host, || {
        sync_write(pipe(BULK_IN).cast(), ptr::null_mut(), &[1; 16], None)
    });
    assert_eq!(result, (STATUS_SUCCESS, 16));
    assert_eq!((seen(&bench)[0].major, seen(&bench)[0].function), (4, 0));
    finish(bench);
}

#[test]
fn abort_and_reset() {
    let device = recorded(&[UrbReply::PEND, UrbReply::SUCCESS]);
    let bench = machine(HostConfig::new(), device);
    let (abort, before, reset, refused) = on_thread(&bench.host, || {
        let pipe = pipe(BULK_OUT);
        let none: WDFREQUEST = ptr::null_mut();
        let request = create_request(pipe.cast());
        let memory = create_memory(&ramp(16));
        let status = wdf!(WdfUsbTargetPipeFormatRequestForWrite(
            pipe,
            request,
            memory,
            none.cast()
        ));
        assert_eq!(status, STATUS_SUCCESS);
        assert_eq!(
            wdf!(WdfRequestSend(request, pipe.cast(), ptr::null_mut())),
            1
        );
        // Abort leaves the pipe's I/O to the stack below; reset cancels it, without waiting, and works on a purged pipe.
        let abort = wdf!(WdfUsbTargetPipeAbortSynchronously(
            pipe,
            none,
            ptr::null_mut()
        ));
        let before = wdf!(WdfRequestGetStatus(request));
        let purge = _WDF_IO_TARGET_PURGE_IO_ACTION::WdfIoTargetPurgeIo;
        wdf!(WdfIoTargetPurge(pipe.cast(), purge));
        let reset = wdf!(WdfUsbTargetPipeResetSynchronously(
            pipe,
            none,
            ptr::null_mut()
        ));
        let refused = wdf!(WdfUsbTargetPipeAbortSynchronously(
            pipe,
            none,
            ptr::null_mut()
        ));
        delete(request);
        delete(memory);
        (abort, before, reset, refused)
    });
    assert_eq!((abort, reset), (STATUS_SUCCESS, STATUS_SUCCESS));
    assert_ne!(before, STATUS_CANCELLED);
    assert_eq!(refused, STATUS_INVALID_DEVICE_STATE);
    let functions: Vec<_> = seen(&bench).iter().map(|urb| urb.function).collect();
    assert_eq!(functions, [0x09, 0x02, 0x1E]);
    assert_eq!(seen(&bench)[1].pipe, seen(&bench)[0].pipe);
    finish(bench);
}

#[test]
fn completion_parameters_of_an_asynchronous_write() {
    let short = UrbReply {
        length: Some(5),
        usbd_status: 0x77,
        ..UrbReply::SUCCESS
    };
    let bench = machine(HostConfig::new(), recorded(&[short]));
    hook(|hooks| {
        hooks.completed = Some(Rc::new(|request, status, information| {
            let mut params = WDF_REQUEST_COMPLETION_PARAMS {
                Size: size::<WDF_REQUEST_COMPLETION_PARAMS>(),
                ..Default::default()
            };
            wdf!(WdfRequestGetCompletionParams(request, &raw mut params));
            // SAFETY: the request was formatted for a USB pipe.
            let usb = unsafe { params.Parameters.Usb.Completion.read() };
            // SAFETY: it was formatted for a write.
            let write = unsafe { usb.Parameters.PipeWrite };
            log(format!(
                "{status} {information} type {:#x} usb {} {:#x} length {} offset {}",
                params.Type, usb.Type, usb.UsbdStatus, write.Length, write.Offset
            ));
        }));
    });
    on_thread(&bench.host, || {
        let pipe = pipe(BULK_OUT);
        let request = create_request(pipe.cast());
        let memory = create_memory(&ramp(16));
        let mut range = WDFMEMORY_OFFSET {
            BufferOffset: 4,
            BufferLength: 8,
        };
        let status = wdf!(WdfUsbTargetPipeFormatRequestForWrite(
            pipe,
            request,
            memory,
            &raw mut range
        ));
        assert_eq!(status, STATUS_SUCCESS);
        wdf!(WdfRequestSetCompletionRoutine(
            request,
            Some(evt_completed),
            ptr::null_mut()
        ));
        assert_eq!(
            wdf!(WdfRequestSend(request, pipe.cast(), ptr::null_mut())),
            1
        );
        delete(request);
        delete(memory);
    });
    assert_eq!(take_log(), ["0 5 type 0x40 usb 5 0x77 length 5 offset 4"]);
    assert_eq!(seen(&bench)[0].data, ramp(12)[4..]);
    finish(bench);
}

#[test]
fn a_urb_of_the_drivers_passes_untouched() {
    let bench = machine(HostConfig::new(), recorded(&[]));
    let (sent, short, whole) = on_thread(&bench.host, || {
        let usb = configured();
        let pipe = pipe_of(usb, BULK_OUT);
        let mut urb = _URB_BULK_OR_INTERRUPT_TRANSFER {
            Hdr: _URB_HEADER {
                Length: 128,
                Function: 9,
                ..Default::default()
            },
            TransferFlags: 0x55,
            ..Default::default()
        };
        let sent = wdf!(WdfUsbTargetPipeSendUrbSynchronously(
            pipe,
            ptr::null_mut(),
            ptr::null_mut(),
            (&raw mut urb).cast()
        ));
        let request = create_request(pipe.cast());
        let small = create_memory(&[0; 8]);
        let format = |memory| {
            wdf!(WdfUsbTargetPipeFormatRequestForUrb(
                pipe,
                request,
                memory,
                ptr::null_mut()
            ))
        };
        let short = format(small);
        let large = create_memory(&[0; 128]);
        let whole = format(large);
        delete(request);
        delete(small);
        delete(large);
        (sent, short, whole)
    });
    assert_eq!(sent, STATUS_SUCCESS);
    assert_eq!((short, whole), (STATUS_INVALID_PARAMETER, STATUS_SUCCESS));
    assert_eq!((seen(&bench)[0].flags, seen(&bench).len()), (0x55, 1));
    finish(bench);
}

#[test]
fn control_transfers() {
    let reply = UrbReply {
        length: Some(3),
        ..UrbReply::SUCCESS
    };
    let failure = UrbReply {
        status: STATUS_UNSUCCESSFUL,
        length: Some(3),
        ..UrbReply::SUCCESS
    };
    let bench = machine(HostConfig::new(), recorded(&[reply, failure]));
    let (good, bad, large, null) = on_thread(&bench.host, || {
        let usb = configured();
        let transfer = |descriptor: Option<WDF_MEMORY_DESCRIPTOR>| {
            let mut setup = WDF_USB_CONTROL_SETUP_PACKET::default();
            setup.Generic.Bytes = [0xC0, 7, 1, 0, 2, 0, 0xFF, 0xFF];
            let (mut descriptor, mut moved) = (descriptor, 0xDEAD_u32);
            let status = wdf!(WdfUsbTargetDeviceSendControlTransferSynchronously(
                usb,
                ptr::null_mut(),
                ptr::null_mut(),
                &raw mut setup,
                pointer(&mut descriptor),
                &raw mut moved
            ));
            (status, moved)
        };
        let large = vec![0; 0x1_0000];
        (
            transfer(of(&ramp(8))),
            transfer(Some(buffer_descriptor(ptr::null(), 0))),
            transfer(of(&large)),
            transfer(Some(buffer_descriptor(ptr::null(), 1))),
        )
    });
    assert_eq!(good, (STATUS_SUCCESS, 3));
    assert_eq!(bad, (STATUS_UNSUCCESSFUL, 0));
    // Nothing is counted of what was refused.
    assert_eq!(large, (STATUS_INVALID_PARAMETER, 0xDEAD));
    assert_eq!(null, (STATUS_INVALID_PARAMETER, 0xDEAD));
    let urbs = seen(&bench);
    assert_eq!(urbs.len(), 2);
    assert_eq!(
        (urbs[0].function, urbs[0].header_length, urbs[0].setup),
        (8, 136, [0xC0, 7, 1, 0, 2, 0, 8, 0])
    );
    let expected = USBD_TRANSFER_DIRECTION_IN | USBD_SHORT_TRANSFER_OK | USBD_DEFAULT_PIPE_TRANSFER;
    assert_eq!((urbs[0].flags, urbs[0].pipe), (expected, 0));
    assert_eq!((urbs[1].length, urbs[1].setup[6]), (0, 0));
    finish(bench);
}

fn usb_with(descriptors: UsbDescriptors) -> Bench {
    machine(HostConfig::new(), UsbDevice::new(descriptors))
}

#[test]
fn what_a_device_tells_about_itself() {
    let descriptors = descriptors()
        .self_powered()
        .remote_wake_up()
        .string(1, "Test");
    let bench = usb_with(descriptors.clone());
    on_thread(&bench.host, move || {
        let usb = configured();
        let mut known = WDF_USB_DEVICE_INFORMATION::default();
        let size_of_it = size::<WDF_USB_DEVICE_INFORMATION>();
        let retrieve = |known: &mut WDF_USB_DEVICE_INFORMATION| {
            wdf!(WdfUsbTargetDeviceRetrieveInformation(usb, &raw mut *known))
        };
        assert_eq!(retrieve(&mut known), STATUS_INFO_LENGTH_MISMATCH);
        known.Size = size_of_it;
        assert_eq!(retrieve(&mut known), STATUS_SUCCESS);
        assert_eq!(known.Traits, 7);
        let mut device = USB_DEVICE_DESCRIPTOR::default();
        wdf!(WdfUsbTargetDeviceGetDeviceDescriptor(usb, &raw mut device));
        let (vendor, product) = (device.idVendor, device.idProduct);
        assert_eq!((vendor, product), (0x1209, 1));
        let mut length = 9_u16;
        let mut bytes = vec![0_u8; descriptors.configuration().len()];
        let total = u16::try_from(bytes.len()).unwrap();
        let status = wdf!(WdfUsbTargetDeviceRetrieveConfigDescriptor(
            usb,
            bytes.as_mut_ptr().cast(),
            &raw mut length
        ));
        assert_eq!((status, length), (STATUS_BUFFER_TOO_SMALL, total));
        assert_eq!(bytes[9], 0);
        let status = wdf!(WdfUsbTargetDeviceRetrieveConfigDescriptor(
            usb,
            bytes.as_mut_ptr().cast(),
            &raw mut length
        ));
        assert_eq!(status, STATUS_SUCCESS);
        assert_eq!(bytes, descriptors.configuration());
        let (mut text, mut count) = ([0_u16; 3], 3_u16);
        let status = wdf!(WdfUsbTargetDeviceQueryString(
            usb,
            ptr::null_mut(),
            ptr::null_mut(),
            text.as_mut_ptr(),
            &raw mut count,
            1,
            0x409
        ));
        assert_eq!((status, count), (STATUS_BUFFER_OVERFLOW, 4));
        assert_eq!(String::from_utf16_lossy(&text), "Tes");
        let mut memory = ptr::null_mut();
        let status = wdf!(WdfUsbTargetDeviceAllocAndQueryString(
            usb,
            ptr::null_mut(),
            &raw mut memory,
            &raw mut count,
            1,
            0x409
        ));
        assert_eq!((status, count), (STATUS_SUCCESS, 4));
        delete(memory);
        let connected = wdf!(WdfUsbTargetDeviceIsConnectedSynchronous(usb));
        assert_eq!(connected, STATUS_SUCCESS);
    });
    finish(bench);
}

#[test]
fn pipe_information() {
    let device = UsbDevice::new(descriptors()).maximum_transfer_size(0x02, 4096);
    let bench = machine(HostConfig::new(), device);
    on_thread(&bench.host, || {
        let usb = configured();
        let interface = wdf!(WdfUsbTargetDeviceGetInterface(usb, 0));
        let information = |index| {
            // The structure's size is not looked at.
            let mut information = WDF_USB_PIPE_INFORMATION::default();
            wdf!(WdfUsbTargetPipeGetInformation(
                pipe_of(usb, index),
                &raw mut information
            ));
            information
        };
        let bulk = information(BULK_OUT);
        assert_eq!(
            (bulk.Size, bulk.MaximumPacketSize, bulk.MaximumTransferSize),
            (0, 512, u32::MAX)
        );
        let interrupt = information(INTERRUPT_OUT);
        assert_eq!(
            (interrupt.Interval, interrupt.MaximumTransferSize),
            (4, 4096)
        );
        let types: Vec<_> = (0..6)
            .map(|index| {
                let pipe = pipe_of(usb, index);
                (
                    wdf!(WdfUsbTargetPipeGetType(pipe)),
                    wdf!(WdfUsbTargetPipeIsInEndpoint(pipe)),
                    wdf!(WdfUsbTargetPipeIsOutEndpoint(pipe)),
                )
            })
            .collect();
        assert_eq!(
            types,
            [
                (3, 0, 1),
                (3, 1, 0),
                (4, 0, 1),
                (4, 1, 0),
                (2, 0, 1),
                (1, 0, 1)
            ]
        );
        assert!(pipe_of(usb, 6).is_null());
        let mut wrong = WDF_USB_PIPE_INFORMATION::default();
        let none = wdf!(WdfUsbInterfaceGetConfiguredPipe(
            interface,
            0,
            &raw mut wrong
        ));
        assert!(none.is_null());
        assert_eq!(wdf!(WdfUsbInterfaceGetNumConfiguredPipes(interface)), 6);
        assert_eq!(wdf!(WdfUsbInterfaceGetNumEndpoints(interface, 0)), 6);
        assert_eq!(wdf!(WdfUsbInterfaceGetNumEndpoints(interface, 1)), 0);
        let mut endpoint = WDF_USB_PIPE_INFORMATION {
            Size: size::<WDF_USB_PIPE_INFORMATION>(),
            ..Default::default()
        };
        wdf!(WdfUsbInterfaceGetEndpointInformation(
            interface,
            0,
            1,
            &raw mut endpoint
        ));
        assert_eq!(
            (endpoint.EndpointAddress, endpoint.MaximumTransferSize),
            (0x81, 2 * 1024 * 1024)
        );
    });
    finish(bench);
}

#[test]
fn devices_that_cannot_be_enumerated() {
    let good = descriptors();
    let configuration = good.configuration().to_vec();
    let raw = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = configuration.clone();
        change(&mut bytes);
        UsbDescriptors::from_bytes(good.device(), &bytes)
    };
    let cases = [
        (
            "no configuration",
            raw(&|bytes| bytes.clear()),
            STATUS_UNSUCCESSFUL,
        ),
        (
            "a total below the header",
            raw(&|bytes| bytes[2] = 8),
            STATUS_UNSUCCESSFUL,
        ),
        (
            "a total that changes",
            good.clone().then_configuration(&{
                let mut bytes = configuration.clone();
                bytes[2] += 1;
                bytes
            }),
            STATUS_DEVICE_DATA_ERROR,
        ),
        (
            "a descriptor without length",
            raw(&|bytes| bytes[9] = 0),
            STATUS_INVALID_PARAMETER,
        ),
        (
            "a descriptor that is cut off",
            raw(&|bytes| bytes[2] -= 1),
            STATUS_INVALID_PARAMETER,
        ),
        (
            "a gap in the settings",
            raw(&|bytes| bytes[12] = 1),
            STATUS_INVALID_DEVICE_REQUEST,
        ),
        (
            "no interface",
            raw(&|bytes| {
                bytes.truncate(9);
                bytes[2] = 9;
            }),
            STATUS_INVALID_DEVICE_REQUEST,
        ),
    ];
    for (what, descriptors, expected) in cases {
        let bench = usb_with(descriptors);
        let (status, usb) = on_thread(&bench.host, create_usb);
        assert_eq!(status, expected, "{what}");
        assert!(usb.is_null());
        finish(bench);
    }
}

#[test]
fn interfaces_without_descriptors_or_declaration() {
    let good = descriptors();
    let mut none = good.configuration()[..9].to_vec();
    none[2] = 9;
    none[4] = 0;
    let mut undeclared = good.configuration().to_vec();
    undeclared[4] = 0;
    for (bytes, expected) in [
        (none, STATUS_SUCCESS),
        (undeclared, STATUS_INVALID_DEVICE_REQUEST),
    ] {
        let bench = usb_with(UsbDescriptors::from_bytes(good.device(), &bytes));
        let (status, count) = on_thread(&bench.host, || {
            let (status, usb) = create_usb();
            assert_eq!(status, STATUS_SUCCESS);
            let mut params = select_params(SINGLE);
            let count = wdf!(WdfUsbTargetDeviceGetNumInterfaces(usb));
            (select(usb, &mut params), count)
        });
        assert_eq!((status, count), (expected, 0));
        finish(bench);
    }
}

#[test]
fn creation_checks() {
    let bench = usb_with(descriptors());
    on_thread(&bench.host, || {
        let mut usb = ptr::null_mut();
        let mut attributes = attributes();
        attributes.ParentObject = device().cast();
        let status = wdf!(WdfUsbTargetDeviceCreate(
            device(),
            &raw mut attributes,
            &raw mut usb
        ));
        assert_eq!(status, STATUS_WDF_PARENT_ASSIGNMENT_NOT_ALLOWED);
        let mut config = WDF_USB_DEVICE_CREATE_CONFIG {
            Size: 1,
            USBDClientContractVersion: USBD_CLIENT_CONTRACT_VERSION_602,
        };
        let mut create = |config: *mut WDF_USB_DEVICE_CREATE_CONFIG| {
            wdf!(WdfUsbTargetDeviceCreateWithParameters(
                device(),
                config,
                ptr::null_mut(),
                &raw mut usb
            ))
        };
        assert_eq!(create(&raw mut config), STATUS_INFO_LENGTH_MISMATCH);
        config.Size = size::<WDF_USB_DEVICE_CREATE_CONFIG>();
        assert_eq!(create(&raw mut config), STATUS_SUCCESS);
    });
    let null = bugcheck(&bench, || {
        pipe_write(ptr::null_mut(), ptr::null_mut(), None, None);
    });
    assert_eq!((null.p1, null.p3), (5, 0x1203));
}

mod selecting {
    use super::*;
    use _WdfUsbTargetDeviceSelectConfigType as types;

    fn two_interfaces() -> UsbDescriptors {
        UsbDescriptors::new(1, 2)
            .interface(UsbInterface::new(0).bulk(0x01, 512))
            .interface(
                UsbInterface::new(1)
                    .bulk(0x02, 512)
                    .alternate()
                    .bulk(0x03, 64)
                    .bulk(0x83, 64),
            )
    }

    fn interface(usb: WDFUSBDEVICE, index: u8) -> WDFUSBINTERFACE {
        wdf!(WdfUsbTargetDeviceGetInterface(usb, index))
    }

    fn address(interface: WDFUSBINTERFACE, index: u8) -> u8 {
        let mut information = WDF_USB_PIPE_INFORMATION {
            Size: size::<WDF_USB_PIPE_INFORMATION>(),
            ..Default::default()
        };
        let pipe = wdf!(WdfUsbInterfaceGetConfiguredPipe(
            interface,
            index,
            &raw mut information
        ));
        assert!(!pipe.is_null());
        information.EndpointAddress
    }

    #[test]
    fn parameters_are_checked() {
        let bench = usb_with(two_interfaces());
        on_thread(&bench.host, || {
            let (_, usb) = create_usb();
            let mut wrong = select_params(SINGLE);
            wrong.Size = 1;
            assert_eq!(select(usb, &mut wrong), STATUS_INFO_LENGTH_MISMATCH);
            for kind in [0, 7, -1] {
                assert_eq!(
                    select(usb, &mut select_params(kind)),
                    STATUS_INVALID_PARAMETER,
                    "{kind}"
                );
            }
            let mut single = select_params(SINGLE);
            single.Types.SingleInterface.NumberConfiguredPipes = 9;
            assert_eq!(select(usb, &mut single), STATUS_INVALID_PARAMETER);
            // SAFETY: the type says which member there is.
            assert_eq!(
                unsafe { single.Types.SingleInterface.NumberConfiguredPipes },
                0
            );
            for kind in [
                types::WdfUsbTargetDeviceSelectConfigTypeInterfacesPairs,
                types::WdfUsbTargetDeviceSelectConfigTypeInterfacesDescriptor,
                types::WdfUsbTargetDeviceSelectConfigTypeUrb,
            ] {
                assert_eq!(
                    select(usb, &mut select_params(kind)),
                    STATUS_INVALID_PARAMETER,
                    "{kind}"
                );
            }
            assert!(interface(usb, 2).is_null());
            assert_eq!(
                wdf!(WdfUsbInterfaceGetNumConfiguredPipes(interface(usb, 0))),
                0
            );
        });
        finish(bench);
    }

    #[test]
    fn all_interfaces_then_none() {
        let bench = usb_with(two_interfaces());
        on_thread(&bench.host, || {
            let (_, usb) = create_usb();
            let mut params = select_params(types::WdfUsbTargetDeviceSelectConfigTypeMultiInterface);
            assert_eq!(select(usb, &mut params), STATUS_SUCCESS);
            // SAFETY: the type says which member there is.
            let configured = unsafe { params.Types.MultiInterface.NumberOfConfiguredInterfaces };
            assert_eq!(configured, 2);
            assert_eq!(
                [address(interface(usb, 0), 0), address(interface(usb, 1), 0)],
                [1, 2]
            );
            let handle = wdf!(WdfUsbTargetDeviceWdmGetConfigurationHandle(usb));
            assert!(!handle.is_null());
            let mut none = select_params(types::WdfUsbTargetDeviceSelectConfigTypeDeconfig);
            assert_eq!(select(usb, &mut none), STATUS_SUCCESS);
            assert_eq!(
                wdf!(WdfUsbInterfaceGetNumConfiguredPipes(interface(usb, 1))),
                0
            );
        });
        let (configuration, urbs) = bench
            .host
            .with_lower(bench.lower, |device: &mut UsbDevice| {
                (device.configuration(), device.counters().urbs)
            });
        // Three descriptors, the status, the configuration, the second interface again, and none.
        assert_eq!((configuration, urbs), (0, 7));
        finish(bench);
    }

    #[test]
    fn pairs_choose_settings() {
        let bench = usb_with(two_interfaces());
        on_thread(&bench.host, || {
            let (_, usb) = create_usb();
            let choose = |settings: &[(u8, u8)]| {
                let mut pairs: Vec<_> = settings
                    .iter()
                    .map(|(index, setting)| WDF_USB_INTERFACE_SETTING_PAIR {
                        UsbInterface: interface(usb, *index),
                        SettingIndex: *setting,
                    })
                    .collect();
                let mut params =
                    select_params(types::WdfUsbTargetDeviceSelectConfigTypeInterfacesPairs);
                params.Types.MultiInterface.NumberInterfaces = u8::try_from(pairs.len()).unwrap();
                params.Types.MultiInterface.Pairs = pairs.as_mut_ptr();
                select(usb, &mut params)
            };
            assert_eq!(choose(&[(0, 0)]), STATUS_INVALID_PARAMETER);
            assert_eq!(choose(&[(0, 1), (1, 0)]), STATUS_INVALID_PARAMETER);
            assert_eq!(choose(&[(0, 0), (0, 0)]), STATUS_INVALID_PARAMETER);
            assert_eq!(choose(&[(1, 1), (0, 0)]), STATUS_SUCCESS);
            let second = interface(usb, 1);
            assert_eq!([address(second, 0), address(second, 1)], [0x03, 0x83]);
            assert_eq!(wdf!(WdfUsbInterfaceGetConfiguredSettingIndex(second)), 1);
        });
        finish(bench);
    }

    #[test]
    fn descriptors_and_urbs_of_the_drivers() {
        let bench = usb_with(descriptors());
        on_thread(&bench.host, || {
            let (_, usb) = create_usb();
            let mut descriptor = USB_INTERFACE_DESCRIPTOR::default();
            wdf!(WdfUsbInterfaceGetDescriptor(
                interface(usb, 0),
                0,
                &raw mut descriptor
            ));
            assert_eq!(descriptor.bNumEndpoints, 6);
            let mut list = [&raw mut descriptor];
            let mut params =
                select_params(types::WdfUsbTargetDeviceSelectConfigTypeInterfacesDescriptor);
            params.Types.Descriptor.InterfaceDescriptors = list.as_mut_ptr();
            params.Types.Descriptor.NumInterfaceDescriptors = 1;
            assert_eq!(select(usb, &mut params), STATUS_SUCCESS);
            assert_eq!(address(interface(usb, 0), 5), 0x04);
            let mut urb = _URB_SELECT_CONFIGURATION::default();
            urb.Hdr.Function = 9;
            urb.Hdr.Length = u16::try_from(size_of_val(&urb)).unwrap();
            let mut params = select_params(types::WdfUsbTargetDeviceSelectConfigTypeUrb);
            params.Types.Urb.Urb = (&raw mut urb).cast();
            assert_eq!(select(usb, &mut params), STATUS_INVALID_PARAMETER);
        });
        finish(bench);
    }

    #[test]
    fn a_setting_of_an_interface() {
        let bench = usb_with(
            UsbDescriptors::new(1, 2).interface(
                UsbInterface::new(0)
                    .bulk(0x01, 512)
                    .alternate()
                    .bulk(0x02, 64)
                    .alternate(),
            ),
        );
        let old = on_thread(&bench.host, || {
            let usb = configured();
            let only = interface(usb, 0);
            let old = pipe_of(usb, 0);
            let setting = |index| {
                let mut params = WDF_USB_INTERFACE_SELECT_SETTING_PARAMS {
                    Size: size::<WDF_USB_INTERFACE_SELECT_SETTING_PARAMS>(),
                    Type: _WdfUsbTargetDeviceSelectSettingType::WdfUsbInterfaceSelectSettingTypeSetting,
                    ..Default::default()
                };
                params.Types.Interface.SettingIndex = index;
                wdf!(WdfUsbInterfaceSelectSetting(
                    only,
                    ptr::null_mut(),
                    &raw mut params
                ))
            };
            assert_eq!(wdf!(WdfUsbInterfaceGetNumSettings(only)), 3);
            // The current setting costs nothing and changes nothing.
            assert_eq!(setting(0), STATUS_SUCCESS);
            assert_eq!(pipe_of(usb, 0), old);
            assert_eq!(setting(3), STATUS_INVALID_PARAMETER);
            assert_eq!(setting(1), STATUS_SUCCESS);
            assert_eq!(address(only, 0), 0x02);
            assert_eq!(
                pipe_write(pipe_of(usb, 0), ptr::null_mut(), of(&[1; 8]), None),
                (STATUS_SUCCESS, 8)
            );
            assert_eq!(setting(2), STATUS_SUCCESS);
            assert_eq!(wdf!(WdfUsbInterfaceGetNumConfiguredPipes(only)), 0);
            old.addr()
        });
        assert_eq!(
            bench
                .host
                .with_lower(bench.lower, |device: &mut UsbDevice| {
                    (device.setting(0), device.endpoint_mut(2).bytes().to_vec())
                }),
            (Some(2), vec![1; 8])
        );
        // The pipe of the first setting is gone.
        let stale = bugcheck(&bench, move || {
            let pipe: WDFUSBPIPE = ptr::without_provenance_mut(old);
            let _in = wdf!(WdfUsbTargetPipeIsInEndpoint(pipe));
        });
        assert_eq!(stale.p1, 5);
    }
}
