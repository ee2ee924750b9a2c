//! One user of the machine's breakpoints at a time, among processes of dr7.

use std::fs::File;
use std::io;

use nix::fcntl::{Flock, FlockArg};

/// Held while a process uses the machine's breakpoints; given back when dropped. What is locked is
/// the directory for temporary files itself, so that no file is left behind.
#[derive(Debug)]
pub struct BreakpointLock(#[expect(dead_code, reason = "held, not used")] Flock<File>);

impl BreakpointLock {
    /// Waits until no other process of dr7 uses breakpoints.
    ///
    /// # Errors
    /// If the directory cannot be opened or locked.
    pub fn take() -> io::Result<Self> {
        let directory = File::open(std::env::temp_dir())?;
        let locked = Flock::lock(directory, FlockArg::LockExclusive);
        Ok(Self(locked.map_err(|(_, errno)| io::Error::from(errno))?))
    }
}
