//! A progress bar on standard error, where that is a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How far a run has got, in instructions.
#[derive(Debug, Default)]
pub struct Progress {
    bar: Option<ProgressBar>,
    line_open: bool,
}

/// Times a second that the bar is drawn.
const DRAWS_A_SECOND: u8 = 5;

/// A run shorter than this shows no bar.
const SHORT_RUN: Duration = Duration::from_millis(500);

impl Progress {
    /// Shows nothing.
    #[must_use]
    pub fn hidden() -> Self {
        Self::default()
    }

    /// A bar towards `total_insns`, or a count where that is not known.
    #[must_use]
    pub fn on_terminal(total_insns: Option<u64>) -> Self {
        let target = ProgressDrawTarget::stderr_with_hz(DRAWS_A_SECOND);
        let bar = ProgressBar::with_draw_target(total_insns, target);
        let template = match total_insns {
            Some(_) => "{bar:40} {percent:>3}% {human_pos} of {human_len} instructions, {eta} left",
            None => "{spinner} {human_pos} instructions in {elapsed}, {per_sec}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self { bar: Some(bar), line_open: false }
    }

    /// A bar towards so many runs, each of another seed.
    #[must_use]
    pub fn of_seeds(total: u64) -> Self {
        let target = ProgressDrawTarget::stderr_with_hz(DRAWS_A_SECOND);
        let bar = ProgressBar::with_draw_target(Some(total), target);
        let template = "{bar:40} {percent:>3}% {human_pos} of {human_len} seeds, {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self { bar: Some(bar), line_open: false }
    }

    /// So many instructions (or seeds) have retired.
    pub fn reach(&self, position: u64) {
        // A bar drawn behind half a line of the guest's output would spoil it.
        if let Some(bar) = self.bar.as_ref().filter(|_| !self.line_open)
            && bar.elapsed() > SHORT_RUN
        {
            bar.set_position(position);
        }
    }

    /// Takes the bar away while something is written that ends with these bytes.
    pub fn around<T>(&mut self, bytes: &[u8], write: impl FnOnce() -> T) -> T {
        if let Some(last) = bytes.last() {
            self.line_open = *last != b'\n';
        }
        match &self.bar {
            None => write(),
            Some(bar) => bar.suspend(write),
        }
    }

    /// Takes the bar away for good.
    pub fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}
