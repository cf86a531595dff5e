//! Whether a target has a standard library.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::Error;

/// Whether the toolchain comes with one for the target of the build script that calls this. Where only `core` was built
/// for the target, there is none.
///
/// # Errors
///
/// [`Error::StandardLibrary`] outside a build script, and when the compiler does not answer.
pub fn has_standard_library() -> Result<bool, Error> {
    find().map_err(Error::StandardLibrary)
}

fn find() -> Result<bool, Box<dyn std::error::Error + Send + Sync>> {
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

fn variable(name: &str) -> Result<OsString, String> {
    env::var_os(name).ok_or_else(|| format!("Cargo sets no {name}"))
}
