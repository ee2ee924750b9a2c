//! The devices of a bare machine: those that QEMU's "pc" machine would give it.
//!
//! [`Board`] is the [`Bus`](crate::bus::Bus) of such a machine. Each device is a file of
//! its own; `ports` and `memory` say which address belongs to which, `interrupts` joins
//! the interrupt controllers. Time is the processors' clock, 3 GHz: a device never asks a
//! host for anything.

mod access;
mod acpi;
mod apic;
mod clock;
mod fw_cfg;
mod interrupts;
mod ioapic;
mod keyboard;
mod memory;
mod pci;
mod pic;
mod pit;
mod ports;
mod rtc;
mod test_device;
#[cfg(test)]
mod tests;
mod uart;
mod unmodelled;

pub use acpi::RSDP_ADDRESS;
pub use clock::CYCLES_PER_SECOND;
pub use unmodelled::{Direction, Unmodelled};

use crate::mem::phys::PhysMem;
use acpi::PowerManagement;
use fw_cfg::FwCfg;
use interrupts::Interrupts;
use keyboard::Keyboard;
use pci::Pci;
use pit::{Output, Pit};
use rtc::Rtc;
use test_device::TestDevice;
use uart::Uart;
use unmodelled::Notes;

/// What a board is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoardConfig {
    /// Number of processors, at least 1.
    pub nr_cpus: usize,
    /// Bytes of RAM, from address 0.
    pub ram_bytes: u64,
    /// What the real-time clock says at reset, in seconds since 1970.
    pub date: u64,
}

/// 2020-01-01T00:00:00Z.
const DEFAULT_DATE: u64 = 1_577_836_800;
const DEFAULT_RAM: u64 = 128 << 20;

impl Default for BoardConfig {
    fn default() -> Self {
        Self { nr_cpus: 1, ram_bytes: DEFAULT_RAM, date: DEFAULT_DATE }
    }
}

/// A message to a processor that is not an interrupt vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CpuMessage {
    /// A non-maskable interrupt.
    Nmi,
    /// INIT: the processor resets and waits for a start-up message.
    Init,
    /// Start-up at this page in real mode.
    Startup(u8),
}

/// How the guest ended the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BoardEnding {
    /// It wrote this value to the debug-exit port.
    DebugExit(u32),
    /// It reset the machine.
    Reset,
    /// It turned the power off.
    PowerOff,
}

/// The devices of a bare machine.
#[derive(Debug)]
pub struct Board {
    interrupts: Interrupts,
    pit: Pit,
    uart: Uart,
    rtc: Rtc,
    fw_cfg: FwCfg,
    pci: Pci,
    keyboard: Keyboard,
    power: PowerManagement,
    test_device: TestDevice,
    notes: Notes,
    ram_bytes: u64,
    ending: Option<BoardEnding>,
    /// Something happened that the machine's owner must look at.
    changed: bool,
    /// What the owner could see after the last access.
    seen: Seen,
}

/// What a processor's access may change for others.
#[derive(Debug, Default)]
struct Seen {
    next_event: Option<u64>,
    /// The interrupt line of each processor.
    lines: Vec<bool>,
}

impl Board {
    /// The devices as the firmware leaves them.
    #[must_use]
    pub fn new(config: &BoardConfig) -> Self {
        let mut board = Self {
            interrupts: Interrupts::new(config.nr_cpus),
            pit: Pit::default(),
            uart: Uart::default(),
            rtc: Rtc::new(config),
            fw_cfg: FwCfg::new(config),
            pci: Pci::default(),
            keyboard: Keyboard::default(),
            power: PowerManagement::default(),
            test_device: TestDevice::default(),
            notes: Notes::default(),
            ram_bytes: config.ram_bytes,
            ending: None,
            changed: false,
            seen: Seen::default(),
        };
        board.seen.lines = vec![false; board.interrupts.nr_cpus()];
        board
    }

    /// Adds a file to the firmware configuration device, as QEMU's `-fw_cfg` does. A file
    /// of the same name is replaced; names are at most 55 bytes.
    pub fn add_file(&mut self, name: &str, data: Vec<u8>) {
        self.fw_cfg.add_file(name, data);
    }

    /// Writes the ACPI tables into RAM, from [`RSDP_ADDRESS`], and connects the board to
    /// the memory.
    pub fn install(self, mem: &mut PhysMem) {
        acpi::install(mem, self.interrupts.nr_cpus());
        mem.set_bus(Box::new(self));
    }

    /// The board of a memory, if it has one.
    pub fn of(mem: &mut PhysMem) -> Option<&mut Self> {
        let bus: &mut dyn std::any::Any = mem.bus_mut()?;
        bus.downcast_mut()
    }

    /// Lets time pass up to `now`, in cycles: timers fire. Interrupt lines may change.
    pub fn advance(&mut self, now: u64) {
        self.interrupts.advance(now);
        self.run_pit(now);
        self.look();
    }

    /// When the next timer fires, in cycles. After [`Self::advance`] that lies in the
    /// future. Timers whose interrupt is masked do not count.
    #[must_use]
    pub fn next_event(&self) -> Option<u64> {
        let pit = self.interrupts.is_heard(pit::IRQ).then(|| self.pit.next_rise()).flatten();
        self.interrupts.next_event().into_iter().chain(pit).min()
    }

    /// Messages to processors since the last call, in order.
    pub fn take_signals(&mut self) -> Vec<(usize, CpuMessage)> {
        self.interrupts.take_signals()
    }

    /// What the guest sent through the serial port since the last call.
    pub fn take_serial_output(&mut self) -> Vec<u8> {
        self.uart.take_sent()
    }

    /// Sends bytes to the guest through the serial port. They wait until the receiver has
    /// room. Interrupt lines may change.
    pub fn feed_serial(&mut self, bytes: &[u8]) {
        self.uart.feed(bytes);
        self.connect_uart();
        self.look();
    }

    /// How the guest ended the machine, once it has.
    #[must_use]
    pub fn ending(&self) -> Option<BoardEnding> {
        self.ending
    }

    /// Accesses to what is not modelled since the last call, each named once in the life
    /// of the board.
    pub fn take_unmodelled(&mut self) -> Vec<Unmodelled> {
        self.notes.take()
    }

    /// The guest ends the machine; the first way counts.
    fn end(&mut self, how: BoardEnding) {
        self.ending.get_or_insert(how);
        self.changed = true;
    }

    /// Lets the 8254 run up to now. Its output is pulsed: the lines see the rises.
    fn run_pit(&mut self, now: u64) {
        let output = self.pit.take_output(now);
        if output != Output::Same {
            self.interrupts.set_line(pit::IRQ, false, &mut self.notes);
        }
        if output == Output::Rose {
            self.interrupts.set_line(pit::IRQ, true, &mut self.notes);
        }
    }

    /// Carries the interrupt of the serial port to its line.
    fn connect_uart(&mut self) {
        if self.uart.take_dip() {
            self.interrupts.set_line(uart::IRQ, false, &mut self.notes);
        }
        self.interrupts.set_line(uart::IRQ, self.uart.interrupts(), &mut self.notes);
    }

    /// RAM hides the page of a local APIC.
    fn note_hidden_apic(&mut self, cpu: usize) {
        if self.interrupts.xapic_page(cpu).is_some_and(|page| page < self.ram_bytes) {
            self.notes.feature("local APIC: registers where RAM is");
        }
    }

    /// After an access of a processor: whether others are concerned.
    fn settle(&mut self, cpu: usize) {
        let next_event = self.next_event();
        self.changed |= next_event != self.seen.next_event || self.interrupts.has_signals();
        self.seen.next_event = next_event;
        for (other, line) in self.seen.lines.iter_mut().enumerate() {
            let up = self.interrupts.has_interrupt(other);
            self.changed |= up != *line && other != cpu;
            *line = up;
        }
    }

    /// After something that the owner did.
    fn look(&mut self) {
        self.seen.next_event = self.next_event();
        for (cpu, line) in self.seen.lines.iter_mut().enumerate() {
            *line = self.interrupts.has_interrupt(cpu);
        }
    }
}
