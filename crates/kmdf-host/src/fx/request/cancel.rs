//! Cancelling: of sent requests by the driver, of received ones by the application.

use std::rc::Rc;

use kmdf_sys::{
    BOOLEAN, NTSTATUS, PFN_WDF_REQUEST_CANCEL, STATUS_CANCELLED, STATUS_INVALID_DEVICE_REQUEST,
    STATUS_SUCCESS, WDFREQUEST,
};

use super::Request;
use crate::fx::class::Obj;
use crate::fx::object::Object;
use crate::report::ViolationKind;
use crate::system::System;
use crate::system::irp::CancelRoutine;

impl System {
    /// `WdfRequestCancelSentRequest`.
    pub(crate) fn wdf_request_cancel_sent_request(&self, request: WDFREQUEST) -> BOOLEAN {
        let request: Obj<Request> = self.object(request);
        u8::from(self.cancel_sent_request(&request))
    }

    /// `WdfRequestIsCanceled`.
    pub(crate) fn wdf_request_is_canceled(&self, request: WDFREQUEST) -> BOOLEAN {
        let request: Obj<Request> = self.object(request);
        if self.verifier()
            && request.is_received()
            && (!request.is_driver_owned() || request.cancelable.get())
        {
            self.misuse(
                ViolationKind::CancelState,
                request.rc(),
                "the driver does not own the request, or it is cancelable: unmark it instead",
            );
            return 0;
        }
        let irp_cancelled = request.irp().is_some_and(|irp| irp.cancel.get());
        u8::from(irp_cancelled || request.sticky_cancel.get() || request.canceled_on_queue.get())
    }

    /// `WdfRequestMarkCancelable`.
    pub(crate) fn wdf_request_mark_cancelable(
        &self,
        request: WDFREQUEST,
        callback: PFN_WDF_REQUEST_CANCEL,
    ) {
        let request: Obj<Request> = self.object(request);
        if self.mark_cancelable(&request, callback) == STATUS_CANCELLED {
            // The callback takes over: it runs from the queue's dispatcher, possibly before this call returns.
            self.deliver_cancel(&request);
        }
    }

    /// `WdfRequestMarkCancelableEx`.
    pub(crate) fn wdf_request_mark_cancelable_ex(
        &self,
        request: WDFREQUEST,
        callback: PFN_WDF_REQUEST_CANCEL,
    ) -> NTSTATUS {
        let request: Obj<Request> = self.object(request);
        let status = self.mark_cancelable(&request, callback);
        if status == STATUS_CANCELLED {
            request.cancel_callback.set(None);
            request.marked.set(false);
        }
        status
    }

    fn mark_cancelable(
        &self,
        request: &Obj<Request>,
        callback: PFN_WDF_REQUEST_CANCEL,
    ) -> NTSTATUS {
        if callback.is_none() {
            self.null_parameter("EvtRequestCancel");
        }
        if !request.is_received() || request.queue.borrow().is_none() {
            self.misuse(
                ViolationKind::CancelState,
                request.rc(),
                "the request does not come from a queue",
            );
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        if self.verifier() && (!request.is_driver_owned() || request.cancelable.get()) {
            self.misuse(
                ViolationKind::CancelState,
                request.rc(),
                "the request is cancelable already, or not the driver's",
            );
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        let Some(irp) = request.irp() else {
            self.null_irp(request);
        };
        request.cancel_callback.set(callback);
        request.marked.set(true);
        let purging = request
            .current_queue()
            .is_some_and(|queue| queue.cancels_driver_requests.get());
        if irp.cancel.get() || purging {
            request.canceled_on_queue.set(true);
            return STATUS_CANCELLED;
        }
        request.cancelable.set(true);
        *irp.cancel_routine.borrow_mut() = Some(CancelRoutine::Driver(Rc::clone(request.rc())));
        STATUS_SUCCESS
    }

    /// `WdfRequestUnmarkCancelable`.
    pub(crate) fn wdf_request_unmark_cancelable(&self, request: WDFREQUEST) -> NTSTATUS {
        let request: Obj<Request> = self.object(request);
        if request.queue.borrow().is_none() {
            self.misuse(
                ViolationKind::CancelState,
                request.rc(),
                "the request does not come from a queue, or was completed",
            );
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        if self.verifier() && (!request.is_driver_owned() || !request.marked.get()) {
            self.misuse(
                ViolationKind::CancelState,
                request.rc(),
                "the request is not marked cancelable, or not the driver's",
            );
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        if !request.cancelable.replace(false) {
            return STATUS_CANCELLED;
        }
        if let Some(irp) = request.irp() {
            irp.cancel_routine.borrow_mut().take();
        }
        request.cancel_callback.set(None);
        request.marked.set(false);
        STATUS_SUCCESS
    }

    /// The cancel routine of a request that the driver has marked.
    pub(crate) fn cancel_driver_request(&self, object: &Rc<Object>) {
        if let Some(request) = Obj::<Request>::new(object) {
            request.cancelable.set(false);
            request.canceled_on_queue.set(true);
            self.deliver_cancel(&request);
        }
    }

    fn deliver_cancel(&self, request: &Obj<Request>) {
        if let Some(queue) = request.current_queue() {
            self.add_reference(request.rc());
            queue.cancelled.borrow_mut().push_back(request.clone());
            self.queue_event(&queue);
        }
    }
}
