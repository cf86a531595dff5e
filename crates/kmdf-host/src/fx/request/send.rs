//! `WdfRequestSend`, and formatting without a target.

use std::rc::Rc;

use kmdf_sys::{
    BOOLEAN, NTSTATUS, PIO_STACK_LOCATION, PWDF_REQUEST_SEND_OPTIONS, STATUS_INFO_LENGTH_MISMATCH,
    STATUS_INVALID_DEVICE_REQUEST, STATUS_INVALID_DEVICE_STATE, STATUS_INVALID_PARAMETER,
    WDFIOTARGET, WDFREQUEST,
};

use super::{Place, Request, Routine};
use crate::fx::class::Obj;
use crate::fx::target::IoTarget;
use crate::fx::target::submit::{SendOptions, Submitted};
use crate::report::BugcheckKind;
use crate::report::ViolationKind;
use crate::system::fail::{code, request_error};
use crate::system::irp::{Irp, Parameters};
use crate::system::{PASSIVE_LEVEL, System};

impl System {
    /// `WdfRequestSend`.
    pub(crate) fn wdf_request_send(
        &self,
        request: WDFREQUEST,
        target: WDFIOTARGET,
        given: PWDF_REQUEST_SEND_OPTIONS,
    ) -> BOOLEAN {
        let request: Obj<Request> = self.object(request);
        let options = match self.send_options(given) {
            Ok(options) => options,
            Err(status) => {
                let (kind, what) = if status == STATUS_INFO_LENGTH_MISMATCH {
                    (
                        ViolationKind::StructureSize,
                        "WDF_REQUEST_SEND_OPTIONS has a wrong Size",
                    )
                } else {
                    (
                        ViolationKind::SendOptions,
                        "the flags are unknown or contradict each other",
                    )
                };
                self.misuse(kind, request.rc(), what);
                return self.refuse(&request, STATUS_INVALID_PARAMETER);
            }
        };
        let target: Obj<IoTarget> = self.object(target);
        if options.send_and_forget {
            return self.send_and_forget(&request, &target);
        }
        if options.synchronous {
            self.check_sync_options(given);
            return self.send_and_wait(&request, &target, options);
        }
        if request.is_received() && matches!(request.routine.get(), Routine::None) {
            self.misuse(
                ViolationKind::NoCompletionRoutine,
                request.rc(),
                "a received request was sent without a completion routine",
            );
            return self.refuse(&request, STATUS_INVALID_DEVICE_REQUEST);
        }
        match self.submit(&request, &target, options, options.timeout) {
            Submitted::Send => {
                self.send_down(&request, &target);
                1
            }
            Submitted::Queued => 1,
            Submitted::Refused(_) => 0,
        }
    }

    fn refuse(&self, request: &Obj<Request>, status: NTSTATUS) -> BOOLEAN {
        self.request_refused(request, status);
        match request.irp() {
            Some(irp) => irp.status.set(status),
            None => self.null_irp(request),
        }
        0
    }

    fn send_and_wait(
        &self,
        request: &Obj<Request>,
        target: &Obj<IoTarget>,
        options: SendOptions,
    ) -> BOOLEAN {
        if self.irql() > PASSIVE_LEVEL {
            self.irql_too_high(PASSIVE_LEVEL);
        }
        u8::from(self.submit_sync(request, target, options, true).is_ok())
    }

    fn send_and_forget(&self, request: &Obj<Request>, target: &Obj<IoTarget>) -> BOOLEAN {
        if !request.is_received() {
            // The framework only traces it, so this is no debug break.
            self.violation_on(
                ViolationKind::SendOptions,
                request.rc(),
                format!(
                    "{}: only a received request can be sent and forgotten",
                    self.ddi()
                ),
            );
            return self.refuse(request, STATUS_INVALID_DEVICE_STATE);
        }
        if request.format.borrow().exists {
            self.misuse(
                ViolationKind::SendOptions,
                request.rc(),
                "a request that was formatted for a target cannot be sent and forgotten",
            );
            return self.refuse(request, STATUS_INVALID_DEVICE_REQUEST);
        }
        let (Some(irp), Some(device)) = (request.irp(), target.device.borrow().clone()) else {
            self.debug_break("the target has nothing to send to");
            return self.refuse(request, STATUS_INVALID_DEVICE_STATE);
        };
        let from = self.actor(request.rc().driver.get());
        let queue = self.detach_received(request);
        request.place.set(Place::Gone);
        if !request.formatted.get() {
            irp.skip_location();
        }
        self.call_driver(&irp, &device, &from);
        self.release_received(request, queue);
        1
    }

    /// `WdfRequestFormatRequestUsingCurrentType`.
    pub(crate) fn wdf_request_format_request_using_current_type(&self, request: WDFREQUEST) {
        let request: Obj<Request> = self.object(request);
        let irp = self.irp_with_next(&request);
        let current = irp.parameters();
        self.set_next_location(&request, &irp, current);
    }

    /// `WdfRequestWdmFormatUsingStackLocation`.
    pub(crate) fn wdf_request_wdm_format_using_stack_location(
        &self,
        request: WDFREQUEST,
        stack: PIO_STACK_LOCATION,
    ) {
        let request: Obj<Request> = self.object(request);
        self.require(stack, "Stack");
        let irp = self.irp_with_next(&request);
        let given = self.get(stack);
        // SAFETY: all members of the union are plain integers and addresses, and four of them cover it.
        let words: [u64; 4] = unsafe { core::mem::transmute_copy(&given.Parameters) };
        let parameters = Parameters {
            major: given.MajorFunction,
            minor: given.MinorFunction,
            flags: given.Flags,
            file: given.FileObject.addr(),
            arguments: words,
        };
        self.set_next_location(&request, &irp, parameters);
    }

    fn irp_with_next(&self, request: &Obj<Request>) -> Rc<Irp> {
        let handle = request.rc().handle.get() as u64;
        let Some(irp) = request.irp() else {
            self.bugcheck(
                BugcheckKind::NoIrpToFormat,
                code::REQUEST_FATAL_ERROR,
                request_error::NULL_IRP,
                handle,
                format!("{}: the request has no IRP", self.ddi()),
            );
        };
        if !irp.has_next() {
            self.bugcheck(
                BugcheckKind::NoStackLocation,
                code::REQUEST_FATAL_ERROR,
                request_error::NO_MORE_STACK_LOCATIONS,
                irp.address().addr() as u64,
                format!(
                    "{}: the IRP has no stack location for a driver below",
                    self.ddi()
                ),
            );
        }
        irp
    }

    fn set_next_location(&self, request: &Request, irp: &Irp, parameters: Parameters) {
        irp.set_next(parameters);
        request.formatted.set(true);
    }
}
