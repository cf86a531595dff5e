//! What a case has names for, and what its values mean.

use core::cell::{Cell, RefCell};
use core::mem::offset_of;
use core::ptr::with_exposed_provenance_mut;
use std::collections::BTreeMap;
use std::rc::Rc;

use kmdf_host::IoId;
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
use crate::layout::{self, Holds, Layout};
use crate::memory::{Block, peek, word};

/// An IRP of an application.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) device: Word,
    pub(crate) io: IoId,
    /// The WDFREQUEST, once the framework has made it.
    pub(crate) request: Cell<Word>,
    pub(crate) sent: Cell<bool>,
    pub(crate) irp: usize,
    pub(crate) mdl: usize,
    pub(crate) buffer: (usize, usize),
    pub(crate) output: (usize, usize),
    pub(crate) returns_output: bool,
}

/// An endpoint of a setting.
#[derive(Debug)]
pub(crate) struct Pipe {
    pub(crate) interface: usize,
    pub(crate) setting: u8,
    pub(crate) address: u8,
    /// The WDFUSBPIPE and the USBD handle, once the setting is selected.
    pub(crate) handles: Cell<Option<(Word, Word)>>,
}

/// Something with a name.
#[derive(Clone, Debug)]
pub(crate) enum Entity {
    Buffer(Rc<Block>),
    Mdl(usize),
    Irp(usize),
    Type(Rc<Block>),
    /// A WDFIOTARGET or WDFUSBDEVICE, and the number of the device below.
    Target(Word, usize),
    Pipe(Rc<Pipe>),
    Memory(Word, (usize, usize)),
    Request(Word),
    Queue(Word),
    Received(Rc<Received>),
    /// Any other object of the framework.
    Object(Word),
}

/// A variable of the case.
#[derive(Clone, Debug)]
pub(crate) struct Variable {
    pub(crate) block: Rc<Block>,
    pub(crate) initial: Vec<u8>,
    /// What it holds, unless a word.
    pub(crate) layout: Option<&'static Layout>,
}

/// The bytes of a structure, and of one that it points to.
#[derive(Clone, Debug)]
pub(crate) struct Structure {
    pub(crate) layout: &'static Layout,
    pub(crate) bytes: Vec<u8>,
    pub(crate) pointed_to: Option<Box<Structure>>,
}

impl Structure {
    /// Copies a structure that the framework has filled.
    ///
    /// # Safety
    ///
    /// `address` is that of such a structure.
    pub(crate) unsafe fn copy(layout: &'static Layout, address: usize) -> Self {
        // SAFETY: by the caller's promise.
        let bytes = unsafe { peek(address, layout.size) };
        let mut copy = Self {
            layout,
            bytes,
            pointed_to: None,
        };
        let usb = copy.word("Type") == constants::value("WdfRequestTypeUsb").map(u64_of);
        let pointer = layout
            .fields
            .iter()
            .find(|field| matches!(field.holds, Holds::Structure(_)));
        if let (true, Some(field)) = (usb, pointer)
            && let Holds::Structure(target) = field.holds
            && let Some(to) = copy
                .word(field.path)
                .and_then(|to| usize::try_from(to).ok())
            && to != 0
        {
            // SAFETY: a structure of type Usb points to the completion parameters of the USB request, which are alive now.
            copy.pointed_to = Some(Box::new(unsafe { Self::copy(target, to) }));
        }
        copy
    }

    pub(crate) fn word(&self, path: &str) -> Option<Word> {
        let field = self.layout.field(path)?;
        let bytes = self.bytes.get(field.offset..field.offset + field.size)?;
        Some(word(bytes))
    }
}

/// A signed value as a word.
pub(crate) fn u64_of(value: i32) -> Word {
    i64::from(value).cast_unsigned()
}

/// A callback of the driver.
#[derive(Debug)]
pub(crate) struct Callback {
    pub(crate) name: String,
    pub(crate) returns: i32,
    pub(crate) place: Cell<Option<(Signature, usize)>>,
    pub(crate) calls: RefCell<Vec<Call>>,
}

/// An invocation of a callback.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) arguments: BTreeMap<&'static str, Word>,
    pub(crate) params: Option<Structure>,
    pub(crate) at: u64,
    pub(crate) irql: u8,
}

impl Run {
    pub(crate) fn entity(&self, name: &str) -> Option<Entity> {
        self.names.borrow().get(name).cloned()
    }

    pub(crate) fn named(&self, name: &str) -> Result<Entity, Malformed> {
        self.entity(name)
            .ok_or_else(|| malformed(format!("unknown name {name}")))
    }

    pub(crate) fn add(&self, name: &str, entity: Entity) {
        self.names.borrow_mut().insert(name.to_owned(), entity);
    }

    pub(crate) fn callback(&self, name: &str) -> Option<Rc<Callback>> {
        self.callbacks
            .borrow()
            .iter()
            .find(|callback| callback.name == name)
            .cloned()
    }

    /// The variable of this name, made if it is preset or if `create`.
    pub(crate) fn variable(&self, name: &str, create: bool) -> Result<Option<Variable>, Malformed> {
        if let Some(variable) = self.variables.borrow().get(name) {
            return Ok(Some(variable.clone()));
        }
        let preset = self
            .body
            .world
            .get("var")
            .and_then(|presets| presets.get(name));
        if preset.is_none() && !create {
            return Ok(None);
        }
        if self.entity(name).is_some() || self.callback(name).is_some() {
            return Err(malformed(format!("{name} is a name and a variable")));
        }
        let value = preset.map_or(Ok(0xDEAD), |value| self.word(value))?;
        Ok(Some(self.set_variable(
            name,
            Rc::new(Block::with(&value.to_le_bytes())),
            None,
        )))
    }

    pub(crate) fn set_variable(
        &self,
        name: &str,
        block: Rc<Block>,
        layout: Option<&'static Layout>,
    ) -> Variable {
        let variable = Variable {
            initial: block.bytes(),
            block,
            layout,
        };
        self.variables
            .borrow_mut()
            .insert(name.to_owned(), variable.clone());
        variable
    }

    /// What a value means where a handle, a number, an address or the address of a variable is taken.
    pub(crate) fn word(&self, value: &Value) -> Result<Word, Malformed> {
        match value {
            Value::Integer(number) => Ok(number.cast_unsigned()),
            Value::Boolean(truth) => Ok(Word::from(*truth)),
            Value::Array(flags) => flags
                .iter()
                .try_fold(0, |or, flag| Ok(or | self.word(flag)?)),
            Value::String(text) => self.expression(text),
            _ => Err(malformed(format!("{value} is no value here"))),
        }
    }

    fn expression(&self, text: &str) -> Result<Word, Malformed> {
        if text == "null" {
            return Ok(0);
        }
        if let Some(name) = text.strip_prefix('&') {
            let variable = self.variable(name, true)?;
            return variable
                .map(|variable| variable.block.address() as Word)
                .ok_or_else(|| malformed(format!("no variable {name}")));
        }
        if let Some((base, offset)) = text.split_once('+') {
            let offset: Word = offset
                .trim()
                .parse()
                .map_err(|_| malformed(format!("{text}: the offset is no number")))?;
            return Ok(self.expression(base.trim())?.wrapping_add(offset));
        }
        if let Some((base, part)) = text.split_once('.') {
            return self.part(base, part);
        }
        if let Some(value) = constants::value(text) {
            return Ok(u64_of(value));
        }
        if let Some(entity) = self.entity(text) {
            return self.entity_word(text, &entity);
        }
        match self.variable(text, false)? {
            Some(variable) => Ok(variable.block.word()),
            None => Err(malformed(format!("unknown name {text}"))),
        }
    }

    /// A handle, or the address of a buffer, an MDL or an IRP.
    pub(crate) fn entity_word(&self, name: &str, entity: &Entity) -> Result<Word, Malformed> {
        Ok(match entity {
            Entity::Buffer(block) => block.address() as Word,
            Entity::Mdl(address) | Entity::Irp(address) => *address as Word,
            Entity::Target(handle, _)
            | Entity::Memory(handle, _)
            | Entity::Request(handle)
            | Entity::Queue(handle)
            | Entity::Object(handle) => *handle,
            Entity::Pipe(pipe) => match pipe.handles.get() {
                Some((handle, _)) => handle,
                None => {
                    return Err(malformed(format!(
                        "the setting of pipe {name} is not selected"
                    )));
                }
            },
            Entity::Received(received) => {
                self.find_request(received);
                match received.request.get() {
                    0 => return Err(malformed(format!("{name} has no request yet"))),
                    request => request,
                }
            }
            Entity::Type(_) => return Err(malformed(format!("{name} is a context type"))),
        })
    }

    /// Notes the WDFREQUEST of a received IRP as soon as there is one.
    pub(crate) fn find_request(&self, received: &Received) {
        if received.request.get() == 0
            && let Some(request) = self.host.request_of(received.io)
        {
            received.request.set(request.expose_provenance() as Word);
        }
    }

    pub(crate) fn find_requests(&self) {
        for entity in self.names.borrow().values() {
            if let Entity::Received(received) = entity {
                self.find_request(received);
            }
        }
    }

    fn part(&self, base: &str, part: &str) -> Result<Word, Malformed> {
        let unknown = || malformed(format!("unknown: {base}.{part}"));
        if self.callback(base).is_some() {
            let frames = self.frames.borrow();
            let frame = frames
                .iter()
                .rev()
                .find(|frame| frame.callback.name == base)
                .ok_or_else(|| malformed(format!("{base} is not running")))?;
            return frame.arguments.get(part).copied().ok_or_else(unknown);
        }
        if base == "driver" {
            let driver = self
                .driver
                .get()
                .and_then(|driver| self.host.driver_of(driver));
            let (object, registry, _) = driver.ok_or_else(unknown)?;
            return match part {
                "object" => Ok(object.expose_provenance() as Word),
                "registry" => Ok(registry.expose_provenance() as Word),
                _ => Err(unknown()),
            };
        }
        let address = match (self.named(base)?, part) {
            (Entity::Memory(_, (address, _)), "buffer") => address,
            (Entity::Received(received), "buffer") => received.buffer.0,
            (Entity::Received(received), "out") => received.output.0,
            (Entity::Received(received), "mdl") => received.mdl,
            (Entity::Received(received), "irp") => received.irp,
            (Entity::Target(_, below), "device") => self.device_below(below),
            _ => return Err(unknown()),
        };
        Ok(address as Word)
    }

    fn device_below(&self, number: usize) -> usize {
        let belows = self.belows.borrow();
        self.host.lower_object(belows[number].1).expose_provenance()
    }

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
                Holds::Nothing | Holds::Structure(_) if value.as_str() == Some("null") => 0,
                Holds::Nothing | Holds::Structure(_) => {
                    return Err(malformed(format!("{path} can only be null")));
                }
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

    /// A word as a handle for the host's looks at the framework.
    pub(crate) fn handle(word: Word) -> *mut core::ffi::c_void {
        with_exposed_provenance_mut(usize::try_from(word).unwrap_or(0))
    }
}

/// The fields of a structure that a table names, with their paths.
pub(crate) fn flatten<'a>(
    table: &'a Table,
    layout: &layout::Layout,
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
