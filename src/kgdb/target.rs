//! What this machine can do for a debugger, for the protocol crate. A CPU is a thread: thread 1
//! is CPU 0.
//!
//! Every question goes to the machine's thread as a closure and is answered there.

use std::sync::mpsc::{self, Sender};

use gdbstub::common::{Signal, Tid};
use gdbstub::target::ext::base::BaseOps;
use gdbstub::target::ext::base::multithread::{
    MultiThreadBase, MultiThreadResume, MultiThreadResumeOps, MultiThreadSchedulerLocking,
    MultiThreadSchedulerLockingOps, MultiThreadSingleStep, MultiThreadSingleStepOps,
};
use gdbstub::target::ext::breakpoints::{
    Breakpoints, BreakpointsOps, HwBreakpoint, HwBreakpointOps, HwWatchpoint, HwWatchpointOps,
    SwBreakpoint, SwBreakpointOps, WatchKind,
};
use gdbstub::target::ext::monitor_cmd::{ConsoleOutput, MonitorCmd, MonitorCmdOps};
use gdbstub::target::ext::thread_extra_info::{ThreadExtraInfo, ThreadExtraInfoOps};
use gdbstub::target::{Target, TargetError, TargetResult};
use kernel_model::arch::x86::kgdb::{HwBreak, HwBreakAccess};
use kernel_model::debug::Resume;
use kernel_model::kernel::Kernel;
use perf_core::{CpuId, Errno};

use super::arch::{KgdbX86, Registers};
use super::monitor;
use super::server::ToMachine;

/// What Linux's kgdb answers where the architecture refuses: `E01`.
const REFUSED: u8 = 1;

/// The machine has gone on or ended while it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the machine does not answer")]
pub(super) struct Gone;

/// The machine, for one debugger.
pub(super) struct KgdbTarget {
    machine: Sender<ToMachine>,
    nr_cpus: u32,
    /// The CPU that stopped last: its program is the one that breakpoints are set in.
    stopped_on: CpuId,
    /// What the next resume is to do.
    resume: Resume,
    /// The first CPU that was told to go on by its own number.
    named: Option<CpuId>,
}

/// The thread of a CPU.
pub(super) fn tid_of(cpu: CpuId) -> Tid {
    Tid::MIN.saturating_add(cpu.0 as usize)
}

/// What the debugger calls an access; execution is no watch.
pub(super) fn watch_kind(access: HwBreakAccess) -> Option<WatchKind> {
    match access {
        HwBreakAccess::Execute => None,
        HwBreakAccess::Write => Some(WatchKind::Write),
        HwBreakAccess::Access => Some(WatchKind::ReadWrite),
    }
}

fn errno(errno: Errno) -> TargetError<Gone> {
    TargetError::Errno(errno.number() as u8)
}

impl KgdbTarget {
    pub(super) fn new(machine: Sender<ToMachine>, nr_cpus: u32, stopped_on: CpuId) -> Self {
        Self { machine, nr_cpus, stopped_on, resume: Resume::Continue, named: None }
    }

    /// Notes where the machine has stopped.
    pub(super) fn stopped_on(&mut self, cpu: CpuId) {
        self.stopped_on = cpu;
    }

    /// Asks the machine to stop.
    pub(super) fn interrupt(&self) {
        // Without a machine the stub hears of it by its own channel.
        let _ = self.machine.send(ToMachine::Interrupt);
    }

    /// The debugger has gone; a machine that stands still goes on like this.
    pub(super) fn disconnected(&self, resume: Option<Resume>) {
        if let Some(resume) = resume {
            let _ = self.machine.send(ToMachine::Resume(resume));
        }
    }

    /// Does something on the machine's thread while it stands still.
    fn on_machine<R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Kernel) -> R + Send + 'static,
    ) -> Result<R, Gone> {
        let (answer, answered) = mpsc::channel();
        let work = Box::new(move |kernel: &mut Kernel| {
            // The stub waits for it.
            let _ = answer.send(work(kernel));
        });
        self.machine.send(ToMachine::Do(work)).map_err(|_| Gone)?;
        answered.recv().map_err(|_| Gone)
    }

    /// The CPU of a thread.
    fn cpu(&self, tid: Tid) -> TargetResult<CpuId, Self> {
        let number = u32::try_from(tid.get() - 1).ok().filter(|number| *number < self.nr_cpus);
        number.map(CpuId).ok_or(errno(Errno::ESRCH))
    }

    fn set_hw_break(&mut self, want: HwBreak) -> TargetResult<bool, Self> {
        let set = self.on_machine(move |kernel| kernel.kgdb_set_hw_break(want));
        set.map_err(TargetError::Fatal)?.map_err(|_| TargetError::Errno(REFUSED))?;
        Ok(true)
    }

    fn remove_hw_break(&mut self, want: HwBreak) -> TargetResult<bool, Self> {
        let removed = self.on_machine(move |kernel| kernel.kgdb_remove_hw_break(want));
        removed.map_err(TargetError::Fatal)?.map_err(|_| TargetError::Errno(REFUSED))?;
        Ok(true)
    }
}

/// A watch of the debugger's kind; reads alone are what x86 does not have (rule 6.3.3).
fn watch(addr: u64, len: u64, kind: WatchKind) -> TargetResult<HwBreak, KgdbTarget> {
    let access = match kind {
        WatchKind::Write => HwBreakAccess::Write,
        WatchKind::ReadWrite => HwBreakAccess::Access,
        WatchKind::Read => return Err(TargetError::Errno(REFUSED)),
    };
    Ok(HwBreak { addr, len, access })
}

/// Execution, whose length is always 1.
const fn execute(addr: u64) -> HwBreak {
    HwBreak { addr, len: 1, access: HwBreakAccess::Execute }
}

impl Target for KgdbTarget {
    type Arch = KgdbX86;
    type Error = Gone;

    fn base_ops(&mut self) -> BaseOps<'_, Self::Arch, Self::Error> {
        BaseOps::MultiThread(self)
    }

    fn support_breakpoints(&mut self) -> Option<BreakpointsOps<'_, Self>> {
        Some(self)
    }

    fn support_monitor_cmd(&mut self) -> Option<MonitorCmdOps<'_, Self>> {
        Some(self)
    }
}

impl MultiThreadBase for KgdbTarget {
    fn read_registers(&mut self, regs: &mut Registers, tid: Tid) -> TargetResult<(), Self> {
        let cpu = self.cpu(tid)?;
        let read = self.on_machine(move |kernel| Box::new(kernel.kgdb_regs(cpu)));
        *regs = Registers::of(&*read.map_err(TargetError::Fatal)?);
        Ok(())
    }

    fn write_registers(&mut self, regs: &Registers, tid: Tid) -> TargetResult<(), Self> {
        let cpu = self.cpu(tid)?;
        let regs = Box::new(regs.clone());
        let written = self.on_machine(move |kernel| {
            let mut now = kernel.kgdb_regs(cpu);
            regs.put_into(&mut now);
            kernel.kgdb_set_regs(cpu, &now)
        });
        written.map_err(TargetError::Fatal)?.map_err(errno)
    }

    fn read_addrs(&mut self, addr: u64, data: &mut [u8], tid: Tid) -> TargetResult<usize, Self> {
        let (cpu, len) = (self.cpu(tid)?, data.len());
        let read = self.on_machine(move |kernel| {
            let mut bytes = vec![0; len];
            let read = kernel.kgdb_read(cpu, addr, &mut bytes)?;
            bytes.truncate(read);
            Ok(bytes)
        });
        let read = read.map_err(TargetError::Fatal)?;
        let bytes: Vec<u8> =
            read.map_err(|e: kernel_model::debug::DebugMemoryError| errno(e.errno()))?;
        data[..bytes.len()].copy_from_slice(&bytes);
        Ok(bytes.len())
    }

    fn write_addrs(&mut self, addr: u64, data: &[u8], tid: Tid) -> TargetResult<(), Self> {
        let (cpu, data) = (self.cpu(tid)?, data.to_vec());
        let written = self.on_machine(move |kernel| kernel.kgdb_write(cpu, addr, &data));
        written.map_err(TargetError::Fatal)?.map_err(|e| errno(e.errno()))
    }

    fn list_active_threads(&mut self, found: &mut dyn FnMut(Tid)) -> Result<(), Self::Error> {
        (0..self.nr_cpus).for_each(|cpu| found(tid_of(CpuId(cpu))));
        Ok(())
    }

    fn support_resume(&mut self) -> Option<MultiThreadResumeOps<'_, Self>> {
        Some(self)
    }

    fn support_thread_extra_info(&mut self) -> Option<ThreadExtraInfoOps<'_, Self>> {
        Some(self)
    }
}

impl ThreadExtraInfo for KgdbTarget {
    fn thread_extra_info(&self, tid: Tid, buf: &mut [u8]) -> Result<usize, Self::Error> {
        let number = tid.get() - 1;
        let text = self
            .on_machine(move |kernel| kernel.kgdb_cpus().nth(number).map(|cpu| cpu.to_string()))?;
        let text = text.unwrap_or_default();
        let len = text.len().min(buf.len());
        buf[..len].copy_from_slice(&text.as_bytes()[..len]);
        Ok(len)
    }
}

impl MultiThreadResume for KgdbTarget {
    fn resume(&mut self) -> Result<(), Self::Error> {
        self.machine.send(ToMachine::Resume(self.resume)).map_err(|_| Gone)
    }

    fn clear_resume_actions(&mut self) -> Result<(), Self::Error> {
        (self.resume, self.named) = (Resume::Continue, None);
        Ok(())
    }

    /// A signal has nobody to go to: a CPU takes none.
    fn set_resume_action_continue(
        &mut self,
        tid: Tid,
        _signal: Option<Signal>,
    ) -> Result<(), Self::Error> {
        if let Ok(cpu) = self.cpu(tid) {
            self.named.get_or_insert(cpu);
        }
        Ok(())
    }

    fn support_single_step(&mut self) -> Option<MultiThreadSingleStepOps<'_, Self>> {
        Some(self)
    }

    fn support_scheduler_locking(&mut self) -> Option<MultiThreadSchedulerLockingOps<'_, Self>> {
        Some(self)
    }
}

impl MultiThreadSingleStep for KgdbTarget {
    fn set_resume_action_step(
        &mut self,
        tid: Tid,
        _signal: Option<Signal>,
    ) -> Result<(), Self::Error> {
        if let Ok(cpu) = self.cpu(tid) {
            self.resume = Resume::Step(cpu);
        }
        Ok(())
    }
}

impl MultiThreadSchedulerLocking for KgdbTarget {
    fn set_resume_action_scheduler_lock(&mut self) -> Result<(), Self::Error> {
        if let (Resume::Continue, Some(cpu)) = (self.resume, self.named) {
            self.resume = Resume::ContinueCpu(cpu);
        }
        Ok(())
    }
}

impl Breakpoints for KgdbTarget {
    fn support_sw_breakpoint(&mut self) -> Option<SwBreakpointOps<'_, Self>> {
        Some(self)
    }

    fn support_hw_breakpoint(&mut self) -> Option<HwBreakpointOps<'_, Self>> {
        Some(self)
    }

    fn support_hw_watchpoint(&mut self) -> Option<HwWatchpointOps<'_, Self>> {
        Some(self)
    }
}

impl SwBreakpoint for KgdbTarget {
    fn add_sw_breakpoint(&mut self, addr: u64, _kind: usize) -> TargetResult<bool, Self> {
        let cpu = self.stopped_on;
        let set = self.on_machine(move |kernel| kernel.kgdb_set_sw_break(cpu, addr));
        set.map_err(TargetError::Fatal)?.map_err(|e| errno(e.errno()))?;
        Ok(true)
    }

    fn remove_sw_breakpoint(&mut self, addr: u64, _kind: usize) -> TargetResult<bool, Self> {
        let removed = self.on_machine(move |kernel| kernel.kgdb_remove_sw_break(addr));
        removed.map_err(TargetError::Fatal)?.map_err(|e| errno(e.errno()))?;
        Ok(true)
    }
}

impl HwBreakpoint for KgdbTarget {
    fn add_hw_breakpoint(&mut self, addr: u64, _kind: usize) -> TargetResult<bool, Self> {
        self.set_hw_break(execute(addr))
    }

    fn remove_hw_breakpoint(&mut self, addr: u64, _kind: usize) -> TargetResult<bool, Self> {
        self.remove_hw_break(execute(addr))
    }
}

impl HwWatchpoint for KgdbTarget {
    fn add_hw_watchpoint(
        &mut self,
        addr: u64,
        len: u64,
        kind: WatchKind,
    ) -> TargetResult<bool, Self> {
        self.set_hw_break(watch(addr, len, kind)?)
    }

    fn remove_hw_watchpoint(
        &mut self,
        addr: u64,
        len: u64,
        kind: WatchKind,
    ) -> TargetResult<bool, Self> {
        self.remove_hw_break(watch(addr, len, kind)?)
    }
}

impl MonitorCmd for KgdbTarget {
    fn handle_monitor_cmd(
        &mut self,
        cmd: &[u8],
        mut out: ConsoleOutput<'_>,
    ) -> Result<(), Self::Error> {
        let command = String::from_utf8_lossy(cmd).trim().to_owned();
        let text = self.on_machine(move |kernel| monitor::answer(kernel, &command))?;
        out.write_raw(text.as_bytes());
        Ok(())
    }
}
