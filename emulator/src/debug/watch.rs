//! The pages on which accesses must be compared with the debug registers.
//!
//! Derived from DR0 to DR7 on every write to them; never more than four pages,
//! since an aligned entry of at most eight bytes lies within one.

use super::dr7::EntryKind;
use super::matcher::DebugRegs;
use crate::mem::PAGE_OFFSET_MASK;

/// Watched pages and armed instruction addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatchSet {
    writes: Vec<u64>,
    reads: Vec<u64>,
    executes: Vec<u64>,
}

impl WatchSet {
    /// The set for the registers' present contents.
    #[must_use]
    pub fn of(debug: &DebugRegs) -> Self {
        let mut set = Self::default();
        for index in (0..4).filter(|&index| debug.dr7().is_enabled(index)) {
            let (base, last) = debug.range(index);
            let page = base & !PAGE_OFFSET_MASK;
            match debug.dr7().kind(index) {
                EntryKind::Execute => set.executes.extend(base..=last),
                EntryKind::Write => set.writes.push(page),
                EntryKind::ReadWrite => {
                    set.writes.push(page);
                    set.reads.push(page);
                }
                // Ports are compared where IN and OUT execute.
                EntryKind::Io => {}
            }
        }
        set
    }

    /// Whether stores to the page of `linear` must be compared.
    #[must_use]
    pub fn watches_write(&self, linear: u64) -> bool {
        self.writes.contains(&(linear & !PAGE_OFFSET_MASK))
    }

    /// Whether loads from the page of `linear` must be compared.
    #[must_use]
    pub fn watches_read(&self, linear: u64) -> bool {
        self.reads.contains(&(linear & !PAGE_OFFSET_MASK))
    }

    /// Whether an instruction at `linear` may match.
    #[must_use]
    pub fn watches_execute(&self, linear: u64) -> bool {
        self.executes.contains(&linear)
    }

    /// Armed instruction addresses.
    #[must_use]
    pub fn executes(&self) -> &[u64] {
        &self.executes
    }

    /// Every page of the set; a page may come more than once.
    pub fn pages(&self) -> impl Iterator<Item = u64> + '_ {
        self.writes.iter().chain(&self.reads).copied()
    }
}
