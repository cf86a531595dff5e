//! What must not go on when the code of a driver is gone.

use super::ViolationKind;
use crate::fx::driver::DriverNumber;
use crate::system::System;

impl System {
    /// `EvtDriverUnload` has returned: no thread and no timer of the driver's may be left.
    pub(crate) fn check_unloaded(&self, driver: DriverNumber) {
        for origin in self.kernel.threads_of(driver) {
            self.violation(
                ViolationKind::ThreadRunning,
                format!(
                    "a system thread made by {origin} is still running when its driver is unloaded"
                ),
            );
        }
        for origin in self.kernel.timers_of(driver) {
            self.violation(
                ViolationKind::TimerRunning,
                format!("a kernel timer set by {origin} is still set when its driver is unloaded"),
            );
        }
    }
}
