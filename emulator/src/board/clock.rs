//! Clocks of devices, derived from the processors' cycles.

/// Cycles of a processor in a second: 3 GHz.
pub const CYCLES_PER_SECOND: u64 = 3_000_000_000;

/// A clock that started with the processors, in ticks a second.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frequency(pub(super) u64);

impl Frequency {
    /// Whole ticks by a cycle.
    pub(super) fn ticks_at(self, cycles: u64) -> u64 {
        scale(cycles, self.0, CYCLES_PER_SECOND, 0)
    }

    /// The first cycle at which [`Self::ticks_at`] is `tick`.
    pub(super) fn cycle_of(self, tick: u64) -> u64 {
        scale(tick, CYCLES_PER_SECOND, self.0, self.0 - 1)
    }
}

/// `(value * by + add) / over`; the largest number where that is too large.
fn scale(value: u64, by: u64, over: u64, add: u64) -> u64 {
    let product = u128::from(value) * u128::from(by) + u128::from(add);
    u64::try_from(product / u128::from(over)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn a_tick_comes_at_its_cycle_and_not_before(tick in 1u64..1 << 40) {
            let clock = Frequency(1_193_182);
            let cycle = clock.cycle_of(tick);
            prop_assert_eq!(clock.ticks_at(cycle), tick);
            prop_assert_eq!(clock.ticks_at(cycle - 1), tick - 1);
        }
    }

    #[test]
    fn the_end_of_time_is_not_passed() {
        assert_eq!(Frequency(1).cycle_of(u64::MAX), u64::MAX);
    }
}
