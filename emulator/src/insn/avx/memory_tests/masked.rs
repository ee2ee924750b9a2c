//! Masked moves, and which operands' alignment is checked.

use proptest::prelude::*;

use super::{ALIGNMENT, GENERAL_PROTECTION, PAGE_FAULT, get, machine, set, vector};
use crate::insn::test_machine::{DATA, UNMAPPED, run};
use crate::mem::tlb::NEVER_FAST;
use crate::regs::gpr::reg::{RBX, RDI};
use crate::regs::vector::VectorReg;

/// VPMASKMOVD YMM1, YMM2, [RBX], and the store.
const MASKED_LOAD: &[u8] = &[0xc4, 0xe2, 0x6d, 0x8c, 0x0b];
const MASKED_STORE: &[u8] = &[0xc4, 0xe2, 0x6d, 0x8e, 0x0b];

fn mask_of(bits: u8) -> VectorReg {
    vector(4, &std::array::from_fn::<u64, 8, _>(|lane| u64::from(bits >> lane & 1) << 31))
}

/// Where from a page's end a load and a store faulted.
type Faulted = Option<(i64, i64)>;

/// Offset from a page's end at which the operand begins, chosen lanes, and what a
/// processor did.
const FAULTS: &[(i64, u8, Faulted)] = &[
    (-32, 0xff, None),
    (-28, 0xff, Some((0, 3))),
    (-28, 0x36, None),
    (-24, 0x54, Some((0, 3))),
    (-20, 0x54, Some((4, 7))),
    (-8, 0x27, Some((0, 15))),
    (-13, 0xe7, Some((7, 18))),
    (-27, 0x5c, Some((0, 0))),
    (-3, 0x2e, Some((1, 1))),
    (-4, 0xbe, Some((0, 0))),
    (-16, 0xf0, Some((0, 0))),
    (-2, 0x01, Some((0, 1))),
    (8, 0x00, None),
];

#[test]
fn masked_moves_fault_for_chosen_lanes_alone() {
    for &(offset, bits, faults) in FAULTS {
        let outcome = |code: &[u8]| {
            let mut machine = machine();
            machine.cpu_mut(0).regs.gpr.set(RBX, UNMAPPED.wrapping_add_signed(offset));
            set(&mut machine, 1, VectorReg { lo: 1, hi: 2 });
            set(&mut machine, 2, mask_of(bits));
            let vector = run(&mut machine, code);
            let kept = machine.cpu(0).regs.vector.ymm(1) == VectorReg { lo: 1, hi: 2 };
            assert!(kept || vector.is_none(), "{offset} {bits:#x}");
            let cr2 = machine.cpu(0).regs.control.cr2;
            (vector == PAGE_FAULT).then(|| cr2.wrapping_sub(UNMAPPED) as i64)
        };
        let found = (outcome(MASKED_LOAD), outcome(MASKED_STORE));
        assert_eq!(found, (faults.map(|at| at.0), faults.map(|at| at.1)), "{offset} {bits:#x}");
    }
}

/// #GP for any chosen lane comes before #PF; lanes that are not chosen have no address.
#[test]
fn masked_moves_at_the_canonical_hole() {
    let cases = [
        (0x00, None),
        (0x0f, PAGE_FAULT),
        (0x10, GENERAL_PROTECTION),
        (0x81, GENERAL_PROTECTION),
        (0xf0, GENERAL_PROTECTION),
    ];
    for (bits, expected) in cases {
        for code in [MASKED_LOAD, MASKED_STORE] {
            let mut machine = machine();
            machine.cpu_mut(0).regs.gpr.set(RBX, (1 << 47) - 16);
            set(&mut machine, 2, mask_of(bits));
            assert_eq!(run(&mut machine, code), expected, "{bits:#x} {code:02x?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn masked_moves(bits in any::<u8>(), data in any::<[u8; 32]>(), offset in 0..64u64) {
        let mut machine = machine();
        machine.cpu_mut(0).regs.gpr.set(RBX, DATA + offset);
        // Alignment is checked for all but these.
        machine.cpu_mut(0).mode |= NEVER_FAST;
        set(&mut machine, 1, VectorReg::from_le_bytes(data));
        set(&mut machine, 2, mask_of(bits));
        prop_assert_eq!(run(&mut machine, MASKED_STORE), None);
        let chosen = |byte: usize| bits >> (byte / 4) & 1 != 0;
        let before = |byte: usize| (offset + byte as u64) as u8;
        let mut memory = [0; 32];
        machine.mem.read(DATA + offset, &mut memory);
        let expected: [u8; 32] =
            std::array::from_fn(|byte| if chosen(byte) { data[byte] } else { before(byte) });
        prop_assert_eq!(memory, expected);

        prop_assert_eq!(run(&mut machine, MASKED_LOAD), None);
        let expected: [u8; 32] =
            std::array::from_fn(|byte| if chosen(byte) { data[byte] } else { 0 });
        prop_assert_eq!(get(&machine, 1), expected);
    }
}

#[test]
fn alignment_is_checked_for_narrow_operands() {
    // VMOVD XMM1, [RBX]; VPADDD YMM1, YMM2, [RBX]; VPGATHERDD YMM1,
    // [RBX + YMM2 * 4], YMM3.
    let forms: [(&[u8], Option<u64>); 3] = [
        (&[0xc5, 0xf9, 0x6e, 0x0b], ALIGNMENT),
        (&[0xc5, 0xed, 0xfe, 0x0b], None),
        (&[0xc4, 0xe2, 0x65, 0x90, 0x0c, 0x93], None),
    ];
    for (code, expected) in forms {
        let mut machine = machine();
        let cpu = machine.cpu_mut(0);
        cpu.regs.gpr.set(RBX, DATA + 1);
        cpu.mode |= NEVER_FAST;
        set(&mut machine, 3, vector(4, &[u64::MAX; 8]));
        assert_eq!(run(&mut machine, code), expected, "{code:02x?}");
    }
}

/// VMASKMOVDQU XMM1, XMM2, with RDI and with EDI.
#[test]
fn masked_bytes() {
    for (prefix, rdi) in [(&[][..], DATA), (&[0x67][..], DATA | 1 << 40)] {
        let mut machine = machine();
        machine.cpu_mut(0).regs.gpr.set(RDI, rdi);
        set(&mut machine, 1, VectorReg { lo: u128::MAX, hi: 0 });
        set(&mut machine, 2, VectorReg { lo: 0x80 << 8 | 0x7f | 0xff << 120, hi: u128::MAX });
        let code = [prefix, &[0xc5, 0xf9, 0xf7, 0xca]].concat();
        assert_eq!(run(&mut machine, &code), None);
        let mut memory = [0; 17];
        machine.mem.read(DATA, &mut memory);
        assert_eq!(memory, [0, 0xff, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0xff, 16]);
    }
}
