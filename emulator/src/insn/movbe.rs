//! MOVBE, which moves with the bytes reversed, and CRC32 (SDM vol. 2).

use iced_x86::{Instruction, Mnemonic};

use super::forms::{Form, form, operand_bytes, wide_widths, width_index};
use crate::alu::crc::crc32c;
use crate::cpu::Cpu;
use crate::dispatch::lower::{Family, Lowered};
use crate::event::exception::Faulted;
use crate::mem::access::MemWidth;
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op, OpFn};
use crate::regs::{B8, B16, B32, B64, Width};

/// Instructions of this family.
pub(crate) const FAMILY: Family = &[(Mnemonic::Movbe, movbe_rule), (Mnemonic::Crc32, crc_rule)];

fn movbe_rule(insn: &Instruction) -> Option<Lowered> {
    let functions = match form(insn)? {
        Form::RegMem => wide_widths!(load_reversed),
        Form::MemReg => wide_widths!(store_reversed),
        _ => return None,
    };
    Lowered::plain(insn, functions[width_index(insn, 0)?])
}

/// The operand's bytes in reverse order; unlike BSWAP, 16 bits are defined.
fn reversed<W: Width>(value: u64) -> u64 {
    value.swap_bytes() >> (64 - W::BITS)
}

fn load_reversed<W: MemWidth>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let value = W::load(cpu, mem, op.linear(cpu))?;
    W::set(&mut cpu.regs.gpr, op.dst, reversed::<W>(value));
    Ok(cpu.completed())
}

fn store_reversed<W: MemWidth>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let value = W::get(&cpu.regs.gpr, op.src);
    W::store(cpu, mem, op.linear(cpu), reversed::<W>(value))?;
    Ok(cpu.completed())
}

fn crc_rule(insn: &Instruction) -> Option<Lowered> {
    let in_memory = form(insn)? == Form::RegMem;
    let run: OpFn = match (operand_bytes(insn, 1), in_memory) {
        (1, false) => crc_reg::<B8>,
        (2, false) => crc_reg::<B16>,
        (4, false) => crc_reg::<B32>,
        (8, false) => crc_reg::<B64>,
        (1, true) => crc_mem::<B8>,
        (2, true) => crc_mem::<B16>,
        (4, true) => crc_mem::<B32>,
        (8, true) => crc_mem::<B64>,
        _ => return None,
    };
    Lowered::plain(insn, run)
}

/// The sum has 32 bits; those above are cleared with either destination.
fn add_to_sum<W: Width>(cpu: &mut Cpu, op: &Op, data: u64) {
    let sum = B32::get(&cpu.regs.gpr, op.dst) as u32;
    B32::set(&mut cpu.regs.gpr, op.dst, u64::from(crc32c(sum, data, W::BYTES)));
}

fn crc_reg<W: MemWidth>(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let data = W::get(&cpu.regs.gpr, op.src);
    add_to_sum::<W>(cpu, op, data);
    Ok(Flow::Next)
}

fn crc_mem<W: MemWidth>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let data = W::load(cpu, mem, op.linear(cpu))?;
    add_to_sum::<W>(cpu, op, data);
    Ok(cpu.completed())
}
