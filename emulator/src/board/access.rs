//! The door of the processors to the board.
//!
//! After each access that may do something, [`Board::settle`] sees whether the machine's
//! owner must look.

use super::Board;
use super::apic::{BASE_MSR, Effect, FIRST_X2APIC_MSR, LAST_X2APIC_MSR, Mode, TSC_DEADLINE_MSR};
use crate::bus::{Bus, BusCycle, MsrRefused};

impl Bus for Board {
    fn read_port(&mut self, from: BusCycle, port: u16, size: u8) -> u32 {
        let value = self.input(from, port, size) & bits_of(size);
        self.settle(from.cpu);
        value
    }

    fn write_port(&mut self, from: BusCycle, port: u16, size: u8, value: u32) {
        self.output(from, port, size, value & bits_of(size));
        self.settle(from.cpu);
    }

    fn read_memory(&mut self, from: BusCycle, address: u64, out: &mut [u8]) {
        self.load(from, address, out);
        self.settle(from.cpu);
    }

    fn write_memory(&mut self, from: BusCycle, address: u64, data: &[u8]) {
        self.store(from, address, data);
        self.settle(from.cpu);
    }

    fn read_msr(&mut self, from: BusCycle, index: u32) -> Option<Result<u64, MsrRefused>> {
        let apic = self.interrupts.apic_mut(from.cpu)?;
        let value = match index {
            BASE_MSR => Ok(apic.base().bits()),
            TSC_DEADLINE_MSR => Ok(apic.read_deadline(from.cycles)),
            FIRST_X2APIC_MSR..=LAST_X2APIC_MSR => apic.read_x2apic(index, from.cycles),
            _ => return None,
        };
        self.settle(from.cpu);
        Some(value)
    }

    fn write_msr(
        &mut self,
        from: BusCycle,
        index: u32,
        value: u64,
    ) -> Option<Result<(), MsrRefused>> {
        let apic = self.interrupts.apic_mut(from.cpu)?;
        let effect = match index {
            BASE_MSR => apic.write_base(value).map(|()| Effect::Nothing),
            TSC_DEADLINE_MSR => {
                apic.write_deadline(value, from.cycles);
                Ok(Effect::Nothing)
            }
            FIRST_X2APIC_MSR..=LAST_X2APIC_MSR => apic.write_x2apic(index, value, from.cycles),
            _ => return None,
        };
        if index == BASE_MSR {
            self.note_hidden_apic(from.cpu);
        }
        let done = effect.map(|effect| {
            self.interrupts.serve_apic(from.cpu, effect, &mut self.notes);
        });
        self.settle(from.cpu);
        Some(done)
    }

    fn task_priority(&self, cpu: usize) -> u8 {
        self.interrupts.apic(cpu).map_or(0, |apic| apic.tpr() >> 4)
    }

    fn set_task_priority(&mut self, from: BusCycle, class: u8) {
        if let Some(apic) = self.interrupts.apic_mut(from.cpu) {
            apic.set_tpr(class << 4);
        }
        self.settle(from.cpu);
    }

    fn has_local_apic(&self, cpu: usize) -> bool {
        let apic = self.interrupts.apic(cpu);
        apic.is_some_and(|apic| apic.base().mode() != Mode::Disabled)
    }

    fn has_interrupt(&self, cpu: usize) -> bool {
        self.interrupts.has_interrupt(cpu)
    }

    fn acknowledge(&mut self, from: BusCycle) -> Option<u8> {
        let vector = self.interrupts.acknowledge(from.cpu, &mut self.notes);
        self.settle(from.cpu);
        vector
    }

    fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }
}

/// The bits of an access to a port.
fn bits_of(size: u8) -> u32 {
    match size {
        1 => 0xff,
        2 => 0xffff,
        _ => u32::MAX,
    }
}
