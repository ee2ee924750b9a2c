//! [`PerfStand`]: perf core on its PMUs: opening, context switches, overflows, rotation.

use std::collections::BTreeMap;
use std::fmt;

use kernel_model::arch::x86::hw::{Hw, TimingChoice};
use kernel_model::arch::x86::hw_breakpoint::AddressRules;
use kernel_model::events::cpu_pmu::{CounterKinds, CpuPmu};
use kernel_model::events::hw_breakpoint::{BreakpointPmu, CapSysAdmin, HwBreakpoints};
use kernel_model::events::pmus::MachinePmus;
use perf_core::attr::abi::{PERF_TYPE_HARDWARE, hw};
use perf_core::{
    BufferId, BufferMemory, CpuId, Errno, EventId, HitRegs, Mapped, MmapAccess, MmapRequest,
    MmapSharing, Mode, Perf, PerfConfig, PerfEventAttr, Target, TaskId,
};

use super::WRITE;

/// A watched address in user space.
const ADDRESS: u64 = 0x40_0000;
/// `PERF_SAMPLE_IP`.
const SAMPLE_IP: u64 = 1;
/// `PERF_COUNT_SW_DUMMY`.
const SW_DUMMY: u64 = 9;
/// Counters on one task, of which not all fit: what rotation is for.
const CROWD: usize = 12;
/// The task that runs.
const TASK: TaskId = TaskId(0);
const CPU: CpuId = CpuId(0);
/// Control page and eight pages of data.
const BUFFER_BYTES: u64 = 9 * 4096;

/// Buffers as plain bytes.
#[derive(Default)]
struct Bytes(BTreeMap<BufferId, Vec<u8>>);

impl BufferMemory for Bytes {
    fn read(&self, buffer: BufferId, offset: u64, out: &mut [u8]) {
        let at = offset as usize;
        if let Some(bytes) = self.0.get(&buffer).and_then(|bytes| bytes.get(at..at + out.len())) {
            out.copy_from_slice(bytes);
        }
    }

    fn write(&mut self, buffer: BufferId, offset: u64, data: &[u8]) {
        let at = offset as usize;
        if let Some(bytes) = self.0.get_mut(&buffer).and_then(|b| b.get_mut(at..at + data.len())) {
            bytes.copy_from_slice(data);
        }
    }
}

/// Perf core, a processor with its debug registers and counters, and a task that runs on it.
pub struct PerfStand {
    hw: Hw,
    breakpoints: HwBreakpoints,
    counters: CpuPmu,
    perf: Perf,
    memory: Bytes,
    sampled: Option<EventId>,
    now: u64,
}

impl fmt::Debug for PerfStand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PerfStand").field("now", &self.now).finish_non_exhaustive()
    }
}

impl PerfStand {
    fn new() -> Self {
        Self {
            hw: Hw::boot(1, 4 << 20, TimingChoice::None),
            breakpoints: HwBreakpoints::new(1, AddressRules::default()),
            counters: CpuPmu::new(1, CounterKinds::Work),
            perf: Perf::new(PerfConfig::default()),
            memory: Bytes::default(),
            sampled: None,
            now: 1000,
        }
    }

    fn parts(&mut self) -> (MachinePmus<'_>, &mut Perf, u64) {
        self.now += 1000;
        let caller = CapSysAdmin::Held;
        let breakpoint = BreakpointPmu { hw: &mut self.hw, state: &mut self.breakpoints, caller };
        (MachinePmus { breakpoint, cpu: &mut self.counters }, &mut self.perf, self.now)
    }

    fn open(&mut self, attr: &PerfEventAttr, task: TaskId) -> Result<EventId, Errno> {
        let (mut pmus, perf, now) = self.parts();
        perf.create_kernel_counter(&mut pmus, now, attr, Target::Task(task, None), None)
    }

    /// The task that runs is [`TASK`], from now on.
    fn run(mut self) -> Self {
        let (mut pmus, perf, now) = self.parts();
        perf.task_sched_in(&mut pmus, now, CPU, TASK);
        self
    }

    /// `nr_tasks` tasks with a breakpoint each, one of them running.
    ///
    /// # Errors
    /// What an open was refused for; none is.
    pub fn with_tasks(nr_tasks: u32) -> Result<Self, Errno> {
        let mut stand = Self::new();
        for task in 0..nr_tasks {
            stand.open(&breakpoint(0), TaskId(task))?;
        }
        Ok(stand.run())
    }

    /// Opens a breakpoint on the running task, which puts it into a register, and closes it.
    /// `false` if it was refused, which it never is.
    pub fn open_close(&mut self) -> bool {
        let Ok(event) = self.open(&breakpoint(1), TASK) else { return false };
        let (mut pmus, perf, now) = self.parts();
        let _nobody_polls = perf.release(&mut pmus, now, event);
        self.forget_log();
        true
    }

    /// A task with breakpoints, at most four, and with software events, which are another PMU's.
    ///
    /// # Errors
    /// What an open was refused for.
    pub fn with_events(nr_breakpoints: u64, nr_software: u64) -> Result<Self, Errno> {
        let mut stand = Self::new();
        for nth in 0..nr_breakpoints {
            stand.open(&breakpoint(nth), TASK)?;
        }
        for _ in 0..nr_software {
            stand.open(&PerfEventAttr::software(SW_DUMMY), TASK)?;
        }
        Ok(stand)
    }

    /// The task comes to the CPU and leaves it.
    pub fn switch_in_out(&mut self) -> bool {
        let (mut pmus, perf, now) = self.parts();
        perf.task_sched_in(&mut pmus, now, CPU, TASK);
        perf.task_sched_out(&mut pmus, now + 500, CPU);
        self.forget_log();
        true
    }

    /// A breakpoint whose every hit is a sample, in a buffer that overwrites itself.
    ///
    /// # Errors
    /// What the open or the mapping was refused for.
    pub fn sampling() -> Result<Self, Errno> {
        let mut stand = Self::new();
        let attr = PerfEventAttr { sample_period: 1, sample_type: SAMPLE_IP, ..breakpoint(0) };
        let event = stand.open(&attr, TASK)?;
        let request = MmapRequest {
            length: BUFFER_BYTES,
            offset: 0,
            sharing: MmapSharing::Shared,
            access: MmapAccess::ReadOnly,
        };
        if let Mapped::New { buffer, bytes } = stand.perf.mmap(event, &request)? {
            stand.memory.0.insert(buffer, vec![0; bytes as usize]);
        }
        stand.perf.init_userpage(0, event, &mut stand.memory);
        stand.sampled = Some(event);
        Ok(stand.run())
    }

    /// A hit and its sample. `false` if there was none.
    pub fn overflow(&mut self) -> bool {
        let Some(event) = self.sampled else { return false };
        let regs = HitRegs {
            ip: 0x40_1000,
            mode: Mode::User,
            pid: 1,
            tid: 1,
            cpu: CPU,
            now: self.now,
            addr: ADDRESS,
            source: None,
        };
        self.perf.event_hit(event, &regs, &mut self.memory).nr_overflows == 1
    }

    /// A running task with more counters than the processor has.
    ///
    /// # Errors
    /// What an open was refused for.
    pub fn crowded() -> Result<Self, Errno> {
        let mut stand = Self::new();
        let attr = PerfEventAttr {
            attr_type: PERF_TYPE_HARDWARE,
            config: hw::INSTRUCTIONS,
            ..PerfEventAttr::software(0)
        };
        for _ in 0..CROWD {
            stand.open(&attr, TASK)?;
        }
        Ok(stand.run())
    }

    /// The multiplexing timer: the next counters have their turn. `false` if all fit.
    pub fn rotate(&mut self) -> bool {
        let due = self.perf.rotation_due(CPU);
        let (mut pmus, perf, now) = self.parts();
        perf.rotate(&mut pmus, now, CPU);
        due
    }

    /// The log of installs is for those who follow watches.
    fn forget_log(&mut self) {
        drop(self.breakpoints.take_arm_log());
    }
}

/// The nth breakpoint of a task.
fn breakpoint(nth: u64) -> PerfEventAttr {
    PerfEventAttr::breakpoint(ADDRESS + 8 * nth, 8, WRITE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_does_what_it_is_measured_for() {
        let mut stand = PerfStand::with_tasks(3).unwrap();
        assert!((0..5).all(|_| stand.open_close()));
        assert_eq!(stand.perf.events().count(), 3);
        let mut stand = PerfStand::with_events(4, 5).unwrap();
        assert!(stand.switch_in_out() && stand.switch_in_out());
        assert!(PerfStand::with_events(5, 0).is_err());
        let mut stand = PerfStand::sampling().unwrap();
        assert!((0..3000).all(|_| stand.overflow()));
        let mut stand = PerfStand::crowded().unwrap();
        assert!((0..30).all(|_| stand.rotate()));
    }
}
