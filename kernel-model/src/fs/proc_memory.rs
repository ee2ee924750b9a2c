//! What `/proc/PID` tells of memory: `maps`, `smaps`, `smaps_rollup`, `statm`, and the Vm lines
//! of `status`.
//! Source: Linux 6.18 `fs/proc/task_mmu.c` (`show_map_vma`, `smap_gather_stats`, `task_mem`).

use std::fmt::Write;

use super::proc::ProcNode;
use crate::arch::x86::hw::{Hw, PAGE_SHIFT, PAGE_SIZE};
use crate::arch::x86::vsyscall::MAPS_LINE;
use crate::kernel::Kernel;
use crate::mm::address_space::AddressSpace;
use crate::mm::frame::FrameAllocator;
use crate::mm::mlock::Resident;
use crate::mm::page_table::bits;
use crate::mm::vma::{Backing, Prot, VmFlags, Vma, VmaName};

/// Kibibytes of so many pages.
const fn kib(pages: u64) -> u64 {
    pages * (PAGE_SIZE / 1024)
}

/// Calls `body` with a live process's memory; what it makes is empty for one that has ended.
fn with_space<T: Default>(
    kernel: &Kernel,
    node: ProcNode,
    body: impl FnOnce(&AddressSpace, &Hw, &FrameAllocator) -> T,
) -> T {
    let Ok(task) = kernel.proc_live_task(node) else { return T::default() };
    let mm = kernel.tasks.task(task).mm;
    match kernel.tasks.spaces.get(&mm) {
        Some((space, _)) => body(space, &kernel.hw, &kernel.frames),
        None => T::default(),
    }
}

/// `maps`.
pub(super) fn maps(kernel: &Kernel, node: ProcNode) -> Vec<u8> {
    with_space(kernel, node, |space, _, _| {
        let mut text: Vec<u8> = space.vmas().flat_map(|vma| map_line(vma, space.heap())).collect();
        text.extend_from_slice(MAPS_LINE.as_bytes());
        text
    })
}

fn map_line(vma: &Vma, heap: (u64, u64)) -> Vec<u8> {
    let right = |right, letter| if vma.prot.has(right) { letter } else { '-' };
    let shared = if vma.backing.is_shared() { 's' } else { 'p' };
    let is_heap = vma.start < heap.1 && heap.0 < vma.end && heap.0 != heap.1;
    let (offset, device, inode, name): (u64, u64, u64, &[u8]) = match &vma.name {
        VmaName::File(file) => {
            (vma.page_of(vma.start) << PAGE_SHIFT, file.device, file.inode, file.path.as_bytes())
        }
        VmaName::Stack => (0, 0, 0, b"[stack]"),
        VmaName::Anonymous if is_heap => (0, 0, 0, b"[heap]"),
        VmaName::Anonymous => (0, 0, 0, b""),
    };
    let mut line = format!(
        "{:08x}-{:08x} {}{}{}{shared} {offset:08x} {:02x}:{:02x} {inode} ",
        vma.start,
        vma.end,
        right(Prot::READ, 'r'),
        right(Prot::WRITE, 'w'),
        right(Prot::EXEC, 'x'),
        device >> 8,
        device & 0xff,
    );
    if !name.is_empty() {
        while line.len() < 73 {
            line.push(' ');
        }
    }
    let mut line = line.into_bytes();
    line.extend(name);
    line.push(b'\n');
    line
}

/// Pages of an area, by what they are to it (`struct mem_size_stats`). The proportional ones are
/// in parts of 4096.
#[derive(Clone, Copy, Debug, Default)]
struct MemSizeStats {
    resident: Resident,
    shared_clean: u64,
    shared_dirty: u64,
    private_clean: u64,
    private_dirty: u64,
    pss: Resident,
    pss_dirty: u64,
    locked: u64,
}

impl MemSizeStats {
    fn gather(space: &AddressSpace, hw: &Hw, frames: &FrameAllocator, vma: &Vma) -> Self {
        let mut stats = Self { resident: space.resident_of(hw, vma), ..Self::default() };
        for (addr, pte) in space.pages_of(hw, vma) {
            let object = vma.backing.object();
            let is_objects =
                object.is_some_and(|object| object.page(hw, vma.page_of(addr)) == Some(pte.pfn()));
            let nr_maps = u64::from(frames.users(pte.pfn())).saturating_sub(u64::from(is_objects));
            let is_dirty = !is_objects || pte.0 & bits::DIRTY != 0;
            let count = match (nr_maps > 1, is_dirty) {
                (true, true) => &mut stats.shared_dirty,
                (true, false) => &mut stats.shared_clean,
                (false, true) => &mut stats.private_dirty,
                (false, false) => &mut stats.private_clean,
            };
            *count += 1;
            let part = PAGE_SIZE / nr_maps.max(1);
            let pss = match (&vma.backing, is_objects) {
                (_, false) => &mut stats.pss.anonymous,
                (Backing::Shared { nr_pages: u64::MAX, .. }, true) => &mut stats.pss.shmem,
                _ => &mut stats.pss.file,
            };
            *pss += part;
            stats.pss_dirty += if is_dirty { part } else { 0 };
            stats.locked += if vma.flags.has(VmFlags::LOCKED) { part } else { 0 };
        }
        stats
    }

    fn add(&mut self, other: &Self) {
        self.resident = self.resident.plus(other.resident);
        self.pss = self.pss.plus(other.pss);
        for (own, others) in [
            (&mut self.shared_clean, other.shared_clean),
            (&mut self.shared_dirty, other.shared_dirty),
            (&mut self.private_clean, other.private_clean),
            (&mut self.private_dirty, other.private_dirty),
            (&mut self.pss_dirty, other.pss_dirty),
            (&mut self.locked, other.locked),
        ] {
            *own += others;
        }
    }

    /// The lines that `smaps` and `smaps_rollup` have in common.
    fn show(&self, text: &mut String, is_rollup: IsRollup) {
        let rss = kib(self.resident.total());
        let mut line = |name: &str, kib: u64| {
            let _fits = writeln!(text, "{:<16}{kib:>8} kB", format!("{name}:"));
        };
        line("Rss", rss);
        line("Pss", self.pss.total() >> 10);
        line("Pss_Dirty", self.pss_dirty >> 10);
        if is_rollup == IsRollup::Yes {
            line("Pss_Anon", self.pss.anonymous >> 10);
            line("Pss_File", self.pss.file >> 10);
            line("Pss_Shmem", self.pss.shmem >> 10);
        }
        line("Shared_Clean", kib(self.shared_clean));
        line("Shared_Dirty", kib(self.shared_dirty));
        line("Private_Clean", kib(self.private_clean));
        line("Private_Dirty", kib(self.private_dirty));
        line("Referenced", rss);
        line("Anonymous", kib(self.resident.anonymous));
        for name in [
            "KSM",
            "LazyFree",
            "AnonHugePages",
            "ShmemPmdMapped",
            "FilePmdMapped",
            "Shared_Hugetlb",
            "Private_Hugetlb",
            "Swap",
            "SwapPss",
        ] {
            line(name, 0);
        }
        line("Locked", self.locked >> 10);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum IsRollup {
    No,
    Yes,
}

/// The two letters of each property (`show_smap_vma_flags`).
fn vm_flags(vma: &Vma) -> String {
    let is_shared = vma.backing.is_shared();
    let has = |flag| vma.flags.has(flag);
    let all = [
        (vma.prot.has(Prot::READ), "rd "),
        (vma.prot.has(Prot::WRITE), "wr "),
        (vma.prot.has(Prot::EXEC), "ex "),
        (is_shared, "sh "),
        (vma.max_prot.has(Prot::READ), "mr "),
        (vma.max_prot.has(Prot::WRITE), "mw "),
        (vma.max_prot.has(Prot::EXEC), "me "),
        (is_shared, "ms "),
        (has(VmFlags::GROWSDOWN), "gd "),
        (has(VmFlags::LOCKED), "lo "),
        (has(VmFlags::DONTCOPY), "dc "),
        (has(VmFlags::DONTEXPAND), "de "),
        (vma.prot.has(Prot::WRITE) && !is_shared, "ac "),
        (has(VmFlags::WIPEONFORK), "wf "),
    ];
    all.into_iter().filter(|(is_set, _)| *is_set).map(|(_, letters)| letters).collect()
}

/// `smaps`.
pub(super) fn smaps(kernel: &Kernel, node: ProcNode) -> Vec<u8> {
    with_space(kernel, node, |space, hw, frames| {
        let mut all = Vec::new();
        for vma in space.vmas() {
            all.extend(map_line(vma, space.heap()));
            let mut text = String::new();
            let _fits = writeln!(text, "Size:           {:8} kB", vma.len() >> 10);
            text += "KernelPageSize:        4 kB\nMMUPageSize:           4 kB\n";
            MemSizeStats::gather(space, hw, frames, vma).show(&mut text, IsRollup::No);
            let _fits = writeln!(text, "THPeligible:           0\nVmFlags: {}", vm_flags(vma));
            all.extend(text.into_bytes());
        }
        all
    })
}

/// `smaps_rollup`.
pub(super) fn smaps_rollup(kernel: &Kernel, node: ProcNode) -> Vec<u8> {
    with_space(kernel, node, |space, hw, frames| {
        let mut total = MemSizeStats::default();
        for vma in space.vmas() {
            total.add(&MemSizeStats::gather(space, hw, frames, vma));
        }
        let start = space.vmas().next().map_or(0, |vma| vma.start);
        let end = space.vmas().last().map_or(0, |vma| vma.end);
        let mut text = format!("{start:08x}-{end:08x} ---p 00000000 00:00 0 ");
        while text.len() < 73 {
            text.push(' ');
        }
        text += "[rollup]\n";
        total.show(&mut text, IsRollup::Yes);
        text.into_bytes()
    })
}

/// `statm`: pages mapped, in memory, of files, of code, 0, of data and stack, 0.
pub(super) fn statm(kernel: &Kernel, node: ProcNode) -> String {
    let numbers = with_space(kernel, node, |space, hw, _| {
        let resident = space.resident(hw);
        let (data, stack) = space.data_and_stack_pages();
        let total = space.mapped_bytes() >> PAGE_SHIFT;
        [total, resident.total(), resident.file + resident.shmem, code_pages(space), data + stack]
    });
    let [total, resident, shared, code, data] = numbers;
    format!("{total} {resident} {shared} {code} 0 {data} 0\n")
}

fn code_pages(space: &AddressSpace) -> u64 {
    let start = space.image.start_code & !(PAGE_SIZE - 1);
    space.image.end_code.saturating_sub(start).div_ceil(PAGE_SIZE)
}

/// The lines of `status` about memory; none of a process that has ended.
pub(super) fn status_lines(kernel: &Kernel, node: ProcNode) -> String {
    with_space(kernel, node, |space, hw, _| {
        let resident = space.resident(hw);
        let (data, stack) = space.data_and_stack_pages();
        let is_code = |vma: &&Vma| vma.prot.has(Prot::EXEC);
        let code: u64 = space.vmas().filter(is_code).map(Vma::nr_pages).sum();
        let own_code = code_pages(space).min(code);
        let total = space.mapped_bytes() >> PAGE_SHIFT;
        let lines = [
            ("VmPeak", total),
            ("VmSize", total),
            ("VmLck", space.locked_bytes() >> PAGE_SHIFT),
            ("VmPin", 0),
            ("VmHWM", resident.total()),
            ("VmRSS", resident.total()),
            ("RssAnon", resident.anonymous),
            ("RssFile", resident.file),
            ("RssShmem", resident.shmem),
            ("VmData", data),
            ("VmStk", stack),
            ("VmExe", own_code),
            ("VmLib", code - own_code),
            ("VmPTE", space.nr_tables(hw)),
            ("VmSwap", 0),
        ];
        lines.into_iter().map(|(name, pages)| format!("{name}:\t{:8} kB\n", kib(pages))).collect()
    })
}
