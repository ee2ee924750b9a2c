//! Where a second operand comes from, and the checks before every instruction.

use iced_x86::{Instruction, OpKind};

use crate::alu::float::Env;
use crate::alu::float::env::Outcome;
use crate::cpu::Cpu;
use crate::event::exception::Faulted;
use crate::event::{Exception, Vector};
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op};
use crate::regs::control::{cr0, cr4};

/// Bytes that a 128-bit memory operand must be aligned to.
const ALIGNMENT: u64 = 16;

/// Refuses to start where the system has not enabled SSE or wants to know of its
/// use (SDM vol. 3A, 13.1).
#[inline(always)]
pub(crate) fn check_enabled(cpu: &mut Cpu) -> Result<(), Faulted> {
    if is_enabled(cpu) { Ok(()) } else { Err(refuse(cpu)) }
}

/// The same as an answer.
#[inline(always)]
pub(crate) fn is_enabled(cpu: &Cpu) -> bool {
    let control = &cpu.regs.control;
    control.cr0 & (cr0::TS | cr0::EM) | !control.cr4 & cr4::OSFXSR == 0
}

#[cold]
fn refuse(cpu: &mut Cpu) -> Faulted {
    let control = &cpu.regs.control;
    let absent = control.cr0 & cr0::EM != 0 || control.cr4 & cr4::OSFXSR == 0;
    cpu.raise(if absent { Exception::ud() } else { Exception::new(Vector::DeviceNotAvailable) })
}

/// The memory operand's address, if aligned to 16 bytes; else #GP(0), whatever the
/// page tables say.
#[inline(always)]
pub(crate) fn aligned(cpu: &mut Cpu, op: &Op) -> Result<u64, Faulted> {
    let linear = op.linear(cpu);
    if linear.is_multiple_of(ALIGNMENT) { Ok(linear) } else { Err(cpu.raise(Exception::gp0())) }
}

/// Writes the exceptions of an instruction to MXCSR; an unmasked one faults.
#[inline(always)]
pub(crate) fn commit(cpu: &mut Cpu, env: Env) -> Result<(), Faulted> {
    match env.outcome() {
        Outcome::Done(mxcsr) => {
            cpu.regs.vector.mxcsr = mxcsr;
            Ok(())
        }
        Outcome::Trap(mxcsr) => {
            cpu.regs.vector.mxcsr = mxcsr;
            let handled = cpu.regs.control.cr4 & cr4::OSXMMEXCPT != 0;
            let vector = if handled { Vector::SimdError } else { Vector::InvalidOpcode };
            Err(cpu.raise(Exception::new(vector)))
        }
    }
}

/// Where the second operand of an op is.
pub(crate) trait Source: 'static {
    /// Gets it, zero-extended.
    fn fetch(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<u128, Faulted>;
    /// Gets it if that takes no checks.
    fn fetch_fast(cpu: &Cpu, mem: &PhysMem, op: &Op) -> Option<u128>;
    /// How the instruction goes on.
    fn flow(cpu: &Cpu) -> Flow;
}

/// An XMM register.
pub(crate) struct Xmm;
/// A general register, 64 bits.
pub(crate) struct Gpr;
/// 16 aligned bytes.
pub(crate) struct M128;
/// 16 bytes anywhere.
pub(crate) struct Loose128;
/// 8 bytes.
pub(crate) struct M64;
/// 4 bytes.
pub(crate) struct M32;
/// 2 bytes.
pub(crate) struct M16;

impl Source for Xmm {
    #[inline(always)]
    fn fetch(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<u128, Faulted> {
        Ok(cpu.regs.vector.xmm(op.src))
    }

    #[inline(always)]
    fn fetch_fast(cpu: &Cpu, _mem: &PhysMem, op: &Op) -> Option<u128> {
        Some(cpu.regs.vector.xmm(op.src))
    }

    #[inline(always)]
    fn flow(_cpu: &Cpu) -> Flow {
        Flow::Next
    }
}

impl Source for Gpr {
    #[inline(always)]
    fn fetch(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<u128, Faulted> {
        Ok(u128::from(cpu.regs.gpr.get(op.src)))
    }

    #[inline(always)]
    fn fetch_fast(cpu: &Cpu, _mem: &PhysMem, op: &Op) -> Option<u128> {
        Some(u128::from(cpu.regs.gpr.get(op.src)))
    }

    #[inline(always)]
    fn flow(_cpu: &Cpu) -> Flow {
        Flow::Next
    }
}

impl Source for M128 {
    #[inline(always)]
    fn fetch(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<u128, Faulted> {
        let linear = aligned(cpu, op)?;
        cpu.load_bytes(mem, linear).map(u128::from_le_bytes)
    }

    #[inline(always)]
    fn fetch_fast(cpu: &Cpu, mem: &PhysMem, op: &Op) -> Option<u128> {
        let linear = op.linear(cpu);
        if !linear.is_multiple_of(ALIGNMENT) {
            return None;
        }
        cpu.load_bytes_fast(mem, linear).map(u128::from_le_bytes)
    }

    #[inline(always)]
    fn flow(cpu: &Cpu) -> Flow {
        cpu.completed()
    }
}

/// Implements [`Source`] for memory operands without alignment.
macro_rules! memory_source {
    ($source:ty, $int:ty) => {
        impl Source for $source {
            #[inline(always)]
            fn fetch(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<u128, Faulted> {
                let bytes = cpu.load_bytes(mem, op.linear(cpu))?;
                Ok(<$int>::from_le_bytes(bytes) as u128)
            }

            #[inline(always)]
            fn fetch_fast(cpu: &Cpu, mem: &PhysMem, op: &Op) -> Option<u128> {
                let bytes = cpu.load_bytes_fast(mem, op.linear(cpu))?;
                Some(<$int>::from_le_bytes(bytes) as u128)
            }

            #[inline(always)]
            fn flow(cpu: &Cpu) -> Flow {
                cpu.completed()
            }
        }
    };
}

memory_source!(Loose128, u128);
memory_source!(M64, u64);
memory_source!(M32, u32);
memory_source!(M16, u16);

/// Kinds of operands that SSE instructions are chosen by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operand {
    /// An XMM register.
    Xmm,
    /// An MMX register.
    Mm,
    /// A general register of 32 bits.
    Gpr32,
    /// A general register of 64 bits.
    Gpr64,
    /// Memory.
    Memory,
    /// An immediate byte.
    Imm,
    /// None, or one of another kind.
    Other,
}

/// The kind of an operand.
pub(crate) fn operand(insn: &Instruction, index: u32) -> Operand {
    if index >= insn.op_count() {
        return Operand::Other;
    }
    match insn.op_kind(index) {
        OpKind::Register => {
            let reg = insn.op_register(index);
            if reg.is_xmm() {
                Operand::Xmm
            } else if reg.is_mm() {
                Operand::Mm
            } else if reg.is_gpr32() {
                Operand::Gpr32
            } else if reg.is_gpr64() {
                Operand::Gpr64
            } else {
                Operand::Other
            }
        }
        OpKind::Memory => Operand::Memory,
        OpKind::Immediate8 => Operand::Imm,
        _ => Operand::Other,
    }
}

/// The kinds of the first two operands.
pub(crate) fn operands(insn: &Instruction) -> (Operand, Operand) {
    (operand(insn, 0), operand(insn, 1))
}
