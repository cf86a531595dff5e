//! `kmdf inf`.

use std::fs;

use crate::folder::{Folder, ended};

const WRONG: &str = "[Version]\nSignature = \"$Windows 95$\"\n";

#[test]
fn findings_are_shown_and_counted() {
    let folder = Folder::new();
    fs::write(folder.path("wrong.inf"), WRONG).expect("room for a file");
    let run = ended(&mut folder.kmdf("inf wrong.inf"));
    assert_eq!((run.code, run.err.as_str()), (1, ""));
    assert!(run.out.contains("wrong.inf:2:1"), "{}", run.out);
    assert!(
        !run.out.contains('\u{1b}'),
        "no colours where there is no terminal"
    );
}

#[test]
fn findings_for_tools_are_json() {
    let folder = Folder::new();
    fs::write(folder.path("wrong.inf"), WRONG).expect("room for a file");
    let run = ended(&mut folder.kmdf("inf --level u --format json wrong.inf"));
    assert_eq!(run.code, 1);
    let reports: serde_json::Value = serde_json::from_str(&run.out).expect("JSON");
    assert_eq!(reports[0]["file"], "wrong.inf");
    assert_eq!(reports[0]["findings"][0]["line"], 2);
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let folder = Folder::new();
    let run = ended(&mut folder.kmdf("inf missing.inf"));
    assert_eq!(run.code, 2);
    assert!(run.err.contains("missing.inf"), "{}", run.err);
    assert_eq!(ended(&mut folder.kmdf("inf")).code, 2);
    assert_eq!(ended(&mut folder.kmdf("inf --level x missing.inf")).code, 2);
}
