//! RDRAND and RDSEED (SDM vol. 2B). A number is always there, so CF is always set.

use iced_x86::{Instruction, Mnemonic};

use super::forms::{wide_widths, width_index};
use crate::cpu::Cpu;
use crate::dispatch::lower::{Family, Lowered};
use crate::event::exception::Faulted;
use crate::mem::access::MemWidth;
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op};
use crate::regs::{LazyFlags, RFlags};

/// Instructions of this family.
pub(crate) const FAMILY: Family = &[(Mnemonic::Rdrand, rule), (Mnemonic::Rdseed, rule)];

fn rule(insn: &Instruction) -> Option<Lowered> {
    let functions = wide_widths!(random);
    Lowered::plain(insn, functions[width_index(insn, 0)?])
}

fn random<W: MemWidth>(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let number = cpu.random.next();
    W::set(&mut cpu.regs.gpr, op.dst, number & W::MASK);
    cpu.regs.status = LazyFlags::from_image(RFlags::CF);
    Ok(Flow::Next)
}
