//! One 8259A.

use super::Port;
use crate::board::unmodelled::Notes;

/// Input whose vector a request that vanished gets.
const SPURIOUS: u8 = 7;

mod icw1 {
    pub(super) const ICW4_NEEDED: u8 = 1 << 0;
    pub(super) const SINGLE: u8 = 1 << 1;
    pub(super) const LEVEL: u8 = 1 << 3;
    pub(super) const IS_ICW1: u8 = 1 << 4;
}

mod icw4 {
    pub(super) const MODE_8086: u8 = 1 << 0;
    pub(super) const AUTO_EOI: u8 = 1 << 1;
    pub(super) const SPECIAL_NESTED: u8 = 1 << 4;
}

mod ocw3 {
    pub(super) const IS_OCW3: u8 = 1 << 3;
}

/// What the next write to the data port is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expects {
    Icw2,
    Icw3,
    Icw4,
    Mask,
}

/// What the next read of the command port gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shows {
    Requests,
    InService,
}

/// The answer to an acknowledge cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Acknowledged {
    pub(super) level: u8,
    pub(super) vector: u8,
    /// Nothing asked any more: there is nothing in service.
    pub(super) spurious: bool,
}

/// The registers of a chip.
#[derive(Debug)]
pub(super) struct Chip {
    base: u8,
    requests: u8,
    in_service: u8,
    mask: u8,
    lines: u8,
    /// Level-triggered inputs.
    levels: u8,
    all_levels: bool,
    expects: Expects,
    icw1: u8,
    icw4: u8,
    shows: Shows,
    polled: bool,
    special_mask: bool,
    rotates_on_auto_eoi: bool,
    /// The input of lowest priority.
    lowest: u8,
}

impl Chip {
    /// A chip that is set up with all inputs masked.
    pub(super) fn new(base: u8) -> Self {
        Self {
            base,
            requests: 0,
            in_service: 0,
            mask: 0xff,
            lines: 0,
            levels: 0,
            all_levels: false,
            expects: Expects::Mask,
            icw1: 0,
            icw4: icw4::MODE_8086,
            shows: Shows::Requests,
            polled: false,
            special_mask: false,
            rotates_on_auto_eoi: false,
            lowest: 7,
        }
    }

    pub(super) fn read(&mut self, port: Port) -> u8 {
        if std::mem::take(&mut self.polled) {
            let answer = self.acknowledge();
            return if answer.spurious { 0 } else { 0x80 | answer.level };
        }
        match (port, self.shows) {
            (Port::Data, _) => self.mask,
            (Port::Command, Shows::Requests) => self.requests,
            (Port::Command, Shows::InService) => self.in_service,
        }
    }

    pub(super) fn write(&mut self, port: Port, value: u8, notes: &mut Notes) {
        match port {
            Port::Data => self.write_data(value, notes),
            Port::Command if value & icw1::IS_ICW1 != 0 => self.start(value),
            Port::Command if value & ocw3::IS_OCW3 != 0 => self.write_ocw3(value),
            Port::Command => self.write_ocw2(value),
        }
    }

    pub(super) fn level_inputs(&self) -> u8 {
        self.levels
    }

    pub(super) fn set_level_inputs(&mut self, levels: u8) {
        self.levels = levels;
        self.requests |= self.lines & levels;
    }

    pub(super) fn is_unmasked(&self, input: u8) -> bool {
        self.mask & bit(input) == 0
    }

    /// An edge-triggered request lasts while its line stays up.
    pub(super) fn set_line(&mut self, input: u8, up: bool) {
        let line = bit(input);
        if !up {
            self.lines &= !line;
            self.requests &= !line;
            return;
        }
        if self.lines & line == 0 || self.triggers_by_level(line) {
            self.requests |= line;
        }
        self.lines |= line;
    }

    /// The input that drives the output, if one does.
    pub(super) fn request(&self) -> Option<u8> {
        let candidate = self.first_of(self.requests & !self.mask)?;
        let mut blocking = self.in_service;
        if self.special_mask {
            blocking &= !self.mask;
        }
        if self.icw4 & icw4::SPECIAL_NESTED != 0 {
            blocking &= !bit(candidate);
        }
        match self.first_of(blocking) {
            Some(served) if self.rank(served) <= self.rank(candidate) => None,
            _ => Some(candidate),
        }
    }

    /// An acknowledge cycle.
    pub(super) fn acknowledge(&mut self) -> Acknowledged {
        let Some(level) = self.request() else {
            return Acknowledged { level: SPURIOUS, vector: self.base | SPURIOUS, spurious: true };
        };
        let line = bit(level);
        if !self.triggers_by_level(line) {
            self.requests &= !line;
        }
        if self.icw4 & icw4::AUTO_EOI == 0 {
            self.in_service |= line;
        } else if self.rotates_on_auto_eoi {
            self.lowest = level;
        }
        Acknowledged { level, vector: self.base | level, spurious: false }
    }

    /// ICW1. Requests by edges are forgotten: a line must fall and rise again.
    fn start(&mut self, value: u8) {
        self.icw1 = value;
        self.icw4 = 0;
        self.all_levels = value & icw1::LEVEL != 0;
        self.mask = 0;
        self.in_service = 0;
        self.requests = self.lines & self.level_mask();
        self.lowest = 7;
        self.shows = Shows::Requests;
        self.polled = false;
        self.special_mask = false;
        self.rotates_on_auto_eoi = false;
        self.expects = Expects::Icw2;
    }

    fn write_data(&mut self, value: u8, notes: &mut Notes) {
        let needs_icw4 = self.icw1 & icw1::ICW4_NEEDED != 0;
        let last = if needs_icw4 { Expects::Icw4 } else { Expects::Mask };
        match self.expects {
            Expects::Mask => self.mask = value,
            Expects::Icw2 => {
                self.base = value & 0xf8;
                let single = self.icw1 & icw1::SINGLE != 0;
                self.expects = if single { last } else { Expects::Icw3 };
            }
            // How the chips are connected is not for software to say.
            Expects::Icw3 => self.expects = last,
            Expects::Icw4 => {
                if value & icw4::MODE_8086 == 0 {
                    notes.feature("8259A: MCS-80/85 mode");
                }
                self.icw4 = value;
                self.expects = Expects::Mask;
            }
        }
    }

    fn write_ocw2(&mut self, value: u8) {
        let named = value & 7;
        match value >> 5 {
            0b000 => self.rotates_on_auto_eoi = false,
            0b100 => self.rotates_on_auto_eoi = true,
            0b001 => drop(self.end_highest()),
            0b101 => self.lowest = self.end_highest().unwrap_or(self.lowest),
            0b011 => self.in_service &= !bit(named),
            0b111 => {
                self.in_service &= !bit(named);
                self.lowest = named;
            }
            0b110 => self.lowest = named,
            // 0b010: no operation.
            _ => {}
        }
    }

    fn write_ocw3(&mut self, value: u8) {
        if value & 0x40 != 0 {
            self.special_mask = value & 0x20 != 0;
        }
        self.polled = value & 4 != 0;
        match value & 3 {
            2 => self.shows = Shows::Requests,
            3 => self.shows = Shows::InService,
            _ => {}
        }
    }

    /// The end of the interrupt of highest priority that is in service.
    fn end_highest(&mut self) -> Option<u8> {
        let hidden = if self.special_mask { self.mask } else { 0 };
        let level = self.first_of(self.in_service & !hidden)?;
        self.in_service &= !bit(level);
        Some(level)
    }

    fn level_mask(&self) -> u8 {
        if self.all_levels { 0xff } else { self.levels }
    }

    fn triggers_by_level(&self, line: u8) -> bool {
        self.level_mask() & line != 0
    }

    /// 0 for the highest priority, 7 for the lowest.
    fn rank(&self, input: u8) -> u8 {
        input.wrapping_sub(self.lowest).wrapping_sub(1) & 7
    }

    fn first_of(&self, inputs: u8) -> Option<u8> {
        (0..8).filter(|input| inputs & bit(*input) != 0).min_by_key(|input| self.rank(*input))
    }
}

/// The bit of an input, 0 to 7.
fn bit(input: u8) -> u8 {
    1 << (input & 7)
}
