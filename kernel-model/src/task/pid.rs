//! Thread and process ids: ascending from 1000, never reused in one run.

use std::collections::BTreeSet;

/// Hands out thread ids.
#[derive(Clone, Debug)]
pub struct PidAllocator {
    next: u32,
    /// Ids from `next` on, or before the first one, that were asked for.
    taken: BTreeSet<u32>,
}

/// The first process's id.
pub const FIRST_PID: u32 = 1000;
/// Linux's `pid_max` on 64-bit machines.
pub const PID_MAX: u32 = 4_194_304;

impl Default for PidAllocator {
    fn default() -> Self {
        Self { next: FIRST_PID, taken: BTreeSet::new() }
    }
}

impl PidAllocator {
    /// The next id; `None` when all below `pid_max` have been used.
    pub fn alloc(&mut self, pid_max: u32) -> Option<u32> {
        while self.taken.contains(&self.next) {
            self.next += 1;
        }
        (self.next < pid_max.min(PID_MAX)).then(|| {
            self.next += 1;
            self.next - 1
        })
    }

    /// Takes an id that was asked for; whether nobody has had it.
    pub fn take(&mut self, pid: u32) -> bool {
        !(FIRST_PID..self.next).contains(&pid) && self.taken.insert(pid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_were_asked_for_are_passed_over() {
        let mut pids = PidAllocator::default();
        assert!(pids.take(FIRST_PID + 1) && pids.take(5));
        assert!(!pids.take(FIRST_PID + 1));
        assert_eq!(
            [pids.alloc(PID_MAX), pids.alloc(PID_MAX)],
            [Some(FIRST_PID), Some(FIRST_PID + 2)]
        );
        assert!(!pids.take(FIRST_PID));
        assert_eq!(pids.alloc(FIRST_PID), None);
    }
}
