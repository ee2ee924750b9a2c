//! Far JMP, CALL and RET in 64-bit mode (SDM vol. 2A, CALL, JMP; vol. 2B, RET).
//!
//! To 64-bit code only: a transfer to compatibility mode or through a call gate stops
//! the run and says so. The order of checks and stores is as measured.

use iced_x86::{Instruction, Mnemonic};

use super::descriptor::{self, CALL_GATE, Kind, is_null, kind, rpl};
use super::forms::operand_bytes;
use super::segload::stack_segment;
use crate::cpu::Cpu;
use crate::dispatch::lower::{Family, Lowered};
use crate::event::exception::Faulted;
use crate::event::{Exception, Vector};
use crate::mem::access::MemWidth;
use crate::mem::is_canonical;
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op, OpFn};
use crate::regs::gpr::reg::RSP;
use crate::regs::{B16, B32, B64, Segment, SegmentReg, Width};
use crate::run::{Exit, Unsupported};

/// Instructions of this family; near JMP and CALL are refused by its rules, as far
/// ones by those of [`super::branch`].
pub(crate) const FAMILY: Family =
    &[(Mnemonic::Jmp, jmp_rule), (Mnemonic::Call, call_rule), (Mnemonic::Retf, retf_rule)];

/// Stops the run at a transfer that is not built.
pub(super) fn refuse_transfer(cpu: &mut Cpu, name: String) -> Flow {
    cpu.exit = Some(Exit::Unsupported(Unsupported { rip: 0, name, bytes: Vec::new() }));
    Flow::Refused
}

/// Where a far transfer may lead.
pub(super) enum Target {
    /// 64-bit code.
    Code(Segment),
    /// Somewhere that is not built.
    NotBuilt(&'static str),
}

const COMPATIBILITY: &str = "to compatibility mode";

/// Whether code is 64-bit code or another's, once its rights are checked.
fn target_of(cpu: &mut Cpu, segment: Segment) -> Result<Target, Faulted> {
    let selector = segment.selector;
    let long = segment.access & Segment::LONG != 0;
    if long && segment.access & Segment::DEFAULT_BIG != 0 {
        return Err(descriptor::refuse_gp(cpu, selector));
    }
    if segment.access & Segment::PRESENT == 0 {
        return Err(descriptor::refuse(cpu, Vector::SegmentNotPresent, selector));
    }
    Ok(if long { Target::Code(segment) } else { Target::NotBuilt(COMPATIBILITY) })
}

/// The code segment of a far JMP or CALL.
fn jump_target(cpu: &mut Cpu, mem: &mut PhysMem, selector: u16) -> Result<Target, Faulted> {
    if is_null(selector) {
        return Err(cpu.raise(Exception::gp0()));
    }
    let segment = descriptor::read(cpu, mem, selector)?;
    let cpl = cpu.regs.cpl();
    let allowed = match kind(&segment) {
        Kind::Code { conforming: true, .. } => segment.dpl() <= cpl,
        Kind::Code { conforming: false, .. } => rpl(selector) <= cpl && segment.dpl() == cpl,
        Kind::System(CALL_GATE) if cpl.max(rpl(selector)) <= segment.dpl() => {
            return Ok(Target::NotBuilt("through a call gate"));
        }
        Kind::System(_) | Kind::Data { .. } => false,
    };
    if !allowed {
        return Err(descriptor::refuse_gp(cpu, selector));
    }
    target_of(cpu, segment)
}

/// The code segment of a far return or IRET, which may lower the privilege.
pub(super) fn return_target(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    selector: u16,
) -> Result<Target, Faulted> {
    if is_null(selector) {
        return Err(cpu.raise(Exception::gp0()));
    }
    let segment = descriptor::read(cpu, mem, selector)?;
    let to = rpl(selector);
    let allowed = match kind(&segment) {
        Kind::Code { conforming: true, .. } => segment.dpl() <= to,
        Kind::Code { conforming: false, .. } => segment.dpl() == to,
        Kind::System(_) | Kind::Data { .. } => false,
    };
    if !allowed || to < cpu.regs.cpl() {
        return Err(descriptor::refuse_gp(cpu, selector));
    }
    target_of(cpu, segment)
}

/// Loads CS with a segment for privilege `cpl`.
pub(super) fn set_code(cpu: &mut Cpu, mut code: Segment, cpl: u8) {
    code.selector = code.selector & !3 | u16::from(cpl);
    cpu.regs.seg[SegmentReg::Cs as usize] = code;
}

/// Makes null the data segments that a lower privilege may not use (SDM vol. 2B, RET);
/// null selectors lose their RPL (measured). Bases stay.
pub(super) fn drop_inner_segments(cpu: &mut Cpu) {
    let cpl = cpu.regs.cpl();
    for reg in [SegmentReg::Es, SegmentReg::Ds, SegmentReg::Fs, SegmentReg::Gs] {
        let segment = &mut cpu.regs.seg[reg as usize];
        let conforming = matches!(kind(segment), Kind::Code { conforming: true, .. });
        if !conforming && segment.dpl() < cpl {
            segment.selector = 0;
            segment.access = 0;
        }
    }
}

/// Chooses by the bytes of a far pointer's offset.
fn by_offset(bytes: usize, functions: [OpFn; 3]) -> Option<OpFn> {
    let [word, double, quad] = functions;
    match bytes {
        2 => Some(word),
        4 => Some(double),
        8 => Some(quad),
        _ => None,
    }
}

fn jmp_rule(insn: &Instruction) -> Option<Lowered> {
    if !insn.is_jmp_far_indirect() {
        return None;
    }
    let offset = operand_bytes(insn, 0).checked_sub(2)?;
    Lowered::last(insn, by_offset(offset, [jmp::<B16>, jmp::<B32>, jmp::<B64>])?)
}

/// Offset and selector in memory.
fn far_pointer<W: MemWidth>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<(u64, u16), Faulted> {
    let linear = op.linear(cpu);
    let offset = W::load(cpu, mem, linear)?;
    let selector = B16::load(cpu, mem, linear.wrapping_add(u64::from(W::BYTES)))?;
    Ok((offset, selector as u16))
}

fn jmp<W: MemWidth>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let (offset, selector) = far_pointer::<W>(cpu, mem, op)?;
    let mut code = match jump_target(cpu, mem, selector)? {
        Target::Code(code) => code,
        Target::NotBuilt(what) => return Ok(refuse_transfer(cpu, format!("far JMP {what}"))),
    };
    if !is_canonical(offset) {
        return Err(cpu.raise(Exception::gp0()));
    }
    descriptor::mark_accessed(cpu, mem, &mut code)?;
    let cpl = cpu.regs.cpl();
    set_code(cpu, code, cpl);
    cpu.regs.rip = offset;
    Ok(Flow::Jump)
}

/// The return address in `imm`.
fn call_rule(insn: &Instruction) -> Option<Lowered> {
    if !insn.is_call_far_indirect() {
        return None;
    }
    let offset = operand_bytes(insn, 0).checked_sub(2)?;
    let run = by_offset(offset, [call::<B16>, call::<B32>, call::<B64>])?;
    let mut lowered = Lowered::last(insn, run)?;
    lowered.op.imm = insn.next_ip();
    Some(lowered)
}

/// CS is stored first, and stays stored where the next store or the offset is refused;
/// RSP does not move then (measured).
fn call<W: MemWidth>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let (offset, selector) = far_pointer::<W>(cpu, mem, op)?;
    let mut code = match jump_target(cpu, mem, selector)? {
        Target::Code(code) => code,
        Target::NotBuilt(what) => return Ok(refuse_transfer(cpu, format!("far CALL {what}"))),
    };
    let bytes = u64::from(W::BYTES);
    let old = u64::from(cpu.regs.seg[SegmentReg::Cs as usize].selector);
    let top = cpu.regs.gpr.get(RSP).wrapping_sub(2 * bytes);
    W::store(cpu, mem, top.wrapping_add(bytes), old).map_err(|_| cpu.blame_stack())?;
    W::store(cpu, mem, top, op.imm).map_err(|_| cpu.blame_stack())?;
    if !is_canonical(offset) {
        return Err(cpu.raise(Exception::gp0()));
    }
    descriptor::mark_accessed(cpu, mem, &mut code)?;
    let cpl = cpu.regs.cpl();
    set_code(cpu, code, cpl);
    cpu.regs.gpr.set(RSP, top);
    cpu.regs.rip = offset;
    Ok(Flow::Jump)
}

fn retf_rule(insn: &Instruction) -> Option<Lowered> {
    use iced_x86::Code;
    let run: OpFn = match insn.code() {
        Code::Retfw | Code::Retfw_imm16 => retf::<B16>,
        Code::Retfd | Code::Retfd_imm16 => retf::<B32>,
        Code::Retfq | Code::Retfq_imm16 => retf::<B64>,
        _ => return None,
    };
    Lowered::last(insn, run)
}

/// A slot of `W` above RSP; of a selector's slot two bytes are read (x86-debug
/// section 9).
pub(super) fn stack_slot<W: Width, R: MemWidth>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    slot: u64,
    released: u64,
) -> Result<u64, Faulted> {
    let offset = slot * u64::from(W::BYTES) + released;
    let at = cpu.regs.gpr.get(RSP).wrapping_add(offset);
    R::load(cpu, mem, at).map_err(|_| cpu.blame_stack())
}

/// RETF and RETF imm16, to the same or a lower privilege. Selectors are read before
/// the words below them (measured).
fn retf<W: MemWidth>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let selector = stack_slot::<W, B16>(cpu, mem, 1, 0)? as u16;
    let offset = stack_slot::<W, W>(cpu, mem, 0, 0)?;
    let mut code = match return_target(cpu, mem, selector)? {
        Target::Code(code) => code,
        Target::NotBuilt(what) => return Ok(refuse_transfer(cpu, format!("RETF {what}"))),
    };
    let released = op.imm & 0xffff;
    let to = rpl(selector);
    let outward = to > cpu.regs.cpl();
    let mut top = cpu.regs.gpr.get(RSP).wrapping_add(2 * u64::from(W::BYTES) + released);
    let mut stack = cpu.regs.seg[SegmentReg::Ss as usize];
    if outward {
        let selector = stack_slot::<W, B16>(cpu, mem, 3, released)? as u16;
        top = stack_slot::<W, W>(cpu, mem, 2, released)?.wrapping_add(released);
        stack = stack_segment(cpu, mem, selector, to)?;
    }
    if !is_canonical(offset) {
        return Err(cpu.raise(Exception::gp0()));
    }
    descriptor::mark_accessed(cpu, mem, &mut code)?;
    set_code(cpu, code, to);
    cpu.regs.seg[SegmentReg::Ss as usize] = stack;
    cpu.regs.gpr.set(RSP, top);
    cpu.regs.rip = offset;
    if outward {
        drop_inner_segments(cpu);
        cpu.sync_mode();
    }
    Ok(Flow::JumpBoundary)
}
