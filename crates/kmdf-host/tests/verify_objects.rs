//! Objects that are used, or still at work, when what they belong to goes.

mod common;

use common::*;
use kmdf_host::{HostConfig, Loopback, Ticks, ViolationKind};
use kmdf_sys::*;

unsafe extern "C" fn evt_timer(_: WDFTIMER) {}

fn timer() -> WDFTIMER {
    let mut config = WDF_TIMER_CONFIG {
        Size: size::<WDF_TIMER_CONFIG>(),
        EvtTimerFunc: Some(evt_timer),
        AutomaticSerialization: 0,
        ..Default::default()
    };
    let mut attributes = WDF_OBJECT_ATTRIBUTES {
        ParentObject: device().cast(),
        ..attributes()
    };
    let mut timer = null();
    let status = wdf!(WdfTimerCreate(
        &raw mut config,
        &raw mut attributes,
        &raw mut timer
    ));
    assert_eq!(status, STATUS_SUCCESS);
    timer
}

/// What is found when `f` runs on a device that is removed a millisecond later.
fn found_at_removal(f: impl FnOnce() + 'static) -> Vec<ViolationKind> {
    let bench = plain(HostConfig::new(), Loopback::new());
    bench.host.spawn("test", f);
    bench.host.run_for(Ticks::from_millis(1)).unwrap();
    bench.host.remove(bench.stack).unwrap();
    found(bench)
}

fn start(timer: WDFTIMER) {
    ignore(wdf!(WdfTimerStart(timer, ms(10_000_000))));
}

#[test]
fn a_timer_is_stopped_before_its_device_goes() {
    assert_eq!(
        found_at_removal(|| start(timer())),
        [ViolationKind::TimerRunning]
    );
    assert_eq!(
        found_at_removal(|| {
            let timer = timer();
            start(timer);
            ignore(wdf!(WdfTimerStop(timer, 1)));
        }),
        []
    );
    assert_eq!(
        found_at_removal(|| {
            let timer = timer();
            start(timer);
            delete(timer);
        }),
        []
    );
}

#[test]
fn a_timer_of_a_device_that_is_gone_is_not_started() {
    let bench = plain(HostConfig::new(), Loopback::new());
    let timer = on_thread(&bench.host, || {
        let timer = timer();
        reference(timer.cast());
        timer
    });
    bench.host.remove(bench.stack).unwrap();
    on_thread(&bench.host, move || {
        start(timer);
        dereference(timer.cast());
    });
    assert_eq!(found(bench), [ViolationKind::UseAfterRemoval]);
}
