//! Enumerations and constants.

use crate::index::{Index, IndexError};
use crate::model::{Constant, Enum, Enumerator, Status};

/// Enumerations, each a module of constants.
#[must_use]
pub fn enums(enums: &[Enum]) -> String {
    let mut text = String::new();
    for Enum {
        name,
        typedefs,
        header,
        values,
    } in enums
    {
        let title = typedefs.first().unwrap_or(name);
        text += &format!(
            "/// Enumeration `{title}` ({header})\npub mod {name} {{\n\
             /// The type of the enumerators.\npub type Type = ::core::ffi::c_int;\n"
        );
        for Enumerator { name, value } in values {
            text += &format!("pub const {name}: Type = {value};\n");
        }
        text += "}\n";
        for alias in typedefs {
            text += &format!("pub use self::{name}::Type as {alias};\n");
        }
    }
    text
}

/// Constants and status values that wdk-sys has too.
///
/// # Errors
///
/// When a type is not defined.
pub fn constants(
    constants: &[Constant],
    statuses: &[Status],
    index: &Index<'_>,
) -> Result<String, IndexError> {
    let mut text = String::new();
    for constant in constants
        .iter()
        .filter(|constant| constant.missing.is_none())
    {
        text += &declaration(constant, index)?;
    }
    for status in statuses.iter().filter(|status| !status.missing) {
        text += &status_declaration(status);
    }
    Ok(text)
}

/// Constants and status values that wdk-sys lacks.
///
/// # Errors
///
/// When a type is not defined.
pub fn missing(
    constants: &[Constant],
    statuses: &[Status],
    index: &Index<'_>,
) -> Result<String, IndexError> {
    let mut text = String::new();
    for constant in constants
        .iter()
        .filter(|constant| constant.missing.is_some())
    {
        text += &declaration(constant, index)?;
    }
    for status in statuses.iter().filter(|status| status.missing) {
        text += &status_declaration(status);
    }
    Ok(text)
}

fn declaration(constant: &Constant, index: &Index<'_>) -> Result<String, IndexError> {
    let Constant {
        name,
        value,
        text,
        ctype,
        missing,
        header,
    } = constant;
    let doc = match header {
        Some(header) => format!("/// `{name}` ({header})\n"),
        None => format!("/// `{name}`\n"),
    };
    // Without `L`: of wide strings, too, bindgen makes narrow ones.
    let string = text
        .iter()
        .map(|text| ("&::core::ffi::CStr".to_owned(), format!("c{text:?}")));
    let integer = value
        .iter()
        .map(|value| match ctype.as_ref().or(missing.as_ref()) {
            Some(ctype) => Ok((index.rust(ctype, "")?, value.to_string())),
            None => Ok((bindgen_type(*value).to_owned(), value.to_string())),
        })
        .collect::<Result<Vec<_>, IndexError>>()?;
    Ok(string
        .chain(integer)
        .map(|(rust, value)| format!("{doc}pub const {name}: {rust} = {value};\n"))
        .collect())
}

/// The type that bindgen gives to an integer macro of this value.
fn bindgen_type(value: i128) -> &'static str {
    match value {
        0..=0xFFFF_FFFF => "u32",
        0x1_0000_0000.. => "u64",
        -0x8000_0000..0 => "i32",
        _ => "i64",
    }
}

fn status_declaration(
    Status {
        name,
        value,
        header,
        ..
    }: &Status,
) -> String {
    format!("/// `{name}` ({header}): {value:#010X}\npub const {name}: NTSTATUS = {value};\n")
}
