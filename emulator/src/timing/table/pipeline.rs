//! The resources of the core that a block competes for: issue slots, window, ports, units, store commit.
//!
//! Instructions come in program order and take the first free place; time is in ticks, ports are taken by
//! whole cycles. Key type: [`Pipeline`]. Neighbours: `block` (drives it), `classify` (port numbers and units).
//! Source of the structure: Intel optimization manual, Golden Cove microarchitecture.

use super::classify::Unit;
use super::data::{TICKS_PER_CYCLE, Ticks};
use super::store_forward::Address;

/// Micro-operations issued in a cycle.
const ISSUE_WIDTH: u32 = 6;
/// Instructions in flight.
const WINDOW: usize = 512;
/// Cycles that fetch may fall behind issue without a stall being carried over: the decoded queue is small.
const FETCH_SLACK: Ticks = 8 * TICKS_PER_CYCLE;
/// Ports.
const NR_PORTS: usize = 12;
/// Load ports: 2, 3 and 11.
const LOAD_PORTS: u16 = 1 << 2 | 1 << 3 | 1 << 11;
/// Store data ports: 4 and 9.
const STORE_DATA_PORTS: u16 = 1 << 4 | 1 << 9;
/// Store address ports: 7 and 8.
const STORE_ADDRESS_PORTS: u16 = 1 << 7 | 1 << 8;
/// L1 banks that are remembered.
const NR_BANKS: usize = 16;
/// Loads that one bank serves in a cycle: three a cycle only where they do not all hit one bank.
const LOADS_PER_BANK: u32 = 2;

/// A part of L1, as far as addresses within a block tell parts apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bank(pub(super) Address);

/// A cache line, as far as addresses within a block tell lines apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line(pub(super) Address);

/// The state of the resources.
#[derive(Debug, Clone)]
pub(super) struct Pipeline {
    fetched: Ticks,
    issue_cycle: Ticks,
    issued_in_cycle: u32,
    /// Retirement times of the last [`WINDOW`] instructions.
    retired: Box<[Ticks]>,
    nr_retired: usize,
    last_retired: Ticks,
    /// The ports taken in each cycle.
    taken: Vec<u16>,
    nr_taken: [u32; NR_PORTS],
    divider: Ticks,
    fp_divider: Ticks,
    microcode: Ticks,
    /// The banks used last: bank, cycle of its last load, loads in that cycle.
    banks: [Option<(Bank, Ticks, u32)>; NR_BANKS],
    next_bank: usize,
    /// When the last store committed, and its line where another store to it can commit beside it.
    committed: Ticks,
    open_line: Option<Line>,
}

impl Default for Pipeline {
    fn default() -> Self {
        Pipeline {
            fetched: 0,
            issue_cycle: 0,
            issued_in_cycle: 0,
            retired: vec![0; WINDOW].into_boxed_slice(),
            nr_retired: 0,
            last_retired: 0,
            taken: Vec::new(),
            nr_taken: [0; NR_PORTS],
            divider: 0,
            fp_divider: 0,
            microcode: 0,
            banks: [None; NR_BANKS],
            next_bank: 0,
            committed: 0,
            open_line: None,
        }
    }
}

impl Pipeline {
    /// When the last instruction retired.
    pub(super) fn last_retired(&self) -> Ticks {
        self.last_retired
    }

    /// Issues an instruction of `nr_slots` whose bytes take `fetch`; returns when.
    pub(super) fn issue(&mut self, nr_slots: u32, fetch: Ticks) -> Ticks {
        let slack = (self.issue_cycle * TICKS_PER_CYCLE).saturating_sub(FETCH_SLACK);
        self.fetched = self.fetched.max(slack) + fetch;
        // The place that this instruction takes in the window belonged to the one WINDOW before it.
        let window = self.retired[self.nr_retired % WINDOW];
        self.advance_issue(self.fetched.max(window) / TICKS_PER_CYCLE);
        for _ in 0..nr_slots {
            if self.issued_in_cycle == ISSUE_WIDTH {
                self.advance_issue(self.issue_cycle + 1);
            }
            self.issued_in_cycle += 1;
        }
        self.issue_cycle * TICKS_PER_CYCLE
    }

    /// Nothing issues before `time`.
    pub(super) fn hold(&mut self, time: Ticks) {
        self.advance_issue(time.div_ceil(TICKS_PER_CYCLE));
    }

    fn advance_issue(&mut self, cycle: Ticks) {
        if cycle > self.issue_cycle {
            self.issue_cycle = cycle;
            self.issued_in_cycle = 0;
        }
    }

    /// Retires the next instruction in order, finished at `finish`; returns when it retires.
    pub(super) fn retire(&mut self, finish: Ticks) -> Ticks {
        self.last_retired = self.last_retired.max(finish);
        self.retired[self.nr_retired % WINDOW] = self.last_retired;
        self.nr_retired += 1;
        self.last_retired
    }

    /// Takes the least used of the ports in `mask` in the first cycle from `ready` that has one free.
    pub(super) fn port(&mut self, mask: u16, ready: Ticks) -> Ticks {
        let mut cycle = (ready / TICKS_PER_CYCLE) as usize;
        loop {
            if self.taken.len() <= cycle {
                self.taken.resize(cycle + 1, 0);
            }
            let free = mask & !self.taken[cycle];
            let least = (0..NR_PORTS)
                .filter(|port| free >> port & 1 == 1)
                .min_by_key(|port| self.nr_taken[*port]);
            if let Some(port) = least {
                self.taken[cycle] |= 1 << port;
                self.nr_taken[port] += 1;
                return ready.max(cycle as Ticks * TICKS_PER_CYCLE);
            }
            cycle += 1;
        }
    }

    /// Takes a load port, and a place in a bank.
    pub(super) fn load_port(&mut self, bank: Bank, ready: Ticks) -> Ticks {
        let slot = match self
            .banks
            .iter()
            .position(|entry| entry.is_some_and(|(known, ..)| known == bank))
        {
            Some(slot) => slot,
            None => {
                self.next_bank = (self.next_bank + 1) % NR_BANKS;
                self.banks[self.next_bank] = None;
                self.next_bank
            }
        };
        let (last_cycle, nr_loads) =
            self.banks[slot].map_or((0, 0), |(_, cycle, nr_loads)| (cycle, nr_loads));
        let first_free = if nr_loads < LOADS_PER_BANK { last_cycle } else { last_cycle + 1 };
        let start = self.port(LOAD_PORTS, ready.max(first_free * TICKS_PER_CYCLE));
        let cycle = start / TICKS_PER_CYCLE;
        let nr_loads = if cycle == last_cycle { nr_loads + 1 } else { 1 };
        self.banks[slot] = Some((bank, cycle, nr_loads));
        start
    }

    /// Takes a store address port.
    pub(super) fn store_address_port(&mut self, ready: Ticks) -> Ticks {
        self.port(STORE_ADDRESS_PORTS, ready)
    }

    /// Takes a store data port.
    pub(super) fn store_data_port(&mut self, ready: Ticks) -> Ticks {
        self.port(STORE_DATA_PORTS, ready)
    }

    /// Commits a store finished at `finish`: one a cycle, or two where both go to one line.
    pub(super) fn commit(&mut self, line: Line, finish: Ticks) -> Ticks {
        if self.open_line == Some(line) {
            self.open_line = None;
            return finish.max(self.committed);
        }
        self.open_line = Some(line);
        self.committed = finish.max(self.committed + TICKS_PER_CYCLE);
        self.committed
    }

    /// Takes `unit` from `start` for `busy`; returns when it got it.
    pub(super) fn unit(&mut self, unit: Unit, start: Ticks, busy: Ticks) -> Ticks {
        let free = match unit {
            Unit::Divider => &mut self.divider,
            Unit::FpDivider => &mut self.fp_divider,
            Unit::Microcode => &mut self.microcode,
        };
        let start = start.max(*free);
        *free = start + busy;
        start
    }
}

/// The ports of branches: 0 and 6.
pub(super) const BRANCH_PORTS: u16 = 1 << 0 | 1 << 6;

#[cfg(test)]
mod tests {
    use super::super::classify::port_bit;
    use super::*;

    #[test]
    fn six_slots_a_cycle() {
        let mut pipeline = Pipeline::default();
        let cycles: Vec<Ticks> = (0..13).map(|_| pipeline.issue(1, 0) / TICKS_PER_CYCLE).collect();
        assert_eq!(cycles, [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 2]);
        assert_eq!(pipeline.issue(12, 0) / TICKS_PER_CYCLE, 4);
    }

    #[test]
    fn a_full_window_stops_issue() {
        let mut pipeline = Pipeline::default();
        for _ in 0..WINDOW {
            pipeline.issue(1, 0);
            pipeline.retire(5_000 * TICKS_PER_CYCLE);
        }
        assert_eq!(pipeline.issue(1, 0), 5_000 * TICKS_PER_CYCLE);
    }

    #[test]
    fn a_gap_that_an_earlier_instruction_left_is_used() {
        let mut pipeline = Pipeline::default();
        let mask = port_bit('1').unwrap();
        assert_eq!(pipeline.port(mask, 10 * TICKS_PER_CYCLE), 10 * TICKS_PER_CYCLE);
        assert_eq!(pipeline.port(mask, 0), 0);
        assert_eq!(pipeline.port(mask, 5_000), TICKS_PER_CYCLE);
    }

    #[test]
    fn a_unit_is_held() {
        let mut pipeline = Pipeline::default();
        assert_eq!(pipeline.unit(Unit::Divider, 5, 60), 5);
        assert_eq!(pipeline.unit(Unit::FpDivider, 5, 60), 5);
        assert_eq!(pipeline.unit(Unit::Divider, 10, 60), 65);
    }
}
