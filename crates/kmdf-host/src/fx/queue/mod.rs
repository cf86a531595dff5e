//! WDFQUEUE.

pub(crate) mod arrive;
pub(crate) mod create;
pub(crate) mod dispatch;
pub(crate) mod forward;
pub(crate) mod power;
pub(crate) mod retrieve;
pub(crate) mod state;

use core::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use kmdf_sys::{
    _WDF_IO_QUEUE_CONFIG, _WDF_IO_QUEUE_DISPATCH_TYPE as dispatch_type, PFN_WDF_IO_QUEUE_STATE,
    WDFCONTEXT,
};

use super::class::Obj;
use super::device::Device;
use super::request::Request;
use crate::system::ends;
use crate::system::irp::{
    IRP_MJ_DEVICE_CONTROL, IRP_MJ_INTERNAL_DEVICE_CONTROL, IRP_MJ_READ, IRP_MJ_WRITE,
};
use crate::system::scheduler::Thread;

use power::Power;

/// How a queue gives out its requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dispatching {
    Sequential,
    Parallel,
    Manual,
}

/// Who is told when a queue has become idle or empty.
#[derive(Clone)]
pub(crate) enum Notify {
    Callback(
        unsafe extern "C" fn(kmdf_sys::WDFQUEUE, WDFCONTEXT),
        WDFCONTEXT,
    ),
    Thread(Rc<Thread>, Rc<Cell<bool>>),
}

impl Notify {
    pub(crate) fn callback(function: PFN_WDF_IO_QUEUE_STATE, context: WDFCONTEXT) -> Option<Self> {
        function.map(|function| Self::Callback(function, context))
    }
}

/// A WDFQUEUE.
pub(crate) struct Queue {
    pub(crate) config: _WDF_IO_QUEUE_CONFIG,
    pub(crate) dispatching: Dispatching,
    pub(crate) power_managed: bool,
    /// At most so many requests at a time are with the driver.
    pub(crate) presented_limit: u32,
    device: RefCell<Option<Obj<Device>>>,

    pub(crate) accepts: Cell<bool>,
    pub(crate) presents: Cell<bool>,
    pub(crate) shut_down: Cell<bool>,
    pub(crate) requests: RefCell<VecDeque<Obj<Request>>>,
    pub(crate) driver_owned: RefCell<VecDeque<Obj<Request>>>,
    /// Requests that are being forwarded to another queue: they count as the driver's until that queue has taken them.
    pub(crate) leaving: Cell<usize>,
    /// Requests whose `EvtRequestCancel` is to be called.
    pub(crate) cancelled: RefCell<VecDeque<Obj<Request>>>,
    /// Requests whose `EvtIoCanceledOnQueue` is to be called.
    pub(crate) canceled_on_queue: RefCell<VecDeque<Obj<Request>>>,
    /// Threads inside the dispatcher.
    pub(crate) dispatchers: Cell<u32>,
    /// A purge is under way: what the driver marks cancelable is cancelled at once.
    pub(crate) cancels_driver_requests: Cell<bool>,
    pub(crate) idle_complete: RefCell<Option<Notify>>,
    pub(crate) purge_complete: RefCell<Option<Notify>>,
    pub(crate) ready_notify: RefCell<Option<Notify>>,
    pub(crate) from_empty: Cell<bool>,
    pub(crate) force_from_empty: Cell<bool>,
    /// A dispatch is waiting to run as a work item or DPC.
    pub(crate) deferred: Cell<bool>,
    pub(crate) disposing: Cell<bool>,
    pub(crate) disposed: Cell<bool>,
    pub(crate) power: Cell<Power>,
    pub(crate) power_waiter: RefCell<Option<Rc<Thread>>>,
}

impl Queue {
    pub(crate) fn new(
        config: _WDF_IO_QUEUE_CONFIG,
        dispatching: Dispatching,
        power_managed: bool,
        device: Obj<Device>,
    ) -> Self {
        // SAFETY: the union has a single member.
        let limit = unsafe { config.Settings.Parallel.NumberOfPresentedRequests };
        let off = power_managed && !device.pnp.in_d0.get();
        // A queue that is made while the device is being taken down takes nothing.
        let shut_down = device.pnp.is_going();
        Self {
            config,
            dispatching,
            power_managed,
            presented_limit: limit,
            device: RefCell::new(Some(device)),
            accepts: Cell::new(!shut_down),
            presents: Cell::new(true),
            shut_down: Cell::new(shut_down),
            requests: RefCell::new(VecDeque::new()),
            driver_owned: RefCell::new(VecDeque::new()),
            leaving: Cell::new(0),
            cancelled: RefCell::new(VecDeque::new()),
            canceled_on_queue: RefCell::new(VecDeque::new()),
            dispatchers: Cell::new(0),
            cancels_driver_requests: Cell::new(false),
            idle_complete: RefCell::new(None),
            purge_complete: RefCell::new(None),
            ready_notify: RefCell::new(None),
            from_empty: Cell::new(false),
            force_from_empty: Cell::new(false),
            deferred: Cell::new(false),
            disposing: Cell::new(false),
            disposed: Cell::new(false),
            power: Cell::new(if off { Power::Off } else { Power::On }),
            power_waiter: RefCell::new(None),
        }
    }

    pub(crate) fn device(&self) -> Option<Obj<Device>> {
        self.device.borrow().clone()
    }

    pub(crate) fn is_manual(&self) -> bool {
        self.dispatching == Dispatching::Manual
    }

    /// Whether a callback takes requests with this major function.
    pub(crate) fn handles(&self, major: u8) -> bool {
        if self.config.EvtIoDefault.is_some() {
            return true;
        }
        match major {
            IRP_MJ_READ => self.config.EvtIoRead.is_some(),
            IRP_MJ_WRITE => self.config.EvtIoWrite.is_some(),
            IRP_MJ_DEVICE_CONTROL => self.config.EvtIoDeviceControl.is_some(),
            IRP_MJ_INTERNAL_DEVICE_CONTROL => self.config.EvtIoInternalDeviceControl.is_some(),
            _ => false,
        }
    }

    pub(crate) fn queued(&self) -> usize {
        self.requests.borrow().len()
    }

    pub(crate) fn owned(&self) -> usize {
        self.driver_owned.borrow().len() + self.leaving.get()
    }

    pub(crate) fn remember_driver_owned(&self, request: &Obj<Request>) {
        self.driver_owned.borrow_mut().push_back(request.clone());
    }

    pub(crate) fn forget_driver_owned(&self, request: &Obj<Request>) {
        ends::take(&mut self.driver_owned.borrow_mut(), |owned| {
            owned.is(request)
        });
    }

    /// Notes that a request was added, for the ready notification of manual queues.
    pub(crate) fn check_from_empty(&self) {
        if self.queued() == 1 || self.force_from_empty.get() {
            self.from_empty.set(true);
            self.force_from_empty.set(false);
        }
    }

    pub(crate) fn unlink(&self) {
        self.device.borrow_mut().take();
        self.requests.borrow_mut().clear();
        self.driver_owned.borrow_mut().clear();
        self.cancelled.borrow_mut().clear();
        self.canceled_on_queue.borrow_mut().clear();
        self.idle_complete.borrow_mut().take();
        self.purge_complete.borrow_mut().take();
        self.ready_notify.borrow_mut().take();
        self.power_waiter.borrow_mut().take();
    }
}

/// `WDF_IO_QUEUE_DISPATCH_TYPE`.
pub(crate) fn dispatching_of(value: i32) -> Option<Dispatching> {
    match value {
        dispatch_type::WdfIoQueueDispatchSequential => Some(Dispatching::Sequential),
        dispatch_type::WdfIoQueueDispatchParallel => Some(Dispatching::Parallel),
        dispatch_type::WdfIoQueueDispatchManual => Some(Dispatching::Manual),
        _ => None,
    }
}
