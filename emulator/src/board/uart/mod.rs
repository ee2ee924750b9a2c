//! The first serial port: a 16550A at ports 0x3f8 to 0x3ff, IRQ 4.
//!
//! Bytes leave at once, so the transmitter is always empty. Bytes for the guest wait
//! outside until the receiver has room: nothing is lost. Source: National Semiconductor
//! PC16550D data sheet.

mod receiver;
#[cfg(test)]
mod tests;

use receiver::Receiver;

/// The first of its eight ports.
pub(super) const FIRST_PORT: u16 = 0x3f8;
/// Its interrupt line.
pub(super) const IRQ: u8 = 4;

mod ier {
    pub(super) const RECEIVED: u8 = 1 << 0;
    pub(super) const TRANSMITTER_EMPTY: u8 = 1 << 1;
    pub(super) const LINE_STATUS: u8 = 1 << 2;
    pub(super) const MODEM_STATUS: u8 = 1 << 3;
    pub(super) const ALL: u8 = 0x0f;
}

mod iir {
    pub(super) const NONE: u8 = 0x01;
    pub(super) const MODEM_STATUS: u8 = 0x00;
    pub(super) const TRANSMITTER_EMPTY: u8 = 0x02;
    pub(super) const RECEIVED: u8 = 0x04;
    pub(super) const LINE_STATUS: u8 = 0x06;
    pub(super) const TIMEOUT: u8 = 0x0c;
    pub(super) const FIFOS_ENABLED: u8 = 0xc0;
}

mod lcr {
    pub(super) const DLAB: u8 = 1 << 7;
}

mod mcr {
    pub(super) const DTR: u8 = 1 << 0;
    pub(super) const RTS: u8 = 1 << 1;
    pub(super) const OUT1: u8 = 1 << 2;
    pub(super) const OUT2: u8 = 1 << 3;
    pub(super) const LOOP: u8 = 1 << 4;
    pub(super) const ALL: u8 = 0x1f;
}

mod lsr {
    pub(super) const DATA_READY: u8 = 1 << 0;
    pub(super) const OVERRUN: u8 = 1 << 1;
    /// The holding register and the whole transmitter are empty.
    pub(super) const EMPTY: u8 = 0x60;
}

mod msr {
    pub(super) const CTS: u8 = 1 << 4;
    pub(super) const DSR: u8 = 1 << 5;
    pub(super) const RI: u8 = 1 << 6;
    pub(super) const DCD: u8 = 1 << 7;
    /// The trailing edge of RI, among the changes in bits 0 to 3.
    pub(super) const RI_ENDED: u8 = 1 << 2;
}

/// The registers.
#[derive(Debug)]
pub(super) struct Uart {
    ier: u8,
    lcr: u8,
    mcr: u8,
    scr: u8,
    divisor: [u8; 2],
    receiver: Receiver,
    /// The transmitter became empty and IIR has not told of it.
    empty_untold: bool,
    /// Bits 0 to 3 of MSR.
    modem_changes: u8,
    /// The interrupt line fell for a moment since the last look.
    dipped: bool,
    sent: Vec<u8>,
}

impl Default for Uart {
    fn default() -> Self {
        Self {
            ier: 0,
            lcr: 3,
            mcr: mcr::OUT2,
            scr: 0,
            divisor: [1, 0],
            receiver: Receiver::default(),
            empty_untold: false,
            modem_changes: 0,
            dipped: false,
            sent: Vec::new(),
        }
    }
}

impl Uart {
    /// Reads a register, 0 to 7.
    pub(super) fn read(&mut self, register: u16) -> u8 {
        match (register & 7, self.has_divisor_access()) {
            (0, true) => self.divisor[0],
            (1, true) => self.divisor[1],
            (0, false) => self.take_received(),
            (1, false) => self.ier,
            (2, _) => self.read_iir(),
            (3, _) => self.lcr,
            (4, _) => self.mcr,
            (5, _) => lsr::EMPTY | self.receiver.take_status(),
            (6, _) => self.modem_inputs() | std::mem::take(&mut self.modem_changes),
            (_, _) => self.scr,
        }
    }

    /// Writes a register, 0 to 7. LSR and MSR are for the factory's tests only.
    pub(super) fn write(&mut self, register: u16, value: u8) {
        match (register & 7, self.has_divisor_access()) {
            (0, true) => self.divisor[0] = value,
            (1, true) => self.divisor[1] = value,
            (0, false) => self.transmit(value),
            (1, false) => self.write_ier(value),
            (2, _) => self.receiver.control(value),
            (3, _) => self.lcr = value,
            (4, _) => self.write_mcr(value),
            (5 | 6, _) => {}
            (_, _) => self.scr = value,
        }
        self.refill();
    }

    /// Whether the port asks for its interrupt. OUT2 connects it to the line, and the
    /// loop disconnects OUT2.
    pub(super) fn interrupts(&self) -> bool {
        self.mcr & (mcr::OUT2 | mcr::LOOP) == mcr::OUT2 && self.cause() != iir::NONE
    }

    /// Whether the interrupt line fell for a moment since the last call.
    pub(super) fn take_dip(&mut self) -> bool {
        std::mem::take(&mut self.dipped)
    }

    /// What the guest sent since the last call.
    pub(super) fn take_sent(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.sent)
    }

    /// Sends bytes to the guest.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.receiver.queue(bytes);
        self.refill();
    }

    fn has_divisor_access(&self) -> bool {
        self.lcr & lcr::DLAB != 0
    }

    fn refill(&mut self) {
        if self.mcr & mcr::LOOP == 0 {
            self.receiver.refill();
        }
    }

    fn take_received(&mut self) -> u8 {
        let byte = self.receiver.take();
        self.dipped |= !self.interrupts();
        self.refill();
        byte
    }

    fn transmit(&mut self, byte: u8) {
        self.empty_untold = false;
        self.dipped |= !self.interrupts();
        if self.mcr & mcr::LOOP != 0 {
            self.receiver.push(byte);
        } else {
            self.sent.push(byte);
        }
        self.empty_untold = true;
    }

    fn write_ier(&mut self, value: u8) {
        let rises = value & !self.ier & ier::TRANSMITTER_EMPTY != 0;
        self.ier = value & ier::ALL;
        self.empty_untold |= rises;
    }

    fn write_mcr(&mut self, value: u8) {
        let before = self.modem_inputs();
        self.mcr = value & mcr::ALL;
        let after = self.modem_inputs();
        let toggled = (before ^ after) & (msr::CTS | msr::DSR | msr::DCD);
        self.modem_changes |= toggled >> 4;
        if before & !after & msr::RI != 0 {
            self.modem_changes |= msr::RI_ENDED;
        }
    }

    /// Bits 4 to 7 of MSR: a connected peer, or the looped outputs.
    fn modem_inputs(&self) -> u8 {
        if self.mcr & mcr::LOOP == 0 {
            return msr::CTS | msr::DSR | msr::DCD;
        }
        let pairs = [
            (mcr::RTS, msr::CTS),
            (mcr::DTR, msr::DSR),
            (mcr::OUT1, msr::RI),
            (mcr::OUT2, msr::DCD),
        ];
        pairs
            .into_iter()
            .filter(|(output, _)| self.mcr & output != 0)
            .fold(0, |inputs, (_, input)| inputs | input)
    }

    /// The cause of highest priority, as in IIR.
    fn cause(&self) -> u8 {
        let wants = |bit| self.ier & bit != 0;
        if wants(ier::LINE_STATUS) && self.receiver.has_error() {
            iir::LINE_STATUS
        } else if wants(ier::RECEIVED) && self.receiver.is_at_trigger() {
            iir::RECEIVED
        } else if wants(ier::RECEIVED) && self.receiver.is_ready() {
            iir::TIMEOUT
        } else if wants(ier::TRANSMITTER_EMPTY) && self.empty_untold {
            iir::TRANSMITTER_EMPTY
        } else if wants(ier::MODEM_STATUS) && self.modem_changes != 0 {
            iir::MODEM_STATUS
        } else {
            iir::NONE
        }
    }

    fn read_iir(&mut self) -> u8 {
        let cause = self.cause();
        if cause == iir::TRANSMITTER_EMPTY {
            self.empty_untold = false;
        }
        let fifos = if self.receiver.has_fifo() { iir::FIFOS_ENABLED } else { 0 };
        cause | fifos
    }
}
