//! The registry as far as drivers' parameters go, and WDFKEY.

use core::cell::RefCell;
use core::ptr;
use std::collections::BTreeMap;

use kmdf_sys::{
    ACCESS_MASK, NTSTATUS, PCUNICODE_STRING, PULONG, PWDF_OBJECT_ATTRIBUTES,
    STATUS_INVALID_DEVICE_REQUEST, STATUS_INVALID_PARAMETER, STATUS_OBJECT_NAME_NOT_FOUND,
    STATUS_SUCCESS, ULONG, WDFDRIVER, WDFKEY,
};

use super::attributes::Rules;
use super::class::{Kind, Obj};
use super::driver::Driver;
use crate::system::{PASSIVE_LEVEL, System};

/// DWORD values by key path and value name, both in lower case as the registry compares them.
pub(crate) struct Registry {
    values: RefCell<BTreeMap<(String, String), u32>>,
}

impl Registry {
    pub(crate) const fn new() -> Self {
        Self {
            values: RefCell::new(BTreeMap::new()),
        }
    }

    pub(crate) fn set(&self, path: &str, name: &str, value: u32) {
        self.values
            .borrow_mut()
            .insert((path.to_lowercase(), name.to_lowercase()), value);
    }

    fn get(&self, path: &str, name: &str) -> Option<u32> {
        self.values
            .borrow()
            .get(&(path.to_lowercase(), name.to_lowercase()))
            .copied()
    }
}

/// The path of a service's `Parameters` key.
pub(crate) fn parameters_path(service: &str) -> String {
    format!("{}\\Parameters", service_path(service))
}

/// The path of a service's key.
pub(crate) fn service_path(service: &str) -> String {
    format!("\\Registry\\Machine\\System\\CurrentControlSet\\Services\\{service}")
}

/// A WDFKEY: an open key.
pub(crate) struct Key {
    path: String,
}

impl System {
    /// `WdfDriverOpenParametersRegistryKey`.
    pub(crate) fn wdf_driver_open_parameters_registry_key(
        &self,
        driver: WDFDRIVER,
        _access: ACCESS_MASK,
        attributes: PWDF_OBJECT_ATTRIBUTES,
        out: *mut WDFKEY,
    ) -> NTSTATUS {
        let driver: Obj<Driver> = self.object(driver);
        self.require(out, "Key");
        self.put(out, ptr::null_mut());
        if !self.irql_at_most(PASSIVE_LEVEL) {
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        let attributes = match self.attributes(attributes, Rules::CHILD) {
            Ok(attributes) => attributes,
            Err(status) => return status,
        };
        // Opening it takes memory of the system's.
        if let Err(status) = self.pool_allocation() {
            return status;
        }
        let key = Key {
            path: parameters_path(driver.module.service()),
        };
        let parent = attributes
            .parent
            .clone()
            .unwrap_or_else(|| driver.rc().clone());
        match self.create_object(Kind::Key(key), &parent, &attributes) {
            Ok(object) => {
                object.passive_dispose.set(true);
                self.put(out, object.handle());
                STATUS_SUCCESS
            }
            Err(status) => status,
        }
    }

    /// `WdfRegistryQueryULong`.
    pub(crate) fn wdf_registry_query_ulong(
        &self,
        key: WDFKEY,
        name: PCUNICODE_STRING,
        value: PULONG,
    ) -> NTSTATUS {
        let key: Obj<Key> = self.object(key);
        self.require(name, "ValueName");
        self.require(value, "Value");
        if !self.irql_at_most(PASSIVE_LEVEL) {
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        let Some(name) = self.text(name) else {
            return STATUS_INVALID_PARAMETER;
        };
        match self.framework.registry.get(&key.path, &name) {
            Some(found) => {
                self.put(value, found);
                STATUS_SUCCESS
            }
            None => STATUS_OBJECT_NAME_NOT_FOUND,
        }
    }

    /// `WdfRegistryAssignULong`.
    pub(crate) fn wdf_registry_assign_ulong(
        &self,
        key: WDFKEY,
        name: PCUNICODE_STRING,
        value: ULONG,
    ) -> NTSTATUS {
        let key: Obj<Key> = self.object(key);
        self.require(name, "ValueName");
        if !self.irql_at_most(PASSIVE_LEVEL) {
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        let Some(name) = self.text(name) else {
            return STATUS_INVALID_PARAMETER;
        };
        self.framework.registry.set(&key.path, &name, value);
        STATUS_SUCCESS
    }

    /// `WdfRegistryClose`.
    pub(crate) fn wdf_registry_close(&self, key: WDFKEY) {
        let key: Obj<Key> = self.object(key);
        if self.irql_at_most(PASSIVE_LEVEL) {
            self.delete_object(key.rc());
        }
    }
}
