//! What the debugger tells of the machine: tasks, CPUs, debug registers, slots.
//!
//! [`KgdbReport`] prints one of them for people; [`CpuNow`] is what a CPU is doing.

use std::fmt::{self, Write as _};

use perf_core::{CpuId, EventId, TaskId};

use crate::arch::x86::debugreg::HBP_NUM;
use crate::arch::x86::kgdb::{HwBreak, HwBreakAccess};
use crate::events::bp_slots::HolderNames;
use crate::events::overflow_handler::OverflowHandler;
use crate::kernel::Kernel;
use crate::observe::{TaskTag, WatchAccess};
use crate::task::TaskState;

/// What a CPU is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpuNow {
    /// The CPU.
    pub cpu: CpuId,
    /// Its current task; none where it is idle.
    pub task: Option<TaskTag>,
}

impl fmt::Display for CpuNow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cpu = self.cpu.0;
        match &self.task {
            Some(TaskTag { pid, tid, comm, .. }) if pid == tid => {
                write!(f, "CPU {cpu}: pid {pid} {comm}")
            }
            Some(TaskTag { pid, tid, comm, .. }) => {
                write!(f, "CPU {cpu}: pid {pid} tid {tid} {comm}")
            }
            None => write!(f, "CPU {cpu}: idle"),
        }
    }
}

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KgdbReport {
    /// The debug registers of each CPU and who owns them.
    DebugRegisters,
    /// Who holds the breakpoint slots of each CPU.
    Slots,
    /// All tasks.
    Tasks,
}

impl fmt::Display for HwBreak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let access = match self.access {
            HwBreakAccess::Execute => "x",
            HwBreakAccess::Write => "w",
            HwBreakAccess::Access => "rw",
        };
        write!(f, "{:#x}/{}:{access}", self.addr, self.len)
    }
}

/// Names of the holders of slots.
struct Names<'k>(&'k Kernel);

impl HolderNames for Names<'_> {
    fn task(&self, task: TaskId) -> String {
        match self.0.tasks.tasks.get(&task) {
            Some(found) => format!("{} ({})", found.comm, found.tid),
            None => format!("{task} (ended)"),
        }
    }

    fn event(&self, event: EventId) -> String {
        let found = self.0.perf.event(event);
        let handler = found.and_then(perf_core::PerfEvent::handler);
        match handler.and_then(OverflowHandler::from_id) {
            Some(OverflowHandler::Watch(watch)) => {
                let watches = self.0.watches.get(watch.0 as usize);
                watches.map_or_else(
                    || format!("-e {}", watch.0),
                    |watch| {
                        let letters = match watch.request.access {
                            WatchAccess::Write => "w",
                            WatchAccess::ReadWrite => "rw",
                            WatchAccess::Execute => "x",
                        };
                        format!("-e {:#x}/{}:{letters}", watch.request.addr, watch.request.len)
                    },
                )
            }
            Some(OverflowHandler::Kgdb { entry }) => match self.0.kgdb_entry(entry) {
                Some(set) => format!("kgdb {entry} {set}"),
                None => format!("kgdb {entry}"),
            },
            Some(OverflowHandler::Ptrace { slot }) => format!("ptrace {slot}"),
            Some(OverflowHandler::Ksym { entry }) => format!("ksym {entry}"),
            Some(OverflowHandler::InKernel { registration }) => format!("in-kernel {registration}"),
            None => {
                let addr = found.map_or(0, |found| found.attr().bp_addr);
                format!("perf {event} {addr:#x}")
            }
        }
    }
}

impl Kernel {
    /// What each CPU is doing.
    pub fn kgdb_cpus(&self) -> impl Iterator<Item = CpuNow> + '_ {
        self.hw
            .cpus()
            .map(|cpu| CpuNow { cpu, task: self.current_on(cpu).map(|task| self.tasks.tag(task)) })
    }

    /// A report for people, in whole lines.
    #[must_use]
    pub fn kgdb_report(&self, what: KgdbReport) -> String {
        let mut text = String::new();
        let written = match what {
            KgdbReport::DebugRegisters => self.write_debug_registers(&mut text),
            KgdbReport::Slots => self.write_slots(&mut text),
            KgdbReport::Tasks => self.write_tasks(&mut text),
        };
        // Writing to a string cannot fail.
        debug_assert!(written.is_ok());
        text
    }

    /// While the machine stands still the hardware has DR7 = 0x400 and the debugger's entries are in
    /// none: the shadow is what perf has, and the entries are listed below.
    fn write_debug_registers(&self, text: &mut String) -> fmt::Result {
        for cpu in self.hw.cpus() {
            let Some(shadow) = self.breakpoints.cpu(cpu) else { continue };
            let dr = |number| self.hw.get_debugreg(cpu, number);
            writeln!(text, "CPU {}: DR6 {:#x} DR7 {:#x}", cpu.0, dr(6), dr(7))?;
            writeln!(text, "  shadow DR7 {:#x}", shadow.cpu_dr7())?;
            for number in 0..HBP_NUM {
                let owner = shadow.owners()[number];
                let owner = owner.map_or("-".to_owned(), |owner| Names(self).event(owner.event));
                let (now, kept) = (dr(number), shadow.cpu_debugreg()[number]);
                writeln!(text, "  DR{number} {now:#x} shadow {kept:#x} owner {owner}")?;
            }
        }
        for (entry, set) in self.kgdb.iter().flat_map(|kgdb| kgdb.hw_breaks.enabled()) {
            writeln!(text, "kgdb {entry}: {set}, into a register of each CPU on leaving")?;
        }
        Ok(())
    }

    fn write_slots(&self, text: &mut String) -> fmt::Result {
        for cpu in self.hw.cpus() {
            let held = self.breakpoints.slots().held_on(cpu).with_names(&Names(self));
            writeln!(text, "breakpoint slots of CPU {}:{}", cpu.0, held.matrix())?;
        }
        Ok(())
    }

    fn write_tasks(&self, text: &mut String) -> fmt::Result {
        writeln!(text, "  PID   TID CPU STATE    COMM")?;
        for task in self.tasks.tasks.values() {
            let pid = self.tasks.processes.get(&task.process).map_or(0, |process| process.pid);
            let state = match &task.state {
                TaskState::Stopped => "stopped",
                TaskState::Traced => "traced",
                TaskState::Zombie(_) => "zombie",
                TaskState::Blocked(_) => "blocked",
                TaskState::Runnable if self.current_on(task.cpu) == Some(task.id) => "running",
                TaskState::Runnable => "runnable",
            };
            let (tid, cpu, comm) = (task.tid, task.cpu.0, &task.comm);
            writeln!(text, "{pid:5} {tid:5} {cpu:3} {state:8} {comm}")?;
        }
        Ok(())
    }
}
