//! `kmdf explore`.

use insta::assert_snapshot;

use crate::folder::{Ended, Folder, ended};

const DRIVERS: [&str; 2] = ["write-filter", "usb-bulk"];

fn explore(arguments: &str) -> Ended {
    ended(&mut Folder::new().kmdf(&format!("explore {arguments}")))
}

/// What is printed, but for how long it took.
fn seen(run: &Ended) -> String {
    let lines = run.out.lines().filter(|line| !line.starts_with("rate"));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn nothing_is_wrong_with_either_driver() {
    for driver in DRIVERS {
        for arguments in [
            "--seeds 300",
            "--seeds 300 --first-seed 1000 --verifier off",
            "--seeds 300 --strategy pct",
            "--seeds 100 --strategy pct --depth 5",
            "--exhaustive 1",
            "--exhaustive 2 --seeds 200",
        ] {
            let run = explore(&format!("{driver} {arguments}"));
            assert_eq!((run.code, run.err.as_str()), (0, ""), "{}", run.out);
            assert!(run.out.contains("\nviolations    none\n"), "{}", run.out);
            assert!(run.out.contains(" schedules/s\n"), "{}", run.out);
        }
    }
}

#[test]
fn how_much_was_tried_is_said() {
    let run = explore("write-filter --exhaustive 0");
    let lines = seen(&run);
    // How many choices there are is the model's affair.
    let lines = lines.lines().filter(|line| !line.starts_with("choices"));
    assert_snapshot!(lines.collect::<Vec<_>>().join("\n"), @r"
    driver        write-filter
    schedules     1 (1 distinct), all that depart from the plain order in at most 0 choices
    outcomes      1 different
    violations    none

     device  answered at once  8
     write   written           4
    ");
    let run = explore("usb-bulk --exhaustive 1");
    assert!(
        run.out
            .contains("all that depart from the plain order in at most 1 choices")
    );
    let run = explore("usb-bulk --exhaustive 2 --seeds 10");
    assert!(
        run.out
            .contains("schedules     10 (10 distinct), not all that depart"),
        "{}",
        run.out
    );
    let run = explore("usb-bulk --seeds 10 --first-seed 7");
    assert!(run.out.contains("random, from seed 7 on"), "{}", run.out);
}

/// The same seeds show the same, whoever runs them.
#[test]
fn neither_a_second_run_nor_jobs_change_anything() {
    for driver in DRIVERS {
        let one = seen(&explore(&format!("{driver} --seeds 500")));
        assert_eq!(one, seen(&explore(&format!("{driver} --seeds 500"))));
        assert_eq!(
            one,
            seen(&explore(&format!("{driver} --seeds 500 --jobs 3")))
        );
        assert_ne!(
            one,
            seen(&explore(&format!("{driver} --seeds 500 --first-seed 1")))
        );
    }
}

#[test]
fn one_schedule_alone() {
    for driver in DRIVERS {
        for schedule in ["17", "pct:17", "pct:17:5:64", "path:3=1,9=1", "in-order"] {
            let arguments = format!("{driver} --replay {schedule}");
            let run = explore(&arguments);
            assert_eq!((run.code, run.err.as_str()), (0, ""), "{}", run.out);
            assert!(run.out.contains("violations    none"), "{}", run.out);
            let [table, again] = [0; 2].map(|_| explore(&format!("{arguments} --trace table")).out);
            assert_eq!(table, again);
            assert!(
                table.contains("WdfRequestCompleteWithInformation"),
                "{table}"
            );
        }
    }
    let json = explore("usb-bulk --replay 17 --trace json");
    assert_eq!(json.code, 0);
    assert!(serde_json::from_str::<serde_json::Value>(&json.out).is_ok());
    assert!(json.err.contains("schedule      17"), "{}", json.err);
}

#[test]
fn arguments_that_cannot_be_used() {
    for arguments in [
        "",
        "another-driver",
        "write-filter --seeds 0",
        "write-filter --seeds many",
        "write-filter --strategy luck",
        "write-filter --depth 0",
        "write-filter --jobs 0",
        "write-filter --exhaustive 1 --strategy pct",
        "write-filter --exhaustive 1 --first-seed 3",
        "write-filter --replay 3 --seeds 4",
        "write-filter --replay path:4=0",
        "write-filter --replay sometimes",
    ] {
        let run = explore(arguments);
        assert_eq!((run.code, run.out.as_str()), (2, ""), "{arguments}");
        assert!(run.err.starts_with("error: "), "{arguments}: {}", run.err);
    }
    let run = explore("write-filter --replay sometimes");
    assert!(run.err.contains("a seed such as 42"), "{}", run.err);
}
