//! Continuous readers.

mod common;
mod usb_support;

use std::ptr;

use common::*;
use kmdf_host::{Allocation, HostConfig, UsbDevice, UsbFault, ViolationKind};
use kmdf_sys::missing::*;
use kmdf_sys::*;
use usb_support::*;

unsafe extern "C" fn read_complete(
    _pipe: WDFUSBPIPE,
    buffer: WDFMEMORY,
    length: usize,
    context: WDFCONTEXT,
) {
    let mut size = 0;
    let bytes = wdf!(WdfMemoryGetBuffer(buffer, &raw mut size)).cast::<u8>();
    // SAFETY: the buffer has a header of two bytes, and the transfer after it.
    let first = unsafe { bytes.wrapping_add(2).read() };
    log(format!(
        "{length} of {size}, {first}, context {}",
        context.addr()
    ));
}

unsafe extern "C" fn stop(
    _pipe: WDFUSBPIPE,
    status: NTSTATUS,
    usbd_status: USBD_STATUS,
) -> BOOLEAN {
    log(format!("failed {status:#x} {usbd_status:#x}, stop"));
    0
}

unsafe extern "C" fn restart(
    _pipe: WDFUSBPIPE,
    status: NTSTATUS,
    usbd_status: USBD_STATUS,
) -> BOOLEAN {
    log(format!("failed {status:#x} {usbd_status:#x}, restart"));
    1
}

fn config(transfer: usize) -> WDF_USB_CONTINUOUS_READER_CONFIG {
    WDF_USB_CONTINUOUS_READER_CONFIG {
        Size: size::<WDF_USB_CONTINUOUS_READER_CONFIG>(),
        TransferLength: transfer,
        HeaderLength: 2,
        TrailerLength: 1,
        EvtUsbTargetPipeReadComplete: Some(read_complete),
        EvtUsbTargetPipeReadCompleteContext: ptr::without_provenance_mut(7),
        ..Default::default()
    }
}

fn configure(pipe: WDFUSBPIPE, config: &mut WDF_USB_CONTINUOUS_READER_CONFIG) -> NTSTATUS {
    wdf!(WdfUsbTargetPipeConfigContinuousReader(
        pipe,
        &raw mut *config
    ))
}

/// A device with a reader on its bulk IN pipe, whose target was stopped and is started again here.
fn reading(config: WDF_USB_CONTINUOUS_READER_CONFIG) -> (Bench, usize) {
    let bench = machine(HostConfig::new(), UsbDevice::new(descriptors()));
    let pipe = on_thread(&bench.host, move || {
        let pipe = pipe(BULK_IN);
        let mut config = config;
        assert_eq!(configure(pipe, &mut config), STATUS_SUCCESS);
        assert_eq!(wdf!(WdfIoTargetStart(pipe.cast())), STATUS_SUCCESS);
        pipe.addr()
    });
    (bench, pipe)
}

fn end(bench: Bench, pipe: usize) {
    on_thread(&bench.host, move || {
        let target: WDFIOTARGET = ptr::without_provenance_mut(pipe);
        let cancel = _WDF_IO_TARGET_SENT_IO_ACTION::WdfIoTargetCancelSentIo;
        wdf!(WdfIoTargetStop(target, cancel));
    });
    assert_eq!(bench.host.held_by(bench.lower), 0);
    finish(bench);
}

fn send(bench: &Bench, message: &[u8]) {
    bench
        .host
        .with_lower(bench.lower, |device: &mut UsbDevice| {
            device.endpoint_mut(0x81).send(message);
        });
    bench.host.run().unwrap();
}

#[test]
fn the_configuration_is_checked_in_order() {
    let bench = machine(HostConfig::new(), UsbDevice::new(descriptors()));
    on_thread(&bench.host, || {
        let usb = configured();
        let check = |index, config: WDF_USB_CONTINUOUS_READER_CONFIG| {
            let mut config = config;
            configure(pipe_of(usb, index), &mut config)
        };
        let good = config(512);
        let wrong_size = WDF_USB_CONTINUOUS_READER_CONFIG { Size: 1, ..good };
        assert_eq!(check(BULK_OUT, wrong_size), STATUS_INFO_LENGTH_MISMATCH);
        let no_callback = WDF_USB_CONTINUOUS_READER_CONFIG {
            EvtUsbTargetPipeReadComplete: None,
            ..good
        };
        assert_eq!(check(BULK_OUT, no_callback), STATUS_INVALID_PARAMETER);
        assert_eq!(check(BULK_OUT, config(0)), STATUS_INVALID_PARAMETER);
        let overflow = WDF_USB_CONTINUOUS_READER_CONFIG {
            TrailerLength: usize::MAX,
            ..good
        };
        assert_eq!(check(BULK_OUT, overflow), STATUS_INTEGER_OVERFLOW);
        let mut parented = attributes();
        parented.ParentObject = device().cast();
        let parented = WDF_USB_CONTINUOUS_READER_CONFIG {
            BufferAttributes: &raw mut parented,
            ..good
        };
        let refused = STATUS_WDF_PARENT_ASSIGNMENT_NOT_ALLOWED;
        assert_eq!(check(BULK_OUT, parented), refused);
        for index in [BULK_OUT, ISOCHRONOUS, CONTROL] {
            assert_eq!(check(index, good), STATUS_INVALID_DEVICE_REQUEST, "{index}");
        }
        assert_eq!(check(BULK_IN, config(100)), STATUS_INVALID_BUFFER_SIZE);
        assert_eq!(check(BULK_IN, good), STATUS_SUCCESS);
        assert_eq!(check(BULK_IN, good), STATUS_INVALID_DEVICE_STATE);
    });
    finish(bench);
}

#[test]
fn every_message_is_reported_once_and_in_order() {
    let (bench, pipe) = reading(config(512));
    assert_eq!(bench.host.held_by(bench.lower), 2);
    send(&bench, &[5; 700]);
    send(&bench, &[6; 20]);
    assert_eq!(
        take_log(),
        [
            "512 of 515, 5, context 7",
            "188 of 515, 5, context 7",
            "20 of 515, 6, context 7"
        ]
    );
    assert_eq!(bench.host.held_by(bench.lower), 2);
    end(bench, pipe);
}

#[test]
fn the_number_of_pending_reads_is_bounded() {
    for (wanted, held) in [(0, 2), (1, 1), (10, 10), (11, 10)] {
        let config = WDF_USB_CONTINUOUS_READER_CONFIG {
            NumPendingReads: wanted,
            ..config(512)
        };
        let (bench, pipe) = reading(config);
        assert_eq!(bench.host.held_by(bench.lower), held, "{wanted}");
        end(bench, pipe);
    }
}

#[test]
fn a_stopped_reader_reads_again_when_it_is_started() {
    let (bench, pipe) = reading(config(512));
    for _ in 0..2 {
        on_thread(&bench.host, move || {
            let target: WDFIOTARGET = ptr::without_provenance_mut(pipe);
            // With a reader, leaving I/O pending is cancelling it.
            let leave = _WDF_IO_TARGET_SENT_IO_ACTION::WdfIoTargetLeaveSentIoPending;
            wdf!(WdfIoTargetStop(target, leave));
        });
        assert_eq!(bench.host.held_by(bench.lower), 0);
        on_thread(&bench.host, move || {
            let target: WDFIOTARGET = ptr::without_provenance_mut(pipe);
            assert_eq!(wdf!(WdfIoTargetStart(target)), STATUS_SUCCESS);
        });
        assert_eq!(bench.host.held_by(bench.lower), 2);
    }
    send(&bench, &[9; 3]);
    assert_eq!(take_log(), ["3 of 515, 9, context 7"]);
    end(bench, pipe);
}

fn stall(bench: &Bench) {
    bench
        .host
        .with_lower(bench.lower, |device: &mut UsbDevice| {
            let endpoint = device.endpoint_mut(0x81);
            endpoint.fault(1, UsbFault::Stall { after: 0 });
            endpoint.send(&[1; 8]);
        });
    bench.host.run().unwrap();
}

/// The read that is sent after the first message stalls.
fn after_a_stall(failed: PFN_WDF_USB_READERS_FAILED) -> (Bench, usize) {
    let config = WDF_USB_CONTINUOUS_READER_CONFIG {
        EvtUsbTargetPipeReadersFailed: failed,
        ..config(512)
    };
    let (bench, pipe) = reading(config);
    stall(&bench);
    (bench, pipe)
}

#[test]
fn a_failed_reader_recovers_by_resetting_the_pipe() {
    let failure = format!("failed {STATUS_UNSUCCESSFUL:#x} {USBD_STATUS_STALL_PID:#x}, restart");
    for (failed, told) in [(None, vec![]), (Some(restart as _), vec![failure])] {
        let (bench, pipe) = after_a_stall(failed);
        let log = take_log();
        assert_eq!(log[0], "8 of 515, 1, context 7");
        assert_eq!(log[1..], told);
        bench
            .host
            .with_lower(bench.lower, |device: &mut UsbDevice| {
                assert!(!device.endpoint(0x81).unwrap().is_halted());
            });
        assert_eq!(bench.host.held_by(bench.lower), 2);
        send(&bench, &[2; 4]);
        assert_eq!(take_log(), ["4 of 515, 2, context 7"]);
        end(bench, pipe);
    }
}

#[test]
fn a_failed_reader_stops_when_the_driver_says_so() {
    let (bench, pipe) = after_a_stall(Some(stop));
    let told = format!("failed {STATUS_UNSUCCESSFUL:#x} {USBD_STATUS_STALL_PID:#x}, stop");
    assert_eq!(take_log()[1], told);
    bench
        .host
        .with_lower(bench.lower, |device: &mut UsbDevice| {
            assert!(device.endpoint(0x81).unwrap().is_halted());
        });
    assert_eq!(bench.host.held_by(bench.lower), 0);
    end(bench, pipe);
}

#[test]
fn a_reader_of_a_device_that_is_gone_gives_up() {
    let (bench, pipe) = reading(config(512));
    bench.host.with_lower(bench.lower, UsbDevice::disconnect);
    bench.host.run().unwrap();
    assert_eq!(bench.host.held_by(bench.lower), 0);
    end(bench, pipe);
}

/// A pipe that is removed while its reader reads.
#[test]
fn removal_waits_for_the_reader() {
    let (bench, _) = reading(config(512));
    assert_eq!(bench.host.held_by(bench.lower), 2);
    assert_eq!(found(bench), [ViolationKind::ReaderRunning]);
}

/// The framework's verifier asks for a reader to be stopped first.
#[test]
fn the_verifier_objects_to_a_reader_that_was_not_stopped() {
    let config = config(512);
    let device = UsbDevice::new(descriptors());
    let bench = machine(HostConfig::new().verifier(true), device);
    on_thread(&bench.host, move || {
        let pipe = pipe(BULK_IN);
        let mut config = config;
        assert_eq!(configure(pipe, &mut config), STATUS_SUCCESS);
        assert_eq!(wdf!(WdfIoTargetStart(pipe.cast())), STATUS_SUCCESS);
    });
    assert_eq!(found(bench), [ViolationKind::ReaderRunning]);
}

#[test]
fn an_allocation_that_fails_is_recovered_from() {
    let (bench, pipe) = reading(WDF_USB_CONTINUOUS_READER_CONFIG {
        NumPendingReads: 1,
        ..config(512)
    });
    // The buffer for the next read.
    bench.host.fail_allocation(Allocation::Pool, 1);
    send(&bench, &[3; 3]);
    assert_eq!(bench.host.held_by(bench.lower), 1);
    send(&bench, &[4; 4]);
    assert_eq!(
        take_log(),
        ["3 of 515, 3, context 7", "4 of 515, 4, context 7"]
    );
    end(bench, pipe);
}
