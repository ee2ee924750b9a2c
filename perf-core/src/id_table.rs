//! [`IdTable`]: a table by id for ids that are given out in ascending order and never again.
//!
//! Looking up, entering and taking out cost the same however many entries there are or ever
//! were: two array accesses. Entries lie in pages; a page whose last entry goes is given back, so
//! memory follows the entries that live and not the ids that have been used (the directory keeps
//! one word for each [`PAGE_LEN`] ids). Iteration is by ascending id, never by a hash.
//!
//! Neighbours: [`crate::Perf`] keeps events and task contexts in such tables, the kernel model
//! reservations and register settings.

use std::fmt;
use std::marker::PhantomData;

use crate::ids::{EventId, TaskId};

/// Ids in a page.
pub const PAGE_LEN: usize = 256;

/// An id that can be an index into a table.
pub trait TableId: Copy {
    /// The index.
    fn to_index(self) -> usize;
    /// The id with this index, which came from [`TableId::to_index`].
    fn from_index(index: usize) -> Self;
}

impl TableId for EventId {
    fn to_index(self) -> usize {
        self.index()
    }
    fn from_index(index: usize) -> Self {
        EventId(index as u32)
    }
}

impl TableId for TaskId {
    fn to_index(self) -> usize {
        self.index()
    }
    fn from_index(index: usize) -> Self {
        TaskId(index as u32)
    }
}

#[derive(Clone)]
struct Page<T> {
    nr_entries: usize,
    entries: Vec<Option<T>>,
}

impl<T> Page<T> {
    fn new() -> Self {
        Self { nr_entries: 0, entries: std::iter::repeat_with(|| None).take(PAGE_LEN).collect() }
    }
}

/// Entries by id. See the module's documentation.
#[derive(Clone)]
pub struct IdTable<I, T> {
    pages: Vec<Option<Page<T>>>,
    /// An empty page for the next one that is needed: opening and closing one event at a time
    /// then asks for no memory.
    spare: Option<Page<T>>,
    nr_entries: usize,
    ids: PhantomData<I>,
}

impl<I, T> Default for IdTable<I, T> {
    fn default() -> Self {
        Self { pages: Vec::new(), spare: None, nr_entries: 0, ids: PhantomData }
    }
}

impl<I: TableId, T> IdTable<I, T> {
    const fn place(id_index: usize) -> (usize, usize) {
        (id_index / PAGE_LEN, id_index % PAGE_LEN)
    }

    /// The entry of an id.
    #[must_use]
    pub fn get(&self, id: I) -> Option<&T> {
        let (page, at) = Self::place(id.to_index());
        self.pages.get(page)?.as_ref()?.entries.get(at)?.as_ref()
    }

    /// The entry of an id, to be changed.
    pub fn get_mut(&mut self, id: I) -> Option<&mut T> {
        let (page, at) = Self::place(id.to_index());
        self.pages.get_mut(page)?.as_mut()?.entries.get_mut(at)?.as_mut()
    }

    /// Whether an id has an entry.
    #[must_use]
    pub fn contains(&self, id: I) -> bool {
        self.get(id).is_some()
    }

    fn page_for(&mut self, page: usize) -> &mut Page<T> {
        if page >= self.pages.len() {
            self.pages.resize_with(page + 1, || None);
        }
        let spare = &mut self.spare;
        self.pages[page].get_or_insert_with(|| spare.take().unwrap_or_else(Page::new))
    }

    /// Enters an id, or changes its entry. Returns the entry that it had.
    pub fn insert(&mut self, id: I, entry: T) -> Option<T> {
        let (page, at) = Self::place(id.to_index());
        let page = self.page_for(page);
        let old = page.entries[at].replace(entry);
        if old.is_none() {
            page.nr_entries += 1;
            self.nr_entries += 1;
        }
        old
    }

    /// The entry of an id, which is made if there is none.
    pub fn get_or_default(&mut self, id: I) -> &mut T
    where
        T: Default,
    {
        let (page, at) = Self::place(id.to_index());
        let is_new = !self.contains(id);
        self.nr_entries += usize::from(is_new);
        let page = self.page_for(page);
        page.nr_entries += usize::from(is_new);
        page.entries[at].get_or_insert_with(T::default)
    }

    /// Takes an entry out.
    pub fn remove(&mut self, id: I) -> Option<T> {
        let (number, at) = Self::place(id.to_index());
        let slot = self.pages.get_mut(number)?;
        let page = slot.as_mut()?;
        let old = page.entries.get_mut(at)?.take()?;
        self.nr_entries -= 1;
        page.nr_entries -= 1;
        if page.nr_entries == 0 {
            self.spare = slot.take();
        }
        Some(old)
    }

    /// Number of entries.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.nr_entries
    }

    /// Whether there is no entry.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.nr_entries == 0
    }

    /// All entries by ascending id.
    pub fn iter(&self) -> impl Iterator<Item = (I, &T)> {
        self.pages.iter().enumerate().flat_map(|(number, page)| {
            let entries = page.iter().flat_map(|page| page.entries.iter().enumerate());
            entries.filter_map(move |(at, entry)| {
                Some((I::from_index(number * PAGE_LEN + at), entry.as_ref()?))
            })
        })
    }

    /// All ids, ascending.
    pub fn ids(&self) -> impl Iterator<Item = I> + '_ {
        self.iter().map(|(id, _)| id)
    }

    /// All entries, by ascending id.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.iter().map(|(_, entry)| entry)
    }
}

impl<I: TableId + PartialEq, T: PartialEq> PartialEq for IdTable<I, T> {
    fn eq(&self, other: &Self) -> bool {
        self.nr_entries == other.nr_entries && self.iter().eq(other.iter())
    }
}

impl<I: TableId + Eq, T: Eq> Eq for IdTable<I, T> {}

impl<I: TableId + fmt::Debug, T: fmt::Debug> fmt::Debug for IdTable<I, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// Ids only grow, entries come and go one at a time: one page is enough.
    #[test]
    fn pages_are_given_back() {
        let mut table = IdTable::default();
        for id in 0..100_000 {
            assert_eq!(table.insert(EventId(id), id), None);
            assert_eq!(table.remove(EventId(id)), Some(id));
        }
        assert!(table.is_empty());
        assert_eq!(table.pages.iter().flatten().count(), 0);
        assert_eq!(table, IdTable::default());
    }

    #[derive(Clone, Copy, Debug)]
    enum Op {
        Insert(u32, u8),
        Remove(u32),
        Touch(u32),
    }

    fn op() -> impl Strategy<Value = Op> {
        let id = prop_oneof![0..600u32, 100_000..100_300u32];
        prop_oneof![
            (id.clone(), any::<u8>()).prop_map(|(id, value)| Op::Insert(id, value)),
            id.clone().prop_map(Op::Remove),
            id.prop_map(Op::Touch),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn as_a_map(ops in prop::collection::vec(op(), 1..300)) {
            let mut table = IdTable::<EventId, u8>::default();
            let mut twin = BTreeMap::new();
            for op in ops {
                match op {
                    Op::Insert(id, value) => {
                        prop_assert_eq!(table.insert(EventId(id), value), twin.insert(id, value));
                    }
                    Op::Remove(id) => prop_assert_eq!(table.remove(EventId(id)), twin.remove(&id)),
                    Op::Touch(id) => {
                        *table.get_or_default(EventId(id)) ^= 1;
                        *twin.entry(id).or_default() ^= 1;
                        prop_assert_eq!(table.get(EventId(id)), twin.get(&id));
                    }
                }
                prop_assert_eq!(table.len(), twin.len());
            }
            let all: Vec<_> = table.iter().map(|(id, value)| (id.0, *value)).collect();
            prop_assert_eq!(all, twin.into_iter().collect::<Vec<_>>());
        }
    }
}
