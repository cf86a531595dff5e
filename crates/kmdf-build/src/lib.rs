//! The build script of a KMDF driver crate.
//!
//! ```no_run
//! // build.rs
//! fn main() -> Result<(), kmdf_build::Error> {
//!     kmdf_build::configure_driver()
//! }
//! ```
//!
//! One source is built in several worlds, and this tells them apart: with the WDK, where the result
//! is a driver; on a host, where the driver's tests run; and for Windows on another system, where
//! only `core` is there.

mod standard_library;
mod version;
mod world;

/// The name of [`Error`] in `wdk-build`.
pub use Error as ConfigError;
pub use standard_library::has_standard_library;
pub use version::{ParseVersionError, Version};
pub use world::{Environment, World};

/// Why a driver cannot be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The WDK was asked for on another system.
    #[error(
        "a driver is built with the WDK on Windows only; `kmdf_wdk` is set for {target} on {host}"
    )]
    WdkElsewhere {
        /// What is built for.
        target: String,
        /// What builds.
        host: String,
    },
    /// The driver's folder asks for the WDK, but the flags that it sets did not arrive.
    #[error(
        "this folder builds drivers with the WDK, but its rustflags are not in effect: the variable RUSTFLAGS replaces those of \
         .cargo/config.toml. Unset it, or add `--cfg kmdf_wdk -C target-feature=+crt-static`; \
         without a WDK build from the root of the workspace, by `cargo build -p <driver>`"
    )]
    FlagsMissing,
    /// `STAMPINF_VERSION` is no version.
    #[error("STAMPINF_VERSION: {0}")]
    Version(#[from] ParseVersionError),
    /// The version resource could not be made.
    #[error("the version resource: {0}")]
    Resource(#[source] std::io::Error),
    /// Where the target has its standard library could not be found out.
    #[error("the toolchain's folder for the target: {0}")]
    StandardLibrary(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// wdk-build found no WDK, or no or several configurations.
    #[error("wdk-build: {0}")]
    Wdk(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Configures the build of a driver crate, by what Cargo says of it in the environment.
///
/// With the WDK: what wdk-build asks of a driver, and the version resource. Elsewhere: the shared
/// library, which nobody loads there, may leave open what only the framework or its model supplies.
///
/// # Errors
///
/// [`Error`]: in the WDK's world when something is missing, elsewhere never.
pub fn configure_driver() -> Result<(), Error> {
    let environment = Environment::from_env();
    println!("cargo::rerun-if-env-changed={}", world::IMAGE_VARIABLE);
    println!("cargo::rerun-if-env-changed={}", version::VARIABLE);
    match environment.world()? {
        World::Wdk => {
            configure_wdk()?;
            version::Version::from_env()?
                .compile()
                .map_err(Error::Resource)
        }
        World::Host | World::Cross => {
            for argument in environment.link_arguments() {
                println!("cargo::rustc-link-arg-cdylib={argument}");
            }
            Ok(())
        }
    }
}

/// The name of [`configure_driver`] in `wdk-build`, for a driver whose manifest takes this crate in its place.
///
/// # Errors
///
/// As [`configure_driver`].
pub fn configure_wdk_binary_build() -> Result<(), Error> {
    configure_driver()
}

#[cfg(windows)]
fn configure_wdk() -> Result<(), Error> {
    wdk_build::configure_wdk_binary_build().map_err(|error| Error::Wdk(error.into()))
}

/// [`Environment::world`] has refused before.
#[cfg(not(windows))]
fn configure_wdk() -> Result<(), Error> {
    Err(Error::Wdk("there is no WDK on this system".into()))
}
