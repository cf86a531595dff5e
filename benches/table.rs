//! Tables of what was counted, from the summaries that the benchmarks leave behind.
//!
//! `cargo bench --bench sync_write -- --save-summary=json && cargo bench --bench table` prints the table of docs/cost.md, and
//! fails when the library costs more than it may. `cargo bench -p kmdf-host --bench cost -- --save-summary=json && cargo bench
//! --bench table -- model` prints that of docs/model-cost.md, and fails when a write costs more the more there are, or the more
//! devices there are.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use serde_json::Value;
use walkdir::WalkDir;

/// What was counted: by the case, and then by the function.
type Counted = BTreeMap<String, BTreeMap<String, u64>>;

/// What the library may cost above the same checks written by hand: one in twenty, or so many
/// instructions where the whole call has fewer than that is one in twenty of.
const ALLOWED_PERCENT: u64 = 5;
const ALLOWED_INSTRUCTIONS: u64 = 8;
/// What a write in the model may cost above the cheapest.
const MODEL_ALLOWED_PERCENT: u64 = 2;

fn main() -> ExitCode {
    let model = std::env::args().any(|argument| argument == "model");
    let (result, first) = if model {
        let first = "cargo bench -p kmdf-host --bench cost -- --save-summary=json";
        (
            counted("cost").and_then(|counted| model_table(&counted)),
            first,
        )
    } else {
        let first = "cargo bench --bench sync_write -- --save-summary=json";
        (
            counted("sync_write").and_then(|counted| library_table(&counted)),
            first,
        )
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            eprintln!("Run first: {first}");
            ExitCode::from(2)
        }
    }
}

/// The instructions of a group of benchmarks.
fn counted(group: &str) -> Result<Counted, Box<dyn Error>> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .ok_or("the build has no target directory")?;
    let summaries = target.join("gungraun");
    let mut counted = Counted::new();
    for entry in WalkDir::new(&summaries) {
        let entry =
            entry.map_err(|error| format!("no summaries in {}: {error}", summaries.display()))?;
        if entry.file_name() != "summary.json" {
            continue;
        }
        let summary: Value = serde_json::from_slice(&std::fs::read(entry.path())?)?;
        if summary["group"] != group {
            continue;
        }
        let id = summary["id"].as_str().ok_or("a summary without an id")?;
        let function = summary["function_name"]
            .as_str()
            .ok_or("a summary without a function")?;
        let instructions =
            summary["profiles"][0]["data"]["parts"][0]["metrics"]["Ir"]["values"]["new"].as_u64();
        let instructions = instructions
            .ok_or_else(|| format!("{}: no instruction count", entry.path().display()))?;
        let case = counted.entry(id.to_owned()).or_default();
        case.insert(function.to_owned(), instructions);
    }
    if counted.is_empty() {
        return Err(format!("no summaries of {group} in {}", summaries.display()).into());
    }
    Ok(counted)
}

fn library_table(counted: &Counted) -> Result<bool, Box<dyn Error>> {
    println!(
        "| call, buffer, options | raw | raw with the checks | kmdf | kmdf above raw with the checks |"
    );
    println!("|---|---:|---:|---:|---:|");
    let mut within = true;
    for (id, case) in counted {
        let manner = |manner: &str| {
            let counted = case.get(manner).copied();
            counted.ok_or_else(|| format!("{id}: {manner} was not measured"))
        };
        let (raw, checked, safe) = (manner("raw")?, manner("checked")?, manner("safe")?);
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

/// A case of the model's benchmark: devices, requests under way, and writes.
struct Case {
    devices: u64,
    held: u64,
    writes: u64,
}

impl Case {
    /// From a name as `devices_1_held_0_writes_1000`.
    fn of(id: &str) -> Result<Self, Box<dyn Error>> {
        let number = |name: &str| -> Result<u64, Box<dyn Error>> {
            let mut words = id.split('_').skip_while(|word| *word != name).skip(1);
            let word = words
                .next()
                .ok_or_else(|| format!("{id}: no number of {name}"))?;
            Ok(word.parse()?)
        };
        Ok(Self {
            devices: number("devices")?,
            held: number("held")?,
            writes: number("writes")?,
        })
    }
}

fn model_table(counted: &Counted) -> Result<bool, Box<dyn Error>> {
    let mut rows = Vec::new();
    for (id, functions) in counted {
        let case = Case::of(id)?;
        for (function, instructions) in functions {
            rows.push((
                function,
                case.devices,
                case.held,
                case.writes,
                instructions / case.writes,
            ));
        }
    }
    rows.sort_unstable();
    println!("| write | devices | under way | writes | instructions each |");
    println!("|---|---:|---:|---:|---:|");
    let mut within = true;
    for &(function, devices, held, writes, each) in &rows {
        println!("| {function} | {devices} | {held} | {writes} | {each} |");
        let same = rows.iter().filter(|row| row.0 == function);
        let least = same.map(|row| row.4).min().unwrap_or(each);
        if each > least + least * MODEL_ALLOWED_PERCENT / 100 {
            eprintln!(
                "{function}, {devices} devices, {held} under way, {writes} writes: {each} instructions, at best {least}"
            );
            within = false;
        }
    }
    Ok(within)
}
