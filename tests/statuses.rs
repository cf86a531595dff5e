//! Every status that Microsoft documents for the two DDIs, provoked on purpose, and seen as its own [`ErrorKind`].

#[allow(dead_code, unreachable_pub, reason = "each test program uses its part")]
mod common;

use std::time::Duration;

use common::{REMOTE_UTF16, Setup, World, raised, usb_device};
use kmdf::{
    Access, Device, Error, ErrorKind, IoTargetState, MemoryDescriptor, NtStatus, Object, Received,
    RemoteIoTarget, SendOptions, SendRequest, TransferError,
};
use kmdf_host::{Allocation, Reply, Scripted, UsbDescriptors, UsbDevice, UsbInterface};
use kmdf_sys::{
    _WDF_REQUEST_SEND_OPTIONS_FLAGS as Flags, WDF_MEMORY_DESCRIPTOR, WDF_REQUEST_SEND_OPTIONS,
    call_unsafe_wdf_function_binding,
};

fn kind_of(status: i32) -> ErrorKind {
    Error::new(NtStatus::from_raw(status))
        .expect("an error")
        .kind()
}

/// Sends with these raw options and descriptor, as the library cannot.
fn raw_send(options: WDF_REQUEST_SEND_OPTIONS, descriptor: WDF_MEMORY_DESCRIPTOR) -> i32 {
    let world = World::filter(
        Setup {
            verifier: false,
            ..Setup::default()
        },
        Scripted::new(vec![]),
    );
    let status = world.in_driver(move |device, _| {
        let (mut options, mut descriptor) = (options, descriptor);
        let target = device.io_target().unwrap().as_raw();
        // SAFETY: the target is live, the structures live through the call.
        unsafe {
            call_unsafe_wdf_function_binding!(
                WdfIoTargetSendWriteSynchronously,
                target,
                std::ptr::null_mut(),
                &raw mut descriptor,
                std::ptr::null_mut(),
                &raw mut options,
                std::ptr::null_mut(),
            )
        }
    });
    assert!(
        world
            .host
            .with_lower(world.lower, |device: &mut Scripted| device
                .seen()
                .is_empty()),
        "nothing is sent"
    );
    // Options that contradict each other are a finding as well.
    let report = world.host.finish();
    let only =
        |violation: &kmdf_host::Violation| violation.kind == kmdf_host::ViolationKind::SendOptions;
    assert!(
        report.stop.is_none() && report.violations.iter().all(only),
        "{report}"
    );
    status
}

fn raw_options(size: u32, flags: i32) -> WDF_REQUEST_SEND_OPTIONS {
    WDF_REQUEST_SEND_OPTIONS {
        Size: size,
        Flags: flags.cast_unsigned(),
        Timeout: 0,
    }
}

fn raw_descriptor() -> WDF_MEMORY_DESCRIPTOR {
    let mut descriptor = WDF_MEMORY_DESCRIPTOR {
        Type: 1,
        ..Default::default()
    };
    descriptor.u.BufferType.Buffer = b"raw".as_ptr().cast_mut().cast();
    descriptor.u.BufferType.Length = 3;
    descriptor
}

/// The library fills `Size` itself: only raw code can get it wrong.
#[test]
fn info_length_mismatch() {
    let status = raw_send(
        raw_options(15, Flags::WDF_REQUEST_SEND_OPTION_TIMEOUT),
        raw_descriptor(),
    );
    assert_eq!(kind_of(status), ErrorKind::InfoLengthMismatch);
}

/// The library has no such flags and no such descriptors.
#[test]
fn invalid_parameter() {
    let status = raw_send(raw_options(16, 0x10), raw_descriptor());
    assert_eq!(kind_of(status), ErrorKind::InvalidParameter);
    let both =
        Flags::WDF_REQUEST_SEND_OPTION_SEND_AND_FORGET | Flags::WDF_REQUEST_SEND_OPTION_TIMEOUT;
    assert_eq!(
        kind_of(raw_send(raw_options(16, both), raw_descriptor())),
        ErrorKind::InvalidParameter
    );
    let status = raw_send(
        raw_options(16, 0),
        WDF_MEMORY_DESCRIPTOR {
            Type: 4,
            ..raw_descriptor()
        },
    );
    assert_eq!(kind_of(status), ErrorKind::InvalidParameter);
    // A lower driver may say the same.
    let world = World::filter(
        Setup::default(),
        Scripted::new(vec![Reply::new(NtStatus::INVALID_PARAMETER.into_raw())]),
    );
    let failed = world
        .in_driver(|device, _| send(device, SendOptions::new()))
        .unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::InvalidParameter);
    world.finish();
}

fn send(device: &Device<common::Probe>, options: SendOptions) -> Result<usize, TransferError> {
    let sent = device.io_target()?.send_write_sync(
        SendRequest::Framework,
        MemoryDescriptor::bytes(b"data")?,
        None,
        &options,
    )?;
    Ok(sent.bytes())
}

fn pipe_write(
    device: &Device<common::Probe>,
    options: SendOptions,
) -> Result<usize, TransferError> {
    let usb = device
        .context()?
        .usb
        .acquire()
        .ok_or(Error::DEVICE_NOT_CONNECTED)?;
    Ok(usb
        .pipe()
        .pipe_write_sync(
            SendRequest::Framework,
            MemoryDescriptor::bytes(b"data")?,
            &options,
        )?
        .bytes())
}

/// At the wrong IRQL nothing is sent, verifier or not.
#[test]
fn invalid_device_request_at_the_wrong_irql() {
    for verifier in [true, false] {
        let world = World::filter(
            Setup {
                verifier,
                ..Setup::default()
            },
            Scripted::new(vec![]),
        );
        let failed = world
            .in_driver(|device, _| raised(|| send(device, SendOptions::new())))
            .unwrap_err();
        assert_eq!(
            (failed.kind(), failed.bytes()),
            (ErrorKind::InvalidDeviceRequest, Some(0))
        );
        assert!(world.host.with_lower(world.lower, |device: &mut Scripted| {
            device.seen().is_empty()
        }));
        world.finish();

        let world = World::usb(
            Setup {
                verifier,
                ..Setup::default()
            },
            usb_device(),
        );
        let failed = world
            .in_driver(|device, _| raised(|| pipe_write(device, SendOptions::new())))
            .unwrap_err();
        assert_eq!(
            (failed.kind(), failed.bytes()),
            (ErrorKind::InvalidDeviceRequest, Some(0))
        );
        assert_eq!(
            world
                .host
                .with_lower(world.lower, |device: &mut UsbDevice| device
                    .endpoint_mut(1)
                    .bytes()
                    .len()),
            0
        );
        world.finish();
    }
}

/// Of the pipes of a device only bulk and interrupt OUT can be had as ones to write to. (Raw, the framework refuses the others with this status: the model's own tests.)
#[test]
fn invalid_device_request_for_the_wrong_pipe() {
    let interface = UsbInterface::new(0)
        .endpoint(0x81, 2, 512, 0)
        .endpoint(0x02, 1, 512, 1)
        .endpoint(0x83, 3, 64, 1)
        .endpoint(0x04, 3, 64, 1);
    let world = World::usb(
        Setup::default(),
        UsbDevice::new(UsbDescriptors::new(0x1209, 0x0001).interface(interface)),
    );
    let chosen = world.in_driver(|device, _| {
        let usb = device.context().unwrap().usb.acquire().unwrap();
        usb.pipe().information().endpoint_address
    });
    assert_eq!(
        chosen, 0x04,
        "bulk IN, isochronous OUT and interrupt IN are passed over"
    );
    world.finish();
}

/// The lower driver does not take writes.
#[test]
fn invalid_device_request_from_below() {
    let world = World::filter(
        Setup::default(),
        Scripted::new(vec![Reply::new(
            NtStatus::INVALID_DEVICE_REQUEST.into_raw(),
        )]),
    );
    let failed = world
        .in_driver(|device, _| send(device, SendOptions::new()))
        .unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::InvalidDeviceRequest);
    world.finish();
}

/// Each allocation that a send makes fails in turn; afterwards the same send succeeds.
#[test]
fn insufficient_resources() {
    for allocation in [Allocation::Irp, Allocation::Buffer] {
        let world = World::filter(Setup::default(), Scripted::new(vec![]));
        let host = std::rc::Rc::new(world);
        let inner = std::rc::Rc::downgrade(&host);
        let (failed, sent) = host.in_driver(move |device, _| {
            inner.upgrade().unwrap().host.fail_allocation(allocation, 1);
            (
                send(device, SendOptions::new()),
                send(device, SendOptions::new()),
            )
        });
        let failed = failed.expect_err(&format!("{allocation:?}"));
        assert_eq!(
            (failed.kind(), failed.bytes()),
            (ErrorKind::InsufficientResources, Some(0)),
            "{allocation:?}"
        );
        assert_eq!(sent.unwrap(), 4, "{allocation:?}");
        let Ok(world) = std::rc::Rc::try_unwrap(host) else {
            panic!("the driver is done with the world")
        };
        world.finish();
    }
}

#[test]
fn timeout() {
    let options = SendOptions::new().timeout(Duration::from_millis(10));
    let world = World::filter(
        Setup::default(),
        Scripted::new(vec![Reply::default().pend()]),
    );
    assert_eq!(
        world
            .in_driver(move |device, _| send(device, options))
            .unwrap_err()
            .kind(),
        ErrorKind::Timeout
    );
    world.finish();

    let world = World::usb(Setup::default(), usb_device());
    world
        .host
        .with_lower(world.lower, |device: &mut UsbDevice| {
            device.endpoint_mut(1).set_nak(true)
        });
    assert_eq!(
        world
            .in_driver(move |device, _| pipe_write(device, options))
            .unwrap_err()
            .kind(),
        ErrorKind::Timeout
    );
    world.finish();
}

/// A received request has the stack locations it came with.
#[test]
fn request_not_accepted() {
    fn forward(
        device: &Device<common::Probe>,
        received: &Received<'_>,
    ) -> Result<usize, TransferError> {
        let remote = RemoteIoTarget::open_by_name(device, REMOTE_UTF16, Access::Write)?;
        Ok(remote
            .send_write_sync(received, MemoryDescriptor::NONE, None, &SendOptions::new())?
            .bytes())
    }
    let world = World::filter(Setup::default(), Scripted::new(vec![]));
    world.add_remote(Scripted::new(vec![]), 9);
    assert_eq!(
        world.in_driver(forward).unwrap_err().kind(),
        ErrorKind::RequestNotAccepted
    );
    world.finish();
}

/// Not in the documents' tables, but what drivers tell apart.
#[test]
fn other_statuses_keep_their_value() {
    let below = [
        (NtStatus::DEVICE_NOT_CONNECTED, ErrorKind::DeviceGone),
        (NtStatus::BUFFER_OVERFLOW, ErrorKind::BufferOverflow),
        (
            NtStatus::from_raw(0xC0DE_0042_u32.cast_signed()),
            ErrorKind::Other,
        ),
    ];
    for (status, kind) in below {
        let world = World::filter(
            Setup::default(),
            Scripted::new(vec![Reply::new(status.into_raw()).information(2)]),
        );
        let failed = world
            .in_driver(|device, _| send(device, SendOptions::new()))
            .unwrap_err();
        assert_eq!(
            (failed.kind(), failed.error().status(), failed.bytes()),
            (kind, status, Some(2))
        );
        world.finish();
    }
    let world = World::filter(Setup::default(), Scripted::new(vec![]));
    let failed = world.in_driver(|device, _| {
        let target = device.io_target().unwrap();
        target.purge().unwrap();
        let failed = send(device, SendOptions::new());
        target.start().unwrap();
        failed
    });
    assert_eq!(failed.unwrap_err().kind(), ErrorKind::InvalidDeviceState);
    world.finish();
}

/// A success status that says something is kept.
#[test]
fn informational_successes_are_kept() {
    let world = World::filter(
        Setup::default(),
        Scripted::new(vec![
            Reply::new(NtStatus::OBJECT_NAME_EXISTS.into_raw()).information(4),
        ]),
    );
    let sent = world.in_driver(|device, _| {
        device.io_target()?.send_write_sync(
            SendRequest::Framework,
            MemoryDescriptor::bytes(b"data")?,
            None,
            &SendOptions::new(),
        )
    });
    let sent = sent.unwrap();
    assert_eq!(
        (sent.status(), sent.bytes()),
        (NtStatus::OBJECT_NAME_EXISTS, 4)
    );
    world.finish();
}
