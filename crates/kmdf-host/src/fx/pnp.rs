//! Plug and Play and power of one device: which callbacks, in which order, and what is undone on failure.

use std::rc::Rc;

use kmdf_sys::{
    _WDF_POWER_DEVICE_STATE as power_state, NT_SUCCESS, NTSTATUS, PWDF_DEVICE_PNP_CAPABILITIES,
    STATUS_SUCCESS, WDF_DEVICE_FAILED_ACTION, WDF_POWER_DEVICE_STATE, WDFDEVICE,
};

use super::class::Obj;
use super::device::Device;
use super::queue::Queue;
use crate::status::STATUS_DEVICE_POWER_FAILURE;
use crate::system::System;

/// Where a device stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PnpState {
    /// `EvtDriverDeviceAdd` has made it; it was never started.
    Added,
    Started,
    /// Stopped for rebalancing.
    Stopped,
    /// In D3.
    Sleeping,
    /// It failed, or was pulled out: nothing but removal can follow.
    Failed,
    Removed,
}

/// Calls one of the device's callbacks that take nothing but the device and return a status.
macro_rules! call_device {
    ($system:expr, $device:expr, $field:ident $(, $argument:expr)*) => {
        match $device.callbacks.$field {
            Some(callback) => {
                let object = $device.rc();
                $system.callback(object.driver.get(), stringify!($field), object.handle.get(), || {
                    // SAFETY: the driver registered this function for the device, which exists during the call.
                    unsafe { callback($device.handle() $(, $argument)*) }
                })
            }
            None => Default::default(),
        }
    };
}

impl System {
    fn queues_of(device: &Device) -> Vec<Obj<Queue>> {
        device.queues.borrow().clone()
    }

    /// `IRP_MN_START_DEVICE`, after the devices below have been started.
    pub(crate) fn start_device(&self, device: &Obj<Device>) -> NTSTATUS {
        let none = core::ptr::null_mut();
        let status = call_device!(self, device, EvtDevicePrepareHardware, none, none);
        if !NT_SUCCESS(status) {
            self.release_hardware(device);
            self.fail_device(device);
            return status;
        }
        if self.enter_d0(device, power_state::WdfPowerDeviceD3Final) {
            device.pnp_state.set(PnpState::Started);
            return STATUS_SUCCESS;
        }
        self.release_hardware(device);
        self.fail_device(device);
        STATUS_DEVICE_POWER_FAILURE
    }

    /// Powers the device up; undoes what was done when it fails.
    fn enter_d0(&self, device: &Obj<Device>, previous: WDF_POWER_DEVICE_STATE) -> bool {
        let status: NTSTATUS = call_device!(self, device, EvtDeviceD0Entry, previous);
        if !NT_SUCCESS(status) {
            return false;
        }
        let status: NTSTATUS = call_device!(
            self,
            device,
            EvtDeviceD0EntryPostInterruptsEnabled,
            previous
        );
        if !NT_SUCCESS(status) {
            let _: NTSTATUS = call_device!(
                self,
                device,
                EvtDeviceD0Exit,
                power_state::WdfPowerDeviceD3Final
            );
            return false;
        }
        // From here on a default queue can no longer be added.
        device.pnp_state.set(PnpState::Started);
        for queue in Self::queues_of(device) {
            self.resume_for_power(&queue);
        }
        let status: NTSTATUS = if device.self_managed_io.replace(true) {
            call_device!(self, device, EvtDeviceSelfManagedIoRestart)
        } else {
            call_device!(self, device, EvtDeviceSelfManagedIoInit)
        };
        if NT_SUCCESS(status) {
            return true;
        }
        self.hold_queues(device);
        self.exit_d0(device, power_state::WdfPowerDeviceD3Final);
        false
    }

    fn hold_queues(&self, device: &Obj<Device>) {
        let queues = Self::queues_of(device);
        for queue in &queues {
            self.begin_power_down(queue);
        }
        for queue in &queues {
            self.hold_for_power(queue);
        }
    }

    fn exit_d0(&self, device: &Obj<Device>, target: WDF_POWER_DEVICE_STATE) -> bool {
        let first: NTSTATUS =
            call_device!(self, device, EvtDeviceD0ExitPreInterruptsDisabled, target);
        let second: NTSTATUS = call_device!(self, device, EvtDeviceD0Exit, target);
        NT_SUCCESS(first) && NT_SUCCESS(second)
    }

    /// Powers the device down; the way down goes on after a failure, which is reported.
    fn leave_d0(&self, device: &Obj<Device>, target: WDF_POWER_DEVICE_STATE) -> bool {
        let suspended: NTSTATUS = if device.self_managed_io.get() {
            call_device!(self, device, EvtDeviceSelfManagedIoSuspend)
        } else {
            STATUS_SUCCESS
        };
        self.hold_queues(device);
        self.exit_d0(device, target) && NT_SUCCESS(suspended)
    }

    fn release_hardware(&self, device: &Obj<Device>) -> bool {
        let none = core::ptr::null_mut();
        let status: NTSTATUS = call_device!(self, device, EvtDeviceReleaseHardware, none);
        NT_SUCCESS(status)
    }

    /// Ends the device's I/O for good: power-managed queues, flush, the other queues.
    fn fail_device(&self, device: &Obj<Device>) {
        device.pnp_state.set(PnpState::Failed);
        self.purge_queues(device, true);
        if device.self_managed_io.get() {
            let _: () = call_device!(self, device, EvtDeviceSelfManagedIoFlush);
        }
        self.purge_queues(device, false);
    }

    fn purge_queues(&self, device: &Obj<Device>, power_managed: bool) {
        for queue in Self::queues_of(device) {
            if queue.power_managed == power_managed {
                self.purge_for_removal(&queue);
            }
        }
    }

    /// `IRP_MN_STOP_DEVICE`, for rebalancing.
    pub(crate) fn stop_device(&self, device: &Obj<Device>) {
        if device.pnp_state.get() != PnpState::Started {
            return;
        }
        let left = self.leave_d0(device, power_state::WdfPowerDeviceD3Final);
        let released = self.release_hardware(device);
        if left && released {
            device.pnp_state.set(PnpState::Stopped);
        } else {
            self.fail_device(device);
        }
    }

    /// The device goes to D3.
    pub(crate) fn sleep_device(&self, device: &Obj<Device>) {
        if device.pnp_state.get() != PnpState::Started {
            return;
        }
        if self.leave_d0(device, power_state::WdfPowerDeviceD3) {
            device.pnp_state.set(PnpState::Sleeping);
        } else {
            self.release_hardware(device);
            self.fail_device(device);
        }
    }

    /// The device comes back to D0.
    pub(crate) fn wake_device(&self, device: &Obj<Device>) {
        if device.pnp_state.get() != PnpState::Sleeping {
            return;
        }
        if !self.enter_d0(device, power_state::WdfPowerDeviceD3) {
            self.release_hardware(device);
            self.fail_device(device);
        }
    }

    /// `IRP_MN_QUERY_REMOVE_DEVICE`: whether the driver agrees.
    pub(crate) fn query_remove_device(&self, device: &Obj<Device>) -> NTSTATUS {
        if device.pnp_state.get() == PnpState::Started {
            call_device!(self, device, EvtDeviceQueryRemove)
        } else {
            STATUS_SUCCESS
        }
    }

    /// `IRP_MN_QUERY_STOP_DEVICE`: whether the driver agrees.
    pub(crate) fn query_stop_device(&self, device: &Obj<Device>) -> NTSTATUS {
        if device.pnp_state.get() == PnpState::Started {
            call_device!(self, device, EvtDeviceQueryStop)
        } else {
            STATUS_SUCCESS
        }
    }

    /// `IRP_MN_SURPRISE_REMOVAL`.
    pub(crate) fn surprise_remove_device(&self, device: &Obj<Device>) {
        let state = device.pnp_state.get();
        if state != PnpState::Added {
            let _: () = call_device!(self, device, EvtDeviceSurpriseRemoval);
        }
        self.take_down(device, state);
    }

    fn take_down(&self, device: &Obj<Device>, state: PnpState) {
        match state {
            PnpState::Started => {
                self.leave_d0(device, power_state::WdfPowerDeviceD3Final);
                self.release_hardware(device);
                self.fail_device(device);
            }
            PnpState::Sleeping => {
                self.release_hardware(device);
                self.fail_device(device);
            }
            PnpState::Stopped | PnpState::Added => self.fail_device(device),
            PnpState::Failed | PnpState::Removed => {}
        }
    }

    /// `IRP_MN_REMOVE_DEVICE` down to the deletion of the device's children; `finish_removal` ends it.
    pub(crate) fn remove_device(&self, device: &Obj<Device>) {
        self.take_down(device, device.pnp_state.get());
        if device.self_managed_io.get() {
            let _: () = call_device!(self, device, EvtDeviceSelfManagedIoCleanup);
        }
        device.pnp_state.set(PnpState::Removed);
        self.dispose(device.rc());
        self.destroy_children(device.rc());
    }

    /// The end of a removed device: its device object and, unless somebody has a reference, its memory.
    pub(crate) fn finish_removal(&self, device: &Obj<Device>) {
        self.devices.delete(&device.object);
        device.unlink();
        let object = Rc::clone(device.rc());
        object.leave_parent();
        self.release(&object);
    }

    /// `WdfDeviceSetFailed`.
    pub(crate) fn wdf_device_set_failed(
        &self,
        device: WDFDEVICE,
        _action: WDF_DEVICE_FAILED_ACTION,
    ) {
        let _: Obj<Device> = self.object(device);
    }

    /// `WdfDeviceSetPnpCapabilities`.
    pub(crate) fn wdf_device_set_pnp_capabilities(
        &self,
        device: WDFDEVICE,
        capabilities: PWDF_DEVICE_PNP_CAPABILITIES,
    ) {
        let _: Obj<Device> = self.object(device);
        self.require(capabilities, "PnpCapabilities");
    }
}
