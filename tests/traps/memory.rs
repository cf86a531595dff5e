//! Buffers: lengths, ranges, MDLs, the memory of requests.

use std::cell::Cell;
use std::rc::Rc;

use crate::common::{REMOTE_UTF16, Sent, Setup, World, pipe_write, soon, usb_device};
use kmdf::{
    Access, Error, ErrorKind, IoType, Memory, MemoryDescriptor, MemoryMdl, NtStatus, Received,
    RemoteIoTarget, Request, SendOptions, SendRequest, TransferError, WdfMemory,
};
use kmdf_host::{Loopback, Reply, Scripted, UsbDevice};

#[test]
fn t04_range_always_has_its_length() {
    let world = World::usb(Setup::default(), usb_device());
    let sent = world.in_driver(|device, _| {
        let memory = Memory::create(16)?;
        let usb = device
            .context()?
            .usb
            .acquire()
            .ok_or(Error::DEVICE_NOT_CONNECTED)?;
        let write = |range| {
            usb.pipe().pipe_write_sync(
                SendRequest::Framework,
                MemoryDescriptor::memory_range(&memory, range)?,
                &SendOptions::new(),
            )
        };
        Ok::<_, TransferError>([
            write(4..16)?.bytes(),
            write(4..4)?.bytes(),
            write(16..16)?.bytes(),
            write(0..0)?.bytes(),
        ])
    });
    assert_eq!(sent.unwrap(), [12, 0, 0, 0]);
    let packets = world
        .host
        .with_lower(world.lower, |device: &mut UsbDevice| {
            device.endpoint_mut(1).packets().to_vec()
        });
    assert_eq!(packets, [12, 0, 0, 0]);
    world.finish();
}

/// Sizes of structures, and the levels of object attributes: the model checks each as the framework does.
#[test]
fn t12_every_size_is_right() {
    let world = World::usb(Setup::default(), usb_device());
    world.add_remote(Loopback::new(), 1);
    world
        .in_driver(|device, received| {
            let memory = Memory::create(1)?;
            let _mdl = MemoryMdl::build(&memory)?;
            let mut request = Request::create(device.io_target()?)?;
            let remote = RemoteIoTarget::open_by_name(device, REMOTE_UTF16, Access::ReadWrite)?;
            remote.send_write_sync(
                &mut request,
                MemoryDescriptor::memory(&memory)?,
                None,
                &soon(),
            )?;
            let _parameters = received.parameters();
            pipe_write(device, b"x", &soon()).map(drop)
        })
        .unwrap();
    let report = world.finish();
    assert_eq!(
        report.totals.breaks, 0,
        "the verifier has nothing to break on"
    );
}

#[test]
fn t13_range_past_the_end_is_an_error_before_the_call() {
    let world = World::filter(Setup::default(), Loopback::new());
    world.in_driver_with(b"12345678", |_, received| {
        let own = Memory::create(8).unwrap();
        let of_request = received.input_memory().unwrap();
        #[expect(clippy::reversed_empty_ranges, reason = "one of the wrong ranges")]
        for range in [
            0..9,
            8..9,
            9..9,
            4..3,
            1..usize::MAX,
            usize::MAX..usize::MAX,
        ] {
            assert_eq!(
                MemoryDescriptor::memory_range(&own, range.clone()).unwrap_err(),
                Error::INTEGER_OVERFLOW,
                "{range:?}"
            );
            assert_eq!(
                MemoryDescriptor::memory_range(&of_request, range.clone()).unwrap_err(),
                Error::INTEGER_OVERFLOW,
                "{range:?}"
            );
        }
    });
    world.finish();
}

#[test]
fn t14_empty_data_is_a_zero_length_write() {
    let world = World::filter(Setup::default(), Scripted::new(vec![]));
    world.in_driver(|device, _| {
        let target = device.io_target().unwrap();
        let memory = Memory::create(4).unwrap();
        let mdl = MemoryMdl::build(&memory).unwrap();
        for empty in [
            MemoryDescriptor::NONE,
            MemoryDescriptor::bytes(&[]).unwrap(),
            MemoryDescriptor::value(&[0_u32; 0]).unwrap(),
            MemoryDescriptor::memory_range(&memory, 2..2).unwrap(),
            MemoryDescriptor::mdl_prefix(&mdl, 0).unwrap(),
        ] {
            let sent =
                target.send_write_sync(SendRequest::Framework, empty, None, &SendOptions::new());
            assert_eq!(sent.unwrap().bytes(), 0);
        }
    });
    let lengths = world.host.with_lower(world.lower, |device: &mut Scripted| {
        device
            .seen()
            .iter()
            .map(|irp| irp.length)
            .collect::<Vec<_>>()
    });
    assert_eq!(lengths, [0; 5]);
    world.finish();
}

#[test]
fn t15_mdl_length_is_checked() {
    let world = World::filter(
        Setup {
            io_type: IoType::Direct,
            ..Setup::default()
        },
        Loopback::new(),
    );
    world.in_driver_with(b"12345678", |_, received| {
        let memory = Memory::create(16).unwrap();
        let mdl = MemoryMdl::build(&memory).unwrap();
        assert_eq!(
            MemoryDescriptor::mdl_prefix(&mdl, 17).unwrap_err(),
            Error::INTEGER_OVERFLOW
        );
        assert_eq!(MemoryDescriptor::mdl(&mdl).len(), 16);
        let of_request = received.input_mdl().unwrap();
        assert_eq!(
            MemoryDescriptor::mdl_prefix(of_request, 9).unwrap_err(),
            Error::INTEGER_OVERFLOW
        );
        assert_eq!(MemoryDescriptor::mdl(of_request).len(), 8);
    });
    world.finish();
}

#[test]
fn t16_neither_io_without_locked_buffers_is_an_error() {
    for verifier in [true, false] {
        let setup = Setup {
            io_type: IoType::Neither,
            verifier,
            lock_caller_buffers: false,
            ..Setup::default()
        };
        let world = World::filter(setup, Loopback::new());
        let refused =
            world.in_driver(|_, received| received.input_memory().map(|memory| memory.len()));
        assert_eq!(
            refused,
            Err(Error::INVALID_DEVICE_REQUEST),
            "verifier {verifier}"
        );
        world.finish();

        let world = World::filter(
            Setup {
                lock_caller_buffers: true,
                ..setup
            },
            Loopback::new(),
        );
        let mut copy = [0; 6];
        let read = world.in_driver_with(b"locked", move |_, received| {
            received
                .input_memory()?
                .copy_to(0, &mut copy)
                .map(|()| copy)
        });
        assert_eq!(&read.unwrap(), b"locked");
        world.finish();
    }
}

#[test]
fn t17_memory_is_released_when_the_send_returns() {
    let world = World::filter(
        Setup::default(),
        Scripted::new(vec![Reply::default().pend(), Reply::default()]),
    );
    world.on_write(|queue, received| {
        let device = queue.device().unwrap();
        let target = device.io_target().unwrap();
        let mut request = Request::create(target).unwrap();
        {
            let memory = received.input_memory().unwrap();
            let descriptor = MemoryDescriptor::memory(&memory).unwrap();
            assert_eq!(
                target
                    .send_write_sync(&mut request, descriptor, None, &soon())
                    .unwrap_err()
                    .kind(),
                ErrorKind::Timeout
            );
            assert_eq!(
                target
                    .send_write_sync(&mut request, descriptor, None, &soon())
                    .unwrap()
                    .bytes(),
                4
            );
        }
        // With a reference left this is WDF_VIOLATION 3.
        received.complete_with_information(NtStatus::SUCCESS, 4);
        drop(request);
    });
    assert_eq!(world.write(b"data").information, 4);
    world.finish();
}

#[test]
fn t26_all_io_types_see_the_same_bytes() {
    for io_type in [IoType::Buffered, IoType::Direct, IoType::Neither] {
        let world = World::filter(
            Setup {
                io_type,
                ..Setup::default()
            },
            Loopback::new(),
        );
        world.on_write(|queue, received| {
            let sent = || -> Sent {
                let memory = received.input_memory()?;
                queue.device()?.io_target()?.send_write_sync(
                    SendRequest::Framework,
                    MemoryDescriptor::memory(&memory)?,
                    None,
                    &soon(),
                )
            };
            let bytes = sent().unwrap().bytes();
            received.complete_with_information(NtStatus::SUCCESS, bytes);
        });
        assert_eq!(
            world.write(b"the same bytes").information,
            14,
            "{io_type:?}"
        );
        assert_eq!(
            world
                .host
                .with_lower(world.lower, |device: &mut Loopback| device.bytes()),
            b"the same bytes",
            "{io_type:?}"
        );
        world.finish();
    }
}

#[test]
fn t38_memory_of_size_zero_is_an_error() {
    let world = World::filter(Setup::default(), Loopback::new());
    world.in_driver(|_, _| {
        assert_eq!(Memory::create(0).unwrap_err(), Error::INVALID_PARAMETER);
        assert_eq!(
            kmdf::PreallocatedMemory::create(&[]).unwrap_err(),
            Error::INVALID_PARAMETER
        );
        let memory = Memory::create(3).unwrap();
        assert_eq!(memory.as_slice(), [0; 3]);
    });
    world.finish();
}

#[test]
fn t39_copy_past_the_end() {
    let world = World::filter(Setup::default(), Loopback::new());
    world.in_driver_with(b"12345678", |_, received: &Received<'_>| {
        let memory = received.input_memory().unwrap();
        let mut copy = [0; 4];
        memory.copy_to(4, &mut copy).unwrap();
        assert_eq!(&copy, b"5678");
        for (offset, len) in [(5, 4), (8, 1), (9, 0), (usize::MAX, 1)] {
            assert_eq!(
                memory.copy_to(offset, &mut copy[..len]).unwrap_err(),
                Error::BUFFER_TOO_SMALL,
                "{offset}, {len}"
            );
        }
        memory.copy_to(8, &mut []).unwrap();
    });
    world.finish();
}

#[test]
fn t40_zero_length_writes() {
    for allow_zero_length in [false, true] {
        let world = World::filter(
            Setup {
                allow_zero_length,
                ..Setup::default()
            },
            Scripted::new(vec![]),
        );
        let seen = Rc::new(Cell::new(0));
        let count = Rc::clone(&seen);
        world.on_write(move |_, received| {
            count.set(count.get() + 1);
            assert_eq!(
                received.input_memory().unwrap_err(),
                Error::BUFFER_TOO_SMALL
            );
            received.pass_down().unwrap();
        });
        let written = world.write(b"");
        assert_eq!((written.status, written.information), (0, 0));
        assert_eq!(seen.get(), u32::from(allow_zero_length));
        let sent = world
            .host
            .with_lower(world.lower, |device: &mut Scripted| device.seen().len());
        assert_eq!(sent, usize::from(allow_zero_length));
        world.finish();
    }
}
