//! What the library uses of its bindings is there in wdk-sys, too.
//!
//! The library is compiled against kmdf-sys wherever there is no WDK, so that a name that only
//! kmdf-sys has would be found on Windows and nowhere else. The types of what both have are
//! compared by the tests of kmdf-sys-gen, against the same tables.

mod surface;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use surface::Result;
use surface::table::Surface;
use surface::uses::{self, Use};

const FFI: &str = include_str!("../src/ffi.rs");

fn complaints(surface: &Surface, uses: &BTreeSet<Use>) -> Vec<String> {
    uses.iter().filter_map(|used| surface.check(used)).collect()
}

/// The files of the library.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            sources(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    Ok(())
}

fn field_uses(surface: &Surface) -> Result<BTreeSet<Use>> {
    let mut files = Vec::new();
    sources(
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")),
        &mut files,
    )?;
    let mut all = BTreeSet::new();
    for file in files {
        all.extend(uses::of_fields(&fs::read_to_string(file)?, surface)?);
    }
    Ok(all)
}

#[test]
fn names_are_in_wdk_sys() -> Result<()> {
    let surface = Surface::read()?;
    let uses = uses::of_ffi(FFI)?;
    let count = |select: fn(&Use) -> bool| uses.iter().filter(|used| select(used)).count();
    // That the collecting works: the file has more than these of each.
    assert!(count(|used| matches!(used, Use::Name(_))) > 120);
    assert!(count(|used| matches!(used, Use::Member(..))) > 50);
    assert!(count(|used| matches!(used, Use::Function(_))) > 50);
    assert!(count(|used| matches!(used, Use::Missing(_))) > 3);
    let complaints = complaints(&surface, &uses);
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    Ok(())
}

#[test]
fn fields_are_in_wdk_sys() -> Result<()> {
    let surface = Surface::read()?;
    let uses = field_uses(&surface)?;
    assert!(uses.len() > 60, "only {} uses of fields seen", uses.len());
    let complaints = complaints(&surface, &uses);
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    Ok(())
}

/// A name that is made up is found, wherever it stands in the file.
#[test]
fn made_up_names_are_found() -> Result<()> {
    let surface = Surface::read()?;
    for (replaced, by, complaint) in [
        (
            "WDF_TRI_STATE,",
            "WDF_TRI_STATE, WDF_MADE_UP,",
            "no `WDF_MADE_UP`",
        ),
        ("ntddk::{", "ntddk::{KeMadeUp, ", "no `ntddk::KeMadeUp`"),
        (
            "_WDF_TRI_STATE::WdfTrue",
            "_WDF_TRI_STATE::WdfPerhaps",
            "no `_WDF_TRI_STATE::WdfPerhaps`",
        ),
        (
            "bindings::_MODE::KernelMode",
            "bindings::_MODE::HyperMode",
            "no `_MODE::HyperMode`",
        ),
        (
            "fn WdfObjectDelete(",
            "fn WdfObjectMadeUp(",
            "has no `WdfObjectMadeUp`",
        ),
        (
            "kmdf_sys::missing::{",
            "kmdf_sys::missing::{STATUS_SUCCESS, ",
            "wdk-sys has `STATUS_SUCCESS` itself",
        ),
        (
            "use bindings::ntddk",
            "use bindings::*;\nuse bindings::ntddk",
            "no `*`",
        ),
    ] {
        assert!(
            FFI.contains(replaced),
            "ffi.rs has no `{replaced}` to change"
        );
        let uses = uses::of_ffi(&FFI.replacen(replaced, by, 1))?;
        let complaints = complaints(&surface, &uses);
        assert_eq!(complaints.len(), 1, "{by}: {complaints:?}");
        assert!(complaints[0].contains(complaint), "{by}: {complaints:?}");
    }
    Ok(())
}

#[test]
fn made_up_fields_are_found() -> Result<()> {
    let surface = Surface::read()?;
    for (code, complaint) in [
        (
            "let d = WDF_MEMORY_DESCRIPTOR { Colour: 1, ..Default::default() };",
            "`WDF_MEMORY_DESCRIPTOR` has no field `Colour`",
        ),
        (
            "let ffi::UNICODE_STRING { Length, Colour, .. } = s;",
            "`UNICODE_STRING` has no field `Colour`",
        ),
        (
            "self.raw.u.BufferType.Colour = 1;",
            "no record has `.u.BufferType.Colour`",
        ),
        // Each is there, but not one in the other.
        ("raw.u.Timeout = 1;", "no record has `.u.Timeout`"),
        ("assert!(raw.Colour == 1);", "no record has `.Colour`"),
    ] {
        let uses = uses::of_fields(&format!("fn f() {{ {code} }}"), &surface)?;
        let complaints = complaints(&surface, &uses);
        assert!(
            complaints.iter().any(|found| found.contains(complaint)),
            "{code}: {complaints:?}"
        );
    }
    let right = "fn f() { raw.u.BufferType.Length = 1; }";
    assert_eq!(
        complaints(&surface, &uses::of_fields(right, &surface)?),
        [""; 0]
    );
    Ok(())
}

/// Memory integrity (HVCI) forbids executable pool and sections that are written and run. The
/// library names no other pool than the one that is not executable, and puts nothing into sections
/// of its own.
#[test]
fn nothing_executable_is_asked_for() -> Result<()> {
    let pools: Vec<Use> = uses::of_ffi(FFI)?
        .into_iter()
        .filter(|used| matches!(used, Use::Member(module, name) if module == "_POOL_TYPE" && name != "Type"))
        .collect();
    let no_execute = Use::Member("_POOL_TYPE".to_owned(), "NonPagedPoolNx".to_owned());
    assert_eq!(pools, [no_execute]);
    let mut files = Vec::new();
    sources(
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")),
        &mut files,
    )?;
    sources(
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/drivers")),
        &mut files,
    )?;
    assert!(files.len() > 20, "only {} files seen", files.len());
    for file in files {
        assert!(
            !fs::read_to_string(&file)?.contains("link_section"),
            "{file:?}"
        );
    }
    Ok(())
}
