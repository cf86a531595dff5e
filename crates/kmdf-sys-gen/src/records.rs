//! Structures and unions in the shape that bindgen gives them.

use crate::index::{Derives, Index, IndexError, Layout};
use crate::model::{Abi, Body, Content, Field, Kind};

/// A structure or union as it is declared in Rust.
#[derive(Debug)]
pub struct RustRecord {
    /// Its name.
    pub name: String,
    /// Structure or union.
    pub kind: Kind,
    /// Its size and alignment.
    pub layout: Layout,
    /// What `repr` says beside `C`, if anything.
    pub repr: Option<String>,
    /// The traits that the compiler can derive.
    pub derives: Derives,
    /// Its members, in order.
    pub members: Vec<Member>,
    /// The bit-fields in the members' storage.
    pub bits: Vec<BitField>,
    /// The header that declares it, and the names it has in C beside its own.
    pub doc: String,
}

/// A member of a structure or union in Rust.
#[derive(Debug)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Its type in Rust.
    pub rust: String,
    /// Where it begins, unless it is there for the layout only.
    pub offset: Option<u64>,
}

/// A bit-field.
#[derive(Debug)]
pub struct BitField {
    /// Its name.
    pub name: String,
    /// The member that stores it.
    pub storage: String,
    /// The number of its first bit in the storage.
    pub first: u64,
    /// How many bits it has.
    pub width: u64,
    /// The integer type it is read and written as.
    pub rust: String,
}

/// A record whose facts contradict each other.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// A type in it is not known.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// No Rust type has the layout that the facts state.
    #[error("{name} cannot be laid out: {what}")]
    Layout {
        /// The record.
        name: String,
        /// What does not fit.
        what: String,
    },
}

/// Every structure and union, each after those that are declared in it.
///
/// # Errors
///
/// When the facts about a record contradict each other.
pub fn all(abi: &Abi, index: &Index<'_>) -> Result<Vec<RustRecord>, RecordError> {
    let mut done = Vec::new();
    for record in &abi.records {
        // A tag that has no typedef is the handle's, or is used by its tag.
        let name = [&record.typedefs, &record.pointers]
            .into_iter()
            .find_map(|names| names.first())
            .unwrap_or(&record.name);
        let doc = format!("`{name}` ({})", record.header);
        Builder {
            index,
            done: &mut done,
        }
        .add(&record.name, &record.body, &doc)?;
    }
    Ok(done)
}

struct Builder<'a, 'b> {
    index: &'a Index<'a>,
    done: &'b mut Vec<RustRecord>,
}

/// A member whose place is not decided yet.
struct Pending {
    name: String,
    rust: String,
    offset: u64,
    layout: Layout,
}

impl Builder<'_, '_> {
    fn add(&mut self, name: &str, body: &Body, doc: &str) -> Result<(), RecordError> {
        let (pending, bits) = self.members(name, body, doc)?;
        let natural = pending
            .iter()
            .map(|member| member.layout.align)
            .max()
            .unwrap_or(1);
        let repr = match body.align {
            align if align == natural => None,
            align if align > natural => Some(format!("align({align})")),
            1 => Some("packed".to_owned()),
            align => Some(format!("packed({align})")),
        };
        let members = place(name, body, pending)?;
        self.done.push(RustRecord {
            name: name.to_owned(),
            kind: body.kind,
            layout: Layout {
                size: body.size,
                align: body.align,
            },
            repr,
            derives: self.index.derives(body)?,
            members,
            bits,
            doc: doc.to_owned(),
        });
        Ok(())
    }

    /// The members as the fields demand them; records that are declared in place are added first.
    fn members(
        &mut self,
        name: &str,
        body: &Body,
        doc: &str,
    ) -> Result<(Vec<Pending>, Vec<BitField>), RecordError> {
        let mut pending = Vec::new();
        let mut bits: Vec<BitField> = Vec::new();
        let (mut anonymous, mut nested_types, mut units) = (0, 0, 0);
        // Neighbouring bit-fields share the storage that begins at the same place.
        let mut unit: Option<(u64, u64)> = None;
        for Field {
            name: field,
            offset,
            content,
        } in &body.fields
        {
            if let Content::Bits {
                ctype,
                bits: (first, width),
            } = content
            {
                let layout = self.index.layout(ctype)?;
                if unit != Some((*offset, layout.size)) {
                    unit = Some((*offset, layout.size));
                    units += 1;
                    pending.extend(bit_storage(units, *offset, layout));
                }
                bits.push(BitField {
                    name: field.clone().unwrap_or_default(),
                    storage: format!("_bitfield_{units}"),
                    first: *first,
                    width: *width,
                    rust: self.index.rust(ctype, "")?,
                });
                continue;
            }
            unit = None;
            let member = field.clone().unwrap_or_else(|| {
                anonymous += 1;
                format!("__bindgen_anon_{anonymous}")
            });
            let (rust, layout) = match content {
                Content::Plain { ctype } => {
                    (self.index.rust(ctype, "")?, self.index.layout(ctype)?)
                }
                Content::Nested(nested) => {
                    nested_types += 1;
                    let inner = format!("{name}__bindgen_ty_{nested_types}");
                    let doc = format!("`{member}` of {doc}");
                    self.add(&inner, nested, &doc)?;
                    (
                        inner,
                        Layout {
                            size: nested.size,
                            align: nested.align,
                        },
                    )
                }
                Content::Bits { .. } => unreachable!("handled above"),
            };
            pending.push(Pending {
                name: member,
                rust,
                offset: *offset,
                layout,
            });
        }
        Ok((pending, bits))
    }
}

/// The storage of bit-fields: bytes, after a member that gives them the alignment of the integer in C.
fn bit_storage(number: u32, offset: u64, layout: Layout) -> impl Iterator<Item = Pending> {
    let align = (layout.align > 1).then(|| Pending {
        name: format!("_bitfield_align_{number}"),
        rust: format!("[u{}; 0]", layout.align * 8),
        offset,
        layout: Layout {
            size: 0,
            align: layout.align,
        },
    });
    let storage = Pending {
        name: format!("_bitfield_{number}"),
        rust: format!("__BindgenBitfieldUnit<[u8; {}usize]>", layout.size),
        offset,
        layout: Layout {
            size: layout.size,
            align: 1,
        },
    };
    align.into_iter().chain([storage])
}

/// Adds the padding that C has beyond what Rust would insert.
fn place(name: &str, body: &Body, pending: Vec<Pending>) -> Result<Vec<Member>, RecordError> {
    let error = |what: String| RecordError::Layout {
        name: name.to_owned(),
        what,
    };
    let mut members = Vec::new();
    let mut paddings = 0;
    let mut pad = |members: &mut Vec<Member>, bytes: u64| {
        members.push(Member {
            name: format!("__bindgen_padding_{paddings}"),
            rust: format!("[u8; {bytes}usize]"),
            offset: None,
        });
        paddings += 1;
    };
    let mut end: u64 = 0;
    for Pending {
        name: member,
        rust,
        offset,
        layout,
    } in pending
    {
        match body.kind {
            Kind::Union => {
                if offset != 0 {
                    return Err(error(format!("{member} of a union does not begin at 0")));
                }
                end = end.max(layout.size);
            }
            Kind::Struct => {
                let align = layout.align.min(body.align);
                if offset % align != 0 {
                    return Err(error(format!("{member} is not aligned")));
                }
                let natural = end.next_multiple_of(align);
                match offset.checked_sub(natural) {
                    Some(0) => {}
                    Some(gap) => pad(&mut members, gap),
                    None => return Err(error(format!("{member} overlaps the member before it"))),
                }
                end = offset + layout.size;
            }
        }
        members.push(Member {
            name: member,
            rust,
            offset: Some(offset),
        });
    }
    match (
        body.kind,
        body.size.checked_sub(end.next_multiple_of(body.align)),
    ) {
        (_, Some(0)) => {}
        (Kind::Struct, Some(_)) => pad(&mut members, body.size - end),
        (_, _) => {
            return Err(error(format!(
                "its members take {end} bytes of {}",
                body.size
            )));
        }
    }
    Ok(members)
}
