//! How far a long run is.

use std::io;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A run that is over sooner shows nothing.
const LONG: Duration = Duration::from_millis(500);

/// A bar on standard error, if that is a terminal and standard output is not about to fill it.
pub(super) struct Progress {
    bar: ProgressBar,
    began: Instant,
    wanted: bool,
}

impl Progress {
    /// Of `size` bytes.
    pub(super) fn new(size: u64) -> Self {
        let bar = ProgressBar::with_draw_target(Some(size), ProgressDrawTarget::hidden());
        let template =
            "{bar:40} {binary_bytes} of {binary_total_bytes}, {binary_bytes_per_sec}, {eta} left";
        // A template that cannot be read leaves the default.
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self {
            bar,
            began: Instant::now(),
            wanted: io::stderr().is_terminal(),
        }
    }

    pub(super) fn advance(&mut self, bytes: u64) {
        self.bar.inc(bytes);
        if self.wanted && self.began.elapsed() > LONG {
            self.wanted = false;
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
