//! The registry as far as drivers' parameters go, and WDFKEY.

use core::cell::RefCell;
use core::ptr;
use std::collections::{BTreeMap, BTreeSet};

use kmdf_sys::{
    ACCESS_MASK, NTSTATUS, PCUNICODE_STRING, PULONG, PWDF_OBJECT_ATTRIBUTES, REG_DWORD,
    STATUS_INVALID_DEVICE_REQUEST, STATUS_INVALID_PARAMETER, STATUS_OBJECT_NAME_NOT_FOUND,
    STATUS_OBJECT_TYPE_MISMATCH, STATUS_SUCCESS, ULONG, WDFDRIVER, WDFKEY,
};

use super::attributes::Rules;
use super::class::{Kind, Obj};
use super::driver::Driver;
use crate::system::{PASSIVE_LEVEL, System};

/// A value: its type and its bytes.
#[derive(Clone, Debug)]
pub(super) struct Value {
    pub(super) kind: u32,
    pub(super) data: Vec<u8>,
}

/// Keys and values, by path and name in lower case, as the registry compares them.
pub(crate) struct Registry {
    keys: RefCell<BTreeSet<String>>,
    values: RefCell<BTreeMap<(String, String), Value>>,
}

impl Registry {
    pub(crate) const fn new() -> Self {
        Self {
            keys: RefCell::new(BTreeSet::new()),
            values: RefCell::new(BTreeMap::new()),
        }
    }

    /// Makes a key, with those above it; `false` when it exists.
    pub(super) fn create(&self, path: &str) -> bool {
        let path = path.to_lowercase();
        let mut keys = self.keys.borrow_mut();
        for (end, _) in path.match_indices('\\').skip(1) {
            keys.insert(path[..end].to_owned());
        }
        keys.insert(path)
    }

    pub(super) fn exists(&self, path: &str) -> bool {
        self.keys.borrow().contains(&path.to_lowercase())
    }

    /// Removes a key with its values.
    pub(super) fn remove_key(&self, path: &str) {
        let path = path.to_lowercase();
        self.keys.borrow_mut().remove(&path);
        self.values.borrow_mut().retain(|(key, _), _| *key != path);
    }

    pub(crate) fn set(&self, path: &str, name: &str, kind: u32, data: &[u8]) {
        self.create(path);
        let value = Value {
            kind,
            data: data.to_vec(),
        };
        let mut values = self.values.borrow_mut();
        values.insert((path.to_lowercase(), name.to_lowercase()), value);
    }

    pub(crate) fn set_ulong(&self, path: &str, name: &str, value: u32) {
        self.set(path, name, REG_DWORD, &value.to_le_bytes());
    }

    pub(super) fn get(&self, path: &str, name: &str) -> Option<Value> {
        self.values
            .borrow()
            .get(&(path.to_lowercase(), name.to_lowercase()))
            .cloned()
    }

    pub(super) fn remove(&self, path: &str, name: &str) -> bool {
        let name = (path.to_lowercase(), name.to_lowercase());
        self.values.borrow_mut().remove(&name).is_some()
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
    pub(super) path: String,
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
            Some(found) => match <[u8; 4]>::try_from(found.data) {
                Ok(bytes) if found.kind == REG_DWORD => {
                    self.put(value, u32::from_le_bytes(bytes));
                    STATUS_SUCCESS
                }
                _ => STATUS_OBJECT_TYPE_MISMATCH,
            },
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
        self.framework.registry.set_ulong(&key.path, &name, value);
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
