//! Floating-point instructions in VEX encoding, run by a machine: what the upper half
//! becomes, alignment, and faults that leave everything as it was.

use iced_x86::{Code, EncodingKind, Mnemonic};

use super::memory_tests::{INVALID_OPCODE, PAGE_FAULT, machine};
use crate::event::Vector;
use crate::insn::test_machine::{DATA, UNMAPPED, run};
use crate::machine::Machine;
use crate::regs::control::{cr0, cr4, xcr0};
use crate::regs::gpr::reg::RBX;
use crate::regs::vector::VectorReg;

const GENERAL_PROTECTION: Option<u64> = Some(Vector::GeneralProtection as u64);
const NOT_AVAILABLE: Option<u64> = Some(Vector::DeviceNotAvailable as u64);
const SIMD_ERROR: Option<u64> = Some(Vector::SimdError as u64);

/// VMOVAPS YMM1, [RBX]; VMOVDQA [RBX], YMM1; VMOVNTPS [RBX], YMM1; VMOVNTDQA YMM1, [RBX].
const ALIGNED_256: [&[u8]; 4] = [
    &[0xc5, 0xfc, 0x28, 0x0b],
    &[0xc5, 0xfd, 0x7f, 0x0b],
    &[0xc5, 0xfc, 0x2b, 0x0b],
    &[0xc4, 0xe2, 0x7d, 0x2a, 0x0b],
];
/// VMOVAPS XMM1, [RBX].
const ALIGNED_128: &[u8] = &[0xc5, 0xf8, 0x28, 0x0b];
/// VMOVUPS YMM1, [RBX]; VMOVUPS [RBX], YMM1; VADDPS YMM1, YMM2, [RBX].
const ANYWHERE: [&[u8]; 3] =
    [&[0xc5, 0xfc, 0x10, 0x0b], &[0xc5, 0xfc, 0x11, 0x0b], &[0xc5, 0xec, 0x58, 0x0b]];
const VZEROUPPER: &[u8] = &[0xc5, 0xf8, 0x77];
const VZEROALL: &[u8] = &[0xc5, 0xfc, 0x77];
/// VMOVSS XMM1, [RBX].
const VMOVSS_LOAD: &[u8] = &[0xc5, 0xfa, 0x10, 0x0b];
/// VMOVSS XMM1, XMM2, XMM3.
const VMOVSS_MERGE: &[u8] = &[0xc5, 0xea, 0x10, 0xcb];
/// VMOVAPS XMM1, XMM2.
const VMOVAPS: &[u8] = &[0xc5, 0xf8, 0x28, 0xca];
/// VLDMXCSR [RBX].
const VLDMXCSR: &[u8] = &[0xc5, 0xf8, 0xae, 0x13];
/// VCVTPS2PH [RBX], YMM2, 0.
const VCVTPS2PH: &[u8] = &[0xc4, 0xe3, 0x7d, 0x1d, 0x13, 0];
/// VDIVPD YMM1, YMM2, [RBX].
const VDIVPD: &[u8] = &[0xc5, 0xed, 0x5e, 0x0b];
/// VCVTPD2PS XMM1, YMMWORD [RBX].
const VCVTPD2PS: &[u8] = &[0xc5, 0xfd, 0x5a, 0x0b];

fn set(machine: &mut Machine, reg: u8, value: VectorReg) {
    machine.cpu_mut(0).regs.vector.set_ymm(reg, value);
}

fn get(machine: &Machine, reg: u8) -> VectorReg {
    machine.cpu(0).regs.vector.ymm(reg)
}

fn pair(lo: u128, hi: u128) -> VectorReg {
    VectorReg { lo, hi }
}

/// Runs `code` with RBX at `address`.
fn run_at(address: u64, code: &[u8]) -> Option<u64> {
    let mut machine = machine();
    machine.cpu_mut(0).regs.gpr.set(RBX, address);
    run(&mut machine, code)
}

#[test]
fn moves_that_want_alignment() {
    for code in ALIGNED_256 {
        assert_eq!(run_at(DATA + 32, code), None, "{code:02x?}");
        assert_eq!(run_at(DATA + 16, code), GENERAL_PROTECTION, "{code:02x?}");
        // Alignment is looked at before the page tables.
        assert_eq!(run_at(UNMAPPED + 16, code), GENERAL_PROTECTION, "{code:02x?}");
        assert_eq!(run_at(UNMAPPED, code), PAGE_FAULT, "{code:02x?}");
    }
    assert_eq!(run_at(DATA + 16, ALIGNED_128), None);
    assert_eq!(run_at(DATA + 8, ALIGNED_128), GENERAL_PROTECTION);
    for code in ANYWHERE {
        assert_eq!(run_at(DATA + 1, code), None, "{code:02x?}");
        assert_eq!(run_at(UNMAPPED - 1, code), PAGE_FAULT, "{code:02x?}");
    }
}

#[test]
fn enabling_and_task_switches() {
    let outcome = |code: &[u8], change: fn(&mut crate::regs::control::Control)| {
        let mut machine = machine();
        // For VLDMXCSR.
        machine.mem.write(DATA, &0x1f80u32.to_le_bytes());
        change(&mut machine.cpu_mut(0).regs.control);
        run(&mut machine, code)
    };
    for code in [VZEROUPPER, VMOVSS_LOAD, VMOVAPS, VLDMXCSR, VDIVPD, VCVTPS2PH] {
        assert_eq!(outcome(code, |control| control.cr0 |= cr0::TS), NOT_AVAILABLE);
        assert_eq!(outcome(code, |control| control.cr4 &= !cr4::OSXSAVE), INVALID_OPCODE);
        assert_eq!(outcome(code, |control| control.xcr0 &= !xcr0::AVX), INVALID_OPCODE);
        // The switches of legacy SSE do not count.
        assert_eq!(outcome(code, |control| control.cr4 &= !cr4::OSFXSR), None);
    }
}

#[test]
fn what_is_above_the_result() {
    let full = |lo: u128| pair(lo, !0);
    let cases = [
        (VMOVSS_LOAD, pair(0x0302_0100, 0)),
        (VMOVSS_MERGE, pair(0x2222_2222_2222_2222_2222_2222 << 32 | 0x3333_3333, 0)),
        (VMOVAPS, pair(0x2222_2222_2222_2222_2222_2222_2222_2222, 0)),
        (VZEROUPPER, pair(1, 0)),
        (VZEROALL, pair(0, 0)),
    ];
    for (code, expected) in cases {
        let mut machine = machine();
        set(&mut machine, 1, full(1));
        set(&mut machine, 2, full(u128::MAX / 15 * 2));
        set(&mut machine, 3, full(u128::MAX / 15 * 3));
        assert_eq!(run(&mut machine, code), None);
        assert_eq!(get(&machine, 1), expected, "{code:02x?}");
    }
    let mut machine = machine();
    let doubles = [1.0f64, 2.0, 3.0, 4.0].map(f64::to_le_bytes).concat();
    machine.mem.write(DATA, &doubles);
    set(&mut machine, 1, full(0));
    assert_eq!(run(&mut machine, VCVTPD2PS), None);
    let singles = [1.0f32, 2.0, 3.0, 4.0].map(|value| u128::from(value.to_bits()));
    let packed = singles.into_iter().rev().fold(0, |all, lane| all << 32 | lane);
    assert_eq!(get(&machine, 1), pair(packed, 0));
}

/// An exception of the upper half alone keeps the whole destination.
#[test]
fn unmasked_division_by_zero_in_the_upper_half() {
    for (clear4, expected) in [(0, SIMD_ERROR), (cr4::OSXMMEXCPT, INVALID_OPCODE)] {
        let mut machine = machine();
        machine.mem.write(DATA, &[1.0f64, 1.0, 1.0, 0.0].map(f64::to_le_bytes).concat());
        let one = u128::from(1.0f64.to_bits());
        let ones = one << 64 | one;
        set(&mut machine, 1, pair(7, 8));
        set(&mut machine, 2, pair(ones, ones));
        let cpu = machine.cpu_mut(0);
        cpu.regs.control.cr4 &= !clear4;
        cpu.regs.vector.mxcsr = 0x1d80;
        assert_eq!(run(&mut machine, VDIVPD), expected);
        assert_eq!(get(&machine, 1), pair(7, 8));
        assert_eq!(machine.cpu(0).regs.vector.mxcsr, 0x1d84);
    }
}

/// Every VEX form with floating-point operands is built.
#[test]
fn every_form_is_lowered() {
    let features = ["AVX", "AVX2", "FMA", "F16C"];
    let missing: Vec<Mnemonic> = Code::values()
        .filter(|code| {
            let op = code.op_code();
            let features_of = code.cpuid_features();
            op.encoding() == EncodingKind::VEX
                && op.mode64()
                && features_of
                    .iter()
                    .all(|feature| features.contains(&format!("{feature:?}").as_str()))
        })
        .map(Code::mnemonic)
        .filter(|mnemonic| {
            let families = crate::dispatch::table::FAMILIES.iter().copied().flatten();
            !families.into_iter().any(|(known, _)| known == mnemonic)
        })
        .collect();
    assert_eq!(missing, []);
}
