//! Stopping queues for power-down and removal, and resuming them.

use kmdf_sys::{_WDF_REQUEST_STOP_ACTION_FLAGS as stop_action, BOOLEAN, WDFREQUEST};

use super::Queue;
use crate::fx::class::Obj;
use crate::fx::request::{Request, StopState};
use crate::report::ViolationKind;
use crate::system::System;
use crate::system::wait::{WaitReason, Wake};

/// Where a queue stands in a power transition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Power {
    On,
    /// Waiting for running callbacks to return.
    Starting,
    /// `EvtIoStop` is being called.
    Notifying(Reason),
    /// Waiting for the driver's answers.
    Notified(Reason),
    Off,
    /// `EvtIoResume` is being called.
    Resuming,
}

/// Why a queue is being stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    Suspend,
    Purge,
}

impl Reason {
    const fn flag(self) -> u32 {
        match self {
            Self::Suspend => stop_action::WdfRequestStopActionSuspend.cast_unsigned(),
            Self::Purge => stop_action::WdfRequestStopActionPurge.cast_unsigned(),
        }
    }
}

impl Power {
    /// Whether cancel callbacks must wait because the driver is being told about power.
    pub(crate) const fn is_notifying(self) -> bool {
        matches!(self, Self::Notifying(_) | Self::Resuming)
    }
}

impl System {
    /// One step of the power protocol; whether the dispatcher has more to do.
    pub(crate) fn power_events(&self, queue: &Obj<Queue>) -> bool {
        let alone = queue.dispatchers.get() == 1;
        match queue.power.get() {
            Power::On | Power::Off => false,
            Power::Starting => {
                if alone {
                    self.power_idle(queue);
                }
                false
            }
            Power::Notifying(reason) => {
                match self.next_to_notify(queue) {
                    Some(request) => {
                        request.stop_state.set(StopState::Notified);
                        self.call_io_stop(queue, &request, reason);
                    }
                    None => queue.power.set(Power::Notified(reason)),
                }
                true
            }
            Power::Notified(_) => {
                let answered = self.take_answers(queue);
                let waiting = queue
                    .driver_owned
                    .borrow()
                    .iter()
                    .any(|request| request.stop_state.get() == StopState::Notified);
                if !waiting && alone {
                    self.trace_queue(queue, "held, without power");
                    queue.power.set(Power::Off);
                    self.power_idle(queue);
                    return true;
                }
                answered
            }
            Power::Resuming => {
                match self.next_to_notify(queue) {
                    Some(request) => {
                        request.stop_state.set(StopState::None);
                        self.call_io_resume(queue, &request);
                    }
                    None => {
                        queue.power.set(Power::On);
                        // Presents only when all queues of the device are powered.
                        return false;
                    }
                }
                true
            }
        }
    }

    fn next_to_notify(&self, queue: &Queue) -> Option<Obj<Request>> {
        let owned = queue.driver_owned.borrow();
        owned
            .iter()
            .find(|request| request.stop_state.get() == StopState::ToNotify)
            .cloned()
    }

    fn mark_to_notify(queue: &Queue) {
        for request in queue.driver_owned.borrow().iter() {
            request.stop_state.set(StopState::ToNotify);
        }
    }

    fn call_io_stop(&self, queue: &Obj<Queue>, request: &Obj<Request>, reason: Reason) {
        let Some(callback) = queue.config.EvtIoStop else {
            return;
        };
        if request.canceled_on_queue.get() {
            return;
        }
        let mut flags = reason.flag();
        if request.cancelable.get() {
            flags |= stop_action::WdfRequestStopRequestCancelable.cast_unsigned();
        }
        self.add_reference(request.rc());
        self.with_callback_lock(queue, || {
            self.callback(
                queue.rc().driver.get(),
                "EvtIoStop",
                request.rc().handle.get(),
                || {
                    // SAFETY: the driver registered this function for this queue; both objects exist during the call.
                    unsafe { callback(queue.handle(), request.handle(), flags) }
                },
            );
        });
        self.release(request.rc());
    }

    fn call_io_resume(&self, queue: &Obj<Queue>, request: &Obj<Request>) {
        let Some(callback) = queue.config.EvtIoResume else {
            return;
        };
        if request.canceled_on_queue.get() {
            return;
        }
        self.add_reference(request.rc());
        self.with_callback_lock(queue, || {
            self.callback(
                queue.rc().driver.get(),
                "EvtIoResume",
                request.rc().handle.get(),
                || {
                    // SAFETY: the driver registered this function for this queue; both objects exist during the call.
                    unsafe { callback(queue.handle(), request.handle()) }
                },
            );
        });
        self.release(request.rc());
    }

    fn take_answers(&self, queue: &Obj<Queue>) -> bool {
        let owned = queue.driver_owned.borrow().clone();
        let mut answered = false;
        for request in owned {
            match request.stop_state.get() {
                StopState::Acknowledged => request.stop_state.set(StopState::None),
                StopState::Requeue => self.put_back(queue, &request),
                _ => continue,
            }
            answered = true;
        }
        answered
    }

    /// Lets the thread that waits for the queue go on.
    pub(crate) fn power_idle(&self, queue: &Queue) {
        let waiter = queue.power_waiter.borrow_mut().take();
        if let Some(waiter) = waiter {
            self.wake(&waiter, Wake::Signaled);
        }
    }

    fn wait_for_power(&self, queue: &Obj<Queue>, reached: impl Fn(&Queue) -> bool) {
        loop {
            // Set first: the dispatch below may find that there is nothing to wait for.
            *queue.power_waiter.borrow_mut() = Some(self.running_thread());
            self.dispatch_events(queue, None);
            if reached(queue) {
                queue.power_waiter.borrow_mut().take();
                return;
            }
            self.wait(WaitReason::QueueIdle(queue.rc().handle.get()), None);
        }
    }

    /// Presents nothing more on a power-managed queue and waits for running callbacks to return.
    pub(crate) fn begin_power_down(&self, queue: &Obj<Queue>) {
        if !queue.power_managed || queue.power.get() != Power::On {
            return;
        }
        self.trace_queue(queue, "presents nothing more, powering down");
        queue.power.set(Power::Starting);
        self.wait_for_power(queue, |queue| queue.dispatchers.get() == 0);
    }

    /// Tells the driver to stop what it has of a power-managed queue and waits for its answers.
    pub(crate) fn hold_for_power(&self, queue: &Obj<Queue>) {
        if queue.power_managed && queue.power.get() != Power::Off {
            self.stop_for(queue, Reason::Suspend);
        }
    }

    /// Ends a queue for removal: cancels, tells the driver, waits until it has nothing any more.
    pub(crate) fn purge_for_removal(&self, queue: &Obj<Queue>) {
        queue.shut_down.set(true);
        self.purge_for_shutdown(queue);
        self.stop_for(queue, Reason::Purge);
    }

    fn stop_for(&self, queue: &Obj<Queue>, reason: Reason) {
        Self::mark_to_notify(queue);
        queue.power.set(Power::Notifying(reason));
        self.wait_for_power(queue, |queue| queue.power.get() == Power::Off);
    }

    /// Powers a power-managed queue up: tells the driver of what it has. Nothing is presented yet.
    pub(crate) fn resume_for_power(&self, queue: &Obj<Queue>) {
        if !queue.power_managed || queue.power.get() == Power::On {
            return;
        }
        Self::mark_to_notify(queue);
        self.trace_queue(queue, "powered up");
        queue.power.set(Power::Resuming);
        self.dispatch_events(queue, None);
    }

    /// Presents again, once all queues of the device are powered up.
    pub(crate) fn present_after_power_up(&self, queue: &Obj<Queue>) {
        if !queue.power_managed {
            return;
        }
        if queue.queued() > 0 {
            queue.from_empty.set(true);
            queue.force_from_empty.set(false);
        }
        self.dispatch_events(queue, None);
    }

    /// `WdfRequestStopAcknowledge`.
    pub(crate) fn wdf_request_stop_acknowledge(&self, request: WDFREQUEST, requeue: BOOLEAN) {
        let request: Obj<Request> = self.object(request);
        let Some(queue) = request.current_queue() else {
            self.debug_break(
                "WdfRequestStopAcknowledge of a request that does not come from a queue",
            );
            return;
        };
        if request.stop_state.get() != StopState::Notified {
            self.misuse(
                ViolationKind::NotOwned,
                request.rc(),
                "the request is not being stopped",
            );
            return;
        }
        if self.verifier()
            && requeue != 0
            && (!request.is_driver_owned() || request.cancelable.get())
        {
            self.debug_break(
                "a request was requeued that the driver does not own or that is cancelable",
            );
            return;
        }
        if requeue != 0 && request.in_flight.get() {
            self.violation_on(
                ViolationKind::NotOwned,
                request.rc(),
                format!(
                    "{}: the request is given back to its queue while an I/O target has it",
                    self.ddi()
                ),
            );
        }
        request.stop_state.set(if requeue != 0 {
            StopState::Requeue
        } else {
            StopState::Acknowledged
        });
        self.queue_event(&queue);
    }
}
