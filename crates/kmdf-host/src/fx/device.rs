//! WDFDEVICE.

use core::cell::RefCell;
use core::ptr;
use std::rc::{Rc, Weak};

use kmdf_sys::{
    _WDF_FILEOBJECT_CONFIG, _WDF_PNPPOWER_EVENT_CALLBACKS, _WDF_REQUEST_TYPE as request_type,
    BOOLEAN, GUID, NTSTATUS, PCUNICODE_STRING, PDEVICE_OBJECT, PFN_WDF_IO_IN_CALLER_CONTEXT,
    PWDF_OBJECT_ATTRIBUTES, PWDFDEVICE_INIT, STATUS_INSUFFICIENT_RESOURCES,
    STATUS_INVALID_DEVICE_REQUEST, STATUS_INVALID_DEVICE_STATE, STATUS_INVALID_PARAMETER,
    STATUS_SUCCESS, WDF_REQUEST_TYPE, WDFDEVICE, WDFDRIVER, WDFIOTARGET, WDFQUEUE,
};

use kmdf_sys::missing::STATUS_WDF_BUSY;

use super::attributes::{Attributes, Rules};
use super::class::{Kind, Obj};
use super::driver::Module;
use super::object::Object;
use super::pnp::{DevicePnp, PnpState};
use super::queue::Queue;
use super::target::IoTarget;
use crate::faults::Allocation;
use crate::status::STATUS_INVALID_SECURITY_DESCR;
use crate::system::device::{DeviceKind, DeviceObject, IoType, NewDevice};
use crate::system::irp::{
    IRP_MJ_CREATE, IRP_MJ_DEVICE_CONTROL, IRP_MJ_INTERNAL_DEVICE_CONTROL, IRP_MJ_READ, IRP_MJ_WRITE,
};
use crate::system::{PASSIVE_LEVEL, System};

/// Number of major function codes.
const MAJORS: usize = 28;

/// A device interface class GUID, comparable.
type InterfaceClass = (u32, u16, u16, [u8; 8]);

/// A WDFDEVICE.
pub(crate) struct Device {
    pub(crate) module: Rc<Module>,
    pub(crate) object: Rc<DeviceObject>,
    pub(crate) attached: Rc<DeviceObject>,
    pub(crate) filter: bool,
    pub(crate) callbacks: _WDF_PNPPOWER_EVENT_CALLBACKS,
    pub(crate) file_config: Option<_WDF_FILEOBJECT_CONFIG>,
    pub(crate) file_attributes: Attributes,
    pub(crate) request_attributes: Attributes,
    pub(crate) in_caller_context: PFN_WDF_IO_IN_CALLER_CONTEXT,
    pub(crate) default_target: RefCell<Option<Rc<Object>>>,
    pub(crate) default_queue: RefCell<Option<Obj<Queue>>>,
    /// All queues in order of creation.
    pub(crate) queues: RefCell<Vec<Obj<Queue>>>,
    /// Queues configured for a major function.
    dispatching: RefCell<[Option<Obj<Queue>>; MAJORS]>,
    pub(crate) files: RefCell<Vec<Rc<Object>>>,
    pub(crate) pnp: DevicePnp,
    interfaces: RefCell<Vec<InterfaceClass>>,
}

impl Device {
    pub(crate) fn io_type(&self) -> IoType {
        self.object.io_type
    }

    /// The queue for a major function: the configured one, else the default queue.
    pub(crate) fn queue_for(&self, major: u8) -> Option<Obj<Queue>> {
        let configured = self.dispatching.borrow()[usize::from(major) % MAJORS].clone();
        configured.or_else(|| self.default_queue.borrow().clone())
    }

    /// Whether a queue was configured for creates; the default queue does not count.
    pub(crate) fn has_create_queue(&self) -> bool {
        self.dispatching.borrow()[usize::from(IRP_MJ_CREATE)].is_some()
    }

    pub(crate) fn is_default_queue(&self, queue: &Obj<Queue>) -> bool {
        self.default_queue
            .borrow()
            .as_ref()
            .is_some_and(|default| default.is(queue))
    }

    pub(crate) fn unlink(&self) {
        self.default_target.borrow_mut().take();
        self.default_queue.borrow_mut().take();
        self.queues.borrow_mut().clear();
        *self.dispatching.borrow_mut() = [const { None }; MAJORS];
        self.files.borrow_mut().clear();
    }
}

/// The bottom of the stack a device object belongs to: the physical device.
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

impl System {
    /// `WdfDeviceCreate`.
    pub(crate) fn wdf_device_create(
        &self,
        init_pointer: *mut PWDFDEVICE_INIT,
        attributes: PWDF_OBJECT_ATTRIBUTES,
        out: *mut WDFDEVICE,
    ) -> NTSTATUS {
        self.require(init_pointer, "DeviceInit");
        let init = self.device_init(self.get(init_pointer));
        self.require(out, "Device");
        self.put(out, ptr::null_mut());
        if !self.irql_at_most(PASSIVE_LEVEL) {
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        let attributes = match self.attributes(attributes, Rules::DEVICE) {
            Ok(attributes) => attributes,
            Err(status) => return status,
        };
        if init.created.borrow().is_some() {
            return STATUS_INVALID_DEVICE_STATE;
        }
        if init.security.get() && init.name.borrow().is_none() {
            return STATUS_INVALID_SECURITY_DESCR;
        }
        let Some(driver) = init.module.driver() else {
            return STATUS_INVALID_DEVICE_STATE;
        };
        // The device object, and the default I/O target.
        for _ in 0..2 {
            if self.faults.fails(Allocation::Object) {
                return STATUS_INSUFFICIENT_RESOURCES;
            }
        }
        // The handlers of PnP and power, of I/O, of WMI, of files, and of all other requests.
        for _ in 0..5 {
            if let Err(status) = self.pool_allocation() {
                return status;
            }
        }
        let filter = init.filter.get();
        let lower = &init.lower;
        let device_object = self.devices.create(NewDevice {
            kind: DeviceKind::Framework(RefCell::new(Weak::new())),
            actor: init.module.actor.clone(),
            io_type: if filter {
                lower.io_type
            } else {
                init.io_type.get()
            },
            stack_size: lower.stack_size + 1,
            device_type: if filter {
                lower.device_type
            } else {
                init.device_type.get()
            },
            characteristics: init.characteristics.get(),
            name: init.name.borrow().clone(),
        });
        let device = Device {
            module: Rc::clone(&init.module),
            object: Rc::clone(&device_object),
            attached: Rc::clone(lower),
            filter,
            callbacks: init.pnp.get(),
            file_config: init.file.get(),
            file_attributes: init.file_attributes.borrow().clone(),
            request_attributes: init.request_attributes.borrow().clone(),
            in_caller_context: init.in_caller_context.get(),
            default_target: RefCell::new(None),
            default_queue: RefCell::new(None),
            queues: RefCell::new(Vec::new()),
            dispatching: RefCell::new([const { None }; MAJORS]),
            files: RefCell::new(Vec::new()),
            // A filter leaves power policy to the function driver unless it says otherwise.
            pnp: DevicePnp::new(init.power_policy_owner.get().unwrap_or(!filter)),
            interfaces: RefCell::new(Vec::new()),
        };
        let object =
            match self.create_object(Kind::Device(Box::new(device)), driver.rc(), &attributes) {
                Ok(object) => object,
                Err(status) => {
                    self.devices.delete(&device_object);
                    return status;
                }
            };
        object.no_delete.set(true);
        object.passive_dispose.set(true);
        self.assign_lock(&object, &attributes);
        if let DeviceKind::Framework(owner) = &device_object.kind {
            *owner.borrow_mut() = Rc::downgrade(&object);
        }
        self.devices.attach(&device_object, lower);
        self.add_default_target(&object, lower);
        *init.created.borrow_mut() = Some(Rc::clone(&object));
        self.put(init_pointer, ptr::null_mut());
        self.put(out, object.handle());
        STATUS_SUCCESS
    }

    fn add_default_target(&self, device: &Rc<Object>, lower: &Rc<DeviceObject>) {
        let target = IoTarget::in_stack(lower);
        let object = Rc::new(Object::new(
            Kind::Target(target),
            device.driver.get(),
            self.origin(),
        ));
        object.no_delete.set(true);
        self.framework.objects.insert(&object);
        device.adopt(device, &object);
        if let Some(device) = Obj::<Device>::new(device) {
            *device.default_target.borrow_mut() = Some(object);
        }
    }

    /// `WdfDeviceGetIoTarget`.
    pub(crate) fn wdf_device_get_io_target(&self, device: WDFDEVICE) -> WDFIOTARGET {
        let device: Obj<Device> = self.object(device);
        let target = device.default_target.borrow();
        target
            .as_ref()
            .map_or(ptr::null_mut(), |target| target.handle())
    }

    /// `WdfDeviceGetDriver`.
    pub(crate) fn wdf_device_get_driver(&self, device: WDFDEVICE) -> WDFDRIVER {
        let device: Obj<Device> = self.object(device);
        device
            .module
            .driver()
            .map_or(ptr::null_mut(), |driver| driver.handle())
    }

    /// `WdfDeviceGetDefaultQueue`.
    pub(crate) fn wdf_device_get_default_queue(&self, device: WDFDEVICE) -> WDFQUEUE {
        let device: Obj<Device> = self.object(device);
        let queue = device.default_queue.borrow();
        queue.as_ref().map_or(ptr::null_mut(), Obj::handle)
    }

    /// `WdfDeviceWdmGetDeviceObject`.
    pub(crate) fn wdf_device_wdm_get_device_object(&self, device: WDFDEVICE) -> PDEVICE_OBJECT {
        let device: Obj<Device> = self.object(device);
        device.object.address()
    }

    /// `WdfDeviceWdmGetAttachedDevice`.
    pub(crate) fn wdf_device_wdm_get_attached_device(&self, device: WDFDEVICE) -> PDEVICE_OBJECT {
        let device: Obj<Device> = self.object(device);
        device.attached.address()
    }

    /// `WdfDeviceWdmGetPhysicalDevice`.
    pub(crate) fn wdf_device_wdm_get_physical_device(&self, device: WDFDEVICE) -> PDEVICE_OBJECT {
        let device: Obj<Device> = self.object(device);
        bottom(&device.attached).address()
    }

    /// `WdfWdmDeviceGetWdfDeviceHandle`.
    pub(crate) fn wdf_wdm_device_get_wdf_device_handle(&self, device: PDEVICE_OBJECT) -> WDFDEVICE {
        self.require(device, "DeviceObject");
        let device = self.devices.by_address(device);
        match device.as_ref().map(|device| &device.kind) {
            Some(DeviceKind::Framework(owner)) => owner
                .borrow()
                .upgrade()
                .map_or(ptr::null_mut(), |object| object.handle()),
            _ => ptr::null_mut(),
        }
    }

    /// `WdfDeviceConfigureRequestDispatching`.
    pub(crate) fn wdf_device_configure_request_dispatching(
        &self,
        device: WDFDEVICE,
        queue: WDFQUEUE,
        which: WDF_REQUEST_TYPE,
    ) -> NTSTATUS {
        let device: Obj<Device> = self.object(device);
        let queue: Obj<Queue> = self.object(queue);
        let major = match which {
            request_type::WdfRequestTypeCreate => IRP_MJ_CREATE,
            request_type::WdfRequestTypeRead => IRP_MJ_READ,
            request_type::WdfRequestTypeWrite => IRP_MJ_WRITE,
            request_type::WdfRequestTypeDeviceControl => IRP_MJ_DEVICE_CONTROL,
            request_type::WdfRequestTypeDeviceControlInternal => IRP_MJ_INTERNAL_DEVICE_CONTROL,
            _ => return STATUS_INVALID_PARAMETER,
        };
        if queue.device().is_none_or(|own| !own.is(&device)) {
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        if device.pnp.state.get() != PnpState::Added {
            return STATUS_INVALID_DEVICE_STATE;
        }
        if device.is_default_queue(&queue) || !(queue.is_manual() || queue.handles(major)) {
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        let slot = usize::from(major);
        if device.dispatching.borrow()[slot].is_some() {
            return STATUS_WDF_BUSY;
        }
        queue.rc().no_delete.set(true);
        device.dispatching.borrow_mut()[slot] = Some(queue);
        STATUS_SUCCESS
    }

    /// `WdfDeviceCreateDeviceInterface`.
    pub(crate) fn wdf_device_create_device_interface(
        &self,
        device: WDFDEVICE,
        class: *const GUID,
        reference: PCUNICODE_STRING,
    ) -> NTSTATUS {
        let device: Obj<Device> = self.object(device);
        self.require(class, "InterfaceClassGUID");
        if !self.irql_at_most(PASSIVE_LEVEL) {
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        let class = self.get(class);
        // The framework's object, its copy of the reference string, and what IoRegisterDeviceInterface takes.
        for _ in 0..2 + usize::from(!reference.is_null()) {
            if let Err(status) = self.pool_allocation() {
                return status;
            }
        }
        device
            .interfaces
            .borrow_mut()
            .push((class.Data1, class.Data2, class.Data3, class.Data4));
        STATUS_SUCCESS
    }

    /// `WdfDeviceSetDeviceInterfaceState`.
    pub(crate) fn wdf_device_set_device_interface_state(
        &self,
        device: WDFDEVICE,
        class: *const GUID,
        _reference: PCUNICODE_STRING,
        _enabled: BOOLEAN,
    ) {
        let device: Obj<Device> = self.object(device);
        self.require(class, "InterfaceClassGUID");
        let class = self.get(class);
        let class = (class.Data1, class.Data2, class.Data3, class.Data4);
        if !device.interfaces.borrow().contains(&class) {
            self.debug_break(
                "WdfDeviceSetDeviceInterfaceState for an interface that was not created",
            );
        }
    }

    /// `WdfDeviceCreateSymbolicLink`.
    pub(crate) fn wdf_device_create_symbolic_link(
        &self,
        device: WDFDEVICE,
        name: PCUNICODE_STRING,
    ) -> NTSTATUS {
        let device: Obj<Device> = self.object(device);
        self.require(name, "SymbolicLinkName");
        if !self.irql_at_most(PASSIVE_LEVEL) {
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        match self.text(name) {
            Some(name) if !name.is_empty() => {
                // The framework's copy of the name, and the link itself.
                for _ in 0..2 {
                    if let Err(status) = self.pool_allocation() {
                        return status;
                    }
                }
                self.devices.link(&name, &device.object);
                STATUS_SUCCESS
            }
            _ => STATUS_INVALID_PARAMETER,
        }
    }
}
