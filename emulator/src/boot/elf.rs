//! ELF containers, 32-bit for the 80386 and 64-bit for x86-64.
//! Source: System V gABI, chapters 4 and 5.

use super::error::ImageError;
use super::image::{LoadSegment, SegmentName};
use super::reader::Reader;

const MAGIC: [u8; 4] = [0x7f, b'E', b'L', b'F'];
const ET_EXEC: u16 = 2;
const ET_DYN: u16 = 3;
const EM_386: u16 = 3;
const EM_X86_64: u16 = 62;
const PT_LOAD: u32 = 1;
const PT_INTERP: u32 = 3;
const PT_NOTE: u32 = 4;

const HEADER: &str = "the ELF header";
const PROGRAM_HEADERS: &str = "the program header table";

/// The width of a file's addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ElfClass {
    Elf32,
    Elf64,
}

impl ElfClass {
    const fn bits(self) -> u8 {
        match self {
            Self::Elf32 => 32,
            Self::Elf64 => 64,
        }
    }

    const fn machine(self) -> u16 {
        match self {
            Self::Elf32 => EM_386,
            Self::Elf64 => EM_X86_64,
        }
    }

    const fn header_bytes(self) -> u64 {
        match self {
            Self::Elf32 => 52,
            Self::Elf64 => 64,
        }
    }

    const fn program_header_bytes(self) -> u16 {
        match self {
            Self::Elf32 => 32,
            Self::Elf64 => 56,
        }
    }

    /// Offsets of e_phentsize and e_phnum.
    const fn table_shape(self) -> (u64, u64) {
        match self {
            Self::Elf32 => (42, 44),
            Self::Elf64 => (54, 56),
        }
    }

    /// Reads an address or offset of this class: the `nth` after `start`.
    fn word(
        self,
        file: Reader<'_>,
        what: &'static str,
        start: u64,
        nth: u64,
    ) -> Result<u64, ImageError> {
        match self {
            Self::Elf32 => file.u32(what, start + 4 * nth).map(u64::from),
            Self::Elf64 => file.u64(what, start + 8 * nth),
        }
    }

    /// The end of its address space, as a `u128` because of ELF-64's.
    const fn space(self) -> u128 {
        1 << self.bits()
    }
}

/// The file offsets of a PT_NOTE segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoteSegment {
    pub(super) start: u64,
    pub(super) end: u64,
    /// What notes are aligned to: 4, or 8 where the segment is.
    pub(super) align: u64,
}

/// What an ELF file says to a loader.
#[derive(Clone, Debug)]
pub(super) struct Elf<'a> {
    pub(super) class: ElfClass,
    /// e_entry.
    pub(super) entry: u64,
    pub(super) segments: Vec<LoadSegment<'a>>,
    pub(super) notes: Vec<NoteSegment>,
}

/// A program header, whatever its class.
struct ProgramHeader {
    at: u64,
    kind: u32,
    offset: u64,
    linear: u64,
    physical: u64,
    file_bytes: u64,
    memory_bytes: u64,
    align: u64,
}

impl<'a> Elf<'a> {
    pub(super) fn is_elf(file: &[u8]) -> bool {
        file.starts_with(&MAGIC)
    }

    /// Reads the headers of a file that [`Self::is_elf`].
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, ImageError> {
        let file = Reader(bytes);
        let ident = file.slice(HEADER, 0, 16)?;
        let class = match ident[4] {
            1 => ElfClass::Elf32,
            2 => ElfClass::Elf64,
            other => return Err(ImageError::Class(other)),
        };
        if ident[5] != 1 {
            return Err(ImageError::Encoding(ident[5]));
        }
        file.slice(HEADER, 0, class.header_bytes())?;
        let kind = file.u16(HEADER, 16)?;
        if kind != ET_EXEC && kind != ET_DYN {
            return Err(ImageError::Type(kind));
        }
        let machine = file.u16(HEADER, 18)?;
        if machine != class.machine() {
            let (class, wanted) = (class.bits(), class.machine());
            return Err(ImageError::Machine { machine, class, wanted });
        }
        let entry = class.word(file, HEADER, 24, 0)?;
        let mut elf = Self { class, entry, segments: vec![], notes: vec![] };
        elf.read_segments(file)?;
        if elf.segments.is_empty() {
            return Err(ImageError::NoSegments);
        }
        Ok(elf)
    }

    fn read_segments(&mut self, file: Reader<'a>) -> Result<(), ImageError> {
        let (size_at, count_at) = self.class.table_shape();
        let (found, count) = (file.u16(HEADER, size_at)?, file.u16(HEADER, count_at)?);
        if count == 0 {
            return Err(ImageError::NoSegments);
        }
        let wanted = self.class.program_header_bytes();
        if found != wanted {
            return Err(ImageError::HeaderSize { found, wanted });
        }
        let table = self.class.word(file, HEADER, 24, 1)?;
        file.slice(PROGRAM_HEADERS, table, u64::from(count) * u64::from(wanted))?;
        for index in 0..count {
            let header = self.program_header(file, table + u64::from(index) * u64::from(wanted))?;
            self.add(file, index, &header)?;
        }
        Ok(())
    }

    fn program_header(&self, file: Reader<'_>, at: u64) -> Result<ProgramHeader, ImageError> {
        let class = self.class;
        // ELF-32 has the flags near the end, ELF-64 after the type; p_align is behind both.
        let (first, align) = match class {
            ElfClass::Elf32 => (at + 4, 6),
            ElfClass::Elf64 => (at + 8, 5),
        };
        let word = |nth| class.word(file, PROGRAM_HEADERS, first, nth);
        Ok(ProgramHeader {
            at,
            kind: file.u32(PROGRAM_HEADERS, at)?,
            offset: word(0)?,
            linear: word(1)?,
            physical: word(2)?,
            file_bytes: word(3)?,
            memory_bytes: word(4)?,
            align: word(align)?,
        })
    }

    fn add(
        &mut self,
        file: Reader<'a>,
        index: u16,
        header: &ProgramHeader,
    ) -> Result<(), ImageError> {
        let ProgramHeader { at, offset, file_bytes, .. } = *header;
        match header.kind {
            PT_LOAD if header.memory_bytes == 0 && file_bytes == 0 => {}
            PT_LOAD => {
                let name = SegmentName::Program { index, at };
                self.segments.push(self.load_segment(file, name, header)?);
            }
            PT_INTERP => return Err(ImageError::Interpreter { at }),
            PT_NOTE => {
                file.slice("a NOTE segment", offset, file_bytes)?;
                let align = if header.align == 8 { 8 } else { 4 };
                self.notes.push(NoteSegment { start: offset, end: offset + file_bytes, align });
            }
            // The other kinds say nothing to a loader of kernels.
            _ => {}
        }
        Ok(())
    }

    fn load_segment(
        &self,
        file: Reader<'a>,
        segment: SegmentName,
        header: &ProgramHeader,
    ) -> Result<LoadSegment<'a>, ImageError> {
        let ProgramHeader { offset, linear, physical, file_bytes, memory_bytes, .. } = *header;
        let data = file.slice("a LOAD segment", offset, file_bytes)?;
        if file_bytes > memory_bytes {
            return Err(ImageError::FileExceedsMemory { segment, file_bytes, memory_bytes });
        }
        let space = self.class.space();
        // A segment may reach the top of linear memory; a physical end is an address.
        for (address, bound) in [(physical, space.min(u128::from(u64::MAX))), (linear, space)] {
            if u128::from(address) + u128::from(memory_bytes) > bound {
                let bytes = memory_bytes;
                return Err(ImageError::AddressWraps { segment, address, bytes });
            }
        }
        Ok(LoadSegment { name: segment, physical, linear, data, memory_bytes })
    }

    /// The entry point's physical address: e_entry is a linear address where a segment is
    /// linked there, else a physical one.
    pub(super) fn physical_entry(&self) -> Result<u64, ImageError> {
        let linked = self.segments.iter().find_map(|segment| segment.physical_of(self.entry));
        let loaded = || self.segments.iter().any(|segment| segment.has_physical(self.entry));
        match linked {
            Some(entry) => Ok(entry),
            None if loaded() => Ok(self.entry),
            None => Err(ImageError::Entry(self.entry)),
        }
    }
}
