//! The WdfIoTargetFormatRequest DDIs.

use kmdf_sys::{
    NTSTATUS, PLONGLONG, PWDFMEMORY_OFFSET, STATUS_SUCCESS, ULONG, WDFIOTARGET, WDFMEMORY,
    WDFREQUEST,
};

use super::IoTarget;
use crate::fx::class::Obj;
use crate::fx::request::Request;
use crate::system::System;
use crate::system::irp::{IRP_MJ_READ, IRP_MJ_WRITE};

pub(crate) fn status_of(result: Result<(), NTSTATUS>) -> NTSTATUS {
    result.err().unwrap_or(STATUS_SUCCESS)
}

impl System {
    /// `WdfIoTargetFormatRequestForWrite`.
    pub(crate) fn wdf_io_target_format_request_for_write(
        &self,
        target: WDFIOTARGET,
        request: WDFREQUEST,
        memory: WDFMEMORY,
        offsets: PWDFMEMORY_OFFSET,
        device_offset: PLONGLONG,
    ) -> NTSTATUS {
        self.format_for(
            IRP_MJ_WRITE,
            target,
            request,
            (memory, offsets),
            device_offset,
        )
    }

    /// `WdfIoTargetFormatRequestForRead`.
    pub(crate) fn wdf_io_target_format_request_for_read(
        &self,
        target: WDFIOTARGET,
        request: WDFREQUEST,
        memory: WDFMEMORY,
        offsets: PWDFMEMORY_OFFSET,
        device_offset: PLONGLONG,
    ) -> NTSTATUS {
        self.format_for(
            IRP_MJ_READ,
            target,
            request,
            (memory, offsets),
            device_offset,
        )
    }

    fn format_for(
        &self,
        major: u8,
        target: WDFIOTARGET,
        request: WDFREQUEST,
        (memory, offsets): (WDFMEMORY, PWDFMEMORY_OFFSET),
        device_offset: PLONGLONG,
    ) -> NTSTATUS {
        let target: Obj<IoTarget> = self.object(target);
        let request: Obj<Request> = self.object(request);
        let offset = self.value_or(device_offset, 0);
        let result = self
            .memory_range(memory, offsets)
            .and_then(|buffer| self.format_transfer(&request, &target, major, &buffer, offset));
        status_of(result)
    }

    /// The value a driver passes by address, or `default` for NULL.
    pub(crate) fn value_or<T: Copy>(&self, pointer: *const T, default: T) -> T {
        if pointer.is_null() {
            default
        } else {
            self.get(pointer)
        }
    }

    /// `WdfIoTargetFormatRequestForIoctl`.
    #[allow(clippy::too_many_arguments, reason = "the DDI has them")]
    pub(crate) fn wdf_io_target_format_request_for_ioctl(
        &self,
        target: WDFIOTARGET,
        request: WDFREQUEST,
        code: ULONG,
        input: WDFMEMORY,
        input_offsets: PWDFMEMORY_OFFSET,
        output: WDFMEMORY,
        output_offsets: PWDFMEMORY_OFFSET,
    ) -> NTSTATUS {
        self.format_control(
            target,
            request,
            (code, false),
            (input, input_offsets),
            (output, output_offsets),
        )
    }

    /// `WdfIoTargetFormatRequestForInternalIoctl`.
    #[allow(clippy::too_many_arguments, reason = "the DDI has them")]
    pub(crate) fn wdf_io_target_format_request_for_internal_ioctl(
        &self,
        target: WDFIOTARGET,
        request: WDFREQUEST,
        code: ULONG,
        input: WDFMEMORY,
        input_offsets: PWDFMEMORY_OFFSET,
        output: WDFMEMORY,
        output_offsets: PWDFMEMORY_OFFSET,
    ) -> NTSTATUS {
        self.format_control(
            target,
            request,
            (code, true),
            (input, input_offsets),
            (output, output_offsets),
        )
    }

    fn format_control(
        &self,
        target: WDFIOTARGET,
        request: WDFREQUEST,
        code: (u32, bool),
        input: (WDFMEMORY, PWDFMEMORY_OFFSET),
        output: (WDFMEMORY, PWDFMEMORY_OFFSET),
    ) -> NTSTATUS {
        let target: Obj<IoTarget> = self.object(target);
        let request: Obj<Request> = self.object(request);
        let result = self.memory_range(input.0, input.1).and_then(|input| {
            let output = self.memory_range(output.0, output.1)?;
            self.format_ioctl(&request, &target, code, &input, &output)
        });
        status_of(result)
    }

    /// `WdfIoTargetFormatRequestForInternalIoctlOthers`.
    #[allow(clippy::too_many_arguments, reason = "the DDI has them")]
    pub(crate) fn wdf_io_target_format_request_for_internal_ioctl_others(
        &self,
        target: WDFIOTARGET,
        request: WDFREQUEST,
        code: ULONG,
        first: WDFMEMORY,
        first_offsets: PWDFMEMORY_OFFSET,
        second: WDFMEMORY,
        second_offsets: PWDFMEMORY_OFFSET,
        fourth: WDFMEMORY,
        fourth_offsets: PWDFMEMORY_OFFSET,
    ) -> NTSTATUS {
        let target: Obj<IoTarget> = self.object(target);
        let request: Obj<Request> = self.object(request);
        let result = self.memory_range(first, first_offsets).and_then(|first| {
            let second = self.memory_range(second, second_offsets)?;
            let fourth = self.memory_range(fourth, fourth_offsets)?;
            self.format_others(&request, &target, code, &[first, second, fourth])
        });
        status_of(result)
    }
}
