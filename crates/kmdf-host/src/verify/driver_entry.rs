//! `DriverEntry`: `WdfDriverCreate` once, and its status.

use kmdf_sys::{NT_SUCCESS, NTSTATUS};

use crate::fx::driver::Module;
use crate::report::ViolationKind;
use crate::system::System;

impl System {
    /// `WdfDriverCreate` returns.
    pub(crate) fn driver_created(&self, status: NTSTATUS) {
        let context = &self.scheduler.context;
        let Some(module) = self.module(context.driver.get()) else {
            return;
        };
        let callback = context.callback.get();
        if callback != "DriverEntry" {
            self.violation(
                ViolationKind::DriverCreate,
                format!("WdfDriverCreate was called in {callback}, not in DriverEntry"),
            );
        } else if module.created.get().is_some_and(NT_SUCCESS) {
            self.violation(
                ViolationKind::DriverCreate,
                "WdfDriverCreate was called a second time".to_owned(),
            );
            return;
        }
        module.created.set(Some(status));
    }

    /// `DriverEntry` has returned.
    pub(crate) fn driver_entry_returned(&self, module: &Module, status: NTSTATUS) {
        if !NT_SUCCESS(status) {
            return;
        }
        let service = module.service();
        let explanation = match module.created.get() {
            None => format!("DriverEntry of {service} succeeded without calling WdfDriverCreate"),
            Some(created) if !NT_SUCCESS(created) => format!(
                "DriverEntry of {service} succeeded although WdfDriverCreate had failed with {created:#010X}"
            ),
            Some(_) => return,
        };
        self.violation(ViolationKind::DriverCreate, explanation);
    }
}
