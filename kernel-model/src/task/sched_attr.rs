//! How a task is to be scheduled, as sched_setattr and its kin set it.
//! Source: Linux 6.18 `include/uapi/linux/sched.h`, `kernel/sched/syscalls.c`.

use perf_core::Errno;

/// A scheduling policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Policy {
    /// `SCHED_OTHER`.
    #[default]
    Other = 0,
    /// `SCHED_FIFO`.
    Fifo = 1,
    /// `SCHED_RR`.
    RoundRobin = 2,
    /// `SCHED_BATCH`.
    Batch = 3,
    /// `SCHED_IDLE`.
    Idle = 5,
    /// `SCHED_DEADLINE`.
    Deadline = 6,
}

impl Policy {
    /// The policy with a number.
    ///
    /// # Errors
    /// EINVAL where there is none.
    pub const fn from_number(number: u32) -> Result<Self, Errno> {
        match number {
            0 => Ok(Self::Other),
            1 => Ok(Self::Fifo),
            2 => Ok(Self::RoundRobin),
            3 => Ok(Self::Batch),
            5 => Ok(Self::Idle),
            6 => Ok(Self::Deadline),
            _ => Err(Errno::EINVAL),
        }
    }

    /// Least and greatest static priority.
    #[must_use]
    pub const fn priorities(self) -> (u32, u32) {
        match self {
            Self::Fifo | Self::RoundRobin => (1, 99),
            Self::Other | Self::Batch | Self::Idle | Self::Deadline => (0, 0),
        }
    }

    /// Whether it goes before all that is not real-time.
    #[must_use]
    pub const fn is_real_time(self) -> bool {
        matches!(self, Self::Fifo | Self::RoundRobin)
    }
}

/// What a task was told about its scheduling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchedAttr {
    /// Policy.
    pub policy: Policy,
    /// Static priority of a real-time policy.
    pub priority: u32,
    /// Nice value, -20 to 19.
    pub nice: i32,
    /// Whether children start with `SCHED_OTHER` (`SCHED_FLAG_RESET_ON_FORK`).
    pub reset_on_fork: bool,
    /// Of `SCHED_DEADLINE`: run time, deadline and period, ns.
    pub deadline: [u64; 3],
    /// `ioprio_set`.
    pub ioprio: u16,
    /// How late its timers may be, ns (`PR_SET_TIMERSLACK`), and what exec makes of 0.
    pub timer_slack_ns: u64,
    /// See there.
    pub default_slack_ns: u64,
}

/// Slack of a new system's first task, ns.
const TIMER_SLACK_NS: u64 = 50_000;

impl Default for SchedAttr {
    fn default() -> Self {
        Self {
            policy: Policy::Other,
            priority: 0,
            nice: 0,
            reset_on_fork: false,
            deadline: [0; 3],
            ioprio: 0,
            timer_slack_ns: TIMER_SLACK_NS,
            default_slack_ns: TIMER_SLACK_NS,
        }
    }
}

impl SchedAttr {
    /// A child's (`sched_fork`).
    #[must_use]
    pub fn of_child(&self) -> Self {
        let mut child = Self { default_slack_ns: self.timer_slack_ns, ..*self };
        if self.reset_on_fork {
            if child.policy.is_real_time() || child.policy == Policy::Deadline {
                (child.policy, child.priority, child.nice) = (Policy::Other, 0, 0);
            }
            child.nice = child.nice.max(0);
            child.reset_on_fork = false;
        }
        child
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_of_the_privileged() {
        let parent = SchedAttr {
            policy: Policy::Fifo,
            priority: 5,
            timer_slack_ns: 7,
            ..SchedAttr::default()
        };
        assert_eq!(parent.of_child(), SchedAttr { default_slack_ns: 7, ..parent });
        let reset = SchedAttr { reset_on_fork: true, nice: -3, ..parent };
        let child = reset.of_child();
        assert_eq!((child.policy, child.priority, child.nice), (Policy::Other, 0, 0));
    }
}
