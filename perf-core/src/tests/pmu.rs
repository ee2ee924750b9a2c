//! Two PMUs with four registers or counters per CPU, slots without limit, and failures on
//! request: one whose events count by hits, one that counts by itself.

use std::collections::{BTreeMap, BTreeSet};

use crate::attr::abi::{PERF_TYPE_BREAKPOINT, PERF_TYPE_HARDWARE};
use crate::{
    Counting, CpuId, Errno, EventId, EventInit, NmiSafety, PerfEventAttr, Pmu, PmuClass, PmuId,
    Pmus,
};

pub(super) const REGISTERS: usize = 4;

#[derive(Clone, Debug)]
pub(super) struct MockPmu {
    id: PmuId,
    pub(super) class: PmuClass,
    /// Installed events, by CPU, in order of installation.
    pub(super) installed: BTreeMap<CpuId, Vec<EventId>>,
    /// Created and not destroyed.
    pub(super) live: BTreeSet<EventId>,
    /// Events whose installation fails.
    pub(super) broken: BTreeSet<EventId>,
    /// Answer to the next `event_init`s, if set.
    pub(super) refuse: Option<Errno>,
    /// What the counters of each CPU have seen; and, by event, up to where that was read.
    pub(super) seen: BTreeMap<CpuId, u64>,
    read_up_to: BTreeMap<EventId, u64>,
}

/// The machine's PMUs.
#[derive(Clone, Debug)]
pub(super) struct MockPmus {
    pub(super) bp: MockPmu,
    pub(super) cpu: MockPmu,
}

impl MockPmus {
    /// `class` is the breakpoint PMU's.
    pub(super) fn new(class: PmuClass) -> Self {
        MockPmus {
            bp: MockPmu::new(PmuId::Breakpoint, class),
            cpu: MockPmu::new(PmuId::Cpu, PmuClass::Hardware),
        }
    }
}

impl Pmus for MockPmus {
    fn pmu(&mut self, id: PmuId) -> Option<&mut dyn Pmu> {
        [&mut self.bp, &mut self.cpu]
            .into_iter()
            .find(|pmu| pmu.id == id)
            .map(|pmu| pmu as &mut dyn Pmu)
    }
    fn serving(&mut self, attr_type: u32) -> Option<&mut dyn Pmu> {
        [&mut self.bp, &mut self.cpu]
            .into_iter()
            .find(|pmu| pmu.serves(attr_type))
            .map(|pmu| pmu as &mut dyn Pmu)
    }
}

impl MockPmu {
    fn new(id: PmuId, class: PmuClass) -> Self {
        MockPmu {
            id,
            class,
            installed: BTreeMap::new(),
            live: BTreeSet::new(),
            broken: BTreeSet::new(),
            refuse: None,
            seen: BTreeMap::new(),
            read_up_to: BTreeMap::new(),
        }
    }

    pub(super) fn on(&self, cpu: u32) -> Vec<EventId> {
        let mut events = self.installed.get(&CpuId(cpu)).cloned().unwrap_or_default();
        events.sort();
        events
    }

    /// The CPU's counters count `n` more.
    pub(super) fn count(&mut self, cpu: CpuId, n: u64) {
        *self.seen.entry(cpu).or_default() += n;
    }

    fn is_off(&self, event: EventId) -> bool {
        self.installed.values().all(|on| !on.contains(&event))
    }

    fn valid(&self, attr: &PerfEventAttr) -> Result<(), Errno> {
        let ok = self.id == PmuId::Cpu
            || matches!(attr.bp_type, 2..=4)
                && matches!(attr.bp_len, 1 | 2 | 4 | 8)
                && attr.bp_addr.is_multiple_of(attr.bp_len);
        if ok { Ok(()) } else { Err(Errno::EINVAL) }
    }
}

impl Pmu for MockPmu {
    fn id(&self) -> PmuId {
        self.id
    }
    fn serves(&self, attr_type: u32) -> bool {
        attr_type == if self.id == PmuId::Cpu { PERF_TYPE_HARDWARE } else { PERF_TYPE_BREAKPOINT }
    }
    fn class(&self) -> PmuClass {
        self.class
    }
    fn counting(&self) -> Counting {
        if self.id == PmuId::Cpu { Counting::Counters } else { Counting::Hits }
    }
    fn nmi_safety(&self) -> NmiSafety {
        NmiSafety::Needed
    }
    fn event_init(&mut self, event: EventId, init: &EventInit<'_>) -> Result<(), Errno> {
        if let Some(errno) = self.refuse {
            return Err(errno);
        }
        self.valid(init.attr)?;
        assert!(self.live.insert(event));
        Ok(())
    }
    fn add(&mut self, cpu: CpuId, event: EventId, attr: &PerfEventAttr) -> Result<(), Errno> {
        assert!(self.live.contains(&event) && self.valid(attr).is_ok());
        assert!(self.is_off(event), "installed twice");
        let on = self.installed.entry(cpu).or_default();
        if on.len() == REGISTERS || self.broken.contains(&event) {
            return Err(Errno::EBUSY);
        }
        on.push(event);
        self.read_up_to.insert(event, self.seen.get(&cpu).copied().unwrap_or(0));
        Ok(())
    }
    fn del(&mut self, cpu: CpuId, event: EventId) {
        let on = self.installed.entry(cpu).or_default();
        let at = on.iter().position(|e| *e == event);
        on.remove(at.expect("only installed events are taken off"));
    }
    fn destroy(&mut self, event: EventId) {
        assert!(self.is_off(event), "still installed");
        assert!(self.live.remove(&event));
    }
    fn parse(&mut self, event: EventId, new: &PerfEventAttr) -> Result<(), Errno> {
        assert!(self.live.contains(&event));
        self.valid(new)
    }
    fn modify(
        &mut self,
        event: EventId,
        _old: &PerfEventAttr,
        new: &PerfEventAttr,
    ) -> Result<(), Errno> {
        assert!(self.is_off(event), "modified while on");
        self.valid(new)
    }
    fn read(&mut self, cpu: CpuId, event: EventId) -> u64 {
        assert!(self.installed[&cpu].contains(&event), "read while off");
        if self.counting() == Counting::Hits {
            return 0;
        }
        let seen = self.seen.get(&cpu).copied().unwrap_or(0);
        let since = self.read_up_to.insert(event, seen);
        seen - since.expect("an installed event has a start")
    }
}
