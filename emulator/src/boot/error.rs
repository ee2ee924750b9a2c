//! Why an image cannot be started: what is wrong in the file, and what does not fit into
//! the machine. Offsets are positions in the file, addresses are guest-physical.

use std::fmt;

use super::image::SegmentName;

/// Why a file is not an image that can be started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// An empty file.
    #[error("it is empty")]
    Empty,
    /// Neither container.
    #[error(
        "no multiboot header in the first {} bytes, and not an ELF file (it does not start \
         with 7f 45 4c 46)",
        super::multiboot::SEARCH_BYTES
    )]
    NotBootable,
    /// A 32-bit ELF file that does not say how it wants to be started.
    #[error(
        "a 32-bit ELF file with neither a multiboot header in the first {} bytes nor a PVH \
         entry note",
        super::multiboot::SEARCH_BYTES
    )]
    NoProtocol,
    /// The file ends before what it promises.
    #[error(
        "truncated: {what} at offset {at:#x} ends at offset {end:#x}, the file at {file_len:#x}"
    )]
    Truncated {
        /// The part.
        what: &'static str,
        /// Where it begins.
        at: u64,
        /// Where it ends.
        end: u64,
        /// Length of the file.
        file_len: u64,
    },
    /// A class that does not exist.
    #[error("ELF class {0} (offset 0x4) does not exist")]
    Class(u8),
    /// A big-endian file.
    #[error("not little endian: ELF data encoding {0} (offset 0x5)")]
    Encoding(u8),
    /// Another processor.
    #[error(
        "for another processor: ELF machine {machine} (offset 0x12), and a {class}-bit file must have {wanted}"
    )]
    Machine {
        /// What the file says.
        machine: u16,
        /// 32 or 64.
        class: u8,
        /// EM_386 or EM_X86_64.
        wanted: u16,
    },
    /// An object, a core file.
    #[error("ELF type {0} (offset 0x10) is not an executable")]
    Type(u16),
    /// Asks for a dynamic loader, which only an operating system has.
    #[error("it asks for a dynamic loader (program header at offset {at:#x})")]
    Interpreter {
        /// Where the program header is.
        at: u64,
    },
    /// Headers of an odd size.
    #[error("program headers of {found} bytes; those of this ELF class have {wanted}")]
    HeaderSize {
        /// What the file says.
        found: u16,
        /// What is right.
        wanted: u16,
    },
    /// Nothing to load.
    #[error("it has no LOAD segment: there is nothing to start")]
    NoSegments,
    /// A segment with more bytes in the file than in memory.
    #[error("{segment}: {file_bytes:#x} bytes in the file, and only {memory_bytes:#x} in memory")]
    FileExceedsMemory {
        /// The segment.
        segment: SegmentName,
        /// p_filesz.
        file_bytes: u64,
        /// p_memsz.
        memory_bytes: u64,
    },
    /// Addresses that go beyond the last one.
    #[error("{segment}: {bytes:#x} bytes at {address:#x} go beyond the last address")]
    AddressWraps {
        /// The segment.
        segment: SegmentName,
        /// p_paddr or p_vaddr.
        address: u64,
        /// p_memsz.
        bytes: u64,
    },
    /// An entry point that is not in the image.
    #[error("the entry point {0:#x} lies in no LOAD segment")]
    Entry(u64),
    /// A note that is longer than the segment with the notes.
    #[error("the note at offset {at:#x} goes beyond the end of its segment at {end:#x}")]
    NoteLength {
        /// Where the note is.
        at: u64,
        /// Where the segment ends.
        end: u64,
    },
    /// A PVH entry note whose value is not an address.
    #[error(
        "the PVH entry note at offset {at:#x} has a value of {bytes} bytes; 4 or 8 are an address"
    )]
    PvhNote {
        /// Where the note is.
        at: u64,
        /// Length of its value.
        bytes: u32,
    },
    /// A multiboot header that does not add up.
    #[error(
        "multiboot header at offset {at:#x}: magic, flags and checksum add up to {sum:#x} \
         instead of 0"
    )]
    Checksum {
        /// Where the header is.
        at: u64,
        /// What they add up to.
        sum: u32,
    },
    /// A multiboot header with requirements that are not known.
    #[error("multiboot header at offset {at:#x}: it requires what is not known ({bits})")]
    MandatoryFlags {
        /// Where the header is.
        at: u64,
        /// The unknown ones of flags 0 to 15.
        bits: FlagBits,
    },
    /// A multiboot header in a file that is not ELF and that has no addresses either.
    #[error(
        "multiboot header at offset {at:#x}: the file is not ELF, and the header has no \
         addresses (flag bit 16)"
    )]
    NoAddresses {
        /// Where the header is.
        at: u64,
    },
    /// Addresses of a multiboot header that contradict each other.
    #[error("multiboot header at offset {at:#x}: {field} {value:#x} is below {bound:#x}, {of}")]
    Addresses {
        /// Where the header is.
        at: u64,
        /// The field.
        field: &'static str,
        /// Its value.
        value: u64,
        /// What it must reach.
        bound: u64,
        /// What that is.
        of: &'static str,
    },
}

/// Bits of a multiboot header's flags, shown by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlagBits(pub u32);

impl fmt::Display for FlagBits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("flag bit")?;
        for bit in (0..u32::BITS).filter(|bit| self.0 >> bit & 1 != 0) {
            write!(f, " {bit}")?;
        }
        Ok(())
    }
}

/// Why an image does not fit into the machine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// A segment that is not in RAM.
    #[error(
        "{segment}: physical addresses {start:#x} to {end:#x} are outside RAM, which ends at \
         {ram:#x}"
    )]
    OutsideRam {
        /// The segment.
        segment: SegmentName,
        /// Its first address.
        start: u64,
        /// The address after its last one.
        end: u64,
        /// Bytes of RAM.
        ram: u64,
    },
    /// Two segments at one place.
    #[error("{second} begins at physical address {start:#x}, inside {first}")]
    Overlap {
        /// The one with the lower address.
        first: SegmentName,
        /// The other one.
        second: SegmentName,
        /// Where the other one begins.
        start: u64,
    },
    /// A segment that paging cannot put where it wants to be.
    #[error(
        "{segment}: linear address {linear:#x} and physical address {physical:#x} differ in \
         their offset in a page"
    )]
    PageOffset {
        /// The segment.
        segment: SegmentName,
        /// p_vaddr.
        linear: u64,
        /// p_paddr.
        physical: u64,
    },
    /// A linear address that does not exist.
    #[error("{segment}: linear addresses {start:#x} to {last:#x} are not canonical")]
    NotCanonical {
        /// The segment.
        segment: SegmentName,
        /// The first one.
        start: u64,
        /// The last one.
        last: u64,
    },
    /// Two segments at one linear address.
    #[error("{second} begins at linear address {start:#x}, in a page of {first}")]
    LinearOverlap {
        /// The one with the lower address.
        first: SegmentName,
        /// The other one.
        second: SegmentName,
        /// Where the other one begins.
        start: u64,
    },
    /// No RAM is left.
    #[error("no room in RAM beside the image for {what} ({bytes} bytes)")]
    NoRoom {
        /// What did not fit.
        what: Placed,
        /// Its length.
        bytes: u64,
    },
}

/// What is put into RAM besides the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    /// GDT, stack and page tables.
    StartState,
    /// The structure that describes machine, command line and modules.
    Information,
    /// A module, by number from 0.
    Module(usize),
}

impl fmt::Display for Placed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StartState => f.write_str("the GDT, the stack and the page tables to start with"),
            Self::Information => f.write_str("the boot information"),
            Self::Module(index) => write!(f, "module {index}"),
        }
    }
}
