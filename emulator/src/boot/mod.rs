//! Starting images on a bare machine: what a boot loader does, without one.
//!
//! [`BootImage::parse`] reads a file's headers, [`start`] puts the image and what it is
//! told into RAM and the first processor to its entry. Nothing here opens files.
//!
//! # Which protocol
//!
//! 1. **Multiboot 1**, where a multiboot header is in the first 8 KiB: ELF-32 for the
//!    80386, ELF-64 for x86-64, or any file whose header has addresses (flag bit 16, which
//!    goes before ELF's own). LOAD segments go to their physical addresses. A linear entry
//!    point is translated to a physical one.
//! 2. **PVH**, where an ELF file has the note `Xen` 18 (XEN_ELFNOTE_PHYS32_ENTRY).
//! 3. **64-bit mode**, for all other ELF-64 files.
//!
//! # The state at the entry
//!
//! | | multiboot | PVH | 64-bit |
//! |---|---|---|---|
//! | mode | 32-bit, no paging | 32-bit, no paging | 64-bit |
//! | CR0 | PE ET | PE ET | PE ET NE WP PG |
//! | CR4 | 0 | 0 | PAE OSFXSR OSXMMEXCPT |
//! | EFER | 0 | 0 | LME LMA NXE |
//! | CS, others | 0x08, 0x10 | 0x08, 0x10 | 0x18, 0x10 |
//! | registers | EAX = 0x2BADB002, EBX = information | EBX = hvm_start_info | RDI = information, RSI = 0x2BADB002 |
//! | stack | ESP = its end | ESP = its end | RSP = its end - 8, a return address of 0 there |
//!
//! All other registers are zero, RFLAGS is 2. IDTR is that of real mode, where no vector
//! leads anywhere: an exception before the image has an IDT of its own is a triple fault.
//! The task register has a 32-bit TSS at
//! address 0, as PVH wants it. The information is the multiboot information structure with
//! the fields memory, command line, modules, memory map and boot loader name (`dr7`), in
//! 64-bit mode too. The command line is `NAME ARGUMENTS`; PVH images get the arguments
//! alone. The page tables for 64-bit mode map the first 4 GiB onto themselves and segments
//! that are linked at other addresses to where they are loaded.
//!
//! # Where things are
//!
//! The image is at its own addresses. Information and then modules follow at page
//! boundaries above it. GDT, stack and page tables are at the end of RAM; the memory map
//! says that they are reserved, and an image that has its own of each may use their room.
//!
//! Sources: Multiboot Specification 0.6.96; Xen, docs/misc/pvh.pandoc; System V gABI.

mod elf;
mod entry;
mod error;
mod image;
mod info;
mod multiboot;
mod pvh;
mod ram;
mod reader;
mod tables;

#[cfg(test)]
mod image_tests;
#[cfg(test)]
mod start_tests;
#[cfg(test)]
mod test_images;

pub use entry::{CODE32, CODE64, DATA, TASK};
pub use error::{FlagBits, ImageError, PlaceError, Placed};
pub use image::{BootImage, ImageNote, LoadSegment, Protocol, SegmentName};
pub use info::{MemoryKind, MemoryRange};

use crate::machine::Machine;
use crate::mem::PAGE_SIZE;
use crate::mem::phys::PhysMem;
use entry::Addresses;
use info::{Contents, PlacedModule};
use ram::Ram;
use tables::PageTables;

/// In EAX at the entry of a multiboot image, in RSI at that of a 64-bit one.
pub const BOOT_MAGIC: u32 = 0x2bad_b002;

/// Length of the stack to start with.
pub const STACK_BYTES: u64 = 16 << 10;

/// What an image is told besides the memory of the machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BootInputs {
    /// The image's name: the first word of a multiboot command line.
    pub image_name: Vec<u8>,
    /// The rest of the command line.
    pub arguments: Vec<u8>,
    /// Files that are loaded beside the image.
    pub modules: Vec<BootModule>,
}

/// A file that is loaded beside the image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BootModule {
    /// Its string: by custom a file name and arguments.
    pub name: Vec<u8>,
    /// Its bytes.
    pub data: Vec<u8>,
}

/// Where things were put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Physical address of the information structure.
    pub info: u64,
    /// Physical address of each module.
    pub modules: Vec<u64>,
    /// The memory map that the image is told.
    pub memory_map: Vec<MemoryRange>,
}

/// Puts an image into the RAM of a machine after reset, and its first processor to the
/// image's entry. The others are left alone. RAM must end below 4 GiB.
///
/// # Errors
/// If the image or its modules do not fit; nothing has changed then.
pub fn start(
    machine: &mut Machine,
    image: &BootImage<'_>,
    inputs: &BootInputs,
) -> Result<Layout, PlaceError> {
    let plan = Plan::new(machine.mem.size(), image, inputs)?;
    plan.write(&mut machine.mem, image);
    let (cpu, at) = (machine.cpu_mut(0), &plan.addresses);
    match image.protocol {
        Protocol::Multiboot => entry::enter_32(cpu, at, BOOT_MAGIC),
        Protocol::Pvh => entry::enter_32(cpu, at, 0),
        Protocol::Long => entry::enter_64(cpu, at, plan.tables_at),
    }
    Ok(plan.layout)
}

/// What goes where, besides the image's segments.
struct Plan {
    addresses: Addresses,
    tables_at: u64,
    /// Physical addresses with their bytes.
    pieces: Vec<(u64, Vec<u8>)>,
    layout: Layout,
}

impl Plan {
    fn new(ram_bytes: u64, image: &BootImage<'_>, inputs: &BootInputs) -> Result<Self, PlaceError> {
        let segments = &image.segments;
        let mut ram = Ram::with_image(ram_bytes, segments)?;
        let tables = match image.protocol {
            Protocol::Long => Some(PageTables::for_image(segments)?),
            Protocol::Multiboot | Protocol::Pvh => None,
        };
        if tables.is_some() {
            for (start, end) in tables::moved_ranges(segments) {
                ram.avoid(start, end);
            }
        }
        let state_bytes = PAGE_SIZE + STACK_BYTES + tables.as_ref().map_or(0, PageTables::bytes);
        let gdt = ram.take_highest(state_bytes).ok_or(no_room(Placed::StartState, state_bytes))?;
        let stack_end = gdt + PAGE_SIZE + STACK_BYTES;
        let memory_map = ram.memory_map(gdt, state_bytes);
        let mut pieces = vec![(gdt, entry::GDT.map(u64::to_le_bytes).concat())];
        pieces.extend(tables.map(|tables| (stack_end, tables.at(stack_end))));

        let (info, modules) = place_told(&mut ram, image, inputs, &memory_map, &mut pieces)?;
        Ok(Self {
            addresses: Addresses { entry: image.entry, info, gdt, stack_end },
            tables_at: stack_end,
            pieces,
            layout: Layout { info, modules, memory_map },
        })
    }

    fn write(&self, mem: &mut PhysMem, image: &BootImage<'_>) {
        for segment in &image.segments {
            mem.write(segment.physical, segment.data);
            let bss = segment.physical + segment.data.len() as u64;
            clear(mem, bss, segment.physical_end());
        }
        // A return address of 0.
        mem.write_u64(self.addresses.stack_end - 8, 0);
        for (at, bytes) in &self.pieces {
            mem.write(*at, bytes);
        }
    }
}

fn no_room(what: Placed, bytes: u64) -> PlaceError {
    PlaceError::NoRoom { what, bytes }
}

/// Places information and modules; gives their addresses.
fn place_told(
    ram: &mut Ram,
    image: &BootImage<'_>,
    inputs: &BootInputs,
    memory: &[MemoryRange],
    pieces: &mut Vec<(u64, Vec<u8>)>,
) -> Result<(u64, Vec<u64>), PlaceError> {
    let command_line = match image.protocol {
        Protocol::Pvh => inputs.arguments.clone(),
        _ if inputs.arguments.is_empty() => inputs.image_name.clone(),
        _ => [&*inputs.image_name, b" ", &inputs.arguments].concat(),
    };
    let names = inputs.modules.iter().map(|module| module.name.as_slice());
    let modules = names.map(|name| PlacedModule { name, start: 0, end: 0 }).collect();
    let mut contents = Contents { command_line: &command_line, modules, memory };
    let bytes = match image.protocol {
        Protocol::Pvh => pvh::info_bytes(&contents),
        Protocol::Multiboot | Protocol::Long => info::info_bytes(&contents),
    };
    let info = ram.take_above_image(bytes).ok_or(no_room(Placed::Information, bytes))?;
    for (index, module) in inputs.modules.iter().enumerate() {
        let bytes = module.data.len() as u64;
        let start = ram.take_above_image(bytes).ok_or(no_room(Placed::Module(index), bytes))?;
        contents.modules[index].start = start;
        contents.modules[index].end = start + bytes;
        pieces.push((start, module.data.clone()));
    }
    let told = match image.protocol {
        Protocol::Pvh => pvh::start_info(info, &contents),
        Protocol::Multiboot | Protocol::Long => info::multiboot_info(info, &contents),
    };
    pieces.push((info, told));
    Ok((info, contents.modules.iter().map(|module| module.start).collect()))
}

/// Makes `[start, end)` zero. New RAM is: only frames with something else are written.
fn clear(mem: &mut PhysMem, start: u64, end: u64) {
    let mut at = start;
    while at < end {
        let next = (at + 1).next_multiple_of(PAGE_SIZE).min(end);
        let is_zero = mem.slice(at, next - at).is_none_or(|bytes| bytes.iter().all(|b| *b == 0));
        if !is_zero && let Some(bytes) = mem.slice_mut(at, next - at) {
            bytes.fill(0);
        }
        at = next;
    }
}
