//! The XSAVE family run by a machine, against answers of a processor.

use crate::cpuid::CpuModel;
use crate::event::Vector as ExceptionVector;
use crate::insn::test_machine::{self, DATA, UNMAPPED};
use crate::machine::Machine;
use crate::regs::control::{cr0, cr4};
use crate::regs::gpr::reg::{RAX, RBX, RCX, RDX};
use crate::regs::vector::VectorReg;

/// Where RBX points.
const AREA: u64 = DATA;
/// What areas are filled with before they are written.
const FILL: u8 = 0xcc;
/// Offsets of the header and its words.
const XSTATE_BV: u64 = 512;
const XCOMP_BV: u64 = 520;
const COMPACTED: u64 = 1 << 63;

// With [RBX] and REX.W.
const XSAVE: &[u8] = &[0x48, 0x0f, 0xae, 0x23];
const XSAVEOPT: &[u8] = &[0x48, 0x0f, 0xae, 0x33];
const XSAVEC: &[u8] = &[0x48, 0x0f, 0xc7, 0x23];
const XRSTOR: &[u8] = &[0x48, 0x0f, 0xae, 0x2b];
const XGETBV: &[u8] = &[0x0f, 0x01, 0xd0];
const XSETBV: &[u8] = &[0x0f, 0x01, 0xd1];

fn machine(model: CpuModel) -> Machine {
    let mut machine = test_machine::machine(model);
    machine.mem.write(AREA, &[FILL; 1024]);
    machine.cpu_mut(0).regs.gpr.set(RBX, AREA);
    machine
}

/// Runs one instruction with EDX:EAX: the exception that it raised.
fn run(machine: &mut Machine, code: &[u8], edx_eax: u64) -> Option<u64> {
    let gpr = &mut machine.cpu_mut(0).regs.gpr;
    gpr.set(RAX, edx_eax & 0xffff_ffff);
    gpr.set(RDX, edx_eax >> 32);
    test_machine::run(machine, code)
}

/// Fills every component with something.
fn fill_registers(machine: &mut Machine) {
    let regs = &mut machine.cpu_mut(0).regs;
    for reg in 0..16 {
        let [lo, hi] = [reg + 1, reg + 17].map(|byte| u128::from_le_bytes([byte; 16]));
        regs.vector.set_ymm(reg, VectorReg { lo, hi });
    }
    regs.x87.push(crate::alu::x87::format::F80::from_bytes([1; 10]));
    regs.x87.last_ip = 0x1234_5678_9abc;
}

/// The ranges of an area that are not as they were filled.
fn written(machine: &Machine) -> Vec<(usize, usize)> {
    let mut area = [0; 1024];
    machine.mem.read(AREA, &mut area);
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for at in (0..area.len()).filter(|&at| area[at] != FILL) {
        match ranges.last_mut() {
            Some((_, end)) if *end == at => *end = at + 1,
            _ => ranges.push((at, at + 1)),
        }
    }
    ranges
}

const GP: Option<u64> = Some(ExceptionVector::GeneralProtection as u64);
const UD: Option<u64> = Some(ExceptionVector::InvalidOpcode as u64);
const NM: Option<u64> = Some(ExceptionVector::DeviceNotAvailable as u64);
const PF: Option<u64> = Some(ExceptionVector::PageFault as u64);

/// XSTATE_BV before is all [`FILL`]; measured.
#[test]
fn what_each_instruction_writes() {
    let all = 0xcccc_cccc_cccc_cccc_u64;
    let in_use = [
        (XSAVE, 0, all, all, vec![]),
        (XSAVE, 1, all | 1, all, vec![(0, 24), (32, 160), (512, 513)]),
        (XSAVE, 4, all, all, vec![(24, 32), (576, 832)]),
        (XSAVE, 7, all | 7, all, vec![(0, 416), (512, 513), (576, 832)]),
        (XSAVEOPT, 6, all | 2, all, vec![(24, 32), (160, 416), (512, 513), (576, 832)]),
        (XSAVEC, 0, 0, COMPACTED, vec![(512, 528)]),
        (XSAVEC, 4, 4, COMPACTED | 4, vec![(512, 528), (576, 832)]),
        (XSAVEC, 3, 3, COMPACTED | 3, vec![(0, 416), (512, 528)]),
        // Bits that XCR0 has not are not requested.
        (XSAVEC, u64::MAX, 7, COMPACTED | 7, vec![(0, 416), (512, 528), (576, 832)]),
    ];
    let initial = [
        (XSAVE, 7, all & !7, all, vec![(0, 416), (512, 513), (576, 832)]),
        (XSAVEOPT, 2, all & !2, all, vec![(24, 32)]),
        (XSAVEOPT, 4, all & !4, all, vec![(24, 32), (512, 513)]),
        (XSAVEC, 7, 0, COMPACTED | 7, vec![(512, 528)]),
    ];
    let filled = in_use.map(|case| (true, case)).into_iter();
    for (is_filled, case) in filled.chain(initial.map(|case| (false, case))) {
        let (code, mask, xstate_bv, xcomp_bv, ranges) = case;
        let mut machine = machine(CpuModel::V3);
        if is_filled {
            fill_registers(&mut machine);
        }
        assert_eq!(run(&mut machine, code, mask), None);
        let word = |at| machine.mem.read_u64(AREA + at);
        assert_eq!((word(XSTATE_BV), word(XCOMP_BV)), (xstate_bv, xcomp_bv), "{code:x?} {mask}");
        // XSTATE_BV is written, but may be what it was.
        let expected: Vec<(usize, usize)> =
            ranges.into_iter().filter(|range| *range != (512, 513) || xstate_bv != all).collect();
        assert_eq!(written(&machine), expected, "{code:x?} {mask}");
    }
}

#[test]
fn what_is_saved_is_restored() {
    for code in [XSAVE, XSAVEOPT, XSAVEC] {
        let mut machine = machine(CpuModel::V3);
        machine.mem.write(AREA + XSTATE_BV, &[0; 64]);
        fill_registers(&mut machine);
        machine.cpu_mut(0).regs.vector.mxcsr = 0x5f80;
        let before = machine.cpu(0).regs.clone();
        assert_eq!(run(&mut machine, code, 7), None);
        let regs = &mut machine.cpu_mut(0).regs;
        (regs.vector, regs.x87) = Default::default();
        assert_eq!(run(&mut machine, XRSTOR, 7), None);
        let after = &machine.cpu(0).regs;
        assert_eq!((&after.vector, &after.x87), (&before.vector, &before.x87), "{code:x?}");
    }
}

#[test]
fn components_without_a_mark_get_their_initial_values() {
    for (mask, kept) in [(7, 0), (1, 6), (2, 5), (4, 3), (0, 7)] {
        let mut machine = machine(CpuModel::V3);
        machine.mem.write(AREA, &[0; 1024]);
        machine.mem.write(AREA + 24, &0x1f80_u32.to_le_bytes());
        fill_registers(&mut machine);
        assert_eq!(run(&mut machine, XRSTOR, mask), None);
        machine.cpu_mut(0).regs.gpr.set(RCX, 1);
        assert_eq!(run(&mut machine, XGETBV, 0), None);
        assert_eq!(machine.cpu(0).regs.gpr.get(RAX), kept, "{mask}");
    }
}

/// Measured: where MXCSR comes from. The area has 5F80, the register 3F80.
#[test]
fn mxcsr_belongs_to_sse_and_avx() {
    let cases = [
        (0, 0, 2, 0x5f80),
        (0, 0, 4, 0x5f80),
        (2, 0, 4, 0x5f80),
        (0, 0, 1, 0x3f80),
        (0, COMPACTED | 7, 2, 0x1f80),
        (0, COMPACTED | 7, 4, 0x3f80),
        (4, COMPACTED | 7, 4, 0x3f80),
        (2, COMPACTED | 7, 2, 0x5f80),
        (4, COMPACTED | 7, 2, 0x1f80),
    ];
    for (xstate_bv, xcomp_bv, mask, expected) in cases {
        let mut machine = machine(CpuModel::V3);
        machine.mem.write(AREA, &[0; 1024]);
        machine.mem.write(AREA + 24, &0x5f80_u32.to_le_bytes());
        machine.mem.write_u64(AREA + XSTATE_BV, xstate_bv);
        machine.mem.write_u64(AREA + XCOMP_BV, xcomp_bv);
        machine.cpu_mut(0).regs.vector.mxcsr = 0x3f80;
        assert_eq!(run(&mut machine, XRSTOR, mask), None);
        let found = machine.cpu(0).regs.vector.mxcsr;
        assert_eq!(found, expected, "{xstate_bv} {xcomp_bv:x} {mask}");
    }
}

/// Measured: what XRSTOR refuses, as (XSTATE_BV, XCOMP_BV, offset of a byte that is 1).
#[test]
fn bad_headers_raise_gp() {
    let all = COMPACTED | 7;
    let cases = [
        (1 << 63, 0, None, GP),
        (8, 0, None, GP),
        (0, 7, None, GP),
        (0, 0, Some(528), GP),
        (0, 0, Some(535), GP),
        (0, 0, Some(536), None),
        (0, 0, Some(575), None),
        (7, all, None, None),
        (7, COMPACTED | 3, None, GP),
        (7, COMPACTED | 15, None, GP),
        (7, all, Some(536), GP),
        (7, all, Some(575), GP),
        // MXCSR with bits that do not exist.
        (0, 0, Some(26), GP),
        (0, all, Some(26), None),
        (2, all, Some(26), GP),
    ];
    for (xstate_bv, xcomp_bv, byte, expected) in cases {
        let mut machine = machine(CpuModel::V3);
        machine.mem.write(AREA, &[0; 1024]);
        machine.mem.write_u64(AREA + XSTATE_BV, xstate_bv);
        machine.mem.write_u64(AREA + XCOMP_BV, xcomp_bv);
        if let Some(at) = byte {
            machine.mem.write(AREA + at, &[1]);
        }
        fill_registers(&mut machine);
        let before = machine.cpu(0).regs.vector.clone();
        assert_eq!(run(&mut machine, XRSTOR, 7), expected, "{xstate_bv} {xcomp_bv:x} {byte:?}");
        if expected.is_some() {
            assert_eq!(machine.cpu(0).regs.vector, before, "nothing is loaded");
        }
    }
}

#[test]
fn faults_come_before_any_access() {
    for code in [XSAVE, XSAVEOPT, XSAVEC, XRSTOR] {
        let mut off = machine(CpuModel::V3);
        off.cpu_mut(0).regs.control.cr4 &= !cr4::OSXSAVE;
        assert_eq!(run(&mut off, code, 7), UD);
        let mut switched = machine(CpuModel::V3);
        switched.cpu_mut(0).regs.control.cr0 |= cr0::TS;
        assert_eq!(run(&mut switched, code, 7), NM);
        let mut misaligned = machine(CpuModel::V3);
        misaligned.cpu_mut(0).regs.gpr.set(RBX, UNMAPPED + 32);
        assert_eq!(run(&mut misaligned, code, 7), GP);
        assert_eq!(run(&mut machine(CpuModel::V2), code, 7), UD);
    }
}

/// Measured: CR2 is the last byte that the requested features reach, or for XRSTOR the
/// header's XCOMP_BV; and nothing is written.
#[test]
fn an_area_that_runs_into_an_inaccessible_page() {
    let cases = [
        (XSAVE, 64, 0, PF, 575),
        (XSAVE, 64, 3, PF, 575),
        (XSAVE, 512, 7, PF, 831),
        (XSAVEC, 448, 4, PF, 831),
        (XSAVE, 576, 3, None, 0),
        (XSAVEOPT, 576, 4, PF, 831),
        (XRSTOR, 64, 7, PF, 520),
        (XRSTOR, 512, 0, PF, 520),
    ];
    for (code, before_end, mask, expected, offset) in cases {
        let mut machine = machine(CpuModel::V3);
        let at = UNMAPPED - before_end;
        machine.cpu_mut(0).regs.gpr.set(RBX, at);
        assert_eq!(run(&mut machine, code, mask), expected, "{code:x?} {before_end} {mask}");
        if expected == PF {
            assert_eq!(machine.cpu(0).regs.control.cr2, at + offset, "{code:x?} {before_end}");
        }
    }
}

#[test]
fn xcr0_takes_what_the_processor_has() {
    let cases = [(7, None), (3, None), (1, None), (6, GP), (5, GP), (0, GP), (15, GP)];
    for (value, expected) in cases {
        let mut machine = machine(CpuModel::V3);
        machine.cpu_mut(0).regs.gpr.set(RCX, 0);
        assert_eq!(run(&mut machine, XSETBV, value), expected, "{value}");
        let found = machine.cpu(0).regs.control.xcr0;
        assert_eq!(found, if expected.is_none() { value } else { 7 });
    }
    let mut machine = machine(CpuModel::V3);
    machine.cpu_mut(0).regs.gpr.set(RCX, 2);
    assert_eq!(run(&mut machine, XGETBV, 0), GP);
}

/// Measured: without REX.W the pointers are cut to 32 bits.
#[test]
fn narrow_forms_cut_the_pointers() {
    for (code, expected) in [(XSAVE, 0x1234_5678_9abc), (&XSAVE[1..], 0x5678_9abc)] {
        let mut machine = machine(CpuModel::V3);
        fill_registers(&mut machine);
        assert_eq!(run(&mut machine, code, 1), None);
        assert_eq!(machine.mem.read_u64(AREA + 8), expected);
    }
}
