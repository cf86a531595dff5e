//! What every name of the facts stands for.

use std::collections::BTreeMap;

use crate::ctype::CType;
use crate::model::{Abi, Body, Content, Kind};

/// What a name stands for.
#[derive(Debug, Clone, Copy)]
enum Meaning<'a> {
    Alias(&'a CType),
    Record(&'a Body),
    /// Another name for a record or an enumeration.
    Tag(&'a str),
    /// A name for the pointer to something.
    Pointer,
    /// An enumeration that has no tag.
    TaglessEnum,
    Enum,
    Function,
    Opaque,
}

/// The meaning of every type name.
#[derive(Debug)]
pub struct Index<'a> {
    names: BTreeMap<&'a str, Meaning<'a>>,
}

/// The facts contradict each other or are incomplete.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// A type is used that is nowhere defined.
    #[error("no type has the name {0}")]
    Unknown(String),
    /// A name stands for two things.
    #[error("{0} is defined twice")]
    Twice(String),
    /// A value of a type is used whose size is not known.
    #[error("values of {0:?} have no size")]
    Unsized(CType),
}

/// Size and alignment in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// The size.
    pub size: u64,
    /// The alignment.
    pub align: u64,
}

impl<'a> Index<'a> {
    /// Collects the names that the facts define.
    ///
    /// # Errors
    ///
    /// When a name is defined twice.
    pub fn new(abi: &'a Abi) -> Result<Self, IndexError> {
        let mut index = Self {
            names: BTreeMap::new(),
        };
        for alias in &abi.aliases {
            index.add(&alias.name, Meaning::Alias(&alias.ctype))?;
        }
        for record in &abi.records {
            index.add(&record.name, Meaning::Record(&record.body))?;
            index.add_all(&record.typedefs, Meaning::Tag(&record.name))?;
            index.add_all(&record.pointers, Meaning::Pointer)?;
            index.add_all(&record.const_pointers, Meaning::Pointer)?;
        }
        for item in &abi.enums {
            let tagless = item.typedefs.is_empty();
            index.add(
                &item.name,
                if tagless {
                    Meaning::TaglessEnum
                } else {
                    Meaning::Enum
                },
            )?;
            index.add_all(&item.typedefs, Meaning::Tag(&item.name))?;
        }
        for callback in &abi.callbacks {
            index.add(&callback.name, Meaning::Function)?;
            index.add_all(&callback.pointers, Meaning::Function)?;
        }
        index.add_all(&abi.opaque, Meaning::Opaque)?;
        Ok(index)
    }

    /// An index without names, for tests.
    #[cfg(test)]
    pub(crate) fn empty() -> Self {
        Self {
            names: BTreeMap::new(),
        }
    }

    fn add(&mut self, name: &'a str, meaning: Meaning<'a>) -> Result<(), IndexError> {
        match self.names.insert(name, meaning) {
            None => Ok(()),
            Some(_) => Err(IndexError::Twice(name.to_owned())),
        }
    }

    fn add_all(&mut self, names: &'a [String], meaning: Meaning<'a>) -> Result<(), IndexError> {
        names.iter().try_for_each(|name| self.add(name, meaning))
    }

    fn meaning(&self, name: &str) -> Result<Meaning<'a>, IndexError> {
        match self.names.get(name) {
            Some(Meaning::Tag(tag)) => self.meaning(tag),
            Some(meaning) => Ok(*meaning),
            None => Err(IndexError::Unknown(name.to_owned())),
        }
    }

    /// The type in Rust; `prefix` stands before every name of this crate.
    ///
    /// # Errors
    ///
    /// When the type has a name that is not defined.
    pub fn rust(&self, ctype: &CType, prefix: &str) -> Result<String, IndexError> {
        Ok(match ctype {
            CType::Void => "::core::ffi::c_void".to_owned(),
            CType::Never => "!".to_owned(),
            CType::Builtin(builtin) => builtin.rust.to_owned(),
            CType::Named(name) => match self.meaning(name)? {
                Meaning::TaglessEnum => format!("{prefix}{name}::Type"),
                _ => format!("{prefix}{name}"),
            },
            CType::Pointer { target, constant } => {
                let mutability = if *constant { "const" } else { "mut" };
                format!("*{mutability} {}", self.rust(target, prefix)?)
            }
            CType::Array { element, len } => {
                format!("[{}; {len}usize]", self.rust(element, prefix)?)
            }
        })
    }

    /// The size and alignment of a value of the type.
    ///
    /// # Errors
    ///
    /// When the type has a name that is not defined, or no size.
    pub fn layout(&self, ctype: &CType) -> Result<Layout, IndexError> {
        let same = |size| Layout { size, align: size };
        Ok(match ctype {
            CType::Void | CType::Never => return Err(IndexError::Unsized(ctype.clone())),
            CType::Builtin(builtin) => same(builtin.size),
            CType::Pointer { .. } => same(8),
            CType::Array { element, len } => {
                let Layout { size, align } = self.layout(element)?;
                Layout {
                    size: size * len,
                    align,
                }
            }
            CType::Named(name) => match self.meaning(name)? {
                Meaning::Alias(target) => self.layout(target)?,
                Meaning::Record(body) => Layout {
                    size: body.size,
                    align: body.align,
                },
                Meaning::Enum | Meaning::TaglessEnum => same(4),
                Meaning::Pointer | Meaning::Function => same(8),
                Meaning::Opaque | Meaning::Tag(_) => {
                    return Err(IndexError::Unsized(ctype.clone()));
                }
            },
        })
    }

    /// Which traits the compiler can derive for a record.
    ///
    /// # Errors
    ///
    /// When a field has a type that is not defined.
    pub fn derives(&self, body: &Body) -> Result<Derives, IndexError> {
        let mut derives = match body.kind {
            Kind::Union => {
                return Ok(Derives {
                    debug: false,
                    default: false,
                });
            }
            Kind::Struct => Derives {
                debug: true,
                default: true,
            },
        };
        for field in &body.fields {
            derives = derives.and(match &field.content {
                // The storage of bit-fields is an array of bytes.
                Content::Bits { .. } => Derives {
                    debug: true,
                    default: true,
                },
                Content::Plain { ctype } => self.derives_of(ctype)?,
                Content::Nested(nested) => self.derives(nested)?,
            });
        }
        Ok(derives)
    }

    fn derives_of(&self, ctype: &CType) -> Result<Derives, IndexError> {
        let only_debug = Derives {
            debug: true,
            default: false,
        };
        let both = Derives {
            debug: true,
            default: true,
        };
        Ok(match ctype {
            CType::Void | CType::Never | CType::Pointer { .. } => only_debug,
            CType::Builtin(_) => both,
            // `Default` of an array is implemented up to this length.
            CType::Array { element, len } if *len <= 32 => self.derives_of(element)?,
            CType::Array { element, .. } => self.derives_of(element)?.and(only_debug),
            CType::Named(name) => match self.meaning(name)? {
                Meaning::Alias(target) => self.derives_of(target)?,
                Meaning::Record(body) => self.derives(body)?,
                Meaning::Function => both,
                // An enumeration need not have an enumerator of value 0: bindgen derives no `Default` for it.
                Meaning::Enum | Meaning::TaglessEnum => only_debug,
                Meaning::Pointer | Meaning::Opaque | Meaning::Tag(_) => only_debug,
            },
        })
    }
}

/// Which traits the compiler can derive for a record; `Copy` and `Clone` it always can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Derives {
    /// `Debug`: not with a union inside.
    pub debug: bool,
    /// `Default`: not with a union, a raw pointer, or an enumeration inside.
    pub default: bool,
}

impl Derives {
    fn and(self, other: Self) -> Self {
        Self {
            debug: self.debug && other.debug,
            default: self.default && other.default,
        }
    }
}
