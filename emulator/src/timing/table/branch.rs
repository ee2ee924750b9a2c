//! Branch prediction: which branches are charged as mispredicted.
//!
//! Conditional branches: a small TAGE, one table of 16384 two-bit counters indexed by address and four
//! tables of 1024 tagged three-bit counters indexed by address and 5, 12, 27 or 60 bits of history; the
//! longest history with a matching tag decides. Indirect branches: a table of 2048 targets by address, and
//! one of 2048 by address and history that is asked first. Returns: a stack of 16 entries that overwrites its
//! oldest. The sizes are the model's own; the real core's are larger and not published.
//! Idea: A. Seznec and P. Michaud, "A case for (partially) TAgged GEometric history length branch prediction", 2006.
//!
//! Key type: [`Predictor`]. Neighbours: `costs`. Nothing here allocates after construction.

use std::fmt;

use super::super::{BranchEvent, BranchKind, TimingCounts};
use super::costs::{Costs, DataError};

/// Counters of the table without history.
const NR_BASE: usize = 16384;
/// Entries of a tagged table.
const NR_TAGGED: usize = 1024;
/// History bits that each tagged table sees, rising.
const HISTORY_BITS: [u32; 4] = [5, 12, 27, 60];
/// Entries of each table of indirect targets.
const NR_TARGETS: usize = 2048;
/// History bits that the second table of indirect targets sees.
const TARGET_HISTORY_BITS: u32 = 20;
/// Entries of the return stack.
const NR_RETURNS: usize = 16;

/// The predictors of one core.
#[derive(Clone)]
pub(super) struct Predictor {
    conditional: Conditional,
    targets: Targets,
    returns: ReturnStack,
    /// Outcomes of the last branches, the latest in bit 0.
    history: u64,
    branch_miss: u32,
    return_miss: u32,
}

impl Predictor {
    /// Predictors that have seen nothing: every conditional branch is first predicted not taken.
    pub(super) fn new(costs: &Costs) -> Result<Self, DataError> {
        Ok(Predictor {
            conditional: Conditional::new(),
            targets: Targets::new(),
            returns: ReturnStack::default(),
            history: 0,
            branch_miss: costs.rule_cycles("branch_miss")?,
            return_miss: costs.rule_cycles("return_miss")?,
        })
    }

    /// Predicts a branch, learns what it did, and returns the extra cycles.
    pub(super) fn branch(&mut self, event: &BranchEvent, counts: &mut TimingCounts) -> u32 {
        counts.branches += 1;
        let predicted = self.predict_and_learn(event);
        if matches!(event.kind, BranchKind::Call | BranchKind::IndirectCall) {
            self.returns.push(event.fallthrough);
        }
        if predicted {
            return 0;
        }
        counts.branch_misses += 1;
        if event.kind == BranchKind::Return {
            counts.return_misses += 1;
            return self.return_miss;
        }
        self.branch_miss
    }

    /// Whether the branch went as predicted.
    fn predict_and_learn(&mut self, event: &BranchEvent) -> bool {
        match event.kind {
            // The target is in the instruction and known at decode.
            BranchKind::Direct | BranchKind::Call => true,
            BranchKind::Conditional => {
                let predicted = self.conditional.learn(event.rip, self.history, event.taken);
                self.history = self.history << 1 | u64::from(event.taken);
                predicted
            }
            BranchKind::Indirect | BranchKind::IndirectCall => {
                let predicted = self.targets.learn(event.rip, self.history, event.target);
                self.history = self.history << 2 | mix(event.target) & 3;
                predicted
            }
            BranchKind::Return => match self.returns.pop() {
                Some(target) => target == event.target,
                None => self.targets.learn(event.rip, self.history, event.target),
            },
        }
    }

    /// Feeds the state to `hasher`.
    pub(super) fn digest(&self, hasher: &mut dyn FnMut(&[u8])) {
        hasher(&self.history.to_le_bytes());
        self.conditional.digest(hasher);
        self.targets.digest(hasher);
        self.returns.digest(hasher);
    }
}

impl fmt::Debug for Predictor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Predictor")
            .field("history", &self.history)
            .field("returns", &self.returns)
            .finish_non_exhaustive()
    }
}

/// Spreads the bits of an address over a word (the multiplier is 2^64 divided by the golden ratio).
fn mix(value: u64) -> u64 {
    let spread = value.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    spread ^ spread >> 29
}

/// A hash of an address and the last `bits` outcomes.
fn hash(rip: u64, history: u64, bits: u32) -> u64 {
    let seen = history & (u64::MAX >> (64 - bits));
    mix(mix(rip).wrapping_add(seen.wrapping_mul(0xd6e8_feb8_6659_fd93)))
}

/// An entry of a tagged table of [`Conditional`].
#[derive(Debug, Clone, Copy, Default)]
struct Tagged {
    /// Part of the hash; 0 in an empty entry.
    tag: u16,
    /// Taken when not negative: -4 to 3.
    counter: i8,
    /// Whether it was right where the shorter histories were wrong: 0 to 3.
    useful: u8,
}

/// Prediction of conditional branches.
#[derive(Clone)]
struct Conditional {
    /// Two-bit counters, taken from 2 on.
    base: Box<[u8]>,
    /// One table after the other, in the order of [`HISTORY_BITS`].
    tagged: Box<[Tagged]>,
}

impl Conditional {
    fn new() -> Self {
        Conditional {
            base: vec![1; NR_BASE].into_boxed_slice(),
            tagged: vec![Tagged::default(); NR_TAGGED * HISTORY_BITS.len()].into_boxed_slice(),
        }
    }

    /// Learns an outcome; whether it had been predicted.
    fn learn(&mut self, rip: u64, history: u64, taken: bool) -> bool {
        let places = HISTORY_BITS.map(|bits| hash(rip, history, bits));
        let base = mix(rip) as usize % NR_BASE;
        let mut matching = (0..places.len()).rev().filter(|table| self.entry(*table, places[*table]).tag == tag(places[*table]));
        let provider = matching.next();
        let alternate = match matching.next() {
            Some(table) => self.entry(table, places[table]).counter >= 0,
            None => self.base[base] >= 2,
        };
        let predicted = provider.map_or(alternate, |table| self.entry(table, places[table]).counter >= 0);
        match provider {
            Some(table) => {
                let entry = self.entry_mut(table, places[table]);
                entry.counter = (entry.counter + if taken { 1 } else { -1 }).clamp(-4, 3);
                if predicted != alternate {
                    entry.useful = if predicted == taken { (entry.useful + 1).min(3) } else { entry.useful.saturating_sub(1) };
                }
            }
            None => {
                let counter = &mut self.base[base];
                *counter = if taken { (*counter + 1).min(3) } else { counter.saturating_sub(1) };
            }
        }
        if predicted != taken {
            self.allocate(provider.map_or(0, |table| table + 1), &places, taken);
        }
        predicted == taken
    }

    /// Takes an entry with a longer history for a branch that was mispredicted: the first that is of no
    /// use to another branch. Where all are in use they age.
    fn allocate(&mut self, from: usize, places: &[u64; HISTORY_BITS.len()], taken: bool) {
        let free = (from..places.len()).find(|table| self.entry(*table, places[*table]).useful == 0);
        if let Some(table) = free {
            let place = places[table];
            *self.entry_mut(table, place) =
                Tagged { tag: tag(place), counter: if taken { 0 } else { -1 }, useful: 0 };
            return;
        }
        for table in from..places.len() {
            self.entry_mut(table, places[table]).useful -= 1;
        }
    }

    fn entry(&self, table: usize, place: u64) -> &Tagged {
        &self.tagged[table * NR_TAGGED + place as usize % NR_TAGGED]
    }

    fn entry_mut(&mut self, table: usize, place: u64) -> &mut Tagged {
        &mut self.tagged[table * NR_TAGGED + place as usize % NR_TAGGED]
    }

    fn digest(&self, hasher: &mut dyn FnMut(&[u8])) {
        hasher(&self.base);
        for entry in &self.tagged {
            let [low, high] = entry.tag.to_le_bytes();
            hasher(&[low, high, entry.counter.to_le_bytes()[0], entry.useful]);
        }
    }
}

/// The tag of a place: high bits of the hash, never 0.
fn tag(place: u64) -> u16 {
    (place >> 48) as u16 | 1
}

/// Prediction of indirect targets: (tag, target) pairs, all 0 where empty.
#[derive(Clone)]
struct Targets {
    by_address: Box<[(u64, u64)]>,
    by_history: Box<[(u64, u64)]>,
}

impl Targets {
    fn new() -> Self {
        let empty = vec![(0, 0); NR_TARGETS].into_boxed_slice();
        Targets { by_address: empty.clone(), by_history: empty }
    }

    /// Learns a target; whether it had been predicted.
    fn learn(&mut self, rip: u64, history: u64, target: u64) -> bool {
        let address = mix(rip) | 1;
        let place = hash(rip, history, TARGET_HISTORY_BITS);
        let by_address = &mut self.by_address[(address >> 1) as usize % NR_TARGETS];
        let by_history = &mut self.by_history[place as usize % NR_TARGETS];
        let tag = place | 1;
        let guess = if by_history.0 == tag { *by_history } else { *by_address };
        let predicted = guess.1 == target && (guess.0 == tag || guess.0 == address);
        *by_history = (tag, target);
        *by_address = (address, target);
        predicted
    }

    fn digest(&self, hasher: &mut dyn FnMut(&[u8])) {
        for (tag, target) in self.by_address.iter().chain(&self.by_history) {
            hasher(&tag.to_le_bytes());
            hasher(&target.to_le_bytes());
        }
    }
}

/// Return addresses of the innermost calls.
#[derive(Debug, Clone, Default)]
struct ReturnStack {
    addresses: [u64; NR_RETURNS],
    /// Place of the next push.
    next: usize,
    /// Entries in use.
    depth: usize,
}

impl ReturnStack {
    fn push(&mut self, address: u64) {
        self.addresses[self.next] = address;
        self.next = (self.next + 1) % NR_RETURNS;
        self.depth = (self.depth + 1).min(NR_RETURNS);
    }

    fn pop(&mut self) -> Option<u64> {
        self.depth = self.depth.checked_sub(1)?;
        self.next = (self.next + NR_RETURNS - 1) % NR_RETURNS;
        Some(self.addresses[self.next])
    }

    /// Only the entries in use are state.
    fn digest(&self, hasher: &mut dyn FnMut(&[u8])) {
        hasher(&(self.depth as u64).to_le_bytes());
        for back in 1..=self.depth {
            hasher(&self.addresses[(self.next + NR_RETURNS - back) % NR_RETURNS].to_le_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn predictor() -> (Predictor, TimingCounts) {
        (Predictor::new(&Costs::load().unwrap()).unwrap(), TimingCounts::default())
    }

    fn event(rip: u64, kind: BranchKind, taken: bool, target: u64) -> BranchEvent {
        BranchEvent { rip, kind, taken, target, fallthrough: rip + 5 }
    }

    #[test]
    fn a_loop_is_learned_with_its_exit() {
        let (mut predictor, mut counts) = predictor();
        let mut run = |nr_loops: u32| {
            let before = counts.branch_misses;
            for _ in 0..nr_loops {
                for turn in 0..20 {
                    predictor.branch(&event(0x1000, BranchKind::Conditional, turn < 19, 0xff0), &mut counts);
                }
            }
            counts.branch_misses - before
        };
        assert!(run(1) >= 2, "the first turn and the first exit cannot be known");
        run(30);
        assert_eq!(run(50), 0);
    }

    #[test]
    fn an_alternating_branch_is_learned_and_a_random_one_is_not() {
        let (mut predictor, mut counts) = predictor();
        let mut word = 1u64;
        let mut misses = [0u32; 2];
        for turn in 0..4000u32 {
            word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            for (which, taken) in [turn % 2 == 0, word >> 63 == 1].into_iter().enumerate() {
                let cost = predictor.branch(&event(0x1000 + which as u64 * 64, BranchKind::Conditional, taken, 0), &mut counts);
                assert!(cost == 0 || cost == 23);
                misses[which] += u32::from(turn >= 2000 && cost != 0);
            }
        }
        assert!(misses[0] < 200 && misses[1] > 700, "{misses:?}");
    }

    #[test]
    fn an_indirect_branch_is_learned_by_its_history() {
        let (mut predictor, mut counts) = predictor();
        let mut late = 0;
        for turn in 0..200u64 {
            let target = 0x2000 + turn % 3 * 0x40;
            late = if turn == 100 { 0 } else { late };
            late += predictor.branch(&event(0x1000, BranchKind::Indirect, true, target), &mut counts);
        }
        assert_eq!(late, 0);
    }

    #[test]
    fn sixteen_returns_are_predicted_and_the_seventeenth_is_not() {
        let (mut predictor, mut counts) = predictor();
        for depth in 0..17u64 {
            assert_eq!(predictor.branch(&event(0x1000 + depth * 16, BranchKind::Call, true, 0x5000), &mut counts), 0);
        }
        let costs: Vec<u32> = (0..17u64)
            .rev()
            .map(|depth| predictor.branch(&event(0x9000, BranchKind::Return, true, 0x1005 + depth * 16), &mut counts))
            .collect();
        assert_eq!(costs[..16], [0; 16]);
        assert_eq!(costs[16], 34);
        assert_eq!((counts.return_misses, counts.branch_misses, counts.branches), (1, 1, 34));
    }

    #[test]
    fn a_return_elsewhere_costs_a_return_miss() {
        let (mut predictor, mut counts) = predictor();
        predictor.branch(&event(0x1000, BranchKind::Call, true, 0x5000), &mut counts);
        assert_eq!(predictor.branch(&event(0x5000, BranchKind::Return, true, 0x6000), &mut counts), 34);
    }
}
