//! Segment limits and access rights, which count outside 64-bit mode
//! (SDM vol. 3A, 5.3 to 5.5).

use iced_x86::{Instruction, OpAccess, OpKind};

use crate::cpu::Cpu;
use crate::dispatch::lower::{is_legacy, operands};
use crate::event::exception::Faulted;
use crate::event::{Exception, Vector};
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op};
use crate::regs::control::cr0;
use crate::regs::gpr::reg::RSP;
use crate::regs::{Segment, SegmentReg};

/// What an access wants of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Intent {
    /// A load.
    Read,
    /// A store.
    Write,
}

/// What a segment says of an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Allowed,
    Refused,
}

/// Whether bytes `[offset, offset + size)` lie within a segment. One with a limit of
/// 4 GiB - 1 has no end: accesses wrap.
fn within(segment: &Segment, offset: u64, size: u64) -> bool {
    let last = offset.wrapping_add(size.max(1) - 1);
    let limit = u64::from(segment.limit);
    if !segment.is_expand_down() {
        return limit == 0xffff_ffff || last <= limit;
    }
    offset > limit && last <= segment.stack_mask()
}

/// Whether the type of a segment allows an access.
fn allows(segment: &Segment, intent: Intent) -> bool {
    let code = segment.access & 8 != 0;
    let second = segment.access & 2 != 0;
    match (code, intent) {
        (true, Intent::Read) => second,
        (true, Intent::Write) => false,
        (false, Intent::Read) => true,
        (false, Intent::Write) => second,
    }
}

impl Cpu {
    /// Checks an access by a segment's limit and type.
    ///
    /// # Errors
    /// #SS(0) for the stack segment, #GP(0) for the others.
    pub(crate) fn check_segment(
        &mut self,
        segment: u8,
        offset: u64,
        size: u64,
        intent: Intent,
    ) -> Result<(), Faulted> {
        let held = &self.regs.seg[usize::from(segment) % 6];
        let protected = self.regs.control.cr0 & cr0::PE != 0;
        let usable = !protected || held.access & Segment::PRESENT != 0 && allows(held, intent);
        let verdict =
            if usable && within(held, offset, size) { Verdict::Allowed } else { Verdict::Refused };
        if verdict == Verdict::Allowed {
            return Ok(());
        }
        let on_stack = segment == SegmentReg::Ss as u8;
        let vector = if on_stack { Vector::StackFault } else { Vector::GeneralProtection };
        Err(self.raise(Exception::with_error(vector, 0)))
    }

    /// Linear address of `bytes` bytes of the stack at `pointer`, which has as many bits
    /// as the stack pointer.
    ///
    /// # Errors
    /// #SS(0) by the stack segment's limit or type.
    #[inline(always)]
    pub(crate) fn stack_linear(
        &mut self,
        pointer: u64,
        bytes: u32,
        intent: Intent,
    ) -> Result<u64, Faulted> {
        if self.code.is_64() {
            return Ok(pointer);
        }
        let stack = SegmentReg::Ss;
        self.check_segment(stack as u8, pointer, u64::from(bytes), intent)?;
        Ok(self.regs.seg[stack as usize].base.wrapping_add(pointer) & 0xffff_ffff)
    }

    /// The stack pointer moved by `offset` (modulo its size).
    #[inline(always)]
    pub(crate) fn stack_pointer(&self, offset: u64) -> u64 {
        self.regs.gpr.get(RSP).wrapping_add(offset) & self.stack.mask
    }

    /// Sets as much of RSP as is the stack pointer; 32 bits clear the upper half.
    #[inline(always)]
    pub(crate) fn set_stack_pointer(&mut self, pointer: u64) {
        let mask = self.stack.mask;
        let kept = if mask == 0xffff { self.regs.gpr.get(RSP) & !mask } else { 0 };
        self.regs.gpr.set(RSP, kept | pointer & mask);
    }

    /// The same for an operand of an instruction; nothing in 64-bit mode.
    #[inline(always)]
    pub(crate) fn check_operand(
        &mut self,
        op: &Op,
        segment: u8,
        offset: u64,
        bytes: u32,
        intent: Intent,
    ) -> Result<(), Faulted> {
        if op.address.is_legacy() {
            self.check_segment(segment, offset, u64::from(bytes), intent)
        } else {
            Ok(())
        }
    }
}

/// The op that checks the explicit memory operand of an instruction outside 64-bit mode,
/// ahead of the instruction's own; `None` where there is nothing to check.
pub(crate) fn check_op(insn: &Instruction) -> Option<Op> {
    if !is_legacy(insn) {
        return None;
    }
    let mut factory = iced_x86::InstructionInfoFactory::new();
    let info = factory.info(insn);
    let at = (0..insn.op_count()).find(|&at| insn.op_kind(at) == OpKind::Memory)?;
    let intent = match info.op_access(at) {
        OpAccess::None | OpAccess::NoMemAccess => return None,
        OpAccess::Read | OpAccess::CondRead => Intent::Read,
        OpAccess::Write | OpAccess::CondWrite | OpAccess::ReadWrite | OpAccess::ReadCondWrite => {
            Intent::Write
        }
    };
    // XLAT's index is a byte; a gather's is a vector.
    if insn.is_vsib() || insn.memory_index().is_gpr8() {
        return None;
    }
    let mut op = operands(insn, check_explicit)?;
    op.third = intent as u8;
    op.imm = insn.memory_size().size() as u64;
    Some(op)
}

fn check_explicit(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let intent = if op.third == Intent::Read as u8 { Intent::Read } else { Intent::Write };
    cpu.check_segment(op.seg, op.effective(cpu), op.imm, intent)?;
    Ok(Flow::Next)
}
