//! Completing received requests.

use core::ptr;

use kmdf_sys::{
    CCHAR, NT_SUCCESS, NTSTATUS, STATUS_DEVICE_BUSY, STATUS_DRIVER_INTERNAL_ERROR,
    STATUS_INSUFFICIENT_RESOURCES, STATUS_INTERNAL_ERROR, STATUS_INVALID_DEVICE_REQUEST, ULONG_PTR,
    WDFREQUEST,
};

use kmdf_sys::missing::{
    STATUS_WDF_BUSY, STATUS_WDF_INTERNAL_ERROR, STATUS_WDF_NOT_ENOUGH_MAP_REGISTERS,
    STATUS_WDF_PAUSED,
};

use super::{Place, Request};
use crate::fx::class::Obj;
use crate::fx::queue::Queue;
use crate::report::{BugcheckKind, ViolationKind};
use crate::system::System;
use crate::system::fail::{code, request_error};
use crate::system::irp::{IRP_MJ_CREATE, IRP_MJ_DEVICE_CONTROL, Irp};

impl System {
    /// `WdfRequestComplete`.
    pub(crate) fn wdf_request_complete(&self, request: WDFREQUEST, status: NTSTATUS) {
        let request: Obj<Request> = self.object(request);
        self.driver_completes(&request, status, None, None);
    }

    /// `WdfRequestCompleteWithInformation`.
    pub(crate) fn wdf_request_complete_with_information(
        &self,
        request: WDFREQUEST,
        status: NTSTATUS,
        information: ULONG_PTR,
    ) {
        let request: Obj<Request> = self.object(request);
        self.driver_completes(&request, status, Some(information), None);
    }

    /// `WdfRequestCompleteWithPriorityBoost`.
    pub(crate) fn wdf_request_complete_with_priority_boost(
        &self,
        request: WDFREQUEST,
        status: NTSTATUS,
        boost: CCHAR,
    ) {
        let request: Obj<Request> = self.object(request);
        self.driver_completes(&request, status, None, Some(boost));
    }

    fn driver_completes(
        &self,
        request: &Obj<Request>,
        status: NTSTATUS,
        information: Option<u64>,
        boost: Option<CCHAR>,
    ) {
        if status == STATUS_DRIVER_INTERNAL_ERROR {
            self.violation(
                ViolationKind::RequestDropped,
                "a received request was dropped by the driver without being completed, forwarded or stored; it was \
                 completed with STATUS_DRIVER_INTERNAL_ERROR in its place"
                    .to_owned(),
            );
        }
        if status == kmdf_sys::STATUS_PENDING {
            self.violation(
                ViolationKind::CompletedPending,
                format!(
                    "{} with STATUS_PENDING, which is no final status",
                    self.ddi()
                ),
            );
        }
        if !request.is_received() {
            return self.complete_created(request);
        }
        if self.verifier() && !request.is_driver_owned() {
            let kind = if request.completed.get() {
                ViolationKind::DoubleCompletion
            } else {
                ViolationKind::NotOwned
            };
            self.misuse(
                kind,
                request.rc(),
                "a request was completed that the driver does not own",
            );
            return;
        }
        let Some(irp) = request.irp() else {
            self.null_irp(request);
        };
        if request.in_flight.get() {
            self.violation_on(
                ViolationKind::CompletedInFlight,
                request.rc(),
                format!("{}: the request is still sent to an I/O target", self.ddi()),
            );
        }
        if let Some(information) = information {
            irp.information.set(information);
        }
        if request.cancelable.get() {
            self.misuse(
                ViolationKind::CompletedCancelable,
                request.rc(),
                "the request is still cancelable",
            );
        }
        self.check_information(request, &irp, status);
        request
            .completed_in
            .set(self.scheduler.context.callback.get());
        self.complete_with_boost(request, status, boost);
    }

    /// A request that the driver created cannot be completed.
    fn complete_created(&self, request: &Obj<Request>) {
        if self.verifier() {
            self.misuse(
                ViolationKind::CompletedOwnRequest,
                request.rc(),
                "a request was completed that did not come from a queue",
            );
            return;
        }
        self.bugcheck_on(
            BugcheckKind::CompletedOwnRequest,
            [code::OBJECT_ERROR, request.rc().handle.get() as u64, 0],
            Some(request.rc().subject()),
            format!(
                "{} of a request that the driver created; delete it instead",
                self.ddi()
            ),
        );
    }

    /// The framework's verifier stops the system when more bytes are reported than the request is for.
    fn check_information(&self, request: &Obj<Request>, irp: &Irp, status: NTSTATUS) {
        let parameters = irp.parameters();
        let length = if parameters.is_transfer() {
            parameters.length()
        } else if parameters.major == IRP_MJ_DEVICE_CONTROL
            && irp.user_mode.get()
            && parameters.output_length() > 0
        {
            parameters.output_length()
        } else {
            return;
        };
        let information = irp.information.get();
        if !NT_SUCCESS(status) || information <= u64::from(length) {
            return;
        }
        let explanation = format!(
            "{}: {information} bytes are said to have been transferred, the request is for {length}",
            self.ddi()
        );
        if !self.verifier() {
            return self.violation_on(
                ViolationKind::InformationTooLarge,
                request.rc(),
                explanation,
            );
        }
        self.bugcheck_on(
            BugcheckKind::InformationTooLarge,
            [
                code::REQUEST_FATAL_ERROR,
                request_error::INFORMATION_LENGTH_MISMATCH,
                request.rc().handle.get() as u64,
            ],
            Some(request.rc().subject()),
            explanation,
        );
    }

    /// Completes a received request, for the driver or for the framework itself.
    pub(crate) fn complete_received(&self, request: &Obj<Request>, status: NTSTATUS) {
        self.complete_with_boost(request, status, None);
    }

    fn complete_with_boost(&self, request: &Obj<Request>, status: NTSTATUS, boost: Option<CCHAR>) {
        let status = public_status(status);
        let Some(irp) = request.irp() else {
            return;
        };
        let queue = self.detach_received(request);
        if request.irp_references.get() != 0 {
            self.bugcheck_on(
                BugcheckKind::MemoryReferenced,
                [
                    code::VERIFIER_FATAL_ERROR,
                    request.rc().handle.get() as u64,
                    u64::from(request.irp_references.get().cast_unsigned()),
                ],
                Some(request.rc().subject()),
                "a received request was completed while its memory is still referenced: another request is formatted with it \
                 (reuse or delete that one first), or WdfObjectReference was called on it"
                    .to_owned(),
            );
        }
        irp.status.set(status);
        let device = request.typed_device();
        if irp.parameters().major == IRP_MJ_CREATE
            && !NT_SUCCESS(status)
            && let Some(device) = &device
        {
            self.delete_file(device, irp.parameters().file);
        }
        if let Some(io) = &*irp.io.borrow() {
            let of_type = || device.map_or(0, |device| default_boost(device.object.device_type));
            io.boost.set(boost.unwrap_or_else(of_type));
        }
        let from = self.actor(request.rc().driver.get());
        self.complete_request(&irp, &from);
        drop(irp);
        self.release_received(request, queue);
    }

    /// Ends the framework's hold on a received request before its IRP leaves: contexts and children go, while buffers live.
    pub(crate) fn detach_received(&self, request: &Obj<Request>) -> Option<Obj<Queue>> {
        let queue = request.queue.borrow_mut().take();
        request.completed.set(true);
        request.place.set(Place::Gone);
        request.cancelable.set(false);
        if let Some(irp) = request.irp() {
            irp.cancel_routine.borrow_mut().take();
        }
        self.release_format(request);
        if !request.presented.get() {
            for context in request.rc().contexts.borrow_mut().iter_mut() {
                context.forget_callbacks();
            }
        }
        self.dispose(request.rc());
        self.destroy_children(request.rc());
        queue
    }

    /// The end of a received request's object, and what follows for its queue, for which the driver has had the request
    /// until now: a request that the sender sends when it sees this one completed is not presented before this.
    pub(crate) fn release_received(&self, request: &Obj<Request>, queue: Option<Obj<Queue>>) {
        let mdl = request.own_mdl.replace(ptr::null_mut());
        if !mdl.is_null() {
            self.mdls.free(mdl);
        }
        request.set_irp(None);
        if let Some(queue) = &queue {
            queue.forget_driver_owned(request);
        }
        self.release(request.rc());
        if let Some(queue) = queue {
            self.queue_event(&queue);
        }
    }
}

/// How much a completed request raises the priority of the thread that waits for it, by the type of the device.
const fn default_boost(device_type: u32) -> CCHAR {
    match device_type {
        // CD-ROM and disks, parallel ports, video.
        0x02 | 0x03 | 0x07 | 0x08 | 0x16 | 0x1C | 0x23 | 0x24 | 0x2D | 0x34 => 1,
        // Mailslots, named pipes, networks, serial ports.
        0x0C | 0x11..=0x14 | 0x17 | 0x1A | 0x1B | 0x28 | 0x2B | 0x2E | 0x37 => 2,
        // Keyboards and mice.
        0x0B | 0x0F | 0x27 => 6,
        // Sound.
        0x0D | 0x0E | 0x1D | 0x1E | 0x25 | 0x26 | 0x2F => 8,
        _ => 0,
    }
}

/// Statuses of the framework's own facility do not leave it.
fn public_status(status: NTSTATUS) -> NTSTATUS {
    const FACILITY_DRIVER_FRAMEWORK: u32 = 0x20;
    if (status.cast_unsigned() >> 16) & 0xFFF != FACILITY_DRIVER_FRAMEWORK {
        return status;
    }
    match status {
        STATUS_WDF_PAUSED | STATUS_WDF_BUSY => STATUS_DEVICE_BUSY,
        STATUS_WDF_INTERNAL_ERROR => STATUS_INTERNAL_ERROR,
        STATUS_WDF_NOT_ENOUGH_MAP_REGISTERS => STATUS_INSUFFICIENT_RESOURCES,
        _ => STATUS_INVALID_DEVICE_REQUEST,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn framework_statuses_are_renamed() {
        assert_eq!(public_status(STATUS_WDF_PAUSED), STATUS_DEVICE_BUSY);
        assert_eq!(
            public_status(0xC020_0206_u32.cast_signed()),
            STATUS_INVALID_DEVICE_REQUEST
        );
        assert_eq!(
            public_status(kmdf_sys::STATUS_CANCELLED),
            kmdf_sys::STATUS_CANCELLED
        );
        assert_eq!(public_status(0), 0);
    }
}
