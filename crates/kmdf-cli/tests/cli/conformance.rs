//! `kmdf conformance`.

use std::fs;

use crate::folder::{Folder, ended};

/// A case of a section, with a target and a buffer in its world.
fn case(id: &str, section: &str, steps: &str) -> String {
    format!(
        "[[case]]\nid = \"{id}\"\nwhat = \"a case\"\nsection = \"{section}\"\n\
         world = {{ target.T = {{}}, buffer.p = {{}} }}\nstep = [{steps}]\n"
    )
}

const WRITE: &str = "{ call = \"WdfIoTargetSendWriteSynchronously\", IoTarget = \"T\", \
                     InputBuffer = { buffer = \"p\" }, expect = { T.irps = 1 } }";

#[test]
fn each_case_has_a_line_and_each_section_a_count() {
    let folder = Folder::new();
    let wrong = WRITE.replace("T.irps = 1", "T.irps = 2");
    let cases = [
        case("A1", "1.1", WRITE),
        case("A2", "1.1", &wrong),
        case("A3", "10", WRITE),
    ];
    let file = format!("format = 1\n{}", cases.concat());
    fs::write(folder.path("cases.toml"), file).expect("room for a file");
    let run = ended(&mut folder.kmdf("conformance cases.toml missing.toml"));
    assert_eq!(run.code, 1);
    let lines: Vec<&str> = run.out.lines().collect();
    assert_eq!(lines[0], "PASS A1");
    assert_eq!(lines[1], "FAIL A2: step 1: expected T.irps 2 got 1");
    assert_eq!(lines[2], "PASS A3");
    assert!(lines[3].starts_with("FAIL missing.toml: "), "{}", lines[3]);
    assert_eq!(lines[4..], ["2 passed, 2 failed"]);
    let run = ended(&mut folder.kmdf("conformance --sections cases.toml"));
    let expected =
        "section 1.1: 1 passed, 1 failed\nsection 10: 1 passed, 0 failed\n2 passed, 1 failed\n";
    assert!(run.out.ends_with(expected), "{}", run.out);
}

#[test]
fn a_case_that_brings_its_process_down_is_a_failure_of_this_case() {
    let folder = Folder::new();
    // What no driver may do, and no model can survive: a buffer at an address where there is nothing.
    let crash = format!(
        "{{ call = \"WdfMemoryCreatePreallocated\", Buffer = 4096, BufferSize = 64, Memory = \"&m\" }}, {}",
        WRITE.replace("buffer = \"p\"", "memory = \"m\"")
    );
    let cases = [
        case("A1", "1.1", WRITE),
        case("A2", "1.1", &crash),
        case("A3", "1.1", WRITE),
    ];
    let file = format!("format = 1\n{}", cases.concat());
    fs::write(folder.path("cases.toml"), file).expect("room for a file");
    let run = ended(&mut folder.kmdf("conformance cases.toml"));
    assert_eq!(run.code, 1);
    let lines: Vec<&str> = run.out.lines().collect();
    let failure = "FAIL A2: step 2: panic: the process of the model ended";
    assert!(lines[1].starts_with(failure), "{}", lines[1]);
    assert_eq!(
        [lines[0], lines[2], lines[3]],
        ["PASS A1", "PASS A3", "2 passed, 1 failed"]
    );
}
