//! Building the world of a case: kind by kind, in each kind by name.

use core::mem::offset_of;
use core::ptr;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use kmdf_host::{IoType, LowerConfig, LowerId};
use kmdf_sys::{_WDF_DEVICE_IO_TYPE as io_types, _WDF_OBJECT_CONTEXT_TYPE_INFO, NT_SUCCESS};
use toml::{Table, Value};

use crate::call::{Word, invoke};
use crate::case_run::Run;
use crate::constants::{self, status_name};
use crate::content::Content;
use crate::driver::{driver_entry, standard_io_default};
use crate::error::{Malformed, Problem, differs, malformed};
use crate::keys::{boolean, key, known_keys, size, status, table, text};
use crate::layout::{ATTRIBUTES, OPEN_PARAMS, QUEUE_CONFIG};
use crate::lower::{Below, Script};
use crate::memory::Block;
use crate::names::{Callback, Entity};
use crate::step::u32_word;

type Built = Result<(), Problem>;

/// A device that the driver's EvtDriverDeviceAdd is to make.
#[derive(Clone, Debug)]
pub(crate) struct NewDevice {
    pub(crate) filter: bool,
    pub(crate) io_type: i32,
    pub(crate) attributes: Word,
}

const KINDS: &[&str] = &[
    "verifier", "client", "var", "callback", "buffer", "mdl", "irp", "type", "device", "target",
    "usb", "pipe", "object", "memory", "request", "queue", "received",
];

const RESERVED: &[&str] = &[
    "null",
    "unchanged",
    "set",
    "private",
    "driver",
    "dev",
    "std",
    "host",
    "log",
    "returns",
    "at",
    "bugcheck",
    "hangs",
    "breaks",
    "value",
];

/// Objects of a kind, in order of their names.
pub(crate) fn objects<'a>(
    world: &'a Table,
    kind: &str,
) -> Result<Vec<(&'a String, &'a Table)>, Malformed> {
    let Some(objects) = world.get(kind) else {
        return Ok(Vec::new());
    };
    table(objects)?
        .iter()
        .map(|(name, keys)| Ok((name, table(keys)?)))
        .collect()
}

fn io_type(name: &str) -> Result<(IoType, i32), Malformed> {
    match name {
        "buffered" => Ok((IoType::Buffered, io_types::WdfDeviceIoBuffered)),
        "direct" => Ok((IoType::Direct, io_types::WdfDeviceIoDirect)),
        "neither" => Ok((IoType::Neither, io_types::WdfDeviceIoNeither)),
        _ => Err(malformed(format!("io = {name}"))),
    }
}

pub(crate) fn succeeded(what: &str, status: Word) -> Built {
    let status = u32::try_from(status & 0xFFFF_FFFF)
        .unwrap_or(0)
        .cast_signed();
    if NT_SUCCESS(status) {
        Ok(())
    } else {
        Err(differs(
            format!("{what} to succeed while the world is built"),
            status_name(status),
        ))
    }
}

impl Run {
    /// Builds the world. Afterwards the clock of the steps begins.
    pub(crate) fn build(self: &Rc<Self>) -> Built {
        self.check_world()?;
        self.build_callbacks()?;
        let loaded = self.host.load("driver", driver_entry);
        let driver = loaded.map_err(|stop| differs("the driver to load", stop.to_string()))?;
        self.driver.set(Some(driver));
        let handle = self
            .host
            .driver_of(driver)
            .map_or(0, |(_, _, handle)| handle.expose_provenance());
        self.add("driver", Entity::Object(handle as Word));
        let result = Rc::new(RefCell::new(None));
        let (run, slot) = (Rc::clone(self), Rc::clone(&result));
        // The thread in which the applications' requests of the world arrive is that of the main steps.
        self.host.spawn("main", move || {
            let built = run.build_objects();
            let is_built = built.is_ok();
            if is_built {
                run.begin_steps();
            }
            *slot.borrow_mut() = Some(built);
            if is_built {
                run.main_sequence();
            }
        });
        let ended = self.host.run_until(|| result.borrow().is_some());
        let built = result.borrow_mut().take();
        match (ended, built) {
            (Ok(_), Some(built)) => built?,
            (Ok(_), None) => {
                return Err(differs("the world to be built", "a call blocks for ever"));
            }
            (Err(stop), None) => return Err(differs("the world to be built", stop.to_string())),
            // What the steps came to, in what is left of this call.
            (Err(stop), Some(built)) => {
                built?;
                *self.stop.borrow_mut() = Some(stop);
            }
        }
        Ok(())
    }

    fn check_world(&self) -> Result<(), Malformed> {
        let world = &self.body.world;
        known_keys(world, KINDS)?;
        let mut names = BTreeSet::new();
        for kind in &KINDS[2..] {
            let Some(objects) = world.get(*kind) else {
                continue;
            };
            for name in table(objects)?.keys() {
                let letters = name
                    .chars()
                    .all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
                let begins = name
                    .chars()
                    .next()
                    .is_some_and(|first| first.is_ascii_alphabetic());
                if !letters || !begins {
                    return Err(malformed(format!("{name} is no name")));
                }
                if RESERVED.contains(&name.as_str()) && (*kind, name.as_str()) != ("device", "dev")
                {
                    return Err(malformed(format!("{name} is reserved")));
                }
                if !names.insert(name) {
                    return Err(malformed(format!("{name} is two things")));
                }
            }
        }
        Ok(())
    }

    fn build_callbacks(&self) -> Result<(), Malformed> {
        for (name, keys) in objects(&self.body.world, "callback")? {
            known_keys(keys, &["returns"])?;
            self.callbacks.borrow_mut().push(Rc::new(Callback {
                name: name.clone(),
                returns: key(keys, "returns", 0, status)?,
                place: None.into(),
                calls: RefCell::default(),
            }));
        }
        Ok(())
    }

    fn build_objects(self: &Rc<Self>) -> Built {
        let world = &self.body.world;
        for (name, keys) in objects(world, "buffer")? {
            known_keys(keys, &["size", "fill"])?;
            let fill = key(keys, "fill", Content::ramp(), Content::parse)?;
            let bytes = fill.bytes(key(keys, "size", 64, size)?);
            self.add(name, Entity::Buffer(Rc::new(Block::with(&bytes))));
        }
        self.build_mdls()?;
        for (name, keys) in objects(world, "irp")? {
            known_keys(keys, &["stack"])?;
            let irp = self.host.allocate_irp(key(keys, "stack", 1, size)?);
            self.add(name, Entity::Irp(irp.expose_provenance()));
        }
        self.build_types()?;
        self.build_devices()?;
        self.build_targets()?;
        self.build_usb()?;
        for (name, keys) in objects(world, "object")? {
            known_keys(
                keys,
                &["parent", "context", "cleanup", "destroy", "level", "scope"],
            )?;
            let attributes = self.attributes(keys)?;
            let handle = self.create("WdfObjectCreate", &[attributes])?;
            self.add(name, Entity::Object(handle));
        }
        self.build_memories()?;
        for (name, keys) in objects(world, "request")? {
            known_keys(keys, &["target", "parent", "context", "cleanup", "destroy"])?;
            let target = key(keys, "target", 0, |value| self.word(value))?;
            let attributes = self.attributes(keys)?;
            let handle = self.create("WdfRequestCreate", &[attributes, target])?;
            self.add(name, Entity::Request(handle));
        }
        self.build_queues()?;
        for (name, keys) in self.devices()? {
            if key(&keys, "started", true, boolean)? {
                let status = self
                    .host
                    .start_device_now(Self::handle(self.device(&name)?).cast());
                succeeded("starting the device", u32_word(status))?;
            }
        }
        self.build_received()
    }

    fn build_mdls(&self) -> Built {
        for (name, keys) in objects(&self.body.world, "mdl")? {
            known_keys(keys, &["over", "offset", "length"])?;
            let over = key(keys, "over", "", text)?;
            let Entity::Buffer(block) = self.named(over)? else {
                return Err(malformed(format!("{over} is no buffer")).into());
            };
            let offset = key(keys, "offset", 0, size)?.min(block.len());
            let length = key(keys, "length", block.len() - offset, size)?;
            let address = Self::handle((block.address() + offset) as Word);
            let length = u32::try_from(length).map_err(|_| malformed("an MDL over 4 GiB"))?;
            // SAFETY: the buffer exists for the whole case; there is no secondary buffer and no IRP.
            let mdl =
                unsafe { kmdf_sys::ntddk::IoAllocateMdl(address, length, 0, 0, ptr::null_mut()) };
            // SAFETY: it was just allocated.
            unsafe { kmdf_sys::ntddk::MmBuildMdlForNonPagedPool(mdl) };
            self.add(name, Entity::Mdl(mdl.expose_provenance()));
        }
        Ok(())
    }

    fn build_types(&self) -> Built {
        for (name, keys) in objects(&self.body.world, "type")? {
            known_keys(keys, &["ContextSize", "ContextName", "Size"])?;
            let length = size_of::<_WDF_OBJECT_CONTEXT_TYPE_INFO>();
            let block = Rc::new(Block::new(length));
            let context_name = match key(keys, "ContextName", name.as_str(), text)? {
                "null" => 0,
                name => self
                    .keep(Block::with(format!("{name}\0").as_bytes()))
                    .address(),
            };
            let put = |offset: usize, word: usize| block.write(offset, &word.to_le_bytes());
            put(
                offset_of!(_WDF_OBJECT_CONTEXT_TYPE_INFO, ContextName),
                context_name,
            );
            put(
                offset_of!(_WDF_OBJECT_CONTEXT_TYPE_INFO, ContextSize),
                key(keys, "ContextSize", 16, size)?,
            );
            put(
                offset_of!(_WDF_OBJECT_CONTEXT_TYPE_INFO, UniqueType),
                block.address(),
            );
            let stated = key(keys, "Size", length, size)?;
            block.write(
                offset_of!(_WDF_OBJECT_CONTEXT_TYPE_INFO, Size),
                &stated.to_le_bytes()[..4],
            );
            self.add(name, Entity::Type(block));
        }
        Ok(())
    }

    /// The devices and their keys, `dev` included.
    fn devices(&self) -> Result<Vec<(String, Table)>, Malformed> {
        let given = objects(&self.body.world, "device")?;
        let mut devices: Vec<(String, Table)> = given
            .into_iter()
            .map(|(name, keys)| (name.clone(), keys.clone()))
            .collect();
        if !devices.iter().any(|(name, _)| name == "dev") {
            devices.push(("dev".to_owned(), Table::new()));
            devices.sort_by(|one, other| one.0.cmp(&other.0));
        }
        Ok(devices)
    }

    fn device(&self, name: &str) -> Result<Word, Malformed> {
        match self.named(name)? {
            Entity::Object(handle) => Ok(handle),
            _ => Err(malformed(format!("{name} is no device"))),
        }
    }

    /// A device below, with the script that it follows.
    pub(crate) fn new_below(
        self: &Rc<Self>,
        io: IoType,
        stack: usize,
        device: impl FnOnce(Script, LowerConfig) -> LowerId,
    ) -> usize {
        let number = self.belows.borrow().len();
        let (of_mdl, of_irp) = (Rc::downgrade(self), Rc::downgrade(self));
        let below = Below::new(
            number,
            Rc::clone(&self.reporting),
            move |mdl| of_mdl.upgrade()?.host.mdl_state(mdl),
            move |number| {
                if let Some(run) = of_irp.upgrade() {
                    run.events
                        .borrow_mut()
                        .push(crate::case_run::Event::Irp(number));
                }
            },
        );
        let config = LowerConfig::new(&format!("below {number}"))
            .io_type(io)
            .stack_size(stack);
        let id = device(Script(Rc::clone(&below)), config);
        self.belows.borrow_mut().push((below, id));
        number
    }

    /// I/O type, stack size and script of the device below a device of the driver, which has `io` unless a target says more.
    fn below_device(
        &self,
        device: &str,
        mut io: IoType,
    ) -> Result<(IoType, usize, Option<Value>), Malformed> {
        let (mut stack, mut script) = (1, None);
        let targets = objects(&self.body.world, "target")?;
        let own = |keys: &&Table| -> Result<bool, Malformed> {
            let default = key(keys, "default", false, boolean)?;
            Ok(default && key(keys, "device", "dev", text)? == device)
        };
        let usb = objects(&self.body.world, "usb")?;
        let mut sharing = Vec::new();
        for (_, keys) in targets {
            if own(&keys)? {
                sharing.push(keys);
            }
        }
        if device == "dev" {
            sharing.extend(usb.iter().map(|(_, keys)| *keys));
        }
        for keys in sharing {
            if let Some(name) = keys.get("io") {
                io = io_type(text(name)?)?.0;
            }
            stack = key(keys, "stack", stack, size)?;
            script = keys.get("lower").cloned().or(script);
        }
        Ok((io, stack, script))
    }

    fn build_devices(self: &Rc<Self>) -> Built {
        for (name, keys) in self.devices()? {
            known_keys(&keys, &["io", "filter", "started", "std", "level", "scope"])?;
            let (below_io, io) = io_type(key(&keys, "io", "buffered", text)?)?;
            let (below_io, stack, script) = self.below_device(&name, below_io)?;
            let usb = self.usb_descriptors(&name)?;
            let run = Rc::clone(self);
            let number = self.new_below(below_io, stack, |lower, config| match usb {
                Some(usb) => run.host.add_lower(usb.with_transfers_to(lower), config),
                None => run.host.add_lower(lower, config),
            });
            let (below, id) = self.belows.borrow()[number].clone();
            below.set_script(&script.unwrap_or_else(|| Value::Array(vec![Table::new().into()])))?;
            let attributes = self.attributes(&keys)?;
            *self.adding_device.borrow_mut() = Some(NewDevice {
                filter: key(&keys, "filter", false, boolean)?,
                io_type: io,
                attributes,
            });
            let driver = self.driver.get().ok_or_else(|| malformed("no driver"))?;
            let (status, device) = self.host.add_device_now(driver, id);
            succeeded("creating the device", u32_word(status))?;
            let device = device.ok_or_else(|| differs("a device", "none was created"))?;
            self.add(&name, Entity::Object(device.expose_provenance() as Word));
            self.device_belows.borrow_mut().insert(name.clone(), number);
        }
        Ok(())
    }

    fn build_targets(self: &Rc<Self>) -> Built {
        for (name, keys) in objects(&self.body.world, "target")? {
            known_keys(
                keys,
                &[
                    "device", "default", "io", "stack", "state", "lower", "cleanup", "destroy",
                ],
            )?;
            let device_name = key(keys, "device", "dev", text)?;
            let device = self.device(device_name)?;
            if key(keys, "default", false, boolean)? {
                let handle = self.invoke("WdfDeviceGetIoTarget", &[device])?;
                let below = self
                    .device_belows
                    .borrow()
                    .get(device_name)
                    .copied()
                    .unwrap_or(0);
                self.add(name, Entity::Target(handle, below));
                self.set_target_state(name, handle, keys)?;
                continue;
            }
            let (io, _) = io_type(key(keys, "io", "buffered", text)?)?;
            let run = Rc::clone(self);
            let below = self.new_below(io, key(keys, "stack", 1, size)?, |lower, config| {
                run.host.add_lower(lower, config)
            });
            let script = keys.get("lower").cloned();
            let script = script.unwrap_or_else(|| Value::Array(vec![Table::new().into()]));
            self.belows.borrow()[below].0.set_script(&script)?;
            let attributes = self.attributes(keys)?;
            let handle = self.create("WdfIoTargetCreate", &[device, attributes])?;
            self.add(name, Entity::Target(handle, below));
            if key(keys, "state", "started", text)? != "created" {
                let existing = "WdfIoTargetOpenUseExistingDevice";
                let params = Table::from_iter([
                    ("Type".to_owned(), Value::from(existing)),
                    (
                        "TargetDeviceObject".to_owned(),
                        Value::from(format!("{name}.device")),
                    ),
                ]);
                let params = self.structure(&OPEN_PARAMS, &Value::Table(params))?;
                succeeded(
                    "WdfIoTargetOpen",
                    self.invoke("WdfIoTargetOpen", &[handle, params])?,
                )?;
            }
            self.set_target_state(name, handle, keys)?;
        }
        Ok(())
    }

    /// Brings a target or pipe into the state that its keys name.
    pub(crate) fn set_target_state(&self, name: &str, handle: Word, keys: &Table) -> Built {
        let action = |name: &str| constants::value(name).map_or(0, u32_word);
        match key(keys, "state", "started", text)? {
            "started" | "created" => {}
            "stopped" => {
                let leave = action("WdfIoTargetLeaveSentIoPending");
                self.invoke("WdfIoTargetStop", &[handle, leave])?;
            }
            "purged" => {
                self.invoke("WdfIoTargetPurge", &[handle, action("WdfIoTargetPurgeIo")])?;
            }
            "closed" => {
                self.invoke("WdfIoTargetClose", &[handle])?;
            }
            state => return Err(malformed(format!("{name}.state = {state}")).into()),
        }
        Ok(())
    }

    fn build_memories(&self) -> Built {
        for (name, keys) in objects(&self.body.world, "memory")? {
            known_keys(
                keys,
                &[
                    "size",
                    "fill",
                    "pool",
                    "parent",
                    "preallocated",
                    "context",
                    "cleanup",
                    "destroy",
                ],
            )?;
            let attributes = self.attributes(keys)?;
            if let Some(buffer) = keys.get("preallocated") {
                let Entity::Buffer(block) = self.named(text(buffer)?)? else {
                    return Err(malformed(format!("{buffer} is no buffer")).into());
                };
                let (address, length) = (block.address(), block.len());
                let arguments = [attributes, address as Word, length as Word];
                let handle = self.create("WdfMemoryCreatePreallocated", &arguments)?;
                self.add(name, Entity::Memory(handle, (address, length)));
                continue;
            }
            let length = key(keys, "size", 64, size)?;
            let pool = match key(keys, "pool", "nonpaged", text)? {
                "nonpaged" => "NonPagedPoolNx",
                "paged" => "PagedPool",
                pool => return Err(malformed(format!("pool = {pool}")).into()),
            };
            let pool = constants::value(pool).map_or(0, u32_word);
            let (handle, buffer) = (Block::new(8), Block::new(8));
            let outputs = [handle.address() as Word, buffer.address() as Word];
            let arguments = [attributes, pool, 0, length as Word, outputs[0], outputs[1]];
            succeeded(
                "WdfMemoryCreate",
                self.invoke("WdfMemoryCreate", &arguments)?,
            )?;
            let address = usize::try_from(buffer.word()).unwrap_or(0);
            let fill = key(keys, "fill", Content::ramp(), Content::parse)?;
            // SAFETY: the framework has just allocated this many bytes there.
            unsafe { crate::memory::poke(address, &fill.bytes(length)) };
            self.add(name, Entity::Memory(handle.word(), (address, length)));
        }
        Ok(())
    }

    fn build_queues(&self) -> Built {
        let mut with_default = BTreeSet::new();
        for (name, keys) in objects(&self.body.world, "queue")? {
            let device_name = key(keys, "device", "dev", text)?;
            let device = self.device(device_name)?;
            let own = ["device", "level", "scope"];
            let config: Table = keys
                .iter()
                .filter(|(key, _)| !own.contains(&key.as_str()))
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect();
            if keys
                .get("DefaultQueue")
                .map_or(Ok(0), |value| self.word(value))?
                != 0
            {
                with_default.insert(device_name.to_owned());
            }
            let config = self.structure(&QUEUE_CONFIG, &Value::Table(config))?;
            let attributes = self.attributes(keys)?;
            let handle = self.create("WdfIoQueueCreate", &[device, config, attributes])?;
            self.add(name, Entity::Queue(handle));
        }
        let mut receiving = BTreeSet::new();
        for (_, keys) in objects(&self.body.world, "received")? {
            receiving.insert(key(keys, "device", "dev", text)?.to_owned());
        }
        for (name, keys) in self.devices()? {
            let wanted = receiving.contains(&name) && !with_default.contains(&name);
            if wanted && key(&keys, "std", true, boolean)? {
                let handle = self.standard_queue(self.device(&name)?)?;
                if name == "dev" {
                    self.add("std", Entity::Queue(handle));
                }
            }
        }
        Ok(())
    }

    fn standard_queue(&self, device: Word) -> Result<Word, Problem> {
        let config = Table::from_iter([
            ("DefaultQueue".to_owned(), Value::from(true)),
            ("AllowZeroLengthRequests".to_owned(), Value::from(true)),
            ("PowerManaged".to_owned(), Value::from("WdfFalse")),
        ]);
        let address = self.structure(&QUEUE_CONFIG, &Value::Table(config))?;
        if let Some(field) = QUEUE_CONFIG.field("EvtIoDefault") {
            let function = (standard_io_default as *const ()).expose_provenance();
            let place = usize::try_from(address).unwrap_or(0) + field.offset;
            // SAFETY: the structure was just made, and the field is inside it.
            unsafe { crate::memory::poke(place, &function.to_le_bytes()) };
        }
        self.create("WdfIoQueueCreate", &[device, address, 0])
    }

    /// `WDF_OBJECT_ATTRIBUTES` for the keys that all kinds have in common, 0 if there are none.
    fn attributes(&self, keys: &Table) -> Result<Word, Malformed> {
        let names = [
            ("parent", "ParentObject"),
            ("context", "ContextTypeInfo"),
            ("cleanup", "EvtCleanupCallback"),
            ("destroy", "EvtDestroyCallback"),
            ("level", "ExecutionLevel"),
            ("scope", "SynchronizationScope"),
        ];
        let given: Table = names
            .iter()
            .filter_map(|(key, field)| Some(((*field).to_owned(), keys.get(*key)?.clone())))
            .collect();
        if given.is_empty() {
            return Ok(0);
        }
        self.structure(&ATTRIBUTES, &Value::Table(given))
    }

    pub(crate) fn invoke(&self, name: &str, arguments: &[Word]) -> Result<Word, Malformed> {
        // SAFETY: the arguments are made in this crate for this DDI: handles, NULL, and addresses of memory of the right size.
        let result = unsafe { invoke(name, arguments) };
        result.ok_or_else(|| malformed(format!("{name} takes other arguments")))
    }

    /// Calls a DDI whose last parameter is where it puts the handle.
    pub(crate) fn create(&self, name: &str, arguments: &[Word]) -> Result<Word, Problem> {
        let handle = Block::new(8);
        let arguments = [arguments, &[handle.address() as Word]].concat();
        succeeded(name, self.invoke(name, &arguments)?)?;
        Ok(handle.word())
    }

    /// `AddDevice` of the driver, with a callback of the case as its EvtDriverDeviceAdd.
    pub(crate) fn add_device(self: &Rc<Self>, callback: &str) -> Result<Word, Problem> {
        let driver = self.driver.get().ok_or_else(|| malformed("no driver"))?;
        let run = Rc::clone(self);
        let below = self.new_below(IoType::Buffered, 1, |lower, config| {
            run.host.add_lower(lower, config)
        });
        let id = self.belows.borrow()[below].1;
        self.function(
            &Value::from(callback),
            crate::callback::Signature::DeviceAdd,
        )?;
        *self.adding.borrow_mut() = Some(callback.to_owned());
        let (status, _) = self.host.add_device_now(driver, id);
        Ok(u32_word(status))
    }

    /// Everything that is counted from the start of the steps.
    fn begin_steps(&self) {
        let names: Vec<String> = self.names.borrow().keys().cloned().collect();
        for name in names {
            self.set_baseline(&name);
        }
        self.allocated
            .set((self.host.framework_mdls(), self.host.framework_irps()));
        self.began.set(self.host.now());
        self.events.borrow_mut().clear();
        self.reporting.set(true);
        self.report_enumeration();
    }
}
