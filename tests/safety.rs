//! What no safe driver can do to the system, and what it may rely on, beyond docs/traps.md.

#[allow(dead_code, unreachable_pub, reason = "each test program uses its part")]
mod common;

use std::rc::Rc;

use common::{REMOTE_UTF16, Setup, World, ms, send, usb_device};
use kmdf::{Error, ErrorKind, IoTargetState, MemoryDescriptor, NtStatus, SendOptions, SendRequest};
use kmdf_host::{Loopback, OnCancel, Reply, Scripted};

/// A driver that loses a request: the application is told, and so is whoever runs the model.
#[test]
fn a_dropped_request_is_completed_and_reported() {
    let world = World::filter(Setup::default(), Loopback::new());
    world.on_write(|_, received| drop(received));
    assert_eq!(
        world.write(b"lost").status,
        NtStatus::DRIVER_INTERNAL_ERROR.into_raw()
    );
    let report = world.host.finish();
    let kinds: Vec<_> = report
        .violations
        .iter()
        .map(|violation| violation.kind)
        .collect();
    assert_eq!(kinds, [kmdf_host::ViolationKind::RequestDropped]);
}

/// STATUS_PENDING is no completion: Driver Verifier stops the system for it.
#[test]
fn a_request_is_not_completed_as_pending() {
    let world = World::filter(Setup::default(), Loopback::new());
    world.on_write(|_, received| received.complete(NtStatus::PENDING));
    assert_eq!(
        world.write(b"now?").status,
        NtStatus::DRIVER_INTERNAL_ERROR.into_raw()
    );
    assert_eq!(world.host.finish().stop, None);
}

/// The key of a pipe is good for the configuration it is of, and for no other; and a device has one
/// configuration at a time.
#[test]
fn a_key_of_another_configuration_is_refused() {
    let world = World::usb(Setup::default(), usb_device());
    world.in_driver(|device, _| {
        let select = || {
            kmdf::UsbDevice::create(device)?.select_config(|interfaces| {
                let mut pipes = interfaces.pipes().filter_map(kmdf::UsbPipe::into_out);
                pipes.next().map(|pipe| pipe.key()).ok_or(Error::NOT_FOUND)
            })
        };
        assert_eq!(
            select().unwrap_err(),
            Error::DEVICE_BUSY,
            "the probe has one"
        );
        device.context().unwrap().usb.run_down();
        let (first, old) = select().unwrap();
        assert_eq!(select().unwrap_err(), Error::DEVICE_BUSY);
        drop(first);
        let (second, new) = select().unwrap();
        assert_eq!(second.pipe(&old).unwrap_err(), Error::INVALID_DEVICE_STATE);
        let data = MemoryDescriptor::bytes(b"new").unwrap();
        let pipe = second.pipe(&new).unwrap();
        let sent = pipe.pipe_write_sync(SendRequest::Framework, data, &SendOptions::new());
        assert_eq!(sent.unwrap().bytes(), 3);
    });
    world.finish();
}

/// Two threads that change a target's state at once: the second is told so.
#[test]
fn one_thread_changes_the_state_of_a_target() {
    let replies = vec![Reply::default().after(ms(20)).on_cancel(OnCancel::Ignore)];
    let world = World::filter(Setup::default(), Scripted::new(replies));
    world.on_write(|queue, received| {
        let sent = send(
            queue.device().unwrap(),
            SendRequest::Framework,
            b"x",
            &SendOptions::new(),
        );
        received.complete(sent.map_or_else(|failed| failed.error().status(), |sent| sent.status()));
    });
    let seen = Rc::new(std::cell::RefCell::new(Vec::new()));
    let results = Rc::clone(&seen);
    world.on_control(move |queue, received, _| {
        let target = queue.device().unwrap().io_target().unwrap();
        let result = target.purge();
        results.borrow_mut().push(result);
        received.complete(NtStatus::SUCCESS);
    });
    world
        .host
        .submit_write(world.file, 0, b"?", kmdf_host::Mode::User);
    world.host.run_for(ms(5)).unwrap();
    for _ in 0..2 {
        world
            .host
            .submit_ioctl(world.file, 0x0022_2004, b"", 0, kmdf_host::Mode::User);
    }
    world.host.run().unwrap();
    assert_eq!(*seen.borrow(), [Err(Error::DEVICE_BUSY), Ok(())]);
    world.finish();
}

mod keeper {
    use std::sync::Mutex;

    use kmdf::{
        Access, CancelHandle, Device, DeviceInit, Driver, EvtIoWrite, Memory, NtStatus, Parameters,
        Queue, QueueConfig, Received, RemoteIoTarget, Request, Result,
    };

    use super::REMOTE_UTF16;

    /// What a driver may keep: in the driver's context, which is dropped after all its objects were
    /// deleted, and in a device's, after the device's.
    #[derive(Default)]
    pub(super) struct Kept {
        memory: Option<Memory>,
        request: Option<Request>,
        cancel: Option<CancelHandle>,
        target: Option<RemoteIoTarget>,
    }

    impl Kept {
        fn fill<D>(&mut self, device: &Device<D>) -> Result {
            self.memory = Some(Memory::create(16)?);
            let mut request = Request::create(device.io_target()?)?;
            self.cancel = request.cancel_handle();
            self.request = Some(request);
            self.target = Some(RemoteIoTarget::open_by_name(
                device,
                REMOTE_UTF16,
                Access::Write,
            )?);
            Ok(())
        }
    }

    pub(super) struct KeeperDriver(Mutex<Kept>);
    kmdf::driver!(KeeperDriver);

    pub(super) struct Keeper(Mutex<Kept>);
    kmdf::context!(Keeper);

    impl Driver for KeeperDriver {
        type Device = Keeper;

        fn load(_: &Parameters<'_>) -> Result<Self> {
            Ok(Self(Mutex::default()))
        }

        fn evt_device_add(&self, mut init: DeviceInit<'_, Keeper>) -> Result {
            init.set_filter();
            let device = init.create(Keeper(Mutex::default()))?;
            Queue::create(
                device,
                QueueConfig::parallel()
                    .default_queue()
                    .passive_level()
                    .write(),
            )?;
            self.0.lock().unwrap().fill(device)
        }
    }

    impl EvtIoWrite for Keeper {
        fn evt_io_write(&self, queue: &Queue<Self>, request: Received<'_>, _length: usize) {
            let filled = self.0.lock().unwrap().fill(queue.device().unwrap());
            request.complete(filled.map_or_else(NtStatus::from, |()| NtStatus::SUCCESS));
        }
    }
}

/// Objects of the driver's own may be kept in contexts: those are dropped after the framework
/// deleted the objects.
#[test]
fn objects_may_be_kept_in_contexts() {
    let host = kmdf_host::Host::new(kmdf_host::HostConfig::new().verifier(true));
    let remote = kmdf_host::LowerConfig::new("remote").named(common::REMOTE);
    host.add_lower(Loopback::new(), remote);
    let driver = host.load("keeper", keeper::driver_entry).unwrap();
    let lower = host.add_lower(Loopback::new(), kmdf_host::LowerConfig::new("lower"));
    let stack = host.plug(lower, &[driver]).unwrap();
    let file = host.open(stack).unwrap();
    assert_eq!(host.write(file, 0, b"keep").unwrap().status, 0);
    let report = host.finish();
    assert!(report.is_clean(), "{report}");
}

/// What the application cancelled stays cancelled.
#[test]
fn a_cancel_between_two_sends_is_not_forgotten() {
    let replies = vec![
        Reply::default().after(ms(20)).on_cancel(OnCancel::Ignore),
        Reply::default(),
    ];
    let world = World::filter(Setup::default(), Scripted::new(replies));
    world.on_write(|queue, received| {
        let device = queue.device().unwrap();
        let first = send(device, &received, b"first", &SendOptions::new());
        assert_eq!(first.unwrap().bytes(), 5);
        let second = send(device, &received, b"second", &SendOptions::new()).unwrap_err();
        assert_eq!(
            (second.kind(), second.bytes()),
            (ErrorKind::Cancelled, Some(0))
        );
        received.complete(second.error());
    });
    let write = world
        .host
        .submit_write(world.file, 0, b"?", kmdf_host::Mode::User);
    world.host.run_for(ms(5)).unwrap();
    world.host.cancel(write).unwrap();
    world.host.run().unwrap();
    assert_eq!(
        world.host.result(write).unwrap().status,
        NtStatus::CANCELLED.into_raw()
    );
    world.finish();
}

/// A count that would show the application memory nobody wrote, as a success or as a warning.
#[test]
fn only_what_was_written_is_shown() {
    for status in [NtStatus::SUCCESS, NtStatus::BUFFER_OVERFLOW] {
        for (written, claimed, shown) in [(0, 64, 0), (3, 4, 0), (3, 3, 3), (3, 0, 0)] {
            let world = World::filter(Setup::default(), Loopback::new());
            world.on_control(move |_, mut received, _| {
                if written > 0 {
                    assert_eq!(received.write_output(&[7; 8][..written]).unwrap(), written);
                }
                received.complete_with_information(status, claimed);
            });
            let mut answer = [0; 64];
            let result = world
                .host
                .ioctl(world.file, 0x0022_2004, b"", &mut answer)
                .unwrap();
            assert_eq!(
                result.information, shown,
                "{status}: {written} written, {claimed} claimed"
            );
            let kept = if shown == claimed as u64 {
                status
            } else {
                NtStatus::DRIVER_INTERNAL_ERROR
            };
            assert_eq!(result.status, kept.into_raw());
            assert_eq!(world.host.finish().stop, None);
        }
    }
}

/// The second buffer of METHOD_IN_DIRECT is the application's to read from.
#[test]
fn the_input_of_method_in_direct_is_not_written() {
    let world = World::filter(Setup::default(), Loopback::new());
    world.on_control(|_, mut received, _| {
        assert_eq!(
            received.write_output(b"no").unwrap_err(),
            Error::INVALID_DEVICE_REQUEST
        );
        received.complete(NtStatus::SUCCESS);
    });
    world
        .host
        .ioctl(world.file, 0x0022_2005, b"", &mut [0; 8])
        .unwrap();
    world.finish();
}
