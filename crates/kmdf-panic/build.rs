//! Says whether there is a standard library for the target.

fn main() -> Result<(), kmdf_build::Error> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(kmdf_wdk)");
    println!("cargo::rustc-check-cfg=cfg(kmdf_no_std)");
    if !kmdf_build::has_standard_library()? {
        println!("cargo::rustc-cfg=kmdf_no_std");
    }
    Ok(())
}
