//! Which port belongs to which device.
//!
//! Most devices of the ISA bus are a byte wide: a wider access to them is one to each
//! port in turn. Those that look at the width come first.

use super::pic::{Half, Port as PicPort};
use super::test_device::{EXIT_PORTS, FLUSH_PORTS, LINE_PORTS, SCRATCH_PORTS, SHUTDOWN_PORT};
use super::{
    Board, BoardEnding, Direction, Unmodelled, acpi, fw_cfg, keyboard, pci, pit, rtc, uart,
};
use crate::bus::BusCycle;

/// Port of diagnostic codes, and the port that some write to let time pass instead.
const DIAGNOSTIC_PORTS: [u16; 2] = [0x80, 0xed];
/// The edge/level registers of the 8259s.
const ELCR_PORT: u16 = 0x4d0;
/// Gate of the timer's counter 2, and the speaker.
const SPEAKER_PORT: u16 = 0x61;

/// A register that is a byte wide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Device {
    Pic(Half, PicPort),
    Elcr(Half),
    Pit(u16),
    Speaker,
    KeyboardData,
    KeyboardCommand,
    SystemControl,
    RtcIndex,
    RtcData,
    Uart(u16),
    FwCfg,
    PowerManagement,
    Scratch,
    Shutdown,
    /// Takes everything, gives ones.
    Silent,
}

impl Device {
    fn at(port: u16) -> Option<Self> {
        Some(match port {
            0x20 => Self::Pic(Half::First, PicPort::Command),
            0x21 => Self::Pic(Half::First, PicPort::Data),
            0xa0 => Self::Pic(Half::Second, PicPort::Command),
            0xa1 => Self::Pic(Half::Second, PicPort::Data),
            ELCR_PORT => Self::Elcr(Half::First),
            0x4d1 => Self::Elcr(Half::Second),
            pit::FIRST_PORT..=0x43 => Self::Pit(port - pit::FIRST_PORT),
            SPEAKER_PORT => Self::Speaker,
            keyboard::DATA_PORT => Self::KeyboardData,
            keyboard::COMMAND_PORT => Self::KeyboardCommand,
            keyboard::SYSTEM_PORT => Self::SystemControl,
            rtc::INDEX_PORT => Self::RtcIndex,
            0x71 => Self::RtcData,
            uart::FIRST_PORT..=0x3ff => Self::Uart(port - uart::FIRST_PORT),
            fw_cfg::SELECTOR_PORT | 0x511 => Self::FwCfg,
            SHUTDOWN_PORT => Self::Shutdown,
            _ if acpi::PORTS.contains(&port) => Self::PowerManagement,
            _ if SCRATCH_PORTS.contains(&port) => Self::Scratch,
            _ if FLUSH_PORTS.contains(&port) || DIAGNOSTIC_PORTS.contains(&port) => Self::Silent,
            _ => return None,
        })
    }
}

impl Board {
    /// IN.
    pub(super) fn input(&mut self, from: BusCycle, port: u16, size: u8) -> u32 {
        match port {
            pci::ADDRESS_PORT..=pci::LAST_PORT => self.pci.read(port, size),
            _ if EXIT_PORTS.contains(&port) => 0,
            _ if LINE_PORTS.contains(&port) => u32::MAX,
            _ => self.input_bytes(from, port, size),
        }
    }

    /// OUT.
    pub(super) fn output(&mut self, from: BusCycle, port: u16, size: u8, value: u32) {
        match port {
            pci::ADDRESS_PORT..=pci::LAST_PORT => {
                if self.pci.write(port, size, value) {
                    self.end(BoardEnding::Reset);
                }
            }
            fw_cfg::SELECTOR_PORT if size > 1 => self.fw_cfg.select(value as u16),
            _ if EXIT_PORTS.contains(&port) => self.end(BoardEnding::DebugExit(value)),
            _ if LINE_PORTS.contains(&port) => {
                let line = (port - LINE_PORTS.start()) as u8;
                self.interrupts.set_line(line, value != 0, &mut self.notes);
            }
            _ => self.output_bytes(from, port, size, value),
        }
    }

    fn input_bytes(&mut self, from: BusCycle, port: u16, size: u8) -> u32 {
        let mut bytes = [0xff; 4];
        let mut answered = true;
        for (byte, nth) in bytes.iter_mut().zip(0..u16::from(size)) {
            let at = port.wrapping_add(nth);
            match Device::at(at) {
                Some(device) => *byte = self.input_byte(from, device, at),
                None => answered = false,
            }
        }
        if !answered {
            self.notes.add(Unmodelled::Port { port, direction: Direction::Read, size });
        }
        u32::from_le_bytes(bytes)
    }

    fn output_bytes(&mut self, from: BusCycle, port: u16, size: u8, value: u32) {
        let mut answered = true;
        for (byte, nth) in value.to_le_bytes().into_iter().zip(0..u16::from(size)) {
            let at = port.wrapping_add(nth);
            match Device::at(at) {
                Some(device) => self.output_byte(from, device, at, byte),
                None => answered = false,
            }
        }
        if !answered {
            self.notes.add(Unmodelled::Port { port, direction: Direction::Write, size });
        }
    }

    fn input_byte(&mut self, from: BusCycle, device: Device, port: u16) -> u8 {
        let now = from.cycles;
        match device {
            Device::Pic(half, register) => {
                self.run_pit(now);
                let value = self.interrupts.pics.read(half, register);
                self.interrupts.pics_changed(&mut self.notes);
                value
            }
            Device::Elcr(half) => self.interrupts.pics.elcr(half),
            Device::Pit(register) => {
                self.run_pit(now);
                self.pit.read(register, now)
            }
            Device::Speaker => self.pit.read_speaker(now),
            Device::KeyboardData => self.keyboard.read_data(),
            Device::KeyboardCommand => self.keyboard.read_status(),
            Device::SystemControl => self.keyboard.read_system(),
            Device::RtcData => self.rtc.read(now),
            Device::Uart(register) => {
                let value = self.uart.read(register);
                self.connect_uart();
                value
            }
            Device::FwCfg => self.fw_cfg.read(),
            Device::PowerManagement => self.power.read(port, now),
            Device::Scratch => self.test_device.read_scratch(port),
            Device::RtcIndex | Device::Shutdown | Device::Silent => 0xff,
        }
    }

    fn output_byte(&mut self, from: BusCycle, device: Device, port: u16, value: u8) {
        let now = from.cycles;
        let notes = &mut self.notes;
        let mut ending = None;
        let mut end_if = |ends, how| ending = if ends { Some(how) } else { None };
        match device {
            Device::Pic(half, register) => {
                self.run_pit(now);
                self.interrupts.pics.write(half, register, value, &mut self.notes);
                self.interrupts.pics_changed(&mut self.notes);
            }
            Device::Elcr(half) => {
                self.interrupts.pics.set_elcr(half, value);
                self.interrupts.pics_changed(notes);
            }
            Device::Pit(register) => {
                self.run_pit(now);
                self.pit.write(register, value, now, &mut self.notes);
                self.run_pit(now);
            }
            Device::Speaker => self.pit.write_speaker(value, now),
            Device::KeyboardData => {
                end_if(self.keyboard.write_data(value, notes), BoardEnding::Reset);
            }
            Device::KeyboardCommand => {
                end_if(self.keyboard.command(value, notes), BoardEnding::Reset);
            }
            Device::SystemControl => {
                end_if(self.keyboard.write_system(value, notes), BoardEnding::Reset);
            }
            Device::RtcIndex => self.rtc.select(value),
            Device::RtcData => self.rtc.write(value, now, notes),
            Device::Uart(register) => {
                self.uart.write(register, value);
                self.connect_uart();
            }
            Device::PowerManagement => {
                end_if(self.power.write(port, value, notes), BoardEnding::PowerOff);
            }
            Device::Scratch => self.test_device.write_scratch(port, value),
            Device::Shutdown => end_if(self.test_device.shutdown(value), BoardEnding::PowerOff),
            // The selector of fw_cfg takes words, its data cannot be written.
            Device::FwCfg | Device::Silent => {}
        }
        if let Some(how) = ending {
            self.end(how);
        }
    }
}
