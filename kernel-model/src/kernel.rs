//! The kernel: everything together, and its main loop.
//!
//! [`Kernel::step`] lets one CPU run for one quantum. What the guest asks for comes
//! in through the entry code ([`crate::arch::x86::entry`]), system calls go to
//! [`crate::syscalls`], traps to [`crate::arch::x86::traps`].

mod boot;
mod counters;
mod exec;
mod hits;
mod hotplug;
pub(crate) mod in_kernel_breakpoint;
mod ksym;
mod perf_tasks;
mod run;
mod sample_source;
mod sideband;
mod switch;
mod user_access;
mod variables;
mod wide_breakpoint;

use std::fmt;

use perf_core::{CpuId, Perf, TaskId};

use crate::arch::x86::hw::Hw;
use crate::arch::x86::layout::KernelLayout;
use crate::fs::FileTable;
use crate::inputs::{InputError, Inputs};
use crate::mm::frame::FrameAllocator;
use crate::mm::page_object::PageObject;
use crate::observe::{ExitStatus, Observation, TaskTag, WatchRequest};
use crate::sched::Scheduler;
use crate::task::Tasks;

pub(crate) use boot::comm_of;
pub(crate) use exec::{Bprm, DeThread, Program, Started};

pub use boot::{BootError, ExecError, KernelConfig, WatchError};
pub use counters::CounterError;
pub use ksym::{KSYM_TRACER, KsymRefused, NOP_TRACER};
#[cfg(test)]
pub(crate) use variables::INITIAL_JIFFIES;
pub use variables::{KernelSymbol, SymbolKind, Variable};

/// A breakpoint that the command line asked for.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    pub(crate) request: WatchRequest,
    pub(crate) event: perf_core::EventId,
}

/// The kernel model with its machine.
pub struct Kernel {
    pub(crate) hw: Hw,
    pub(crate) frames: FrameAllocator,
    /// The pages of the vDSO, which every program maps.
    pub(crate) vdso: PageObject,
    pub(crate) layout: KernelLayout,
    pub(crate) tasks: Tasks,
    pub(crate) sched: Scheduler,
    /// Armed timers on the machine's clock.
    pub(crate) timers: crate::timer::TimerQueue,
    /// Timers with descriptors.
    pub(crate) timerfds: crate::timer::file::TimerFds,
    /// The system's own names.
    pub(crate) uts: crate::syscalls::UtsNames,
    /// CPUs whose task is to enter the kernel at once, a bit each.
    pub(crate) kicks: u64,
    pub(crate) perf: Perf,
    pub(crate) breakpoints: crate::events::hw_breakpoint::HwBreakpoints,
    pub(crate) cpu_pmu: crate::events::cpu_pmu::CpuPmu,
    /// Breakpoints that kernel code has registered, and their hits.
    pub(crate) in_kernel: in_kernel_breakpoint::InKernelBreakpoints,
    /// Who is asked about a debug exception behind the breakpoint handler.
    pub(crate) die_chain: crate::notify::DieChain,
    pub(crate) rings: crate::events::rings::Rings,
    /// Mappings of perf ring buffers, by event.
    pub(crate) perf_maps: std::collections::BTreeMap<perf_core::EventId, u32>,
    /// Perf events whose descriptors are closed while they are mapped.
    pub(crate) perf_orphans: std::collections::BTreeSet<perf_core::EventId>,
    /// Programs of seccomp that threads have.
    pub(crate) seccomp_filters: crate::seccomp::Filters,
    pub(crate) files: FileTable,
    pub(crate) ksym: crate::trace::ksym::KsymTracer,
    pub(crate) net: crate::net::Net,
    pub(crate) epolls: crate::fs::epoll::Epolls,
    /// `kernel.perf_event_paranoid`.
    pub(crate) perf_event_paranoid: i32,
    /// System V IPC.
    pub(crate) ipc: crate::ipc::Ipc,
    /// Locks on files.
    pub(crate) locks: crate::fs::lock::Locks,
    /// Inodes and mounts.
    pub(crate) vfs: crate::fs::inode::Vfs,
    pub(crate) inputs: Box<dyn Inputs>,
    pub(crate) boot_realtime_ns: u64,
    pub(crate) watches: Vec<Watch>,
    /// Events that the command line asked to count, in its order.
    pub(crate) counters: Vec<perf_core::EventId>,
    /// Where each task ran last, for migrations.
    pub(crate) ran_on: std::collections::BTreeMap<TaskId, CpuId>,
    pub(crate) observations: Vec<Observation>,
    /// What is kept for a tracer of system calls, where there is one.
    pub(crate) strace: Option<Box<crate::strace::CallTrace>>,
    pub(crate) told_syscalls: std::collections::BTreeSet<u64>,
    /// The CPU that runs kernel code now.
    pub(crate) this_cpu: CpuId,
    pub(crate) init: Option<TaskId>,
    pub(crate) init_process: Option<crate::task::ProcessId>,
    /// How the first process ended.
    pub(crate) init_exit: Option<ExitStatus>,
    /// Where a thread of the first process was when its own signal ended the process.
    pub(crate) killed_at: Option<u64>,
    pub(crate) stopped: Option<StopReason>,
    /// Chain of digests.
    pub(crate) digest: Digest,
    pub(crate) open_spans: Vec<hits::OpenSpan>,
    /// The kernel debugger, once there was one.
    pub(crate) kgdb: Option<crate::debug::Kgdb>,
    /// Ticks since boot that `jiffies` has counted.
    pub(crate) ticks_counted: u64,
}

impl fmt::Debug for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kernel").field("this_cpu", &self.this_cpu).finish_non_exhaustive()
    }
}

/// What a step led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// There is more to do.
    Running,
    /// The first process has ended.
    Finished(ExitStatus),
    /// The run cannot go on.
    Stopped(StopReason),
}

/// Why a run cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StopReason {
    /// An instruction that exists and is not built.
    #[error("{0}")]
    UnsupportedInsn(String),
    /// The guest kernel's own structures are broken: a defect of this program.
    #[error("the modelled kernel failed on CPU {cpu}: {what} at {ip:#x}")]
    KernelFault {
        /// Which CPU.
        cpu: u32,
        /// What happened.
        what: &'static str,
        /// Where.
        ip: u64,
    },
    /// Every task waits and nothing can wake any.
    #[error("deadlock: {nr_tasks} task(s) wait and nothing can wake them{stopped}")]
    Deadlock {
        /// How many tasks are left.
        nr_tasks: usize,
        /// Those among them that are stopped.
        stopped: StoppedTasks,
    },
    /// An input could not be had.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The kernel debugger ended the run.
    #[error("killed by the debugger")]
    Killed,
}

/// Tasks that are stopped by a signal or for their tracer when nothing can go on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoppedTasks(pub Vec<TaskTag>);

impl fmt::Display for StoppedTasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, task) in self.0.iter().enumerate() {
            let lead = if index == 0 { "; stopped: " } else { ", " };
            write!(f, "{lead}{} (thread {})", task.comm, task.tid)?;
        }
        Ok(())
    }
}

/// A digest of machine state, chained over all digests before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest(pub [u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Work of one CPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTotals {
    /// Instructions retired.
    pub insns: u64,
    /// Cycles since boot.
    pub cycles: u64,
    /// Guest time since boot, ns.
    pub time_ns: u64,
}

/// Work of the machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Each CPU's.
    pub cpus: Vec<CpuTotals>,
    /// The largest guest time, ns.
    pub time_ns: u64,
}

impl Kernel {
    /// Takes what happened since the last call, in order.
    pub fn take_observations(&mut self) -> Vec<Observation> {
        std::mem::take(&mut self.observations)
    }

    /// Work done so far.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let cpus: Vec<CpuTotals> = self
            .hw
            .cpus()
            .map(|cpu| CpuTotals {
                insns: self.hw.icount(cpu),
                cycles: self.hw.cycles(cpu),
                time_ns: self.hw.time_ns(cpu),
            })
            .collect();
        let time_ns = cpus.iter().map(|cpu| cpu.time_ns).max().unwrap_or(0);
        Totals { cpus, time_ns }
    }

    /// The address of the instruction at which a signal ended the first process; `None` while
    /// it lives, and where another task's signal ended it from outside.
    #[must_use]
    pub const fn killed_at(&self) -> Option<u64> {
        self.killed_at
    }

    /// The task that runs on a CPU.
    #[must_use]
    pub(crate) fn current_on(&self, cpu: CpuId) -> Option<TaskId> {
        self.sched.current(cpu)
    }

    /// Guest time on the CPU that runs now, ns since boot.
    #[must_use]
    pub(crate) fn now_ns(&self) -> u64 {
        self.hw.time_ns(self.this_cpu)
    }
}
