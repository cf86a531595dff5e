//! C structures and callbacks made from the values of a case.

use core::mem::offset_of;
use std::rc::Rc;

use kmdf_sys::{
    _WDF_MEMORY_DESCRIPTOR, _WDF_MEMORY_DESCRIPTOR_TYPE as descriptor_type,
    _WDF_REQUEST_SEND_OPTIONS, _WDFMEMORY_OFFSET,
};
use toml::{Table, Value};

use crate::call::Word;
use crate::callback::{SLOTS, Signature};
use crate::case_run::Run;
use crate::constants;
use crate::error::{Malformed, malformed};
use crate::keys::{integer, known_keys, table, text};
use crate::layout::{Holds, Layout};
use crate::memory::Block;
use crate::names::{Entity, Structure, u64_of};

impl Run {
    /// The function for a callback in a place that takes this signature.
    pub(crate) fn function(&self, value: &Value, signature: Signature) -> Result<Word, Malformed> {
        let name = text(value)?;
        if name == "null" {
            return Ok(0);
        }
        let callback = self
            .callback(name)
            .ok_or_else(|| malformed(format!("unknown callback {name}")))?;
        let place = match callback.place.get() {
            Some(place) => place,
            None => {
                let callbacks = self.callbacks.borrow();
                let taken = callbacks.iter().filter_map(|callback| callback.place.get());
                let slot = taken.filter(|(taken, _)| *taken == signature).count();
                callback.place.set(Some((signature, slot)));
                (signature, slot)
            }
        };
        if place.0 != signature {
            return Err(malformed(format!("callback {name} is used with two types")));
        }
        match signature.function(place.1) {
            Some(address) => Ok(address as Word),
            None => Err(malformed(format!("more than {SLOTS} callbacks of a type"))),
        }
    }

    /// The address of a context type.
    pub(crate) fn type_info(&self, value: &Value) -> Result<Word, Malformed> {
        let name = text(value)?;
        if name == "null" {
            return Ok(0);
        }
        match self.named(name)? {
            Entity::Type(block) => Ok(block.address() as Word),
            _ => Err(malformed(format!("{name} is no context type"))),
        }
    }

    /// Keeps memory until the case is over.
    pub(crate) fn keep(&self, block: Block) -> Rc<Block> {
        let block = Rc::new(block);
        self.blocks.borrow_mut().push(Rc::clone(&block));
        block
    }

    /// Writes a structure as INIT leaves it with the fields of `value` on top, and gives its address.
    pub(crate) fn structure(
        &self,
        layout: &'static Layout,
        value: &Value,
    ) -> Result<Word, Malformed> {
        if value.as_str() == Some("null") {
            return Ok(0);
        }
        let fields = flatten(table(value)?, layout, "");
        let block = self.keep(Block::new(layout.size));
        let put = |path: &str, value: Word| match layout.field(path) {
            Some(field) => {
                block.write(field.offset, &value.to_le_bytes()[..field.size.min(8)]);
                Ok(())
            }
            None => Err(malformed(format!("{} has no field {path}", layout.name))),
        };
        if layout.field("Size").is_some() {
            put("Size", layout.size as Word)?;
        }
        for (path, value) in layout.init {
            put(path, u64_of(*value))?;
        }
        let mut name = None;
        let mut given = Vec::new();
        for (path, value) in fields {
            if path == "out" {
                name = Some(text(value)?);
                continue;
            }
            let field = layout
                .field(&path)
                .ok_or_else(|| malformed(format!("{} has no field {path}", layout.name)))?;
            let word = match field.holds {
                Holds::Word => self.word(value)?,
                Holds::Function(signature) => self.function(value, signature)?,
                Holds::TypeInfo => self.type_info(value)?,
                Holds::Structure(layout) => self.structure(layout, value)?,
                Holds::Nothing if value.as_str() == Some("null") => 0,
                Holds::Nothing => return Err(malformed(format!("{path} can only be null"))),
            };
            put(&path, word)?;
            given.push(path);
        }
        let presented = "Settings.Parallel.NumberOfPresentedRequests";
        if layout.field(presented).is_some() && !given.iter().any(|path| path == presented) {
            let parallel = constants::value("WdfIoQueueDispatchParallel").map(u64_of);
            let copy = Structure {
                layout,
                bytes: block.bytes(),
                pointed_to: None,
            };
            if copy.word("DispatchType") == parallel {
                put(presented, Word::MAX)?;
            }
        }
        let address = block.address() as Word;
        if let Some(name) = name {
            self.set_variable(name, block, Some(layout));
        }
        Ok(address)
    }

    /// `WDF_REQUEST_SEND_OPTIONS` in its short form.
    pub(crate) fn send_options(&self, value: &Value) -> Result<Word, Malformed> {
        if value.as_str() == Some("null") {
            return Ok(0);
        }
        let options = table(value)?;
        known_keys(options, &["flags", "timeout_ms", "timeout", "size"])?;
        let get = |key: &str, default: Word| {
            options
                .get(key)
                .map_or(Ok(default), |value| self.word(value))
        };
        let size = size_of::<_WDF_REQUEST_SEND_OPTIONS>();
        let timeout = match options.get("timeout_ms") {
            Some(value) => integer(value)?.wrapping_mul(-10_000).cast_unsigned(),
            None => get("timeout", 0)?,
        };
        let block = self.keep(Block::new(size));
        let fields = [
            (
                offset_of!(_WDF_REQUEST_SEND_OPTIONS, Size),
                4,
                get("size", size as Word)?,
            ),
            (
                offset_of!(_WDF_REQUEST_SEND_OPTIONS, Flags),
                4,
                get("flags", 0)?,
            ),
            (offset_of!(_WDF_REQUEST_SEND_OPTIONS, Timeout), 8, timeout),
        ];
        for (offset, size, value) in fields {
            block.write(offset, &value.to_le_bytes()[..size]);
        }
        Ok(block.address() as Word)
    }

    /// `WDFMEMORY_OFFSET` in its short form.
    pub(crate) fn offsets(&self, value: &Value) -> Result<Word, Malformed> {
        if value.as_str() == Some("null") {
            return Ok(0);
        }
        let offsets = table(value)?;
        known_keys(offsets, &["offset", "length"])?;
        let block = self.keep(Block::new(size_of::<_WDFMEMORY_OFFSET>()));
        for (key, offset) in [
            ("offset", offset_of!(_WDFMEMORY_OFFSET, BufferOffset)),
            ("length", offset_of!(_WDFMEMORY_OFFSET, BufferLength)),
        ] {
            let value = offsets.get(key).map_or(Ok(0), |value| self.word(value))?;
            block.write(offset, &value.to_le_bytes());
        }
        Ok(block.address() as Word)
    }

    /// `WDF_MEMORY_DESCRIPTOR` in its short form.
    pub(crate) fn descriptor(&self, value: &Value) -> Result<Word, Malformed> {
        if value.as_str() == Some("null") {
            return Ok(0);
        }
        let given = table(value)?;
        known_keys(
            given,
            &["buffer", "memory", "mdl", "offset", "length", "type"],
        )?;
        let get = |key: &str| given.get(key).map(|value| self.word(value)).transpose();
        let (buffer, memory, mdl) = (get("buffer")?, get("memory")?, get("mdl")?);
        let block = self.keep(Block::new(size_of::<_WDF_MEMORY_DESCRIPTOR>()));
        let put = |offset: usize, bytes: &[u8]| block.write(offset, bytes);
        let length = match given.get("buffer").and_then(Value::as_str) {
            Some(name) => match self.entity(name) {
                Some(Entity::Buffer(block)) => block.len() as Word,
                _ => 0,
            },
            None => 0,
        };
        let length = get("length")?.unwrap_or(length);
        let kind = match (buffer, memory, mdl) {
            (Some(buffer), None, None) => {
                put(
                    offset_of!(_WDF_MEMORY_DESCRIPTOR, u.BufferType.Buffer),
                    &buffer.to_le_bytes(),
                );
                let place = offset_of!(_WDF_MEMORY_DESCRIPTOR, u.BufferType.Length);
                put(place, &length.to_le_bytes()[..4]);
                descriptor_type::WdfMemoryDescriptorTypeBuffer
            }
            (None, None, Some(mdl)) => {
                put(
                    offset_of!(_WDF_MEMORY_DESCRIPTOR, u.MdlType.Mdl),
                    &mdl.to_le_bytes(),
                );
                let place = offset_of!(_WDF_MEMORY_DESCRIPTOR, u.MdlType.BufferLength);
                put(place, &length.to_le_bytes()[..4]);
                descriptor_type::WdfMemoryDescriptorTypeMdl
            }
            (None, Some(memory), None) => {
                put(
                    offset_of!(_WDF_MEMORY_DESCRIPTOR, u.HandleType.Memory),
                    &memory.to_le_bytes(),
                );
                if given.contains_key("offset") || given.contains_key("length") {
                    let range: Table = given
                        .iter()
                        .filter(|(key, _)| ["offset", "length"].contains(&key.as_str()))
                        .map(|(key, value)| (key.clone(), value.clone()))
                        .collect();
                    let offsets = self.offsets(&Value::Table(range))?;
                    let place = offset_of!(_WDF_MEMORY_DESCRIPTOR, u.HandleType.Offsets);
                    put(place, &offsets.to_le_bytes());
                }
                descriptor_type::WdfMemoryDescriptorTypeHandle
            }
            _ => return Err(malformed("a descriptor has one of buffer, memory and mdl")),
        };
        let kind = get("type")?.unwrap_or(u64_of(kind));
        put(
            offset_of!(_WDF_MEMORY_DESCRIPTOR, Type),
            &kind.to_le_bytes()[..4],
        );
        Ok(block.address() as Word)
    }
}

/// The fields of a structure that a table names, with their paths.
pub(crate) fn flatten<'a>(
    table: &'a Table,
    layout: &Layout,
    prefix: &str,
) -> Vec<(String, &'a Value)> {
    let mut fields = Vec::new();
    for (key, value) in table {
        let path = format!("{prefix}{key}");
        match value {
            Value::Table(inner) if layout.field(&path).is_none() => {
                fields.extend(flatten(inner, layout, &format!("{path}.")));
            }
            _ => fields.push((path, value)),
        }
    }
    fields
}
