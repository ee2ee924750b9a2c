//! A PMU with four registers per CPU, slots without limit, and failures on request.

use std::collections::{BTreeMap, BTreeSet};

use crate::attr::abi::PERF_TYPE_BREAKPOINT;
use crate::{CpuId, Errno, EventId, EventInit, NmiSafety, PerfEventAttr, Pmu, PmuClass};

pub(super) const REGISTERS: usize = 4;

#[derive(Clone, Debug)]
pub(super) struct MockPmu {
    pub(super) class: PmuClass,
    /// Installed events, by CPU, in order of installation.
    pub(super) installed: BTreeMap<CpuId, Vec<EventId>>,
    /// Created and not destroyed.
    pub(super) live: BTreeSet<EventId>,
    /// Events whose installation fails.
    pub(super) broken: BTreeSet<EventId>,
    /// Answer to the next `event_init`s, if set.
    pub(super) refuse: Option<Errno>,
}

impl MockPmu {
    pub(super) fn new(class: PmuClass) -> Self {
        MockPmu {
            class,
            installed: BTreeMap::new(),
            live: BTreeSet::new(),
            broken: BTreeSet::new(),
            refuse: None,
        }
    }

    pub(super) fn on(&self, cpu: u32) -> Vec<EventId> {
        let mut events = self.installed.get(&CpuId(cpu)).cloned().unwrap_or_default();
        events.sort();
        events
    }
}

fn valid(attr: &PerfEventAttr) -> Result<(), Errno> {
    let ok = matches!(attr.bp_type, 2..=4)
        && matches!(attr.bp_len, 1 | 2 | 4 | 8)
        && attr.bp_addr.is_multiple_of(attr.bp_len);
    if ok { Ok(()) } else { Err(Errno::EINVAL) }
}

impl Pmu for MockPmu {
    fn serves(&self, attr_type: u32) -> bool {
        attr_type == PERF_TYPE_BREAKPOINT
    }
    fn class(&self) -> PmuClass {
        self.class
    }
    fn nmi_safety(&self) -> NmiSafety {
        NmiSafety::Needed
    }
    fn event_init(&mut self, event: EventId, init: &EventInit<'_>) -> Result<(), Errno> {
        if let Some(errno) = self.refuse {
            return Err(errno);
        }
        valid(init.attr)?;
        assert!(self.live.insert(event));
        Ok(())
    }
    fn add(&mut self, cpu: CpuId, event: EventId, attr: &PerfEventAttr) -> Result<(), Errno> {
        assert!(self.live.contains(&event) && valid(attr).is_ok());
        assert!(self.installed.values().all(|on| !on.contains(&event)), "installed twice");
        let on = self.installed.entry(cpu).or_default();
        if on.len() == REGISTERS || self.broken.contains(&event) {
            return Err(Errno::EBUSY);
        }
        on.push(event);
        Ok(())
    }
    fn del(&mut self, cpu: CpuId, event: EventId) {
        let on = self.installed.entry(cpu).or_default();
        let at = on.iter().position(|e| *e == event);
        on.remove(at.expect("only installed events are taken off"));
    }
    fn destroy(&mut self, event: EventId) {
        assert!(self.installed.values().all(|on| !on.contains(&event)), "still installed");
        assert!(self.live.remove(&event));
    }
    fn parse(&mut self, event: EventId, new: &PerfEventAttr) -> Result<(), Errno> {
        assert!(self.live.contains(&event));
        valid(new)
    }
    fn modify(
        &mut self,
        event: EventId,
        _old: &PerfEventAttr,
        new: &PerfEventAttr,
    ) -> Result<(), Errno> {
        assert!(self.installed.values().all(|on| !on.contains(&event)), "modified while on");
        valid(new)
    }
    fn read(&mut self, _cpu: CpuId, _event: EventId) -> u64 {
        0
    }
}
