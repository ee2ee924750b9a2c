//! [`SlotsStand`]: reservations and releases with many tasks that hold breakpoints.

use kernel_model::events::bp_slots::{BpSlots, RegisterPools};
use perf_core::{CpuId, EventId, Target, TaskId};

use super::{STRIDE, WRITE};

/// What an event counts on that comes and goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// A task, on whatever CPU it runs.
    AnyCpu,
    /// A task while it runs on one CPU.
    Bound,
    /// Everything on one CPU.
    CpuWide,
}

impl Opening {
    /// All three.
    pub const ALL: [Self; 3] = [Self::AnyCpu, Self::Bound, Self::CpuWide];

    /// For people and for the names of benches.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AnyCpu => "any CPU",
            Self::Bound => "bound to a CPU",
            Self::CpuWide => "CPU-wide",
        }
    }
}

/// Slots of which many tasks hold one each.
#[derive(Debug)]
pub struct SlotsStand {
    slots: BpSlots,
    opening: Opening,
    nr_tasks: u32,
    nr_cpus: u32,
    turn: u32,
    next_event: u32,
}

impl SlotsStand {
    /// `nr_tasks` tasks that hold a breakpoint each, on a machine of `nr_cpus` CPUs.
    #[must_use]
    pub fn new(opening: Opening, nr_tasks: u32, nr_cpus: u32) -> Self {
        let mut slots = BpSlots::new(RegisterPools::X86, nr_cpus);
        for task in 0..nr_tasks {
            let admitted =
                slots.reserve_bp_slot(EventId(task), Target::Task(TaskId(task), None), WRITE);
            debug_assert_eq!(admitted, Ok(()), "every task has four slots");
        }
        Self { slots, opening, nr_tasks, nr_cpus, turn: 0, next_event: nr_tasks }
    }

    /// One reservation and its release, for another task or CPU every time and with a new event,
    /// as opening and closing does. `false` if it was refused, which it never is.
    pub fn reserve_release(&mut self) -> bool {
        self.turn = self.turn.wrapping_add(STRIDE);
        self.next_event = self.next_event.wrapping_add(1).max(self.nr_tasks);
        let event = EventId(self.next_event);
        let task = TaskId(self.turn % self.nr_tasks.max(1));
        let cpu = CpuId(self.turn % self.nr_cpus);
        let target = match self.opening {
            Opening::AnyCpu => Target::Task(task, None),
            Opening::Bound => Target::Task(task, Some(cpu)),
            Opening::CpuWide => Target::Cpu(cpu),
        };
        let reserved = self.slots.reserve_bp_slot(event, target, WRITE).is_ok();
        reserved && self.slots.release_bp_slot(event).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_admitted_and_given_back() {
        for opening in Opening::ALL {
            for (nr_tasks, nr_cpus) in [(0, 2), (1, 2), (70, 16)] {
                let mut stand = SlotsStand::new(opening, nr_tasks, nr_cpus);
                assert!((0..100).all(|_| stand.reserve_release()), "{opening:?} {nr_tasks}");
                assert_eq!(stand.slots.nr_held(), nr_tasks as usize);
            }
        }
    }
}
