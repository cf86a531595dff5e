//! What was written, and whether it is where it belongs.

use kmdf_host::IoResult;

use super::Flaw;
use crate::status::Status;

/// Longest write.
pub(super) const LONGEST: usize = 24;
/// Room of a write on a disk.
const ROOM: u64 = 32;

/// A write: every byte of it occurs in no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Write {
    number: u8,
    length: usize,
}

impl Write {
    /// Most writes in one run.
    pub(super) const MOST: u8 = 10;

    /// The `number`-th write of a run, the first being 0.
    pub(super) const fn new(number: u8, length: usize) -> Self {
        assert!(number < Self::MOST && length <= LONGEST);
        Self { number, length }
    }

    pub(super) fn offset(self) -> u64 {
        u64::from(self.number) * ROOM
    }

    /// Its data. No byte is 0, which is what a disk holds where nothing was written.
    pub(super) fn data(self) -> Vec<u8> {
        let first = 1 + self.number * 24;
        (first..).take(self.length).collect()
    }

    /// Whether what the application was told agrees with itself, of a device that takes all or fails.
    pub(super) fn check_result(self, result: IoResult) -> Result<(), Flaw> {
        let status = Status(result.status);
        if status.is_success() && result.information < self.length as u64 {
            return Err(self.told(result));
        }
        self.check_count(result)
    }

    /// Whether the application was told of no more bytes than it gave. A device may take fewer.
    pub(super) fn check_count(self, result: IoResult) -> Result<(), Flaw> {
        if result.information > self.length as u64 {
            return Err(self.told(result));
        }
        Ok(())
    }

    fn told(self, result: IoResult) -> Flaw {
        Flaw::Wrong(format!(
            "{self}: the application was told {} with {} bytes written",
            Status(result.status),
            result.information
        ))
    }

    /// Whether the bytes that the application was told were written are on a disk, and nothing else is in their place.
    pub(super) fn check_disk(self, told: u64, disk: &[u8]) -> Result<(), Flaw> {
        let at = usize::try_from(self.offset()).unwrap_or(usize::MAX);
        let there = disk.get(at..).unwrap_or_default();
        for (index, &byte) in self.data().iter().enumerate() {
            let found = there.get(index).copied().unwrap_or(0);
            if found != byte && (found != 0 || (index as u64) < told) {
                return Err(Flaw::Wrong(format!(
                    "{self}: byte {index} on the disk is {found}, not {byte}; the application was told that {told} were \
                     written"
                )));
            }
        }
        Ok(())
    }

    /// Whether the bytes that the application was told were written came out of an endpoint, in order.
    pub(super) fn check_stream(self, told: u64, stream: &[u8]) -> Result<(), Flaw> {
        let data = self.data();
        let count = usize::try_from(told).unwrap_or(usize::MAX).min(data.len());
        let wanted = &data[..count];
        let arrived = stream.windows(count.max(1)).any(|part| part == wanted);
        if count > 0 && !arrived {
            return Err(Flaw::Wrong(format!(
                "{self}: the application was told that {told} were written, but they did not arrive: {stream:?}"
            )));
        }
        Ok(())
    }
}

impl std::fmt::Display for Write {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "write {} of {} bytes", self.number + 1, self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_of_a_run_is_another() {
        let mut all: Vec<u8> = (0..Write::MOST)
            .flat_map(|number| Write::new(number, LONGEST).data())
            .collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!((all.len(), all[0]), (count, 1));
    }

    #[test]
    fn what_did_not_arrive_is_found() {
        let write = Write::new(1, 3);
        let result = |status, information| IoResult {
            status,
            information,
        };
        assert!(write.check_result(result(0, 3)).is_ok());
        assert!(write.check_result(result(0, 2)).is_err());
        let timeout = kmdf_sys::STATUS_IO_TIMEOUT;
        assert!(write.check_result(result(timeout, 2)).is_ok());
        assert!(write.check_result(result(timeout, 4)).is_err());

        let mut disk = vec![0; 32];
        assert!(write.check_disk(0, &disk).is_ok());
        assert!(write.check_disk(1, &disk).is_err());
        disk.extend(write.data());
        assert!(write.check_disk(3, &disk).is_ok());
        disk[33] = 7;
        assert!(write.check_disk(0, &disk).is_err());

        assert!(write.check_stream(0, &[]).is_ok());
        assert!(write.check_stream(2, &[25]).is_err());
        assert!(write.check_stream(2, &[1, 25, 26]).is_ok());
    }
}
