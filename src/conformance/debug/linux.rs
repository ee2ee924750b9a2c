//! What Linux does between an exception and the tracer: system calls, instructions that
//! it carries out for the program (UMIP), and #DBs that it keeps to itself.
//!
//! Source: Linux 6.18 arch/x86/kernel/umip.c and arch/x86/entry; rules K4 to K6.

use emulator::regs::Segment;
use emulator::regs::gpr::reg::{R11, RAX, RCX, RSP};
use iced_x86::{Instruction, Mnemonic, OpKind, Register};

use super::stand::layout::LDT_SELECTOR;
use super::stand::{Frame, Stand};

/// INT 0x80, a system call.
pub(super) const SYSTEM_CALL: u8 = 0x80;
/// What an unknown system call returns: -ENOSYS. The cases use no other.
const ENOSYS: u64 = (-38i64) as u64;

/// Selector of the task state segment in Linux's GDT.
const TSS_SELECTOR: u64 = 0x40;
/// UMIP_DUMMY_GDT_BASE.
const GDT_BASE: u64 = 0xffff_ffff_fffe_0000;
/// UMIP_DUMMY_IDT_BASE.
const IDT_BASE: u64 = 0xffff_ffff_ffff_0000;
/// CR0_STATE: PE, MP, ET, NE, WP, AM, PG.
const CR0_STATE: u64 = 0x8005_0033;

/// Whether the program has an LDT, which SLDT then tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HasLdt {
    Yes,
    No,
}

/// Carries out the system call of INT 0x80.
pub(super) fn interrupt_call(stand: &mut Stand) {
    stand.set_gpr(RAX, ENOSYS);
}

/// Carries out the system call of SYSCALL, up to the return.
pub(super) fn syscall(stand: &mut Stand) {
    stand.set_gpr(RAX, ENOSYS);
    stand.leave_syscall();
}

/// Carries out the system call of SYSCALL for a tracer that steps, and says where Linux
/// makes up a stop for it (rule K6).
pub(super) fn stepped_syscall(stand: &mut Stand) -> Frame {
    stand.set_gpr(RAX, ENOSYS);
    let frame = Stand::user_frame(stand.gpr(RCX), stand.gpr(R11), stand.gpr(RSP));
    stand.start(frame);
    frame
}

/// Whether a #DB is none that the tracer hears of: its breakpoints leave out the kernel
/// (rule K5).
pub(super) fn is_kernels(frame: &Frame) -> bool {
    frame.cs & 3 == 0
}

/// Carries out an instruction that UMIP refuses, as `fixup_umip_exception` does; whether
/// it was one.
pub(super) fn carry_out_refused(stand: &mut Stand, has_ldt: HasLdt) -> bool {
    let insn = stand.instruction();
    let Some(answer) = answer(&insn, has_ldt) else { return false };
    let mut frame = stand.frame();
    if insn.op0_kind() == OpKind::Register {
        write_register(stand, insn.op0_register(), answer);
    } else {
        let Some(address) = effective_address(stand, &insn, &frame) else { return false };
        let bytes = memory_image(&insn, answer, stand.segment(frame.cs as u16));
        let last = address.wrapping_add(bytes.len() as u64 - 1);
        if !stand.is_mapped(address) || !stand.is_mapped(last) {
            return false;
        }
        stand.poke(address, &bytes);
    }
    frame.rip = insn.next_ip();
    stand.set_frame(frame);
    true
}

/// What Linux says instead of the truth.
fn answer(insn: &Instruction, has_ldt: HasLdt) -> Option<u64> {
    match insn.mnemonic() {
        Mnemonic::Sgdt => Some(GDT_BASE),
        Mnemonic::Sidt => Some(IDT_BASE),
        Mnemonic::Smsw => Some(CR0_STATE),
        Mnemonic::Str => Some(TSS_SELECTOR),
        Mnemonic::Sldt if has_ldt == HasLdt::Yes => Some(u64::from(LDT_SELECTOR)),
        Mnemonic::Sldt => Some(0),
        _ => None,
    }
}

/// SGDT and SIDT: a limit of 0 and the base; the others store 2 bytes.
fn memory_image(insn: &Instruction, answer: u64, cs: Segment) -> Vec<u8> {
    let bytes = answer.to_le_bytes();
    match insn.mnemonic() {
        Mnemonic::Sgdt | Mnemonic::Sidt => {
            let base = if cs.access & Segment::LONG != 0 { 8 } else { 4 };
            [&[0, 0], &bytes[..base]].concat()
        }
        _ => bytes[..2].to_vec(),
    }
}

/// Replaces as many bytes of a register as the operand has.
fn write_register(stand: &mut Stand, register: Register, answer: u64) {
    let number = register.full_register().number() as u8;
    let mask = match register.size() {
        2 => 0xffff,
        4 => 0xffff_ffff,
        _ => u64::MAX,
    };
    let value = stand.gpr(number) & !mask | answer & mask;
    stand.set_gpr(number, value);
}

fn effective_address(stand: &Stand, insn: &Instruction, frame: &Frame) -> Option<u64> {
    insn.virtual_address(0, 0, |register, _, _| {
        if register.is_segment_register() {
            return Some(stand.machine.cpu(0).regs.seg[register.number()].base);
        }
        let full = register.full_register();
        if full == Register::RSP {
            return Some(frame.rsp);
        }
        let value = stand.gpr(u8::try_from(full.number()).ok()?);
        Some(if register.size() == 4 { value & 0xffff_ffff } else { value })
    })
}
