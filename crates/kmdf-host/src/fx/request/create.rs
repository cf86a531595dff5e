//! Requests that drivers create: creation, reuse, deletion.

use core::ptr;
use std::rc::Rc;

use kmdf_sys::{
    _WDF_REQUEST_REUSE_FLAGS as reuse_flags, _WDF_REQUEST_REUSE_PARAMS, BOOLEAN, NTSTATUS, PIRP,
    PWDF_OBJECT_ATTRIBUTES, PWDF_REQUEST_REUSE_PARAMS, STATUS_INVALID_DEVICE_REQUEST,
    STATUS_INVALID_PARAMETER, STATUS_SUCCESS, WDFIOTARGET, WDFREQUEST,
};

use kmdf_sys::missing::STATUS_WDF_REQUEST_INVALID_STATE;

use super::{Request, Routine, Source};
use crate::fx::attributes::{Attributes, Rules};
use crate::fx::class::{Kind, Obj};
use crate::fx::object::Object;
use crate::fx::target::IoTarget;
use crate::report::ViolationKind;
use crate::system::System;
use crate::system::irp::{Allocator, Irp};
use crate::system::slab::NotFound;

/// `WDF_REQUEST_REUSE_MUST_COMPLETE`, which the public headers of 1.33 do not list.
const REUSE_MUST_COMPLETE: u32 = 2;

impl System {
    /// `WdfRequestCreate`.
    pub(crate) fn wdf_request_create(
        &self,
        attributes: PWDF_OBJECT_ATTRIBUTES,
        target: WDFIOTARGET,
        out: *mut WDFREQUEST,
    ) -> NTSTATUS {
        let target: Option<Obj<IoTarget>> = self.object_or_null(target);
        self.require(out, "Request");
        self.put(out, ptr::null_mut());
        let attributes = match self.attributes(attributes, Rules::CHILD) {
            Ok(attributes) => attributes,
            Err(status) => return status,
        };
        self.finish_create(
            &attributes,
            Request::new(Source::Created, None),
            target.as_ref(),
            out,
        )
    }

    /// `WdfRequestCreateFromIrp`.
    pub(crate) fn wdf_request_create_from_irp(
        &self,
        attributes: PWDF_OBJECT_ATTRIBUTES,
        irp: PIRP,
        frees_irp: BOOLEAN,
        out: *mut WDFREQUEST,
    ) -> NTSTATUS {
        self.require(irp, "Irp");
        self.require(out, "Request");
        self.put(out, ptr::null_mut());
        let irp = self.irp(irp);
        let attributes = match self.attributes(attributes, Rules::CHILD) {
            Ok(attributes) => attributes,
            Err(status) => return status,
        };
        let request = Request::new(Source::FromIrp, Some(irp));
        request.frees_irp.set(frees_irp != 0);
        self.finish_create(&attributes, request, None, out)
    }

    fn finish_create(
        &self,
        attributes: &Attributes,
        request: Request,
        target: Option<&Obj<IoTarget>>,
        out: *mut WDFREQUEST,
    ) -> NTSTATUS {
        let parent = attributes.parent_or_driver(self);
        let object = match self.create_object(Kind::Request(Box::new(request)), &parent, attributes)
        {
            Ok(object) => object,
            Err(status) => return status,
        };
        if let (Some(target), Some(request)) = (target, Obj::<Request>::new(&object))
            && let Err(status) = self.validate_target(&request, target)
        {
            self.discard(&object);
            return status;
        }
        self.put(out, object.handle());
        STATUS_SUCCESS
    }

    /// Unmakes an object whose creation failed at the last moment: its callbacks are not called.
    pub(crate) fn discard(&self, object: &Rc<Object>) {
        for context in object.contexts.borrow_mut().iter_mut() {
            context.forget_callbacks();
        }
        self.delete_object(object);
    }

    /// The IRP at a driver's `PIRP`.
    pub(crate) fn irp(&self, irp: PIRP) -> Rc<Irp> {
        match self.irps.get(irp) {
            Ok(irp) => irp,
            Err(why) => {
                let what = match why {
                    NotFound::Stale => "was freed",
                    NotFound::Garbage => "is none",
                };
                self.bugcheck_os(
                    crate::report::BugcheckKind::BadIrp,
                    0x44,
                    [irp.addr() as u64, 0, 0, 0],
                    format!("{} was given an IRP that {what}", self.ddi()),
                )
            }
        }
    }

    /// `WdfRequestReuse`.
    pub(crate) fn wdf_request_reuse(
        &self,
        request: WDFREQUEST,
        params: PWDF_REQUEST_REUSE_PARAMS,
    ) -> NTSTATUS {
        let request: Obj<Request> = self.object(request);
        self.require(params, "ReuseParams");
        let params = self.get(params);
        if params.Size as usize != size_of::<_WDF_REQUEST_REUSE_PARAMS>() {
            return STATUS_INVALID_PARAMETER;
        }
        let set_new_irp = reuse_flags::WDF_REQUEST_REUSE_SET_NEW_IRP.cast_unsigned();
        let known = if self.client_at_least(11) {
            set_new_irp | REUSE_MUST_COMPLETE
        } else {
            set_new_irp
        };
        if params.Flags & !known != 0 {
            return STATUS_INVALID_PARAMETER;
        }
        if request.in_flight.get() && self.client_at_least(9) {
            self.misuse(
                ViolationKind::ReusedInFlight,
                request.rc(),
                "the request is still sent",
            );
        }
        if self.client_at_least(9) {
            request.routine.set(Routine::None);
        }
        if request.irp().is_some() {
            self.release_format(&request);
        }
        let new_irp = params.Flags & set_new_irp != 0;
        if request.is_received() {
            if new_irp {
                return STATUS_WDF_REQUEST_INVALID_STATE;
            }
            if let Some(irp) = request.irp() {
                irp.status.set(params.Status);
                irp.cancel.set(false);
            }
            request.completed.set(false);
        } else {
            if new_irp {
                let new = (!params.NewIrp.is_null()).then(|| self.irp(params.NewIrp));
                let old = request.set_irp(new);
                if let Some(old) = old
                    && old.allocator() == Allocator::Framework
                {
                    self.irps.free(old);
                }
            }
            // The driver's own IRP is the driver's to reuse: it stays as it is.
            if let Some(irp) = request.irp()
                && irp.allocator() == Allocator::Framework
            {
                irp.reuse(params.Status);
            }
            if params.Flags & REUSE_MUST_COMPLETE != 0
                && let Err(status) = self.check_must_complete(&request)
            {
                return status;
            }
        }
        request.sticky_cancel.set(false);
        request.used.set(false);
        STATUS_SUCCESS
    }

    /// Whether a request that the driver created can be made one that must be completed.
    fn check_must_complete(&self, request: &Obj<Request>) -> Result<(), NTSTATUS> {
        let Some(irp) = request.irp() else {
            self.debug_break("a request that must complete needs an IRP");
            return Err(STATUS_INVALID_PARAMETER);
        };
        let is_free = request.rc().references.get() == 1;
        if irp.allocator() == Allocator::Framework || !is_free || !irp.has_current() {
            self.debug_break("a request that must complete needs an IRP of the driver with a stack location, and no references");
            return Err(STATUS_INVALID_DEVICE_REQUEST);
        }
        Ok(())
    }

    /// `WdfRequestChangeTarget`.
    pub(crate) fn wdf_request_change_target(
        &self,
        request: WDFREQUEST,
        target: WDFIOTARGET,
    ) -> NTSTATUS {
        let request: Obj<Request> = self.object(request);
        let target: Obj<IoTarget> = self.object(target);
        match self.validate_target(&request, &target) {
            Ok(_) => STATUS_SUCCESS,
            Err(status) => status,
        }
    }

    /// Dispose of a request: a driver's own is unformatted at once.
    pub(crate) fn dispose_request(&self, object: &Rc<Object>) {
        if let Some(request) = Obj::<Request>::new(object)
            && !request.is_received()
            && self.client_at_least(11)
        {
            if request.in_flight.get() {
                self.misuse(
                    ViolationKind::DeletedInFlight,
                    object,
                    "the request is still sent",
                );
            }
            if request.irp().is_some() {
                self.detach_format(&request);
            }
        }
    }

    /// The end of a request's memory.
    pub(crate) fn free_request(&self, request: &Request) {
        self.detach_format(request);
        let mdl = request.own_mdl.replace(ptr::null_mut());
        if !mdl.is_null() {
            self.mdls.free(mdl);
        }
        if let Some(irp) = request.set_irp(None) {
            let owned = irp.allocator() == Allocator::Framework || request.frees_irp.get();
            if owned && !request.is_received() {
                self.irps.free(irp);
            }
        }
    }

    /// A request for a synchronous send that brings none.
    pub(crate) fn take_internal_request(&self) -> Obj<Request> {
        let spare = self.framework.internal_requests.borrow_mut().pop();
        let object = spare.unwrap_or_else(|| {
            let request = Request::new(Source::Internal, None);
            let driver = self.scheduler.context.driver.get();
            Rc::new(Object::new(
                Kind::Request(Box::new(request)),
                driver,
                self.origin(),
            ))
        });
        // Used again, it belongs to whoever sends now.
        object.driver.set(self.scheduler.context.driver.get());
        Obj::new(&object).expect("an internal request is a request")
    }

    /// The end of such a send.
    pub(crate) fn return_internal_request(&self, request: &Obj<Request>) {
        self.detach_format(request);
        if let Some(irp) = request.set_irp(None) {
            self.irps.free(irp);
        }
        request.routine.set(Routine::None);
        request.sticky_cancel.set(false);
        request.timed_out.set(false);
        self.framework
            .internal_requests
            .borrow_mut()
            .push(Rc::clone(request.rc()));
    }
}
