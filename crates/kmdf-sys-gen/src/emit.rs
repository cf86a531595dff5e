//! The text of the generated modules.

mod functions;
mod records;
mod values;

pub use functions::{callbacks, externs, functions, table};
pub use records::{layout, types};
pub use values::{constants, enums, missing};

use crate::index::{Index, IndexError};
use crate::model::{Alias, Param};

/// Names for other types, and types whose fields are not public.
///
/// # Errors
///
/// When a type is not defined.
pub fn aliases(
    aliases: &[Alias],
    opaque: &[String],
    index: &Index<'_>,
) -> Result<String, IndexError> {
    let mut text = String::new();
    for Alias {
        name,
        ctype,
        header,
    } in aliases
    {
        let rust = index.rust(ctype, "")?;
        text += &format!("/// `{name}` ({header})\npub type {name} = {rust};\n");
    }
    for name in opaque {
        text += &format!(
            "/// `{name}`: its fields are not public.\n\
             #[repr(C)]\n#[derive(Debug)]\npub struct {name} {{ _unused: [u8; 0] }}\n"
        );
    }
    Ok(text)
}

/// A name as it can stand in Rust; like bindgen, an underscore follows what is a keyword.
fn identifier(name: &str) -> String {
    match syn::parse_str::<syn::Ident>(name) {
        Ok(_) => name.to_owned(),
        Err(_) => format!("{name}_"),
    }
}

/// What the documentation of a function says about IRQL.
fn irql_sentence(irql_max: Option<&str>) -> String {
    match irql_max {
        None => String::new(),
        Some("conditional") => " The highest IRQL depends on the arguments.".to_owned(),
        Some(level) => format!(" IRQL: `{}` at most.", level.replace('+', " + ")),
    }
}

/// Parameters as they are declared.
fn parameters(
    params: &[Param],
    index: &Index<'_>,
    prefix: &str,
) -> Result<Vec<String>, IndexError> {
    params
        .iter()
        .map(|Param { name, ctype }| match name.as_str() {
            Param::VARIADIC => Ok(name.clone()),
            name => Ok(format!(
                "{}: {}",
                identifier(name),
                index.rust(ctype, prefix)?
            )),
        })
        .collect()
}
