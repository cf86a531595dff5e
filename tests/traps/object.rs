//! Queues, contexts, cancellation.

use std::cell::Cell;
use std::rc::Rc;

use crate::common::{Probe, Setup, World, ms, send};
use kmdf::{NtStatus, SendOptions, SendRequest};
use kmdf_host::{Loopback, Reply, Scripted};

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
