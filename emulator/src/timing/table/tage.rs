//! Prediction of conditional branches: a small TAGE.
//!
//! One table of 16384 two-bit counters indexed by address, and four tables of 1024 tagged three-bit counters
//! indexed by address and 5, 12, 27 or 60 bits of history; the longest history with a matching tag decides.
//! Idea: A. Seznec and P. Michaud, "A case for (partially) TAgged GEometric history length branch
//! prediction", 2006. Key type: [`Tage`]. Neighbour: `branch`, which keeps the history and tests it.

/// Counters of the table without history.
const NR_BASE: usize = 16384;
/// Entries of a tagged table.
const NR_TAGGED: usize = 1024;
/// History bits that each tagged table sees, rising.
const HISTORY_BITS: [u32; 4] = [5, 12, 27, 60];

/// Spreads the bits of an address over a word (the multiplier is 2^64 divided by the golden ratio).
pub(super) fn mix(value: u64) -> u64 {
    let spread = value.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    spread ^ spread >> 29
}

/// A hash of an address and the last `bits` outcomes.
pub(super) fn hash(rip: u64, history: u64, bits: u32) -> u64 {
    let seen = history & (u64::MAX >> (64 - bits));
    mix(mix(rip).wrapping_add(seen.wrapping_mul(0xd6e8_feb8_6659_fd93)))
}

/// An entry of a tagged table of [`Tage`].
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
pub(super) struct Tage {
    /// Two-bit counters, taken from 2 on.
    base: Box<[u8]>,
    /// One table after the other, in the order of [`HISTORY_BITS`].
    tagged: Box<[Tagged]>,
}

impl Tage {
    /// Predicts every branch as not taken.
    pub(super) fn new() -> Self {
        Tage {
            base: vec![1; NR_BASE].into_boxed_slice(),
            tagged: vec![Tagged::default(); NR_TAGGED * HISTORY_BITS.len()].into_boxed_slice(),
        }
    }

    /// Learns an outcome; whether it had been predicted.
    pub(super) fn learn(&mut self, rip: u64, history: u64, taken: bool) -> bool {
        let places = HISTORY_BITS.map(|bits| hash(rip, history, bits));
        let base = mix(rip) as usize % NR_BASE;
        let mut matching = (0..places.len())
            .rev()
            .filter(|table| self.entry(*table, places[*table]).tag == tag(places[*table]));
        let provider = matching.next();
        let alternate = match matching.next() {
            Some(table) => self.entry(table, places[table]).counter >= 0,
            None => self.base[base] >= 2,
        };
        let predicted =
            provider.map_or(alternate, |table| self.entry(table, places[table]).counter >= 0);
        match provider {
            Some(table) => {
                let entry = self.entry_mut(table, places[table]);
                entry.counter = (entry.counter + if taken { 1 } else { -1 }).clamp(-4, 3);
                if predicted != alternate {
                    entry.useful = if predicted == taken {
                        (entry.useful + 1).min(3)
                    } else {
                        entry.useful.saturating_sub(1)
                    };
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
        let free =
            (from..places.len()).find(|table| self.entry(*table, places[*table]).useful == 0);
        if let Some(table) = free {
            let place = places[table];
            *self.entry_mut(table, place) =
                Tagged { tag: tag(place), counter: if taken { 0 } else { -1 }, useful: 0 };
            return;
        }
        for (table, place) in places.iter().enumerate().skip(from) {
            self.entry_mut(table, *place).useful -= 1;
        }
    }

    fn entry(&self, table: usize, place: u64) -> &Tagged {
        &self.tagged[table * NR_TAGGED + place as usize % NR_TAGGED]
    }

    fn entry_mut(&mut self, table: usize, place: u64) -> &mut Tagged {
        &mut self.tagged[table * NR_TAGGED + place as usize % NR_TAGGED]
    }

    /// Feeds the tables to `hasher`.
    pub(super) fn digest(&self, hasher: &mut dyn FnMut(&[u8])) {
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
