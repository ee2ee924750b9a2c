//! Random memory as ring-0 code with random control state, in every mode: real mode,
//! protected mode with and without paging, IA-32e mode with 64-bit and 32-bit code. A
//! guest may make of its GDT, IDT, TSS, page tables, stack and debug registers what it
//! likes: it triple-faults or runs on, and the emulator neither panics nor hangs.
//!
//! `PROPTEST_CASES=N cargo test --release -p emulator --test fuzz_modes` runs longer.

use emulator::board::{Board, BoardConfig};
use emulator::cpuid::{CpuModel, CpuVendor};
use emulator::event::KeptHits;
use emulator::machine::{Machine, MachineConfig};
use emulator::regs::control::{cr0, cr4, efer};
use emulator::regs::{Segment, SegmentReg};
use emulator::run::Exit;
use emulator::timing::TimingChoice;
use proptest::prelude::*;

const RAM: u64 = 0x8_0000;
/// Where things are; random code lies all over the rest.
const GDT: u64 = 0x1000;
const LDT: u64 = 0x1400;
const IDT: u64 = 0x2000;
const TSS: u64 = 0x3000;
const TABLES: u64 = 0x4000;
const CODE: u64 = 0x1_0000;
const STACK: u64 = 0x2_0000;
/// Entries of the GDT and the LDT.
const NR_DESCRIPTORS: u64 = 64;
/// Cycles of a run, runs of a case.
const CYCLES: u64 = 400;
const RUNS: u64 = 40;

/// Instructions that reach what is delicate.
const DELICATE: &[&[u8]] = &[
    &[0x0f, 0x22, 0xc0],             // mov cr0,eax
    &[0x0f, 0x22, 0xd8],             // mov cr3,eax
    &[0x0f, 0x22, 0xe0],             // mov cr4,eax
    &[0x0f, 0x20, 0xc0],             // mov eax,cr0
    &[0x0f, 0x30],                   // wrmsr
    &[0x0f, 0x32],                   // rdmsr
    &[0x0f, 0x01, 0x13],             // lgdt [rbx]
    &[0x0f, 0x01, 0x1b],             // lidt [rbx]
    &[0x0f, 0x01, 0x03],             // sgdt [rbx]
    &[0x0f, 0x00, 0xd0],             // lldt ax
    &[0x0f, 0x00, 0xd8],             // ltr ax
    &[0x0f, 0x01, 0xf0],             // lmsw ax
    &[0x0f, 0x23, 0xf8],             // mov dr7,eax
    &[0x0f, 0x23, 0xc3],             // mov dr0,ebx
    &[0x0f, 0x23, 0xcb],             // mov dr1,ebx
    &[0x0f, 0x21, 0xf0],             // mov eax,dr6
    &[0x8e, 0xd0],                   // mov ss,ax
    &[0x8e, 0xd8],                   // mov ds,ax
    &[0x17],                         // pop ss
    &[0xcf],                         // iret
    &[0x48, 0xcf],                   // iretq
    &[0xcb],                         // retf
    &[0x48, 0xcb],                   // retfq
    &[0xff, 0x1b],                   // call far [rbx]
    &[0xff, 0x2b],                   // jmp far [rbx]
    &[0xea, 0, 0, 1, 0, 0x28, 0],    // jmp 0x28:0x10000
    &[0x9a, 0, 0, 1, 0, 0x40, 0],    // call 0x40:0x10000
    &[0x9d],                         // popf
    &[0xf1],                         // icebp
    &[0xcc],                         // int3
    &[0xcd, 0x21],                   // int 0x21
    &[0xce],                         // into
    &[0xf4],                         // hlt
    &[0xfb],                         // sti
    &[0xec],                         // in al,dx
    &[0xef],                         // out dx,eax
    &[0xf3, 0x6e],                   // rep outsb
    &[0xf3, 0x6c],                   // rep insb
    &[0xf3, 0xa5],                   // rep movsd
    &[0x0f, 0x05],                   // syscall
    &[0x0f, 0x07],                   // sysret
    &[0x0f, 0x34],                   // sysenter
    &[0x0f, 0x35],                   // sysexit
    &[0x0f, 0x01, 0xf8],             // swapgs
    &[0x0f, 0x01, 0xcb],             // stac
    &[0x60],                         // pusha
    &[0x61],                         // popa
    &[0x62, 0x03],                   // bound
    &[0x63, 0x03],                   // arpl
    &[0xc4, 0x03],                   // les
    &[0xd4, 0x00],                   // aam 0
    &[0xc8, 0x20, 0x00, 0x1f],       // enter 32,31
    &[0x0f, 0xae, 0x03],             // fxsave [rbx]
    &[0x0f, 0xae, 0x23],             // xsave [rbx]
    &[0x66, 0x0f, 0x38, 0x82, 0x03], // invpcid
    &[0xff, 0xe0],                   // jmp eax
    &[0xc3],                         // ret
];

/// Selectors that the descriptors below make sense of.
const SELECTORS: &[u64] = &[0, 8, 0x10, 0x18, 0x20, 0x28, 0x30, 0x38, 0x40, 0x2b, 0x33, 0x0c, 0x4f];

/// A sequence of numbers from a seed.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// A value that means something to the machine more often than by chance.
    fn word(&mut self) -> u64 {
        match self.below(8) {
            0 => CODE + self.below(0x1000),
            1 => STACK + self.below(0x1000),
            2 => SELECTORS[self.below(SELECTORS.len() as u64) as usize],
            3 => GDT + self.below(0x8000),
            4 => [u64::MAX, 1 << 47, 0xffff_ffff, 0xffff_fff0, 0x8000_0011, 0x3f8]
                [self.below(6) as usize],
            5 => self.below(0x100),
            6 => 0xc000_0080 + self.below(4),
            _ => self.next(),
        }
    }

    /// A descriptor: mostly flat code and data, gates and TSSs now and then.
    fn descriptor(&mut self) -> u64 {
        let flat = [
            0x00af_9b00_0000_ffff,
            0x00cf_9b00_0000_ffff,
            0x00cf_9300_0000_ffff,
            0x008f_9b00_0000_ffff,
            0x00af_fb00_0000_ffff,
            0x00cf_fb00_0000_ffff,
            0x00cf_f300_0000_ffff,
            0x0000_8900_3000_0067,
            0x0000_8c00_0008_0000,
            0x0000_8500_0038_0000,
            0x0000_8200_1400_00ff,
        ];
        let base = flat[self.below(flat.len() as u64) as usize];
        if self.one_in(4) { base ^ 1 << self.below(64) } else { base }
    }
}

/// The mode a case starts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Real,
    Protected,
    Paged32,
    Pae,
    Long,
    Compatibility,
}

const MODES: [Mode; 6] =
    [Mode::Real, Mode::Protected, Mode::Paged32, Mode::Pae, Mode::Long, Mode::Compatibility];

fn fill(machine: &mut Machine, numbers: &mut Numbers) {
    let mem = &mut machine.mem;
    for at in (CODE..CODE + 0x4000).step_by(8) {
        if numbers.one_in(2) {
            let piece = DELICATE[numbers.below(DELICATE.len() as u64) as usize];
            mem.write(at, piece);
        } else {
            mem.write_u64(at, numbers.next());
        }
    }
    for at in (STACK..STACK + 0x1000).step_by(8) {
        mem.write_u64(at, numbers.word());
    }
    for slot in 1..NR_DESCRIPTORS {
        mem.write_u64(GDT + 8 * slot, numbers.descriptor());
        mem.write_u64(LDT + 8 * slot, numbers.descriptor());
    }
    // Gates of both formats, to code.
    for vector in 0..0x100 {
        let kind = [0x8e, 0x8f, 0xee, 0x85, 0x86][numbers.below(5) as usize];
        let selector = 8 * (1 + numbers.below(6));
        let offset = CODE + numbers.below(0x3000);
        let gate = offset & 0xffff | selector << 16 | kind << 40 | (offset >> 16) << 48;
        mem.write_u64(IDT + 8 * vector, if numbers.one_in(16) { numbers.next() } else { gate });
    }
    for at in (TSS..TSS + 0x100).step_by(8) {
        mem.write_u64(at, numbers.word());
    }
}

/// Tables that map the first GiB onto itself, of the mode's kind.
fn map(machine: &mut Machine, mode: Mode, numbers: &mut Numbers) {
    let mem = &mut machine.mem;
    let spoil = |numbers: &mut Numbers, entry: u64| {
        if numbers.one_in(8) { entry ^ 1 << numbers.below(64) } else { entry }
    };
    match mode {
        Mode::Real | Mode::Protected => {}
        Mode::Paged32 => {
            for slot in 0..1024 {
                let entry = (slot << 22 | 0xe7) as u32;
                mem.write(TABLES + 4 * slot, &entry.to_le_bytes());
            }
        }
        Mode::Pae => {
            mem.write_u64(TABLES, spoil(numbers, (TABLES + 0x1000) | 1));
            for slot in 0..512 {
                mem.write_u64(TABLES + 0x1000 + 8 * slot, slot << 21 | 0xe7);
            }
        }
        Mode::Long | Mode::Compatibility => {
            mem.write_u64(TABLES, (TABLES + 0x1000) | 7);
            mem.write_u64(TABLES + 0x1000, spoil(numbers, 0xe7));
        }
    }
}

fn set_state(machine: &mut Machine, mode: Mode, numbers: &mut Numbers) {
    let cpu = machine.cpu_mut(0);
    cpu.set_monitored(false);
    if numbers.one_in(4) {
        cpu.set_vendor(CpuVendor::Amd);
    }
    if numbers.one_in(2) {
        cpu.set_kept_hits(KeptHits::Delivered);
    }
    let control = &mut cpu.regs.control;
    control.cr0 = cr0::ET | cr0::NE;
    control.cr3 = TABLES;
    (control.gdtr.base, control.gdtr.limit) = (GDT, (8 * NR_DESCRIPTORS - 1) as u16);
    (control.idtr.base, control.idtr.limit) = (IDT, 0xfff);
    (control.tss_base, control.tss_limit, control.tr) = (TSS, 0x80, 0x38);
    control.tr_access = if numbers.one_in(4) { 0x83 } else { 0x8b };
    (control.ldtr, control.ldt_base, control.ldt_limit) = (0x50, LDT, 0x1ff);
    let pe = cr0::PE | cr0::WP;
    let simd = cr4::OSFXSR | cr4::OSXSAVE | cr4::DE;
    match mode {
        Mode::Real => {}
        Mode::Protected => control.cr0 |= pe,
        Mode::Paged32 => {
            control.cr0 |= pe | cr0::PG;
            control.cr4 = cr4::PSE;
        }
        Mode::Pae => {
            control.cr0 |= pe | cr0::PG;
            control.cr4 = cr4::PAE | simd;
        }
        Mode::Long | Mode::Compatibility => {
            control.cr0 |= pe | cr0::PG;
            control.cr4 = cr4::PAE | simd | numbers.next() & (cr4::SMEP | cr4::SMAP | cr4::UMIP);
            control.efer = efer::LME | efer::LMA | efer::NXE | efer::SCE;
        }
    }
    control.xcr0 = 7;
    let cpl = if mode != Mode::Real && numbers.one_in(4) { 3 } else { 0 };
    let code = if mode == Mode::Long { 0x00af_9b00_0000_ffff } else { 0x00cf_9b00_0000_ffff };
    let dpl = cpl << 45;
    let mut load = |reg: SegmentReg, descriptor: u64, selector: u16| {
        cpu.regs.seg[reg as usize] = Segment::from_descriptor(selector, descriptor);
    };
    load(SegmentReg::Cs, code | dpl, 8 | cpl as u16);
    for reg in [SegmentReg::Ss, SegmentReg::Ds, SegmentReg::Es, SegmentReg::Fs, SegmentReg::Gs] {
        load(reg, 0x00cf_9300_0000_ffff | dpl, 0x10 | cpl as u16);
    }
    for reg in 0..16 {
        cpu.regs.gpr.set(reg, numbers.word());
    }
    cpu.regs.gpr.set(4, STACK + 0x800 + numbers.below(0x100));
    cpu.regs.rip = CODE + numbers.below(0x2000);
    for index in 0..4 {
        cpu.set_dr_address(index, numbers.word());
    }
    let dr7 = if numbers.one_in(2) { numbers.next() } else { 0 };
    cpu.set_dr7(dr7);
    let _ = cpu.write_msr(0x1d9, numbers.below(4));
    cpu.flush_tlb();
    cpu.set_rflags(numbers.next() & 0x3f_7fd5 & !(1 << 17));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn no_state_makes_the_emulator_panic_or_hang(
        seed: u64,
        mode in prop::sample::select(MODES.to_vec()),
    ) {
        let mut numbers = Numbers(seed);
        let timing = if numbers.one_in(4) { TimingChoice::Table } else { TimingChoice::None };
        let config = MachineConfig { nr_cpus: 1, ram_bytes: RAM, timing, model: CpuModel::V3 };
        let mut machine = Machine::new(&config);
        fill(&mut machine, &mut numbers);
        map(&mut machine, mode, &mut numbers);
        let board = BoardConfig { nr_cpus: 1, ram_bytes: RAM, ..BoardConfig::default() };
        Board::new(&board).install(&mut machine.mem);
        set_state(&mut machine, mode, &mut numbers);
        for run in 0..RUNS {
            let start = machine.cpu(0).cycles();
            match machine.run(0, start + CYCLES) {
                // A changed device may end a run early.
                Exit::Deadline => prop_assert!(machine.cpu(0).cycles() >= start),
                Exit::Halted => machine.cpu_mut(0).wake(),
                Exit::Unsupported(what) => {
                    prop_assert!(what.bytes.len() <= 15, "{}", what);
                    let cpu = machine.cpu_mut(0);
                    cpu.regs.rip = cpu.regs.rip.wrapping_add(what.bytes.len().max(1) as u64);
                }
                Exit::Hypercall => prop_assert!(false, "there is no monitor"),
                Exit::Shutdown => break,
            }
            if run % 8 == 7 {
                machine.cpu_mut(0).raise_nmi();
            }
            let now = machine.cpu(0).cycles();
            if let Some(board) = Board::of(&mut machine.mem) {
                board.advance(now);
            }
        }
        machine.digest(&mut |_| {});
    }
}

/// The usual number, unless PROPTEST_CASES asks for another.
fn cases() -> u32 {
    let default = ProptestConfig::default().cases;
    if default == 256 { 400 } else { default }
}
