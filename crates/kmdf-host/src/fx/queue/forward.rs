//! Forwarding and requeueing requests.

use kmdf_sys::{NTSTATUS, STATUS_INVALID_DEVICE_REQUEST, STATUS_SUCCESS, WDFQUEUE, WDFREQUEST};

use kmdf_sys::missing::STATUS_WDF_BUSY;

use super::Queue;
use crate::fx::class::Obj;
use crate::fx::request::{Place, Request, Source, StopState};
use crate::report::ViolationKind;
use crate::system::System;

impl System {
    /// `WdfRequestForwardToIoQueue`.
    pub(crate) fn wdf_request_forward_to_io_queue(
        &self,
        request: WDFREQUEST,
        queue: WDFQUEUE,
    ) -> NTSTATUS {
        let target: Obj<Queue> = self.object(queue);
        let request: Obj<Request> = self.object(request);
        let own = request.current_queue();
        if self.verifier()
            && let Err(why) = self.may_forward(&request, own.as_ref(), &target)
        {
            self.misuse(ViolationKind::NotOwned, request.rc(), why);
            self.request_refused(&request, STATUS_INVALID_DEVICE_REQUEST);
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        if !target.accepts.get() {
            self.request_refused(&request, STATUS_WDF_BUSY);
            return STATUS_WDF_BUSY;
        }
        self.leave_driver(&request, own.as_ref());
        if let Some(own) = &own {
            own.leaving.set(own.leaving.get() + 1);
        }
        let from_io = request.is_received();
        if !self.insert(&target, &request, false) {
            self.queue_event(&target);
        }
        drop(request);
        // A request that did not come from an application waits for a dispatcher that is at work.
        if from_io || target.dispatchers.get() == 0 {
            self.dispatch_events(&target, None);
        }
        if let Some(own) = own {
            own.leaving.set(own.leaving.get() - 1);
            self.queue_event(&own);
        }
        STATUS_SUCCESS
    }

    fn may_forward(
        &self,
        request: &Request,
        own: Option<&Obj<Queue>>,
        target: &Obj<Queue>,
    ) -> Result<(), &'static str> {
        let Some(own) = own else {
            let has_location = request.irp().is_some_and(|irp| irp.has_current());
            let allowed =
                request.source == Source::FromIrp && self.client_at_least(11) && has_location;
            return if allowed {
                Ok(())
            } else {
                Err("a request was forwarded that does not come from a queue")
            };
        };
        if !request.is_driver_owned() || request.cancelable.get() {
            return Err(
                "a request was forwarded that the driver does not own or that is cancelable",
            );
        }
        if own.is(target) {
            return Err("a request was forwarded to the queue it comes from");
        }
        let same_device = match (own.device(), target.device()) {
            (Some(a), Some(b)) => a.is(&b),
            _ => false,
        };
        if same_device {
            Ok(())
        } else {
            Err("a request was forwarded to a queue of another device")
        }
    }

    /// The driver no longer has the request.
    fn leave_driver(&self, request: &Obj<Request>, own: Option<&Obj<Queue>>) {
        if let Some(own) = own {
            own.forget_driver_owned(request);
        }
        if request.cancelable.replace(false) {
            request.cancel_callback.set(None);
        }
        request.marked.set(false);
        Self::off_queue(request);
        request.stop_state.set(StopState::None);
        request.place.set(Place::Arriving);
    }

    /// `WdfRequestRequeue`.
    pub(crate) fn wdf_request_requeue(&self, request: WDFREQUEST) -> NTSTATUS {
        let request: Obj<Request> = self.object(request);
        let Some(queue) = request.current_queue() else {
            self.misuse(
                ViolationKind::NotOwned,
                request.rc(),
                "the request does not come from a queue",
            );
            return STATUS_INVALID_DEVICE_REQUEST;
        };
        if !queue.is_manual() {
            self.debug_break("a request was requeued to a queue that is not manual");
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        if self.verifier() && (!request.is_driver_owned() || request.cancelable.get()) {
            self.misuse(
                ViolationKind::NotOwned,
                request.rc(),
                "the driver does not own the request, or it is cancelable",
            );
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        self.put_back(&queue, &request);
        self.dispatch_events(&queue, None);
        STATUS_SUCCESS
    }

    /// Returns a driver-owned request to the head of its queue.
    pub(crate) fn put_back(&self, queue: &Obj<Queue>, request: &Obj<Request>) {
        self.leave_driver(request, Some(queue));
        if queue.cancels_driver_requests.get() {
            self.cancel_on_queue(queue, request);
        } else {
            self.insert(queue, request, true);
        }
    }
}
