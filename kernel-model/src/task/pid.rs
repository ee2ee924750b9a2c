//! Thread and process ids: ascending from 1000, never reused in one run.

/// Hands out thread ids.
#[derive(Clone, Debug)]
pub struct PidAllocator {
    next: u32,
}

/// The first process's id.
pub const FIRST_PID: u32 = 1000;
/// Linux's `pid_max` on 64-bit machines.
pub const PID_MAX: u32 = 4_194_304;

impl Default for PidAllocator {
    fn default() -> Self {
        Self { next: FIRST_PID }
    }
}

impl PidAllocator {
    /// The next id; `None` when all below `pid_max` have been used.
    pub fn alloc(&mut self, pid_max: u32) -> Option<u32> {
        (self.next < pid_max.min(PID_MAX)).then(|| {
            self.next += 1;
            self.next - 1
        })
    }
}
