//! Where a command writes: the host's standard output and error, or a test's buffers.

use std::io::{self, Write};

/// Standard output and standard error.
pub struct Streams<'io> {
    /// Standard output.
    pub out: &'io mut dyn Write,
    /// Standard error.
    pub err: &'io mut dyn Write,
    /// Whether a progress bar may be drawn on standard error.
    pub err_is_terminal: bool,
}

impl std::fmt::Debug for Streams<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Streams")
            .field("err_is_terminal", &self.err_is_terminal)
            .finish_non_exhaustive()
    }
}

impl Streams<'_> {
    /// Passes on one write of the guest, at once.
    ///
    /// # Errors
    /// If the host's stream cannot be written.
    pub fn pass(&mut self, fd: u8, bytes: &[u8]) -> io::Result<()> {
        let to = if fd == 2 { &mut *self.err } else { &mut *self.out };
        to.write_all(bytes)?;
        to.flush()
    }

    /// Says something on standard error.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn say(&mut self, text: &str) -> io::Result<()> {
        self.err.write_all(text.as_bytes())?;
        self.err.flush()
    }
}
