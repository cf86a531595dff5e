//! `cargo wdk build` finds in the manifests what it needs, where it looks for it.
//!
//! Whether it then builds cannot be tried here; see docs/wdk.md.

mod metadata;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use metadata::{Kmdf, complaints, driver_model, drivers, text};
use serde_json::{Value, json};

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The members of the workspace, as Cargo understands their manifests.
fn read() -> Result<Value> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--format-version",
            "1",
            "--manifest-path",
        ])
        .arg(Path::new(ROOT).join("Cargo.toml"))
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn driver(name: &str) -> Result<Value> {
    let metadata = read()?;
    let driver = drivers(&metadata).find(|package| text(package, "name") == name);
    Ok(driver.ok_or("no such driver")?.clone())
}

/// A file of the drivers' folder.
fn toml(path: &str) -> Result<toml::Table> {
    Ok(fs::read_to_string(Path::new(ROOT).join(path))?.parse()?)
}

#[test]
fn one_driver_model() -> Result {
    assert_eq!(
        driver_model(&read()?)?,
        Kmdf {
            major: 1,
            minor: 33
        }
    );
    Ok(())
}

/// The version in the manifest is the one of the bindings that stand in for wdk-sys.
#[test]
fn driver_model_is_that_of_kmdf_sys() -> Result {
    let symbol = driver_model(&read()?)?.functions_symbol();
    let statics = fs::read_to_string(Path::new(ROOT).join("crates/kmdf-sys/src/statics.rs"))?;
    assert!(statics.contains(&format!("\"{symbol}\"")), "{symbol}");
    Ok(())
}

#[test]
fn every_driver_can_be_packaged() -> Result {
    let metadata = read()?;
    let mut folders: Vec<PathBuf> = Vec::new();
    for driver in drivers(&metadata) {
        assert_eq!(complaints(driver), [""; 0]);
        let manifest = Path::new(text(driver, "manifest_path"));
        folders.extend(manifest.parent().map(Path::to_owned));
    }
    folders.sort();
    let mut expected = Vec::new();
    for entry in fs::read_dir(Path::new(ROOT).join("drivers"))? {
        let path = entry?.path();
        if path.join("Cargo.toml").is_file() {
            expected.push(path);
        }
    }
    expected.sort();
    assert!(expected.len() >= 2);
    // Without the key `package.metadata.wdk` a driver would silently not be packaged.
    assert_eq!(folders, expected);
    Ok(())
}

/// The names that stampinf and inf2cat make of the package's name are the ones in the INX.
#[test]
fn inx_names_the_files_of_the_package() -> Result {
    let metadata = read()?;
    for driver in drivers(&metadata) {
        let name = text(driver, "name").replace('-', "_");
        let folder = Path::new(text(driver, "manifest_path")).parent();
        let path = folder.ok_or("no folder")?.join(format!("{name}.inx"));
        let inx = fs::read_to_string(&path)?;
        let has = |key: &str, value: &str| {
            inx.lines().any(|line| {
                line.split_once('=').is_some_and(|(left, right)| {
                    left.trim().eq_ignore_ascii_case(key) && right.trim() == value
                })
            })
        };
        assert!(has("CatalogFile", &format!("{name}.cat")), "{path:?}");
        assert!(
            has("ServiceBinary", &format!("%13%\\{name}.sys")),
            "{path:?}"
        );
        assert!(has("KmdfLibraryVersion", "$KMDFVERSION$"), "{path:?}");
    }
    Ok(())
}

/// In the drivers' folder, and only there, drivers are built as wdk-build demands.
#[test]
fn the_drivers_folder_builds_for_the_kernel() -> Result {
    let config = toml("drivers/.cargo/config.toml")?;
    for triple in ["x86_64-pc-windows-msvc", "aarch64-pc-windows-msvc"] {
        let flags: Vec<&str> = config["target"][triple]["rustflags"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(toml::Value::as_str)
            .collect();
        let pairs: Vec<&[&str]> = flags.chunks(2).collect();
        assert!(
            pairs.contains(&["-C", "target-feature=+crt-static"].as_slice()),
            "{triple}"
        );
        assert!(
            pairs.contains(&["--cfg", "kmdf_wdk"].as_slice()),
            "{triple}"
        );
    }
    for profile in ["dev", "release"] {
        assert_eq!(
            config["profile"][profile]["panic"].as_str(),
            Some("abort"),
            "{profile}"
        );
    }
    assert_eq!(config["env"]["KMDF_WDK"].as_str(), Some("1"));
    // Host tests at the root have neither flags nor profiles of a driver.
    assert!(!Path::new(ROOT).join(".cargo/config.toml").exists());
    Ok(())
}

/// The flag of that folder is what chooses wdk-sys and wdk-panic.
#[test]
fn the_flag_chooses_wdk_sys() -> Result {
    let has = |package: &Value, name: &str, feature: Option<&str>| {
        package["dependencies"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|dependency| {
                text(dependency, "name") == name
                    && text(dependency, "target") == "cfg(kmdf_wdk)"
                    && feature.is_none_or(|feature| {
                        let features = dependency["features"].as_array();
                        features.is_some_and(|features| features.iter().any(|f| f == feature))
                    })
            })
    };
    let metadata = read()?;
    for driver in drivers(&metadata) {
        assert!(has(driver, "kmdf", Some("wdk")), "{}", text(driver, "name"));
    }
    let members = metadata["packages"].as_array().into_iter().flatten();
    let panic = members
        .clone()
        .find(|package| text(package, "name") == "kmdf-panic");
    assert!(has(panic.ok_or("no kmdf-panic")?, "wdk-panic", None));
    let library = members
        .clone()
        .find(|package| text(package, "name") == "kmdf");
    let feature = &library.ok_or("no kmdf")?["features"]["wdk"];
    for enabled in ["dep:wdk-build", "dep:wdk-sys", "image"] {
        let enables = feature
            .as_array()
            .is_some_and(|all| all.iter().any(|one| one == enabled));
        assert!(enables, "feature wdk: {enabled}");
    }
    Ok(())
}

#[test]
fn a_wrong_driver_model_is_found() {
    let model = |minor: u64| {
        json!({ "driver-model": {
            "driver-type": "KMDF", "kmdf-version-major": 1, "target-kmdf-version-minor": minor
        }})
    };
    let build = |package: Value, workspace: Value| {
        driver_model(&json!({
            "packages": [{ "metadata": { "wdk": package } }, { "metadata": null }],
            "metadata": { "wdk": workspace },
        }))
    };
    let none = Value::Null;
    assert!(build(json!({}), model(33)).is_ok());
    assert!(build(model(33), none.clone()).is_ok());
    assert!(build(model(33), model(33)).is_ok());
    assert!(build(json!({}), none.clone()).is_err_and(|error| error.contains("no driver model")));
    assert!(build(model(31), model(33)).is_err_and(|error| error.contains("two driver models")));
    // An empty table at the workspace is no marker there.
    assert!(build(none.clone(), json!({})).is_err());
    let mut unknown = model(33);
    unknown["driver-model"]["target-kmdf-minor"] = json!(33);
    assert!(build(unknown, none).is_err_and(|error| error.contains("not a table of")));
}

#[test]
fn a_driver_that_is_not_packaged_is_found() -> Result {
    let found = |change: &dyn Fn(&mut Value), complaint: &str| -> Result {
        let mut package = driver("write-filter")?;
        change(&mut package);
        let complaints = complaints(&package);
        assert!(
            complaints.iter().any(|found| found.contains(complaint)),
            "{complaint}: {complaints:?}"
        );
        Ok(())
    };
    let library = |package: &mut Value, key: &str, value: Value| {
        for target in package["targets"].as_array_mut().into_iter().flatten() {
            if text(target, "name") == "write_filter" {
                target[key] = value.clone();
            }
        }
    };
    found(
        &|package| library(package, "kind", json!(["rlib"])),
        "0 cdylibs",
    )?;
    found(
        &|package| library(package, "name", json!("filter")),
        "`filter.dll`, and `write_filter.dll` is looked for",
    )?;
    found(
        &|package| package["name"] = json!("other-filter"),
        "no other_filter.inx",
    )?;
    found(
        &|package| {
            let targets = package["targets"].as_array_mut();
            targets
                .into_iter()
                .for_each(|targets| targets.push(json!({ "name": "x", "kind": ["bin"] })));
        },
        "programs beside the library",
    )?;
    found(
        &|package| {
            let targets = package["targets"].as_array_mut();
            targets.into_iter().for_each(|targets| {
                targets.retain(|target| text(target, "name") != "build-script-build");
            });
        },
        "no build script",
    )
}
