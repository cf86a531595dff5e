//! Why a run stopped.

use core::fmt;

use kmdf_sys::NTSTATUS;

/// `KeBugCheckEx` code of every framework bugcheck.
pub const WDF_VIOLATION: u32 = 0x10D;

/// The system would have crashed here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bugcheck {
    /// Bugcheck code; [`WDF_VIOLATION`] for those of the framework.
    pub code: u32,
    /// First parameter; for [`WDF_VIOLATION`] the `WDF_BUGCHECK_CODES` value.
    pub p1: u64,
    /// Second parameter.
    pub p2: u64,
    /// Third parameter.
    pub p3: u64,
    /// Fourth parameter.
    pub p4: u64,
    /// The function in which it happened.
    pub ddi: &'static str,
    /// What was wrong, for a driver writer.
    pub explanation: String,
}

impl fmt::Display for Bugcheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "bugcheck 0x{:X} ({:#x}, {:#x}, {:#x}, {:#x}) in {}: {}",
            self.code, self.p1, self.p2, self.p3, self.p4, self.ddi, self.explanation
        )
    }
}

/// A logical thread that can never run again, and what it waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// The thread's name.
    pub thread: String,
    /// What it waits for.
    pub waits_for: String,
}

/// Nothing can ever run again, and not everything is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deadlock {
    /// The threads that wait.
    pub threads: Vec<Blocked>,
    /// I/O of applications that was never completed, and who holds it.
    pub io: Vec<Blocked>,
}

impl fmt::Display for Deadlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing can run any more")?;
        for blocked in &self.threads {
            write!(
                f,
                "; thread {} waits for {}",
                blocked.thread, blocked.waits_for
            )?;
        }
        for blocked in &self.io {
            write!(f, "; {} is held by {}", blocked.thread, blocked.waits_for)?;
        }
        Ok(())
    }
}

/// Why a call on [`Host`](crate::Host) did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// The system crashed; the host only reports from now on.
    #[error("{0}")]
    Bugcheck(Bugcheck),
    /// A driver called a function that the model does not have; the host only reports from now on.
    #[error("{ddi} is not modelled")]
    NotModelled {
        /// The function.
        ddi: &'static str,
    },
    /// The model itself panicked, which is a mistake in the model; the host only reports from now on.
    #[error("the model panicked in {ddi}")]
    Panic {
        /// The function.
        ddi: &'static str,
    },
    /// Nothing can run any more before the call is done. The host can still be used: a cancel may help.
    #[error("deadlock: {0}")]
    Deadlock(Deadlock),
    /// A driver or the framework failed a step with this status.
    #[error("{what} failed with status {status:#010X}")]
    Status {
        /// The step.
        what: String,
        /// Its status.
        status: NTSTATUS,
    },
}
