//! What `cargo wdk build` 0.2 and wdk-build 0.6 make of a workspace, from what `cargo metadata`
//! says.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

/// The driver model of a build: exactly one may be found among all packages and the workspace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Kmdf {
    pub(crate) major: u64,
    pub(crate) minor: u64,
}

impl Kmdf {
    /// Unknown keys are refused, as they are there.
    fn parse(wdk: &Value) -> Result<Self, String> {
        let object = |value: &Value, keys: &[&str]| match value.as_object() {
            Some(object) if object.keys().all(|key| keys.contains(&key.as_str())) => Ok(()),
            _ => Err(format!("not a table of {keys:?}: {value}")),
        };
        object(wdk, &["driver-model"])?;
        let model = &wdk["driver-model"];
        object(
            model,
            &[
                "driver-type",
                "kmdf-version-major",
                "target-kmdf-version-minor",
                "minimum-kmdf-version-minor",
            ],
        )?;
        if model["driver-type"] != "KMDF" {
            return Err(format!("not a KMDF driver: {model}"));
        }
        let number = |key: &str| {
            let number = model[key].as_u64();
            number.ok_or_else(|| format!("no number `{key}` in {model}"))
        };
        Ok(Self {
            major: number("kmdf-version-major")?,
            minor: number("target-kmdf-version-minor")?,
        })
    }

    /// The symbol of the function table, by which the driver's objects and WdfLdr's library agree
    /// on the version.
    pub(crate) fn functions_symbol(&self) -> String {
        format!("WdfFunctions_{:02}0{:02}", self.major, self.minor)
    }
}

fn packages(metadata: &Value) -> impl Iterator<Item = &Value> {
    metadata["packages"].as_array().into_iter().flatten()
}

pub(crate) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// The one driver model of the build.
pub(crate) fn driver_model(metadata: &Value) -> Result<Kmdf, String> {
    let is_empty = |wdk: &Value| wdk.as_object().is_some_and(|table| table.is_empty());
    let configurations = packages(metadata)
        .map(|package| &package["metadata"]["wdk"])
        // An empty table marks a driver and configures nothing; the workspace's may not be empty.
        .filter(|wdk| !is_empty(wdk))
        .chain([&metadata["metadata"]["wdk"]])
        .filter(|wdk| !wdk.is_null())
        .map(Kmdf::parse)
        .collect::<Result<BTreeSet<_>, _>>()?;
    let mut configurations = configurations.into_iter();
    match (configurations.next(), configurations.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err("no driver model".to_owned()),
        (Some(one), Some(other)) => Err(format!("two driver models: {one:?} and {other:?}")),
    }
}

/// The packages that are packaged as drivers.
pub(crate) fn drivers(metadata: &Value) -> impl Iterator<Item = &Value> {
    packages(metadata).filter(|package| !package["metadata"]["wdk"].is_null())
}

fn has_kind(target: &Value, kind: &str) -> bool {
    let kinds = target["kind"].as_array();
    kinds.is_some_and(|kinds| kinds.iter().any(|found| found == kind))
}

/// What keeps a driver from being packaged.
pub(crate) fn complaints(package: &Value) -> Vec<String> {
    let name = text(package, "name");
    let file = name.replace('-', "_");
    let targets = || package["targets"].as_array().into_iter().flatten();
    let mut complaints = Vec::new();
    let mut expect = |holds: bool, complaint: String| {
        if !holds {
            complaints.push(format!("{name}: {complaint}"));
        }
    };

    let libraries: Vec<&Value> = targets()
        .filter(|target| has_kind(target, "cdylib"))
        .collect();
    expect(
        libraries.len() == 1,
        format!(
            "{} cdylibs: packaging is skipped, with a warning at most",
            libraries.len()
        ),
    );
    for library in libraries {
        expect(
            text(library, "name") == file,
            format!(
                "the library is `{}.dll`, and `{file}.dll` is looked for",
                text(library, "name")
            ),
        );
    }
    expect(
        !targets().any(|target| has_kind(target, "bin") || has_kind(target, "example")),
        "programs beside the library: the architecture cannot be asked for by `cargo rustc`"
            .to_owned(),
    );
    expect(
        targets().any(|target| has_kind(target, "custom-build")),
        "no build script: linked without /DRIVER and /ENTRY:FxDriverEntry".to_owned(),
    );
    let folder = Path::new(text(package, "manifest_path")).parent();
    let inx = folder.map(|folder| folder.join(format!("{file}.inx")));
    expect(
        inx.is_some_and(|inx| inx.is_file()),
        format!("no {file}.inx beside Cargo.toml"),
    );
    complaints
}
