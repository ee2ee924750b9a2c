//! Numbers that depend on a seed only: xoshiro256** started by splitmix64
//! (Blackman and Vigna, "Scrambled linear pseudorandom number generators").

/// A generator.
#[derive(Clone, Debug)]
pub struct Rng {
    state: [u64; 4],
}

impl Rng {
    /// The generator of the `stream`th thing made from `seed`.
    #[must_use]
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut word = seed ^ stream.wrapping_mul(0xd134_2543_de82_ef95);
        let state = std::array::from_fn(|_| split_mix(&mut word));
        Self { state }
    }

    /// Any 64 bits.
    pub fn word(&mut self) -> u64 {
        let [a, b, c, d] = self.state;
        let result = b.wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let (c_mixed, d_mixed) = (c ^ a, d ^ b);
        let new_c = c_mixed ^ (b << 17);
        self.state = [a ^ d_mixed, b ^ c_mixed, new_c, d_mixed.rotate_left(45)];
        result
    }

    /// Any 128 bits.
    pub fn wide(&mut self) -> u128 {
        u128::from(self.word()) << 64 | u128::from(self.word())
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.word()) * u128::from(end)) >> 64) as u64
    }

    /// True in `percent` of a hundred cases.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of `items`, which are not empty.
    pub fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len() as u64) as usize]
    }
}

fn split_mix(word: &mut u64) -> u64 {
    *word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *word;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_sequences() {
        // splitmix64 from 1234567, and xoshiro256** from the state 1, 2, 3, 4.
        let mut word = 1_234_567;
        assert_eq!(split_mix(&mut word), 6_457_827_717_110_365_317);
        assert_eq!(split_mix(&mut word), 3_203_168_211_198_807_973);
        let mut rng = Rng { state: [1, 2, 3, 4] };
        let first: [u64; 4] = std::array::from_fn(|_| rng.word());
        assert_eq!(first, [11_520, 0, 1_509_978_240, 1_215_971_899_390_074_240]);
    }
}
