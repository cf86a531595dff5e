//! Starting, stopping and purging I/O targets.

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
use crate::system::scheduler::{WaitReason, Wake};
use crate::system::{DISPATCH_LEVEL, PASSIVE_LEVEL, System};

impl System {
    /// `WdfIoTargetStart`.
    pub(crate) fn wdf_io_target_start(&self, target: WDFIOTARGET) -> NTSTATUS {
        let target: Obj<IoTarget> = self.object(target);
        if target.state.get() == TargetState::Deleted {
            return STATUS_INVALID_DEVICE_STATE;
        }
        while target.transitions.get() > 0 {
            self.wait_for_target(&target);
        }
        target.state.set(TargetState::Started);
        loop {
            let next = target.pended.borrow_mut().pop_front();
            let Some(next) = next else {
                return self.usb_target_started(&target);
            };
            self.resubmit(&next, &target);
        }
    }

    /// `WdfIoTargetStop`.
    pub(crate) fn wdf_io_target_stop(
        &self,
        target: WDFIOTARGET,
        action: WDF_IO_TARGET_SENT_IO_ACTION,
    ) {
        let target: Obj<IoTarget> = self.object(target);
        let (cancel, wait) = match action {
            sent_action::WdfIoTargetCancelSentIo => (true, true),
            sent_action::WdfIoTargetWaitForSentIoToComplete => (false, true),
            sent_action::WdfIoTargetLeaveSentIoPending => (false, false),
            _ => return,
        };
        if wait && !self.irql_at_most(PASSIVE_LEVEL) {
            return;
        }
        if !matches!(
            target.state.get(),
            TargetState::Started | TargetState::Stopped | TargetState::Purged
        ) {
            return;
        }
        target.state.set(TargetState::Stopped);
        if cancel {
            self.cancel_sent(&target, false);
        }
        if wait {
            self.wait_for_sent(&target, false);
        }
        self.usb_target_halted(&target, |system, pipe| {
            system.wdf_io_target_stop(pipe.handle(), action)
        });
    }

    /// `WdfIoTargetPurge`.
    pub(crate) fn wdf_io_target_purge(
        &self,
        target: WDFIOTARGET,
        action: WDF_IO_TARGET_PURGE_IO_ACTION,
    ) {
        let target: Obj<IoTarget> = self.object(target);
        let wait = match action {
            purge_action::WdfIoTargetPurgeIoAndWait => true,
            purge_action::WdfIoTargetPurgeIo => false,
            _ => return,
        };
        if !self.irql_at_most(if wait { PASSIVE_LEVEL } else { DISPATCH_LEVEL }) {
            return;
        }
        if !matches!(
            target.state.get(),
            TargetState::Started | TargetState::Stopped | TargetState::Purged
        ) {
            return;
        }
        target.state.set(TargetState::Purged);
        self.fail_pended(&target);
        self.cancel_sent(&target, false);
        if wait {
            self.wait_for_sent(&target, false);
        }
        self.usb_target_halted(&target, |system, pipe| {
            system.wdf_io_target_purge(pipe.handle(), action)
        });
    }

    /// Closes or removes: everything sent is cancelled and waited for, also what ignores the target's state.
    pub(crate) fn stop_sending(&self, target: &Obj<IoTarget>, state: TargetState) {
        target.state.set(state);
        self.fail_pended(target);
        self.cancel_sent(target, true);
        self.wait_for_sent(target, true);
    }

    fn fail_pended(&self, target: &Obj<IoTarget>) {
        loop {
            let next = target.pended.borrow_mut().pop_front();
            let Some(next) = next else {
                return;
            };
            if let Some(request) = Obj::<Request>::new(&next) {
                self.fail_pended_request(&request, target, STATUS_WDF_DEVICE_REMOVED_NOT_SENT);
            }
        }
    }

    fn affected(target: &IoTarget, also_ignoring: bool) -> Vec<Rc<Object>> {
        let sent = target.sent.borrow();
        let affected = sent.iter().filter(|object| {
            also_ignoring
                || Obj::<Request>::new(object).is_some_and(|request| !request.ignores_state.get())
        });
        affected.cloned().collect()
    }

    pub(crate) fn cancel_sent(&self, target: &IoTarget, also_ignoring: bool) {
        for object in Self::affected(target, also_ignoring) {
            if let Some(request) = Obj::<Request>::new(&object) {
                self.cancel_sent_request(&request);
            }
        }
    }

    fn wait_for_sent(&self, target: &Obj<IoTarget>, also_ignoring: bool) {
        if Self::affected(target, also_ignoring).is_empty() {
            return;
        }
        target.transitions.set(target.transitions.get() + 1);
        while !Self::affected(target, also_ignoring).is_empty() {
            self.wait_for_target(target);
        }
        target.transitions.set(target.transitions.get() - 1);
        self.wake_target_waiters(target);
    }

    fn wait_for_target(&self, target: &Obj<IoTarget>) {
        target.waiters.borrow_mut().push(self.running_thread());
        self.wait(WaitReason::TargetIo(target.rc().handle.get()), None);
    }

    /// Lets those who wait for the target look again.
    pub(crate) fn wake_target_waiters(&self, target: &IoTarget) {
        let waiters = core::mem::take(&mut *target.waiters.borrow_mut());
        for waiter in waiters {
            self.wake(&waiter, Wake::Signaled);
        }
    }
}
