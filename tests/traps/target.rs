//! The state of I/O targets, and what they refuse.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use crate::common::{REMOTE_UTF16, Sent, Setup, World, ms, pipe_write, send, usb_device};
use kmdf::{
    Access, Error, ErrorKind, IoTargetState, Memory, MemoryDescriptor, NtStatus, RemoteIoTarget,
    SendOptions, SendRequest, SentIo, TargetState, TransferError, send_in_pieces,
};
use kmdf_host::{Loopback, Reply, Scripted, UsbDevice};

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
