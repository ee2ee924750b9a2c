//! One instruction of a task, run through the ordinary loop of entries and exceptions.

use perf_core::TaskId;

use super::op::{Access, AccessKind, Answer, SignalSeen, TaskName};
use super::symbols::{CODE, STACK, STACK_BYTES};
use super::{ScenarioError, Stage};
use crate::arch::x86::entry::{ReturnBy, RunExit};
use crate::arch::x86::layout::EntryPoint;
use crate::arch::x86::pt_regs::{RAX, RDI, RDX, RSI, RSP};
use crate::arch::x86::scenario_program::{PARK, PARK_AT, SIGRETURN, access_at};
use crate::kernel::StopReason;
use crate::uapi::signal::si_code::TRAP_PERF;
use crate::uapi::word_at;

/// Cycles within which an instruction with its exceptions and its handler has ended.
const MAX_CYCLES: u64 = 10_000_000;
/// Entries to the kernel within which it has ended.
const MAX_ENTRIES: u32 = 1_000;
/// What a store puts into memory.
const STORED: u64 = 0x0123_4567_89ab_cdef;
/// Bytes of siginfo that are looked at.
const SIGINFO_SEEN: usize = 40;

impl Stage {
    /// Makes an access and tells how many counts it added.
    pub(super) fn hit(
        &mut self,
        name: &TaskName,
        access: &Access,
    ) -> Result<Answer, ScenarioError> {
        let task = self.live_task(name)?;
        let address = self.symbols.resolve(&access.place)?;
        let cpu = self.cpu_of(task).ok_or_else(|| ScenarioError::NotRunning(name.clone()))?;
        self.kernel.this_cpu = cpu;
        let before = self.total_count();
        match access.kind {
            AccessKind::KernelStore(len) => {
                // What cannot be written is EFAULT to the program, which does not look.
                let _efault = self.kernel.copy_to_user(address, &vec![0; usize::from(len)]);
                self.return_to_user(task)?;
            }
            AccessKind::KernelLoad(len) => {
                let _efault = self.kernel.copy_from_user(address, &mut vec![0; usize::from(len)]);
                self.return_to_user(task)?;
            }
            AccessKind::Exec if !self.symbols.is_function(address) => {
                return Err(ScenarioError::NotAFunction(address));
            }
            AccessKind::Exec => self.run_user(task, address, address)?,
            AccessKind::Store(_) | AccessKind::Load(_) | AccessKind::Increment(_) => {
                let offset = access_at(access.kind).ok_or(ScenarioError::NoSuchAccess)?;
                self.run_user(task, CODE + offset, address)?;
            }
        }
        Ok(Answer::Count(self.total_count().saturating_sub(before)))
    }

    /// Counts of all events, with those of copies that are gone.
    fn total_count(&mut self) -> u64 {
        let now = self.kernel.now_ns();
        let roots: Vec<_> = self
            .kernel
            .perf
            .events()
            .filter(|&id| self.kernel.perf.event(id).is_some_and(|event| event.parent().is_none()))
            .collect();
        let values = self.kernel.with_pmu(|perf, pmu| {
            roots.iter().filter_map(|&id| perf.read_value(pmu, now, id)).collect::<Vec<_>>()
        });
        values.iter().sum()
    }

    /// Goes back to user mode and at once into the kernel again, so that signals are delivered.
    pub(super) fn return_to_user(&mut self, task: TaskId) -> Result<(), ScenarioError> {
        self.run_user(task, CODE + PARK_AT, 0)
    }

    /// Sends a task that is on a CPU to `ip` and runs it until it parks or has ended.
    fn run_user(&mut self, task: TaskId, ip: u64, address: u64) -> Result<(), ScenarioError> {
        let Some(cpu) = self.cpu_of(task) else { return Ok(()) };
        self.kernel.this_cpu = cpu;
        let regs = &mut self.kernel.tasks.task_mut(task).regs;
        regs.ip = ip;
        regs.flags &= !(1 << 16);
        regs.gpr[RAX] = PARK;
        regs.gpr[RDI] = address;
        regs.gpr[RDX] = STORED;
        regs.gpr[RSP] = STACK + STACK_BYTES - 16;
        self.kernel.exit_to_user(cpu, ReturnBy::Iret);
        let deadline = self.kernel.hw.cycles(cpu) + MAX_CYCLES;
        for _ in 0..MAX_ENTRIES {
            if let Some(reason) = &self.kernel.stopped {
                return Err(reason.clone().into());
            }
            if self.kernel.current_on(cpu) != Some(task) {
                return Ok(());
            }
            match self.kernel.hw.run(cpu, deadline) {
                RunExit::Entry(EntryPoint::Syscall) => {
                    let regs = self.kernel.hw.syscall_regs(cpu);
                    if regs.orig_ax == PARK {
                        self.kernel.tasks.task_mut(task).regs = regs;
                        return Ok(());
                    }
                    if regs.orig_ax == SIGRETURN {
                        self.note_signal(task, regs.gpr[RSI]);
                    }
                    self.kernel.user_entry(cpu, EntryPoint::Syscall);
                }
                RunExit::Entry(entry) => self.kernel.user_entry(cpu, entry),
                RunExit::Deadline => return Err(ScenarioError::NeverEnded(ip)),
                RunExit::Unsupported(text) => {
                    return Err(StopReason::UnsupportedInsn(text).into());
                }
                RunExit::Broken(what) => {
                    let ip = self.kernel.hw.ip(cpu);
                    return Err(StopReason::KernelFault { cpu: cpu.0, what, ip }.into());
                }
            }
        }
        Err(ScenarioError::NeverEnded(ip))
    }

    /// Notes what the handler was told, from the siginfo on its stack.
    fn note_signal(&mut self, task: TaskId, info: u64) {
        let space = self.kernel.tasks.space_of_mut(task);
        let bytes = space.peek_bytes(&self.kernel.hw, info, SIGINFO_SEEN);
        if bytes.len() < SIGINFO_SEEN {
            return;
        }
        let code = word_at(&bytes, 8) as u32 as i32;
        let is_perf = code == TRAP_PERF;
        let seen = SignalSeen {
            code,
            addr: word_at(&bytes, 16),
            sig_data: if is_perf { word_at(&bytes, 24) } else { 0 },
            flags: if is_perf { (word_at(&bytes, 32) >> 32) as u32 } else { 0 },
        };
        self.signals.entry(task).or_default().push(seen);
    }
}
