//! The WdfRegistry DDIs on keys and on values of any type.

use core::ptr;
use std::rc::Rc;

use kmdf_sys::{
    ACCESS_MASK, NTSTATUS, PCUNICODE_STRING, PLUGPLAY_REGKEY_DEVICE, PLUGPLAY_REGKEY_DRIVER,
    POOL_TYPE, PULONG, PUNICODE_STRING, PUSHORT, PVOID, PWDF_OBJECT_ATTRIBUTES, PWDFDEVICE_INIT,
    REG_EXPAND_SZ, REG_SZ, STATUS_BUFFER_OVERFLOW, STATUS_INVALID_DEVICE_REQUEST,
    STATUS_INVALID_PARAMETER, STATUS_OBJECT_NAME_NOT_FOUND, STATUS_OBJECT_TYPE_MISMATCH,
    STATUS_SUCCESS, ULONG, WDFDEVICE, WDFKEY, WDFMEMORY, WDFSTRING,
};

use super::attributes::Rules;
use super::class::{Kind, Obj};
use super::device::{Device, bottom};
use super::object::Object;
use super::registry::{Key, Value};
use super::string::Text;
use crate::status::STATUS_RESOURCE_DATA_NOT_FOUND;
use crate::system::device::DeviceObject;
use crate::system::{PASSIVE_LEVEL, System};

/// `REG_CREATED_NEW_KEY` and `REG_OPENED_EXISTING_KEY`.
const CREATED: u32 = 1;
const OPENED: u32 = 2;

impl Value {
    const fn is_text(&self) -> bool {
        matches!(self.kind, REG_SZ | REG_EXPAND_SZ)
    }

    /// Its units, without a terminator.
    fn units(&self) -> Vec<u16> {
        let pairs = self.data.chunks_exact(2);
        let mut units: Vec<u16> = pairs
            .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
            .collect();
        if units.last() == Some(&0) {
            units.pop();
        }
        units
    }
}

/// The path of a key of a physical device.
fn device_path(device: &Rc<DeviceObject>, which: ULONG) -> Option<String> {
    let control_set = "\\Registry\\Machine\\System\\CurrentControlSet";
    let name = bottom(device).actor.name().to_owned();
    match which & (PLUGPLAY_REGKEY_DEVICE | PLUGPLAY_REGKEY_DRIVER) {
        PLUGPLAY_REGKEY_DEVICE => Some(format!("{control_set}\\Enum\\{name}\\Device Parameters")),
        PLUGPLAY_REGKEY_DRIVER => Some(format!("{control_set}\\Control\\Class\\{name}")),
        _ => None,
    }
}

impl System {
    /// A value of an open key, for a DDI that may be called at `PASSIVE_LEVEL` only.
    fn registry_value(&self, key: &Key, name: PCUNICODE_STRING) -> Result<Value, NTSTATUS> {
        let name = self.value_name(name)?;
        let found = self.framework.registry.get(&key.path, &name);
        found.ok_or(STATUS_OBJECT_NAME_NOT_FOUND)
    }

    fn value_name(&self, name: PCUNICODE_STRING) -> Result<String, NTSTATUS> {
        if !self.irql_at_most(PASSIVE_LEVEL) {
            return Err(STATUS_INVALID_DEVICE_REQUEST);
        }
        self.text(name).ok_or(STATUS_INVALID_PARAMETER)
    }

    fn open_key(
        &self,
        path: String,
        attributes: PWDF_OBJECT_ATTRIBUTES,
        default_parent: Option<Rc<Object>>,
        out: *mut WDFKEY,
    ) -> NTSTATUS {
        let attributes = match self.attributes(attributes, Rules::CHILD) {
            Ok(attributes) => attributes,
            Err(status) => return status,
        };
        let given = attributes.parent.clone().or(default_parent);
        let parent = given.unwrap_or_else(|| self.calling_driver());
        match self.create_object(Kind::Key(Key { path }), &parent, &attributes) {
            Ok(object) => {
                object.passive_dispose.set(true);
                self.put(out, object.handle());
                STATUS_SUCCESS
            }
            Err(status) => status,
        }
    }

    /// The path that a parent key and a name mean.
    fn key_path(
        &self,
        parent: WDFKEY,
        name: PCUNICODE_STRING,
        out: *mut WDFKEY,
    ) -> Result<String, NTSTATUS> {
        let parent: Option<Obj<Key>> = self.object_or_null(parent);
        self.require(name, "KeyName");
        self.require(out, "Key");
        self.put(out, ptr::null_mut());
        let name = self.value_name(name)?;
        Ok(match parent {
            Some(parent) => format!("{}\\{name}", parent.path),
            None => name,
        })
    }

    /// `WdfRegistryOpenKey`.
    pub(crate) fn wdf_registry_open_key(
        &self,
        parent: WDFKEY,
        name: PCUNICODE_STRING,
        _access: ACCESS_MASK,
        attributes: PWDF_OBJECT_ATTRIBUTES,
        out: *mut WDFKEY,
    ) -> NTSTATUS {
        match self.key_path(parent, name, out) {
            Ok(path) if self.framework.registry.exists(&path) => {
                self.open_key(path, attributes, None, out)
            }
            Ok(_) => STATUS_OBJECT_NAME_NOT_FOUND,
            Err(status) => status,
        }
    }

    /// `WdfRegistryCreateKey`.
    #[expect(clippy::too_many_arguments, reason = "the signature of C")]
    pub(crate) fn wdf_registry_create_key(
        &self,
        parent: WDFKEY,
        name: PCUNICODE_STRING,
        _access: ACCESS_MASK,
        _options: ULONG,
        disposition: PULONG,
        attributes: PWDF_OBJECT_ATTRIBUTES,
        out: *mut WDFKEY,
    ) -> NTSTATUS {
        let path = match self.key_path(parent, name, out) {
            Ok(path) => path,
            Err(status) => return status,
        };
        let existed = self.framework.registry.exists(&path);
        let status = self.open_key(path.clone(), attributes, None, out);
        if status == STATUS_SUCCESS {
            self.framework.registry.create(&path);
            self.put(disposition, if existed { OPENED } else { CREATED });
        }
        status
    }

    /// `WdfRegistryRemoveKey`: the key goes, and so does the object.
    pub(crate) fn wdf_registry_remove_key(&self, key: WDFKEY) -> NTSTATUS {
        let key: Obj<Key> = self.object(key);
        if !self.irql_at_most(PASSIVE_LEVEL) {
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        self.framework.registry.remove_key(&key.path);
        self.delete_object(key.rc());
        STATUS_SUCCESS
    }

    /// `WdfRegistryRemoveValue`.
    pub(crate) fn wdf_registry_remove_value(
        &self,
        key: WDFKEY,
        name: PCUNICODE_STRING,
    ) -> NTSTATUS {
        let key: Obj<Key> = self.object(key);
        self.require(name, "ValueName");
        match self.value_name(name) {
            Ok(name) if self.framework.registry.remove(&key.path, &name) => STATUS_SUCCESS,
            Ok(_) => STATUS_OBJECT_NAME_NOT_FOUND,
            Err(status) => status,
        }
    }

    /// `WdfRegistryQueryValue`: with no buffer, only length and type.
    pub(crate) fn wdf_registry_query_value(
        &self,
        key: WDFKEY,
        name: PCUNICODE_STRING,
        length: ULONG,
        buffer: PVOID,
        needed: PULONG,
        kind: PULONG,
    ) -> NTSTATUS {
        let key: Obj<Key> = self.object(key);
        self.require(name, "ValueName");
        let value = match self.registry_value(&key, name) {
            Ok(value) => value,
            Err(status) => return status,
        };
        self.put(needed, u32::try_from(value.data.len()).unwrap_or(u32::MAX));
        self.put(kind, value.kind);
        if buffer.is_null() || value.data.len() > length as usize {
            return STATUS_BUFFER_OVERFLOW;
        }
        // SAFETY: the driver passes a buffer of the length it names, which is enough.
        unsafe {
            ptr::copy_nonoverlapping(value.data.as_ptr(), buffer.cast::<u8>(), value.data.len())
        };
        STATUS_SUCCESS
    }

    /// `WdfRegistryQueryMemory`.
    pub(crate) fn wdf_registry_query_memory(
        &self,
        key: WDFKEY,
        name: PCUNICODE_STRING,
        pool: POOL_TYPE,
        attributes: PWDF_OBJECT_ATTRIBUTES,
        memory: *mut WDFMEMORY,
        kind: PULONG,
    ) -> NTSTATUS {
        let key: Obj<Key> = self.object(key);
        self.require(name, "ValueName");
        self.require(memory, "Memory");
        self.put(memory, ptr::null_mut());
        match self.registry_value(&key, name) {
            Ok(value) if value.data.is_empty() => STATUS_RESOURCE_DATA_NOT_FOUND,
            Ok(value) => {
                self.put(kind, value.kind);
                self.memory_with(attributes, pool, &value.data, memory)
            }
            Err(status) => status,
        }
    }

    /// `WdfRegistryQueryUnicodeString`.
    pub(crate) fn wdf_registry_query_unicode_string(
        &self,
        key: WDFKEY,
        name: PCUNICODE_STRING,
        length: PUSHORT,
        string: PUNICODE_STRING,
    ) -> NTSTATUS {
        let key: Obj<Key> = self.object(key);
        self.require(name, "ValueName");
        let capacity = if string.is_null() {
            None
        } else {
            Some(usize::from(self.get(string).MaximumLength))
        };
        if capacity == Some(0) {
            return STATUS_INVALID_PARAMETER;
        }
        let value = match self.registry_value(&key, name) {
            Ok(value) => value,
            Err(status) => return status,
        };
        let fits = capacity.is_some_and(|capacity| value.data.len() <= capacity);
        // Only what was read is looked at.
        if fits && !value.is_text() {
            return STATUS_OBJECT_TYPE_MISMATCH;
        }
        self.put(length, u16::try_from(value.data.len()).unwrap_or(u16::MAX));
        if !fits {
            return STATUS_BUFFER_OVERFLOW;
        }
        let mut target = self.get(string);
        // SAFETY: the string has a buffer of its maximum length, which is enough.
        unsafe {
            ptr::copy_nonoverlapping(
                value.data.as_ptr(),
                target.Buffer.cast::<u8>(),
                value.data.len(),
            );
        };
        target.Length = u16::try_from(value.units().len() * 2).unwrap_or(u16::MAX);
        self.put(string, target);
        STATUS_SUCCESS
    }

    /// `WdfRegistryQueryString`.
    pub(crate) fn wdf_registry_query_string(
        &self,
        key: WDFKEY,
        name: PCUNICODE_STRING,
        string: WDFSTRING,
    ) -> NTSTATUS {
        let key: Obj<Key> = self.object(key);
        self.require(name, "ValueName");
        self.require(string, "String");
        let value = self.registry_value(&key, name);
        let string: Obj<Text> = self.object(string);
        match value {
            Ok(value) if value.data.is_empty() => STATUS_RESOURCE_DATA_NOT_FOUND,
            Ok(value) if !value.is_text() => STATUS_OBJECT_TYPE_MISMATCH,
            Ok(value) => {
                string.assign(&String::from_utf16_lossy(&value.units()));
                STATUS_SUCCESS
            }
            Err(status) => status,
        }
    }

    /// `WdfRegistryAssignValue`.
    pub(crate) fn wdf_registry_assign_value(
        &self,
        key: WDFKEY,
        name: PCUNICODE_STRING,
        kind: ULONG,
        length: ULONG,
        value: PVOID,
    ) -> NTSTATUS {
        let key: Obj<Key> = self.object(key);
        self.require(name, "ValueName");
        let name = match self.value_name(name) {
            Ok(name) => name,
            Err(status) => return status,
        };
        if length > 0 && value.is_null() {
            return STATUS_INVALID_PARAMETER;
        }
        let data = if length == 0 {
            Vec::new()
        } else {
            // SAFETY: the driver passes a value of the length it names.
            unsafe { core::slice::from_raw_parts(value.cast::<u8>(), length as usize) }.to_vec()
        };
        self.framework.registry.set(&key.path, &name, kind, &data);
        STATUS_SUCCESS
    }

    /// `WdfRegistryAssignUnicodeString`.
    pub(crate) fn wdf_registry_assign_unicode_string(
        &self,
        key: WDFKEY,
        name: PCUNICODE_STRING,
        value: PCUNICODE_STRING,
    ) -> NTSTATUS {
        let key: Obj<Key> = self.object(key);
        self.require(name, "ValueName");
        self.require(value, "Value");
        let name = match self.value_name(name) {
            Ok(name) => name,
            Err(status) => return status,
        };
        let Some(units) = self.units(value) else {
            return STATUS_INVALID_PARAMETER;
        };
        let data: Vec<u8> = units
            .into_iter()
            .chain([0])
            .flat_map(u16::to_le_bytes)
            .collect();
        self.framework.registry.set(&key.path, &name, REG_SZ, &data);
        STATUS_SUCCESS
    }

    /// `WdfRegistryAssignString`.
    pub(crate) fn wdf_registry_assign_string(
        &self,
        key: WDFKEY,
        name: PCUNICODE_STRING,
        string: WDFSTRING,
    ) -> NTSTATUS {
        self.require(name, "ValueName");
        let text: Obj<Text> = self.object(string);
        let value = text.as_unicode();
        self.wdf_registry_assign_unicode_string(key, name, &raw const value)
    }

    /// `WdfDeviceOpenRegistryKey`.
    pub(crate) fn wdf_device_open_registry_key(
        &self,
        device: WDFDEVICE,
        which: ULONG,
        _access: ACCESS_MASK,
        attributes: PWDF_OBJECT_ATTRIBUTES,
        out: *mut WDFKEY,
    ) -> NTSTATUS {
        let device: Obj<Device> = self.object(device);
        self.require(out, "Key");
        self.put(out, ptr::null_mut());
        if !self.irql_at_most(PASSIVE_LEVEL) || device.is_control {
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        match device_path(&device.attached, which) {
            Some(path) => {
                self.framework.registry.create(&path);
                self.open_key(path, attributes, Some(Rc::clone(device.rc())), out)
            }
            None => STATUS_INVALID_PARAMETER,
        }
    }

    /// `WdfFdoInitOpenRegistryKey`.
    pub(crate) fn wdf_fdo_init_open_registry_key(
        &self,
        init: PWDFDEVICE_INIT,
        which: ULONG,
        _access: ACCESS_MASK,
        attributes: PWDF_OBJECT_ATTRIBUTES,
        out: *mut WDFKEY,
    ) -> NTSTATUS {
        let init = self.device_init(init);
        self.require(out, "Key");
        self.put(out, ptr::null_mut());
        if !self.irql_at_most(PASSIVE_LEVEL) {
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        let Some(lower) = &init.lower else {
            return STATUS_INVALID_DEVICE_REQUEST;
        };
        match device_path(lower, which) {
            Some(path) => {
                self.framework.registry.create(&path);
                self.open_key(path, attributes, None, out)
            }
            None => STATUS_INVALID_PARAMETER,
        }
    }
}
