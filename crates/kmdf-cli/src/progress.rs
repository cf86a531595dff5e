//! How far a long run is.

use std::io;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A run that is over sooner shows nothing.
const LONG: Duration = Duration::from_millis(500);

/// A bar on standard error, if that is a terminal and standard output is not about to fill it.
pub(crate) struct Progress {
    bar: ProgressBar,
    began: Instant,
    wanted: bool,
}

impl Progress {
    /// Of `size` bytes.
    pub(crate) fn bytes(size: u64) -> Self {
        Self::new(
            size,
            "{bar:40} {binary_bytes} of {binary_total_bytes}, {binary_bytes_per_sec}, {eta} left",
        )
    }

    /// Of so many runs of a scenario.
    pub(crate) fn runs(runs: u64) -> Self {
        Self::new(
            runs,
            "{bar:40} {human_pos} of {human_len} runs, {per_sec}, {eta} left",
        )
    }

    fn new(total: u64, template: &str) -> Self {
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::hidden());
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

    /// There is that much to do, as is known now.
    pub(crate) fn set_total(&self, total: u64) {
        self.bar.set_length(total);
    }

    pub(crate) fn advance(&mut self, done: u64) {
        self.bar.inc(done);
        if self.wanted && self.began.elapsed() > LONG {
            self.wanted = false;
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
