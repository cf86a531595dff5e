//! Comparing the IRPs that reached a device below.

use core::ptr::with_exposed_provenance_mut;

use toml::{Table, Value};

use crate::call::Word;
use crate::case_run::Run;
use crate::error::{Problem, differs, malformed};
use crate::expect::{check_content, count_of};
use crate::keys::{boolean, integer, table, text};
use crate::layout;
use crate::lower::Seen;
use crate::memory;
use crate::names::Entity;

type Checked = Result<(), Problem>;

impl Run {
    pub(crate) fn check_below(
        &self,
        what: &str,
        number: usize,
        key: &str,
        value: &Value,
    ) -> Checked {
        let (below, _) = self.belows.borrow()[number].clone();
        let seen = below.seen.borrow();
        let count = match key {
            "irps" => seen.len(),
            "pending" => seen.iter().filter(|seen| seen.cancelled.is_none()).count(),
            _ => {
                let expected = value
                    .as_array()
                    .ok_or_else(|| malformed("`irp` is an array"))?;
                if expected.len() != seen.len() {
                    return Err(differs(
                        format!("{what} of length {}", expected.len()),
                        seen.len().to_string(),
                    ));
                }
                for (index, (expected, seen)) in expected.iter().zip(seen.iter()).enumerate() {
                    self.check_irp(&format!("{what}[{index}]"), table(expected)?, seen)?;
                }
                return Ok(());
            }
        };
        let expected = integer(value)?;
        if expected == count_of(count) {
            return Ok(());
        }
        Err(differs(format!("{what} {expected}"), count.to_string()))
    }

    fn check_irp(&self, what: &str, expected: &Table, seen: &Seen) -> Checked {
        for (key, value) in expected {
            let what = format!("{what}.{key}");
            match key.as_str() {
                "Irp" => self.check_address(&what, value, seen.address as Word)?,
                "MajorFunction" => self.check_address(&what, value, seen.major.into())?,
                "at" => {
                    let at = (seen.time - self.began.get()).as_millis().cast_signed();
                    self.check_integer(&what, value, at)?;
                }
                "cancelled" => self.check_cancelled(&what, boolean(value)?, seen)?,
                "data" if seen.data.is_empty() => return Err(differs(what, "no data")),
                "data" => check_content(&what, value, &seen.data)?,
                "Urb" => self.check_urb(&what, value, seen)?,
                "MdlAddress" if value.is_table() => {
                    let address = seen.fields.get("MdlAddress").copied().unwrap_or(0);
                    self.check_mdl(&what, table(value)?, seen.mdl, address)?;
                }
                field => match seen.fields.get(field) {
                    Some(found) => self.check_address(&what, value, *found)?,
                    None if IRP_FIELDS.contains(&field) => {
                        return Err(differs(what, "no such field in this IRP"));
                    }
                    None => return Err(malformed(format!("unknown key {field}")).into()),
                },
            }
        }
        Ok(())
    }

    fn check_integer(&self, what: &str, expected: &Value, found: i64) -> Checked {
        if integer(expected)? == found {
            return Ok(());
        }
        Err(differs(format!("{what} {expected}"), found.to_string()))
    }

    fn check_cancelled(&self, what: &str, expected: bool, seen: &Seen) -> Checked {
        let found = seen.cancelled.unwrap_or_else(|| {
            let irp = with_exposed_provenance_mut(seen.address);
            self.host.is_cancelled(irp).unwrap_or(false)
        });
        if expected == found {
            return Ok(());
        }
        Err(differs(format!("{what} {expected}"), found.to_string()))
    }

    fn check_urb(&self, what: &str, expected: &Value, seen: &Seen) -> Checked {
        let urb = match (expected, &seen.urb) {
            (Value::String(null), None) if null == "null" => return Ok(()),
            (Value::Table(_), Some(urb)) => urb,
            (Value::Table(_), None) => return Err(differs(what, "no URB")),
            (_, Some(_)) => return Err(differs(format!("{what} null"), "a URB")),
            _ => return Err(malformed(format!("{what} is a table or null")).into()),
        };
        for (key, value) in table(expected)? {
            let what = format!("{what}.{key}");
            let field = layout::URB.field(key).filter(|_| key != "Status");
            let field = field.ok_or_else(|| malformed(format!("unknown key {key} of a URB")))?;
            let Some(bytes) = urb.get(field.offset..field.offset + field.size) else {
                return Err(differs(what, "a URB that is too short for it"));
            };
            let found = memory::word(bytes);
            match key.as_str() {
                "SetupPacket" => check_content(&what, value, bytes)?,
                "PipeHandle" => self.check_pipe_handle(&what, text(value)?, found)?,
                "TransferBufferMDL" if value.is_table() => {
                    self.check_mdl(&what, table(value)?, seen.urb_mdl, found)?;
                }
                _ => self.check_address(&what, value, found)?,
            }
        }
        Ok(())
    }

    fn check_pipe_handle(&self, what: &str, name: &str, found: Word) -> Checked {
        let expected = match self.named(name)? {
            Entity::Pipe(pipe) => pipe.handles.get().map(|(_, handle)| handle),
            _ => return Err(malformed(format!("{name} is no pipe")).into()),
        };
        if expected == Some(found) {
            return Ok(());
        }
        Err(differs(format!("{what} of {name}"), format!("{found:#x}")))
    }
}

/// Fields that only some IRPs have.
const IRP_FIELDS: &[&str] = &[
    "Length",
    "ByteOffset",
    "IoControlCode",
    "InputBufferLength",
    "OutputBufferLength",
    "Type3InputBuffer",
];
