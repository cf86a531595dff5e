//! The USB device below a driver: what goes wrong with it, and what the framework makes of that.

mod common;
mod usb_support;

use std::cell::RefCell;
use std::io::{self, Write};
use std::ptr;
use std::rc::Rc;

use common::*;
use kmdf_host::{
    Allocation, ControlAnswer, Delayed, HostConfig, IoType, LowerConfig, Mode, Ticks,
    UsbDescriptors, UsbDevice, UsbFault, UsbInterface,
};
use kmdf_sys::missing::*;
use kmdf_sys::*;
use usb_support::*;

fn device() -> UsbDevice {
    UsbDevice::new(descriptors())
}

fn usb<R>(bench: &Bench, look: impl FnOnce(&mut UsbDevice) -> R) -> R {
    bench.host.with_lower(bench.lower, look)
}

fn write_all(pipe: WDFUSBPIPE, data: &[u8]) -> (NTSTATUS, u32) {
    pipe_write(pipe, ptr::null_mut(), of(data), None)
}

#[test]
fn packets_and_counters() {
    let bench = machine(HostConfig::new(), device());
    let data: Vec<u8> = (0..1300_u32).map(|n| n.to_le_bytes()[0]).collect();
    let sent = data.clone();
    on_thread(&bench.host, move || {
        let pipe = pipe(BULK_OUT);
        assert_eq!(write_all(pipe, &sent), (STATUS_SUCCESS, 1300));
        assert_eq!(
            pipe_write(pipe, ptr::null_mut(), None, None),
            (STATUS_SUCCESS, 0)
        );
        assert_eq!(write_all(pipe, &sent[..512]), (STATUS_SUCCESS, 512));
    });
    usb(&bench, |device| {
        let endpoint = device.endpoint(0x01).unwrap();
        assert_eq!(endpoint.packets(), [512, 512, 276, 0, 512]);
        assert_eq!(endpoint.bytes(), [&data[..], &data[..512]].concat());
        let counters = device.counters();
        assert_eq!(
            (
                counters.packets,
                counters.zero_length_packets,
                counters.bytes
            ),
            (5, 1, 1812)
        );
        // Three descriptors, the status, the configuration and the writes.
        assert_eq!((counters.urbs, counters.failures), (8, 0));
    });
    finish(bench);
}

/// Takes so many packets and then fails.
#[derive(Clone)]
struct Medium {
    bytes: Rc<RefCell<Vec<u8>>>,
    room: usize,
}

impl Write for Medium {
    fn write(&mut self, packet: &[u8]) -> io::Result<usize> {
        let mut bytes = self.bytes.borrow_mut();
        if bytes.len() + packet.len() > self.room {
            return Err(io::Error::other("full"));
        }
        bytes.extend_from_slice(packet);
        Ok(packet.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn data_goes_to_a_writer() {
    let bytes = Rc::new(RefCell::new(Vec::new()));
    let mut device = device();
    device.endpoint_mut(0x01).write_to(Medium {
        bytes: Rc::clone(&bytes),
        room: 1024,
    });
    let bench = machine(HostConfig::new(), device);
    let results = on_thread(&bench.host, || {
        let pipe = pipe(BULK_OUT);
        [write_all(pipe, &[1; 600]), write_all(pipe, &[2; 600])]
    });
    // The second packet of the second write does not fit any more.
    assert_eq!(
        results,
        [(STATUS_SUCCESS, 600), (STATUS_DEVICE_DATA_ERROR, 0)]
    );
    assert_eq!(bytes.borrow().len(), 600);
    usb(&bench, |device| {
        let error = device.endpoint_mut(0x01).take_write_error().unwrap();
        assert_eq!(error.to_string(), "full");
        assert!(device.endpoint(0x01).unwrap().packets().is_empty());
    });
    finish(bench);
}

#[test]
fn a_stalled_pipe_stays_stalled_until_it_is_reset() {
    let mut device = device();
    device
        .endpoint_mut(0x01)
        .fault(2, UsbFault::Stall { after: 512 });
    let bench = machine(HostConfig::new(), device);
    let (results, reset, after) = on_thread(&bench.host, || {
        let pipe = pipe(BULK_OUT);
        let results = [0, 1, 2].map(|_| write_all(pipe, &[7; 1000]));
        let reset = wdf!(WdfUsbTargetPipeResetSynchronously(
            pipe,
            ptr::null_mut(),
            ptr::null_mut()
        ));
        (results, reset, write_all(pipe, &[8; 3]))
    });
    assert_eq!(
        results,
        [
            (STATUS_SUCCESS, 1000),
            (STATUS_UNSUCCESSFUL, 512),
            (STATUS_UNSUCCESSFUL, 0)
        ]
    );
    assert_eq!((reset, after), (STATUS_SUCCESS, (STATUS_SUCCESS, 3)));
    usb(&bench, |device| {
        assert_eq!(device.endpoint(0x01).unwrap().packets(), [512, 488, 512, 3]);
        assert_eq!(device.counters().failures, 2);
    });
    finish(bench);
}

#[test]
fn one_transfer_fails_or_is_short() {
    let mut device = device();
    let out = device.endpoint_mut(0x01);
    let (usbd_status, status) = (USBD_STATUS_XACT_ERROR, STATUS_IO_DEVICE_ERROR);
    out.fault(
        1,
        UsbFault::Fail {
            usbd_status,
            status,
            after: 0,
        },
    );
    out.fault(3, UsbFault::Short { length: 100 });
    let bench = machine(HostConfig::new(), device);
    let results = on_thread(&bench.host, || {
        let pipe = pipe(BULK_OUT);
        [0, 1, 2, 3].map(|_| write_all(pipe, &[7; 300]))
    });
    let good = (STATUS_SUCCESS, 300);
    assert_eq!(
        results,
        [
            (STATUS_IO_DEVICE_ERROR, 0),
            good,
            (STATUS_SUCCESS, 100),
            good
        ]
    );
    assert_eq!(
        usb(&bench, |device| device
            .endpoint(0x01)
            .unwrap()
            .packets()
            .to_vec()),
        [300, 100, 300]
    );
    finish(bench);
}

/// A device that answers with NAK holds the transfer until the time-out cancels it; the count is what it took before.
#[test]
fn a_device_that_stops_taking() {
    let mut device = device();
    device
        .endpoint_mut(0x01)
        .fault(1, UsbFault::Nak { after: 512 });
    let bench = machine(HostConfig::new(), device);
    let before = bench.host.now();
    let results = on_thread(&bench.host, || {
        let pipe = pipe(BULK_OUT);
        let time_out = || Some(options(TIMEOUT, ms(50)));
        [0, 1].map(|_| pipe_write(pipe, ptr::null_mut(), of(&[7; 600]), time_out()))
    });
    assert_eq!(results, [(STATUS_IO_TIMEOUT, 512), (STATUS_SUCCESS, 600)]);
    assert_eq!((bench.host.now() - before).as_millis(), 50);
    finish(bench);
}

#[test]
fn a_nak_that_ends() {
    let mut device = device();
    device.endpoint_mut(0x01).set_nak(true);
    let bench = machine(HostConfig::new(), device);
    bench.host.spawn("writer", || {
        let (status, written) = write_all(pipe(BULK_OUT), &[7; 600]);
        log(format!("{status} {written}"));
    });
    bench.host.run().unwrap();
    assert_eq!((bench.host.held_by(bench.lower), take_log().len()), (1, 0));
    usb(&bench, |device| device.endpoint_mut(0x01).set_nak(false));
    bench.host.run().unwrap();
    assert_eq!(take_log(), ["0 600"]);
    finish(bench);
}

#[test]
fn delays_take_virtual_time() {
    let mut device = device();
    device.endpoint_mut(0x01).set_delay(Ticks::from_millis(20));
    let bench = machine(HostConfig::new(), device);
    let before = bench.host.now();
    let results = on_thread(&bench.host, || {
        let pipe = pipe(BULK_OUT);
        let short = options(TIMEOUT, ms(5));
        [
            write_all(pipe, &[1; 10]),
            pipe_write(pipe, ptr::null_mut(), of(&[2; 10]), Some(short)),
        ]
    });
    // What is cancelled before its time has moved nothing.
    assert_eq!(results, [(STATUS_SUCCESS, 10), (STATUS_IO_TIMEOUT, 0)]);
    assert_eq!((bench.host.now() - before).as_millis(), 25);
    assert_eq!(
        usb(&bench, |device| device
            .endpoint(0x01)
            .unwrap()
            .packets()
            .to_vec()),
        [10]
    );
    finish(bench);
}

#[test]
fn a_device_that_is_pulled_out() {
    let mut device = device();
    device.endpoint_mut(0x02).set_nak(true);
    device
        .endpoint_mut(0x01)
        .fault(2, UsbFault::Disconnect { after: 512 });
    let bench = machine(HostConfig::new(), device);
    let (results, connected) = on_thread(&bench.host, || {
        let usb = configured();
        let interrupt = pipe_of(usb, INTERRUPT_OUT);
        let request = create_request(interrupt.cast());
        let memory = create_memory(&[1; 8]);
        let status = wdf!(WdfUsbTargetPipeFormatRequestForWrite(
            interrupt,
            request,
            memory,
            ptr::null_mut()
        ));
        assert_eq!(status, STATUS_SUCCESS);
        assert_eq!(
            wdf!(WdfRequestSend(request, interrupt.cast(), ptr::null_mut())),
            1
        );
        let before = wdf!(WdfUsbTargetDeviceIsConnectedSynchronous(usb));
        let bulk = pipe_of(usb, BULK_OUT);
        let results = [0, 1, 2].map(|_| write_all(bulk, &[7; 1000]));
        // The pending transfer is back, too.
        let mut due = ms(1);
        let _slept = unsafe_delay(&mut due);
        log(format!("{:#x}", wdf!(WdfRequestGetStatus(request))));
        delete(request);
        delete(memory);
        let after = wdf!(WdfUsbTargetDeviceIsConnectedSynchronous(usb));
        (results, [before, after])
    });
    assert_eq!(
        results,
        [
            (STATUS_SUCCESS, 1000),
            (STATUS_DEVICE_NOT_CONNECTED, 512),
            (STATUS_NO_SUCH_DEVICE, 0)
        ]
    );
    assert_eq!(connected, [STATUS_SUCCESS, STATUS_NO_SUCH_DEVICE]);
    assert_eq!(take_log(), [format!("{STATUS_DEVICE_NOT_CONNECTED:#x}")]);
    finish(bench);
}

/// Lets time pass on the calling thread.
fn unsafe_delay(due: &mut i64) -> NTSTATUS {
    // SAFETY: called at PASSIVE_LEVEL with the address of an interval.
    unsafe { ntddk::KeDelayExecutionThread(0, 0, (&raw mut *due).cast()) }
}

#[test]
fn reads_wait_for_messages() {
    let bench = machine(HostConfig::new(), device());
    usb(&bench, |device| device.endpoint_mut(0x81).send(&[5; 700]));
    bench.host.spawn("reader", || {
        let pipe = pipe(BULK_IN);
        let mut buffer = [0; 512];
        for _ in 0..3 {
            let (status, read) = pipe_read(pipe, &mut buffer, None);
            log(format!("{status} {read} {}", buffer[0]));
        }
        let (status, read) = pipe_read(pipe, &mut buffer, Some(options(TIMEOUT, ms(5))));
        log(format!("{status:#x} {read}"));
    });
    bench.host.run().unwrap();
    assert_eq!(take_log(), ["0 512 5", "0 188 5"]);
    usb(&bench, |device| device.endpoint_mut(0x81).send(&[6; 20]));
    bench.host.run().unwrap();
    assert_eq!(
        take_log(),
        ["0 20 6".to_owned(), format!("{STATUS_IO_TIMEOUT:#x} 0")]
    );
    finish(bench);
}

#[test]
fn a_device_that_sends_more_than_was_asked_for() {
    let bench = machine(HostConfig::new(), device());
    usb(&bench, |device| device.endpoint_mut(0x81).send(&[5; 200]));
    let result = on_thread(&bench.host, || {
        let pipe = pipe(BULK_IN);
        wdf!(WdfUsbTargetPipeSetNoMaximumPacketSizeCheck(pipe));
        pipe_read(pipe, &mut [0; 100], None)
    });
    assert_eq!(result, (STATUS_DEVICE_DATA_ERROR, 0));
    finish(bench);
}

#[test]
fn vendor_requests_reach_the_device() {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let log = Rc::clone(&seen);
    let device = device().on_control(move |setup, data| {
        log.borrow_mut().push((*setup, data.to_vec()));
        match setup.request {
            1 => ControlAnswer::Accept,
            2 => ControlAnswer::Data(b"abcdef".to_vec()),
            _ => ControlAnswer::Stall,
        }
    });
    let bench = machine(HostConfig::new(), device);
    let results = on_thread(&bench.host, || {
        let usb = configured();
        let mut buffer = *b"wxyz";
        let mut transfer = |kind, request| {
            let mut setup = WDF_USB_CONTROL_SETUP_PACKET::default();
            setup.Generic.Bytes = [kind, request, 3, 0, 4, 0, 0, 0];
            let mut descriptor = buffer_descriptor(buffer.as_mut_ptr(), 4);
            let mut moved = 0xDEAD_u32;
            let status = wdf!(WdfUsbTargetDeviceSendControlTransferSynchronously(
                usb,
                ptr::null_mut(),
                ptr::null_mut(),
                &raw mut setup,
                &raw mut descriptor,
                &raw mut moved
            ));
            (status, moved)
        };
        let results = [transfer(0x40, 1), transfer(0xC0, 2), transfer(0x40, 9)];
        assert_eq!(&buffer, b"abcd");
        results
    });
    assert_eq!(
        results,
        [
            (STATUS_SUCCESS, 4),
            (STATUS_SUCCESS, 4),
            (STATUS_UNSUCCESSFUL, 0)
        ]
    );
    let (setup, data) = seen.borrow()[0].clone();
    assert_eq!(
        (setup.value, setup.index, setup.length, &data[..]),
        (3, 4, 4, &b"wxyz"[..])
    );
    assert!(!setup.is_in());
    finish(bench);
}

/// The control endpoint does not answer: each request of the enumeration has five seconds.
#[test]
fn a_device_that_does_not_answer_at_all() {
    let mut device = device();
    device.endpoint_mut(0).set_nak(true);
    let bench = machine(HostConfig::new(), device);
    let before = bench.host.now();
    assert_eq!(on_thread(&bench.host, create_usb).0, STATUS_IO_TIMEOUT);
    assert_eq!((bench.host.now() - before).as_millis(), 5_000);
    finish(bench);
}

#[test]
fn a_decorated_device_is_a_usb_device_still() {
    let device = Delayed::new(device(), Ticks::from_millis(1));
    let bench = bench_on(
        HostConfig::new(),
        device,
        LowerConfig::new("usb"),
        Hooks::default(),
    );
    let result = on_thread(&bench.host, || write_all(pipe(BULK_OUT), &[1; 10]));
    assert_eq!(result, (STATUS_SUCCESS, 10));
    finish(bench);
}

/// What a driver does in its life, with whatever fails on the way.
fn life() -> NTSTATUS {
    let (status, usb) = create_usb();
    if status != STATUS_SUCCESS {
        return status;
    }
    let status = select(usb, &mut select_params(SINGLE));
    if status != STATUS_SUCCESS {
        return status;
    }
    let pipe = pipe_of(usb, BULK_OUT);
    let (status, _) = write_all(pipe, &[1; 100]);
    if status != STATUS_SUCCESS {
        return status;
    }
    let mut request = ptr::null_mut();
    let status = wdf!(WdfRequestCreate(
        ptr::null_mut(),
        pipe.cast(),
        &raw mut request
    ));
    if status != STATUS_SUCCESS {
        return status;
    }
    let status = wdf!(WdfUsbTargetPipeFormatRequestForWrite(
        pipe,
        request,
        ptr::null_mut(),
        ptr::null_mut()
    ));
    delete(request);
    status
}

#[test]
fn every_allocation_may_fail() {
    let kinds = [
        Allocation::Irp,
        Allocation::Object,
        Allocation::Pool,
        Allocation::Context,
    ];
    for kind in kinds {
        let mut failures = 0;
        for nth in 1.. {
            let bench = machine(HostConfig::new(), device());
            bench.host.fail_allocation(kind, nth);
            let status = on_thread(&bench.host, life);
            finish(bench);
            if status == STATUS_SUCCESS {
                break;
            }
            assert_eq!(status, STATUS_INSUFFICIENT_RESOURCES, "{kind:?} {nth}");
            failures += 1;
        }
        assert!(failures > 0, "{kind:?}");
    }
}

/// A synchronous write allocates an IRP and nothing else.
#[test]
fn what_a_write_allocates() {
    let bench = machine(HostConfig::new(), device());
    let pipe = on_thread(&bench.host, || pipe(BULK_OUT).addr());
    let kinds = [
        Allocation::Irp,
        Allocation::Object,
        Allocation::Pool,
        Allocation::Context,
        Allocation::Buffer,
        Allocation::Urb,
    ];
    let count = |bench: &Bench| kinds.map(|kind| bench.host.allocations(kind));
    let before = count(&bench);
    let result = on_thread(&bench.host, move || {
        let pipe: WDFUSBPIPE = ptr::without_provenance_mut(pipe);
        write_all(pipe, &[1; 100])
    });
    assert_eq!(result, (STATUS_SUCCESS, 100));
    let after = count(&bench);
    let made: Vec<_> = after
        .iter()
        .zip(before)
        .map(|(after, before)| after - before)
        .collect();
    assert_eq!(made, [1, 0, 0, 0, 0, 0]);
    finish(bench);
}

/// With a client contract the URB of a request below the device is the USB stack's.
#[test]
fn urbs_that_the_stack_allocates() {
    let bench = machine(HostConfig::new(), device());
    on_thread(&bench.host, || {
        let mut config = WDF_USB_DEVICE_CREATE_CONFIG {
            Size: size::<WDF_USB_DEVICE_CREATE_CONFIG>(),
            USBDClientContractVersion: USBD_CLIENT_CONTRACT_VERSION_602,
        };
        let mut usb = ptr::null_mut();
        let status = wdf!(WdfUsbTargetDeviceCreateWithParameters(
            common::device(),
            &raw mut config,
            ptr::null_mut(),
            &raw mut usb
        ));
        assert_eq!(status, STATUS_SUCCESS);
        assert_eq!(select(usb, &mut select_params(SINGLE)), STATUS_SUCCESS);
        let pipe = pipe_of(usb, BULK_OUT);
        for parent in [ptr::null_mut(), usb.cast()] {
            let mut attributes = attributes();
            attributes.ParentObject = parent;
            let mut request = ptr::null_mut();
            let status = wdf!(WdfRequestCreate(
                &raw mut attributes,
                pipe.cast(),
                &raw mut request
            ));
            assert_eq!(status, STATUS_SUCCESS);
            let none = ptr::null_mut();
            let status = wdf!(WdfUsbTargetPipeFormatRequestForWrite(
                pipe,
                request,
                ptr::null_mut(),
                none
            ));
            assert_eq!(status, STATUS_SUCCESS);
            delete(request);
        }
    });
    assert_eq!(bench.host.allocations(Allocation::Urb), 1);
    finish(bench);
}

fn received(io_type: IoType, stack_size: usize, write: impl Fn(WDFREQUEST) + 'static) -> Bench {
    let on = LowerConfig::new("usb")
        .io_type(io_type)
        .stack_size(stack_size);
    let hooks = Hooks {
        io_type: Some(match io_type {
            IoType::Direct => _WDF_DEVICE_IO_TYPE::WdfDeviceIoDirect,
            _ => _WDF_DEVICE_IO_TYPE::WdfDeviceIoBuffered,
        }),
        write: Some(Rc::new(move |_, request, _| write(request))),
        ..Hooks::default()
    };
    bench_on(HostConfig::new(), recorded(&[]), on, hooks)
}

fn input(request: WDFREQUEST) -> WDFMEMORY {
    let mut memory = ptr::null_mut();
    assert_eq!(
        wdf!(WdfRequestRetrieveInputMemory(request, &raw mut memory)),
        STATUS_SUCCESS
    );
    memory
}

/// A range of an application's locked pages goes down as a partial MDL.
#[test]
fn direct_memory_of_a_received_request() {
    let bench = received(IoType::Direct, 1, |request| {
        let pipe = pipe(BULK_OUT);
        let mut range = WDFMEMORY_OFFSET {
            BufferOffset: 16,
            BufferLength: 8,
        };
        let part = memory_descriptor(input(request), &raw mut range);
        let whole = memory_descriptor(input(request), ptr::null_mut());
        let write = |descriptor| pipe_write(pipe, ptr::null_mut(), Some(descriptor), None);
        assert_eq!(
            [write(part), write(whole)],
            [(STATUS_SUCCESS, 8), (STATUS_SUCCESS, 64)]
        );
        wdf!(WdfRequestCompleteWithInformation(
            request,
            STATUS_SUCCESS,
            64
        ));
    });
    let file = bench.host.open(bench.stack).unwrap();
    let data: Vec<u8> = (0..64).collect();
    assert_eq!(bench.host.write(file, 0, &data).unwrap().information, 64);
    let urbs = seen(&bench);
    assert_eq!(
        (urbs[0].buffer, urbs[0].length, &urbs[0].data[..]),
        (0, 8, &data[16..24])
    );
    assert_eq!(
        (urbs[1].buffer, urbs[1].length, &urbs[1].data[..]),
        (0, 64, &data[..])
    );
    assert_ne!(urbs[0].mdl, urbs[1].mdl);
    bench.host.close(file).unwrap();
    finish(bench);
}

/// The partial MDL and the reference on the received request last until the request that has them is reused.
#[test]
fn a_formatted_range_of_direct_memory() {
    let bench = received(IoType::Direct, 1, |_| {});
    let file = bench.host.open(bench.stack).unwrap();
    let data: Vec<u8> = (0..64).collect();
    let io = bench.host.submit_write(file, 0, &data, Mode::User);
    bench.host.run().unwrap();
    let theirs = bench.host.request_of(io).unwrap();
    let held = |bench: &Bench| {
        (
            bench.host.framework_mdls(),
            bench.host.irp_references(theirs),
        )
    };
    assert_eq!(held(&bench), (0, Some(0)));
    let own = on_thread(&bench.host, move || {
        let pipe = pipe(BULK_OUT);
        let request = create_request(pipe.cast());
        let mut range = WDFMEMORY_OFFSET {
            BufferOffset: 16,
            BufferLength: 8,
        };
        let status = wdf!(WdfUsbTargetPipeFormatRequestForWrite(
            pipe,
            request,
            input(theirs),
            &raw mut range
        ));
        assert_eq!(status, STATUS_SUCCESS);
        let sent = wdf!(WdfRequestSend(request, pipe.cast(), ptr::null_mut()));
        assert_eq!(sent, 1);
        request
    });
    assert_eq!(held(&bench), (1, Some(1)));
    assert_eq!(seen(&bench)[0].data, data[16..24]);
    on_thread(&bench.host, move || {
        assert_eq!(reuse(own, STATUS_SUCCESS), STATUS_SUCCESS);
    });
    assert_eq!(held(&bench), (0, Some(0)));
    on_thread(&bench.host, move || {
        delete(own);
        wdf!(WdfRequestCompleteWithInformation(theirs, STATUS_SUCCESS, 8));
    });
    assert_eq!(bench.host.result(io).unwrap().information, 8);
    bench.host.close(file).unwrap();
    finish(bench);
}

/// A received request can be the one that is sent, if its IRP has room.
#[test]
fn a_received_request_is_sent_to_a_pipe() {
    let bench = received(IoType::Buffered, 2, |request| {
        let pipe = pipe(BULK_OUT);
        let memory = memory_descriptor(input(request), ptr::null_mut());
        assert_eq!(
            pipe_write(pipe, request, Some(memory), None),
            (STATUS_SUCCESS, 64)
        );
        wdf!(WdfRequestCompleteWithInformation(
            request,
            STATUS_SUCCESS,
            64
        ));
    });
    let file = bench.host.open(bench.stack).unwrap();
    assert_eq!(bench.host.write(file, 0, &[9; 64]).unwrap().information, 64);
    assert_eq!(seen(&bench)[0].data, [9; 64]);
    bench.host.close(file).unwrap();
    finish(bench);
}

#[test]
fn same_seed_same_trace() {
    let run = || {
        let mut device = device();
        device.endpoint_mut(0x01).set_delay(Ticks::from_millis(1));
        let bench = machine(HostConfig::new().seed(5).trace(true).preempt(true), device);
        let pipe = on_thread(&bench.host, || pipe(BULK_OUT).addr());
        for name in ["first", "second"] {
            bench.host.spawn(name, move || {
                for _ in 0..3 {
                    assert_eq!(
                        write_all(ptr::without_provenance_mut(pipe), &[1; 100]),
                        (STATUS_SUCCESS, 100)
                    );
                }
            });
        }
        bench.host.run().unwrap();
        let trace = bench.host.trace();
        finish(bench);
        trace
    };
    assert_eq!(run(), run());
}

#[test]
fn a_full_speed_device_without_descriptors_of_strings() {
    let descriptors = UsbDescriptors::new(1, 2).interface(UsbInterface::new(0).bulk(0x01, 64));
    let bench = machine(HostConfig::new(), UsbDevice::new(descriptors).full_speed());
    on_thread(&bench.host, || {
        let usb = configured();
        let mut known = WDF_USB_DEVICE_INFORMATION {
            Size: size::<WDF_USB_DEVICE_INFORMATION>(),
            ..Default::default()
        };
        let status = wdf!(WdfUsbTargetDeviceRetrieveInformation(usb, &raw mut known));
        assert_eq!((status, known.Traits), (STATUS_SUCCESS, 0));
        let mut count = 0_u16;
        let status = wdf!(WdfUsbTargetDeviceQueryString(
            usb,
            ptr::null_mut(),
            ptr::null_mut(),
            ptr::null_mut(),
            &raw mut count,
            1,
            0x409
        ));
        assert_eq!((status, count), (STATUS_UNSUCCESSFUL, 0));
    });
    finish(bench);
}
