//! Cancel, time-out and completion against each other, and more than one write at a time.

#[allow(dead_code, unreachable_pub, reason = "each test program uses its part")]
mod common;

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use common::{Setup, World};
use kmdf::{
    CancelHandle, Cancellation, ErrorKind, IoTargetState, MemoryDescriptor, NtStatus, Request,
    SendOptions, SendRequest, SentIo, SystemTime, Timeout, TransferError, Transferred,
};
use kmdf_host::{OnCancel, Outcome, Reply, Scripted, Ticks};

type Sent = Result<Transferred, TransferError>;

const CANCEL: u32 = 0x0022_2004;

/// A device that takes everything and answers nothing, until it is cancelled.
fn holds() -> Scripted {
    Scripted::new(vec![Reply::default().pend()])
}

fn ms(ms: u64) -> Ticks {
    Ticks::from_millis(ms)
}

/// A second thread, by a device control, cancels the write that the first waits in.
#[test]
fn a_second_thread_cancels_a_waiting_write() {
    let world = World::filter(Setup::default(), holds());
    let handle: Rc<RefCell<Option<CancelHandle>>> = Rc::default();
    let result: Rc<Cell<Option<Sent>>> = Rc::default();
    let (give, keep) = (Rc::clone(&handle), Rc::clone(&result));
    world.on_write(move |queue, received| {
        let sent = || -> Sent {
            let target = queue.device()?.io_target()?;
            let mut request = Request::create(target)?;
            *give.borrow_mut() = request.cancel_handle();
            target.send_write_sync(
                &mut request,
                MemoryDescriptor::bytes(b"never taken")?,
                None,
                &SendOptions::new(),
            )
        };
        keep.set(Some(sent()));
        received.complete(NtStatus::SUCCESS);
    });
    let outcome: Rc<Cell<Option<Cancellation>>> = Rc::default();
    let tell = Rc::clone(&outcome);
    let take = Rc::clone(&handle);
    world.on_control(move |_queue, received, _code| {
        tell.set(take.borrow().as_ref().map(CancelHandle::cancel));
        received.complete(NtStatus::SUCCESS);
    });
    let write = world
        .host
        .submit_write(world.file, 0, b"?", kmdf_host::Mode::User);
    world.host.run_for(ms(1)).unwrap();
    assert!(world.host.result(write).is_none(), "the write waits");
    world.host.ioctl(world.file, CANCEL, b"", &mut []).unwrap();
    world.host.run().unwrap();
    assert_eq!(outcome.get(), Some(Cancellation::Requested));
    let failed = result.take().unwrap().unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::Cancelled);
    assert_eq!(failed.bytes(), Some(0));
    assert_eq!(world.host.result(write).unwrap().status, 0);
    let late = world.in_driver(move |_, _| handle.take().map(|handle| handle.cancel()));
    assert_eq!(late, Some(Cancellation::TooLate), "spent with its send");
    world.finish();
}

/// A handle names one send: before it, it cancels it unsent; after it, it does nothing to the next.
#[test]
fn a_cancel_handle_names_one_send() {
    let world = World::filter(Setup::default(), Scripted::new(vec![]));
    world.in_driver(|device, _| {
        let target = device.io_target().unwrap();
        let mut request = Request::create(target).unwrap();
        let send = |request: &mut Request| {
            target.send_write_sync(
                request,
                MemoryDescriptor::bytes(b"x").unwrap(),
                None,
                &SendOptions::new(),
            )
        };
        let early = request.cancel_handle().unwrap();
        assert_eq!(early.cancel(), Cancellation::Noted);
        assert_eq!(send(&mut request).unwrap_err().kind(), ErrorKind::Cancelled);
        assert_eq!(early.cancel(), Cancellation::TooLate);
        assert_eq!(send(&mut request).unwrap().bytes(), 1);
        let late = request.cancel_handle().unwrap();
        assert_eq!(send(&mut request).unwrap().bytes(), 1);
        assert_eq!(late.cancel(), Cancellation::TooLate);
        assert_eq!(send(&mut request).unwrap().bytes(), 1);
    });
    assert_eq!(
        world
            .host
            .with_lower(world.lower, |device: &mut Scripted| device.seen().len()),
        3
    );
    world.finish();
}

/// A handle may outlive its request.
#[test]
fn a_cancel_handle_outlives_its_request() {
    let world = World::filter(Setup::default(), Scripted::new(vec![]));
    let handle = world.in_driver(|device, _| {
        let mut request = Request::create(device.io_target().unwrap()).unwrap();
        request.cancel_handle().unwrap()
    });
    let cancelled = world.in_driver(move |_, _| handle.cancel());
    assert_eq!(
        cancelled,
        Cancellation::Noted,
        "nobody will send it any more"
    );
    world.finish();
}

fn timed(world: &World, options: impl Fn() -> SendOptions + 'static) -> Sent {
    world.in_driver(move |device, _| {
        device.io_target()?.send_write_sync(
            SendRequest::Framework,
            MemoryDescriptor::bytes(b"slow")?,
            None,
            &options(),
        )
    })
}

#[test]
fn a_relative_time_out() {
    let world = World::filter(Setup::default(), holds());
    let before = world.host.now();
    let failed = timed(&world, || {
        SendOptions::new().timeout(Duration::from_millis(500))
    })
    .unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::Timeout);
    assert_eq!(world.host.now() - before, ms(500));
    world.finish();
}

#[test]
fn an_absolute_time_out() {
    let world = World::filter(Setup::default(), holds());
    let before = world.host.now();
    let failed = timed(&world, || {
        let deadline = SystemTime::now().saturating_add(Duration::from_millis(250));
        SendOptions::new().timeout_at(Timeout::absolute(deadline))
    })
    .unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::Timeout);
    assert_eq!(world.host.now() - before, ms(250));
    world.finish();
}

/// The device is faster: the time-out changes nothing, neither for this send nor for the next.
#[test]
fn a_time_out_that_loses_against_completion() {
    let world = World::filter(
        Setup::default(),
        Scripted::new(vec![Reply::default().after(ms(499))]),
    );
    let before = world.host.now();
    let sent = timed(&world, || {
        SendOptions::new().timeout(Duration::from_millis(500))
    });
    assert_eq!(sent.unwrap().bytes(), 4);
    assert_eq!(world.host.now() - before, ms(499));
    assert_eq!(timed(&world, SendOptions::new).unwrap().bytes(), 4);
    world.finish();
}

/// Both at one instant: either may win, over the seeds both do, and the request is ready afterwards whoever won.
#[test]
fn a_time_out_at_the_instant_of_completion() {
    let mut seen = BTreeSet::new();
    for seed in 0..64 {
        let replies = vec![Reply::default().after(ms(500)), Reply::default()];
        let world = World::filter(
            Setup {
                seed,
                ..Setup::default()
            },
            Scripted::new(replies),
        );
        let (first, second) = world.in_driver(|device, _| {
            let target = device.io_target().unwrap();
            let mut request = Request::create(target).unwrap();
            let mut send = |options: &SendOptions| {
                target.send_write_sync(
                    &mut request,
                    MemoryDescriptor::bytes(b"slow").unwrap(),
                    None,
                    options,
                )
            };
            (
                send(&SendOptions::new().timeout(Duration::from_millis(500))),
                send(&SendOptions::new()),
            )
        });
        assert_eq!(second.unwrap().bytes(), 4, "seed {seed}");
        seen.insert(
            first
                .map(Transferred::bytes)
                .map_err(|failed| format!("{:?}", failed.kind())),
        );
        world.finish();
    }
    let both: BTreeSet<_> = [Ok(4), Err(String::from("Timeout"))].into();
    assert_eq!(seen, both);
}

/// Two applications write at the same time; each gets its own answer, the faster one first.
#[test]
fn two_writes_in_flight() {
    let replies = vec![
        Reply::default().after(ms(20)).information(5),
        Reply::default().after(ms(10)).information(7),
    ];
    let world = World::filter(Setup::default(), Scripted::new(replies));
    world.on_write(|queue, received| {
        let sent = || -> Result<usize, TransferError> {
            let memory = received.input_memory()?;
            let target = queue.device()?.io_target()?;
            let sent = target.send_write_sync(
                SendRequest::Framework,
                MemoryDescriptor::memory(&memory)?,
                None,
                &SendOptions::new(),
            )?;
            Ok(sent.bytes())
        };
        match sent() {
            Ok(bytes) => received.complete_with_information(NtStatus::SUCCESS, bytes),
            Err(failed) => received.complete(failed.error()),
        }
    });
    let first = world
        .host
        .submit_write(world.file, 0, b"first--", kmdf_host::Mode::User);
    let second = world
        .host
        .submit_write(world.file, 0, b"second-", kmdf_host::Mode::User);
    world.host.run_for(ms(15)).unwrap();
    let done = [first, second].map(|io| world.host.result(io).is_some());
    assert_eq!(
        done.iter().filter(|done| **done).count(),
        1,
        "one of two after 15 ms"
    );
    world.host.run().unwrap();
    let moved: BTreeSet<_> = [first, second]
        .iter()
        .map(|io| world.host.result(*io).unwrap().information)
        .collect();
    assert_eq!(moved, [5, 7].into());
    world.finish();
}

/// A write waits on a stopped target while another thread goes about its business, and starts it.
#[test]
fn a_stopped_target_holds_up_only_its_writer() {
    let world = World::filter(Setup::default(), Scripted::new(vec![]));
    world.on_write(|queue, received| {
        let target = queue.device().unwrap().io_target().unwrap();
        target.stop(SentIo::LeavePending).unwrap();
        let sent = target.send_write_sync(
            SendRequest::Framework,
            MemoryDescriptor::NONE,
            None,
            &SendOptions::new(),
        );
        received.complete(sent.map_or_else(|failed| failed.error().status(), |sent| sent.status()));
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
    let write = world
        .host
        .submit_write(world.file, 0, b"?", kmdf_host::Mode::User);
    world.host.run_for(ms(10)).unwrap();
    assert!(world.host.result(write).is_none());
    world.host.ioctl(world.file, CANCEL, b"", &mut []).unwrap();
    world.host.run().unwrap();
    assert_eq!(world.host.result(write).unwrap().status, 0);
    world.finish();
}

/// The lower driver ignores the cancel: the call waits for it, and succeeds with it.
#[test]
fn a_lower_driver_may_ignore_the_cancel() {
    let world = World::filter(
        Setup::default(),
        Scripted::new(vec![
            Reply::default().after(ms(900)).on_cancel(OnCancel::Ignore),
        ]),
    );
    let before = world.host.now();
    let sent = timed(&world, || {
        SendOptions::new().timeout(Duration::from_millis(100))
    });
    assert_eq!(sent.unwrap().bytes(), 4);
    assert_eq!(world.host.now() - before, ms(900));
    world.finish();
}

/// A cancelled write may have moved data.
#[test]
fn a_timed_out_write_says_what_arrived() {
    let on_cancel = OnCancel::Complete {
        outcome: Outcome::new(NtStatus::CANCELLED.into_raw(), 3),
        after: ms(5),
    };
    let world = World::filter(
        Setup::default(),
        Scripted::new(vec![Reply::default().pend().on_cancel(on_cancel)]),
    );
    let failed = timed(&world, || {
        SendOptions::new().timeout(Duration::from_millis(100))
    })
    .unwrap_err();
    assert_eq!(
        (failed.kind(), failed.bytes()),
        (ErrorKind::Timeout, Some(3))
    );
    world.finish();
}

fn scenario(seed: u64) -> String {
    let replies = vec![
        Reply::default().after(ms(20)),
        Reply::default().pend(),
        Reply::default().after(ms(30)),
        Reply::default(),
    ];
    let world = World::filter(
        Setup {
            seed,
            trace: true,
            preempt: true,
            ..Setup::default()
        },
        Scripted::new(replies),
    );
    world.on_write(|queue, received| {
        let target = queue.device().unwrap().io_target().unwrap();
        let options = SendOptions::new().timeout(Duration::from_millis(30));
        let sent = target.send_write_sync(
            SendRequest::Framework,
            MemoryDescriptor::bytes(b"race").unwrap(),
            None,
            &options,
        );
        received.complete(sent.map_or_else(|failed| failed.error().status(), |sent| sent.status()));
    });
    for _ in 0..4 {
        world
            .host
            .submit_write(world.file, 0, b"?", kmdf_host::Mode::User);
    }
    world.host.run().unwrap();
    let trace = format!("{:?}", world.host.trace());
    world.finish();
    trace
}

/// One seed, one trace, byte for byte; and seeds do differ.
#[test]
fn the_same_seed_gives_the_same_trace() {
    let mut traces = BTreeSet::new();
    for seed in 0..16 {
        let trace = scenario(seed);
        assert!(
            trace.len() > 1000,
            "a trace of {} bytes has nothing in it",
            trace.len()
        );
        assert_eq!(trace, scenario(seed), "seed {seed}");
        traces.insert(trace);
    }
    assert!(traces.len() > 1, "16 seeds gave one and the same run");
}
