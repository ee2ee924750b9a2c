//! What an image is told: command line, modules, memory. Here is what is told, and the
//! multiboot information structure; [`super::pvh`] has the other form.
//! Source: Multiboot Specification 0.6.96, section 3.3.

/// Length of the structure up to its last fields (framebuffer), all zero but the first.
const INFO_BYTES: u64 = 116;
/// Length of an entry of the module table.
const MODULE_BYTES: u64 = 16;
/// Length of an entry of the memory map; its first field does not count itself.
const RANGE_BYTES: u64 = 24;
/// Bits of `flags`: which fields are valid.
const FLAGS: u32 = HAS_MEMORY | HAS_COMMAND_LINE | HAS_MODULES | HAS_MEMORY_MAP | HAS_LOADER_NAME;
const HAS_MEMORY: u32 = 1 << 0;
const HAS_COMMAND_LINE: u32 = 1 << 2;
const HAS_MODULES: u32 = 1 << 3;
const HAS_MEMORY_MAP: u32 = 1 << 6;
const HAS_LOADER_NAME: u32 = 1 << 9;
/// boot_loader_name.
const LOADER_NAME: &[u8] = b"dr7";
/// Where memory above the first megabyte begins.
const HIGH_MEMORY: u64 = 1 << 20;

/// What a range of memory is, with the number that multiboot, E820 and PVH share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryKind {
    /// For the image to use.
    Available = 1,
    /// Not for use as long as what is there is needed.
    Reserved = 2,
}

/// A range of the memory map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryRange {
    /// Its first physical address.
    pub start: u64,
    /// The address after its last one.
    pub end: u64,
    /// What it is.
    pub kind: MemoryKind,
}

/// A module that has its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PlacedModule<'a> {
    pub(super) name: &'a [u8],
    pub(super) start: u64,
    pub(super) end: u64,
}

/// All that an image is told.
#[derive(Clone, Debug)]
pub(super) struct Contents<'a> {
    pub(super) command_line: &'a [u8],
    pub(super) modules: Vec<PlacedModule<'a>>,
    pub(super) memory: &'a [MemoryRange],
}

impl Contents<'_> {
    /// Length of command line and module names, each with its zero.
    pub(super) fn strings_bytes(&self) -> u64 {
        let names = self.modules.iter().map(|module| module.name.len() as u64 + 1);
        self.command_line.len() as u64 + 1 + names.sum::<u64>()
    }
}

/// Strings behind the tables, with their addresses.
pub(super) struct Strings {
    pub(super) bytes: Vec<u8>,
    base: u64,
}

impl Strings {
    pub(super) fn at(base: u64) -> Self {
        Self { bytes: Vec::new(), base }
    }

    /// Appends a string with its zero; gives its address.
    pub(super) fn add(&mut self, text: &[u8]) -> u64 {
        let at = self.base + self.bytes.len() as u64;
        self.bytes.extend(text);
        self.bytes.push(0);
        at
    }
}

fn tables_bytes(contents: &Contents<'_>) -> u64 {
    INFO_BYTES
        + MODULE_BYTES * contents.modules.len() as u64
        + RANGE_BYTES * contents.memory.len() as u64
}

/// Length of the multiboot structure with its tables and strings.
pub(super) fn info_bytes(contents: &Contents<'_>) -> u64 {
    tables_bytes(contents) + contents.strings_bytes() + LOADER_NAME.len() as u64 + 1
}

/// The multiboot structure for the physical address `base`. RAM ends below 4 GiB, so all
/// addresses fit into 32 bits.
pub(super) fn multiboot_info(base: u64, contents: &Contents<'_>) -> Vec<u8> {
    let modules_at = base + INFO_BYTES;
    let memory_at = modules_at + MODULE_BYTES * contents.modules.len() as u64;
    let memory_bytes = RANGE_BYTES * contents.memory.len() as u64;
    let mut strings = Strings::at(base + tables_bytes(contents));
    let command_line = strings.add(contents.command_line);
    let loader_name = strings.add(LOADER_NAME);
    let mut words = [0; INFO_BYTES as usize / 4];
    words[0] = u64::from(FLAGS);
    words[1] = available_from(contents.memory, 0) >> 10;
    words[2] = available_from(contents.memory, HIGH_MEMORY) >> 10;
    words[4] = command_line;
    words[5] = contents.modules.len() as u64;
    words[6] = modules_at;
    words[11] = memory_bytes;
    words[12] = memory_at;
    words[16] = loader_name;
    let mut out = Vec::new();
    let push = |out: &mut Vec<u8>, word: u64| out.extend((word as u32).to_le_bytes());
    words.into_iter().for_each(|word| push(&mut out, word));
    for module in &contents.modules {
        let name = strings.add(module.name);
        [module.start, module.end, name, 0].into_iter().for_each(|word| push(&mut out, word));
    }
    for MemoryRange { start, end, kind } in contents.memory {
        push(&mut out, RANGE_BYTES - 4);
        out.extend(start.to_le_bytes());
        out.extend((end - start).to_le_bytes());
        push(&mut out, *kind as u64);
    }
    out.extend(strings.bytes);
    out
}

/// How much memory is available from `start` on without a gap.
fn available_from(memory: &[MemoryRange], start: u64) -> u64 {
    let first = |range: &&MemoryRange| range.start == start && range.kind == MemoryKind::Available;
    memory.iter().find(first).map_or(0, |range| range.end - range.start)
}
