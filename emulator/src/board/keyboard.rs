//! The keyboard controller at ports 0x60 and 0x64, without keyboard or mouse, and port
//! 0x92. Of the controller, its answers to commands and the reset line are modelled;
//! data for the absent devices vanish. Sources: Intel 8042; IBM PS/2 technical reference.

use super::unmodelled::Notes;

/// Data port.
pub(super) const DATA_PORT: u16 = 0x60;
/// Command and status port.
pub(super) const COMMAND_PORT: u16 = 0x64;
/// System control port A.
pub(super) const SYSTEM_PORT: u16 = 0x92;

mod status {
    pub(super) const OUTPUT_FULL: u8 = 1 << 0;
}

mod command {
    pub(super) const READ_CONFIGURATION: u8 = 0x20;
    pub(super) const WRITE_CONFIGURATION: u8 = 0x60;
    pub(super) const DISABLE_SECOND: u8 = 0xa7;
    pub(super) const ENABLE_SECOND: u8 = 0xa8;
    pub(super) const TEST_SECOND: u8 = 0xa9;
    pub(super) const TEST_CONTROLLER: u8 = 0xaa;
    pub(super) const TEST_FIRST: u8 = 0xab;
    pub(super) const DISABLE_FIRST: u8 = 0xad;
    pub(super) const ENABLE_FIRST: u8 = 0xae;
    pub(super) const READ_OUTPUT: u8 = 0xd0;
    pub(super) const WRITE_OUTPUT: u8 = 0xd1;
    pub(super) const WRITE_SECOND: u8 = 0xd4;
    pub(super) const PULSE: u8 = 0xf0;
}

/// Line 0 of the output port, low when pulsed, resets the machine.
const RESET_LINE: u8 = 1 << 0;
/// Line 1 of the output port, and bit 1 of port 0x92.
const A20: u8 = 1 << 1;
/// Bit 0 of port 0x92.
const FAST_RESET: u8 = 1 << 0;
const TEST_PASSED: u8 = 0x55;
/// Translation, system flag; both interrupts off.
const CONFIGURATION: u8 = 0x44;
const A20_OFF: &str = "A20 gate: off";

/// What the next byte at the data port belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Parameter {
    #[default]
    Device,
    Configuration,
    Output,
}

/// The controller.
#[derive(Debug)]
pub(super) struct Keyboard {
    configuration: u8,
    answer: Option<u8>,
    last: u8,
    parameter: Parameter,
    system: u8,
}

impl Default for Keyboard {
    fn default() -> Self {
        Self {
            configuration: CONFIGURATION,
            answer: None,
            last: 0,
            parameter: Parameter::Device,
            system: A20,
        }
    }
}

impl Keyboard {
    /// Port 0x64.
    pub(super) fn read_status(&self) -> u8 {
        if self.answer.is_some() { status::OUTPUT_FULL } else { 0 }
    }

    /// Port 0x60.
    pub(super) fn read_data(&mut self) -> u8 {
        self.last = self.answer.take().unwrap_or(self.last);
        self.last
    }

    /// Port 0x64: whether the machine resets.
    pub(super) fn command(&mut self, value: u8, notes: &mut Notes) -> bool {
        self.parameter = Parameter::Device;
        match value {
            command::READ_CONFIGURATION => self.answer = Some(self.configuration),
            command::WRITE_CONFIGURATION => self.parameter = Parameter::Configuration,
            command::TEST_CONTROLLER => self.answer = Some(TEST_PASSED),
            command::TEST_FIRST | command::TEST_SECOND => self.answer = Some(0),
            command::READ_OUTPUT => self.answer = Some(RESET_LINE | A20),
            command::WRITE_OUTPUT => self.parameter = Parameter::Output,
            command::DISABLE_FIRST
            | command::ENABLE_FIRST
            | command::DISABLE_SECOND
            | command::ENABLE_SECOND
            | command::WRITE_SECOND => {}
            command::PULSE.. => return value & RESET_LINE == 0,
            _ => notes.feature("keyboard controller: other commands"),
        }
        false
    }

    /// Port 0x60: whether the machine resets.
    pub(super) fn write_data(&mut self, value: u8, notes: &mut Notes) -> bool {
        match std::mem::take(&mut self.parameter) {
            Parameter::Configuration => self.configuration = value,
            Parameter::Output => {
                if value & A20 == 0 {
                    notes.feature(A20_OFF);
                }
                return value & RESET_LINE == 0;
            }
            Parameter::Device => notes.feature("keyboard and mouse"),
        }
        false
    }

    /// Port 0x92.
    pub(super) fn read_system(&self) -> u8 {
        self.system
    }

    /// Port 0x92: whether the machine resets.
    pub(super) fn write_system(&mut self, value: u8, notes: &mut Notes) -> bool {
        if value & A20 == 0 {
            notes.feature(A20_OFF);
        }
        self.system = value & !FAST_RESET;
        value & FAST_RESET != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_answered_once() {
        let (mut keyboard, mut notes) = (Keyboard::default(), Notes::default());
        assert_eq!(keyboard.read_status(), 0);
        keyboard.command(0xaa, &mut notes);
        assert_eq!((keyboard.read_status(), keyboard.read_data()), (1, 0x55));
        assert_eq!(keyboard.read_status(), 0);
        keyboard.command(0x60, &mut notes);
        keyboard.write_data(0x47, &mut notes);
        keyboard.command(0x20, &mut notes);
        assert_eq!(keyboard.read_data(), 0x47);
        assert!(notes.take().is_empty());
    }

    #[test]
    fn resets() {
        let (mut keyboard, mut notes) = (Keyboard::default(), Notes::default());
        assert!(keyboard.command(0xfe, &mut notes) && !keyboard.command(0xff, &mut notes));
        keyboard.command(0xd1, &mut notes);
        assert!(!keyboard.write_data(0xdf, &mut notes));
        keyboard.command(0xd1, &mut notes);
        assert!(keyboard.write_data(0xde, &mut notes));
        assert!(keyboard.write_system(0x03, &mut notes));
        assert!(!keyboard.write_system(0x02, &mut notes));
        assert_eq!(keyboard.read_system(), 2);
    }

    #[test]
    fn the_absent_keyboard_and_a20_are_named() {
        let (mut keyboard, mut notes) = (Keyboard::default(), Notes::default());
        keyboard.write_data(0xff, &mut notes);
        keyboard.write_system(0, &mut notes);
        assert_eq!(notes.take().len(), 2);
    }
}
