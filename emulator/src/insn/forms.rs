//! Operand plumbing: forms, widths, and read-modify-write of memory.

use iced_x86::{Instruction, OpKind};

use crate::cpu::Cpu;
use crate::event::exception::Faulted;
use crate::mem::access::MemWidth;
use crate::mem::phys::PhysMem;
use crate::regs::LazyFlags;

/// Where the first two operands are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Register, register.
    RegReg,
    /// Register, memory.
    RegMem,
    /// Memory, register.
    MemReg,
    /// Register, immediate.
    RegImm,
    /// Memory, immediate.
    MemImm,
    /// One register.
    Reg,
    /// One memory operand.
    Mem,
    /// One immediate.
    Imm,
}

/// The form of an instruction; `None` where it has another.
pub(crate) fn form(insn: &Instruction) -> Option<Form> {
    let is_imm =
        |kind: OpKind| !matches!(kind, OpKind::Register | OpKind::Memory) && insn.op_count() > 0;
    let first = insn.op0_kind();
    if insn.op_count() == 1 {
        return Some(match first {
            OpKind::Register => Form::Reg,
            OpKind::Memory => Form::Mem,
            _ => Form::Imm,
        });
    }
    match (first, insn.op1_kind()) {
        (OpKind::Register, OpKind::Register) => Some(Form::RegReg),
        (OpKind::Register, OpKind::Memory) => Some(Form::RegMem),
        (OpKind::Memory, OpKind::Register) => Some(Form::MemReg),
        (OpKind::Register, kind) if is_imm(kind) => Some(Form::RegImm),
        (OpKind::Memory, kind) if is_imm(kind) => Some(Form::MemImm),
        _ => None,
    }
}

/// Bytes of an operand.
pub(crate) fn operand_bytes(insn: &Instruction, index: u32) -> usize {
    match insn.op_kind(index) {
        OpKind::Register => insn.op_register(index).size(),
        OpKind::Memory => insn.memory_size().size(),
        _ => 0,
    }
}

/// Index of an operand's width in a table of four; `None` for other sizes.
pub(crate) fn width_index(insn: &Instruction, operand: u32) -> Option<usize> {
    match operand_bytes(insn, operand) {
        1 => Some(0),
        2 => Some(1),
        4 => Some(2),
        8 => Some(3),
        _ => None,
    }
}

/// The four instances of a generic op function, from 8 to 64 bits.
macro_rules! widths {
    ($function:ident $(, $param:ty)*) => {
        [
            $function::<$($param,)* $crate::regs::B8> as $crate::op::OpFn,
            $function::<$($param,)* $crate::regs::B16> as $crate::op::OpFn,
            $function::<$($param,)* $crate::regs::B32> as $crate::op::OpFn,
            $function::<$($param,)* $crate::regs::B64> as $crate::op::OpFn,
        ]
    };
}
pub(crate) use widths;

/// The same for functions that are short enough to be copied into a chain.
macro_rules! quick_widths {
    ($function:ident $(, $param:ty)*) => {
        [
            $crate::op::quick!($function::<$($param,)* $crate::regs::B8>),
            $crate::op::quick!($function::<$($param,)* $crate::regs::B16>),
            $crate::op::quick!($function::<$($param,)* $crate::regs::B32>),
            $crate::op::quick!($function::<$($param,)* $crate::regs::B64>),
        ]
    };
}
pub(crate) use quick_widths;

/// The instances for 16, 32 and 64 bits; the first entry repeats the second, and
/// no instruction with that table has an 8-bit form.
macro_rules! wide_widths {
    ($function:ident $(, $param:ty)*) => {
        [
            $function::<$($param,)* $crate::regs::B16> as $crate::op::OpFn,
            $function::<$($param,)* $crate::regs::B16> as $crate::op::OpFn,
            $function::<$($param,)* $crate::regs::B32> as $crate::op::OpFn,
            $function::<$($param,)* $crate::regs::B64> as $crate::op::OpFn,
        ]
    };
}
pub(crate) use wide_widths;

/// Reads, changes and writes memory as one instruction: a page that refuses the
/// store refuses it before the load, and flags change only with the store.
#[inline(always)]
pub(crate) fn update<W: MemWidth>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    linear: u64,
    change: impl FnOnce(&mut LazyFlags, u64) -> u64,
) -> Result<u64, Faulted> {
    let mut flags = cpu.regs.status;
    if let Some(physical) = cpu.tlbs.write.fast(linear, u64::from(W::BYTES), cpu.mode) {
        let mut old = 0;
        // A page with a fast tag is in RAM.
        let _ = W::replace(mem, physical, |value| {
            old = value;
            change(&mut flags, value)
        });
        cpu.regs.status = flags;
        return Ok(old);
    }
    cpu.probe_store(mem, linear, u64::from(W::BYTES))?;
    let old = W::load(cpu, mem, linear)?;
    let new = change(&mut flags, old);
    W::store(cpu, mem, linear, new)?;
    cpu.regs.status = flags;
    Ok(old)
}

/// The rule of a generic rule function's instance for an operand of 8 to 64 bits.
macro_rules! by_width {
    ($insn:expr, $operand:expr, $rule:ident, $op:ident $(, $param:ty)*) => {
        match $crate::insn::forms::width_index($insn, $operand)? {
            0 => $rule::<$op<$($param,)* $crate::regs::B8>>($insn),
            1 => $rule::<$op<$($param,)* $crate::regs::B16>>($insn),
            2 => $rule::<$op<$($param,)* $crate::regs::B32>>($insn),
            _ => $rule::<$op<$($param,)* $crate::regs::B64>>($insn),
        }
    };
}
pub(crate) use by_width;
