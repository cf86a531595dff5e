//! What a driver tells the PnP manager about its device: state, capabilities, characteristics, names.

use core::cell::Cell;

use kmdf_sys::{
    _WDF_DEVICE_POWER_CAPABILITIES as PowerCapabilities, _WDF_DEVICE_STATE as DeviceState,
    _WDF_TRI_STATE as tri_state, BOOLEAN, GUID, NTSTATUS, PCUNICODE_STRING,
    PWDF_DEVICE_POWER_CAPABILITIES, PWDF_DEVICE_STATE, PWDFDEVICE_INIT,
    STATUS_INVALID_DEVICE_REQUEST, STATUS_INVALID_PARAMETER, STATUS_SUCCESS, ULONG,
    WDF_SPECIAL_FILE_TYPE, WDFDEVICE, WDFSTRING,
};

use super::class::Obj;
use super::device::Device;
use super::idle::is_tri_state;
use super::string::Text;
use crate::system::{PASSIVE_LEVEL, System};

/// `WDF_DEVICE_STATE` up to KMDF 1.27.
const STATE_1_27: usize = core::mem::offset_of!(DeviceState, AssignedToGuest);

/// What has been said.
pub(crate) struct Declared {
    state: Cell<DeviceState>,
    characteristics: Cell<u32>,
    alignment: Cell<u32>,
}

impl Declared {
    pub(crate) fn new(characteristics: u32) -> Self {
        let default = tri_state::WdfUseDefault;
        Self {
            state: Cell::new(DeviceState {
                Disabled: default,
                DontDisplayInUI: default,
                Failed: default,
                NotDisableable: default,
                Removed: default,
                ResourcesChanged: default,
                AssignedToGuest: default,
                ..Default::default()
            }),
            characteristics: Cell::new(characteristics),
            alignment: Cell::new(0),
        }
    }
}

fn members(state: &DeviceState) -> [i32; 7] {
    [
        state.Disabled,
        state.DontDisplayInUI,
        state.Failed,
        state.NotDisableable,
        state.Removed,
        state.ResourcesChanged,
        state.AssignedToGuest,
    ]
}

impl System {
    fn is_state_size(&self, size: ULONG) -> bool {
        let known = [size_of::<DeviceState>(), STATE_1_27].contains(&(size as usize));
        if !known {
            self.debug_break("WDF_DEVICE_STATE has a wrong Size");
        }
        known
    }

    /// `WdfDeviceSetDeviceState`.
    pub(crate) fn wdf_device_set_device_state(&self, device: WDFDEVICE, state: PWDF_DEVICE_STATE) {
        let device: Obj<Device> = self.object(device);
        self.require(state, "DeviceState");
        // SAFETY: every version of the structure begins with its size.
        let size = unsafe { (*state).Size };
        if !self.is_state_size(size) {
            return;
        }
        let mut state = if size as usize == STATE_1_27 {
            // SAFETY: the driver passes a structure of this version, which lacks the last member only.
            unsafe { older_state(state) }
        } else {
            self.get(state)
        };
        if size as usize == STATE_1_27 {
            state.AssignedToGuest = device.declared.state.get().AssignedToGuest;
        }
        if !members(&state).into_iter().all(is_tri_state) {
            self.debug_break("a member of WDF_DEVICE_STATE is out of range");
            return;
        }
        device.declared.state.set(state);
        self.kernel_routine("IoInvalidateDeviceState");
    }

    /// `WdfDeviceGetDeviceState`.
    pub(crate) fn wdf_device_get_device_state(&self, device: WDFDEVICE, state: PWDF_DEVICE_STATE) {
        let device: Obj<Device> = self.object(device);
        self.require(state, "DeviceState");
        // SAFETY: every version of the structure begins with its size.
        let size = unsafe { (*state).Size };
        if !self.is_state_size(size) {
            return;
        }
        let known = DeviceState {
            Size: size,
            ..device.declared.state.get()
        };
        // SAFETY: the driver passes memory of the size it names, which is not more than that of `known`.
        unsafe {
            core::ptr::copy_nonoverlapping(
                (&raw const known).cast::<u8>(),
                state.cast::<u8>(),
                size as usize,
            );
        };
    }

    /// `WdfDeviceSetCharacteristics`.
    pub(crate) fn wdf_device_set_characteristics(&self, device: WDFDEVICE, characteristics: ULONG) {
        let device: Obj<Device> = self.object(device);
        device.declared.characteristics.set(characteristics);
    }

    /// `WdfDeviceGetCharacteristics`.
    pub(crate) fn wdf_device_get_characteristics(&self, device: WDFDEVICE) -> ULONG {
        let device: Obj<Device> = self.object(device);
        device.declared.characteristics.get()
    }

    /// `WdfDeviceSetAlignmentRequirement`: kept; memory here is aligned to 16 bytes at least.
    pub(crate) fn wdf_device_set_alignment_requirement(&self, device: WDFDEVICE, alignment: ULONG) {
        let device: Obj<Device> = self.object(device);
        device.declared.alignment.set(alignment);
    }

    /// `WdfDeviceGetAlignmentRequirement`.
    pub(crate) fn wdf_device_get_alignment_requirement(&self, device: WDFDEVICE) -> ULONG {
        let device: Obj<Device> = self.object(device);
        device.declared.alignment.get()
    }

    /// `WdfDeviceSetPowerCapabilities`: the bus of the model reports its own.
    pub(crate) fn wdf_device_set_power_capabilities(
        &self,
        device: WDFDEVICE,
        capabilities: PWDF_DEVICE_POWER_CAPABILITIES,
    ) {
        let _: Obj<Device> = self.object(device);
        self.require(capabilities, "PowerCapabilities");
        // SAFETY: every version of the structure begins with its size.
        let size = unsafe { (*capabilities).Size };
        if size as usize != size_of::<PowerCapabilities>() {
            self.debug_break("WDF_DEVICE_POWER_CAPABILITIES has a wrong Size");
            return;
        }
        let capabilities = self.get(capabilities);
        let members = [
            capabilities.DeviceD1,
            capabilities.DeviceD2,
            capabilities.WakeFromD0,
            capabilities.WakeFromD1,
            capabilities.WakeFromD2,
            capabilities.WakeFromD3,
        ];
        if !members.into_iter().all(is_tri_state) {
            self.debug_break("a member of WDF_DEVICE_POWER_CAPABILITIES is out of range");
        }
    }

    /// `WdfDeviceSetStaticStopRemove`: the device may still be stopped; nobody but a test asks.
    pub(crate) fn wdf_device_set_static_stop_remove(&self, device: WDFDEVICE, _stoppable: BOOLEAN) {
        let _: Obj<Device> = self.object(device);
    }

    /// `WdfDeviceSetSpecialFileSupport`: no special file is ever put on a device of the model.
    pub(crate) fn wdf_device_set_special_file_support(
        &self,
        device: WDFDEVICE,
        _file: WDF_SPECIAL_FILE_TYPE,
        _supported: BOOLEAN,
    ) {
        let _: Obj<Device> = self.object(device);
    }

    /// `WdfDeviceRetrieveDeviceName`.
    pub(crate) fn wdf_device_retrieve_device_name(
        &self,
        device: WDFDEVICE,
        string: WDFSTRING,
    ) -> NTSTATUS {
        let device: Obj<Device> = self.object(device);
        if !self.irql_at_most(PASSIVE_LEVEL) {
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        let string: Obj<Text> = self.object(string);
        match &device.object.name {
            Some(name) => {
                string.assign(name);
                STATUS_SUCCESS
            }
            None => STATUS_INVALID_PARAMETER,
        }
    }

    /// `WdfDeviceSetDeviceInterfaceStateEx`.
    pub(crate) fn wdf_device_set_device_interface_state_ex(
        &self,
        device: WDFDEVICE,
        class: *const GUID,
        reference: PCUNICODE_STRING,
        enabled: BOOLEAN,
    ) {
        self.wdf_device_set_device_interface_state(device, class, reference, enabled);
    }

    /// `WdfDeviceInitSetPowerPageable`, `WdfDeviceInitSetPowerNotPageable`, `WdfDeviceInitSetPowerInrush`: what they change is in
    /// the power manager, which the model does not have.
    pub(crate) fn wdf_device_init_set_power_flag(&self, init: PWDFDEVICE_INIT) {
        self.device_init(init);
    }

    /// `WdfDeviceInitSetDeviceClass`.
    pub(crate) fn wdf_device_init_set_device_class(
        &self,
        init: PWDFDEVICE_INIT,
        class: *const GUID,
    ) {
        let init = self.device_init(init);
        self.require(class, "DeviceClassGuid");
        init.security.set(true);
    }
}

/// Reads a `WDF_DEVICE_STATE` without its last member.
///
/// # Safety
///
/// `state` must point to a structure of KMDF 1.27.
unsafe fn older_state(state: PWDF_DEVICE_STATE) -> DeviceState {
    let mut whole = DeviceState::default();
    // SAFETY: the caller promises so many bytes, and `whole` has more.
    unsafe {
        core::ptr::copy_nonoverlapping(
            state.cast::<u8>(),
            (&raw mut whole).cast::<u8>(),
            STATE_1_27,
        );
    };
    whole
}
