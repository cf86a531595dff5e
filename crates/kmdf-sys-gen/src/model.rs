//! The facts of `abi/*.json` as Rust values.

use serde::Deserialize;

use crate::ctype::{CType, ParseError};

/// All facts that kmdf-sys is generated from.
#[derive(Debug)]
pub struct Abi {
    /// The entries of the WDF function table, in order of their index.
    pub functions: Vec<Function>,
    /// Function types of callbacks, of WDF and of the kernel.
    pub callbacks: Vec<Callback>,
    /// Structures and unions.
    pub records: Vec<Record>,
    /// Enumerations.
    pub enums: Vec<Enum>,
    /// Constants, integer and string.
    pub constants: Vec<Constant>,
    /// `NTSTATUS` values.
    pub statuses: Vec<Status>,
    /// Names for other types.
    pub aliases: Vec<Alias>,
    /// Structures whose fields are not public.
    pub opaque: Vec<String>,
    /// Functions that the kernel exports.
    pub ntddk: Vec<Extern>,
    /// Functions of the USB client support library.
    pub usb: Vec<Extern>,
}

/// The facts about plain kernel names that KMDF's own headers use.
#[derive(Deserialize)]
struct Kernel {
    aliases: Vec<Alias>,
    opaque: Vec<String>,
    callbacks: Vec<Callback>,
    enums: Vec<Enum>,
    constants: Vec<Constant>,
    ntddk: Vec<Extern>,
    usb: Vec<Extern>,
}

impl Abi {
    /// Reads the facts that are part of this crate.
    ///
    /// # Errors
    ///
    /// When a file is not of the form that this module declares.
    pub fn load() -> Result<Self, serde_json::Error> {
        let kernel: Kernel = serde_json::from_str(include_str!("../abi/kernel.json"))?;
        let mut abi = Self {
            functions: serde_json::from_str(include_str!("../abi/functions.json"))?,
            callbacks: serde_json::from_str(include_str!("../abi/callbacks.json"))?,
            records: serde_json::from_str(include_str!("../abi/types.json"))?,
            enums: serde_json::from_str(include_str!("../abi/enums.json"))?,
            constants: serde_json::from_str(include_str!("../abi/constants.json"))?,
            statuses: serde_json::from_str(include_str!("../abi/status.json"))?,
            aliases: kernel.aliases,
            opaque: kernel.opaque,
            ntddk: kernel.ntddk,
            usb: kernel.usb,
        };
        abi.callbacks.extend(kernel.callbacks);
        abi.enums.extend(kernel.enums);
        abi.constants.extend(kernel.constants);
        Ok(abi)
    }
}

/// One entry of the WDF function table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Function {
    /// Its place in the table.
    pub index: u32,
    /// Its name, as drivers call it.
    pub name: String,
    /// The parameters after `DriverGlobals`; absent if no public header declares the function.
    pub params: Option<Vec<Param>>,
    /// The type it returns, if any.
    pub returns: Option<CType>,
    /// The highest IRQL it may be called at.
    pub irql_max: Option<String>,
    /// The header that declares it.
    pub header: Option<String>,
}

impl Function {
    /// The name of its function pointer type.
    #[must_use]
    pub fn pfn(&self) -> String {
        format!("PFN_{}", self.name.to_uppercase())
    }

    /// The name of its index.
    #[must_use]
    pub fn table_index(&self) -> String {
        format!("{}TableIndex", self.name)
    }
}

/// A function type of which drivers supply the function.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Callback {
    /// The name of the function type.
    pub name: String,
    /// The names of the pointer to it.
    pub pointers: Vec<String>,
    /// Its parameters.
    pub params: Vec<Param>,
    /// The type it returns, if any.
    pub returns: Option<CType>,
    /// The highest IRQL it is called at.
    pub irql_max: Option<String>,
    /// The header that declares it.
    pub header: String,
}

/// A function that is linked by its name.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extern {
    /// Its name.
    pub name: String,
    /// Its parameters, of which the last may be [`Param::VARIADIC`].
    pub params: Vec<Param>,
    /// The type it returns, if any.
    pub returns: Option<CType>,
    /// The highest IRQL it may be called at.
    pub irql_max: Option<String>,
    /// The header that declares it.
    pub header: String,
}

/// A parameter, written `Name: TYPE`.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Param {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ctype: CType,
}

impl Param {
    /// The name of the parameter that stands for any number of further arguments.
    pub const VARIADIC: &str = "...";
}

impl TryFrom<String> for Param {
    type Error = ParseError;

    fn try_from(text: String) -> Result<Self, ParseError> {
        if text == Self::VARIADIC {
            return Ok(Self {
                name: text,
                ctype: CType::Void,
            });
        }
        let (name, ctype) = text
            .split_once(": ")
            .ok_or_else(|| ParseError(text.clone()))?;
        Ok(Self {
            name: name.to_owned(),
            ctype: CType::parse(ctype)?,
        })
    }
}

/// A named structure or union.
#[derive(Debug, Deserialize)]
pub struct Record {
    /// Its tag.
    pub name: String,
    /// Other names for it.
    #[serde(default)]
    pub typedefs: Vec<String>,
    /// Names for the pointer to it.
    #[serde(default)]
    pub pointers: Vec<String>,
    /// Names for the pointer to it through which it cannot be changed.
    #[serde(default)]
    pub const_pointers: Vec<String>,
    /// The header that declares it.
    pub header: String,
    /// What it consists of.
    #[serde(flatten)]
    pub body: Body,
}

/// What a structure or union consists of.
#[derive(Debug, Deserialize)]
pub struct Body {
    /// Structure or union.
    pub kind: Kind,
    /// Its size in bytes.
    pub size: u64,
    /// Its alignment in bytes.
    pub align: u64,
    /// Its fields, in order.
    pub fields: Vec<Field>,
}

/// Whether the fields of a record follow each other or overlay each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// They follow each other.
    Struct,
    /// They overlay each other.
    Union,
}

/// A field of a structure or union.
#[derive(Debug, Deserialize)]
pub struct Field {
    /// Its name; an anonymous structure or union has none.
    pub name: Option<String>,
    /// Where it begins, in bytes from the start of the record; for a bit-field where its storage begins.
    pub offset: u64,
    /// What it holds.
    #[serde(flatten)]
    pub content: Content,
}

/// What a field holds.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Content {
    /// A few bits of an integer.
    Bits {
        /// The integer type that the bits are taken from.
        #[serde(rename = "type")]
        ctype: CType,
        /// The number of the first bit, and how many there are.
        bits: (u64, u64),
    },
    /// A value of a named type.
    Plain {
        /// The type.
        #[serde(rename = "type")]
        ctype: CType,
    },
    /// A structure or union that is declared in place.
    Nested(Body),
}

/// An enumeration.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enum {
    /// Its tag, or its name if it has no tag.
    pub name: String,
    /// Its other names.
    pub typedefs: Vec<String>,
    /// The header that declares it.
    pub header: String,
    /// Its enumerators.
    pub values: Vec<Enumerator>,
}

/// An enumerator, written `Name = value`.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Enumerator {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: i32,
}

impl TryFrom<String> for Enumerator {
    type Error = ParseError;

    fn try_from(text: String) -> Result<Self, ParseError> {
        text.split_once(" = ")
            .and_then(|(name, value)| Some((name.to_owned(), value.parse().ok()?)))
            .map(|(name, value)| Self { name, value })
            .ok_or(ParseError(text))
    }
}

/// A constant.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Constant {
    /// Its name.
    pub name: String,
    /// Its value, if it is an integer.
    pub value: Option<i128>,
    /// Its value, if it is a string.
    pub text: Option<String>,
    /// Its type, where that is not the type which bindgen gives to an integer of this value.
    #[serde(rename = "type")]
    pub ctype: Option<CType>,
    /// Its type, if wdk-sys does not have this constant.
    pub missing: Option<CType>,
    /// The header that declares it.
    pub header: Option<String>,
}

/// A value of type `NTSTATUS`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: i32,
    /// Whether wdk-sys does not have it.
    #[serde(default)]
    pub missing: bool,
    /// The header that declares it.
    pub header: String,
}

/// Another name for a type.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alias {
    /// The name.
    pub name: String,
    /// The type.
    #[serde(rename = "type")]
    pub ctype: CType,
    /// The header that declares it.
    pub header: String,
}
