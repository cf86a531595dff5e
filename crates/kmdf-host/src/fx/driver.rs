//! WDFDRIVER, and the loaded image it belongs to.

use core::cell::{Cell, RefCell};
use core::ptr;
use std::rc::{Rc, Weak};

use kmdf_sys::{
    _DRIVER_EXTENSION, _DRIVER_OBJECT, _UNICODE_STRING, _WDF_DRIVER_CONFIG,
    _WDF_DRIVER_INIT_FLAGS as init_flags, NTSTATUS, PCUNICODE_STRING, PDRIVER_OBJECT,
    PFN_WDF_DRIVER_DEVICE_ADD, PFN_WDF_DRIVER_UNLOAD, PWDF_DRIVER_CONFIG, PWDF_OBJECT_ATTRIBUTES,
    PWSTR, STATUS_DRIVER_INTERNAL_ERROR, STATUS_INFO_LENGTH_MISMATCH,
    STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_DEVICE_REQUEST, STATUS_INVALID_PARAMETER,
    STATUS_SUCCESS, WDFDRIVER, WDFSTRING,
};

use super::attributes::Rules;
use super::class::{Kind, Obj};
use super::context::Context;
use super::object::{Level, Object, Scope};
use super::registry::service_path;
use super::string::{Text, unicode_over, utf16z};
use crate::faults::Allocation;
use crate::report::ViolationKind;
use crate::system::{PASSIVE_LEVEL, System};
use crate::trace::Actor;

/// Names a loaded driver inside the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DriverNumber(pub(crate) u32);

impl DriverNumber {
    /// No driver: the framework or the system itself.
    pub(crate) const NONE: Self = Self(u32::MAX);
}

/// A driver's `DriverEntry`.
pub type DriverEntry = unsafe extern "system" fn(PDRIVER_OBJECT, PCUNICODE_STRING) -> NTSTATUS;

/// A loaded driver image.
pub(crate) struct Module {
    pub(crate) number: DriverNumber,
    pub(crate) actor: Actor,
    /// What the driver sees at its `PDRIVER_OBJECT`.
    raw: Box<_DRIVER_OBJECT>,
    _extension: Box<_DRIVER_EXTENSION>,
    _name: Box<[u16]>,
    registry_path: Box<[u16]>,
    registry_string: Box<_UNICODE_STRING>,
    pub(crate) object: RefCell<Weak<Object>>,
    pub(crate) loaded: Cell<bool>,
    /// What `WdfDriverCreate` returned last.
    pub(crate) created: Cell<Option<NTSTATUS>>,
}

impl Module {
    pub(crate) fn new(number: DriverNumber, service: &str) -> Self {
        let name = utf16z(service);
        let registry_path = utf16z(&service_path(service));
        let registry_string = Box::new(unicode_over(&registry_path));
        let mut extension = Box::new(_DRIVER_EXTENSION {
            ServiceKeyName: unicode_over(&name),
            ..Default::default()
        });
        let raw = Box::new(_DRIVER_OBJECT {
            DriverExtension: &raw mut *extension,
            DriverName: unicode_over(&name),
            ..Default::default()
        });
        Self {
            number,
            actor: Actor::new(service),
            raw,
            _extension: extension,
            _name: name,
            registry_path,
            registry_string,
            object: RefCell::new(Weak::new()),
            loaded: Cell::new(false),
            created: Cell::new(None),
        }
    }

    pub(crate) fn service(&self) -> &str {
        self.actor.name()
    }

    pub(crate) fn driver_object(&self) -> PDRIVER_OBJECT {
        ptr::from_ref(&*self.raw).cast_mut()
    }

    pub(crate) fn registry_string(&self) -> PCUNICODE_STRING {
        ptr::from_ref(&*self.registry_string)
    }

    /// Its WDFDRIVER, while there is one.
    pub(crate) fn driver(&self) -> Option<Obj<Driver>> {
        let object = self.object.borrow().upgrade()?;
        Obj::new(&object)
    }

    pub(crate) fn unlink(&self) {
        *self.object.borrow_mut() = Weak::new();
    }
}

/// A WDFDRIVER.
pub(crate) struct Driver {
    pub(crate) module: Rc<Module>,
    pub(crate) device_add: PFN_WDF_DRIVER_DEVICE_ADD,
    pub(crate) unload: PFN_WDF_DRIVER_UNLOAD,
    /// `WdfDriverInitNonPnpDriver` was given.
    pub(crate) non_pnp: bool,
    /// Tag of memory for which the driver names none.
    pub(crate) pool_tag: u32,
}

/// `WDF_DRIVER_CONFIG` of KMDF 1.1, which had no pool tag.
const CONFIG_1_1: usize = core::mem::offset_of!(_WDF_DRIVER_CONFIG, DriverPoolTag);

const KNOWN_INIT_FLAGS: i32 = init_flags::WdfDriverInitNonPnpDriver
    | init_flags::WdfDriverInitNoDispatchOverride
    | init_flags::WdfDriverInitCompanion;

impl System {
    pub(crate) fn module(&self, number: DriverNumber) -> Option<Rc<Module>> {
        self.framework
            .modules
            .borrow()
            .get(number.0 as usize)
            .cloned()
    }

    /// The WDFDRIVER whose code is running; objects without a parent become its children.
    pub(crate) fn calling_driver(&self) -> Rc<Object> {
        let number = self.scheduler.context.driver.get();
        let module = self.module(number).or_else(|| {
            // A thread of a test's own: it acts for the driver that was loaded last.
            let modules = self.framework.modules.borrow();
            modules
                .iter()
                .rev()
                .find(|module| module.driver().is_some())
                .cloned()
        });
        match module.and_then(|module| module.driver()) {
            Some(driver) => Rc::clone(driver.rc()),
            None => self.bugcheck(
                crate::report::BugcheckKind::NoDriver,
                crate::system::fail::code::OBJECT_ERROR,
                0,
                0,
                format!(
                    "{} was called before WdfDriverCreate: the object has no driver to belong to",
                    self.ddi()
                ),
            ),
        }
    }

    /// `WdfDriverCreate`.
    pub(crate) fn wdf_driver_create(
        &self,
        driver_object: PDRIVER_OBJECT,
        registry_path: PCUNICODE_STRING,
        attributes: PWDF_OBJECT_ATTRIBUTES,
        config: PWDF_DRIVER_CONFIG,
        out: *mut WDFDRIVER,
    ) -> NTSTATUS {
        let status = self.create_driver(driver_object, registry_path, attributes, config, out);
        self.driver_created(status);
        status
    }

    fn create_driver(
        &self,
        driver_object: PDRIVER_OBJECT,
        registry_path: PCUNICODE_STRING,
        attributes: PWDF_OBJECT_ATTRIBUTES,
        config: PWDF_DRIVER_CONFIG,
        out: *mut WDFDRIVER,
    ) -> NTSTATUS {
        self.require(driver_object, "DriverObject");
        self.require(registry_path, "RegistryPath");
        self.require(config, "DriverConfig");
        let config = self.get(config);
        let size = config.Size as usize;
        if size != size_of::<_WDF_DRIVER_CONFIG>() && size != CONFIG_1_1 {
            return STATUS_INFO_LENGTH_MISMATCH;
        }
        if config.DriverInitFlags & !KNOWN_INIT_FLAGS.cast_unsigned() != 0 {
            return STATUS_INVALID_PARAMETER;
        }
        if !self.irql_at_most(PASSIVE_LEVEL) {
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        if self.units(registry_path).is_none_or(|path| path.is_empty()) {
            return STATUS_INVALID_PARAMETER;
        }
        let module = {
            let modules = self.framework.modules.borrow();
            modules
                .iter()
                .find(|module| module.driver_object() == driver_object)
                .cloned()
        };
        let Some(module) = module else {
            return STATUS_INVALID_PARAMETER;
        };
        if module.driver().is_some() {
            return STATUS_DRIVER_INTERNAL_ERROR;
        }
        self.put(out, ptr::null_mut());
        let non_pnp =
            config.DriverInitFlags & init_flags::WdfDriverInitNonPnpDriver.cast_unsigned() != 0;
        if non_pnp && config.EvtDriverDeviceAdd.is_some() {
            return STATUS_INVALID_PARAMETER;
        }
        let attributes = match self.attributes(attributes, Rules::DEVICE) {
            Ok(attributes) => attributes,
            Err(status) => return status,
        };
        if self.faults.fails(Allocation::Object) {
            return STATUS_INSUFFICIENT_RESOURCES;
        }
        // The list of objects to be disposed of, the driver object's extension, the copy of the registry path.
        for _ in 0..3 {
            if let Err(status) = self.pool_allocation() {
                return status;
            }
        }
        let Ok(context) = Context::for_attributes(&attributes) else {
            return STATUS_INSUFFICIENT_RESOURCES;
        };
        let tag = if size == CONFIG_1_1 {
            0
        } else {
            config.DriverPoolTag
        };
        let driver = Driver {
            module: Rc::clone(&module),
            device_add: config.EvtDriverDeviceAdd,
            unload: config.EvtDriverUnload,
            non_pnp,
            pool_tag: if tag == 0 {
                tag_of_service(module.service())
            } else {
                tag
            },
        };
        let object = Rc::new(Object::new(
            Kind::Driver(driver),
            module.number,
            self.origin(),
        ));
        object.no_delete.set(true);
        object.passive_dispose.set(true);
        object
            .level
            .set(attributes.level.unwrap_or(Level::Dispatch));
        object.scope.set(attributes.scope.unwrap_or(Scope::None));
        self.framework.objects.insert(&object);
        if let Some(context) = context {
            context.belongs_to(object.handle.get());
            object.contexts.borrow_mut().push(context);
        }
        *module.object.borrow_mut() = Rc::downgrade(&object);
        crate::table::set_driver(object.handle());
        self.put(out, object.handle());
        STATUS_SUCCESS
    }

    /// `WdfDriverGetRegistryPath`.
    pub(crate) fn wdf_driver_get_registry_path(&self, driver: WDFDRIVER) -> PWSTR {
        let driver: Obj<Driver> = self.object(driver);
        driver.module.registry_path.as_ptr().cast_mut()
    }

    /// `WdfDriverWdmGetDriverObject`.
    pub(crate) fn wdf_driver_wdm_get_driver_object(&self, driver: WDFDRIVER) -> PDRIVER_OBJECT {
        let driver: Obj<Driver> = self.object(driver);
        driver.module.driver_object()
    }

    /// `WdfWdmDriverGetWdfDriverHandle`.
    pub(crate) fn wdf_wdm_driver_get_wdf_driver_handle(
        &self,
        driver_object: PDRIVER_OBJECT,
    ) -> WDFDRIVER {
        self.require(driver_object, "DriverObject");
        let modules = self.framework.modules.borrow();
        let module = modules
            .iter()
            .find(|module| module.driver_object() == driver_object);
        module
            .and_then(|module| module.driver())
            .map_or(ptr::null_mut(), |driver| driver.handle())
    }

    /// `WdfDriverRetrieveVersionString`: puts the framework's version into a string object.
    pub(crate) fn wdf_driver_retrieve_version_string(
        &self,
        driver: WDFDRIVER,
        string: WDFSTRING,
    ) -> NTSTATUS {
        let _: Obj<Driver> = self.object(driver);
        self.require(string, "String");
        if !self.irql_at_most(PASSIVE_LEVEL) {
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        let string: Obj<Text> = self.object(string);
        string.assign(if self.verifier() {
            "Kernel Mode Driver Framework (verifier on) version 1.33.0"
        } else {
            "Kernel Mode Driver Framework version 1.33.0"
        });
        STATUS_SUCCESS
    }

    /// `WdfDriverIsVersionAvailable`.
    pub(crate) fn wdf_driver_is_version_available(
        &self,
        driver: WDFDRIVER,
        version: kmdf_sys::PWDF_DRIVER_VERSION_AVAILABLE_PARAMS,
    ) -> u8 {
        let _: Obj<Driver> = self.object(driver);
        self.require(version, "VersionAvailableParams");
        let version = self.get(version);
        if version.Size as usize != size_of::<kmdf_sys::_WDF_DRIVER_VERSION_AVAILABLE_PARAMS>() {
            self.misuse_of_call(
                ViolationKind::StructureSize,
                "WDF_DRIVER_VERSION_AVAILABLE_PARAMS has a wrong Size",
            );
            return 0;
        }
        u8::from(version.MajorVersion == 1 && version.MinorVersion <= 33)
    }
}

/// The pool tag of a driver that names none: the first letters of its service.
fn tag_of_service(service: &str) -> u32 {
    let mut tag = [b' '; 4];
    for (place, letter) in tag.iter_mut().zip(service.bytes()) {
        *place = letter;
    }
    u32::from_le_bytes(tag)
}
