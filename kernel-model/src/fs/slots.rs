//! Numbered places, of which the lowest free one is taken: open files and pipes.

/// Values by number.
#[derive(Clone, Debug)]
pub(super) struct Slots<T> {
    slots: Vec<Option<T>>,
    /// No place below this one is free.
    lowest_free: usize,
    nr_used: usize,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self { slots: Vec::new(), lowest_free: 0, nr_used: 0 }
    }
}

impl<T> Slots<T> {
    /// Puts a value into the lowest free place and tells which.
    pub(super) fn insert(&mut self, value: T) -> u32 {
        let rest = self.slots.get(self.lowest_free..).unwrap_or(&[]);
        let free = rest.iter().position(Option::is_none).unwrap_or(rest.len()) + self.lowest_free;
        if free == self.slots.len() {
            self.slots.push(None);
        }
        self.slots[free] = Some(value);
        self.lowest_free = free + 1;
        self.nr_used += 1;
        free as u32
    }

    /// Empties a place.
    pub(super) fn remove(&mut self, number: u32) -> Option<T> {
        let removed = self.slots.get_mut(number as usize)?.take()?;
        self.lowest_free = self.lowest_free.min(number as usize);
        self.nr_used -= 1;
        Some(removed)
    }

    pub(super) fn get(&self, number: u32) -> Option<&T> {
        self.slots.get(number as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        self.slots.get_mut(number as usize)?.as_mut()
    }

    /// The values in the order of their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().flatten()
    }

    /// The values with their numbers.
    pub(super) fn numbered(&self) -> impl Iterator<Item = (u32, &T)> {
        (0..).zip(&self.slots).filter_map(|(number, slot)| Some((number, slot.as_ref()?)))
    }

    /// Places that are taken.
    pub(super) const fn len(&self) -> usize {
        self.nr_used
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_lowest_free_place_is_taken(ops in prop::collection::vec((any::<bool>(), 0u32..20), 0..80)) {
            let mut slots = Slots::default();
            let mut twin: Vec<Option<u32>> = Vec::new();
            for (inserts, number) in ops {
                if inserts {
                    let want = twin.iter().position(Option::is_none).unwrap_or(twin.len());
                    twin.resize(twin.len().max(want + 1), None);
                    twin[want] = Some(number);
                    prop_assert_eq!(slots.insert(number), want as u32);
                } else {
                    let want = twin.get_mut(number as usize).and_then(Option::take);
                    prop_assert_eq!(slots.remove(number), want);
                }
                let all: Vec<u32> = twin.iter().flatten().copied().collect();
                prop_assert_eq!(slots.iter().copied().collect::<Vec<u32>>(), all.clone());
                prop_assert_eq!(slots.len(), all.len());
            }
        }
    }
}
