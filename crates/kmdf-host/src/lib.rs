//! A model of KMDF 1.33 in one process: the framework, the I/O manager and the scheduler that a driver sees, behind the
//! very function table that the driver calls on Windows.
//!
//! A [`Host`] is a machine. Drivers are loaded into it by their `DriverEntry`, put on top of lower devices with
//! [`Host::plug`], and used like an application would: [`Host::write`], [`Host::read`], [`Host::ioctl`]. Every run is
//! deterministic: logical threads run one at a time in an order drawn from the seed, and time is virtual. What a real
//! machine would answer with a bugcheck ends the run with a typed [`Stop`]; everything else that a driver did wrong is in
//! the [`Report`] that [`Host::finish`] returns.
//!
//! ```
//! use kmdf_host::{Disk, Host, HostConfig, LowerConfig};
//!
//! # fn main() -> Result<(), kmdf_host::Stop> {
//! let host = Host::new(HostConfig::new().seed(7));
//! let disk = host.add_lower(Disk::in_memory(), LowerConfig::new("disk"));
//! // Drivers that `Host::load` returned go between the brackets, from the bottom to the top.
//! let stack = host.plug(disk, &[])?;
//! let file = host.open(stack)?;
//! let result = host.write(file, 512, b"hello")?;
//! assert_eq!((result.status, result.information), (0, 5));
//! host.close(file)?;
//! assert_eq!(host.with_lower(disk, |disk: &mut Disk| disk.len()), 517);
//! let report = host.finish();
//! assert!(report.is_clean(), "{report}");
//! # Ok(())
//! # }
//! ```
//!
//! One run shows one order of events. [`Host::explore`] runs a scenario in many: which thread runs, which event comes first,
//! where another processor gets ahead, and what scenarios and lower devices leave open ([`Host::choose`],
//! [`LowerIrp::choose`]) are all choices, made by seed, by changing priorities, or exhaustively up to a bound; and every run
//! has a [`Schedule`] that makes the same choices again. Applications that block, and PnP while they do, are threads of the
//! machine: [`Host::thread`].
//!
//! Linking this crate defines the symbols that `kmdf-sys` declares: the function table and the kernel functions. Several
//! hosts may exist at once, each used by the operating-system thread that made it.

#![allow(
    non_upper_case_globals,
    reason = "the symbols that drivers link against have the names of C"
)]

mod config;
mod explore;
mod faults;
mod fx;
mod host;
mod lower;
mod nt_status;
pub mod ntddk;
mod report;
mod status;
mod stop;
mod system;
mod table;
mod time;
mod trace;
mod usb;
mod verify;

pub use config::{ClientVersion, Deviation, HostConfig, Policy};
pub use explore::{
    Exploration, Explore, ExploreFailure, ExploreProgress, Failure, Schedule, ScheduleRun,
    Strategy, UnknownSchedule,
};
pub use faults::{
    Allocation, Fault, FaultKind, FaultPoint, FaultRun, KindCount, LowerFault, Problem, Sweep,
    SweepFailure, SweepProgress, SweepReport, UnknownFault,
};
pub use fx::driver::DriverEntry;
pub use fx::pnp_irp::PnpIrp;
pub use host::{
    BoundTable, DriverId, FileId, Host, HostThread, IoId, IrpSpec, MdlState, Mode, ObjectState,
    RequestPlace, StackId,
};
pub use lower::{
    CancelDisposition, ControlAnswer, Delayed, Disk, Disposition, FailNth, Loopback, LowerConfig,
    LowerDevice, LowerId, LowerIrp, Malformation, OnCancel, Outcome, Reply, Scripted, Seen, Setup,
    UsbCounters, UsbDescriptors, UsbDevice, UsbEndpoint, UsbFault, UsbInterface,
};
pub use nt_status::{Status, UnknownStatus};
pub use report::{BugcheckKind, Origin, Place, Report, Subject, Totals, Violation, ViolationKind};
pub use stop::{Awaited, Blocked, Bugcheck, Deadlock, Stop, WDF_VIOLATION};
pub use system::choice::{Choice, ChoiceKind};
pub use system::device::IoType;
pub use system::io::IoResult;
pub use system::mdl::Access;
pub use time::Ticks;
pub use trace::{Actor, Event, IrpId, Record, ThreadId, TimerChange, Trace, Value};
pub use usb::ConfiguredPipe;

// Handles and the layouts of 64-bit Windows need addresses of 64 bits.
const _: () = assert!(usize::BITS == 64);
