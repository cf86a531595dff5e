//! The synchronous send DDIs.

use std::rc::Rc;

use kmdf_sys::{
    NTSTATUS, PLONGLONG, PULONG_PTR, PWDF_MEMORY_DESCRIPTOR, PWDF_REQUEST_SEND_OPTIONS,
    STATUS_INVALID_DEVICE_REQUEST, ULONG, WDFIOTARGET, WDFREQUEST,
};

use super::IoTarget;
use super::buffer::{Nothing, RequestBuffer};
use super::submit::{SendOptions, Submitted};
use crate::fx::class::Obj;
use crate::fx::request::{Request, Routine, Source};
use crate::system::irp::{IRP_MJ_READ, IRP_MJ_WRITE};
use crate::system::wait::{WaitReason, Wake};
use crate::system::{PASSIVE_LEVEL, System};
use crate::time::due;

impl System {
    /// `WdfIoTargetSendWriteSynchronously`.
    pub(crate) fn wdf_io_target_send_write_synchronously(
        &self,
        target: WDFIOTARGET,
        request: WDFREQUEST,
        buffer: PWDF_MEMORY_DESCRIPTOR,
        device_offset: PLONGLONG,
        options: PWDF_REQUEST_SEND_OPTIONS,
        moved: PULONG_PTR,
    ) -> NTSTATUS {
        self.send_transfer(
            IRP_MJ_WRITE,
            target,
            request,
            buffer,
            device_offset,
            options,
            moved,
        )
    }

    /// `WdfIoTargetSendReadSynchronously`.
    pub(crate) fn wdf_io_target_send_read_synchronously(
        &self,
        target: WDFIOTARGET,
        request: WDFREQUEST,
        buffer: PWDF_MEMORY_DESCRIPTOR,
        device_offset: PLONGLONG,
        options: PWDF_REQUEST_SEND_OPTIONS,
        moved: PULONG_PTR,
    ) -> NTSTATUS {
        self.send_transfer(
            IRP_MJ_READ,
            target,
            request,
            buffer,
            device_offset,
            options,
            moved,
        )
    }

    #[allow(clippy::too_many_arguments, reason = "the DDIs' parameters")]
    fn send_transfer(
        &self,
        major: u8,
        target: WDFIOTARGET,
        request: WDFREQUEST,
        buffer: PWDF_MEMORY_DESCRIPTOR,
        device_offset: PLONGLONG,
        options: PWDF_REQUEST_SEND_OPTIONS,
        moved: PULONG_PTR,
    ) -> NTSTATUS {
        let target: Obj<IoTarget> = self.object(target);
        self.send_synchronously(&target, request, options, moved, |system, request| {
            let buffer = system.descriptor(buffer, Nothing::Refused)?;
            let offset = system.value_or(device_offset, 0);
            system.format_transfer(request, &target, major, &buffer, offset)
        })
    }

    /// `WdfIoTargetSendIoctlSynchronously`.
    #[allow(clippy::too_many_arguments, reason = "the DDI has them")]
    pub(crate) fn wdf_io_target_send_ioctl_synchronously(
        &self,
        target: WDFIOTARGET,
        request: WDFREQUEST,
        code: ULONG,
        input: PWDF_MEMORY_DESCRIPTOR,
        output: PWDF_MEMORY_DESCRIPTOR,
        options: PWDF_REQUEST_SEND_OPTIONS,
        moved: PULONG_PTR,
    ) -> NTSTATUS {
        self.send_control(
            (code, false),
            target,
            request,
            (input, output),
            options,
            moved,
        )
    }

    /// `WdfIoTargetSendInternalIoctlSynchronously`.
    #[allow(clippy::too_many_arguments, reason = "the DDI has them")]
    pub(crate) fn wdf_io_target_send_internal_ioctl_synchronously(
        &self,
        target: WDFIOTARGET,
        request: WDFREQUEST,
        code: ULONG,
        input: PWDF_MEMORY_DESCRIPTOR,
        output: PWDF_MEMORY_DESCRIPTOR,
        options: PWDF_REQUEST_SEND_OPTIONS,
        moved: PULONG_PTR,
    ) -> NTSTATUS {
        self.send_control(
            (code, true),
            target,
            request,
            (input, output),
            options,
            moved,
        )
    }

    fn send_control(
        &self,
        code: (u32, bool),
        target: WDFIOTARGET,
        request: WDFREQUEST,
        (input, output): (PWDF_MEMORY_DESCRIPTOR, PWDF_MEMORY_DESCRIPTOR),
        options: PWDF_REQUEST_SEND_OPTIONS,
        moved: PULONG_PTR,
    ) -> NTSTATUS {
        let target: Obj<IoTarget> = self.object(target);
        self.send_synchronously(&target, request, options, moved, |system, request| {
            let input = system.descriptor(input, Nothing::Refused)?;
            let output = system.descriptor(output, Nothing::Refused)?;
            system.format_ioctl(request, &target, code, &input, &output)
        })
    }

    /// `WdfIoTargetSendInternalIoctlOthersSynchronously`.
    #[allow(clippy::too_many_arguments, reason = "the DDI has them")]
    pub(crate) fn wdf_io_target_send_internal_ioctl_others_synchronously(
        &self,
        target: WDFIOTARGET,
        request: WDFREQUEST,
        code: ULONG,
        first: PWDF_MEMORY_DESCRIPTOR,
        second: PWDF_MEMORY_DESCRIPTOR,
        fourth: PWDF_MEMORY_DESCRIPTOR,
        options: PWDF_REQUEST_SEND_OPTIONS,
        moved: PULONG_PTR,
    ) -> NTSTATUS {
        let target: Obj<IoTarget> = self.object(target);
        self.send_synchronously(&target, request, options, moved, |system, request| {
            let arguments: [RequestBuffer; 3] = [
                system.descriptor(first, Nothing::Refused)?,
                system.descriptor(second, Nothing::Refused)?,
                system.descriptor(fourth, Nothing::Refused)?,
            ];
            system.format_others(request, &target, code, &arguments)
        })
    }

    /// What all synchronous sends to a general target do around formatting.
    fn send_synchronously(
        &self,
        target: &Obj<IoTarget>,
        request: WDFREQUEST,
        options: PWDF_REQUEST_SEND_OPTIONS,
        moved: PULONG_PTR,
        format: impl FnOnce(&Self, &Obj<Request>) -> Result<(), NTSTATUS>,
    ) -> NTSTATUS {
        let request = self.begin_sync_request(request);
        let result = self.check_sync(options).and_then(|options| {
            format(self, &request)?;
            Ok(options)
        });
        let status = match result {
            Ok(options) => {
                let status = self
                    .submit_sync(&request, target, options, false)
                    .unwrap_or_else(|refused| refused);
                if let Some(irp) = request.irp() {
                    self.put(moved, irp.information.get());
                }
                status
            }
            Err(status) => status,
        };
        self.end_sync_request(&request);
        status
    }

    /// The IRQL and options checks, in this order.
    pub(crate) fn check_sync(
        &self,
        options: PWDF_REQUEST_SEND_OPTIONS,
    ) -> Result<SendOptions, NTSTATUS> {
        if !self.irql_at_most(PASSIVE_LEVEL) {
            return Err(STATUS_INVALID_DEVICE_REQUEST);
        }
        self.check_sync_options(options);
        self.send_options(options)
    }

    /// The request a synchronous send works on: the given one, whose earlier formatting is lost at once, or an internal one.
    pub(crate) fn begin_sync_request(&self, request: WDFREQUEST) -> Obj<Request> {
        if request.is_null() {
            return self.take_internal_request();
        }
        let request: Obj<Request> = self.object(request);
        self.check_request_use(&request);
        self.put_context_on_stack(&request);
        request
    }

    pub(crate) fn end_sync_request(&self, request: &Obj<Request>) {
        if request.source == Source::Internal {
            self.return_internal_request(request);
        } else {
            self.detach_format(request);
        }
    }

    /// Submits and waits; the request's status, as an error when the target refused it. `tells_driver`: the driver's
    /// completion routine is called and, if nothing was sent, kept.
    pub(crate) fn submit_sync(
        &self,
        request: &Obj<Request>,
        target: &Obj<IoTarget>,
        options: SendOptions,
        tells_driver: bool,
    ) -> Result<NTSTATUS, NTSTATUS> {
        let original = request.routine.get();
        let own = match original {
            Routine::Driver(routine, context) if tells_driver => Some((routine, context)),
            _ => None,
        };
        request.routine.set(Routine::Sync(own));
        request.sync_done.set(false);
        // The waiter's own reference, besides that of the target.
        self.add_reference(request.rc());
        // The time-out counts from the submission, and no timer object is made for it.
        let deadline = options.timeout.map(|timeout| due(self.now(), timeout));
        match self.submit(request, target, options, None) {
            Submitted::Refused(status) => {
                request.routine.set(if tells_driver {
                    original
                } else {
                    Routine::DeadSync
                });
                self.release(request.rc());
                return Err(status);
            }
            Submitted::Send => self.send_down(request, target),
            Submitted::Queued => {}
        }
        self.preemption_point();
        self.wait_for_completion(request, deadline);
        let status = request
            .irp()
            .map_or(STATUS_INVALID_DEVICE_REQUEST, |irp| irp.status.get());
        self.release(request.rc());
        Ok(status)
    }

    fn wait_for_completion(
        &self,
        request: &Obj<Request>,
        mut deadline: Option<crate::time::Ticks>,
    ) {
        while !request.sync_done.get() {
            let reason = match request.irp() {
                Some(irp) if !request.pended.get() => Self::irp_wait_reason(&irp),
                _ => WaitReason::PendedRequest(request.rc().handle.get()),
            };
            *request.waiter.borrow_mut() = Some(Rc::clone(&self.running_thread()));
            if self.wait(reason, deadline) == Wake::Timeout {
                deadline = None;
                if !request.sync_done.get() {
                    request.timed_out.set(true);
                    self.trace_time_out(request);
                    self.cancel_sent_request(request);
                }
            }
        }
        *request.waiter.borrow_mut() = None;
    }
}
