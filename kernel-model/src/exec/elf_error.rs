//! Why a file is no program that can be loaded.
//!
//! Every error says at which offset of the file the trouble is.

use perf_core::Errno;

/// Which part of a file was cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The ELF header.
    Header,
    /// The program headers.
    ProgramHeaders,
    /// The interpreter's path.
    Interpreter,
    /// The contents of the loadable segment with this index.
    Segment(usize),
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Header => f.write_str("the ELF header"),
            Self::ProgramHeaders => f.write_str("the program headers"),
            Self::Interpreter => f.write_str("the interpreter's path"),
            Self::Segment(index) => write!(f, "the contents of segment {index}"),
        }
    }
}

/// What is wrong with a loadable segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SegmentFault {
    /// `p_filesz` is larger than `p_memsz`.
    #[error("has more bytes in the file than in memory")]
    FileLargerThanMemory,
    /// It ends beyond user space.
    #[error("ends beyond user space")]
    TooHigh,
    /// It begins in the first 64 KiB, which cannot be mapped.
    #[error("begins below the lowest address that can be mapped")]
    TooLow,
    /// Offset and address differ in their offset in the page.
    #[error("has a file offset that does not fit its address")]
    Misaligned,
    /// It begins before the one before it ends.
    #[error("is not above the segment before it")]
    NotAscending,
}

/// Why a file cannot be run. Offsets are in bytes from the file's start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ElfError {
    /// The first four bytes are not an ELF file's.
    #[error("offset 0: not an ELF file")]
    NotElf,
    /// A 32-bit program.
    #[error("offset 4: a 32-bit program; only x86-64 programs are supported")]
    Class32,
    /// Neither class.
    #[error("offset 4: unknown ELF class {0}")]
    UnknownClass(u8),
    /// Not little-endian.
    #[error("offset 5: byte order {0} is not little-endian")]
    WrongByteOrder(u8),
    /// For another processor.
    #[error("offset 18: a program for machine {0}, not x86-64")]
    WrongMachine(u16),
    /// An object file, a core file or something else that is no program.
    #[error("offset 16: ELF type {0} is not a program")]
    WrongType(u16),
    /// Program headers of another size, or too many or none.
    #[error("offset {offset}: {count} program headers of {entry_size} bytes")]
    BadProgramHeaders {
        /// Where the header says so.
        offset: u64,
        /// `e_phentsize`.
        entry_size: u16,
        /// `e_phnum`.
        count: u16,
    },
    /// Bytes that the file must have are beyond its end.
    #[error("offset {offset}: {part} needs {need} bytes, the file has {have} there")]
    Truncated {
        /// Where the bytes should be.
        offset: u64,
        /// What they are.
        part: Part,
        /// How many are needed.
        need: u64,
        /// How many there are from that offset.
        have: u64,
    },
    /// A path of an interpreter that is empty, too long, or does not end.
    #[error("offset {offset}: the interpreter's path has {len} bytes or no end")]
    BadInterpreter {
        /// Where the path is.
        offset: u64,
        /// Its bytes.
        len: u64,
    },
    /// A loadable segment that cannot be mapped.
    #[error("offset {offset}: segment {index} {fault}")]
    BadSegment {
        /// Where its program header is.
        offset: u64,
        /// Its number among the program headers.
        index: usize,
        /// What is wrong.
        fault: SegmentFault,
    },
    /// Nothing to load.
    #[error("no loadable segment")]
    NoSegments,
    /// The entry point is not in user space.
    #[error("offset 24: entry point {0:#x} is beyond user space")]
    BadEntry(u64),
}

impl ElfError {
    /// What execve answers.
    #[must_use]
    pub const fn errno(&self) -> Errno {
        Errno::ENOEXEC
    }
}
