//! Status, information and parameters of requests.

use core::ptr;

use kmdf_sys::{
    _MODE as mode, _WDF_REQUEST_COMPLETION_PARAMS, _WDF_REQUEST_PARAMETERS, BOOLEAN,
    KPROCESSOR_MODE, NTSTATUS, PIRP, PWDF_REQUEST_COMPLETION_PARAMS, PWDF_REQUEST_PARAMETERS,
    STATUS_INSUFFICIENT_RESOURCES, STATUS_SUCCESS, ULONG_PTR, WDFCONTEXT, WDFQUEUE, WDFREQUEST,
};

use super::format::empty_params;
use super::{CompletionFunction, Request, Routine};
use crate::faults::Allocation;
use crate::fx::class::Obj;
use crate::report::ViolationKind;
use crate::system::System;
use crate::system::irp::{IRP_MJ_CREATE, Parameters};

impl System {
    /// `WdfRequestGetStatus`.
    pub(crate) fn wdf_request_get_status(&self, request: WDFREQUEST) -> NTSTATUS {
        let request: Obj<Request> = self.object(request);
        match request.irp() {
            Some(irp) => irp.status.get(),
            None => self.null_irp(&request),
        }
    }

    /// `WdfRequestGetInformation`.
    pub(crate) fn wdf_request_get_information(&self, request: WDFREQUEST) -> ULONG_PTR {
        let request: Obj<Request> = self.object(request);
        if self.is_completed(&request) {
            return 0;
        }
        match request.irp() {
            Some(irp) => irp.information.get(),
            None => self.null_irp(&request),
        }
    }

    /// `WdfRequestSetInformation`.
    pub(crate) fn wdf_request_set_information(&self, request: WDFREQUEST, information: ULONG_PTR) {
        let request: Obj<Request> = self.object(request);
        if self.is_completed(&request) {
            return;
        }
        match request.irp() {
            Some(irp) => irp.information.set(information),
            None => self.null_irp(&request),
        }
    }

    /// `WdfRequestGetRequestorMode`.
    pub(crate) fn wdf_request_get_requestor_mode(&self, request: WDFREQUEST) -> KPROCESSOR_MODE {
        let request: Obj<Request> = self.object(request);
        let user =
            self.is_completed(&request) || request.irp().is_some_and(|irp| irp.user_mode.get());
        let value = if user {
            mode::UserMode
        } else {
            mode::KernelMode
        };
        i8::from(value != mode::KernelMode)
    }

    /// `WdfRequestGetIoQueue`.
    pub(crate) fn wdf_request_get_io_queue(&self, request: WDFREQUEST) -> WDFQUEUE {
        let request: Obj<Request> = self.object(request);
        request
            .current_queue()
            .map_or(ptr::null_mut(), |queue| queue.handle())
    }

    /// `WdfRequestWdmGetIrp`.
    pub(crate) fn wdf_request_wdm_get_irp(&self, request: WDFREQUEST) -> PIRP {
        let request: Obj<Request> = self.object(request);
        request.irp().map_or(ptr::null_mut(), |irp| irp.address())
    }

    /// `WdfRequestIsReserved`: forward progress is not modelled, so no request is.
    pub(crate) fn wdf_request_is_reserved(&self, request: WDFREQUEST) -> BOOLEAN {
        let _: Obj<Request> = self.object(request);
        0
    }

    /// `WdfRequestSetCompletionRoutine`.
    pub(crate) fn wdf_request_set_completion_routine(
        &self,
        request: WDFREQUEST,
        routine: Option<CompletionFunction>,
        context: WDFCONTEXT,
    ) {
        let request: Obj<Request> = self.object(request);
        request
            .routine
            .set(routine.map_or(Routine::None, |routine| Routine::Driver(routine, context)));
    }

    /// `WdfRequestAllocateTimer`.
    pub(crate) fn wdf_request_allocate_timer(&self, request: WDFREQUEST) -> NTSTATUS {
        let request: Obj<Request> = self.object(request);
        self.allocate_timer(&request)
    }

    pub(crate) fn allocate_timer(&self, request: &Request) -> NTSTATUS {
        if !request.timer_allocated.get() {
            if self.faults.fails(Allocation::Timer) {
                return STATUS_INSUFFICIENT_RESOURCES;
            }
            request.timer_allocated.set(true);
        }
        STATUS_SUCCESS
    }

    /// `WdfRequestGetCompletionParams`.
    pub(crate) fn wdf_request_get_completion_params(
        &self,
        request: WDFREQUEST,
        params: PWDF_REQUEST_COMPLETION_PARAMS,
    ) {
        let request: Obj<Request> = self.object(request);
        self.require(params, "Params");
        if self.get(params).Size as usize != size_of::<_WDF_REQUEST_COMPLETION_PARAMS>() {
            self.misuse_of_call(
                ViolationKind::StructureSize,
                "WDF_REQUEST_COMPLETION_PARAMS has a wrong Size",
            );
            return;
        }
        let format = request.format.borrow();
        if format.exists {
            self.put(params, format.params);
        } else {
            drop(format);
            self.debug_break(
                "completion parameters were asked of a request that was not formatted",
            );
            self.put(params, empty_params());
        }
    }

    /// `WdfRequestGetParameters`.
    pub(crate) fn wdf_request_get_parameters(
        &self,
        request: WDFREQUEST,
        out: PWDF_REQUEST_PARAMETERS,
    ) {
        let request: Obj<Request> = self.object(request);
        self.require(out, "Parameters");
        if usize::from(self.get(out).Size) != size_of::<_WDF_REQUEST_PARAMETERS>() {
            self.misuse_of_call(
                ViolationKind::StructureSize,
                "WDF_REQUEST_PARAMETERS has a wrong Size",
            );
            return;
        }
        if self.is_completed(&request) {
            return;
        }
        match request.irp() {
            Some(irp) => self.put(out, request_parameters(&irp.parameters())),
            None => self.null_irp(&request),
        }
    }
}

/// The parameters of a stack location as the framework shows them.
pub(crate) fn request_parameters(parameters: &Parameters) -> _WDF_REQUEST_PARAMETERS {
    let mut shown = _WDF_REQUEST_PARAMETERS {
        Size: u16::try_from(size_of::<_WDF_REQUEST_PARAMETERS>()).unwrap_or(0),
        MinorFunction: parameters.minor,
        Type: i32::from(parameters.major),
        ..Default::default()
    };
    if parameters.is_transfer() {
        // Reads and writes have the same layout.
        shown.Parameters.Write.Length = parameters.length() as usize;
        shown.Parameters.Write.DeviceOffset = parameters.byte_offset();
    } else if parameters.is_ioctl() {
        shown.Parameters.DeviceIoControl.OutputBufferLength = parameters.output_length() as usize;
        shown.Parameters.DeviceIoControl.InputBufferLength = parameters.input_length() as usize;
        shown.Parameters.DeviceIoControl.IoControlCode = parameters.code();
        shown.Parameters.DeviceIoControl.Type3InputBuffer = parameters.type3_input();
    } else if parameters.major != IRP_MJ_CREATE {
        shown.Parameters.Others.Arg1 = parameters.argument(0);
    }
    shown
}
