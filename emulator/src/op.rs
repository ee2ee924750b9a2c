//! Lowered instructions: what a block of translated code is made of.

use crate::cpu::Cpu;
use crate::event::exception::Faulted;
use crate::mem::phys::PhysMem;
use crate::regs::gpr::ZERO;
use crate::regs::gpr::reg::{RBP, RSP};

/// How an op ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Flow {
    /// The instruction is done; the next op follows.
    Next,
    /// The instruction is done; something waits at its boundary.
    Boundary,
    /// The instruction is done and has set RIP.
    Jump,
    /// The same, and what it leaves pending depends on more than its accesses:
    /// transfers that load RFLAGS or have a [`StepRule`](crate::cpu) of their own.
    JumpBoundary,
    /// A REP iteration is done, more remain; RIP stays at the instruction.
    Again,
    /// The instruction is done; the run ends with [`Cpu`]'s exit.
    Exit,
    /// The instruction is not built: the run ends with RIP at it.
    Refused,
}

/// What executes an op.
pub type OpFn = fn(&mut Cpu, &mut PhysMem, &Op) -> Result<Flow, Faulted>;

/// Segment of a memory operand that adds no base.
pub const FLAT: u8 = 3;

/// One instruction in a block: a function and its operands.
#[derive(Clone, Copy, Debug)]
pub struct Op {
    /// Executes the op.
    pub run: OpFn,
    /// Immediate operand, branch target, or what the function wants.
    pub imm: u64,
    /// Displacement of the memory operand, or its absolute address.
    pub disp: u64,
    /// First register operand.
    pub dst: u8,
    /// Second register operand.
    pub src: u8,
    /// Third register operand.
    pub third: u8,
    /// Base register, or [`ZERO`].
    pub base: u8,
    /// Index register, or [`ZERO`].
    pub index: u8,
    /// Shift of the index: 0 to 3.
    pub scale: u8,
    /// Number of the segment whose base is added ([`FLAT`] adds nothing in 64-bit mode).
    pub seg: u8,
    /// Whether the effective address is cut to 32 bits.
    pub short_address: bool,
    /// Bytes of the instruction.
    pub len: u8,
    /// Instructions of the block that come before.
    pub nth: u8,
    /// Offset of the instruction from the block's start.
    pub offset: u16,
}

impl Op {
    /// An op without operands.
    #[must_use]
    pub fn new(run: OpFn) -> Self {
        Self {
            run,
            imm: 0,
            disp: 0,
            dst: ZERO,
            src: ZERO,
            third: ZERO,
            base: ZERO,
            index: ZERO,
            scale: 0,
            seg: FLAT,
            short_address: false,
            len: 0,
            nth: 0,
            offset: 0,
        }
    }

    /// Effective address without the segment base.
    #[inline(always)]
    #[must_use]
    pub fn effective(&self, cpu: &Cpu) -> u64 {
        let gpr = &cpu.regs.gpr;
        let index = gpr.get(self.index) << (self.scale & 3);
        let address = gpr.get(self.base).wrapping_add(index).wrapping_add(self.disp);
        if self.short_address { address & 0xffff_ffff } else { address }
    }

    /// Whether the memory operand belongs to the stack segment, which decides the
    /// fault for an address that is not canonical (SDM vol. 1, 3.3.7.1).
    pub(crate) fn is_on_stack(&self) -> bool {
        self.seg == FLAT && matches!(self.base, RSP | RBP)
    }

    /// Linear address of the memory operand.
    #[inline(always)]
    #[must_use]
    pub fn linear(&self, cpu: &Cpu) -> u64 {
        let address = self.effective(cpu);
        if self.seg == FLAT {
            address
        } else {
            address.wrapping_add(cpu.regs.seg[(self.seg as usize).min(5)].base)
        }
    }
}
