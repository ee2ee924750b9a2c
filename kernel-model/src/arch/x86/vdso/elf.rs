//! The ELF file around the vDSO's text: headers, dynamic symbols, a hash table, versions.
//!
//! One segment holds everything from offset 0; addresses are offsets. Symbols have the version
//! `LINUX_2.6`, which C libraries ask for.
//! Source: System V ABI (gABI) chapters 4 and 5, Linux Standard Base (symbol versions).

use super::super::hw::PAGE_SIZE;
use super::{Function, Text, VDSO_BYTES};

/// Where the text is: the second page.
pub(super) const TEXT_AT: u64 = PAGE_SIZE;
/// What the object calls itself (DT_SONAME).
const SONAME: &str = "linux-vdso.so.1";
/// Version of all functions.
const VERSION: &str = "LINUX_2.6";
/// Index of that version; 1 is the object's own.
const VERSION_INDEX: u16 = 2;

/// Bytes of the structures.
const EHDR_BYTES: u64 = 64;
const PHDR_BYTES: u64 = 56;
const SYM_BYTES: u64 = 24;
/// Number of program headers.
const NR_SEGMENTS: u64 = 2;

/// Where the parts in front of the text are.
struct Parts {
    dynamic: u64,
    hash: u64,
    symbols: u64,
    strings: u64,
    versions: u64,
    definitions: u64,
}

/// Bytes under construction, written at offsets.
struct Image(Vec<u8>);

impl Image {
    fn put(&mut self, at: u64, bytes: &[u8]) {
        let at = at as usize;
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn words16(&mut self, at: u64, words: &[u16]) {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.put(at, &bytes);
    }

    fn words32(&mut self, at: u64, words: &[u32]) {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.put(at, &bytes);
    }

    fn words64(&mut self, at: u64, words: &[u64]) {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.put(at, &bytes);
    }
}

/// A table of strings with the offset of each.
#[derive(Default)]
struct Strings(Vec<u8>);

impl Strings {
    fn add(&mut self, text: &str) -> u32 {
        if self.0.is_empty() {
            self.0.push(0);
        }
        let at = self.0.len() as u32;
        self.0.extend(text.as_bytes());
        self.0.push(0);
        at
    }
}

/// The whole image.
pub(super) fn shared_object(text: &Text) -> Vec<u8> {
    let mut strings = Strings::default();
    let names: Vec<u32> = text.functions.iter().map(|f| strings.add(f.name)).collect();
    let soname = strings.add(SONAME);
    let version = strings.add(VERSION);
    let nr_symbols = text.functions.len() as u64 + 1;
    let parts = place(nr_symbols, strings.0.len() as u64);
    let mut image = Image(vec![0; VDSO_BYTES as usize]);
    file_header(&mut image);
    segments(&mut image, &parts);
    dynamic(&mut image, &parts, soname, strings.0.len() as u64);
    symbols(&mut image, &parts, &text.functions, &names);
    hash_table(&mut image, &parts, &text.functions);
    definitions(&mut image, &parts, soname, version);
    image.put(parts.strings, &strings.0);
    image.put(TEXT_AT, &text.bytes);
    image.0
}

fn place(nr_symbols: u64, string_bytes: u64) -> Parts {
    const NR_DYNAMIC: u64 = 10;
    let dynamic = EHDR_BYTES + NR_SEGMENTS * PHDR_BYTES;
    let hash = dynamic + 16 * NR_DYNAMIC;
    let symbols = (hash + 4 * (3 + nr_symbols)).next_multiple_of(8);
    let strings = symbols + SYM_BYTES * nr_symbols;
    let versions = (strings + string_bytes).next_multiple_of(2);
    let definitions = (versions + 2 * nr_symbols).next_multiple_of(4);
    Parts { dynamic, hash, symbols, strings, versions, definitions }
}

fn file_header(image: &mut Image) {
    const ET_DYN: u16 = 3;
    const EM_X86_64: u16 = 62;
    image.put(0, b"\x7fELF\x02\x01\x01");
    image.words16(16, &[ET_DYN, EM_X86_64]);
    image.words32(20, &[1]);
    image.words64(24, &[TEXT_AT, EHDR_BYTES, 0]);
    image.words16(52, &[EHDR_BYTES as u16, PHDR_BYTES as u16, NR_SEGMENTS as u16, 64, 0, 0]);
}

fn segments(image: &mut Image, parts: &Parts) {
    const PT_LOAD: u32 = 1;
    const PT_DYNAMIC: u32 = 2;
    const READ: u32 = 4;
    const READ_EXECUTE: u32 = 5;
    let length = parts.hash - parts.dynamic;
    let rows = [
        (PT_LOAD, READ_EXECUTE, 0, VDSO_BYTES, PAGE_SIZE),
        (PT_DYNAMIC, READ, parts.dynamic, length, 8),
    ];
    for (at, (kind, flags, offset, bytes, align)) in
        (EHDR_BYTES..).step_by(PHDR_BYTES as usize).zip(rows)
    {
        image.words32(at, &[kind, flags]);
        image.words64(at + 8, &[offset, offset, offset, bytes, bytes, align]);
    }
}

fn dynamic(image: &mut Image, parts: &Parts, soname: u32, string_bytes: u64) {
    const DT_NULL: u64 = 0;
    const DT_HASH: u64 = 4;
    const DT_STRTAB: u64 = 5;
    const DT_SYMTAB: u64 = 6;
    const DT_STRSZ: u64 = 10;
    const DT_SYMENT: u64 = 11;
    const DT_SONAME: u64 = 14;
    const DT_VERSYM: u64 = 0x6fff_fff0;
    const DT_VERDEF: u64 = 0x6fff_fffc;
    const DT_VERDEFNUM: u64 = 0x6fff_fffd;
    let entries = [
        DT_SONAME,
        u64::from(soname),
        DT_HASH,
        parts.hash,
        DT_STRTAB,
        parts.strings,
        DT_SYMTAB,
        parts.symbols,
        DT_STRSZ,
        string_bytes,
        DT_SYMENT,
        SYM_BYTES,
        DT_VERSYM,
        parts.versions,
        DT_VERDEF,
        parts.definitions,
        DT_VERDEFNUM,
        2,
        DT_NULL,
        0,
    ];
    image.words64(parts.dynamic, &entries);
}

fn symbols(image: &mut Image, parts: &Parts, functions: &[Function], names: &[u32]) {
    const GLOBAL_FUNCTION: u8 = 1 << 4 | 2;
    /// A section other than "undefined": only that is looked at.
    const SECTION: u16 = 1;
    for (index, (function, name)) in (1..).zip(functions.iter().zip(names)) {
        let at = parts.symbols + index * SYM_BYTES;
        image.words32(at, &[*name]);
        image.put(at + 4, &[GLOBAL_FUNCTION, 0]);
        image.words16(at + 6, &[SECTION]);
        image.words64(at + 8, &[TEXT_AT + function.at, function.len]);
        image.words16(parts.versions + 2 * index, &[VERSION_INDEX]);
    }
}

/// The System V hash of a name.
pub(super) fn sysv_hash(name: &str) -> u32 {
    name.bytes().fold(0, |hash: u32, byte| {
        let hash = (hash << 4).wrapping_add(u32::from(byte));
        let high = hash & 0xf000_0000;
        (hash ^ high >> 24) & !high
    })
}

/// One bucket with a chain through all symbols.
fn hash_table(image: &mut Image, parts: &Parts, functions: &[Function]) {
    let nr_symbols = functions.len() as u32 + 1;
    let mut words = vec![1, nr_symbols, 1, 0];
    words.extend((1..nr_symbols).map(|index| (index + 1) % nr_symbols));
    image.words32(parts.hash, &words);
}

/// Two version definitions: the object's own, and that of the functions.
fn definitions(image: &mut Image, parts: &Parts, soname: u32, version: u32) {
    const BASE: u16 = 1;
    const VERDEF_BYTES: u32 = 20;
    const VERDAUX_BYTES: u32 = 8;
    let rows = [
        (BASE, 1, soname, SONAME, VERDEF_BYTES + VERDAUX_BYTES),
        (0, VERSION_INDEX, version, VERSION, 0),
    ];
    let step = (VERDEF_BYTES + VERDAUX_BYTES) as usize;
    for (at, (flags, index, name_at, name, next)) in (parts.definitions..).step_by(step).zip(rows) {
        image.words16(at, &[1, flags, index, 1]);
        image.words32(at + 8, &[sysv_hash(name), VERDEF_BYTES, next, name_at, 0]);
    }
}
