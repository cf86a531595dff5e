//! The record of a run: what is in it, and that its length does not matter.

mod common;

use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;

use common::*;
use kmdf_host::{
    Actor, Disk, Event, FileId, Host, HostConfig, LowerConfig, Mode, PnpIrp, Record, Ticks,
    TimerChange, Value, ViolationKind,
};
use kmdf_sys::*;

/// A filter whose timer, DPC and work item follow one another, and that fails every write.
fn busy() -> Hooks {
    Hooks {
        filter: true,
        write: Some(Rc::new(|_, request, _| {
            let mut attributes = WDF_OBJECT_ATTRIBUTES {
                ParentObject: device().cast(),
                ..attributes()
            };
            let mut config = WDF_TIMER_CONFIG {
                Size: size::<WDF_TIMER_CONFIG>(),
                EvtTimerFunc: Some(evt_timer),
                AutomaticSerialization: 0,
                ..Default::default()
            };
            let mut timer = null();
            let status = wdf!(WdfTimerCreate(
                &raw mut config,
                &raw mut attributes,
                &raw mut timer
            ));
            assert_eq!(status, STATUS_SUCCESS);
            assert_eq!(wdf!(WdfTimerStart(timer, ms(3))), 0);
            assert_eq!(wdf!(WdfTimerStop(timer, 0)), 1);
            assert_eq!(wdf!(WdfTimerStart(timer, ms(5))), 0);
            wdf!(WdfRequestComplete(request, STATUS_DEVICE_NOT_READY));
        })),
        ..Hooks::default()
    }
}

unsafe extern "C" fn evt_timer(timer: WDFTIMER) {
    let mut attributes = WDF_OBJECT_ATTRIBUTES {
        ParentObject: wdf!(WdfTimerGetParentObject(timer)),
        ..attributes()
    };
    let mut config = WDF_WORKITEM_CONFIG {
        Size: size::<WDF_WORKITEM_CONFIG>(),
        EvtWorkItemFunc: Some(evt_work_item),
        AutomaticSerialization: 0,
    };
    let mut item = null();
    let status = wdf!(WdfWorkItemCreate(
        &raw mut config,
        &raw mut attributes,
        &raw mut item
    ));
    assert_eq!(status, STATUS_SUCCESS);
    wdf!(WdfWorkItemEnqueue(item));
}

unsafe extern "C" fn evt_work_item(item: WDFWORKITEM) {
    // Never given back.
    reference(wdf!(WdfWorkItemGetParentObject(item)));
    reference(item.cast());
}

fn run(host_of: impl FnOnce(&Host)) {
    let bench = bench(HostConfig::new().trace(true), Disk::in_memory(), busy());
    host_of(&bench.host);
    let file = bench.host.open(bench.stack).expect("the file opens");
    bench.host.submit_write(file, 0, b"one", Mode::User);
    bench.host.submit_write(file, 3, b"two", Mode::User);
    bench.host.run().expect("the host runs on");
    bench.host.close(file).expect("the file closes");
    let report = bench.host.finish();
    assert!(!report.is_clean());
}

/// All records of a run, also of its end.
fn streamed() -> Vec<Record> {
    let all = Rc::new(RefCell::new(Vec::new()));
    let sink = Rc::clone(&all);
    run(move |host| host.stream_trace(move |new| sink.borrow_mut().extend_from_slice(new)));
    all.take()
}

fn position(records: &[Record], what: impl Fn(&Event) -> bool) -> usize {
    records
        .iter()
        .position(|record| what(&record.event))
        .expect("recorded")
}

#[test]
fn everything_that_happens_is_in_the_trace_in_order() {
    let records = streamed();
    let at = |what: &dyn Fn(&Event) -> bool| position(&records, what);
    let started = at(
        &|event| matches!(event, Event::PnpDown { request: PnpIrp::StartDevice, to } if to.name() == "filter"),
    );
    let powered = at(&|event| {
        matches!(
            event,
            Event::Power {
                from: "D3Final",
                to: "D0",
                ..
            }
        )
    });
    let chosen = at(
        &|event| matches!(event, Event::Choice { what: "ready threads", among: 2, chosen } if *chosen < 2),
    );
    let set = at(
        &|event| matches!(event, Event::Timer { change: TimerChange::Set { due }, .. } if *due == Ticks::from_millis(3)),
    );
    let stopped = at(&|event| {
        matches!(
            event,
            Event::Timer {
                change: TimerChange::Stopped,
                ..
            }
        )
    });
    let fired = at(&|event| {
        matches!(
            event,
            Event::Timer {
                change: TimerChange::Fired,
                ..
            }
        )
    });
    let queued = at(&|event| {
        matches!(
            event,
            Event::Enqueued {
                callback: "EvtWorkItem",
                ..
            }
        )
    });
    let held = at(&|event| {
        matches!(
            event,
            Event::Queue {
                state: "held, without power",
                ..
            }
        )
    });
    let removed = at(&|event| {
        matches!(
            event,
            Event::PnpDown {
                request: PnpIrp::RemoveDevice,
                ..
            }
        )
    });
    let leak = at(&|event| {
        matches!(
            event,
            Event::Violation {
                kind: ViolationKind::ReferenceLeak,
                ..
            }
        )
    });
    let order = [
        started, powered, chosen, set, stopped, fired, queued, removed, held, leak,
    ];
    assert!(order.is_sorted(), "{order:?}");
    assert_eq!(records[fired].time, Ticks::from_millis(5));
    assert_eq!(&*records[fired].thread_name, "timer dpc");
    assert_eq!(
        (&*records[chosen].thread_name, records[chosen].thread),
        ("scheduler", None)
    );
    assert!(records.is_sorted_by_key(|record| record.time));
}

#[test]
fn a_status_is_one_by_the_signature() {
    let records = streamed();
    let argument = |name: &str, parameter: &str| {
        let call = records.iter().find_map(|record| match &record.event {
            Event::Call { ddi, arguments, .. } if *ddi == name => Some(arguments),
            _ => None,
        });
        let value = call.and_then(|all| all.iter().find(|(name, _)| *name == parameter));
        value.map(|(_, value)| value.clone())
    };
    assert_eq!(
        argument("WdfRequestComplete", "status"),
        Some(Value::Status(STATUS_DEVICE_NOT_READY))
    );
    assert_eq!(
        argument("WdfTimerStart", "due_time"),
        Some(Value::Integer(ms(3)))
    );
    let left = |name: &str| {
        records.iter().find_map(|record| match &record.event {
            Event::CallbackLeave {
                driver,
                callback,
                result,
            } if *callback == name => Some((driver.clone(), result.clone())),
            _ => None,
        })
    };
    assert_eq!(
        left("EvtDriverUnload"),
        Some((Actor::new("filter"), Value::Unit))
    );
    let bench = plain(HostConfig::new().trace(true), Disk::in_memory());
    let trace = bench.host.take_trace();
    let entry = trace.records.iter().find_map(|record| match &record.event {
        Event::CallbackLeave {
            callback: "DriverEntry",
            result,
            ..
        } => Some(result.clone()),
        _ => None,
    });
    assert_eq!(entry, Some(Value::Status(STATUS_SUCCESS)));
}

#[test]
fn a_stream_a_trace_and_its_parts_are_the_same_records() {
    let config = || HostConfig::new().trace(true).seed(3);
    let host = |config| {
        let host = Host::new(config);
        let disk = host.add_lower(Disk::in_memory(), LowerConfig::new("disk"));
        let stack = host.plug(disk, &[]).expect("the stack starts");
        (host.open(stack).expect("the file opens"), host)
    };
    // Several times what a sink gets at once.
    const COUNT: u64 = 3_000;
    let (file, whole) = host(config());
    write(&whole, file, 0..COUNT);
    let all = whole.trace().records;
    assert_eq!(whole.trace().records, all, "kept");

    let (file, parts) = host(config());
    let mut taken = parts.take_trace().records;
    write(&parts, file, 0..1);
    taken.extend(parts.take_trace().records);
    assert_eq!(parts.take_trace().records, []);
    write(&parts, file, 1..COUNT);
    taken.extend(parts.take_trace().records);
    assert_eq!(taken, all);

    let (file, stream) = host(config());
    let sunk = Rc::new(RefCell::new((Vec::new(), 0)));
    let sink = Rc::clone(&sunk);
    stream.stream_trace(move |records| {
        let (all, largest) = &mut *sink.borrow_mut();
        all.extend_from_slice(records);
        *largest = records.len().max(*largest);
    });
    write(&stream, file, 0..COUNT);
    assert!(
        stream.trace().records.len() < 1_024,
        "the rest is with the sink"
    );
    drop(stream);
    let (streamed, largest) = sunk.take();
    assert_eq!(streamed, all);
    assert!(all.len() > 3 * 1_024 && largest <= 1_024, "{largest}");
}

fn write(host: &Host, file: FileId, offsets: Range<u64>) {
    for offset in offsets {
        let result = host.write(file, offset, b"x").expect("the host runs on");
        assert_eq!(result.information, 1);
    }
}

#[test]
fn nothing_is_recorded_unless_asked() {
    let bench = plain(HostConfig::new(), Disk::in_memory());
    assert_eq!(bench.host.trace().records, []);
}
