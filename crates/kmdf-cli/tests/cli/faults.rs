//! `kmdf faults`.

use insta::assert_snapshot;

use crate::folder::{Ended, Folder, ended};

const DRIVERS: [&str; 2] = ["write-filter", "usb-bulk"];

fn faults(arguments: &str) -> Ended {
    ended(&mut Folder::new().kmdf(&format!("faults {arguments}")))
}

/// The row of a sort of fault: how many were injected and survived, and what the application saw.
fn row(run: &Ended, kind: &str) -> (u64, u64, String) {
    let mut rows = run.out.lines().map(|line| line.split_whitespace());
    let mut row = rows
        .find(|row| row.clone().next() == Some(kind))
        .unwrap_or_else(|| panic!("no {kind} in\n{}", run.out));
    let mut number = || row.next().unwrap().parse::<u64>().ok();
    number();
    let [injected, survived] = [number().unwrap(), number().unwrap()];
    (injected, survived, row.collect::<Vec<_>>().join(" "))
}

#[test]
fn both_drivers_survive_everything() {
    for driver in DRIVERS {
        for arguments in [
            "--pairs 300",
            "--seed 5 --pairs 300",
            "--verifier off --pairs 0",
        ] {
            let run = faults(&format!("{driver} {arguments}"));
            assert_eq!((run.code, run.err.as_str()), (0, ""), "{}", run.out);
            assert!(
                run.out
                    .ends_with("no bugcheck, no leak, no hang, no lost request\n"),
                "{}",
                run.out
            );
            for kind in ["irp", "object", "pool", "pnp", "lower=late", "lower=gone"] {
                let (injected, survived, _) = row(&run, kind);
                assert!(injected > 0, "{driver}: {kind}");
                assert_eq!(injected, survived, "{driver}: {kind}");
            }
        }
    }
}

/// The fault meets what else goes on at that moment.
#[test]
fn both_drivers_survive_everything_in_a_race() {
    for driver in DRIVERS {
        for seed in 0..6 {
            let run = faults(&format!("{driver} --race --seed {seed} --pairs 60"));
            assert_eq!((run.code, run.err.as_str()), (0, ""), "{}", run.out);
        }
    }
}

#[test]
fn the_application_sees_what_happened() {
    for driver in DRIVERS {
        let run = faults(&format!("{driver} --pairs 0"));
        for (kind, status) in [
            ("irp", "INSUFFICIENT_RESOURCES"),
            ("lower=STATUS_IO_DEVICE_ERROR", "IO_DEVICE_ERROR"),
            ("lower=never", "IO_TIMEOUT"),
            ("lower=gone", "DEVICE_NOT_CONNECTED"),
        ] {
            let (.., saw) = row(&run, kind);
            assert!(saw.contains(status), "{driver}: {kind}: {saw}");
        }
    }
}

#[test]
fn one_seed_gives_one_text() {
    for driver in DRIVERS {
        let [first, second] = [(); 2].map(|()| faults(&format!("{driver} --seed 3")).out);
        assert_eq!(first, second);
    }
}

#[test]
fn one_fault_can_be_looked_at() {
    let run = faults("write-filter --only lower#3=never --trace sequence");
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    let (trace, summary) = run.out.split_once("\n\n").expect("an empty line between");
    for seen in ["EvtIoWrite", ": cancel", "STATUS_IO_TIMEOUT"] {
        assert!(trace.contains(seen), "{trace}");
    }
    assert_snapshot!("faults-one", summary);
    let run = faults("usb-bulk --only irp#2+lower#8 --trace json");
    assert_eq!(run.code, 0, "{}", run.err);
    let _: serde_json::Value = serde_json::from_str(&run.out).expect("the trace alone");
    assert!(run.err.contains("every run ended clean"), "{}", run.err);
}

#[test]
fn what_is_no_fault_is_refused() {
    for (arguments, complaint) in [
        ("write-filter --only irp", "`irp` is no fault"),
        ("write-filter --only irp#0", "`irp#0` is no fault"),
        ("write-filter --only lower#1=x", "`lower#1=x` is no fault"),
        (
            "write-filter --only irp#999",
            "the run never comes to irp#999",
        ),
        ("no-such-driver", "invalid value"),
        ("write-filter --pairs -1", "unexpected argument"),
    ] {
        let run = faults(arguments);
        assert_eq!(run.code, 2, "{arguments}: {}", run.out);
        assert!(run.err.contains(complaint), "{arguments}: {}", run.err);
    }
}

#[test]
fn help_and_document_name_every_fault() {
    let run = faults("--help");
    let document = include_str!("../../../../docs/faults.md");
    for fault in kmdf_host::LowerFault::all() {
        assert!(run.out.contains(&format!("={fault}")), "{fault}");
        assert!(
            document.contains(&format!("| `lower#N={fault}` |")),
            "{fault}"
        );
    }
    for kind in kmdf_host::Allocation::all() {
        assert!(run.out.contains(&format!("{kind}#N")), "{kind}");
        assert!(document.contains(&format!("| `{kind}#N` |")), "{kind}");
    }
}
