//! Variables of the kernel that live in guest memory, and the kernel's symbols.
//!
//! The kernel model keeps its state outside of the machine. These few variables it keeps
//! inside, where debug registers can watch them: every change is a store by kernel text that
//! the CPU executes, in the context of the task on whose behalf Linux would make it. Key
//! types: [`Variable`], the one table; [`KernelSymbol`], a name of text or data.
//! Neighbours: [`crate::arch::x86::layout`] has the page and the routines.
//! Source: Linux 6.18 `kernel/time/timekeeping.c` (`do_timer`), `kernel/fork.c`
//! (`copy_process`), `kernel/sched/core.c` (`__schedule`), `kernel/pid.c` (`alloc_pid`),
//! `kernel/kallsyms.c`.

use super::Kernel;
use crate::arch::x86::entry::RoutineArgs;
use crate::arch::x86::hw::Hw;
use crate::arch::x86::layout::{DATA_BASE, KernelLayout, Stub};
use crate::sched::{HZ, TICK_NS};
use crate::task::pid::PID_MAX;

/// A variable of the kernel in guest memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Variable {
    /// Ticks since boot, from five minutes before its low half wraps. Loaded and stored at each tick that is
    /// the first of its period on any CPU.
    Jiffies,
    /// Tasks that were ever made by fork, clone or vfork.
    TotalForks,
    /// Switches away from a task (those away from an idle CPU's idle task are not counted).
    NrContextSwitches,
    /// Ids stay below this. Loaded for each new id.
    PidMax,
}

/// What `jiffies` starts from.
pub(crate) const INITIAL_JIFFIES: u64 = (300 * HZ as u32).wrapping_neg() as u64;

impl Variable {
    /// All of them, by address.
    pub const ALL: [Self; 4] =
        [Self::Jiffies, Self::TotalForks, Self::NrContextSwitches, Self::PidMax];

    /// Name, offset in the page of data, size in bytes, value at boot. Each has a cache line.
    const fn row(self) -> (&'static str, u64, u64, u64) {
        match self {
            Self::Jiffies => ("jiffies", 0x00, 8, INITIAL_JIFFIES),
            Self::TotalForks => ("total_forks", 0x40, 8, 0),
            Self::NrContextSwitches => ("nr_context_switches", 0x80, 8, 0),
            Self::PidMax => ("pid_max", 0xc0, 4, PID_MAX as u64),
        }
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.row().0
    }

    /// Its linear address.
    #[must_use]
    pub const fn addr(self) -> u64 {
        DATA_BASE + self.row().1
    }

    /// Its size in bytes.
    #[must_use]
    pub const fn size(self) -> u64 {
        self.row().2
    }

    /// Puts the values at boot into guest memory.
    pub(super) fn init_all(hw: &mut Hw, layout: &KernelLayout) {
        for variable in Self::ALL {
            let (_, offset, size, value) = variable.row();
            layout.init_data(hw, offset, &value.to_le_bytes()[..size as usize]);
        }
    }
}

/// What a symbol of the kernel names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SymbolKind {
    /// Code.
    Text,
    /// A variable.
    Data,
}

/// A symbol of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelSymbol {
    /// Its name.
    pub name: &'static str,
    /// Linear address.
    pub addr: u64,
    /// Size in bytes.
    pub size: u64,
    /// Code or data.
    pub kind: SymbolKind,
}

impl Kernel {
    /// All symbols of the kernel, text first.
    pub fn symbols() -> impl Iterator<Item = KernelSymbol> {
        let text = KernelLayout::text_symbols().map(|text| KernelSymbol {
            name: text.name,
            addr: text.addr,
            size: text.size,
            kind: SymbolKind::Text,
        });
        let data = Variable::ALL.into_iter().map(|variable| KernelSymbol {
            name: variable.name(),
            addr: variable.addr(),
            size: variable.size(),
            kind: SymbolKind::Data,
        });
        text.chain(data)
    }

    /// The symbol of a name (`kallsyms_lookup_name`).
    #[must_use]
    pub fn find_symbol(name: &str) -> Option<KernelSymbol> {
        Self::symbols().find(|symbol| symbol.name == name)
    }

    /// Address and size of a symbol.
    #[must_use]
    pub fn symbol(name: &str) -> Option<(u64, u64)> {
        Self::find_symbol(name).map(|found| (found.addr, found.size))
    }

    /// Symbol and offset of an address of the kernel's text or data (`kallsyms_lookup`).
    #[must_use]
    pub fn symbol_at(addr: u64) -> Option<(&'static str, u64)> {
        let variable = Variable::ALL.into_iter().find_map(|variable| {
            let offset = addr.checked_sub(variable.addr())?;
            (offset < variable.size()).then_some((variable.name(), offset))
        });
        variable.or_else(|| KernelLayout::symbol(addr))
    }
}

/// Changes, each by the kernel text that Linux has for it. The current task's registers are
/// saved where these run.
impl Kernel {
    /// Lets `jiffies` catch up with the time (`tick_do_update_jiffies64`).
    pub(super) fn update_jiffies(&mut self, now_ns: u64) {
        let ticks = (now_ns / TICK_NS).saturating_sub(self.ticks_counted);
        if ticks > 0 {
            self.ticks_counted += ticks;
            let rdi = Variable::Jiffies.addr();
            self.run_routine(
                Stub::DoTimer,
                RoutineArgs { rdi, rsi: ticks, ..RoutineArgs::default() },
            );
        }
    }

    /// A task was made.
    pub(crate) fn count_fork(&mut self) {
        let rdi = Variable::TotalForks.addr();
        self.run_routine(Stub::CopyProcess, RoutineArgs { rdi, ..RoutineArgs::default() });
    }

    /// The current task is about to leave its CPU.
    pub(super) fn count_switch(&mut self) {
        let rdi = Variable::NrContextSwitches.addr();
        self.run_routine(Stub::Schedule, RoutineArgs { rdi, ..RoutineArgs::default() });
    }

    /// A new thread id; `None` when all have been used.
    pub(crate) fn alloc_pid(&mut self) -> Option<u32> {
        let rdi = Variable::PidMax.addr();
        self.run_routine(Stub::AllocPid, RoutineArgs { rdi, ..RoutineArgs::default() });
        let pid_max = self.hw.routine_value(self.this_cpu) as u32;
        self.tasks.pids.alloc(pid_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_go_both_ways() {
        for symbol in Kernel::symbols() {
            assert_eq!(Kernel::symbol(symbol.name), Some((symbol.addr, symbol.size)));
            let last = symbol.addr + symbol.size - 1;
            assert_eq!(Kernel::symbol_at(last), Some((symbol.name, symbol.size - 1)));
        }
        assert_eq!(Kernel::symbol("jiffies"), Some((DATA_BASE, 8)));
        assert_eq!(Kernel::symbol_at(DATA_BASE + 8), None);
        assert_eq!(Kernel::symbol("no_such_symbol"), None);
    }

    #[test]
    fn each_variable_can_be_watched_whole() {
        let mut end = DATA_BASE;
        for variable in Variable::ALL {
            assert!(variable.addr() >= end && variable.addr().is_multiple_of(variable.size()));
            end = variable.addr() + variable.size();
        }
    }
}
