//! Case files: reading, merging worlds, and what can be said of a step without running it.

use std::collections::BTreeSet;

use toml::{Table, Value};

use crate::ddis::{self, Takes};
use crate::error::{Malformed, malformed};
use crate::keys::{boolean, integer, known_keys, size, table, text};
use crate::lower::ANSWER_KEYS;

/// A case of a file.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) id: String,
    pub(crate) section: String,
    pub(crate) undefined: bool,
    /// What is to be run, or why it cannot be.
    pub(crate) body: Result<Body, Malformed>,
    /// The case as it is written.
    pub(crate) source: Value,
}

/// The world and the steps of a case.
#[derive(Clone, Debug, Default)]
pub(crate) struct Body {
    pub(crate) world: Table,
    pub(crate) steps: Vec<Step>,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Does {
    Call(String),
    Action(String),
    Check,
}

/// A step.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) does: Does,
    /// The callback whose body it belongs to.
    pub(crate) within: Option<String>,
    pub(crate) nth: Option<usize>,
    /// Milliseconds after which another thread executes it.
    pub(crate) after: Option<u64>,
    pub(crate) irql: Option<u8>,
    pub(crate) named: Option<String>,
    /// Parameters of the DDI, or keys of the action.
    pub(crate) arguments: Table,
    pub(crate) expect: Table,
}

/// Reads a file.
///
/// A case that is not well formed is still a case; only a file that is none is an error.
pub(crate) fn read(source: &str) -> Result<Vec<Case>, Malformed> {
    let file: Table = source
        .parse()
        .map_err(|error: toml::de::Error| malformed(error.message()))?;
    known_keys(&file, &["format", "world", "case"])?;
    match file.get("format").map(integer).transpose()? {
        Some(1) => {}
        other => return Err(malformed(format!("format {other:?} instead of 1"))),
    }
    let world = file
        .get("world")
        .map_or(Ok(Table::new()), |world| table(world).cloned())?;
    let none = Vec::new();
    let cases = file.get("case").map_or(Ok(&none), |cases| {
        cases
            .as_array()
            .ok_or_else(|| malformed("`case` is an array of tables"))
    })?;
    Ok(cases.iter().map(|value| case(value, &world)).collect())
}

fn case(value: &Value, world: &Table) -> Case {
    let word = |key: &str, otherwise: &str| {
        let text = value.get(key).and_then(Value::as_str);
        text.unwrap_or(otherwise).to_owned()
    };
    let undefined = value.get("undefined").map_or(Ok(false), boolean);
    Case {
        id: word("id", "?"),
        section: word("section", "?"),
        undefined: matches!(undefined, Ok(true)),
        body: table(value).and_then(|case| {
            check_labels(case)?;
            if undefined? {
                known_keys(case, LABELS).map(|()| Body::default())
            } else {
                body(case, world)
            }
        }),
        source: value.clone(),
    }
}

/// The keys of a case that is not run.
const LABELS: &[&str] = &["id", "what", "section", "undefined"];

/// Id, title and section have the form that the format gives them.
fn check_labels(case: &Table) -> Result<(), Malformed> {
    let label = |key: &str| {
        let value = case
            .get(key)
            .ok_or_else(|| malformed(format!("no {key}")))?;
        text(value)
    };
    let id = label("id")?;
    let number = id
        .strip_prefix(|first: char| first.is_ascii_uppercase())
        .map(|rest| {
            rest.strip_suffix(|last: char| last.is_ascii_lowercase())
                .unwrap_or(rest)
        });
    if !number.is_some_and(is_number) {
        return Err(malformed(format!("{id} is no id")));
    }
    if label("what")?.chars().count() > 120 {
        return Err(malformed("what has more than 120 characters"));
    }
    let section = label("section")?;
    let (chapter, part) = section.split_once('.').unwrap_or((section, "0"));
    if !is_number(chapter) || !is_number(part) {
        return Err(malformed(format!("{section} is no section")));
    }
    Ok(())
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit())
}

fn body(case: &Table, world: &Table) -> Result<Body, Malformed> {
    known_keys(
        case,
        &["id", "what", "section", "undefined", "world", "step"],
    )?;
    let own = case
        .get("world")
        .map_or(Ok(Table::new()), |world| table(world).cloned())?;
    let steps = case
        .get("step")
        .and_then(Value::as_array)
        .ok_or_else(|| malformed("no steps"))?;
    let steps: Vec<Step> = steps
        .iter()
        .enumerate()
        .map(|(index, value)| {
            step(value).map_err(|error| malformed(format!("step {}: {error}", index + 1)))
        })
        .collect::<Result<_, _>>()?;
    if !steps.iter().any(|step| step.within.is_none()) {
        return Err(malformed("no step of the main sequence"));
    }
    if steps.iter().all(|step| step.expect.is_empty()) {
        return Err(malformed("no expectation"));
    }
    Ok(Body {
        world: merge(world, &own),
        steps,
    })
}

fn merge(under: &Table, over: &Table) -> Table {
    let mut merged = under.clone();
    for (key, value) in over {
        let value = match (merged.get(key), value) {
            (Some(Value::Table(under)), Value::Table(over)) => Value::Table(merge(under, over)),
            _ => value.clone(),
        };
        merged.insert(key.clone(), value);
    }
    merged
}

/// Keys that every step may have.
const COMMON: &[&str] = &["call", "do", "in", "nth", "after", "irql", "as", "expect"];

fn step(value: &Value) -> Result<Step, Malformed> {
    let step = table(value)?;
    let name = |key: &str| {
        step.get(key)
            .map(|value| text(value).map(str::to_owned))
            .transpose()
    };
    let does = match (name("call")?, name("do")?) {
        (Some(_), Some(_)) => return Err(malformed("both call and do")),
        (Some(call), None) => Does::Call(call),
        (None, Some(action)) => Does::Action(action),
        (None, None) => Does::Check,
    };
    let arguments: Table = step
        .iter()
        .filter(|(key, _)| !COMMON.contains(&key.as_str()))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    check_arguments(&does, &arguments)?;
    if step.contains_key("nth") && !step.contains_key("in") {
        return Err(malformed("nth without in"));
    }
    if does == Does::Check && !step.contains_key("expect") {
        return Err(malformed("a step without call, do and expect"));
    }
    let irql = step.get("irql").map(size).transpose()?;
    if irql.is_some_and(|irql| irql > 2) {
        return Err(malformed("irql is 0, 1 or 2"));
    }
    let after = step.get("after").map(size).transpose()?;
    Ok(Step {
        does,
        within: name("in")?,
        nth: step.get("nth").map(size).transpose()?,
        after: after.map(|after| after as u64),
        irql: irql.and_then(|irql| u8::try_from(irql).ok()),
        named: name("as")?,
        arguments,
        expect: step
            .get("expect")
            .map_or(Ok(Table::new()), |expect| table(expect).cloned())?,
    })
}

impl Body {
    /// The variables that any step makes: by their address, for a structure, or for what is returned.
    pub(crate) fn variables(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for step in &self.steps {
            names.extend(step.named.clone());
            for value in step.arguments.values() {
                let address = value.as_str().and_then(|text| text.strip_prefix('&'));
                let structure = value.get("out").and_then(Value::as_str);
                names.extend(address.or(structure).map(str::to_owned));
            }
        }
        names
    }
}

fn check_arguments(does: &Does, arguments: &Table) -> Result<(), Malformed> {
    match does {
        Does::Check => known_keys(arguments, &[]),
        Does::Call(call) => {
            let ddi = ddis::find(call).ok_or_else(|| malformed(format!("unknown DDI {call}")))?;
            let names: Vec<&str> = ddi
                .parameters
                .iter()
                .map(|parameter| parameter.name)
                .collect();
            known_keys(arguments, &names)?;
            for parameter in &ddi.parameters {
                if !parameter.optional && !arguments.contains_key(parameter.name) {
                    return Err(malformed(format!("{call} needs {}", parameter.name)));
                }
                let value = arguments.get(parameter.name);
                if value.is_some_and(Value::is_table) && !takes_table(parameter.takes) {
                    return Err(malformed(format!("{} takes no table", parameter.name)));
                }
            }
            Ok(())
        }
        Does::Action(action) => {
            let (required, optional): (&[&str], &[&str]) = match action.as_str() {
                "wait" => (&[], &["ms"]),
                "fill" => (&["object", "with"], &["offset", "len"]),
                "fail" => (&["what"], &["number", "status"]),
                "complete" => (&["object"], &["index"]),
                "cancel" | "arrive" => (&["object"], &[]),
                "bind" => (&["functions"], &[]),
                "add_device" => (&["callback"], &[]),
                _ => return Err(malformed(format!("unknown action {action}"))),
            };
            let answer = if action == "complete" {
                ANSWER_KEYS
            } else {
                &[]
            };
            known_keys(arguments, &[required, optional, answer].concat())?;
            match required.iter().find(|key| !arguments.contains_key(**key)) {
                Some(key) => Err(malformed(format!("{action} needs {key}"))),
                None => Ok(()),
            }
        }
    }
}

const fn takes_table(takes: Takes) -> bool {
    matches!(
        takes,
        Takes::Descriptor | Takes::SendOptions | Takes::Offsets | Takes::Structure(_)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(step: &str) -> String {
        let file = format!(
            "format = 1\n[[case]]\nid = \"X1\"\nwhat = \"x\"\nsection = \"1\"\nstep = [{step}]"
        );
        match read(&file).unwrap().remove(0).body {
            Ok(_) => "none".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn what_the_format_does_not_have_is_malformed() {
        assert_eq!(
            problem("{ do = \"wait\", ms = 3, expect = { at = 3 } }"),
            "none"
        );
        assert_eq!(
            problem("{ do = \"sleep\" }"),
            "step 1: unknown action sleep"
        );
        assert_eq!(
            problem("{ call = \"WdfFoo\" }"),
            "step 1: unknown DDI WdfFoo"
        );
        assert_eq!(
            problem("{ call = \"WdfRequestSend\" }"),
            "step 1: WdfRequestSend needs Request"
        );
        assert_eq!(
            problem("{ call = \"WdfIoQueueStart\", Queue = \"q\", Extra = 1 }"),
            "step 1: unknown key Extra"
        );
        assert_eq!(problem("{ do = \"wait\" }"), "no expectation");
        assert_eq!(
            problem("{ in = \"cb\", expect = { at = 0 } }"),
            "no step of the main sequence"
        );
        assert!(read("format = 2").is_err());
        assert!(read("formatt = 1").is_err());
    }

    #[test]
    fn the_world_of_a_case_wins_table_by_table() {
        let under: Table = "target.T = { io = \"direct\", stack = 2 }\nverifier = true"
            .parse()
            .unwrap();
        let over: Table = "target.T.io = \"neither\"".parse().unwrap();
        let merged = merge(&under, &over);
        assert_eq!(merged["target"]["T"]["io"].as_str(), Some("neither"));
        assert_eq!(merged["target"]["T"]["stack"].as_integer(), Some(2));
        assert_eq!(merged["verifier"].as_bool(), Some(true));
    }
}
