//! What the verifier remembers of a run.

use core::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use kmdf_sys::NTSTATUS;

use crate::fx::driver::DriverNumber;
use crate::report::{Subject, ViolationKind};
use crate::system::System;

/// A DDI that failed.
#[derive(Clone, Copy)]
pub(crate) struct Failure {
    pub(crate) ddi: &'static str,
    pub(crate) status: NTSTATUS,
    driver: DriverNumber,
}

/// What the verifier remembers of a run.
pub(crate) struct State {
    /// Rules that judge by what could happen are told once for each callback and call.
    advised: RefCell<BTreeSet<(ViolationKind, &'static str, &'static str)>>,
    /// The DDI that gives out an object and failed last.
    failed: Cell<Option<Failure>>,
    /// The object that was asked last for a context that it has not, and by whom.
    pub(super) missing_context: Cell<Option<(Subject, DriverNumber)>>,
}

impl State {
    pub(crate) const fn new() -> Self {
        Self {
            advised: RefCell::new(BTreeSet::new()),
            failed: Cell::new(None),
            missing_context: Cell::new(None),
        }
    }
}

impl System {
    /// A finding that judges by what could happen: told once for each callback and call, and only when asked for.
    pub(super) fn advise(&self, kind: ViolationKind, explanation: impl FnOnce() -> String) {
        if !self.config.compliance {
            return;
        }
        let callback = self.scheduler.context.callback.get();
        let key = (kind, callback, self.ddi());
        if self.verify.advised.borrow_mut().insert(key) {
            self.violation(kind, explanation());
        }
    }

    /// A DDI of the framework's failed.
    #[cold]
    pub(crate) fn ddi_failed(&self, ddi: &'static str, status: NTSTATUS) {
        // Only what gives out objects or memory leaves an unset handle behind.
        if ["Create", "Retrieve", "Open", "Alloc", "SelectConfig"]
            .iter()
            .any(|part| ddi.contains(part))
        {
            let driver = self.scheduler.context.driver.get();
            self.verify.failed.set(Some(Failure {
                ddi,
                status,
                driver,
            }));
        }
    }

    /// The failure of the running driver's that may have left a NULL handle or pointer behind.
    pub(crate) fn ignored_failure(&self) -> Option<Failure> {
        let failure = self.verify.failed.get()?;
        (failure.driver == self.scheduler.context.driver.get()).then_some(failure)
    }

    /// NULL was used: if a call failed before whose result that may be, says so.
    pub(crate) fn blame_ignored_status(&self) {
        if let Some(Failure { ddi, status, .. }) = self.ignored_failure() {
            self.violation(
                ViolationKind::IgnoredStatus,
                format!(
                    "{} was given NULL after {ddi} had failed with {status:#010X}",
                    self.ddi()
                ),
            );
        }
    }
}
