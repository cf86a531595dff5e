//! Formatting a request for a target: stack location, buffers, references.

use core::ffi::c_void;
use core::ptr;
use std::rc::Rc;

use kmdf_sys::{
    _WDF_REQUEST_TYPE as request_type, NTSTATUS, PMDL, STATUS_INSUFFICIENT_RESOURCES,
    STATUS_INVALID_DEVICE_STATE, STATUS_REQUEST_NOT_ACCEPTED, WDFMEMORY,
};

use super::buffer::{Range, RequestBuffer};
use super::{IoTarget, TargetKind};
use crate::faults::Allocation;
use crate::fx::class::Obj;
use crate::fx::memory::copy;
use crate::fx::request::Request;
use crate::fx::request::format::ContextType;
use crate::report::ViolationKind;
use crate::system::System;
use crate::system::device::IoType;
use crate::system::irp::{
    Allocator, IRP_MJ_DEVICE_CONTROL, IRP_MJ_INTERNAL_DEVICE_CONTROL, IRP_MJ_WRITE, Irp, Method,
    Parameters,
};
use crate::system::mdl::{Access, Mdl};

impl System {
    /// The framework's `ValidateTarget`: undoes earlier formatting and gives the request an IRP with room for the target.
    pub(crate) fn validate_target(
        &self,
        request: &Obj<Request>,
        target: &IoTarget,
    ) -> Result<Rc<Irp>, NTSTATUS> {
        if request.in_flight.get() {
            self.violation_on(
                ViolationKind::FormattedInFlight,
                request.rc(),
                format!("{}: the request is still sent", self.ddi()),
            );
        }
        self.release_format(request);
        let needed = target.stack_size.get();
        if needed == 0 {
            return Err(STATUS_INVALID_DEVICE_STATE);
        }
        if let Some(irp) = request.irp() {
            if irp.room() >= needed {
                return Ok(irp);
            }
            if irp.allocator() != Allocator::Framework {
                if request.in_flight.get() {
                    self.violation_on(
                        ViolationKind::FormattedInFlight,
                        request.rc(),
                        format!("{}: the request is still sent to an I/O target", self.ddi()),
                    );
                }
                return Err(STATUS_REQUEST_NOT_ACCEPTED);
            }
        }
        if self.faults.fails(Allocation::Irp) {
            return Err(STATUS_INSUFFICIENT_RESOURCES);
        }
        let irp = self.irps.allocate(needed, Allocator::Framework);
        if let Some(old) = request.set_irp(Some(Rc::clone(&irp))) {
            // The framework frees it even while a lower driver has it; the lower device finds out when it completes.
            self.irps.free(old);
        }
        Ok(irp)
    }

    /// Copies stack flags and file object from the current location, as for a request that is passed on.
    pub(crate) fn inherit_location(
        &self,
        request: &Request,
        irp: &Irp,
        target: &IoTarget,
        mut parameters: Parameters,
    ) -> Parameters {
        if request.is_received() && irp.has_current() {
            let current = irp.parameters();
            parameters.flags = current.flags;
            parameters.file = current.file;
        }
        if target.kind != TargetKind::InStack {
            parameters.file = target.file.get();
        }
        parameters
    }

    /// Formats a read or write.
    pub(crate) fn format_transfer(
        &self,
        request: &Obj<Request>,
        target: &Obj<IoTarget>,
        major: u8,
        buffer: &RequestBuffer,
        byte_offset: i64,
    ) -> Result<(), NTSTATUS> {
        let irp = self.validate_target(request, target)?;
        self.begin_format(request, &irp, ContextType::Io)?;
        if let Some(memory) = buffer.memory() {
            self.keep_memory(request, memory);
        }
        let parameters = Parameters::transfer(major, buffer.length(), byte_offset);
        irp.set_next(self.inherit_location(request, &irp, target, parameters));
        let mapped = match target.io_type.get() {
            IoType::Buffered => self.map_buffered(request, &irp, major, buffer),
            IoType::Direct => {
                let access = if major == IRP_MJ_WRITE {
                    Access::Read
                } else {
                    Access::Write
                };
                self.map_direct(request, buffer, access)
                    .map(|mdl| irp.mdl.set(mdl))
            }
            IoType::Neither => {
                irp.user_buffer.set(buffer.address());
                Ok(())
            }
        };
        self.end_format(request, mapped, |request| {
            let (memory, offset) = buffer.shown();
            let params = &mut request.format.borrow_mut().params;
            params.Type = if major == IRP_MJ_WRITE {
                request_type::WdfRequestTypeWrite
            } else {
                request_type::WdfRequestTypeRead
            };
            // Reads and writes have the same layout.
            params.Parameters.Write.Buffer = memory;
            params.Parameters.Write.Offset = offset;
        })
    }

    fn end_format(
        &self,
        request: &Obj<Request>,
        mapped: Result<(), NTSTATUS>,
        describe: impl FnOnce(&Request),
    ) -> Result<(), NTSTATUS> {
        match mapped {
            Ok(()) => {
                describe(request);
                request.formatted.set(true);
                Ok(())
            }
            Err(status) => {
                self.release_format(request);
                Err(status)
            }
        }
    }

    fn map_buffered(
        &self,
        request: &Request,
        irp: &Irp,
        major: u8,
        buffer: &RequestBuffer,
    ) -> Result<(), NTSTATUS> {
        let length = buffer.length() as usize;
        if length == 0 {
            irp.system_buffer.set(ptr::null_mut());
            irp.user_buffer.set(ptr::null_mut());
            return Ok(());
        }
        let double = self.double_buffer(request, length)?;
        let own = self.mapped_address(buffer)?;
        irp.system_buffer.set(double);
        if major == IRP_MJ_WRITE {
            if !own.is_null() {
                copy(own, double, length);
            }
            irp.user_buffer.set(ptr::null_mut());
        } else {
            irp.user_buffer.set(own);
            self.copy_back_to(request, own);
        }
        Ok(())
    }

    /// The buffer's address; an MDL must be mapped for it.
    fn mapped_address(&self, buffer: &RequestBuffer) -> Result<*mut c_void, NTSTATUS> {
        if let RequestBuffer::Mdl(mdl, _) = buffer
            && !Mdl::at(*mdl).is_mapped()
            && self.faults.fails(Allocation::Map)
        {
            return Err(STATUS_INSUFFICIENT_RESOURCES);
        }
        Ok(buffer.address())
    }

    /// An MDL over the buffer: the caller's own, or one made for this format.
    pub(crate) fn map_direct(
        &self,
        request: &Request,
        buffer: &RequestBuffer,
        access: Access,
    ) -> Result<PMDL, NTSTATUS> {
        match buffer {
            RequestBuffer::None => Ok(ptr::null_mut()),
            RequestBuffer::Mdl(mdl, _) => Ok(*mdl),
            RequestBuffer::Memory(memory, range) if !memory.mdl().is_null() => {
                self.part_of_mdl(request, memory.mdl(), *range)
            }
            RequestBuffer::Memory(..) | RequestBuffer::Buffer(..) => {
                self.own_locked_mdl(request, (buffer.address(), buffer.length()), access)
            }
        }
    }

    /// The MDL of a direct-I/O request itself, or a partial one for a range of it.
    pub(crate) fn part_of_mdl(
        &self,
        request: &Request,
        mdl: PMDL,
        range: Option<Range>,
    ) -> Result<PMDL, NTSTATUS> {
        let source = Mdl::at(mdl);
        let size = source.length() as usize;
        let Some(range) = range else {
            return Ok(mdl);
        };
        if range.offset == 0 && range.length == 0 {
            return Ok(mdl);
        }
        let length = if range.length == 0 {
            size.saturating_sub(range.offset)
        } else {
            range.length
        };
        let length = u32::try_from(length).map_err(|_| STATUS_INSUFFICIENT_RESOURCES)?;
        let start = source.va().wrapping_byte_add(range.offset);
        let partial = self.own_mdl(request, start, length)?;
        self.mdls.build_partial(mdl, partial, start, length);
        Ok(partial)
    }

    /// Formats a control code.
    pub(crate) fn format_ioctl(
        &self,
        request: &Obj<Request>,
        target: &Obj<IoTarget>,
        (code, internal): (u32, bool),
        input: &RequestBuffer,
        output: &RequestBuffer,
    ) -> Result<(), NTSTATUS> {
        let irp = self.validate_target(request, target)?;
        self.begin_format(request, &irp, ContextType::Io)?;
        for memory in [input.memory(), output.memory()].into_iter().flatten() {
            self.keep_memory(request, memory);
        }
        let major = if internal {
            IRP_MJ_INTERNAL_DEVICE_CONTROL
        } else {
            IRP_MJ_DEVICE_CONTROL
        };
        let method = Method::of(code);
        let type3 = if method == Method::Neither {
            input.address()
        } else {
            ptr::null_mut()
        };
        let parameters = Parameters::ioctl(major, code, input.length(), output.length(), type3);
        irp.set_next(self.inherit_location(request, &irp, target, parameters));
        let mapped = match method {
            Method::Buffered => self.map_ioctl_buffered(request, &irp, input, output),
            Method::InDirect | Method::OutDirect => {
                self.mapped_address(input).and_then(|address| {
                    irp.system_buffer.set(address);
                    let access = if method == Method::InDirect {
                        Access::Read
                    } else {
                        Access::Write
                    };
                    self.map_direct(request, output, access)
                        .map(|mdl| irp.mdl.set(mdl))
                })
            }
            Method::Neither => {
                irp.user_buffer.set(output.address());
                Ok(())
            }
        };
        self.end_format(request, mapped, |request| {
            describe_ioctl(request, code, internal, input, output)
        })
    }

    fn map_ioctl_buffered(
        &self,
        request: &Request,
        irp: &Irp,
        input: &RequestBuffer,
        output: &RequestBuffer,
    ) -> Result<(), NTSTATUS> {
        let (given, wanted) = (input.length() as usize, output.length() as usize);
        if given == 0 && wanted == 0 {
            irp.system_buffer.set(ptr::null_mut());
            irp.user_buffer.set(ptr::null_mut());
            return Ok(());
        }
        let double = self.double_buffer(request, given.max(wanted))?;
        let source = self.mapped_address(input)?;
        let own = self.mapped_address(output)?;
        irp.system_buffer.set(double);
        if given > 0 && !source.is_null() {
            copy(source, double, given);
        }
        irp.user_buffer.set(own);
        if wanted > 0 {
            self.copy_back_to(request, own);
        }
        Ok(())
    }

    /// Formats an internal control code whose arguments are pointers.
    pub(crate) fn format_others(
        &self,
        request: &Obj<Request>,
        target: &Obj<IoTarget>,
        code: u32,
        arguments: &[RequestBuffer; 3],
    ) -> Result<(), NTSTATUS> {
        let irp = self.validate_target(request, target)?;
        self.begin_format(request, &irp, ContextType::Others)?;
        for memory in arguments.iter().filter_map(RequestBuffer::memory) {
            self.keep_memory(request, memory);
        }
        let [first, second, fourth] = arguments.each_ref().map(|argument| {
            // A handle's whole memory is meant; a descriptor's address as it is.
            argument.address().expose_provenance() as u64
        });
        let parameters = Parameters {
            major: IRP_MJ_INTERNAL_DEVICE_CONTROL,
            arguments: [first, second, u64::from(code), fourth],
            ..Parameters::default()
        };
        irp.set_next(self.inherit_location(request, &irp, target, parameters));
        self.end_format(request, Ok(()), |request| {
            let params = &mut request.format.borrow_mut().params;
            params.Type = request_type::WdfRequestTypeOther;
            params.Parameters.Others.Argument1.Ptr = shown_pointer(&arguments[0]);
            params.Parameters.Others.Argument2.Ptr = shown_pointer(&arguments[1]);
            params.Parameters.Others.Argument4.Ptr = shown_pointer(&arguments[2]);
        })
    }
}

fn shown_pointer(buffer: &RequestBuffer) -> *mut c_void {
    let (memory, _): (WDFMEMORY, usize) = buffer.shown();
    memory.cast()
}

fn describe_ioctl(
    request: &Request,
    code: u32,
    internal: bool,
    input: &RequestBuffer,
    output: &RequestBuffer,
) {
    let (given, given_at) = input.shown();
    let (wanted, wanted_at) = output.shown();
    let params = &mut request.format.borrow_mut().params;
    params.Type = if internal {
        request_type::WdfRequestTypeDeviceControlInternal
    } else {
        request_type::WdfRequestTypeDeviceControl
    };
    params.Parameters.Ioctl.IoControlCode = code;
    params.Parameters.Ioctl.Input.Buffer = given;
    params.Parameters.Ioctl.Input.Offset = given_at;
    params.Parameters.Ioctl.Output.Buffer = wanted;
    params.Parameters.Ioctl.Output.Offset = wanted_at;
}
