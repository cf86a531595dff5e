//! What the tests of the command share.

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

/// A folder for one test, in which the command runs.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().expect("a folder for temporary files"))
    }

    /// The command, run in this folder; its arguments are separated by blanks.
    pub(crate) fn kmdf(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kmdf"));
        command
            .current_dir(self.0.path())
            .env("NO_COLOR", "1")
            .args(arguments.split_whitespace());
        command
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

/// A multiple of no power of two before the bytes repeat, so that a piece in a wrong place is seen.
pub(crate) fn byte(place: usize) -> u8 {
    (place % 251).to_le_bytes()[0] ^ (place / 251 % 241).to_le_bytes()[0]
}

/// Exit code, standard output and standard error of a command.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

pub(crate) fn ended(command: &mut Command) -> Ended {
    let output = command.output().expect("the command can be started");
    Ended {
        code: output.status.code().expect("ended by itself"),
        out: String::from_utf8(output.stdout).expect("text"),
        err: String::from_utf8(output.stderr).expect("text"),
    }
}
