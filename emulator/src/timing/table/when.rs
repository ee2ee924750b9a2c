//! Conditions on an instruction's operands: the second column of `mnemonics.csv`.
//!
//! Key type: [`When`]. Neighbour: `classify`, which tests them.

use iced_x86::{Instruction, Mnemonic, OpKind, Register};

/// A condition on an instruction's operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// Always.
    Any,
    /// A LOCK prefix.
    Lock,
    /// A string instruction.
    String,
    /// A string instruction with a REP prefix.
    Rep,
    /// An operand in memory.
    Mem,
    /// Operand 0 in memory.
    Store,
    /// A load into an 8-bit or 16-bit register.
    LoadNarrow,
    /// Operand 0 in memory, not 16 bits wide, and the last operand an immediate.
    MemImm,
    /// Operand 0 is 32 bits wide.
    W32,
    /// Operand 0 is 64 bits wide.
    W64,
    /// Operand 0 is 8 or 16 bits wide.
    Narrow,
    /// AH, CH, DH or BH is an operand.
    High8,
    /// Operand 1 is CL.
    Cl,
    /// Operand 1 is the immediate 1.
    Imm1,
    /// Operand 1 is an immediate and operand 0 32 or 64 bits wide.
    ImmWide,
    /// A 64-bit register and a constant: with an immediate, alone, or a LEA of one base and a displacement.
    Fold,
    /// The sources are the same register.
    Zero,
    /// A copy between different registers of at least 32 bits.
    Moved,
    /// Zero extension of the low byte of another register.
    MovedByte,
    /// A LEA without an index.
    BaseDisp,
    /// A LEA of a base and an unscaled index.
    Pair,
    /// Two or more operands.
    TwoOperands,
    /// From a vector register to a GPR or memory.
    VecToGpr,
    /// From a GPR to a vector register.
    GprToVec,
    /// A vector register of 256 bits or more.
    Ymm,
    /// Operand 0 in memory and a bit offset in a register.
    RegOffset,
    /// The last operand is not an immediate.
    ByReg,
    /// Operand 0 is a segment register.
    Segment,
    /// The last operand is a segment register.
    SegmentRead,
    /// A control or debug register is an operand.
    ControlOrDebug,
}

impl When {
    /// The condition of a word in `mnemonics.csv`.
    pub(super) fn parse(word: &str) -> Option<When> {
        Some(match word {
            "any" => When::Any,
            "lock" => When::Lock,
            "string" => When::String,
            "rep" => When::Rep,
            "mem" => When::Mem,
            "store" => When::Store,
            "load_narrow" => When::LoadNarrow,
            "mem_imm" => When::MemImm,
            "w32" => When::W32,
            "w64" => When::W64,
            "narrow" => When::Narrow,
            "high8" => When::High8,
            "cl" => When::Cl,
            "imm1" => When::Imm1,
            "imm_wide" => When::ImmWide,
            "fold" => When::Fold,
            "zero" => When::Zero,
            "moved" => When::Moved,
            "moved_byte" => When::MovedByte,
            "base_disp" => When::BaseDisp,
            "pair" => When::Pair,
            "two_operands" => When::TwoOperands,
            "vec_to_gpr" => When::VecToGpr,
            "gpr_to_vec" => When::GprToVec,
            "ymm" => When::Ymm,
            "reg_offset" => When::RegOffset,
            "by_reg" => When::ByReg,
            "segment" => When::Segment,
            "segment_read" => When::SegmentRead,
            "control_or_debug" => When::ControlOrDebug,
            _ => return None,
        })
    }

    /// Whether an instruction meets it.
    pub(super) fn holds(self, insn: &Instruction) -> bool {
        let in_memory =
            |operand| insn.op_count() > operand && insn.op_kind(operand) == OpKind::Memory;
        let last = insn.op_count().saturating_sub(1);
        let registers = || (0..insn.op_count()).map(|operand| register(insn, operand));
        match self {
            When::Any => true,
            When::Lock => insn.has_lock_prefix(),
            When::String => insn.is_string_instruction(),
            When::Rep => {
                insn.is_string_instruction() && (insn.has_rep_prefix() || insn.has_repne_prefix())
            }
            When::Mem => (0..insn.op_count()).any(in_memory),
            When::Store => in_memory(0),
            When::LoadNarrow => {
                register(insn, 0) != Register::None
                    && width(insn) <= 2
                    && (insn.op_count() == 1 || in_memory(1))
            }
            When::MemImm => in_memory(0) && is_immediate(insn, last) && width(insn) != 2,
            When::W32 => width(insn) == 4,
            When::W64 => width(insn) == 8,
            When::Narrow => matches!(width(insn), 1 | 2),
            When::High8 => registers().any(|register| {
                matches!(register, Register::AH | Register::CH | Register::DH | Register::BH)
            }),
            When::Cl => last > 0 && register(insn, last) == Register::CL,
            When::Imm1 => is_immediate(insn, 1) && insn.immediate(1) == 1,
            When::ImmWide => is_immediate(insn, 1) && width(insn) >= 4,
            When::Fold => register(insn, 0).is_gpr64() && is_constant(insn),
            When::Zero => {
                last > 0
                    && register(insn, last).size() >= 4
                    && register(insn, last) == register(insn, last - 1)
            }
            When::Moved => is_full_copy(insn),
            When::MovedByte => is_low_byte_copy(insn),
            When::BaseDisp => insn.memory_index() == Register::None,
            When::Pair => insn.memory_base() != Register::None && insn.memory_index_scale() == 1,
            When::TwoOperands => insn.op_count() > 1,
            When::VecToGpr => {
                !register(insn, 0).is_vector_register() && register(insn, 1).is_vector_register()
            }
            When::GprToVec => register(insn, 0).is_vector_register() && register(insn, 1).is_gpr(),
            When::Ymm => registers().any(|register| register.is_ymm() || register.is_zmm()),
            When::RegOffset => in_memory(0) && register(insn, 1) != Register::None,
            When::ByReg => !is_immediate(insn, last),
            When::Segment => register(insn, 0).is_segment_register(),
            When::SegmentRead => register(insn, last).is_segment_register(),
            When::ControlOrDebug => {
                registers().any(|register| register.is_cr() || register.is_dr())
            }
        }
    }
}

/// The register of an operand, or none.
fn register(insn: &Instruction, operand: u32) -> Register {
    if operand < insn.op_count() && insn.op_kind(operand) == OpKind::Register {
        insn.op_register(operand)
    } else {
        Register::None
    }
}

fn is_immediate(insn: &Instruction, operand: u32) -> bool {
    operand < insn.op_count() && insn.try_immediate(operand).is_ok()
}

/// Bytes of operand 0, or 0.
fn width(insn: &Instruction) -> usize {
    match register(insn, 0) {
        Register::None => insn.memory_size().size(),
        register => register.size(),
    }
}

/// Whether the source is a constant: an immediate, nothing (INC, DEC), or a LEA's base with a displacement.
fn is_constant(insn: &Instruction) -> bool {
    match insn.mnemonic() {
        Mnemonic::Lea => insn.memory_base().is_gpr64() && insn.memory_index() == Register::None,
        _ => insn.op_count() == 1 || is_immediate(insn, 1),
    }
}

fn is_full_copy(insn: &Instruction) -> bool {
    let (to, from) = (register(insn, 0), register(insn, 1));
    let same_kind =
        to.is_gpr() && from.is_gpr() || to.is_vector_register() && from.is_vector_register();
    insn.op_count() == 2 && same_kind && from.size() >= 4 && to != from
}

fn is_low_byte_copy(insn: &Instruction) -> bool {
    let (to, from) = (register(insn, 0), register(insn, 1));
    let high = matches!(from, Register::AH | Register::CH | Register::DH | Register::BH);
    to.size() >= 4 && from.is_gpr8() && !high && to.full_register() != from.full_register()
}

/// Whether a vector, mask or x87 register is an operand.
pub(super) fn has_vector_operand(insn: &Instruction) -> bool {
    (0..insn.op_count()).any(|operand| {
        let register = register(insn, operand);
        register.is_vector_register() || register.is_k() || register.is_st() || register.is_mm()
    })
}
