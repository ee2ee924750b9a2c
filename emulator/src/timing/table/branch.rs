//! Branch prediction: which branches are charged as mispredicted.
//!
//! Conditional branches: `tage`. Indirect branches: a table of 2048 targets by address, and one of 2048 by
//! address and history that is asked first. Returns: a stack of 16 entries that overwrites its oldest. Direct
//! branches are always predicted. The sizes are the model's own; the real core's are larger and not published.
//!
//! Key type: [`Predictor`]. Neighbours: `tage`, `costs`. Nothing here allocates after construction.

use std::fmt;

use super::super::{BranchEvent, BranchKind, TimingCounts};
use super::costs::Costs;
use super::data::DataError;
use super::tage::{Tage, hash, mix};

/// Entries of each table of indirect targets.
const NR_TARGETS: usize = 2048;
/// History bits that the second table of indirect targets sees.
const TARGET_HISTORY_BITS: u32 = 20;
/// Entries of the return stack.
const NR_RETURNS: usize = 16;

/// The predictors of one core.
#[derive(Clone)]
pub(super) struct Predictor {
    conditional: Tage,
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
            conditional: Tage::new(),
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
                    predictor.branch(
                        &event(0x1000, BranchKind::Conditional, turn < 19, 0xff0),
                        &mut counts,
                    );
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
            word = word
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            for (which, taken) in [turn % 2 == 0, word >> 63 == 1].into_iter().enumerate() {
                let cost = predictor.branch(
                    &event(0x1000 + which as u64 * 64, BranchKind::Conditional, taken, 0),
                    &mut counts,
                );
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
            late +=
                predictor.branch(&event(0x1000, BranchKind::Indirect, true, target), &mut counts);
        }
        assert_eq!(late, 0);
    }

    #[test]
    fn sixteen_returns_are_predicted_and_the_seventeenth_is_not() {
        let (mut predictor, mut counts) = predictor();
        for depth in 0..17u64 {
            assert_eq!(
                predictor.branch(
                    &event(0x1000 + depth * 16, BranchKind::Call, true, 0x5000),
                    &mut counts
                ),
                0
            );
        }
        let costs: Vec<u32> = (0..17u64)
            .rev()
            .map(|depth| {
                predictor.branch(
                    &event(0x9000, BranchKind::Return, true, 0x1005 + depth * 16),
                    &mut counts,
                )
            })
            .collect();
        assert_eq!(costs[..16], [0; 16]);
        assert_eq!(costs[16], 34);
        assert_eq!((counts.return_misses, counts.branch_misses, counts.branches), (1, 1, 34));
    }

    #[test]
    fn a_return_elsewhere_costs_a_return_miss() {
        let (mut predictor, mut counts) = predictor();
        predictor.branch(&event(0x1000, BranchKind::Call, true, 0x5000), &mut counts);
        assert_eq!(
            predictor.branch(&event(0x5000, BranchKind::Return, true, 0x6000), &mut counts),
            34
        );
    }
}
