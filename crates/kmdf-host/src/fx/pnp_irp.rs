//! Plug and Play and power requests on their way through a stack of devices.

use core::fmt;
use std::rc::Rc;

use kmdf_sys::{NT_SUCCESS, NTSTATUS, STATUS_SUCCESS};

use super::class::Obj;
use super::device::Device;
use super::pnp::PnpState;
use crate::lower::Lower;
use crate::system::PASSIVE_LEVEL;
use crate::system::System;
use crate::system::scheduler::Job;
use crate::trace::{Actor, Event};

/// `PNP_DEVICE_FAILED` in the answer to `IRP_MN_QUERY_PNP_DEVICE_STATE`.
const PNP_DEVICE_FAILED: u32 = 4;

/// A request of the PnP manager or the power manager to a stack of devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PnpIrp {
    /// `IRP_MN_START_DEVICE`.
    StartDevice,
    /// `IRP_MN_QUERY_STOP_DEVICE`.
    QueryStopDevice,
    /// `IRP_MN_CANCEL_STOP_DEVICE`.
    CancelStopDevice,
    /// `IRP_MN_STOP_DEVICE`.
    StopDevice,
    /// `IRP_MN_QUERY_REMOVE_DEVICE`.
    QueryRemoveDevice,
    /// `IRP_MN_CANCEL_REMOVE_DEVICE`.
    CancelRemoveDevice,
    /// `IRP_MN_SURPRISE_REMOVAL`.
    SurpriseRemoval,
    /// `IRP_MN_REMOVE_DEVICE`.
    RemoveDevice,
    /// `IRP_MN_QUERY_PNP_DEVICE_STATE`.
    QueryPnpDeviceState,
    /// `IRP_MN_SET_POWER` for the system: 0 is S0, the system works.
    SetSystemPower(u8),
    /// `IRP_MN_SET_POWER` for the device: 0 is D0.
    SetDevicePower(u8),
}

impl fmt::Display for PnpIrp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minor = match self {
            Self::StartDevice => "START_DEVICE",
            Self::QueryStopDevice => "QUERY_STOP_DEVICE",
            Self::CancelStopDevice => "CANCEL_STOP_DEVICE",
            Self::StopDevice => "STOP_DEVICE",
            Self::QueryRemoveDevice => "QUERY_REMOVE_DEVICE",
            Self::CancelRemoveDevice => "CANCEL_REMOVE_DEVICE",
            Self::SurpriseRemoval => "SURPRISE_REMOVAL",
            Self::RemoveDevice => "REMOVE_DEVICE",
            Self::QueryPnpDeviceState => "QUERY_PNP_DEVICE_STATE",
            Self::SetSystemPower(state) => return write!(f, "IRP_MN_SET_POWER S{state}"),
            Self::SetDevicePower(state) => return write!(f, "IRP_MN_SET_POWER D{state}"),
        };
        write!(f, "IRP_MN_{minor}")
    }
}

/// The devices that a request passes: the framework's from the bottom, and the one below them.
pub(crate) struct Path {
    pub(crate) devices: Vec<Obj<Device>>,
    pub(crate) lower: Rc<Lower>,
}

impl Path {
    fn down(&self) -> impl Iterator<Item = &Obj<Device>> {
        self.devices.iter().rev()
    }
}

impl System {
    /// Sends a request to the top of a stack; gives its final status.
    pub(crate) fn send_pnp(&self, path: &Path, irp: PnpIrp) -> NTSTATUS {
        // The devices above may be gone when the answer is there.
        let top = self.tracer.is_on().then(|| self.top_actor(path));
        if let Some(to) = &top {
            self.trace(|| Event::PnpDown {
                request: irp,
                to: to.clone(),
            });
        }
        let status = self.pass_pnp(path, irp);
        if let Some(from) = top {
            self.trace(|| Event::PnpUp {
                request: irp,
                from,
                status,
            });
        }
        status
    }

    fn top_actor(&self, path: &Path) -> Actor {
        path.devices.last().map_or_else(
            || path.lower.object().actor.clone(),
            |top| self.actor(top.rc().driver.get()),
        )
    }

    fn pass_pnp(&self, path: &Path, irp: PnpIrp) -> NTSTATUS {
        match irp {
            PnpIrp::StartDevice => self.send_start(path),
            PnpIrp::QueryStopDevice => {
                self.send_query(path, irp, |system, device| system.query_stop_device(device))
            }
            PnpIrp::QueryRemoveDevice => self.send_query(path, irp, |system, device| {
                system.query_remove_device(device)
            }),
            PnpIrp::StopDevice => {
                self.pass_down(path, irp, |system, device| system.stop_device(device))
            }
            PnpIrp::SurpriseRemoval => {
                path.lower.remove();
                self.pass_down(path, irp, |system, device| {
                    system.surprise_remove_device(device)
                })
            }
            PnpIrp::RemoveDevice => {
                self.send_remove(&path.devices, &path.lower);
                STATUS_SUCCESS
            }
            PnpIrp::CancelStopDevice | PnpIrp::CancelRemoveDevice => {
                self.lower_pnp(&path.lower, irp)
            }
            PnpIrp::QueryPnpDeviceState => {
                // The devices answer this one themselves, whatever the one below says.
                self.lower_pnp(&path.lower, irp);
                STATUS_SUCCESS
            }
            PnpIrp::SetDevicePower(state) => self.send_device_power(path, state),
            PnpIrp::SetSystemPower(state) => self.send_system_power(path, state),
        }
    }

    /// What the devices of a stack add to the answer to `IRP_MN_QUERY_PNP_DEVICE_STATE`.
    pub(crate) fn pnp_device_state(path: &Path) -> u32 {
        if path.devices.iter().any(|device| device.pnp.has_failed()) {
            PNP_DEVICE_FAILED
        } else {
            0
        }
    }

    /// The devices handle a start on its way back, from the bottom.
    fn send_start(&self, path: &Path) -> NTSTATUS {
        let status = self.lower_pnp(&path.lower, PnpIrp::StartDevice);
        if !NT_SUCCESS(status) {
            return status;
        }
        for device in &path.devices {
            let status = self.start_device(device);
            if !NT_SUCCESS(status) {
                return status;
            }
        }
        STATUS_SUCCESS
    }

    /// Every driver may refuse on the way down.
    fn send_query(
        &self,
        path: &Path,
        irp: PnpIrp,
        question: fn(&Self, &Obj<Device>) -> NTSTATUS,
    ) -> NTSTATUS {
        for device in path.down() {
            let status = question(self, device);
            if !NT_SUCCESS(status) {
                return status;
            }
        }
        self.lower_pnp(&path.lower, irp)
    }

    fn pass_down(&self, path: &Path, irp: PnpIrp, act: fn(&Self, &Obj<Device>)) -> NTSTATUS {
        for device in path.down() {
            act(self, device);
        }
        self.lower_pnp(&path.lower, irp);
        STATUS_SUCCESS
    }

    /// A device object goes when the devices below it are gone.
    fn send_remove(&self, devices: &[Obj<Device>], lower: &Rc<Lower>) {
        match devices.split_last() {
            Some((top, below)) => {
                self.remove_device(top);
                self.send_remove(below, lower);
                self.finish_removal(top);
            }
            None => {
                self.lower_pnp(lower, PnpIrp::RemoveDevice);
            }
        }
    }

    fn send_device_power(&self, path: &Path, state: u8) -> NTSTATUS {
        let irp = PnpIrp::SetDevicePower(state);
        if state == 0 {
            self.lower_pnp(&path.lower, irp);
            for device in &path.devices {
                self.wake_device(device);
            }
        } else {
            let mut failed = Vec::new();
            for device in path.down() {
                if !self.sleep_device(device) {
                    failed.push(device);
                }
            }
            self.lower_pnp(&path.lower, irp);
            for device in failed {
                self.fail_power_down(device);
            }
        }
        STATUS_SUCCESS
    }

    /// The system goes to sleep or comes back: the power policy owner takes its stack along.
    ///
    /// On the way to sleep the request is held until the devices sleep; on the way back it is not.
    fn send_system_power(&self, path: &Path, state: u8) -> NTSTATUS {
        self.lower_pnp(&path.lower, PnpIrp::SetSystemPower(state));
        let owner = path.devices.iter().find(|device| {
            device.pnp.power_policy_owner && device.pnp.state.get() == PnpState::Started
        });
        let Some(owner) = owner else {
            return STATUS_SUCCESS;
        };
        if state == 0 {
            if owner.pnp.system_sleeps.get() {
                self.wake_stack_later(path, owner);
            }
            return STATUS_SUCCESS;
        }
        if owner.pnp.in_d0.get() {
            self.kernel_routine("PoRequestPowerIrp");
            owner.pnp.system_sleeps.set(true);
            self.send_device_power(path, 3);
        }
        if owner.pnp.has_failed() {
            owner.pnp.system_sleeps.set(false);
        }
        STATUS_SUCCESS
    }

    fn wake_stack_later(&self, path: &Path, owner: &Obj<Device>) {
        let path = Path {
            devices: path.devices.clone(),
            lower: Rc::clone(&path.lower),
        };
        let owner = owner.clone();
        let wake = move |system: &Self| {
            system.kernel_routine("PoRequestPowerIrp");
            system.send_device_power(&path, 0);
            system.system_is_back(&owner);
        };
        self.start_thread("power", PASSIVE_LEVEL, Job::Call(Box::new(wake)));
    }
}
