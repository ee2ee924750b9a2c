//! What perf core asks of the `cpu` PMU.

use perf_core::attr::abi::{
    AttrFlags, PERF_SAMPLE_BRANCH_STACK, PERF_TYPE_HARDWARE, PERF_TYPE_HW_CACHE, PERF_TYPE_RAW, hw,
};
use perf_core::{
    Counting, CpuId, Errno, EventId, EventInit, NmiSafety, PerfEventAttr, Pmu, PmuClass, PmuId,
};

use super::{CounterKinds, CpuPmu, Selection};
use crate::arch::x86::pmc::{CounterEvent, NR_COUNTERS};

/// `PERF_PMU_TYPE_SHIFT`: bits 32 and up of the config of a hardware or cache event may name the
/// PMU by its type.
const PMU_TYPE_SHIFT: u32 = 32;

/// The counter for `attr.config` of PERF_TYPE_HARDWARE.
///
/// # Errors
/// EINVAL for a number that names nothing, ENOENT for an event the processor does not have.
fn counter_of(config: u64, kinds: CounterKinds) -> Result<CounterEvent, Errno> {
    use CounterEvent as C;

    let pmu_type = config >> PMU_TYPE_SHIFT;
    if pmu_type != 0 && pmu_type != u64::from(PERF_TYPE_RAW) {
        return Err(Errno::ENOENT);
    }
    let counter = match config & ((1 << PMU_TYPE_SHIFT) - 1) {
        // The clock is constant, so reference cycles are cycles.
        hw::CPU_CYCLES | hw::REF_CPU_CYCLES => C::Cycles,
        hw::INSTRUCTIONS => C::Instructions,
        hw::BRANCH_INSTRUCTIONS => C::Branches,
        hw::BRANCH_MISSES => C::BranchMisses,
        hw::CACHE_REFERENCES => C::CacheReferences,
        hw::CACHE_MISSES => C::CacheMisses,
        hw::MAX.. => return Err(Errno::EINVAL),
        _ => return Err(Errno::ENOENT),
    };
    let has = matches!(counter, C::Cycles | C::Instructions);
    if has || kinds == CounterKinds::WorkBranchesCaches { Ok(counter) } else { Err(Errno::ENOENT) }
}

impl Pmu for CpuPmu {
    fn id(&self) -> PmuId {
        PmuId::Cpu
    }

    /// PERF_TYPE_HARDWARE and PERF_TYPE_HW_CACHE are aliases of the PMU's own number
    /// (`perf_init_event`).
    fn serves(&self, attr_type: u32) -> bool {
        matches!(attr_type, PERF_TYPE_HARDWARE | PERF_TYPE_HW_CACHE | PERF_TYPE_RAW)
    }

    fn class(&self) -> PmuClass {
        PmuClass::Hardware
    }

    fn counting(&self) -> Counting {
        Counting::Counters
    }

    fn nmi_safety(&self) -> NmiSafety {
        NmiSafety::Needed
    }

    /// `x86_pmu_event_init`. Raw and cache events name nothing this processor has: ENOENT.
    /// Branch stacks and precise_ip: EOPNOTSUPP; and so is sampling on what is not counted to
    /// the instant, as on a PMU without an interrupt. A group that would need more counters than
    /// there are: EINVAL.
    fn event_init(&mut self, event: EventId, init: &EventInit<'_>) -> Result<(), Errno> {
        let attr = init.attr;
        let precise = AttrFlags::PRECISE_IP_LOW | AttrFlags::PRECISE_IP_HIGH;
        if attr.attr_type != PERF_TYPE_HARDWARE {
            return Err(Errno::ENOENT);
        }
        if attr.samples(PERF_SAMPLE_BRANCH_STACK) || attr.flags.intersects(precise) {
            return Err(Errno::EOPNOTSUPP);
        }
        let counter = counter_of(attr.config, self.kinds)?;
        let exact = matches!(counter, CounterEvent::Cycles | CounterEvent::Instructions);
        if attr.is_sampling() && !exact {
            return Err(Errno::EOPNOTSUPP);
        }
        if init.nr_in_group >= NR_COUNTERS {
            return Err(Errno::EINVAL);
        }
        self.events.insert(event, Selection::new(counter, attr));
        Ok(())
    }

    /// `x86_pmu_add`: EBUSY when all counters are taken.
    fn add(&mut self, cpu: CpuId, event: EventId, _attr: &PerfEventAttr) -> Result<(), Errno> {
        let selection = *self.events.get(&event).ok_or(Errno::ENOENT)?;
        if !self.has_room(cpu) {
            return Err(Errno::EBUSY);
        }
        let counters = &mut self.cpus[cpu.index()];
        let from = counters.total(selection);
        counters.active.push((event, from));
        Ok(())
    }

    fn del(&mut self, cpu: CpuId, event: EventId) {
        if let Some(counters) = self.cpus.get_mut(cpu.index()) {
            counters.active.retain(|(on, _)| *on != event);
        }
    }

    fn destroy(&mut self, event: EventId) {
        self.events.remove(&event);
    }

    fn read(&mut self, cpu: CpuId, event: EventId) -> u64 {
        let delta = self.unread(cpu, event);
        let Some(counters) = self.cpus.get_mut(cpu.index()) else { return 0 };
        if let Some((_, from)) = counters.active.iter_mut().find(|(on, _)| *on == event) {
            *from = from.wrapping_add(delta);
        }
        delta
    }
}
