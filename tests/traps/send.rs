//! A synchronous send: its request, its status, its count, its time-out.

use std::time::Duration;

use crate::common::{Setup, World, ms, pipe_write, raised, send, soon, usb_device};
use kmdf::{
    Access, Error, ErrorKind, IoTargetState, MemoryDescriptor, NtStatus, RemoteIoTarget, Request,
    SendOptions, SendRequest, SentIo,
};
use kmdf_host::{Loopback, OnCancel, Reply, Scripted};

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
