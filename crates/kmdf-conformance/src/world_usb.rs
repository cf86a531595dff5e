//! The USB part of a world, and the IRPs that applications send.

use std::collections::BTreeMap;
use std::rc::Rc;

use kmdf_host::{IrpSpec, UsbDescriptors, UsbDevice, UsbInterface};
use toml::{Table, Value};

use crate::call::Word;
use crate::case_run::Run;
use crate::content::Content;
use crate::error::{Malformed, Problem, malformed};
use crate::keys::{boolean, integer, key, known_keys, size, status, text};
use crate::layout::SELECT_CONFIG;
use crate::names::{Entity, Pipe, Received};
use crate::world::{objects, succeeded};

type Built = Result<(), Problem>;

/// A pipe as the world describes it.
struct Endpoint {
    interface: usize,
    setting: u8,
    address: u8,
    attributes: u8,
    max_packet: u16,
    max_transfer: u32,
    interval: u8,
}

impl Endpoint {
    fn parse(keys: &Table) -> Result<Self, Malformed> {
        known_keys(
            keys,
            &[
                "usb",
                "interface",
                "setting",
                "address",
                "type",
                "max_packet",
                "max_transfer",
                "interval",
                "state",
            ],
        )?;
        let attributes = match key(keys, "type", "bulk", text)? {
            "control" => 0,
            "isochronous" => 1,
            "bulk" => 2,
            "interrupt" => 3,
            kind => return Err(malformed(format!("a pipe of type {kind}"))),
        };
        Ok(Self {
            interface: key(keys, "interface", 0, size)?,
            setting: narrow(keys, "setting", 0)?,
            address: narrow(keys, "address", 1)?,
            attributes,
            max_packet: narrow(keys, "max_packet", 512)?,
            max_transfer: narrow(keys, "max_transfer", 65536)?,
            interval: narrow(keys, "interval", 0)?,
        })
    }
}

fn narrow<T: TryFrom<i64>>(keys: &Table, name: &str, default: i64) -> Result<T, Malformed> {
    let number = key(keys, name, default, integer)?;
    T::try_from(number).map_err(|_| malformed(format!("{name} = {number}")))
}

impl Run {
    /// The USB device below `device`, if it is one.
    pub(crate) fn usb_descriptors(&self, device: &str) -> Result<Option<UsbDevice>, Malformed> {
        let usb = objects(&self.body.world, "usb")?;
        let (Some((_, keys)), "dev") = (usb.first(), device) else {
            return Ok(None);
        };
        if usb.len() > 1 {
            return Err(malformed("more than one USB device"));
        }
        let count = key(keys, "interfaces", 1, size)?;
        let mut settings: BTreeMap<(usize, u8), Vec<Endpoint>> = BTreeMap::new();
        for (name, keys) in objects(&self.body.world, "pipe")? {
            let endpoint = Endpoint::parse(keys)?;
            if endpoint.interface >= count {
                return Err(malformed(format!("pipe {name} has no interface")));
            }
            let place = (endpoint.interface, endpoint.setting);
            settings.entry(place).or_default().push(endpoint);
        }
        let mut descriptors = UsbDescriptors::new(0x1209, 0x0001);
        let mut maximums = Vec::new();
        for number in 0..count {
            let last = settings
                .keys()
                .filter(|(of, _)| *of == number)
                .map(|(_, setting)| *setting);
            let mut interface = UsbInterface::new(u8::try_from(number).unwrap_or(u8::MAX));
            for setting in 0..=last.max().unwrap_or(0) {
                if setting > 0 {
                    interface = interface.alternate();
                }
                for endpoint in settings.get(&(number, setting)).into_iter().flatten() {
                    interface = interface.endpoint(
                        endpoint.address,
                        endpoint.attributes,
                        endpoint.max_packet,
                        endpoint.interval,
                    );
                    maximums.push((endpoint.address, endpoint.max_transfer));
                }
            }
            descriptors = descriptors.interface(interface);
        }
        let device = maximums
            .into_iter()
            .fold(UsbDevice::new(descriptors), |device, (address, bytes)| {
                device.maximum_transfer_size(address, bytes)
            });
        Ok(Some(device))
    }

    /// From now on the URBs of enumeration are reported too.
    pub(crate) fn report_enumeration(&self) {
        if self
            .body
            .world
            .get("usb")
            .and_then(Value::as_table)
            .is_some_and(|usb| !usb.is_empty())
        {
            let below = self.device_belows.borrow().get("dev").copied().unwrap_or(0);
            let id = self.belows.borrow()[below].1;
            self.host
                .with_lower(id, |device: &mut UsbDevice| device.report_enumeration(true));
        }
    }

    pub(crate) fn build_usb(self: &Rc<Self>) -> Built {
        let device = self.word(&Value::from("dev"))?;
        for (name, keys) in objects(&self.body.world, "usb")? {
            known_keys(keys, &["interfaces", "select", "stack", "lower"])?;
            let below = self.device_belows.borrow().get("dev").copied().unwrap_or(0);
            let handle = self.create("WdfUsbTargetDeviceCreate", &[device, 0])?;
            self.add(name, Entity::Target(handle, below));
            if key(keys, "select", true, boolean)? {
                let single = key(keys, "interfaces", 1, size)? == 1;
                let kind = if single {
                    "SingleInterface"
                } else {
                    "MultiInterface"
                };
                let kind = format!("WdfUsbTargetDeviceSelectConfigType{kind}");
                let params = Table::from_iter([("Type".to_owned(), Value::from(kind))]);
                let params = self.structure(&SELECT_CONFIG, &Value::Table(params))?;
                let select = "WdfUsbTargetDeviceSelectConfig";
                succeeded(select, self.invoke(select, &[handle, 0, params])?)?;
            }
        }
        let usb: Vec<String> = objects(&self.body.world, "usb")?
            .into_iter()
            .map(|(name, _)| name.clone())
            .collect();
        for (name, keys) in objects(&self.body.world, "pipe")? {
            if !usb
                .iter()
                .any(|usb| keys.get("usb").is_none_or(|of| of.as_str() == Some(usb)))
            {
                return Err(malformed(format!("pipe {name} has no USB device")).into());
            }
            let endpoint = Endpoint::parse(keys)?;
            self.add(
                name,
                Entity::Pipe(Rc::new(Pipe {
                    interface: endpoint.interface,
                    setting: endpoint.setting,
                    address: endpoint.address,
                    handles: None.into(),
                })),
            );
        }
        self.find_pipes();
        for (name, keys) in objects(&self.body.world, "pipe")? {
            if let Entity::Pipe(pipe) = self.named(name)?
                && let Some((handle, _)) = pipe.handles.get()
            {
                self.set_target_state(name, handle, keys)?;
            }
        }
        Ok(())
    }

    /// Finds the handles of pipes whose settings have been selected since.
    pub(crate) fn find_pipes(&self) {
        let pipes: Vec<(String, Rc<Pipe>)> = self
            .names
            .borrow()
            .iter()
            .filter_map(|(name, entity)| match entity {
                Entity::Pipe(pipe) => Some((name.clone(), Rc::clone(pipe))),
                _ => None,
            })
            .collect();
        for (name, pipe) in pipes {
            let alive = pipe
                .handles
                .get()
                .is_some_and(|(handle, _)| self.host.object_state(Self::handle(handle)).is_some());
            if !alive && let Some(found) = self.find_pipe(&pipe) {
                pipe.handles.set(Some(found));
                self.set_baseline(&name);
            }
        }
    }

    fn find_pipe(&self, pipe: &Pipe) -> Option<(Word, Word)> {
        let usb = objects(&self.body.world, "usb").ok()?;
        let (name, _) = usb.first()?;
        let Entity::Target(usb, _) = self.entity(name)? else {
            return None;
        };
        self.host
            .configured_pipes(Self::handle(usb).cast())
            .into_iter()
            .find_map(|found| {
                let same = usize::from(found.interface) == pipe.interface
                    && found.setting == pipe.setting
                    && found.address == pipe.address;
                let handles = (
                    found.pipe.expose_provenance() as Word,
                    found.usbd_handle.expose_provenance() as Word,
                );
                same.then_some(handles)
            })
    }

    pub(crate) fn build_received(self: &Rc<Self>) -> Built {
        let mut arriving = Vec::new();
        for (name, keys) in objects(&self.body.world, "received")? {
            known_keys(
                keys,
                &[
                    "device",
                    "major",
                    "length",
                    "byte_offset",
                    "code",
                    "in",
                    "out",
                    "fill",
                    "mode",
                    "room",
                    "status",
                    "information",
                    "arrive",
                ],
            )?;
            let received = Rc::new(self.received(keys)?);
            self.add(name, Entity::Received(Rc::clone(&received)));
            if key(keys, "arrive", true, boolean)? {
                arriving.push((name.clone(), received));
            }
        }
        for (name, received) in arriving {
            self.send(&name, &received);
        }
        Ok(())
    }

    fn received(&self, keys: &Table) -> Result<Received, Malformed> {
        let device = self.word(&Value::from(key(keys, "device", "dev", text)?))?;
        let (major, ioctl) = match key(keys, "major", "write", text)? {
            "create" => (0, false),
            "close" => (2, false),
            "read" => (3, false),
            "write" => (4, false),
            "ioctl" => (14, true),
            "internal" => (15, true),
            major => return Err(malformed(format!("major = {major}"))),
        };
        let transfer = narrow(keys, "length", 64)?;
        let input = if ioctl {
            narrow(keys, "in", 0)?
        } else if major == 4 {
            transfer
        } else {
            0
        };
        let output: u32 = narrow(keys, "out", 0)?;
        let fill = key(keys, "fill", Content::ramp(), Content::parse)?;
        let user_mode = match key(keys, "mode", "kernel", text)? {
            "kernel" => false,
            "user" => true,
            mode => return Err(malformed(format!("mode = {mode}"))),
        };
        let spec = IrpSpec {
            major,
            length: if ioctl { output } else { transfer },
            offset: key(keys, "byte_offset", 0, integer)?,
            code: narrow(keys, "code", 0)?,
            data: fill.bytes(input as usize),
            user_mode,
            stack_count: key(keys, "room", 1, size)? + 1,
            status: key(keys, "status", 0, status)?,
            information: key(keys, "information", 0, integer)?.cast_unsigned(),
            file: None,
        };
        let io = self
            .host
            .make_irp(Self::handle(device).cast(), &spec)
            .ok_or_else(|| malformed("the device of a received IRP is none"))?;
        let area = |output: bool| {
            let area = self.host.io_area(io, output);
            area.map_or((0, 0), |(address, length)| {
                (address.expose_provenance(), length)
            })
        };
        Ok(Received {
            device,
            io,
            request: 0.into(),
            sent: false.into(),
            irp: self
                .host
                .irp_of(io)
                .map_or(0, |irp| irp.expose_provenance()),
            mdl: self
                .host
                .io_mdl(io)
                .map_or(0, |mdl| mdl.expose_provenance()),
            buffer: area(false),
            output: area(true),
            returns_output: ioctl && output != 0,
        })
    }
}
