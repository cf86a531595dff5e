//! Rules about objects: what is used after removal, timers that run, and contexts that are not there.

use crate::fx::object::{Life, Object};
use crate::fx::timer::Timer;
use crate::report::ViolationKind;
use crate::system::System;

impl System {
    /// An object is set to work; it must not have been disposed of with its device.
    #[inline]
    pub(crate) fn check_removed(&self, object: &Object) {
        if object.life.get() >= Life::Disposing {
            self.used_after_removal(object);
        }
    }

    /// An object was set to work although it, or what it belongs to, is being deleted or is gone.
    #[cold]
    pub(crate) fn used_after_removal(&self, object: &Object) {
        self.misuse(
            ViolationKind::UseAfterRemoval,
            object,
            "the object was disposed of, by itself or with what it belongs to",
        );
    }

    /// A timer is disposed of: with its parent only when it has been stopped.
    pub(crate) fn check_stopped(&self, object: &Object, timer: &Timer) {
        if !object.delete_called.get() && Self::is_armed(timer) {
            self.violation_on(
                ViolationKind::TimerRunning,
                object,
                "a timer was still set when what it belongs to was deleted".to_owned(),
            );
        }
    }

    /// A context was asked for that the object has not: NULL is the answer, and no mistake until it is used.
    #[cold]
    pub(crate) fn context_missing(&self, object: &Object) {
        let driver = self.scheduler.context.driver.get();
        self.verify
            .missing_context
            .set(Some((object.subject(), driver)));
    }

    /// NULL was used: if the driver was given it for a context that was not there, says so.
    pub(crate) fn blame_wrong_context(&self) {
        if let Some((object, driver)) = self.verify.missing_context.get()
            && driver == self.scheduler.context.driver.get()
        {
            self.violation_about(
                ViolationKind::WrongContext,
                Some(object),
                format!(
                    "a {} was asked for a context that it has not, and the NULL that was the answer was used",
                    object.class
                ),
            );
        }
    }
}
