//! Comparing what happened with what a case expects.

use core::ptr::with_exposed_provenance_mut;
use std::rc::Rc;

use kmdf_host::{Access, BoundTable, Bugcheck, MdlState, RequestPlace, WDF_VIOLATION};
use toml::{Table, Value};

use crate::call::Word;
use crate::case_run::{Event, Run};
use crate::cases::Step;
use crate::constants::status_name;
use crate::content::Content;
use crate::ddis::Returns;
use crate::error::{Malformed, Problem, differs, malformed};
use crate::keys::{boolean, integer, known_keys, table, text};
use crate::memory::peek;
use crate::names::{Call, Entity, Received, Structure, Variable};
use crate::step::{Outcome, u32_word};
use crate::structures::flatten;

/// Keys that are about the step itself.
const OWN: &[&str] = &[
    "returns", "at", "breaks", "bugcheck", "hangs", "value", "log",
];

type Checked = Result<(), Problem>;

/// The part of a word that a value of so many bytes has.
const fn masked(word: Word, size: usize) -> Word {
    if size >= 8 {
        word
    } else {
        word & ((1 << (8 * size)) - 1)
    }
}

fn same<T: PartialEq + ToString>(what: &str, expected: &T, found: &T) -> Checked {
    if expected == found {
        Ok(())
    } else {
        Err(differs(
            format!("{what} {}", expected.to_string()),
            found.to_string(),
        ))
    }
}

impl Run {
    /// Everything that is expected of a step that has returned.
    pub(crate) fn check(self: &Rc<Self>, step: &Step, outcome: &Outcome, breaks: u64) -> Checked {
        let expect = &step.expect;
        if expect.contains_key("bugcheck") {
            return Err(differs("a bugcheck", "the step returned"));
        }
        if expect.get("hangs").map_or(Ok(false), boolean)? {
            return Err(differs("the call to hang", "the step returned"));
        }
        self.check_returned(expect.get("returns"), outcome)?;
        if let Some(at) = expect.get("at") {
            same("at", &integer(at)?, &self.at().cast_signed())?;
        }
        let expected = expect.get("breaks").map_or(Ok(0), integer)?;
        same("breaks", &expected, &breaks.cast_signed())?;
        if let Some(value) = expect.get("value") {
            check_bound(table(value)?, outcome)?;
        }
        self.check_rest(step)
    }

    fn check_returned(&self, expected: Option<&Value>, outcome: &Outcome) -> Checked {
        let Some((found, returns)) = outcome.returned else {
            return match expected {
                Some(_) => Err(malformed("this step returns nothing").into()),
                None => Ok(()),
            };
        };
        let default;
        let expected = match (expected, returns) {
            (Some(expected), _) => expected,
            (None, Returns::Status) if outcome.is_call => {
                default = Value::from("STATUS_SUCCESS");
                &default
            }
            (None, Returns::Boolean) if outcome.is_call => {
                default = Value::from(true);
                &default
            }
            _ => return Ok(()),
        };
        match returns {
            Returns::Nothing => Err(malformed("this DDI returns nothing").into()),
            Returns::Status => self.check_status("returns", expected, found),
            Returns::Boolean => same("returns", &(self.word(expected)? != 0), &(found != 0)),
            Returns::Integer(size) => self.check_word("returns", expected, found, size),
            Returns::Pointer => self.check_word("returns", expected, found, 8),
        }
    }

    fn check_status(&self, what: &str, expected: &Value, found: Word) -> Checked {
        let expected = masked(self.word(expected)?, 4);
        let found = masked(found, 4);
        let name = |word: Word| status_name(u32::try_from(word).unwrap_or(0).cast_signed());
        same(what, &name(expected), &name(found))
    }

    /// Compares an integer, handle or address of `size` bytes.
    fn check_word(&self, what: &str, expected: &Value, found: Word, size: usize) -> Checked {
        let found = masked(found, size);
        if let Some("set") = expected.as_str() {
            return if found == 0 {
                Err(differs(format!("{what} set"), "NULL"))
            } else {
                Ok(())
            };
        }
        let wanted = masked(self.word(expected)?, size);
        if wanted == found {
            return Ok(());
        }
        Err(differs(
            format!("{what} = {expected} ({wanted:#x})"),
            format!("{found:#x}"),
        ))
    }

    pub(crate) fn check_bugcheck(&self, step: &Step, bugcheck: &Bugcheck) -> Checked {
        let Some(expected) = step.expect.get("bugcheck") else {
            return Ok(());
        };
        let expected = table(expected)?;
        known_keys(expected, &["code", "p1", "p2", "p3", "p4"])?;
        let code = expected
            .get("code")
            .map_or(Ok(WDF_VIOLATION.into()), |code| self.word(code))?;
        let found = format!("{bugcheck}");
        let pairs = [
            ("p1", bugcheck.p1),
            ("p2", bugcheck.p2),
            ("p3", bugcheck.p3),
            ("p4", bugcheck.p4),
        ];
        if masked(code, 4) != u64::from(bugcheck.code) {
            return Err(differs(format!("bugcheck {code:#x}"), found));
        }
        for (key, value) in pairs {
            if let Some(expected) = expected.get(key)
                && self.word(expected)? != value
            {
                return Err(differs(format!("bugcheck with {key} = {expected}"), found));
            }
        }
        Ok(())
    }

    /// What is expected of anything but the step itself.
    pub(crate) fn check_rest(&self, step: &Step) -> Checked {
        for (key, value) in &step.expect {
            if !OWN.contains(&key.as_str()) {
                self.check_named(key, value)?;
            }
        }
        step.expect
            .get("log")
            .map_or(Ok(()), |log| self.check_log(log))
    }

    fn check_named(&self, name: &str, expected: &Value) -> Checked {
        if name == "host" {
            return self.check_host(table(expected)?);
        }
        if let Some(callback) = self.callback(name) {
            let expected = table(expected)?;
            known_keys(expected, &["calls", "call"])?;
            let calls = callback.calls.borrow();
            if let Some(count) = expected.get("calls") {
                same(
                    &format!("{name}.calls"),
                    &integer(count)?,
                    &count_of(calls.len()),
                )?;
            }
            return match expected.get("call") {
                Some(call) => self.check_calls(name, call, &calls),
                None => Ok(()),
            };
        }
        if let Some(entity) = self.entity(name) {
            return self.check_entity(name, &entity, table(expected)?);
        }
        match self.variable(name, false)? {
            Some(variable) => self.check_variable(name, &variable, expected),
            None => Err(malformed(format!("unknown name {name}")).into()),
        }
    }

    fn check_host(&self, expected: &Table) -> Checked {
        known_keys(expected, &["mdls", "irps", "locked"])?;
        let (mdls, irps) = self.allocated.get();
        for (key, value) in expected {
            let found = match key.as_str() {
                "mdls" => self.host.framework_mdls() - mdls,
                "irps" => self.host.framework_irps() - irps,
                _ => count_of(self.host.locked_mdls()),
            };
            same(&format!("host.{key}"), &integer(value)?, &found)?;
        }
        Ok(())
    }

    fn check_calls(&self, name: &str, expected: &Value, calls: &[Call]) -> Checked {
        let expected = expected
            .as_array()
            .ok_or_else(|| malformed("`call` is an array"))?;
        same(
            &format!("{name}.call of length"),
            &expected.len(),
            &calls.len(),
        )?;
        for (index, (expected, call)) in expected.iter().zip(calls).enumerate() {
            let what = format!("{name}.call[{index}]");
            for (key, value) in table(expected)? {
                let what = format!("{what}.{key}");
                match key.as_str() {
                    "at" => same(&what, &integer(value)?, &call.at.cast_signed())?,
                    "irql" => same(&what, &integer(value)?, &call.irql.into())?,
                    "Params" => match &call.params {
                        Some(params) => self.check_structure(&what, table(value)?, params)?,
                        None => return Err(differs(format!("{what} set"), "NULL")),
                    },
                    parameter => match call.arguments.get(parameter) {
                        Some(found) => self.check_word(&what, value, *found, 8)?,
                        None => return Err(malformed(format!("{name} has no {parameter}")).into()),
                    },
                }
            }
        }
        Ok(())
    }

    fn check_structure(&self, what: &str, expected: &Table, found: &Structure) -> Checked {
        for (path, value) in flatten(expected, found.layout, "") {
            let what = format!("{what}.{path}");
            let field = found
                .layout
                .field(&path)
                .ok_or_else(|| malformed(format!("{} has no field {path}", found.layout.name)))?;
            if let Value::Table(inner) = value {
                match &found.pointed_to {
                    Some(structure) => self.check_structure(&what, inner, structure)?,
                    None => return Err(differs(what, "no structure there")),
                }
                continue;
            }
            let word = found.word(&path).unwrap_or(0);
            if path.ends_with("Status") {
                self.check_status(&what, value, word)?;
            } else {
                self.check_word(&what, value, word, field.size)?;
            }
        }
        Ok(())
    }

    fn check_variable(&self, name: &str, variable: &Variable, expected: &Value) -> Checked {
        let found = masked(variable.block.word(), variable.size);
        match (expected, variable.layout) {
            (Value::String(text), _) if text == "unchanged" => {
                if variable.block.bytes() == variable.initial {
                    Ok(())
                } else {
                    Err(differs(format!("{name} unchanged"), format!("{found:#x}")))
                }
            }
            (Value::String(text), _) if text == "set" => {
                if found != 0 && variable.block.bytes() != variable.initial {
                    Ok(())
                } else {
                    Err(differs(format!("{name} set"), format!("{found:#x}")))
                }
            }
            (Value::Table(fields), Some(layout)) => {
                // SAFETY: the block is such a structure, which a DDI has filled.
                let found = unsafe { Structure::copy(layout, variable.block.address()) };
                self.check_structure(name, fields, &found)
            }
            (Value::Table(properties), None) => {
                if properties.contains_key("over") || properties.contains_key("length") {
                    let mdl = with_exposed_provenance_mut(usize::try_from(found).unwrap_or(0));
                    return self.check_mdl(name, properties, self.host.mdl_state(mdl), found);
                }
                known_keys(properties, &["refs", "alive"])?;
                self.check_object(name, found, properties)
            }
            (Value::String(text), None) if text.starts_with("STATUS_") => {
                self.check_status(name, expected, found)
            }
            (value, None) => self.check_word(name, value, found, variable.size),
            (value, Some(_)) => Err(differs(format!("{name} = {value}"), "a structure")),
        }
    }

    /// `refs` and `alive`.
    fn check_object(&self, name: &str, handle: Word, expected: &Table) -> Checked {
        if let Some(alive) = expected.get("alive") {
            let found = self.host.object_state(Self::handle(handle)).is_some();
            same(&format!("{name}.alive"), &boolean(alive)?, &found)?;
        }
        if let Some(references) = expected.get("refs") {
            let baseline = self.baselines.borrow().get(name).copied();
            let found = self.references(name);
            let (Some(baseline), Some(found)) = (baseline, found) else {
                return Err(differs(
                    format!("{name}.refs = {references}"),
                    "no such object",
                ));
            };
            let found = i64::from(found) - i64::from(baseline);
            same(&format!("{name}.refs"), &integer(references)?, &found)?;
        }
        Ok(())
    }

    fn check_entity(&self, name: &str, entity: &Entity, expected: &Table) -> Checked {
        let properties: &[&str] = match entity {
            Entity::Target(..) => &["state", "irps", "irp", "pending", "refs", "alive"],
            Entity::Pipe(_) => &["state", "refs", "alive"],
            Entity::Request(_) => &["status", "information", "refs", "alive"],
            Entity::Received(_) => &[
                "status",
                "information",
                "state",
                "irp_refs",
                "data",
                "refs",
                "alive",
            ],
            Entity::Buffer(_) => &["data"],
            Entity::Memory(..) => &["data", "refs", "alive"],
            Entity::Queue(_) => &["queued", "owned", "refs", "alive"],
            Entity::Object(_) => &["refs", "alive"],
            Entity::Mdl(_) | Entity::Irp(_) | Entity::Type(_) => &[],
        };
        known_keys(expected, properties)?;
        for (key, value) in expected {
            let what = format!("{name}.{key}");
            match key.as_str() {
                "refs" | "alive" => {}
                "data" => {
                    let (address, length) = self.area(entity)?;
                    // SAFETY: the areas of buffers, memories and received IRPs stay for the whole case.
                    let bytes = unsafe { peek(address, length) };
                    check_content(&what, value, &bytes)?;
                }
                "state" if !matches!(entity, Entity::Received(_)) => {
                    let handle = self.entity_word(name, entity)?;
                    let state = self.host.target_state(Self::handle(handle));
                    let state = state.ok_or_else(|| differs(&what, "no such object"))?;
                    self.check_word(&what, value, u32_word(state), 4)?;
                }
                _ => self.check_property(&what, name, entity, key, value)?,
            }
        }
        if expected.contains_key("refs") || expected.contains_key("alive") {
            return self.check_object(name, self.entity_word(name, entity)?, expected);
        }
        Ok(())
    }

    fn check_property(
        &self,
        what: &str,
        name: &str,
        entity: &Entity,
        key: &str,
        value: &Value,
    ) -> Checked {
        match entity {
            Entity::Target(_, below) => self.check_below(what, *below, key, value),
            Entity::Queue(queue) => {
                let counts = self.host.queue_counts(Self::handle(*queue));
                let (queued, owned) = counts.ok_or_else(|| differs(what, "no such object"))?;
                let found = if key == "queued" { queued } else { owned };
                same(what, &integer(value)?, &count_of(found))
            }
            Entity::Received(received) => match key {
                "state" => same(what, &text(value)?, &self.place(received)),
                "irp_refs" => {
                    let handle = Self::handle(self.entity_word(name, entity)?).cast();
                    let found = self.host.irp_references(handle);
                    let found = found.ok_or_else(|| differs(what, "no such request"))?;
                    same(what, &integer(value)?, &found.into())
                }
                _ => self.check_io_status(what, key, value, self.host.io_status(received.io)),
            },
            Entity::Request(handle) => {
                let status = self.host.request_status(Self::handle(*handle).cast());
                self.check_io_status(what, key, value, status)
            }
            _ => Err(malformed(format!("no property {what}")).into()),
        }
    }

    fn check_io_status(
        &self,
        what: &str,
        key: &str,
        value: &Value,
        found: Option<(i32, u64)>,
    ) -> Checked {
        let (status, information) = found.ok_or_else(|| differs(what, "no IRP"))?;
        if key == "status" {
            self.check_status(what, value, u32_word(status))
        } else {
            self.check_word(what, value, information, 8)
        }
    }

    fn place(&self, received: &Received) -> &'static str {
        if !received.sent.get() {
            return "new";
        }
        match self.host.place_of(received.io) {
            RequestPlace::Queued => "queued",
            RequestPlace::Driver => "driver",
            RequestPlace::Below => "below",
            RequestPlace::Completed => "completed",
        }
    }

    pub(crate) fn check_mdl(
        &self,
        what: &str,
        expected: &Table,
        found: Option<MdlState>,
        address: Word,
    ) -> Checked {
        known_keys(expected, &["over", "length", "locked"])?;
        if !expected.contains_key("over") || !expected.contains_key("length") {
            return Err(malformed("an MDL table has over and length").into());
        }
        let Some(found) = found else {
            return Err(differs(
                format!("{what} to be an MDL"),
                format!("{address:#x}"),
            ));
        };
        if self.is_named_mdl(address) {
            return Err(differs(
                format!("{what} to be an MDL of its own"),
                "a named one",
            ));
        }
        if let Some(over) = expected.get("over") {
            let start = found.address.expose_provenance() as Word;
            self.check_word(&format!("{what}.over"), over, start, 8)?;
        }
        if let Some(length) = expected.get("length") {
            same(
                &format!("{what}.length"),
                &integer(length)?,
                &found.length.into(),
            )?;
        }
        let access = match found.locked {
            None => "false",
            Some(Access::Read) => "read",
            Some(Access::Write) => "write",
        };
        match expected.get("locked") {
            None => Ok(()),
            Some(Value::Boolean(false)) => same(&format!("{what}.locked"), &"false", &access),
            Some(value) => same(&format!("{what}.locked"), &text(value)?, &access),
        }
    }

    fn is_named_mdl(&self, address: Word) -> bool {
        self.names.borrow().values().any(|entity| match entity {
            Entity::Mdl(mdl) => *mdl as Word == address,
            Entity::Received(received) => received.mdl as Word == address,
            _ => false,
        })
    }

    fn check_log(&self, expected: &Value) -> Checked {
        let expected = expected
            .as_array()
            .ok_or_else(|| malformed("`log` is an array"))?;
        let wanted: Vec<Event> = expected
            .iter()
            .map(|name| self.event(text(name)?))
            .collect::<Result<_, _>>()?;
        let events = self.events.borrow();
        let found: Vec<&Event> = events
            .iter()
            .filter(|event| wanted.contains(event))
            .collect();
        if found.iter().copied().eq(wanted.iter()) {
            return Ok(());
        }
        let names: Vec<String> = found.iter().map(|event| format!("{event:?}")).collect();
        Err(differs(
            format!("log {}", Value::Array(expected.clone())),
            names.join(", "),
        ))
    }

    fn event(&self, name: &str) -> Result<Event, Malformed> {
        if self.callback(name).is_some() {
            return Ok(Event::Callback(name.to_owned()));
        }
        let unknown = || malformed(format!("unknown event {name}"));
        let (base, kind) = name.split_once('.').ok_or_else(unknown)?;
        match (self.named(base)?, kind) {
            (Entity::Target(_, below), "irp") => Ok(Event::Irp(below)),
            (Entity::Received(_), "completed") => Ok(Event::Completed(base.to_owned())),
            _ => Err(unknown()),
        }
    }

    /// Whether an address is inside a buffer, a memory or a received area that has a name.
    pub(crate) fn is_named_memory(&self, address: Word) -> bool {
        let inside = |(start, length): (usize, usize)| {
            (start as Word..(start + length.max(1)) as Word).contains(&address)
        };
        self.names.borrow().values().any(|entity| match entity {
            Entity::Buffer(block) => inside((block.address(), block.len())),
            Entity::Memory(_, area) => inside(*area),
            Entity::Received(received) => inside(received.buffer) || inside(received.output),
            _ => false,
        })
    }

    /// An address, `"private"` included.
    pub(crate) fn check_address(&self, what: &str, expected: &Value, found: Word) -> Checked {
        if expected.as_str() != Some("private") {
            return self.check_word(what, expected, found, 8);
        }
        if found == 0 || self.is_named_memory(found) || self.is_named_mdl(found) {
            return Err(differs(format!("{what} private"), format!("{found:#x}")));
        }
        Ok(())
    }
}

pub(crate) fn check_content(what: &str, expected: &Value, found: &[u8]) -> Checked {
    match Content::parse(expected)?.difference(found) {
        None => Ok(()),
        Some((expected, found)) => Err(differs(format!("{what}: {expected}"), found)),
    }
}

pub(crate) fn count_of(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn check_bound(expected: &Table, outcome: &Outcome) -> Checked {
    known_keys(expected, &["globals", "table"])?;
    let (globals, bound) = outcome
        .bound
        .ok_or_else(|| malformed("`value` is for bind"))?;
    if let Some(expected) = expected.get("globals") {
        same(
            "globals",
            &text(expected)?,
            &if globals { "set" } else { "null" },
        )?;
    }
    if let Some(expected) = expected.get("table") {
        let found = match bound {
            BoundTable::Library => "library",
            BoundTable::Copied => "copied",
            BoundTable::Untouched => "untouched",
        };
        same("table", &text(expected)?, &found)?;
    }
    Ok(())
}
