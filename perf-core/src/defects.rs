//! Defects of Linux 6.18 that can be switched off one by one (linux-hw-breakpoint section 8).

/// Which of 6.18's measured defects the model shows. All on by default.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Defects {
    /// K1, rule 3.5.9: an exhausted REFRESH budget leaves an external PMU's event stopped, and
    /// installing it again does not clear that; only PERIOD does.
    pub refresh_dead_end: bool,
    /// K2, rule 3.2.6: adding or enabling an event re-runs only groups led by its own PMU, so a
    /// sibling under a running leader of another PMU does not start.
    pub foreign_leader_sibling_not_started: bool,
    /// K3, rule 3.2.7: siblings of a closed OFF leader are installed only at the next scheduling
    /// point.
    pub off_leader_close_strands_siblings: bool,
    /// K4, rule 3.7.2: a failing MODIFY_ATTRIBUTES sets the enable state by `attr.disabled` and
    /// keeps the new `sig_data`.
    pub failed_modify_flips_enable: bool,
    /// K6, rule 3.5.3: with `PERF_SAMPLE_PERIOD` every hit is a sample, whatever the period.
    pub sample_period_overrides_period: bool,
    /// K7, rule 3.7.1: after PERIOD the next hit overflows and the interval after it still has
    /// the old length.
    pub period_one_interval_late: bool,
    /// K9, rule 5.5.1: a new task shows the virtual DR6 and DR7 of its maker, without having its
    /// breakpoints.
    pub fork_copies_ptrace_debug: bool,
    /// K10, rule 5.2.2: a write to DR7 checks type and length of a ptrace register that it
    /// leaves disabled, where that has a breakpoint.
    pub disabled_ptrace_slots_validated: bool,
    /// K11, rule 5.5.4: PTRACE_DETACH leaves the tracee's breakpoints armed.
    pub detach_leaves_traps: bool,
}

impl Defects {
    /// As measured on 6.18.
    pub const ALL: Defects = Defects {
        refresh_dead_end: true,
        foreign_leader_sibling_not_started: true,
        off_leader_close_strands_siblings: true,
        failed_modify_flips_enable: true,
        sample_period_overrides_period: true,
        period_one_interval_late: true,
        fork_copies_ptrace_debug: true,
        disabled_ptrace_slots_validated: true,
        detach_leaves_traps: true,
    };
    /// A kernel without any of them.
    pub const NONE: Defects = Defects {
        refresh_dead_end: false,
        foreign_leader_sibling_not_started: false,
        off_leader_close_strands_siblings: false,
        failed_modify_flips_enable: false,
        sample_period_overrides_period: false,
        period_one_interval_late: false,
        fork_copies_ptrace_debug: false,
        disabled_ptrace_slots_validated: false,
        detach_leaves_traps: false,
    };
}

impl Default for Defects {
    fn default() -> Self {
        Defects::ALL
    }
}
