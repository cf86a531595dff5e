//! The data files: what was set up, what was done, what was seen.

use std::collections::BTreeMap;

use toml::{Table, Value};

/// One observed situation.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) id: String,
    /// Whether callbacks are recorded by name alone, as in the observations of PnP and power.
    pub(crate) brief: bool,
    pub(crate) run: Vec<String>,
    /// What callbacks do, by callback and number of the IRP.
    pub(crate) on: BTreeMap<String, Vec<String>>,
    pub(crate) seen: Vec<String>,
    /// The order of the events differed between runs of the framework.
    pub(crate) order_varies: bool,
    /// Why the model differs.
    pub(crate) differs: Option<String>,
    setup: Table,
}

/// What the device object's end looks like, every time.
const GONE: [&str; 10] = [
    "cleanup queue.child",
    "cleanup queue",
    "cleanup device.child",
    "cleanup device",
    "destroy queue.child",
    "destroy queue",
    "destroy device.child",
    "low REMOVE_DEVICE",
    "IoDeleteDevice",
    "destroy device",
];

impl Case {
    /// A word of the setup.
    pub(crate) fn word(&self, key: &str) -> Option<&str> {
        self.setup.get(key).and_then(Value::as_str)
    }

    pub(crate) fn flag(&self, key: &str) -> Option<bool> {
        self.setup.get(key).and_then(Value::as_bool)
    }

    pub(crate) fn number(&self, key: &str) -> Option<u32> {
        let value = self.setup.get(key).and_then(Value::as_integer)?;
        Some(u32::try_from(value).expect("a small number"))
    }
}

/// The group of an observation: the first part of its name, or the first two of the second series.
pub(crate) fn group(id: &str) -> &str {
    let parts = if id.starts_with("o2.") { 2 } else { 1 };
    let end = id.match_indices('.').nth(parts - 1);
    end.map_or(id, |(end, _)| &id[..end])
}

fn steps(text: &str) -> Vec<String> {
    text.split(';')
        .map(|step| step.trim().to_owned())
        .filter(|step| !step.is_empty())
        .collect()
}

fn events(text: &str) -> Vec<String> {
    let mut events = Vec::new();
    for event in text.split(['|', '\n']) {
        match event.trim() {
            "" => {}
            "gone" => events.extend(GONE.map(str::to_owned)),
            event => events.push(event.to_owned()),
        }
    }
    events
}

/// Reads a data file.
pub(crate) fn read(text: &str) -> Vec<Case> {
    let file: Table = text.parse().expect("the data file is TOML");
    let brief = file.get("brief").and_then(Value::as_bool) == Some(true);
    let cases = file["case"].as_array().expect("an array of cases");
    cases
        .iter()
        .map(|case| {
            let mut setup = case.as_table().expect("a table").clone();
            let mut text = |key: &str| match setup.remove(key) {
                Some(Value::String(text)) => Some(text),
                None => None,
                other => panic!("{key} is not text: {other:?}"),
            };
            let id = text("id").expect("an id");
            let run = steps(&text("run").unwrap_or_default());
            let seen = events(&text("seen").unwrap_or_default());
            let differs = text("differs");
            let on = match setup.remove("on") {
                Some(Value::Table(on)) => on
                    .into_iter()
                    .map(|(callback, body)| (callback, steps(body.as_str().expect("steps"))))
                    .collect(),
                _ => BTreeMap::new(),
            };
            let order_varies = setup.remove("order_varies").is_some();
            Case {
                id,
                brief,
                run,
                on,
                seen,
                order_varies,
                differs,
                setup,
            }
        })
        .collect()
}
