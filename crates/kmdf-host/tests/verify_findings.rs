//! What a finding says: what was done, where, the rule, what to do.

mod common;

use common::*;
use kmdf_host::{BugcheckKind, HostConfig, Loopback, Mode, Stop, ViolationKind};
use kmdf_sys::*;
use std::cell::Cell;
use std::rc::Rc;

#[test]
fn a_finding_says_where_it_was_and_what_to_do() {
    let bench = plain(HostConfig::new(), Loopback::new());
    on_thread(&bench.host, || {
        named("kept", null());
        reference(named("referenced", null()));
    });
    let report = bench.host.finish();
    let leak = &report.violations[0];
    assert_eq!(leak.kind, ViolationKind::ReferenceLeak);
    let object = leak.object.expect("a leak is of an object");
    assert_eq!(
        (object.class, object.origin.ddi),
        ("WDFOBJECT", "WdfObjectCreate")
    );
    let text = leak.to_string();
    for part in [
        "ReferenceLeak: a WDFOBJECT created by WdfObjectCreate",
        "where: the end of the run",
        "rule ReferenceLeak: Every WdfObjectReference",
        "do: Give the reference back",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

#[test]
fn a_crash_knows_the_object_that_is_gone() {
    let bench = plain(HostConfig::new(), Loopback::new());
    let crash = bugcheck(&bench, || {
        let object = named("gone", null());
        delete(object);
        sleep(3);
        delete(object);
    });
    assert_eq!(crash.kind, BugcheckKind::StaleHandle);
    let object = crash.object.expect("the object is remembered");
    assert_eq!(object.class, "WDFOBJECT");
    assert_eq!(object.ended.map(|ended| ended.ddi), Some("WdfObjectDelete"));
    assert_eq!(crash.place.thread.as_deref(), Some("test"));
    assert!(crash.to_string().contains("rule UseAfterDelete"), "{crash}");
}

fn crash_of(write: impl Fn(WDFQUEUE, WDFREQUEST, usize) + 'static) -> kmdf_host::Bugcheck {
    let hooks = Hooks {
        filter: true,
        write: Some(Rc::new(write)),
        ..Hooks::default()
    };
    let bench = bench(HostConfig::new(), Loopback::new(), hooks);
    let file = bench.host.open(bench.stack).unwrap();
    match bench.host.write(file, 0, b"twice") {
        Err(Stop::Bugcheck(crash)) => *crash,
        other => panic!("expected a crash, got {other:?}"),
    }
}

#[test]
fn completing_twice_has_its_own_name() {
    let crash = crash_of(|_, request, _| {
        wdf!(WdfRequestComplete(request, STATUS_SUCCESS));
        wdf!(WdfRequestComplete(request, STATUS_SUCCESS));
    });
    assert_eq!(crash.kind, BugcheckKind::DoubleCompletion);
    assert_eq!(crash.place.driver.as_deref(), Some("filter"));
    assert_eq!(crash.place.callback, Some("EvtIoWrite"));

    // The same while somebody still holds a reference.
    let crash = crash_of(|_, request, _| {
        reference(request.cast());
        wdf!(WdfRequestComplete(request, STATUS_SUCCESS));
        wdf!(WdfRequestComplete(request, STATUS_SUCCESS));
    });
    assert_eq!(crash.kind, BugcheckKind::DoubleCompletion);

    // Another use of a completed request is no second completion.
    let crash = crash_of(|_, request, _| {
        wdf!(WdfRequestComplete(request, STATUS_SUCCESS));
        ignore(wdf!(WdfRequestGetStatus(request)));
    });
    assert_eq!(crash.kind, BugcheckKind::StaleHandle);
}

#[test]
fn a_cancel_that_races_with_completion_is_named() {
    let kept = Rc::new(Cell::new(null()));
    let keep = Rc::clone(&kept);
    let hooks = Hooks {
        filter: true,
        write: Some(Rc::new(move |_, request, _| {
            keep.set(request);
            wdf!(WdfRequestMarkCancelable(request, Some(evt_cancel)));
        })),
        cancelled: Some(Rc::new(|request| {
            wdf!(WdfRequestComplete(request, STATUS_CANCELLED));
        })),
        ..Hooks::default()
    };
    let bench = bench(HostConfig::new(), Loopback::new(), hooks);
    let file = bench.host.open(bench.stack).unwrap();
    let io = bench.host.submit_write(file, 0, b"x", Mode::User);
    bench.host.run().unwrap();
    bench.host.cancel(io).unwrap();
    let crash = bugcheck(&bench, move || {
        wdf!(WdfRequestComplete(kept.get(), STATUS_SUCCESS));
    });
    assert_eq!(crash.kind, BugcheckKind::CancelRace);
}
