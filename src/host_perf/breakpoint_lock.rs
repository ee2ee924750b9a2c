//! One user of the machine's breakpoints at a time, among processes of dr7.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;

use nix::fcntl::{Flock, FlockArg};

/// Name in the directory for temporary files.
const NAME: &str = "dr7-breakpoints.lock";

/// Held while a process uses the machine's breakpoints; given back when dropped.
#[derive(Debug)]
pub struct BreakpointLock(#[expect(dead_code, reason = "held, not used")] Flock<File>);

impl BreakpointLock {
    /// Waits until no other process of dr7 uses breakpoints.
    ///
    /// # Errors
    /// If the lock file cannot be made or locked.
    pub fn take() -> io::Result<Self> {
        let path = std::env::temp_dir().join(NAME);
        let made =
            OpenOptions::new().write(true).create(true).truncate(false).mode(0o666).open(&path);
        // Somebody else's file can be locked too.
        let file = made.or_else(|_| File::open(&path))?;
        let locked = Flock::lock(file, FlockArg::LockExclusive);
        Ok(Self(locked.map_err(|(_, errno)| io::Error::from(errno))?))
    }
}
