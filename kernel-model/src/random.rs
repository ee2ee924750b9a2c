//! Numbers that depend on a seed only: a Weyl sequence through a finalizer (SplitMix64; Steele,
//! Lea and Flood, "Fast splittable pseudorandom number generators").

/// A generator, whose whole state is one word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SplitMix {
    state: u64,
}

impl SplitMix {
    /// The generator that starts from `seed`.
    pub(crate) const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next 64 bits.
    pub(crate) fn word(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 where `end` is 0.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.word()) * u128::from(end)) >> 64) as u64
    }

    /// One of these.
    pub(crate) fn pick<T: Copy, const N: usize>(&mut self, these: [T; N]) -> T {
        these[self.below(N as u64) as usize]
    }

    /// True once in `n` cases.
    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// A number from 1 to `2^most_log2`: below `2^n` for an `n` that is chosen first, so that
    /// small ones are as frequent as large ones.
    pub(crate) fn spread(&mut self, least_log2: u32, most_log2: u32) -> u64 {
        let range = u64::from(most_log2.saturating_sub(least_log2)) + 1;
        let log2 = u64::from(least_log2) + self.below(range);
        1 + self.below(1 << log2.min(63))
    }

    /// What the next number follows from.
    pub(crate) const fn state(&self) -> u64 {
        self.state
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_in_their_ranges() {
        // The first numbers from 1234567, as the authors' program prints them.
        let mut random = SplitMix::new(1_234_567);
        assert_eq!(random.word(), 6_457_827_717_110_365_317);
        assert_eq!(random.word(), 3_203_168_211_198_807_973);
        for _ in 0..1000 {
            assert!(random.below(7) < 7);
            assert!((1..=1 << 12).contains(&random.spread(3, 12)));
        }
        assert_eq!(random.below(0), 0);
    }
}
