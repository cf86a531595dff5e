//! Retrieving the memory of a received request.

use core::ptr;

use kmdf_sys::{
    NTSTATUS, PMDL, PVOID, STATUS_BUFFER_TOO_SMALL, STATUS_INSUFFICIENT_RESOURCES,
    STATUS_INTERNAL_ERROR, STATUS_INVALID_DEVICE_REQUEST, STATUS_INVALID_PARAMETER, STATUS_SUCCESS,
    WDFMEMORY, WDFREQUEST,
};

use super::{Part, Request};
use crate::faults::Allocation;
use crate::fx::class::Obj;
use crate::fx::handle::is_completion;
use crate::fx::memory::memory_handle;
use crate::report::{BugcheckKind, ViolationKind};
use crate::system::System;
use crate::system::device::IoType;
use crate::system::irp::{
    IRP_MJ_DEVICE_CONTROL, IRP_MJ_INTERNAL_DEVICE_CONTROL, IRP_MJ_READ, IRP_MJ_WRITE, Irp, Method,
    Parameters,
};
use crate::system::mdl::MdlOwner;

/// Which way data goes, seen from the driver.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Input,
    Output,
}

impl System {
    /// `WdfRequestRetrieveInputMemory`.
    pub(crate) fn wdf_request_retrieve_input_memory(
        &self,
        request: WDFREQUEST,
        out: *mut WDFMEMORY,
    ) -> NTSTATUS {
        self.retrieve_memory(request, Direction::Input, out)
    }

    /// `WdfRequestRetrieveOutputMemory`.
    pub(crate) fn wdf_request_retrieve_output_memory(
        &self,
        request: WDFREQUEST,
        out: *mut WDFMEMORY,
    ) -> NTSTATUS {
        self.retrieve_memory(request, Direction::Output, out)
    }

    /// `WdfRequestRetrieveInputBuffer`.
    pub(crate) fn wdf_request_retrieve_input_buffer(
        &self,
        request: WDFREQUEST,
        minimum: usize,
        buffer: *mut PVOID,
        length: *mut usize,
    ) -> NTSTATUS {
        self.retrieve_buffer(request, Direction::Input, minimum, buffer, length)
    }

    /// `WdfRequestRetrieveOutputBuffer`.
    pub(crate) fn wdf_request_retrieve_output_buffer(
        &self,
        request: WDFREQUEST,
        minimum: usize,
        buffer: *mut PVOID,
        length: *mut usize,
    ) -> NTSTATUS {
        self.retrieve_buffer(request, Direction::Output, minimum, buffer, length)
    }

    /// `WdfRequestRetrieveInputWdmMdl`.
    pub(crate) fn wdf_request_retrieve_input_wdm_mdl(
        &self,
        request: WDFREQUEST,
        out: *mut PMDL,
    ) -> NTSTATUS {
        self.retrieve_mdl(request, Direction::Input, out)
    }

    /// `WdfRequestRetrieveOutputWdmMdl`.
    pub(crate) fn wdf_request_retrieve_output_wdm_mdl(
        &self,
        request: WDFREQUEST,
        out: *mut PMDL,
    ) -> NTSTATUS {
        self.retrieve_mdl(request, Direction::Output, out)
    }

    fn retrieve_memory(
        &self,
        request: WDFREQUEST,
        direction: Direction,
        out: *mut WDFMEMORY,
    ) -> NTSTATUS {
        let request: Obj<Request> = self.object(request);
        self.require(out, "Memory");
        match self.part(&request, direction) {
            Ok(part) => {
                self.put(out, memory_handle(&request, part));
                STATUS_SUCCESS
            }
            Err(status) => status,
        }
    }

    fn retrieve_buffer(
        &self,
        request: WDFREQUEST,
        direction: Direction,
        minimum: usize,
        buffer: *mut PVOID,
        length: *mut usize,
    ) -> NTSTATUS {
        let request: Obj<Request> = self.object(request);
        self.require(buffer, "Buffer");
        self.put(buffer, ptr::null_mut());
        self.put(length, 0);
        let part = match self.part(&request, direction) {
            Ok(part) => part,
            Err(status) => return status,
        };
        let area = request.area(part);
        if minimum > area.length as usize {
            return STATUS_BUFFER_TOO_SMALL;
        }
        self.put(buffer, area.buffer);
        self.put(length, area.length as usize);
        STATUS_SUCCESS
    }

    /// The part of the request's memory that holds data of this direction, after the framework's checks.
    fn part(&self, request: &Obj<Request>, direction: Direction) -> Result<Part, NTSTATUS> {
        let irp = self.irp_of(request)?;
        let parameters = irp.parameters();
        check_direction(&parameters, direction)?;
        self.check_not_completed(request)?;
        let io_type = request
            .typed_device()
            .map_or(IoType::Buffered, |device| device.io_type());
        if self.verifier()
            && irp.user_mode.get()
            && parameters.is_transfer()
            && io_type == IoType::Neither
        {
            self.misuse(
                ViolationKind::UserAddress,
                request.rc(),
                "an application's address cannot be retrieved",
            );
            return Err(STATUS_INVALID_DEVICE_REQUEST);
        }
        if parameters.is_ioctl() {
            return self.ioctl_part(&irp, &parameters, direction);
        }
        if !parameters.is_transfer() {
            self.debug_break("memory was retrieved from a request that has none");
            return Err(STATUS_INVALID_DEVICE_REQUEST);
        }
        if parameters.length() == 0 {
            return Err(STATUS_BUFFER_TOO_SMALL);
        }
        if io_type == IoType::Direct {
            self.check_mdl(&irp)?;
        }
        Ok(Part::System)
    }

    fn ioctl_part(
        &self,
        irp: &Irp,
        parameters: &Parameters,
        direction: Direction,
    ) -> Result<Part, NTSTATUS> {
        let length = match direction {
            Direction::Input => parameters.input_length(),
            Direction::Output => parameters.output_length(),
        };
        if length == 0 {
            return Err(STATUS_BUFFER_TOO_SMALL);
        }
        let method = Method::of(parameters.code());
        let external = parameters.major == IRP_MJ_DEVICE_CONTROL;
        if method == Method::Neither && external && irp.user_mode.get() {
            return Err(STATUS_INVALID_DEVICE_REQUEST);
        }
        match direction {
            Direction::Input => Ok(Part::System),
            Direction::Output => {
                if matches!(method, Method::InDirect | Method::OutDirect) {
                    self.check_mdl(irp)?;
                }
                Ok(Part::Output)
            }
        }
    }

    fn check_mdl(&self, irp: &Irp) -> Result<(), NTSTATUS> {
        if irp.mdl.get().is_null() {
            return Err(STATUS_BUFFER_TOO_SMALL);
        }
        if self.faults.fails(Allocation::Map) {
            return Err(STATUS_INSUFFICIENT_RESOURCES);
        }
        Ok(())
    }

    fn check_not_completed(&self, request: &Request) -> Result<(), NTSTATUS> {
        if self.is_completed(request) {
            return Err(STATUS_INTERNAL_ERROR);
        }
        Ok(())
    }

    /// The verifier's check that a request has not been completed.
    pub(crate) fn is_completed(&self, request: &Request) -> bool {
        let completed = self.verifier() && request.counts_as_completed();
        if completed {
            self.debug_break("a completed request was used");
        }
        completed
    }

    /// The IRP of a request whose memory or parameters are asked for.
    pub(crate) fn irp_of(&self, request: &Obj<Request>) -> Result<std::rc::Rc<Irp>, NTSTATUS> {
        if let Some(irp) = request.irp() {
            return Ok(irp);
        }
        if self.is_completed(request) {
            return Err(STATUS_INTERNAL_ERROR);
        }
        self.null_irp(request)
    }

    #[cold]
    pub(crate) fn null_irp(&self, request: &Obj<Request>) -> ! {
        let (kind, explanation) = if request.completed.get() && is_completion(self.ddi()) {
            self.completed_again(request.completed_in.get())
        } else {
            let explanation = format!(
                "{} was called on request {:#x}, which has no IRP: it was completed, or created without a target and \
                 never formatted",
                self.ddi(),
                request.rc().handle.get()
            );
            (BugcheckKind::NoIrp, explanation)
        };
        self.crash(
            kind,
            0xD1,
            [0, u64::from(self.irql()), 0, 0],
            explanation,
            Some(request.rc().subject()),
        )
    }

    fn retrieve_mdl(&self, request: WDFREQUEST, direction: Direction, out: *mut PMDL) -> NTSTATUS {
        let request: Obj<Request> = self.object(request);
        self.require(out, "Mdl");
        self.put(out, ptr::null_mut());
        match self.mdl_of(&request, direction) {
            Ok(mdl) => {
                self.put(out, mdl);
                STATUS_SUCCESS
            }
            Err(status) => status,
        }
    }

    fn mdl_of(&self, request: &Obj<Request>, direction: Direction) -> Result<PMDL, NTSTATUS> {
        let irp = self.irp_of(request)?;
        let parameters = irp.parameters();
        check_direction(&parameters, direction)?;
        self.check_not_completed(request)?;
        let device_type = request
            .typed_device()
            .map_or(IoType::Buffered, |device| device.io_type());
        if parameters.is_transfer() {
            return match device_type {
                IoType::Buffered => self.buffered_mdl(request, &irp, parameters.length()),
                IoType::Direct => present(irp.mdl.get()),
                IoType::Neither => {
                    self.debug_break("a request of a neither-I/O device has no MDL");
                    Err(STATUS_INVALID_DEVICE_REQUEST)
                }
            };
        }
        if !parameters.is_ioctl() {
            return match device_type {
                IoType::Buffered => Err(STATUS_INVALID_PARAMETER),
                _ => Err(STATUS_INVALID_DEVICE_REQUEST),
            };
        }
        let length = match direction {
            Direction::Input => parameters.input_length(),
            Direction::Output => parameters.output_length(),
        };
        match (Method::of(parameters.code()), direction) {
            (Method::Neither, _) => Err(STATUS_INVALID_DEVICE_REQUEST),
            (Method::Buffered, _) | (_, Direction::Input) => {
                self.buffered_mdl(request, &irp, length)
            }
            (_, Direction::Output) => present(irp.mdl.get()),
        }
    }

    /// The MDL that the framework makes over the system buffer, once per request.
    fn buffered_mdl(&self, request: &Request, irp: &Irp, length: u32) -> Result<PMDL, NTSTATUS> {
        let buffer = irp.system_buffer.get();
        if buffer.is_null() || length == 0 {
            return Err(STATUS_BUFFER_TOO_SMALL);
        }
        let made = request.own_mdl.get();
        if !made.is_null() {
            return Ok(made);
        }
        if self.faults.fails(Allocation::Mdl) {
            return Err(STATUS_INSUFFICIENT_RESOURCES);
        }
        let mdl = self
            .mdls
            .allocate(buffer, length, MdlOwner::Framework, self.origin());
        self.mdls.build_nonpaged(mdl);
        request.own_mdl.set(mdl);
        Ok(mdl)
    }
}

fn present(mdl: PMDL) -> Result<PMDL, NTSTATUS> {
    if mdl.is_null() {
        Err(STATUS_BUFFER_TOO_SMALL)
    } else {
        Ok(mdl)
    }
}

fn check_direction(parameters: &Parameters, direction: Direction) -> Result<(), NTSTATUS> {
    match (parameters.major, direction) {
        (IRP_MJ_READ, Direction::Input) | (IRP_MJ_WRITE, Direction::Output) => {
            Err(STATUS_INVALID_DEVICE_REQUEST)
        }
        _ => Ok(()),
    }
}

/// Checks for the DDIs on users' own addresses.
pub(crate) fn unsafe_direction(
    parameters: &Parameters,
    direction: Direction,
) -> Result<(), NTSTATUS> {
    check_direction(parameters, direction)?;
    if parameters.major == IRP_MJ_INTERNAL_DEVICE_CONTROL {
        return Err(STATUS_INVALID_DEVICE_REQUEST);
    }
    Ok(())
}
