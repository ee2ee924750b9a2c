//! The ELF file of a program: its header and program headers, checked.
//!
//! Accepted: 64-bit little-endian x86-64, ET_EXEC and ET_DYN, with or without an interpreter. Any other bytes give an [`ElfError`]; none make it panic.
//! Source: System V ABI, chapters 4 and 5; Linux 6.18 `fs/binfmt_elf.c`.

use object::LittleEndian;
use object::elf::{
    self, ELFCLASS32, ELFCLASS64, ELFDATA2LSB, ELFMAG, EM_X86_64, ET_DYN, ET_EXEC, FileHeader64,
    PT_GNU_STACK, PT_INTERP, PT_LOAD, ProgramHeader64,
};
use object::pod;

pub use super::elf_error::{ElfError, Part, SegmentFault};
use crate::fs::namei::PATH_MAX;
use crate::mm::layout::{MMAP_MIN_ADDR, PAGE_SIZE, TASK_SIZE_MAX, offset_in_page};
use crate::mm::vma::Prot;

/// The byte order of the files that are accepted.
const ENDIAN: LittleEndian = LittleEndian;
/// Bytes of a program header.
const PHENT: u16 = 56;
/// Bytes of program headers at most, as on Linux: 64 KiB.
const MAX_PHDR_BYTES: u64 = 65_536;

/// Where a program may be loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElfKind {
    /// At its own addresses (ET_EXEC).
    Fixed,
    /// Anywhere (ET_DYN).
    Pie,
}

/// A loadable segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Offset of its bytes in the file.
    pub offset: u64,
    /// Address, before the load bias.
    pub vaddr: u64,
    /// Bytes in the file.
    pub file_bytes: u64,
    /// Bytes in memory; what the file does not give is zero.
    pub memory_bytes: u64,
    /// Alignment that it asks for; not checked.
    pub align: u64,
    /// Rights.
    pub prot: Prot,
}

/// Whether the program wants to execute code on its stack (PT_GNU_STACK).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StackExec {
    /// It does not, or does not say.
    No,
    /// It does.
    Yes,
}

/// A program, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElfImage {
    /// Where it may be loaded.
    pub kind: ElfKind,
    /// Entry point, before the load bias.
    pub entry: u64,
    /// Loadable segments, ascending by address.
    pub segments: Vec<Segment>,
    /// Address of the program headers, before the load bias; 0 where no segment holds them.
    pub phdr: u64,
    /// Number of program headers.
    pub phnum: u16,
    /// Rights of the stack.
    pub stack: StackExec,
    /// Path of the program that loads this one (PT_INTERP).
    pub interpreter: Option<Vec<u8>>,
}

impl ElfImage {
    /// Bytes of a program header (`AT_PHENT`).
    pub const PHENT: u64 = PHENT as u64;

    /// Page-aligned start of the first segment and the end of the last, before the load bias.
    #[must_use]
    pub fn span(&self) -> (u64, u64) {
        let first = self.segments.first().map_or(0, |segment| segment.vaddr);
        let end = self.segments.last().map_or(0, |last| last.vaddr + last.memory_bytes);
        (first - offset_in_page(first), end)
    }
}

/// Reads and checks the ELF file in `file`.
///
/// # Errors
/// What makes it no program that can be loaded.
pub fn parse(file: &[u8]) -> Result<ElfImage, ElfError> {
    let header = read_header(file)?;
    let kind = match header.e_type.get(ENDIAN) {
        ET_EXEC => ElfKind::Fixed,
        ET_DYN => ElfKind::Pie,
        other => return Err(ElfError::WrongType(other)),
    };
    let phoff = header.e_phoff.get(ENDIAN);
    let phdrs = read_program_headers(file, header)?;
    let mut segments: Vec<Segment> = Vec::new();
    let mut stack = StackExec::No;
    let mut interpreter = None;
    for (index, phdr) in phdrs.iter().enumerate() {
        match phdr.p_type.get(ENDIAN) {
            // The first one counts.
            PT_INTERP if interpreter.is_none() => {
                interpreter = Some(interpreter_path(file, phdr)?);
            }
            PT_GNU_STACK if phdr.p_flags.get(ENDIAN) & elf::PF_X != 0 => stack = StackExec::Yes,
            PT_LOAD if phdr.p_memsz.get(ENDIAN) != 0 || phdr.p_filesz.get(ENDIAN) != 0 => {
                let segment = segment_of(phdr);
                check_segment(&segment, kind, segments.last()).map_err(|fault| {
                    let offset = phoff + index as u64 * u64::from(PHENT);
                    ElfError::BadSegment { offset, index, fault }
                })?;
                bytes_at(file, segment.offset, segment.file_bytes, Part::Segment(index))?;
                segments.push(segment);
            }
            // Notes, thread-local templates, relocation-read-only ranges and the like are the
            // C library's business.
            _ => {}
        }
    }
    if segments.is_empty() {
        return Err(ElfError::NoSegments);
    }
    let entry = header.e_entry.get(ENDIAN);
    if entry >= TASK_SIZE_MAX {
        return Err(ElfError::BadEntry(entry));
    }
    let phdr = phdr_address(&segments, phoff);
    let phnum = header.e_phnum.get(ENDIAN);
    Ok(ElfImage { kind, entry, segments, phdr, phnum, stack, interpreter })
}

/// Bytes of the file, or what is missing.
fn bytes_at(file: &[u8], offset: u64, need: u64, part: Part) -> Result<&[u8], ElfError> {
    let start = usize::try_from(offset).unwrap_or(usize::MAX).min(file.len());
    let have = &file[start..];
    match usize::try_from(need).ok().and_then(|need| have.get(..need)) {
        Some(bytes) => Ok(bytes),
        None => Err(ElfError::Truncated { offset, part, need, have: have.len() as u64 }),
    }
}

fn read_header(file: &[u8]) -> Result<&FileHeader64<LittleEndian>, ElfError> {
    if !file.starts_with(&ELFMAG) {
        return Err(ElfError::NotElf);
    }
    let size = size_of::<FileHeader64<LittleEndian>>() as u64;
    let cut = |have: u64| ElfError::Truncated { offset: 0, part: Part::Header, need: size, have };
    match file.get(4).copied() {
        Some(ELFCLASS64) => {}
        Some(ELFCLASS32) => return Err(ElfError::Class32),
        Some(other) => return Err(ElfError::UnknownClass(other)),
        None => return Err(cut(file.len() as u64)),
    }
    let bytes = bytes_at(file, 0, size, Part::Header)?;
    let (header, _) = pod::from_bytes::<FileHeader64<LittleEndian>>(bytes)
        .map_err(|()| cut(file.len() as u64))?;
    if header.e_ident.data != ELFDATA2LSB {
        return Err(ElfError::WrongByteOrder(header.e_ident.data));
    }
    match header.e_machine.get(ENDIAN) {
        EM_X86_64 => Ok(header),
        other => Err(ElfError::WrongMachine(other)),
    }
}

fn read_program_headers<'a>(
    file: &'a [u8],
    header: &FileHeader64<LittleEndian>,
) -> Result<&'a [ProgramHeader64<LittleEndian>], ElfError> {
    let (entry_size, count) = (header.e_phentsize.get(ENDIAN), header.e_phnum.get(ENDIAN));
    let need = u64::from(PHENT) * u64::from(count);
    if entry_size != PHENT || count == 0 || need > MAX_PHDR_BYTES {
        return Err(ElfError::BadProgramHeaders { offset: 54, entry_size, count });
    }
    let offset = header.e_phoff.get(ENDIAN);
    let bytes = bytes_at(file, offset, need, Part::ProgramHeaders)?;
    let (phdrs, _) = pod::slice_from_bytes(bytes, usize::from(count)).map_err(|()| {
        let have = bytes.len() as u64;
        ElfError::Truncated { offset, part: Part::ProgramHeaders, need, have }
    })?;
    Ok(phdrs)
}

/// The interpreter's path, which ends in a zero byte.
fn interpreter_path(
    file: &[u8],
    phdr: &ProgramHeader64<LittleEndian>,
) -> Result<Vec<u8>, ElfError> {
    let (offset, len) = (phdr.p_offset.get(ENDIAN), phdr.p_filesz.get(ENDIAN));
    let path = bytes_at(file, offset, len, Part::Interpreter)?;
    match path.split_last() {
        Some((0, path)) if !path.is_empty() && path.len() < PATH_MAX => {
            Ok(path.split(|byte| *byte == 0).next().unwrap_or_default().to_vec())
        }
        _ => Err(ElfError::BadInterpreter { offset, len }),
    }
}

fn segment_of(phdr: &ProgramHeader64<LittleEndian>) -> Segment {
    let flags = phdr.p_flags.get(ENDIAN);
    let right = |flag, prot| if flags & flag != 0 { prot } else { Prot::NONE };
    Segment {
        offset: phdr.p_offset.get(ENDIAN),
        vaddr: phdr.p_vaddr.get(ENDIAN),
        file_bytes: phdr.p_filesz.get(ENDIAN),
        memory_bytes: phdr.p_memsz.get(ENDIAN),
        align: phdr.p_align.get(ENDIAN),
        prot: right(elf::PF_R, Prot::READ)
            .with(right(elf::PF_W, Prot::WRITE))
            .with(right(elf::PF_X, Prot::EXEC)),
    }
}

fn check_segment(
    segment: &Segment,
    kind: ElfKind,
    before: Option<&Segment>,
) -> Result<(), SegmentFault> {
    if segment.file_bytes > segment.memory_bytes {
        return Err(SegmentFault::FileLargerThanMemory);
    }
    let end = segment.vaddr.checked_add(segment.memory_bytes);
    // The last page is left out, so that rounding up stays in user space.
    if end.is_none_or(|end| end > TASK_SIZE_MAX - PAGE_SIZE) {
        return Err(SegmentFault::TooHigh);
    }
    if kind == ElfKind::Fixed && segment.vaddr < MMAP_MIN_ADDR {
        return Err(SegmentFault::TooLow);
    }
    let is_congruent = offset_in_page(segment.offset) == offset_in_page(segment.vaddr);
    if segment.file_bytes > 0 && !is_congruent {
        return Err(SegmentFault::Misaligned);
    }
    if before.is_some_and(|before| segment.vaddr < before.vaddr + before.memory_bytes) {
        return Err(SegmentFault::NotAscending);
    }
    Ok(())
}

/// Where the program headers are in memory.
fn phdr_address(segments: &[Segment], phoff: u64) -> u64 {
    let holds = |segment: &&Segment| {
        phoff.checked_sub(segment.offset).is_some_and(|skip| skip < segment.file_bytes)
    };
    segments.iter().find(holds).map_or(0, |segment| phoff - segment.offset + segment.vaddr)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::tiny_elf::{self, TinyElf};
    use proptest::prelude::*;

    #[test]
    fn a_program_is_read() {
        let image = parse(&TinyElf::default().bytes()).unwrap();
        assert_eq!((image.kind, image.entry), (ElfKind::Fixed, 0x40_10b0));
        assert_eq!((image.phdr, image.phnum, image.stack), (0x40_0040, 4, StackExec::No));
        let prots: Vec<_> = image.segments.iter().map(|segment| segment.prot.bits()).collect();
        assert_eq!(prots, [1, 5, 3]);
        assert_eq!(image.span(), (0x40_0000, 0x40_5000));
    }

    #[test]
    fn refusals_name_what_is_wrong() {
        let bad_segment = |index: usize, fault| ElfError::BadSegment {
            offset: 64 + 56 * index as u64,
            index,
            fault,
        };
        let load = 64 + 56;
        for (at, bytes, want) in [
            (0, &[0u8][..], ElfError::NotElf),
            (4, &[1], ElfError::Class32),
            (4, &[9], ElfError::UnknownClass(9)),
            (5, &[2], ElfError::WrongByteOrder(2)),
            (16, &[1], ElfError::WrongType(1)),
            (18, &[3], ElfError::WrongMachine(3)),
            (24, &[0xff; 8], ElfError::BadEntry(u64::MAX)),
            (54, &[32], ElfError::BadProgramHeaders { offset: 54, entry_size: 32, count: 4 }),
            (56, &[0], ElfError::BadProgramHeaders { offset: 54, entry_size: 56, count: 0 }),
            (load + 16, &[0xff; 8], bad_segment(1, SegmentFault::TooHigh)),
            (load + 16, &[0, 0, 0], bad_segment(1, SegmentFault::TooLow)),
            (load + 16, &[1], bad_segment(1, SegmentFault::Misaligned)),
            (load + 16, &[0xb0, 0, 0x40], bad_segment(1, SegmentFault::NotAscending)),
            (load + 40, &[0, 0], bad_segment(1, SegmentFault::FileLargerThanMemory)),
        ] {
            let mut file = TinyElf::default().bytes();
            file[at..at + bytes.len()].copy_from_slice(bytes);
            assert_eq!(parse(&file), Err(want));
        }
    }

    #[test]
    fn an_interpreter_is_named() {
        let file = TinyElf { interpreter: Some("/lib/ld.so"), ..TinyElf::default() }.bytes();
        let image = parse(&file).unwrap();
        assert_eq!(image.interpreter.as_deref(), Some(b"/lib/ld.so".as_slice()));
    }

    #[test]
    fn an_executable_stack_is_told() {
        let file = TinyElf { stack_flags: 7, ..TinyElf::default() }.bytes();
        assert_eq!(parse(&file).map(|image| image.stack), Ok(StackExec::Yes));
    }

    #[test]
    fn every_truncation_is_refused() {
        let file = TinyElf::default().bytes();
        for len in 0..file.len() {
            match parse(&file[..len]) {
                Err(ElfError::NotElf) => assert!(len < 4),
                Err(ElfError::Truncated { offset, need, have, .. }) => {
                    assert!(have < need && have == (len as u64).saturating_sub(offset));
                }
                other => panic!("{len} bytes: {other:?}"),
            }
        }
    }

    proptest! {
        #[test]
        fn damaged_files_never_panic(
            flips in prop::collection::vec((0usize..tiny_elf::HEADERS, 0u8..8), 1..6),
            len in 0usize..1024,
            cut in any::<bool>(),
        ) {
            let mut file = TinyElf::default().bytes();
            for (at, bit) in flips {
                file[at] ^= 1 << bit;
            }
            if cut {
                file.truncate(len);
            }
            if let Ok(image) = parse(&file) {
                for segment in &image.segments {
                    let end = segment.offset.checked_add(segment.file_bytes);
                    let is_there = end.is_some_and(|end| end <= file.len() as u64);
                    prop_assert!(segment.file_bytes == 0 || is_there);
                    prop_assert!(segment.vaddr + segment.memory_bytes < TASK_SIZE_MAX);
                }
            }
        }

        #[test]
        fn any_bytes_never_panic(mut file in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&file);
            let magic = [0x7f, b'E', b'L', b'F', 2, 1, 1];
            let len = file.len().min(magic.len());
            file[..len].copy_from_slice(&magic[..len]);
            let _ = parse(&file);
        }
    }
}
