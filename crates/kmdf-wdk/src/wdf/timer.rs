use core::ptr;

use kmdf_sys::{
    NT_SUCCESS, NTSTATUS, WDF_OBJECT_ATTRIBUTES, WDF_TIMER_CONFIG, WDFTIMER,
    call_unsafe_wdf_function_binding,
};

/// A WDFTIMER. It lives as long as its parent object.
#[derive(Debug)]
pub struct Timer {
    handle: WDFTIMER,
}

impl Timer {
    /// `WdfTimerCreate`.
    ///
    /// # Errors
    ///
    /// The status of `WdfTimerCreate`.
    pub fn try_new(
        config: &mut WDF_TIMER_CONFIG,
        attributes: &mut WDF_OBJECT_ATTRIBUTES,
    ) -> Result<Self, NTSTATUS> {
        let mut handle = ptr::null_mut();
        // SAFETY: all three are borrowed for the call; what they point to is the promise of the module.
        let status = unsafe {
            call_unsafe_wdf_function_binding!(WdfTimerCreate, config, attributes, &raw mut handle)
        };
        if NT_SUCCESS(status) {
            Ok(Self { handle })
        } else {
            Err(status)
        }
    }

    /// As [`Timer::try_new`].
    ///
    /// # Errors
    ///
    /// As [`Timer::try_new`].
    pub fn create(
        config: &mut WDF_TIMER_CONFIG,
        attributes: &mut WDF_OBJECT_ATTRIBUTES,
    ) -> Result<Self, NTSTATUS> {
        Self::try_new(config, attributes)
    }

    /// `WdfTimerStart`: whether the timer was running already.
    #[must_use]
    pub fn start(&self, due_time: i64) -> bool {
        // SAFETY: the handle came from `WdfTimerCreate`; that its object still exists is the promise of the module.
        let running =
            unsafe { call_unsafe_wdf_function_binding!(WdfTimerStart, self.handle, due_time) };
        running != 0
    }

    /// `WdfTimerStop`: whether the timer was running.
    #[must_use]
    pub fn stop(&self, wait: bool) -> bool {
        // SAFETY: the handle came from `WdfTimerCreate`; that its object still exists is the promise of the module.
        let running =
            unsafe { call_unsafe_wdf_function_binding!(WdfTimerStop, self.handle, u8::from(wait)) };
        running != 0
    }
}
