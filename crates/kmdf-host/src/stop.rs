//! Why a run stopped.

use core::fmt;

use kmdf_sys::NTSTATUS;

use crate::time::Ticks;
use crate::verify::{BugcheckKind, Place, Subject};

/// `KeBugCheckEx` code of every framework bugcheck.
pub const WDF_VIOLATION: u32 = 0x10D;

/// The system would have crashed here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bugcheck {
    /// Why, with the rule that was broken and the advice.
    pub kind: BugcheckKind,
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
    /// When it happened.
    pub time: Ticks,
    /// What was done.
    pub explanation: String,
    /// Where.
    pub place: Place,
    /// The object it is about.
    pub object: Option<Subject>,
}

impl fmt::Display for Bugcheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            code,
            p1,
            p2,
            p3,
            p4,
            ddi,
            time,
            explanation,
            place,
            object,
        } = self;
        let [p1, p2, p3, p4] = [*p1, *p2, *p3, *p4].map(Parameter);
        writeln!(
            f,
            "bugcheck 0x{code:X} ({p1}, {p2}, {p3}, {p4}) in {ddi}: {explanation}"
        )?;
        writeln!(f, "  where: at {time}, {place}")?;
        if let Some(object) = object {
            writeln!(f, "  object: {object}")?;
        }
        writeln!(f, "  rule {}: {}", kind.rule(), kind.explanation())?;
        write!(f, "  do: {}", kind.advice())
    }
}

/// A parameter of a bugcheck. An address of this process is only named so: it is another in every run.
struct Parameter(u64);

impl fmt::Display for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Numbers are small, the model's own handles lie beyond what a process can address.
        const USER_ADDRESSES: core::ops::Range<u64> = 1 << 32..1 << 47;
        if USER_ADDRESSES.contains(&self.0) {
            f.write_str("an address")
        } else {
            write!(f, "{:#x}", self.0)
        }
    }
}

/// The sort of thing that never happens in a deadlock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Awaited {
    /// A driver to complete or give back a request.
    Request,
    /// A lower driver to complete an IRP.
    LowerDriver,
    /// A stopped I/O target to be started.
    TargetStart,
    /// The requests sent to an I/O target to complete.
    TargetIo,
    /// A lock to be released.
    Lock,
    /// An event or another object of the kernel to be signaled.
    Event,
    /// A callback to return.
    Callback,
    /// Something of the system's: time, power, its turn.
    System,
}

impl fmt::Display for Awaited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Request => "a request that the driver has",
            Self::LowerDriver => "a lower driver",
            Self::TargetStart => "the start of an I/O target",
            Self::TargetIo => "requests at an I/O target",
            Self::Lock => "a lock",
            Self::Event => "an event",
            Self::Callback => "a callback",
            Self::System => "the system",
        })
    }
}

/// A logical thread that can never run again, and what it waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// The thread's name.
    pub thread: String,
    /// What it waits for.
    pub waits_for: String,
    /// The sort of it.
    pub awaited: Awaited,
}

/// Nothing can ever run again, and not everything is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deadlock {
    /// The threads that wait.
    pub threads: Vec<Blocked>,
    /// I/O of applications that was never completed, and who holds it.
    pub io: Vec<Blocked>,
}

impl Deadlock {
    /// What the first thread waits for, or, when no thread waits, the first request.
    #[must_use]
    pub fn awaited(&self) -> Option<Awaited> {
        let first = self.threads.first().or_else(|| self.io.first());
        first.map(|blocked| blocked.awaited)
    }
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
    Bugcheck(Box<Bugcheck>),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_not_printed() {
        let place = Box::new(0_u8);
        let address = core::ptr::from_ref(&*place).addr() as u64;
        let texts = [0x5, 0xA55A_0000_0200_0018, u64::MAX, address]
            .map(|value| Parameter(value).to_string());
        assert_eq!(
            texts,
            [
                "0x5",
                "0xa55a000002000018",
                "0xffffffffffffffff",
                "an address"
            ]
        );
    }
}
