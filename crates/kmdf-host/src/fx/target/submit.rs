//! Submission to a target, completion of what was sent, cancellation.

use std::rc::Rc;

use kmdf_sys::{
    _WDF_REQUEST_SEND_OPTIONS, _WDF_REQUEST_SEND_OPTIONS_FLAGS as send_flags,
    _WDF_REQUEST_TYPE as request_type, NTSTATUS, PWDF_REQUEST_SEND_OPTIONS, STATUS_CANCELLED,
    STATUS_INFO_LENGTH_MISMATCH, STATUS_INVALID_DEVICE_STATE, STATUS_INVALID_PARAMETER,
    STATUS_IO_TIMEOUT, STATUS_REQUEST_NOT_ACCEPTED, STATUS_SUCCESS,
};

use super::{IoTarget, TargetState};
use crate::fx::class::Obj;
use crate::fx::object::Object;
use crate::fx::request::format::empty_params;
use crate::fx::request::{Request, Routine};
use crate::report::{BugcheckKind, ViolationKind};
use crate::system::System;
use crate::system::clock::Due;
use crate::system::fail::{code, request_error};
use crate::system::irp::{CancelRoutine, Completion, Irp};
use crate::system::wait::Wake;
use crate::time::due;
use crate::trace::Event;

const TIMEOUT: u32 = send_flags::WDF_REQUEST_SEND_OPTION_TIMEOUT.cast_unsigned();
const SYNCHRONOUS: u32 = send_flags::WDF_REQUEST_SEND_OPTION_SYNCHRONOUS.cast_unsigned();
const IGNORE_TARGET_STATE: u32 =
    send_flags::WDF_REQUEST_SEND_OPTION_IGNORE_TARGET_STATE.cast_unsigned();
const SEND_AND_FORGET: u32 = send_flags::WDF_REQUEST_SEND_OPTION_SEND_AND_FORGET.cast_unsigned();

/// Checked send options.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SendOptions {
    pub(crate) synchronous: bool,
    pub(crate) ignores_state: bool,
    pub(crate) send_and_forget: bool,
    /// The time-out; the value 0 with its flag means none.
    pub(crate) timeout: Option<i64>,
}

/// What became of a submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Submitted {
    /// It is to be passed down now.
    Send,
    /// The stopped target keeps it.
    Queued,
    /// It was refused; the status is in the IRP.
    Refused(NTSTATUS),
}

impl System {
    /// Checks send options.
    pub(crate) fn send_options(
        &self,
        options: PWDF_REQUEST_SEND_OPTIONS,
    ) -> Result<SendOptions, NTSTATUS> {
        if options.is_null() {
            return Ok(SendOptions::default());
        }
        let options = self.get(options);
        if options.Size as usize != size_of::<_WDF_REQUEST_SEND_OPTIONS>() {
            return Err(STATUS_INFO_LENGTH_MISMATCH);
        }
        if options.Flags & !(TIMEOUT | SYNCHRONOUS | IGNORE_TARGET_STATE | SEND_AND_FORGET) != 0 {
            return Err(STATUS_INVALID_PARAMETER);
        }
        let send_and_forget = options.Flags & SEND_AND_FORGET != 0;
        if send_and_forget && options.Flags != SEND_AND_FORGET {
            return Err(STATUS_INVALID_PARAMETER);
        }
        if options.Flags & TIMEOUT != 0 && options.Timeout == 0 {
            self.violation(
                ViolationKind::TimeoutZero,
                format!("{}: the time-out is 0, so there is none", self.ddi()),
            );
        }
        Ok(SendOptions {
            synchronous: options.Flags & SYNCHRONOUS != 0,
            ignores_state: options.Flags & IGNORE_TARGET_STATE != 0,
            send_and_forget,
            timeout: (options.Flags & TIMEOUT != 0 && options.Timeout != 0)
                .then_some(options.Timeout),
        })
    }

    /// The framework's verifier refuses the request; it only traces, so this is no debug break.
    fn unformatted(&self) {
        self.violation(
            ViolationKind::Unformatted,
            format!(
                "{}: the request is not formatted for this target; call one of the WdfIoTargetFormatRequest functions first",
                self.ddi()
            ),
        );
    }

    /// Decides whether a request may go down now. `timer` is the time-out of an asynchronous send.
    pub(crate) fn submit(
        &self,
        request: &Obj<Request>,
        target: &Obj<IoTarget>,
        options: SendOptions,
        timer: Option<i64>,
    ) -> Submitted {
        let Some(irp) = request.irp() else {
            if self.verifier() {
                self.unformatted();
                return Submitted::Refused(STATUS_REQUEST_NOT_ACCEPTED);
            }
            self.null_irp(request);
        };
        match self.submit_with_irp(request, &irp, target, options, timer) {
            Submitted::Refused(status) => {
                irp.status.set(status);
                self.request_refused(request, status);
                Submitted::Refused(status)
            }
            accepted => accepted,
        }
    }

    fn submit_with_irp(
        &self,
        request: &Obj<Request>,
        irp: &Rc<Irp>,
        target: &Obj<IoTarget>,
        options: SendOptions,
        timer: Option<i64>,
    ) -> Submitted {
        if request.in_flight.get() {
            self.bugcheck_on(
                BugcheckKind::AlreadySent,
                [
                    code::REQUEST_FATAL_ERROR,
                    request_error::ALREADY_SENT,
                    request.rc().handle.get() as u64,
                ],
                Some(request.rc().subject()),
                format!(
                    "{}: the request was sent before and has not completed yet; wait for its completion routine",
                    self.ddi()
                ),
            );
        }
        if self.verifier() && (!request.formatted.get() || irp.room() < target.stack_size.get()) {
            self.unformatted();
            return Submitted::Refused(STATUS_REQUEST_NOT_ACCEPTED);
        }
        if !request.formatted.get() {
            // Without its verifier the framework sends whatever the stack location holds.
            self.unformatted();
        }
        if timer.is_some() {
            let status = self.allocate_timer(request);
            if status != STATUS_SUCCESS {
                return Submitted::Refused(status);
            }
        }
        let send = if options.ignores_state {
            match target.state.get() {
                TargetState::Deleted | TargetState::Closed | TargetState::ClosedForQueryRemove
                    if !target.removing.get() =>
                {
                    return Submitted::Refused(STATUS_INVALID_DEVICE_STATE);
                }
                _ => true,
            }
        } else {
            match target.state.get() {
                TargetState::Started => true,
                TargetState::Stopped => false,
                _ => return Submitted::Refused(STATUS_INVALID_DEVICE_STATE),
            }
        };
        if request.sticky_cancel.get() {
            if request.used.get() {
                self.violation_on(
                    ViolationKind::StaleCancel,
                    request.rc(),
                    format!(
                        "{}: the request was cancelled after it had been sent before, and has not been reused since",
                        self.ddi()
                    ),
                );
            }
            return Submitted::Refused(STATUS_CANCELLED);
        }
        if !send && irp.cancel.get() {
            return Submitted::Refused(STATUS_CANCELLED);
        }
        request.timed_out.set(false);
        request.ignores_state.set(options.ignores_state);
        *request.target.borrow_mut() = Some(Rc::clone(target.rc()));
        request.in_flight.set(true);
        request.used.set(true);
        self.add_reference(request.rc());
        if let Some(timeout) = timer {
            self.start_request_timer(request, timeout);
        }
        if send {
            target.sent.borrow_mut().push_back(Rc::clone(request.rc()));
            Submitted::Send
        } else {
            request.pended.set(true);
            *irp.cancel_routine.borrow_mut() = Some(CancelRoutine::Pended(Rc::clone(request.rc())));
            target
                .pended
                .borrow_mut()
                .push_back(Rc::clone(request.rc()));
            Submitted::Queued
        }
    }

    /// Passes a submitted request to the driver below.
    pub(crate) fn send_down(&self, request: &Obj<Request>, target: &IoTarget) {
        let (Some(irp), Some(device)) = (request.irp(), target.device.borrow().clone()) else {
            return;
        };
        if irp.has_next() {
            irp.set_next_completion(Completion::Request(Rc::clone(request.rc())));
        }
        let from = self.actor(request.rc().driver.get());
        self.call_driver(&irp, &device, &from);
    }

    /// Submits again what a target had kept while it was stopped.
    pub(crate) fn resubmit(&self, request: &Obj<Request>) {
        let target = request
            .target
            .borrow()
            .as_ref()
            .and_then(Obj::<IoTarget>::new);
        let Some(target) = target else {
            return;
        };
        match self.submit(request, &target, SendOptions::default(), None) {
            Submitted::Send => self.send_down(request, &target),
            Submitted::Queued => {}
            Submitted::Refused(_) => {
                if let Some(irp) = request.irp() {
                    irp.information.set(0);
                }
                return self.tell_sender(request, &target);
            }
        }
        // The new submission has its own reference.
        self.release(request.rc());
    }

    fn start_request_timer(&self, request: &Obj<Request>, timeout: i64) {
        let timed = request.clone();
        let call = Box::new(move |system: &System| {
            if timed.timer.take().is_some() {
                timed.timed_out.set(true);
                system.trace_time_out(&timed);
                system.cancel_sent_request(&timed);
            }
        });
        let at = due(self.now(), timeout);
        request
            .timer
            .set(Some(self.clock.arm(at, Due::Call("request timer", call))));
    }

    pub(super) fn trace_time_out(&self, request: &Request) {
        self.trace(|| Event::TimeOut {
            irp: request.irp().map(|irp| irp.id()),
        });
    }

    pub(crate) fn stop_request_timer(&self, request: &Request) {
        if let Some(timer) = request.timer.take() {
            self.clock.disarm(timer);
        }
    }

    /// `FxRequestBase::Cancel`: the flag stays until reuse, whether or not there was anything to cancel.
    pub(crate) fn cancel_sent_request(&self, request: &Obj<Request>) -> bool {
        request.sticky_cancel.set(true);
        if !request.in_flight.get() {
            return false;
        }
        let irp = request.irp();
        irp.is_some_and(|irp| self.cancel_irp(&irp))
    }

    /// The cancel routine of a request that a stopped target keeps.
    pub(crate) fn cancel_pended_request(&self, object: &Rc<Object>) {
        let Some(request) = Obj::<Request>::new(object) else {
            return;
        };
        let target = request
            .target
            .borrow()
            .as_ref()
            .and_then(Obj::<IoTarget>::new);
        if let Some(target) = target {
            target.forget_pended(object);
            self.fail_pended_request(&request, &target, STATUS_CANCELLED);
        }
    }

    /// Completes a request that was never sent.
    pub(crate) fn fail_pended_request(
        &self,
        request: &Obj<Request>,
        target: &Obj<IoTarget>,
        status: NTSTATUS,
    ) {
        self.stop_request_timer(request);
        request.pended.set(false);
        if let Some(irp) = request.irp() {
            irp.cancel_routine.borrow_mut().take();
            let renamed = status == STATUS_CANCELLED && request.timed_out.get();
            irp.status
                .set(if renamed { STATUS_IO_TIMEOUT } else { status });
            irp.information.set(0);
        }
        self.tell_sender(request, target);
    }

    /// The framework's completion routine: the driver below has completed the IRP of a sent request.
    pub(crate) fn sent_request_completed(&self, object: &Rc<Object>, irp: &Rc<Irp>) {
        let Some(request) = Obj::<Request>::new(object) else {
            return;
        };
        let target = request
            .target
            .borrow()
            .as_ref()
            .and_then(Obj::<IoTarget>::new);
        let Some(target) = target else {
            return;
        };
        // The time-out may still come, and a cancel may find the request in flight.
        self.preemption_point();
        self.stop_request_timer(&request);
        if request.timed_out.get() && irp.status.get() == STATUS_CANCELLED {
            irp.status.set(STATUS_IO_TIMEOUT);
        }
        target.forget_sent(object);
        let is_last = self.ends_wait_for_sent(&target, request.ignores_state.get());
        self.copy_back(&request, irp);
        self.tell_sender(&request, &target);
        if is_last {
            self.set_sent_event(&target);
        }
    }

    fn tell_sender(&self, request: &Obj<Request>, target: &Obj<IoTarget>) {
        request.in_flight.set(false);
        *request.target.borrow_mut() = None;
        self.fill_completion(request);
        match request.routine.replace(Routine::None) {
            Routine::None => {}
            Routine::Driver(routine, context) => self.call_completion(request, target, routine, context),
            Routine::Sync(own) => {
                if let Some((routine, context)) = own {
                    self.call_completion(request, target, routine, context);
                }
                request.sync_done.set(true);
                let waiter = request.waiter.borrow_mut().take();
                if let Some(waiter) = waiter {
                    self.wake(&waiter, Wake::Signaled);
                }
            }
            Routine::Reader => self.reader_completed(request, target),
            Routine::DeadSync => self.bugcheck_os(
                BugcheckKind::DeadSyncRoutine,
                0x139,
                [0, 0, 0, 0],
                "a request completed whose synchronous send had failed: the framework's completion routine of that send is \
                 still registered and its stack frame is gone. Call WdfRequestReuse before sending the request again"
                    .to_owned(),
            ),
        }
        self.release(request.rc());
    }

    fn call_completion(
        &self,
        request: &Obj<Request>,
        target: &Obj<IoTarget>,
        routine: crate::fx::request::CompletionFunction,
        context: kmdf_sys::WDFCONTEXT,
    ) {
        let mut params = request.format.borrow().params;
        let object = request.rc();
        self.callback(
            object.driver.get(),
            "EvtRequestCompletionRoutine",
            object.handle.get(),
            || {
                // SAFETY: the driver set this routine for this request; the parameters live until it returns.
                unsafe { routine(request.handle(), target.handle(), &raw mut params, context) }
            },
        );
    }

    fn fill_completion(&self, request: &Request) {
        let Some(irp) = request.irp() else {
            return;
        };
        let mut format = request.format.borrow_mut();
        if !format.exists {
            // Formatted by its own stack location: nothing but the status is known.
            format.params = empty_params();
        }
        if self.verifier() {
            request.formatted.set(false);
        }
        let mut extra = format.extra.take();
        let params = &mut format.params;
        params.IoStatus.__bindgen_anon_1.Status = irp.status.get();
        params.IoStatus.Information = irp.information.get();
        let moved = usize::try_from(irp.information.get()).unwrap_or(usize::MAX);
        match params.Type {
            request_type::WdfRequestTypeWrite | request_type::WdfRequestTypeRead => {
                params.Parameters.Write.Length = moved
            }
            request_type::WdfRequestTypeDeviceControl
            | request_type::WdfRequestTypeDeviceControlInternal => {
                params.Parameters.Ioctl.Output.Length = moved;
            }
            _ => {}
        }
        if let Some(extra) = &mut extra {
            extra.completed(&irp, params);
        }
        format.extra = extra;
    }
}
