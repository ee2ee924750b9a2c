//! Who is inside the constraint code, for the debugger variants that take no lock.
//!
//! The model runs one thing at a time, so nobody ever waits here. But a debugger may be entered
//! by a #DB in the middle of a reservation, and then has to be told "not now" (rules 2.3.7 and
//! 2.3.8). Source: `bp_constraints_is_locked`, Linux 6.x kernel/events/hw_breakpoint.c.

use perf_core::{Target, TaskId};

/// Who holds the constraint locks at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ConstraintLocks {
    /// Nobody.
    #[default]
    Free,
    /// A reservation for this task: its perf mutex, and the semaphore for reading. Reservations
    /// for other tasks may go on at the same time.
    Task(TaskId),
    /// A CPU-wide reservation: the semaphore for writing, which keeps everybody out.
    Cpu,
}

impl ConstraintLocks {
    /// What a reservation for `target` takes.
    #[must_use]
    pub const fn taken_for(target: Target) -> Self {
        match target {
            Target::Cpu(_) => Self::Cpu,
            Target::Task(task, _) => Self::Task(task),
        }
    }

    /// Whether a reservation for `target` would have to wait.
    #[must_use]
    pub fn excludes(self, target: Target) -> bool {
        match (self, target) {
            (Self::Free, _) => false,
            (Self::Cpu, _) | (Self::Task(_), Target::Cpu(_)) => true,
            (Self::Task(inside), Target::Task(task, _)) => inside == task,
        }
    }
}
