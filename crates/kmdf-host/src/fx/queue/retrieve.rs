//! Taking requests from manual and sequential queues.

use core::ptr;

use kmdf_sys::{
    _WDF_REQUEST_PARAMETERS, NTSTATUS, PWDF_REQUEST_PARAMETERS, STATUS_INVALID_DEVICE_REQUEST,
    STATUS_INVALID_DEVICE_STATE, STATUS_INVALID_PARAMETER_4, STATUS_NO_MORE_ENTRIES,
    STATUS_NOT_FOUND, STATUS_SUCCESS, WDFFILEOBJECT, WDFQUEUE, WDFREQUEST,
};

use kmdf_sys::missing::STATUS_WDF_PAUSED;

use super::power::Power;
use super::{Dispatching, Queue};
use crate::fx::class::Obj;
use crate::fx::file::File;
use crate::fx::request::parameters::request_parameters;
use crate::fx::request::{Place, Request};
use crate::system::System;

impl System {
    /// `WdfIoQueueRetrieveNextRequest`.
    pub(crate) fn wdf_io_queue_retrieve_next_request(
        &self,
        queue: WDFQUEUE,
        out: *mut WDFREQUEST,
    ) -> NTSTATUS {
        let queue: Obj<Queue> = self.object(queue);
        self.retrieve(&queue, |_| true, STATUS_NO_MORE_ENTRIES, out)
    }

    /// `WdfIoQueueRetrieveRequestByFileObject`.
    pub(crate) fn wdf_io_queue_retrieve_request_by_file_object(
        &self,
        queue: WDFQUEUE,
        file: WDFFILEOBJECT,
        out: *mut WDFREQUEST,
    ) -> NTSTATUS {
        let queue: Obj<Queue> = self.object(queue);
        let file: Obj<File> = self.object(file);
        let of_file = |request: &Obj<Request>| {
            request
                .irp()
                .is_some_and(|irp| irp.parameters().file == file.address)
        };
        self.retrieve(&queue, of_file, STATUS_NO_MORE_ENTRIES, out)
    }

    /// `WdfIoQueueRetrieveFoundRequest`.
    pub(crate) fn wdf_io_queue_retrieve_found_request(
        &self,
        queue: WDFQUEUE,
        found: WDFREQUEST,
        out: *mut WDFREQUEST,
    ) -> NTSTATUS {
        let queue: Obj<Queue> = self.object(queue);
        let found: Obj<Request> = self.object(found);
        self.require(out, "OutRequest");
        self.put(out, ptr::null_mut());
        if self.verifier() && !queue.is_manual() {
            self.debug_break("WdfIoQueueRetrieveFoundRequest on a queue that is not manual");
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        self.retrieve(&queue, |request| request.is(&found), STATUS_NOT_FOUND, out)
    }

    fn retrieve(
        &self,
        queue: &Obj<Queue>,
        wanted: impl Fn(&Obj<Request>) -> bool,
        none: NTSTATUS,
        out: *mut WDFREQUEST,
    ) -> NTSTATUS {
        self.require(out, "OutRequest");
        self.put(out, ptr::null_mut());
        if self.verifier() && queue.dispatching == Dispatching::Sequential && queue.owned() == 0 {
            self.debug_break(
                "a request is retrieved from a sequential queue that may be presenting one",
            );
        }
        if queue.dispatching == Dispatching::Parallel {
            return STATUS_INVALID_DEVICE_STATE;
        }
        if queue.power.get() == Power::Off || !queue.presents.get() {
            return STATUS_WDF_PAUSED;
        }
        loop {
            let request = {
                let mut requests = queue.requests.borrow_mut();
                let index = requests.iter().position(&wanted);
                index.and_then(|index| requests.remove(index))
            };
            let Some(request) = request else {
                return none;
            };
            Self::off_queue(&request);
            request.place.set(Place::Driver);
            queue.remember_driver_owned(&request);
            self.count_presented(queue);
            if self.completes_as_empty(queue, &request) {
                if let Some(irp) = request.irp() {
                    irp.information.set(0);
                }
                self.complete_received(&request, STATUS_SUCCESS);
                continue;
            }
            request.presented.set(true);
            self.put(out, request.handle());
            return STATUS_SUCCESS;
        }
    }

    /// Whether it is a transfer of nothing that the driver does not want to see.
    fn completes_as_empty(&self, queue: &Queue, request: &Request) -> bool {
        let parameters = request.irp().map(|irp| irp.parameters());
        queue.config.AllowZeroLengthRequests == 0
            && parameters
                .is_some_and(|parameters| parameters.is_transfer() && parameters.length() == 0)
    }

    /// `WdfIoQueueFindRequest`: the request found stays on the queue; it carries a reference for the caller.
    pub(crate) fn wdf_io_queue_find_request(
        &self,
        queue: WDFQUEUE,
        after: WDFREQUEST,
        file: WDFFILEOBJECT,
        parameters: PWDF_REQUEST_PARAMETERS,
        out: *mut WDFREQUEST,
    ) -> NTSTATUS {
        let queue: Obj<Queue> = self.object(queue);
        let after: Option<Obj<Request>> = self.object_or_null(after);
        let file: Option<Obj<File>> = self.object_or_null(file);
        self.require(out, "OutRequest");
        self.put(out, ptr::null_mut());
        if !parameters.is_null()
            && usize::from(self.get(parameters).Size) != size_of::<_WDF_REQUEST_PARAMETERS>()
        {
            return STATUS_INVALID_PARAMETER_4;
        }
        if !queue.is_manual() {
            self.debug_break("WdfIoQueueFindRequest on a queue that is not manual");
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        let found = {
            let requests = queue.requests.borrow();
            let start = match &after {
                None => Some(0),
                Some(after) => requests
                    .iter()
                    .position(|request| request.is(after))
                    .map(|index| index + 1),
            };
            let Some(start) = start else {
                return STATUS_NOT_FOUND;
            };
            let fits = |request: &&Obj<Request>| {
                file.as_ref().is_none_or(|file| {
                    request
                        .irp()
                        .is_some_and(|irp| irp.parameters().file == file.address)
                })
            };
            requests.iter().skip(start).find(fits).cloned()
        };
        let Some(found) = found else {
            return STATUS_NO_MORE_ENTRIES;
        };
        if !parameters.is_null()
            && let Some(irp) = found.irp()
        {
            self.put(parameters, request_parameters(&irp.parameters()));
        }
        found
            .rc()
            .driver_references
            .set(found.rc().driver_references.get() + 1);
        self.add_reference(found.rc());
        self.put(out, found.handle());
        STATUS_SUCCESS
    }
}
