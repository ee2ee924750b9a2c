//! The 8254 timer at ports 0x40 to 0x43, and port 0x61, which gates its counter 2.
//!
//! Counter 0 is IRQ 0; counter 1 refreshes memory, of which only bit 4 of port 0x61 is
//! to be seen; counter 2 sounds. Source: Intel 8254 data sheet.

mod channel;
#[cfg(test)]
mod tests;

use super::clock::Frequency;
use super::unmodelled::Notes;
use channel::Channel;

/// The first of its four ports.
pub(super) const FIRST_PORT: u16 = 0x40;
/// The line of counter 0.
pub(super) const IRQ: u8 = 0;
/// Ticks a second.
const CLOCK: Frequency = Frequency(1_193_182);
/// Ticks after which the refresh bit toggles: 15 microseconds.
const REFRESH: u64 = 18;

/// What became of the output of counter 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Output {
    /// As it was.
    Same,
    /// It rose.
    Rose,
    /// It went low.
    Low,
}

/// The counters.
#[derive(Debug)]
pub(super) struct Pit {
    channels: [Channel; 3],
    /// Bits 0 and 1 of port 0x61.
    speaker: u8,
}

impl Default for Pit {
    /// Counter 0 at its slowest rate, as the firmware leaves it.
    fn default() -> Self {
        let mut notes = Notes::default();
        let mut pit = Self {
            channels: [Channel::new(true), Channel::new(true), Channel::new(false)],
            speaker: 0,
        };
        for (port, value) in [(3, 0x34), (0, 0), (0, 0), (3, 0x54), (1, REFRESH as u8)] {
            pit.write(port, value, 0, &mut notes);
        }
        pit
    }
}

impl Pit {
    /// Reads one of its four ports.
    pub(super) fn read(&mut self, port: u16, cycles: u64) -> u8 {
        let tick = CLOCK.ticks_at(cycles);
        match self.channels.get_mut(usize::from(port & 3)) {
            Some(channel) => channel.read(tick),
            None => 0xff,
        }
    }

    /// Writes one of its four ports.
    pub(super) fn write(&mut self, port: u16, value: u8, cycles: u64, notes: &mut Notes) {
        let tick = CLOCK.ticks_at(cycles);
        let index = usize::from(port & 3);
        if let Some(channel) = self.channels.get_mut(index) {
            channel.write(value, tick);
        } else if value >> 6 == 3 {
            self.read_back(value, tick);
        } else if let Some(channel) = self.channels.get_mut(usize::from(value >> 6)) {
            if value & 1 != 0 && value & 0x30 != 0 {
                notes.feature("8254: BCD counting");
            }
            channel.control(value, tick);
        }
    }

    /// Port 0x61.
    pub(super) fn read_speaker(&mut self, cycles: u64) -> u8 {
        let tick = CLOCK.ticks_at(cycles);
        let refresh = ((tick / REFRESH) & 1) as u8;
        let out = u8::from(self.channels[2].output(tick));
        self.speaker | refresh << 4 | out << 5
    }

    /// Port 0x61: bit 0 is the gate of counter 2.
    pub(super) fn write_speaker(&mut self, value: u8, cycles: u64) {
        self.speaker = value & 3;
        self.channels[2].set_gate(value & 1 != 0, CLOCK.ticks_at(cycles));
    }

    /// What became of the output of counter 0 by now.
    pub(super) fn take_output(&mut self, cycles: u64) -> Output {
        self.channels[0].take_change(CLOCK.ticks_at(cycles))
    }

    /// The cycle at which the output of counter 0 rises next.
    pub(super) fn next_rise(&self) -> Option<u64> {
        self.channels[0].next_rise().map(|tick| CLOCK.cycle_of(tick))
    }

    fn read_back(&mut self, value: u8, tick: u64) {
        let chosen = |index: usize| value & 2 << index != 0;
        for (index, channel) in self.channels.iter_mut().enumerate() {
            if !chosen(index) {
                continue;
            }
            if value & 0x20 == 0 {
                channel.latch_count(tick);
            }
            if value & 0x10 == 0 {
                channel.latch_status(tick);
            }
        }
    }
}
