//! A bare machine: processors, memory and the devices of a board, started from an image.
//!
//! [`BareMachine`] is a [`Machine`] with a [`Board`] and the loop that joins them. It
//! decides whose turn it is, lets time pass for who waits, and carries messages from
//! device to processor. The image's way into it is [`crate::boot`].
//!
//! Time goes in rounds of [`QUANTUM`] cycles. In a round each processor runs in turn, in
//! the order of their numbers, to the round's end or to the next thing that a device
//! does; so clocks of processors are never further apart than a round, and the order of
//! all that happens follows from the image alone.

use std::fmt;

use crate::board::{self, Board, BoardConfig, BoardEnding};
use crate::boot::{self, BootImage, BootInputs, Layout, PlaceError};
use crate::cpuid::{CpuModel, CpuVendor};
use crate::event::KeptHits;
use crate::machine::{Machine, MachineConfig};
use crate::mem::PAGE_SIZE;
use crate::run::{Exit, Unsupported};
use crate::timing::TimingChoice;

/// Cycles of a round.
pub const QUANTUM: u64 = 20_000;
/// The most processors of a machine.
pub const MAX_CPUS: usize = 64;
/// The least RAM of a machine, in bytes.
pub const MIN_RAM_BYTES: u64 = 1 << 20;
/// The most RAM of a machine, in bytes: devices are above.
pub const MAX_RAM_BYTES: u64 = 3 << 30;

/// A machine in which no processor has run for so many cycles (a minute), though devices
/// did something, is at its end.
const IDLE_CYCLES: u64 = 60 * 3_000_000_000;
/// The same after so many events of devices.
const IDLE_EVENTS: u64 = 100_000;

/// What a bare machine is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BareConfig {
    /// Number of processors, 1 to [`MAX_CPUS`].
    pub nr_cpus: usize,
    /// Bytes of RAM, [`MIN_RAM_BYTES`] to [`MAX_RAM_BYTES`], whole pages.
    pub ram_bytes: u64,
    /// Timing model of every processor.
    pub timing: TimingChoice,
    /// Features that CPUID tells of.
    pub model: CpuModel,
    /// Whose processors they are.
    pub vendor: CpuVendor,
    /// What becomes of hits that MOV SS kept (x86-debug rule S6).
    pub kept_hits: KeptHits,
}

impl Default for BareConfig {
    fn default() -> Self {
        Self {
            nr_cpus: 1,
            ram_bytes: 128 << 20,
            timing: TimingChoice::None,
            model: CpuModel::default(),
            vendor: CpuVendor::default(),
            kept_hits: KeptHits::default(),
        }
    }
}

/// A machine that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BareConfigError {
    /// Too few or too many processors.
    #[error("{0} CPUs: a bare machine has 1 to {MAX_CPUS}")]
    Cpus(usize),
    /// Too little or too much memory.
    #[error(
        "{bytes} bytes of memory: a bare machine has {} MiB to {} GiB",
        MIN_RAM_BYTES >> 20,
        MAX_RAM_BYTES >> 30
    )]
    Ram {
        /// What was asked for.
        bytes: u64,
    },
    /// Memory that is not a whole number of pages.
    #[error("{0} bytes of memory: it comes in pages of {PAGE_SIZE}")]
    RamPages(u64),
}

impl BareConfig {
    /// Refuses what the machine cannot be.
    ///
    /// # Errors
    /// The first thing that is out of range.
    pub fn check(&self) -> Result<(), BareConfigError> {
        if self.nr_cpus == 0 || self.nr_cpus > MAX_CPUS {
            return Err(BareConfigError::Cpus(self.nr_cpus));
        }
        if self.ram_bytes < MIN_RAM_BYTES || self.ram_bytes > MAX_RAM_BYTES {
            return Err(BareConfigError::Ram { bytes: self.ram_bytes });
        }
        if !self.ram_bytes.is_multiple_of(PAGE_SIZE) {
            return Err(BareConfigError::RamPages(self.ram_bytes));
        }
        Ok(())
    }
}

/// How a bare machine ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BareEnding {
    /// The guest wrote this value to the debug-exit port.
    DebugExit(u32),
    /// The guest reset the machine; there is no firmware to start again from.
    Reset,
    /// The guest turned the power off.
    PowerOff,
    /// A processor shut down.
    TripleFault {
        /// Its number.
        cpu: usize,
    },
    /// Every processor waits, and nothing will come.
    HaltedForEver,
    /// A processor delivers events without end and retires nothing: the stack that each
    /// delivery writes is watched, for one.
    Livelock {
        /// Its number.
        cpu: usize,
    },
    /// The instructions that were allowed have retired.
    Limit,
    /// A processor met an instruction that is not built.
    Unsupported {
        /// Its number.
        cpu: usize,
        /// The instruction.
        what: Unsupported,
    },
    /// A processor asked a monitor for something; there is none.
    Hypercall {
        /// Its number.
        cpu: usize,
    },
}

impl fmt::Display for BareEnding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DebugExit(value) => write!(f, "debug exit with value {value:#x}"),
            Self::Reset => f.write_str("the guest reset the machine"),
            Self::PowerOff => f.write_str("the guest turned the power off"),
            Self::TripleFault { cpu } => write!(f, "triple fault of CPU {cpu}"),
            Self::HaltedForEver => f.write_str("halted for ever: all CPUs wait for nothing"),
            Self::Livelock { cpu } => {
                write!(f, "CPU {cpu} delivers exceptions without end")
            }
            Self::Limit => f.write_str("the limit of instructions was reached"),
            Self::Unsupported { cpu, what } => write!(f, "CPU {cpu}: {what}"),
            Self::Hypercall { cpu } => write!(f, "CPU {cpu}: VMCALL without a monitor"),
        }
    }
}

/// Events that a processor may deliver without retiring an instruction.
const MAX_DELIVERIES: u64 = 1_000_000;

/// How long no processor has run.
#[derive(Clone, Copy, Debug, Default)]
struct Idle {
    since: u64,
    events: u64,
}

/// A machine with devices.
#[derive(Debug)]
pub struct BareMachine {
    machine: Machine,
    /// Where the next round begins, in cycles.
    now: u64,
    /// The latest time that the board was told.
    board_time: u64,
    idle: Idle,
    /// Events that each processor delivered since it last retired an instruction.
    barren: Vec<u64>,
}

impl BareMachine {
    /// A machine after reset: the first processor is to be started by [`Self::load`], the
    /// others wait for a start-up message.
    ///
    /// # Errors
    /// If there can be no such machine.
    pub fn new(config: &BareConfig) -> Result<Self, BareConfigError> {
        config.check()?;
        let BareConfig { nr_cpus, ram_bytes, timing, model, vendor, kept_hits } = *config;
        let mut machine = Machine::new(&MachineConfig { nr_cpus, ram_bytes, timing, model });
        let board = BoardConfig { nr_cpus, ram_bytes, ..BoardConfig::default() };
        Board::new(&board).install(&mut machine.mem);
        for index in 0..nr_cpus {
            let cpu = machine.cpu_mut(index);
            cpu.set_kept_hits(kept_hits);
            cpu.set_monitored(false);
            if index != 0 {
                cpu.init();
            }
        }
        machine.set_vendor(vendor);
        let barren = vec![0; nr_cpus];
        Ok(Self { machine, now: 0, board_time: 0, idle: Idle::default(), barren })
    }

    /// Puts an image into memory and the first processor to its entry.
    ///
    /// # Errors
    /// If the image does not fit; nothing has changed then.
    pub fn load(
        &mut self,
        image: &BootImage<'_>,
        inputs: &BootInputs,
    ) -> Result<Layout, PlaceError> {
        boot::start(&mut self.machine, image, inputs)
    }

    /// Processors and memory.
    #[must_use]
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Processors and memory, to be changed.
    pub fn machine_mut(&mut self) -> &mut Machine {
        &mut self.machine
    }

    /// The devices.
    ///
    /// # Panics
    /// If the owner has connected others in their place.
    pub fn board_mut(&mut self) -> &mut Board {
        Board::of(&mut self.machine.mem).expect("the board is installed by Self::new")
    }

    /// Instructions that all processors have retired.
    #[must_use]
    pub fn icount(&self) -> u64 {
        (0..self.machine.nr_cpus()).map(|index| self.machine.cpu(index).icount()).sum()
    }

    /// Runs until the machine ends or all processors together have retired `max_insns`
    /// instructions.
    pub fn run(&mut self, max_insns: u64) -> BareEnding {
        loop {
            if let Some(ending) = self.round(max_insns) {
                return ending;
            }
        }
    }

    /// Runs one round; says how the machine ended, if it did.
    pub fn round(&mut self, max_insns: u64) -> Option<BareEnding> {
        let before = self.icount();
        let end = match self.round_end() {
            Ok(end) => end,
            Err(ending) => return Some(ending),
        };
        for index in 0..self.machine.nr_cpus() {
            if let Some(ending) = self.run_cpu(index, end, max_insns) {
                return Some(ending);
            }
        }
        self.now = end;
        if self.icount() != before {
            self.idle = Idle { since: end, events: 0 };
        }
        self.tell_board(end)
    }

    /// When the next round ends: where all wait, with what they wait for.
    fn round_end(&mut self) -> Result<u64, BareEnding> {
        if (0..self.machine.nr_cpus()).any(|index| !self.waits(index)) {
            return Ok(self.now + QUANTUM);
        }
        let next = self.board_mut().next_event().ok_or(BareEnding::HaltedForEver)?;
        self.idle.events += 1;
        // The first event may be as far away as it likes.
        let too_long = self.idle.events > 1 && next.saturating_sub(self.idle.since) > IDLE_CYCLES;
        if too_long || self.idle.events > IDLE_EVENTS {
            return Err(BareEnding::HaltedForEver);
        }
        Ok(next.max(self.now + 1))
    }

    /// Whether a processor does nothing until a device or another processor acts.
    fn waits(&self, index: usize) -> bool {
        let cpu = self.machine.cpu(index);
        let wakes = cpu.takes_interrupt() || cpu.takes_nmi();
        cpu.waits_for_startup() || cpu.is_halted() && !wakes
    }

    /// Runs a processor to the end of the round.
    fn run_cpu(&mut self, index: usize, end: u64, max_insns: u64) -> Option<BareEnding> {
        loop {
            let cpu = self.machine.cpu_mut(index);
            if cpu.waits_for_startup() {
                cpu.idle_until(end);
            }
            let cycles = cpu.cycles();
            if cycles >= end {
                return None;
            }
            let left = max_insns.saturating_sub(self.icount());
            if left == 0 {
                return Some(BareEnding::Limit);
            }
            let stop = self.next_stop(cycles, end);
            // An instruction takes a cycle at least in the model without timing; a model
            // with timing may go beyond the limit by what retires in the same cycle.
            let before = (self.machine.cpu(index).icount(), self.machine.cpu(index).deliveries());
            let exit = self.machine.run(index, stop.min(cycles.saturating_add(left)));
            if self.delivers_without_end(index, before) {
                return Some(BareEnding::Livelock { cpu: index });
            }
            if let Some(ending) = self.after_run(index, exit, end) {
                return Some(ending);
            }
        }
    }

    /// Counts a processor's deliveries since it last retired an instruction.
    fn delivers_without_end(&mut self, index: usize, before: (u64, u64)) -> bool {
        let (icount, deliveries) = before;
        let cpu = self.machine.cpu(index);
        let idle = &mut self.barren[index];
        *idle = if cpu.icount() == icount { *idle + (cpu.deliveries() - deliveries) } else { 0 };
        *idle > MAX_DELIVERIES
    }

    /// The next event of a device, or the end of the round if that comes first.
    fn next_stop(&mut self, cycles: u64, end: u64) -> u64 {
        let next = self.board_mut().next_event().filter(|event| *event > cycles);
        next.map_or(end, |event| event.min(end))
    }

    /// Does what the end of a run asks for.
    fn after_run(&mut self, index: usize, exit: Exit, end: u64) -> Option<BareEnding> {
        match exit {
            Exit::Deadline => {}
            Exit::Halted => {
                let ending = self.tell_board(self.machine.cpu(index).cycles());
                if ending.is_some() {
                    return ending;
                }
                if self.waits(index) {
                    let stop = self.next_stop(self.machine.cpu(index).cycles(), end);
                    self.machine.cpu_mut(index).idle_until(stop);
                }
            }
            Exit::Shutdown => return Some(BareEnding::TripleFault { cpu: index }),
            Exit::Hypercall => return Some(BareEnding::Hypercall { cpu: index }),
            Exit::Unsupported(what) => return Some(BareEnding::Unsupported { cpu: index, what }),
        }
        self.tell_board(self.machine.cpu(index).cycles())
    }

    /// Lets the board's time pass, and carries what it says to the processors.
    fn tell_board(&mut self, now: u64) -> Option<BareEnding> {
        self.board_time = self.board_time.max(now);
        let now = self.board_time;
        let board = self.board_mut();
        board.advance(now);
        let (signals, ending) = (board.take_signals(), board.ending());
        for (index, signal) in signals {
            if let Some(ending) = self.deliver(index, signal) {
                return Some(ending);
            }
        }
        for index in 0..self.machine.nr_cpus() {
            let up = self.machine.mem.bus().is_some_and(|bus| bus.has_interrupt(index));
            self.machine.cpu_mut(index).set_interrupt_line(up);
        }
        ending.map(|ending| match ending {
            BoardEnding::DebugExit(value) => BareEnding::DebugExit(value),
            BoardEnding::Reset => BareEnding::Reset,
            BoardEnding::PowerOff => BareEnding::PowerOff,
        })
    }

    fn deliver(&mut self, index: usize, signal: board::CpuMessage) -> Option<BareEnding> {
        if index >= self.machine.nr_cpus() {
            return None;
        }
        let (now, cpu) = (self.board_time, self.machine.cpu_mut(index));
        match signal {
            board::CpuMessage::Nmi => cpu.raise_nmi(),
            // The first processor would start again in the firmware.
            board::CpuMessage::Init if index == 0 => return Some(BareEnding::Reset),
            board::CpuMessage::Init => cpu.init(),
            board::CpuMessage::Startup(page) => {
                if cpu.waits_for_startup() {
                    cpu.idle_until(now);
                }
                cpu.startup(page);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use iced_x86::IcedError;
    use iced_x86::code_asm::{CodeAssembler, ecx, qword_ptr, rax};

    use super::*;

    /// A machine with 64-bit code at 2 MiB.
    fn with_code(assemble: impl Fn(&mut CodeAssembler) -> Result<(), IcedError>) -> BareMachine {
        const AT: u64 = 2 << 20;
        let mut asm = CodeAssembler::new(64).unwrap();
        assemble(&mut asm).unwrap();
        let code = asm.assemble(AT).unwrap();
        let name = boot::SegmentName::Multiboot;
        let (physical, memory_bytes) = (AT, code.len() as u64);
        let segment = boot::LoadSegment { name, physical, linear: AT, data: &code, memory_bytes };
        let (protocol, notes) = (boot::Protocol::Long, vec![]);
        let image = BootImage { segments: vec![segment], protocol, entry: AT, notes };
        let config = BareConfig { ram_bytes: 8 << 20, nr_cpus: 2, ..BareConfig::default() };
        let mut machine = BareMachine::new(&config).unwrap();
        machine.load(&image, &BootInputs::default()).unwrap();
        machine
    }

    #[test]
    fn a_machine_in_which_all_wait_is_at_its_end() {
        let mut machine = with_code(|asm| asm.hlt());
        assert_eq!(machine.run(u64::MAX), BareEnding::HaltedForEver);
        assert_eq!(machine.icount(), 1);
        assert!(machine.machine().cpu(1).waits_for_startup());
    }

    #[test]
    fn an_exception_without_handlers_is_a_triple_fault() {
        let mut machine = with_code(|asm| asm.ud2());
        assert_eq!(machine.run(u64::MAX), BareEnding::TripleFault { cpu: 0 });
        assert_eq!(machine.machine().cpu(0).regs.rip, 2 << 20);
    }

    #[test]
    fn the_limit_is_exact() {
        let mut machine = with_code(|asm| {
            let mut top = asm.create_label();
            asm.set_label(&mut top)?;
            asm.inc(rax)?;
            asm.mov(ecx, 1)?;
            asm.jmp(top)
        });
        assert_eq!(machine.run(2 * QUANTUM + 3), BareEnding::Limit);
        assert_eq!(machine.icount(), 2 * QUANTUM + 3);
        assert_eq!(machine.run(0), BareEnding::Limit);
    }

    /// Each #DB writes the watched word of its own stack, which is always the same: IST.
    #[test]
    fn deliveries_without_end_are_an_end() {
        const IDT: u64 = 0x1000;
        const TSS: u64 = 0x3000;
        const STACK: u64 = 0x8000;
        let mut machine = with_code(|asm| asm.mov(qword_ptr(STACK - 8), rax));
        let (cpu, mem) = machine.machine.cpu_and_mem(0);
        let gate = 0x20 << 48 | u64::from(boot::CODE64) << 16 | 0x8e01 << 32;
        mem.write_u64(IDT + 16, gate);
        mem.write_u64(TSS + 0x24, STACK);
        let control = &mut cpu.regs.control;
        (control.idtr.base, control.idtr.limit) = (IDT, 0xfff);
        (control.tss_base, control.tss_limit) = (TSS, 0x67);
        cpu.set_dr_address(0, STACK - 8);
        // G0, writes of eight bytes.
        cpu.set_dr7(0x9_0002);
        assert_eq!(machine.run(u64::MAX), BareEnding::Livelock { cpu: 0 });
        assert_eq!(machine.icount(), 1);
    }

    #[test]
    fn limits_are_inclusive() {
        let check =
            |nr_cpus, ram_bytes| BareConfig { nr_cpus, ram_bytes, ..BareConfig::default() }.check();
        assert_eq!(check(1, MIN_RAM_BYTES), Ok(()));
        assert_eq!(check(MAX_CPUS, MAX_RAM_BYTES), Ok(()));
        assert_eq!(check(0, MIN_RAM_BYTES), Err(BareConfigError::Cpus(0)));
        assert_eq!(
            check(1, MIN_RAM_BYTES - 1),
            Err(BareConfigError::Ram { bytes: MIN_RAM_BYTES - 1 })
        );
        assert_eq!(
            check(1, MAX_RAM_BYTES + 1),
            Err(BareConfigError::Ram { bytes: MAX_RAM_BYTES + 1 })
        );
        assert_eq!(check(1, MIN_RAM_BYTES + 1), Err(BareConfigError::RamPages(MIN_RAM_BYTES + 1)));
    }
}
