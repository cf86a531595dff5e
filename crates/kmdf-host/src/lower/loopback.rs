//! A device that gives back what was written to it.

use std::collections::VecDeque;

use kmdf_sys::{STATUS_INVALID_DEVICE_REQUEST, STATUS_SUCCESS};

use super::{Disposition, LowerDevice, LowerIrp, Outcome};
use crate::system::irp::{IRP_MJ_READ, IRP_MJ_WRITE};

/// A byte queue: writes append, reads take from the front, as many bytes as there are.
#[derive(Clone, Debug, Default)]
pub struct Loopback {
    bytes: VecDeque<u8>,
    writes: Vec<usize>,
}

impl Loopback {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes written and not yet read.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.bytes.iter().copied().collect()
    }

    /// The lengths of the writes in order.
    #[must_use]
    pub fn writes(&self) -> &[usize] {
        &self.writes
    }
}

impl LowerDevice for Loopback {
    fn dispatch(&mut self, irp: &mut LowerIrp<'_>) -> Disposition {
        match irp.major() {
            IRP_MJ_WRITE => {
                let data = irp.input();
                self.bytes.extend(data);
                self.writes.push(data.len());
                Disposition::Complete(Outcome::new(STATUS_SUCCESS, data.len() as u64))
            }
            IRP_MJ_READ => {
                let area = irp.output();
                let mut count = 0u64;
                for slot in area {
                    let Some(byte) = self.bytes.pop_front() else {
                        break;
                    };
                    *slot = byte;
                    count += 1;
                }
                Disposition::Complete(Outcome::new(STATUS_SUCCESS, count))
            }
            _ => Disposition::Complete(Outcome::new(STATUS_INVALID_DEVICE_REQUEST, 0)),
        }
    }
}
