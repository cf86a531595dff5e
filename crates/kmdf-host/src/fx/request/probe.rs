//! Users' own addresses: retrieving them, and probing and locking their pages.

use core::ptr;

use kmdf_sys::{
    NTSTATUS, PVOID, STATUS_ACCESS_VIOLATION, STATUS_BUFFER_TOO_SMALL,
    STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_DEVICE_REQUEST, STATUS_INVALID_USER_BUFFER,
    STATUS_SUCCESS, WDFMEMORY, WDFREQUEST,
};

use super::Request;
use super::retrieve::{Direction, unsafe_direction};
use crate::faults::Allocation;
use crate::fx::attributes::Attributes;
use crate::fx::class::{Kind, Obj};
use crate::fx::memory::Memory;
use crate::report::ViolationKind;
use crate::system::device::IoType;
use crate::system::irp::Method;
use crate::system::mdl::{Access, Mdl, MdlOwner};
use crate::system::{PASSIVE_LEVEL, System};

impl System {
    /// `WdfRequestRetrieveUnsafeUserInputBuffer`.
    pub(crate) fn wdf_request_retrieve_unsafe_user_input_buffer(
        &self,
        request: WDFREQUEST,
        required: usize,
        buffer: *mut PVOID,
        length: *mut usize,
    ) -> NTSTATUS {
        self.retrieve_unsafe(request, Direction::Input, required, buffer, length)
    }

    /// `WdfRequestRetrieveUnsafeUserOutputBuffer`.
    pub(crate) fn wdf_request_retrieve_unsafe_user_output_buffer(
        &self,
        request: WDFREQUEST,
        required: usize,
        buffer: *mut PVOID,
        length: *mut usize,
    ) -> NTSTATUS {
        self.retrieve_unsafe(request, Direction::Output, required, buffer, length)
    }

    fn retrieve_unsafe(
        &self,
        request: WDFREQUEST,
        direction: Direction,
        required: usize,
        buffer: *mut PVOID,
        length: *mut usize,
    ) -> NTSTATUS {
        let request: Obj<Request> = self.object(request);
        self.require(buffer, "the address for the buffer");
        self.put(buffer, ptr::null_mut());
        self.put(length, 0);
        if !self.irql_at_most(PASSIVE_LEVEL) {
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        if self.verifier() && !request.in_caller_context.get() {
            self.misuse(
                ViolationKind::UserAddress,
                request.rc(),
                "it is called outside EvtIoInCallerContext",
            );
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        let irp = match self.irp_of(&request) {
            Ok(irp) => irp,
            Err(status) => return status,
        };
        let parameters = irp.parameters();
        if let Err(status) = unsafe_direction(&parameters, direction) {
            return status;
        }
        let neither_device = request
            .typed_device()
            .is_some_and(|device| device.io_type() == IoType::Neither);
        let (address, available) =
            if parameters.is_ioctl() && Method::of(parameters.code()) == Method::Neither {
                match direction {
                    Direction::Input => (parameters.type3_input(), parameters.input_length()),
                    Direction::Output => (irp.user_buffer.get(), parameters.output_length()),
                }
            } else if parameters.is_transfer() && neither_device {
                (irp.user_buffer.get(), parameters.length())
            } else {
                self.debug_break(
                    "a user's address was retrieved from a request that is not neither I/O",
                );
                return STATUS_INVALID_DEVICE_REQUEST;
            };
        if (available as usize) < required {
            return STATUS_BUFFER_TOO_SMALL;
        }
        self.put(buffer, address);
        self.put(length, available as usize);
        STATUS_SUCCESS
    }

    /// `WdfRequestProbeAndLockUserBufferForRead`.
    pub(crate) fn wdf_request_probe_and_lock_user_buffer_for_read(
        &self,
        request: WDFREQUEST,
        buffer: PVOID,
        length: usize,
        out: *mut WDFMEMORY,
    ) -> NTSTATUS {
        self.probe_and_lock(request, buffer, length, Access::Read, out)
    }

    /// `WdfRequestProbeAndLockUserBufferForWrite`.
    pub(crate) fn wdf_request_probe_and_lock_user_buffer_for_write(
        &self,
        request: WDFREQUEST,
        buffer: PVOID,
        length: usize,
        out: *mut WDFMEMORY,
    ) -> NTSTATUS {
        self.probe_and_lock(request, buffer, length, Access::Write, out)
    }

    #[allow(
        clippy::cast_possible_truncation,
        reason = "the framework's own conversion"
    )]
    fn probe_and_lock(
        &self,
        request: WDFREQUEST,
        buffer: PVOID,
        length: usize,
        access: Access,
        out: *mut WDFMEMORY,
    ) -> NTSTATUS {
        let request: Obj<Request> = self.object(request);
        self.require(buffer, "Buffer");
        self.require(out, "MemoryObject");
        if access == Access::Read {
            // Only this one of the two presets it.
            self.put(out, ptr::null_mut());
        }
        if !self.irql_at_most(PASSIVE_LEVEL) {
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        if self.verifier() && self.client_at_least(9) && !request.is_driver_owned() {
            self.debug_break("memory of a request was locked that the driver does not own");
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        // Cut to 32 bits without a check, as the framework does.
        let length32 = length as u32;
        if length32 == 0 {
            return STATUS_INVALID_USER_BUFFER;
        }
        let Some(irp) = request.irp() else {
            self.debug_break("memory of a request without an IRP was locked");
            return STATUS_INVALID_DEVICE_REQUEST;
        };
        if self.verifier() && irp.user_mode.get() {
            let thread = self.running_thread();
            let here = (thread.id, thread.jobs.get());
            if irp.thread.get().is_some_and(|sender| sender != here) {
                return STATUS_ACCESS_VIOLATION;
            }
        }
        if self.faults.fails(Allocation::Mdl) {
            return STATUS_INSUFFICIENT_RESOURCES;
        }
        if self.faults.fails(Allocation::Probe) {
            return self.faults.probe_status();
        }
        if self.faults.fails(Allocation::Map) {
            return STATUS_INSUFFICIENT_RESOURCES;
        }
        let mdl = self
            .mdls
            .allocate(buffer, length32, MdlOwner::Framework, self.origin());
        self.mdls.lock(mdl, access);
        let address = Mdl::at(mdl).system_address();
        let memory = Memory::locked(address, length32 as usize, mdl, access == Access::Read);
        match self.create_object(Kind::Memory(memory), request.rc(), &Attributes::NONE) {
            Ok(object) => {
                self.put(out, object.handle());
                STATUS_SUCCESS
            }
            Err(status) => {
                self.mdls.unlock(mdl);
                self.mdls.free(mdl);
                status
            }
        }
    }
}
