//! Structures, unions, and the assertions about their layout.

use super::identifier;
use crate::model::{Abi, Kind, Record};
use crate::records::{BitField, Member, RustRecord};

/// The declarations of all records and of the names for them.
#[must_use]
pub fn types(abi: &Abi, records: &[RustRecord]) -> String {
    let mut text = String::new();
    for record in records {
        text += &declaration(record);
    }
    for Record {
        name,
        typedefs,
        pointers,
        const_pointers,
        header,
        ..
    } in &abi.records
    {
        for alias in typedefs {
            text += &format!("/// `{alias}` ({header})\npub type {alias} = {name};\n");
        }
        for alias in pointers {
            text += &format!("/// `{alias}` ({header})\npub type {alias} = *mut {name};\n");
        }
        for alias in const_pointers {
            text += &format!("/// `{alias}` ({header})\npub type {alias} = *const {name};\n");
        }
    }
    let zeroed = records.iter().filter(|record| !record.derives.default);
    text += "zeroed_default! {\n";
    for record in zeroed {
        text += &format!("{},\n", record.name);
    }
    text += "}\n";
    text
}

fn declaration(record: &RustRecord) -> String {
    let RustRecord {
        name,
        kind,
        repr,
        derives,
        doc,
        ..
    } = record;
    let mut text = format!("/// {doc}\n#[repr(C");
    if let Some(repr) = repr {
        text += &format!(", {repr}");
    }
    text += ")]\n#[derive(";
    if derives.debug {
        text += "Debug, ";
    }
    if derives.default {
        text += "Default, ";
    }
    let keyword = match kind {
        Kind::Struct => "struct",
        Kind::Union => "union",
    };
    text += &format!("Copy, Clone)]\npub {keyword} {name} {{\n");
    for Member { name, rust, .. } in &record.members {
        text += &format!("    pub {}: {rust},\n", identifier(name));
    }
    text += "}\n";
    if !record.bits.is_empty() {
        text += &format!("impl {name} {{\n");
        for field in &record.bits {
            text += &accessors(field);
        }
        text += "}\n";
    }
    text
}

fn accessors(
    BitField {
        name,
        storage,
        first,
        width,
        rust,
    }: &BitField,
) -> String {
    format!(
        "    /// The bit-field `{name}`.
    #[inline]
    #[must_use]
    pub const fn {name}(&self) -> {rust} {{
        self.{storage}.get({first}, {width}) as {rust}
    }}
    /// Sets the bit-field `{name}`.
    #[inline]
    pub const fn set_{name}(&mut self, val: {rust}) {{
        self.{storage}.set({first}, {width}, val as u64);
    }}
"
    )
}

/// Assertions that every record has the layout it has in C.
#[must_use]
pub fn layout(records: &[RustRecord]) -> String {
    let mut text = String::new();
    for RustRecord {
        name,
        layout,
        members,
        ..
    } in records
    {
        text += "const _: () = {\n";
        text += &format!("assert!(size_of::<{name}>() == {});\n", layout.size);
        text += &format!("assert!(align_of::<{name}>() == {});\n", layout.align);
        for Member {
            name: member,
            offset,
            ..
        } in members
        {
            if let Some(offset) = offset {
                let member = identifier(member);
                text += &format!("assert!(offset_of!({name}, {member}) == {offset});\n");
            }
        }
        text += "};\n";
    }
    text
}
