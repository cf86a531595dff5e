//! Plug and Play and power of one device: which callbacks, in which order, and what is undone on failure.

use core::cell::{Cell, RefCell};
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
use crate::system::scheduler::Thread;
use crate::system::wait::{WaitReason, Wake};
use crate::trace::Event;

/// Where a device stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PnpState {
    /// `EvtDriverDeviceAdd` has made it; it was never started.
    Added,
    Started,
    /// Stopped for rebalancing.
    Stopped,
    /// It failed, or was pulled out: nothing but removal can follow.
    Failed,
    Removed,
}

/// What Plug and Play and power know of a device.
pub(crate) struct DevicePnp {
    pub(crate) state: Cell<PnpState>,
    /// Whether a started device is in D0; otherwise it sleeps in D3.
    pub(crate) in_d0: Cell<bool>,
    /// Whether the device decides its power state, so that it follows the system to sleep by itself.
    pub(crate) power_policy_owner: bool,
    /// The system sleeps and this device's power policy waits for it to come back.
    pub(crate) system_sleeps: Cell<bool>,
    /// Threads with PnP requests that wait until the system is back.
    pub(crate) waits_for_system: RefCell<Vec<Rc<Thread>>>,
    /// Whether `EvtDeviceSelfManagedIoInit` has been called, so that the next start calls Restart.
    pub(crate) self_managed_io: Cell<bool>,
    /// The framework has seen one of the device's callbacks fail.
    internal_failure: Cell<bool>,
    /// The driver has called `WdfDeviceSetFailed`.
    declared_failed: Cell<bool>,
}

impl DevicePnp {
    pub(crate) const fn new(power_policy_owner: bool) -> Self {
        Self {
            state: Cell::new(PnpState::Added),
            in_d0: Cell::new(false),
            power_policy_owner,
            system_sleeps: Cell::new(false),
            waits_for_system: RefCell::new(Vec::new()),
            self_managed_io: Cell::new(false),
            internal_failure: Cell::new(false),
            declared_failed: Cell::new(false),
        }
    }

    /// Whether the device waits for its removal, or is being removed.
    pub(crate) fn is_going(&self) -> bool {
        matches!(self.state.get(), PnpState::Failed | PnpState::Removed)
    }

    /// Whether the PnP manager is told that the device has failed.
    pub(crate) fn has_failed(&self) -> bool {
        self.internal_failure.get() || self.declared_failed.get()
    }
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

/// The state's name for the trace.
const fn power_state_name(state: WDF_POWER_DEVICE_STATE) -> &'static str {
    match state {
        power_state::WdfPowerDeviceD0 => "D0",
        power_state::WdfPowerDeviceD1 => "D1",
        power_state::WdfPowerDeviceD2 => "D2",
        power_state::WdfPowerDeviceD3 => "D3",
        power_state::WdfPowerDeviceD3Final => "D3Final",
        _ => "another state",
    }
}

impl System {
    fn queues_of(device: &Device) -> Vec<Obj<Queue>> {
        device.queues.borrow().clone()
    }

    /// The framework calls a routine of the kernel whose effect is elsewhere.
    pub(crate) fn kernel_routine(&self, routine: &'static str) {
        self.trace(|| Event::KernelRoutine { routine });
    }

    fn invalidate_device_state(&self) {
        self.kernel_routine("IoInvalidateDeviceState");
    }

    /// One of the device's callbacks has failed: the PnP manager is to ask for the device's state and tear it down.
    fn set_internal_failure(&self, device: &Device) {
        device.pnp.internal_failure.set(true);
        self.invalidate_device_state();
    }

    fn trace_power(&self, device: &Obj<Device>, from: &'static str, to: &'static str) {
        self.trace(|| Event::Power {
            driver: self.actor(device.rc().driver.get()),
            device: device.rc().handle.get() as u64,
            from,
            to,
        });
    }

    /// `IRP_MN_START_DEVICE`, after the devices below have been started.
    pub(crate) fn start_device(&self, device: &Obj<Device>) -> NTSTATUS {
        let [raw, translated] = self.resource_lists(device);
        let status = call_device!(self, device, EvtDevicePrepareHardware, raw, translated);
        if !NT_SUCCESS(status) {
            self.set_internal_failure(device);
            self.release_hardware(device);
            self.fail_device(device);
            return status;
        }
        if self.enter_d0(device, power_state::WdfPowerDeviceD3Final) {
            device.pnp.state.set(PnpState::Started);
            return STATUS_SUCCESS;
        }
        self.release_hardware(device);
        self.fail_device(device);
        STATUS_DEVICE_POWER_FAILURE
    }

    /// Powers the device up; undoes what was done when it fails.
    fn enter_d0(&self, device: &Obj<Device>, previous: WDF_POWER_DEVICE_STATE) -> bool {
        let entered = self.try_enter_d0(device, previous);
        if !entered {
            self.set_internal_failure(device);
        }
        entered
    }

    fn try_enter_d0(&self, device: &Obj<Device>, previous: WDF_POWER_DEVICE_STATE) -> bool {
        self.trace_power(device, power_state_name(previous), "D0");
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
        device.pnp.state.set(PnpState::Started);
        device.pnp.in_d0.set(true);
        self.power_changed(device);
        self.resume_queues(device);
        let status: NTSTATUS = if device.pnp.self_managed_io.replace(true) {
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

    /// All queues are powered before any presents, so that a queue can forward to one further down the list.
    fn resume_queues(&self, device: &Obj<Device>) {
        let queues = Self::queues_of(device);
        for queue in &queues {
            self.resume_for_power(queue);
        }
        for queue in &queues {
            self.present_after_power_up(queue);
        }
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
        device.pnp.in_d0.set(false);
        NT_SUCCESS(first) && NT_SUCCESS(second)
    }

    /// Powers the device down; the way down goes on after a failure, which is reported.
    fn leave_d0(&self, device: &Obj<Device>, target: WDF_POWER_DEVICE_STATE) -> bool {
        self.trace_power(device, "D0", power_state_name(target));
        let suspended: NTSTATUS = if device.pnp.self_managed_io.get() {
            call_device!(self, device, EvtDeviceSelfManagedIoSuspend)
        } else {
            STATUS_SUCCESS
        };
        self.hold_queues(device);
        self.exit_d0(device, target) && NT_SUCCESS(suspended)
    }

    /// Powers a device down that is about to be stopped or removed; `false` when that failed.
    fn leave_d0_for_good(&self, device: &Obj<Device>) -> bool {
        if !device.pnp.in_d0.get() {
            return true;
        }
        let left = self.leave_d0(device, power_state::WdfPowerDeviceD3Final);
        if !left {
            self.set_internal_failure(device);
        }
        left
    }

    fn release_hardware(&self, device: &Obj<Device>) -> bool {
        let [_, translated] = self.resource_lists(device);
        let status: NTSTATUS = call_device!(self, device, EvtDeviceReleaseHardware, translated);
        NT_SUCCESS(status)
    }

    /// The device has failed or is gone; it waits for its removal.
    fn fail_device(&self, device: &Obj<Device>) {
        self.clean_up_for_removal(device);
        if device.pnp.has_failed() {
            self.invalidate_device_state();
        }
    }

    /// Ends the device's I/O: power-managed queues and self-managed I/O. The other queues go on until the removal itself.
    fn clean_up_for_removal(&self, device: &Obj<Device>) {
        device.pnp.state.set(PnpState::Failed);
        self.purge_queues(device, true);
        if device.pnp.self_managed_io.get() {
            let _: () = call_device!(self, device, EvtDeviceSelfManagedIoFlush);
        }
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
        if device.pnp.state.get() != PnpState::Started {
            return;
        }
        let left = self.leave_d0_for_good(device);
        let released = self.release_hardware(device);
        if left && released {
            device.pnp.state.set(PnpState::Stopped);
            return;
        }
        if left {
            self.set_internal_failure(device);
        }
        self.fail_device(device);
    }

    /// The device goes to D3; `false` when the way down failed.
    pub(crate) fn sleep_device(&self, device: &Obj<Device>) -> bool {
        !device.pnp.in_d0.get() || self.leave_d0(device, power_state::WdfPowerDeviceD3)
    }

    /// The driver failed on the way to D3.
    pub(crate) fn fail_power_down(&self, device: &Obj<Device>) {
        self.set_internal_failure(device);
        self.release_hardware(device);
        self.fail_device(device);
    }

    /// The device comes back to D0.
    pub(crate) fn wake_device(&self, device: &Obj<Device>) {
        if device.pnp.state.get() != PnpState::Started || device.pnp.in_d0.get() {
            return;
        }
        if !self.enter_d0(device, power_state::WdfPowerDeviceD3) {
            self.release_hardware(device);
            self.fail_device(device);
        }
    }

    /// Waits until the system is back, when the device's power policy sleeps with it: nothing else is answered before.
    fn wait_for_system(&self, device: &Device) {
        while device.pnp.system_sleeps.get() {
            let thread = self.running_thread();
            device.pnp.waits_for_system.borrow_mut().push(thread);
            self.wait(WaitReason::SystemWake, None);
        }
    }

    /// The system is back from sleep: requests that waited for it go on.
    pub(crate) fn system_is_back(&self, device: &Device) {
        device.pnp.system_sleeps.set(false);
        let waiting = device.pnp.waits_for_system.take();
        for thread in waiting {
            self.wake(&thread, Wake::Signaled);
        }
    }

    /// `IRP_MN_QUERY_REMOVE_DEVICE`: whether the driver agrees.
    pub(crate) fn query_remove_device(&self, device: &Obj<Device>) -> NTSTATUS {
        if device.pnp.state.get() != PnpState::Started {
            return STATUS_SUCCESS;
        }
        let status = call_device!(self, device, EvtDeviceQueryRemove);
        if NT_SUCCESS(status) {
            self.wait_for_system(device);
        }
        status
    }

    /// `IRP_MN_QUERY_STOP_DEVICE`: whether the driver agrees.
    pub(crate) fn query_stop_device(&self, device: &Obj<Device>) -> NTSTATUS {
        if device.pnp.state.get() != PnpState::Started {
            return STATUS_SUCCESS;
        }
        let status = call_device!(self, device, EvtDeviceQueryStop);
        if NT_SUCCESS(status) {
            self.wait_for_system(device);
        }
        status
    }

    /// `IRP_MN_SURPRISE_REMOVAL`.
    pub(crate) fn surprise_remove_device(&self, device: &Obj<Device>) {
        let state = device.pnp.state.get();
        if state == PnpState::Added {
            device.pnp.state.set(PnpState::Failed);
            return;
        }
        let _: () = call_device!(self, device, EvtDeviceSurpriseRemoval);
        if state == PnpState::Started {
            self.wait_for_system(device);
            self.leave_d0_for_good(device);
            self.release_hardware(device);
        }
        if matches!(state, PnpState::Started | PnpState::Stopped) {
            self.fail_device(device);
        }
    }

    /// What removal does to a device that is still there.
    fn take_down(&self, device: &Obj<Device>) {
        match device.pnp.state.get() {
            PnpState::Started => {
                self.wait_for_system(device);
                self.leave_d0_for_good(device);
                self.release_hardware(device);
                self.clean_up_for_removal(device);
            }
            PnpState::Stopped | PnpState::Added => self.clean_up_for_removal(device),
            PnpState::Failed | PnpState::Removed => {}
        }
    }

    /// `IRP_MN_REMOVE_DEVICE` down to the deletion of the device's children; `finish_removal` ends it.
    pub(crate) fn remove_device(&self, device: &Obj<Device>) {
        self.take_down(device);
        self.purge_queues(device, false);
        if device.pnp.self_managed_io.get() {
            let _: () = call_device!(self, device, EvtDeviceSelfManagedIoCleanup);
        }
        device.pnp.state.set(PnpState::Removed);
        self.check_power_references(device);
        self.check_growth(device.rc());
        self.dispose(device.rc());
        self.destroy_children(device.rc());
    }

    /// The end of a removed device: its device object and, unless somebody has a reference, its memory.
    pub(crate) fn finish_removal(&self, device: &Obj<Device>) {
        self.kernel_routine("IoDeleteDevice");
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
        let device: Obj<Device> = self.object(device);
        device.pnp.declared_failed.set(true);
        self.invalidate_device_state();
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
