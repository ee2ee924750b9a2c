//! SGDT, SIDT, SLDT, STR and SMSW, which CR4.UMIP reserves to CPL 0 (SDM vol. 2B).

use iced_x86::{Instruction, Mnemonic, OpKind};

use super::forms::{wide_widths, width_index};
use crate::cpu::Cpu;
use crate::dispatch::lower::{Family, Lowered};
use crate::event::Exception;
use crate::event::exception::Faulted;
use crate::mem::access::MemWidth;
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op};
use crate::regs::control::{Control, TableReg, cr4};
use crate::regs::{B16, Width};

/// Instructions of this family.
pub(crate) const FAMILY: Family = &[
    (Mnemonic::Sgdt, |insn| Lowered::plain(insn, table::<Gdtr>)),
    (Mnemonic::Sidt, |insn| Lowered::plain(insn, table::<Idtr>)),
    (Mnemonic::Sldt, word_rule::<Ldtr>),
    (Mnemonic::Str, word_rule::<Tr>),
    (Mnemonic::Smsw, word_rule::<MachineStatus>),
];

fn check_umip(cpu: &mut Cpu) -> Result<(), Faulted> {
    if cpu.regs.control.cr4 & cr4::UMIP != 0 && cpu.regs.cpl() != 0 {
        return Err(cpu.raise(Exception::gp0()));
    }
    Ok(())
}

/// A descriptor table register.
trait Table: 'static {
    fn of(control: &Control) -> TableReg;
}

struct Gdtr;
struct Idtr;

impl Table for Gdtr {
    fn of(control: &Control) -> TableReg {
        control.gdtr
    }
}

impl Table for Idtr {
    fn of(control: &Control) -> TableReg {
        control.idtr
    }
}

/// Stores the limit in two bytes and the base in eight.
fn table<T: Table>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    check_umip(cpu)?;
    let table = T::of(&cpu.regs.control);
    let mut image = [0; 10];
    image[..2].copy_from_slice(&table.limit.to_le_bytes());
    image[2..].copy_from_slice(&table.base.to_le_bytes());
    cpu.store_bytes(mem, op.linear(cpu), image)?;
    Ok(cpu.completed())
}

/// A register that is stored as a word to memory and extended to a register.
trait Stored: 'static {
    fn of(control: &Control) -> u64;
}

struct Ldtr;
struct Tr;
/// CR0, of which SMSW gives as much as the register holds.
struct MachineStatus;

impl Stored for Ldtr {
    fn of(control: &Control) -> u64 {
        u64::from(control.ldtr)
    }
}

impl Stored for Tr {
    fn of(control: &Control) -> u64 {
        u64::from(control.tr)
    }
}

impl Stored for MachineStatus {
    fn of(control: &Control) -> u64 {
        control.cr0
    }
}

fn word_rule<S: Stored>(insn: &Instruction) -> Option<Lowered> {
    if insn.op0_kind() == OpKind::Memory {
        return Lowered::plain(insn, to_memory::<S>);
    }
    let functions = wide_widths!(to_register, S);
    Lowered::plain(insn, functions[width_index(insn, 0)?])
}

fn to_memory<S: Stored>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    check_umip(cpu)?;
    let value = S::of(&cpu.regs.control);
    B16::store(cpu, mem, op.linear(cpu), value)?;
    Ok(cpu.completed())
}

fn to_register<S: Stored, W: Width>(
    cpu: &mut Cpu,
    _mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    check_umip(cpu)?;
    let value = S::of(&cpu.regs.control);
    W::set(&mut cpu.regs.gpr, op.dst, value & W::MASK);
    Ok(Flow::Next)
}
