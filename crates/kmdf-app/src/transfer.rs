//! Writes everything that a reader has, and checks the counts.

use std::fmt;
use std::io::{self, Read};
use std::num::NonZeroUsize;

use crate::{Device, Mode, Write};

/// How to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Most bytes in one write.
    pub block: NonZeroUsize,
    /// Overlapped writes under way at the same time; `None` is one plain write after the other.
    pub overlapped: Option<NonZeroUsize>,
    /// Where on the device the first byte goes.
    pub offset: u64,
    /// One write of no bytes at the end. On a bulk pipe it is a zero-length packet, which ends a
    /// transfer.
    pub zero_at_end: bool,
}

impl Options {
    /// How a device has to be opened for this.
    #[must_use]
    pub const fn mode(&self) -> Mode {
        match self.overlapped {
            None => Mode::Plain,
            Some(_) => Mode::Overlapped,
        }
    }
}

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Writes of which every byte was taken, up to the first of which that is not so.
    pub writes: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl fmt::Display for Summary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} bytes in {} writes", self.bytes, self.writes)
    }
}

/// Why not everything was written, and what was.
#[derive(Debug, thiserror::Error)]
#[error("{error}; before that {done}")]
pub struct Failed<E: std::error::Error + 'static> {
    /// What went wrong first.
    #[source]
    pub error: TransferError<E>,
    /// What was written before.
    pub done: Summary,
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransferError<E: std::error::Error + 'static> {
    /// The input could not be read.
    #[error("reading the input: {0}")]
    Input(#[source] io::Error),
    /// The input goes beyond the last offset there is.
    #[error("the input is too long: there is no offset beyond {}", i64::MAX)]
    TooLong,
    /// The device or the system refused a write.
    #[error("write {number} ({length} bytes at offset {offset}): {source}")]
    Refused {
        /// 1 is the first.
        number: u64,
        /// Where it began.
        offset: u64,
        /// How long it was.
        length: usize,
        /// Why.
        source: E,
    },
    /// The device reports success and another count than was written.
    #[error("write {number} ({length} bytes at offset {offset}): succeeded with {taken} bytes")]
    Count {
        /// 1 is the first.
        number: u64,
        /// Where it began.
        offset: u64,
        /// How long it was.
        length: usize,
        /// What the device says it took.
        taken: usize,
    },
}

/// Blocks of the input, with their places.
struct Blocks<'r> {
    input: &'r mut dyn Read,
    block: NonZeroUsize,
    next: u64,
}

/// Why there is no next block.
enum End {
    Input(io::Error),
    TooLong,
}

impl Blocks<'_> {
    /// The next block: full, if it is not the last. `None` at the end.
    fn next(&mut self) -> Result<Option<(u64, Vec<u8>)>, End> {
        let mut data = Vec::new();
        let most = u64::try_from(self.block.get()).unwrap_or(u64::MAX);
        Read::take(&mut *self.input, most)
            .read_to_end(&mut data)
            .map_err(End::Input)?;
        if data.is_empty() {
            return Ok(None);
        }
        let offset = self.next;
        let end = u64::try_from(data.len())
            .ok()
            .and_then(|length| offset.checked_add(length))
            .filter(|end| i64::try_from(*end).is_ok());
        self.next = end.ok_or(End::TooLong)?;
        Ok(Some((offset, data)))
    }
}

/// Writes the input to the end, or to the first write that is not taken as a whole. Where writes
/// overlap, those that were under way with that one may have been taken all the same.
///
/// # Errors
///
/// [`Failed`].
pub fn write_all<D: Device>(
    device: &mut D,
    input: &mut dyn Read,
    options: &Options,
) -> Result<Summary, Failed<D::Error>> {
    let mut done = Summary::default();
    let mut blocks = Blocks {
        input,
        block: options.block,
        next: options.offset,
    };
    match run(device, &mut blocks, options, &mut done) {
        Ok(()) => Ok(done),
        Err(error) => Err(Failed { error, done }),
    }
}

fn run<D: Device>(
    device: &mut D,
    blocks: &mut Blocks<'_>,
    options: &Options,
    done: &mut Summary,
) -> Result<(), TransferError<D::Error>> {
    let at_once = options.overlapped.map_or(1, NonZeroUsize::get);
    let mut ended = false;
    while !ended {
        let mut batch = Vec::with_capacity(at_once);
        while batch.len() < at_once && !ended {
            match blocks.next() {
                Ok(Some(block)) => batch.push(block),
                Ok(None) => ended = true,
                // What was read before is still written.
                Err(error) if batch.is_empty() => {
                    return Err(match error {
                        End::Input(error) => TransferError::Input(error),
                        End::TooLong => TransferError::TooLong,
                    });
                }
                Err(_) => break,
            }
        }
        send(device, &batch, options, done)?;
    }
    if options.zero_at_end {
        send(device, &[(blocks.next, Vec::new())], options, done)?;
    }
    Ok(())
}

fn send<D: Device>(
    device: &mut D,
    batch: &[(u64, Vec<u8>)],
    options: &Options,
    done: &mut Summary,
) -> Result<(), TransferError<D::Error>> {
    let writes: Vec<Write<'_>> = batch
        .iter()
        .map(|&(offset, ref data)| Write { offset, data })
        .collect();
    let results = match options.mode() {
        Mode::Plain => writes.iter().map(|&write| device.write_at(write)).collect(),
        Mode::Overlapped => device.write_overlapped(&writes),
    };
    for (write, result) in writes.iter().zip(results) {
        let (number, offset, length) = (done.writes + 1, write.offset, write.data.len());
        match result {
            Ok(taken) if taken == length => {
                done.writes += 1;
                done.bytes += u64::try_from(length).unwrap_or(u64::MAX);
            }
            Ok(taken) => {
                return Err(TransferError::Count {
                    number,
                    offset,
                    length,
                    taken,
                });
            }
            Err(source) => {
                return Err(TransferError::Refused {
                    number,
                    offset,
                    length,
                    source,
                });
            }
        }
    }
    Ok(())
}
