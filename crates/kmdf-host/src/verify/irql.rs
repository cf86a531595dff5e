//! IRQL: the limits of functions, checked at their entry.

use super::irql_limits::{FRAMEWORK, Group, HIGH_LEVEL, KERNEL};
use crate::report::ViolationKind;
use crate::system::{DISPATCH_LEVEL, System};

/// The limit of a function of the framework, for the entry of its DDI; not to know one is an error at compile time.
pub(crate) const fn limit(function: &str) -> u8 {
    match find(FRAMEWORK, function) {
        Some(limit) => limit,
        None => panic!("the function has no IRQL limit in verify/irql_limits.rs"),
    }
}

/// The limit of a kernel function; those that only the model itself enters have none.
fn kernel_limit(function: &str) -> u8 {
    find(KERNEL, function).unwrap_or(HIGH_LEVEL)
}

const fn find(groups: &[Group], function: &str) -> Option<u8> {
    let mut group = 0;
    while group < groups.len() {
        let functions = groups[group].functions;
        let mut place = 0;
        while place < functions.len() {
            if equal(functions[place].as_bytes(), function.as_bytes()) {
                return Some(groups[group].limit);
            }
            place += 1;
        }
        group += 1;
    }
    None
}

/// `==` on strings, which constants cannot use. Names differ most often at their ends.
const fn equal(first: &[u8], second: &[u8]) -> bool {
    if first.len() != second.len() {
        return false;
    }
    let mut place = first.len();
    while place > 0 {
        place -= 1;
        if first[place] != second[place] {
            return false;
        }
    }
    true
}

/// A level as drivers' writers call it.
pub(crate) fn level_name(irql: u8) -> String {
    match irql {
        0 => "PASSIVE_LEVEL".to_owned(),
        1 => "APC_LEVEL".to_owned(),
        2 => "DISPATCH_LEVEL".to_owned(),
        other => format!("IRQL {other}"),
    }
}

impl System {
    /// At the entry of a kernel function.
    #[inline]
    pub(crate) fn check_kernel_irql(&self, function: &'static str) {
        if self.irql() > 0 {
            let limit = kernel_limit(function);
            if self.irql() > limit {
                self.irql_too_high(limit);
            }
        }
    }

    /// A function was called above its limit. Who waits under a lock is told so.
    #[cold]
    pub(crate) fn irql_too_high(&self, limit: u8) {
        let ddi = self.ddi();
        let irql = level_name(self.irql());
        if limit < DISPATCH_LEVEL
            && super::waits(ddi)
            && let Some(lock) = self.held_spin_lock()
        {
            return self.violation_about(
                ViolationKind::WaitUnderSpinLock,
                Some(lock.subject()),
                format!("{ddi} may wait and was called while {lock} is held, so at {irql}"),
            );
        }
        let because = match self.held_spin_lock() {
            Some(lock) => format!(", since {lock} is held"),
            None => String::new(),
        };
        self.violation(
            ViolationKind::Irql,
            format!(
                "{ddi} was called at {irql}{because}; the highest allowed is {}",
                level_name(limit)
            ),
        );
    }

    /// The limit of the framework's function that is running, if it is one.
    pub(crate) fn entry_limit(&self) -> u8 {
        find(FRAMEWORK, self.ddi()).unwrap_or(HIGH_LEVEL)
    }
}
