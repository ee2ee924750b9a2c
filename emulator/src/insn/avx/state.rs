//! VZEROALL, VZEROUPPER, and MXCSR in VEX encoding.

use iced_x86::Mnemonic;

use super::operand::{L128, Mem32, Source, check_enabled, encoded, low};
use crate::cpu::Cpu;
use crate::dispatch::lower::Family;
use crate::event::exception::Faulted;
use crate::insn::sse::state::set_mxcsr;
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op};
use crate::regs::vector::VectorReg;

/// Instructions of this family.
pub(crate) const FAMILY: Family = &[
    (Mnemonic::Vzeroall, |insn| encoded(insn, zero_all)),
    (Mnemonic::Vzeroupper, |insn| encoded(insn, zero_upper)),
    (Mnemonic::Vldmxcsr, |insn| encoded(insn, ldmxcsr)),
    (Mnemonic::Vstmxcsr, |insn| encoded(insn, stmxcsr)),
];

/// Registers that 64-bit mode has.
const NR_REGS: u8 = 16;

fn zero_all(cpu: &mut Cpu, _mem: &mut PhysMem, _op: &Op) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    (0..NR_REGS).for_each(|reg| cpu.regs.vector.set_ymm(reg, VectorReg::default()));
    Ok(Flow::Next)
}

fn zero_upper(cpu: &mut Cpu, _mem: &mut PhysMem, _op: &Op) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    for reg in 0..NR_REGS {
        let kept = cpu.regs.vector.xmm(reg);
        cpu.regs.vector.set_ymm(reg, low(kept));
    }
    Ok(Flow::Next)
}

fn ldmxcsr(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let value = Mem32::fetch::<L128>(cpu, mem, op)?;
    set_mxcsr(cpu, value.lo as u32)?;
    Ok(cpu.completed())
}

fn stmxcsr(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let value = cpu.regs.vector.mxcsr;
    cpu.store_bytes(mem, op.linear(cpu), value.to_le_bytes())?;
    Ok(cpu.completed())
}
