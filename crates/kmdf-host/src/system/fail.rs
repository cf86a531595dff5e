//! Bugchecks, violations and everything else that ends or blames.

use super::System;
use super::wait::WaitReason;
use crate::fx::object::Object;
use crate::report::{BugcheckKind, Place, Subject, Violation, ViolationKind};
use crate::stop::{Bugcheck, Stop, WDF_VIOLATION};
use crate::trace::Event;

/// `WDF_BUGCHECK_CODES`.
pub(crate) mod code {
    pub(crate) const VERIFIER_FATAL_ERROR: u64 = 3;
    pub(crate) const REQUIRED_PARAMETER_IS_NULL: u64 = 4;
    pub(crate) const INVALID_HANDLE: u64 = 5;
    pub(crate) const REQUEST_FATAL_ERROR: u64 = 6;
    pub(crate) const OBJECT_ERROR: u64 = 7;
    pub(crate) const QUEUE_FATAL_ERROR: u64 = 0xA;
    pub(crate) const INVALID_LOCK_OPERATION: u64 = 0xB;
    pub(crate) const VERIFIER_IRQL_MISMATCH: u64 = 0xE;
    pub(crate) const VERIFIER_CRITICAL_REGION_MISMATCH: u64 = 0xF;
}

/// Second parameter of a bugcheck with `REQUEST_FATAL_ERROR`.
pub(crate) mod request_error {
    pub(crate) const NO_MORE_STACK_LOCATIONS: u64 = 1;
    pub(crate) const NULL_IRP: u64 = 2;
    pub(crate) const ALREADY_SENT: u64 = 3;
    pub(crate) const INFORMATION_LENGTH_MISMATCH: u64 = 4;
}

impl System {
    /// Ends the run as the framework's `KeBugCheckEx(WDF_VIOLATION, ...)` does.
    #[cold]
    pub(crate) fn bugcheck(
        &self,
        kind: BugcheckKind,
        p1: u64,
        p2: u64,
        p3: u64,
        explanation: String,
    ) -> ! {
        let p4 = crate::table::globals_address();
        self.crash(kind, WDF_VIOLATION, [p1, p2, p3, p4], explanation, None)
    }

    /// As [`System::bugcheck`], about an object.
    #[cold]
    pub(crate) fn bugcheck_on(
        &self,
        kind: BugcheckKind,
        [p1, p2, p3]: [u64; 3],
        object: Option<Subject>,
        explanation: String,
    ) -> ! {
        let p4 = crate::table::globals_address();
        self.crash(kind, WDF_VIOLATION, [p1, p2, p3, p4], explanation, object)
    }

    /// Ends the run as the operating system would.
    #[cold]
    pub(crate) fn bugcheck_os(
        &self,
        kind: BugcheckKind,
        code: u32,
        parameters: [u64; 4],
        explanation: String,
    ) -> ! {
        self.crash(kind, code, parameters, explanation, None)
    }

    /// Ends the run with a crash.
    #[cold]
    pub(crate) fn crash(
        &self,
        kind: BugcheckKind,
        code: u32,
        [p1, p2, p3, p4]: [u64; 4],
        explanation: String,
        object: Option<Subject>,
    ) -> ! {
        self.trace(|| Event::Bugcheck { code, p1 });
        self.stop_for_ever(Stop::Bugcheck(Box::new(Bugcheck {
            kind,
            code,
            p1,
            p2,
            p3,
            p4,
            ddi: self.ddi(),
            time: self.now(),
            explanation,
            place: self.place(),
            object,
        })))
    }

    /// Where the running logical thread is.
    pub(crate) fn place(&self) -> Place {
        let context = &self.scheduler.context;
        let callback = context.callback.get();
        let module = self.module(context.driver.get());
        let thread = self.scheduler.current();
        Place {
            driver: module.map(|module| module.service().to_owned()),
            callback: (!callback.is_empty()).then_some(callback),
            thread: thread.map(|thread| thread.name.borrow().to_string()),
            irql: self.irql(),
        }
    }

    #[cold]
    pub(crate) fn not_modelled(&self, ddi: &'static str) -> ! {
        self.stop_for_ever(Stop::NotModelled { ddi })
    }

    pub(crate) fn stop_for_ever(&self, stop: Stop) -> ! {
        // A bugcheck has an event of its own.
        if !matches!(stop, Stop::Bugcheck(_)) {
            self.trace(|| Event::Stopped {
                reason: stop.to_string(),
            });
        }
        let mut reason = self.stop.borrow_mut();
        if reason.is_none() {
            *reason = Some(stop);
        }
        drop(reason);
        self.stopped.set(true);
        self.halt()
    }

    pub(crate) fn stop_reason(&self) -> Stop {
        self.stop
            .borrow()
            .clone()
            .expect("the host was stopped for a reason")
    }

    #[cold]
    pub(crate) fn wait_at_dispatch(&self, reason: WaitReason) -> ! {
        let ddi = self.ddi();
        let (kind, object, explanation) = match self.held_spin_lock() {
            Some(lock) => (
                BugcheckKind::WaitUnderSpinLock,
                Some(lock.subject()),
                format!("{ddi} must wait for {reason} while {lock} is held"),
            ),
            None => (
                BugcheckKind::WaitAtDispatch,
                None,
                format!(
                    "{ddi} must wait for {reason}, but the processor is at DISPATCH_LEVEL, where no other thread can be \
                     switched to: a completion routine, a DPC, a callback under a spin lock of its queue or device, or a \
                     raised IRQL"
                ),
            ),
        };
        self.crash(kind, 0xB8, [0; 4], explanation, object)
    }

    /// Records a finding that does not end the run.
    #[cold]
    pub(crate) fn violation(&self, kind: ViolationKind, explanation: String) {
        self.violation_about(kind, None, explanation);
    }

    /// Records a finding about an object.
    #[cold]
    pub(crate) fn violation_on(&self, kind: ViolationKind, object: &Object, explanation: String) {
        self.violation_about(kind, Some(object.subject()), explanation);
    }

    /// Records a finding about something that may be no object of the framework's.
    #[cold]
    pub(crate) fn violation_about(
        &self,
        kind: ViolationKind,
        object: Option<Subject>,
        explanation: String,
    ) {
        self.add_violation(Violation {
            kind,
            time: self.now(),
            ddi: self.ddi(),
            explanation,
            place: self.place(),
            object,
        });
    }

    /// Every finding goes into the report and the trace here.
    pub(crate) fn add_violation(&self, violation: Violation) {
        self.trace(|| Event::Violation {
            kind: violation.kind,
            explanation: violation.explanation.clone(),
        });
        self.violations.borrow_mut().push(violation);
    }

    /// A misuse at which the framework breaks into the debugger when its verifier is on; a finding in any case.
    #[cold]
    pub(crate) fn misuse(&self, kind: ViolationKind, object: &Object, reason: &'static str) {
        self.count_break(reason);
        self.violation_on(kind, object, format!("{}: {reason}", self.ddi()));
    }

    /// As [`System::misuse`], where no object is involved.
    #[cold]
    pub(crate) fn misuse_of_call(&self, kind: ViolationKind, reason: &'static str) {
        self.count_break(reason);
        self.violation(kind, format!("{}: {reason}", self.ddi()));
    }

    fn count_break(&self, reason: &'static str) {
        if self.verifier() {
            self.counters.breaks.set(self.counters.breaks.get() + 1);
            self.trace(|| Event::DebugBreak { reason });
        }
    }

    /// The framework's debug break: with the verifier on the debugger stops here; never changes what follows.
    pub(crate) fn debug_break(&self, reason: &'static str) {
        if self.verifier() {
            self.count_break(reason);
            self.violation(ViolationKind::DebugBreak, reason.to_owned());
        }
    }

    /// The framework's IRQL check: only its verifier looks. `false` means the DDI is refused.
    pub(crate) fn irql_at_most(&self, max: u8) -> bool {
        if self.irql() <= max {
            return true;
        }
        // What no call may do was found at the entry already.
        if self.irql() <= self.entry_limit() {
            self.irql_too_high(max);
        }
        if !self.verifier() {
            return true;
        }
        self.debug_break("the DDI was called at too high an IRQL");
        false
    }
}
