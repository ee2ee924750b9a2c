//! Names and source lines of the guest program, from the ELF file alone.
//!
//! Key types: [`Symbols`]; [`Symbol`] (a name's place), [`Near`] (an address as
//! name and offset), [`SourceLine`]. The symbol table is read with `object`, the
//! DWARF line tables with `addr2line`; a program without either still runs, its
//! hits have bare addresses.

mod lines;
mod near_names;
mod table;

use kernel_model::kernel::Kernel;
use object::LittleEndian;
use object::read::elf::ElfFile64;

pub use lines::SourceLine;
pub(crate) use near_names::near_names;
pub use table::{LookupError, Near, Symbol};

use lines::Lines;
use table::Table;

/// What is known about the addresses of one program.
#[derive(Debug, Default)]
pub struct Symbols<'image> {
    table: Table,
    lines: Option<Lines<'image>>,
}

impl<'image> Symbols<'image> {
    /// Reads what the image has; a damaged table counts as none.
    #[must_use]
    pub fn read(image: &'image [u8]) -> Self {
        match ElfFile64::<LittleEndian>::parse(image) {
            Ok(elf) => Self { table: Table::read(&elf), lines: Lines::read(&elf) },
            Err(_) => Self::default(),
        }
    }

    /// The place of a name.
    ///
    /// # Errors
    /// If there is none, or several; an unknown name is answered with near ones.
    pub fn lookup(&self, name: &str) -> Result<&Symbol, LookupError> {
        self.table.lookup(name)
    }

    /// The symbol that an address lies in.
    #[must_use]
    pub fn near(&self, addr: u64) -> Option<Near<'_>> {
        self.table.near(addr)
    }

    /// Name and offset of an address, of the program or of the modelled kernel.
    #[must_use]
    pub fn place(&self, addr: u64) -> Option<String> {
        if let Some((name, offset)) = Kernel::symbol_at(addr) {
            return Some(if offset == 0 { name.to_owned() } else { format!("{name}+{offset:#x}") });
        }
        self.near(addr).map(|near| near.to_string())
    }

    /// The line of source that an instruction came from.
    #[must_use]
    pub fn line(&self, addr: u64) -> Option<SourceLine> {
        self.lines.as_ref()?.find(addr)
    }
}

#[cfg(test)]
mod compiled_tests;
