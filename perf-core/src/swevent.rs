//! Software events: perf core's own PMUs, and the counting path they share with breakpoints.
//!
//! Page faults, context switches and the like are reported through [`Perf::sw_event`]; the two
//! clocks count ns while installed. Sampling on the clocks needs a timer per event and is refused
//! (EOPNOTSUPP). Source: `perf_swevent_init`, `do_perf_sw_event`, Linux 6.x
//! kernel/events/core.c.

use crate::attr::PerfEventAttr;
use crate::attr::abi::PERF_SAMPLE_BRANCH_STACK;
use crate::errno::Errno;
use crate::ids::EventId;
use crate::overflow::{HitRegs, Overflow};
use crate::perf::Perf;
use crate::pmu::PmuId;
use crate::ring_buffer::BufferMemory;

/// `PERF_COUNT_SW_*`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u64)]
pub enum SwEvent {
    /// ns of CPU time while installed.
    CpuClock = 0,
    /// ns of task time while installed.
    TaskClock = 1,
    /// Page faults.
    PageFaults = 2,
    /// Context switches.
    ContextSwitches = 3,
    /// Migrations between CPUs.
    CpuMigrations = 4,
    /// Page faults without I/O.
    PageFaultsMin = 5,
    /// Page faults with I/O.
    PageFaultsMaj = 6,
    /// Alignment faults.
    AlignmentFaults = 7,
    /// Instruction emulation faults.
    EmulationFaults = 8,
    /// Counts nothing; carries side-band records or leads groups.
    Dummy = 9,
    /// Output of BPF programs.
    BpfOutput = 10,
    /// Context switches between cgroups.
    CgroupSwitches = 11,
}

impl SwEvent {
    const ALL: [SwEvent; 12] = [
        SwEvent::CpuClock,
        SwEvent::TaskClock,
        SwEvent::PageFaults,
        SwEvent::ContextSwitches,
        SwEvent::CpuMigrations,
        SwEvent::PageFaultsMin,
        SwEvent::PageFaultsMaj,
        SwEvent::AlignmentFaults,
        SwEvent::EmulationFaults,
        SwEvent::Dummy,
        SwEvent::BpfOutput,
        SwEvent::CgroupSwitches,
    ];

    /// The event with this `attr.config`.
    #[must_use]
    pub fn from_config(config: u64) -> Option<SwEvent> {
        Self::ALL.into_iter().find(|e| *e as u64 == config)
    }

    pub(crate) const fn pmu(self) -> PmuId {
        match self {
            SwEvent::CpuClock => PmuId::CpuClock,
            SwEvent::TaskClock => PmuId::TaskClock,
            _ => PmuId::Swevent,
        }
    }

    /// `event_init` of the software PMUs.
    pub(crate) fn init(self, attr: &PerfEventAttr) -> Result<(), Errno> {
        let clock = matches!(self, SwEvent::CpuClock | SwEvent::TaskClock);
        if attr.samples(PERF_SAMPLE_BRANCH_STACK) || clock && attr.is_sampling() {
            return Err(Errno::EOPNOTSUPP);
        }
        Ok(())
    }
}

impl Perf {
    /// `kind` happened `nr` times on the CPU of `regs`: every installed event of that kind that
    /// does not exclude the mode counts it. One value per event that counted.
    pub fn sw_event(
        &mut self,
        kind: SwEvent,
        nr: u64,
        regs: &HitRegs<'_>,
        mem: &mut dyn BufferMemory,
    ) -> Vec<Overflow> {
        let Some(cpu) = self.cpus.get(regs.cpu.index()) else {
            return Vec::new();
        };
        let matches = |e: &EventId| self.ev(*e).attr.config == kind as u64;
        let hit: Vec<EventId> = cpu.swevents.iter().rev().copied().filter(matches).collect();
        let results = hit.into_iter().map(|event| self.swevent_hit(event, nr, regs, mem));
        results.filter(|o| o.counted).collect()
    }
}
