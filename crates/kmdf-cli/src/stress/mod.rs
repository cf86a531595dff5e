//! What a driver is put through: everything an application, a device, PnP and power can do to it.

mod device;
mod medium;
mod race;
mod steady;

use kmdf_host::{Failure, Host, Stop};

use crate::args::Driver;
use crate::status::Status;

pub(crate) use race::race;
pub(crate) use steady::steady;

/// The driver's parameter `MaximumPiece` in these scenarios: small, so that a write of a few bytes is of several pieces.
const PIECE: u32 = 8;
/// The driver's parameter `TimeoutMs`.
const TIMEOUT_MS: u32 = 4;

/// What is wrong with a run, besides what the model itself finds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Flaw {
    /// The run ended before its time.
    #[error(transparent)]
    Stopped(#[from] Stop),
    /// Something is not as the driver promises.
    #[error("{0}")]
    Wrong(String),
    /// A write ended with a status for which nothing in the run was the reason. All else is right.
    #[error("{0}")]
    NoReason(String),
}

impl From<Flaw> for Failure {
    fn from(flaw: Flaw) -> Self {
        match flaw {
            Flaw::Stopped(stop) => Self::Stopped(stop),
            Flaw::Wrong(what) | Flaw::NoReason(what) => Self::Wrong(what),
        }
    }
}

fn set_parameters(driver: Driver, host: &Host) {
    host.set_parameter(driver.service(), "MaximumPiece", PIECE);
    host.set_parameter(driver.service(), "TimeoutMs", TIMEOUT_MS);
}

/// The status of a step that a driver or the framework failed, which is no flaw; or what ended the run.
fn failed(stop: Stop) -> Result<Status, Flaw> {
    match stop {
        Stop::Status { status, .. } => Ok(Status(status)),
        stop => Err(stop.into()),
    }
}
