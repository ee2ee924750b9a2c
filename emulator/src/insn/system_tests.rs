//! System registers, segments outside 64-bit mode, paging modes, branch tracing.

use super::test_machine::{CODE, DATA, machine, run};
use crate::cpuid::{CpuModel, CpuVendor};
use crate::debug::dr6;
use crate::flat;
use crate::machine::Machine;
use crate::mem::paging::entry;
use crate::regs::control::{cr0, cr4, debugctl, efer};
use crate::regs::gpr::reg::{RAX, RBX, RCX, RDX};
use crate::regs::{RFlags, Segment, SegmentReg};
use crate::run::Exit;

const GENERAL_PROTECTION: u64 = 13;
const STACK_FAULT: u64 = 12;
const MOV_CR0_RAX: &[u8] = &[0x0f, 0x22, 0xc0];
const MOV_CR3_RAX: &[u8] = &[0x0f, 0x22, 0xd8];
const MOV_CR4_RAX: &[u8] = &[0x0f, 0x22, 0xe0];
const WRMSR: &[u8] = &[0x0f, 0x30];
const RDMSR: &[u8] = &[0x0f, 0x32];

/// The exception of one instruction with a value in RAX.
fn with_rax(code: &[u8], value: impl Fn(&Machine) -> u64) -> Option<u64> {
    let mut machine = machine(CpuModel::V3);
    let value = value(&machine);
    machine.cpu_mut(0).regs.gpr.set(RAX, value);
    run(&mut machine, code)
}

#[test]
fn control_registers_take_only_what_exists() {
    let old = |of: fn(&Machine) -> u64, change: u64| move |machine: &Machine| of(machine) ^ change;
    let cr0 = |machine: &Machine| machine.cpu(0).regs.control.cr0;
    let cr4 = |machine: &Machine| machine.cpu(0).regs.control.cr4;
    let refused = Some(GENERAL_PROTECTION);
    assert_eq!(with_rax(MOV_CR0_RAX, old(cr0, cr0::AM)), None);
    assert_eq!(with_rax(MOV_CR0_RAX, old(cr0, 1 << 32)), refused, "upper half");
    assert_eq!(with_rax(MOV_CR0_RAX, old(cr0, cr0::NW)), refused, "NW without CD");
    assert_eq!(with_rax(MOV_CR0_RAX, old(cr0, cr0::PG)), refused, "PG off in 64-bit code");
    assert_eq!(with_rax(MOV_CR0_RAX, old(cr0, cr0::PE)), refused, "PG without PE");
    assert_eq!(with_rax(MOV_CR4_RAX, old(cr4, cr4::DE | cr4::PGE)), None);
    assert_eq!(with_rax(MOV_CR4_RAX, old(cr4, cr4::PAE)), refused, "PAE off in IA-32e mode");
    assert_eq!(with_rax(MOV_CR4_RAX, old(cr4, 1 << 23)), refused, "CET is not offered");
    assert_eq!(with_rax(MOV_CR3_RAX, |_| 1 << 50), refused, "beyond the physical width");
}

/// The exception of WRMSR of a value.
fn write_msr(index: u64, value: u64) -> Option<u64> {
    let mut machine = machine(CpuModel::V3);
    let gpr = &mut machine.cpu_mut(0).regs.gpr;
    gpr.set(RCX, index);
    gpr.set(RAX, value & 0xffff_ffff);
    gpr.set(RDX, value >> 32);
    run(&mut machine, WRMSR)
}

#[test]
fn msrs_take_only_what_they_may_hold() {
    let refused = Some(GENERAL_PROTECTION);
    assert_eq!(write_msr(0xc000_0082, 0xffff_8000_0000_1000), None);
    assert_eq!(write_msr(0xc000_0082, 1 << 50), refused, "LSTAR is canonical");
    assert_eq!(write_msr(0x277, 0x0007_0406_0007_0406), None);
    assert_eq!(write_msr(0x277, 2), refused, "no memory type is 2");
    assert_eq!(write_msr(0xc000_0080, 1 << 20), refused, "a bit of EFER that is not there");
    assert_eq!(write_msr(0xc000_0080, efer::SCE), refused, "LME off while paging");
    assert_eq!(write_msr(0x1d9, debugctl::BTF | debugctl::LBR), None);
    assert_eq!(write_msr(0x1d9, 1 << 2), refused, "no bus-lock detection");
    assert_eq!(write_msr(0x1234_5678, 0), refused, "no such register");
}

#[test]
fn an_msr_is_read_in_two_halves() {
    let mut machine = machine(CpuModel::V3);
    machine.cpu_mut(0).regs.seg[SegmentReg::Gs as usize].base = 0x1234_5678_9abc;
    machine.cpu_mut(0).regs.gpr.set(RCX, 0xc000_0101);
    assert_eq!(run(&mut machine, RDMSR), None);
    let gpr = &machine.cpu(0).regs.gpr;
    assert_eq!((gpr.get(RDX), gpr.get(RAX)), (0x1234, 0x5678_9abc));
}

/// Rule X3: with BTF and TF the trap comes after the taken branch, and BTF is off then.
#[test]
fn stepping_on_branches_stops_at_the_first_that_is_taken() {
    let mut machine = machine(CpuModel::V3);
    let cpu = machine.cpu_mut(0);
    assert!(cpu.write_msr(0x1d9, debugctl::BTF));
    cpu.set_rflags(RFlags::TF | RFlags::ZF);
    // nop; jne +0; nop; jmp +0; nop
    let vector = run(&mut machine, &[0x90, 0x75, 0, 0x90, 0xeb, 0, 0x90]);
    assert_eq!(vector, Some(1));
    let cpu = machine.cpu(0);
    assert_eq!(cpu.debug().dr6() & (dr6::BS | dr6::B_MASK), dr6::BS);
    assert_eq!(cpu.read_msr(0x1d9), Some(0));
    let (mut frame, at) = ([0; 8], cpu.regs.gpr.get(4));
    machine.peek(0, at, &mut frame);
    assert_eq!(u64::from_le_bytes(frame), CODE + 6);
}

#[test]
fn taken_branches_are_recorded_while_lbr_is_set() {
    let mut machine = machine(CpuModel::V3);
    assert!(machine.cpu_mut(0).write_msr(0x1d9, debugctl::LBR));
    // jmp +1; nop; call +0
    assert_eq!(run(&mut machine, &[0xeb, 1, 0x90, 0xe8, 0, 0, 0, 0]), None);
    let cpu = machine.cpu(0);
    let top = cpu.read_msr(0x1c9).unwrap();
    assert_eq!(top, 2);
    let entry = |nth: u64| {
        (cpu.read_msr(0x680 + nth as u32).unwrap(), cpu.read_msr(0x6c0 + nth as u32).unwrap())
    };
    assert_eq!(entry(top), (CODE + 3, CODE + 8));
    assert_eq!(entry(top - 1), (CODE, CODE + 3));
    machine.cpu_mut(0).set_vendor(CpuVendor::Amd);
    assert_eq!(machine.cpu(0).read_msr(0x1db), Some(CODE + 3));
    assert_eq!(machine.cpu(0).read_msr(0x1c9), None);
}

/// 32-bit code at CPL 0 in compatibility mode, with DS as the descriptor says.
fn compatibility(data: u64) -> Machine {
    let mut machine = machine(CpuModel::V3);
    let cpu = machine.cpu_mut(0);
    cpu.regs.seg[SegmentReg::Cs as usize] =
        Segment::from_descriptor(flat::CODE0, 0x00cf_9b00_0000_ffff);
    cpu.regs.seg[SegmentReg::Ds as usize] = Segment::from_descriptor(flat::DATA0, data);
    cpu.set_rflags(RFlags::FIXED);
    machine
}

#[test]
fn limits_and_types_hold_outside_64_bit_mode() {
    const UP: u64 = 0x0040_9300_0000_0fff;
    const DOWN: u64 = 0x0040_9700_0000_0fff;
    const READ_ONLY: u64 = 0x0040_9100_0000_0fff;
    let refused = Some(GENERAL_PROTECTION);
    let load = |descriptor, offset: u32| {
        let mut code = vec![0xa1];
        code.extend(offset.to_le_bytes());
        run(&mut compatibility(descriptor), &code)
    };
    assert_eq!(load(UP, 0xffc), None);
    assert_eq!(load(UP, 0xffd), refused);
    assert_eq!(load(DOWN, 0x1000), None);
    assert_eq!(load(DOWN, 0xfff), refused);
    assert_eq!(load(0, 0), refused, "a null segment");
    assert_eq!(load(0x00cf_9300_0000_ffff, 0xffff_fffe), Some(14), "flat: it wraps, and faults");
    // mov [0],eax
    let store = [0xa3, 0, 0, 0, 0];
    assert_eq!(run(&mut compatibility(READ_ONLY), &store), refused);
    assert_eq!(run(&mut compatibility(UP), &store), None);
}

#[test]
fn the_stack_segment_faults_in_its_own_way() {
    let mut machine = compatibility(0x00cf_9300_0000_ffff);
    let cpu = machine.cpu_mut(0);
    cpu.regs.seg[SegmentReg::Ss as usize] =
        Segment::from_descriptor(flat::DATA0, 0x0040_9300_0000_0fff);
    cpu.regs.gpr.set(4, 0x2000);
    cpu.set_rflags(RFlags::FIXED);
    assert_eq!(run(&mut machine, &[0x50]), Some(STACK_FAULT));
}

/// Instructions on descriptors do not exist in real mode.
#[test]
fn real_mode_has_no_descriptors() {
    // sldt ax; str ax; lar ax,ax; lsl ax,ax; verr ax; verw ax; arpl ax,ax; lldt ax; ltr ax
    let codes: [&[u8]; 9] = [
        &[0x0f, 0x00, 0xc0],
        &[0x0f, 0x00, 0xc8],
        &[0x0f, 0x02, 0xc0],
        &[0x0f, 0x03, 0xc0],
        &[0x0f, 0x00, 0xe0],
        &[0x0f, 0x00, 0xe8],
        &[0x63, 0xc0],
        &[0x0f, 0x00, 0xd0],
        &[0x0f, 0x00, 0xd8],
    ];
    for code in codes {
        let mut machine = machine(CpuModel::V3);
        // The vector of #UD leads to a HLT.
        machine.mem.write(4 * 6, &0x0100_0000u32.to_le_bytes());
        machine.mem.write(0x1000, &[0xf4]);
        machine.mem.write(0x2000, code);
        let cpu = machine.cpu_mut(0);
        cpu.init();
        cpu.startup(2);
        cpu.regs.control.idtr.limit = 0x3ff;
        cpu.regs.gpr.set(4, 0x800);
        assert_eq!(machine.run(0, u64::MAX), Exit::Halted, "{code:02x?}");
        let cpu = machine.cpu(0);
        assert_eq!((cpu.regs.rip, cpu.deliveries()), (1, 1), "{code:02x?}");
    }
}

/// Runs 32-bit code that stores EAX to EBX, under page tables that the caller made.
fn store_under(machine: &mut Machine, linear: u64) {
    let cpu = machine.cpu_mut(0);
    for (reg, descriptor) in
        [(SegmentReg::Cs, 0x00cf_9b00_0000_ffff), (SegmentReg::Ds, 0x00cf_9300_0000_ffff)]
    {
        cpu.regs.seg[reg as usize] = Segment::from_descriptor(8, descriptor);
    }
    cpu.regs.control.efer = 0;
    cpu.flush_tlb();
    cpu.set_rflags(RFlags::FIXED);
    cpu.regs.gpr.set(RBX, linear);
    cpu.regs.gpr.set(RAX, 0x1234_5678);
    cpu.regs.rip = CODE;
    machine.mem.write(CODE, &[0x89, 0x03, 0xf4]);
    assert_eq!(machine.run(0, u64::MAX), Exit::Halted);
}

const TABLES: u64 = 0x8000;

#[test]
fn paging_of_two_levels() {
    let mut machine = machine(CpuModel::V3);
    let small = (TABLES + 0x1000) | 7;
    machine.mem.write(TABLES, &(small as u32).to_le_bytes());
    machine.mem.write(TABLES + 4, &0x87u32.to_le_bytes());
    let page = TABLES + 0x1000 + 4 * (CODE >> 12);
    machine.mem.write(page, &(CODE as u32 | 7).to_le_bytes());
    let control = &mut machine.cpu_mut(0).regs.control;
    (control.cr3, control.cr4) = (TABLES, cr4::PSE);
    // Through the large page, which maps the second 4 MiB onto the first.
    store_under(&mut machine, 0x40_0000 | DATA);
    assert_eq!(machine.mem.read_u64(DATA) & 0xffff_ffff, 0x1234_5678);
    let upper = machine.mem.read_u64(TABLES) >> 32;
    assert_eq!(upper & (entry::ACCESSED | entry::DIRTY), entry::ACCESSED | entry::DIRTY);
    assert_eq!(machine.mem.read_u64(page) & (entry::ACCESSED | entry::DIRTY), entry::ACCESSED);
}

#[test]
fn paging_with_page_directory_pointers() {
    let mut machine = machine(CpuModel::V3);
    machine.mem.write_u64(TABLES, (TABLES + 0x1000) | entry::PRESENT);
    machine.mem.write_u64(TABLES + 24, (TABLES + 0x1000) | entry::PRESENT);
    machine.mem.write_u64(TABLES + 0x1000, 0xe7);
    let control = &mut machine.cpu_mut(0).regs.control;
    (control.cr3, control.cr4) = (TABLES, cr4::PAE);
    store_under(&mut machine, 0xc000_0000 | DATA);
    assert_eq!(machine.mem.read_u64(DATA) & 0xffff_ffff, 0x1234_5678);
}

/// User code cannot run into blocks that the kernel has run.
#[test]
fn a_block_belongs_to_a_privilege() {
    let mut machine = machine(CpuModel::V3);
    let directory = machine.mem.read_u64(machine.cpu(0).regs.control.cr3) & entry::ADDRESS;
    machine.mem.write_u64(directory, machine.mem.read_u64(directory) & !entry::USER);
    machine.cpu_mut(0).flush_tlb();
    assert_eq!(run(&mut machine, &[0x90]), None);
    let cpu = machine.cpu_mut(0);
    cpu.wake();
    let code = &mut cpu.regs.seg[SegmentReg::Cs as usize];
    *code = Segment { selector: flat::CODE3, ..*code };
    cpu.set_rflags(RFlags::FIXED);
    cpu.regs.rip = CODE;
    // There is no TSS, and so no stack for the handler of the page fault.
    assert_eq!(machine.run(0, u64::MAX), Exit::Shutdown);
    assert_eq!((machine.cpu(0).regs.rip, machine.cpu(0).regs.control.cr2), (CODE, CODE));
}

/// B bits after a store to a word on which DR0 is enabled and DR1 is not.
fn reported(vendor: CpuVendor) -> u64 {
    let mut machine = machine(CpuModel::V3);
    let cpu = machine.cpu_mut(0);
    cpu.set_vendor(vendor);
    cpu.set_dr_address(0, DATA);
    cpu.set_dr_address(1, DATA);
    // G0; both write entries of one byte.
    cpu.set_dr7(0x11_0002);
    cpu.regs.gpr.set(RBX, DATA);
    // mov [rbx],al; nop
    assert_eq!(run(&mut machine, &[0x88, 0x03, 0x90]), Some(1));
    machine.cpu(0).debug().dr6() & dr6::B_MASK
}

/// Rule M11.
#[test]
fn vendors_differ_over_disabled_entries() {
    assert_eq!(reported(CpuVendor::Intel), 0b11);
    assert_eq!(reported(CpuVendor::Amd), 0b01);
}

/// Rule R6: eight-byte entries are Intel's in every mode, AMD's in IA-32e mode.
#[test]
fn vendors_differ_over_entries_of_eight_bytes() {
    for (vendor, mode, hits) in [
        (CpuVendor::Intel, efer::LME | efer::LMA, true),
        (CpuVendor::Intel, 0, true),
        (CpuVendor::Amd, efer::LME | efer::LMA, true),
        (CpuVendor::Amd, 0, false),
    ] {
        let mut machine = machine(CpuModel::V3);
        let cpu = machine.cpu_mut(0);
        cpu.set_vendor(vendor);
        cpu.regs.control.efer = mode;
        cpu.set_rflags(RFlags::FIXED);
        cpu.set_dr_address(0, DATA);
        cpu.set_dr7(0x9_0002);
        let matched = cpu.debug().match_data(DATA + 7, 1, crate::debug::matcher::DataAccess::Store);
        assert_eq!(matched != 0, hits, "{vendor} with EFER {mode:#x}");
    }
}

#[test]
fn vendors_differ_over_fast_system_calls() {
    const SYSCALL: &[u8] = &[0x0f, 0x05];
    const SYSENTER: &[u8] = &[0x0f, 0x34];
    const INVALID_OPCODE: u64 = 6;
    let flat = 0x00cf_9300_0000_ffff;
    let with = |vendor, mut machine: Machine, code: &[u8]| {
        let cpu = machine.cpu_mut(0);
        cpu.set_vendor(vendor);
        cpu.regs.msrs.cstar = CODE + 0x100;
        cpu.regs.msrs.star = u64::from(flat::CODE0) << 32;
        machine.mem.write(CODE + 0x100, &[0xf4]);
        run(&mut machine, code)
    };
    // In compatibility mode SYSCALL is AMD's, and goes where IA32_CSTAR says.
    assert_eq!(with(CpuVendor::Intel, compatibility(flat), SYSCALL), Some(INVALID_OPCODE));
    assert_eq!(with(CpuVendor::Amd, compatibility(flat), SYSCALL), None);
    // In IA-32e mode SYSENTER is Intel's; without a segment it is #GP.
    let in_64 = || machine(CpuModel::V3);
    assert_eq!(with(CpuVendor::Intel, in_64(), SYSENTER), Some(GENERAL_PROTECTION));
    assert_eq!(with(CpuVendor::Amd, in_64(), SYSENTER), Some(INVALID_OPCODE));
    let name = |vendor: CpuVendor| vendor.cpuid(0, CpuModel::V3.cpuid(0, 0, 0)).ebx.to_le_bytes();
    assert_eq!((name(CpuVendor::Intel), name(CpuVendor::Amd)), (*b"Genu", *b"Auth"));
}

const GDT: u64 = 0x3000;
const TSS: u64 = 0x7000;
/// Where gates lead: a HLT, which only CPL 0 may execute.
const INNER: u64 = CODE + 0x100;
/// The stack of CPL 0.
const STACK0: u64 = 0x3_8000;

/// A machine at CPL 3 whose GDT has a call gate to [`INNER`] at 0x30, with the far pointer
/// to it at RBX.
fn before_a_call_gate(gate: [u64; 2], code: u64) -> Machine {
    let mut machine = machine(CpuModel::V3);
    for (at, word) in (0x30..).step_by(8).zip(gate) {
        machine.mem.write_u64(GDT + at, word);
    }
    machine.mem.write(DATA, &[0, 0, 0, 0, 0x33, 0]);
    machine.mem.write(INNER, &[0xf4]);
    machine.mem.write(CODE, &[0xff, 0x1b]);
    machine.mem.write_u64(TSS + 4, STACK0 | u64::from(flat::DATA0) << 32);
    let cpu = machine.cpu_mut(0);
    let control = &mut cpu.regs.control;
    control.gdtr.limit = 0x3f;
    (control.tss_base, control.tss_limit, control.tr_access) = (TSS, 0x67, 0x8b);
    cpu.regs.seg[SegmentReg::Cs as usize] = Segment::from_descriptor(flat::CODE3, code);
    for reg in [SegmentReg::Ss, SegmentReg::Ds, SegmentReg::Es] {
        cpu.regs.seg[reg as usize] = Segment::from_descriptor(flat::DATA3, 0x00cf_f300_0000_ffff);
    }
    cpu.regs.gpr.set(RBX, DATA);
    cpu.regs.gpr.set(4, 0x3_0000);
    cpu.regs.rip = CODE;
    cpu.set_rflags(RFlags::FIXED);
    machine
}

#[test]
fn a_64_bit_call_gate_switches_to_the_inner_stack() {
    let low = INNER & 0xffff | 8 << 16 | 0xec00 << 32 | (INNER >> 16) << 48;
    let mut machine = before_a_call_gate([low, 0], 0x00af_fb00_0000_ffff);
    machine.mem.write_u64(TSS + 4, STACK0);
    assert_eq!(machine.run(0, u64::MAX), Exit::Halted);
    let cpu = machine.cpu(0);
    assert_eq!((cpu.regs.rip, cpu.regs.cpl()), (INNER + 1, 0));
    assert_eq!(cpu.regs.gpr.get(4), STACK0 - 32);
    // SS is null, with the new privilege.
    assert_eq!(cpu.regs.seg[SegmentReg::Ss as usize].selector, 0);
    let frame: [u64; 4] =
        std::array::from_fn(|nth| machine.mem.read_u64(STACK0 - 32 + 8 * nth as u64));
    let (cs, ss) = (u64::from(flat::CODE3), u64::from(flat::DATA3));
    assert_eq!(frame, [CODE + 2, cs, 0x3_0000, ss]);
}

/// A gate of 32 bits copies its parameters between the frame's two halves.
#[test]
fn a_32_bit_call_gate_copies_parameters() {
    let low = INNER & 0xffff | 8 << 16 | 0xec02 << 32 | (INNER >> 16) << 48;
    let mut machine = before_a_call_gate([low, 0], 0x00cf_fb00_0000_ffff);
    machine.mem.write_u64(GDT + 8, 0x00cf_9b00_0000_ffff);
    machine.mem.write_u64(0x3_0000, 0x2222_2222_1111_1111);
    let control = &mut machine.cpu_mut(0).regs.control;
    (control.cr0, control.cr4, control.efer) = (cr0::PE | cr0::ET, 0, 0);
    let cpu = machine.cpu_mut(0);
    cpu.flush_tlb();
    cpu.set_rflags(RFlags::FIXED);
    assert_eq!(machine.run(0, u64::MAX), Exit::Halted);
    let cpu = machine.cpu(0);
    assert_eq!((cpu.regs.rip, cpu.regs.cpl()), (INNER + 1, 0));
    assert_eq!(cpu.regs.gpr.get(4), STACK0 - 24);
    let mut bytes = [0; 24];
    machine.mem.read(STACK0 - 24, &mut bytes);
    let (words, _) = bytes.as_chunks::<4>();
    let words: Vec<u64> = words.iter().map(|word| u32::from_le_bytes(*word).into()).collect();
    let (cs, ss) = (u64::from(flat::CODE3), u64::from(flat::DATA3));
    assert_eq!(words, [CODE + 2, cs, 0x1111_1111, 0x2222_2222, 0x3_0000, ss]);
}
