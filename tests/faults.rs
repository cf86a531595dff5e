//! Every public operation of the library, once for everything that can fail around it: nothing may leak, hang or crash.

mod fault_sweep;

use std::collections::{BTreeMap, BTreeSet};

use fault_sweep::operations::{self, COVERED};
use fault_sweep::{surface, sweep, undisturbed};
use kmdf_host::{Allocation, FaultKind, Status};
use kmdf_sys::{
    STATUS_ACCESS_VIOLATION, STATUS_END_OF_FILE, STATUS_INSUFFICIENT_RESOURCES,
    STATUS_INVALID_DEVICE_REQUEST, STATUS_SUCCESS,
};

/// Pairs of faults for each operation.
const PAIRS: usize = 60;

#[test]
fn every_operation_works_undisturbed() {
    for operation in operations::all() {
        for status in undisturbed(operation) {
            assert_eq!(
                status, STATUS_SUCCESS,
                "{} on {:?}",
                operation.name, operation.below
            );
        }
    }
}

#[test]
fn every_operation_survives_every_fault() {
    let mut kinds: BTreeMap<FaultKind, (u64, BTreeSet<i32>)> = BTreeMap::new();
    let mut failures = Vec::new();
    let (mut runs, mut unreached) = (0, 0);
    let all = operations::all();
    for (seed, &operation) in (1..).zip(&all) {
        let report = sweep(operation, seed, PAIRS);
        runs += report.runs;
        unreached += report.unreached.len();
        for failure in &report.failures {
            failures.push(format!(
                "{} on {:?}, seed {seed}: {failure}",
                operation.name, operation.below
            ));
        }
        for (kind, count) in report.kinds {
            let entry = kinds.entry(kind).or_default();
            entry.0 += count.injected;
            entry.1.extend(count.statuses.keys());
        }
    }
    println!(
        "{} operations, {runs} runs, {unreached} pairs not reached",
        all.len()
    );
    for (kind, (count, statuses)) in &kinds {
        let statuses: Vec<String> = statuses
            .iter()
            .map(|&status| Status(status).to_string())
            .collect();
        println!("{kind:40} {count:6}  {}", statuses.join(", "));
    }
    assert!(
        failures.is_empty(),
        "{} failures:\n{}",
        failures.len(),
        failures[..failures.len().min(12)].join("\n")
    );
    // What the library cannot have, it says so; nothing else becomes of it.
    for kind in Allocation::all() {
        let Some((_, statuses)) = kinds.get(&FaultKind::Allocation(kind)) else {
            continue;
        };
        let allowed = if kind == Allocation::Probe {
            STATUS_ACCESS_VIOLATION
        } else {
            STATUS_INSUFFICIENT_RESOURCES
        };
        // Where the filter has no device, the application meets the disk itself.
        let of_disk = [STATUS_END_OF_FILE, STATUS_INVALID_DEVICE_REQUEST];
        let filter_fails = matches!(kind, Allocation::Object | Allocation::Pool);
        let other: Vec<_> = statuses
            .iter()
            .filter(|status| ![STATUS_SUCCESS, allowed].contains(status))
            .filter(|status| !(filter_fails && of_disk.contains(status)))
            .map(|&status| Status(status))
            .collect();
        assert!(other.is_empty(), "{kind}: {other:?}");
    }
    // The sweep is no smaller than it was.
    for kind in [
        Allocation::Irp,
        Allocation::Buffer,
        Allocation::Context,
        Allocation::Mdl,
        Allocation::Map,
        Allocation::Probe,
        Allocation::Object,
        Allocation::Pool,
    ] {
        assert!(
            kinds.contains_key(&FaultKind::Allocation(kind)),
            "no {kind} failed"
        );
    }
}

/// A public function that can fail and is in no sweep fails here, and so does a name that the library no longer has.
#[test]
fn every_fallible_function_is_swept() {
    let there = surface::fallible().unwrap();
    assert!(there.len() > 30, "only {} found", there.len());
    let covered: BTreeSet<String> = COVERED.iter().map(|(name, _)| (*name).to_owned()).collect();
    let missing: Vec<_> = there.difference(&covered).collect();
    assert!(
        missing.is_empty(),
        "in no sweep: {missing:?}; add an operation that calls them"
    );
    let gone: Vec<_> = covered.difference(&there).collect();
    assert!(gone.is_empty(), "no such function any more: {gone:?}");
    let names: BTreeSet<&str> = operations::all()
        .iter()
        .map(|operation| operation.name)
        .collect();
    let source = concat!(
        include_str!("fault_sweep/mod.rs"),
        include_str!("fault_sweep/operations.rs")
    );
    for (function, operation) in COVERED {
        let (_, name) = function.rsplit_once("::").unwrap_or(("", function));
        assert!(
            source.contains(&format!("{name}(")),
            "{function} is never called"
        );
        assert!(
            names.contains(operation) || ["load", "add"].contains(operation),
            "{function}: there is no operation `{operation}`"
        );
    }
}
