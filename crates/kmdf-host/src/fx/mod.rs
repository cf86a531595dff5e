//! The framework: objects and the DDIs on them, one file per kind of object.

pub(crate) mod attributes;
pub(crate) mod callback;
pub(crate) mod class;
pub(crate) mod collection;
pub(crate) mod context;
pub(crate) mod control;
pub(crate) mod device;
pub(crate) mod device_init;
pub(crate) mod device_state;
pub(crate) mod driver;
pub(crate) mod file;
pub(crate) mod handle;
pub(crate) mod idle;
pub(crate) mod lifetime;
pub(crate) mod lock;
pub(crate) mod lookaside;
pub(crate) mod memory;
pub(crate) mod object;
pub(crate) mod pnp;
pub(crate) mod pnp_irp;
pub(crate) mod property;
pub(crate) mod queue;
pub(crate) mod registry;
pub(crate) mod registry_values;
pub(crate) mod request;
pub(crate) mod resources;
pub(crate) mod string;
pub(crate) mod target;
pub(crate) mod timer;
pub(crate) mod work;

use core::cell::RefCell;
use std::rc::Rc;

use device_init::DeviceInitTable;
use driver::Module;
use handle::ObjectTable;
use object::Object;
use property::Properties;
use registry::Registry;

use crate::usb::UsbState;

/// What the framework keeps for all drivers of a system.
pub(crate) struct Framework {
    pub(crate) objects: ObjectTable,
    pub(crate) modules: RefCell<Vec<Rc<Module>>>,
    pub(crate) registry: Registry,
    pub(crate) properties: Properties,
    pub(crate) device_inits: DeviceInitTable,
    /// Requests of synchronous sends without a `WDFREQUEST`, used again.
    pub(crate) internal_requests: RefCell<Vec<Rc<Object>>>,
    pub(crate) usb: UsbState,
}

impl Framework {
    pub(crate) const fn new() -> Self {
        Self {
            objects: ObjectTable::new(),
            modules: RefCell::new(Vec::new()),
            registry: Registry::new(),
            properties: Properties::new(),
            device_inits: DeviceInitTable::new(),
            internal_requests: RefCell::new(Vec::new()),
            usb: UsbState::new(),
        }
    }

    pub(crate) fn clear(&self) {
        self.internal_requests.borrow_mut().clear();
        self.device_inits.clear();
        for object in self.objects.clear() {
            object.unlink();
        }
        for module in self.modules.borrow_mut().drain(..) {
            module.unlink();
        }
    }
}
