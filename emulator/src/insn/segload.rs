//! Segment registers: MOV to and from them, LSS, LFS, LGS, LES, LDS, and the load that POP shares
//! (SDM vol. 2B, MOV; vol. 3A, 3.4.4 and 5.4.1).
//!
//! MOV SS opens a shadow (rule S1); LSS and the others do not.

use iced_x86::{Instruction, Mnemonic, OpKind};

use super::descriptor::{self, Kind, is_null, kind, rpl};
use super::forms::{wide_widths, width_index};
use crate::cpu::{Cpu, StepRule};
use crate::dispatch::lower::{Family, Lowered};
use crate::event::exception::Faulted;
use crate::event::{Exception, Vector};
use crate::mem::access::MemWidth;
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op};
use crate::regs::control::cr0;
use crate::regs::{B16, B32, Segment, SegmentReg, Width};

/// Instructions of this family; MOV comes through [`rule`].
pub(crate) const FAMILY: Family = &[
    (Mnemonic::Lss, |insn| pointer_rule(insn, SegmentReg::Ss)),
    (Mnemonic::Lfs, |insn| pointer_rule(insn, SegmentReg::Fs)),
    (Mnemonic::Lgs, |insn| pointer_rule(insn, SegmentReg::Gs)),
    (Mnemonic::Les, |insn| pointer_rule(insn, SegmentReg::Es)),
    (Mnemonic::Lds, |insn| pointer_rule(insn, SegmentReg::Ds)),
];

/// MOV with a segment register.
pub(crate) fn rule(insn: &Instruction) -> Option<Lowered> {
    if insn.op1_register().is_segment_register() {
        return match insn.op0_kind() {
            OpKind::Register if insn.op0_register().is_gpr16() => {
                Lowered::plain(insn, mov_reg_sreg::<B16>)
            }
            OpKind::Register => Lowered::plain(insn, mov_reg_sreg::<B32>),
            OpKind::Memory => Lowered::plain(insn, mov_mem_sreg),
            _ => None,
        };
    }
    if insn.op0_register().is_segment_register() {
        return match insn.op1_kind() {
            OpKind::Register => Lowered::last(insn, mov_sreg_reg),
            OpKind::Memory => Lowered::last(insn, mov_sreg_mem),
            _ => None,
        };
    }
    None
}

fn mov_reg_sreg<W: Width>(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let selector = cpu.regs.seg[op.src as usize % 6].selector;
    W::set(&mut cpu.regs.gpr, op.dst, u64::from(selector));
    Ok(Flow::Next)
}

fn mov_mem_sreg(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let selector = cpu.regs.seg[op.src as usize % 6].selector;
    B16::store(cpu, mem, op.linear(cpu), u64::from(selector))?;
    Ok(cpu.completed())
}

fn mov_sreg_reg(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let selector = cpu.regs.gpr.get(op.src) as u16;
    load_segment(cpu, mem, op.dst, selector)?;
    Ok(Flow::Boundary)
}

fn mov_sreg_mem(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let selector = B16::load(cpu, mem, op.linear(cpu))? as u16;
    load_segment(cpu, mem, op.dst, selector)?;
    Ok(Flow::Boundary)
}

/// LSS, LFS and LGS: the segment register in `third`.
fn pointer_rule(insn: &Instruction, segment: SegmentReg) -> Option<Lowered> {
    let functions = wide_widths!(load_pointer);
    let mut lowered = Lowered::last(insn, functions[width_index(insn, 0)?])?;
    lowered.op.third = segment as u8;
    Some(lowered)
}

fn load_pointer<W: MemWidth>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let linear = op.linear(cpu);
    let offset = W::load(cpu, mem, linear)?;
    let selector = B16::load(cpu, mem, linear.wrapping_add(u64::from(W::BYTES)))?;
    load_segment(cpu, mem, op.third, selector as u16)?;
    // Unlike MOV SS, LSS opens no shadow (rule S1).
    cpu.rule = StepRule::Normal;
    W::set(&mut cpu.regs.gpr, op.dst, offset);
    Ok(Flow::Boundary)
}

/// Loads a data or stack segment register. A null selector clears the base of FS and
/// GS, as measured.
pub(super) fn load_segment(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    reg: u8,
    selector: u16,
) -> Result<(), Faulted> {
    let is_stack = reg == SegmentReg::Ss as u8;
    if cpu.regs.control.cr0 & cr0::PE == 0 {
        cpu.set_real_segment(reg, selector);
        if is_stack {
            cpu.rule = StepRule::OpensShadow;
        }
        return Ok(());
    }
    let segment = if is_stack {
        let null = NullStack::of(cpu.code.is_64());
        stack_segment(cpu, mem, selector, cpu.regs.cpl(), null)?
    } else if is_null(selector) {
        Segment { selector, ..Segment::default() }
    } else {
        data_segment(cpu, mem, selector)?
    };
    cpu.regs.seg[usize::from(reg) % 6] = segment;
    if is_stack {
        cpu.rule = StepRule::OpensShadow;
        cpu.sync_mode();
    }
    Ok(())
}

impl Cpu {
    /// Loads a segment register as real mode does: the base from the selector, the rest
    /// as it was.
    pub(crate) fn set_real_segment(&mut self, reg: u8, selector: u16) {
        let held = &mut self.regs.seg[usize::from(reg) % 6];
        held.selector = selector;
        held.base = u64::from(selector) << 4;
    }
}

/// Whether SS may hold a null selector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NullStack {
    /// In 64-bit code below CPL 3.
    Allowed,
    /// Elsewhere.
    Refused,
}

impl NullStack {
    /// The rule for code that is or is not 64-bit code.
    pub(super) fn of(in_64: bool) -> Self {
        if in_64 { Self::Allowed } else { Self::Refused }
    }
}

/// The segment that ES, DS, FS or GS would hold.
pub(super) fn data_segment(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    selector: u16,
) -> Result<Segment, Faulted> {
    let mut segment = descriptor::read(cpu, mem, selector)?;
    let reachable = cpu.regs.cpl().max(rpl(selector)) <= segment.dpl();
    let fits = match kind(&segment) {
        Kind::Data { .. } | Kind::Code { readable: true, conforming: false } => reachable,
        Kind::Code { readable, conforming } => readable && conforming,
        Kind::System(_) => false,
    };
    if !fits {
        return Err(descriptor::refuse_gp(cpu, selector));
    }
    if segment.access & Segment::PRESENT == 0 {
        return Err(descriptor::refuse(cpu, Vector::SegmentNotPresent, selector));
    }
    descriptor::mark_accessed(cpu, mem, &mut segment)?;
    Ok(segment)
}

/// The segment that SS would hold at privilege `cpl`.
pub(super) fn stack_segment(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    selector: u16,
    cpl: u8,
    null: NullStack,
) -> Result<Segment, Faulted> {
    if is_null(selector) {
        if null == NullStack::Refused || cpl == 3 || rpl(selector) != cpl {
            return Err(cpu.raise(Exception::gp0()));
        }
        return Ok(Segment { selector, ..Segment::default() });
    }
    let mut segment = descriptor::read(cpu, mem, selector)?;
    let writable = kind(&segment) == Kind::Data { writable: true };
    if !writable || rpl(selector) != cpl || segment.dpl() != cpl {
        return Err(descriptor::refuse_gp(cpu, selector));
    }
    if segment.access & Segment::PRESENT == 0 {
        return Err(descriptor::refuse(cpu, Vector::StackFault, selector));
    }
    descriptor::mark_accessed(cpu, mem, &mut segment)?;
    Ok(segment)
}
