//! `WDFDEVICE_INIT`: what a driver says about a device before it exists.

use core::cell::{Cell, RefCell};
use core::ptr;
use std::rc::Rc;

use kmdf_sys::{
    _WDF_DEVICE_IO_TYPE as io_type, _WDF_FILEOBJECT_CONFIG, _WDF_IO_TYPE_CONFIG,
    _WDF_PNPPOWER_EVENT_CALLBACKS, BOOLEAN, NTSTATUS, PCUNICODE_STRING, PDEVICE_OBJECT,
    PFN_WDF_DEVICE_SHUTDOWN_NOTIFICATION, PFN_WDF_IO_IN_CALLER_CONTEXT, PWDF_FILEOBJECT_CONFIG,
    PWDF_IO_TYPE_CONFIG, PWDF_OBJECT_ATTRIBUTES, PWDF_PNPPOWER_EVENT_CALLBACKS,
    PWDF_POWER_POLICY_EVENT_CALLBACKS, PWDFDEVICE_INIT, STATUS_INVALID_DEVICE_REQUEST,
    STATUS_INVALID_PARAMETER, STATUS_SUCCESS, ULONG, WDF_DEVICE_IO_TYPE,
};

use super::attributes::{Attributes, Rules};
use super::driver::Module;
use super::object::Object;
use crate::report::ViolationKind;
use crate::system::device::{DeviceObject, IoType};
use crate::system::slab::Slab;
use crate::system::{PASSIVE_LEVEL, System};

/// Marks addresses of `WDFDEVICE_INIT`.
const INIT_TAG: u16 = 0xA55C;

/// What has been said.
pub(crate) struct DeviceInit {
    pub(crate) module: Rc<Module>,
    /// The device to attach to; none for a control device.
    pub(crate) lower: Option<Rc<DeviceObject>>,
    pub(crate) filter: Cell<bool>,
    /// `None`: the default of the device's role.
    pub(crate) power_policy_owner: Cell<Option<bool>>,
    pub(crate) io_type: Cell<IoType>,
    pub(crate) device_type: Cell<u32>,
    pub(crate) characteristics: Cell<u32>,
    pub(crate) pnp: Cell<_WDF_PNPPOWER_EVENT_CALLBACKS>,
    pub(crate) file: Cell<Option<_WDF_FILEOBJECT_CONFIG>>,
    pub(crate) file_attributes: RefCell<Attributes>,
    pub(crate) request_attributes: RefCell<Attributes>,
    pub(crate) in_caller_context: Cell<PFN_WDF_IO_IN_CALLER_CONTEXT>,
    pub(crate) name: RefCell<Option<String>>,
    pub(crate) security: Cell<bool>,
    pub(crate) shutdown: Cell<PFN_WDF_DEVICE_SHUTDOWN_NOTIFICATION>,
    /// The device made from it.
    pub(crate) created: RefCell<Option<Rc<Object>>>,
}

/// The initializers that exist now.
pub(crate) struct DeviceInitTable {
    slab: Slab<Rc<DeviceInit>, INIT_TAG>,
}

impl DeviceInitTable {
    pub(crate) const fn new() -> Self {
        Self { slab: Slab::new() }
    }

    pub(crate) fn create(
        &self,
        module: &Rc<Module>,
        lower: Option<&Rc<DeviceObject>>,
    ) -> PWDFDEVICE_INIT {
        let init = DeviceInit {
            module: Rc::clone(module),
            lower: lower.cloned(),
            filter: Cell::new(false),
            power_policy_owner: Cell::new(None),
            io_type: Cell::new(IoType::Buffered),
            device_type: Cell::new(kmdf_sys::FILE_DEVICE_UNKNOWN),
            characteristics: Cell::new(0),
            pnp: Cell::new(_WDF_PNPPOWER_EVENT_CALLBACKS::default()),
            file: Cell::new(None),
            file_attributes: RefCell::new(Attributes::NONE),
            request_attributes: RefCell::new(Attributes::NONE),
            in_caller_context: Cell::new(None),
            name: RefCell::new(None),
            security: Cell::new(false),
            shutdown: Cell::new(None),
            created: RefCell::new(None),
        };
        ptr::without_provenance_mut(self.slab.insert(Rc::new(init)))
    }

    /// Ends an initializer and returns the device that was made from it.
    pub(crate) fn finish(&self, init: PWDFDEVICE_INIT) -> Option<Rc<DeviceInit>> {
        self.slab.remove(init.addr())
    }

    pub(crate) fn clear(&self) {
        drop(self.slab.clear());
    }
}

impl System {
    pub(crate) fn device_init(&self, init: PWDFDEVICE_INIT) -> Rc<DeviceInit> {
        self.require(init, "DeviceInit");
        match self.framework.device_inits.slab.get(init.addr()) {
            Ok(init) => init,
            Err(why) => self.bad_handle(init.addr(), 0, "WDFDEVICE_INIT", why),
        }
    }

    /// `WdfFdoInitSetFilter`.
    pub(crate) fn wdf_fdo_init_set_filter(&self, init: PWDFDEVICE_INIT) {
        let init = self.device_init(init);
        if self.irql_at_most(PASSIVE_LEVEL) {
            init.filter.set(true);
        }
    }

    /// `WdfFdoInitWdmGetPhysicalDevice`.
    pub(crate) fn wdf_fdo_init_wdm_get_physical_device(
        &self,
        init: PWDFDEVICE_INIT,
    ) -> PDEVICE_OBJECT {
        let init = self.device_init(init);
        match &init.lower {
            Some(lower) => super::device::bottom(lower).address(),
            None => {
                self.debug_break("the initializer is that of a control device");
                ptr::null_mut()
            }
        }
    }

    /// `WdfDeviceInitSetPnpPowerEventCallbacks`.
    pub(crate) fn wdf_device_init_set_pnp_power_event_callbacks(
        &self,
        init: PWDFDEVICE_INIT,
        callbacks: PWDF_PNPPOWER_EVENT_CALLBACKS,
    ) {
        let init = self.device_init(init);
        self.require(callbacks, "PnpPowerEventCallbacks");
        let callbacks = self.get(callbacks);
        if callbacks.Size as usize == size_of::<_WDF_PNPPOWER_EVENT_CALLBACKS>() {
            init.pnp.set(callbacks);
        } else {
            self.misuse_of_call(
                ViolationKind::StructureSize,
                "WDF_PNPPOWER_EVENT_CALLBACKS has a wrong Size",
            );
        }
    }

    /// `WdfDeviceInitSetPowerPolicyEventCallbacks`: the wake callbacks are taken but never called, no device here sleeps.
    pub(crate) fn wdf_device_init_set_power_policy_event_callbacks(
        &self,
        init: PWDFDEVICE_INIT,
        callbacks: PWDF_POWER_POLICY_EVENT_CALLBACKS,
    ) {
        self.device_init(init);
        self.require(callbacks, "PowerPolicyEventCallbacks");
    }

    /// `WdfDeviceInitSetPowerPolicyOwnership`.
    pub(crate) fn wdf_device_init_set_power_policy_ownership(
        &self,
        init: PWDFDEVICE_INIT,
        owner: BOOLEAN,
    ) {
        let init = self.device_init(init);
        init.power_policy_owner.set(Some(owner != 0));
    }

    /// `WdfDeviceInitSetIoType`.
    pub(crate) fn wdf_device_init_set_io_type(
        &self,
        init: PWDFDEVICE_INIT,
        wanted: WDF_DEVICE_IO_TYPE,
    ) {
        let init = self.device_init(init);
        if let Some(io_type) = io_type_of(wanted) {
            init.io_type.set(io_type);
        }
    }

    /// `WdfDeviceInitSetIoTypeEx`.
    pub(crate) fn wdf_device_init_set_io_type_ex(
        &self,
        init: PWDFDEVICE_INIT,
        config: PWDF_IO_TYPE_CONFIG,
    ) {
        let init = self.device_init(init);
        self.require(config, "IoTypeConfig");
        let config = self.get(config);
        if config.Size as usize != size_of::<_WDF_IO_TYPE_CONFIG>() {
            self.misuse_of_call(
                ViolationKind::StructureSize,
                "WDF_IO_TYPE_CONFIG has a wrong Size",
            );
            return;
        }
        if let Some(io_type) = io_type_of(config.ReadWriteIoType) {
            init.io_type.set(io_type);
        }
    }

    /// `WdfDeviceInitSetExclusive`: the object manager's check on a second open is not modelled.
    pub(crate) fn wdf_device_init_set_exclusive(&self, init: PWDFDEVICE_INIT, _exclusive: BOOLEAN) {
        self.device_init(init);
    }

    /// `WdfDeviceInitSetDeviceType`.
    pub(crate) fn wdf_device_init_set_device_type(&self, init: PWDFDEVICE_INIT, device_type: u32) {
        self.device_init(init).device_type.set(device_type);
    }

    /// `WdfDeviceInitSetCharacteristics`.
    pub(crate) fn wdf_device_init_set_characteristics(
        &self,
        init: PWDFDEVICE_INIT,
        bits: ULONG,
        or_in: BOOLEAN,
    ) {
        let init = self.device_init(init);
        let before = if or_in == 0 {
            0
        } else {
            init.characteristics.get()
        };
        init.characteristics.set(before | bits);
    }

    /// `WdfDeviceInitSetFileObjectConfig`.
    pub(crate) fn wdf_device_init_set_file_object_config(
        &self,
        init: PWDFDEVICE_INIT,
        config: PWDF_FILEOBJECT_CONFIG,
        attributes: PWDF_OBJECT_ATTRIBUTES,
    ) {
        let init = self.device_init(init);
        self.require(config, "FileObjectConfig");
        let config = self.get(config);
        if config.Size as usize != size_of::<_WDF_FILEOBJECT_CONFIG>() {
            self.misuse_of_call(
                ViolationKind::StructureSize,
                "WDF_FILEOBJECT_CONFIG has a wrong Size",
            );
            return;
        }
        match self.attributes(attributes, Rules::DEVICE) {
            Ok(attributes) => {
                init.file.set(Some(config));
                *init.file_attributes.borrow_mut() = attributes;
            }
            Err(_) => {
                self.debug_break("WdfDeviceInitSetFileObjectConfig was given invalid attributes")
            }
        }
    }

    /// `WdfDeviceInitSetRequestAttributes`.
    pub(crate) fn wdf_device_init_set_request_attributes(
        &self,
        init: PWDFDEVICE_INIT,
        attributes: PWDF_OBJECT_ATTRIBUTES,
    ) {
        let init = self.device_init(init);
        self.require(attributes, "RequestAttributes");
        match self.attributes(attributes, Rules::REQUEST) {
            Ok(attributes) => *init.request_attributes.borrow_mut() = attributes,
            Err(_) => {
                self.debug_break("WdfDeviceInitSetRequestAttributes was given invalid attributes")
            }
        }
    }

    /// `WdfDeviceInitSetIoInCallerContextCallback`.
    pub(crate) fn wdf_device_init_set_io_in_caller_context_callback(
        &self,
        init: PWDFDEVICE_INIT,
        callback: PFN_WDF_IO_IN_CALLER_CONTEXT,
    ) {
        let init = self.device_init(init);
        if callback.is_none() {
            self.null_parameter("EvtIoInCallerContext");
        }
        init.in_caller_context.set(callback);
    }

    /// `WdfDeviceInitAssignName`.
    pub(crate) fn wdf_device_init_assign_name(
        &self,
        init: PWDFDEVICE_INIT,
        name: PCUNICODE_STRING,
    ) -> NTSTATUS {
        let init = self.device_init(init);
        if !self.irql_at_most(PASSIVE_LEVEL) {
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        if name.is_null() {
            *init.name.borrow_mut() = None;
            return STATUS_SUCCESS;
        }
        match self.text(name) {
            Some(name) => {
                if let Err(status) = self.pool_allocation() {
                    return status;
                }
                *init.name.borrow_mut() = Some(name);
                STATUS_SUCCESS
            }
            None => STATUS_INVALID_PARAMETER,
        }
    }

    /// `WdfDeviceInitAssignSDDLString`: the text is not interpreted.
    pub(crate) fn wdf_device_init_assign_sddl_string(
        &self,
        init: PWDFDEVICE_INIT,
        sddl: PCUNICODE_STRING,
    ) -> NTSTATUS {
        let init = self.device_init(init);
        if !self.irql_at_most(PASSIVE_LEVEL) {
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        if !sddl.is_null()
            && let Err(status) = self.pool_allocation()
        {
            return status;
        }
        init.security.set(!sddl.is_null());
        STATUS_SUCCESS
    }

    /// `WdfDeviceInitFree`: only of an initializer that the driver allocated and made no device from.
    pub(crate) fn wdf_device_init_free(&self, init: PWDFDEVICE_INIT) {
        if self.device_init(init).lower.is_some() {
            self.debug_break("WdfDeviceInitFree of an initializer that belongs to the framework");
        } else {
            self.framework.device_inits.finish(init);
        }
    }
}

fn io_type_of(wanted: WDF_DEVICE_IO_TYPE) -> Option<IoType> {
    match wanted {
        io_type::WdfDeviceIoNeither => Some(IoType::Neither),
        io_type::WdfDeviceIoBuffered => Some(IoType::Buffered),
        // A choice by size per request is the framework's only for user-mode drivers; here it is direct I/O.
        io_type::WdfDeviceIoDirect | io_type::WdfDeviceIoBufferedOrDirect => Some(IoType::Direct),
        _ => None,
    }
}
