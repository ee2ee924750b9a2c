//! QEMU's firmware configuration device at ports 0x510 (selector) and 0x511 (data).
//!
//! Items are read byte by byte; an item that does not exist reads as zeroes. The DMA
//! interface is not offered. Source: QEMU docs/specs/fw_cfg.

use std::collections::BTreeMap;

use super::BoardConfig;

/// Port of the selector; data are at the next.
pub(super) const SELECTOR_PORT: u16 = 0x510;

mod key {
    pub(super) const SIGNATURE: u16 = 0x00;
    pub(super) const ID: u16 = 0x01;
    pub(super) const RAM_SIZE: u16 = 0x03;
    pub(super) const NR_CPUS: u16 = 0x05;
    pub(super) const MAX_CPUS: u16 = 0x0f;
    pub(super) const DIRECTORY: u16 = 0x19;
    pub(super) const FIRST_FILE: u16 = 0x20;
    /// Bit 14 asks for writing, which is not offered.
    pub(super) const BITS: u16 = !0x4000;
}

/// The traditional interface alone.
const REVISION: u32 = 1;
/// Bytes of a file's name in the directory.
const NAME_SIZE: usize = 56;
const E820_RAM: u32 = 1;
const E820_RESERVED: u32 = 2;

/// Where conventional memory ends.
const CONVENTIONAL_END: u64 = 0xa0000;
/// The tables of the firmware lie in [`FIRMWARE`, `EXTENDED`).
const FIRMWARE: u64 = 0xe0000;
const EXTENDED: u64 = 0x10_0000;

/// The items, and where the reader is.
#[derive(Debug)]
pub(super) struct FwCfg {
    items: BTreeMap<u16, Vec<u8>>,
    files: Vec<(String, u16)>,
    selected: u16,
    offset: usize,
}

impl FwCfg {
    pub(super) fn new(config: &BoardConfig) -> Self {
        let nr_cpus = u16::try_from(config.nr_cpus.max(1)).unwrap_or(u16::MAX).to_le_bytes();
        let items = BTreeMap::from([
            (key::SIGNATURE, b"QEMU".to_vec()),
            (key::ID, REVISION.to_le_bytes().to_vec()),
            (key::RAM_SIZE, config.ram_bytes.to_le_bytes().to_vec()),
            (key::NR_CPUS, nr_cpus.to_vec()),
            (key::MAX_CPUS, nr_cpus.to_vec()),
        ]);
        let mut device = Self { items, files: Vec::new(), selected: 0, offset: 0 };
        device.add_file("etc/e820", e820(config.ram_bytes));
        device
    }

    /// Adds a file; one of the same name is replaced.
    pub(super) fn add_file(&mut self, name: &str, data: Vec<u8>) {
        let known = self.files.iter().find(|(known, _)| known == name).map(|(_, key)| *key);
        let next = key::FIRST_FILE.saturating_add(self.files.len() as u16) & key::BITS;
        let key = known.unwrap_or(next);
        if known.is_none() {
            self.files.push((name.to_owned(), key));
        }
        self.items.insert(key, data);
        self.items.insert(key::DIRECTORY, self.directory());
    }

    /// Port 0x510.
    pub(super) fn select(&mut self, key: u16) {
        self.selected = key & key::BITS;
        self.offset = 0;
    }

    /// Port 0x511.
    pub(super) fn read(&mut self) -> u8 {
        let item = self.items.get(&self.selected);
        let byte = item.and_then(|item| item.get(self.offset)).copied();
        self.offset = self.offset.saturating_add(1);
        byte.unwrap_or(0)
    }

    /// Number, then size, key and name of each file; numbers are big-endian.
    fn directory(&self) -> Vec<u8> {
        let mut bytes = (self.files.len() as u32).to_be_bytes().to_vec();
        for (name, key) in &self.files {
            let size = self.items.get(key).map_or(0, Vec::len) as u32;
            bytes.extend(size.to_be_bytes());
            bytes.extend(key.to_be_bytes());
            bytes.extend([0; 2]);
            let mut padded = [0; NAME_SIZE];
            // The last byte ends the name.
            for (place, byte) in padded[..NAME_SIZE - 1].iter_mut().zip(name.bytes()) {
                *place = byte;
            }
            bytes.extend(padded);
        }
        bytes
    }
}

/// The memory map: entries of start, length and type without padding.
fn e820(ram: u64) -> Vec<u8> {
    let entries = [
        (0, CONVENTIONAL_END, E820_RAM),
        (FIRMWARE, EXTENDED, E820_RESERVED),
        (EXTENDED, ram, E820_RAM),
    ];
    let mut bytes = Vec::new();
    for (start, end, kind) in entries {
        let end = if kind == E820_RAM { end.min(ram) } else { end };
        if start < end {
            bytes.extend(u64::to_le_bytes(start));
            bytes.extend(u64::to_le_bytes(end - start));
            bytes.extend(u32::to_le_bytes(kind));
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(device: &mut FwCfg, key: u16, len: usize) -> Vec<u8> {
        device.select(key);
        (0..len).map(|_| device.read()).collect()
    }

    fn device() -> FwCfg {
        FwCfg::new(&BoardConfig { nr_cpus: 3, ram_bytes: 64 << 20, date: 0 })
    }

    #[test]
    fn known_items() {
        let mut device = device();
        assert_eq!(item(&mut device, 0, 5), b"QEMU\0");
        assert_eq!(item(&mut device, 1, 4), [1, 0, 0, 0]);
        assert_eq!(item(&mut device, 5, 2), [3, 0]);
        assert_eq!(item(&mut device, 15, 2), [3, 0]);
        assert_eq!(item(&mut device, 3, 8), (64u64 << 20).to_le_bytes());
        assert_eq!(item(&mut device, 0x8003, 4), [0; 4]);
    }

    #[test]
    fn the_directory_leads_to_the_memory_map() {
        let mut device = device();
        let directory = item(&mut device, 0x19, 68);
        assert_eq!(directory[..12], [0, 0, 0, 1, 0, 0, 0, 60, 0, 0x20, 0, 0]);
        assert_eq!(&directory[12..21], b"etc/e820\0");
        let map = item(&mut device, 0x20, 60);
        assert_eq!(map[40..48], (1u64 << 20).to_le_bytes());
        assert_eq!(map[48..56], (63u64 << 20).to_le_bytes());
        assert_eq!(map[56..], [1, 0, 0, 0]);
    }

    #[test]
    fn files_can_be_added_and_replaced() {
        let mut device = device();
        device.add_file("opt/x", vec![7]);
        device.add_file("opt/x", vec![8, 9]);
        assert_eq!(item(&mut device, 0x21, 3), [8, 9, 0]);
        assert_eq!(item(&mut device, 0x19, 4), [0, 0, 0, 2]);
    }
}
