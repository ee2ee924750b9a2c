//! The registers of a local APIC, as memory shows them: one each 16 bytes.
//! Source: SDM vol. 3A, table 11-1.

use super::message::{self, Delivery, Message, Whom};
use super::timer::TimerMode;
use super::{ApicError, FIRST_VECTOR, LocalApic, lvt, svr};

/// Version 0x14, and the number of the last entry of the local vector table.
const VERSION: u32 = 0x0005_0014;
/// All xAPICs, as a physical destination.
const BROADCAST: u32 = 0xff;

/// Numbers of registers: the offset in the page over 16.
pub(super) mod number {
    pub(in super::super) const ID: u32 = 0x02;
    pub(in super::super) const VERSION: u32 = 0x03;
    pub(in super::super) const TPR: u32 = 0x08;
    pub(in super::super) const APR: u32 = 0x09;
    pub(in super::super) const PPR: u32 = 0x0a;
    pub(in super::super) const EOI: u32 = 0x0b;
    pub(in super::super) const RRD: u32 = 0x0c;
    pub(in super::super) const LDR: u32 = 0x0d;
    pub(in super::super) const DFR: u32 = 0x0e;
    pub(in super::super) const SVR: u32 = 0x0f;
    pub(in super::super) const ISR: u32 = 0x10;
    pub(in super::super) const TMR: u32 = 0x18;
    pub(in super::super) const IRR: u32 = 0x20;
    pub(in super::super) const IRR_LAST: u32 = 0x27;
    pub(in super::super) const ESR: u32 = 0x28;
    pub(in super::super) const ICR: u32 = 0x30;
    pub(in super::super) const ICR_HIGH: u32 = 0x31;
    pub(in super::super) const LVT_TIMER: u32 = 0x32;
    pub(in super::super) const LVT_LINT0: u32 = 0x35;
    pub(in super::super) const LVT_LINT1: u32 = 0x36;
    pub(in super::super) const LVT_ERROR: u32 = 0x37;
    pub(in super::super) const INITIAL_COUNT: u32 = 0x38;
    pub(in super::super) const CURRENT_COUNT: u32 = 0x39;
    pub(in super::super) const DIVIDE: u32 = 0x3e;
    pub(in super::super) const SELF_IPI: u32 = 0x3f;
}

/// What a write asks the owner to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::board) enum Effect {
    /// Nothing.
    Nothing,
    /// To tell the I/O APIC that a level-triggered interrupt ended.
    Ended(u8),
    /// To deliver a message.
    Send(Message, Whom),
}

/// Bits of an entry of the local vector table that can be written.
pub(super) fn lvt_writable(number: u32) -> u32 {
    match number {
        number::LVT_TIMER => 0x0007_00ff,
        number::LVT_LINT0 | number::LVT_LINT1 => 0x0001_a7ff,
        number::LVT_ERROR => 0x0001_00ff,
        // Thermal sensor and performance counters.
        _ => 0x0001_07ff,
    }
}

impl LocalApic {
    /// Reads the page of an xAPIC.
    pub(in crate::board) fn read_page(&mut self, number: u32, now: u64) -> u32 {
        match number {
            number::ID => u32::from(self.id) << 24,
            number::LDR => u32::from(self.logical) << 24,
            number::DFR => u32::from(self.model) << 28 | 0x0fff_ffff,
            number::ICR_HIGH => (self.icr >> 32) as u32,
            number::APR | number::RRD | number::EOI => 0,
            _ => self.read_common(number, now).unwrap_or_else(|| {
                self.raise_error(ApicError::IllegalRegister);
                0
            }),
        }
    }

    /// Writes the page of an xAPIC.
    pub(in crate::board) fn write_page(&mut self, number: u32, value: u32, now: u64) -> Effect {
        match number {
            number::ID => self.id = (value >> 24) as u8,
            number::LDR => self.logical = (value >> 24) as u8,
            number::DFR => self.model = (value >> 28) as u8,
            number::ICR_HIGH => {
                self.icr = self.icr & u64::from(u32::MAX) | u64::from(value & 0xff00_0000) << 32;
            }
            number::ICR => {
                let high = self.icr & !u64::from(u32::MAX);
                return self.send(
                    high | u64::from(value & 0x000c_cfff),
                    (high >> 56) as u32,
                    BROADCAST,
                );
            }
            // These cannot be written.
            number::VERSION
            | number::APR
            | number::PPR
            | number::RRD
            | number::ISR..=number::IRR_LAST
            | number::CURRENT_COUNT => {}
            _ => {
                return self.write_common(number, value, now).unwrap_or_else(|| {
                    self.raise_error(ApicError::IllegalRegister);
                    Effect::Nothing
                });
            }
        }
        Effect::Nothing
    }

    /// Reads what both interfaces show alike.
    pub(super) fn read_common(&mut self, number: u32, now: u64) -> Option<u32> {
        self.advance(now);
        Some(match number {
            number::VERSION => VERSION,
            number::TPR => u32::from(self.tpr),
            number::PPR => u32::from(self.ppr()),
            number::SVR => self.svr,
            number::ISR..number::TMR => self.in_service.word((number - number::ISR) as usize),
            number::TMR..number::IRR => self.levels.word((number - number::TMR) as usize),
            number::IRR..=number::IRR_LAST => self.requests.word((number - number::IRR) as usize),
            number::ESR => self.esr,
            number::ICR => self.icr as u32,
            number::LVT_TIMER..=number::LVT_ERROR => {
                self.lvt[(number - number::LVT_TIMER) as usize]
            }
            number::INITIAL_COUNT => self.timer.initial(),
            number::CURRENT_COUNT => self.timer.current(now),
            number::DIVIDE => self.timer.divide(),
            _ => return None,
        })
    }

    /// Writes what both interfaces show alike.
    pub(super) fn write_common(&mut self, number: u32, value: u32, now: u64) -> Option<Effect> {
        self.advance(now);
        match number {
            number::TPR => self.tpr = value as u8,
            number::EOI => {
                return Some(self.end_of_interrupt().map_or(Effect::Nothing, Effect::Ended));
            }
            number::SVR => self.write_svr(value),
            // A write shows what was collected since the last.
            number::ESR => self.esr = std::mem::take(&mut self.errors),
            number::LVT_TIMER..=number::LVT_ERROR => self.write_lvt(number, value),
            number::INITIAL_COUNT => self.timer.start(value, now),
            number::DIVIDE => self.timer.set_divide(value & 0xb, now),
            _ => return None,
        }
        Some(Effect::Nothing)
    }

    /// Writes ICR and sends what it says.
    pub(super) fn send(&mut self, icr: u64, destination: u32, broadcast: u32) -> Effect {
        self.icr = icr;
        let Some((message, whom)) = message::of_icr(icr, destination, broadcast) else {
            return Effect::Nothing;
        };
        let has_vector = matches!(message.delivery, Delivery::Fixed | Delivery::LowestPriority);
        if has_vector && message.vector < FIRST_VECTOR {
            self.raise_error(ApicError::SendIllegalVector);
            return Effect::Nothing;
        }
        Effect::Send(message, whom)
    }

    /// IA32_TSC_DEADLINE.
    pub(in crate::board) fn read_deadline(&mut self, now: u64) -> u64 {
        self.advance(now);
        self.timer.deadline()
    }

    /// IA32_TSC_DEADLINE.
    pub(in crate::board) fn write_deadline(&mut self, tsc: u64, now: u64) {
        self.advance(now);
        self.timer.set_deadline(tsc);
        self.advance(now);
    }

    /// A software-disabled APIC masks all local sources.
    fn write_svr(&mut self, value: u32) {
        self.svr = value & 0x3ff;
        if self.svr & svr::ENABLED == 0 {
            for entry in &mut self.lvt {
                *entry |= lvt::MASKED;
            }
        }
    }

    fn write_lvt(&mut self, number: u32, value: u32) {
        let disabled = self.svr & svr::ENABLED == 0;
        let masked = if disabled { lvt::MASKED } else { 0 };
        let entry = value & lvt_writable(number) | masked;
        self.lvt[(number - number::LVT_TIMER) as usize] = entry;
        if number == number::LVT_TIMER {
            self.timer.set_mode(TimerMode::of_entry(entry));
        }
    }
}
