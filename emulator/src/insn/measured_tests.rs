//! Details that the manual leaves open or tells otherwise, as a processor has them.

use crate::cpuid::CpuModel;
use crate::flat::{self, Level};
use crate::machine::{Machine, MachineConfig};
use crate::regs::gpr::reg::{RAX, RBP, RCX, RDI, RSI, RSP};
use crate::run::Exit;
use crate::timing::TimingChoice;

const CODE: u64 = 0x1_0000;
const DATA: u64 = 0x2_0000;
const STACK: u64 = 0x3_0000;
/// An address that is not mapped, and one that is not canonical.
const UNMAPPED: u64 = 1 << 30;
const NOT_CANONICAL: u64 = 1 << 60;
/// Upper half of a register that a 32-bit write would clear.
const UPPER: u64 = 0xabcd << 48;

/// Registers by the manual's number.
type Values = &'static [(u8, u64)];

/// Runs code in user mode from these registers until HLT, which faults there as
/// everything else that faults: without an IDT, that ends the run.
fn run(code: &[u8], registers: &[(u8, u64)]) -> Machine {
    let mut machine = Machine::new(&MachineConfig {
        nr_cpus: 1,
        ram_bytes: 0x4_0000,
        timing: TimingChoice::None,
        model: CpuModel::default(),
    });
    flat::start(&mut machine, 0, Level::User, CODE, STACK);
    machine.mem.write(CODE, code);
    machine.mem.write(CODE + code.len() as u64, &[0xf4]);
    for &(reg, value) in registers {
        machine.cpu_mut(0).regs.gpr.set(reg, value);
    }
    assert_eq!(machine.run(0, 1000), Exit::Shutdown);
    machine
}

/// The same with an address in RAX.
fn run_at(code: &[u8], address: u64) -> Machine {
    run(code, &[(RAX, address)])
}

fn check(code: &[u8], before: Values, after: Values) {
    let machine = run(code, before);
    for &(reg, value) in after {
        assert_eq!(machine.cpu(0).regs.gpr.get(reg), value, "register {reg} after {code:02x?}");
    }
}

#[test]
fn a_failed_cmpxchg_keeps_the_upper_half_of_its_destination() {
    // cmpxchg esi,edi
    check(&[0x0f, 0xb1, 0xfe], &[(RAX, 1), (RSI, UPPER | 2)], &[(RSI, UPPER | 2), (RAX, 2)]);
    check(&[0x0f, 0xb1, 0xfe], &[(RAX, 2), (RSI, UPPER | 2), (RDI, 3)], &[(RSI, 3)]);
}

#[test]
fn leave_with_an_operand_size_prefix_pops_a_word() {
    let after = &[(RSP, DATA + 2), (RBP, DATA & !0xffff)];
    check(&[0x66, 0xc9], &[(RBP, DATA)], after);
}

#[test]
fn a_segment_register_to_16_bits_keeps_the_rest() {
    // mov cx,fs and mov ecx,fs
    check(&[0x66, 0x8c, 0xe1], &[(RCX, UPPER | 0x12_3456)], &[(RCX, UPPER | 0x12_0000)]);
    check(&[0x8c, 0xe1], &[(RCX, UPPER | 0x12_3456)], &[(RCX, 0)]);
}

#[test]
fn a_refused_call_has_stored_its_return_address() {
    // call rax
    let machine = run(&[0xff, 0xd0], &[(RAX, NOT_CANONICAL)]);
    assert_eq!(machine.mem.read_u64(STACK - 8), CODE + 2);
    assert_eq!(machine.cpu(0).regs.gpr.get(RSP), STACK);
    assert_eq!(machine.cpu(0).regs.rip, CODE);
}

#[test]
fn a_repetition_with_short_addresses_zero_extends_first() {
    let none = &[(RCX, UPPER), (RSI, UPPER | DATA), (RDI, UPPER | DATA)];
    // rep movsb, rep stosb, rep lodsb, repe cmpsb, repe scasb
    check(&[0x67, 0xf3, 0xa4], none, &[(RCX, 0), (RSI, DATA), (RDI, DATA)]);
    check(&[0x67, 0xf3, 0xaa], none, &[(RCX, 0), (RSI, UPPER | DATA), (RDI, DATA)]);
    for opcode in [0xac, 0xa6, 0xae] {
        let kept = &[(RCX, 0), (RSI, UPPER | DATA), (RDI, UPPER | DATA)];
        check(&[0x67, 0xf3, opcode], none, kept);
    }
    let faults = &[(RCX, UPPER | 5), (RSI, UPPER | UNMAPPED), (RDI, UPPER | DATA)];
    check(&[0x67, 0xf3, 0xa4], faults, &[(RCX, 5), (RSI, UNMAPPED), (RDI, DATA)]);
}

#[test]
fn cmps_reads_its_second_operand_first() {
    let machine = run(&[0xa6], &[(RSI, UNMAPPED), (RDI, UNMAPPED + 64)]);
    assert_eq!(machine.cpu(0).regs.control.cr2, UNMAPPED + 64);
}

#[test]
fn an_environment_is_probed_at_its_first_field_and_its_last_byte() {
    let fault = |code: &[u8], at: u64| {
        let machine = run_at(code, at);
        machine.cpu(0).regs.control.cr2
    };
    let (fnstenv, fldenv): ([u8; 2], [u8; 3]) = ([0xd9, 0x30], [0x66, 0xd9, 0x20]);
    assert_eq!(fault(&fnstenv, UNMAPPED - 8), UNMAPPED - 8 + 27);
    assert_eq!(fault(&fnstenv, UNMAPPED - 3), UNMAPPED);
    assert_eq!(fault(&fldenv, UNMAPPED - 3), UNMAPPED - 3 + 13);
    assert_eq!(fault(&fldenv, UNMAPPED - 1), UNMAPPED);
}

#[test]
fn an_80_bit_operand_is_read_in_two_parts() {
    // fld tbyte [rax], its last two bytes beyond the canonical range: #PF before #GP.
    let edge = 0x7fff_ffff_fff8;
    assert_eq!(run_at(&[0xdb, 0x28], edge).cpu(0).regs.control.cr2, edge);
}
