//! The seed commit's slots: one counter for the whole machine (rules 2.4.1 and 2.4.2).
//!
//! Whatever an event counts on, it takes a unit; the unit that would make the counter equal to
//! the number of registers is refused, so one register is never used.
//! Source: `hw_breakpoint.c` at 24f1e32c60c4.

use std::collections::BTreeMap;

use perf_core::{Defect, Defects};

use super::{Reservation, WideId};

/// The counter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct UnitCounter {
    nr_registers: usize,
    nr_cpus: usize,
    nr_taken: usize,
    /// Whether the events of a wide breakpoint take a unit each (S2).
    unit_per_cpu: bool,
    /// Events of each wide breakpoint that shares a unit.
    shared: BTreeMap<WideId, u32>,
}

impl UnitCounter {
    pub(super) fn new(nr_registers: usize, nr_cpus: usize, defects: Defects) -> Self {
        let unit_per_cpu = defects.has(Defect::WideTakesUnitPerCpu);
        Self { nr_registers, nr_cpus, nr_taken: 0, unit_per_cpu, shared: BTreeMap::new() }
    }

    pub(super) const fn nr_cpus(&self) -> usize {
        self.nr_cpus
    }

    pub(super) const fn nr_taken(&self) -> usize {
        self.nr_taken
    }

    /// Units that can be taken.
    pub(super) const fn nr_usable(&self) -> usize {
        self.nr_registers - 1
    }

    /// The wide breakpoint whose one unit this event shares.
    fn shared_unit(&self, reservation: &Reservation) -> Option<WideId> {
        reservation.wide.filter(|_| !self.unit_per_cpu)
    }

    /// Rule 2.4.1.
    pub(super) const fn is_full(&self) -> bool {
        self.nr_taken + 1 == self.nr_registers
    }

    /// Whether the wide breakpoint that an event belongs to has its unit already.
    pub(super) fn has_unit(&self, wanted: &Reservation) -> bool {
        self.shared_unit(wanted).is_some_and(|id| self.shared.contains_key(&id))
    }

    pub(super) fn add(&mut self, reservation: &Reservation) {
        match self.shared_unit(reservation) {
            None => self.nr_taken += 1,
            Some(id) => {
                let nr_events = self.shared.entry(id).or_insert(0);
                self.nr_taken += usize::from(*nr_events == 0);
                *nr_events += 1;
            }
        }
    }

    pub(super) fn remove(&mut self, reservation: &Reservation) {
        match self.shared_unit(reservation) {
            None => self.nr_taken -= 1,
            Some(id) => {
                let Some(nr_events) = self.shared.get_mut(&id) else { return };
                *nr_events -= 1;
                if *nr_events == 0 {
                    self.shared.remove(&id);
                    self.nr_taken -= 1;
                }
            }
        }
    }
}
