//! Gathers the pages whose translations changed and flushes them at once.
//! Source: Linux 6.18 `arch/x86/mm/tlb.c` (`tlb_single_page_flush_ceiling`).

use crate::arch::x86::hw::Hw;

/// Up to this many pages are flushed one by one; more flush everything.
const SINGLE_PAGE_FLUSH_CEILING: usize = 33;

/// Pages to flush. A gather that is dropped unflushed leaves stale translations.
#[derive(Debug, Default)]
#[must_use = "translations are stale until flushed"]
pub struct TlbGather {
    pages: Vec<u64>,
    nr_changed: usize,
}

impl TlbGather {
    /// Notes that the translation of the page at `linear` changed.
    pub fn note(&mut self, linear: u64) {
        self.nr_changed += 1;
        if self.pages.len() < SINGLE_PAGE_FLUSH_CEILING {
            self.pages.push(linear);
        }
    }

    /// Makes every CPU forget the noted translations.
    pub fn flush(self, hw: &mut Hw) {
        if self.nr_changed > SINGLE_PAGE_FLUSH_CEILING {
            hw.flush_tlb_all();
            return;
        }
        for page in self.pages {
            hw.flush_tlb_page(page);
        }
    }
}
