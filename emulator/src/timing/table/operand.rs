//! Registers and memory operands as the block model sees them.
//!
//! Key types: [`RegId`], [`MemOperand`]. Neighbours: `lower`, `block`, `store_forward`.

use iced_x86::{Instruction, InstructionInfo, OpAccess, OpKind, Register, UsedMemory};

use super::classify::Kind;

/// A register of the block model: all that renames as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RegId(u8);

impl RegId {
    /// How many there are: 16 GPRs, 32 vector, 8 mask and 8 x87 registers, two parts of RFLAGS.
    pub(super) const NR: usize = 66;
    /// The stack pointer.
    pub(super) const RSP: RegId = RegId(4);
    /// The frame pointer.
    pub(super) const RBP: RegId = RegId(5);
    /// RFLAGS.CF, which INC and DEC leave alone.
    pub(super) const CARRY: RegId = RegId(64);
    /// The other status flags.
    pub(super) const STATUS: RegId = RegId(65);

    /// The register that `register` is a part of; `None` for those that do not rename (segment, control, RIP).
    pub(super) fn of(register: Register) -> Option<RegId> {
        let number = register.number() as u8;
        if register.is_gpr() {
            Some(RegId(register.full_register().number() as u8))
        } else if register.is_vector_register() {
            Some(RegId(16 + number))
        } else if register.is_k() {
            Some(RegId(48 + number))
        } else if register.is_mm() || register.is_st() {
            Some(RegId(56 + number))
        } else {
            None
        }
    }

    /// Its place in an array of [`RegId::NR`].
    pub(super) fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// How a memory operand is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MemUse {
    /// Read.
    Load,
    /// Written.
    Store,
}

/// One access of an instruction.
#[derive(Debug, Clone, Copy)]
pub(super) struct MemOperand {
    /// Read or written; a read-modify-write has one of each.
    pub(super) usage: MemUse,
    /// Base register.
    pub(super) base: Option<RegId>,
    /// Index register, perhaps a vector.
    pub(super) index: Option<RegId>,
    /// Scale of the index.
    pub(super) scale: u32,
    /// Displacement.
    pub(super) displacement: i64,
    /// Segment register: FS and GS tell addresses apart.
    pub(super) segment: Register,
    /// Bytes; 0 when unknown.
    pub(super) size: u32,
    /// Whether the data is in a vector or x87 register.
    pub(super) is_vector: bool,
    /// Whether it takes part in memory renaming.
    pub(super) renames: bool,
    /// Whether it belongs to a read-modify-write.
    pub(super) is_rmw: bool,
}

/// The memory accesses of an instruction, loads first.
pub(super) fn memory_operands(
    insn: &Instruction,
    info: &InstructionInfo,
    kind: Kind,
) -> Vec<MemOperand> {
    let is_vector = (0..insn.op_count())
        .filter(|operand| insn.op_kind(*operand) == OpKind::Register)
        .any(|operand| !insn.op_register(operand).is_gpr());
    let mut operands = Vec::new();
    for used in info.used_memory() {
        let loads = matches!(
            used.access(),
            OpAccess::Read | OpAccess::CondRead | OpAccess::ReadWrite | OpAccess::ReadCondWrite
        );
        let stores = is_write(used.access());
        let usages = [(loads, MemUse::Load), (stores, MemUse::Store)];
        for (_, usage) in usages.into_iter().filter(|(happens, _)| *happens) {
            operands.push(memory_operand(used, usage, is_vector, loads && stores, kind));
        }
    }
    operands.sort_by_key(|operand| operand.usage == MemUse::Store);
    operands
}

fn memory_operand(
    used: &UsedMemory,
    usage: MemUse,
    is_vector: bool,
    is_rmw: bool,
    kind: Kind,
) -> MemOperand {
    let index = RegId::of(used.index());
    MemOperand {
        usage,
        base: RegId::of(used.base()),
        index,
        scale: used.scale(),
        displacement: used.displacement() as i64,
        segment: match used.segment() {
            segment @ (Register::FS | Register::GS) => segment,
            _ => Register::None,
        },
        size: u32::try_from(used.memory_size().size()).unwrap_or(0),
        is_vector,
        renames: !is_vector && index.is_none() && (!is_rmw || kind == Kind::Renamed),
        is_rmw,
    }
}

/// Whether an access may read. One that may leave its destination alone needs the old value.
pub(super) fn is_read(access: OpAccess) -> bool {
    match access {
        OpAccess::Read
        | OpAccess::CondRead
        | OpAccess::ReadWrite
        | OpAccess::ReadCondWrite
        | OpAccess::CondWrite => true,
        OpAccess::None | OpAccess::Write | OpAccess::NoMemAccess => false,
    }
}

/// Whether an access may write.
pub(super) fn is_write(access: OpAccess) -> bool {
    match access {
        OpAccess::Write | OpAccess::CondWrite | OpAccess::ReadWrite | OpAccess::ReadCondWrite => {
            true
        }
        OpAccess::None | OpAccess::Read | OpAccess::CondRead | OpAccess::NoMemAccess => false,
    }
}
