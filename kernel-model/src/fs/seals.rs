//! Seals of memory files: what can no longer be done with them.
//! Source: Linux 6.18 `mm/memfd.c`, `mm/shmem.c`; fcntl(2), memfd_create(2).

use perf_core::Errno;

use super::file::{FileId, FileKind};
use super::inode::{Body, InodeId};
use crate::kernel::Kernel;
use crate::mm::vma::{Backing, Prot};

/// No more seals.
pub const F_SEAL_SEAL: u32 = 1;
/// It does not become smaller.
pub const F_SEAL_SHRINK: u32 = 2;
/// It does not become larger.
pub const F_SEAL_GROW: u32 = 4;
/// It is not written.
pub const F_SEAL_WRITE: u32 = 8;
/// It is written through the mappings that there are only.
pub const F_SEAL_FUTURE_WRITE: u32 = 16;
/// Its rights of execution stay.
pub const F_SEAL_EXEC: u32 = 32;
/// All there are.
const ALL: u32 = 63;
/// Both that refuse writes.
const WRITES: u32 = F_SEAL_WRITE | F_SEAL_FUTURE_WRITE;

/// Seals that change what a file's size may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resize {
    /// Larger.
    Grow,
    /// Smaller.
    Shrink,
}

impl Kernel {
    fn seals(&self, id: InodeId) -> u32 {
        match &self.vfs.inode(id).body {
            Body::Regular(file) => file.seals,
            _ => F_SEAL_SEAL,
        }
    }

    /// The seals of an open file (`F_GET_SEALS`).
    ///
    /// # Errors
    /// EINVAL for what is no file in memory.
    pub(crate) fn seals_of_file(&self, file: FileId) -> Result<u32, Errno> {
        let FileKind::Regular(id) = self.files.file(file).kind else { return Err(Errno::EINVAL) };
        Ok(self.seals(id))
    }

    /// Adds seals to an open file (`F_ADD_SEALS`).
    ///
    /// # Errors
    /// EINVAL for other seals, and for what is no file in memory; EPERM where the file is not open
    /// for writing, or takes no more; EBUSY where it is mapped to be written.
    pub(crate) fn add_seals(&mut self, file: FileId, seals: u32) -> Result<(), Errno> {
        let FileKind::Regular(id) = self.files.file(file).kind else { return Err(Errno::EINVAL) };
        if !self.files.file(file).can_write() {
            return Err(Errno::EPERM);
        }
        if seals & !ALL != 0 {
            return Err(Errno::EINVAL);
        }
        let old = self.seals(id);
        if old & F_SEAL_SEAL != 0 {
            return Err(Errno::EPERM);
        }
        if seals & F_SEAL_WRITE != 0 && old & F_SEAL_WRITE == 0 && self.is_mapped_writable(id) {
            return Err(Errno::EBUSY);
        }
        let is_executable = self.vfs.inode(id).permissions & 0o111 != 0;
        let implied = if seals & F_SEAL_EXEC != 0 && is_executable {
            F_SEAL_SHRINK | F_SEAL_GROW | WRITES
        } else {
            0
        };
        if let Body::Regular(found) = &mut self.vfs.inode_mut(id).body {
            found.seals |= seals | implied;
        }
        Ok(())
    }

    /// Whether a shared mapping may write the file (`i_mmap_writable`).
    fn is_mapped_writable(&self, id: InodeId) -> bool {
        let Body::Regular(file) = &self.vfs.inode(id).body else { return false };
        let Some(object) = file.object() else { return false };
        let mut areas = self.tasks.spaces.values().flat_map(|(space, _)| space.vmas());
        areas.any(|vma| {
            vma.max_prot.has(Prot::WRITE)
                && matches!(&vma.backing, Backing::Shared { object: found, .. } if found.id() == object.id())
        })
    }

    /// Whether bytes up to `end` may be written.
    ///
    /// # Errors
    /// EPERM.
    pub(super) fn check_seal_write(&self, id: InodeId, end: u64) -> Result<(), Errno> {
        let seals = self.seals(id);
        let grows = seals & F_SEAL_GROW != 0 && end > self.regular(id)?.nr_bytes();
        if seals & WRITES != 0 || grows { Err(Errno::EPERM) } else { Ok(()) }
    }

    /// Whether the size may change so.
    ///
    /// # Errors
    /// EPERM.
    pub(super) fn check_seal_size(&self, id: InodeId, resize: Resize) -> Result<(), Errno> {
        let seal = match resize {
            Resize::Grow => F_SEAL_GROW,
            Resize::Shrink => F_SEAL_SHRINK,
        };
        if self.seals(id) & seal != 0 { Err(Errno::EPERM) } else { Ok(()) }
    }

    /// What a shared mapping of a file may be given at most, as its seals have it.
    ///
    /// # Errors
    /// EPERM where `wanted` is more.
    pub(crate) fn sealed_prot(&self, id: InodeId, max: Prot, wanted: Prot) -> Result<Prot, Errno> {
        if self.seals(id) & WRITES == 0 {
            return Ok(max);
        }
        if wanted.has(Prot::WRITE) { Err(Errno::EPERM) } else { Ok(Prot::READ.with(Prot::EXEC)) }
    }
}
