//! Images assembled byte by byte for the tests of their loader.

use super::elf::ElfClass;

/// A program header to be.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) kind: u32,
    pub(super) linear: u64,
    pub(super) physical: u64,
    pub(super) data: Vec<u8>,
    pub(super) memory_bytes: u64,
}

impl Part {
    /// A LOAD segment at its own address.
    pub(super) fn load(address: u64, data: &[u8], memory_bytes: u64) -> Self {
        Self { kind: 1, linear: address, physical: address, data: data.to_vec(), memory_bytes }
    }

    /// A NOTE segment with one note.
    pub(super) fn note(owner: &[u8], kind: u32, value: &[u8]) -> Self {
        let mut data = Vec::new();
        for word in [owner.len() as u32, value.len() as u32, kind] {
            data.extend(word.to_le_bytes());
        }
        data.extend(owner);
        data.resize(data.len().next_multiple_of(4), 0);
        data.extend(value);
        Self { kind: 4, linear: 0, physical: 0, memory_bytes: data.len() as u64, data }
    }
}

/// An executable with these parts, whose data follow the headers in order.
pub(super) fn elf(class: ElfClass, entry: u64, parts: &[Part]) -> Vec<u8> {
    let (header, each, machine) = match class {
        ElfClass::Elf32 => (52, 32, 3u16),
        ElfClass::Elf64 => (64, 56, 62),
    };
    let word = |out: &mut Vec<u8>, value: u64| match class {
        ElfClass::Elf32 => out.extend((value as u32).to_le_bytes()),
        ElfClass::Elf64 => out.extend(value.to_le_bytes()),
    };
    let mut out = vec![0x7f, b'E', b'L', b'F', class_byte(class), 1, 1];
    out.resize(16, 0);
    [2, machine, 1, 0].into_iter().for_each(|half| out.extend(half.to_le_bytes()));
    [entry, header, 0].into_iter().for_each(|value| word(&mut out, value));
    out.extend([0; 4]);
    let counts = [header as u16, each as u16, parts.len() as u16, 0, 0, 0];
    counts.into_iter().for_each(|half| out.extend(half.to_le_bytes()));
    let mut offset = header + each * parts.len() as u64;
    for part in parts {
        out.extend(part.kind.to_le_bytes());
        if class == ElfClass::Elf64 {
            out.extend([0; 4]);
        }
        let len = part.data.len() as u64;
        for value in [offset, part.linear, part.physical, len, part.memory_bytes] {
            word(&mut out, value);
        }
        if class == ElfClass::Elf32 {
            out.extend([0; 4]);
        }
        word(&mut out, 4);
        offset += len;
    }
    parts.iter().for_each(|part| out.extend(&part.data));
    out
}

fn class_byte(class: ElfClass) -> u8 {
    match class {
        ElfClass::Elf32 => 1,
        ElfClass::Elf64 => 2,
    }
}

/// A multiboot header without addresses.
pub(super) fn multiboot_header(flags: u32) -> Vec<u8> {
    let checksum = 0u32.wrapping_sub(0x1bad_b002).wrapping_sub(flags);
    [0x1bad_b002, flags, checksum].map(u32::to_le_bytes).concat()
}

/// A multiboot image of two segments: header and `code` at 1 MiB, zeros at 2 MiB. It is
/// entered behind the header.
pub(super) fn multiboot_elf(class: ElfClass, flags: u32, code: &[u8]) -> Vec<u8> {
    let text = [multiboot_header(flags), code.to_vec()].concat();
    let len = text.len() as u64;
    let parts = [Part::load(0x10_0000, &text, len), Part::load(0x20_0000, &[7], 0x3000)];
    elf(class, 0x10_000c, &parts)
}
