//! The one door through which anything non-deterministic enters the guest.
//!
//! Everything that the guest can observe and that is not a function of its own
//! work comes through [`Inputs`]. A recorder wraps one and logs each answer; a
//! replayer gives the logged answers back in order.

use perf_core::Errno;

use crate::random::SplitMix;

/// A directory or file of the host that the guest may see: which mount, and the path below it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostPlace {
    /// Number of the mount, in the order of the command line.
    pub mount: u32,
    /// Path below it, without a slash in front; empty for the mounted directory or file itself.
    pub path: Vec<u8>,
}

impl HostPlace {
    /// A name in this directory.
    #[must_use]
    pub fn join(&self, name: &[u8]) -> Self {
        let mut path = self.path.clone();
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend(name);
        Self { mount: self.mount, path }
    }
}

/// What a name of the host stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostKind {
    /// A file with contents.
    Regular,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A FIFO.
    Fifo,
    /// A socket.
    Socket,
    /// A block device.
    Block,
    /// A character device.
    Character,
}

/// A name of the host, as the guest is shown it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostEntry {
    /// The name in its directory.
    pub name: Vec<u8>,
    /// What it stands for.
    pub kind: HostKind,
    /// Rights, with the set-id and sticky bits.
    pub permissions: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Bytes of a regular file, or of a directory as `stat` tells them.
    pub nr_bytes: u64,
    /// Time of the last change, ns since 1970.
    pub modified_ns: u64,
    /// Target of a link.
    pub target: Vec<u8>,
}

/// A request through the door that could not be answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// A replay has no answer left, or the next one answers another question.
    #[error("input {position}: the guest asked for {asked}, the recording has {recorded}")]
    Diverged {
        /// Index of the input, from 0.
        position: u64,
        /// What the guest asked for.
        asked: &'static str,
        /// What the recording holds there.
        recorded: &'static str,
    },
    /// The host's standard input failed.
    #[error("standard input: {0}")]
    Host(std::io::ErrorKind),
}

/// The sources of everything that is not a function of the guest's own work.
pub trait Inputs {
    /// Up to `max` bytes of the guest's standard input; empty at its end.
    fn stdin(&mut self, max: usize) -> Result<Vec<u8>, InputError>;

    /// Fills `out` with random bytes (AT_RANDOM, getrandom, RDRAND).
    fn random(&mut self, out: &mut [u8]) -> Result<(), InputError>;

    /// Nanoseconds since 1970 at the moment of boot.
    fn boot_realtime_ns(&mut self) -> Result<u64, InputError>;

    /// What a place of the host is; its name is of no meaning. An errno where the host refuses.
    fn host_entry(&mut self, place: &HostPlace) -> Result<Result<HostEntry, Errno>, InputError>;

    /// What a directory of the host holds, by name in ascending order, without `.` and `..`.
    fn host_directory(
        &mut self,
        place: &HostPlace,
    ) -> Result<Result<Vec<HostEntry>, Errno>, InputError>;

    /// Up to `max` bytes of a file of the host at an offset; fewer only at its end.
    fn host_read(
        &mut self,
        place: &HostPlace,
        offset: u64,
        max: usize,
    ) -> Result<Result<Vec<u8>, Errno>, InputError>;
}

/// Inputs with nothing of the host in them: an empty standard input, a seeded
/// generator, and a fixed date of boot. Two runs with it are identical.
#[derive(Clone, Debug)]
pub struct FixedInputs {
    numbers: SplitMix,
    boot_realtime_ns: u64,
}

/// 1 January 2025, 00:00 UTC: the guest's date of boot unless told otherwise.
pub const DEFAULT_BOOT_REALTIME_NS: u64 = 1_735_689_600_000_000_000;

impl FixedInputs {
    /// A generator that starts from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { numbers: SplitMix::new(seed), boot_realtime_ns: DEFAULT_BOOT_REALTIME_NS }
    }
}

impl Inputs for FixedInputs {
    fn stdin(&mut self, _max: usize) -> Result<Vec<u8>, InputError> {
        Ok(Vec::new())
    }

    fn random(&mut self, out: &mut [u8]) -> Result<(), InputError> {
        for chunk in out.chunks_mut(8) {
            let bytes = self.numbers.word().to_le_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
        Ok(())
    }

    fn boot_realtime_ns(&mut self) -> Result<u64, InputError> {
        Ok(self.boot_realtime_ns)
    }

    fn host_entry(&mut self, _place: &HostPlace) -> Result<Result<HostEntry, Errno>, InputError> {
        Ok(Err(Errno::ENOENT))
    }

    fn host_directory(
        &mut self,
        _place: &HostPlace,
    ) -> Result<Result<Vec<HostEntry>, Errno>, InputError> {
        Ok(Err(Errno::ENOENT))
    }

    fn host_read(
        &mut self,
        _place: &HostPlace,
        _offset: u64,
        _max: usize,
    ) -> Result<Result<Vec<u8>, Errno>, InputError> {
        Ok(Err(Errno::ENOENT))
    }
}
