//! A finding and where it was made.

use core::fmt;

use super::ViolationKind;
use super::irql::level_name;
use crate::report::Origin;
use crate::time::Ticks;

/// Where something was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The driver that was running, by its service name.
    pub driver: Option<String>,
    /// The innermost callback of the driver that was running.
    pub callback: Option<&'static str>,
    /// The logical thread.
    pub thread: Option<String>,
    /// Its IRQL.
    pub irql: u8,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(driver) = &self.driver {
            write!(f, "driver {driver}, ")?;
        }
        if let Some(callback) = self.callback {
            write!(f, "callback {callback}, ")?;
        }
        if let Some(thread) = &self.thread {
            write!(f, "thread \"{thread}\", ")?;
        }
        f.write_str(&level_name(self.irql))
    }
}

/// The object that a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The C name of its handle type; what it is, for things without a handle.
    pub class: &'static str,
    /// Its handle; 0 for what has none.
    pub handle: u64,
    /// Where it was created.
    pub origin: Origin,
    /// Where it ended, if it no longer exists.
    pub ended: Option<Origin>,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.class)?;
        if self.handle != 0 {
            write!(f, " {:#x}", self.handle)?;
        }
        write!(f, ", created by {}", self.origin)?;
        if let Some(ended) = self.ended {
            write!(f, ", gone since {ended}")?;
        }
        Ok(())
    }
}

/// A finding: what was done, where, what the rule is, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Its sort, with the rule and the advice.
    pub kind: ViolationKind,
    /// When it was found.
    pub time: Ticks,
    /// The DDI or event in which it was found.
    pub ddi: &'static str,
    /// What was done.
    pub explanation: String,
    /// Where.
    pub place: Place,
    /// The object it is about.
    pub object: Option<Subject>,
}

impl Violation {
    /// A finding at the end of a run, or of a tool on top of the model: nowhere in particular.
    #[must_use]
    pub fn new(
        kind: ViolationKind,
        time: Ticks,
        ddi: &'static str,
        explanation: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            time,
            ddi,
            explanation: explanation.into(),
            place: Place::default(),
            object: None,
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            time,
            ddi,
            explanation,
            place,
            object,
        } = self;
        writeln!(f, "{kind}: {explanation}")?;
        writeln!(f, "  where: {ddi} at {time}, {place}")?;
        if let Some(object) = object {
            writeln!(f, "  object: {object}")?;
        }
        writeln!(f, "  rule {}: {}", kind.rule(), kind.explanation())?;
        write!(f, "  do: {}", kind.advice())
    }
}
