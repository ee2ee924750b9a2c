//! Instructions run by a machine: a replay of measured ones, and the faults.

use crate::cpuid::CpuModel;
use crate::event::Vector;
use crate::insn::test_machine::{self, CODE, DATA, UNMAPPED, run};
use crate::machine::Machine;
use crate::regs::RFlags;
use crate::regs::control::{cr0, cr4};
use crate::regs::gpr::reg::{RAX, RBX, RDI};

const MEASURED: &str = include_str!("testdata/insn.txt");

/// A machine with RBX and RDI at [`DATA`].
fn machine() -> Machine {
    let mut machine = test_machine::machine(CpuModel::V3);
    let cpu = machine.cpu_mut(0);
    cpu.regs.gpr.set(RBX, DATA);
    cpu.regs.gpr.set(RDI, DATA);
    machine
}

fn number(text: &str) -> u128 {
    u128::from_str_radix(text, 16).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn bytes(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| number(&text[at..at + 2]) as u8).collect()
}

#[test]
fn measured_instructions() {
    let mut nr_cases = 0;
    for line in MEASURED.lines().filter(|line| !line.starts_with('#')) {
        let parts: Vec<&str> = line.split(" ; ").collect();
        let [code, _disassembly, before, after] = parts[..] else { panic!("parts of {line}") };
        let fields: Vec<u128> = before.split(' ').map(number).collect();
        let [xmm1, xmm2, memory, rax, mxcsr, flags] = fields[..] else { panic!("{line}") };
        let mut machine = machine();
        machine.mem.write(DATA, &memory.to_le_bytes());
        let cpu = machine.cpu_mut(0);
        cpu.regs.vector.set_xmm(1, xmm1);
        cpu.regs.vector.set_xmm(2, xmm2);
        cpu.regs.vector.mxcsr = mxcsr as u32;
        cpu.regs.gpr.set(RAX, rax as u64);
        cpu.set_rflags(flags as u64);
        let gprs = cpu.regs.gpr.all();
        assert_eq!(run(&mut machine, &bytes(code)), None, "{line}");

        let mut memory = [0; 16];
        machine.mem.read(DATA, &mut memory);
        let regs = &machine.cpu(0).regs;
        let found = format!(
            "{:032x} {:032x} {:x} {:04x} {:03x}",
            regs.vector.xmm(1),
            u128::from_le_bytes(memory),
            regs.gpr.get(RAX),
            regs.vector.mxcsr,
            regs.rflags() & RFlags::STATUS
        );
        assert_eq!(found, after, "{line}");
        assert_eq!(regs.vector.xmm(2), xmm2, "{line}");
        assert_eq!(regs.gpr.all()[1..], gprs[1..], "{line}");
        nr_cases += 1;
    }
    assert!(nr_cases > 350, "{nr_cases} cases");
}

/// ADDPS XMM1, [RBX].
const ADDPS: &[u8] = &[0x0f, 0x58, 0x0b];
/// MOVAPS [RBX], XMM1.
const MOVAPS_STORE: &[u8] = &[0x0f, 0x29, 0x0b];
/// MOVUPS [RBX], XMM1.
const MOVUPS_STORE: &[u8] = &[0x0f, 0x11, 0x0b];
/// ADDSS XMM1, [RBX].
const ADDSS: &[u8] = &[0xf3, 0x0f, 0x58, 0x0b];
/// DIVSS XMM1, XMM2.
const DIVSS: &[u8] = &[0xf3, 0x0f, 0x5e, 0xca];
/// FXSAVE64 [RBX].
const FXSAVE: &[u8] = &[0x48, 0x0f, 0xae, 0x03];
/// FXRSTOR64 [RBX].
const FXRSTOR: &[u8] = &[0x48, 0x0f, 0xae, 0x0b];
/// LDMXCSR [RBX].
const LDMXCSR: &[u8] = &[0x0f, 0xae, 0x13];
/// MASKMOVDQU XMM1, XMM2.
const MASKMOVDQU: &[u8] = &[0x66, 0x0f, 0xf7, 0xca];
/// PREFETCHT0 [RBX].
const PREFETCHT0: &[u8] = &[0x0f, 0x18, 0x0b];

const GENERAL_PROTECTION: Option<u64> = Some(Vector::GeneralProtection as u64);
const PAGE_FAULT: Option<u64> = Some(Vector::PageFault as u64);
const NOT_AVAILABLE: Option<u64> = Some(Vector::DeviceNotAvailable as u64);
const INVALID_OPCODE: Option<u64> = Some(Vector::InvalidOpcode as u64);
const SIMD_ERROR: Option<u64> = Some(Vector::SimdError as u64);

/// Runs `code` with RBX at `address`.
fn run_at(address: u64, code: &[u8]) -> Option<u64> {
    let mut machine = machine();
    machine.cpu_mut(0).regs.gpr.set(RBX, address);
    run(&mut machine, code)
}

#[test]
fn operands_that_must_be_aligned() {
    for code in [ADDPS, MOVAPS_STORE, FXSAVE, FXRSTOR] {
        assert_eq!(run_at(DATA, code), None, "{code:02x?}");
        assert_eq!(run_at(DATA + 8, code), GENERAL_PROTECTION, "{code:02x?}");
        // Alignment is looked at before the page tables.
        assert_eq!(run_at(UNMAPPED + 8, code), GENERAL_PROTECTION, "{code:02x?}");
        assert_eq!(run_at(UNMAPPED, code), PAGE_FAULT, "{code:02x?}");
    }
    for code in [MOVUPS_STORE, ADDSS, LDMXCSR, PREFETCHT0] {
        assert_eq!(run_at(DATA + 1, code), None, "{code:02x?}");
    }
    assert_eq!(run_at(UNMAPPED, ADDSS), PAGE_FAULT);
    assert_eq!(run_at(UNMAPPED, PREFETCHT0), None);
}

/// What came after SSE2: PSHUFB, BLENDVPS, PTEST, MOVNTDQA, AESENC, SHA1NEXTE and HADDPS
/// want aligned operands; LDDQU, PCMPISTRI and narrow loads and stores do not.
#[test]
fn later_operands_that_must_be_aligned() {
    let aligned: [&[u8]; 7] = [
        &[0x66, 0x0f, 0x38, 0x00, 0x0b],
        &[0x66, 0x0f, 0x38, 0x14, 0x0b],
        &[0x66, 0x0f, 0x38, 0x17, 0x0b],
        &[0x66, 0x0f, 0x38, 0x2a, 0x0b],
        &[0x66, 0x0f, 0x38, 0xdc, 0x0b],
        &[0x0f, 0x38, 0xc8, 0x0b],
        &[0xf2, 0x0f, 0x7c, 0x0b],
    ];
    for code in aligned {
        assert_eq!(run_at(DATA, code), None, "{code:02x?}");
        assert_eq!(run_at(DATA + 8, code), GENERAL_PROTECTION, "{code:02x?}");
    }
    // The bytes of the operand come first.
    let loose: [(u64, &[u8]); 8] = [
        (16, &[0xf2, 0x0f, 0xf0, 0x0b]),
        (16, &[0x66, 0x0f, 0x3a, 0x63, 0x0b, 0x00]),
        (8, &[0x66, 0x0f, 0x38, 0x30, 0x0b]),
        (4, &[0x66, 0x0f, 0x38, 0x31, 0x0b]),
        (2, &[0x66, 0x0f, 0x38, 0x32, 0x0b]),
        (4, &[0x66, 0x0f, 0x3a, 0x21, 0x0b, 0x00]),
        (2, &[0x66, 0x0f, 0x3a, 0x15, 0x0b, 0x00]),
        (1, &[0x66, 0x0f, 0x3a, 0x20, 0x0b, 0x00]),
    ];
    for (bytes, code) in loose {
        assert_eq!(run_at(DATA + 1, code), None, "{code:02x?}");
        assert_eq!(run_at(UNMAPPED - bytes, code), None, "{code:02x?}");
        assert_eq!(run_at(UNMAPPED - bytes + 1, code), PAGE_FAULT, "{code:02x?}");
    }
}

#[test]
fn enabling_and_task_switches() {
    let outcome = |code: &[u8], set0: u64, clear4: u64| {
        let mut machine = machine();
        let control = &mut machine.cpu_mut(0).regs.control;
        control.cr0 |= set0;
        control.cr4 &= !clear4;
        run(&mut machine, code)
    };
    for code in [ADDPS, MOVUPS_STORE, ADDSS, LDMXCSR, MASKMOVDQU] {
        assert_eq!(outcome(code, cr0::TS, 0), NOT_AVAILABLE);
        assert_eq!(outcome(code, crate::regs::control::cr0::EM, 0), INVALID_OPCODE);
        assert_eq!(outcome(code, cr0::TS, cr4::OSFXSR), INVALID_OPCODE);
    }
    for code in [FXSAVE, FXRSTOR] {
        assert_eq!(outcome(code, cr0::TS, 0), NOT_AVAILABLE);
        assert_eq!(outcome(code, 0, cr4::OSFXSR), None);
    }
    assert_eq!(outcome(PREFETCHT0, cr0::TS, cr4::OSFXSR), None);
}

#[test]
fn unmasked_division_by_zero() {
    for (clear4, expected) in [(0, SIMD_ERROR), (cr4::OSXMMEXCPT, INVALID_OPCODE)] {
        let mut machine = machine();
        let cpu = machine.cpu_mut(0);
        cpu.regs.control.cr4 &= !clear4;
        cpu.regs.vector.mxcsr = 0x1d80;
        let one = u128::from(1.0f32.to_bits());
        cpu.regs.vector.set_xmm(1, one);
        assert_eq!(run(&mut machine, DIVSS), expected);
        let vector = &machine.cpu(0).regs.vector;
        assert_eq!((vector.xmm(1), vector.mxcsr), (one, 0x1d84));
    }
}

#[test]
fn mxcsr_has_sixteen_bits() {
    for (value, expected) in [(0xffff_u32, None), (0x1_1f80, GENERAL_PROTECTION)] {
        let mut machine = machine();
        machine.mem.write(DATA, &value.to_le_bytes());
        assert_eq!(run(&mut machine, LDMXCSR), expected);
        let kept = machine.cpu(0).regs.vector.mxcsr;
        assert_eq!(kept, if expected.is_none() { value } else { 0x1f80 });
    }
}

#[test]
fn fxsave_and_back() {
    let mut machine = machine();
    let value = |reg: u8| 0x0123_4567_89ab_cdef_u128.wrapping_mul(u128::from(reg) + 1);
    machine.mem.write(DATA, &[0xee; 512]);
    let cpu = machine.cpu_mut(0);
    (0..16).for_each(|reg| cpu.regs.vector.set_xmm(reg, value(reg)));
    cpu.regs.vector.mxcsr = 0x5fa1;
    assert_eq!(run(&mut machine, FXSAVE), None);

    let mut image = [0; 512];
    machine.mem.read(DATA, &mut image);
    // FCW, FSW, abridged FTW after FNINIT.
    assert_eq!(image[..5], [0x7f, 0x03, 0, 0, 0]);
    assert_eq!(image[24..32], [0xa1, 0x5f, 0, 0, 0xff, 0xff, 0, 0]);
    assert_eq!(image[160..176], value(0).to_le_bytes());
    assert_eq!(image[400..416], value(15).to_le_bytes());
    assert!(image[416..].iter().all(|&byte| byte == 0xee));

    let cpu = machine.cpu_mut(0);
    (0..16).for_each(|reg| cpu.regs.vector.set_xmm(reg, 0));
    cpu.regs.vector.mxcsr = 0x1f80;
    cpu.regs.rip = CODE;
    cpu.wake();
    assert_eq!(run(&mut machine, FXRSTOR), None);
    let vector = &machine.cpu(0).regs.vector;
    assert!((0..16).all(|reg| vector.xmm(reg) == value(reg)));
    assert_eq!(vector.mxcsr, 0x5fa1);
}

#[test]
fn fxrstor_refuses_mxcsr_and_changes_nothing() {
    let mut machine = machine();
    machine.mem.write(DATA, &[0xff; 512]);
    machine.cpu_mut(0).regs.vector.set_xmm(3, 7);
    assert_eq!(run(&mut machine, FXRSTOR), GENERAL_PROTECTION);
    assert_eq!(machine.cpu(0).regs.vector.xmm(3), 7);
}

/// Rule F3: an area that runs into an inaccessible page reports its last byte.
#[test]
fn fxsave_faults_at_its_last_byte() {
    let mut machine = machine();
    machine.cpu_mut(0).regs.gpr.set(RBX, UNMAPPED - 0x100);
    assert_eq!(run(&mut machine, FXSAVE), PAGE_FAULT);
    assert_eq!(machine.cpu(0).regs.control.cr2, UNMAPPED - 0x100 + 511);
}

#[test]
fn masked_store() {
    let mut machine = machine();
    machine.mem.write(DATA, &[0x11; 16]);
    let cpu = machine.cpu_mut(0);
    cpu.regs.vector.set_xmm(1, u128::from_le_bytes([0xaa; 16]));
    cpu.regs.vector.set_xmm(2, 0x80 << 8 | 0x7f | 0xff << 120);
    assert_eq!(run(&mut machine, MASKMOVDQU), None);
    let mut memory = [0; 16];
    machine.mem.read(DATA, &mut memory);
    assert_eq!(memory[..3], [0x11, 0xaa, 0x11]);
    assert_eq!(memory[14..], [0x11, 0xaa]);
}
