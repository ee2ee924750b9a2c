//! The bases of FS and GS as registers (CR4.FSGSBASE), and RDPID (SDM vol. 2B).

use iced_x86::{Instruction, Mnemonic};

use super::forms::operand_bytes;
use crate::cpu::Cpu;
use crate::dispatch::lower::{Family, Lowered};
use crate::event::Exception;
use crate::event::exception::Faulted;
use crate::mem::is_canonical;
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op, OpFn};
use crate::regs::control::cr4;
use crate::regs::{B32, B64, SegmentReg, Width};

/// Instructions of this family.
pub(crate) const FAMILY: Family = &[
    (Mnemonic::Rdfsbase, |insn| rule(insn, SegmentReg::Fs, read::<B32>, read::<B64>)),
    (Mnemonic::Rdgsbase, |insn| rule(insn, SegmentReg::Gs, read::<B32>, read::<B64>)),
    (Mnemonic::Wrfsbase, |insn| rule(insn, SegmentReg::Fs, write::<B32>, write::<B64>)),
    (Mnemonic::Wrgsbase, |insn| rule(insn, SegmentReg::Gs, write::<B32>, write::<B64>)),
    (Mnemonic::Rdpid, |insn| Lowered::plain(insn, rdpid)),
];

/// The segment in `src`.
fn rule(insn: &Instruction, segment: SegmentReg, narrow: OpFn, wide: OpFn) -> Option<Lowered> {
    let run = if operand_bytes(insn, 0) == 4 { narrow } else { wide };
    let mut lowered = Lowered::plain(insn, run)?;
    lowered.op.src = segment as u8;
    Some(lowered)
}

fn check_enabled(cpu: &mut Cpu) -> Result<(), Faulted> {
    if cpu.regs.control.cr4 & cr4::FSGSBASE == 0 {
        return Err(cpu.raise(Exception::ud()));
    }
    Ok(())
}

fn read<W: Width>(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let base = cpu.regs.seg[op.src as usize % 6].base;
    W::set(&mut cpu.regs.gpr, op.dst, base & W::MASK);
    Ok(Flow::Next)
}

fn write<W: Width>(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let base = W::get(&cpu.regs.gpr, op.dst);
    if !is_canonical(base) {
        return Err(cpu.raise(Exception::gp0()));
    }
    cpu.regs.seg[op.src as usize % 6].base = base;
    Ok(Flow::Next)
}

/// Unlike RDTSCP, RDPID does not look at CR4.TSD.
fn rdpid(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let aux = cpu.regs.msrs.tsc_aux;
    B64::set(&mut cpu.regs.gpr, op.dst, aux);
    Ok(Flow::Next)
}
