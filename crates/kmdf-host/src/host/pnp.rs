//! Stacks of devices: plugging in, starting, pulling out, unloading.

use core::cell::RefCell;
use std::rc::Rc;

use kmdf_sys::{NT_SUCCESS, NTSTATUS, STATUS_SUCCESS};

use super::thread::Turn;
use super::{DriverId, Host};
use crate::fx::class::Obj;
use crate::fx::device::Device;
use crate::fx::driver::{DriverNumber, Module};
use crate::fx::object::Object;
use crate::fx::pnp::PnpState;
use crate::fx::pnp_irp::{Path, PnpIrp};
use crate::lower::LowerId;
use crate::stop::Stop;
use crate::system::System;
use crate::system::device::{DeviceObject, DeviceTable};

/// Names a device stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StackId(pub(super) usize);

/// A lower device and the framework's devices above it, from the bottom.
struct Stack {
    lower: LowerId,
    devices: Vec<Obj<Device>>,
    removed: bool,
    /// Its removal has begun: the I/O manager opens it no more.
    closed_to_all: bool,
    turn: Rc<Turn>,
}

/// The stacks of a machine.
#[derive(Default)]
pub(super) struct Stacks(RefCell<Vec<Stack>>);

impl Stacks {
    fn add(&self, lower: LowerId) -> StackId {
        let mut stacks = self.0.borrow_mut();
        stacks.push(Stack {
            lower,
            devices: Vec::new(),
            removed: false,
            closed_to_all: false,
            turn: Rc::default(),
        });
        StackId(stacks.len() - 1)
    }

    fn with<R>(&self, stack: StackId, f: impl FnOnce(&mut Stack) -> R) -> R {
        let mut stacks = self.0.borrow_mut();
        f(stacks
            .get_mut(stack.0)
            .expect("the stack is one of this host"))
    }

    pub(super) fn count(&self) -> usize {
        self.0.borrow().len()
    }

    pub(super) fn turn(&self, stack: StackId) -> Rc<Turn> {
        self.with(stack, |stack| Rc::clone(&stack.turn))
    }

    pub(super) fn is_removed(&self, stack: StackId) -> bool {
        self.with(stack, |stack| stack.removed)
    }

    pub(super) fn refuses_opens(&self, stack: StackId) -> bool {
        self.with(stack, |stack| stack.closed_to_all || stack.removed)
    }

    pub(super) fn refuse_opens(&self, stack: StackId, refuse: bool) {
        self.with(stack, |stack| stack.closed_to_all = refuse);
    }

    pub(super) fn set_removed(&self, stack: StackId) {
        let devices = self.with(stack, |stack| {
            stack.removed = true;
            core::mem::take(&mut stack.devices)
        });
        drop(devices);
    }

    pub(super) fn path(&self, system: &System, stack: StackId) -> Path {
        let (lower, devices) = self.with(stack, |stack| (stack.lower, stack.devices.clone()));
        Path {
            devices,
            lower: system.lower(lower),
        }
    }

    pub(super) fn bottom(&self, system: &System, stack: StackId) -> Rc<DeviceObject> {
        system.lower(self.with(stack, |stack| stack.lower)).object()
    }

    /// The device that applications open.
    pub(super) fn top(&self, system: &System, stack: StackId) -> Rc<DeviceObject> {
        DeviceTable::top(&self.bottom(system, stack))
    }
}

impl Host {
    /// Builds a stack: `AddDevice` of each driver from the bottom to the top, then start.
    ///
    /// # Errors
    ///
    /// [`Stop::Status`] when adding or starting a device fails (the stack is taken down again); whatever ends the run.
    pub fn plug(&self, lower: LowerId, drivers: &[DriverId]) -> Result<StackId, Stop> {
        let stack = self.add_devices(lower, drivers)?;
        match self.start(stack) {
            Ok(()) => Ok(stack),
            Err(stop @ Stop::Status { .. }) => {
                self.remove(stack)?;
                Err(stop)
            }
            Err(stop) => Err(stop),
        }
    }

    /// Builds a stack without starting it.
    ///
    /// # Errors
    ///
    /// As [`Host::plug`].
    pub fn add_devices(&self, lower: LowerId, drivers: &[DriverId]) -> Result<StackId, Stop> {
        let stack = self.stacks.add(lower);
        for driver in drivers {
            let below = self.top_of(stack);
            let number = DriverNumber(driver.0);
            let (status, device) =
                self.call("pnp", move |system| system.add_device(number, &below))?;
            if let Some(device) = device {
                self.stacks.with(stack, |stack| stack.devices.push(device));
            }
            if !NT_SUCCESS(status) {
                self.remove(stack)?;
                return Err(self.failed("EvtDriverDeviceAdd", status));
            }
        }
        Ok(stack)
    }

    /// Sends a request of the PnP or power manager to a stack; gives its final status.
    ///
    /// The other functions send what the managers would send in order; this one sends exactly what it is given.
    ///
    /// # Errors
    ///
    /// Whatever ends the run.
    pub fn pnp(&self, stack: StackId, irp: PnpIrp) -> Result<NTSTATUS, Stop> {
        let path = self.path(stack);
        let status = self.call("pnp", move |system| system.send_pnp(&path, irp))?;
        if irp == PnpIrp::RemoveDevice {
            self.stacks.set_removed(stack);
        }
        Ok(status)
    }

    /// The state that the devices of a stack report to the PnP manager, a set of `PNP_DEVICE_` flags.
    #[must_use]
    pub fn pnp_device_state(&self, stack: StackId) -> u32 {
        System::pnp_device_state(&self.path(stack))
    }

    fn must(&self, stack: StackId, irp: PnpIrp, what: &str) -> Result<(), Stop> {
        let status = self.pnp(stack, irp)?;
        if NT_SUCCESS(status) {
            Ok(())
        } else {
            Err(self.failed(what, status))
        }
    }

    /// Starts or restarts the devices of a stack, from the bottom.
    ///
    /// # Errors
    ///
    /// [`Stop::Status`] when a device fails to start; whatever ends the run.
    pub fn start(&self, stack: StackId) -> Result<(), Stop> {
        let was_stopped = |device: &Obj<Device>| device.pnp.state.get() == PnpState::Stopped;
        let restart = self.devices_of(stack).iter().any(was_stopped);
        let started = self.must(stack, PnpIrp::StartDevice, "starting the device");
        // What worked before it was stopped is then taken for pulled out.
        if restart && matches!(started, Err(Stop::Status { .. })) {
            self.surprise_remove(stack)?;
        }
        started
    }

    /// Asks the drivers whether the stack may be stopped, and if so stops it for rebalancing, from the top.
    ///
    /// # Errors
    ///
    /// [`Stop::Status`] when a driver refuses; whatever ends the run.
    pub fn stop(&self, stack: StackId) -> Result<(), Stop> {
        self.must(stack, PnpIrp::QueryStopDevice, "stopping the device")?;
        self.must(stack, PnpIrp::StopDevice, "stopping the device")
    }

    /// Sends the stack to D3.
    ///
    /// # Errors
    ///
    /// Whatever ends the run.
    pub fn sleep(&self, stack: StackId) -> Result<(), Stop> {
        self.pnp(stack, PnpIrp::SetDevicePower(3)).map(drop)
    }

    /// Brings the stack back to D0.
    ///
    /// # Errors
    ///
    /// Whatever ends the run.
    pub fn wake(&self, stack: StackId) -> Result<(), Stop> {
        self.pnp(stack, PnpIrp::SetDevicePower(0)).map(drop)
    }

    /// Asks the drivers whether the stack may be removed.
    ///
    /// # Errors
    ///
    /// [`Stop::Status`] when a driver refuses; whatever ends the run.
    pub fn query_remove(&self, stack: StackId) -> Result<(), Stop> {
        self.must(stack, PnpIrp::QueryRemoveDevice, "removing the device")
    }

    /// The hardware is gone: tells the drivers, from the top. [`Host::remove`] follows when all files are closed.
    ///
    /// # Errors
    ///
    /// Whatever ends the run.
    pub fn surprise_remove(&self, stack: StackId) -> Result<(), Stop> {
        self.pnp(stack, PnpIrp::SurpriseRemoval).map(drop)
    }

    /// Removes the stack, from the top.
    ///
    /// # Errors
    ///
    /// Whatever ends the run.
    pub fn remove(&self, stack: StackId) -> Result<(), Stop> {
        if self.stacks.is_removed(stack) {
            return Ok(());
        }
        self.pnp(stack, PnpIrp::RemoveDevice).map(drop)
    }

    /// Unloads a driver that has no devices any more.
    ///
    /// # Errors
    ///
    /// Whatever ends the run.
    pub fn unload(&self, driver: DriverId) -> Result<(), Stop> {
        let Some(module) = self.system.module(DriverNumber(driver.0)) else {
            return Ok(());
        };
        if !module.loaded.replace(false) {
            return Ok(());
        }
        self.call("unloader", move |system| system.unload_driver(&module))
    }

    fn path(&self, stack: StackId) -> Path {
        self.stacks.path(&self.system, stack)
    }

    fn devices_of(&self, stack: StackId) -> Vec<Obj<Device>> {
        self.path(stack).devices
    }

    /// The handles of the framework's devices of a stack, from the bottom; for tests that call DDIs themselves.
    #[must_use]
    pub fn device_handles(&self, stack: StackId) -> Vec<kmdf_sys::WDFDEVICE> {
        self.devices_of(stack).iter().map(Obj::handle).collect()
    }

    pub(super) fn top_of(&self, stack: StackId) -> Rc<DeviceObject> {
        self.stacks.top(&self.system, stack)
    }
}

impl System {
    /// The framework's `AddDevice` for one driver above `below`.
    pub(super) fn add_device(
        &self,
        number: DriverNumber,
        below: &Rc<DeviceObject>,
    ) -> (NTSTATUS, Option<Obj<Device>>) {
        let module = self.module(number);
        let Some(driver) = module.as_ref().and_then(|module| module.driver()) else {
            return (kmdf_sys::STATUS_NO_SUCH_DEVICE, None);
        };
        let Some(callback) = driver.device_add else {
            return (STATUS_SUCCESS, None);
        };
        let handle = self
            .framework
            .device_inits
            .create(&driver.module, Some(below));
        let status = self.callback(
            number,
            "EvtDriverDeviceAdd",
            driver.rc().handle.get(),
            || {
                // SAFETY: the driver registered this function; driver and initializer exist during the call.
                unsafe { callback(driver.handle(), handle) }
            },
        );
        let init = self.framework.device_inits.finish(handle);
        let filter = init.as_ref().is_some_and(|init| init.filter.get());
        let created = init.and_then(|init| init.created.borrow().clone());
        let device = created.as_ref().and_then(Obj::<Device>::new);
        if NT_SUCCESS(status) {
            return (status, device);
        }
        if let Some(device) = device {
            self.remove_device(&device);
            self.finish_removal(&device);
        }
        // A filter that does not want the device must not keep the stack from working.
        (if filter { STATUS_SUCCESS } else { status }, None)
    }

    /// `DriverUnload`: the driver's own callback, then its object.
    pub(super) fn unload_driver(&self, module: &Rc<Module>) {
        if let Some(driver) = module.driver()
            && let Some(callback) = driver.unload
        {
            self.callback(
                module.number,
                "EvtDriverUnload",
                driver.rc().handle.get(),
                || {
                    // SAFETY: the driver registered this function; its object exists during the call.
                    unsafe { callback(driver.handle()) }
                },
            );
        }
        if let Some(driver) = module.driver() {
            self.unload_control_devices(&driver);
        }
        self.check_unloaded(module.number);
        self.delete_driver(module);
    }

    /// Deletes a driver's object with everything below it.
    pub(super) fn delete_driver(&self, module: &Rc<Module>) {
        let object: Option<Rc<Object>> = module.driver().map(|driver| Rc::clone(driver.rc()));
        if let Some(object) = object {
            self.check_growth(&object);
            self.delete_object(&object);
        }
        module.unlink();
    }
}
