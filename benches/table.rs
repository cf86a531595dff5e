//! The table of docs/cost.md, from the summaries that the benchmark `sync_write` leaves behind.
//! Fails when the library costs more than it may.
//!
//! `cargo bench --bench sync_write -- --save-summary=json && cargo bench --bench table`

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use serde_json::Value;
use walkdir::WalkDir;

/// Instructions of one case in the three manners.
#[derive(Default)]
struct Case {
    raw: Option<u64>,
    checked: Option<u64>,
    safe: Option<u64>,
}

/// What the library may cost above the same checks written by hand: one in twenty, or so many
/// instructions where the whole call has fewer than that is one in twenty of.
const ALLOWED_PERCENT: u64 = 5;
const ALLOWED_INSTRUCTIONS: u64 = 8;

fn main() -> ExitCode {
    match table() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            eprintln!("Run first: cargo bench --bench sync_write -- --save-summary=json");
            ExitCode::from(2)
        }
    }
}

fn table() -> Result<bool, Box<dyn Error>> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .ok_or("the build has no target directory")?;
    let summaries = target.join("gungraun");
    let mut cases = BTreeMap::<String, Case>::new();
    for entry in WalkDir::new(&summaries) {
        let entry =
            entry.map_err(|error| format!("no summaries in {}: {error}", summaries.display()))?;
        if entry.file_name() != "summary.json" {
            continue;
        }
        let summary: Value = serde_json::from_slice(&std::fs::read(entry.path())?)?;
        if summary["group"] != "sync_write" {
            continue;
        }
        let id = summary["id"].as_str().ok_or("a summary without an id")?;
        let instructions =
            summary["profiles"][0]["data"]["parts"][0]["metrics"]["Ir"]["values"]["new"].as_u64();
        let instructions = instructions
            .ok_or_else(|| format!("{}: no instruction count", entry.path().display()))?;
        let case = cases.entry(id.to_owned()).or_default();
        match summary["function_name"].as_str() {
            Some("raw") => case.raw = Some(instructions),
            Some("checked") => case.checked = Some(instructions),
            Some("safe") => case.safe = Some(instructions),
            other => {
                return Err(
                    format!("{}: unknown benchmark {other:?}", entry.path().display()).into(),
                );
            }
        }
    }
    if cases.is_empty() {
        return Err(format!("no summaries in {}", summaries.display()).into());
    }
    println!(
        "| call, buffer, options | raw | raw with the checks | kmdf | kmdf above raw with the checks |"
    );
    println!("|---|---:|---:|---:|---:|");
    let mut within = true;
    for (id, case) in &cases {
        let (Some(raw), Some(checked), Some(safe)) = (case.raw, case.checked, case.safe) else {
            return Err(format!("{id}: not all three were measured").into());
        };
        let difference = i128::from(safe) - i128::from(checked);
        println!(
            "| {} | {raw} | {checked} | {safe} | {difference:+} |",
            id.replace('_', ", ")
        );
        if safe > checked + (checked * ALLOWED_PERCENT / 100).max(ALLOWED_INSTRUCTIONS) {
            eprintln!("{id}: {safe} instructions, where the same checks by hand take {checked}");
            within = false;
        }
    }
    Ok(within)
}
