//! The kernel debugger: the machine stands still while somebody outside looks at it.
//!
//! Key types: [`KgdbIo`] is the one outside (Linux: `struct kgdb_io`), who is called while the
//! machine stands; [`Stop`] says why it stands, [`Resume`] how it goes on; [`Kgdb`] is the state.
//! `debug_core` enters, leaves and steps; `memory`, `sw_breakpoint` and `report` are what can be
//! done meanwhile. Knows no protocol and no socket. Neighbours: [`crate::arch::x86::kgdb`] has
//! the hardware breakpoints and the registers.
//!
//! Where this debugger differs from Linux's: it takes its own breakpoints of user mode too
//! (`__kgdb_notify` leaves user mode alone), and it steps by letting the machine run one
//! instruction instead of by RFLAGS.TF, so that no program sees the flag.
//! Source: Linux 6.18 kernel/debug/debug_core.c, arch/x86/kernel/kgdb.c.

mod debug_core;
mod memory;
mod report;
mod sw_breakpoint;
#[cfg(test)]
mod tests;

use perf_core::CpuId;

use crate::arch::x86::kgdb::{HwBreak, HwBreaks, RegsPlace};
use crate::kernel::{Kernel, Step};

pub use memory::DebugMemoryError;
pub use report::{CpuNow, KgdbReport};
use sw_breakpoint::SwBreakpoints;

/// The debugger's other side.
pub trait KgdbIo {
    /// The machine stands still. It goes on when this returns.
    fn stopped(&mut self, kernel: &mut Kernel, stop: &Stop) -> Resume;

    /// Whether the machine is to stop soon; asked once a scheduling quantum.
    fn wants_stop(&mut self) -> bool;

    /// The run has ended so.
    fn ended(&mut self, end: &Step);
}

/// The machine stands still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop {
    /// The CPU on which it happened.
    pub cpu: CpuId,
    /// Why.
    pub cause: StopCause,
}

/// Why the machine stands still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopCause {
    /// The debugger asked for it, or it is the first user instruction.
    Interrupt,
    /// The instruction that was asked for is done.
    Step,
    /// The instruction at RIP is a software breakpoint; it has not been executed.
    SwBreakpoint,
    /// A hardware breakpoint. Execution: the instruction at RIP has not been executed. Data:
    /// the instruction before RIP made the access.
    HwBreakpoint(HwBreak),
}

/// How the machine goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// All CPUs run.
    Continue,
    /// This CPU runs, the others stand still while it has anything to run.
    ContinueCpu(CpuId),
    /// This CPU executes one instruction, the others stand still. A system call counts as one
    /// instruction, and while the CPU has nothing to run the others do.
    Step(CpuId),
    /// All CPUs run, and the debugger is gone: its breakpoints are removed.
    Detach,
    /// The run ends.
    Kill,
}

/// What the CPUs run for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pending {
    /// Nothing in particular.
    Nothing,
    /// This CPU alone, for as long as nothing happens.
    Only(CpuId),
    /// Until any CPU is in user mode.
    Interrupt,
    /// Until this CPU has executed one instruction.
    Step { cpu: CpuId, from: StepFrom },
    /// Until this CPU is back where a hardware breakpoint hit kernel code.
    KernelHit { cpu: CpuId, hit: HwBreak },
}

/// Where a step began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StepFrom {
    /// In user mode at this RIP: it ends in user mode.
    User { ip: u64 },
    /// The same, and the instruction has entered the kernel for good: a system call.
    Syscall,
    /// In kernel code, or with nothing to run: it ends anywhere.
    Kernel,
}

/// The state of the debugger.
pub struct Kgdb {
    /// The other side; absent while it is being called, and after it has gone.
    io: Option<Box<dyn KgdbIo>>,
    hw_breaks: HwBreaks,
    sw_breakpoints: SwBreakpoints,
    pending: Pending,
    /// While the machine stands still: the CPU on which it happened, and its registers.
    standing: Option<(CpuId, RegsPlace)>,
}
