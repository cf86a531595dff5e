//! In which world a driver is built.

use std::env;

use crate::Error;

/// Set by `drivers/.cargo/config.toml`, beside the flags: it tells whether they arrived.
pub(crate) const IMAGE_VARIABLE: &str = "KMDF_WDK";

/// In which world a driver is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum World {
    /// On Windows, with the WDK: a driver.
    Wdk,
    /// Where it is built, without the WDK: for tests in the model.
    Host,
    /// For Windows on another system, without the WDK and without a standard library.
    Cross,
}

/// What Cargo tells a build script, as far as it matters here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// The triple of the machine that builds.
    pub host: String,
    /// The triple that is built for.
    pub target: String,
    /// Whether `--cfg kmdf_wdk` is in effect.
    pub wdk: bool,
    /// Whether the folder asks for the WDK.
    pub wdk_folder: bool,
}

impl Environment {
    /// From the variables of a build script.
    #[must_use]
    pub fn from_env() -> Self {
        let text = |name| env::var(name).unwrap_or_default();
        Self {
            host: text("HOST"),
            target: text("TARGET"),
            wdk: env::var_os("CARGO_CFG_KMDF_WDK").is_some(),
            wdk_folder: env::var_os(IMAGE_VARIABLE).is_some(),
        }
    }

    /// The world.
    ///
    /// # Errors
    ///
    /// [`Error::WdkElsewhere`] and [`Error::FlagsMissing`].
    pub fn world(&self) -> Result<World, Error> {
        match (self.wdk, is_windows(&self.host), is_windows(&self.target)) {
            (true, true, true) => Ok(World::Wdk),
            (true, ..) => Err(Error::WdkElsewhere {
                target: self.target.clone(),
                host: self.host.clone(),
            }),
            (false, true, true) if self.wdk_folder => Err(Error::FlagsMissing),
            (false, false, true) => Ok(World::Cross),
            (false, ..) => Ok(World::Host),
        }
    }

    /// What lets the linker leave symbols open in a shared library that nobody loads. ELF linkers
    /// do by themselves.
    #[must_use]
    pub fn link_arguments(&self) -> &'static [&'static str] {
        if self.target.contains("-apple-") {
            &["-Wl,-undefined,dynamic_lookup"]
        } else if !is_windows(&self.target) {
            &[]
        } else if is_windows(&self.host) {
            &["/FORCE:UNRESOLVED"]
        } else {
            // There is no C runtime either.
            &["/FORCE:UNRESOLVED", "/NODEFAULTLIB", "/NOENTRY"]
        }
    }
}

fn is_windows(triple: &str) -> bool {
    triple.contains("-windows-")
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOWS: &str = "x86_64-pc-windows-msvc";
    const LINUX: &str = "x86_64-unknown-linux-gnu";
    const MAC: &str = "aarch64-apple-darwin";

    fn environment(host: &str, target: &str, wdk: bool, wdk_folder: bool) -> Environment {
        Environment {
            host: host.to_owned(),
            target: target.to_owned(),
            wdk,
            wdk_folder,
        }
    }

    #[test]
    fn worlds() {
        let world = |host, target, wdk, folder| environment(host, target, wdk, folder).world();
        assert!(matches!(
            world(WINDOWS, WINDOWS, true, true),
            Ok(World::Wdk)
        ));
        assert!(matches!(
            world(WINDOWS, "aarch64-pc-windows-msvc", true, false),
            Ok(World::Wdk)
        ));
        assert!(matches!(
            world(WINDOWS, WINDOWS, false, false),
            Ok(World::Host)
        ));
        // Tests in the driver's folder on Linux: the folder's variable means Windows only.
        assert!(matches!(world(LINUX, LINUX, false, true), Ok(World::Host)));
        assert!(matches!(world(MAC, MAC, false, false), Ok(World::Host)));
        assert!(matches!(
            world(LINUX, WINDOWS, false, false),
            Ok(World::Cross)
        ));
    }

    #[test]
    fn refused() {
        let world = |host, target, wdk, folder| environment(host, target, wdk, folder).world();
        assert!(matches!(
            world(WINDOWS, WINDOWS, false, true),
            Err(Error::FlagsMissing)
        ));
        assert!(matches!(
            world(LINUX, WINDOWS, true, true),
            Err(Error::WdkElsewhere { .. })
        ));
        assert!(matches!(
            world(LINUX, LINUX, true, false),
            Err(Error::WdkElsewhere { .. })
        ));
    }

    #[test]
    fn open_symbols() {
        let arguments = |host, target| environment(host, target, false, false).link_arguments();
        assert_eq!(arguments(WINDOWS, WINDOWS), ["/FORCE:UNRESOLVED"]);
        assert_eq!(arguments(MAC, MAC), ["-Wl,-undefined,dynamic_lookup"]);
        assert_eq!(arguments(LINUX, LINUX), [""; 0]);
        assert!(arguments(LINUX, WINDOWS).contains(&"/NODEFAULTLIB"));
    }
}
