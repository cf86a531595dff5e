//! What a callback must leave as it found it.

use super::irql::level_name;
use crate::report::{BugcheckKind, ViolationKind};
use crate::system::fail::code;
use crate::system::{APC_LEVEL, System};

/// Callbacks that the enhanced verifier does not wrap although their names begin as those it wraps.
const NOT_WRAPPED: [&str; 3] = [
    "EvtIoInCallerContext",
    "EvtIoQueueState",
    "EvtDeviceContextCleanup",
];

/// What is compared before and after a callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Before {
    irql: u8,
    regions: u32,
    locks: usize,
}

impl System {
    /// The state in which a callback is called.
    #[inline]
    pub(crate) fn before_callback(&self) -> Before {
        let context = &self.scheduler.context;
        Before {
            irql: context.irql.get(),
            regions: context.critical_regions.get(),
            locks: context.locks.get(),
        }
    }

    /// Compares it with that in which the callback returned.
    #[inline]
    pub(crate) fn after_callback(&self, callback: &'static str, before: Before) {
        let now = self.before_callback();
        if now.irql != before.irql || now.regions != before.regions || now.locks > before.locks {
            self.unbalanced_callback(callback, before, now);
        }
    }

    #[cold]
    fn unbalanced_callback(&self, callback: &'static str, before: Before, now: Before) {
        let mut spins = false;
        for lock in self.locks_since(before.locks) {
            spins |= lock.spins;
            self.violation_about(
                ViolationKind::LockHeld,
                Some(lock.subject()),
                format!("{callback} returned and still holds {lock}"),
            );
        }
        let enhanced = self.config.enhanced_verifier && is_wrapped(callback);
        if now.irql != before.irql {
            let explanation = format!(
                "{callback} was called at {} and returned at {}",
                level_name(before.irql),
                level_name(now.irql)
            );
            // One finding for one mistake: a spin lock that is still held has raised the IRQL.
            if !spins {
                self.violation(ViolationKind::CallbackIrql, explanation.clone());
            }
            if enhanced {
                self.bugcheck(
                    BugcheckKind::CallbackIrql,
                    code::VERIFIER_IRQL_MISMATCH,
                    u64::from(before.irql),
                    u64::from(now.irql),
                    explanation,
                );
            }
            self.scheduler.context.irql.set(before.irql);
        }
        if now.regions != before.regions {
            let explanation = format!(
                "{callback} was called in {} critical regions and returned in {}",
                before.regions, now.regions
            );
            self.violation(ViolationKind::CriticalRegion, explanation.clone());
            // The framework looks only whether APCs are disabled, and only where it may ask.
            let seen = (now.regions > 0) != (before.regions > 0) && now.irql <= APC_LEVEL;
            if enhanced && seen {
                // Its second parameter is the address of the callback, which is not the same in every run.
                self.bugcheck(
                    BugcheckKind::CriticalRegion,
                    code::VERIFIER_CRITICAL_REGION_MISMATCH,
                    0,
                    0,
                    explanation,
                );
            }
            self.scheduler.context.critical_regions.set(before.regions);
        }
    }
}

/// Whether the framework's enhanced verifier wraps a callback: those of PnP and power, and those of queues.
fn is_wrapped(callback: &str) -> bool {
    (callback.starts_with("EvtDevice") || callback.starts_with("EvtIo"))
        && !NOT_WRAPPED.contains(&callback)
        && !callback.starts_with("EvtIoTarget")
}

#[cfg(test)]
mod tests {
    use super::is_wrapped;

    #[test]
    fn completion_cancel_and_timers_are_not_wrapped() {
        for wrapped in ["EvtIoWrite", "EvtIoStop", "EvtDeviceD0Entry"] {
            assert!(is_wrapped(wrapped));
        }
        for not in [
            "EvtRequestCompletionRoutine",
            "EvtRequestCancel",
            "EvtTimerFunc",
            "EvtIoInCallerContext",
            "EvtIoTargetQueryRemove",
            "EvtDriverDeviceAdd",
        ] {
            assert!(!is_wrapped(not));
        }
    }
}
