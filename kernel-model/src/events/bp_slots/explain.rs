//! Why an event is refused or admitted, in the terms of the rules: A(c), N(t, c) and `S`.
//!
//! A [`SlotReport`] has the matrix of holders; this adds the arithmetic of rules 2.1.1 to 2.1.3
//! of linux-hw-breakpoint, and makes reports of events that nobody has asked for yet.

use std::fmt::Write as _;

use perf_core::Target;

use super::{BpSlots, BpTypeIdx, CpuHolders, SlotRefusal, SlotReport};

impl BpSlots {
    /// The report of an event with this target, if it were to be made now.
    #[must_use]
    pub fn explain(&self, target: Target, idx: BpTypeIdx) -> SlotReport {
        self.report(self.scheme.find(target, idx).0)
    }
}

impl SlotReport {
    /// Whether the event does not fit.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.refusal.needed > self.refusal.slots
    }

    /// The matrix, and below it the numbers that the rule adds up.
    #[must_use]
    pub fn explanation(&self) -> String {
        let mut text = self.to_string();
        let column = |of: &dyn Fn(&CpuHolders) -> usize| {
            let cells = self.cpus.iter().map(|cpu| format!("{} {}", cpu.cpu, of(cpu)));
            cells.collect::<Vec<_>>().join(", ")
        };
        let tasks = |cpu: &CpuHolders| cpu.taken.saturating_sub(cpu.wide.len());
        let (rule, sum, of_tasks) = match self.refusal.target {
            Target::Cpu(_) => ("2.1.1", "A(c) + max over tasks of N(t,c) + 1", "max of N(t,c)"),
            Target::Task(_, Some(_)) => ("2.1.2", "A(c) + N(t,c) + 1", "N(t,c)"),
            Target::Task(_, None) => ("2.1.3", "max over CPUs of A(c) + N(t,c) + 1", "N(t,c)"),
        };
        let SlotRefusal { needed, slots, .. } = self.refusal;
        let verdict = if self.is_refused() { "more than" } else { "within" };
        let _ = write!(text, "\n  A(c): {}", column(&|cpu| cpu.wide.len()));
        let _ = write!(text, "\n  {of_tasks}: {}", column(&tasks));
        let _ = write!(text, "\n  rule {rule}: {sum} = {needed}, {verdict} {slots}");
        text
    }
}
