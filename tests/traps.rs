//! The tests of docs/traps.md, by the numbers of its table.

#[allow(dead_code, unreachable_pub, reason = "each test program uses its part")]
mod common;

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use common::{
    Probe, REMOTE_UTF16, Sent, Setup, World, ms, pipe_write, raised, send, soon, usb_device,
};
use kmdf::{
    Access, Error, ErrorKind, IoTargetState, IoType, Memory, MemoryDescriptor, MemoryMdl, NtStatus,
    Received, RemoteIoTarget, Request, SendOptions, SendRequest, SentIo, TargetState,
    TransferError, WdfMemory, send_in_pieces,
};
use kmdf_host::{Loopback, OnCancel, Reply, Scripted, UsbDevice};

#[test]
fn t01_failed_send_leaves_the_request_usable() {
    let world = World::filter(Setup::default(), Loopback::new());
    world.in_driver(|device, _| {
        let target = device.io_target().unwrap();
        let mut request = Request::create(target).unwrap();
        // Refused before the call, and by it.
        let failed = raised(|| send(device, &mut request, b"no", &SendOptions::new()));
        assert_eq!(failed.unwrap_err().kind(), ErrorKind::InvalidDeviceRequest);
        target.purge().unwrap();
        let failed = send(device, &mut request, b"no", &SendOptions::new());
        assert_eq!(failed.unwrap_err().kind(), ErrorKind::InvalidDeviceState);
        target.start().unwrap();
        assert_eq!(
            send(device, &mut request, b"yes", &SendOptions::new())
                .unwrap()
                .bytes(),
            3
        );
    });
    assert_eq!(
        world
            .host
            .with_lower(world.lower, |device: &mut Loopback| device.bytes()),
        b"yes"
    );
    world.finish();
}

#[test]
fn t02_count_is_zero_when_nothing_is_sent() {
    let world = World::filter(Setup::default(), Loopback::new());
    let failed = world.in_driver(|device, _| {
        device.io_target().unwrap().purge().unwrap();
        send(
            device,
            SendRequest::Framework,
            b"unsent",
            &SendOptions::new(),
        )
        .unwrap_err()
    });
    assert_eq!(
        (failed.kind(), failed.bytes()),
        (ErrorKind::InvalidDeviceState, Some(0))
    );
    world.finish();
}

#[test]
fn t03_pipe_count_after_never_sent_is_unknown() {
    let world = World::usb(Setup::default(), usb_device());
    let (purged, stopped) = world.in_driver(|device, _| {
        let usb = device.context().unwrap().usb.acquire().unwrap();
        usb.pipe().purge().unwrap();
        let purged = pipe_write(device, b"unsent", &SendOptions::new()).unwrap_err();
        usb.pipe().stop(SentIo::LeavePending).unwrap();
        let stopped = pipe_write(device, b"unsent", &soon()).unwrap_err();
        usb.pipe().start().unwrap();
        (purged, stopped)
    });
    assert_eq!(
        (purged.kind(), purged.bytes()),
        (ErrorKind::InvalidDeviceState, None)
    );
    assert_eq!(
        (stopped.kind(), stopped.bytes()),
        (ErrorKind::Timeout, None)
    );
    world.finish();
}

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

#[test]
fn t05_request_is_ready_after_time_out_and_cancel() {
    let world = World::filter(
        Setup::default(),
        Scripted::new(vec![Reply::default().pend(), Reply::default()]),
    );
    world.in_driver(|device, received| {
        let mut request = Request::create(device.io_target().unwrap()).unwrap();
        assert_eq!(
            send(device, &mut request, b"slow", &soon())
                .unwrap_err()
                .kind(),
            ErrorKind::Timeout
        );
        assert_eq!(
            send(device, &mut request, b"ready", &soon())
                .unwrap()
                .bytes(),
            5
        );
        request.cancel_handle().unwrap().cancel();
        assert_eq!(
            send(device, &mut request, b"never", &soon())
                .unwrap_err()
                .kind(),
            ErrorKind::Cancelled
        );
        assert_eq!(
            send(device, &mut request, b"ready", &soon())
                .unwrap()
                .bytes(),
            5
        );
        // A received one too.
        assert_eq!(
            send(device, received, b"ready", &soon()).unwrap().bytes(),
            5
        );
    });
    world.finish();
    let world = World::filter(
        Setup::default(),
        Scripted::new(vec![Reply::default().pend(), Reply::default()]),
    );
    world.in_driver(|device, received| {
        assert_eq!(
            send(device, received, b"slow", &soon()).unwrap_err().kind(),
            ErrorKind::Timeout
        );
        assert_eq!(
            send(device, received, b"ready", &soon()).unwrap().bytes(),
            5
        );
    });
    world.finish();
}

#[test]
fn t06_request_is_ready_after_a_refused_send() {
    let world = World::filter(Setup::default(), Loopback::new());
    world.on_write(|queue, received| {
        let device = queue.device().unwrap();
        let target = device.io_target().unwrap();
        let mut request = Request::create(target).unwrap();
        target.purge().unwrap();
        let refused = [
            send(device, &mut request, b"no", &SendOptions::new()),
            send(device, &received, b"no", &SendOptions::new()),
        ];
        for refused in refused {
            assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidDeviceState);
        }
        target.start().unwrap();
        assert_eq!(
            send(device, &mut request, b"one ", &SendOptions::new())
                .unwrap()
                .bytes(),
            4
        );
        assert_eq!(
            send(device, &received, b"two ", &SendOptions::new())
                .unwrap()
                .bytes(),
            4
        );
        // The asynchronous send: a routine that is left over would be called now, on a dead stack.
        received.pass_down().unwrap();
    });
    assert_eq!(world.write(b"its own").information, 7);
    assert_eq!(
        world
            .host
            .with_lower(world.lower, |device: &mut Loopback| device.bytes()),
        b"one two its own"
    );
    world.finish();
}

#[test]
fn t07_send_to_stopped_target_waits() {
    let world = World::filter(Setup::default(), Loopback::new());
    let before = world.host.now();
    let failed = world.in_driver(|device, _| {
        device
            .io_target()
            .unwrap()
            .stop(SentIo::LeavePending)
            .unwrap();
        let failed = send(device, SendRequest::Framework, b"held", &soon()).unwrap_err();
        device.io_target().unwrap().start().unwrap();
        failed
    });
    assert_eq!(
        (failed.kind(), failed.bytes()),
        (ErrorKind::Timeout, Some(0))
    );
    assert_eq!(world.host.now() - before, ms(10));
    world.finish();
}

#[test]
fn t08_time_out_waits_for_the_lower_driver() {
    let replies = vec![Reply::default().after(ms(300)).on_cancel(OnCancel::Ignore)];
    let world = World::filter(Setup::default(), Scripted::new(replies));
    let before = world.host.now();
    let sent = world.in_driver(|device, _| send(device, SendRequest::Framework, b"late", &soon()));
    assert_eq!(sent.unwrap().bytes(), 4);
    assert_eq!(world.host.now() - before, ms(300));
    world.finish();
}

#[test]
fn t09_zero_duration_times_out() {
    let world = World::filter(
        Setup::default(),
        Scripted::new(vec![Reply::default().pend()]),
    );
    let options = SendOptions::new().timeout(Duration::ZERO);
    let failed = world
        .in_driver(move |device, _| send(device, SendRequest::Framework, b"x", &options))
        .unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::Timeout);
    world.finish();
}

#[test]
fn t10_pass_down_reaches_the_lower_driver() {
    let world = World::filter(Setup::default(), Loopback::new());
    world.on_write(|queue, received| {
        // Even through a purged target.
        queue
            .device()
            .unwrap()
            .io_target()
            .unwrap()
            .purge()
            .unwrap();
        received.pass_down().unwrap();
    });
    let written = world.write(b"as it was");
    assert_eq!((written.status, written.information), (0, 9));
    assert_eq!(
        world
            .host
            .with_lower(world.lower, |device: &mut Loopback| device.bytes()),
        b"as it was"
    );
    world.finish();
}

#[test]
fn t11_wrong_irql_is_an_error_before_the_call() {
    for verifier in [true, false] {
        let world = World::usb(
            Setup {
                verifier,
                ..Setup::default()
            },
            usb_device(),
        );
        world.in_driver(|device, _| {
            let usb = device.context().unwrap().usb.acquire().unwrap();
            let target = device.io_target().unwrap();
            let wrong = [
                raised(|| {
                    send(device, SendRequest::Framework, b"x", &SendOptions::new())
                        .map(drop)
                        .map_err(Error::from)
                }),
                raised(|| {
                    pipe_write(device, b"x", &SendOptions::new())
                        .map(drop)
                        .map_err(Error::from)
                }),
                raised(|| usb.pipe().reset_sync(&SendOptions::new())),
                raised(|| target.start()),
                raised(|| target.stop(SentIo::Wait)),
                raised(|| target.purge()),
                raised(|| {
                    RemoteIoTarget::open_by_name(
                        device,
                        kmdf::utf16str!("\\Device\\X"),
                        Access::Write,
                    )
                    .map(drop)
                }),
                raised(|| kmdf::UsbDevice::create(device).map(drop)),
            ];
            assert_eq!(wrong, [Err(Error::INVALID_DEVICE_REQUEST); 8]);
        });
        world.finish();
    }
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
fn t20_sync_time_out_survives_a_restart() {
    let world = World::filter(
        Setup::default(),
        Scripted::new(vec![Reply::default().pend()]),
    );
    let result: Rc<Cell<Option<Sent>>> = Rc::default();
    let keep = Rc::clone(&result);
    world.on_write(move |queue, received| {
        let device = queue.device().unwrap();
        device
            .io_target()
            .unwrap()
            .stop(SentIo::LeavePending)
            .unwrap();
        let options = SendOptions::new().timeout(Duration::from_millis(100));
        keep.set(Some(send(
            device,
            SendRequest::Framework,
            b"held, then sent",
            &options,
        )));
        received.complete(NtStatus::SUCCESS);
    });
    world.on_control(|queue, received, _| {
        queue
            .device()
            .unwrap()
            .io_target()
            .unwrap()
            .start()
            .unwrap();
        received.complete(NtStatus::SUCCESS);
    });
    let before = world.host.now();
    world
        .host
        .submit_write(world.file, 0, b"?", kmdf_host::Mode::User);
    world.host.run_for(ms(40)).unwrap();
    world
        .host
        .ioctl(world.file, 0x0022_2004, b"", &mut [])
        .unwrap();
    world.host.run().unwrap();
    assert_eq!(
        result.take().unwrap().unwrap_err().kind(),
        ErrorKind::Timeout
    );
    assert_eq!(world.host.now() - before, ms(100));
    world.finish();
}

#[test]
fn t21_pended_time_out_is_a_time_out() {
    t07_send_to_stopped_target_waits();
}

#[test]
fn t22_removed_not_sent_reaches_the_application_as_removed() {
    let world = World::filter(Setup::default(), Loopback::new());
    world.on_write(|queue, received| {
        let device = queue.device().unwrap();
        device
            .io_target()
            .unwrap()
            .stop(SentIo::LeavePending)
            .unwrap();
        let failed =
            send(device, SendRequest::Framework, b"held", &SendOptions::new()).unwrap_err();
        assert_eq!(
            failed.error().status(),
            NtStatus::WDF_DEVICE_REMOVED_NOT_SENT
        );
        assert_eq!(
            (failed.kind(), failed.bytes()),
            (ErrorKind::DeviceGone, Some(0))
        );
        received.complete(failed.error());
    });
    world.on_control(|queue, received, _| {
        queue
            .device()
            .unwrap()
            .io_target()
            .unwrap()
            .purge()
            .unwrap();
        received.complete(NtStatus::SUCCESS);
    });
    let write = world
        .host
        .submit_write(world.file, 0, b"?", kmdf_host::Mode::User);
    world.host.run_for(ms(1)).unwrap();
    world
        .host
        .ioctl(world.file, 0x0022_2004, b"", &mut [])
        .unwrap();
    world.host.run().unwrap();
    assert_eq!(
        world.host.result(write).unwrap().status,
        NtStatus::DEVICE_REMOVED.into_raw()
    );
    world.finish();
}

#[test]
fn t23_a_target_is_open_while_there_is_one() {
    let world = World::filter(Setup::default(), Loopback::new());
    let remote = world.add_remote(Loopback::new(), 1);
    world.in_driver(|device, _| {
        let target = RemoteIoTarget::open_by_name(device, REMOTE_UTF16, Access::Write).unwrap();
        assert_eq!(target.state(), TargetState::Started);
        let data = MemoryDescriptor::bytes(b"x").unwrap();
        let sent = target.send_write_sync(SendRequest::Framework, data, None, &SendOptions::new());
        assert_eq!(sent.unwrap().bytes(), 1);
        drop(target);
        // Closed: it can be opened again.
        RemoteIoTarget::open_by_name(device, REMOTE_UTF16, Access::Write).unwrap();
        let name = kmdf::utf16str!("\\Device\\NotThere");
        let missing = RemoteIoTarget::open_by_name(device, name, Access::Write);
        assert_eq!(missing.unwrap_err().kind(), ErrorKind::NotFound);
    });
    assert_eq!(
        world
            .host
            .with_lower(remote, |device: &mut Loopback| device.bytes()),
        b"x"
    );
    world.finish();
}

#[test]
fn t24_pieces_keep_the_maximum_transfer_size() {
    let device = usb_device().maximum_transfer_size(1, 1000);
    let world = World::usb(Setup::default(), device);
    let data: Vec<u8> = (0..=255).cycle().take(2_500).collect();
    let expected = data.clone();
    let sent = world.in_driver(move |device, _| {
        let mut memory = Memory::create(data.len())?;
        memory.as_mut_slice().copy_from_slice(&data);
        let usb = device
            .context()?
            .usb
            .acquire()
            .ok_or(Error::DEVICE_NOT_CONNECTED)?;
        let pipe = usb.pipe();
        assert_eq!(pipe.maximum_transfer_size().get(), 1000);
        let mut pieces = Vec::new();
        let sum = send_in_pieces(&memory, pipe.maximum_transfer_size(), |piece, done| {
            pieces.push((done, piece.len()));
            pipe.pipe_write_sync(SendRequest::Framework, piece, &SendOptions::new())
        })?;
        Ok::<_, TransferError>((sum, pieces))
    });
    assert_eq!(
        sent.unwrap(),
        (2_500, vec![(0, 1000), (1000, 1000), (2000, 500)])
    );
    let arrived = world
        .host
        .with_lower(world.lower, |device: &mut UsbDevice| {
            device.endpoint_mut(1).bytes().to_vec()
        });
    assert_eq!(arrived, expected);
    world.finish();
}

#[test]
fn t25_stall_is_the_stacks_status() {
    let world = World::usb(Setup::default(), usb_device());
    world
        .host
        .with_lower(world.lower, |device: &mut UsbDevice| {
            device.endpoint_mut(1).stall()
        });
    world.in_driver(|device, _| {
        let failed = pipe_write(device, b"stalled", &SendOptions::new()).unwrap_err();
        assert_eq!(
            (failed.kind(), failed.bytes()),
            (ErrorKind::DeviceError, Some(0))
        );
        let usb = device.context().unwrap().usb.acquire().unwrap();
        usb.pipe().reset_sync(&SendOptions::new()).unwrap();
        assert_eq!(
            pipe_write(device, b"again", &SendOptions::new())
                .unwrap()
                .bytes(),
            5
        );
    });
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
fn t27_lying_count_is_clamped() {
    let world = World::filter(
        Setup::default(),
        Scripted::new(vec![Reply::default().information(u64::MAX)]),
    );
    let (sent, failed) = world.in_driver(|device, _| {
        let sent = send(device, SendRequest::Framework, b"four", &SendOptions::new()).unwrap();
        (
            sent.bytes(),
            device.io_target().unwrap().send_write_sync(
                SendRequest::Framework,
                MemoryDescriptor::NONE,
                None,
                &SendOptions::new(),
            ),
        )
    });
    assert_eq!((sent, failed.unwrap().bytes()), (4, 0));
    world.finish();
    // Nor does a wrong count of the driver's own reach the framework, where it is a bugcheck.
    let world = World::filter(Setup::default(), Loopback::new());
    world.on_write(|_, received| received.complete_with_information(NtStatus::SUCCESS, 5));
    let written = world.write(b"four");
    assert_eq!(
        (written.status, written.information),
        (NtStatus::DRIVER_INTERNAL_ERROR.into_raw(), 0)
    );
    assert_eq!(world.host.finish().stop, None);
}

#[test]
fn t28_the_result_has_status_and_count() {
    let world = World::filter(
        Setup::default(),
        Scripted::new(vec![
            Reply::new(NtStatus::OBJECT_NAME_EXISTS.into_raw()).information(2),
        ]),
    );
    let sent = world
        .in_driver(|device, _| send(device, SendRequest::Framework, b"four", &SendOptions::new()))
        .unwrap();
    assert_eq!(
        (sent.status(), sent.bytes()),
        (NtStatus::OBJECT_NAME_EXISTS, 2)
    );
    world.finish();
}

#[test]
fn t30_parallel_queue_presents() {
    // Ten at the same time, each of which waits: all are presented.
    let replies = vec![Reply::default().after(ms(20))];
    let world = World::filter(Setup::default(), Scripted::new(replies));
    let most = Rc::new(Cell::new((0, 0)));
    let count = Rc::clone(&most);
    world.on_write(move |queue, received| {
        let (now, most) = count.get();
        count.set((now + 1, most.max(now + 1)));
        let sent = send(
            queue.device().unwrap(),
            SendRequest::Framework,
            b"x",
            &SendOptions::new(),
        );
        assert!(sent.is_ok());
        let (now, most) = count.get();
        count.set((now - 1, most));
        received.complete(NtStatus::SUCCESS);
    });
    for _ in 0..10 {
        world
            .host
            .submit_write(world.file, 0, b"?", kmdf_host::Mode::User);
    }
    world.host.run().unwrap();
    assert_eq!(most.get(), (0, 10));
    world.finish();
}

#[test]
fn t32_default_target_stays_started_until_removal() {
    let world = World::filter(Setup::default(), Loopback::new());
    let state = |world: &World| world.in_driver(|device, _| device.io_target().unwrap().state());
    assert_eq!(state(&world), TargetState::Started);
    world.host.sleep(world.stack).unwrap();
    assert_eq!(
        state(&world),
        TargetState::Started,
        "a filter's queue goes on in low power"
    );
    world.host.wake(world.stack).unwrap();
    assert_eq!(state(&world), TargetState::Started);
    world.finish();
}

#[test]
fn t33_stale_count_is_not_reported() {
    let world = World::filter(Setup::default(), Loopback::new());
    world.in_driver(|device, received| {
        assert_eq!(
            send(device, received, b"seven b", &SendOptions::new())
                .unwrap()
                .bytes(),
            7
        );
        device.io_target().unwrap().purge().unwrap();
        let failed = send(device, received, b"another", &SendOptions::new()).unwrap_err();
        assert_eq!(
            (failed.kind(), failed.bytes()),
            (ErrorKind::InvalidDeviceState, Some(0))
        );
    });
    world.finish();
}

mod counted {
    use std::sync::atomic::{AtomicI32, Ordering};

    use kmdf::{Device, DeviceInit, Driver, Parameters, Result};

    /// Contexts alive: made minus dropped.
    pub(super) static ALIVE: AtomicI32 = AtomicI32::new(0);

    pub(super) struct Counted;
    kmdf::context!(Counted);

    impl Counted {
        fn new() -> Self {
            ALIVE.fetch_add(1, Ordering::Relaxed);
            Self
        }
    }

    impl Drop for Counted {
        fn drop(&mut self) {
            ALIVE.fetch_sub(1, Ordering::Relaxed);
        }
    }

    pub(super) struct CountedDriver(#[allow(dead_code, reason = "counts by being there")] Counted);
    kmdf::driver!(CountedDriver);

    impl Driver for CountedDriver {
        type Device = Counted;

        fn load(_: &Parameters<'_>) -> Result<Self> {
            Ok(Self(Counted::new()))
        }

        fn evt_device_add(&self, mut init: DeviceInit<'_, Counted>) -> Result {
            init.set_filter();
            let _device: &Device<Counted> = init.create(Counted::new())?;
            Ok(())
        }
    }
}

#[test]
fn t34_context_is_made_once_and_dropped_once() {
    use std::sync::atomic::Ordering;
    let host = kmdf_host::Host::new(kmdf_host::HostConfig::new().verifier(true));
    let driver = host.load("counted", counted::driver_entry).unwrap();
    assert_eq!(counted::ALIVE.load(Ordering::Relaxed), 1);
    for number in 0..3 {
        let lower = host.add_lower(Loopback::new(), kmdf_host::LowerConfig::new("lower"));
        host.plug(lower, &[driver]).unwrap();
        assert_eq!(counted::ALIVE.load(Ordering::Relaxed), number + 2);
    }
    let report = host.finish();
    assert!(report.is_clean(), "{report}");
    assert_eq!(counted::ALIVE.load(Ordering::Relaxed), 0);
}

#[test]
fn t36_second_queue_is_made() {
    let world = World::filter(Setup::default(), Loopback::new());
    world
        .in_driver(|device, _| {
            kmdf::Queue::create(device, kmdf::QueueConfig::sequential().write()).map(drop)
        })
        .unwrap();
    let none = world.in_driver(|device, _| {
        kmdf::Queue::create(device, kmdf::QueueConfig::<Probe>::parallel()).map(drop)
    });
    assert!(none.is_err(), "a queue without callbacks");
    world.finish();
}

#[test]
fn t37_requests_are_never_cancelable() {
    // An application's cancel of a request that the driver has is seen by it, and nothing else happens.
    let world = World::filter(
        Setup::default(),
        Scripted::new(vec![Reply::default().after(ms(50))]),
    );
    world.on_write(|queue, received| {
        let sent = send(
            queue.device().unwrap(),
            SendRequest::Framework,
            b"x",
            &SendOptions::new(),
        );
        assert!(received.is_cancelled());
        received.complete(sent.map_or_else(|failed| failed.error().status(), |sent| sent.status()));
    });
    let write = world
        .host
        .submit_write(world.file, 0, b"?", kmdf_host::Mode::User);
    world.host.run_for(ms(10)).unwrap();
    world.host.cancel(write).unwrap();
    world.host.run().unwrap();
    assert_eq!(world.host.result(write).unwrap().status, 0);
    world.finish();
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

/// Every row of the table names a test that exists.
#[test]
fn the_table_is_true() {
    let table = include_str!("../docs/traps.md");
    let tests = include_str!("traps.rs");
    let mut numbers = Vec::new();
    for row in table
        .lines()
        .filter(|line| line.starts_with("| ") && line.as_bytes()[2].is_ascii_digit())
    {
        let cells: Vec<_> = row.split(" | ").collect();
        numbers.push(cells[0].trim_start_matches("| ").parse::<u32>().unwrap());
        let named = cells.last().unwrap().trim_end_matches(" |");
        for name in named.split('`').skip(1).step_by(2) {
            let exists = match name.strip_prefix("misuse/") {
                Some(program) => std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
                    .join("tests/misuse")
                    .join(program)
                    .exists(),
                None => tests.contains(&format!("fn {name}()")),
            };
            assert!(exists, "{row}: there is no {name}");
        }
    }
    assert_eq!(numbers, (1..=42).collect::<Vec<_>>());
}
