//! Source lines by address, from DWARF.

use addr2line::gimli::{self, EndianSlice, RunTimeEndian};
use object::read::elf::ElfFile64;
use object::{LittleEndian, Object, ObjectSection};

type Slice<'image> = EndianSlice<'image, RunTimeEndian>;

/// A place in the program's source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceLine {
    /// The file as DWARF names it, with its directory.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
}

impl SourceLine {
    /// The file without its directory.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.file.rsplit('/').next().unwrap_or(&self.file)
    }
}

impl std::fmt::Display for SourceLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file_name(), self.line)
    }
}

/// The line tables of a program.
pub(super) struct Lines<'image> {
    context: addr2line::Context<Slice<'image>>,
}

impl std::fmt::Debug for Lines<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lines").finish_non_exhaustive()
    }
}

impl<'image> Lines<'image> {
    /// None where there is no DWARF, or none that can be read. Compressed
    /// sections count as absent.
    pub(super) fn read(elf: &ElfFile64<'image, LittleEndian>) -> Option<Self> {
        elf.section_by_name(".debug_line")?;
        let section = |id: gimli::SectionId| -> Result<Slice<'image>, gimli::Error> {
            let found = elf.section_by_name(id.name());
            let plain = found.filter(|section| {
                section
                    .compressed_file_range()
                    .is_ok_and(|range| range.format == object::CompressionFormat::None)
            });
            let data = plain.and_then(|section| section.data().ok()).unwrap_or(&[]);
            Ok(EndianSlice::new(data, RunTimeEndian::Little))
        };
        let dwarf = gimli::Dwarf::load(section).ok()?;
        let context = addr2line::Context::from_dwarf(dwarf).ok()?;
        Some(Self { context })
    }

    pub(super) fn find(&self, addr: u64) -> Option<SourceLine> {
        let location = self.context.find_location(addr).ok()??;
        Some(SourceLine { file: location.file?.to_owned(), line: location.line? })
    }
}
