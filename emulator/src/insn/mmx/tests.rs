//! What MMX instructions do to the x87 state, which exception comes first, and the
//! operations that are made of others. Expected states are measured.

use proptest::prelude::*;

use super::narrow::{Joined, Repeated, Stacked, Upper};
use crate::alu::simd::VectorOp;
use crate::alu::simd::horizontal::{AddPairs, SubPairsSaturated};
use crate::alu::simd::pack::{PackSignedBytes, PackSignedWords, PackUnsignedBytes, UnpackLow};
use crate::alu::simd::select::{AlignRight, ShuffleBytes};
use crate::alu::x87::format::F80;
use crate::cpuid::CpuModel;
use crate::event::Vector;
use crate::insn::test_machine::{self, CODE, DATA, UNMAPPED, run};
use crate::machine::Machine;
use crate::regs::control::{cr0, cr4};
use crate::regs::gpr::reg::{RAX, RBX, RDI};
use crate::regs::x87::X87;

/// Status word with TOP 3.
const TOP_3: u16 = 3 << 11;
/// Tag word with physical registers 1 and 6 in use, holding finite numbers.
const TWO_IN_USE: u16 = 0xcff3;
/// All eight in use, holding what MMX leaves alone.
const ALL_IN_USE: u16 = 0;
/// What the registers hold: numbers with this exponent.
const EXPONENT: u16 = 0x3fff;
/// All exceptions masked but precision.
const PRECISION_UNMASKED: u32 = 0x0f80;

const PADDB: &[u8] = &[0x0f, 0xfc, 0xca];
const PADDB_LOAD: &[u8] = &[0x0f, 0xfc, 0x0b];
const MOVD_TO_EAX: &[u8] = &[0x0f, 0x7e, 0xd0];
const MOVQ_STORE: &[u8] = &[0x0f, 0x7f, 0x13];
const MOVD_STORE: &[u8] = &[0x0f, 0x7e, 0x13];
const MOVNTQ: &[u8] = &[0x0f, 0xe7, 0x13];
const MASKMOVQ: &[u8] = &[0x0f, 0xf7, 0xca];
const PSHUFW: &[u8] = &[0x0f, 0x70, 0xca, 0x1b];
const MOVQ2DQ: &[u8] = &[0xf3, 0x0f, 0xd6, 0xca];
const MOVDQ2Q: &[u8] = &[0xf2, 0x0f, 0xd6, 0xca];
const CVTPI2PS: &[u8] = &[0x0f, 0x2a, 0xca];
const CVTPI2PS_LOAD: &[u8] = &[0x0f, 0x2a, 0x0b];
const CVTPI2PD_LOAD: &[u8] = &[0x66, 0x0f, 0x2a, 0x0b];
const CVTPS2PI: &[u8] = &[0x0f, 0x2d, 0xca];
const CVTPS2PI_LOAD: &[u8] = &[0x0f, 0x2d, 0x0b];
const EMMS: &[u8] = &[0x0f, 0x77];

const PAGE_FAULT: Option<u64> = Some(Vector::PageFault as u64);
const X87_ERROR: Option<u64> = Some(Vector::X87Error as u64);
const SIMD_ERROR: Option<u64> = Some(Vector::SimdError as u64);
const NOT_AVAILABLE: Option<u64> = Some(Vector::DeviceNotAvailable as u64);
const INVALID_OPCODE: Option<u64> = Some(Vector::InvalidOpcode as u64);

/// What physical register `reg` holds at the start.
fn initial(reg: u8) -> u64 {
    0x8081_8283_8485_8687 + u64::from(reg) * 0x0101_0101_0101_0101
}

/// A machine at CPL 0 whose exception handlers stop at once, TOP 3, two registers in
/// use.
fn machine() -> Machine {
    let mut machine = test_machine::machine(CpuModel::V1);
    let cpu = machine.cpu_mut(0);
    cpu.regs.gpr.set(RBX, DATA);
    cpu.regs.gpr.set(RDI, DATA);
    let x87 = &mut cpu.regs.x87;
    x87.set_status_word(0);
    for reg in 0..8 {
        x87.set_raw(reg, F80 { sig: initial(reg), se: EXPONENT });
    }
    x87.set_status_word(TOP_3);
    x87.set_tag_word(TWO_IN_USE);
    machine
}

/// Runs one instruction with RBX and RDI at `address`: the machine, and the vector of the
/// exception that it raised.
fn run_at(address: u64, code: &[u8]) -> (Machine, Option<u64>) {
    let mut machine = machine();
    machine.cpu_mut(0).regs.gpr.set(RBX, address);
    machine.cpu_mut(0).regs.gpr.set(RDI, address);
    let vector = run(&mut machine, code);
    (machine, vector)
}

fn x87(machine: &Machine) -> &X87 {
    &machine.cpu(0).regs.x87
}

/// Status and tag words, and the sign and exponent of each physical register.
fn state(machine: &Machine) -> (u16, u16, Vec<u16>) {
    let x87 = x87(machine);
    let top = (x87.status_word() >> 11 & 7) as u8;
    let exponents = (0..8u8).map(|reg| x87.raw(reg.wrapping_sub(top) & 7).se).collect();
    (x87.status_word(), x87.tag_word(), exponents)
}

fn untouched() -> (u16, u16, Vec<u16>) {
    (TOP_3, TWO_IN_USE, vec![EXPONENT; 8])
}

/// TOP 0 and all in use; the exponents of `written` are ones.
fn entered(written: &[usize]) -> (u16, u16, Vec<u16>) {
    let mut exponents = vec![EXPONENT; 8];
    let mut tags = ALL_IN_USE;
    for &reg in written {
        exponents[reg] = u16::MAX;
        // Special: infinities and NaNs.
        tags |= 2 << (2 * reg);
    }
    (0, tags, exponents)
}

#[test]
fn a_result_ends_x87_use() {
    for code in [PADDB, PADDB_LOAD, PSHUFW, MOVDQ2Q, CVTPS2PI, CVTPS2PI_LOAD] {
        let (machine, vector) = run_at(DATA, code);
        assert_eq!(vector, None, "{code:02x?}");
        assert_eq!(state(&machine), entered(&[1]), "{code:02x?}");
    }
    // Registers that are only read keep their exponents.
    for code in [MOVD_TO_EAX, MOVQ_STORE, MOVD_STORE, MOVNTQ, MASKMOVQ, MOVQ2DQ, CVTPI2PS] {
        let (machine, vector) = run_at(DATA, code);
        assert_eq!(vector, None, "{code:02x?}");
        assert_eq!(state(&machine), entered(&[]), "{code:02x?}");
    }
}

#[test]
fn registers_are_numbered_without_top() {
    let (mut machine, _) = run_at(DATA, PADDB);
    let sum = [initial(1), initial(2)].map(u64::to_le_bytes);
    let expected = std::array::from_fn(|i| sum[0][i].wrapping_add(sum[1][i]));
    assert_eq!(x87(&machine).mm(1), u64::from_le_bytes(expected));
    machine.cpu_mut(0).wake();
    machine.cpu_mut(0).regs.rip = CODE;
    assert_eq!(run(&mut machine, MOVD_TO_EAX), None);
    assert_eq!(machine.cpu(0).regs.gpr.get(RAX), initial(2) & 0xffff_ffff);
}

#[test]
fn faulting_accesses() {
    // (instruction, state)
    let half_entered = (0, TWO_IN_USE, vec![EXPONENT; 8]);
    let cases: [(&[u8], _); 8] = [
        (PADDB_LOAD, untouched()),
        (CVTPS2PI_LOAD, untouched()),
        (CVTPI2PS_LOAD, untouched()),
        (CVTPI2PD_LOAD, untouched()),
        (MOVD_STORE, half_entered.clone()),
        (MOVQ_STORE, half_entered.clone()),
        (MOVNTQ, half_entered),
        (MASKMOVQ, entered(&[])),
    ];
    for (code, expected) in cases {
        let (machine, vector) = run_at(UNMAPPED, code);
        assert_eq!(vector, PAGE_FAULT, "{code:02x?}");
        assert_eq!(state(&machine), expected, "{code:02x?}");
    }
}

#[test]
fn conversions_from_memory_are_no_mmx_instructions() {
    for code in [CVTPI2PS_LOAD, CVTPI2PD_LOAD] {
        let (machine, vector) = run_at(DATA, code);
        assert_eq!((vector, state(&machine)), (None, untouched()), "{code:02x?}");
    }
}

#[test]
fn conversions_that_trap_have_entered() {
    let inexact = u128::from((1.5f32).to_bits());
    let cases: [(&[u8], _); 4] = [
        (CVTPI2PS, entered(&[])),
        (CVTPI2PS_LOAD, untouched()),
        (CVTPS2PI, entered(&[])),
        (CVTPS2PI_LOAD, entered(&[])),
    ];
    for (code, expected) in cases {
        let mut machine = machine();
        let load = if code == CVTPI2PS_LOAD { 0x0123_4567 } else { inexact };
        machine.mem.write(DATA, &load.to_le_bytes());
        let vector = &mut machine.cpu_mut(0).regs.vector;
        vector.mxcsr = PRECISION_UNMASKED;
        vector.set_xmm(1, 7);
        vector.set_xmm(2, inexact);
        assert_eq!(run(&mut machine, code), SIMD_ERROR, "{code:02x?}");
        assert_eq!(state(&machine), expected, "{code:02x?}");
        let regs = &machine.cpu(0).regs;
        assert_eq!((regs.vector.mxcsr, regs.vector.xmm(1)), (PRECISION_UNMASKED | 0x20, 7));
    }
}

/// x86-debug rule P5: before any access to memory.
#[test]
fn a_pending_x87_exception_comes_first() {
    let outcome = |code: &[u8], address: u64| {
        let mut machine = machine();
        let cpu = machine.cpu_mut(0);
        cpu.regs.x87.set_control(0x37e);
        cpu.regs.x87.set_status_word(TOP_3 | 1);
        cpu.regs.gpr.set(RBX, address);
        cpu.regs.gpr.set(RDI, address);
        cpu.regs.control.cr0 |= 1 << 5;
        let vector = run(&mut machine, code);
        (vector, x87(&machine).tag_word())
    };
    let waiting = [PADDB_LOAD, MOVQ_STORE, MOVNTQ, MASKMOVQ, CVTPS2PI_LOAD];
    for code in waiting.into_iter().chain([PADDB, MOVQ2DQ, MOVDQ2Q, CVTPI2PS, EMMS]) {
        assert_eq!(outcome(code, UNMAPPED), (X87_ERROR, TWO_IN_USE), "{code:02x?}");
    }
    for code in [CVTPI2PS_LOAD, CVTPI2PD_LOAD] {
        assert_eq!(outcome(code, DATA), (None, TWO_IN_USE), "{code:02x?}");
        assert_eq!(outcome(code, UNMAPPED), (PAGE_FAULT, TWO_IN_USE), "{code:02x?}");
    }
}

/// SDM vol. 3A, table 12-1; only forms with an XMM register heed OSFXSR.
#[test]
fn enabling_and_task_switches() {
    let outcome = |code: &[u8], set0: u64, clear4: u64| {
        let mut machine = machine();
        let control = &mut machine.cpu_mut(0).regs.control;
        control.cr0 |= set0;
        control.cr4 &= !clear4;
        let vector = run(&mut machine, code);
        (vector, state(&machine) == untouched())
    };
    for code in [PADDB, PSHUFW, MOVQ_STORE, MASKMOVQ, MOVQ2DQ, CVTPS2PI, EMMS] {
        assert_eq!(outcome(code, cr0::TS, 0), (NOT_AVAILABLE, true), "{code:02x?}");
        assert_eq!(outcome(code, cr0::EM | cr0::TS, 0), (INVALID_OPCODE, true), "{code:02x?}");
    }
    for code in [PADDB, PSHUFW, MASKMOVQ, EMMS] {
        assert_eq!(outcome(code, 0, cr4::OSFXSR), (None, false), "{code:02x?}");
    }
    for code in [MOVQ2DQ, MOVDQ2Q, CVTPI2PS, CVTPS2PI] {
        assert_eq!(outcome(code, 0, cr4::OSFXSR), (INVALID_OPCODE, true), "{code:02x?}");
    }
}

#[test]
fn emms_empties_all_and_keeps_what_they_hold() {
    let (machine, vector) = run_at(DATA, EMMS);
    assert_eq!((vector, state(&machine)), (None, (0, 0xffff, vec![EXPONENT; 8])));
    assert!((0..8).all(|reg| x87(&machine).mm(reg) == initial(reg)));
}

#[test]
fn masked_store() {
    let mut machine = machine();
    machine.mem.write(DATA, &[0x11; 9]);
    let x87 = &mut machine.cpu_mut(0).regs.x87;
    x87.set_mm(1, u64::from_le_bytes([0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7]));
    x87.set_mm(2, u64::from_le_bytes([0x7f, 0x80, 0, 0xff, 0, 0, 0, 0x81]));
    assert_eq!(run(&mut machine, MASKMOVQ), None);
    let mut memory = [0; 9];
    machine.mem.read(DATA, &mut memory);
    assert_eq!(memory, [0x11, 0xa1, 0x11, 0xa3, 0x11, 0x11, 0x11, 0xa7, 0x11]);
}

/// MASKMOVQ and MASKMOVDQU hit write breakpoints on all their bytes, whatever the mask
/// (measured).
#[test]
fn masked_stores_hit_where_they_store_nothing() {
    for (code, bytes) in [(MASKMOVQ, 8), (&[0x66, 0x0f, 0xf7, 0xca][..], 16)] {
        for at in [DATA - 1, DATA, DATA + bytes - 1, DATA + bytes] {
            let mut machine = machine();
            let cpu = machine.cpu_mut(0);
            cpu.regs.x87.set_mm(2, 0);
            cpu.set_dr_address(0, at);
            // Entry 0, one byte, writes.
            cpu.set_dr7(0x1_0401);
            let inside = (DATA..DATA + bytes).contains(&at);
            let expected = inside.then_some(Vector::Debug as u64);
            assert_eq!(run(&mut machine, code), expected, "{code:02x?} {at:#x}");
        }
    }
}

/// The low half, as an MMX register takes it.
fn apply<O: VectorOp>(a: u64, b: u64, imm: u8) -> u64 {
    O::apply(u128::from(a), u128::from(b), imm) as u64
}

/// Signed words of a register.
fn words(value: u64) -> [i16; 4] {
    std::array::from_fn(|i| (value >> (16 * i)) as i16)
}

fn of_words(words: [i16; 4]) -> u64 {
    words.iter().rev().fold(0, |all, &word| all << 16 | u64::from(word as u16))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn packs(a: u64, b: u64) {
        let both = [words(a), words(b)].concat();
        let signed: Vec<u8> = both.iter().map(|&w| w.clamp(-128, 127) as u8).collect();
        prop_assert_eq!(apply::<Joined<PackSignedBytes>>(a, b, 0).to_le_bytes(), &signed[..]);
        let unsigned: Vec<u8> = both.iter().map(|&w| w.clamp(0, 255) as u8).collect();
        prop_assert_eq!(apply::<Joined<PackUnsignedBytes>>(a, b, 0).to_le_bytes(), &unsigned[..]);
        let dwords = [a as i32, (a >> 32) as i32, b as i32, (b >> 32) as i32];
        let narrowed = of_words(dwords.map(|d| d.clamp(-0x8000, 0x7fff) as i16));
        prop_assert_eq!(apply::<Joined<PackSignedWords>>(a, b, 0), narrowed);
    }

    #[test]
    fn unpacks(a: u64, b: u64) {
        let (x, y) = (a.to_le_bytes(), b.to_le_bytes());
        let low = [x[0], y[0], x[1], y[1], x[2], y[2], x[3], y[3]];
        prop_assert_eq!(apply::<UnpackLow<u8>>(a, b, 0).to_le_bytes(), low);
        let high = [x[4], y[4], x[5], y[5], x[6], y[6], x[7], y[7]];
        prop_assert_eq!(apply::<Upper<UnpackLow<u8>>>(a, b, 0).to_le_bytes(), high);
        let (x, y) = (words(a), words(b));
        prop_assert_eq!(apply::<Upper<UnpackLow<u16>>>(a, b, 0), of_words([x[2], y[2], x[3], y[3]]));
        prop_assert_eq!(apply::<Upper<UnpackLow<u32>>>(a, b, 0), a >> 32 | b >> 32 << 32);
    }

    #[test]
    fn pairs(a: u64, b: u64) {
        let (x, y) = (words(a), words(b));
        let pairs = [(x[0], x[1]), (x[2], x[3]), (y[0], y[1]), (y[2], y[3])];
        let sums = of_words(pairs.map(|(low, high)| low.wrapping_add(high)));
        prop_assert_eq!(apply::<Joined<AddPairs<u16>>>(a, b, 0), sums);
        let differences = of_words(pairs.map(|(low, high)| low.saturating_sub(high)));
        prop_assert_eq!(apply::<Joined<SubPairsSaturated>>(a, b, 0), differences);
        let dwords = |v: u64| (v as u32).wrapping_add((v >> 32) as u32);
        let sums = u64::from(dwords(a)) | u64::from(dwords(b)) << 32;
        prop_assert_eq!(apply::<Joined<AddPairs<u32>>>(a, b, 0), sums);
    }

    #[test]
    fn bytes_by_place(a: u64, b: u64, imm in 0u8..24) {
        let x = a.to_le_bytes();
        let chosen = b.to_le_bytes().map(|p| if p < 0x80 { x[usize::from(p & 7)] } else { 0 });
        prop_assert_eq!(apply::<Repeated<ShuffleBytes>>(a, b, 0).to_le_bytes(), chosen);
        let stacked = [b.to_le_bytes(), x, [0; 8], [0; 8]].concat();
        let from = usize::from(imm);
        let aligned = apply::<Stacked<AlignRight>>(a, b, imm).to_le_bytes();
        prop_assert_eq!(&aligned[..], &stacked[from..from + 8]);
    }
}
