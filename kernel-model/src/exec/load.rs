//! Mapping a program's segments.
//! Source: Linux 6.18 `fs/binfmt_elf.c` (`load_elf_binary`, `elf_load`).

use perf_core::Errno;

use super::elf::{ElfImage, ElfKind, Segment};
use crate::arch::x86::hw::Hw;
use crate::mm::access::Access;
use crate::mm::address_space::{AddressSpace, ImageLayout};
use crate::mm::frame::FrameAllocator;
use crate::mm::layout::{
    ELF_ET_DYN_BASE, PAGE_SIZE, PIE_BASE, TASK_SIZE_MAX, page_align_down, page_align_up,
};
use crate::mm::mmap::{MapSource, MmapArgs, map};
use crate::mm::page_object::PageObject;
use crate::mm::placement::Placement;
use crate::mm::vma::{MappedFile, Prot};

/// Where a program was loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadedElf {
    /// What was added to the file's addresses; 0 for a program with fixed addresses.
    pub load_bias: u64,
    /// Address of the first instruction.
    pub entry: u64,
    /// Address of the program headers (`AT_PHDR`).
    pub phdr: u64,
    /// Number of program headers (`AT_PHNUM`).
    pub phnum: u64,
}

/// A program's file as it is mapped. The pages of all segments must have been read in.
#[derive(Clone, Copy, Debug)]
pub struct ProgramFile<'a> {
    /// Its pages.
    pub object: &'a PageObject,
    /// Its bytes.
    pub nr_bytes: u64,
    /// How it is shown.
    pub shown: &'a MappedFile,
}

/// What a program is to its process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The program itself: the heap follows it.
    Main,
    /// The interpreter that loads it.
    Interpreter,
}

/// Maps the program `image`, whose file is `file`, into `mm`; sets the heap's start where it is
/// the main one.
///
/// # Errors
/// ENOMEM where memory or address space does not suffice.
pub fn load_elf(
    hw: &mut Hw,
    frames: &mut FrameAllocator,
    mm: &mut AddressSpace,
    image: &ElfImage,
    file: &ProgramFile<'_>,
    role: Role,
) -> Result<LoadedElf, Errno> {
    let is_loaded = role == Role::Main && image.interpreter.is_some();
    let load_bias = match image.kind {
        ElfKind::Fixed => 0,
        ElfKind::Pie if is_loaded => fixed_bias(image)?,
        ElfKind::Pie => free_bias(mm, image)?,
    };
    map_segments(hw, frames, mm, image, load_bias, file)?;
    if role == Role::Main {
        let (_, end) = image.span();
        let heap = if image.kind == ElfKind::Pie && !is_loaded {
            // Away from the mappings, among which the program lies.
            ELF_ET_DYN_BASE
        } else {
            page_align_up(end + load_bias).ok_or(Errno::ENOMEM)?
        };
        mm.set_start_brk(heap);
        mm.image = layout(image, load_bias);
    }
    Ok(LoadedElf {
        load_bias,
        entry: image.entry.wrapping_add(load_bias),
        phdr: image.phdr + load_bias,
        phnum: u64::from(image.phnum),
    })
}

/// The alignment that a program asks for.
fn alignment(image: &ElfImage) -> u64 {
    let wanted = image.segments.iter().map(|segment| segment.align);
    wanted.filter(|align| align.is_power_of_two()).max().unwrap_or(0).max(PAGE_SIZE)
}

/// Places a program that has an interpreter.
fn fixed_bias(image: &ElfImage) -> Result<u64, Errno> {
    let (start, end) = image.span();
    let base = PIE_BASE & !(alignment(image) - 1);
    let bias = base.checked_sub(start).ok_or(Errno::ENOMEM)?;
    let fits = end.checked_add(bias).is_some_and(|end| end <= TASK_SIZE_MAX - PAGE_SIZE);
    if fits { Ok(bias) } else { Err(Errno::ENOMEM) }
}

/// Places a position-independent program as a mapping would be, at the alignment it asks for.
fn free_bias(mm: &mut AddressSpace, image: &ElfImage) -> Result<u64, Errno> {
    let (start, end) = image.span();
    let align = alignment(image);
    let len = page_align_up(end - start).ok_or(Errno::ENOMEM)?;
    let room = len.checked_add(align - PAGE_SIZE).ok_or(Errno::ENOMEM)?;
    let base = mm.get_unmapped_area(Placement::Hint(0), room)?;
    let base = base.checked_next_multiple_of(align).ok_or(Errno::ENOMEM)?;
    base.checked_sub(start).ok_or(Errno::ENOMEM)
}

fn map_segments(
    hw: &mut Hw,
    frames: &mut FrameAllocator,
    mm: &mut AddressSpace,
    image: &ElfImage,
    load_bias: u64,
    file: &ProgramFile<'_>,
) -> Result<(), Errno> {
    for segment in &image.segments {
        let start = segment.vaddr + load_bias;
        let file_end = start + segment.file_bytes;
        let mut zero_start = page_align_down(start);
        if segment.file_bytes > 0 {
            let ProgramFile { object, nr_bytes, shown } = *file;
            let max_shared = Prot::READ.with(Prot::EXEC);
            let source = MapSource::File { object, nr_bytes, file: shown, max_shared };
            let args = MmapArgs {
                addr: page_align_down(start),
                len: file_end - page_align_down(start),
                prot: u64::from(segment.prot.bits()),
                flags: map::PRIVATE | map::FIXED,
                offset: page_align_down(segment.offset),
            };
            mm.mmap(hw, frames, &args, &source)?;
            zero_start = page_align_up(file_end).ok_or(Errno::ENOMEM)?;
        }
        if segment.memory_bytes > segment.file_bytes {
            // A tail that the program cannot write keeps what the file has there.
            if segment.file_bytes > 0 && segment.prot.has(Prot::WRITE) {
                let tail = vec![0; (zero_start - file_end) as usize];
                mm.write_bytes(hw, frames, file_end, &tail, Access::User)?;
            }
            map_zeroes(hw, frames, mm, segment, zero_start, start + segment.memory_bytes)?;
        }
    }
    Ok(())
}

/// Anonymous memory for the pages of a bss that the file does not reach (`vm_brk_flags`).
fn map_zeroes(
    hw: &mut Hw,
    frames: &mut FrameAllocator,
    mm: &mut AddressSpace,
    segment: &Segment,
    start: u64,
    end: u64,
) -> Result<(), Errno> {
    if start >= end {
        return Ok(());
    }
    let exec = if segment.prot.has(Prot::EXEC) { Prot::EXEC } else { Prot::NONE };
    let prot = Prot::READ.with(Prot::WRITE).with(exec);
    let args = MmapArgs {
        addr: start,
        len: end - start,
        prot: u64::from(prot.bits()),
        flags: map::ANONYMOUS | map::PRIVATE | map::FIXED,
        offset: 0,
    };
    mm.mmap(hw, frames, &args, &MapSource::Anonymous)?;
    Ok(())
}

/// What `/proc/PID/stat` tells of code and data.
fn layout(image: &ElfImage, load_bias: u64) -> ImageLayout {
    let mut layout = ImageLayout { start_code: u64::MAX, ..ImageLayout::default() };
    for segment in &image.segments {
        let start = segment.vaddr + load_bias;
        let file_end = start + segment.file_bytes;
        if segment.prot.has(Prot::EXEC) {
            layout.start_code = layout.start_code.min(start);
            layout.end_code = layout.end_code.max(file_end);
        }
        layout.start_data = layout.start_data.max(start);
        layout.end_data = layout.end_data.max(file_end);
    }
    layout
}

/// Loads a program from its bytes, for tests.
#[cfg(test)]
pub(crate) fn load_bytes(
    hw: &mut Hw,
    frames: &mut FrameAllocator,
    mm: &mut AddressSpace,
    image: &ElfImage,
    bytes: &[u8],
) -> Result<LoadedElf, Errno> {
    let mut object = PageObject::new(hw, frames)?;
    let shown = MappedFile::unnumbered("/t");
    let loaded = object.write(hw, frames, 0, bytes).and_then(|()| {
        let file = ProgramFile { object: &object, nr_bytes: bytes.len() as u64, shown: &shown };
        load_elf(hw, frames, mm, image, &file, Role::Main)
    });
    object.release(hw, frames);
    loaded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::elf::parse;
    use crate::exec::tiny_elf::{DATA, TinyElf};
    use crate::mm::fixture::{machine, space};
    use proptest::prelude::*;

    fn read(
        hw: &mut Hw,
        frames: &mut FrameAllocator,
        mm: &mut AddressSpace,
        addr: u64,
        len: usize,
    ) -> Result<Vec<u8>, Errno> {
        let mut bytes = vec![0xee; len];
        mm.read_bytes(hw, frames, addr, &mut bytes, Access::User)?;
        Ok(bytes)
    }

    #[test]
    fn segments_have_their_bytes_rights_and_zeroes() {
        for (kind, base, bias) in [(2, 0x40_0000, 0), (3, 0, 0x7fff_f7ff_a000)] {
            let (mut hw, mut frames) = machine(256);
            let free_before = frames.nr_free();
            let mut mm = space(&mut hw, &mut frames);
            let mut file = TinyElf { kind, base, ..TinyElf::default() }.bytes();
            file.extend_from_slice(b"section headers and more");
            let image = parse(&file).unwrap();
            let loaded = load_bytes(&mut hw, &mut frames, &mut mm, &image, &file).unwrap();
            assert_eq!(loaded.load_bias, bias);
            let at = base + bias;
            assert_eq!((loaded.entry, loaded.phdr), (at + 0x10b0, at + 0x40));
            let areas: Vec<_> =
                mm.vmas().map(|vma| (vma.start - at, vma.end - at, vma.prot.bits())).collect();
            let want =
                [(0, 0x1000, 1), (0x1000, 0x2000, 5), (0x2000, 0x3000, 3), (0x3000, 0x5000, 3)];
            assert_eq!(areas, want);
            let mut get = |skip, len| read(&mut hw, &mut frames, &mut mm, at + skip, len).unwrap();
            assert_eq!(get(0, 4), b"\x7fELF");
            assert_eq!(get(0x10b0, 3), [0x90, 0x90, 0xf4]);
            assert_eq!(get(0x20e0, DATA.len()), DATA);
            assert_eq!(get(0x20e0 + DATA.len() as u64, 24), [0; 24], "the bss begins in the page");
            assert_eq!(get(0x4fff, 1), [0]);
            assert_eq!(mm.heap().0, if kind == 2 { 0x40_5000 } else { ELF_ET_DYN_BASE });
            assert_eq!((mm.image.start_code, mm.image.end_code), (at + 0x10b0, at + 0x10b3));
            mm.teardown(&mut hw, &mut frames);
            assert_eq!(frames.nr_free(), free_before - 1, "the template's top is left");
        }
    }

    #[test]
    fn a_data_page_is_the_programs_own() {
        let (mut hw, mut frames) = machine(256);
        let file = TinyElf::default().bytes();
        let image = parse(&file).unwrap();
        let mut mm = space(&mut hw, &mut frames);
        load_bytes(&mut hw, &mut frames, &mut mm, &image, &file).unwrap();
        mm.write_bytes(&mut hw, &mut frames, 0x40_20e0, b"changed", Access::User).unwrap();
        mm.madvise(&mut hw, &mut frames, 0x40_2000, 4096, 4).unwrap();
        let again = read(&mut hw, &mut frames, &mut mm, 0x40_20e0, DATA.len());
        assert_eq!(again.as_deref(), Ok(DATA), "the file is as it was");
    }

    #[test]
    fn a_file_that_does_not_fit_memory_is_refused_without_a_leak() {
        let (mut hw, mut frames) = machine(14);
        let mut mm = space(&mut hw, &mut frames);
        let file = TinyElf::default().bytes();
        let image = parse(&file).unwrap();
        let got = load_bytes(&mut hw, &mut frames, &mut mm, &image, &file);
        assert_eq!(got, Err(Errno::ENOMEM));
        mm.teardown(&mut hw, &mut frames);
        assert_eq!(frames.nr_used(), 1, "the template's top");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn what_parses_loads_or_fails_cleanly(
            kind in 2u16..4,
            flips in prop::collection::vec((64usize..64 + 3 * 56, 0u8..8), 1..4),
        ) {
            let mut file = TinyElf { kind, ..TinyElf::default() }.bytes();
            for (at, bit) in flips {
                file[at] ^= 1 << bit;
            }
            if let Ok(image) = parse(&file) {
                let (mut hw, mut frames) = machine(256);
                let mut mm = space(&mut hw, &mut frames);
                if let Ok(loaded) = load_bytes(&mut hw, &mut frames, &mut mm, &image, &file) {
                    for segment in &image.segments {
                        let start = segment.vaddr + loaded.load_bias;
                        prop_assert!(mm.is_mapped(start, start + segment.memory_bytes));
                    }
                }
                mm.teardown(&mut hw, &mut frames);
                prop_assert_eq!(frames.nr_used(), 1, "the template's top");
            }
        }
    }
}
