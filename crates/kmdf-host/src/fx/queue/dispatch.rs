//! The dispatcher of a queue: everything a queue has to tell its driver goes through here, in one order.

use kmdf_sys::{
    STATUS_CANCELLED, STATUS_INVALID_DEVICE_REQUEST, STATUS_SUCCESS, WDFQUEUE, WDFREQUEST,
};

use std::rc::Rc;

use super::power::Power;
use super::{Dispatching, Notify, Queue};
use crate::fx::class::Obj;
use crate::fx::object::{Level, Object};
use crate::fx::request::{Place, Request};
use crate::system::irp::{
    CancelRoutine, IRP_MJ_DEVICE_CONTROL, IRP_MJ_INTERNAL_DEVICE_CONTROL, IRP_MJ_READ, IRP_MJ_WRITE,
};
use crate::system::wait::Wake;
use crate::system::{APC_LEVEL, PASSIVE_LEVEL, System};

impl System {
    /// Something happened that may give a queue work: dispatches unless somebody is at it already.
    pub(crate) fn queue_event(&self, queue: &Obj<Queue>) {
        if queue.dispatchers.get() == 0 {
            self.dispatch_events(queue, None);
        }
    }

    /// Tells the driver whatever is to be told. `new` is a request that has just arrived.
    pub(crate) fn dispatch_events(&self, queue: &Obj<Queue>, mut new: Option<Obj<Request>>) {
        if queue.disposed.get() {
            return;
        }
        if self.must_defer(queue) {
            self.insert_new(queue, &mut new);
            return;
        }
        queue.dispatchers.set(queue.dispatchers.get() + 1);
        // A thread that could be suspended while it presents would hold the queue up: the framework keeps APCs away.
        let region = u32::from(self.irql() <= APC_LEVEL);
        let regions = &self.scheduler.context.critical_regions;
        regions.set(regions.get() + region);
        while self.dispatch_one(queue, &mut new) {
            // The queue's lock is held until an arrived request is in the queue or on its way to the driver.
            if new.is_none() {
                self.preemption_point();
            }
        }
        regions.set(regions.get().saturating_sub(region));
        queue.dispatchers.set(queue.dispatchers.get() - 1);
        if queue.disposing.get() && queue.disposed.get() {
            self.power_idle(queue);
        }
    }

    /// Whether this thread may not call the driver now: it is at too high an IRQL, or holds the callbacks' lock.
    fn must_defer(&self, queue: &Obj<Queue>) -> bool {
        let passive = queue.rc().level.get() == Level::Passive;
        let locked = Self::callback_lock(queue.rc()).is_some_and(|lock| lock.is_owner(self));
        if !(locked || (passive && self.irql() > PASSIVE_LEVEL)) {
            return false;
        }
        if !queue.deferred.replace(true) {
            let deferred = queue.clone();
            let call = move |system: &System| {
                deferred.deferred.set(false);
                system.dispatch_events(&deferred, None);
            };
            if passive {
                self.queue_work("queue work item", call);
            } else {
                self.queue_dpc("queue dpc", Box::new(call));
            }
        }
        true
    }

    /// One round of the dispatcher; `false` when there is nothing more to do now.
    fn dispatch_one(&self, queue: &Obj<Queue>, new: &mut Option<Obj<Request>>) -> bool {
        let alone = queue.dispatchers.get() == 1;
        let total = queue.queued() + queue.owned() + usize::from(new.is_some());
        if !queue.cancelled.borrow().is_empty() {
            if !self.insert_new(queue, new) {
                return true;
            }
            if !queue.power.get().is_notifying() {
                self.call_cancelled(queue);
                return true;
            }
        }
        if !queue.canceled_on_queue.borrow().is_empty() {
            if !self.insert_new(queue, new) {
                return true;
            }
            if !queue.power.get().is_notifying() {
                self.call_canceled_on_queue(queue);
                return true;
            }
        }
        if queue.idle_complete.borrow().is_some() && alone && queue.owned() == 0 {
            self.insert_new(queue, new);
            queue.cancels_driver_requests.set(false);
            let notify = queue.idle_complete.borrow_mut().take();
            self.notify(queue, notify, "EvtIoQueueState");
            return true;
        }
        if queue.purge_complete.borrow().is_some() && alone && total == 0 {
            queue.cancels_driver_requests.set(false);
            let notify = queue.purge_complete.borrow_mut().take();
            self.notify(queue, notify, "EvtIoQueueState");
            return true;
        }
        if !matches!(queue.power.get(), Power::On | Power::Off) {
            if !self.insert_new(queue, new) {
                return true;
            }
            return self.power_events(queue);
        }
        if queue.disposing.get() && total == 0 && alone {
            queue.disposed.set(true);
            return false;
        }
        if queue.power.get() == Power::Off || !queue.presents.get() {
            return !self.insert_new(queue, new);
        }
        if queue.is_manual() {
            if !self.insert_new(queue, new) {
                return true;
            }
            return self.call_ready_notify(queue);
        }
        let full = match queue.dispatching {
            Dispatching::Sequential => queue.owned() > 0,
            _ => queue.owned() >= queue.presented_limit as usize,
        };
        if full {
            return !self.insert_new(queue, new);
        }
        let next = self.take_first(queue);
        let request = match next {
            Some(request) => {
                self.insert_new(queue, new);
                request
            }
            None => match new.take() {
                Some(request) => {
                    *request.queue.borrow_mut() = Some(queue.clone());
                    request
                }
                None => return false,
            },
        };
        self.present(queue, &request);
        true
    }

    /// Puts an arriving request at the end of the queue; `false` when it was cancelled before.
    pub(crate) fn insert_new(&self, queue: &Obj<Queue>, new: &mut Option<Obj<Request>>) -> bool {
        let Some(request) = new.take() else {
            return true;
        };
        self.insert(queue, &request, false)
    }

    /// Puts a request on the queue, where its IRP can be cancelled.
    pub(crate) fn insert(&self, queue: &Obj<Queue>, request: &Obj<Request>, at_head: bool) -> bool {
        *request.queue.borrow_mut() = Some(queue.clone());
        let Some(irp) = request.irp() else {
            return false;
        };
        if irp.cancel.get() {
            self.cancel_on_queue(queue, request);
            return false;
        }
        request.place.set(Place::Queued);
        *irp.cancel_routine.borrow_mut() = Some(CancelRoutine::Queued(Rc::clone(request.rc())));
        if at_head {
            queue.requests.borrow_mut().push_front(request.clone());
        } else {
            queue.requests.borrow_mut().push_back(request.clone());
        }
        queue.check_from_empty();
        true
    }

    /// Takes the first request off the queue.
    pub(crate) fn take_first(&self, queue: &Obj<Queue>) -> Option<Obj<Request>> {
        let request = queue.requests.borrow_mut().pop_front()?;
        Self::off_queue(&request);
        Some(request)
    }

    /// A request that has left the queue can no longer be cancelled there.
    pub(crate) fn off_queue(request: &Obj<Request>) {
        if let Some(irp) = request.irp() {
            irp.cancel_routine.borrow_mut().take();
        }
    }

    /// The cancel routine of a request on a queue.
    pub(crate) fn cancel_queued_request(&self, object: &Rc<Object>) {
        let Some(request) = Obj::<Request>::new(object) else {
            return;
        };
        if let Some(queue) = request.current_queue() {
            queue
                .requests
                .borrow_mut()
                .retain(|queued| !queued.is(&request));
            self.cancel_on_queue(&queue, &request);
            self.queue_event(&queue);
        }
    }

    /// Ends a request that is no longer on the queue: the driver is told if it has seen it, else it is completed.
    pub(crate) fn cancel_on_queue(&self, queue: &Obj<Queue>, request: &Obj<Request>) {
        request.canceled_on_queue.set(true);
        if queue.config.EvtIoCanceledOnQueue.is_some() && request.presented.get() {
            request.place.set(Place::Driver);
            queue.remember_driver_owned(request);
            queue
                .canceled_on_queue
                .borrow_mut()
                .push_back(request.clone());
            return;
        }
        if let Some(irp) = request.irp() {
            irp.information.set(0);
        }
        *request.queue.borrow_mut() = None;
        self.complete_received(request, STATUS_CANCELLED);
    }

    /// Hands a request to the driver.
    fn present(&self, queue: &Obj<Queue>, request: &Obj<Request>) {
        request.place.set(Place::Driver);
        queue.remember_driver_owned(request);
        self.count_presented(queue);
        let Some(irp) = request.irp() else {
            return;
        };
        let parameters = irp.parameters();
        drop(irp);
        let config = &queue.config;
        let zero = parameters.is_transfer()
            && parameters.length() == 0
            && config.AllowZeroLengthRequests == 0;
        let length = parameters.length() as usize;
        let (handle, request_handle): (WDFQUEUE, WDFREQUEST) = (queue.handle(), request.handle());
        if zero && queue.handles(parameters.major) {
            return self.complete_received(request, STATUS_SUCCESS);
        }
        let output = parameters.output_length() as usize;
        let input = parameters.input_length() as usize;
        match (parameters.major, config) {
            (IRP_MJ_READ, config) if config.EvtIoRead.is_some() => {
                let callback = config.EvtIoRead;
                self.call_queue(queue, request, "EvtIoRead", || {
                    if let Some(callback) = callback {
                        // SAFETY: the driver registered this function for this queue; both objects exist.
                        unsafe { callback(handle, request_handle, length) }
                    }
                });
            }
            (IRP_MJ_WRITE, config) if config.EvtIoWrite.is_some() => {
                let callback = config.EvtIoWrite;
                self.call_queue(queue, request, "EvtIoWrite", || {
                    if let Some(callback) = callback {
                        // SAFETY: the driver registered this function for this queue; both objects exist.
                        unsafe { callback(handle, request_handle, length) }
                    }
                });
            }
            (IRP_MJ_DEVICE_CONTROL, config) if config.EvtIoDeviceControl.is_some() => {
                let callback = config.EvtIoDeviceControl;
                self.call_queue(queue, request, "EvtIoDeviceControl", || {
                    if let Some(callback) = callback {
                        // SAFETY: the driver registered this function for this queue; both objects exist.
                        unsafe {
                            callback(handle, request_handle, output, input, parameters.code())
                        }
                    }
                });
            }
            (IRP_MJ_INTERNAL_DEVICE_CONTROL, config)
                if config.EvtIoInternalDeviceControl.is_some() =>
            {
                let callback = config.EvtIoInternalDeviceControl;
                self.call_queue(queue, request, "EvtIoInternalDeviceControl", || {
                    if let Some(callback) = callback {
                        // SAFETY: the driver registered this function for this queue; both objects exist.
                        unsafe {
                            callback(handle, request_handle, output, input, parameters.code())
                        }
                    }
                });
            }
            (_, config) => {
                let Some(callback) = config.EvtIoDefault else {
                    return self.complete_received(request, STATUS_INVALID_DEVICE_REQUEST);
                };
                self.call_queue(queue, request, "EvtIoDefault", || {
                    // SAFETY: the driver registered this function for this queue; both objects exist.
                    unsafe { callback(handle, request_handle) }
                });
            }
        }
    }

    fn call_queue(
        &self,
        queue: &Obj<Queue>,
        request: &Obj<Request>,
        name: &'static str,
        call: impl FnOnce(),
    ) {
        request.presented.set(true);
        request.presented_in.set(name);
        self.with_callback_lock(queue, || {
            self.callback(
                queue.rc().driver.get(),
                name,
                request.rc().handle.get(),
                call,
            );
        });
        self.request_callback_returned(request, name);
    }

    /// Runs a callback of a queue under the lock its synchronization scope asks for.
    pub(crate) fn with_callback_lock(&self, queue: &Obj<Queue>, call: impl FnOnce()) {
        let lock = Self::callback_lock(queue.rc());
        if let Some(lock) = &lock {
            lock.acquire(self);
        }
        call();
        if let Some(lock) = &lock {
            lock.release(self);
        }
    }

    fn call_cancelled(&self, queue: &Obj<Queue>) {
        loop {
            let next = queue.cancelled.borrow_mut().pop_front();
            let Some(request) = next else {
                return;
            };
            if let Some(callback) = request.cancel_callback.take() {
                self.with_callback_lock(queue, || {
                    let object = request.rc();
                    self.callback(
                        object.driver.get(),
                        "EvtRequestCancel",
                        object.handle.get(),
                        || {
                            // SAFETY: the driver marked this request cancelable with this function; it still owns it.
                            unsafe { callback(request.handle()) }
                        },
                    );
                });
            }
            self.release(request.rc());
        }
    }

    fn call_canceled_on_queue(&self, queue: &Obj<Queue>) {
        loop {
            let next = queue.canceled_on_queue.borrow_mut().pop_front();
            let Some(request) = next else {
                return;
            };
            if let Some(callback) = queue.config.EvtIoCanceledOnQueue {
                self.call_queue(queue, &request, "EvtIoCanceledOnQueue", || {
                    // SAFETY: the driver registered this function for this queue; both objects exist.
                    unsafe { callback(queue.handle(), request.handle()) }
                });
            }
        }
    }

    fn call_ready_notify(&self, queue: &Obj<Queue>) -> bool {
        if !queue.from_empty.get() {
            return false;
        }
        let notify = queue.ready_notify.borrow().clone();
        if notify.is_none() {
            return false;
        }
        queue.from_empty.set(false);
        self.notify(queue, notify, "EvtIoQueueState");
        true
    }

    fn notify(&self, queue: &Obj<Queue>, notify: Option<Notify>, name: &'static str) {
        match notify {
            Some(Notify::Callback(function, context)) => self.with_callback_lock(queue, || {
                self.callback(
                    queue.rc().driver.get(),
                    name,
                    queue.rc().handle.get(),
                    || {
                        // SAFETY: the driver passed this function with its context for this queue.
                        unsafe { function(queue.handle(), context) }
                    },
                );
            }),
            Some(Notify::Thread(thread, done)) => {
                done.set(true);
                self.wake(&thread, Wake::Signaled);
            }
            None => {}
        }
    }
}
