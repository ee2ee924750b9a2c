//! IA32_APIC_BASE: where the registers are, and by which interface.
//! Source: SDM vol. 3A 11.4.3, 11.4.4 and 11.12.1 (the state machine of x2APIC mode).

use super::LocalApic;
use crate::bus::MsrRefused;

/// Its number.
pub(in crate::board) const MSR: u32 = 0x1b;
/// Where the page is after reset.
pub(in crate::board) const DEFAULT_BASE: u64 = 0xfee0_0000;

const BSP: u64 = 1 << 8;
const EXTD: u64 = 1 << 10;
const EN: u64 = 1 << 11;
/// Pages below the 46 bits of a physical address.
const ADDRESS: u64 = 0x0000_3fff_ffff_f000;

/// The interface in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::board) enum Mode {
    Disabled,
    XApic,
    X2Apic,
}

/// The register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::board) struct Base(u64);

impl Base {
    pub(super) fn new(is_first: bool) -> Self {
        Self(DEFAULT_BASE | EN | if is_first { BSP } else { 0 })
    }

    pub(in crate::board) fn bits(self) -> u64 {
        self.0
    }

    /// The physical address of the page.
    pub(in crate::board) fn address(self) -> u64 {
        self.0 & ADDRESS
    }

    pub(in crate::board) fn mode(self) -> Mode {
        match (self.0 & EN != 0, self.0 & EXTD != 0) {
            (false, _) => Mode::Disabled,
            (true, false) => Mode::XApic,
            (true, true) => Mode::X2Apic,
        }
    }
}

impl LocalApic {
    /// Writes IA32_APIC_BASE.
    pub(in crate::board) fn write_base(&mut self, value: u64) -> Result<(), MsrRefused> {
        let next = Base(value);
        let reserved = value & !(ADDRESS | BSP | EXTD | EN) != 0;
        let impossible = value & (EN | EXTD) == EXTD;
        if reserved || impossible {
            return Err(MsrRefused);
        }
        match (self.base.mode(), next.mode()) {
            (Mode::Disabled, Mode::X2Apic) | (Mode::X2Apic, Mode::XApic) => return Err(MsrRefused),
            // The state after the APIC was disabled is that of power-up.
            (_, Mode::Disabled) => *self = Self::new(self.initial_id),
            // The upper half of ICR, the destination, is not kept.
            (Mode::XApic, Mode::X2Apic) => {
                self.icr &= u64::from(u32::MAX);
                self.id = self.initial_id as u8;
            }
            (Mode::Disabled | Mode::XApic, Mode::XApic) | (Mode::X2Apic, Mode::X2Apic) => {}
        }
        self.base = next;
        Ok(())
    }
}
