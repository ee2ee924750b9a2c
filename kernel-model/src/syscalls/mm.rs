//! Memory: mmap, munmap, mprotect, mremap, madvise, brk.
//! Source: Linux 6.18 `mm/mmap.c`, `arch/x86/kernel/sys_x86_64.c`.

use perf_core::{Errno, TaskId};

use super::{perf, table::Syscall};
use crate::arch::x86::hw::Hw;
use crate::fs::inode::{Device, InodeId};
use crate::fs::{FileId, FileKind};
use crate::kernel::Kernel;
use crate::mm::address_space::AddressSpace;
use crate::mm::frame::FrameAllocator;
use crate::mm::layout::{offset_in_page, page_align_up};
use crate::mm::mmap::{MapSource, MmapArgs, map};
use crate::mm::mremap::MremapArgs;
use crate::mm::vma::Prot;
use crate::task::limits::{RLIM_INFINITY, Resource};

pub(super) const CALLS: &[Syscall] = &[
    Syscall::plain(9, "mmap", sys_mmap).partial("no large pages"),
    Syscall::plain(10, "mprotect", sys_mprotect),
    Syscall::plain(11, "munmap", sys_munmap),
    Syscall::plain(12, "brk", sys_brk),
    Syscall::plain(25, "mremap", sys_mremap).partial("one area at a time"),
    Syscall::plain(28, "madvise", sys_madvise).partial("no poisoning, no guard regions"),
];

/// Works on the task's address space, and closes the ring buffers that this unmapped.
pub(super) fn with_space<T>(
    kernel: &mut Kernel,
    task: TaskId,
    body: impl FnOnce(&mut AddressSpace, &mut Hw, &mut FrameAllocator) -> T,
) -> T {
    let mm = kernel.tasks.task(task).mm;
    let space = kernel.tasks.space_of_mut(task);
    let result = body(space, &mut kernel.hw, &mut kernel.frames);
    kernel.collect_closed_buffers(mm);
    kernel.reap_segments();
    result
}

fn sys_mmap(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let [addr, len, prot, flags, fd, offset] = *args;
    if offset_in_page(offset) != 0 {
        return Err(Errno::EINVAL);
    }
    let request = MmapArgs { addr, len, prot, flags, offset };
    check_space(kernel, task, len)?;
    if flags & map::LOCKED != 0 {
        kernel.check_map_locked(task, len)?;
    }
    if flags & map::ANONYMOUS == 0 {
        let file = kernel.tasks.process_of(task).files.get(fd as i32)?;
        match kernel.files.file(file).kind {
            FileKind::PerfEvent(event) => return perf::mmap(kernel, task, event, &request),
            FileKind::Device { device: Device::Zero, .. } => {}
            FileKind::Path(_) => return Err(Errno::EBADF),
            FileKind::Console(_)
            | FileKind::Pipe { .. }
            | FileKind::Device { .. }
            | FileKind::Text(_)
            | FileKind::ProcMem { .. }
            | FileKind::Eventfd(_)
            | FileKind::Epoll(_)
            | FileKind::Task(_)
            | FileKind::Socket(_)
            | FileKind::Directory(_) => return Err(Errno::ENODEV),
            FileKind::Regular(id) => return map_file(kernel, task, file, id, &request),
        }
    }
    let addr = with_space(kernel, task, |space, hw, frames| {
        space.mmap(hw, frames, &request, &MapSource::Anonymous)
    })?;
    kernel.perf_event_mmap(task, addr);
    Ok(addr)
}

/// Whether the address space may grow by so many bytes (`RLIMIT_AS`).
fn check_space(kernel: &mut Kernel, task: TaskId, more: u64) -> Result<(), Errno> {
    let limit = kernel.tasks.process_of(task).limits.soft(Resource::As);
    if limit == RLIM_INFINITY {
        return Ok(());
    }
    let mapped = kernel.tasks.space_of_mut(task).mapped_bytes();
    if mapped.saturating_add(more) > limit { Err(Errno::ENOMEM) } else { Ok(()) }
}

/// Maps a regular file.
fn map_file(
    kernel: &mut Kernel,
    task: TaskId,
    file: FileId,
    id: InodeId,
    request: &MmapArgs,
) -> Result<u64, Errno> {
    let open = kernel.files.file(file);
    if !open.can_read() {
        return Err(Errno::EACCES);
    }
    let max_shared = if open.can_write() { Prot::ALL } else { Prot::READ.with(Prot::EXEC) };
    let kind = request.flags & map::TYPE;
    let max_shared = match kind {
        map::PRIVATE => max_shared,
        _ => kernel.sealed_prot(id, max_shared, Prot::from_syscall(request.prot))?,
    };
    let shown = kernel.mapped_file(id, kernel.path_of_file(file));
    let object = kernel.file_map(id, request.offset, request.len)?;
    let nr_bytes = kernel.regular(id)?.nr_bytes();
    let mapped = with_space(kernel, task, |space, hw, frames| {
        let source = MapSource::File { object: &object, nr_bytes, file: &shown, max_shared };
        space.mmap(hw, frames, request, &source)
    });
    object.release(&kernel.hw, &mut kernel.frames);
    let addr = mapped?;
    kernel.perf_event_mmap(task, addr);
    Ok(addr)
}

fn sys_munmap(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let [addr, len, ..] = *args;
    with_space(kernel, task, |space, hw, frames| space.munmap(hw, frames, addr, len))?;
    Ok(0)
}

pub(super) fn sys_mprotect(
    kernel: &mut Kernel,
    task: TaskId,
    args: &[u64; 6],
) -> Result<u64, Errno> {
    let [addr, len, prot, ..] = *args;
    with_space(kernel, task, |space, hw, frames| space.mprotect(hw, frames, addr, len, prot))?;
    let end = addr.saturating_add(len);
    let vmas = kernel.tasks.space_of_mut(task).vmas();
    let changed = vmas.filter(|vma| vma.start < end && addr < vma.end).map(|vma| vma.start);
    for start in changed.collect::<Vec<u64>>() {
        kernel.perf_event_mmap(task, start);
    }
    Ok(0)
}

fn sys_mremap(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let [addr, old_len, new_len, flags, new_addr, _] = *args;
    if new_len > old_len {
        check_space(kernel, task, new_len - old_len)?;
    }
    let request = MremapArgs { addr, old_len, new_len, flags, new_addr };
    with_space(kernel, task, |space, hw, frames| space.mremap(hw, frames, &request))
}

fn sys_madvise(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    const MADV_REMOVE: u64 = 9;

    let [addr, len, advice, ..] = *args;
    if advice & 0xffff_ffff == MADV_REMOVE && offset_in_page(addr) == 0 {
        let end = page_align_up(len).and_then(|len| addr.checked_add(len)).ok_or(Errno::EINVAL)?;
        for (object, pages) in kernel.tasks.space_of_mut(task).shared_pages(addr, end) {
            for (space, _) in kernel.tasks.spaces.values_mut() {
                space.forget_pages(&mut kernel.hw, &mut kernel.frames, object, pages.clone());
            }
        }
    }
    with_space(kernel, task, |space, hw, frames| space.madvise(hw, frames, addr, len, advice))?;
    Ok(0)
}

fn sys_brk(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let (_, now) = kernel.tasks.space_of_mut(task).heap();
    let may_grow = check_space(kernel, task, args[0].saturating_sub(now)).is_ok();
    let wanted = if may_grow { args[0] } else { 0 };
    Ok(with_space(kernel, task, |space, hw, frames| space.brk(hw, frames, wanted)))
}
