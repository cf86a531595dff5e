//! The current IRQL, and the check that the framework makes only under its verifier.

use crate::ffi;
use crate::status::{Error, Result};

/// An interrupt request level.
///
/// Reference: [Managing hardware
/// priorities](https://learn.microsoft.com/windows-hardware/drivers/kernel/managing-hardware-priorities).
#[doc(alias = "KIRQL")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Irql(u8);

impl Irql {
    /// Ordinary code: may wait.
    #[doc(alias = "PASSIVE_LEVEL")]
    pub const PASSIVE: Self = Self(0);
    /// Asynchronous procedure calls are held off.
    #[doc(alias = "APC_LEVEL")]
    pub const APC: Self = Self(1);
    /// DPCs and spin locks: must not wait.
    #[doc(alias = "DISPATCH_LEVEL")]
    pub const DISPATCH: Self = Self(2);

    /// The level this processor runs at now.
    ///
    /// C:
    /// [`KeGetCurrentIrql`](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-kegetcurrentirql).
    /// Any IRQL.
    #[doc(alias = "KeGetCurrentIrql")]
    #[inline]
    #[must_use]
    pub fn current() -> Self {
        // SAFETY: KeGetCurrentIrql reads a processor register and has no precondition.
        Self(unsafe { ffi::KeGetCurrentIrql() })
    }

    /// The level as the kernel numbers it, 0 to 15 on x64.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

/// Refuses to go on above `PASSIVE_LEVEL`.
///
/// Calls that wait are fatal there, and the framework looks only while its verifier is on.
#[inline]
pub(crate) fn require_passive() -> Result {
    if Irql::current() == Irql::PASSIVE {
        Ok(())
    } else {
        Err(Error::INVALID_DEVICE_REQUEST)
    }
}
