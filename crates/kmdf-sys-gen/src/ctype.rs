//! C types as the facts write them.

use serde::Deserialize;

/// A C type.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum CType {
    /// `void`.
    Void,
    /// The result of a function that does not return, written `!`.
    Never,
    /// A type of the language itself.
    Builtin(Builtin),
    /// A type that has a name.
    Named(String),
    /// A pointer.
    Pointer {
        /// What it points to.
        target: Box<CType>,
        /// Whether what it points to is `const`.
        constant: bool,
    },
    /// An array.
    Array {
        /// What it consists of.
        element: Box<CType>,
        /// Of how many.
        len: u64,
    },
}

/// An integer type of the language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Builtin {
    /// Its name in Rust.
    pub rust: &'static str,
    /// Its size, and alignment, in bytes.
    pub size: u64,
}

/// The integer types of C under LLP64, the data model of 64-bit Windows.
///
/// `long` has 32 bits there, unlike on the hosts that the model runs on, so it is not `core::ffi::c_long`.
const BUILTINS: [(&str, Builtin); 11] = [
    (
        "char",
        Builtin {
            rust: "::core::ffi::c_char",
            size: 1,
        },
    ),
    (
        "unsigned char",
        Builtin {
            rust: "::core::ffi::c_uchar",
            size: 1,
        },
    ),
    (
        "short",
        Builtin {
            rust: "::core::ffi::c_short",
            size: 2,
        },
    ),
    (
        "unsigned short",
        Builtin {
            rust: "::core::ffi::c_ushort",
            size: 2,
        },
    ),
    (
        "int",
        Builtin {
            rust: "::core::ffi::c_int",
            size: 4,
        },
    ),
    (
        "unsigned int",
        Builtin {
            rust: "::core::ffi::c_uint",
            size: 4,
        },
    ),
    (
        "long",
        Builtin {
            rust: "crate::llp64::c_long",
            size: 4,
        },
    ),
    (
        "unsigned long",
        Builtin {
            rust: "crate::llp64::c_ulong",
            size: 4,
        },
    ),
    (
        "long long",
        Builtin {
            rust: "::core::ffi::c_longlong",
            size: 8,
        },
    ),
    (
        "unsigned long long",
        Builtin {
            rust: "::core::ffi::c_ulonglong",
            size: 8,
        },
    ),
    (
        "size_t",
        Builtin {
            rust: "usize",
            size: 8,
        },
    ),
];

/// A type that is not of the form which [`CType::parse`] reads.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not of the form that the facts are written in: {0}")]
pub struct ParseError(pub String);

impl CType {
    /// Reads a type: a name, pointers to it (`const X *`), or an array of it (`X[4]`).
    ///
    /// # Errors
    ///
    /// When the text is none of these.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let text = text.trim();
        let malformed = || ParseError(text.to_owned());
        if let Some(array) = text.strip_suffix(']') {
            let (element, len) = array.rsplit_once('[').ok_or_else(malformed)?;
            return Ok(Self::Array {
                element: Box::new(Self::parse(element)?),
                len: len.parse().map_err(|_| malformed())?,
            });
        }
        if let Some(target) = text.strip_suffix('*') {
            let target = target.trim();
            // `const X **` is a mutable pointer to a pointer to a constant: the innermost takes the `const`.
            let constant = target
                .strip_prefix("const ")
                .filter(|_| !target.ends_with('*'));
            return Ok(Self::Pointer {
                target: Box::new(Self::parse(constant.unwrap_or(target))?),
                constant: constant.is_some(),
            });
        }
        if let Some((_, builtin)) = BUILTINS.iter().find(|(name, _)| *name == text) {
            return Ok(Self::Builtin(*builtin));
        }
        match text {
            "void" => Ok(Self::Void),
            "!" => Ok(Self::Never),
            name if syn::parse_str::<syn::Ident>(name).is_ok() => Ok(Self::Named(name.to_owned())),
            _ => Err(malformed()),
        }
    }
}

impl TryFrom<String> for CType {
    type Error = ParseError;

    fn try_from(text: String) -> Result<Self, ParseError> {
        Self::parse(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::{CType, ParseError};

    fn named(name: &str) -> Box<CType> {
        Box::new(CType::Named(name.to_owned()))
    }

    #[test]
    fn const_belongs_to_the_innermost_pointer() {
        let inner = CType::Pointer {
            target: named("GUID"),
            constant: true,
        };
        assert_eq!(CType::parse("const GUID *"), Ok(inner.clone()));
        let outer = CType::Pointer {
            target: Box::new(inner),
            constant: false,
        };
        assert_eq!(CType::parse("const GUID **"), Ok(outer));
    }

    #[test]
    fn arrays_have_a_length() {
        let array = CType::Array {
            element: named("PVOID"),
            len: 4,
        };
        assert_eq!(CType::parse("PVOID[4]"), Ok(array));
        assert_eq!(
            CType::parse("PVOID[]"),
            Err(ParseError("PVOID[]".to_owned()))
        );
    }

    #[test]
    fn two_words_are_no_name() {
        assert_eq!(
            CType::parse("struct _MDL"),
            Err(ParseError("struct _MDL".to_owned()))
        );
    }
}
