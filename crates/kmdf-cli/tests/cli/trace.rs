//! `--trace`.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use crate::folder::{Folder, byte, ended};

/// A run with the input's length and what else is asked for.
fn run(folder: &Folder, length: usize, arguments: &str) -> crate::folder::Ended {
    let bytes: Vec<u8> = (0..length).map(byte).collect();
    fs::write(folder.path("input"), bytes).expect("room for a file");
    ended(&mut folder.kmdf(&format!("run {arguments} -i input -o output")))
}

/// Runs that go well, fail, time out, or are long.
const RUNS: [(&str, usize); 5] = [
    ("write-filter", 600),
    ("usb-bulk --lower-delay 1ms --write-size 1000", 100_000),
    (
        "write-filter --piece 4K --lower-delay 2s --timeout 500ms",
        10_000,
    ),
    (
        "usb-bulk --piece 4K --lower-fail STATUS_IO_DEVICE_ERROR@2",
        10_000,
    ),
    ("write-filter --piece 16 --io direct", 30_000),
];

/// The number in `1,234 records`.
fn count(text: &str) -> u64 {
    let (before, _) = text.split_once(" record").expect("a number of records");
    let number = before.rsplit(|c: char| !c.is_ascii_digit() && c != ',');
    let number = number.into_iter().next().unwrap_or_default();
    number.replace(',', "").parse().expect("a number")
}

#[test]
fn all_forms_have_the_same_number_of_records() {
    let folder = Folder::new();
    for (arguments, length) in RUNS {
        let mut counts = BTreeMap::new();
        for form in ["table", "sequence", "json", "svg"] {
            run(
                &folder,
                length,
                &format!("{arguments} --trace {form} trace"),
            );
            let text = fs::read_to_string(folder.path("trace")).expect("written by the command");
            let counted = match form {
                "table" | "sequence" => count(text.lines().next_back().unwrap_or_default()),
                "json" => {
                    let trace: Value = serde_json::from_str(&text).expect("JSON");
                    count(trace["otherData"]["records"].as_str().unwrap_or_default())
                }
                _ => count(&text),
            };
            counts.insert(form, counted);
        }
        let number = counts["table"];
        assert!(number > 90, "{counts:?}");
        assert!(
            counts.values().all(|&other| other == number),
            "{arguments}: {counts:?}"
        );
    }
}

/// What is open in a trace, and what was last, while it is read.
#[derive(Default)]
struct Reader {
    time: f64,
    spans: BTreeMap<u64, Vec<(String, f64)>>,
    irps: BTreeMap<u64, Vec<String>>,
    flows: BTreeMap<u64, u32>,
    /// Where a step of an IRP is on each track: its begin and end.
    steps: BTreeMap<u64, (f64, f64)>,
    named: Vec<u64>,
    phases: BTreeMap<String, u32>,
}

impl Reader {
    fn event(&mut self, event: &Value) {
        let text = |key: &str| event[key].as_str().expect("a text").to_owned();
        let number = |key: &str| event[key].as_u64().expect("a number");
        let (phase, track) = (text("ph"), number("tid"));
        *self.phases.entry(phase.clone()).or_default() += 1;
        assert_eq!(number("pid"), 1);
        if phase == "M" {
            let name = event["args"]["name"].as_str().expect("a name");
            assert!(!name.is_empty());
            if text("name") == "thread_name" {
                assert!(!self.named.contains(&track));
                self.named.push(track);
            }
            return;
        }
        assert!(self.named.contains(&track), "every track has a name");
        let at = event["ts"].as_f64().expect("a time");
        assert!(at >= self.time, "time goes forward");
        self.time = at;
        match phase.as_str() {
            "B" => {
                let spans = self.spans.entry(track).or_default();
                spans.push((text("name"), at));
            }
            "E" => {
                let spans = self.spans.entry(track).or_default();
                let (name, begun) = spans.pop().expect("something to end");
                assert_eq!(name, text("name"));
                assert!(at - begun >= 0.000_9, "{name} can be seen");
            }
            "X" => {
                let duration = event["dur"].as_f64().expect("a duration");
                assert!(duration > 0.0);
                self.steps.insert(track, (at, at + duration));
            }
            "b" => {
                let irp = self.irps.entry(number("id")).or_default();
                irp.push(text("name"));
            }
            "e" => {
                let irp = self.irps.get_mut(&number("id")).expect("an IRP");
                let last = irp.iter().rposition(|name| *name == text("name"));
                irp.remove(last.expect("something to end"));
            }
            "s" | "t" | "f" => self.flow(&phase, number("id"), track, at),
            "C" => assert!(event["args"]["IRPs"].is_u64()),
            "i" => assert!(["t", "p"].contains(&text("s").as_str())),
            "n" => {}
            other => panic!("no such phase: {other}"),
        }
    }

    /// A flow begins once, ends once, and touches its track inside a step.
    fn flow(&mut self, phase: &str, id: u64, track: u64, at: f64) {
        let known = self.flows.contains_key(&id);
        assert_eq!(known, phase != "s", "flow {id}");
        if phase == "f" {
            self.flows.remove(&id);
        } else {
            *self.flows.entry(id).or_default() += 1;
            let (begin, end) = self.steps[&track];
            assert!((begin..end).contains(&at), "flow {id} is at a step");
        }
    }
}

#[test]
fn a_trace_for_tools_is_well_formed() {
    let folder = Folder::new();
    for (arguments, length) in RUNS {
        let run = run(&folder, length, &format!("{arguments} --trace json"));
        assert!(
            run.err.starts_with("arrived"),
            "the summary goes to standard error: {}",
            run.err
        );
        let trace: Value = serde_json::from_str(&run.out).expect("JSON");
        let mut reader = Reader::default();
        for event in trace["traceEvents"].as_array().expect("a list of events") {
            reader.event(event);
        }
        assert!(reader.spans.values().all(Vec::is_empty), "{arguments}");
        assert!(reader.irps.values().all(Vec::is_empty), "{arguments}");
        assert_eq!(reader.flows, BTreeMap::new(), "{arguments}");
        for phase in ["B", "E", "X", "b", "e", "s", "t", "f", "C"] {
            assert!(reader.phases.contains_key(phase), "{phase}");
        }
    }
}

#[test]
fn the_time_of_a_trace_for_tools_is_the_virtual_one() {
    let folder = Folder::new();
    let run = run(
        &folder,
        100_000,
        "write-filter --trace json --lower-delay 1ms --write-size 50K",
    );
    let trace: Value = serde_json::from_str(&run.out).expect("JSON");
    let events = trace["traceEvents"].as_array().expect("a list of events");
    let mut seen = 0;
    for event in events {
        let (Some(at), Some(shown)) = (event["args"]["at"].as_str(), event["ts"].as_f64()) else {
            continue;
        };
        seen += 1;
        let milliseconds: f64 = at.trim_end_matches(" ms").parse().expect("a time");
        let shift = shown - milliseconds * 1_000.0;
        assert!((-0.001..1.0).contains(&shift), "{at} is shown as {shown}");
    }
    assert!(seen > 100);
}

/// Attributes and texts of a picture, without what only a parser of XML could find wrong.
#[test]
fn a_picture_is_well_formed_and_says_what_happened() {
    let folder = Folder::new();
    for (arguments, length) in RUNS {
        run(
            &folder,
            length,
            &format!("{arguments} --trace svg trace.svg"),
        );
        let text = fs::read_to_string(folder.path("trace.svg")).expect("written by the command");
        let mut open = Vec::new();
        let mut content = String::new();
        for event in svg::read(&text).expect("a picture") {
            use svg::node::element::tag::Type;
            use svg::parser::Event;
            match event {
                Event::Tag(name, Type::Start, _) => open.push(name),
                Event::Tag(name, Type::End, _) => assert_eq!(open.pop(), Some(name)),
                Event::Error(error) => panic!("{arguments}: {error}"),
                Event::Text(words) => content.push_str(words),
                _ => {}
            }
        }
        assert_eq!(open, [] as [&str; 0]);
        for said in [
            "IRP_MN_START_DEVICE",
            "EvtIoWrite",
            "0.0000 ms",
            "IRP_MN_REMOVE_DEVICE",
        ] {
            assert!(content.contains(said), "{arguments}: {said}");
        }
        let long = arguments.contains("--piece 16");
        assert_eq!(
            content.contains("have no room in this picture"),
            long,
            "{arguments}"
        );
        assert!(text.len() < 1 << 20, "{arguments}: {}", text.len());
    }
}

#[test]
fn the_picture_in_the_documents_is_what_the_command_draws() {
    let folder = Folder::new();
    run(
        &folder,
        10_000,
        "write-filter --piece 4K --lower-delay 300ms --lower-fail STATUS_IO_DEVICE_ERROR@3 --trace svg trace.svg",
    );
    let drawn = fs::read_to_string(folder.path("trace.svg")).expect("written by the command");
    let kept = include_str!("../../../../docs/trace.svg");
    assert!(
        drawn == kept.replace("\r\n", "\n"),
        "docs/trace.svg is another; docs/traces.md says how it is made"
    );
}
