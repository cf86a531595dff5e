//! WDFWORKITEM and WDFDPC.

use core::cell::{Cell, RefCell};
use core::ptr;
use std::rc::Rc;

use kmdf_sys::{
    _WDF_DPC_CONFIG, _WDF_WORKITEM_CONFIG, BOOLEAN, NTSTATUS, PFN_WDF_DPC, PFN_WDF_WORKITEM,
    PWDF_DPC_CONFIG, PWDF_OBJECT_ATTRIBUTES, PWDF_WORKITEM_CONFIG, STATUS_INFO_LENGTH_MISMATCH,
    STATUS_INVALID_DEVICE_REQUEST, STATUS_INVALID_PARAMETER, STATUS_SUCCESS, WDFDPC, WDFOBJECT,
    WDFWORKITEM,
};

use kmdf_sys::missing::STATUS_WDF_INCOMPATIBLE_EXECUTION_LEVEL;

use super::attributes::Rules;
use super::class::{Kind, Obj};
use super::device::Device;
use super::lock::CallbackLock;
use super::object::{Level, Object};
use crate::system::scheduler::Thread;
use crate::system::wait::{WaitReason, Wake};
use crate::system::{PASSIVE_LEVEL, System};
use crate::trace::Event;

/// Runs of a callback that may be waited for.
#[derive(Default)]
pub(crate) struct Runs {
    running: RefCell<Vec<Rc<Thread>>>,
    waiters: RefCell<Vec<Rc<Thread>>>,
}

impl Runs {
    pub(crate) fn begin(&self, system: &System) {
        self.running.borrow_mut().push(system.running_thread());
    }

    pub(crate) fn end(&self, system: &System) {
        let own = system.running_thread();
        self.running
            .borrow_mut()
            .retain(|thread| !Rc::ptr_eq(thread, &own));
        let waiters = core::mem::take(&mut *self.waiters.borrow_mut());
        for waiter in waiters {
            system.wake(&waiter, Wake::Signaled);
        }
    }

    /// Whether the running thread is in the callback.
    pub(crate) fn is_inside(&self, system: &System) -> bool {
        let own = system.running_thread();
        let running = self.running.borrow();
        running.iter().any(|thread| Rc::ptr_eq(thread, &own))
    }

    /// Waits until no other thread is in the callback and `also` holds no longer.
    pub(crate) fn wait(&self, system: &System, name: usize, also: impl Fn() -> bool) {
        let own = system.running_thread();
        loop {
            let busy = self
                .running
                .borrow()
                .iter()
                .any(|thread| !Rc::ptr_eq(thread, &own));
            if !busy && (self.is_inside(system) || !also()) {
                return;
            }
            self.waiters.borrow_mut().push(Rc::clone(&own));
            system.wait(WaitReason::Callback(name), None);
        }
    }
}

/// A WDFWORKITEM.
pub(crate) struct WorkItem {
    callback: PFN_WDF_WORKITEM,
    lock: Option<Rc<CallbackLock>>,
    queued: Cell<bool>,
    running_down: Cell<bool>,
    runs: Runs,
}

/// A WDFDPC.
pub(crate) struct Dpc {
    callback: PFN_WDF_DPC,
    lock: Option<Rc<CallbackLock>>,
    queued: Cell<bool>,
    runs: Runs,
}

impl System {
    /// The lock of automatic serialization with the callbacks of `parent`.
    pub(crate) fn serialization(
        &self,
        wanted: BOOLEAN,
        parent: &Object,
    ) -> Option<Rc<CallbackLock>> {
        if wanted == 0 {
            None
        } else {
            Self::callback_lock(parent)
        }
    }

    /// Runs a callback under a lock that it may have.
    pub(crate) fn serialized(&self, lock: Option<&Rc<CallbackLock>>, call: impl FnOnce()) {
        if let Some(lock) = lock {
            lock.acquire(self);
        }
        call();
        if let Some(lock) = lock {
            lock.release(self);
        }
    }

    /// `WdfWorkItemCreate`.
    pub(crate) fn wdf_work_item_create(
        &self,
        config: PWDF_WORKITEM_CONFIG,
        attributes: PWDF_OBJECT_ATTRIBUTES,
        out: *mut WDFWORKITEM,
    ) -> NTSTATUS {
        let parent = match self.required_parent(attributes) {
            Ok(parent) => parent,
            Err(status) => return status,
        };
        self.require(config, "Config");
        self.require(out, "WorkItem");
        self.put(out, ptr::null_mut());
        let config = self.get(config);
        if config.Size as usize != size_of::<_WDF_WORKITEM_CONFIG>() {
            return STATUS_INFO_LENGTH_MISMATCH;
        }
        if config.EvtWorkItemFunc.is_none() {
            return STATUS_INVALID_PARAMETER;
        }
        let attributes = match self.attributes(attributes, Rules::WORK) {
            Ok(attributes) => attributes,
            Err(status) => return status,
        };
        if Object::ancestor::<Device>(&parent).is_none() {
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        let lock = self.serialization(config.AutomaticSerialization, &parent);
        if lock.is_some() && parent.level.get() != Level::Passive {
            return STATUS_WDF_INCOMPATIBLE_EXECUTION_LEVEL;
        }
        // The IO_WORKITEM.
        if let Err(status) = self.pool_allocation() {
            return status;
        }
        let item = WorkItem {
            callback: config.EvtWorkItemFunc,
            lock,
            queued: Cell::new(false),
            running_down: Cell::new(false),
            runs: Runs::default(),
        };
        match self.create_object(Kind::WorkItem(item), &parent, &attributes) {
            Ok(object) => {
                object.passive_dispose.set(true);
                self.put(out, object.handle());
                STATUS_SUCCESS
            }
            Err(status) => status,
        }
    }

    /// `WdfWorkItemEnqueue`.
    pub(crate) fn wdf_work_item_enqueue(&self, item: WDFWORKITEM) {
        let item: Obj<WorkItem> = self.object(item);
        if item.queued.get() {
            return;
        }
        if item.running_down.get() {
            self.used_after_removal(item.rc());
            return;
        }
        item.queued.set(true);
        self.trace(|| Event::Enqueued {
            callback: "EvtWorkItem",
            object: item.rc().handle.get() as u64,
        });
        let run = item.clone();
        self.queue_work("work item", move |system| {
            run.queued.set(false);
            run.runs.begin(system);
            system.add_reference(run.rc());
            if let Some(callback) = run.callback {
                system.serialized(run.lock.as_ref(), || {
                    system.callback(
                        run.rc().driver.get(),
                        "EvtWorkItem",
                        run.rc().handle.get(),
                        || {
                            // SAFETY: the driver registered this function for the work item, which exists.
                            unsafe { callback(run.handle()) }
                        },
                    );
                });
            }
            run.runs.end(system);
            system.release(run.rc());
        });
    }

    /// `WdfWorkItemFlush`.
    pub(crate) fn wdf_work_item_flush(&self, item: WDFWORKITEM) {
        let item: Obj<WorkItem> = self.object(item);
        if !self.irql_at_most(PASSIVE_LEVEL) {
            return;
        }
        if item.runs.is_inside(self) {
            self.debug_break(
                "WdfWorkItemFlush inside the work item's own callback: nothing is waited for",
            );
            return;
        }
        item.runs
            .wait(self, item.rc().handle.get(), || item.queued.get());
    }

    pub(crate) fn dispose_work_item(&self, item: &WorkItem) {
        item.running_down.set(true);
        if item.runs.is_inside(self) {
            return;
        }
        item.runs.wait(self, 0, || item.queued.get());
    }

    /// `WdfWorkItemGetParentObject`.
    pub(crate) fn wdf_work_item_get_parent_object(&self, item: WDFWORKITEM) -> WDFOBJECT {
        let item: Obj<WorkItem> = self.object(item);
        item.rc()
            .parent()
            .map_or(ptr::null_mut(), |parent| parent.handle())
    }

    /// `WdfDpcCreate`.
    pub(crate) fn wdf_dpc_create(
        &self,
        config: PWDF_DPC_CONFIG,
        attributes: PWDF_OBJECT_ATTRIBUTES,
        out: *mut WDFDPC,
    ) -> NTSTATUS {
        let parent = match self.required_parent(attributes) {
            Ok(parent) => parent,
            Err(status) => return status,
        };
        self.require(config, "Config");
        self.require(out, "Dpc");
        self.put(out, ptr::null_mut());
        let config = self.get(config);
        if config.Size as usize != size_of::<_WDF_DPC_CONFIG>() {
            return STATUS_INFO_LENGTH_MISMATCH;
        }
        if config.EvtDpcFunc.is_none() {
            return STATUS_INVALID_PARAMETER;
        }
        let attributes = match self.attributes(attributes, Rules::WORK) {
            Ok(attributes) => attributes,
            Err(status) => return status,
        };
        if Object::ancestor::<Device>(&parent).is_none() {
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        let lock = self.serialization(config.AutomaticSerialization, &parent);
        if lock.is_some() && parent.level.get() == Level::Passive {
            return STATUS_WDF_INCOMPATIBLE_EXECUTION_LEVEL;
        }
        let dpc = Dpc {
            callback: config.EvtDpcFunc,
            lock,
            queued: Cell::new(false),
            runs: Runs::default(),
        };
        match self.create_object(Kind::Dpc(dpc), &parent, &attributes) {
            Ok(object) => {
                self.put(out, object.handle());
                STATUS_SUCCESS
            }
            Err(status) => status,
        }
    }

    /// `WdfDpcEnqueue`.
    pub(crate) fn wdf_dpc_enqueue(&self, dpc: WDFDPC) -> BOOLEAN {
        let dpc: Obj<Dpc> = self.object(dpc);
        self.check_removed(dpc.rc());
        if dpc.queued.replace(true) {
            return 0;
        }
        self.trace(|| Event::Enqueued {
            callback: "EvtDpcFunc",
            object: dpc.rc().handle.get() as u64,
        });
        let run = dpc.clone();
        let call = move |system: &System| {
            if !run.queued.replace(false) {
                return;
            }
            run.runs.begin(system);
            if let Some(callback) = run.callback {
                system.serialized(run.lock.as_ref(), || {
                    system.callback(
                        run.rc().driver.get(),
                        "EvtDpcFunc",
                        run.rc().handle.get(),
                        || {
                            // SAFETY: the driver registered this function for the DPC, which exists.
                            unsafe { callback(run.handle()) }
                        },
                    );
                });
            }
            run.runs.end(system);
        };
        self.queue_dpc("dpc", Box::new(call));
        1
    }

    /// `WdfDpcCancel`.
    pub(crate) fn wdf_dpc_cancel(&self, dpc: WDFDPC, wait: BOOLEAN) -> BOOLEAN {
        let dpc: Obj<Dpc> = self.object(dpc);
        if wait != 0 && !self.irql_at_most(PASSIVE_LEVEL) {
            return 0;
        }
        let cancelled = dpc.queued.replace(false);
        if wait != 0 {
            dpc.runs.wait(self, dpc.rc().handle.get(), || false);
        }
        u8::from(cancelled)
    }

    /// `WdfDpcGetParentObject`.
    pub(crate) fn wdf_dpc_get_parent_object(&self, dpc: WDFDPC) -> WDFOBJECT {
        let dpc: Obj<Dpc> = self.object(dpc);
        dpc.rc()
            .parent()
            .map_or(ptr::null_mut(), |parent| parent.handle())
    }
}
