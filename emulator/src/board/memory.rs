//! Which physical address belongs to which device.

use super::test_device::{MEMORY, MEMORY_SIZE};
use super::{Board, Direction, Unmodelled, apic, ioapic};
use crate::bus::BusCycle;
use crate::mem::{PAGE_OFFSET_MASK, PAGE_SIZE};

/// Distance of registers in the pages of the APICs.
const REGISTER_SPACING: u64 = 16;

/// A place that answers, and the offset in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Device {
    LocalApic(u64),
    IoApic(u64),
    Test(u64),
    /// The usual page of the local APIC while that is elsewhere, or nowhere.
    NoApic,
}

impl Board {
    /// A load.
    pub(super) fn load(&mut self, from: BusCycle, address: u64, out: &mut [u8]) {
        out.fill(0xff);
        match self.device_at(from.cpu, address) {
            Some(Device::LocalApic(offset)) => {
                let number = (offset / REGISTER_SPACING) as u32;
                if let Some(apic) = self.interrupts.apic_mut(from.cpu) {
                    show(apic.read_page(number, from.cycles), offset, out);
                }
            }
            Some(Device::IoApic(offset)) => {
                let register = offset & !(REGISTER_SPACING - 1);
                show(self.interrupts.ioapic.read(register), offset, out);
            }
            Some(Device::Test(offset)) => self.test_device.read_memory(offset, out),
            Some(Device::NoApic) => {}
            None => self.note_memory(address, Direction::Read),
        }
    }

    /// A store.
    pub(super) fn store(&mut self, from: BusCycle, address: u64, data: &[u8]) {
        match self.device_at(from.cpu, address) {
            Some(Device::LocalApic(offset)) => self.store_to_apic(from, offset, data),
            Some(Device::IoApic(offset)) => {
                self.run_pit(from.cycles);
                let request = self.interrupts.ioapic.write(offset, word_of(data));
                self.interrupts.serve_ioapic(request, &mut self.notes);
            }
            Some(Device::Test(offset)) => self.test_device.write_memory(offset, data),
            Some(Device::NoApic) => {}
            None => self.note_memory(address, Direction::Write),
        }
    }

    /// Registers are written as a whole.
    fn store_to_apic(&mut self, from: BusCycle, offset: u64, data: &[u8]) {
        if !offset.is_multiple_of(REGISTER_SPACING) || data.len() < 4 {
            self.notes.feature("local APIC: write to a part of a register");
            return;
        }
        let number = (offset / REGISTER_SPACING) as u32;
        let Some(apic) = self.interrupts.apic_mut(from.cpu) else { return };
        let effect = apic.write_page(number, word_of(data), from.cycles);
        self.interrupts.serve_apic(from.cpu, effect, &mut self.notes);
    }

    fn device_at(&self, cpu: usize, address: u64) -> Option<Device> {
        let page = address & !PAGE_OFFSET_MASK;
        let offset = address & PAGE_OFFSET_MASK;
        if self.interrupts.xapic_page(cpu) == Some(page) {
            return Some(Device::LocalApic(offset));
        }
        match page {
            ioapic::BASE => Some(Device::IoApic(offset)),
            apic::DEFAULT_BASE => Some(Device::NoApic),
            _ if (MEMORY..MEMORY + MEMORY_SIZE).contains(&address) => {
                Some(Device::Test(address - MEMORY))
            }
            _ => None,
        }
    }

    fn note_memory(&mut self, address: u64, direction: Direction) {
        let page = address & !(PAGE_SIZE - 1);
        self.notes.add(Unmodelled::Memory { page, direction });
    }
}

/// The bytes at an offset of a register of 4 bytes with zeroes behind it.
fn show(value: u32, offset: u64, out: &mut [u8]) {
    let bytes = value.to_le_bytes();
    let within = (offset % REGISTER_SPACING) as usize;
    for (place, at) in out.iter_mut().zip(within..) {
        *place = bytes.get(at).copied().unwrap_or(0);
    }
}

/// The first 4 bytes; zeroes where there are less.
fn word_of(data: &[u8]) -> u32 {
    let mut bytes = [0; 4];
    for (place, byte) in bytes.iter_mut().zip(data) {
        *place = *byte;
    }
    u32::from_le_bytes(bytes)
}
