//! Function pointer types, the function table, and functions linked by name.

use std::iter;

use super::{identifier, irql_sentence, parameters};
use crate::ctype::CType;
use crate::index::{Index, IndexError};
use crate::model::{Callback, Extern, Function};

/// The hidden first parameter of every function of the table.
const DRIVER_GLOBALS: &str = "DriverGlobals: PWDF_DRIVER_GLOBALS";

fn returns(ctype: Option<&CType>, index: &Index<'_>, prefix: &str) -> Result<String, IndexError> {
    ctype.map_or_else(
        || Ok(String::new()),
        |ctype| Ok(format!(" -> {}", index.rust(ctype, prefix)?)),
    )
}

fn pointer(name: &str, params: &[String], returns: &str) -> String {
    let params = params.join(", ");
    format!(
        "pub type {name} = ::core::option::Option<unsafe extern \"C\" fn({params}){returns}>;\n"
    )
}

/// The pointer types of the functions of the table, and the indexes of all.
///
/// # Errors
///
/// When a type is not defined.
pub fn functions(functions: &[Function], index: &Index<'_>) -> Result<String, IndexError> {
    let mut text = String::new();
    for function in functions {
        let Some(params) = &function.params else {
            continue;
        };
        let params: Vec<String> = iter::once(DRIVER_GLOBALS.to_owned())
            .chain(parameters(params, index, "")?)
            .collect();
        text += &format!(
            "/// Pointer to `{}` ({}).{}\n",
            function.name,
            function.header.as_deref().unwrap_or_default(),
            irql_sentence(function.irql_max.as_deref())
        );
        let returns = returns(function.returns.as_ref(), index, "")?;
        text += &pointer(&function.pfn(), &params, &returns);
    }
    text += "/// The places of functions in the WDF function table (wdffuncenum.h)\n\
             pub mod _WDFFUNCENUM {\n/// The type of the constants.\npub type Type = ::core::ffi::c_int;\n";
    for function in functions {
        text += &format!(
            "pub const {}: Type = {};\n",
            function.table_index(),
            function.index
        );
    }
    text += &format!(
        "pub const WdfFunctionTableNumEntries: Type = {};\n}}\n",
        functions.len()
    );
    text += "pub use self::_WDFFUNCENUM::Type as WDFFUNCENUM;\n";
    Ok(text)
}

/// A macro that hands the signatures of the table to another macro.
///
/// # Errors
///
/// When a type is not defined.
pub fn table(functions: &[Function], index: &Index<'_>) -> Result<String, IndexError> {
    let mut public = String::new();
    let mut private = String::new();
    for function in functions {
        let Function {
            index: place, name, ..
        } = function;
        match &function.params {
            None => private += &format!("            {place} {name};\n"),
            Some(params) => {
                let params = parameters(params, index, "$crate::")?.join(", ");
                let returns = returns(function.returns.as_ref(), index, "$crate::")?;
                let (pfn, entry) = (function.pfn(), function.table_index());
                public +=
                    &format!("            {place} {name} {pfn} {entry}({params}){returns};\n");
            }
        }
    }
    Ok(format!(
        "{PUBLIC}macro_rules! for_each_wdf_function {{\n    ($callback:path) => {{\n        $callback! {{\n{public}        }}\n    }};\n}}\n\n\
         {PRIVATE}macro_rules! for_each_private_wdf_function {{\n    ($callback:path) => {{\n        $callback! {{\n{private}        }}\n    }};\n}}\n"
    ))
}

const PUBLIC: &str = "\
/// Hands all functions of the WDF function table that public headers declare to the macro `$callback`.
///
/// Each is written `0 WdfChildListCreate PFN_WDFCHILDLISTCREATE WdfChildListCreateTableIndex(Device: $crate::WDFDEVICE, ...) -> $crate::NTSTATUS;`:
/// its place in the table, its name, its pointer type, the name of its place, and its signature without `DriverGlobals`.
#[macro_export]
";

const PRIVATE: &str = "\
/// Hands the functions of the WDF function table that no public header declares to the macro `$callback`.
///
/// Each is written `396 WdfCxDeviceInitAllocate;`: its place in the table and its name.
#[macro_export]
";

/// Function types of which drivers supply the function, and the pointers to them.
///
/// # Errors
///
/// When a type is not defined.
pub fn callbacks(callbacks: &[Callback], index: &Index<'_>) -> Result<String, IndexError> {
    let mut text = String::new();
    for callback in callbacks {
        let Callback { name, header, .. } = callback;
        let irql = irql_sentence(callback.irql_max.as_deref());
        let params = parameters(&callback.params, index, "")?;
        let returns = returns(callback.returns.as_ref(), index, "")?;
        text += &format!("/// `{name}` ({header}).{irql}\n");
        text += &pointer(name, &params, &returns);
        for alias in &callback.pointers {
            text += &format!("/// `{alias}` ({header})\npub type {alias} = {name};\n");
        }
    }
    Ok(text)
}

/// Functions that are linked by name.
///
/// # Errors
///
/// When a type is not defined.
pub fn externs(externs: &[Extern], index: &Index<'_>) -> Result<String, IndexError> {
    let mut text = "unsafe extern \"C\" {\n".to_owned();
    for Extern {
        name,
        params,
        returns: result,
        irql_max,
        header,
    } in externs
    {
        let irql = irql_sentence(irql_max.as_deref());
        text += &format!("/// `{name}` ({header}).{irql}\n");
        // As in wdk-sys, of all results only a status must not be dropped.
        if *result == Some(CType::Named("NTSTATUS".to_owned())) {
            text += "#[must_use]\n";
        }
        let params = parameters(params, index, "")?.join(", ");
        let returns = returns(result.as_ref(), index, "")?;
        text += &format!("pub fn {}({params}){returns};\n", identifier(name));
    }
    text += "}\n";
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::{CType, Extern, Index, externs};
    use crate::model::Param;

    #[test]
    fn a_status_must_be_used_and_nothing_else() -> Result<(), Box<dyn std::error::Error>> {
        let index = Index::empty();
        let function = |returns| Extern {
            name: "F".to_owned(),
            params: vec![Param {
                name: "type".to_owned(),
                ctype: CType::parse("int").unwrap(),
            }],
            returns,
            irql_max: None,
            header: "f.h".to_owned(),
        };
        let text = externs(&[function(Some(CType::parse("int")?))], &index)?;
        assert!(text.contains("pub fn F(type_: ::core::ffi::c_int) -> ::core::ffi::c_int;"));
        assert!(!text.contains("must_use"));
        Ok(())
    }
}
