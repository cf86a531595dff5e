//! On a WDK build: what wdk-build asks of a library. Elsewhere: nothing.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "wdk")]
    configure()?;
    Ok(())
}

#[cfg(all(feature = "wdk", windows))]
fn configure() -> Result<(), Box<dyn Error>> {
    Ok(wdk_build::configure_wdk_library_build()?)
}

#[cfg(all(feature = "wdk", not(windows)))]
fn configure() -> Result<(), Box<dyn Error>> {
    Err("feature `wdk` needs the WDK, which is there on Windows only".into())
}
