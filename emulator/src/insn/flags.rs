//! Instructions on the flags themselves (SDM vol. 1, 7.3.13).

use iced_x86::Mnemonic;

use crate::cpu::Cpu;
use crate::dispatch::lower::{Family, Lowered};
use crate::event::exception::Faulted;
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op};
use crate::regs::gpr::HIGH_BYTE;
use crate::regs::gpr::reg::RAX;
use crate::regs::{B8, LazyFlags, RFlags, Width};

/// Instructions of this family.
pub(crate) const FAMILY: Family = &[
    (Mnemonic::Clc, |insn| Lowered::plain(insn, clc)),
    (Mnemonic::Stc, |insn| Lowered::plain(insn, stc)),
    (Mnemonic::Cmc, |insn| Lowered::plain(insn, cmc)),
    (Mnemonic::Cld, |insn| Lowered::plain(insn, cld)),
    (Mnemonic::Std, |insn| Lowered::plain(insn, std)),
    (Mnemonic::Lahf, |insn| Lowered::plain(insn, lahf)),
    (Mnemonic::Sahf, |insn| Lowered::plain(insn, sahf)),
];

fn clc(cpu: &mut Cpu, _mem: &mut PhysMem, _op: &Op) -> Result<Flow, Faulted> {
    cpu.regs.status = cpu.regs.status.set_carry(false);
    Ok(Flow::Next)
}

fn stc(cpu: &mut Cpu, _mem: &mut PhysMem, _op: &Op) -> Result<Flow, Faulted> {
    cpu.regs.status = cpu.regs.status.set_carry(true);
    Ok(Flow::Next)
}

fn cmc(cpu: &mut Cpu, _mem: &mut PhysMem, _op: &Op) -> Result<Flow, Faulted> {
    cpu.regs.status = cpu.regs.status.set_carry(!cpu.regs.status.carry());
    Ok(Flow::Next)
}

fn cld(cpu: &mut Cpu, _mem: &mut PhysMem, _op: &Op) -> Result<Flow, Faulted> {
    cpu.regs.system_flags &= !RFlags::DF;
    Ok(Flow::Next)
}

fn std(cpu: &mut Cpu, _mem: &mut PhysMem, _op: &Op) -> Result<Flow, Faulted> {
    cpu.regs.system_flags |= RFlags::DF;
    Ok(Flow::Next)
}

/// AH as these instructions know it.
const AH: u8 = HIGH_BYTE + RAX;
/// Flags that SAHF loads.
const LOADED: u64 = RFlags::SF | RFlags::ZF | RFlags::AF | RFlags::PF | RFlags::CF;

fn lahf(cpu: &mut Cpu, _mem: &mut PhysMem, _op: &Op) -> Result<Flow, Faulted> {
    let image = cpu.regs.status.image() & LOADED | RFlags::FIXED;
    B8::set(&mut cpu.regs.gpr, AH, image);
    Ok(Flow::Next)
}

fn sahf(cpu: &mut Cpu, _mem: &mut PhysMem, _op: &Op) -> Result<Flow, Faulted> {
    let loaded = B8::get(&cpu.regs.gpr, AH) & LOADED;
    let kept = cpu.regs.status.image() & RFlags::OF;
    cpu.regs.status = LazyFlags::from_image(loaded | kept);
    Ok(Flow::Next)
}
