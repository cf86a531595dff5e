//! Creating, opening and closing remote I/O targets.

use std::rc::Rc;

use kmdf_sys::{
    _WDF_IO_TARGET_OPEN_PARAMS, _WDF_IO_TARGET_OPEN_TYPE as open_type, NTSTATUS,
    PWDF_IO_TARGET_OPEN_PARAMS, PWDF_OBJECT_ATTRIBUTES, STATUS_INFO_LENGTH_MISMATCH,
    STATUS_INVALID_DEVICE_REQUEST, STATUS_INVALID_DEVICE_STATE, STATUS_INVALID_PARAMETER,
    STATUS_OBJECT_NAME_NOT_FOUND, STATUS_SUCCESS, WDFDEVICE, WDFIOTARGET,
};

use super::{IoTarget, TargetKind, TargetState};
use crate::fx::attributes::Rules;
use crate::fx::class::{Kind, Obj};
use crate::fx::device::Device;
use crate::fx::object::Object;
use crate::system::device::{DeviceObject, DeviceTable};
use crate::system::fail::code;
use crate::system::{PASSIVE_LEVEL, System};

/// Size of the open parameters in KMDF 1.11, before the file name of UMDF was added.
const OPEN_PARAMS_1_11: usize = core::mem::offset_of!(_WDF_IO_TARGET_OPEN_PARAMS, FileName);

impl System {
    /// `WdfIoTargetCreate`.
    pub(crate) fn wdf_io_target_create(
        &self,
        device: WDFDEVICE,
        attributes: PWDF_OBJECT_ATTRIBUTES,
        out: *mut WDFIOTARGET,
    ) -> NTSTATUS {
        let device: Obj<Device> = self.object(device);
        self.require(out, "IoTarget");
        if !self.irql_at_most(PASSIVE_LEVEL) {
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        let attributes = match self.attributes(attributes, Rules::CHILD) {
            Ok(attributes) => attributes,
            Err(status) => return status,
        };
        if let Some(parent) = &attributes.parent {
            let own =
                Object::ancestor::<Device>(parent).is_some_and(|ancestor| ancestor.is(&device));
            if !own {
                return STATUS_INVALID_DEVICE_REQUEST;
            }
        }
        let parent = attributes
            .parent
            .clone()
            .unwrap_or_else(|| Rc::clone(device.rc()));
        match self.create_object(Kind::Target(IoTarget::remote()), &parent, &attributes) {
            Ok(object) => {
                object.passive_dispose.set(true);
                self.put(out, object.handle());
                STATUS_SUCCESS
            }
            Err(status) => status,
        }
    }

    fn remote_target(&self, target: WDFIOTARGET) -> Obj<IoTarget> {
        let target: Obj<IoTarget> = self.object(target);
        if target.kind != TargetKind::Remote {
            self.bugcheck(
                crate::report::BugcheckKind::NotARemoteTarget,
                code::INVALID_HANDLE,
                target.rc().handle.get() as u64,
                0x1201,
                format!(
                    "{} needs a target that the driver created; this one belongs to its device",
                    self.ddi()
                ),
            );
        }
        target
    }

    /// `WdfIoTargetOpen`.
    pub(crate) fn wdf_io_target_open(
        &self,
        target: WDFIOTARGET,
        params: PWDF_IO_TARGET_OPEN_PARAMS,
    ) -> NTSTATUS {
        let target = self.remote_target(target);
        self.require(params, "OpenParams");
        if !self.irql_at_most(PASSIVE_LEVEL) {
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        let params = self.get(params);
        let size = params.Size as usize;
        if size != size_of::<_WDF_IO_TARGET_OPEN_PARAMS>() && size != OPEN_PARAMS_1_11 {
            return STATUS_INFO_LENGTH_MISMATCH;
        }
        let name = match self.check_open(&target, &params) {
            Ok(name) => name,
            Err(status) => return status,
        };
        if target.state.get() == TargetState::Deleted || target.device.borrow().is_some() {
            return STATUS_INVALID_DEVICE_STATE;
        }
        let Some(device) = self.open_device(&params, name.as_deref()) else {
            target.state.set(TargetState::Closed);
            return STATUS_OBJECT_NAME_NOT_FOUND;
        };
        target.attach(&device);
        target.file.set(params.TargetFileObject.expose_provenance());
        if let Some(name) = name {
            device.opened.set(device.opened.get() + 1);
            *target.name.borrow_mut() = Some(name);
        }
        target.state.set(TargetState::Started);
        STATUS_SUCCESS
    }

    /// Checks the parameters of an open by its type; the name to open by, if it is one by name.
    fn check_open(
        &self,
        target: &IoTarget,
        params: &_WDF_IO_TARGET_OPEN_PARAMS,
    ) -> Result<Option<String>, NTSTATUS> {
        match params.Type {
            open_type::WdfIoTargetOpenUseExistingDevice => {
                let watches = params.EvtIoTargetQueryRemove.is_some()
                    || params.EvtIoTargetRemoveCanceled.is_some()
                    || params.EvtIoTargetRemoveComplete.is_some();
                if params.TargetDeviceObject.is_null()
                    || (watches && params.TargetFileObject.is_null())
                {
                    return Err(STATUS_INVALID_PARAMETER);
                }
                Ok(None)
            }
            open_type::WdfIoTargetOpenByName => {
                let string = params.TargetDeviceName;
                if string.Buffer.is_null() || string.Length == 0 {
                    return Err(STATUS_INVALID_PARAMETER);
                }
                let copies =
                    1 + usize::from(params.EaBufferLength > 0 && !params.EaBuffer.is_null());
                for _ in 0..copies {
                    self.pool_allocation()?;
                }
                self.text(&raw const string)
                    .map(Some)
                    .ok_or(STATUS_INVALID_PARAMETER)
            }
            open_type::WdfIoTargetOpenReopen => {
                let name = target.name.borrow().clone();
                name.map(Some).ok_or(STATUS_INVALID_DEVICE_REQUEST)
            }
            _ => Err(STATUS_INVALID_PARAMETER),
        }
    }

    fn open_device(
        &self,
        params: &_WDF_IO_TARGET_OPEN_PARAMS,
        name: Option<&str>,
    ) -> Option<Rc<DeviceObject>> {
        match name {
            // Opening by name reaches the top of the device's stack.
            Some(name) => self
                .devices
                .by_name(name)
                .map(|device| DeviceTable::top(&device)),
            None => self.devices.by_address(params.TargetDeviceObject),
        }
    }

    /// `WdfIoTargetClose`.
    pub(crate) fn wdf_io_target_close(&self, target: WDFIOTARGET) {
        let target = self.remote_target(target);
        if self.irql_at_most(PASSIVE_LEVEL) {
            // Up to KMDF 1.7 a closed target could be reopened.
            let state = if self.client_at_least(9) {
                TargetState::Closed
            } else {
                TargetState::ClosedForQueryRemove
            };
            self.close_target(&target, state);
        }
    }

    /// `WdfIoTargetCloseForQueryRemove`.
    pub(crate) fn wdf_io_target_close_for_query_remove(&self, target: WDFIOTARGET) {
        let target = self.remote_target(target);
        if self.irql_at_most(PASSIVE_LEVEL) {
            self.close_target(&target, TargetState::ClosedForQueryRemove);
        }
    }

    fn close_target(&self, target: &Obj<IoTarget>, state: TargetState) {
        if target.state.get() == TargetState::Deleted {
            return;
        }
        let is_open = target.device.borrow().is_some();
        let state = if is_open { state } else { TargetState::Closed };
        self.stop_sending(core::slice::from_ref(target), state);
    }

    /// Dispose of a target: no request may be left below it.
    pub(crate) fn dispose_target(&self, object: &Rc<Object>) {
        if let Some(target) = Obj::<IoTarget>::new(object) {
            self.stop_sending(&[target], TargetState::Deleted);
        }
    }
}
