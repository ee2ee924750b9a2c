//! One counter of the 8254.
//!
//! Nothing counts: counts and outputs are computed from the tick at which the counter
//! was started. Counting in BCD is done in binary.

use super::Output;

/// Counts in a full turn.
const TURN: u64 = 1 << 16;

/// What makes the counter count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Run {
    /// A control word was written, no count yet.
    Idle,
    /// Modes 1 and 5: a rising gate is waited for.
    Waiting,
    /// Since a tick.
    Since(u64),
    /// The gate is low after this many ticks.
    Held(u64),
}

/// Which bytes of a count are read and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bytes {
    Low,
    High,
    Both,
}

/// The registers of a counter.
#[derive(Debug)]
pub(super) struct Channel {
    /// 0 to 5.
    mode: u8,
    /// Bits 0 to 5 of the control word.
    control: u8,
    bytes: Bytes,
    /// 1 to 65536.
    count: u64,
    /// Takes the place of `count` at the end of the period or at the next trigger.
    next_count: Option<u64>,
    run: Run,
    gate: bool,
    low_written: Option<u8>,
    high_is_next: bool,
    latched_count: Option<u16>,
    latched_status: Option<u8>,
    /// Rises of the output up to this tick were seen.
    seen: u64,
    /// What became of the output since the last look.
    change: Output,
}

impl Channel {
    /// A counter with its gate.
    pub(super) fn new(gate: bool) -> Self {
        Self {
            mode: 0,
            control: 0,
            bytes: Bytes::Both,
            count: TURN,
            next_count: None,
            run: Run::Idle,
            gate,
            low_written: None,
            high_is_next: false,
            latched_count: None,
            latched_status: None,
            seen: 0,
            change: Output::Same,
        }
    }

    /// A control word for this counter: a mode, or the latch command.
    pub(super) fn control(&mut self, word: u8, tick: u64) {
        self.settle(tick);
        self.bytes = match word >> 4 & 3 {
            0 => return self.latch_count(tick),
            1 => Bytes::Low,
            2 => Bytes::High,
            _ => Bytes::Both,
        };
        self.control = word & 0x3f;
        // Modes 6 and 7 are 2 and 3.
        let mode = word >> 1 & 7;
        self.mode = if mode > 5 { mode - 4 } else { mode };
        self.run = Run::Idle;
        self.next_count = None;
        self.low_written = None;
        self.high_is_next = false;
        self.latched_count = None;
        self.latched_status = None;
        self.lower();
    }

    /// Writes a byte of the count.
    pub(super) fn write(&mut self, value: u8, tick: u64) {
        self.settle(tick);
        let count = match (self.bytes, self.low_written.take()) {
            (Bytes::Low, _) => u16::from(value),
            (Bytes::High, _) => u16::from(value) << 8,
            (Bytes::Both, Some(low)) => u16::from_le_bytes([low, value]),
            (Bytes::Both, None) => {
                self.low_written = Some(value);
                if self.mode == 0 {
                    self.run = Run::Idle;
                    self.lower();
                }
                return;
            }
        };
        self.load(if count == 0 { TURN } else { u64::from(count) }, tick);
    }

    /// Reads a byte: the latched status, the latched count, or the count.
    pub(super) fn read(&mut self, tick: u64) -> u8 {
        if let Some(status) = self.latched_status.take() {
            return status;
        }
        let [low, high] = self.latched_count.unwrap_or_else(|| self.value(tick)).to_le_bytes();
        let both = self.bytes == Bytes::Both;
        let gives_high = self.bytes == Bytes::High || both && self.high_is_next;
        self.high_is_next = both && !self.high_is_next;
        if !self.high_is_next {
            self.latched_count = None;
        }
        if gives_high { high } else { low }
    }

    /// Holds the count until it is read.
    pub(super) fn latch_count(&mut self, tick: u64) {
        if self.latched_count.is_none() {
            self.latched_count = Some(self.value(tick));
        }
    }

    /// Holds the status until it is read.
    pub(super) fn latch_status(&mut self, tick: u64) {
        if self.latched_status.is_none() {
            let out = u8::from(self.output(tick)) << 7;
            let null = u8::from(self.run == Run::Idle || self.next_count.is_some()) << 6;
            self.latched_status = Some(out | null | self.control);
        }
    }

    /// The gate input.
    pub(super) fn set_gate(&mut self, up: bool, tick: u64) {
        self.settle(tick);
        let rises = up && !self.gate;
        self.gate = up;
        match (self.mode, self.run) {
            (0 | 4, Run::Since(_)) if !up => self.run = Run::Held(self.elapsed(tick)),
            (2 | 3, Run::Since(_)) if !up => self.run = Run::Held(0),
            (_, Run::Held(elapsed)) if rises => self.run = Run::Since(tick.saturating_sub(elapsed)),
            (1 | 5, Run::Waiting | Run::Since(_)) if rises => {
                self.count = self.next_count.take().unwrap_or(self.count);
                self.run = Run::Since(tick);
            }
            _ => {}
        }
    }

    /// The output.
    pub(super) fn output(&mut self, tick: u64) -> bool {
        self.settle(tick);
        let elapsed = self.elapsed(tick);
        let counts = matches!(self.run, Run::Since(_));
        match self.mode {
            0 => self.run != Run::Idle && elapsed >= self.count,
            1 => !counts || elapsed >= self.count,
            2 => !counts || elapsed % self.count != self.count - 1,
            3 => !counts || elapsed % self.count < self.count.div_ceil(2),
            _ => !counts || elapsed != self.count,
        }
    }

    /// What became of the output since the last call.
    pub(super) fn take_change(&mut self, tick: u64) -> Output {
        self.settle(tick);
        std::mem::replace(&mut self.change, Output::Same)
    }

    /// The first tick after those seen at which the output rises.
    pub(super) fn next_rise(&self) -> Option<u64> {
        let Run::Since(start) = self.run else { return None };
        let once = match self.mode {
            0 | 1 => start.saturating_add(self.count),
            2 | 3 => {
                let periods = self.seen.saturating_sub(start) / self.count + 1;
                return periods.checked_mul(self.count)?.checked_add(start);
            }
            _ => start.saturating_add(self.count + 1),
        };
        (once > self.seen).then_some(once)
    }

    /// A complete count was written.
    fn load(&mut self, count: u64, tick: u64) {
        match (self.mode, self.run) {
            (2 | 3, Run::Since(_) | Run::Held(_)) | (1 | 5, Run::Since(_)) => {
                self.next_count = Some(count);
                return;
            }
            (1 | 5, _) => self.run = Run::Waiting,
            // The counter takes the count over with the next tick.
            _ if self.gate => self.run = Run::Since(tick.saturating_add(1)),
            _ => self.run = Run::Held(0),
        }
        self.count = count;
        self.lower();
    }

    /// A write makes the output of mode 0 low.
    fn lower(&mut self) {
        if self.mode == 0 {
            self.change = Output::Low;
        }
    }

    /// Sees the rises up to `tick`. Lets a count that waits for the end of the period take its place.
    fn settle(&mut self, tick: u64) {
        if self.next_rise().is_some_and(|rise| rise <= tick) {
            self.change = Output::Rose;
        }
        self.seen = self.seen.max(tick);
        let (2 | 3, Run::Since(start)) = (self.mode, self.run) else { return };
        if tick.saturating_sub(start) >= self.count
            && let Some(next) = self.next_count.take()
        {
            self.run = Run::Since(start.saturating_add(self.count));
            self.count = next;
        }
    }

    fn elapsed(&self, tick: u64) -> u64 {
        match self.run {
            Run::Idle | Run::Waiting => 0,
            Run::Since(start) => tick.saturating_sub(start),
            Run::Held(elapsed) => elapsed,
        }
    }

    /// The counting element.
    fn value(&mut self, tick: u64) -> u16 {
        self.settle(tick);
        let (count, elapsed) = (self.count, self.elapsed(tick));
        let value = match self.mode {
            2 => count - elapsed % count,
            3 => {
                let half = count.div_ceil(2);
                let phase = elapsed % count;
                let step = if phase < half { phase } else { phase - half };
                (count & !1).saturating_sub(2 * step)
            }
            _ => count.wrapping_sub(elapsed),
        };
        value as u16
    }
}
