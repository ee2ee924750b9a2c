//! The random numbers of RDRAND and RDSEED: an input of the run, from a seed.
//!
//! The owner of the machine gives the seed ([`crate::machine::Machine::seed_random`]);
//! each vCPU has numbers of its own. The state is part of what a digest tells.

/// Step of the Weyl sequence: the golden ratio in 64 bits.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// A sequence of 64-bit numbers: a Weyl sequence through a finalizer (SplitMix64).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RandomNumbers {
    state: u64,
}

impl RandomNumbers {
    /// The numbers of a vCPU in a run with a seed.
    pub(crate) fn new(seed: u64, vcpu: u32) -> Self {
        // Mixed, so that no vCPU's numbers are a later part of another's.
        Self { state: mix(seed).wrapping_add(mix(u64::from(vcpu) | 1 << 32)) }
    }

    /// The next number.
    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(STEP);
        mix(self.state)
    }

    /// What later numbers depend on.
    pub(crate) fn state(&self) -> u64 {
        self.state
    }
}

fn mix(word: u64) -> u64 {
    let word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ word >> 31
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn sequences_differ_by_seed_and_by_vcpu() {
        let mut seen = BTreeSet::new();
        for (seed, vcpu) in (0..16).flat_map(|seed| (0..16).map(move |vcpu| (seed, vcpu))) {
            let mut numbers = RandomNumbers::new(seed, vcpu);
            seen.extend((0..64).map(|_| numbers.next()));
        }
        assert_eq!(seen.len(), 16 * 16 * 64);
        let again = |seed| RandomNumbers::new(seed, 1).next();
        assert_eq!(again(7), again(7));
    }

    #[test]
    fn every_bit_is_set_half_the_time() {
        let mut numbers = RandomNumbers::new(0, 0);
        let mut set = [0; 64];
        for _ in 0..1000 {
            let word = numbers.next();
            set.iter_mut().enumerate().for_each(|(bit, set)| *set += word >> bit & 1);
        }
        assert!(set.iter().all(|set| (400..600).contains(set)), "{set:?}");
    }
}
