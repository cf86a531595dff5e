//! Traces that no run of the project's drivers makes.

use kmdf_host::{Actor, Event, IrpId, Record, ThreadId, Ticks, ViolationKind};

use super::{Look, TraceForm, write};

const LOOK: Look<'_> = Look {
    title: "a < b & c",
    actors: ["app", "filter", "disk"],
    width: 100,
};

fn record(time: u64, event: Event) -> Record {
    Record {
        time: Ticks::from_millis(time),
        thread: Some(ThreadId(0)),
        thread_name: "app".into(),
        irql: 0,
        event,
    }
}

/// A driver with a long name calls, passes a request on, and is stopped.
fn stopped() -> Vec<Record> {
    let driver = Actor::new("a-driver-with-<a>-very-long-name-that-nobody-would-give-to-a-driver");
    let explanation = "something <wrong> & more of it, ".repeat(20);
    [
        Event::CallbackEnter {
            driver: driver.clone(),
            callback: "EvtIoWrite",
            object: 1,
        },
        Event::Call {
            driver: driver.clone(),
            ddi: "WdfRequestSend",
            arguments: Vec::new(),
        },
        Event::IrpDown {
            irp: IrpId(7),
            from: driver,
            to: Actor::new("disk"),
            major: 4,
            length: 512,
            offset: 0,
            urb: None,
        },
        Event::Violation {
            kind: ViolationKind::RequestLost,
            explanation,
        },
        Event::Stopped {
            reason: "not modelled".to_owned(),
        },
    ]
    .into_iter()
    .enumerate()
    .map(|(time, event)| record(time as u64, event))
    .collect()
}

fn rendered(form: TraceForm, records: &[Record]) -> String {
    let mut out = Vec::new();
    write(form, LOOK, records, &mut out).expect("memory takes everything");
    String::from_utf8(out).expect("text")
}

#[test]
fn a_picture_escapes_wraps_and_ends_what_is_open() {
    let picture = rendered(TraceForm::Svg, &stopped());
    assert!(picture.contains("a &lt; b &amp; c"));
    assert!(picture.contains("a-driver-with-&lt;a&gt;-very"));
    assert!(!picture.contains("<wrong>"));
    assert!(picture.matches("&lt;wrong&gt;").count() >= 19, "all of it");
    assert!(picture.contains("class=\"banner\""));
    // The callback, and the disk that holds the request.
    assert_eq!(picture.matches("class=\"bar\"").count(), 2);
}

#[test]
fn a_trace_for_tools_ends_what_is_open() {
    let trace: serde_json::Value =
        serde_json::from_str(&rendered(TraceForm::Json, &stopped())).expect("JSON");
    let events = trace["traceEvents"].as_array().expect("a list of events");
    let count = |phase: &str| events.iter().filter(|event| event["ph"] == phase).count();
    assert_eq!((count("B"), count("E")), (2, 2));
    assert_eq!((count("b"), count("e")), (1, 1));
    assert_eq!((count("s"), count("f")), (1, 1));
    let ends = events.iter().filter(|event| event["ph"] == "E");
    let names: Vec<_> = ends.map(|event| event["name"].as_str()).collect();
    assert_eq!(names, [Some("WdfRequestSend"), Some("EvtIoWrite")]);
}

#[test]
fn no_line_of_a_sequence_is_wider_than_the_terminal() {
    let sequence = rendered(TraceForm::Sequence, &stopped());
    for line in sequence.lines() {
        assert!(line.chars().count() <= LOOK.width, "{line}");
    }
    let timed = sequence.lines().filter(|line| line.contains(" ms "));
    assert_eq!(
        timed.count(),
        sequence.lines().count() - sequence.matches(" app").count() - 1,
        "all but names and the last have a time:\n{sequence}"
    );
}

#[test]
fn a_trace_without_records_is_one() {
    for form in [TraceForm::Table, TraceForm::Sequence, TraceForm::Svg] {
        assert!(rendered(form, &[]).contains("0 records"));
    }
    let trace: serde_json::Value =
        serde_json::from_str(&rendered(TraceForm::Json, &[])).expect("JSON");
    assert_eq!(trace["traceEvents"].as_array().map(Vec::len), Some(0));
    assert_eq!(trace["otherData"]["records"], "0 records");
}
