//! As the build script of any driver that was written against Microsoft's crates.

fn main() -> Result<(), wdk_build::ConfigError> {
    wdk_build::configure_wdk_binary_build()
}
