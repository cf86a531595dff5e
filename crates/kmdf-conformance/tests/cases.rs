//! All cases of the repository, and how a run reports what it did.

use std::path::PathBuf;

use kmdf_conformance::run_files;

fn case_files() -> Vec<PathBuf> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/conformance");
    let entries = std::fs::read_dir(folder).expect("the folder of the cases");
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry of the folder").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .collect();
    files.sort();
    files
}

#[test]
fn every_case_passes() {
    let mut output = Vec::new();
    let outcome = run_files(case_files(), &mut output).expect("memory can be written to");
    let output = String::from_utf8(output).expect("text");
    for (section, count) in &outcome.sections {
        println!(
            "section {section}: {} passed, {} failed",
            count.passed, count.failed
        );
    }
    let failures: Vec<&str> = output
        .lines()
        .filter(|line| line.starts_with("FAIL"))
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(outcome.total.passed >= 500, "{}", outcome.total.passed);
    assert!(outcome.is_success());
}
