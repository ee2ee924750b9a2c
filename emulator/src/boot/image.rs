//! An image as a loader sees it: what to put where, and how to enter it.

use std::fmt;

use super::elf::{Elf, ElfClass};
use super::error::ImageError;
use super::multiboot::Header;
use super::{multiboot, pvh};

/// How an image is entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Multiboot 1: 32-bit protected mode.
    Multiboot,
    /// The PVH entry of Xen and QEMU: 32-bit protected mode.
    Pvh,
    /// A 64-bit ELF file that says nothing else: 64-bit mode.
    Long,
}

/// What an image asked for and does not get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageNote {
    /// Flag bit 2 of a multiboot header: information about a video mode.
    VideoMode,
}

impl fmt::Display for ImageNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::VideoMode => {
                f.write_str("the multiboot header asks for a video mode; there is no display")
            }
        }
    }
}

/// Which part of the file a segment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentName {
    /// A program header.
    Program {
        /// Its number, from 0.
        index: u16,
        /// Its offset in the file.
        at: u64,
    },
    /// What the addresses in a multiboot header describe.
    Multiboot,
}

impl fmt::Display for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Program { index, at } => {
                write!(f, "LOAD segment {index} (program header at offset {at:#x})")
            }
            Self::Multiboot => f.write_str("the segment of the multiboot header's addresses"),
        }
    }
}

/// A range of memory with the bytes that belong there. `physical + memory_bytes` and
/// `linear + memory_bytes - 1` do not wrap; `data` is not longer than `memory_bytes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadSegment<'a> {
    /// What messages call it.
    pub name: SegmentName,
    /// Where it is loaded.
    pub physical: u64,
    /// Where it is linked to run.
    pub linear: u64,
    /// Its first bytes; the rest is zero.
    pub data: &'a [u8],
    /// Its length, at least 1.
    pub memory_bytes: u64,
}

impl LoadSegment<'_> {
    /// The address after its last one.
    #[must_use]
    pub fn physical_end(&self) -> u64 {
        self.physical + self.memory_bytes
    }

    /// Whether it is loaded at a physical address.
    #[must_use]
    pub fn has_physical(&self, address: u64) -> bool {
        address.checked_sub(self.physical).is_some_and(|offset| offset < self.memory_bytes)
    }

    /// The physical address of one of its linear addresses.
    #[must_use]
    pub fn physical_of(&self, linear: u64) -> Option<u64> {
        let offset = linear.checked_sub(self.linear)?;
        (offset < self.memory_bytes).then(|| self.physical + offset)
    }
}

/// A file that can be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootImage<'a> {
    /// What is loaded, in the file's order.
    pub segments: Vec<LoadSegment<'a>>,
    /// How it is entered.
    pub protocol: Protocol,
    /// Where it is entered: a linear address for [`Protocol::Long`], else a physical one.
    pub entry: u64,
    /// What it asked for and does not get.
    pub notes: Vec<ImageNote>,
}

impl<'a> BootImage<'a> {
    /// Reads the headers of an image: multiboot first, then the PVH note, then plain ELF-64.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn parse(file: &'a [u8]) -> Result<Self, ImageError> {
        if file.is_empty() {
            return Err(ImageError::Empty);
        }
        match multiboot::find(file)? {
            Some(header) => Self::multiboot(file, &header),
            None if Elf::is_elf(file) => Self::elf(file),
            None => Err(ImageError::NotBootable),
        }
    }

    fn multiboot(file: &'a [u8], header: &Header) -> Result<Self, ImageError> {
        let video = header.wants_video().then_some(ImageNote::VideoMode);
        let (segments, entry) = match &header.addresses {
            Some(addresses) => (vec![addresses.segment(file, header.at)?], addresses.entry),
            None if Elf::is_elf(file) => {
                let elf = Elf::parse(file)?;
                let entry = elf.physical_entry()?;
                (elf.segments, entry)
            }
            None => return Err(ImageError::NoAddresses { at: header.at }),
        };
        let protocol = Protocol::Multiboot;
        let image = Self { segments, protocol, entry, notes: video.into_iter().collect() };
        image.with_entry_in_a_segment()
    }

    fn elf(file: &'a [u8]) -> Result<Self, ImageError> {
        let elf = Elf::parse(file)?;
        if let Some(entry) = pvh::entry_note(file, &elf.notes)? {
            let (segments, protocol) = (elf.segments, Protocol::Pvh);
            return Self { segments, protocol, entry, notes: vec![] }.with_entry_in_a_segment();
        }
        if elf.class == ElfClass::Elf32 {
            return Err(ImageError::NoProtocol);
        }
        // An entry at a physical address is reached through the identity map.
        elf.physical_entry()?;
        let (entry, protocol) = (elf.entry, Protocol::Long);
        Ok(Self { segments: elf.segments, protocol, entry, notes: vec![] })
    }

    fn with_entry_in_a_segment(self) -> Result<Self, ImageError> {
        match self.segments.iter().any(|segment| segment.has_physical(self.entry)) {
            true => Ok(self),
            false => Err(ImageError::Entry(self.entry)),
        }
    }
}
