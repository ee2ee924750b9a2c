//! Cases on the emulator: user code with the same linear addresses, and a kernel
//! that is nothing but an IDT whose handlers are VMCALL.

use emulator::cpuid::CpuModel;
use emulator::machine::{Machine, MachineConfig};
use emulator::mem::paging::entry;
use emulator::regs::control::{cr0, cr4, efer};
use emulator::regs::vector::VectorReg;
use emulator::regs::{Segment, SegmentReg};
use emulator::run::{Exit, Unsupported};
use emulator::timing::TimingChoice;

use super::case::{Case, Ending, Fault, RSP, Registers};
use super::layout::*;
use super::x87::{FXSAVE_BYTES, X87};

/// Physical addresses. The first two MiB are the kernel's and are mapped onto
/// [`KERNEL`]; what cases use follows.
const PML4: u64 = 0x1000;
const USER_TABLES: u64 = 0x2000;
const KERNEL_TABLES: u64 = 0x8000;
const GDT: u64 = 0xa000;
const IDT: u64 = 0xb000;
const TSS: u64 = 0xc000;
const HANDLERS: u64 = 0xd000;
const KERNEL_STACK: u64 = 0x10000;
const CODE_FRAMES: u64 = 0x20_0000;
const DATA_FRAMES: u64 = 0x28_0000;
const STACK_FRAMES: u64 = 0x29_0000;
const RAM: u64 = 0x2a_0000;

/// Linear address of the kernel's two MiB.
const KERNEL: u64 = 0xffff_8000_0000_0000;
/// Vectors that have a handler.
const NR_VECTORS: u64 = 32;
/// Bytes of a handler: VMCALL and filling.
const HANDLER_STRIDE: u64 = 16;
/// VMCALL.
const VMCALL: [u8; 3] = [0x0f, 0x01, 0xc1];
/// Last byte of the TSS.
const TSS_LIMIT: u32 = 103;
/// XCR0: x87, SSE and AVX state.
const XCR0: u64 = 7;
/// Segment registers whose selectors are compared.
const SELECTORS: [SegmentReg; 4] = [SegmentReg::Es, SegmentReg::Ds, SegmentReg::Fs, SegmentReg::Gs];
/// Instructions after which a case counts as endless.
const MAX_INSNS: u64 = 2_000_000;

/// Kernel code and Linux's user segments (asm/segment.h).
const KERNEL_CS: u16 = 0x10;
const DESCRIPTORS: [u64; 7] = [
    0,
    0,
    0x00af_9b00_0000_ffff,
    0x00cf_9300_0000_ffff,
    0x00cf_fb00_0000_ffff,
    0x00cf_f300_0000_ffff,
    0x00af_fb00_0000_ffff,
];

/// How a case ended on the emulator.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "the large variant is the one that every case makes")]
pub enum EmulatedEnd {
    /// With an exception.
    Ended(Ending),
    /// At an instruction that is not built.
    Unsupported(Unsupported),
    /// Not at all, or in a way that user code cannot cause.
    Stuck(Exit),
}

/// The emulator, for user code.
#[derive(Debug)]
pub struct Emulated {
    machine: Machine,
    image: Vec<u8>,
}

impl Emulated {
    /// A machine with this memory image (data, then stack) and this page that can
    /// only be read.
    #[must_use]
    pub fn new(image: &[u8], read_only: &[u8]) -> Self {
        let config = MachineConfig {
            nr_cpus: 1,
            ram_bytes: RAM,
            timing: TimingChoice::None,
            model: CpuModel::default(),
        };
        let mut machine = Machine::new(&config);
        map_all(&mut machine);
        write_system_tables(&mut machine);
        set_system_registers(&mut machine);
        machine.mem.write(DATA_FRAMES + DATA_BYTES, read_only);
        Self { machine, image: image.to_vec() }
    }

    /// Replaces the memory image.
    pub fn set_image(&mut self, image: &[u8]) {
        self.image.copy_from_slice(image);
    }

    /// The processor model.
    #[must_use]
    pub fn model(&self) -> CpuModel {
        self.machine.cpu(0).model()
    }

    /// Runs a case to its end.
    pub fn run(&mut self, case: &Case) -> EmulatedEnd {
        self.place(case);
        set_user_registers(&mut self.machine, &case.start);
        let deadline = self.machine.cpu(0).cycles() + MAX_INSNS;
        match self.machine.run(0, deadline) {
            Exit::Hypercall => EmulatedEnd::Ended(self.ending()),
            Exit::Unsupported(unsupported) => EmulatedEnd::Unsupported(unsupported),
            other => EmulatedEnd::Stuck(other),
        }
    }

    /// Memory after the last case: data and stack.
    #[must_use]
    pub fn memory(&self) -> [&[u8]; 2] {
        let slice = |at, bytes| self.machine.mem.slice(at, bytes).unwrap_or_default();
        [slice(DATA_FRAMES, DATA_BYTES), slice(STACK_FRAMES, STACK_BYTES)]
    }

    fn place(&mut self, case: &Case) {
        let mem = &mut self.machine.mem;
        let (data, stack) = self.image.split_at(DATA_BYTES as usize);
        mem.write(DATA_FRAMES, data);
        mem.write(STACK_FRAMES, stack);
        for patch in &case.patches {
            if let Some(offset) = image_offset(patch.at) {
                let offset = offset as u64;
                let at = match offset.checked_sub(DATA_BYTES) {
                    Some(in_stack) => STACK_FRAMES + in_stack,
                    None => DATA_FRAMES + offset,
                };
                mem.write(at, &patch.bytes);
            }
        }
        let slot = CODE_FRAMES + (case.start.rip - CODE) / CODE_STRIDE * CODE_STRIDE;
        mem.write(slot, &[FILLER; CODE_STRIDE as usize]);
        mem.write(CODE_FRAMES + case.start.rip - CODE, &case.code);
    }

    /// Reads what the exception has pushed.
    fn ending(&mut self) -> Ending {
        let cpu = self.machine.cpu(0);
        let vector = (cpu.regs.rip - KERNEL - HANDLERS) / HANDLER_STRIDE;
        let top = cpu.regs.gpr.all()[RSP];
        let mem = &self.machine.mem;
        let word = |nth: u64| mem.read_u64(top - KERNEL + 8 * nth);
        // The frame ends at the top of the stack: six words with an error code.
        let has_error = KERNEL_STACK - (top - KERNEL) == 48;
        let at = u64::from(has_error);
        let mut gpr = cpu.regs.gpr.all();
        gpr[RSP] = word(at + 3);
        let vectors = std::array::from_fn(|reg| {
            let VectorReg { lo, hi } = cpu.regs.vector.ymm(reg as u8);
            [lo, hi]
        });
        let page_fault = vector == 14;
        let mut area = [0; FXSAVE_BYTES];
        cpu.regs.x87.store_fxsave(&mut area);
        Ending {
            fault: Fault {
                vector: vector as u8,
                error: if has_error { word(0) as u32 } else { 0 },
                address: if page_fault { cpu.regs.control.cr2 } else { 0 },
            },
            registers: Registers {
                gpr,
                rip: word(at),
                rflags: word(at + 2),
                vector: vectors,
                mxcsr: cpu.regs.vector.mxcsr,
                x87: X87::from_fxsave(&area),
                selectors: SELECTORS.map(|reg| cpu.regs.seg[reg as usize].selector),
                bases: [SegmentReg::Fs, SegmentReg::Gs].map(|reg| cpu.regs.seg[reg as usize].base),
            },
        }
    }
}

/// Builds page tables frame by frame.
struct Tables {
    next: u64,
}

impl Tables {
    /// Maps one page for user code.
    fn map(&mut self, machine: &mut Machine, linear: u64, physical: u64, rights: u64) {
        let mut table = PML4;
        for level in [3u64, 2, 1] {
            let at = table + 8 * (linear >> (12 + 9 * level) & 0x1ff);
            let mut next = machine.mem.read_u64(at);
            if next & entry::PRESENT == 0 {
                next = self.next | entry::PRESENT | entry::WRITE | entry::USER;
                self.next += 0x1000;
                machine.mem.write_u64(at, next);
            }
            table = next & entry::ADDRESS;
        }
        let at = table + 8 * (linear >> 12 & 0x1ff);
        machine.mem.write_u64(at, physical | entry::PRESENT | entry::USER | rights);
    }
}

fn map_all(machine: &mut Machine) {
    let mut tables = Tables { next: USER_TABLES };
    let areas = [
        (CODE, CODE_FRAMES, CODE_BYTES, entry::WRITE),
        (DATA, DATA_FRAMES, DATA_BYTES, entry::WRITE | entry::NX),
        (READ_ONLY, DATA_FRAMES + DATA_BYTES, READ_ONLY_BYTES, entry::NX),
        (STACK, STACK_FRAMES, STACK_BYTES, entry::WRITE | entry::NX),
    ];
    for (linear, physical, bytes, rights) in areas {
        for offset in (0..bytes).step_by(0x1000) {
            tables.map(machine, linear + offset, physical + offset, rights);
        }
    }
    // One page of two MiB for the kernel.
    let rights = entry::PRESENT | entry::WRITE;
    let (second, third) = (KERNEL_TABLES, KERNEL_TABLES + 0x1000);
    machine.mem.write_u64(PML4 + 8 * (KERNEL >> 39 & 0x1ff), second | rights);
    machine.mem.write_u64(second, third | rights);
    machine.mem.write_u64(third, rights | entry::PAGE_SIZE);
}

fn write_system_tables(machine: &mut Machine) {
    /// Present interrupt gate.
    const GATE: u64 = 0x8e << 40;
    /// DPL 3: user code may use the vector with INT n.
    const GATE_FOR_USERS: u64 = 3 << 45;
    const BREAKPOINT: u64 = 3;
    const OVERFLOW: u64 = 4;
    let mem = &mut machine.mem;
    for (slot, descriptor) in DESCRIPTORS.iter().enumerate() {
        mem.write_u64(GDT + 8 * slot as u64, *descriptor);
    }
    for vector in 0..NR_VECTORS {
        let handler = KERNEL + HANDLERS + vector * HANDLER_STRIDE;
        mem.write(HANDLERS + vector * HANDLER_STRIDE, &VMCALL);
        let users = matches!(vector, BREAKPOINT | OVERFLOW);
        let low = (handler & 0xffff)
            | u64::from(KERNEL_CS) << 16
            | GATE
            | if users { GATE_FOR_USERS } else { 0 }
            | (handler >> 16 & 0xffff) << 48;
        mem.write_u64(IDT + 16 * vector, low);
        mem.write_u64(IDT + 16 * vector + 8, handler >> 32);
    }
    mem.write_u64(TSS + 4, KERNEL + KERNEL_STACK);
}

fn set_system_registers(machine: &mut Machine) {
    let cpu = machine.cpu_mut(0);
    let control = &mut cpu.regs.control;
    control.cr0 = cr0::PE | cr0::NE | cr0::WP | cr0::AM | cr0::PG;
    control.cr3 = PML4;
    control.cr4 =
        cr4::PAE | cr4::OSFXSR | cr4::OSXMMEXCPT | cr4::UMIP | cr4::FSGSBASE | cr4::OSXSAVE;
    control.xcr0 = XCR0;
    control.efer = efer::SCE | efer::LME | efer::LMA | efer::NXE;
    control.gdtr.base = KERNEL + GDT;
    control.gdtr.limit = (DESCRIPTORS.len() * 8 - 1) as u16;
    control.idtr.base = KERNEL + IDT;
    control.idtr.limit = (NR_VECTORS * 16 - 1) as u16;
    control.tss_base = KERNEL + TSS;
    control.tss_limit = TSS_LIMIT;
    cpu.flush_tlb();
}

/// Back to user mode with the registers of a case.
fn set_user_registers(machine: &mut Machine, start: &Registers) {
    let cpu = machine.cpu_mut(0);
    let flat =
        |selector: u16| Segment::from_descriptor(selector, DESCRIPTORS[usize::from(selector >> 3)]);
    let based = |base| Segment { base, ..Segment::default() };
    let segments = [
        (SegmentReg::Cs, flat(USER_CS)),
        (SegmentReg::Ss, flat(USER_SS)),
        (SegmentReg::Ds, Segment::default()),
        (SegmentReg::Es, Segment::default()),
        (SegmentReg::Fs, based(FS_BASE)),
        (SegmentReg::Gs, based(GS_BASE)),
    ];
    for (reg, segment) in segments {
        cpu.regs.seg[reg as usize] = segment;
    }
    for (reg, value) in (0..).zip(start.gpr) {
        cpu.regs.gpr.set(reg, value);
    }
    for (reg, [lo, hi]) in (0..).zip(start.vector) {
        cpu.regs.vector.set_ymm(reg, VectorReg { lo, hi });
    }
    cpu.regs.vector.mxcsr = start.mxcsr;
    let mut area = [0; FXSAVE_BYTES];
    start.x87.to_fxsave(&mut area);
    cpu.regs.x87.load_fxsave(&area);
    cpu.regs.rip = start.rip;
    cpu.set_rflags(start.rflags);
}
