//! The registers of a local APIC as MSRs, 0x800 to 0x8ff: reserved bits and registers
//! that do not exist are refused. Source: SDM vol. 3A 11.12.1.2 and table 11-6.

use super::message::{Destination, Message, Whom};
use super::registers::{Effect, lvt_writable, number};
use super::{Delivery, LocalApic, Mode, Trigger};
use crate::bus::MsrRefused;

/// The first of the registers.
pub(in crate::board) const FIRST_MSR: u32 = 0x800;
/// The last of the registers.
pub(in crate::board) const LAST_MSR: u32 = 0x8ff;

/// All APICs, as a physical or logical destination.
const BROADCAST: u32 = u32::MAX;
/// Vector, delivery and destination modes, level, trigger, shorthand; destination.
const ICR_BITS: u64 = 0xffff_ffff_000c_cfff;
/// The delivery status of a local vector table entry can be read only, which is not the
/// same as reserved; so can remote IRR.
const DELIVERY_STATUS: u32 = 1 << 12;
const REMOTE_IRR: u32 = 1 << 14;

impl LocalApic {
    /// RDMSR of one of the registers.
    pub(in crate::board) fn read_x2apic(&mut self, msr: u32, now: u64) -> Result<u64, MsrRefused> {
        if self.base().mode() != Mode::X2Apic {
            return Err(MsrRefused);
        }
        match msr.wrapping_sub(FIRST_MSR) {
            number::ID => Ok(u64::from(self.initial_id())),
            number::LDR => Ok(u64::from(self.x2apic_logical())),
            number::ICR => Ok(self.icr),
            register => self.read_common(register, now).map(u64::from).ok_or(MsrRefused),
        }
    }

    /// WRMSR of one of the registers.
    pub(in crate::board) fn write_x2apic(
        &mut self,
        msr: u32,
        value: u64,
        now: u64,
    ) -> Result<Effect, MsrRefused> {
        if self.base().mode() != Mode::X2Apic {
            return Err(MsrRefused);
        }
        let register = msr.wrapping_sub(FIRST_MSR);
        if value & !writable(register)? != 0 {
            return Err(MsrRefused);
        }
        match register {
            number::ICR => {
                let destination = (value >> 32) as u32;
                Ok(match self.send(value, destination, BROADCAST) {
                    Effect::Send(message, whom) if destination == BROADCAST => {
                        let everyone = whom == Whom::Addressed;
                        let to = if everyone { Destination::All } else { message.destination };
                        Effect::Send(Message { destination: to, ..message }, whom)
                    }
                    effect => effect,
                })
            }
            number::SELF_IPI => Ok(self.send_to_self(value as u8)),
            _ => self.write_common(register, value as u32, now).ok_or(MsrRefused),
        }
    }

    fn send_to_self(&mut self, vector: u8) -> Effect {
        if vector < super::FIRST_VECTOR {
            self.raise_error(super::ApicError::SendIllegalVector);
            return Effect::Nothing;
        }
        let message = Message {
            vector,
            delivery: Delivery::Fixed,
            destination: Destination::All,
            trigger: Trigger::Edge,
        };
        Effect::Send(message, Whom::Sender)
    }
}

/// The bits of a register that are not reserved in writes.
fn writable(register: u32) -> Result<u64, MsrRefused> {
    Ok(u64::from(match register {
        number::TPR | number::SELF_IPI => 0xff,
        number::EOI | number::ESR => 0,
        number::SVR => 0x3ff,
        number::ICR => return Ok(ICR_BITS),
        number::LVT_LINT0 | number::LVT_LINT1 => {
            lvt_writable(register) | DELIVERY_STATUS | REMOTE_IRR
        }
        number::LVT_TIMER..=number::LVT_ERROR => lvt_writable(register) | DELIVERY_STATUS,
        number::INITIAL_COUNT => u32::MAX,
        number::DIVIDE => 0xb,
        _ => return Err(MsrRefused),
    }))
}
