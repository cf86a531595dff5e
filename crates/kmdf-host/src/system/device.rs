//! Device objects and the stacks they form.

use core::cell::{Cell, RefCell};
use core::ptr;
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};

use kmdf_sys::{_DEVICE_OBJECT, PDEVICE_OBJECT};

use crate::fx::object::Object;
use crate::lower::Lower;
use crate::trace::Actor;

const DO_BUFFERED_IO: u32 = 0x4;
const DO_DIRECT_IO: u32 = 0x10;

/// How a device wants the buffers of reads and writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IoType {
    /// The sender's address as it is.
    Neither,
    /// A copy in nonpaged memory.
    #[default]
    Buffered,
    /// An MDL.
    Direct,
}

impl IoType {
    const fn flags(self) -> u32 {
        match self {
            Self::Neither => 0,
            Self::Buffered => DO_BUFFERED_IO,
            Self::Direct => DO_DIRECT_IO,
        }
    }
}

/// Who serves a device object.
pub(crate) enum DeviceKind {
    Lower(Weak<Lower>),
    Framework(RefCell<Weak<Object>>),
}

/// A device object.
pub(crate) struct DeviceObject {
    /// What drivers see at the address; they only read it.
    raw: Box<_DEVICE_OBJECT>,
    pub(crate) kind: DeviceKind,
    pub(crate) actor: Actor,
    pub(crate) io_type: IoType,
    pub(crate) stack_size: usize,
    pub(crate) device_type: u32,
    pub(crate) name: Option<String>,
    pub(crate) lower: RefCell<Option<Rc<DeviceObject>>>,
    pub(crate) upper: RefCell<Weak<DeviceObject>>,
    /// File objects that drivers or applications have opened on it.
    pub(crate) opened: Cell<u32>,
}

/// What a new device object is to be.
pub(crate) struct NewDevice {
    pub(crate) kind: DeviceKind,
    pub(crate) actor: Actor,
    pub(crate) io_type: IoType,
    pub(crate) stack_size: usize,
    pub(crate) device_type: u32,
    pub(crate) characteristics: u32,
    pub(crate) name: Option<String>,
}

impl DeviceObject {
    pub(crate) fn address(&self) -> PDEVICE_OBJECT {
        ptr::from_ref(&*self.raw).cast_mut()
    }
}

/// All device objects, by address and by name.
pub(crate) struct DeviceTable {
    by_address: RefCell<BTreeMap<usize, Rc<DeviceObject>>>,
    links: RefCell<BTreeMap<String, Rc<DeviceObject>>>,
    /// Names that the I/O manager has made.
    named: Cell<u32>,
}

impl DeviceTable {
    pub(crate) const fn new() -> Self {
        Self {
            by_address: RefCell::new(BTreeMap::new()),
            links: RefCell::new(BTreeMap::new()),
            named: Cell::new(0),
        }
    }

    pub(crate) fn create(&self, new: NewDevice) -> Rc<DeviceObject> {
        let raw = Box::new(_DEVICE_OBJECT {
            Flags: new.io_type.flags(),
            Characteristics: new.characteristics,
            DeviceType: new.device_type,
            StackSize: i8::try_from(new.stack_size).unwrap_or(i8::MAX),
            ReferenceCount: 0,
            ..Default::default()
        });
        let device = Rc::new(DeviceObject {
            raw,
            kind: new.kind,
            actor: new.actor,
            io_type: new.io_type,
            stack_size: new.stack_size,
            device_type: new.device_type,
            name: new.name,
            lower: RefCell::new(None),
            upper: RefCell::new(Weak::new()),
            opened: Cell::new(0),
        });
        self.by_address
            .borrow_mut()
            .insert(device.address().addr(), Rc::clone(&device));
        if let Some(name) = &device.name {
            self.link(name, &device);
        }
        device
    }

    /// A name for a device that is to have one and names none.
    pub(crate) fn next_name(&self) -> String {
        let number = self.named.get() + 1;
        self.named.set(number);
        format!("\\Device\\{number:08x}")
    }

    /// Gives a device one more name.
    pub(crate) fn link(&self, name: &str, device: &Rc<DeviceObject>) {
        self.links
            .borrow_mut()
            .insert(name.to_owned(), Rc::clone(device));
    }

    pub(crate) fn by_name(&self, name: &str) -> Option<Rc<DeviceObject>> {
        self.links.borrow().get(name).cloned()
    }

    pub(crate) fn by_address(&self, address: PDEVICE_OBJECT) -> Option<Rc<DeviceObject>> {
        self.by_address.borrow().get(&address.addr()).cloned()
    }

    /// `IoAttachDeviceToDeviceStack`.
    pub(crate) fn attach(&self, upper: &Rc<DeviceObject>, lower: &Rc<DeviceObject>) {
        *upper.lower.borrow_mut() = Some(Rc::clone(lower));
        *lower.upper.borrow_mut() = Rc::downgrade(upper);
    }

    /// `IoDetachDevice` and `IoDeleteDevice`.
    pub(crate) fn delete(&self, device: &Rc<DeviceObject>) {
        if let Some(lower) = device.lower.borrow_mut().take() {
            *lower.upper.borrow_mut() = Weak::new();
        }
        self.links
            .borrow_mut()
            .retain(|_, linked| !Rc::ptr_eq(linked, device));
        self.by_address
            .borrow_mut()
            .remove(&device.address().addr());
    }

    /// The top of the stack a device belongs to.
    pub(crate) fn top(device: &Rc<DeviceObject>) -> Rc<DeviceObject> {
        let mut top = Rc::clone(device);
        loop {
            let upper = top.upper.borrow().upgrade();
            match upper {
                Some(upper) => top = upper,
                None => return top,
            }
        }
    }

    /// The bottom of the stack a device belongs to.
    pub(crate) fn bottom(device: &Rc<DeviceObject>) -> Rc<DeviceObject> {
        let mut bottom = Rc::clone(device);
        loop {
            let lower = bottom.lower.borrow().clone();
            match lower {
                Some(lower) => bottom = lower,
                None => return bottom,
            }
        }
    }

    pub(crate) fn clear(&self) {
        self.links.borrow_mut().clear();
        let devices = core::mem::take(&mut *self.by_address.borrow_mut());
        for device in devices.values() {
            device.lower.borrow_mut().take();
        }
    }
}
