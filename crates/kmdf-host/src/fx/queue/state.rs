//! Starting, stopping, draining and purging queues.

use core::cell::Cell;
use std::rc::Rc;

use kmdf_sys::{
    NTSTATUS, PFN_WDF_IO_QUEUE_STATE, STATUS_INVALID_DEVICE_REQUEST, STATUS_SUCCESS, WDFCONTEXT,
    WDFQUEUE,
};

use super::{Notify, Queue};
use crate::fx::class::Obj;
use crate::fx::object::Object;
use crate::fx::request::Request;
use crate::system::fail::code;
use crate::system::wait::WaitReason;
use crate::system::{PASSIVE_LEVEL, System};
use crate::trace::Event;

/// What a change of a queue's state does to requests.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    /// Presents nothing more; goes on accepting.
    Stop,
    /// As stop, and cancels what is queued and what the driver made cancelable.
    StopAndPurge,
    /// Accepts nothing more; goes on presenting.
    Drain,
    /// As drain, and cancels.
    Purge,
}

impl Change {
    /// What the queue does afterwards, for the trace.
    const fn state(self) -> &'static str {
        match self {
            Self::Stop => "stopped",
            Self::StopAndPurge => "stopped and purged",
            Self::Drain => "draining",
            Self::Purge => "purged",
        }
    }

    const fn is_stop(self) -> bool {
        matches!(self, Self::Stop | Self::StopAndPurge)
    }

    const fn cancels(self) -> bool {
        matches!(self, Self::StopAndPurge | Self::Purge)
    }
}

impl System {
    /// `WdfIoQueueStart`.
    pub(crate) fn wdf_io_queue_start(&self, queue: WDFQUEUE) {
        let queue: Obj<Queue> = self.object(queue);
        self.check_removed(queue.rc());
        self.trace_queue(&queue, "started");
        if !queue.shut_down.get() {
            queue.accepts.set(true);
        }
        queue.presents.set(true);
        queue.cancels_driver_requests.set(false);
        if queue.queued() > 0 {
            queue.from_empty.set(true);
            queue.force_from_empty.set(false);
        }
        self.dispatch_events(&queue, None);
    }

    /// `WdfIoQueueStop`.
    pub(crate) fn wdf_io_queue_stop(
        &self,
        queue: WDFQUEUE,
        done: PFN_WDF_IO_QUEUE_STATE,
        context: WDFCONTEXT,
    ) {
        self.change(queue, Change::Stop, Notify::callback(done, context));
    }

    /// `WdfIoQueueStopAndPurge`.
    pub(crate) fn wdf_io_queue_stop_and_purge(
        &self,
        queue: WDFQUEUE,
        done: PFN_WDF_IO_QUEUE_STATE,
        context: WDFCONTEXT,
    ) {
        self.change(queue, Change::StopAndPurge, Notify::callback(done, context));
    }

    /// `WdfIoQueueDrain`.
    pub(crate) fn wdf_io_queue_drain(
        &self,
        queue: WDFQUEUE,
        done: PFN_WDF_IO_QUEUE_STATE,
        context: WDFCONTEXT,
    ) {
        self.change(queue, Change::Drain, Notify::callback(done, context));
    }

    /// `WdfIoQueuePurge`.
    pub(crate) fn wdf_io_queue_purge(
        &self,
        queue: WDFQUEUE,
        done: PFN_WDF_IO_QUEUE_STATE,
        context: WDFCONTEXT,
    ) {
        self.change(queue, Change::Purge, Notify::callback(done, context));
    }

    /// `WdfIoQueueStopSynchronously`.
    pub(crate) fn wdf_io_queue_stop_synchronously(&self, queue: WDFQUEUE) {
        self.change_and_wait(queue, Change::Stop);
    }

    /// `WdfIoQueueStopAndPurgeSynchronously`.
    pub(crate) fn wdf_io_queue_stop_and_purge_synchronously(&self, queue: WDFQUEUE) {
        self.change_and_wait(queue, Change::StopAndPurge);
    }

    /// `WdfIoQueueDrainSynchronously`.
    pub(crate) fn wdf_io_queue_drain_synchronously(&self, queue: WDFQUEUE) {
        self.change_and_wait(queue, Change::Drain);
    }

    /// `WdfIoQueuePurgeSynchronously`.
    pub(crate) fn wdf_io_queue_purge_synchronously(&self, queue: WDFQUEUE) {
        self.change_and_wait(queue, Change::Purge);
    }

    fn change(&self, queue: WDFQUEUE, change: Change, notify: Option<Notify>) {
        let queue: Obj<Queue> = self.object(queue);
        if !self.begin_change(&queue, change, notify) {
            self.bugcheck(
                crate::report::BugcheckKind::QueueChange,
                code::QUEUE_FATAL_ERROR,
                queue.rc().handle.get() as u64,
                0,
                format!(
                    "{} with a completion callback while an earlier one has not been called yet",
                    self.ddi()
                ),
            );
        }
        self.finish_change(&queue, change);
    }

    fn change_and_wait(&self, queue: WDFQUEUE, change: Change) {
        let queue: Obj<Queue> = self.object(queue);
        if !self.irql_at_most(PASSIVE_LEVEL) {
            return;
        }
        let done = Rc::new(Cell::new(false));
        let notify = Notify::Thread(self.running_thread(), Rc::clone(&done));
        if !self.begin_change(&queue, change, Some(notify)) {
            return;
        }
        self.finish_change(&queue, change);
        while !done.get() {
            self.wait(WaitReason::QueueIdle(queue.rc().handle.get()), None);
        }
    }

    /// Sets the new state; `false` when an earlier change still owes its notification.
    fn begin_change(&self, queue: &Obj<Queue>, change: Change, notify: Option<Notify>) -> bool {
        let slot = if change.is_stop() {
            &queue.idle_complete
        } else {
            &queue.purge_complete
        };
        if notify.is_some() {
            if slot.borrow().is_some() {
                return false;
            }
            *slot.borrow_mut() = notify;
        }
        self.trace_queue(queue, change.state());
        if change.is_stop() {
            if !queue.shut_down.get() {
                queue.accepts.set(true);
            }
            queue.presents.set(false);
        } else {
            queue.accepts.set(false);
        }
        if change.cancels() && (change == Change::StopAndPurge || self.client_at_least(11)) {
            queue.cancels_driver_requests.set(true);
        }
        true
    }

    pub(super) fn trace_queue(&self, queue: &Obj<Queue>, state: &'static str) {
        self.trace(|| Event::Queue {
            queue: queue.rc().handle.get() as u64,
            state,
        });
    }

    fn finish_change(&self, queue: &Obj<Queue>, change: Change) {
        if change.cancels() {
            self.cancel_all(queue, change == Change::StopAndPurge);
        }
        self.dispatch_events(queue, None);
    }

    /// Cancels what is queued and what the driver has marked cancelable.
    ///
    /// Each is told of before the next is cancelled. On a queue that goes on accepting, what arrives meanwhile stays.
    fn cancel_all(&self, queue: &Obj<Queue>, goes_on: bool) {
        for request in queue.requests.borrow().iter() {
            request.canceled_on_queue.set(true);
        }
        let is_doomed = |request: &Obj<Request>| {
            !goes_on
                || request.canceled_on_queue.get()
                || request.irp().is_some_and(|irp| irp.cancel.get())
        };
        while queue.requests.borrow().front().is_some_and(is_doomed) {
            if let Some(request) = self.take_first(queue) {
                self.cancel_on_queue(queue, &request);
                self.queue_event(queue);
            }
        }
        loop {
            let marked = {
                let owned = queue.driver_owned.borrow();
                owned
                    .iter()
                    .find(|request| request.cancelable.get())
                    .cloned()
            };
            let Some(request) = marked else {
                return;
            };
            if let Some(irp) = request.irp() {
                irp.cancel_routine.borrow_mut().take();
            }
            self.cancel_driver_request(request.rc());
        }
    }

    /// Purges a queue whose device goes away or that is deleted.
    pub(crate) fn purge_for_shutdown(&self, queue: &Obj<Queue>) {
        self.trace_queue(queue, "purged for good");
        queue.accepts.set(false);
        if self.client_at_least(11) {
            queue.cancels_driver_requests.set(true);
        }
        self.cancel_all(queue, false);
        self.dispatch_events(queue, None);
    }

    /// Cancels the queued requests of a file that is being closed.
    pub(crate) fn flush_by_file(&self, queue: &Obj<Queue>, file: usize) {
        let of_file = |request: &Obj<Request>| {
            request
                .irp()
                .is_some_and(|irp| irp.parameters().file == file)
        };
        loop {
            let found = {
                let mut requests = queue.requests.borrow_mut();
                let index = requests.iter().position(of_file);
                index.and_then(|index| requests.remove(index))
            };
            let Some(request) = found else {
                break;
            };
            Self::off_queue(&request);
            self.cancel_on_queue(queue, &request);
            self.queue_event(queue);
        }
        self.dispatch_events(queue, None);
    }

    /// Dispose of a queue: waits until neither it nor the driver has a request.
    pub(crate) fn dispose_queue(&self, object: &Rc<Object>) {
        let Some(queue) = Obj::<Queue>::new(object) else {
            return;
        };
        self.purge_for_shutdown(&queue);
        queue.disposing.set(true);
        loop {
            self.dispatch_events(&queue, None);
            if queue.disposed.get() {
                break;
            }
            *queue.power_waiter.borrow_mut() = Some(self.running_thread());
            self.wait(WaitReason::QueueIdle(object.handle.get()), None);
        }
        if let Some(device) = queue.device() {
            device.queues.borrow_mut().retain(|known| !known.is(&queue));
        }
    }

    /// `WdfIoQueueReadyNotify`.
    pub(crate) fn wdf_io_queue_ready_notify(
        &self,
        queue: WDFQUEUE,
        ready: PFN_WDF_IO_QUEUE_STATE,
        context: WDFCONTEXT,
    ) -> NTSTATUS {
        let queue: Obj<Queue> = self.object(queue);
        if !queue.is_manual() {
            self.debug_break("WdfIoQueueReadyNotify of a queue that is not manual");
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        let notify = Notify::callback(ready, context);
        let registered = queue.ready_notify.borrow().is_some();
        // Registering twice, clearing what is not there, or clearing while requests are presented.
        if notify.is_some() == registered || (notify.is_none() && queue.presents.get()) {
            self.debug_break("WdfIoQueueReadyNotify does not fit the queue's state");
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        *queue.ready_notify.borrow_mut() = notify;
        self.dispatch_events(&queue, None);
        STATUS_SUCCESS
    }
}
