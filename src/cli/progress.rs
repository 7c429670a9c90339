//! A progress bar of long work, on standard error and only if that is a terminal.
//!
//! Knows nothing of what is being done.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

const TEMPLATE: &str = "{msg} [{bar:30}] {human_pos}/{human_len} {elapsed} (left: {eta})";
/// Redraws a second at most; more is flicker.
const REDRAWS_PER_SECOND: u8 = 5;

/// How far long work has come.
#[derive(Debug)]
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// A bar for so many steps of something.
    pub(crate) fn new(total: u64, what: &'static str) -> Self {
        // Draws nothing if standard error is no terminal.
        let bar = ProgressBar::with_draw_target(
            Some(total),
            ProgressDrawTarget::stderr_with_hz(REDRAWS_PER_SECOND),
        );
        let style = ProgressStyle::with_template(TEMPLATE);
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
        bar.set_message(what);
        Self(bar)
    }

    /// For work of which nobody knows how long it takes.
    pub(crate) fn hidden() -> Self {
        Self(ProgressBar::hidden())
    }

    /// So many steps are done.
    pub(crate) fn set(&self, done: u64) {
        self.0.set_position(done);
    }

    /// One more step is done.
    pub(crate) fn step(&self) {
        self.0.inc(1);
    }

    /// Prints something without the bar in its way.
    pub(crate) fn aside<T>(&self, print: impl FnOnce() -> T) -> T {
        self.0.suspend(print)
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        self.0.finish_and_clear();
    }
}

impl Drop for Progress {
    /// Also when the work failed: what is printed then starts on an empty line.
    fn drop(&mut self) {
        self.finish();
    }
}
