//! The `cpu` PMU: perf events on the processor's counters.
//!
//! [`CpuPmu`] keeps for every CPU what was counted in user and in kernel mode, and which events
//! are on its [`NR_COUNTERS`] counters; there are more events than counters only by rotation
//! (rule 3.2.12). The kernel's entry and exit tell it the mode ([`CpuPmu::enter_kernel`],
//! [`CpuPmu::enter_user`]); perf core reads through [`perf_core::Pmu`].
//! Neighbours: [`crate::arch::x86::pmc`] has the counters, `kernel/counters.rs` the interrupt.
//! Not modelled: raw and cache events, precise_ip, branch stacks, RDPMC.
//! Source: Linux 6.x arch/x86/events/core.c, arch/x86/events/intel/core.c (`intel_perfmon_event_map`).

mod pmu;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use perf_core::attr::abi::AttrFlags;
use perf_core::{CpuId, EventId, PerfEventAttr};

use crate::arch::x86::pmc::{CounterEvent, Counts, NR_COUNTERS};

/// Which counters the processor has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CounterKinds {
    /// Cycles and instructions.
    Work,
    /// Branches and the last-level cache as well.
    WorkBranchesCaches,
}

/// What a CPU is doing, as far as counters tell it apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum CounterMode {
    #[default]
    Kernel,
    User,
}

/// What an event counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Selection {
    counter: CounterEvent,
    user: bool,
    kernel: bool,
}

impl Selection {
    fn new(counter: CounterEvent, attr: &PerfEventAttr) -> Self {
        let user = !attr.has(AttrFlags::EXCLUDE_USER);
        Self { counter, user, kernel: !attr.has(AttrFlags::EXCLUDE_KERNEL) }
    }
}

/// The counters of one CPU.
#[derive(Clone, Debug, Default)]
struct CpuCounters {
    mode: CounterMode,
    /// Up to where the processor's counts have been given to a mode.
    seen: Counts,
    user: Counts,
    kernel: Counts,
    /// Events that are on a counter, with what it had counted when they were last read.
    active: Vec<(EventId, u64)>,
}

impl CpuCounters {
    /// Gives what was counted since to the mode the CPU is in.
    fn sync(&mut self, now: Counts) {
        let since = now - self.seen;
        match self.mode {
            CounterMode::Kernel => self.kernel = self.kernel + since,
            CounterMode::User => self.user = self.user + since,
        }
        // The way back to user mode is counted before it is gone.
        self.seen = self.seen.max(now);
    }

    fn total(&self, selection: Selection) -> u64 {
        let part = |on: bool, counts: &Counts| if on { counts[selection.counter] } else { 0 };
        part(selection.user, &self.user).wrapping_add(part(selection.kernel, &self.kernel))
    }
}

/// All events on the processor's counters.
#[derive(Clone, Debug)]
pub struct CpuPmu {
    kinds: CounterKinds,
    cpus: Vec<CpuCounters>,
    events: BTreeMap<EventId, Selection>,
}

impl CpuPmu {
    /// No events, every CPU in kernel mode.
    #[must_use]
    pub fn new(nr_cpus: u32, kinds: CounterKinds) -> Self {
        let cpus = vec![CpuCounters::default(); nr_cpus as usize];
        Self { kinds, cpus, events: BTreeMap::new() }
    }

    /// Whether any event is on a counter of the CPU.
    #[must_use]
    pub fn is_active(&self, cpu: CpuId) -> bool {
        self.cpus.get(cpu.index()).is_some_and(|c| !c.active.is_empty())
    }

    /// The events on the counters of a CPU, in the order in which they were added.
    #[must_use]
    pub fn active(&self, cpu: CpuId) -> Vec<EventId> {
        let active = self.cpus.get(cpu.index()).map(|c| c.active.as_slice());
        active.unwrap_or_default().iter().map(|(event, _)| *event).collect()
    }

    /// Whether an event counts in user mode.
    #[must_use]
    pub fn counts_user(&self, event: EventId) -> bool {
        self.events.get(&event).is_some_and(|selection| selection.user)
    }

    /// Whether an event counts in kernel mode.
    #[must_use]
    pub fn counts_kernel(&self, event: EventId) -> bool {
        self.events.get(&event).is_some_and(|selection| selection.kernel)
    }

    /// What an event counts.
    #[must_use]
    pub fn counter(&self, event: EventId) -> Option<CounterEvent> {
        Some(self.events.get(&event)?.counter)
    }

    /// What an event has counted since perf core last read it.
    #[must_use]
    pub fn unread(&self, cpu: CpuId, event: EventId) -> u64 {
        let Some(counters) = self.cpus.get(cpu.index()) else { return 0 };
        let Some(selection) = self.events.get(&event) else { return 0 };
        let from = counters.active.iter().find(|(on, _)| *on == event).map(|(_, from)| *from);
        from.map_or(0, |from| counters.total(*selection).wrapping_sub(from))
    }

    /// The CPU's counters stand at `now`. To be called before perf core may add, read or remove
    /// events of the CPU.
    pub fn sync(&mut self, cpu: CpuId, now: Counts) {
        if let Some(counters) = self.cpus.get_mut(cpu.index()) {
            counters.sync(now);
        }
    }

    /// Up to which cycle the CPU's counts have been given to a mode.
    #[must_use]
    pub fn seen_cycles(&self, cpu: CpuId) -> u64 {
        self.cpus.get(cpu.index()).map_or(0, |c| c.seen[CounterEvent::Cycles])
    }

    /// Whether the CPU is in user mode.
    #[must_use]
    pub fn in_user_mode(&self, cpu: CpuId) -> bool {
        self.cpus.get(cpu.index()).is_some_and(|c| c.mode == CounterMode::User)
    }

    /// The CPU has stood idle up to `now`: halted, it has counted nothing.
    pub fn skip_idle(&mut self, cpu: CpuId, now: Counts) {
        if let Some(counters) = self.cpus.get_mut(cpu.index()) {
            counters.seen = now;
        }
    }

    /// The CPU came from user mode; of what it has counted, `share` is the kernel's already.
    /// Nothing if it was in kernel mode.
    pub fn enter_kernel(&mut self, cpu: CpuId, now: Counts, share: Counts) {
        let Some(counters) = self.cpus.get_mut(cpu.index()) else { return };
        if counters.mode == CounterMode::User {
            counters.sync(now - share);
            counters.mode = CounterMode::Kernel;
            counters.sync(now);
        }
    }

    /// The CPU is about to go to user mode; what it will count first, `share`, is the kernel's.
    pub fn enter_user(&mut self, cpu: CpuId, now: Counts, share: Counts) {
        let Some(counters) = self.cpus.get_mut(cpu.index()) else { return };
        counters.sync(now);
        counters.sync(counters.seen + share);
        counters.mode = CounterMode::User;
    }

    /// The same where no event is on the CPU's counters, so that nobody asks for the share.
    pub fn note_user_mode(&mut self, cpu: CpuId) {
        if let Some(counters) = self.cpus.get_mut(cpu.index()) {
            counters.mode = CounterMode::User;
        }
    }

    /// The CPU is in kernel mode, and no event is on its counters.
    pub fn note_kernel_mode(&mut self, cpu: CpuId) {
        if let Some(counters) = self.cpus.get_mut(cpu.index()) {
            counters.mode = CounterMode::Kernel;
        }
    }

    fn has_room(&self, cpu: CpuId) -> bool {
        self.cpus.get(cpu.index()).is_some_and(|c| c.active.len() < NR_COUNTERS)
    }
}
