//! The kernel's symbols as an ELF file that gdb's `add-symbol-file` reads: sections without
//! contents at their addresses, and a symbol table.
//! Source: System V gABI, chapter 4; AMD64 supplement.

use kernel_model::kernel::{Kernel, SymbolKind};

const EHDR_BYTES: u64 = 64;
const SHDR_BYTES: u64 = 64;
const SYM_BYTES: u64 = 24;
const ET_EXEC: u16 = 2;
const EM_X86_64: u16 = 62;
const SHT_SYMTAB: u32 = 2;
const SHT_STRTAB: u32 = 3;
const SHT_NOBITS: u32 = 8;
const SHF_WRITE: u64 = 1;
const SHF_ALLOC: u64 = 2;
const SHF_EXECINSTR: u64 = 4;
const STB_GLOBAL: u8 = 1;
const STT_OBJECT: u8 = 1;
const STT_FUNC: u8 = 2;

/// Numbers of the sections in the file.
const TEXT: u16 = 1;
const DATA: u16 = 2;
const STRTAB: u16 = 4;
const NR_SECTIONS: u16 = 5;
/// Their names, the null section's first; offsets into this are `sh_name`.
const NAMES: &str = "\0.text\0.data\0.symtab\0.strtab\0";

/// A section header.
#[derive(Clone, Copy, Debug, Default)]
struct Shdr {
    name: u32,
    kind: u32,
    flags: u64,
    addr: u64,
    offset: u64,
    size: u64,
    link: u32,
    info: u32,
    entry_size: u64,
}

impl Shdr {
    fn write(&self, file: &mut Vec<u8>) {
        file.extend(self.name.to_le_bytes());
        file.extend(self.kind.to_le_bytes());
        for word in [self.flags, self.addr, self.offset, self.size] {
            file.extend(word.to_le_bytes());
        }
        file.extend(self.link.to_le_bytes());
        file.extend(self.info.to_le_bytes());
        file.extend(1u64.to_le_bytes());
        file.extend(self.entry_size.to_le_bytes());
    }
}

/// The offset of a section's name.
fn name(wanted: &str) -> u32 {
    NAMES.find(wanted).map_or(0, |at| at as u32)
}

/// The section of all symbols of a kind, at their addresses.
fn section(named: &str, kind: SymbolKind, flags: u64) -> Shdr {
    let of_kind = || Kernel::symbols().filter(move |symbol| symbol.kind == kind);
    let addr = of_kind().map(|symbol| symbol.addr).min().unwrap_or(0);
    let end = of_kind().map(|symbol| symbol.addr + symbol.size).max().unwrap_or(0);
    let (kind, flags) = (SHT_NOBITS, SHF_ALLOC | flags);
    Shdr { name: name(named), kind, flags, addr, size: end - addr, ..Shdr::default() }
}

/// The symbol table, and the names of sections and symbols.
fn symbol_table() -> (Vec<u8>, Vec<u8>) {
    let (mut symbols, mut strings) = (vec![0; SYM_BYTES as usize], NAMES.as_bytes().to_vec());
    for symbol in Kernel::symbols() {
        let (kind, section) = match symbol.kind {
            SymbolKind::Text => (STT_FUNC, TEXT),
            SymbolKind::Data => (STT_OBJECT, DATA),
        };
        symbols.extend((strings.len() as u32).to_le_bytes());
        symbols.extend([STB_GLOBAL << 4 | kind, 0]);
        symbols.extend(section.to_le_bytes());
        symbols.extend(symbol.addr.to_le_bytes());
        symbols.extend(symbol.size.to_le_bytes());
        strings.extend(symbol.name.as_bytes());
        strings.push(0);
    }
    (symbols, strings)
}

/// The file.
#[must_use]
pub fn kernel_symbols() -> Vec<u8> {
    let (symbols, strings) = symbol_table();
    let symtab = Shdr {
        name: name(".symtab"),
        kind: SHT_SYMTAB,
        offset: EHDR_BYTES,
        size: symbols.len() as u64,
        link: u32::from(STRTAB),
        // The first symbol that is not local.
        info: 1,
        entry_size: SYM_BYTES,
        ..Shdr::default()
    };
    let strtab = Shdr {
        name: name(".strtab"),
        kind: SHT_STRTAB,
        offset: symtab.offset + symtab.size,
        size: strings.len() as u64,
        ..Shdr::default()
    };
    let headers_at = (strtab.offset + strtab.size).next_multiple_of(8);
    let mut file = vec![0x7f, b'E', b'L', b'F', 2, 1, 1];
    file.resize(16, 0);
    for half in [ET_EXEC, EM_X86_64] {
        file.extend(half.to_le_bytes());
    }
    file.extend(1u32.to_le_bytes());
    // No entry point, no program headers.
    for word in [0, 0, headers_at] {
        file.extend(word.to_le_bytes());
    }
    file.extend(0u32.to_le_bytes());
    for half in [EHDR_BYTES as u16, 0, 0, SHDR_BYTES as u16, NR_SECTIONS, STRTAB] {
        file.extend(half.to_le_bytes());
    }
    file.extend(symbols);
    file.extend(strings);
    file.resize(headers_at as usize, 0);
    let text = section(".text", SymbolKind::Text, SHF_EXECINSTR);
    let data = section(".data", SymbolKind::Data, SHF_WRITE);
    for header in [Shdr::default(), text, data, symtab, strtab] {
        header.write(&mut file);
    }
    file
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::read::elf::ElfFile64;
    use object::{LittleEndian, Object, ObjectSection, ObjectSymbol};

    #[test]
    fn the_file_has_every_symbol_at_its_address() {
        let file = kernel_symbols();
        let elf = ElfFile64::<LittleEndian>::parse(&*file).unwrap();
        for symbol in Kernel::symbols() {
            let found = elf.symbols().find(|found| found.name() == Ok(symbol.name)).unwrap();
            assert_eq!((found.address(), found.size()), (symbol.addr, symbol.size));
            let section = elf.section_by_index(found.section_index().unwrap()).unwrap();
            let end = section.address() + section.size();
            assert!((section.address()..end).contains(&symbol.addr), "{}", symbol.name);
        }
        let names: Vec<_> =
            elf.sections().map(|section| section.name().unwrap().to_owned()).collect();
        assert_eq!(names, [".text", ".data", ".symtab", ".strtab"]);
    }
}
