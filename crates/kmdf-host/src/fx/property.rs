//! Properties of devices, which the PnP manager keeps for the physical device.

use core::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use kmdf_sys::{
    DEVICE_REGISTRY_PROPERTY, NTSTATUS, POOL_TYPE, PULONG, PVOID, PWDF_OBJECT_ATTRIBUTES,
    PWDFDEVICE_INIT, STATUS_BUFFER_TOO_SMALL, STATUS_INVALID_DEVICE_REQUEST,
    STATUS_OBJECT_NAME_NOT_FOUND, STATUS_SUCCESS, ULONG, WDFDEVICE, WDFIOTARGET, WDFMEMORY,
};

use super::attributes::Rules;
use super::class::Obj;
use super::device::{Device, bottom};
use super::target::IoTarget;
use crate::system::device::DeviceObject;
use crate::system::{PASSIVE_LEVEL, System};

type Property = DEVICE_REGISTRY_PROPERTY::Type;

/// The properties that are set, by physical device (the address only tells them apart) and number.
#[derive(Default)]
pub(crate) struct Properties {
    values: RefCell<BTreeMap<(usize, Property), Vec<u8>>>,
}

impl Properties {
    pub(crate) const fn new() -> Self {
        Self {
            values: RefCell::new(BTreeMap::new()),
        }
    }

    pub(crate) fn set(&self, device: &Rc<DeviceObject>, property: Property, value: &[u8]) {
        let key = (device.address().addr(), property);
        self.values.borrow_mut().insert(key, value.to_vec());
    }
}

impl System {
    /// `IoGetDeviceProperty`.
    fn property(&self, device: &Rc<DeviceObject>, property: Property) -> Option<Vec<u8>> {
        let device = bottom(device);
        let key = (device.address().addr(), property);
        let set = self.framework.properties.values.borrow().get(&key).cloned();
        if set.is_none()
            && property == DEVICE_REGISTRY_PROPERTY::DevicePropertyPhysicalDeviceObjectName
        {
            let name = device.name.as_ref()?;
            return Some(
                name.encode_utf16()
                    .chain([0])
                    .flat_map(u16::to_le_bytes)
                    .collect(),
            );
        }
        set
    }

    fn query_property(
        &self,
        device: &Rc<DeviceObject>,
        property: Property,
        length: ULONG,
        buffer: PVOID,
        needed: PULONG,
    ) -> NTSTATUS {
        let Some(value) = self.property(device, property) else {
            self.put(needed, 0);
            return STATUS_OBJECT_NAME_NOT_FOUND;
        };
        self.put(needed, u32::try_from(value.len()).unwrap_or(u32::MAX));
        if value.len() > length as usize {
            return STATUS_BUFFER_TOO_SMALL;
        }
        // SAFETY: the driver passes a buffer of the length it names, which is enough.
        unsafe { core::ptr::copy_nonoverlapping(value.as_ptr(), buffer.cast::<u8>(), value.len()) };
        STATUS_SUCCESS
    }

    fn property_memory(
        &self,
        device: impl FnOnce() -> Option<Rc<DeviceObject>>,
        property: Property,
        pool: POOL_TYPE,
        attributes: PWDF_OBJECT_ATTRIBUTES,
        memory: *mut WDFMEMORY,
    ) -> NTSTATUS {
        self.require(memory, "PropertyMemory");
        self.put(memory, core::ptr::null_mut());
        if !self.irql_at_most(PASSIVE_LEVEL) {
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        if let Err(status) = self.attributes(attributes, Rules::CHILD) {
            return status;
        }
        let Some(device) = device() else {
            return STATUS_INVALID_DEVICE_REQUEST;
        };
        match self.property(&device, property) {
            Some(value) => self.memory_with(attributes, pool, &value, memory),
            None => STATUS_OBJECT_NAME_NOT_FOUND,
        }
    }

    fn check_query(&self, length: ULONG, buffer: PVOID, needed: PULONG) -> bool {
        self.require(needed, "ResultLength");
        if length > 0 {
            self.require(buffer, "PropertyBuffer");
        }
        self.irql_at_most(PASSIVE_LEVEL)
    }

    /// `WdfDeviceQueryProperty`.
    pub(crate) fn wdf_device_query_property(
        &self,
        device: WDFDEVICE,
        property: Property,
        length: ULONG,
        buffer: PVOID,
        needed: PULONG,
    ) -> NTSTATUS {
        let device: Obj<Device> = self.object(device);
        if !self.check_query(length, buffer, needed) || device.is_control {
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        self.query_property(&device.attached, property, length, buffer, needed)
    }

    /// `WdfDeviceAllocAndQueryProperty`.
    pub(crate) fn wdf_device_alloc_and_query_property(
        &self,
        device: WDFDEVICE,
        property: Property,
        pool: POOL_TYPE,
        attributes: PWDF_OBJECT_ATTRIBUTES,
        memory: *mut WDFMEMORY,
    ) -> NTSTATUS {
        let device: Obj<Device> = self.object(device);
        let below = || (!device.is_control).then(|| Rc::clone(&device.attached));
        self.property_memory(below, property, pool, attributes, memory)
    }

    /// `WdfFdoInitQueryProperty`.
    pub(crate) fn wdf_fdo_init_query_property(
        &self,
        init: PWDFDEVICE_INIT,
        property: Property,
        length: ULONG,
        buffer: PVOID,
        needed: PULONG,
    ) -> NTSTATUS {
        let init = self.device_init(init);
        if !self.check_query(length, buffer, needed) {
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        match &init.lower {
            Some(lower) => self.query_property(lower, property, length, buffer, needed),
            None => STATUS_INVALID_DEVICE_REQUEST,
        }
    }

    /// `WdfFdoInitAllocAndQueryProperty`.
    pub(crate) fn wdf_fdo_init_alloc_and_query_property(
        &self,
        init: PWDFDEVICE_INIT,
        property: Property,
        pool: POOL_TYPE,
        attributes: PWDF_OBJECT_ATTRIBUTES,
        memory: *mut WDFMEMORY,
    ) -> NTSTATUS {
        let init = self.device_init(init);
        self.property_memory(|| init.lower.clone(), property, pool, attributes, memory)
    }

    /// `WdfIoTargetQueryTargetProperty`.
    pub(crate) fn wdf_io_target_query_target_property(
        &self,
        target: WDFIOTARGET,
        property: Property,
        length: ULONG,
        buffer: PVOID,
        needed: PULONG,
    ) -> NTSTATUS {
        let target: Obj<IoTarget> = self.object(target);
        if !self.check_query(length, buffer, needed) {
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        match target.device.borrow().clone() {
            Some(device) => self.query_property(&device, property, length, buffer, needed),
            None => STATUS_INVALID_DEVICE_REQUEST,
        }
    }

    /// `WdfIoTargetAllocAndQueryTargetProperty`.
    pub(crate) fn wdf_io_target_alloc_and_query_target_property(
        &self,
        target: WDFIOTARGET,
        property: Property,
        pool: POOL_TYPE,
        attributes: PWDF_OBJECT_ATTRIBUTES,
        memory: *mut WDFMEMORY,
    ) -> NTSTATUS {
        let target: Obj<IoTarget> = self.object(target);
        self.property_memory(
            || target.device.borrow().clone(),
            property,
            pool,
            attributes,
            memory,
        )
    }

    /// `WdfIoTargetWdmGetTargetPhysicalDevice`; NULL for a target that is not open.
    pub(crate) fn wdf_io_target_wdm_get_target_physical_device(
        &self,
        target: WDFIOTARGET,
    ) -> kmdf_sys::PDEVICE_OBJECT {
        let target: Obj<IoTarget> = self.object(target);
        let device = target.device.borrow().clone();
        device.map_or(core::ptr::null_mut(), |device| bottom(&device).address())
    }
}
