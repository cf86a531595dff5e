//! Exploring schedules: what is found, that it is found again, and that races really end both ways.

mod common;

use std::cell::Cell;
use std::num::NonZeroUsize;
use std::rc::Rc;

use common::*;
use kmdf_host::{
    Disk, Exploration, Explore, Failure, Host, HostConfig, LowerConfig, LowerDevice, LowerId,
    Reply, Schedule, Scripted, StackId, Stop, Strategy, Ticks, ViolationKind,
};
use kmdf_sys::*;

/// One driver with these hooks over a lower device, started.
fn stack(
    host: &Host,
    lower: impl LowerDevice + 'static,
    hooks: Hooks,
) -> Result<(StackId, LowerId), Stop> {
    hook(|current| *current = hooks);
    take_log();
    let driver = host.load("filter", driver_entry)?;
    let lower = host.add_lower(lower, LowerConfig::new("disk"));
    Ok((host.plug(lower, &[driver])?, lower))
}

fn filter() -> Hooks {
    Hooks {
        filter: true,
        ..Hooks::default()
    }
}

/// A DDI that does nothing to anything.
fn harmless() {
    ignore(target());
}

/// Two threads count without a lock: a pre-emption between reading and writing loses a count.
fn lost_update(host: &Host) -> Result<(), Failure> {
    stack(host, Disk::in_memory(), filter())?;
    let count = Rc::new(Cell::new(0));
    for name in ["a", "b"] {
        let count = Rc::clone(&count);
        host.spawn(name, move || {
            let before = count.get();
            harmless();
            count.set(before + 1);
        });
    }
    host.run()?;
    match count.get() {
        2 => Ok(()),
        count => Err(format!("{count} of 2").into()),
    }
}

/// One thread is inside a short section while the other begins and ends a check: that takes two pre-emptions.
fn checked_twice(host: &Host) -> Result<(), Failure> {
    stack(host, Disk::in_memory(), filter())?;
    let inside = Rc::new(Cell::new(false));
    let broken = Rc::new(Cell::new(false));
    let section = Rc::clone(&inside);
    host.spawn("section", move || {
        section.set(true);
        harmless();
        section.set(false);
    });
    let (seen, told) = (inside, Rc::clone(&broken));
    host.spawn("check", move || {
        if seen.get() {
            harmless();
            told.set(!seen.get());
        }
    });
    host.run()?;
    if broken.get() {
        return Err("the section ended during the check".into());
    }
    Ok(())
}

/// Completes a request that is still cancelable: a cancel at that moment completes it too.
fn completes_without_unmarking(host: &Host) -> Result<(), Failure> {
    let hooks = Hooks {
        write: Some(Rc::new(|_, request, _| {
            wdf!(WdfRequestMarkCancelable(request, Some(evt_cancel)));
            harmless();
            wdf!(WdfRequestComplete(request, STATUS_SUCCESS));
        })),
        cancelled: Some(Rc::new(|request| {
            wdf!(WdfRequestComplete(request, STATUS_CANCELLED));
        })),
        ..filter()
    };
    let (stack, _) = stack(host, Disk::in_memory(), hooks)?;
    host.thread("application", move |thread| {
        let Ok(file) = thread.open(stack) else {
            return;
        };
        let io = thread.submit_write(file, 0, b"x");
        thread.sleep(Ticks::ZERO);
        thread.cancel(io);
        thread.wait(io);
        thread.close(file);
    });
    host.run()?;
    Ok(())
}

/// Two processors count at `DISPATCH_LEVEL`, each under a spin lock; a spin lock keeps out only those who want the same.
fn counts_under_spin_locks(host: &Host, one_lock: bool) -> Result<(), Failure> {
    stack(host, Disk::in_memory(), filter())?;
    let count = Rc::new(Cell::new(0));
    let locks = Rc::new(Cell::new([null(); 2]));
    let made = Rc::clone(&locks);
    host.spawn("make", move || {
        made.set([null(); 2].map(|mut lock| {
            let status = wdf!(WdfSpinLockCreate(null(), &raw mut lock));
            assert_eq!(status, STATUS_SUCCESS);
            lock
        }));
    });
    host.run()?;
    for (number, name) in ["a", "b"].into_iter().enumerate() {
        let lock = locks.get()[if one_lock { 0 } else { number }];
        let count = Rc::clone(&count);
        host.spawn(name, move || {
            wdf!(WdfSpinLockAcquire(lock));
            let before = count.get();
            harmless();
            count.set(before + 1);
            wdf!(WdfSpinLockRelease(lock));
        });
    }
    host.run()?;
    match count.get() {
        2 => Ok(()),
        count => Err(format!("{count} of 2").into()),
    }
}

fn one_spin_lock(host: &Host) -> Result<(), Failure> {
    counts_under_spin_locks(host, true)
}

fn two_spin_locks(host: &Host) -> Result<(), Failure> {
    counts_under_spin_locks(host, false)
}

thread_local! {
    /// Whether what a timer's callback uses is there.
    static READY: Cell<Option<bool>> = const { Cell::new(None) };
}

unsafe extern "C" fn evt_timer(_timer: WDFTIMER) {
    READY.set(READY.get().or(Some(false)));
}

/// Starts a timer and only then prepares what its callback uses: it nearly always works.
fn starts_too_early(host: &Host) -> Result<(), Failure> {
    READY.set(None);
    stack(host, Disk::in_memory(), filter())?;
    host.spawn("start", || {
        let mut config = WDF_TIMER_CONFIG {
            Size: size::<WDF_TIMER_CONFIG>(),
            EvtTimerFunc: Some(evt_timer),
            ..Default::default()
        };
        let mut attributes = attributes();
        attributes.ParentObject = device().cast();
        let mut timer = null();
        let status = wdf!(WdfTimerCreate(
            &raw mut config,
            &raw mut attributes,
            &raw mut timer
        ));
        assert_eq!(status, STATUS_SUCCESS);
        ignore(wdf!(WdfTimerStart(timer, ms(1_000))));
        harmless();
        READY.set(READY.get().or(Some(true)));
    });
    host.run()?;
    match READY.get() {
        Some(true) => Ok(()),
        _ => Err("the timer came first".into()),
    }
}

type Scenario = fn(&Host) -> Result<(), Failure>;

fn with(strategy: Strategy, scenario: Scenario) -> Exploration {
    Host::explore(
        &Explore::new(HostConfig::new()).strategy(strategy),
        scenario,
    )
}

/// The one failure of an exploration, after a look at what its schedule does when it is run alone.
fn found(exploration: &Exploration, scenario: Scenario) -> Failure {
    let [failed] = &exploration.failures[..] else {
        panic!("{} failures", exploration.failures.len());
    };
    assert!(failed.reproduced);
    let name = failed.schedule.to_string();
    let schedule: Schedule = name.parse().unwrap();
    assert_eq!(schedule, failed.schedule);
    let again = Host::replay(HostConfig::new().trace(true), &schedule, scenario);
    assert_eq!(again.failure.as_ref(), Some(&failed.failure), "{name}");
    assert_eq!(again.trace, failed.trace, "{name}");
    assert!(!failed.trace.records.is_empty());
    failed.failure.clone()
}

const PCT_2: Strategy = Strategy::Pct { depth: 2 };

#[test]
fn a_bug_of_one_preemption_is_found() {
    for (strategy, within) in [
        (Strategy::Random, 10),
        (PCT_2, 50),
        (Strategy::Exhaustive { bound: 1 }, 100),
    ] {
        let exploration = with(strategy, lost_update);
        let failure = found(&exploration, lost_update);
        assert_eq!(failure, Failure::Wrong("1 of 2".to_owned()));
        let schedules = exploration.schedules;
        assert!(schedules <= within, "{strategy:?}: {schedules} schedules");
    }
    let in_order = with(Strategy::Exhaustive { bound: 0 }, lost_update);
    assert!(in_order.is_clean() && in_order.exhausted);
    assert_eq!(in_order.schedules, 1);
}

#[test]
fn a_bug_of_two_preemptions_is_found() {
    for (strategy, within) in [
        (Strategy::Random, 100),
        (Strategy::PCT, 500),
        (Strategy::Exhaustive { bound: 2 }, 3_000),
    ] {
        let exploration = with(strategy, checked_twice);
        let failure = found(&exploration, checked_twice);
        assert!(matches!(failure, Failure::Wrong(_)));
        let schedules = exploration.schedules;
        assert!(schedules <= within, "{strategy:?}: {schedules} schedules");
    }
    let one = with(Strategy::Exhaustive { bound: 1 }, checked_twice);
    assert!(
        one.is_clean() && one.exhausted,
        "one pre-emption is not enough"
    );
    assert!(one.schedules > 1);
}

#[test]
fn another_processor_runs_at_dispatch_level_too() {
    for strategy in [
        Strategy::Random,
        Strategy::PCT,
        Strategy::Exhaustive { bound: 1 },
    ] {
        let exploration = with(strategy, two_spin_locks);
        let failure = found(&exploration, two_spin_locks);
        assert_eq!(failure, Failure::Wrong("1 of 2".to_owned()));
        assert!(exploration.schedules <= 200, "{}", exploration.schedules);
        assert!(with(strategy, one_spin_lock).is_clean(), "{strategy:?}");
    }
}

#[test]
fn time_may_pass_while_a_thread_is_held_up() {
    for strategy in [
        Strategy::Random,
        Strategy::PCT,
        Strategy::Exhaustive { bound: 2 },
    ] {
        assert!(with(strategy, starts_too_early).is_clean(), "{strategy:?}");
        let config = HostConfig::new().hold_up(true);
        let explore = Explore::new(config.clone()).strategy(strategy);
        let exploration = Host::explore(&explore, starts_too_early);
        let [failed] = &exploration.failures[..] else {
            panic!("{strategy:?}: {} schedules", exploration.schedules);
        };
        assert!(failed.reproduced);
        let again = Host::replay(config, &failed.schedule, starts_too_early);
        assert_eq!(again.failure, Some(failed.failure.clone()));
    }
}

/// A DPC runs on the processor that queued it: not before that is below `DISPATCH_LEVEL`.
fn queues_a_dpc(host: &Host) -> Result<(), Failure> {
    thread_local! {
        static RAN: Cell<bool> = const { Cell::new(false) };
    }
    unsafe extern "C" fn evt_dpc(_dpc: WDFDPC) {
        RAN.set(true);
    }
    RAN.set(false);
    stack(host, Disk::in_memory(), filter())?;
    let early = Rc::new(Cell::new(false));
    let told = Rc::clone(&early);
    host.spawn("queues", move || {
        let mut config = WDF_DPC_CONFIG {
            Size: size::<WDF_DPC_CONFIG>(),
            EvtDpcFunc: Some(evt_dpc),
            ..Default::default()
        };
        let mut attributes = attributes();
        attributes.ParentObject = device().cast();
        let mut dpc = null();
        let status = wdf!(WdfDpcCreate(
            &raw mut config,
            &raw mut attributes,
            &raw mut dpc
        ));
        assert_eq!(status, STATUS_SUCCESS);
        let irql = kmdf_host::ntddk::KfRaiseIrql(2);
        assert_eq!(wdf!(WdfDpcEnqueue(dpc)), 1);
        harmless();
        told.set(RAN.get());
        kmdf_host::ntddk::KeLowerIrql(irql);
    });
    host.run()?;
    match (early.get(), RAN.get()) {
        (false, true) => Ok(()),
        (true, _) => Err("the DPC ran too early".into()),
        (false, false) => Err("the DPC never ran".into()),
    }
}

#[test]
fn a_dpc_waits_for_the_processor_that_queued_it() {
    for strategy in [
        Strategy::Random,
        Strategy::PCT,
        Strategy::Exhaustive { bound: 2 },
    ] {
        let exploration = with(strategy, queues_a_dpc);
        let failures = exploration.failures.iter();
        let failures: Vec<_> = failures.map(|failed| &failed.failure).collect();
        assert!(failures.is_empty(), "{strategy:?}: {failures:?}");
    }
}

#[test]
fn a_crash_of_a_race_is_found() {
    for (strategy, within) in [
        (Strategy::Random, 50),
        (Strategy::PCT, 500),
        (Strategy::Exhaustive { bound: 2 }, 3_000),
    ] {
        let exploration = with(strategy, completes_without_unmarking);
        found(&exploration, completes_without_unmarking);
        let schedules = exploration.schedules;
        assert!(schedules <= within, "{strategy:?}: {schedules} schedules");
    }
}

/// Every schedule within the bound, each once.
#[test]
fn exhaustive_is_complete() {
    fn dice(host: &Host) -> Result<(), Failure> {
        const FACES: [&str; 3] = ["0", "1", "2"];
        for _ in 0..3 {
            host.tally(FACES[host.choose(3)]);
        }
        Ok(())
    }
    // Of three throws with three faces, at most so many other than the first face.
    for (bound, schedules) in [(0, 1), (1, 1 + 6), (2, 1 + 6 + 12), (3, 27), (9, 27)] {
        let exploration = with(Strategy::Exhaustive { bound }, dice);
        assert_eq!(exploration.schedules, schedules);
        assert_eq!(exploration.distinct, schedules);
        assert!(exploration.exhausted && exploration.is_clean());
    }
    let all = with(Strategy::Exhaustive { bound: 3 }, dice);
    assert!(
        all.tallies.values().all(|&count| count == 27),
        "{:?}",
        all.tallies
    );
    assert_eq!(all.outcomes, 10, "unordered throws");
    let some = Explore::new(HostConfig::new())
        .strategy(Strategy::Exhaustive { bound: 3 })
        .schedules(26);
    assert!(!Host::explore(&some, dice).exhausted);
}

#[test]
fn one_schedule_gives_one_trace() {
    let schedules = ["7", "8", "pct:7", "pct:8:2:64", "in-order", "path:3=1,6=1"];
    for scenario in [stop_races as Scenario, lost_update, checked_twice] {
        for text in schedules {
            let schedule: Schedule = text.parse().unwrap();
            let run = || Host::replay(HostConfig::new().trace(true), &schedule, scenario);
            let (one, other) = (run(), run());
            assert_eq!(one.trace, other.trace, "{text}");
            assert_eq!(one.failure, other.failure, "{text}");
            assert_eq!(one.tallies, other.tallies, "{text}");
            assert!(!one.trace.records.is_empty());
        }
    }
}

#[test]
fn jobs_do_not_change_the_result() {
    let explore = Explore::new(HostConfig::new()).schedules(3_000);
    for scenario in [stop_races as Scenario, checked_twice] {
        let one = Host::explore(&explore, scenario);
        let many = explore.clone().jobs(NonZeroUsize::new(3).unwrap());
        let many = Host::explore(&many, scenario);
        assert_eq!(one.schedules, many.schedules);
        assert_eq!(one.distinct, many.distinct);
        assert_eq!(one.choices, many.choices);
        assert_eq!(one.tallies, many.tallies);
        let names = |exploration: &Exploration| -> Vec<_> {
            let failures = exploration.failures.iter();
            failures.map(|failed| failed.schedule.to_string()).collect()
        };
        assert_eq!(names(&one), names(&many));
    }
}

#[test]
fn every_failure_that_is_asked_for() {
    let explore = Explore::new(HostConfig::new()).first_seed(100).failures(5);
    let exploration = Host::explore(&explore, lost_update);
    assert_eq!(exploration.failures.len(), 5);
    for failed in &exploration.failures {
        let Schedule::Random { seed } = failed.schedule else {
            panic!("{}", failed.schedule);
        };
        assert!((100..1_100).contains(&seed));
    }
}

#[test]
fn a_panic_and_a_leak_are_failures() {
    fn panics(host: &Host) -> Result<(), Failure> {
        stack(host, Disk::in_memory(), filter())?;
        host.spawn("test", || panic!("on purpose"));
        host.run()?;
        Ok(())
    }
    fn leaks(host: &Host) -> Result<(), Failure> {
        stack(host, Disk::in_memory(), filter())?;
        host.spawn("test", || ignore(create_memory(b"kept")));
        host.run()?;
        host.spawn("test", || {
            wdf!(WdfObjectReferenceActual(device().cast(), null(), 0, null()))
        });
        host.run()?;
        Ok(())
    }
    let exploration = with(Strategy::Random, panics);
    let failure = found(&exploration, panics);
    assert_eq!(failure, Failure::Panicked("on purpose".to_owned()));
    let exploration = with(Strategy::Random, leaks);
    let Failure::Violations(violations) = found(&exploration, leaks) else {
        panic!("no violations");
    };
    assert_eq!(violations[0].kind, ViolationKind::ReferenceLeak);
}

/// Writes and cancels crowd at a sequential queue; whether its driver was ever called for two writes at once. A callback
/// that the queue's lock is held around cannot be.
fn crowd(host: &Host, scope: WDF_SYNCHRONIZATION_SCOPE) -> Result<(), Failure> {
    let inside = Rc::new(Cell::new(0));
    let most = Rc::new(Cell::new(0));
    let (entered, seen) = (Rc::clone(&inside), Rc::clone(&most));
    let hooks = Hooks {
        queue: Some(Box::new(move |device| {
            let sequential = _WDF_IO_QUEUE_DISPATCH_TYPE::WdfIoQueueDispatchSequential;
            let mut config = default_queue(sequential);
            let mut attributes = attributes();
            attributes.ExecutionLevel = _WDF_EXECUTION_LEVEL::WdfExecutionLevelPassive;
            attributes.SynchronizationScope = scope;
            let mut queue = null();
            let status = wdf!(WdfIoQueueCreate(
                device,
                &raw mut config,
                &raw mut attributes,
                &raw mut queue
            ));
            assert_eq!(status, STATUS_SUCCESS);
        })),
        write: Some(Rc::new(move |_, request, _| {
            entered.set(entered.get() + 1);
            seen.set(seen.get().max(entered.get()));
            harmless();
            entered.set(entered.get() - 1);
            wdf!(WdfRequestComplete(request, STATUS_SUCCESS));
        })),
        ..filter()
    };
    let (stack, _) = stack(host, Disk::in_memory(), hooks)?;
    for _ in 0..4 {
        host.thread("application", move |thread| {
            let file = thread.open(stack).expect("nobody removes it");
            let [kept, cancelled] = [0; 2].map(|_| thread.submit_write(file, 0, b"x"));
            thread.sleep(Ticks::ZERO);
            thread.cancel(cancelled);
            thread.wait(kept);
            thread.wait(cancelled);
            thread.close(file);
        });
    }
    host.run()?;
    match most.get() {
        1 => Ok(()),
        most => Err(format!("{most} writes at once").into()),
    }
}

fn crowd_at_queue(host: &Host) -> Result<(), Failure> {
    crowd(
        host,
        _WDF_SYNCHRONIZATION_SCOPE::WdfSynchronizationScopeNone,
    )
}

fn crowd_at_locked_queue(host: &Host) -> Result<(), Failure> {
    crowd(
        host,
        _WDF_SYNCHRONIZATION_SCOPE::WdfSynchronizationScopeQueue,
    )
}

/// The framework gives up the queue's lock to complete an arriving request that has been cancelled, between taking the next
/// request off the queue and counting it as the driver's. Another processor may then present another one.
#[test]
fn a_sequential_queue_may_present_two_requests_at_once() {
    let explore = Explore::new(HostConfig::new()).schedules(20_000);
    let exploration = Host::explore(&explore, crowd_at_queue);
    let failure = found(&exploration, crowd_at_queue);
    assert_eq!(failure, Failure::Wrong("2 writes at once".to_owned()));
    let explore = explore.schedules(exploration.schedules * 2);
    let exploration = Host::explore(&explore, crowd_at_locked_queue);
    assert!(exploration.is_clean());
}

/// What an I/O target or a queue is told while a write is under way.
const ACTIONS: [&str; 6] = [
    "target stop, cancelling",
    "target stop, waiting",
    "target stop, leaving",
    "target purge",
    "queue stop",
    "queue purge",
];

/// A write races with what stops it.
fn stop_races(host: &Host) -> Result<(), Failure> {
    let queue = Rc::new(Cell::new(null()));
    let made = Rc::clone(&queue);
    let hooks = Hooks {
        queue: Some(Box::new(move |device| {
            let parallel = _WDF_IO_QUEUE_DISPATCH_TYPE::WdfIoQueueDispatchParallel;
            made.set(create_queue(device, default_queue(parallel)));
        })),
        write: Some(Rc::new(|_, request, length| {
            let (status, written) = sync_write(target(), null(), &vec![0; length], None);
            wdf!(WdfRequestCompleteWithInformation(request, status, written));
        })),
        ..filter()
    };
    let after = Reply::new(STATUS_SUCCESS).after(Ticks::from_millis(1));
    let (stack, _) = stack(host, Scripted::new(vec![after]), hooks)?;
    let action = host.choose(ACTIONS.len());
    let begins = Ticks::from_millis(host.choose(2) as u64);
    let changed = Rc::new(Cell::new(false));
    let told = Rc::clone(&changed);
    host.thread("application", move |thread| {
        let Ok(file) = thread.open(stack) else {
            return;
        };
        thread.sleep(begins);
        let result = thread.write(file, 0, b"data");
        let way = match (action, result.status, told.get()) {
            (0, STATUS_SUCCESS, false) => "target stop, cancelling: completion first",
            (0, STATUS_CANCELLED, _) => "target stop, cancelling: stop first",
            (0, STATUS_SUCCESS, true) => "target stop, cancelling: sent after start",
            (1, STATUS_SUCCESS, false) => "target stop, waiting: completion first",
            (1, STATUS_SUCCESS, true) => "target stop, waiting: stop first, sent after start",
            (2, STATUS_SUCCESS, false) => "target stop, leaving: completion first",
            (2, STATUS_SUCCESS, true) => "target stop, leaving: stop first",
            (3, STATUS_SUCCESS, _) => "target purge: completion first",
            (3, STATUS_CANCELLED, _) => "target purge: purge first, cancelled",
            (3, STATUS_INVALID_DEVICE_STATE, _) => "target purge: purge first, refused",
            (4, STATUS_SUCCESS, false) => "queue stop: presented first",
            (4, STATUS_SUCCESS, true) => "queue stop: stop first",
            (5, STATUS_SUCCESS, _) => "queue purge: presented first",
            (5, STATUS_INVALID_DEVICE_STATE, _) => "queue purge: purge first",
            _ => "unexpected",
        };
        thread.tally(way);
        thread.close(file);
    });
    host.thread("control", move |thread| {
        thread.sleep(Ticks::from_millis(1));
        let (target, queue) = (target(), queue.get());
        use _WDF_IO_TARGET_SENT_IO_ACTION as sent;
        match action {
            0 => wdf!(WdfIoTargetStop(target, sent::WdfIoTargetCancelSentIo)),
            1 => wdf!(WdfIoTargetStop(
                target,
                sent::WdfIoTargetWaitForSentIoToComplete
            )),
            2 => wdf!(WdfIoTargetStop(target, sent::WdfIoTargetLeaveSentIoPending)),
            3 => wdf!(WdfIoTargetPurge(
                target,
                _WDF_IO_TARGET_PURGE_IO_ACTION::WdfIoTargetPurgeIoAndWait
            )),
            4 => wdf!(WdfIoQueueStopSynchronously(queue)),
            _ => wdf!(WdfIoQueuePurgeSynchronously(queue)),
        }
        changed.set(true);
        thread.sleep(Ticks::from_millis(5));
        ignore(wdf!(WdfIoTargetStart(target)));
        wdf!(WdfIoQueueStart(queue));
    });
    host.run()?;
    if host.tallies().iter().any(|&(way, _)| way == "unexpected") {
        return Err("a status that the race cannot have".into());
    }
    Ok(())
}

#[test]
fn stops_and_purges_race_both_ways() {
    for strategy in [Strategy::Random, Strategy::PCT] {
        let explore = Explore::new(HostConfig::new().verifier(true))
            .strategy(strategy)
            .schedules(2_000);
        let exploration = Host::explore(&explore, stop_races);
        if let Some(failed) = exploration.failures.first() {
            panic!("{}: {}", failed.schedule, failed.failure);
        }
        for action in ACTIONS {
            let ways: Vec<_> = exploration
                .tallies
                .keys()
                .filter(|way| way.starts_with(&format!("{action}: ")))
                .collect();
            assert!(ways.len() >= 2, "{strategy:?}: {action}: {ways:?}");
        }
    }
}
