//! Creating queues and asking for their state.

use std::rc::Rc;

use kmdf_sys::{
    _WDF_IO_QUEUE_CONFIG, _WDF_IO_QUEUE_STATE as queue_state, _WDF_TRI_STATE as tri_state,
    NTSTATUS, PULONG, PWDF_IO_QUEUE_CONFIG, PWDF_OBJECT_ATTRIBUTES, STATUS_INFO_LENGTH_MISMATCH,
    STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_DEVICE_REQUEST, STATUS_INVALID_DEVICE_STATE,
    STATUS_INVALID_PARAMETER, STATUS_INVALID_PARAMETER_4, STATUS_SUCCESS, STATUS_UNSUCCESSFUL,
    WDF_IO_QUEUE_STATE, WDFDEVICE, WDFQUEUE,
};

use kmdf_sys::missing::STATUS_WDF_NO_CALLBACK;

use super::power::Power;
use super::{Dispatching, Queue, dispatching_of};
use crate::faults::Allocation;
use crate::fx::attributes::{Attributes, Rules};
use crate::fx::class::{Kind, Obj};
use crate::fx::device::Device;
use crate::fx::object::{Level, Object, Scope};
use crate::fx::pnp::PnpState;
use crate::system::System;

/// Sizes of the configuration in KMDF 1.9, before the driver was added, and 1.7, before the limit.
const CONFIG_1_9: usize = core::mem::offset_of!(_WDF_IO_QUEUE_CONFIG, Driver);
const CONFIG_1_7: usize = core::mem::offset_of!(_WDF_IO_QUEUE_CONFIG, Settings);

impl System {
    /// `WdfIoQueueCreate`.
    pub(crate) fn wdf_io_queue_create(
        &self,
        device: WDFDEVICE,
        config: PWDF_IO_QUEUE_CONFIG,
        attributes: PWDF_OBJECT_ATTRIBUTES,
        out: *mut WDFQUEUE,
    ) -> NTSTATUS {
        let device: Obj<Device> = self.object(device);
        self.require(config, "Config");
        let attributes = match self.attributes(attributes, Rules::QUEUE) {
            Ok(attributes) => attributes,
            Err(status) => return status,
        };
        let mut config = self.get(config);
        let size = config.Size as usize;
        if size != size_of::<_WDF_IO_QUEUE_CONFIG>() && size != CONFIG_1_9 && size != CONFIG_1_7 {
            return STATUS_INFO_LENGTH_MISMATCH;
        }
        let default = config.DefaultQueue != 0;
        if !default && out.is_null() {
            return STATUS_INVALID_PARAMETER_4;
        }
        if default && device.pnp.state.get() != PnpState::Added {
            return STATUS_INVALID_DEVICE_STATE;
        }
        if let Some(parent) = &attributes.parent
            && !Object::ancestor::<Device>(parent).is_some_and(|ancestor| ancestor.is(&device))
        {
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        let dispatching = match check_config(&device, &mut config, size, &attributes) {
            Ok(dispatching) => dispatching,
            Err(status) => return status,
        };
        let parent = attributes
            .parent
            .clone()
            .unwrap_or_else(|| Rc::clone(device.rc()));
        let level = attributes.level.unwrap_or(parent.level.get());
        if level == Level::Passive && self.faults.fails(Allocation::Pool) {
            return STATUS_INSUFFICIENT_RESOURCES;
        }
        if default && device.default_queue.borrow().is_some() {
            return STATUS_UNSUCCESSFUL;
        }
        let power_managed = match config.PowerManaged {
            tri_state::WdfTrue => true,
            tri_state::WdfFalse => false,
            _ => !device.filter && !device.is_control,
        };
        let queue = Queue::new(config, dispatching, power_managed, device.clone());
        let object = match self.create_object(Kind::Queue(queue), &parent, &attributes) {
            Ok(object) => object,
            Err(status) => return status,
        };
        if attributes.parent.is_none() {
            device.rc().put_ahead(&object);
        }
        object.passive_dispose.set(true);
        self.assign_lock(&object, &attributes);
        if let Some(queue) = Obj::<Queue>::new(&object) {
            device.queues.borrow_mut().push(queue.clone());
            if default {
                object.no_delete.set(true);
                *device.default_queue.borrow_mut() = Some(queue);
            }
        }
        self.put(out, object.handle());
        STATUS_SUCCESS
    }

    /// `WdfIoQueueGetState`.
    pub(crate) fn wdf_io_queue_get_state(
        &self,
        queue: WDFQUEUE,
        queued: PULONG,
        owned: PULONG,
    ) -> WDF_IO_QUEUE_STATE {
        let queue: Obj<Queue> = self.object(queue);
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        self.put(queued, count(queue.queued()));
        self.put(owned, count(queue.owned()));
        let bits = [
            (queue.accepts.get(), queue_state::WdfIoQueueAcceptRequests),
            (
                queue.presents.get(),
                queue_state::WdfIoQueueDispatchRequests,
            ),
            (queue.queued() == 0, queue_state::WdfIoQueueNoRequests),
            (queue.owned() == 0, queue_state::WdfIoQueueDriverNoRequests),
            (
                queue.power_managed && queue.power.get() != Power::On,
                queue_state::WdfIoQueuePnpHeld,
            ),
        ];
        bits.iter()
            .filter(|(set, _)| *set)
            .fold(0, |state, (_, bit)| state | bit)
    }

    /// `WdfIoQueueGetDevice`.
    pub(crate) fn wdf_io_queue_get_device(&self, queue: WDFQUEUE) -> WDFDEVICE {
        let queue: Obj<Queue> = self.object(queue);
        queue
            .device()
            .map_or(core::ptr::null_mut(), |device| device.handle())
    }
}

fn check_config(
    device: &Obj<Device>,
    config: &mut _WDF_IO_QUEUE_CONFIG,
    size: usize,
    attributes: &Attributes,
) -> Result<Dispatching, NTSTATUS> {
    let scope = attributes.scope.unwrap_or(device.rc().scope.get());
    let level = attributes.level.unwrap_or(device.rc().level.get());
    if scope == Scope::Device && level != device.rc().level.get() {
        return Err(STATUS_INVALID_PARAMETER);
    }
    let dispatching = dispatching_of(config.DispatchType).ok_or(STATUS_INVALID_PARAMETER)?;
    let handles = config.EvtIoDefault.is_some()
        || config.EvtIoRead.is_some()
        || config.EvtIoWrite.is_some()
        || config.EvtIoDeviceControl.is_some()
        || config.EvtIoInternalDeviceControl.is_some();
    if dispatching == Dispatching::Manual {
        if handles {
            return Err(STATUS_INVALID_PARAMETER);
        }
    } else if !handles {
        return Err(STATUS_WDF_NO_CALLBACK);
    }
    if size <= CONFIG_1_7 {
        config.Settings.Parallel.NumberOfPresentedRequests = u32::MAX;
    }
    // SAFETY: the union has a single member.
    let limit = unsafe { config.Settings.Parallel.NumberOfPresentedRequests };
    if dispatching != Dispatching::Parallel && limit != 0 && size > CONFIG_1_7 {
        return Err(STATUS_INVALID_PARAMETER);
    }
    Ok(dispatching)
}
