//! Power policy that drivers set: idling in S0, waking from Sx, and the references that keep a device in D0.
//!
//! The settings are checked and kept. No device here idles out by itself: its idle time-out is as if it were infinite.

use core::cell::{Cell, RefCell};
use std::rc::Rc;

use kmdf_sys::{
    _DEVICE_POWER_STATE as device_power, _WDF_DEVICE_POWER_POLICY_IDLE_SETTINGS as IdleSettings,
    _WDF_DEVICE_POWER_POLICY_WAKE_SETTINGS as WakeSettings,
    _WDF_POWER_POLICY_IDLE_TIMEOUT_TYPE as timeout_type,
    _WDF_POWER_POLICY_S0_IDLE_CAPABILITIES as idle_caps,
    _WDF_POWER_POLICY_S0_IDLE_USER_CONTROL as idle_control,
    _WDF_POWER_POLICY_SX_WAKE_USER_CONTROL as wake_control, _WDF_TRI_STATE as tri_state, BOOLEAN,
    LONG, NTSTATUS, PCCH, PVOID, PWDF_DEVICE_POWER_POLICY_IDLE_SETTINGS,
    PWDF_DEVICE_POWER_POLICY_WAKE_SETTINGS, STATUS_INFO_LENGTH_MISMATCH,
    STATUS_INVALID_DEVICE_REQUEST, STATUS_INVALID_DEVICE_STATE, STATUS_INVALID_PARAMETER,
    STATUS_PENDING, STATUS_SUCCESS, WDF_TRI_STATE, WDFDEVICE,
};

use super::class::Obj;
use super::device::Device;
use super::pnp::PnpState;
use crate::report::ViolationKind;
use crate::status::STATUS_POWER_STATE_INVALID;
use crate::system::scheduler::Thread;
use crate::system::wait::{WaitReason, Wake};
use crate::system::{PASSIVE_LEVEL, System};

/// `WDF_DEVICE_POWER_POLICY_IDLE_SETTINGS` of KMDF 1.7 and 1.9.
const IDLE_1_7: usize = core::mem::offset_of!(IdleSettings, PowerUpIdleDeviceOnSystemWake);
const IDLE_1_9: usize = core::mem::offset_of!(IdleSettings, IdleTimeoutType);
/// `WDF_DEVICE_POWER_POLICY_WAKE_SETTINGS` of KMDF 1.5.
const WAKE_1_5: usize = core::mem::offset_of!(WakeSettings, ArmForWakeIfChildrenAreArmedForWake);

/// What a device's driver has said about its power.
#[derive(Default)]
pub(crate) struct PowerPolicy {
    /// References of `WdfDeviceStopIdle`.
    references: Cell<u32>,
    /// Threads that wait for D0 with one.
    waiters: RefCell<Vec<Rc<Thread>>>,
}

/// Whether a value is one of `WDF_TRI_STATE`.
pub(crate) fn is_tri_state(value: WDF_TRI_STATE) -> bool {
    (tri_state::WdfFalse..=tri_state::WdfUseDefault).contains(&value)
}

fn is_low_power(state: i32) -> bool {
    (device_power::PowerDeviceD1..=device_power::PowerDeviceMaximum).contains(&state)
}

fn check_idle(settings: &IdleSettings, size: usize) -> NTSTATUS {
    let caps = settings.IdleCaps;
    let known_caps =
        (idle_caps::IdleCannotWakeFromS0..=idle_caps::IdleUsbSelectiveSuspend).contains(&caps);
    let known_control = (idle_control::IdleDoNotAllowUserControl
        ..=idle_control::IdleAllowUserControl)
        .contains(&settings.UserControlOfIdleSettings);
    if !is_low_power(settings.DxState)
        || !known_caps
        || !known_control
        || !is_tri_state(settings.Enabled)
    {
        return STATUS_INVALID_PARAMETER;
    }
    if size > IDLE_1_7 {
        let power_up = settings.PowerUpIdleDeviceOnSystemWake;
        let wakes = caps != idle_caps::IdleCannotWakeFromS0;
        if !is_tri_state(power_up) || wakes && power_up != tri_state::WdfUseDefault {
            return STATUS_INVALID_PARAMETER;
        }
    }
    if size > IDLE_1_9 && settings.IdleTimeoutType > timeout_type::SystemManagedIdleTimeoutWithHint
    {
        return STATUS_INVALID_PARAMETER;
    }
    // A suspended USB device is in D2.
    if caps == idle_caps::IdleUsbSelectiveSuspend && settings.DxState == device_power::PowerDeviceD3
    {
        return STATUS_POWER_STATE_INVALID;
    }
    STATUS_SUCCESS
}

impl System {
    /// `WdfDeviceAssignS0IdleSettings`.
    pub(crate) fn wdf_device_assign_s0_idle_settings(
        &self,
        device: WDFDEVICE,
        settings: PWDF_DEVICE_POWER_POLICY_IDLE_SETTINGS,
    ) -> NTSTATUS {
        let device: Obj<Device> = self.object(device);
        self.require(settings, "Settings");
        if !device.pnp.power_policy_owner {
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        let settings = self.get(settings);
        let size = settings.Size as usize;
        if ![size_of::<IdleSettings>(), IDLE_1_9, IDLE_1_7].contains(&size) {
            return STATUS_INFO_LENGTH_MISMATCH;
        }
        check_idle(&settings, size)
    }

    /// `WdfDeviceAssignSxWakeSettings`.
    pub(crate) fn wdf_device_assign_sx_wake_settings(
        &self,
        device: WDFDEVICE,
        settings: PWDF_DEVICE_POWER_POLICY_WAKE_SETTINGS,
    ) -> NTSTATUS {
        let device: Obj<Device> = self.object(device);
        self.require(settings, "Settings");
        if !device.pnp.power_policy_owner {
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        let settings = self.get(settings);
        if ![size_of::<WakeSettings>(), WAKE_1_5].contains(&(settings.Size as usize)) {
            return STATUS_INFO_LENGTH_MISMATCH;
        }
        let control = settings.UserControlOfWakeSettings;
        let known = (wake_control::WakeDoNotAllowUserControl..=wake_control::WakeAllowUserControl)
            .contains(&control);
        if is_low_power(settings.DxState) && known && is_tri_state(settings.Enabled) {
            STATUS_SUCCESS
        } else {
            STATUS_INVALID_PARAMETER
        }
    }

    /// `WdfDeviceStopIdle`, `WdfDeviceStopIdleWithTag`.
    pub(crate) fn wdf_device_stop_idle(
        &self,
        device: WDFDEVICE,
        wait: BOOLEAN,
        _tag: PVOID,
        _line: LONG,
        _file: PCCH,
    ) -> NTSTATUS {
        self.wdf_device_stop_idle_no_track(device, wait)
    }

    /// `WdfDeviceStopIdleNoTrack`.
    pub(crate) fn wdf_device_stop_idle_no_track(
        &self,
        device: WDFDEVICE,
        wait: BOOLEAN,
    ) -> NTSTATUS {
        let device: Obj<Device> = self.object(device);
        let wait = wait != 0;
        if wait && !self.irql_at_most(PASSIVE_LEVEL) {
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        if !device.pnp.power_policy_owner {
            return STATUS_INVALID_DEVICE_STATE;
        }
        if device.pnp.state.get() != PnpState::Started {
            return STATUS_POWER_STATE_INVALID;
        }
        let references = &device.policy.references;
        references.set(references.get() + 1);
        if device.pnp.in_d0.get() {
            return STATUS_SUCCESS;
        }
        if !wait {
            return STATUS_PENDING;
        }
        while !device.pnp.in_d0.get() {
            if device.pnp.state.get() != PnpState::Started {
                references.set(references.get() - 1);
                return STATUS_POWER_STATE_INVALID;
            }
            device
                .policy
                .waiters
                .borrow_mut()
                .push(self.running_thread());
            self.wait(WaitReason::SystemWake, None);
        }
        STATUS_SUCCESS
    }

    /// `WdfDeviceResumeIdle`, `WdfDeviceResumeIdleWithTag`.
    pub(crate) fn wdf_device_resume_idle(
        &self,
        device: WDFDEVICE,
        _tag: PVOID,
        _line: LONG,
        _file: PCCH,
    ) {
        self.wdf_device_resume_idle_no_track(device);
    }

    /// `WdfDeviceResumeIdleNoTrack`.
    pub(crate) fn wdf_device_resume_idle_no_track(&self, device: WDFDEVICE) {
        let device: Obj<Device> = self.object(device);
        if !device.pnp.power_policy_owner {
            return;
        }
        match device.policy.references.get().checked_sub(1) {
            Some(left) => device.policy.references.set(left),
            None => {
                self.violation_on(
                    ViolationKind::PowerReference,
                    device.rc(),
                    "WdfDeviceResumeIdle gives back a power reference that no WdfDeviceStopIdle took".to_owned(),
                );
                self.debug_break("WdfDeviceResumeIdle without WdfDeviceStopIdle");
            }
        }
    }

    /// The device's power has changed: whoever waits for D0 looks again.
    pub(crate) fn power_changed(&self, device: &Device) {
        let waiters = device.policy.waiters.take();
        for waiter in waiters {
            self.wake(&waiter, Wake::Signaled);
        }
    }

    /// At removal every reference must have been given back.
    pub(crate) fn check_power_references(&self, device: &Obj<Device>) {
        self.power_changed(device);
        let left = device.policy.references.get();
        if left > 0 {
            self.violation_on(
                ViolationKind::PowerReference,
                device.rc(),
                format!("{left} power references of WdfDeviceStopIdle were never given back: the device could not idle"),
            );
        }
    }
}
