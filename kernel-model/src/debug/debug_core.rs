//! Entering and leaving the debugger, steps, and who is asked when.
//! Source: Linux 6.18 kernel/debug/debug_core.c (`kgdb_cpu_enter`), arch/x86/kernel/kgdb.c
//! (`kgdb_arch_late`, `__kgdb_notify`).

use std::fmt;

use perf_core::attr::abi::{AttrFlags, HW_BREAKPOINT_W};
use perf_core::{CpuId, Errno, EventId, PerfEventAttr, Target, TaskId};

use super::{Kgdb, KgdbIo, Pending, Resume, StepFrom, Stop, StopCause, SwBreakpoints};
use crate::arch::x86::debugreg::HBP_NUM;
use crate::arch::x86::kgdb::{DebugRegs, HwBreak, HwBreakError, HwBreaks, RegsPlace};
use crate::arch::x86::layout::{EntryPoint, Stub};
use crate::events::overflow_handler::OverflowHandler;
use crate::kernel::{Kernel, Step, StopReason};

/// #PF: the instruction is executed again.
const PAGE_FAULT: u8 = 14;

impl fmt::Debug for Kgdb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kgdb").field("hw_breaks", &self.hw_breaks).finish_non_exhaustive()
    }
}

impl Kernel {
    /// Lets a debugger control the machine: it stops before the first user instruction.
    ///
    /// # Errors
    /// Why the debugger's events cannot be made.
    pub fn kgdb_attach(&mut self, io: Box<dyn KgdbIo>) -> Result<(), Errno> {
        let hw_breaks = self.kgdb_arch_late()?;
        self.kgdb = Some(Kgdb {
            io: Some(io),
            hw_breaks,
            sw_breakpoints: SwBreakpoints::default(),
            pending: Pending::Interrupt,
            standing: None,
        });
        Ok(())
    }

    /// Four disabled events on every CPU, whose slots are given back at once, so that a
    /// debugger without breakpoints takes nothing (rule 6.3.2).
    fn kgdb_arch_late(&mut self) -> Result<HwBreaks, Errno> {
        let dummy = Stub::EntrySyscall.address();
        let mut attr = PerfEventAttr::breakpoint(dummy, 1, HW_BREAKPOINT_W)
            .with(AttrFlags::PINNED)
            .with(AttrFlags::DISABLED);
        attr.sample_period = 1;
        let mut events: [Vec<EventId>; HBP_NUM] = Default::default();
        let now = self.now_ns();
        for (entry, events) in (0..).zip(&mut events) {
            let handler = Some(OverflowHandler::Kgdb { entry }.id());
            for cpu in self.hw.cpus() {
                let target = Target::Cpu(cpu);
                let event = self.with_pmu(|perf, pmu| {
                    perf.create_kernel_counter(pmu, now, &attr, target, handler)
                })?;
                self.breakpoints.slots_mut().release_bp_slot(event);
                events.push(event);
            }
        }
        Ok(HwBreaks::new(events))
    }

    /// Whether a debugger is there.
    #[must_use]
    pub fn kgdb_connected(&self) -> bool {
        self.kgdb.as_ref().is_some_and(|kgdb| kgdb.io.is_some() || kgdb.standing.is_some())
    }

    /// Bits of the debugger's enabled entries.
    pub(crate) fn kgdb_enabled_mask(&self) -> u8 {
        self.kgdb.as_ref().map_or(0, |kgdb| kgdb.hw_breaks.enabled_mask())
    }

    /// What an entry of the debugger watches.
    pub(crate) fn kgdb_entry(&self, entry: u8) -> Option<HwBreak> {
        self.kgdb.as_ref()?.hw_breaks.entry(usize::from(entry))
    }

    /// Stops the machine, lets the debugger do what it wants, and goes on
    /// (`kgdb_cpu_enter`).
    pub(crate) fn kgdb_enter(&mut self, cpu: CpuId, place: RegsPlace, cause: StopCause) {
        let Some(kgdb) = &mut self.kgdb else { return };
        let Some(mut io) = kgdb.io.take() else { return };
        kgdb.pending = Pending::Nothing;
        kgdb.standing = Some((cpu, place));
        self.kgdb_all_cpus(HwBreaks::disable_hw_debug);
        let resume = io.stopped(self, &Stop { cpu, cause });
        let pending = match resume {
            Resume::Step(cpu) => Pending::Step { cpu, from: self.kgdb_step_from(cpu) },
            Resume::ContinueCpu(cpu) => Pending::Only(cpu),
            Resume::Continue | Resume::Detach | Resume::Kill => Pending::Nothing,
        };
        if resume == Resume::Detach || resume == Resume::Kill {
            self.kgdb_remove_all();
        }
        self.kgdb_all_cpus(HwBreaks::correct_hw_break);
        if resume == Resume::Kill {
            self.stop(StopReason::Killed);
        }
        if let Some(kgdb) = &mut self.kgdb {
            kgdb.standing = None;
            kgdb.pending = pending;
            kgdb.io = (resume != Resume::Detach).then_some(io);
        }
    }

    fn kgdb_all_cpus(
        &mut self,
        action: fn(
            &HwBreaks,
            &mut crate::arch::x86::hw::Hw,
            &mut crate::events::hw_breakpoint::HwBreakpoints,
            CpuId,
        ),
    ) {
        let Some(kgdb) = &self.kgdb else { return };
        for cpu in self.hw.cpus() {
            action(&kgdb.hw_breaks, &mut self.hw, &mut self.breakpoints, cpu);
        }
    }

    /// Where a step of this CPU begins.
    fn kgdb_step_from(&self, cpu: CpuId) -> StepFrom {
        if self.current_on(cpu).is_none() {
            return StepFrom::Kernel;
        }
        let regs = self.kgdb_regs(cpu);
        if regs.selectors[0] & 3 == 3 { StepFrom::User { ip: regs.ip } } else { StepFrom::Kernel }
    }

    /// The run has ended.
    pub(crate) fn kgdb_ended(&mut self, end: &Step) {
        if let Some(mut io) = self.kgdb.as_mut().and_then(|kgdb| kgdb.io.take()) {
            io.ended(end);
        }
    }
}

/// What the main loop asks.
impl Kernel {
    /// The start of a quantum: whether the debugger wants the machine to stop.
    pub(crate) fn kgdb_poll(&mut self) {
        if let Some(kgdb) = &mut self.kgdb
            && let Some(io) = &mut kgdb.io
            && io.wants_stop()
        {
            kgdb.pending = Pending::Interrupt;
        }
    }

    /// The CPU that alone may run.
    pub(crate) fn kgdb_only_cpu(&self) -> Option<CpuId> {
        match self.kgdb.as_ref()?.pending {
            Pending::Only(cpu) | Pending::Step { cpu, .. } | Pending::KernelHit { cpu, .. } => {
                self.sched.is_busy(cpu).then_some(cpu)
            }
            Pending::Nothing | Pending::Interrupt => None,
        }
    }

    /// Whether this CPU executes instruction by instruction for the debugger: its timer waits.
    pub(crate) fn kgdb_steps(&self, cpu: CpuId) -> bool {
        match self.kgdb.as_ref().map(|kgdb| kgdb.pending) {
            Some(Pending::Step { cpu: wanted, .. } | Pending::KernelHit { cpu: wanted, .. }) => {
                wanted == cpu
            }
            None | Some(Pending::Nothing | Pending::Only(_) | Pending::Interrupt) => false,
        }
    }

    /// When a CPU has to give up control: after one instruction where the debugger waits for it.
    pub(crate) fn kgdb_deadline(&self, cpu: CpuId, deadline: u64) -> u64 {
        let interrupts = self.kgdb.as_ref().is_some_and(|kgdb| kgdb.pending == Pending::Interrupt);
        let waits = interrupts || self.kgdb_steps(cpu);
        if waits { deadline.min(self.hw.cycles(cpu) + 1) } else { deadline }
    }

    /// A CPU has entered the kernel: whether that completes the instruction of a step.
    pub(crate) fn kgdb_note_entry(&mut self, cpu: CpuId, entry: EntryPoint) {
        let Some(kgdb) = &mut self.kgdb else { return };
        let Pending::Step { cpu: stepped, from: StepFrom::User { .. } } = kgdb.pending else {
            return;
        };
        let completes = match entry {
            EntryPoint::Syscall | EntryPoint::Int80 => true,
            EntryPoint::Exception(vector) => vector != PAGE_FAULT,
            EntryPoint::Timer | EntryPoint::RoutineDone => false,
        };
        if stepped == cpu && completes {
            kgdb.pending = Pending::Step { cpu, from: StepFrom::Syscall };
        }
    }

    /// A CPU stands at an instruction boundary; `was_user` is whether it was in user mode when it
    /// began to run. Stops the machine where this is what the debugger waits for.
    pub(crate) fn kgdb_boundary(&mut self, cpu: CpuId, was_user: bool) {
        let Some(kgdb) = &self.kgdb else { return };
        // Traps of the last instruction come before anything else.
        if kgdb.pending == Pending::Nothing || self.hw.has_pending_debug(cpu) {
            return;
        }
        let is_user = self.hw.is_user(cpu);
        let cause = match kgdb.pending {
            Pending::Nothing | Pending::Only(_) => None,
            Pending::Interrupt => is_user.then_some(StopCause::Interrupt),
            Pending::Step { cpu: stepped, from } => {
                let is_done = match from {
                    StepFrom::User { ip } => is_user && (was_user || self.hw.ip(cpu) != ip),
                    StepFrom::Syscall => is_user,
                    StepFrom::Kernel => true,
                };
                (stepped == cpu && is_done).then_some(StopCause::Step)
            }
            Pending::KernelHit { cpu: wanted, hit } => (wanted == cpu
                && !self.hw.is_returning(cpu))
            .then_some(StopCause::HwBreakpoint(hit)),
        };
        if let Some(cause) = cause {
            self.kgdb_enter(cpu, RegsPlace::Cpu, cause);
        }
    }

    /// A hardware breakpoint has hit kernel code: the machine stops when the handler is done.
    pub(crate) fn kgdb_kernel_hit(&mut self, cpu: CpuId, hit: HwBreak) {
        if let Some(kgdb) = &mut self.kgdb
            && kgdb.io.is_some()
        {
            kgdb.pending = Pending::KernelHit { cpu, hit };
        }
    }

    /// #BP of user mode: whether it is the debugger's. Then the machine has been stopped, and
    /// the task's RIP is that of the breakpoint.
    pub(crate) fn kgdb_handle_bp(&mut self, cpu: CpuId, task: TaskId) -> bool {
        let address = self.tasks.task(task).regs.ip.wrapping_sub(1);
        let is_ours = self.kgdb.as_ref().is_some_and(|kgdb| kgdb.sw_breakpoints.has(address));
        if !is_ours || !self.kgdb_connected() {
            return false;
        }
        self.tasks.task_mut(task).regs.ip = address;
        self.kgdb_enter(cpu, RegsPlace::Task, StopCause::SwBreakpoint);
        true
    }
}

/// What a debugger does while the machine stands still.
impl Kernel {
    /// A CPU's registers.
    #[must_use]
    pub fn kgdb_regs(&self, cpu: CpuId) -> DebugRegs {
        let regs = self.hw.debug_regs(cpu);
        match self.kgdb_saved_task(cpu) {
            Some(task) => regs.with_saved(&self.tasks.task(task).regs),
            None => regs,
        }
    }

    /// Changes a CPU's registers; the selectors have to stay.
    ///
    /// # Errors
    /// EINVAL where a selector is another, MXCSR is not legal or a base not canonical.
    pub fn kgdb_set_regs(&mut self, cpu: CpuId, regs: &DebugRegs) -> Result<(), Errno> {
        if regs.selectors != self.kgdb_regs(cpu).selectors {
            return Err(Errno::EINVAL);
        }
        self.hw.set_debug_state(cpu, regs)?;
        match self.kgdb_saved_task(cpu) {
            Some(task) => {
                let task = self.tasks.task_mut(task);
                regs.save_to(&mut task.regs);
                (task.fs_base, task.gs_base) = (regs.fs_base, regs.gs_base);
            }
            None => self.hw.set_debug_gprs(cpu, regs),
        }
        Ok(())
    }

    /// The task whose saved registers are those of a CPU.
    fn kgdb_saved_task(&self, cpu: CpuId) -> Option<TaskId> {
        let standing = self.kgdb.as_ref()?.standing?;
        (standing == (cpu, RegsPlace::Task)).then(|| self.current_on(cpu)).flatten()
    }

    /// Sets a hardware breakpoint on every CPU.
    ///
    /// # Errors
    /// [`HwBreakError`]: `E01`.
    pub fn kgdb_set_hw_break(&mut self, want: HwBreak) -> Result<(), HwBreakError> {
        let kgdb = self.kgdb.as_mut().ok_or(HwBreakError::NoEntry)?;
        kgdb.hw_breaks.set_hw_break(self.breakpoints.slots_mut(), want).map(|_entry| ())
    }

    /// Removes a hardware breakpoint.
    ///
    /// # Errors
    /// [`HwBreakError`]: `E01`.
    pub fn kgdb_remove_hw_break(&mut self, want: HwBreak) -> Result<(), HwBreakError> {
        let kgdb = self.kgdb.as_mut().ok_or(HwBreakError::Unknown)?;
        kgdb.hw_breaks.remove_hw_break(self.breakpoints.slots_mut(), want)
    }

    /// Removes everything that the debugger has set.
    fn kgdb_remove_all(&mut self) {
        if let Some(kgdb) = &mut self.kgdb {
            let removed = kgdb.hw_breaks.remove_all_hw_break(&mut self.hw, &mut self.breakpoints);
            // Nobody is inside the constraint code while the machine stands still.
            debug_assert!(removed.is_ok(), "a debugger's slots can be given back");
        }
        self.kgdb_remove_all_sw_breakpoints();
    }
}
