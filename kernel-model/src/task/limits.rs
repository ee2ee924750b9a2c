//! Resource limits of a process.
//!
//! The soft limits of stack and descriptors are kept where they are asked for as well: by the
//! address space and the descriptor table.
//! Source: Linux 6.18 `include/asm-generic/resource.h`, `kernel/fork.c` (`set_max_threads`).

use crate::fs::fd::{DEFAULT_NOFILE, NR_OPEN};
use crate::mm::layout::DEFAULT_STACK_LIMIT;

/// `RLIM_INFINITY`.
pub const RLIM_INFINITY: u64 = u64::MAX;
/// Number of resources.
pub const RLIM_NLIMITS: usize = 16;

/// A resource, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Resource {
    /// CPU time, s.
    Cpu = 0,
    /// Size of a file, bytes.
    Fsize = 1,
    /// Private data, bytes.
    Data = 2,
    /// The stack, bytes.
    Stack = 3,
    /// A core file, bytes.
    Core = 4,
    /// Threads of a user.
    Nproc = 6,
    /// Descriptors.
    Nofile = 7,
    /// Locked memory, bytes.
    Memlock = 8,
    /// Address space, bytes.
    As = 9,
    /// Queued signals.
    Sigpending = 11,
    /// Message queues, bytes.
    Msgqueue = 12,
    /// The nicest priority: 20 less the nice value.
    Nice = 13,
    /// The highest real-time priority.
    Rtprio = 14,
}

/// A limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rlimit {
    /// What holds.
    pub soft: u64,
    /// How far `soft` may be raised.
    pub hard: u64,
}

impl Rlimit {
    const fn new(soft: u64, hard: u64) -> Self {
        Self { soft, hard }
    }
}

/// The limits of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rlimits {
    limits: [Rlimit; RLIM_NLIMITS],
}

impl Default for Rlimits {
    /// As Linux gives them to its first process.
    fn default() -> Self {
        let mut limits = [Rlimit::new(RLIM_INFINITY, RLIM_INFINITY); RLIM_NLIMITS];
        let queued = crate::signal::pending::MAX_QUEUED as u64;
        for (resource, soft, hard) in [
            (Resource::Stack, DEFAULT_STACK_LIMIT, RLIM_INFINITY),
            (Resource::Core, 0, RLIM_INFINITY),
            (Resource::Nofile, DEFAULT_NOFILE as u64, NR_OPEN as u64),
            (Resource::Memlock, 8 << 20, 8 << 20),
            (Resource::Sigpending, queued, queued),
            (Resource::Msgqueue, 819_200, 819_200),
            (Resource::Nice, 0, 0),
            (Resource::Rtprio, 0, 0),
        ] {
            limits[resource as usize] = Rlimit::new(soft, hard);
        }
        Self { limits }
    }
}

impl Rlimits {
    /// A limit.
    #[must_use]
    pub const fn get(&self, resource: Resource) -> Rlimit {
        self.limits[resource as usize]
    }

    /// What holds of a limit.
    #[must_use]
    pub const fn soft(&self, resource: Resource) -> u64 {
        self.limits[resource as usize].soft
    }

    /// The limit with a number below [`RLIM_NLIMITS`].
    #[must_use]
    pub fn by_number(&mut self, resource: u64) -> Option<&mut Rlimit> {
        self.limits.get_mut(usize::try_from(resource).ok()?)
    }

    /// Replaces what holds of a limit.
    pub const fn set_soft(&mut self, resource: Resource, soft: u64) {
        self.limits[resource as usize].soft = soft;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_abi() {
        let mut limits = Rlimits::default();
        assert_eq!(limits.by_number(7), Some(&mut Rlimit::new(1024, 1 << 20)));
        assert_eq!(limits.by_number(15).map(|limit| limit.soft), Some(RLIM_INFINITY));
        assert_eq!(limits.by_number(16), None);
        limits.set_soft(Resource::Cpu, 3);
        assert_eq!(limits.by_number(0), Some(&mut Rlimit::new(3, RLIM_INFINITY)));
    }
}
