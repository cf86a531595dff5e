//! What a logical thread waits for, and how its wait ends.

use core::fmt;

use crate::stop::Awaited;
use crate::trace::IrpId;

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wake {
    Signaled,
    Timeout,
}

/// What a thread waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitReason {
    Nothing,
    Irp(IrpId),
    PendedRequest(usize),
    Sleep,
    Event(usize),
    /// Any of so many dispatcher objects, or all.
    Objects(usize),
    Lock(usize),
    QueueIdle(usize),
    TargetIo(usize),
    Callback(usize),
    SystemWake,
    Preempted,
    Io(u64),
    FileIo(usize),
    FilesClosed(usize),
    PnpTurn(usize),
}

impl WaitReason {
    pub(super) const fn sort(self) -> Awaited {
        match self {
            Self::QueueIdle(_) | Self::Io(_) | Self::FileIo(_) => Awaited::Request,
            Self::Irp(_) => Awaited::LowerDriver,
            Self::PendedRequest(_) => Awaited::TargetStart,
            Self::TargetIo(_) => Awaited::TargetIo,
            Self::Lock(_) => Awaited::Lock,
            Self::Event(_) | Self::Objects(_) => Awaited::Event,
            Self::Callback(_) => Awaited::Callback,
            Self::Nothing
            | Self::Sleep
            | Self::SystemWake
            | Self::Preempted
            | Self::FilesClosed(_)
            | Self::PnpTurn(_) => Awaited::System,
        }
    }
}

impl fmt::Display for WaitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing"),
            Self::Irp(irp) => write!(f, "the lower driver to complete IRP {}", irp.0),
            Self::PendedRequest(request) => {
                write!(
                    f,
                    "a stopped I/O target to be started (request {request:#x} is held by it)"
                )
            }
            Self::Sleep => f.write_str("time to pass"),
            Self::Objects(1) => f.write_str("a semaphore, mutex, timer or thread of the kernel"),
            Self::Objects(count) => write!(f, "{count} objects of the kernel"),
            // Its address differs from run to run.
            Self::Event(_) => f.write_str("an event to be set"),
            Self::Lock(lock) => write!(f, "the lock of object {lock:#x}"),
            Self::QueueIdle(queue) => write!(
                f,
                "the driver to give back the requests of queue {queue:#x}"
            ),
            Self::SystemWake => f.write_str("the system to come back from sleep"),
            Self::TargetIo(target) => {
                write!(f, "requests sent to I/O target {target:#x} to complete")
            }
            Self::Callback(object) => {
                write!(f, "a running callback of object {object:#x} to return")
            }
            Self::Preempted => f.write_str("its turn"),
            Self::Io(io) => write!(f, "I/O {io} to complete"),
            Self::FileIo(file) => write!(f, "the I/O on file {file} to complete"),
            Self::FilesClosed(stack) => {
                write!(f, "the files on stack {stack} to be closed")
            }
            Self::PnpTurn(stack) => {
                write!(f, "what PnP or power is doing to stack {stack} to end")
            }
        }
    }
}
