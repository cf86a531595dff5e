//! `docs/ddi-coverage.md`: which functions of the table are modelled, kept true by a test.

use std::fmt::Write;
use std::path::Path;
use std::{env, fs};

use kmdf_sys::WDFFUNC;

use super::{FUNCTION_COUNT, NAMES, device_entries, entries, usb_entries};

/// Set to write the document instead of comparing it.
const WRITE: &str = "UPDATE_DOCS";

fn document() -> String {
    let nothing: [WDFFUNC; FUNCTION_COUNT] = [None; FUNCTION_COUNT];
    let table = device_entries::fill(usb_entries::fill(entries::fill(nothing)));
    let modelled = table.iter().filter(|entry| entry.is_some()).count();
    let mut text = format!(
        "# Which WDF functions the model has\n\n\
         {modelled} of the {FUNCTION_COUNT} functions of KMDF 1.33. A driver that calls another ends the run with \
         `Stop::NotModelled`, which names the function.\n\n\
         This file is generated: `{WRITE}=1 cargo test -p kmdf-host --lib coverage`.\n\n\
         | place | function | modelled |\n|---:|---|---|\n"
    );
    for (place, (name, entry)) in NAMES.iter().zip(&table).enumerate() {
        let name = if name.starts_with("Wdf") {
            format!("`{name}`")
        } else {
            (*name).to_owned()
        };
        let mark = if entry.is_some() { "yes" } else { "no" };
        writeln!(text, "| {place} | {name} | {mark} |").expect("a string takes everything");
    }
    text
}

#[test]
fn the_document_of_coverage_is_true() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/ddi-coverage.md");
    let text = document();
    if env::var_os(WRITE).is_some() {
        fs::write(&path, &text).expect("the folder of documents can be written to");
    }
    let found = fs::read_to_string(&path).expect("the document exists");
    // A checkout may have turned the ends of lines into those of Windows.
    assert!(
        found.replace("\r\n", "\n") == text,
        "docs/ddi-coverage.md is not true any more: run `{WRITE}=1 cargo test -p kmdf-host --lib coverage`"
    );
}
