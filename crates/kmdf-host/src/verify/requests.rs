//! Rules about requests: what they are used for, how they are sent, and that every one is completed.

use std::rc::Rc;

use kmdf_sys::{_WDF_REQUEST_SEND_OPTIONS_FLAGS as send_flags, PWDF_REQUEST_SEND_OPTIONS};

use crate::fx::class::Obj;
use crate::fx::object::Object;
use crate::fx::request::{Place, Request};
use crate::report::{END, Violation, ViolationKind};
use crate::system::System;
use crate::system::irp::{
    IRP_MJ_DEVICE_CONTROL, IRP_MJ_INTERNAL_DEVICE_CONTROL, IRP_MJ_READ, IRP_MJ_WRITE,
};

const READ: [&str; 2] = [
    "WdfIoTargetSendReadSynchronously",
    "WdfUsbTargetPipeReadSynchronously",
];
const WRITE: [&str; 2] = [
    "WdfIoTargetSendWriteSynchronously",
    "WdfUsbTargetPipeWriteSynchronously",
];
const IOCTL: [&str; 1] = ["WdfIoTargetSendIoctlSynchronously"];
const INTERNAL: [&str; 2] = [
    "WdfIoTargetSendInternalIoctlSynchronously",
    "WdfIoTargetSendInternalIoctlOthersSynchronously",
];
const URB: [&str; 1] = ["WdfUsbTargetPipeSendUrbSynchronously"];

const TIMEOUT: u32 = send_flags::WDF_REQUEST_SEND_OPTION_TIMEOUT.cast_unsigned();
const SEND_AND_FORGET: u32 = send_flags::WDF_REQUEST_SEND_OPTION_SEND_AND_FORGET.cast_unsigned();

/// The rule for requests of a major function, and the calls that such a request is not given to.
fn rule_of(major: u8) -> Option<(ViolationKind, [&'static [&'static str]; 4])> {
    Some(match major {
        IRP_MJ_READ => (ViolationKind::ReadMisused, [&WRITE, &IOCTL, &INTERNAL, &[]]),
        IRP_MJ_WRITE => (ViolationKind::WriteMisused, [&READ, &IOCTL, &INTERNAL, &[]]),
        IRP_MJ_DEVICE_CONTROL => (
            ViolationKind::IoctlMisused,
            [&READ, &WRITE, &INTERNAL, &URB],
        ),
        IRP_MJ_INTERNAL_DEVICE_CONTROL => (
            ViolationKind::InternalIoctlMisused,
            [&READ, &WRITE, &IOCTL, &[]],
        ),
        _ => return None,
    })
}

impl System {
    /// ReadReqs, WriteReqs, IoctlReqs, InternalIoctlReqs: a received request is given to a synchronous call.
    pub(crate) fn check_request_use(&self, request: &Obj<Request>) {
        if !request.is_received() {
            return;
        }
        let Some(major) = request.irp().map(|irp| irp.parameters().major) else {
            return;
        };
        let ddi = self.ddi();
        if let Some((kind, calls)) = rule_of(major)
            && calls.iter().any(|calls| calls.contains(&ddi))
        {
            let what = match major {
                IRP_MJ_READ => "read",
                IRP_MJ_WRITE => "write",
                IRP_MJ_DEVICE_CONTROL => "control",
                _ => "internal control",
            };
            self.violation_on(
                kind,
                request.rc(),
                format!("a received {what} request was given to {ddi}"),
            );
        }
    }

    /// The options of a synchronous send; `given` as they are, whether or not the framework takes them.
    pub(crate) fn check_sync_options(&self, given: PWDF_REQUEST_SEND_OPTIONS) {
        let flags = if given.is_null() {
            0
        } else {
            self.get(given).Flags
        };
        let ddi = self.ddi();
        if flags & TIMEOUT == 0 {
            self.advise(ViolationKind::SyncWithoutTimeout, || {
                format!("{ddi} was called without a time-out")
            });
        }
        if flags & SEND_AND_FORGET != 0 {
            let with = if flags == SEND_AND_FORGET {
                "which it ignores: it waits"
            } else {
                "which goes with no other option"
            };
            self.violation(
                ViolationKind::SendOptions,
                format!("{ddi} was given WDF_REQUEST_SEND_OPTION_SEND_AND_FORGET, {with}"),
            );
        }
    }

    /// RequestCompletedLocal: a callback that was presented with a request has returned.
    pub(crate) fn request_callback_returned(&self, request: &Request, callback: &'static str) {
        request.returned.set(true);
        if request.place.get() != Place::Driver {
            return;
        }
        let passed_on = request.in_flight.get();
        let cancelable = request.cancelable.get() || request.cancel_callback.get().is_some();
        request.deferred.set(passed_on || cancelable);
        if !passed_on && !cancelable {
            self.advise(ViolationKind::RequestNotCompletedLocal, || {
                format!("{callback} returned with a request that it neither completed nor passed on nor made cancelable")
            });
        }
    }

    /// RequestCompleted, DeferredRequestCompleted: the requests that drivers still have and will never complete.
    pub(crate) fn lost_requests(&self) {
        for object in self.framework.objects.live() {
            if let Some(request) = Obj::<Request>::new(&object)
                && request.is_received()
                && request.place.get() == Place::Driver
                && !request.in_flight.get()
                && request.returned.get()
            {
                self.lost_request(&object, &request);
            }
        }
    }

    fn lost_request(&self, object: &Rc<Object>, request: &Request) {
        let kind =
            if request.deferred.get() || request.used.get() || object.driver_references.get() > 0 {
                ViolationKind::DeferredRequestLost
            } else {
                ViolationKind::RequestLost
            };
        let what = request.irp().and_then(|irp| {
            let io = irp.io.borrow();
            io.as_ref().map(|io| io.describe())
        });
        let what = what.unwrap_or_else(|| "a request".to_owned());
        let refused = match request.refused.get() {
            Some((ddi, status)) => format!("; {ddi} had failed for it with {status:#010X}"),
            None => String::new(),
        };
        let driver = self
            .module(object.driver.get())
            .map_or_else(String::new, |module| format!(" {}", module.service()));
        let explanation = format!(
            "{what} was presented to driver{driver} in {} and never completed{refused}",
            request.presented_in.get()
        );
        self.add_violation(Violation {
            object: Some(object.subject()),
            ..Violation::new(kind, self.now(), END, explanation)
        });
    }

    /// A DDI that would have passed a request on failed: the driver has it still.
    #[cold]
    pub(crate) fn request_refused(&self, request: &Request, status: kmdf_sys::NTSTATUS) {
        request.refused.set(Some((self.ddi(), status)));
    }
}
