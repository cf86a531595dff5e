//! The framework's USB targets: what each DDI checks, sends and returns.

mod common;
mod usb_support;

use std::ptr;
use std::rc::Rc;

use common::*;
use kmdf_host::{HostConfig, Setup};
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
        setup: None,
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
            let usb = unsafe { params.Parameters.Usb.Completion };
            // SAFETY: the framework keeps the structure with the request.
            let usb = unsafe { usb.read() };
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
    // The length in the packet is the buffer's.
    let setup = |length| Setup {
        request_type: 0xC0,
        request: 7,
        value: 1,
        index: 2,
        length,
    };
    assert_eq!(
        (urbs[0].function, urbs[0].header_length, urbs[0].setup),
        (8, 136, Some(setup(8)))
    );
    let expected = USBD_TRANSFER_DIRECTION_IN | USBD_SHORT_TRANSFER_OK | USBD_DEFAULT_PIPE_TRANSFER;
    assert_eq!((urbs[0].flags, urbs[0].pipe), (expected, 0));
    assert_eq!((urbs[1].length, urbs[1].setup), (0, Some(setup(0))));
    finish(bench);
}
