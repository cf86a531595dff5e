use core::ptr;

use kmdf_sys::{
    NT_SUCCESS, NTSTATUS, WDF_OBJECT_ATTRIBUTES, WDFSPINLOCK, call_unsafe_wdf_function_binding,
};

/// A WDFSPINLOCK. It lives as long as its parent object.
#[derive(Debug)]
pub struct SpinLock {
    handle: WDFSPINLOCK,
}

impl SpinLock {
    /// `WdfSpinLockCreate`.
    ///
    /// # Errors
    ///
    /// The status of `WdfSpinLockCreate`.
    pub fn try_new(attributes: &mut WDF_OBJECT_ATTRIBUTES) -> Result<Self, NTSTATUS> {
        let mut handle = ptr::null_mut();
        // SAFETY: attributes and result are borrowed for the call; what they point to is the promise of the module.
        let status = unsafe {
            call_unsafe_wdf_function_binding!(WdfSpinLockCreate, attributes, &raw mut handle)
        };
        if NT_SUCCESS(status) {
            Ok(Self { handle })
        } else {
            Err(status)
        }
    }

    /// As [`SpinLock::try_new`].
    ///
    /// # Errors
    ///
    /// As [`SpinLock::try_new`].
    pub fn create(attributes: &mut WDF_OBJECT_ATTRIBUTES) -> Result<Self, NTSTATUS> {
        Self::try_new(attributes)
    }

    /// `WdfSpinLockAcquire`.
    pub fn acquire(&self) {
        // SAFETY: the handle came from `WdfSpinLockCreate`; that its object still exists is the promise of the module.
        unsafe { call_unsafe_wdf_function_binding!(WdfSpinLockAcquire, self.handle) };
    }

    /// `WdfSpinLockRelease`.
    pub fn release(&self) {
        // SAFETY: the handle came from `WdfSpinLockCreate`; that its object still exists is the promise of the module.
        unsafe { call_unsafe_wdf_function_binding!(WdfSpinLockRelease, self.handle) };
    }
}
