//! The receiving half: the FIFO, and what waits outside for room in it.

use std::collections::VecDeque;

use super::lsr;

/// Bytes of the FIFO.
const FIFO_SIZE: usize = 16;

mod fcr {
    pub(super) const ENABLE: u8 = 1 << 0;
    pub(super) const RESET_RECEIVER: u8 = 1 << 1;
    pub(super) const TRIGGER_SHIFT: u8 = 6;
}

/// Bytes in the FIFO at which an interrupt is due, by FCR bits 6 and 7.
const TRIGGERS: [usize; 4] = [1, 4, 8, 14];

/// The receiver.
#[derive(Debug)]
pub(super) struct Receiver {
    fifo: VecDeque<u8>,
    enabled: bool,
    trigger: usize,
    overrun: bool,
    /// The last byte that was read: what an empty receiver gives again.
    last: u8,
    waiting: VecDeque<u8>,
}

impl Default for Receiver {
    fn default() -> Self {
        Self {
            fifo: VecDeque::new(),
            enabled: false,
            trigger: 1,
            overrun: false,
            last: 0,
            waiting: VecDeque::new(),
        }
    }
}

impl Receiver {
    /// FCR.
    pub(super) fn control(&mut self, value: u8) {
        let enable = value & fcr::ENABLE != 0;
        if enable != self.enabled || enable && value & fcr::RESET_RECEIVER != 0 {
            self.fifo.clear();
        }
        self.enabled = enable;
        let trigger = TRIGGERS[usize::from(value >> fcr::TRIGGER_SHIFT)];
        self.trigger = if enable { trigger } else { 1 };
    }

    /// Adds bytes that wait outside.
    pub(super) fn queue(&mut self, bytes: &[u8]) {
        self.waiting.extend(bytes);
    }

    /// Takes in what there is room for.
    pub(super) fn refill(&mut self) {
        let room = self.room().min(self.waiting.len());
        self.fifo.extend(self.waiting.drain(..room));
    }

    /// A byte arrives now; without room it is lost.
    pub(super) fn push(&mut self, byte: u8) {
        if self.room() == 0 {
            self.overrun = true;
        } else {
            self.fifo.push_back(byte);
        }
    }

    /// RBR.
    pub(super) fn take(&mut self) -> u8 {
        self.last = self.fifo.pop_front().unwrap_or(self.last);
        self.last
    }

    /// The receiver's bits of LSR; reading clears the error.
    pub(super) fn take_status(&mut self) -> u8 {
        let ready = if self.is_ready() { lsr::DATA_READY } else { 0 };
        let overrun = if std::mem::take(&mut self.overrun) { lsr::OVERRUN } else { 0 };
        ready | overrun
    }

    pub(super) fn has_error(&self) -> bool {
        self.overrun
    }

    pub(super) fn is_ready(&self) -> bool {
        !self.fifo.is_empty()
    }

    pub(super) fn is_at_trigger(&self) -> bool {
        self.fifo.len() >= self.trigger
    }

    pub(super) fn has_fifo(&self) -> bool {
        self.enabled
    }

    fn room(&self) -> usize {
        let size = if self.enabled { FIFO_SIZE } else { 1 };
        size.saturating_sub(self.fifo.len())
    }
}
