//! Far JMP, CALL and RET (SDM vol. 2A, CALL, JMP; vol. 2B, RET).
//!
//! Between all modes, through call gates ([`super::gate`]) and, outside IA-32e mode, to
//! other tasks ([`super::task`]). The order of checks and stores is as measured.

use iced_x86::{Instruction, Mnemonic, OpKind};

use super::descriptor::{
    self, CALL_GATE, CALL_GATE_16, Kind, TASK_GATE, TSS_AVAILABLE, TSS16_AVAILABLE, is_null, kind,
    rpl,
};
use super::forms::operand_bytes;
use super::gate::{self, CallGate};
use super::segload::{NullStack, stack_segment};
use super::stack::{load_at, store_at};
use super::task::{self, Cause};
use crate::cpu::Cpu;
use crate::dispatch::lower::{Ends, Family, Lowered};
use crate::event::exception::Faulted;
use crate::event::{Exception, Vector};
use crate::mem::access::MemWidth;
use crate::mem::is_canonical;
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op, OpFn};
use crate::regs::control::cr0;
use crate::regs::{B16, B32, B64, Segment, SegmentReg, Width};

/// Instructions of this family; near JMP and CALL are refused by its rules, as far
/// ones by those of [`super::branch`].
pub(crate) const FAMILY: Family =
    &[(Mnemonic::Jmp, jmp_rule), (Mnemonic::Call, call_rule), (Mnemonic::Retf, retf_rule)];

/// Where a far JMP or CALL may lead.
enum Target {
    /// Code.
    Code(Segment),
    /// Code behind a call gate.
    Gate(CallGate),
    /// Another task: the selector of its TSS.
    OtherTask(u16),
}

/// Checks a code segment whose privilege is right.
pub(super) fn check_code(cpu: &mut Cpu, segment: &Segment) -> Result<(), Faulted> {
    let selector = segment.selector;
    let long = segment.access & Segment::LONG != 0 && cpu.in_long_mode();
    if long && segment.access & Segment::DEFAULT_BIG != 0 {
        return Err(descriptor::refuse_gp(cpu, selector));
    }
    if segment.access & Segment::PRESENT == 0 {
        return Err(descriptor::refuse(cpu, Vector::SegmentNotPresent, selector));
    }
    Ok(())
}

/// Whether a code segment is one of 64-bit code.
pub(super) fn is_64(cpu: &Cpu, segment: &Segment) -> bool {
    cpu.in_long_mode() && segment.access & Segment::LONG != 0
}

/// Refuses an offset that is not canonical, or beyond the limit of the code segment.
pub(super) fn check_offset(cpu: &mut Cpu, code: &Segment, offset: u64) -> Result<(), Faulted> {
    let reachable =
        if is_64(cpu, code) { is_canonical(offset) } else { offset <= u64::from(code.limit) };
    if !reachable {
        return Err(cpu.raise(Exception::gp0()));
    }
    Ok(())
}

/// What a far JMP or CALL leads to.
fn jump_target(cpu: &mut Cpu, mem: &mut PhysMem, selector: u16) -> Result<Target, Faulted> {
    if is_null(selector) {
        return Err(cpu.raise(Exception::gp0()));
    }
    let segment = descriptor::read(cpu, mem, selector)?;
    let cpl = cpu.regs.cpl();
    let visible = cpl.max(rpl(selector)) <= segment.dpl();
    let allowed = match kind(&segment) {
        Kind::Code { conforming: true, .. } => segment.dpl() <= cpl,
        Kind::Code { conforming: false, .. } => rpl(selector) <= cpl && segment.dpl() == cpl,
        Kind::System(CALL_GATE) if visible => {
            return gate::read(cpu, mem, selector).map(Target::Gate);
        }
        Kind::System(CALL_GATE_16) if visible && !cpu.in_long_mode() => {
            return gate::read(cpu, mem, selector).map(Target::Gate);
        }
        Kind::System(TSS_AVAILABLE | TSS16_AVAILABLE) if visible && !cpu.in_long_mode() => {
            return Ok(Target::OtherTask(selector));
        }
        Kind::System(TASK_GATE) if visible && !cpu.in_long_mode() => {
            if segment.access & Segment::PRESENT == 0 {
                return Err(descriptor::refuse(cpu, Vector::SegmentNotPresent, selector));
            }
            let gate = descriptor::read_raw(cpu, mem, selector)?;
            return Ok(Target::OtherTask((gate >> 16) as u16));
        }
        Kind::System(_) | Kind::Data { .. } => false,
    };
    if !allowed {
        return Err(descriptor::refuse_gp(cpu, selector));
    }
    check_code(cpu, &segment)?;
    Ok(Target::Code(segment))
}

/// The code segment of a far return or IRET, which may lower the privilege.
pub(super) fn return_target(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    selector: u16,
) -> Result<Segment, Faulted> {
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
    check_code(cpu, &segment)?;
    Ok(segment)
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

/// A far pointer in the instruction or in memory.
trait Pointer: 'static {
    /// Offset and selector.
    fn read<W: MemWidth>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<(u64, u16), Faulted>;
}

/// The offset in `disp`, the selector in the lower half of `imm`.
struct Immediate;
/// The memory operand.
struct Indirect;

impl Pointer for Immediate {
    fn read<W: MemWidth>(
        _cpu: &mut Cpu,
        _mem: &mut PhysMem,
        op: &Op,
    ) -> Result<(u64, u16), Faulted> {
        Ok((op.disp, op.imm as u16))
    }
}

impl Pointer for Indirect {
    fn read<W: MemWidth>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<(u64, u16), Faulted> {
        let linear = op.linear(cpu);
        let offset = W::load(cpu, mem, linear)?;
        let selector = B16::load(cpu, mem, linear.wrapping_add(u64::from(W::BYTES)))?;
        Ok((offset, selector as u16))
    }
}

/// The op of a far JMP or CALL.
fn transfer_rule(insn: &Instruction, direct: [OpFn; 3], indirect: [OpFn; 3]) -> Option<Lowered> {
    let lowered = match insn.op0_kind() {
        OpKind::FarBranch16 | OpKind::FarBranch32 => {
            let wide = insn.op0_kind() == OpKind::FarBranch32;
            let mut op = Op::new(by_offset(if wide { 4 } else { 2 }, direct)?);
            op.disp = if wide { insn.far_branch32().into() } else { insn.far_branch16().into() };
            op.imm = u64::from(insn.far_branch_selector());
            Lowered { op, ends: Ends::Yes }
        }
        _ => {
            let offset = operand_bytes(insn, 0).checked_sub(2)?;
            Lowered::last(insn, by_offset(offset, indirect)?)?
        }
    };
    Some(lowered)
}

/// The instances of a far transfer.
macro_rules! transfers {
    ($function:ident, $pointer:ty) => {
        [
            $function::<$pointer, B16> as OpFn,
            $function::<$pointer, B32> as OpFn,
            $function::<$pointer, B64> as OpFn,
        ]
    };
}

fn jmp_rule(insn: &Instruction) -> Option<Lowered> {
    if !insn.is_jmp_far_indirect() && !insn.is_jmp_far() {
        return None;
    }
    transfer_rule(insn, transfers!(jmp, Immediate), transfers!(jmp, Indirect))
}

fn call_rule(insn: &Instruction) -> Option<Lowered> {
    if !insn.is_call_far_indirect() && !insn.is_call_far() {
        return None;
    }
    transfer_rule(insn, transfers!(call, Immediate), transfers!(call, Indirect))
}

/// Address of the instruction behind a far transfer: RIP is at its block's start.
fn next_rip(cpu: &Cpu, op: &Op) -> u64 {
    let behind = u64::from(op.offset) + u64::from(op.len);
    cpu.code.wrap(cpu.regs.rip.wrapping_add(behind))
}

/// Whether segment registers are loaded as real mode does.
pub(super) fn is_real(cpu: &Cpu) -> bool {
    cpu.regs.control.cr0 & cr0::PE == 0
}

/// Refuses what exists in protected mode only.
pub(super) fn check_protected(cpu: &mut Cpu) -> Result<(), Faulted> {
    if is_real(cpu) {
        return Err(cpu.raise(Exception::ud()));
    }
    Ok(())
}

/// A far transfer in real mode.
fn enter_real(cpu: &mut Cpu, selector: u16, offset: u64) -> Result<(), Faulted> {
    if offset > u64::from(cpu.regs.seg[SegmentReg::Cs as usize].limit) {
        return Err(cpu.raise(Exception::gp0()));
    }
    cpu.set_real_segment(SegmentReg::Cs as u8, selector);
    cpu.regs.rip = offset;
    cpu.sync_mode();
    Ok(())
}

/// Goes to checked code without a change of privilege.
fn enter_code(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    mut code: Segment,
    offset: u64,
) -> Result<(), Faulted> {
    descriptor::mark_accessed(cpu, mem, &mut code)?;
    let cpl = cpu.regs.cpl();
    set_code(cpu, code, cpl);
    cpu.regs.rip = offset;
    cpu.sync_mode();
    Ok(())
}

fn jmp<P: Pointer, W: MemWidth>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    let (offset, selector) = P::read::<W>(cpu, mem, op)?;
    if is_real(cpu) {
        enter_real(cpu, selector, offset)?;
        return Ok(Flow::Jump);
    }
    match jump_target(cpu, mem, selector)? {
        Target::Code(code) => {
            check_offset(cpu, &code, offset)?;
            enter_code(cpu, mem, code, offset)?;
        }
        Target::Gate(gate) => gate::jump(cpu, mem, &gate)?,
        Target::OtherTask(tss) => {
            cpu.regs.rip = next_rip(cpu, op);
            return task::transfer(cpu, mem, tss, Cause::Jump);
        }
    }
    Ok(Flow::Jump)
}

/// CS is stored first, and stays stored where the next store or the offset is refused;
/// RSP does not move then (measured).
fn call<P: Pointer, W: MemWidth>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    let (offset, selector) = P::read::<W>(cpu, mem, op)?;
    let return_to = next_rip(cpu, op);
    let code = if is_real(cpu) {
        None
    } else {
        match jump_target(cpu, mem, selector)? {
            Target::Code(code) => Some(code),
            Target::Gate(gate) => {
                gate::call(cpu, mem, &gate, return_to)?;
                return Ok(Flow::JumpBoundary);
            }
            Target::OtherTask(tss) => {
                cpu.regs.rip = return_to;
                return task::transfer(cpu, mem, tss, Cause::Call);
            }
        }
    };
    let old = u64::from(cpu.regs.seg[SegmentReg::Cs as usize].selector);
    let slot = |nth: u64| (nth * u64::from(W::BYTES)).wrapping_neg();
    let (upper, top) = (cpu.stack_pointer(slot(1)), cpu.stack_pointer(slot(2)));
    store_at::<W>(cpu, mem, upper, old)?;
    store_at::<W>(cpu, mem, top, return_to)?;
    match code {
        None => {
            enter_real(cpu, selector, offset)?;
            cpu.set_stack_pointer(top);
        }
        Some(code) => {
            check_offset(cpu, &code, offset)?;
            cpu.set_stack_pointer(top);
            enter_code(cpu, mem, code, offset)?;
        }
    }
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
    load_at::<R>(cpu, mem, cpu.stack_pointer(offset))
}

/// RETF and RETF imm16, to the same or a lower privilege. Selectors are read before
/// the words below them (measured).
fn retf<W: MemWidth>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let selector = stack_slot::<W, B16>(cpu, mem, 1, 0)? as u16;
    let offset = stack_slot::<W, W>(cpu, mem, 0, 0)?;
    let released = op.imm & 0xffff;
    let mut top = cpu.stack_pointer(2 * u64::from(W::BYTES) + released);
    if is_real(cpu) {
        enter_real(cpu, selector, offset)?;
        cpu.set_stack_pointer(top);
        return Ok(Flow::JumpBoundary);
    }
    let mut code = return_target(cpu, mem, selector)?;
    let to = rpl(selector);
    let outward = to > cpu.regs.cpl();
    let mut stack = cpu.regs.seg[SegmentReg::Ss as usize];
    if outward {
        let selector = stack_slot::<W, B16>(cpu, mem, 3, released)? as u16;
        top = stack_slot::<W, W>(cpu, mem, 2, released)?.wrapping_add(released);
        let null = NullStack::of(is_64(cpu, &code));
        stack = stack_segment(cpu, mem, selector, to, null)?;
    }
    check_offset(cpu, &code, offset)?;
    descriptor::mark_accessed(cpu, mem, &mut code)?;
    set_code(cpu, code, to);
    cpu.regs.seg[SegmentReg::Ss as usize] = stack;
    cpu.regs.rip = offset;
    cpu.sync_mode();
    cpu.set_stack_pointer(top);
    if outward {
        drop_inner_segments(cpu);
    }
    Ok(Flow::JumpBoundary)
}
