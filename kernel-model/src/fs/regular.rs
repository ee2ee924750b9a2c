//! What a regular file holds.
//!
//! Written pages are in host memory until the file is mapped or executed; from then on they are
//! in guest memory, where mappings see them ([`PageObject`]). What was never written comes from
//! the file's source: the program that the session gave, or a file of the host, which is read
//! through the one door in pieces. So a file of the host costs nothing until it is written, and
//! what is written stays in the machine.
//! Source: Linux 6.18 `mm/filemap.c`, `mm/shmem.c`.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use perf_core::Errno;

use super::inode::{Body, InodeId};
use super::seals::{F_SEAL_SEAL, Resize};
use crate::inputs::HostPlace;
use crate::kernel::{Kernel, StopReason};
use crate::mm::layout::{PAGE_SHIFT, PAGE_SIZE};
use crate::mm::page_object::PageObject;

/// Bytes of a page.
const PAGE: usize = PAGE_SIZE as usize;
/// Bytes that are read from the host at once.
const PIECE: u64 = 128 << 10;
/// The largest file (`MAX_LFS_FILESIZE`, cut so that page numbers fit an object).
pub const MAX_FILE_BYTES: u64 = 1 << 46;

/// What a file held before anything was written.
#[derive(Clone, Debug, Default)]
pub(crate) enum Source {
    /// Zeroes.
    #[default]
    Zeroes,
    /// These bytes.
    Bytes(Vec<u8>),
    /// A file of the host.
    Host(HostPlace),
}

/// Where pages are that differ from the source.
#[derive(Debug)]
pub(super) enum Pages {
    /// In host memory, by number.
    Apart(BTreeMap<u64, Box<[u8]>>),
    /// In guest memory; pages of the source that were mapped are there too.
    Mapped(PageObject),
}

/// The contents of a file.
#[derive(Debug)]
pub struct Regular {
    /// Bytes of the file.
    nr_bytes: u64,
    source: Source,
    /// Bytes that the source still stands for; what was cut off is zero when the file grows.
    source_bytes: u64,
    pub(super) pages: Pages,
    /// The last piece that was read from the host, with its offset.
    piece: Option<(u64, Vec<u8>)>,
    /// Seals (`F_SEAL_*`).
    pub(super) seals: u32,
}

impl Regular {
    /// An empty file.
    pub(crate) fn empty() -> Self {
        Self::of(Source::Zeroes, 0)
    }

    /// A file of `nr_bytes` from a source.
    pub(crate) fn of(source: Source, nr_bytes: u64) -> Self {
        let nr_bytes = nr_bytes.min(MAX_FILE_BYTES);
        let source_bytes = if matches!(source, Source::Zeroes) { 0 } else { nr_bytes };
        let pages = Pages::Apart(BTreeMap::new());
        Self { nr_bytes, source, source_bytes, pages, piece: None, seals: F_SEAL_SEAL }
    }

    /// The same with these seals.
    pub(crate) fn with_seals(self, seals: u32) -> Self {
        Self { seals, ..self }
    }

    /// Bytes of the file.
    #[must_use]
    pub const fn nr_bytes(&self) -> u64 {
        self.nr_bytes
    }

    /// Its pages in guest memory, once it was mapped.
    #[must_use]
    pub const fn object(&self) -> Option<&PageObject> {
        match &self.pages {
            Pages::Mapped(object) => Some(object),
            Pages::Apart(_) => None,
        }
    }

    /// Forgets what can be read again.
    pub(super) fn forget_piece(&mut self) {
        self.piece = None;
    }

    /// Pages that the source stands for.
    pub(super) const fn source_pages(&self) -> u64 {
        self.source_bytes.div_ceil(PAGE_SIZE)
    }

    /// Bytes of page `page` that the source still gives.
    fn source_in(&self, page: u64) -> usize {
        self.source_bytes.saturating_sub(page << PAGE_SHIFT).min(PAGE_SIZE) as usize
    }
}

/// A page number and the range in it, for each page that `len` bytes at `offset` touch.
fn pages_of(offset: u64, len: usize) -> impl Iterator<Item = (u64, usize, usize)> {
    let end = offset + len as u64;
    let (first, last) = (offset >> PAGE_SHIFT, end.div_ceil(PAGE_SIZE));
    (first..last).map(move |page| {
        let start = page << PAGE_SHIFT;
        let from = offset.max(start) - start;
        let to = end.min(start + PAGE_SIZE) - start;
        (page, from as usize, to as usize)
    })
}

impl Kernel {
    pub(crate) fn regular(&self, id: InodeId) -> Result<&Regular, Errno> {
        match &self.vfs.inode(id).body {
            Body::Regular(file) => Ok(file),
            _ => Err(Errno::EINVAL),
        }
    }

    fn regular_mut(&mut self, id: InodeId) -> Result<&mut Regular, Errno> {
        match &mut self.vfs.inode_mut(id).body {
            Body::Regular(file) => Ok(file),
            _ => Err(Errno::EINVAL),
        }
    }

    /// Reads from a file at an offset; tells how many bytes there were.
    pub(crate) fn file_read(
        &mut self,
        id: InodeId,
        offset: u64,
        out: &mut [u8],
    ) -> Result<usize, Errno> {
        let size = self.regular(id)?.nr_bytes;
        let len = size.saturating_sub(offset).min(out.len() as u64) as usize;
        let mut done = 0;
        for (page, from, to) in pages_of(offset, len) {
            let mut bytes = [0; PAGE];
            self.read_page(id, page, &mut bytes)?;
            out[done..done + to - from].copy_from_slice(&bytes[from..to]);
            done += to - from;
        }
        Ok(len)
    }

    /// All bytes of a file, of which no more than `max` may be read.
    ///
    /// # Errors
    /// EFBIG for a larger file; as reading.
    pub(crate) fn file_bytes(&mut self, id: InodeId, max: u64) -> Result<Vec<u8>, Errno> {
        let size = self.regular(id)?.nr_bytes;
        if size > max {
            return Err(Errno::EFBIG);
        }
        let mut bytes = vec![0; size as usize];
        let nr = self.file_read(id, 0, &mut bytes)?;
        bytes.truncate(nr);
        Ok(bytes)
    }

    /// Reads one page of a file as it is now.
    fn read_page(&mut self, id: InodeId, page: u64, out: &mut [u8; PAGE]) -> Result<(), Errno> {
        let Body::Regular(file) = &self.vfs.inode(id).body else { return Err(Errno::EINVAL) };
        let found = match &file.pages {
            Pages::Apart(pages) => pages.get(&page).map(|bytes| out.copy_from_slice(bytes)),
            Pages::Mapped(object) => object
                .page(&self.hw, page)
                .map(|pfn| self.hw.read_phys(pfn.physical(), out.as_mut_slice())),
        };
        if found.is_none() {
            self.read_source(id, page, out)?;
        }
        Ok(())
    }

    /// Reads one page of what a file held before it was written.
    fn read_source(&mut self, id: InodeId, page: u64, out: &mut [u8; PAGE]) -> Result<(), Errno> {
        let file = self.regular(id)?;
        let len = file.source_in(page);
        let start = page << PAGE_SHIFT;
        if len == 0 {
            return Ok(());
        }
        let place = match &file.source {
            Source::Zeroes => return Ok(()),
            Source::Bytes(bytes) => {
                let from = (start as usize).min(bytes.len());
                let given = &bytes[from..bytes.len().min(from + len)];
                out[..given.len()].copy_from_slice(given);
                return Ok(());
            }
            Source::Host(place) => place.clone(),
        };
        let piece_start = start - start % PIECE;
        if file.piece.as_ref().is_none_or(|(at, _)| *at != piece_start) {
            let answer = match self.inputs.host_read(&place, piece_start, PIECE as usize) {
                Ok(answer) => answer,
                Err(error) => {
                    self.stop(StopReason::Input(error));
                    return Err(Errno::EIO);
                }
            };
            self.regular_mut(id)?.piece = Some((piece_start, answer?));
        }
        // A file that has become shorter on the host reads as zeroes there.
        if let Some((at, bytes)) = &self.regular(id)?.piece {
            let from = ((start - at) as usize).min(bytes.len());
            let given = &bytes[from..bytes.len().min(from + len)];
            out[..given.len()].copy_from_slice(given);
        }
        Ok(())
    }

    /// Writes to a file at an offset; it grows as far as needed. Tells how many bytes went.
    ///
    /// # Errors
    /// EFBIG; ENOSPC where not even one byte has room.
    pub(crate) fn file_write(
        &mut self,
        id: InodeId,
        offset: u64,
        bytes: &[u8],
    ) -> Result<usize, Errno> {
        if offset >= MAX_FILE_BYTES {
            return Err(Errno::EFBIG);
        }
        let len = bytes.len().min((MAX_FILE_BYTES - offset) as usize);
        self.check_seal_write(id, offset + len as u64)?;
        let mut done = 0;
        for (page, from, to) in pages_of(offset, len) {
            match self.write_page(id, page, from, &bytes[done..done + to - from]) {
                Ok(()) => done += to - from,
                Err(errno) if done == 0 => return Err(errno),
                Err(_) => break,
            }
        }
        let end = offset + done as u64;
        if done > 0 && end > self.regular(id)?.nr_bytes {
            self.set_size(id, end)?;
        }
        Ok(done)
    }

    /// Writes within one page.
    pub(super) fn write_page(
        &mut self,
        id: InodeId,
        page: u64,
        from: usize,
        bytes: &[u8],
    ) -> Result<(), Errno> {
        let mut before = [0; PAGE];
        let is_there = match &self.regular(id)?.pages {
            Pages::Apart(pages) => pages.contains_key(&page),
            Pages::Mapped(object) => object.page(&self.hw, page).is_some(),
        };
        if !is_there {
            self.read_source(id, page, &mut before)?;
        }
        let has_frames = self.has_frames_for_files();
        let Body::Regular(file) = &mut self.vfs.inode_mut(id).body else {
            return Err(Errno::EINVAL);
        };
        match &mut file.pages {
            Pages::Mapped(object) => {
                if !is_there && !has_frames {
                    return Err(Errno::ENOSPC);
                }
                let (hw, frames) = (&mut self.hw, &mut self.frames);
                if !is_there {
                    object.write(hw, frames, page << PAGE_SHIFT, &before).map_err(no_space)?;
                }
                let at = (page << PAGE_SHIFT) + from as u64;
                object.write(hw, frames, at, bytes).map_err(no_space)
            }
            Pages::Apart(pages) => {
                if let Some(page) = pages.get_mut(&page) {
                    page[from..from + bytes.len()].copy_from_slice(bytes);
                    return Ok(());
                }
                before[from..from + bytes.len()].copy_from_slice(bytes);
                pages.insert(page, before.to_vec().into_boxed_slice());
                self.vfs.nr_pages += 1;
                if self.vfs.nr_pages > self.vfs.max_pages {
                    self.drop_page(id, page)?;
                    return Err(Errno::ENOSPC);
                }
                Ok(())
            }
        }
    }

    /// Whether files may take frames: an eighth of memory is left to the programs.
    fn has_frames_for_files(&self) -> bool {
        self.frames.nr_free() > self.frames.nr_managed() / 8
    }

    fn drop_page(&mut self, id: InodeId, page: u64) -> Result<(), Errno> {
        let Body::Regular(file) = &mut self.vfs.inode_mut(id).body else {
            return Err(Errno::EINVAL);
        };
        match &mut file.pages {
            Pages::Apart(pages) => {
                self.vfs.nr_pages -= u64::from(pages.remove(&page).is_some());
            }
            Pages::Mapped(object) => object.remove(&mut self.hw, &mut self.frames, page),
        }
        Ok(())
    }

    /// Gives a file another size (`truncate`): what is cut off is gone, what is added is zero.
    ///
    /// # Errors
    /// EFBIG; as writing, for the page in which the file ends.
    pub(crate) fn file_truncate(&mut self, id: InodeId, size: u64) -> Result<(), Errno> {
        if size > MAX_FILE_BYTES {
            return Err(Errno::EFBIG);
        }
        let old = self.regular(id)?.nr_bytes;
        match size.cmp(&old) {
            Ordering::Less => self.check_seal_size(id, Resize::Shrink)?,
            Ordering::Equal => {}
            Ordering::Greater => self.check_seal_size(id, Resize::Grow)?,
        }
        if size < old {
            let tail = size % PAGE_SIZE;
            if tail != 0 {
                let end = (size - tail + PAGE_SIZE).min(old.max(size));
                let zeroes = vec![0; (end - size) as usize];
                self.write_page(id, size >> PAGE_SHIFT, tail as usize, &zeroes)?;
            }
            self.cut_pages(id, size.div_ceil(PAGE_SIZE), old.div_ceil(PAGE_SIZE))?;
            let file = self.regular_mut(id)?;
            file.source_bytes = file.source_bytes.min(size.next_multiple_of(PAGE_SIZE));
        }
        self.set_size(id, size)
    }

    fn cut_pages(&mut self, id: InodeId, first: u64, end: u64) -> Result<(), Errno> {
        let numbers: Vec<u64> = match &self.regular(id)?.pages {
            Pages::Apart(pages) => {
                pages.range(first..end.max(first)).map(|(page, _)| *page).collect()
            }
            Pages::Mapped(object) => object.pages_between(&self.hw, first, end),
        };
        for page in numbers {
            self.drop_page(id, page)?;
        }
        Ok(())
    }

    /// Sets the size, and tells mappings.
    fn set_size(&mut self, id: InodeId, size: u64) -> Result<(), Errno> {
        let file = self.regular_mut(id)?;
        let before = std::mem::replace(&mut file.nr_bytes, size);
        let Some(object) = file.object().map(PageObject::id) else { return Ok(()) };
        let (old, new) = (before.div_ceil(PAGE_SIZE), size.div_ceil(PAGE_SIZE));
        if old != new && self.frames.users(object) > 1 {
            for (space, _) in self.tasks.spaces.values_mut() {
                space.file_resized(&mut self.hw, &mut self.frames, object, new);
            }
        }
        Ok(())
    }

    /// Frees `len` bytes at `offset`, which become zeroes (`FALLOC_FL_PUNCH_HOLE`).
    pub(crate) fn file_zero(&mut self, id: InodeId, offset: u64, len: u64) -> Result<(), Errno> {
        let end = offset.saturating_add(len).min(self.regular(id)?.nr_bytes);
        self.check_seal_write(id, 0)?;
        let zero = |kernel: &mut Self, from: u64, to: u64| match to.checked_sub(from) {
            None | Some(0) => Ok(()),
            Some(nr) => kernel.write_page(
                id,
                from >> PAGE_SHIFT,
                (from % PAGE_SIZE) as usize,
                &vec![0; nr as usize],
            ),
        };
        let first = offset.next_multiple_of(PAGE_SIZE);
        let last = end - end % PAGE_SIZE;
        if first > last {
            return zero(self, offset, end);
        }
        zero(self, offset, first.min(end))?;
        zero(self, last.max(offset), end)?;
        // Whole pages go, where the file holds any; the source's are written over.
        let (mut page, end_page) = (first >> PAGE_SHIFT, last >> PAGE_SHIFT);
        let end_source = self.regular(id)?.source_bytes.div_ceil(PAGE_SIZE).min(end_page);
        while page < end_source {
            self.write_page(id, page, 0, &[0; PAGE])?;
            page += 1;
        }
        self.cut_pages(id, page, end_page)?;
        self.zap_mappings(id, page, end_page)
    }

    /// Mappings of a file forget pages that it no longer has.
    fn zap_mappings(&mut self, id: InodeId, first: u64, end: u64) -> Result<(), Errno> {
        let Some(object) = self.regular(id)?.object().map(PageObject::id) else { return Ok(()) };
        if self.frames.users(object) > 1 {
            for (space, _) in self.tasks.spaces.values_mut() {
                space.forget_pages(&mut self.hw, &mut self.frames, object, first..end);
            }
        }
        Ok(())
    }

    /// Reads `len` bytes of a file at `offset` into guest memory, where mappings find them.
    ///
    /// # Errors
    /// ENOMEM; as reading.
    pub(crate) fn file_load(&mut self, id: InodeId, offset: u64, len: u64) -> Result<(), Errno> {
        self.move_to_guest(id)?;
        let file = self.regular(id)?;
        let first = offset >> PAGE_SHIFT;
        let end = offset.saturating_add(len).min(file.source_bytes).div_ceil(PAGE_SIZE);
        for page in first..end.max(first) {
            let Some(object) = self.regular(id)?.object() else { return Err(Errno::ENODEV) };
            if object.page(&self.hw, page).is_none() {
                if !self.has_frames_for_files() {
                    return Err(Errno::ENOMEM);
                }
                let mut bytes = [0; PAGE];
                self.read_source(id, page, &mut bytes)?;
                self.put_mapped_page(id, page, &bytes)?;
            }
        }
        Ok(())
    }

    /// The pages of a file for a mapping of `len` bytes at `offset`, which are read in, with
    /// another use of them.
    ///
    /// # Errors
    /// ENOMEM; as reading.
    pub(crate) fn file_map(
        &mut self,
        id: InodeId,
        offset: u64,
        len: u64,
    ) -> Result<PageObject, Errno> {
        self.file_load(id, offset, len)?;
        let Body::Regular(file) = &self.vfs.inode(id).body else { return Err(Errno::ENODEV) };
        let object = file.object().ok_or(Errno::ENODEV)?;
        Ok(object.share(&mut self.frames))
    }

    fn put_mapped_page(&mut self, id: InodeId, page: u64, bytes: &[u8]) -> Result<(), Errno> {
        let Body::Regular(file) = &mut self.vfs.inode_mut(id).body else {
            return Err(Errno::ENODEV);
        };
        let Pages::Mapped(object) = &mut file.pages else { return Err(Errno::ENODEV) };
        object.write(&mut self.hw, &mut self.frames, page << PAGE_SHIFT, bytes)
    }

    /// Moves a file's pages from host to guest memory.
    fn move_to_guest(&mut self, id: InodeId) -> Result<(), Errno> {
        let Body::Regular(file) = &mut self.vfs.inode_mut(id).body else {
            return Err(Errno::ENODEV);
        };
        let Pages::Apart(pages) = &file.pages else { return Ok(()) };
        let mut object = PageObject::new(&mut self.hw, &mut self.frames)?;
        for (page, bytes) in pages {
            let (hw, frames) = (&mut self.hw, &mut self.frames);
            if let Err(errno) = object.write(hw, frames, page << PAGE_SHIFT, bytes) {
                object.release(hw, frames);
                return Err(errno);
            }
        }
        let nr_pages = pages.len() as u64;
        file.pages = Pages::Mapped(object);
        self.vfs.nr_pages -= nr_pages;
        Ok(())
    }

    /// Gives back what a file held; mappings keep their pages.
    pub(super) fn free_contents(&mut self, body: Body) {
        let Body::Regular(file) = body else { return };
        match file.pages {
            Pages::Apart(pages) => self.vfs.nr_pages -= pages.len() as u64,
            Pages::Mapped(object) => object.release(&self.hw, &mut self.frames),
        }
    }
}

/// What a file system without room answers.
fn no_space(errno: Errno) -> Errno {
    if errno == Errno::ENOMEM { Errno::ENOSPC } else { errno }
}
