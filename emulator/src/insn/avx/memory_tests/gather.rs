//! Gathers that fault and hit breakpoints in the middle.

use proptest::prelude::*;

use super::{DEBUG, INVALID_OPCODE, PAGE_FAULT, get, machine, set, vector};
use crate::insn::test_machine::{CODE, DATA, UNMAPPED, run};
use crate::machine::Machine;
use crate::regs::RFlags;
use crate::regs::gpr::reg::{RBX, RSP};
use crate::regs::vector::VectorReg;

/// A gather of YMM1 or XMM1 from [RBX + YMM2 * 4] with mask YMM3.
#[derive(Clone, Copy, Debug)]
struct Gather {
    code: [u8; 6],
    index_bytes: usize,
    element_bytes: usize,
    vector_bytes: usize,
}

impl Gather {
    /// From VEX's third byte (W, vvvv, L, pp) and the opcode.
    const fn new(vex: u8, opcode: u8) -> Self {
        Self {
            code: [0xc4, 0xe2, vex, opcode, 0x0c, 0x93],
            index_bytes: if opcode & 1 == 0 { 4 } else { 8 },
            element_bytes: if vex & 0x80 == 0 { 4 } else { 8 },
            vector_bytes: if vex & 4 == 0 { 16 } else { 32 },
        }
    }

    fn nr_elements(&self) -> usize {
        self.vector_bytes / self.index_bytes.max(self.element_bytes)
    }
}

const DD_128: Gather = Gather::new(0x61, 0x90);
const DD_256: Gather = Gather::new(0x65, 0x90);
const DQ_128: Gather = Gather::new(0xe1, 0x90);
const DQ_256: Gather = Gather::new(0xe5, 0x90);
const QD_128: Gather = Gather::new(0x61, 0x91);
const QD_256: Gather = Gather::new(0x65, 0x91);
const QQ_128: Gather = Gather::new(0xe1, 0x91);
const QQ_256: Gather = Gather::new(0xe5, 0x91);
const GATHERS: [Gather; 8] = [DD_128, DD_256, DQ_128, DQ_256, QD_128, QD_256, QQ_128, QQ_256];

/// An index whose element is not mapped.
const BAD: u64 = UNMAPPED / 4;

/// What a gather leaves: destination and mask, and the address at which it faulted.
#[derive(Debug, PartialEq, Eq)]
struct Left {
    dst: [u8; 32],
    mask: [u8; 32],
    fault: Option<u64>,
}

/// The gather byte by byte, as measured (see `insn/avx/gather.rs`).
fn twin(form: Gather, mut dst: [u8; 32], signs: [u8; 32], indices: &[i64]) -> Left {
    let size = form.element_bytes;
    let mut mask = [0; 32];
    for (at, byte) in mask.iter_mut().enumerate().take(form.vector_bytes) {
        *byte = if signs[at / size * size + size - 1] & 0x80 != 0 { 0xff } else { 0 };
    }
    for (element, index) in indices.iter().enumerate().take(form.nr_elements()) {
        let at = element * size;
        if mask[at] == 0 {
            continue;
        }
        let address = DATA.wrapping_add_signed(index * 4);
        if address >= UNMAPPED {
            return Left { dst, mask, fault: Some(address) };
        }
        for byte in 0..size {
            dst[at + byte] = ((address - DATA) as u8).wrapping_add(byte as u8);
            mask[at + byte] = 0;
        }
        dst[form.vector_bytes..].fill(0);
    }
    dst[form.nr_elements() * size..].fill(0);
    Left { dst, mask: [0; 32], fault: None }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn gathers_stop_and_go_on(
        form in prop::sample::select(&GATHERS[..]),
        dst in any::<[u8; 32]>(),
        signs in any::<[u8; 32]>(),
        indices in prop::collection::vec(
            prop_oneof![8 => 0..200i64, 1 => Just(BAD as i64), 1 => Just(BAD as i64 + 7)],
            8,
        ),
    ) {
        let mut machine = machine();
        let lanes = |indices: &[i64]| {
            let unsigned: Vec<u64> = indices.iter().map(|&index| index as u64).collect();
            vector(form.index_bytes, &unsigned[..32 / form.index_bytes])
        };
        set(&mut machine, 1, VectorReg::from_le_bytes(dst));
        set(&mut machine, 2, lanes(&indices));
        set(&mut machine, 3, VectorReg::from_le_bytes(signs));
        let found = |machine: &Machine, vector: Option<u64>| Left {
            dst: get(machine, 1),
            mask: get(machine, 3),
            fault: (vector == PAGE_FAULT).then_some(machine.cpu(0).regs.control.cr2),
        };
        let vector = run(&mut machine, &form.code);
        let expected = twin(form, dst, signs, &indices);
        prop_assert_eq!(found(&machine, vector), expected);

        // Restarted with what it left, after the pages came in.
        let (dst, mask) = (get(&machine, 1), get(&machine, 3));
        let good: Vec<i64> = indices.iter().map(|index| index % 200).collect();
        set(&mut machine, 2, lanes(&good));
        let vector = run(&mut machine, &form.code);
        prop_assert_eq!(found(&machine, vector), twin(form, dst, mask, &good));
    }
}

/// Indices count with their sign, and 32-bit addresses are cut.
#[test]
fn gather_addresses() {
    // VPGATHERDD XMM1, [EBX + XMM2 * 4 + 0x10], XMM3.
    const SHORT: &[u8] = &[0x67, 0xc4, 0xe2, 0x61, 0x90, 0x4c, 0x93, 0x10];
    // VPGATHERDD XMM1, [XMM2 * 4 + DATA], XMM3 without and with a 32-bit address.
    const NO_BASE: &[u8] = &[0xc4, 0xe2, 0x61, 0x90, 0x0c, 0x95, 0, 0, 2, 0];
    const NO_BASE_SHORT: &[u8] = &[0x67, 0xc4, 0xe2, 0x61, 0x90, 0x0c, 0x95, 0, 0, 2, 0];
    let gathered = |code: &[u8], rbx: u64, indices: [i32; 4]| {
        let mut machine = machine();
        machine.cpu_mut(0).regs.gpr.set(RBX, rbx);
        set(&mut machine, 2, vector(4, &indices.map(|index| index as u64)));
        set(&mut machine, 3, vector(4, &[u64::MAX; 4]));
        let vector = run(&mut machine, code);
        (vector, machine.cpu(0).regs.vector.xmm(1).to_le_bytes().map(u32::from))
    };
    let at = |offsets: [u32; 4]| -> [u32; 16] {
        std::array::from_fn(|byte| offsets[byte / 4] + byte as u32 % 4)
    };
    assert_eq!(gathered(&DD_128.code, DATA + 64, [0, -1, -16, 3]), (None, at([64, 60, 0, 76])));
    assert_eq!(gathered(SHORT, DATA | 1 << 40, [0, -1, 1, 2]), (None, at([16, 12, 20, 24])));
    assert_eq!(gathered(NO_BASE, 0, [0, 3, 2, 1]), (None, at([0, 12, 8, 4])));
    // 2^30 * 4 is beyond 32 bits, and so beyond the mapping where it is not cut.
    let far = i32::MIN + 1;
    assert_eq!(gathered(NO_BASE_SHORT, 0, [far, 3, 2, 1]), (None, at([4, 12, 8, 4])));
    assert_ne!(gathered(NO_BASE, 0, [far, 3, 2, 1]).0, None);
}

/// Destination, index and mask must be three registers.
#[test]
fn gather_registers_must_differ() {
    for (vex, modrm, sib) in [(0x65, 0x0c, 0x8b), (0x75, 0x0c, 0x93), (0x6d, 0x0c, 0x93)] {
        let mut machine = machine();
        let code = [0xc4, 0xe2, vex, 0x90, modrm, sib];
        assert_eq!(run(&mut machine, &code), INVALID_OPCODE, "{code:02x?}");
    }
}

/// DR7: entry 0 on reads and writes of 4 bytes.
const WATCH: u64 = 1 | 0xf << 16;

/// Rule G1: a hit comes before the fault of a later element, and the gather goes on
/// where it was.
#[test]
fn gather_hit_then_fault() {
    let mut machine = machine();
    set(&mut machine, 1, VectorReg { lo: u128::MAX, hi: u128::MAX });
    set(&mut machine, 2, vector(4, &[0, 5, BAD, 2]));
    set(&mut machine, 3, vector(4, &[u64::MAX; 4]));
    let cpu = machine.cpu_mut(0);
    cpu.set_dr_address(0, DATA + 20);
    cpu.set_dr7(WATCH);
    assert_eq!(run(&mut machine, &DD_128.code), DEBUG);
    let cpu = machine.cpu(0);
    assert_eq!(cpu.debug().dr6() & 0xf, 1);
    assert_eq!(cpu.regs.control.cr2, 0);
    let frame = cpu.regs.gpr.get(RSP);
    assert_eq!(machine.mem.read_u64(frame), CODE);
    assert_ne!(machine.mem.read_u64(frame + 16) & RFlags::RF, 0);
    let partial = Left { dst: get(&machine, 1), mask: get(&machine, 3), fault: None };
    let expected = vector(4, &[0x0302_0100, 0x1716_1514, u64::MAX, u64::MAX]).to_le_bytes();
    assert_eq!(partial.dst, expected);
    assert_eq!(partial.mask, vector(4, &[0, 0, u64::MAX, u64::MAX]).to_le_bytes());

    assert_eq!(run(&mut machine, &DD_128.code), PAGE_FAULT);
    assert_eq!(machine.cpu(0).regs.control.cr2, DATA + UNMAPPED);
    assert_eq!(get(&machine, 1), expected);
}

/// A gather that completes gives one trap with all its hits; elements that are masked
/// give none.
#[test]
fn gather_hits_are_merged() {
    let mut machine = machine();
    set(&mut machine, 2, vector(4, &[0, 5, 9, 2]));
    set(&mut machine, 3, vector(4, &[u64::MAX, u64::MAX, 0, u64::MAX]));
    let cpu = machine.cpu_mut(0);
    for (entry, offset) in [(0, 20), (1, 36), (2, 8)] {
        cpu.set_dr_address(entry, DATA + offset);
    }
    cpu.set_dr7(0x15 | 0xfff << 16);
    assert_eq!(run(&mut machine, &DD_128.code), DEBUG);
    let cpu = machine.cpu(0);
    assert_eq!(cpu.debug().dr6() & 0xf, 0b101);
    let frame = cpu.regs.gpr.get(RSP);
    assert_eq!(machine.mem.read_u64(frame), CODE + 6);
    assert_eq!(machine.mem.read_u64(frame + 16) & RFlags::RF, 0);
}
