//! Calling into drivers.

use super::driver::DriverNumber;
use crate::system::System;
use crate::trace::{Actor, Event, Traced, returned_value};
use crate::verify::stack::here;

impl System {
    /// Runs `call`, which calls a driver's function, with everything around it that the framework does.
    pub(crate) fn callback<R: Traced + 'static>(
        &self,
        driver: DriverNumber,
        callback: &'static str,
        object: usize,
        call: impl FnOnce() -> R,
    ) -> R {
        let context = &self.scheduler.context;
        let caller = context.driver.replace(driver);
        let ddi = context.ddi.replace(callback);
        let outer = context.callback.replace(callback);
        self.preemption_point();
        let outer_object = context.object.replace(object);
        let before = self.before_callback();
        self.trace(|| Event::CallbackEnter {
            driver: self.actor(driver),
            callback,
            object: object as u64,
        });
        let result = call();
        self.check_stack_buffers(here());
        self.trace(|| Event::CallbackLeave {
            driver: self.actor(driver),
            callback,
            result: returned_value(&result),
        });
        self.after_callback(callback, before);
        context.ddi.set(ddi);
        context.callback.set(outer);
        context.object.set(outer_object);
        context.driver.set(caller);
        result
    }

    pub(crate) fn actor(&self, driver: DriverNumber) -> Actor {
        self.module(driver).map_or_else(
            || self.actors.framework.clone(),
            |module| module.actor.clone(),
        )
    }
}
