//! A set of interrupt vectors, as ISR, TMR and IRR show it.

/// 256 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct VectorSet([u32; 8]);

impl VectorSet {
    pub(super) fn insert(&mut self, vector: u8) {
        self.0[usize::from(vector >> 5)] |= 1 << (vector & 31);
    }

    pub(super) fn remove(&mut self, vector: u8) {
        self.0[usize::from(vector >> 5)] &= !(1 << (vector & 31));
    }

    pub(super) fn contains(&self, vector: u8) -> bool {
        self.0[usize::from(vector >> 5)] & 1 << (vector & 31) != 0
    }

    /// The register that holds the vectors from `32 * index`.
    pub(super) fn word(&self, index: usize) -> u32 {
        self.0[index & 7]
    }

    pub(super) fn highest(&self) -> Option<u8> {
        let (index, word) = self.0.iter().enumerate().rfind(|(_, word)| **word != 0)?;
        Some((index as u32 * 32 + word.ilog2()) as u8)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn it_is_a_set(steps in prop::collection::vec((any::<u8>(), any::<bool>()), 0..40)) {
            let (mut set, mut twin) = (VectorSet::default(), BTreeSet::new());
            for (vector, add) in steps {
                if add {
                    set.insert(vector);
                    twin.insert(vector);
                } else {
                    set.remove(vector);
                    twin.remove(&vector);
                }
                prop_assert_eq!(set.highest(), twin.last().copied());
                prop_assert_eq!(set.contains(vector), add);
            }
        }
    }
}
