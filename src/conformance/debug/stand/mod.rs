//! A test stand: one vCPU with page tables, GDT, TSS and an IDT of which every handler
//! asks the monitor (VMCALL at CPL 0) and then returns with IRETQ.
//!
//! [`Stand`] owns the machine; [`Stand::run`] goes on to the next [`Stop`]; the frame of
//! the handler can be read and changed before going on. Selectors are Linux's. The tests
//! of the emulator include this file by its path, so it names nothing of this crate.

#![allow(dead_code, reason = "every crate that includes the stand uses another part of it")]

pub(crate) mod layout;
pub(crate) mod paging;

use emulator::cpuid::CpuModel;
use emulator::machine::{Machine, MachineConfig};
use emulator::mem::{PAGE_OFFSET_MASK, PAGE_SIZE};
use emulator::regs::control::{cr0, cr4, efer, xcr0};
use emulator::regs::gpr::reg::{R11, RAX, RCX, RSP};
use emulator::regs::{Segment, SegmentReg};
use emulator::run::{Exit, Unsupported};
use emulator::timing::TimingChoice;
use iced_x86::{Decoder, DecoderOptions, Instruction};

use layout::{
    CODE0, CODE3, DATA0, DATA3, GDT, GDT_ENTRIES, IDT, IRET_STUB, LDT, LDT_ENTRIES, LDT_SELECTOR,
    LLDT_STUB, RAM_BYTES, RAM_TABLES, STACK0, STUBS, SYSCALL_STUB, TSS, descriptor, gate, stub,
};
use paging::{PageTables, Rights};

/// #UD.
const UNDEFINED: u8 = 6;
/// Cycles after which a run without a stop is given up.
const PATIENCE: u64 = 5_000_000;

/// The five words that delivery pushes in 64-bit mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Frame {
    /// Saved RIP.
    pub(crate) rip: u64,
    /// Saved CS selector.
    pub(crate) cs: u64,
    /// Saved RFLAGS.
    pub(crate) rflags: u64,
    /// Saved RSP.
    pub(crate) rsp: u64,
    /// Saved SS selector.
    pub(crate) ss: u64,
}

/// The pieces of a range that lie in one page each: first address and length.
fn by_page(linear: u64, len: usize) -> Vec<(u64, usize)> {
    let (mut at, mut left) = (linear, len);
    let mut pieces = Vec::new();
    while left > 0 {
        let room = (PAGE_SIZE - (at & PAGE_OFFSET_MASK)) as usize;
        pieces.push((at, room.min(left)));
        at = at.wrapping_add(room as u64);
        left -= room.min(left);
    }
    pieces
}

/// Why [`Stand::run`] came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// A handler was entered: vector and error code.
    Exception(u8, Option<u64>),
    /// SYSCALL was executed.
    Syscall,
    /// A stub at CPL 0 came to its end.
    Monitor,
    /// The emulator has not built an instruction.
    Unsupported(Unsupported),
    /// The processor lacks an instruction: the feature's name.
    Missing(String),
    /// Anything else, which ends a test.
    Ended(Exit),
}

/// A machine that reports exceptions.
#[derive(Debug)]
pub(crate) struct Stand {
    /// The machine.
    pub(crate) machine: Machine,
    /// Cycles after which the emulator is left and entered again.
    pub(crate) slice: u64,
    tables: PageTables,
    /// Whether the present stop's handler has an error code below its frame.
    has_error: bool,
}

impl Stand {
    /// A stand whose vCPU is at CPL 0 with only the system structures mapped.
    pub(crate) fn new() -> Self {
        Self::timed(TimingChoice::None)
    }

    /// The same with a timing model.
    pub(crate) fn timed(timing: TimingChoice) -> Self {
        let config =
            MachineConfig { nr_cpus: 1, ram_bytes: RAM_BYTES, timing, model: CpuModel::V3 };
        let mut machine = Machine::new(&config);
        let mut tables = PageTables::new(&mut machine.mem, RAM_TABLES);
        for page in layout::SYSTEM_PAGES {
            let frame = tables.frame();
            tables.map(&mut machine.mem, page, frame, Rights::Supervisor);
        }
        let mut stand = Self { machine, slice: PATIENCE, tables, has_error: false };
        stand.machine.cpu_mut(0).regs.control.cr3 = stand.tables.root();
        stand.write_structures();
        stand.set_registers();
        stand
    }

    fn write_structures(&mut self) {
        let control = &mut self.machine.cpu_mut(0).regs.control;
        control.cr0 = cr0::PE | cr0::NE | cr0::WP | cr0::PG | cr0::AM;
        control.cr4 = cr4::PAE | cr4::OSFXSR | cr4::OSXMMEXCPT | cr4::UMIP | cr4::OSXSAVE;
        control.cr4 |= cr4::FSGSBASE;
        control.xcr0 = xcr0::X87 | xcr0::AVX_STATE;
        control.efer = efer::SCE | efer::LME | efer::LMA | efer::NXE;
        control.gdtr.base = GDT;
        control.gdtr.limit = GDT_ENTRIES * 8 - 1;
        control.idtr.base = IDT;
        control.idtr.limit = 0xfff;
        control.tss_base = TSS;
        control.tss_limit = 0x67;
        for selector in [CODE0, DATA0, layout::CODE32, DATA3, CODE3] {
            self.poke(GDT + u64::from(selector & !7), &descriptor(selector).to_le_bytes());
        }
        self.poke(TSS + 4, &STACK0.to_le_bytes());
        for vector in 0..=255u8 {
            self.poke(IDT + 16 * u64::from(vector), &gate(vector));
            self.poke(STUBS + 16 * u64::from(vector), stub(vector));
        }
        self.poke(SYSCALL_STUB, &[0x0f, 0x01, 0xc1, 0x48, 0x0f, 0x07]);
        self.poke(IRET_STUB, &[0x48, 0xcf]);
        self.poke(LLDT_STUB, &[0x0f, 0x00, 0xd0, 0x0f, 0x01, 0xc1]);
    }

    fn set_registers(&mut self) {
        let cpu = self.machine.cpu_mut(0);
        let segment = |selector| Segment::from_descriptor(selector, descriptor(selector));
        cpu.regs.seg[SegmentReg::Cs as usize] = segment(CODE0);
        cpu.regs.seg[SegmentReg::Ss as usize] = segment(DATA0);
        cpu.regs.gpr.set(RSP, STACK0);
        cpu.regs.msrs.lstar = SYSCALL_STUB;
        cpu.regs.msrs.star = u64::from(layout::CODE32) << 48 | u64::from(CODE0) << 32;
        // TF, DF, IF and more: what Linux writes to IA32_FMASK.
        cpu.regs.msrs.fmask = 0x25_7fd5;
        cpu.flush_tlb();
        cpu.set_rflags(0x2);
    }

    /// Maps a page to a fresh frame and returns the frame.
    pub(crate) fn map(&mut self, linear: u64, rights: Rights) -> u64 {
        let frame = self.tables.frame();
        self.map_to(linear, frame, rights);
        frame
    }

    /// Maps a page to a frame, again if need be.
    pub(crate) fn map_to(&mut self, linear: u64, frame: u64, rights: Rights) {
        self.tables.map(&mut self.machine.mem, linear, frame, rights);
        self.machine.cpu_mut(0).flush_tlb();
    }

    /// Changes the rights of a mapped page, present or not.
    pub(crate) fn protect(&mut self, linear: u64, rights: Rights) {
        self.tables.protect(&mut self.machine.mem, linear, rights);
        self.machine.cpu_mut(0).flush_tlb();
    }

    /// Writes memory behind the CPU's back, whatever the rights.
    ///
    /// # Panics
    /// Where no frame is mapped.
    pub(crate) fn poke(&mut self, linear: u64, bytes: &[u8]) {
        for (at, piece) in by_page(linear, bytes.len()) {
            let physical = self.tables.physical(&self.machine.mem, at).expect("mapped");
            let from = (at - linear) as usize;
            self.machine.mem.write(physical, &bytes[from..from + piece]);
        }
    }

    /// Reads memory behind the CPU's back, whatever the rights; zeros where no frame is
    /// mapped.
    pub(crate) fn peek(&self, linear: u64, len: usize) -> Vec<u8> {
        let mut out = vec![0; len];
        for (at, piece) in by_page(linear, len) {
            let from = at.wrapping_sub(linear) as usize;
            if let Some(physical) = self.tables.physical(&self.machine.mem, at) {
                self.machine.mem.read(physical, &mut out[from..from + piece]);
            }
        }
        out
    }

    /// Writes a local descriptor table and loads LDTR; `entries` are numbers and
    /// descriptors.
    ///
    /// # Errors
    /// Where the emulator does not load it, what it did instead.
    ///
    /// # Panics
    /// Where a number is not below [`LDT_ENTRIES`].
    pub(crate) fn load_ldt(&mut self, entries: &[(u16, u64)]) -> Result<(), Stop> {
        for &(number, descriptor) in entries {
            assert!(number < LDT_ENTRIES, "beyond the table");
            self.poke(LDT + 8 * u64::from(number), &descriptor.to_le_bytes());
        }
        self.poke(GDT + u64::from(LDT_SELECTOR), &layout::ldt_descriptor());
        let kept = self.gpr(RAX);
        self.set_gpr(RAX, u64::from(LDT_SELECTOR));
        self.machine.cpu_mut(0).regs.rip = LLDT_STUB;
        match self.run() {
            Stop::Monitor => self.set_gpr(RAX, kept),
            other => return Err(other),
        }
        Ok(())
    }

    /// The segment that a selector selects in guest memory.
    pub(crate) fn segment(&self, selector: u16) -> Segment {
        const LOCAL: u16 = 4;
        let table = if selector & LOCAL == 0 { GDT } else { LDT };
        Segment::from_descriptor(selector, self.word(table + u64::from(selector & !7)))
    }

    /// Makes the next run start in the frame's state, as a return from an exception does.
    pub(crate) fn start(&mut self, frame: Frame) {
        let at = STACK0 - 40;
        self.has_error = false;
        self.write_frame_at(at, frame);
        let cpu = self.machine.cpu_mut(0);
        cpu.regs.gpr.set(RSP, at);
        cpu.regs.rip = IRET_STUB;
    }

    /// The frame that starts `rip` at CPL 3.
    pub(crate) fn user_frame(rip: u64, rflags: u64, rsp: u64) -> Frame {
        Frame { rip, cs: u64::from(CODE3), rflags, rsp, ss: u64::from(DATA3) }
    }

    /// Runs to the next stop.
    pub(crate) fn run(&mut self) -> Stop {
        let last = self.machine.cpu(0).cycles().saturating_add(PATIENCE);
        loop {
            if let Some(stop) = self.run_slice() {
                return stop;
            }
            if self.machine.cpu(0).cycles() >= last {
                return Stop::Ended(Exit::Deadline);
            }
        }
    }

    /// Runs for one slice; whether it came to a stop.
    pub(crate) fn run_slice(&mut self) -> Option<Stop> {
        let deadline = self.machine.cpu(0).cycles().saturating_add(self.slice);
        match self.machine.run(0, deadline) {
            Exit::Deadline => None,
            Exit::Hypercall => Some(self.stopped()),
            Exit::Unsupported(unsupported) => Some(Stop::Unsupported(unsupported)),
            exit => Some(Stop::Ended(exit)),
        }
    }

    fn stopped(&mut self) -> Stop {
        let rip = self.machine.cpu(0).regs.rip;
        if (SYSCALL_STUB..SYSCALL_STUB + 16).contains(&rip) {
            return Stop::Syscall;
        }
        if (LLDT_STUB..LLDT_STUB + 16).contains(&rip) {
            return Stop::Monitor;
        }
        let vector = (rip.wrapping_sub(STUBS) / 16) as u8;
        self.has_error = layout::has_error_code(vector);
        if vector == UNDEFINED
            && let Some(feature) = self.missing()
        {
            return Stop::Missing(feature);
        }
        let top = self.machine.cpu(0).regs.gpr.get(RSP);
        Stop::Exception(vector, self.has_error.then(|| self.word(top)))
    }

    /// Linear address of an offset in a code segment: 32 bits outside 64-bit mode.
    pub(crate) fn linear(&self, cs: u16, rip: u64) -> u64 {
        let segment = self.segment(cs);
        if segment.access & Segment::LONG != 0 {
            return rip;
        }
        segment.base.wrapping_add(rip) & 0xffff_ffff
    }

    /// Whether a page has a frame, present or not.
    pub(crate) fn is_mapped(&self, linear: u64) -> bool {
        self.tables.physical(&self.machine.mem, linear).is_some()
    }

    /// The instruction at the frame's RIP.
    pub(crate) fn instruction(&self) -> Instruction {
        let frame = self.frame();
        self.instruction_at(frame.cs as u16, frame.rip)
    }

    /// The instruction at an offset in a code segment.
    pub(crate) fn instruction_at(&self, cs: u16, rip: u64) -> Instruction {
        let bits = match self.segment(cs).access & (Segment::LONG | Segment::DEFAULT_BIG) {
            0 => 16,
            Segment::DEFAULT_BIG => 32,
            _ => 64,
        };
        let linear = self.linear(cs, rip);
        let bytes: Vec<u8> = (0..15)
            .map(|offset| linear.wrapping_add(offset))
            .take_while(|at| self.is_mapped(*at))
            .flat_map(|at| self.peek(at, 1))
            .collect();
        Decoder::with_ip(bits, &bytes, rip, DecoderOptions::NONE).decode()
    }

    /// The feature that the instruction needs and the processor lacks.
    fn missing(&self) -> Option<String> {
        let feature = self.machine.cpu(0).model().missing(&self.instruction())?;
        Some(format!("{feature:?}"))
    }

    fn word(&self, linear: u64) -> u64 {
        let bytes = self.peek(linear, 8);
        bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
    }

    fn frame_address(&self) -> u64 {
        let top = self.machine.cpu(0).regs.gpr.get(RSP);
        if self.has_error { top + 8 } else { top }
    }

    /// The frame of the handler that stopped.
    pub(crate) fn frame(&self) -> Frame {
        let at = self.frame_address();
        let word = |slot: u64| self.word(at + 8 * slot);
        Frame { rip: word(0), cs: word(1), rflags: word(2), rsp: word(3), ss: word(4) }
    }

    /// Changes the frame of the handler that stopped.
    pub(crate) fn set_frame(&mut self, frame: Frame) {
        self.write_frame_at(self.frame_address(), frame);
    }

    fn write_frame_at(&mut self, at: u64, frame: Frame) {
        let words = [frame.rip, frame.cs, frame.rflags, frame.rsp, frame.ss];
        for (slot, word) in (0..).zip(words) {
            self.poke(at + 8 * slot, &u64::to_le_bytes(word));
        }
    }

    /// Returns from SYSCALL as Linux does: IRETQ where TF or RF must be restored.
    pub(crate) fn leave_syscall(&mut self) {
        let gpr = &self.machine.cpu(0).regs.gpr;
        let (rip, rflags, rsp) = (gpr.get(RCX), gpr.get(R11), gpr.get(RSP));
        if rflags & (1 << 8 | 1 << 16) != 0 {
            self.start(Self::user_frame(rip, rflags, rsp));
        }
    }

    /// A general register, by the manual's number.
    pub(crate) fn gpr(&self, reg: u8) -> u64 {
        self.machine.cpu(0).regs.gpr.get(reg)
    }

    /// Sets a general register.
    pub(crate) fn set_gpr(&mut self, reg: u8, value: u64) {
        self.machine.cpu_mut(0).regs.gpr.set(reg, value);
    }
}
