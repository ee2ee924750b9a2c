//! The two 8259A interrupt controllers: the first at ports 0x20 and 0x21, the second,
//! on input 2 of the first, at 0xa0 and 0xa1; the edge/level registers at 0x4d0, 0x4d1.
//!
//! [`Chip`] is one controller. Sources: Intel 8259A data sheet; 82371AB (PIIX4) 4.2.

mod chip;
#[cfg(test)]
mod tests;

use super::unmodelled::Notes;
use chip::Chip;

/// Input of the first chip to which the second is connected.
const CASCADE: u8 = 2;
/// Inputs that the edge/level registers can make level-triggered.
const ELCR_BITS: [u8; 2] = [0xf8, 0xde];
/// Vectors of input 0 as the firmware leaves them.
const FIRMWARE_BASES: [u8; 2] = [0x08, 0x70];

/// Which of the pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Half {
    First = 0,
    Second = 1,
}

/// The two registers that each chip shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Port {
    Command,
    Data,
}

/// Both chips.
#[derive(Debug)]
pub(super) struct Pics {
    chips: [Chip; 2],
}

impl Default for Pics {
    fn default() -> Self {
        Self { chips: FIRMWARE_BASES.map(Chip::new) }
    }
}

impl Pics {
    /// Reads a register.
    pub(super) fn read(&mut self, half: Half, port: Port) -> u8 {
        let value = self.chips[half as usize].read(port);
        self.cascade();
        value
    }

    /// Writes a register.
    pub(super) fn write(&mut self, half: Half, port: Port, value: u8, notes: &mut Notes) {
        self.chips[half as usize].write(port, value, notes);
        self.cascade();
    }

    /// The edge/level register of a chip.
    pub(super) fn elcr(&self, half: Half) -> u8 {
        self.chips[half as usize].level_inputs()
    }

    /// Sets which inputs of a chip are level-triggered.
    pub(super) fn set_elcr(&mut self, half: Half, value: u8) {
        self.chips[half as usize].set_level_inputs(value & ELCR_BITS[half as usize]);
        self.cascade();
    }

    /// Sets an interrupt line, 0 to 15; 2 is no line.
    pub(super) fn set_line(&mut self, irq: u8, up: bool) {
        match irq {
            CASCADE => return,
            0..8 => self.chips[0].set_line(irq, up),
            8..16 => self.chips[1].set_line(irq - 8, up),
            _ => return,
        }
        self.cascade();
    }

    /// Whether a line could get through to the output.
    pub(super) fn is_unmasked(&self, irq: u8) -> bool {
        self.chips[usize::from(irq / 8) & 1].is_unmasked(irq % 8)
    }

    /// The interrupt output.
    pub(super) fn output(&self) -> bool {
        self.chips[0].request().is_some()
    }

    /// The acknowledge cycles of a processor: the vector.
    pub(super) fn acknowledge(&mut self) -> u8 {
        let first = self.chips[0].acknowledge();
        let vector = if first.level == CASCADE && !first.spurious {
            self.chips[1].acknowledge().vector
        } else {
            first.vector
        };
        self.cascade();
        vector
    }

    /// Carries the output of the second chip to the first.
    fn cascade(&mut self) {
        let up = self.chips[1].request().is_some();
        self.chips[0].set_line(CASCADE, up);
    }
}
