//! The ksym tracer: who reads and writes variables of the kernel.
//!
//! [`KsymTracer`] keeps the list behind `ksym_trace_filter`, a wide breakpoint for each entry, and
//! what `trace` and `ksym_profile` show. It registers breakpoints through [`WideBreakpoints`], so
//! that it needs no machine. Neighbours: `kernel/ksym.rs` is the kernel's side, [`filter`] the
//! syntax, [`show`] the texts. The rules are linux-hw-breakpoint section 6.2's.
//! Source: Linux 2.6.33 `kernel/trace/trace_ksym.c`, which later versions do not have any more.

pub mod filter;
pub mod show;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use perf_core::{Defect, Defects, Errno, EventId, Generation, PerfEventAttr};

use crate::kernel::KernelSymbol;
use crate::observe::TaskTag;
use filter::{FilterError, KsymAccess, KsymFilter};

/// Bytes that an entry watches from its symbol on (`HW_BREAKPOINT_LEN_4`).
pub const KSYM_LEN: u64 = 4;
/// Most entries in the version of commit 24f1e32c60c4 (`KSYM_TRACER_MAX`).
const SEED_MAX_ENTRIES: usize = 4;
/// Most hits that are kept for `trace`; older ones are dropped.
const MAX_RECORDS: usize = 65_536;

/// Which version of the tracer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KsymVersion {
    /// The last one, of 2010.
    #[default]
    Last,
    /// That of commit 24f1e32c60c4 (November 2009).
    Seed {
        /// Defect S11: changing an entry's access loses the entry, and keeps a dead one where
        /// it fails.
        broken_change: bool,
    },
}

impl KsymVersion {
    /// The one that a kernel has.
    #[must_use]
    pub const fn of_kernel(generation: Generation, defects: Defects) -> Self {
        match generation {
            Generation::V6 => Self::Last,
            Generation::V2_6_33 => {
                Self::Seed { broken_change: defects.has(Defect::KsymChangeBugs) }
            }
        }
    }
}

/// What registers breakpoints on every CPU (`register_wide_hw_breakpoint`).
pub trait WideBreakpoints {
    /// A breakpoint on each online CPU, or none.
    ///
    /// # Errors
    /// The errno of the first that was refused.
    fn register(&mut self, attr: &PerfEventAttr, entry: u32) -> Result<Vec<EventId>, Errno>;
    /// Takes them back.
    fn unregister(&mut self, events: Vec<EventId>);
}

/// A watched symbol (`struct trace_ksym`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KsymEntry {
    /// Number of the entry, never used again.
    pub id: u32,
    /// What it watches.
    pub symbol: KernelSymbol,
    /// Accesses that hit.
    pub access: KsymAccess,
    /// Its breakpoints; none for a dead entry of defect S11.
    pub events: Vec<EventId>,
    /// Hits while tracing.
    pub hits: u64,
}

/// A hit (`struct ksym_trace_entry`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KsymRecord {
    /// Who.
    pub task: TaskTag,
    /// On which CPU.
    pub cpu: u32,
    /// Saved RIP: behind the access.
    pub ip: u64,
    /// The watched address.
    pub addr: u64,
    /// What the entry watches for.
    pub access: KsymAccess,
}

/// What the kernel log says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KsymLog {
    /// Defect S1's counter beside the machine's: the version of 2009 counts for itself.
    #[error(
        "ksym_tracer: Maximum limit:({SEED_MAX_ENTRIES}) reached. No new requests for tracing can be accepted now."
    )]
    TooMany,
}

/// Whether hits are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Tracing {
    #[default]
    Off,
    /// `ksym_tracer` is the current tracer.
    On,
}

/// The tracer.
#[derive(Clone, Debug, Default)]
pub struct KsymTracer {
    version: KsymVersion,
    /// Newest first.
    entries: Vec<KsymEntry>,
    records: VecDeque<KsymRecord>,
    /// Records that were dropped because there were too many.
    dropped: u64,
    next_id: u32,
    tracing: Tracing,
    log: Vec<KsymLog>,
}

impl KsymTracer {
    /// A tracer without entries, which is not the current one.
    #[must_use]
    pub fn new(version: KsymVersion) -> Self {
        Self { version, ..Self::default() }
    }

    /// The entries, newest first.
    #[must_use]
    pub fn entries(&self) -> &[KsymEntry] {
        &self.entries
    }

    /// The hits in order.
    #[must_use]
    pub fn records(&self) -> &VecDeque<KsymRecord> {
        &self.records
    }

    /// Whether it is the current tracer.
    #[must_use]
    pub fn is_tracing(&self) -> bool {
        self.tracing == Tracing::On
    }

    /// Hits that `trace` does not show because there were too many.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Lines for the kernel log since the last call.
    #[must_use]
    pub fn take_log(&mut self) -> Vec<KsymLog> {
        std::mem::take(&mut self.log)
    }

    /// Becomes the current tracer (`ksym_trace_init`).
    pub fn init(&mut self) {
        self.tracing = Tracing::On;
    }

    /// Another tracer becomes the current one: all entries go (rule 6.2.10).
    pub fn reset(&mut self, breakpoints: &mut dyn WideBreakpoints) {
        self.tracing = Tracing::Off;
        self.remove_all(breakpoints);
    }

    /// Forgets the hits (`trace` was truncated).
    pub fn clear_records(&mut self) {
        self.records.clear();
        self.dropped = 0;
    }

    fn remove_all(&mut self, breakpoints: &mut dyn WideBreakpoints) {
        for entry in std::mem::take(&mut self.entries) {
            breakpoints.unregister(entry.events);
        }
    }

    /// A write to `ksym_trace_filter`: tells how many bytes it took, which is all of them.
    ///
    /// # Errors
    /// EINVAL for what rule 6.2.3 lists; ENOSPC, EAGAIN or another errno where no breakpoint
    /// could be had (rules 6.2.4 and 6.2.5).
    pub fn write_filter(
        &mut self,
        text: &[u8],
        lookup: &dyn Fn(&str) -> Option<KernelSymbol>,
        breakpoints: &mut dyn WideBreakpoints,
    ) -> Result<u64, Errno> {
        match filter::parse(text, self.version).map_err(FilterError::errno)? {
            KsymFilter::RemoveAll => self.remove_all(breakpoints),
            KsymFilter::Watch { name, access } => {
                let symbol = lookup(name).ok_or(Errno::EINVAL)?;
                match self.entries.iter().position(|entry| entry.symbol.addr == symbol.addr) {
                    Some(at) if self.entries[at].access == access => return Err(Errno::EINVAL),
                    Some(at) => self.change(at, access, breakpoints)?,
                    None => self.add(symbol, access, breakpoints)?,
                }
            }
        }
        Ok(text.len() as u64)
    }

    /// Rule 6.2.4.
    fn add(
        &mut self,
        symbol: KernelSymbol,
        access: KsymAccess,
        breakpoints: &mut dyn WideBreakpoints,
    ) -> Result<(), Errno> {
        let is_seed = self.version != KsymVersion::Last;
        if is_seed && self.entries.len() >= SEED_MAX_ENTRIES {
            self.log.push(KsymLog::TooMany);
            return Err(Errno::ENOSPC);
        }
        let id = self.next_id;
        let events = breakpoints.register(&attr(symbol, access), id).map_err(|errno| {
            // The registration answered NULL, whatever it was (rule 2.4.2).
            if is_seed { Errno::EAGAIN } else { errno }
        })?;
        self.next_id += 1;
        self.entries.insert(0, KsymEntry { id, symbol, access, events, hits: 0 });
        Ok(())
    }

    /// Rule 6.2.5.
    fn change(
        &mut self,
        at: usize,
        access: KsymAccess,
        breakpoints: &mut dyn WideBreakpoints,
    ) -> Result<(), Errno> {
        let (id, symbol) = (self.entries[at].id, self.entries[at].symbol);
        breakpoints.unregister(std::mem::take(&mut self.entries[at].events));
        let registered = breakpoints.register(&attr(symbol, access), id);
        let is_broken = self.version == KsymVersion::Seed { broken_change: true };
        match registered {
            // S11: the new breakpoints stay armed, and nobody knows of them any more.
            Ok(_) if is_broken => {
                self.entries.remove(at);
                Ok(())
            }
            Ok(events) => {
                let entry = &mut self.entries[at];
                (entry.events, entry.access) = (events, access);
                Ok(())
            }
            // S11: the dead entry stays.
            Err(_) if is_broken => Err(Errno::EINVAL),
            Err(errno) => {
                self.entries.remove(at);
                Err(errno)
            }
        }
    }

    /// An entry's breakpoint was hit (`ksym_hbp_handler`): kept while the tracer is current.
    pub fn hit(&mut self, entry: u32, task: &TaskTag, cpu: u32, ip: u64) {
        if self.tracing == Tracing::Off {
            return;
        }
        let Some(entry) = self.entries.iter_mut().find(|known| known.id == entry) else { return };
        entry.hits += 1;
        if self.records.len() == MAX_RECORDS {
            self.records.pop_front();
            self.dropped += 1;
        }
        let (addr, access) = (entry.symbol.addr, entry.access);
        self.records.push_back(KsymRecord { task: task.clone(), cpu, ip, addr, access });
    }
}

/// A breakpoint on a symbol, for every CPU (`hw_breakpoint_init`).
fn attr(symbol: KernelSymbol, access: KsymAccess) -> PerfEventAttr {
    use perf_core::attr::abi::AttrFlags;
    let mut attr = PerfEventAttr::breakpoint(symbol.addr, KSYM_LEN, access.bp_type());
    attr.sample_period = 1;
    attr.with(AttrFlags::PINNED)
}
