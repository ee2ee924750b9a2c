//! A set-associative array with LRU replacement: the one shape behind caches and TLBs.
//!
//! Key type: [`SetAssociative`]. A key is a line number or a page number. A set keeps its keys in order of
//! use, most recent first, so the order is the whole LRU state and a repeated hit costs one comparison.
//! Neighbours: `memory` (caches), `tlb`.

use std::fmt;

/// `SETS` sets (a power of two) of `WAYS` keys.
#[derive(Clone)]
pub(super) struct SetAssociative<const SETS: usize, const WAYS: usize> {
    /// `SETS * WAYS` keys, each stored plus one so that 0 is an empty way. Empty ways are last in a set.
    ways: Box<[u64]>,
}

/// What a look-up found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lookup {
    /// The key was there.
    Hit,
    /// The key was not there; it is now.
    Miss,
}

impl<const SETS: usize, const WAYS: usize> SetAssociative<SETS, WAYS> {
    /// An empty array.
    pub(super) fn new() -> Self {
        const { assert!(SETS.is_power_of_two() && WAYS > 0) }
        SetAssociative { ways: vec![0; SETS * WAYS].into_boxed_slice() }
    }

    /// Looks `key` up, makes it the most recently used of its set, and fills it in when it was absent, in
    /// place of the least recently used.
    #[inline]
    pub(super) fn access(&mut self, key: u64) -> Lookup {
        let stored = key.wrapping_add(1);
        let start = (key as usize & (SETS - 1)) * WAYS;
        let set = &mut self.ways[start..start + WAYS];
        if set[0] == stored {
            return Lookup::Hit;
        }
        let (depth, lookup) = match set.iter().position(|way| *way == stored) {
            Some(depth) => (depth, Lookup::Hit),
            None => (WAYS - 1, Lookup::Miss),
        };
        set.copy_within(..depth, 1);
        set[0] = stored;
        lookup
    }

    /// Empties the array.
    pub(super) fn clear(&mut self) {
        self.ways.fill(0);
    }

    /// Feeds the sets in use, each with its number, to `hasher`.
    pub(super) fn digest(&self, hasher: &mut dyn FnMut(&[u8])) {
        for (number, set) in self.ways.chunks_exact(WAYS).enumerate() {
            if set[0] == 0 {
                continue;
            }
            hasher(&(number as u64).to_le_bytes());
            for way in set {
                hasher(&way.to_le_bytes());
            }
        }
        hasher(&u64::MAX.to_le_bytes());
    }
}

impl<const SETS: usize, const WAYS: usize> fmt::Debug for SetAssociative<SETS, WAYS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let used = self.ways.iter().filter(|way| **way != 0).count();
        write!(f, "SetAssociative({used} of {SETS} x {WAYS} in use)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The twin: all keys with the time of their last use, nothing clever.
    #[derive(Default)]
    struct Twin {
        used: Vec<(u64, u64)>,
        now: u64,
    }

    impl Twin {
        fn access(&mut self, key: u64, sets: u64, ways: usize) -> Lookup {
            self.now += 1;
            if let Some(entry) = self.used.iter_mut().find(|entry| entry.0 == key) {
                entry.1 = self.now;
                return Lookup::Hit;
            }
            let same_set = self.used.iter().filter(|entry| entry.0 % sets == key % sets);
            if same_set.clone().count() == ways {
                let oldest = same_set.min_by_key(|entry| entry.1).unwrap().0;
                self.used.retain(|entry| entry.0 != oldest);
            }
            self.used.push((key, self.now));
            Lookup::Miss
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn lru_agrees_with_the_twin(keys in prop::collection::vec(0u64..40, 1..400)) {
            let mut cache = SetAssociative::<4, 3>::new();
            let mut twin = Twin::default();
            for key in keys {
                prop_assert_eq!(cache.access(key), twin.access(key, 4, 3), "key {}", key);
            }
        }
    }

    #[test]
    fn digest_tells_the_order_of_use() {
        let digest = |keys: &[u64]| {
            let mut cache = SetAssociative::<4, 3>::new();
            keys.iter().for_each(|key| {
                cache.access(*key);
            });
            let mut bytes = Vec::new();
            cache.digest(&mut |part| bytes.extend_from_slice(part));
            bytes
        };
        assert_eq!(digest(&[0, 4]), digest(&[4, 0, 4]));
        assert_ne!(digest(&[0, 4]), digest(&[4, 0]));
        assert_ne!(digest(&[0]), digest(&[1]));
    }
}
