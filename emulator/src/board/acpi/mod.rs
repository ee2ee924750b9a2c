//! ACPI: the power management registers at ports 0x600 to 0x60b, and the tables.
//!
//! ACPI mode is always on, nothing raises the system control interrupt. Sources: ACPI
//! specification 6.5, 4.8 (registers) and 5.2 ([`tables`]).

mod tables;

pub use tables::RSDP_ADDRESS;
pub(super) use tables::install;

use super::clock::Frequency;
use super::unmodelled::Notes;

/// PM1a_EVT_BLK: status and enable, 2 bytes each.
const EVENT_PORT: u16 = 0x600;
/// PM1a_CNT_BLK, 2 bytes.
const CONTROL_PORT: u16 = 0x604;
/// PM_TMR_BLK, 4 bytes.
const TIMER_PORT: u16 = 0x608;
/// All of them.
pub(super) const PORTS: std::ops::RangeInclusive<u16> = EVENT_PORT..=0x60b;

const TIMER: Frequency = Frequency(3_579_545);
/// The timer has 24 bits.
const TIMER_BITS: u64 = 0xff_ffff;
/// SLP_TYPa of soft-off, as `\_S5` says.
const SOFT_OFF: u8 = 0;

/// The upper byte of the control register: SLP_TYP is bits 2 to 4.
mod control_high {
    pub(super) const TYPE_SHIFT: u8 = 2;
    pub(super) const SLP_EN: u8 = 1 << 5;
    pub(super) const KEPT: u8 = 0x1c;
}

/// SCI_EN: ACPI mode.
const SCI_EN: u8 = 1 << 0;
/// SCI_EN, BM_RLD.
const CONTROL_LOW_KEPT: u8 = 0x03;

/// The registers.
#[derive(Debug)]
pub(super) struct PowerManagement {
    enable: [u8; 2],
    control: [u8; 2],
}

impl Default for PowerManagement {
    fn default() -> Self {
        Self { enable: [0; 2], control: [SCI_EN, 0] }
    }
}

impl PowerManagement {
    /// Reads a byte of the registers. No event ever happened.
    pub(super) fn read(&self, port: u16, cycles: u64) -> u8 {
        let timer = ((TIMER.ticks_at(cycles) & TIMER_BITS) as u32).to_le_bytes();
        match port {
            0x602 | 0x603 => self.enable[usize::from(port & 1)],
            0x604 | 0x605 => self.control[usize::from(port & 1)],
            TIMER_PORT..=0x60b => timer[usize::from(port - TIMER_PORT)],
            _ => 0,
        }
    }

    /// Writes a byte of the registers: whether the power goes off.
    pub(super) fn write(&mut self, port: u16, value: u8, notes: &mut Notes) -> bool {
        match port {
            0x602 | 0x603 => {
                if value != 0 {
                    notes.feature("ACPI: fixed events");
                }
                self.enable[usize::from(port & 1)] = value;
            }
            CONTROL_PORT => self.control[0] = value & CONTROL_LOW_KEPT | SCI_EN,
            0x605 => {
                self.control[1] = value & control_high::KEPT;
                if value & control_high::SLP_EN != 0 {
                    let sleep_type = value >> control_high::TYPE_SHIFT & 7;
                    if sleep_type == SOFT_OFF {
                        return true;
                    }
                    notes.feature("ACPI: sleep states other than soft-off");
                }
            }
            // Status bits are cleared by ones and never set; the timer can only be read.
            _ => {}
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::clock::CYCLES_PER_SECOND;

    #[test]
    fn the_timer_counts_24_bits() {
        let pm = PowerManagement::default();
        let read = |cycles| {
            u32::from_le_bytes([0x608, 0x609, 0x60a, 0x60b].map(|port| pm.read(port, cycles)))
        };
        assert_eq!(read(CYCLES_PER_SECOND), 3_579_545);
        assert_eq!(read(10 * CYCLES_PER_SECOND), 35_795_450 & 0xff_ffff);
    }

    #[test]
    fn soft_off() {
        let (mut pm, mut notes) = (PowerManagement::default(), Notes::default());
        assert_eq!(pm.read(0x604, 0), 1);
        assert!(!pm.write(0x604, 0x00, &mut notes) && !pm.write(0x605, 0x04, &mut notes));
        assert_eq!((pm.read(0x604, 0), pm.read(0x605, 0)), (1, 4));
        assert!(!pm.write(0x605, 0x24, &mut notes));
        assert_eq!(notes.take().len(), 1);
        assert!(pm.write(0x605, 0x20, &mut notes));
    }
}
