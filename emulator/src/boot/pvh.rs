//! The PVH entry: a note says where, a structure says with what.
//! Source: Xen public headers, elfnote.h and arch-x86/hvm/start_info.h; QEMU starts
//! uncompressed Linux kernels in this way.

use super::elf::NoteSegment;
use super::error::ImageError;
use super::info::{Contents, MemoryRange, Strings};
use super::reader::Reader;

/// XEN_ELFNOTE_PHYS32_ENTRY.
const PHYS32_ENTRY: u32 = 18;
/// The owner of the note, with its terminating zero.
const OWNER: &[u8] = b"Xen\0";
/// XEN_HVM_START_MAGIC_VALUE.
pub(super) const START_MAGIC: u32 = 0x336e_c578;
/// The version with a memory map.
const START_VERSION: u32 = 1;
/// Bytes of struct hvm_start_info.
const START_INFO_BYTES: u64 = 56;
/// Bytes of struct hvm_modlist_entry.
const MODULE_BYTES: u64 = 32;
/// Bytes of struct hvm_memmap_table_entry.
const RANGE_BYTES: u64 = 24;

const NOTE: &str = "a note";

/// The physical address in the entry note, if there is one.
pub(super) fn entry_note(bytes: &[u8], notes: &[NoteSegment]) -> Result<Option<u64>, ImageError> {
    for segment in notes {
        if let Some(entry) = entry_in(Reader(bytes), segment)? {
            return Ok(Some(entry));
        }
    }
    Ok(None)
}

fn entry_in(file: Reader<'_>, segment: &NoteSegment) -> Result<Option<u64>, ImageError> {
    let aligned = |at: u64| segment.start + (at - segment.start).next_multiple_of(segment.align);
    let mut at = segment.start;
    // Less than a note's header is padding.
    while segment.end - at >= 12 {
        let name_bytes = file.u32(NOTE, at)?;
        let value_bytes = file.u32(NOTE, at + 4)?;
        let kind = file.u32(NOTE, at + 8)?;
        let value_at = aligned(at + 12 + u64::from(name_bytes));
        let value_end = value_at + u64::from(value_bytes);
        if value_end > segment.end {
            return Err(ImageError::NoteLength { at, end: segment.end });
        }
        let name = file.slice(NOTE, at + 12, u64::from(name_bytes))?;
        if kind == PHYS32_ENTRY && name == OWNER {
            return match value_bytes {
                4 => file.u32(NOTE, value_at).map(|entry| Some(u64::from(entry))),
                8 => file.u64(NOTE, value_at).map(Some),
                bytes => Err(ImageError::PvhNote { at, bytes }),
            };
        }
        at = aligned(value_end).min(segment.end);
    }
    Ok(None)
}

/// Length of the structure with its tables and strings.
pub(super) fn info_bytes(contents: &Contents<'_>) -> u64 {
    tables_bytes(contents) + contents.strings_bytes()
}

fn tables_bytes(contents: &Contents<'_>) -> u64 {
    START_INFO_BYTES
        + MODULE_BYTES * contents.modules.len() as u64
        + RANGE_BYTES * contents.memory.len() as u64
}

/// struct hvm_start_info for the physical address `base`.
pub(super) fn start_info(base: u64, contents: &Contents<'_>) -> Vec<u8> {
    let modules_at = base + START_INFO_BYTES;
    let memory_at = modules_at + MODULE_BYTES * contents.modules.len() as u64;
    let mut strings = Strings::at(base + tables_bytes(contents));
    let command_line = strings.add(contents.command_line);
    let mut out = Vec::new();
    for word in [START_MAGIC, START_VERSION, 0, contents.modules.len() as u32] {
        out.extend(word.to_le_bytes());
    }
    // No RSDP: it is found where a PC's firmware puts it.
    for word in [modules_at, command_line, 0, memory_at] {
        out.extend(word.to_le_bytes());
    }
    out.extend((contents.memory.len() as u64).to_le_bytes());
    for module in &contents.modules {
        let name = strings.add(module.name);
        for word in [module.start, module.end - module.start, name, 0] {
            out.extend(word.to_le_bytes());
        }
    }
    for MemoryRange { start, end, kind } in contents.memory {
        for word in [*start, end - start, *kind as u64] {
            out.extend(word.to_le_bytes());
        }
    }
    out.extend(strings.bytes);
    out
}
