//! Says whether there is a standard library for the target.

use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(kmdf_wdk)");
    println!("cargo::rustc-check-cfg=cfg(kmdf_no_std)");
    if !standard_library()? {
        println!("cargo::rustc-cfg=kmdf_no_std");
    }
    Ok(())
}

/// Whether the toolchain comes with one. Where only `core` was built for the target, there is none.
fn standard_library() -> Result<bool, Box<dyn Error>> {
    let variable = |name: &str| -> Result<OsString, Box<dyn Error>> {
        Ok(env::var_os(name).ok_or_else(|| format!("Cargo sets no {name}"))?)
    };
    let output = Command::new(variable("RUSTC")?)
        .args(["--print", "target-libdir", "--target"])
        .arg(variable("TARGET")?)
        .output()?;
    let folder = String::from_utf8(output.stdout)?;
    // A target that the toolchain does not have has no folder.
    let Ok(files) = fs::read_dir(Path::new(folder.trim())) else {
        return Ok(false);
    };
    for file in files {
        if file?.file_name().to_string_lossy().starts_with("libstd-") {
            return Ok(true);
        }
    }
    Ok(false)
}
