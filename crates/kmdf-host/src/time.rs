//! Virtual time.

use core::fmt;
use core::ops::{Add, Sub};
use core::time::Duration;

/// System time (100 ns since 1601) at tick 0: midnight of 1 January 2025, UTC.
pub(crate) const SYSTEM_TIME_AT_START: u64 = 133_801_632_000_000_000;

/// A point or a span of virtual time, in the unit of Windows: 100 nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticks(pub u64);

impl Ticks {
    /// The beginning of a run.
    pub const ZERO: Self = Self(0);

    /// `milliseconds` as ticks, saturating.
    #[must_use]
    pub const fn from_millis(milliseconds: u64) -> Self {
        Self(milliseconds.saturating_mul(10_000))
    }

    /// `duration` as ticks, rounded up, saturating.
    #[must_use]
    pub fn from_duration(duration: Duration) -> Self {
        Self(u64::try_from(duration.as_nanos().div_ceil(100)).unwrap_or(u64::MAX))
    }

    /// As a `Duration`, saturating.
    #[must_use]
    pub const fn to_duration(self) -> Duration {
        Duration::from_nanos(self.0.saturating_mul(100))
    }

    /// Whole milliseconds, rounded down.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0 / 10_000
    }

    pub(crate) const fn system_time(self) -> u64 {
        SYSTEM_TIME_AT_START.saturating_add(self.0)
    }
}

impl Add for Ticks {
    type Output = Self;

    fn add(self, span: Self) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl Sub for Ticks {
    type Output = Self;

    fn sub(self, span: Self) -> Self {
        Self(self.0.saturating_sub(span.0))
    }
}

impl fmt::Display for Ticks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:04} ms", self.0 / 10_000, self.0 % 10_000)
    }
}

/// When a WDF or kernel time-out value falls due, seen from `now`: negative values are relative, others are system time.
pub(crate) fn due(now: Ticks, timeout: i64) -> Ticks {
    if timeout < 0 {
        now + Ticks(timeout.unsigned_abs())
    } else {
        let absolute = Ticks(timeout.unsigned_abs().saturating_sub(SYSTEM_TIME_AT_START));
        absolute.max(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_and_absolute_due_times() {
        let now = Ticks(50);
        assert_eq!(due(now, -7), Ticks(57));
        assert_eq!(due(now, 1), now);
        assert_eq!(due(now, i64::MIN), Ticks(50 + (1 << 63)));
        let later = i64::try_from(SYSTEM_TIME_AT_START + 90).unwrap();
        assert_eq!(due(now, later), Ticks(90));
    }
}
