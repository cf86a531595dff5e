//! Every public operation of the library, once for everything that can fail around it: nothing may leak, hang or crash.

mod fault_sweep;

use std::collections::{BTreeMap, BTreeSet};

use fault_sweep::operations::{self, COVERED};
use fault_sweep::{surface, sweep, undisturbed};
use kmdf_host::{
    Allocation, FaultKind, Host, HostConfig, LowerConfig, Malformation, Status, Stop, Sweep,
    UsbDescriptors, UsbDevice, UsbInterface,
};
use kmdf_sys::{
    STATUS_ACCESS_VIOLATION, STATUS_DEVICE_NOT_CONNECTED, STATUS_END_OF_FILE,
    STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_DEVICE_REQUEST, STATUS_SUCCESS,
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
    // The sweep is no smaller than it was. A synchronous send has its format's context on the stack.
    for kind in [
        Allocation::Irp,
        Allocation::Buffer,
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

/// Descriptors as no device should have them: the driver does not start, or works, and leaves nothing.
#[test]
fn usb_bulk_survives_every_malformed_device() {
    let mut started = Vec::new();
    for how in Malformation::ALL {
        let scenario = |host: &Host| -> Result<(), Stop> {
            let interface = UsbInterface::new(0).bulk(0x81, 512).bulk(0x01, 512);
            let descriptors = UsbDescriptors::new(0x1209, 0x0001).interface(interface);
            let device = UsbDevice::new(descriptors.malformed(how));
            let lower = host.add_lower(device, LowerConfig::new("usb device"));
            let driver = host.load("usb-bulk", usb_bulk::driver_entry)?;
            let stack = host.plug(lower, &[driver])?;
            let file = host.open(stack)?;
            host.write(file, 0, &[7; 1000])?;
            host.close(file)
        };
        let sweep = Sweep::new(HostConfig::new().verifier(true)).pairs(20);
        let report = Host::sweep_faults(&sweep, scenario);
        assert!(report.is_clean(), "{how:?}: {report}");
        let undisturbed = Host::run_with_fault(&sweep, None, scenario);
        if undisturbed.failed_steps.is_empty() {
            assert_eq!(
                undisturbed.statuses.keys().collect::<Vec<_>>(),
                [&STATUS_SUCCESS],
                "{how:?}"
            );
            started.push(how);
        }
    }
    assert_eq!(
        started,
        [
            Malformation::WrongType,
            Malformation::MissingInterface,
            Malformation::MissingEndpoint,
            Malformation::EndpointOutside,
            Malformation::DuplicateEndpoint,
            Malformation::ZeroMaxPacket,
        ]
    );
}

/// The device is pulled out at every URB in turn.
#[test]
fn usb_bulk_survives_a_device_that_goes_at_every_urb() {
    for nth in 1.. {
        let interface = UsbInterface::new(0).bulk(0x01, 512);
        let mut device = UsbDevice::new(UsbDescriptors::new(0x1209, 0x0001).interface(interface));
        device.disconnect_at(nth);
        let host = Host::new(HostConfig::new().verifier(true));
        host.set_parameter("usb-bulk", "MaximumPiece", 512);
        let lower = host.add_lower(device, LowerConfig::new("usb device"));
        let driver = host.load("usb-bulk", usb_bulk::driver_entry).unwrap();
        if let Ok(stack) = host.plug(lower, &[driver]) {
            let file = host.open(stack).unwrap();
            for _ in 0..3 {
                let result = host.write(file, 0, &[7; 1000]).unwrap();
                let status = Status(result.status);
                assert!(
                    [STATUS_SUCCESS, STATUS_DEVICE_NOT_CONNECTED].contains(&result.status),
                    "{nth}: {status}"
                );
                assert_eq!(status.is_success(), result.information == 1000, "{nth}");
            }
            host.surprise_remove(stack).unwrap();
            host.close(file).unwrap();
        }
        let connected = host.with_lower(lower, |device: &mut UsbDevice| device.is_connected());
        let report = host.finish();
        assert!(report.is_clean(), "{nth}: {report}");
        if connected {
            assert!(nth > 10, "only {nth} URBs");
            return;
        }
    }
}
