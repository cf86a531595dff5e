//! How many of the observations are staged, and what became of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use toml::{Table, Value};

use crate::case::group;

/// The groups of the observations, how many there are in each, and what they are about.
const GROUPS: [(&str, usize, &str); 34] = [
    ("wr", 85, "synchronous writes to I/O targets"),
    ("usb", 53, "USB devices and pipes"),
    ("ret", 22, "buffers of received requests"),
    ("mem", 17, "memory"),
    ("cmp", 7, "completion"),
    ("inc", 6, "received requests in sends"),
    ("snd", 9, "WdfRequestSend"),
    ("crt", 5, "creation"),
    ("reu", 5, "WdfRequestReuse"),
    ("rd", 3, "synchronous reads"),
    ("ioc", 3, "control codes"),
    ("fmt", 3, "formatting"),
    ("tgt", 3, "states of targets"),
    ("can", 4, "cancellation"),
    ("obj", 2, "contexts"),
    ("ver", 2, "clients of older versions"),
    ("pnp", 2, "sends after PnP requests"),
    ("ord", 4, "order of checks"),
    ("con", 4, "concurrency"),
    ("to", 3, "time-outs"),
    ("ref", 2, "references"),
    ("cpl", 2, "completion routines"),
    ("o2.pnp", 77, "PnP and power"),
    ("o2.ios", 62, "I/O while stopping"),
    ("o2.q", 114, "queues"),
    ("o2.o", 21, "ends of objects"),
    ("o2.u", 5, "unloading"),
    ("o2.t", 19, "timers"),
    ("o2.w", 8, "work items"),
    ("o2.l", 10, "locks"),
    ("o2.c", 6, "collections"),
    ("o2.s", 3, "strings"),
    ("o2.cm", 6, "statuses and boosts of completions"),
    ("o2.boost", 16, "default priority boosts"),
];

/// What became of the observations of one group.
#[derive(Default)]
struct Row {
    staged_here: usize,
    as_conformance: usize,
    differing: Vec<(String, String)>,
    not_staged: Vec<(String, String)>,
}

/// The table of all groups.
#[derive(Default)]
pub(crate) struct Observed {
    rows: BTreeMap<&'static str, Row>,
    known: BTreeSet<String>,
}

impl Observed {
    fn row(&mut self, id: &str) -> &mut Row {
        assert!(self.known.insert(id.to_owned()), "{id} is staged twice");
        let own = group(id);
        let known = GROUPS.iter().find(|(name, ..)| *name == own);
        let (name, ..) = known.unwrap_or_else(|| panic!("{id} is in no group"));
        self.rows.entry(name).or_default()
    }

    /// A case of this test.
    pub(crate) fn staged(&mut self, id: &str, differs: Option<&str>) {
        let row = self.row(id);
        row.staged_here += 1;
        if let Some(reason) = differs {
            row.differing.push((id.to_owned(), reason.to_owned()));
        }
    }

    /// The cases of the conformance files that are named after an observation; their own test demands that they pass.
    pub(crate) fn add_conformance(&mut self) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/conformance");
        let entries = fs::read_dir(folder).expect("the conformance cases are there");
        for entry in entries {
            let path = entry.expect("a file").path();
            if path.extension().is_none_or(|extension| extension != "toml") {
                continue;
            }
            let text = fs::read_to_string(&path).expect("the file can be read");
            let file: Table = text.parse().expect("the file is TOML");
            let cases = file.get("case").and_then(Value::as_array);
            for case in cases.into_iter().flatten() {
                let what = case.get("what").and_then(Value::as_str).unwrap_or_default();
                let named = GROUPS.iter().any(|(name, ..)| {
                    what.strip_prefix(name)
                        .is_some_and(|rest| rest.starts_with('.'))
                });
                if named && !what.contains(' ') {
                    self.row(what).as_conformance += 1;
                }
            }
        }
    }

    /// The observations that cannot be staged, with the reasons.
    pub(crate) fn add_not_staged(&mut self, text: &str) {
        let reasons: Table = text.parse().expect("the file is TOML");
        for (id, reason) in reasons {
            let reason = reason.as_str().expect("a reason").to_owned();
            self.row(&id).not_staged.push((id.clone(), reason));
        }
    }

    /// Demands that every observation is accounted for.
    pub(crate) fn check(&self) {
        for (name, total, _) in GROUPS {
            let row = &self.rows[name];
            let count = row.staged_here + row.as_conformance + row.not_staged.len();
            assert_eq!(count, total, "group {name}");
        }
    }

    /// The page of the documentation.
    pub(crate) fn page(&self) -> String {
        let mut page = String::from(HEAD);
        let mut sums = [0; 5];
        let mut reasons = String::new();
        for (name, total, about) in GROUPS {
            let row = &self.rows[name];
            let staged = row.staged_here + row.as_conformance;
            let differ = row.differing.len();
            let numbers = [total, staged, staged - differ, differ, row.not_staged.len()];
            for (sum, number) in sums.iter_mut().zip(numbers) {
                *sum += number;
            }
            line(&mut page, &format!("`{name}`"), about, numbers);
            for (id, reason) in row.differing.iter().chain(&row.not_staged) {
                let kind = if row.differing.iter().any(|(own, _)| own == id) {
                    "differs"
                } else {
                    "not staged"
                };
                writeln!(reasons, "| `{id}` | {kind} | {reason} |").expect("a string takes all");
            }
        }
        line(&mut page, "all", "", sums);
        page.push_str(REASONS);
        page.push_str(&reasons);
        page
    }

    /// One line per group, and the sum.
    pub(crate) fn print(&self) {
        let (mut staged, mut differ) = (0, 0);
        for (name, total, _) in GROUPS {
            let row = &self.rows[name];
            let own = row.staged_here + row.as_conformance;
            println!(
                "{name}: {own} of {total} staged, {} agree, {} differ",
                own - row.differing.len(),
                row.differing.len()
            );
            staged += own;
            differ += row.differing.len();
        }
        let total: usize = GROUPS.iter().map(|(_, total, _)| total).sum();
        println!(
            "{staged} of {total} staged, {} agree, {differ} differ",
            staged - differ
        );
    }
}

fn line(page: &mut String, name: &str, about: &str, numbers: [usize; 5]) {
    let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    writeln!(page, "| {name} | {about} | {} |", numbers.join(" | ")).expect("a string takes all");
}

const HEAD: &str = "\
# What KMDF was seen to do, and what the model does

Microsoft's framework source was run, with a kernel, lower drivers and clients that stood in, in 593 situations; what it
did was recorded event by event: which callbacks in which order, statuses, what became of each IRP, at which IRQL. The
same situations are staged with the model and compared event by event: as conformance cases in `tests/conformance` where
their format can say it, and in `crates/kmdf-host/tests/observed` where it cannot, with the observations as data beside
the test. This page is written by that test, which fails when it is no longer true.

| group | about | observed | staged | agree | differ | not staged |
|---|---|---:|---:|---:|---:|---:|
";

const REASONS: &str = "
## Why some differ or are not staged

| observation | | reason |
|---|---|---|
";
