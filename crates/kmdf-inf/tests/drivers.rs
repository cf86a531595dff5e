//! The INX files that this project ships.

use std::fs;
use std::path::{Path, PathBuf};

use kmdf_inf::{Level, Options, lint};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn shipped() -> Vec<(PathBuf, String)> {
    let paths = [
        "drivers/write-filter/write_filter.inx",
        "drivers/usb-bulk/usb_bulk.inx",
        "inf/write_filter_base.inx",
    ];
    paths
        .into_iter()
        .map(|path| {
            (
                PathBuf::from(path),
                fs::read_to_string(root().join(path)).expect("the file is there"),
            )
        })
        .collect()
}

#[test]
fn have_no_finding() {
    for (path, text) in shipped() {
        for level in [Level::WindowsDriver, Level::Signature, Level::Universal] {
            let report = lint(
                &path.display().to_string(),
                text.as_bytes(),
                &Options::at(level),
            );
            assert!(report.is_clean(), "{}", kmdf_inf::render(&report, false));
        }
    }
}

/// What stampinf makes of them has none either.
#[test]
fn have_no_finding_once_stamped() {
    for (path, text) in shipped() {
        for arch in ["amd64", "arm64"] {
            let stamped = text
                .replace("$ARCH$", arch)
                .replace("$KMDFVERSION$", "1.33")
                .replace("DriverVer    = ;", "DriverVer    = 11/21/2026,0.1.0.0 ;");
            let name = path.with_extension("inf");
            let report = lint(
                &name.display().to_string(),
                stamped.as_bytes(),
                &Options::default(),
            );
            assert!(report.is_clean(), "{}", kmdf_inf::render(&report, false));
        }
    }
}

/// cargo-wdk looks for `<package>.inx` with underscores beside Cargo.toml, and packages `<package>.sys` and `.cat`.
#[test]
fn are_named_as_cargo_wdk_wants_them() {
    for (path, text) in shipped() {
        let stem = path
            .file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        assert!(text.contains(&format!("= {stem}.cat")), "{stem}");
        if path.starts_with("drivers") {
            let folder = path
                .parent()
                .and_then(Path::file_name)
                .expect("a folder")
                .to_string_lossy()
                .into_owned();
            assert_eq!(folder.replace('-', "_"), stem);
            let manifest = path.with_file_name("Cargo.toml");
            let manifest = fs::read_to_string(root().join(manifest)).expect("a manifest");
            assert!(
                manifest.contains(&format!("name = \"{folder}\"")),
                "{folder}"
            );
            assert!(
                text.contains(&format!("ServiceBinary = %13%\\{stem}.sys")),
                "{stem}"
            );
        }
    }
}

#[test]
fn name_one_provider() {
    let provider = |text: &str| {
        let line = text
            .lines()
            .find(|line| line.starts_with("Provider ") && line.contains('"'));
        line.and_then(|line| line.split('"').nth(1))
            .map(str::to_owned)
    };
    let providers: Vec<_> = shipped().iter().map(|(_, text)| provider(text)).collect();
    assert!(providers[0].is_some());
    assert!(
        providers.iter().all(|provider| *provider == providers[0]),
        "{providers:?}"
    );
}

/// The filter is for the device that the base package makes.
#[test]
fn filter_and_base_are_for_one_device() {
    let id = "root\\KMDF_WRITE_FILTER_TEST";
    let shipped = shipped();
    assert!(shipped[0].1.contains(id) && shipped[2].1.contains(id));
}

/// Each parameter that a driver queries is written by its INX, under the key that the driver opens.
#[test]
fn write_the_parameters_that_the_drivers_read() {
    let mut queried = 0;
    for (path, text) in shipped()
        .iter()
        .filter(|(path, _)| path.starts_with("drivers"))
    {
        let source = root().join(path.with_file_name("src/lib.rs"));
        let source = fs::read_to_string(source).expect("the driver's source");
        for call in source.split("query_u32(utf16str!(\"").skip(1) {
            let name = call.split('"').next().expect("a name");
            assert!(
                text.contains(&format!("HKR,Parameters,{name},0x00010001,")),
                "{name}"
            );
            queried += 1;
        }
    }
    assert!(queried > 0, "no driver queries a parameter");
}
