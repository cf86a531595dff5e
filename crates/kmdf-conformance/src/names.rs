//! What a case has names for, and what its values mean.

use core::cell::{Cell, RefCell};
use core::ptr::with_exposed_provenance_mut;
use std::collections::BTreeMap;
use std::rc::Rc;

use kmdf_host::IoId;
use toml::Value;

use crate::call::Word;
use crate::callback::Signature;
use crate::case_run::Run;
use crate::constants;
use crate::error::{Malformed, malformed};
use crate::layout::{Holds, Layout};
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
    /// How many bytes of the word it holds.
    pub(crate) size: usize,
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

    /// The variable of this name, made if it is preset, if some step makes it, or if `create`.
    pub(crate) fn variable(&self, name: &str, create: bool) -> Result<Option<Variable>, Malformed> {
        if let Some(variable) = self.variables.borrow().get(name) {
            return Ok(Some(variable.clone()));
        }
        let preset = self
            .body
            .world
            .get("var")
            .and_then(|presets| presets.get(name));
        if preset.is_none() && !create && !self.made_by_steps.contains(name) {
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
            size: 8,
        };
        self.variables
            .borrow_mut()
            .insert(name.to_owned(), variable.clone());
        variable
    }

    /// From now on a variable holds 32 bits: its address was given where a DDI writes as many.
    pub(crate) fn narrow(&self, name: &str) {
        if let Some(variable) = self.variables.borrow_mut().get_mut(name) {
            variable.size = 4;
        }
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
            let offset = match offset.strip_prefix("0x") {
                Some(digits) => Word::from_str_radix(digits, 16),
                None => offset.parse(),
            };
            let offset =
                offset.map_err(|_| malformed(format!("{text}: the offset is no number")))?;
            return Ok(self.expression(base)?.wrapping_add(offset));
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
        let mut found = Vec::new();
        for (name, entity) in self.names.borrow().iter() {
            if let Entity::Received(received) = entity
                && received.request.get() == 0
            {
                self.find_request(received);
                if received.request.get() != 0 {
                    found.push(name.clone());
                }
            }
        }
        for name in found {
            self.set_baseline(&name);
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

    /// A word as a handle for the host's looks at the framework.
    pub(crate) fn handle(word: Word) -> *mut core::ffi::c_void {
        with_exposed_provenance_mut(usize::try_from(word).unwrap_or(0))
    }
}
