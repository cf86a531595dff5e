//! Time-outs, in the 100 ns ticks that the framework counts.

use core::num::NonZeroI64;
use core::time::Duration;

use crate::ffi;

const NANOSECONDS_PER_TICK: u32 = 100;
const TICKS_PER_SECOND: i64 = 10_000_000;

/// When a wait gives up: after a duration, or at a system time.
///
/// "No time-out" is the absence of a `Timeout`. The framework takes a time-out of 0 as "wait for
/// ever", so a `Timeout` is never 0.
///
/// ```
/// use core::time::Duration;
/// use kmdf::Timeout;
///
/// assert_eq!(Timeout::relative(Duration::from_millis(500)).ticks(), -5_000_000);
/// assert_eq!(Timeout::relative(Duration::from_nanos(1)).ticks(), -1); // rounds up
/// assert_eq!(Timeout::relative(Duration::ZERO).ticks(), -1);          // at once, not for ever
/// assert_eq!(Timeout::relative(Duration::MAX).ticks(), -i64::MAX);    // saturates
/// ```
///
/// # Invariants
///
/// Negative: relative, in ticks. Positive: absolute system time, in ticks since 1601-01-01 UTC.
#[doc(alias = "WDF_REL_TIMEOUT_IN_MS")]
#[doc(alias = "WDF_ABS_TIMEOUT_IN_MS")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct Timeout(NonZeroI64);

impl Timeout {
    /// Gives up after `duration`: rounded up to whole ticks, at least one, at most about 29,000
    /// years.
    #[must_use]
    pub const fn relative(duration: Duration) -> Self {
        let ticks = ticks_rounded_up(duration);
        // INVARIANT: `ticks` is 1 to i64::MAX, so its negation is negative and cannot overflow.
        match NonZeroI64::new(-ticks) {
            Some(value) => Self(value),
            None => Self(NonZeroI64::MIN),
        }
    }

    /// Gives up when the system clock reaches `time`. A change of the system clock moves it.
    #[must_use]
    pub const fn absolute(time: SystemTime) -> Self {
        Self(time.0)
    }

    /// The value as `WDF_REQUEST_SEND_OPTIONS.Timeout` has it.
    #[must_use]
    pub const fn ticks(self) -> i64 {
        self.0.get()
    }
}

/// 1 to `i64::MAX`.
const fn ticks_rounded_up(duration: Duration) -> i64 {
    let seconds = duration.as_secs();
    // At most 10,000,000: nanoseconds of a second, in ticks.
    let rest = duration.subsec_nanos().div_ceil(NANOSECONDS_PER_TICK);
    let whole = match 0_i64.checked_add_unsigned(seconds) {
        Some(seconds) => seconds.saturating_mul(TICKS_PER_SECOND),
        None => i64::MAX,
    };
    let ticks = whole.saturating_add_unsigned(rest as u64);
    if ticks < 1 { 1 } else { ticks }
}

/// A point in system time: 100 ns ticks since 1601-01-01 UTC.
///
/// # Invariants
///
/// Positive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct SystemTime(NonZeroI64);

impl SystemTime {
    /// The system clock.
    ///
    /// C:
    /// [`KeQuerySystemTimePrecise`](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-kequerysystemtimeprecise).
    /// Any IRQL.
    #[doc(alias = "KeQuerySystemTimePrecise")]
    #[must_use]
    pub fn now() -> Self {
        let mut time = ffi::LARGE_INTEGER::default();
        // SAFETY: `time` is valid for the one write that the function makes.
        unsafe { ffi::KeQuerySystemTimePrecise(&raw mut time) };
        // SAFETY: all views of LARGE_INTEGER are plain integers of 64 bits, any of which is valid.
        let ticks = unsafe { time.QuadPart };
        // The clock is never before 1601; were it, the earliest time is the nearest answer.
        Self::from_ticks(ticks.max(1)).unwrap_or(Self(NonZeroI64::MAX))
    }

    /// The time that many ticks after 1601-01-01 UTC; `None` unless positive.
    #[must_use]
    pub const fn from_ticks(ticks: i64) -> Option<Self> {
        match NonZeroI64::new(ticks) {
            Some(value) if value.is_positive() => Some(Self(value)),
            _ => None,
        }
    }

    /// Ticks since 1601-01-01 UTC.
    #[must_use]
    pub const fn ticks(self) -> i64 {
        self.0.get()
    }

    /// Later by `duration`, rounded up to whole ticks; saturates.
    #[must_use]
    pub const fn saturating_add(self, duration: Duration) -> Self {
        // INVARIANT: both are positive, so the saturated sum is.
        match NonZeroI64::new(self.0.get().saturating_add(ticks_rounded_up(duration))) {
            Some(value) => Self(value),
            None => self,
        }
    }
}
