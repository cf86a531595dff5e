//! What a step does: calling a DDI, or an action of the surroundings.

use std::rc::Rc;

use kmdf_host::{Allocation, BoundTable, Outcome as LowerOutcome, Ticks};
use kmdf_sys::{STATUS_ACCESS_VIOLATION, STATUS_SUCCESS, WDFFUNC};
use toml::Value;

use crate::call::{Word, invoke};
use crate::case_run::{Event, Run};
use crate::cases::Step;
use crate::content::Content;
use crate::ddis::{self, Returns, Takes};
use crate::error::{Malformed, Problem, differs, malformed};
use crate::keys::{self, key, size, text};
use crate::lower::Answer;
use crate::memory::{Block, peek, poke};
use crate::names::{Entity, Received};

/// What executing a step gave.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) returned: Option<(Word, Returns)>,
    /// Whether the returned value has a default expectation.
    pub(crate) is_call: bool,
    /// What binding gave: globals or none, and what became of the table.
    pub(crate) bound: Option<(bool, BoundTable)>,
}

impl Outcome {
    fn action(value: Word, returns: Returns) -> Self {
        Self {
            returned: Some((value, returns)),
            ..Self::default()
        }
    }
}

impl Run {
    pub(crate) fn call(self: &Rc<Self>, name: &str, step: &Step) -> Result<Outcome, Problem> {
        let ddi = ddis::find(name).ok_or_else(|| malformed(format!("unknown DDI {name}")))?;
        let mut arguments = Vec::new();
        let mut written: Vec<&str> = step.named.as_deref().into_iter().collect();
        for parameter in &ddi.parameters {
            let Some(value) = step.arguments.get(parameter.name) else {
                arguments.push(0);
                continue;
            };
            arguments.push(self.argument(parameter.takes, value)?);
            if let Some(variable) = value.as_str().and_then(|text| text.strip_prefix('&')) {
                written.push(variable);
                if matches!(parameter.takes, Takes::Out32) {
                    self.narrow(variable);
                }
            }
        }
        // SAFETY: the values are handles, NULL, numbers, or addresses of memory of the case that has the size of what the
        // DDI takes there; functions are trampolines of the type that the parameter or the field has.
        let result = unsafe { invoke(name, &arguments) };
        let result =
            result.ok_or_else(|| malformed(format!("{name} is called with other arguments")))?;
        if let Some(name) = &step.named {
            self.set_variable(name, Rc::new(Block::with(&result.to_le_bytes())), None);
        }
        self.find_pipes();
        for name in written {
            self.set_baseline(name);
        }
        Ok(Outcome {
            returned: Some((result, ddi.returns)),
            is_call: true,
            bound: None,
        })
    }

    fn argument(&self, takes: Takes, value: &Value) -> Result<Word, Malformed> {
        match takes {
            Takes::Word | Takes::Out32 => self.word(value),
            Takes::IntegerByAddress => {
                if value.as_str() == Some("null") {
                    return Ok(0);
                }
                let block = Block::with(&self.word(value)?.to_le_bytes());
                Ok(self.keep(block).address() as Word)
            }
            Takes::Function(signature) => self.function(value, signature),
            Takes::TypeInfo => self.type_info(value),
            Takes::Descriptor => self.descriptor(value),
            Takes::SendOptions => self.send_options(value),
            Takes::Offsets => self.offsets(value),
            Takes::Structure(layout) => self.structure(layout, value),
        }
    }

    pub(crate) fn act(self: &Rc<Self>, action: &str, step: &Step) -> Result<Outcome, Problem> {
        let arguments = &step.arguments;
        let object = || -> Result<Entity, Malformed> {
            let name = arguments
                .get("object")
                .ok_or_else(|| malformed("no object"))?;
            self.named(text(name)?)
        };
        let received = || match object()? {
            Entity::Received(received) => Ok(received),
            _ => Err(malformed(format!("{action} takes a received IRP"))),
        };
        match action {
            "wait" => {
                let span = key(arguments, "ms", 0, size)?;
                self.host.pass(Ticks::from_millis(span as u64));
                self.host.settle();
                Ok(Outcome::default())
            }
            "fill" => {
                let area = self.area(&object()?)?;
                let offset = key(arguments, "offset", 0, size)?.min(area.1);
                let rest = area.1 - offset;
                let length = key(arguments, "len", rest, size)?.min(rest);
                let with = arguments
                    .get("with")
                    .ok_or_else(|| malformed("no `with`"))?;
                // SAFETY: the range is inside the area, and only one logical thread runs at a time.
                let mut bytes = unsafe { peek(area.0 + offset, length) };
                Content::parse(with)?.fill(&mut bytes);
                // SAFETY: as above; nobody has a reference to the area.
                unsafe { poke(area.0 + offset, &bytes) };
                Ok(Outcome::default())
            }
            "fail" => {
                let what = key(arguments, "what", "", text)?;
                let number = u32::try_from(key(arguments, "number", 1, size)?).unwrap_or(u32::MAX);
                let status = key(arguments, "status", STATUS_ACCESS_VIOLATION, keys::status)?;
                let kind = allocation(what)?;
                self.host.set_probe_status(status);
                self.host.fail_allocation(kind, number);
                Ok(Outcome::default())
            }
            "complete" => {
                let Entity::Target(_, below) = object()? else {
                    return Err(malformed("complete takes a target or a USB device").into());
                };
                let (below, id) = self.belows.borrow()[below].clone();
                let index = key(arguments, "index", 0, size)?;
                let pending = self.host.held_by(id);
                if index >= pending {
                    return Err(differs(
                        format!("a pending IRP number {index}"),
                        format!("{pending} pending"),
                    ));
                }
                below.answer_next(Answer::parse(arguments)?);
                self.host
                    .complete_now(id, index, LowerOutcome::new(STATUS_SUCCESS, 0));
                Ok(Outcome::default())
            }
            "cancel" => {
                let called = self.host.cancel_now(received()?.io);
                Ok(Outcome::action(called.into(), Returns::Boolean))
            }
            "arrive" => {
                let name = key(arguments, "object", "", text)?;
                let received = received()?;
                if received.sent.get() {
                    return Err(malformed(format!("{name} has arrived before")).into());
                }
                let status = self.send(name, &received);
                self.set_baseline(name);
                Ok(Outcome::action(status, Returns::Status))
            }
            "bind" => {
                let count = key(arguments, "functions", 0, size)?;
                let mut table: Vec<WDFFUNC> = vec![None; count];
                let (status, globals, table) = self.host.bind(count, &mut table);
                let mut outcome = Outcome::action(u32_word(status), Returns::Status);
                outcome.bound = Some((globals, table));
                Ok(outcome)
            }
            "add_device" => {
                let status = self.add_device(key(arguments, "callback", "", text)?)?;
                Ok(Outcome::action(status, Returns::Status))
            }
            _ => Err(malformed(format!("unknown action {action}")).into()),
        }
    }

    /// The application sends its IRP; gives what the dispatch routine returned.
    pub(crate) fn send(self: &Rc<Self>, name: &str, received: &Rc<Received>) -> Word {
        received.sent.set(true);
        let device = Self::handle(received.device).cast();
        let run = Rc::downgrade(self);
        let name = name.to_owned();
        let completed = move || {
            if let Some(run) = run.upgrade() {
                run.events.borrow_mut().push(Event::Completed(name));
            }
        };
        let status = self.host.send_irp(device, received.io, completed);
        self.find_request(received);
        u32_word(status)
    }

    /// Address and length of what `data` and `fill` are about.
    pub(crate) fn area(&self, entity: &Entity) -> Result<(usize, usize), Malformed> {
        match entity {
            Entity::Buffer(block) => Ok((block.address(), block.len())),
            Entity::Memory(_, area) => Ok(*area),
            Entity::Received(received) if received.returns_output => Ok(received.output),
            Entity::Received(received) => Ok(received.buffer),
            _ => Err(malformed("this object has no data")),
        }
    }

    /// `refs` of this name are relative to the count now.
    pub(crate) fn set_baseline(&self, name: &str) {
        let references = self.references(name);
        let mut baselines = self.baselines.borrow_mut();
        match references {
            Some(references) => baselines.insert(name.to_owned(), references),
            None => baselines.remove(name),
        };
    }

    /// The reference count of the object that a name stands for.
    pub(crate) fn references(&self, name: &str) -> Option<i32> {
        let handle = match self.entity(name) {
            Some(
                entity @ (Entity::Buffer(_) | Entity::Mdl(_) | Entity::Irp(_) | Entity::Type(_)),
            ) => {
                drop(entity);
                return None;
            }
            Some(entity) => self.entity_word(name, &entity).ok()?,
            None => self.variables.borrow().get(name)?.block.word(),
        };
        Some(self.host.object_state(Self::handle(handle))?.references)
    }
}

/// A status as a DDI returns it: in 32 bits.
pub(crate) fn u32_word(status: i32) -> Word {
    status.cast_unsigned().into()
}

fn allocation(what: &str) -> Result<Allocation, Malformed> {
    Ok(match what {
        "irp" => Allocation::Irp,
        "buffer" => Allocation::Buffer,
        "context" => Allocation::Context,
        "mdl" => Allocation::Mdl,
        "map" => Allocation::Map,
        "probe" => Allocation::Probe,
        "object" => Allocation::Object,
        "timer" => Allocation::Timer,
        "urb" => Allocation::Urb,
        "pool" => Allocation::Pool,
        _ => return Err(malformed(format!("unknown allocation {what}"))),
    })
}
