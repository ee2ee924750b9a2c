//! Which parts of a regular file hold data: allocation, holes and what stat counts.
//! Source: Linux 6.18 `mm/shmem.c` (`shmem_fallocate`, `shmem_file_llseek`), fallocate(2).

use perf_core::Errno;

use super::inode::InodeId;
use super::regular::Pages;
use crate::kernel::Kernel;
use crate::mm::layout::{PAGE_SHIFT, PAGE_SIZE};

/// Blocks of 512 bytes in a page.
const BLOCKS_PER_PAGE: u64 = PAGE_SIZE / 512;

/// What `lseek` looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Bytes that were written (`SEEK_DATA`).
    Data,
    /// Bytes that never were, or the end (`SEEK_HOLE`).
    Hole,
}

impl Kernel {
    /// The pages below `end` that a file holds of its own, ascending.
    fn own_pages(&self, id: InodeId, end: u64) -> Result<Vec<u64>, Errno> {
        Ok(match &self.regular(id)?.pages {
            Pages::Apart(pages) => pages.range(..end).map(|(page, _)| *page).collect(),
            Pages::Mapped(object) => object.pages_between(&self.hw, 0, end),
        })
    }

    /// Blocks of 512 bytes that a file takes (`st_blocks`).
    pub(crate) fn file_blocks(&self, id: InodeId) -> u64 {
        let Ok(file) = self.regular(id) else { return 0 };
        let source = file.source_pages();
        let end = file.nr_bytes().div_ceil(PAGE_SIZE);
        let own = self.own_pages(id, end).unwrap_or_default();
        let beyond = own.iter().filter(|page| **page >= source).count() as u64;
        (source.min(end) + beyond) * BLOCKS_PER_PAGE
    }

    /// The first byte from `from` on that is data, or in a hole.
    ///
    /// # Errors
    /// ENXIO at the end, or where there is no more data.
    pub(crate) fn file_seek(&self, id: InodeId, from: i64, what: Extent) -> Result<u64, Errno> {
        let file = self.regular(id)?;
        let nr_bytes = file.nr_bytes();
        let from = u64::try_from(from).ok().filter(|from| *from < nr_bytes).ok_or(Errno::ENXIO)?;
        let (source, end) = (file.source_pages(), nr_bytes.div_ceil(PAGE_SIZE));
        let own = self.own_pages(id, end)?;
        let is_data = |page: u64| page < source || own.binary_search(&page).is_ok();
        let first = from >> PAGE_SHIFT;
        let found = match what {
            Extent::Data if is_data(first) => Some(first),
            Extent::Data => own.iter().copied().find(|page| *page >= first),
            Extent::Hole => (first..end).find(|page| !is_data(*page)),
        };
        match (found, what) {
            (Some(page), _) => Ok(from.max(page << PAGE_SHIFT).min(nr_bytes)),
            (None, Extent::Hole) => Ok(nr_bytes),
            (None, Extent::Data) => Err(Errno::ENXIO),
        }
    }

    /// Gives a range pages of its own (`fallocate`).
    ///
    /// # Errors
    /// EFBIG, ENOSPC; what was allocated until then stays.
    pub(crate) fn file_allocate(&mut self, id: InodeId, from: u64, to: u64) -> Result<(), Errno> {
        let (total, _) = self.vfs.room();
        let (first, end) = (from >> PAGE_SHIFT, to.div_ceil(PAGE_SIZE));
        if end - first > total {
            return Err(Errno::ENOSPC);
        }
        let source = self.regular(id)?.source_pages();
        let own = self.own_pages(id, end)?;
        for page in first.max(source)..end {
            if own.binary_search(&page).is_err() {
                self.write_page(id, page, 0, &[0])?;
            }
        }
        Ok(())
    }
}
