//! Standard output and standard error.

use std::io::{self, BufWriter, ErrorKind, IsTerminal, Write};

/// Exit code: a write failed, or something was found.
pub(crate) const FAILED: u8 = 1;
/// Exit code: arguments or files that cannot be used.
pub(crate) const UNUSABLE: u8 = 2;

/// Width of what is printed where there is no terminal, as of most terminals at least.
const WIDTH: usize = 120;

/// Columns of the terminal that standard output goes to.
pub(crate) fn width() -> usize {
    terminal_size::terminal_size_of(io::stdout()).map_or(WIDTH, |(width, _)| usize::from(width.0))
}

/// Says what is wrong. Whether anybody reads it does not matter to the command.
pub(crate) fn complain(message: &str) {
    let _nobody_listens = writeln!(io::stderr(), "error: {message}");
}

/// Standard output, or standard error, of which the reader may go away at any time: then the rest
/// is not written, and the run goes on to its end, since it is more than its output.
pub(crate) struct Output {
    to: BufWriter<Box<dyn Write>>,
    gone: bool,
}

impl Output {
    pub(crate) fn stdout() -> Self {
        Self::new(Box::new(io::stdout()))
    }

    pub(crate) fn stderr() -> Self {
        Self::new(Box::new(io::stderr()))
    }

    fn new(to: Box<dyn Write>) -> Self {
        Self {
            to: BufWriter::new(to),
            gone: false,
        }
    }

    /// Whether standard output shows colours.
    pub(crate) fn has_colour() -> bool {
        io::stdout().is_terminal()
            && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
    }

    fn unless_gone<R>(
        &mut self,
        otherwise: R,
        act: impl FnOnce(&mut dyn Write) -> io::Result<R>,
    ) -> io::Result<R> {
        if self.gone {
            return Ok(otherwise);
        }
        match act(&mut self.to) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.gone = true;
                Ok(otherwise)
            }
            Err(error) => Err(io::Error::new(
                error.kind(),
                format!("the output cannot be written: {error}"),
            )),
            done => done,
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.unless_gone(bytes.len(), |to| to.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.unless_gone((), |to| to.flush())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes some bytes, then fails.
    struct Closing(ErrorKind);

    impl Write for Closing {
        fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_may_go_away() {
        let mut output = Output::new(Box::new(Closing(ErrorKind::BrokenPipe)));
        for _ in 0..2 {
            assert!(writeln!(output, "nobody reads this").is_ok());
            assert!(output.flush().is_ok());
        }
    }

    #[test]
    fn other_errors_are_not_hidden() {
        let mut output = Output::new(Box::new(Closing(ErrorKind::StorageFull)));
        assert!(writeln!(output, "no room").is_ok());
        assert_eq!(output.flush().unwrap_err().kind(), ErrorKind::StorageFull);
    }
}
