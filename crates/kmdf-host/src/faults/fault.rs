//! Faults and their names.

use core::fmt;
use core::str::FromStr;

use kmdf_sys::{NTSTATUS, STATUS_INSUFFICIENT_RESOURCES, STATUS_IO_DEVICE_ERROR};

use super::Allocation;
use crate::nt_status::Status;

/// What a lower device makes of a request when it goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum LowerFault {
    /// Ends it at once with this status, having done nothing.
    Status(NTSTATUS),
    /// Succeeds, but says that it moved half of what was asked.
    Short,
    /// Succeeds, but says that it moved nothing.
    Empty,
    /// Says that it moved more than was asked.
    Excess,
    /// Takes longer than anybody waits; a cancel ends the request at once.
    Late,
    /// Takes longer than anybody waits, and hears no cancel.
    Deaf,
    /// Does nothing until the request is cancelled.
    Never,
    /// Does nothing until the request is cancelled, and ends it long after that.
    SlowCancel,
    /// Is pulled out: this request and all that it holds fail, as do all later ones.
    Gone,
}

/// The names of those that carry no status.
const LOWER: [(LowerFault, &str); 8] = [
    (LowerFault::Short, "short"),
    (LowerFault::Empty, "empty"),
    (LowerFault::Excess, "excess"),
    (LowerFault::Late, "late"),
    (LowerFault::Deaf, "deaf"),
    (LowerFault::Never, "never"),
    (LowerFault::SlowCancel, "slow-cancel"),
    (LowerFault::Gone, "gone"),
];

impl LowerFault {
    /// All that carry no status.
    pub fn all() -> impl Iterator<Item = Self> {
        LOWER.iter().map(|&(fault, _)| fault)
    }
}

impl fmt::Display for LowerFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write_status(*status, f),
            _ => {
                let name = LOWER.iter().find(|(fault, _)| fault == self);
                f.pad(name.map_or("", |&(_, name)| name))
            }
        }
    }
}

fn write_status(status: NTSTATUS, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match Status(status).name() {
        Some(name) => f.pad(name),
        None => write!(f, "{status:#010X}"),
    }
}

impl FromStr for LowerFault {
    type Err = UnknownFault;

    fn from_str(text: &str) -> Result<Self, UnknownFault> {
        if let Some(&(fault, _)) = LOWER.iter().find(|(_, name)| *name == text) {
            return Ok(fault);
        }
        status(text).map(Self::Status)
    }
}

fn status(text: &str) -> Result<NTSTATUS, UnknownFault> {
    let Status(status) = text.parse().map_err(|_| UnknownFault::new(text))?;
    Ok(status)
}

/// One thing that fails, by its number in the run; 1 is the first of its sort.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum FaultPoint {
    /// An allocation: `irp#3`.
    Allocation(Allocation, u64),
    /// A request to a lower device: `lower#2=STATUS_IO_DEVICE_ERROR`, `lower#2=late`.
    Lower(u64, LowerFault),
    /// A PnP request that a lower device fails: `pnp#1=STATUS_INSUFFICIENT_RESOURCES`. Those that it may fail are counted:
    /// `IRP_MN_START_DEVICE`, `IRP_MN_QUERY_STOP_DEVICE` and `IRP_MN_QUERY_REMOVE_DEVICE`.
    Pnp(u64, NTSTATUS),
}

impl FaultPoint {
    /// Its sort.
    #[must_use]
    pub const fn kind(&self) -> FaultKind {
        match *self {
            Self::Allocation(kind, _) => FaultKind::Allocation(kind),
            Self::Lower(_, fault) => FaultKind::Lower(fault),
            Self::Pnp(..) => FaultKind::Pnp,
        }
    }
}

impl fmt::Display for FaultPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allocation(kind, number) => write!(f, "{kind}#{number}"),
            Self::Lower(number, fault) => write!(f, "lower#{number}={fault}"),
            Self::Pnp(number, status) => {
                write!(f, "pnp#{number}=")?;
                write_status(*status, f)
            }
        }
    }
}

impl FromStr for FaultPoint {
    type Err = UnknownFault;

    fn from_str(text: &str) -> Result<Self, UnknownFault> {
        let unknown = || UnknownFault::new(text);
        let (sort, rest) = text.split_once('#').ok_or_else(unknown)?;
        let (number, how) = match rest.split_once('=') {
            Some((number, how)) => (number, Some(how)),
            None => (rest, None),
        };
        let number: u64 = number.parse().map_err(|_| unknown())?;
        if number == 0 {
            return Err(unknown());
        }
        match (sort, how) {
            ("lower", how) => {
                let fault = how.map_or(Ok(LowerFault::Status(STATUS_IO_DEVICE_ERROR)), str::parse);
                Ok(Self::Lower(number, fault.map_err(|_| unknown())?))
            }
            ("pnp", how) => {
                let status = how.map_or(Ok(STATUS_INSUFFICIENT_RESOURCES), status);
                Ok(Self::Pnp(number, status.map_err(|_| unknown())?))
            }
            (sort, None) => {
                let kind = sort.parse().map_err(|_| unknown())?;
                Ok(Self::Allocation(kind, number))
            }
            (_, Some(_)) => Err(unknown()),
        }
    }
}

/// A sort of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum FaultKind {
    /// An allocation fails.
    Allocation(Allocation),
    /// A lower device fails a PnP request.
    Pnp,
    /// A request to a lower device goes wrong.
    Lower(LowerFault),
    /// Several at once.
    Several,
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allocation(kind) => kind.fmt(f),
            Self::Pnp => f.pad("pnp"),
            Self::Lower(fault) => f.pad(&format!("lower={fault}")),
            Self::Several => f.pad("several"),
        }
    }
}

/// What fails in a run: one thing, or several. Its text names it for a later run.
///
/// ```
/// use kmdf_host::{Allocation, Fault, FaultPoint};
///
/// let fault: Fault = "mdl#1+lower#4=late".parse()?;
/// assert_eq!(fault.points()[0], FaultPoint::Allocation(Allocation::Mdl, 1));
/// assert_eq!(fault.to_string(), "mdl#1+lower#4=late");
/// # Ok::<(), kmdf_host::UnknownFault>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fault {
    points: Vec<FaultPoint>,
}

impl Fault {
    /// These fail, each by its own number.
    #[must_use]
    pub fn new(points: &[FaultPoint]) -> Self {
        let mut points = points.to_vec();
        points.sort_unstable();
        points.dedup();
        Self { points }
    }

    /// What fails.
    #[must_use]
    pub fn points(&self) -> &[FaultPoint] {
        &self.points
    }

    /// Its sort.
    #[must_use]
    pub fn kind(&self) -> FaultKind {
        match self.points.as_slice() {
            [point] => point.kind(),
            _ => FaultKind::Several,
        }
    }
}

impl From<FaultPoint> for Fault {
    fn from(point: FaultPoint) -> Self {
        Self {
            points: vec![point],
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, point) in self.points.iter().enumerate() {
            let separator = if place == 0 { "" } else { "+" };
            write!(f, "{separator}{point}")?;
        }
        Ok(())
    }
}

impl FromStr for Fault {
    type Err = UnknownFault;

    fn from_str(text: &str) -> Result<Self, UnknownFault> {
        let points: Result<Vec<FaultPoint>, _> = text.split('+').map(str::parse).collect();
        Ok(Self::new(&points?))
    }
}

/// The text names no fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no fault: give a sort and a number such as irp#3, lower#2=STATUS_IO_DEVICE_ERROR, lower#2=late \
     or pnp#1, several joined by +"
)]
pub struct UnknownFault(String);

impl UnknownFault {
    pub(super) fn new(text: &str) -> Self {
        Self(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_printed() {
        for text in [
            "irp#3",
            "lower#2=STATUS_IO_DEVICE_ERROR",
            "lower#7=0xC000FFFF",
            "lower#2=slow-cancel",
            "pnp#1=STATUS_INSUFFICIENT_RESOURCES",
            "mdl#1+lower#4=gone",
        ] {
            let fault: Fault = text.parse().unwrap();
            assert_eq!(fault.to_string(), text);
        }
        for (short, long) in [
            ("lower#4", "lower#4=STATUS_IO_DEVICE_ERROR"),
            ("pnp#2", "pnp#2=STATUS_INSUFFICIENT_RESOURCES"),
            (
                "lower#4+irp#1+irp#1",
                "irp#1+lower#4=STATUS_IO_DEVICE_ERROR",
            ),
        ] {
            let fault: Fault = short.parse().unwrap();
            assert_eq!(fault.to_string(), long);
        }
        for (fault, _) in LOWER {
            assert_eq!(fault.to_string().parse(), Ok(fault));
        }
    }

    #[test]
    fn what_is_no_fault_is_said() {
        for text in [
            "",
            "irp",
            "irp#",
            "irp#0",
            "irp#-1",
            "irp#1=late",
            "lower#1=",
            "lower#1=later",
            "+",
            "irp#1+",
            "x#1",
        ] {
            let error = text.parse::<Fault>().unwrap_err();
            assert!(error.to_string().contains("is no fault"), "{text}");
        }
    }
}
