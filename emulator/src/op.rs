//! Lowered instructions: what a block of translated code is made of.

use crate::cpu::Cpu;
use crate::event::exception::Faulted;
use crate::mem::phys::PhysMem;
use crate::regs::SegmentReg;
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

/// What executes an op and those behind it, up to the end of the block or to one that
/// wants a look. Each calls the next one at its very end, which compilers make a jump;
/// where they do not, a block's length bounds the stack.
pub type ChainFn = fn(&mut Cpu, &mut PhysMem, &Op, &[Op]) -> Result<Flow, Faulted>;

/// The two ways to execute an op.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    /// By itself.
    pub(crate) alone: OpFn,
    /// With those behind it.
    pub(crate) chain: ChainFn,
}

/// Executes the ops behind one that is done.
#[inline(always)]
pub(crate) fn go_on(cpu: &mut Cpu, mem: &mut PhysMem, rest: &[Op]) -> Result<Flow, Faulted> {
    match rest.split_first() {
        Some((op, rest)) => (op.chain)(cpu, mem, op, rest),
        None => Ok(Flow::Next),
    }
}

/// Goes on after an op that ended in some way.
#[inline(always)]
pub(crate) fn after(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    flow: Result<Flow, Faulted>,
    rest: &[Op],
) -> Result<Flow, Faulted> {
    match flow {
        Ok(Flow::Next) => go_on(cpu, mem, rest),
        Ok(Flow::Jump) => flow,
        _ => {
            cpu.nr_skipped = rest.len();
            flow
        }
    }
}

/// The chain of an op that has none of its own, and of others off their fast path. Not
/// inlined there, so that the fast path needs no stack frame.
#[inline(never)]
pub(crate) fn alone(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
    rest: &[Op],
) -> Result<Flow, Faulted> {
    let flow = (op.run)(cpu, mem, op);
    after(cpu, mem, flow, rest)
}

/// Both ways to execute an op whose function is short: its chain holds a copy.
macro_rules! quick {
    ($function:expr) => {
        $crate::op::Run {
            alone: $function,
            chain: |cpu, mem, op, rest| {
                let flow = $function(cpu, mem, op);
                $crate::op::after(cpu, mem, flow, rest)
            },
        }
    };
}
pub(crate) use quick;

/// Segment of a memory operand that adds no base in 64-bit mode: DS.
pub const FLAT: u8 = 3;

/// How far an effective address reaches, and what a segment adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum AddressSize {
    /// 64 bits.
    Bits64,
    /// 32 bits in 64-bit mode.
    Bits32,
    /// 32 bits outside 64-bit mode: every segment has a base, and linear addresses have
    /// 32 bits.
    Legacy32,
    /// The same with 16 bits.
    Legacy16,
}

impl AddressSize {
    /// The bits of an effective address.
    #[inline(always)]
    #[must_use]
    pub const fn mask(self) -> u64 {
        match self {
            Self::Bits64 => u64::MAX,
            Self::Bits32 | Self::Legacy32 => 0xffff_ffff,
            Self::Legacy16 => 0xffff,
        }
    }

    /// Whether the address is one of code outside 64-bit mode.
    #[inline(always)]
    #[must_use]
    pub const fn is_legacy(self) -> bool {
        matches!(self, Self::Legacy32 | Self::Legacy16)
    }
}

/// Kinds of addresses that chains tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AddressKind {
    /// Base and displacement. An absolute address is: its base is [`ZERO`].
    Plain,
    /// Base, index and displacement.
    Indexed,
    /// With a segment base, or not of 64 bits.
    Other,
}

/// One instruction in a block: a function and its operands.
#[derive(Clone, Copy, Debug)]
pub struct Op {
    /// Executes the op.
    pub run: OpFn,
    /// Executes the op and those behind it.
    pub chain: ChainFn,
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
    /// Size of the effective address.
    pub address: AddressSize,
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
            chain: alone,
            imm: 0,
            disp: 0,
            dst: ZERO,
            src: ZERO,
            third: ZERO,
            base: ZERO,
            index: ZERO,
            scale: 0,
            seg: FLAT,
            address: AddressSize::Bits64,
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
        address & self.address.mask()
    }

    /// What the address of the memory operand is made of.
    pub(crate) fn address_kind(&self) -> AddressKind {
        if self.seg != FLAT || self.address != AddressSize::Bits64 {
            AddressKind::Other
        } else if self.index == ZERO {
            AddressKind::Plain
        } else {
            AddressKind::Indexed
        }
    }

    /// Whether the memory operand belongs to the stack segment, which decides the
    /// fault for an address that is not canonical (SDM vol. 1, 3.3.7.1).
    pub(crate) fn is_on_stack(&self) -> bool {
        let in_64 = self.seg == FLAT && matches!(self.base, RSP | RBP);
        if self.address.is_legacy() { self.seg == SegmentReg::Ss as u8 } else { in_64 }
    }

    /// Linear address of the memory operand.
    #[inline(always)]
    #[must_use]
    pub fn linear(&self, cpu: &Cpu) -> u64 {
        self.linear_of(cpu, self.effective(cpu))
    }

    /// Linear address of an effective address in the segment of the memory operand.
    #[inline(always)]
    #[must_use]
    pub fn linear_of(&self, cpu: &Cpu, effective: u64) -> u64 {
        let base = cpu.regs.seg[(self.seg as usize).min(5)].base;
        if self.address.is_legacy() {
            effective.wrapping_add(base) & 0xffff_ffff
        } else if self.seg == FLAT {
            effective
        } else {
            effective.wrapping_add(base)
        }
    }
}
