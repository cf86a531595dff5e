//! Starting, stopping, purging and removing I/O targets.

use std::rc::Rc;

use kmdf_sys::{
    _WDF_IO_TARGET_PURGE_IO_ACTION as purge_action, _WDF_IO_TARGET_SENT_IO_ACTION as sent_action,
    NTSTATUS, STATUS_INVALID_DEVICE_STATE, WDF_IO_TARGET_PURGE_IO_ACTION,
    WDF_IO_TARGET_SENT_IO_ACTION, WDFIOTARGET,
};

use kmdf_sys::missing::STATUS_WDF_DEVICE_REMOVED_NOT_SENT;

use super::{IoTarget, TargetState};
use crate::fx::class::Obj;
use crate::fx::object::Object;
use crate::fx::request::Request;
use crate::system::wait::{WaitReason, Wake};
use crate::system::{DISPATCH_LEVEL, PASSIVE_LEVEL, System};

/// Requests that were taken from a target's list.
type Requests = Vec<Rc<Object>>;

impl System {
    /// `WdfIoTargetStart`.
    pub(crate) fn wdf_io_target_start(&self, target: WDFIOTARGET) -> NTSTATUS {
        let target: Obj<IoTarget> = self.object(target);
        let pended = match self.goto_started(&target) {
            Ok(pended) => pended,
            Err(status) => return status,
        };
        self.resubmit_all(pended);
        // The pipes of a USB device start with it: all of them before any request goes down.
        let mut pended = Requests::new();
        let pipes = self.usb_pipes(&target);
        for pipe in &pipes {
            pended.extend(self.goto_started(pipe).unwrap_or_default());
        }
        self.resubmit_all(pended);
        for pipe in &pipes {
            self.usb_pipe_started(pipe);
        }
        self.usb_pipe_started(&target)
    }

    /// Makes a target started; the requests it kept are the caller's to send.
    fn goto_started(&self, target: &Obj<IoTarget>) -> Result<Requests, NTSTATUS> {
        loop {
            if target.state.get() == TargetState::Deleted {
                return Err(STATUS_INVALID_DEVICE_STATE);
            }
            if !target.waits_for_sent.get() {
                break;
            }
            if self.irql() > PASSIVE_LEVEL && self.client_at_least(11) {
                self.debug_break(
                    "WdfIoTargetStart at DISPATCH_LEVEL while the target is being stopped",
                );
            }
            self.wait_for_sent(target);
        }
        target.state.set(TargetState::Started);
        target.sent_event.set(false);
        Ok(self.drain_pended(target, true))
    }

    /// Takes what a stopped target has kept. What is to be sent again is nobody's until it is: a cancel only leaves its mark.
    fn drain_pended(&self, target: &IoTarget, sent_again: bool) -> Requests {
        let pended: Requests = target.pended.borrow_mut().drain(..).collect();
        for request in pended.iter().filter_map(Obj::<Request>::new) {
            request.pended.set(false);
            if let Some(irp) = request.irp() {
                irp.cancel_routine.borrow_mut().take();
            }
            if sent_again {
                self.stop_request_timer(&request);
                request.in_flight.set(false);
            }
        }
        pended
    }

    /// Submits what targets had kept, in order: without its time-out, and as the target's state is by then.
    fn resubmit_all(&self, pended: Requests) {
        for request in pended.iter().filter_map(Obj::<Request>::new) {
            self.resubmit(&request);
        }
    }

    /// `WdfIoTargetStop`.
    pub(crate) fn wdf_io_target_stop(
        &self,
        target: WDFIOTARGET,
        action: WDF_IO_TARGET_SENT_IO_ACTION,
    ) {
        let target: Obj<IoTarget> = self.object(target);
        let (cancels, waits) = match action {
            sent_action::WdfIoTargetCancelSentIo => (true, true),
            sent_action::WdfIoTargetWaitForSentIoToComplete => (false, true),
            sent_action::WdfIoTargetLeaveSentIoPending => (false, false),
            _ => return,
        };
        if waits && !self.irql_at_most(PASSIVE_LEVEL) {
            return;
        }
        self.halt_target(&target, TargetState::Stopped, cancels, waits);
    }

    /// `WdfIoTargetPurge`.
    pub(crate) fn wdf_io_target_purge(
        &self,
        target: WDFIOTARGET,
        action: WDF_IO_TARGET_PURGE_IO_ACTION,
    ) {
        let target: Obj<IoTarget> = self.object(target);
        let waits = match action {
            purge_action::WdfIoTargetPurgeIoAndWait => true,
            purge_action::WdfIoTargetPurgeIo => false,
            _ => return,
        };
        if !self.irql_at_most(if waits { PASSIVE_LEVEL } else { DISPATCH_LEVEL }) {
            return;
        }
        self.halt_target(&target, TargetState::Purged, true, waits);
    }

    /// Stops or purges a target, then the pipes of a USB device: all of them before any is waited for.
    fn halt_target(&self, target: &Obj<IoTarget>, state: TargetState, cancels: bool, waits: bool) {
        let sent = self.goto_halted(target, state, cancels, waits);
        self.cancel_requests(sent);
        self.end_of_halt(target);
        let pipes = self.usb_pipes(target);
        let mut sent = Requests::new();
        for pipe in &pipes {
            sent.extend(self.goto_halted(pipe, state, cancels, waits));
        }
        self.cancel_requests(sent);
        for pipe in &pipes {
            self.end_of_halt(pipe);
        }
    }

    /// Changes the state, fails what a purged target had kept, and gives what is to be cancelled.
    fn goto_halted(
        &self,
        target: &Obj<IoTarget>,
        state: TargetState,
        cancels: bool,
        waits: bool,
    ) -> Requests {
        if !matches!(
            target.state.get(),
            TargetState::Started | TargetState::Stopped | TargetState::Purged
        ) {
            return Requests::new();
        }
        target.state.set(state);
        let sent = Self::sent(target, false);
        let pended = if state == TargetState::Purged {
            self.drain_pended(target, false)
        } else {
            Requests::new()
        };
        let others_wait = target.waits_for_sent.get();
        if waits && sent.is_empty() && others_wait && state == TargetState::Purged {
            self.debug_break(
                "WdfIoTargetPurge of a target that another thread is stopping or purging",
            );
        }
        // A call that does not wait lets those go that do.
        target
            .waits_for_sent
            .set(waits && (!sent.is_empty() || others_wait));
        if target.waits_for_sent.get() {
            target.sent_event.set(false);
        } else {
            self.set_sent_event(target);
        }
        self.fail_all(target, pended);
        if cancels { sent } else { Requests::new() }
    }

    fn end_of_halt(&self, target: &Obj<IoTarget>) {
        if target.waits_for_sent.get() {
            self.wait_for_sent(target);
            target.waits_for_sent.set(false);
        }
        self.usb_pipe_halted(target);
    }

    /// Closes or removes targets: everything sent is cancelled and waited for, also what ignores the state. Until then a
    /// send that ignores the state is still accepted.
    pub(crate) fn stop_sending(&self, targets: &[Obj<IoTarget>], state: TargetState) {
        let mut sent = Requests::new();
        for target in targets {
            while target.waits_for_sent.get() {
                self.wait_for_sent(target);
            }
            target.state.set(state);
            let pended = self.drain_pended(target, false);
            let own = Self::sent(target, true);
            target.removing.set(!own.is_empty());
            if own.is_empty() {
                target.detach();
                self.set_sent_event(target);
            } else {
                target.sent_event.set(false);
            }
            sent.extend(own);
            self.fail_all(target, pended);
        }
        self.cancel_requests(sent);
        for target in targets {
            self.wait_for_sent(target);
            target.sent_event.set(false);
        }
    }

    fn fail_all(&self, target: &Obj<IoTarget>, pended: Requests) {
        for request in pended.iter().filter_map(Obj::<Request>::new) {
            self.fail_pended_request(&request, target, STATUS_WDF_DEVICE_REMOVED_NOT_SENT);
        }
    }

    /// What a target has sent and not got back; what ignores its state only if asked.
    fn sent(target: &IoTarget, also_ignoring: bool) -> Requests {
        let sent = target.sent.borrow();
        let sent = sent.iter().filter(|object| {
            also_ignoring
                || Obj::<Request>::new(object).is_some_and(|request| !request.ignores_state.get())
        });
        sent.cloned().collect()
    }

    fn cancel_requests(&self, sent: Requests) {
        for request in sent.iter().filter_map(Obj::<Request>::new) {
            self.cancel_sent_request(&request);
        }
    }

    /// Cancels what a target has sent, without waiting for it.
    pub(crate) fn cancel_sent(&self, target: &IoTarget) {
        self.cancel_requests(Self::sent(target, false));
    }

    /// A request has come back. Tells whether those who wait for the target are to be let go, once its sender knows.
    pub(crate) fn ends_wait_for_sent(&self, target: &IoTarget, ignored_state: bool) -> bool {
        if target.removing.get() {
            let last = target.sent.borrow().is_empty();
            if last {
                target.removing.set(false);
                target.detach();
            }
            return last;
        }
        if !target.waits_for_sent.get() || ignored_state || !Self::sent(target, false).is_empty() {
            return false;
        }
        target.waits_for_sent.set(false);
        true
    }

    fn wait_for_sent(&self, target: &Obj<IoTarget>) {
        while !target.sent_event.get() {
            target.waiters.borrow_mut().push(self.running_thread());
            self.wait(WaitReason::TargetIo(target.rc().handle.get()), None);
        }
    }

    /// Lets those go who wait for what the target has sent.
    pub(crate) fn set_sent_event(&self, target: &IoTarget) {
        target.sent_event.set(true);
        let waiters = core::mem::take(&mut *target.waiters.borrow_mut());
        for waiter in waiters {
            self.wake(&waiter, Wake::Signaled);
        }
    }
}
