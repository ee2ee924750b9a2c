//! The real-time clock and its memory (CMOS) at ports 0x70 and 0x71.
//!
//! The time is the configured date plus the cycles that passed. No update is ever seen
//! in progress, and the clock's interrupts are not modelled. The memory tells what
//! firmware writes there: sizes of RAM and the number of processors. Sources: Motorola
//! MC146818 data sheet; the CMOS layout of QEMU's "pc" machine.

mod date;

use super::BoardConfig;
use super::clock::CYCLES_PER_SECOND;
use super::unmodelled::Notes;
use date::Date;

/// Port of the index.
pub(super) const INDEX_PORT: u16 = 0x70;
const SIZE: usize = 128;
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

mod register {
    pub(super) const SECONDS: usize = 0x00;
    pub(super) const MINUTES: usize = 0x02;
    pub(super) const HOURS: usize = 0x04;
    pub(super) const WEEKDAY: usize = 0x06;
    pub(super) const DAY: usize = 0x07;
    pub(super) const MONTH: usize = 0x08;
    pub(super) const YEAR: usize = 0x09;
    pub(super) const A: usize = 0x0a;
    pub(super) const B: usize = 0x0b;
    pub(super) const C: usize = 0x0c;
    pub(super) const D: usize = 0x0d;
    pub(super) const EQUIPMENT: usize = 0x14;
    pub(super) const BASE_MEMORY: usize = 0x15;
    pub(super) const EXTENDED_MEMORY: [usize; 2] = [0x17, 0x30];
    pub(super) const CENTURY: usize = 0x32;
    pub(super) const MEMORY_ABOVE_16_MIB: usize = 0x34;
    pub(super) const LAST_CPU: usize = 0x5f;
}

/// Bits of register B.
mod b {
    pub(super) const HOURS_24: u8 = 1 << 1;
    pub(super) const BINARY: u8 = 1 << 2;
    pub(super) const INTERRUPTS: u8 = 0x70;
    pub(super) const SET: u8 = 1 << 7;
}

const PM: u8 = 1 << 7;
/// The time base of 32.768 kHz, at the default rate.
const A_RESET: u8 = 0x26;
/// Update in progress: it can only be read.
const A_UPDATING: u8 = 1 << 7;
/// The memory did not lose its contents.
const D_VALID: u8 = 0x80;

/// The clock and its memory.
#[derive(Debug)]
pub(super) struct Rtc {
    index: u8,
    memory: [u8; SIZE],
    /// Seconds since 1970 at cycle 0.
    origin: i64,
    /// The time while it is being set.
    held: Option<Date>,
}

impl Rtc {
    pub(super) fn new(config: &BoardConfig) -> Self {
        let mut memory = [0; SIZE];
        memory[register::A] = A_RESET;
        memory[register::B] = b::HOURS_24;
        // A coprocessor and a pointing device, no diskette.
        memory[register::EQUIPMENT] = 0x06;
        let mut put = |at: usize, size: u64| {
            let size = u16::try_from(size).unwrap_or(u16::MAX).to_le_bytes();
            memory[at..at + 2].copy_from_slice(&size);
        };
        let ram = config.ram_bytes;
        put(register::BASE_MEMORY, (ram / KIB).min(640));
        for at in register::EXTENDED_MEMORY {
            put(at, ram.saturating_sub(MIB) / KIB);
        }
        put(register::MEMORY_ABOVE_16_MIB, ram.saturating_sub(16 * MIB) / (64 * KIB));
        memory[register::LAST_CPU] = u8::try_from(config.nr_cpus.saturating_sub(1)).unwrap_or(0xff);
        let origin = i64::try_from(config.date).unwrap_or(0);
        Self { index: 0, memory, origin, held: None }
    }

    /// Port 0x70: the index. Bit 7 masks NMIs, of which the board has no source.
    pub(super) fn select(&mut self, value: u8) {
        self.index = value & 0x7f;
    }

    /// Port 0x71.
    pub(super) fn read(&mut self, cycles: u64) -> u8 {
        let date = self.date(cycles);
        match usize::from(self.index) {
            register::SECONDS => self.encode(date.second),
            register::MINUTES => self.encode(date.minute),
            register::HOURS => self.encode_hour(date.hour),
            register::WEEKDAY => self.encode(date.weekday()),
            register::DAY => self.encode(date.day),
            register::MONTH => self.encode(date.month),
            register::YEAR => self.encode(date.year.rem_euclid(100) as u8),
            register::CENTURY => self.encode(date.year.div_euclid(100).rem_euclid(100) as u8),
            register::C => 0,
            register::D => D_VALID,
            index => self.memory.get(index).copied().unwrap_or(0xff),
        }
    }

    /// Port 0x71.
    pub(super) fn write(&mut self, value: u8, cycles: u64, notes: &mut Notes) {
        let index = usize::from(self.index);
        match index {
            register::A => self.memory[register::A] = value & !A_UPDATING,
            register::B => self.write_b(value, cycles, notes),
            // C and D can only be read; the day of the week follows from the date.
            register::C | register::D | register::WEEKDAY => {}
            register::SECONDS
            | register::MINUTES
            | register::HOURS
            | register::DAY
            | register::MONTH
            | register::YEAR
            | register::CENTURY => {
                let mut date = self.date(cycles);
                self.set_field(&mut date, index, value);
                match &mut self.held {
                    Some(held) => *held = date,
                    None => self.start_at(date, cycles),
                }
            }
            _ => {
                if let Some(byte) = self.memory.get_mut(index) {
                    *byte = value;
                }
            }
        }
    }

    /// Bit 7 stops the clock while it is being set.
    fn write_b(&mut self, value: u8, cycles: u64, notes: &mut Notes) {
        if value & b::INTERRUPTS != 0 {
            notes.feature("real-time clock: interrupts");
        }
        let date = self.date(cycles);
        self.memory[register::B] = value;
        if value & b::SET != 0 {
            self.held = Some(date);
        } else if let Some(date) = self.held.take() {
            self.start_at(date, cycles);
        }
    }

    fn date(&self, cycles: u64) -> Date {
        self.held.unwrap_or_else(|| {
            Date::of_seconds(self.origin.saturating_add((cycles / CYCLES_PER_SECOND) as i64))
        })
    }

    fn start_at(&mut self, date: Date, cycles: u64) {
        self.origin = date.seconds().saturating_sub((cycles / CYCLES_PER_SECOND) as i64);
    }

    fn set_field(&self, date: &mut Date, index: usize, value: u8) {
        let number = self.decode(value);
        match index {
            register::SECONDS => date.second = number,
            register::MINUTES => date.minute = number,
            register::HOURS => date.hour = self.decode_hour(value),
            register::DAY => date.day = number,
            register::MONTH => date.month = number,
            register::YEAR => date.year = date.year.div_euclid(100) * 100 + i64::from(number),
            _ => date.year = i64::from(number) * 100 + date.year.rem_euclid(100),
        }
    }

    fn is_set(&self, bit: u8) -> bool {
        self.memory[register::B] & bit != 0
    }

    fn encode(&self, number: u8) -> u8 {
        if self.is_set(b::BINARY) { number } else { number / 10 % 10 * 16 + number % 10 }
    }

    fn decode(&self, value: u8) -> u8 {
        if self.is_set(b::BINARY) { value } else { value / 16 * 10 + value % 16 }
    }

    fn encode_hour(&self, hour: u8) -> u8 {
        if self.is_set(b::HOURS_24) {
            return self.encode(hour);
        }
        let afternoon = if hour >= 12 { PM } else { 0 };
        self.encode((hour + 11) % 12 + 1) | afternoon
    }

    fn decode_hour(&self, value: u8) -> u8 {
        if self.is_set(b::HOURS_24) {
            return self.decode(value);
        }
        let hour = self.decode(value & !PM) % 12;
        if value & PM != 0 { hour + 12 } else { hour }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const YEAR_2020: u64 = 1_577_836_800;

    fn rtc() -> Rtc {
        Rtc::new(&BoardConfig { nr_cpus: 4, ram_bytes: 128 << 20, date: YEAR_2020 })
    }

    fn read(rtc: &mut Rtc, index: usize, cycles: u64) -> u8 {
        rtc.select(0x80 | index as u8);
        rtc.read(cycles)
    }

    fn write(rtc: &mut Rtc, index: usize, value: u8) {
        rtc.select(index as u8);
        rtc.write(value, 0, &mut Notes::default());
    }

    #[test]
    fn time_passes() {
        let mut rtc = rtc();
        let date = [0x32, 9, 8, 7, 6, 4, 2, 0].map(|index| read(&mut rtc, index, 0));
        assert_eq!(date, [0x20, 0x20, 1, 1, 4, 0, 0, 0], "a Wednesday");
        let later = (31 * 86_400 + 13 * 3600 + 59) * CYCLES_PER_SECOND;
        let date = [8, 7, 4, 2, 0].map(|index| read(&mut rtc, index, later));
        assert_eq!(date, [2, 1, 0x13, 0, 0x59]);
    }

    #[test]
    fn twelve_hours_and_binary() {
        let mut rtc = rtc();
        write(&mut rtc, register::B, b::BINARY);
        assert_eq!(read(&mut rtc, register::HOURS, 0), 12);
        let hours = |n: u64| n * 3600 * CYCLES_PER_SECOND;
        assert_eq!(read(&mut rtc, register::HOURS, hours(15)), 0x83);
        assert_eq!(read(&mut rtc, register::HOURS, hours(12)), 0x8c);
        write(&mut rtc, register::HOURS, 0x8b);
        write(&mut rtc, register::B, b::HOURS_24);
        assert_eq!(read(&mut rtc, register::HOURS, 0), 0x23);
    }

    #[test]
    fn the_time_can_be_set() {
        let mut rtc = rtc();
        write(&mut rtc, register::B, b::SET | b::HOURS_24);
        for (index, value) in [(7, 0x29), (8, 0x02), (9, 0x24), (0x32, 0x20), (4, 0x12)] {
            write(&mut rtc, index, value);
        }
        assert_eq!(read(&mut rtc, register::DAY, 1 << 50), 0x29);
        write(&mut rtc, register::B, b::HOURS_24);
        let next_day = 86_400 * CYCLES_PER_SECOND;
        let date = [9, 8, 7, 4].map(|index| read(&mut rtc, index, next_day));
        assert_eq!(date, [0x24, 3, 1, 0x12]);
    }

    #[test]
    fn status_and_memory() {
        let mut rtc = rtc();
        write(&mut rtc, register::A, 0xff);
        assert_eq!(read(&mut rtc, register::A, 0), 0x7f);
        assert_eq!((read(&mut rtc, register::C, 0), read(&mut rtc, register::D, 0)), (0, 0x80));
        write(&mut rtc, 0x0f, 0x0a);
        assert_eq!(read(&mut rtc, 0x0f, 0), 0x0a);
        let word = |rtc: &mut Rtc, at| u16::from_le_bytes([read(rtc, at, 0), read(rtc, at + 1, 0)]);
        assert_eq!((word(&mut rtc, 0x15), word(&mut rtc, 0x30)), (640, 0xffff));
        assert_eq!((word(&mut rtc, 0x34), read(&mut rtc, 0x5f, 0)), (112 * 16, 3));
        let mut notes = Notes::default();
        rtc.select(register::B as u8);
        rtc.write(0x42, 0, &mut notes);
        assert_eq!(notes.take().len(), 1);
    }
}
