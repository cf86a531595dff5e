//! What stopping a timer does while its callback runs or is on its way.

mod common;

use std::cell::RefCell;
use std::rc::Rc;

use common::*;
use kmdf_host::{Disk, HostConfig};
use kmdf_sys::*;

type Body = Rc<dyn Fn(WDFTIMER)>;

thread_local! {
    static BODY: RefCell<Option<Body>> = const { RefCell::new(None) };
}

unsafe extern "C" fn evt_timer(timer: WDFTIMER) {
    log("EvtTimerFunc");
    let body = BODY.with_borrow(Clone::clone);
    if let Some(body) = body {
        body(timer);
    }
}

fn on_timer(body: impl Fn(WDFTIMER) + 'static) {
    BODY.set(Some(Rc::new(body)));
}

fn create(period: u32, passive: bool) -> (NTSTATUS, WDFTIMER) {
    create_for(device().cast(), period, passive)
}

fn create_for(parent: WDFOBJECT, period: u32, passive: bool) -> (NTSTATUS, WDFTIMER) {
    let mut config = WDF_TIMER_CONFIG {
        Size: size::<WDF_TIMER_CONFIG>(),
        EvtTimerFunc: Some(evt_timer),
        Period: period,
        ..Default::default()
    };
    let mut own = WDF_OBJECT_ATTRIBUTES {
        ParentObject: parent,
        ..attributes()
    };
    if passive {
        own.ExecutionLevel = _WDF_EXECUTION_LEVEL::WdfExecutionLevelPassive;
    }
    let mut timer = null();
    let status = wdf!(WdfTimerCreate(
        &raw mut config,
        &raw mut own,
        &raw mut timer
    ));
    (status, timer)
}

fn start(timer: WDFTIMER, milliseconds: i64) -> u8 {
    wdf!(WdfTimerStart(timer, ms(milliseconds)))
}

fn stop(timer: WDFTIMER, wait: bool) -> u8 {
    wdf!(WdfTimerStop(timer, wait.into()))
}

/// A timer cannot be started while somebody waits for its end: to the one who stops it, it was running.
#[test]
fn a_start_during_a_waiting_stop_is_undone() {
    let bench = plain(HostConfig::new(), Disk::in_memory());
    on_thread(&bench.host, || {
        on_timer(|timer| {
            sleep(20);
            assert_eq!(start(timer, 5), 0);
        });
        let (status, timer) = create(0, true);
        assert_eq!(status, STATUS_SUCCESS);
        assert_eq!(start(timer, 5), 0);
        sleep(10);
        assert_eq!(stop(timer, true), 1, "it was to be started");
        sleep(50);
        assert_eq!(stop(timer, true), 0);
    });
    assert_eq!(take_log(), ["EvtTimerFunc"], "and was not");
}

/// Waiting for a callback inside itself would never end: the framework does nothing at all instead.
#[test]
fn a_waiting_stop_inside_the_callback_stops_nothing() {
    let bench = plain(HostConfig::new(), Disk::in_memory());
    on_thread(&bench.host, || {
        on_timer(|timer| {
            assert_eq!(start(timer, 10), 0);
            assert_eq!(stop(timer, true), 0);
            on_timer(|_| {});
        });
        let (status, timer) = create(0, true);
        assert_eq!(status, STATUS_SUCCESS);
        start(timer, 5);
        sleep(50);
    });
    assert_eq!(take_log(), ["EvtTimerFunc", "EvtTimerFunc"]);
}

/// The work item of a passive timer runs although the timer is stopped or deleted meanwhile.
#[test]
fn a_callback_on_its_way_is_not_taken_back() {
    for seed in 0..50 {
        let bench = plain(HostConfig::new().seed(seed), Disk::in_memory());
        let stopped = on_thread(&bench.host, move || {
            on_timer(|_| {});
            let (status, timer) = create(0, true);
            assert_eq!(status, STATUS_SUCCESS);
            start(timer, 5);
            sleep(5);
            let stopped = if seed % 2 == 0 {
                stop(timer, seed % 4 == 0)
            } else {
                delete(timer);
                0
            };
            sleep(20);
            stopped
        });
        let calls = take_log().len();
        if seed % 2 == 0 {
            assert_eq!(calls + usize::from(stopped), 1, "seed {seed}");
        } else {
            assert!(calls <= 1, "seed {seed}");
        }
    }
}

/// Periodic passive timers are refused before anybody asks what device the parent belongs to.
#[test]
fn the_order_of_the_checks() {
    let bench = plain(HostConfig::new(), Disk::in_memory());
    on_thread(&bench.host, || {
        let driver = wdf!(WdfDeviceGetDriver(device())).cast();
        assert_eq!(create_for(driver, 20, true).0, STATUS_NOT_SUPPORTED);
        assert_eq!(
            create_for(driver, 20, false).0,
            STATUS_INVALID_DEVICE_REQUEST
        );
        assert_eq!(create(20, true).0, STATUS_NOT_SUPPORTED);
        assert_eq!(create(20, false).0, STATUS_SUCCESS);
    });
}
