//! `kmdf run`.

use std::fs;
use std::io::Read;
use std::process::Stdio;

use insta::assert_snapshot;

use crate::folder::{Folder, byte, ended};

/// Puts a file of `length` bytes into the folder.
fn put(folder: &Folder, name: &str, length: usize) -> Vec<u8> {
    let bytes: Vec<u8> = (0..length).map(byte).collect();
    fs::write(folder.path(name), &bytes).expect("room for a file");
    bytes
}

fn get(folder: &Folder, name: &str) -> Vec<u8> {
    fs::read(folder.path(name)).expect("written by the command")
}

const DRIVERS: [&str; 2] = ["write-filter", "usb-bulk"];

#[test]
fn every_byte_arrives() {
    let folder = Folder::new();
    for length in [0, 1, 511, 512, 513, 4_096, 65_535, 65_536, 65_537, 200_003] {
        let bytes = put(&folder, "input", length);
        for arguments in [
            "write-filter",
            "write-filter --io buffered",
            "write-filter --io direct",
            "write-filter --io neither",
            "usb-bulk",
            "usb-bulk --io direct",
        ] {
            for sizes in [
                "",
                "--piece 1000",
                "--write-size 777",
                "--write-size 1M --piece 4K",
                "--verifier off",
            ] {
                let run =
                    ended(&mut folder.kmdf(&format!("run {arguments} {sizes} -i input -o output")));
                assert_eq!(
                    (run.code, run.err.as_str()),
                    (0, ""),
                    "{length} bytes: {arguments} {sizes}\n{}",
                    run.out
                );
                assert_eq!(
                    get(&folder, "output"),
                    bytes,
                    "{length} bytes: {arguments} {sizes}"
                );
            }
        }
    }
}

#[test]
fn bytes_land_at_the_offset() {
    let folder = Folder::new();
    let bytes = put(&folder, "input", 100_001);
    for offset in [1, 4_096, 1_000_003] {
        let run = ended(&mut folder.kmdf(&format!(
            "run write-filter -i input -o output --offset {offset}"
        )));
        assert_eq!(run.code, 0, "{}", run.err);
        let output = get(&folder, "output");
        let (before, after) = output.split_at(offset);
        assert!(before.iter().all(|&byte| byte == 0));
        assert_eq!(after, bytes);
    }
}

#[test]
fn the_output_is_made_anew_beside_the_input() {
    let folder = Folder::new();
    for driver in DRIVERS {
        let bytes = put(&folder, "input", 1_000);
        put(&folder, "input.img", 5_000);
        assert_eq!(
            ended(&mut folder.kmdf(&format!("run {driver} -i input"))).code,
            0
        );
        assert_eq!(get(&folder, "input.img"), bytes);
    }
}

#[test]
fn the_summary_says_what_arrived_where() {
    let folder = Folder::new();
    put(&folder, "input", 200_000);
    let run =
        ended(&mut folder.kmdf(
            "run write-filter -i input -o output --offset 1M --piece 30000 --lower-delay 2ms",
        ));
    assert_snapshot!("summary-write-filter", run.out);
    let run = ended(&mut folder.kmdf("run usb-bulk -i input -o output --lower-delay 2ms"));
    assert_snapshot!("summary-usb-bulk", run.out);
    put(&folder, "input", 0);
    let run = ended(&mut folder.kmdf("run write-filter -i input -o output"));
    assert_snapshot!("summary-empty", run.out);
}

#[test]
fn a_failing_device_is_reported() {
    let folder = Folder::new();
    let bytes = put(&folder, "input", 200_000);
    let fail = "--piece 30000 --lower-fail STATUS_IO_DEVICE_ERROR@5";
    for driver in DRIVERS {
        let run = ended(&mut folder.kmdf(&format!("run {driver} -i input -o output {fail}")));
        assert_eq!(run.code, 1, "{driver}");
        // Two pieces and the rest of the first write, then one piece of the second.
        let arrived = 65_536 + 30_000;
        assert_eq!(get(&folder, "output"), &bytes[..arrived], "{driver}");
        assert_snapshot!(format!("failed-{driver}-summary"), run.out);
        assert_snapshot!(format!("failed-{driver}-error"), run.err);
    }
}

#[test]
fn a_status_may_be_given_by_value() {
    let folder = Folder::new();
    put(&folder, "input", 10);
    let run = ended(&mut folder.kmdf("run write-filter -i input --lower-fail 0xC000FFFF@1"));
    assert_eq!(run.code, 1);
    assert!(run.err.contains("NTSTATUS 0xC000FFFF"), "{}", run.err);
}

#[test]
fn a_failure_that_never_comes_is_no_failure() {
    let folder = Folder::new();
    let bytes = put(&folder, "input", 10);
    for driver in DRIVERS {
        let run = ended(&mut folder.kmdf(&format!(
            "run {driver} -i input -o output --lower-fail STATUS_CANCELLED@9"
        )));
        assert_eq!(run.code, 0, "{}", run.err);
        assert!(run.out.contains("request 9 never came"), "{}", run.out);
        assert_eq!(get(&folder, "output"), bytes);
    }
}

#[test]
fn a_device_slower_than_the_time_out_fails_the_write() {
    let folder = Folder::new();
    put(&folder, "input", 10);
    for driver in DRIVERS {
        let slow = format!("run {driver} -i input --lower-delay 2s");
        let run = ended(&mut folder.kmdf(&format!("{slow} --timeout 500ms")));
        assert_eq!(run.code, 1, "{driver}");
        assert!(
            run.err.contains("write 1 of the application, 10 bytes"),
            "{}",
            run.err
        );
        assert!(
            run.err.contains("STATUS_IO_TIMEOUT (0xC00000B5)"),
            "{}",
            run.err
        );
        assert!(run.out.contains("500.0000 ms"), "{}", run.out);
        for long_enough in ["3s", "0s"] {
            let run = ended(&mut folder.kmdf(&format!("{slow} --timeout {long_enough}")));
            assert_eq!(run.code, 0, "{driver}: {}", run.err);
        }
    }
}

#[test]
fn what_cannot_be_used_is_said_with_what_to_do() {
    let folder = Folder::new();
    put(&folder, "input", 10);
    fs::create_dir(folder.path("folder")).expect("a name not in use");
    let mut said = String::new();
    for arguments in [
        "run write-filter",
        "run some-driver -i input",
        "run write-filter -i missing",
        "run write-filter -i folder",
        "run write-filter -i input -o folder",
        "run write-filter -i input -o input",
        "run write-filter -i input -o missing/output",
        "run usb-bulk -i input --offset 5",
        "run usb-bulk -i input --io buffered",
        "run write-filter -i input --offset -1",
        "run write-filter -i input --offset 9223372036854775800",
        "run write-filter -i input --piece 0",
        "run write-filter -i input --piece 64X",
        "run write-filter -i input --write-size 4G",
        "run write-filter -i input --timeout 5",
        "run write-filter -i input --timeout 1500us",
        "run write-filter -i input --timeout 50days",
        "run write-filter -i input --lower-delay soon",
        "run write-filter -i input --lower-fail STATUS_IO_DEVICE_ERROR",
        "run write-filter -i input --lower-fail NO_SUCH_STATUS@1",
        "run write-filter -i input --lower-fail STATUS_PENDING@1",
        "run write-filter -i input --lower-fail 0xC0000185@0",
        "run write-filter -i input --trace picture",
        "run write-filter -i input --trace svg",
        "run write-filter -i input --trace svg input",
        "run write-filter -i input -o output --trace json output",
    ] {
        let run = ended(&mut folder.kmdf(arguments));
        assert_eq!(
            (run.code, run.out.as_str()),
            (2, ""),
            "{arguments}: {}",
            run.err
        );
        said.push_str(&format!(
            "$ kmdf {arguments}\n{}\n\n",
            run.err.lines().next().unwrap_or_default()
        ));
    }
    assert_eq!(get(&folder, "input").len(), 10);
    assert_snapshot!("unusable", said);
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let folder = Folder::new();
    put(&folder, "input", 300_000);
    for driver in DRIVERS {
        for form in ["table", "sequence", "json", "svg output.svg"] {
            for more in [
                "",
                "--lower-delay 3ms --write-size 100K --piece 7K",
                "--lower-fail STATUS_CRC_ERROR@3",
            ] {
                let arguments =
                    format!("run {driver} -i input -o output --seed 7 --trace {form} {more}");
                let runs = [(); 2].map(|()| ended(&mut folder.kmdf(&arguments)));
                assert_eq!(runs[0].out, runs[1].out, "{arguments}");
                if form != "svg output.svg" {
                    assert!(runs[0].out.len() > 1_000, "{}", runs[0].err);
                }
            }
        }
    }
}

#[test]
fn a_sequence_shows_who_passes_what_to_whom() {
    let folder = Folder::new();
    put(&folder, "input", 10_000);
    let fail = "--lower-delay 2ms --piece 4K --lower-fail STATUS_DEVICE_DATA_ERROR@3";
    let run = ended(&mut folder.kmdf(&format!(
        "run write-filter -i input -o output --trace sequence {fail}"
    )));
    let mut lines = run.out.lines();
    let heading = lines.next().unwrap_or_default();
    // How the device is started and removed is not the command's business.
    let write = lines.skip_while(|line| !line.contains("write 10,000"));
    let last = "DEVICE_DATA_ERROR, 8,192";
    let mut shown = format!("{heading}\n");
    for line in write {
        shown.push_str(&format!("{line}\n"));
        if line.contains(last) {
            break;
        }
    }
    assert_snapshot!("sequence", shown);
}

#[test]
fn a_reader_that_goes_away_does_not_matter() {
    let folder = Folder::new();
    let bytes = put(&folder, "input", 100_000);
    let mut child = folder
        .kmdf("run write-filter -i input -o output --trace table --piece 100")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command can be started");
    let mut first = [0; 10];
    child
        .stdout
        .take()
        .expect("piped")
        .read_exact(&mut first)
        .expect("a trace");
    let output = child.wait_with_output().expect("started by us");
    assert_eq!(
        (output.status.code(), output.stderr.as_slice()),
        (Some(0), &b""[..])
    );
    assert_eq!(get(&folder, "output"), bytes);
}

#[test]
fn help_has_examples() {
    let folder = Folder::new();
    for arguments in ["run --help", "inf --help"] {
        let run = ended(&mut folder.kmdf(arguments));
        assert_eq!(run.code, 0);
        assert!(
            run.out.contains("Examples:") && run.out.contains("Exit code: 0"),
            "{}",
            run.out
        );
    }
}
