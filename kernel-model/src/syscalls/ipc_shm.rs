//! shmget, shmat, shmdt, shmctl.
//! Source: Linux 6.18 `ipc/shm.c`.

use perf_core::{Errno, TaskId};

use super::table::Syscall;
use crate::ipc::ids::{Get, IpcObject};
use crate::ipc::perm::{IpcPerm, Rights};
use crate::ipc::shm::ShmSegment;
use crate::kernel::Kernel;
use crate::mm::layout::{PAGE_SIZE, offset_in_page, page_align_down, page_align_up};
use crate::mm::mmap::{MapSource, MmapArgs, map};
use crate::mm::page_object::PageObject;
use crate::mm::vma::{MappedFile, Prot};
use crate::task::cred::Cap;
use crate::uapi::ipc::{
    IPC_INFO, IPC_PERM_BYTES, IPC_RMID, IPC_SET, IPC_STAT, SHM_DEST, SHM_EXEC, SHM_HUGETLB,
    SHM_INFO, SHM_LOCK, SHM_LOCKED, SHM_RDONLY, SHM_REMAP, SHM_RND, SHM_STAT, SHM_STAT_ANY,
    SHM_UNLOCK, SHMID_DS_BYTES, SHMMAX, SHMMNI,
};
use crate::uapi::put;

pub(super) const CALLS: &[Syscall] = &[
    Syscall::plain(29, "shmget", sys_shmget).partial("no large pages (ENOMEM)"),
    Syscall::plain(30, "shmat", sys_shmat),
    Syscall::plain(31, "shmctl", sys_shmctl),
    Syscall::plain(67, "shmdt", sys_shmdt),
];

/// Device number that maps show for segments (of the kernel's own tmpfs).
const SHM_DEVICE: u64 = 1;

fn sys_shmget(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let (key, nr_bytes, flags) = (args[0] as i32, args[1], args[2]);
    let cred = kernel.tasks.task(task).cred.clone();
    let fits = |segment: &ShmSegment| {
        if nr_bytes > segment.nr_bytes { Err(Errno::EINVAL) } else { Ok(()) }
    };
    match kernel.ipc.shms.get_by_key(key, flags, &cred, fits)? {
        Get::Found(id) => Ok(id as u64),
        Get::Make => {
            let segment = new_segment(kernel, task, key, nr_bytes, flags)?;
            let added = kernel.ipc.shms.add(IpcPerm::new(key, flags, &cred), segment);
            added.map(|id| id as u64).map_err(|(errno, segment)| {
                segment.object.release(&kernel.hw, &mut kernel.frames);
                errno
            })
        }
    }
}

fn new_segment(
    kernel: &mut Kernel,
    task: TaskId,
    key: i32,
    nr_bytes: u64,
    flags: u64,
) -> Result<ShmSegment, Errno> {
    if nr_bytes == 0 || nr_bytes > SHMMAX {
        return Err(Errno::EINVAL);
    }
    let is_too_large = nr_bytes.div_ceil(PAGE_SIZE) > kernel.frames.nr_managed();
    if flags & SHM_HUGETLB != 0 || is_too_large {
        return Err(Errno::ENOMEM);
    }
    let now_s = kernel.now_s();
    Ok(ShmSegment {
        object: PageObject::new(&mut kernel.hw, &mut kernel.frames)?,
        nr_bytes,
        atime: 0,
        dtime: 0,
        ctime: now_s,
        creator: kernel.tasks.process_of(task).pid,
        last: 0,
        shown_key: key,
    })
}

fn sys_shmat(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let [id, addr, flags, ..] = *args;
    let id = id as i32;
    if id < 0 {
        return Err(Errno::EINVAL);
    }
    let addr = attach_address(addr, flags)?;
    let mut prot = Prot::READ;
    let mut rights = Rights::READ;
    if flags & SHM_RDONLY == 0 {
        (prot, rights) = (prot.with(Prot::WRITE), rights.with(Rights::WRITE));
    }
    if flags & SHM_EXEC != 0 {
        (prot, rights) = (prot.with(Prot::EXEC), rights.with(Rights::from_flags(1)));
    }
    let object = kernel.ipc.shms.find(id)?;
    object.perm.check(&kernel.tasks.task(task).cred, rights)?;
    let segment = &object.body;
    let len = page_align_up(segment.nr_bytes).ok_or(Errno::ENOMEM)?;
    if addr != 0 && flags & SHM_REMAP == 0 {
        let end = addr.checked_add(segment.nr_bytes).ok_or(Errno::EINVAL)?;
        let mm = kernel.tasks.task(task).mm;
        let (space, _) = kernel.tasks.spaces.get(&mm).ok_or(Errno::EINVAL)?;
        if space.find_vma_intersection(addr, end).is_some() {
            return Err(Errno::EINVAL);
        }
    }
    let fixed = if addr == 0 { 0 } else { map::FIXED };
    let request =
        MmapArgs { addr, len, prot: u64::from(prot.bits()), flags: map::SHARED | fixed, offset: 0 };
    let path = format!("/SYSV{:08x} (deleted)", segment.shown_key);
    let file = MappedFile { path, device: SHM_DEVICE, inode: id as u64 };
    let pages = segment.object.share(&mut kernel.frames);
    let max_shared = if flags & SHM_RDONLY == 0 { Prot::ALL } else { Prot::READ.with(Prot::EXEC) };
    let mapped = super::mm::with_space(kernel, task, |space, hw, frames| {
        let source = MapSource::File { object: &pages, nr_bytes: len, file: &file, max_shared };
        space.mmap(hw, frames, &request, &source)
    });
    pages.release(&kernel.hw, &mut kernel.frames);
    let at = mapped?;
    let (now_s, pid) = (kernel.now_s(), kernel.tasks.process_of(task).pid);
    let segment = &mut kernel.ipc.shms.find_mut(id)?.body;
    (segment.atime, segment.last) = (now_s, pid);
    kernel.perf_event_mmap(task, at);
    Ok(at)
}

/// Where a segment is to be attached; 0 for anywhere.
fn attach_address(addr: u64, flags: u64) -> Result<u64, Errno> {
    if addr == 0 {
        return if flags & SHM_REMAP != 0 { Err(Errno::EINVAL) } else { Ok(0) };
    }
    if offset_in_page(addr) == 0 {
        return Ok(addr);
    }
    let rounded = page_align_down(addr);
    if flags & SHM_RND == 0 || rounded == 0 && flags & SHM_REMAP != 0 {
        return Err(Errno::EINVAL);
    }
    Ok(rounded)
}

fn sys_shmdt(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let addr = args[0];
    if offset_in_page(addr) != 0 {
        return Err(Errno::EINVAL);
    }
    let space = kernel.tasks.space_of_mut(task);
    // What is left of the segment that was attached here.
    let first = space
        .vmas()
        .filter(|vma| vma.start >= addr)
        .find(|vma| {
            vma.backing.is_shared() && vma.start - addr == vma.page_of(vma.start) * PAGE_SIZE
        })
        .and_then(|vma| vma.backing.object().map(PageObject::id))
        .ok_or(Errno::EINVAL)?;
    let found = kernel.ipc.shms.iter().find(|segment| segment.body.object.id() == first);
    let (id, len) =
        found.map(|object| (object.id, object.body.nr_pages() * PAGE_SIZE)).ok_or(Errno::EINVAL)?;
    let end = addr.saturating_add(len);
    let parts: Vec<(u64, u64)> = kernel
        .tasks
        .space_of_mut(task)
        .vmas()
        .filter(|vma| vma.start >= addr && vma.end <= end)
        .filter(|vma| vma.backing.object().is_some_and(|object| object.id() == first))
        .filter(|vma| vma.start - addr == vma.page_of(vma.start) * PAGE_SIZE)
        .map(|vma| (vma.start, vma.len()))
        .collect();
    for (start, len) in parts {
        super::mm::with_space(kernel, task, |space, hw, frames| {
            space.munmap(hw, frames, start, len)
        })?;
    }
    let (now_s, pid) = (kernel.now_s(), kernel.tasks.process_of(task).pid);
    if let Ok(object) = kernel.ipc.shms.find_mut(id) {
        (object.body.dtime, object.body.last) = (now_s, pid);
    }
    Ok(0)
}

impl Kernel {
    /// Removes the segments that were to go with their last attachment, which has gone.
    pub(crate) fn reap_segments(&mut self) {
        let gone: Vec<i32> = self
            .ipc
            .shms
            .iter()
            .filter(|object| object.perm.mode & SHM_DEST != 0)
            .filter(|object| object.body.nr_attached(&self.frames) == 0)
            .map(|object| object.id)
            .collect();
        for id in gone {
            if let Some(segment) = self.ipc.shms.remove(id) {
                segment.object.release(&self.hw, &mut self.frames);
            }
        }
    }
}

fn sys_shmctl(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let [id, command, arg, ..] = *args;
    let (id, command) = (id as i32, command & 0xffff_ffff);
    if id < 0 {
        return Err(Errno::EINVAL);
    }
    match command {
        IPC_INFO | SHM_INFO => {
            let bytes = info(kernel, command);
            kernel.copy_to_user(arg, &bytes)?;
            Ok(kernel.ipc.shms.max_index())
        }
        IPC_STAT | SHM_STAT | SHM_STAT_ANY => {
            let object = if command == IPC_STAT {
                kernel.ipc.shms.find(id)?
            } else {
                kernel.ipc.shms.at_index(id)?
            };
            let rights = if command == SHM_STAT_ANY { Rights::NONE } else { Rights::READ };
            object.perm.check(&kernel.tasks.task(task).cred, rights)?;
            let (bytes, id) = (stat(kernel, object), object.id);
            kernel.copy_to_user(arg, &bytes)?;
            Ok(if command == IPC_STAT { 0 } else { id as u64 })
        }
        IPC_SET => {
            let mut bytes = [0; IPC_PERM_BYTES];
            kernel.copy_from_user(arg, &mut bytes)?;
            let now_s = kernel.now_s();
            let object = kernel.ipc.shms.find_mut(id)?;
            object.perm.check_owner(&kernel.tasks.task(task).cred)?;
            object.perm.update(&bytes)?;
            object.body.ctime = now_s;
            Ok(0)
        }
        IPC_RMID => {
            let object = kernel.ipc.shms.find_mut(id)?;
            object.perm.check_owner(&kernel.tasks.task(task).cred)?;
            object.perm.mode |= SHM_DEST;
            kernel.ipc.shms.drop_key(id);
            kernel.reap_segments();
            Ok(0)
        }
        SHM_LOCK | SHM_UNLOCK => {
            let object = kernel.ipc.shms.find_mut(id)?;
            let cred = &kernel.tasks.task(task).cred;
            if !cred.capable(Cap::IpcLock) {
                object.perm.check_owner(cred)?;
            }
            if command == SHM_LOCK {
                object.perm.mode |= SHM_LOCKED;
            } else {
                object.perm.mode &= !SHM_LOCKED;
            }
            Ok(0)
        }
        _ => Err(Errno::EINVAL),
    }
}

/// `struct shminfo64`, or `struct shm_info`.
fn info(kernel: &Kernel, command: u64) -> Vec<u8> {
    let segments = &kernel.ipc.shms;
    let words = if command == IPC_INFO {
        vec![SHMMAX, 1, u64::from(SHMMNI), u64::from(SHMMNI), SHMMAX, 0, 0, 0, 0]
    } else {
        let total: u64 = segments.iter().map(|object| object.body.nr_pages()).sum();
        let resident = |object: &IpcObject<ShmSegment>| {
            let segment = &object.body;
            segment.object.pages_between(&kernel.hw, 0, segment.nr_pages()).len() as u64
        };
        vec![segments.len() as u64, total, segments.iter().map(resident).sum(), 0, 0, 0]
    };
    words.into_iter().flat_map(u64::to_le_bytes).collect()
}

/// `struct shmid64_ds`.
fn stat(kernel: &Kernel, object: &IpcObject<ShmSegment>) -> [u8; SHMID_DS_BYTES] {
    let mut bytes = [0; SHMID_DS_BYTES];
    put(&mut bytes, 0, object.perm.to_bytes());
    let segment = &object.body;
    let words = [segment.nr_bytes, segment.atime, segment.dtime, segment.ctime];
    for (at, word) in words.into_iter().enumerate() {
        put(&mut bytes, 48 + 8 * at, word.to_le_bytes());
    }
    put(&mut bytes, 80, segment.creator.to_le_bytes());
    put(&mut bytes, 84, segment.last.to_le_bytes());
    put(&mut bytes, 88, segment.nr_attached(&kernel.frames).to_le_bytes());
    bytes
}
