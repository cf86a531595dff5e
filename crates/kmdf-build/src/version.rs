//! The version resource of a driver: what Explorer, `lm v` in the debugger and crash reports show.

use std::env;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;

use winresource::{VersionInfo, WindowsResource};

/// The variable that stampinf writes into `DriverVer`: the file and its INF then have the same
/// version.
pub(crate) const VARIABLE: &str = "STAMPINF_VERSION";

/// winver.h: a driver, and one of no kind that has a number of its own.
const VFT_DRV: u64 = 3;
const VFT2_DRV_SYSTEM: u64 = 7;

/// A version of four numbers, as in `DriverVer`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version(pub [u16; 4]);

/// What is no version.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not four numbers below 65536 with dots between them")]
pub struct ParseVersionError(String);

impl FromStr for Version {
    type Err = ParseVersionError;

    fn from_str(text: &str) -> Result<Self, ParseVersionError> {
        let error = || ParseVersionError(text.to_owned());
        let numbers: Vec<u16> = text
            .trim()
            .split('.')
            .map(|number| number.parse().map_err(|_| error()))
            .collect::<Result<_, _>>()?;
        numbers.try_into().map(Self).map_err(|_| error())
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch, revision] = self.0;
        write!(formatter, "{major}.{minor}.{patch}.{revision}")
    }
}

impl Version {
    /// `STAMPINF_VERSION`, or the version of the package.
    pub(crate) fn from_env() -> Result<Self, ParseVersionError> {
        if let Ok(version) = env::var(VARIABLE)
            && !version.trim().is_empty()
        {
            return version.parse();
        }
        let number = |name| env::var(name).unwrap_or_default();
        format!(
            "{}.{}.{}.0",
            number("CARGO_PKG_VERSION_MAJOR"),
            number("CARGO_PKG_VERSION_MINOR"),
            number("CARGO_PKG_VERSION_PATCH")
        )
        .parse()
    }

    /// The resource of the package that Cargo builds.
    fn resource(self) -> WindowsResource {
        let text = self.to_string();
        let file = format!(
            "{}.sys",
            env::var("CARGO_PKG_NAME")
                .unwrap_or_default()
                .replace('-', "_")
        );
        let packed = self
            .0
            .into_iter()
            .fold(0, |packed, number| packed << 16 | u64::from(number));
        let mut resource = WindowsResource::new();
        resource
            .set("FileVersion", &text)
            .set("ProductVersion", &text)
            .set("InternalName", &file)
            .set("OriginalFilename", &file)
            .set_version_info(VersionInfo::FILEVERSION, packed)
            .set_version_info(VersionInfo::PRODUCTVERSION, packed)
            .set_version_info(VersionInfo::FILETYPE, VFT_DRV)
            .set_version_info(VersionInfo::FILESUBTYPE, VFT2_DRV_SYSTEM);
        if let Ok(description) = env::var("CARGO_PKG_DESCRIPTION")
            && !description.is_empty()
        {
            resource.set("FileDescription", &description);
        }
        resource
    }

    /// Compiles the resource and links it.
    pub(crate) fn compile(self) -> io::Result<()> {
        let mut resource = self.resource();
        if let Some(folder) = package_tools()
            && let Some(folder) = folder.to_str()
        {
            resource.set_toolkit_path(folder);
        }
        resource.compile()
    }
}

/// Where the resource compiler is, if the SDK is a NuGet package, in the variables that wdk-build
/// has for it. An installed SDK and an eWDK are found by winresource.
fn package_tools() -> Option<PathBuf> {
    let folder = |name| env::var_os(name).map(PathBuf::from);
    let architecture = match env::consts::ARCH {
        "aarch64" => "arm64",
        _ => "x64",
    };
    Some(
        folder("WindowsSdkBinPath")?
            .join(folder("Version_Number")?)
            .join(architecture),
    )
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;

    #[test]
    fn four_numbers() {
        assert_eq!(
            "1.2.3.65535".parse::<Version>().unwrap().0,
            [1, 2, 3, 65535]
        );
        assert_eq!(
            " 10.0.0.1 ".parse::<Version>().unwrap().to_string(),
            "10.0.0.1"
        );
        for wrong in [
            "",
            "1.2.3",
            "1.2.3.4.5",
            "1.2.3.65536",
            "1.2.3.x",
            "1.2.3.-4",
        ] {
            let error = wrong.parse::<Version>().unwrap_err();
            assert!(error.to_string().contains("four numbers"), "{wrong}");
        }
    }

    #[test]
    fn resource_of_a_driver() -> Result<(), Box<dyn Error>> {
        let variables = [
            ("CARGO_PKG_NAME", Some("write-filter")),
            ("CARGO_PKG_VERSION", Some("0.1.0")),
            ("CARGO_PKG_DESCRIPTION", Some("Divides writes")),
            ("CARGO_CFG_TARGET_ENV", Some("msvc")),
            ("OUT_DIR", Some(".")),
            ("HOST", Some("x86_64-pc-windows-msvc")),
            ("TARGET", Some("x86_64-pc-windows-msvc")),
            (VARIABLE, Some("1.2.3.4")),
        ];
        let text = temp_env::with_vars(variables, || -> Result<String, Box<dyn Error>> {
            let file = tempfile::NamedTempFile::new()?;
            Version::from_env()?
                .resource()
                .write_resource_file(file.path())?;
            Ok(std::fs::read_to_string(file.path())?)
        })?;
        for line in [
            "FILEVERSION 1, 2, 3, 4",
            "PRODUCTVERSION 1, 2, 3, 4",
            "FILETYPE 0x3",
            "FILESUBTYPE 0x7",
            r#"VALUE "FileVersion", "1.2.3.4""#,
            r#"VALUE "OriginalFilename", "write_filter.sys""#,
            r#"VALUE "FileDescription", "Divides writes""#,
        ] {
            assert!(text.contains(line), "no `{line}` in\n{text}");
        }
        Ok(())
    }

    #[test]
    fn tools_of_a_package() {
        let variables = [
            ("WindowsSdkBinPath", Some("package")),
            ("Version_Number", Some("10.0.26100.0")),
        ];
        let found = temp_env::with_vars(variables, package_tools).unwrap();
        assert!(found.starts_with(PathBuf::from("package").join("10.0.26100.0")));
        for (name, _) in variables {
            let without =
                temp_env::with_vars(variables, || temp_env::with_var_unset(name, package_tools));
            assert_eq!(without, None, "{name}");
        }
    }

    #[test]
    fn version_of_the_package() {
        let variables = [
            (VARIABLE, None),
            ("CARGO_PKG_VERSION_MAJOR", Some("0")),
            ("CARGO_PKG_VERSION_MINOR", Some("1")),
            ("CARGO_PKG_VERSION_PATCH", Some("7")),
        ];
        let version = temp_env::with_vars(variables, || Version::from_env().unwrap());
        assert_eq!(version.0, [0, 1, 7, 0]);
    }
}
