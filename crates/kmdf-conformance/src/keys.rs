//! Values and keys of tables, as the format allows them.

use kmdf_sys::NTSTATUS;
use toml::{Table, Value};

use crate::constants;
use crate::error::{Malformed, malformed};

/// Fails on the first key that is not one of `known`.
pub(crate) fn known_keys(table: &Table, known: &[&str]) -> Result<(), Malformed> {
    match table.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => Err(malformed(format!("unknown key {key}"))),
        None => Ok(()),
    }
}

pub(crate) fn integer(value: &Value) -> Result<i64, Malformed> {
    value
        .as_integer()
        .ok_or_else(|| malformed(format!("{value} is no integer")))
}

pub(crate) fn boolean(value: &Value) -> Result<bool, Malformed> {
    value
        .as_bool()
        .ok_or_else(|| malformed(format!("{value} is not true or false")))
}

pub(crate) fn text(value: &Value) -> Result<&str, Malformed> {
    value
        .as_str()
        .ok_or_else(|| malformed(format!("{value} is no text")))
}

pub(crate) fn table(value: &Value) -> Result<&Table, Malformed> {
    value
        .as_table()
        .ok_or_else(|| malformed(format!("{value} is no table")))
}

pub(crate) fn size(value: &Value) -> Result<usize, Malformed> {
    usize::try_from(integer(value)?).map_err(|_| malformed(format!("{value} is no size")))
}

/// A status by its name or value.
#[allow(
    clippy::cast_possible_truncation,
    reason = "a status is written as an unsigned or as a signed number of 32 bits"
)]
pub(crate) fn status(value: &Value) -> Result<NTSTATUS, Malformed> {
    match value {
        Value::Integer(number) => Ok(*number as NTSTATUS),
        Value::String(name) if name.starts_with("STATUS_") => {
            constants::value(name).ok_or_else(|| malformed(format!("unknown status {name}")))
        }
        _ => Err(malformed(format!("{value} is no status"))),
    }
}

/// One key of a table, or a default.
pub(crate) fn key<'a, T>(
    table: &'a Table,
    key: &str,
    default: T,
    read: impl FnOnce(&'a Value) -> Result<T, Malformed>,
) -> Result<T, Malformed> {
    table.get(key).map_or(Ok(default), read)
}
