//! The files that a run reads and writes.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crc32fast::Hasher;

use super::scenario::{Outcome, Scenario};
use crate::args::Driver;

/// A file that cannot be used, and what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    #[error("cannot read the input {}: {error}; give a readable file with --input", path.display())]
    Input { path: PathBuf, error: io::Error },
    #[error("the input {} is a folder; give a file with --input", path.display())]
    InputFolder { path: PathBuf },
    #[error("cannot write the output {}: {error}; give another with --output", path.display())]
    Output { path: PathBuf, error: io::Error },
    #[error("the output {} is no ordinary file; give one with --output", path.display())]
    NoFile { path: PathBuf },
    #[error("{} is the input, and would be made anew; give another with --output", path.display())]
    Same { path: PathBuf },
}

/// The input, open, and the output, empty.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) input: File,
    /// Length of the input, as far as it is known beforehand.
    pub(super) size: u64,
    pub(super) name: PathBuf,
    pub(super) output: PathBuf,
}

impl Files {
    /// Opens `input` and makes `output` anew, which is `input` with `.img` appended unless given.
    /// Nothing is touched when one of them cannot be used.
    pub(super) fn open(input: PathBuf, output: Option<PathBuf>) -> Result<Self, FileError> {
        let unreadable = |error| FileError::Input {
            path: input.clone(),
            error,
        };
        let file = File::open(&input).map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        if metadata.is_dir() {
            return Err(FileError::InputFolder { path: input });
        }
        let output = output.unwrap_or_else(|| beside(&input));
        let unwritable = |error| FileError::Output {
            path: output.clone(),
            error,
        };
        match fs::metadata(&output) {
            Ok(existing) if !existing.is_file() => return Err(FileError::NoFile { path: output }),
            Ok(_) if same_file::is_same_file(&input, &output).map_err(unwritable)? => {
                return Err(FileError::Same { path: output });
            }
            // What is not there is made.
            Ok(_) | Err(_) => {}
        }
        File::create(&output).map_err(unwritable)?;
        Ok(Self {
            input: file,
            size: metadata.len(),
            name: input,
            output,
        })
    }

    /// Reads back what was written: whether the bytes of which the application was told that they
    /// were written are there, and, if nothing failed, no others.
    pub(super) fn compare(
        &self,
        scenario: &Scenario,
        outcome: &Outcome,
    ) -> Result<bool, FileError> {
        let begin = match scenario.driver {
            // What is not written to does not become longer.
            Driver::WriteFilter if outcome.arrived == 0 => 0,
            Driver::WriteFilter => scenario.offset,
            // The packets' data from the first on.
            Driver::UsbBulk => 0,
        };
        let read = || {
            let mut file = File::open(&self.output)?;
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(begin))?;
            let there = checksum(file.take(outcome.arrived))?;
            let may_be_longer = outcome.failed.is_some() || outcome.stop.is_some();
            Ok(there == (outcome.arrived, outcome.checksum)
                && (may_be_longer || length == begin + outcome.arrived))
        };
        read().map_err(|error| FileError::Output {
            path: self.output.clone(),
            error,
        })
    }
}

fn beside(input: &Path) -> PathBuf {
    let mut name = OsString::from(input);
    name.push(".img");
    name.into()
}

/// Length and CRC-32 of what can be read.
fn checksum(mut from: impl Read) -> io::Result<(u64, u32)> {
    let mut hasher = Hasher::new();
    let mut length = 0;
    let mut buffer = vec![0; 64 << 10];
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) => return Ok((length, hasher.finalize())),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hasher.update(buffer.get(..count).unwrap_or(&buffer));
        length += count as u64;
    }
}
