//! One decoded instruction to one op: the tables find the function, the operand
//! plumbing here fills in registers, address and immediate.

use std::sync::OnceLock;

use iced_x86::{CodeSize, FlowControl, Instruction, Mnemonic, OpAccess, OpKind, Register};

use super::table;
use crate::cpu::Cpu;
use crate::cpuid::Treatment;
use crate::insn::{system, timing_probe};
use crate::op::{AddressSize, FLAT, Op, OpFn, Run, alone};
use crate::regs::gpr::{HIGH_BYTE, ZERO};
use crate::timing::BranchKind;

/// Whether a block ends after an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ends {
    /// The next instruction may follow in the block.
    No,
    /// The block ends here.
    Yes,
}

/// A lowered instruction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lowered {
    pub(crate) op: Op,
    pub(crate) ends: Ends,
}

impl Lowered {
    /// An op with the operands of `insn` in their usual places.
    pub(crate) fn plain(insn: &Instruction, run: OpFn) -> Option<Self> {
        Some(Self { op: operands(insn, run)?, ends: Ends::No })
    }

    /// The same for an op with a chain of its own.
    pub(crate) fn quick(insn: &Instruction, run: Run) -> Option<Self> {
        let mut lowered = Self::plain(insn, run.alone)?;
        lowered.op.chain = run.chain;
        Some(lowered)
    }

    /// The same, and the block ends.
    pub(crate) fn quick_last(insn: &Instruction, run: Run) -> Option<Self> {
        Self::quick(insn, run).map(|lowered| Self { ends: Ends::Yes, ..lowered })
    }

    /// An op with the operands of `insn` in their usual places, and the block ends.
    pub(crate) fn last(insn: &Instruction, run: OpFn) -> Option<Self> {
        Some(Self { op: operands(insn, run)?, ends: Ends::Yes })
    }
}

/// Lowers an instruction of a family; `None` where the family has not this form.
pub(crate) type Rule = fn(&Instruction) -> Option<Lowered>;

/// The instructions of a family.
pub(crate) type Family = &'static [(Mnemonic, Rule)];

/// All rules by mnemonic.
fn rules() -> &'static [Vec<Rule>] {
    static RULES: OnceLock<Vec<Vec<Rule>>> = OnceLock::new();
    RULES.get_or_init(|| {
        let last = Mnemonic::values().map(|mnemonic| mnemonic as usize).max().unwrap_or(0);
        let mut rules = vec![Vec::new(); last + 1];
        for (mnemonic, rule) in table::FAMILIES.iter().copied().flatten() {
            rules[*mnemonic as usize].push(*rule);
        }
        rules
    })
}

/// Lowers any instruction. One that the processor model lacks is what that processor
/// makes of it; one that the model has and that is not built becomes an op that stops
/// the run and names it.
pub(crate) fn lower(cpu: &Cpu, insn: &Instruction, bytes: &[u8]) -> Lowered {
    debug_assert!(bytes.len() <= 15, "an instruction has at most 15 bytes");
    let mut lowered = lower_for_model(cpu, insn);
    if is_legacy(insn) {
        // Chains know only flat 64-bit addresses.
        lowered.op.chain = alone;
    }
    lowered
}

/// Whether an instruction belongs to code outside 64-bit mode.
pub(crate) fn is_legacy(insn: &Instruction) -> bool {
    insn.code_size() != CodeSize::Code64
}

fn lower_for_model(cpu: &Cpu, insn: &Instruction) -> Lowered {
    match cpu.model.treatment(insn) {
        Treatment::Executes => lower_offered(insn),
        Treatment::Ignores => Lowered { op: Op::new(system::nop), ends: Ends::No },
        Treatment::ExecutesAs(code) => {
            let mut older = *insn;
            older.set_code(code);
            lower_offered(&older)
        }
        Treatment::Undefined => Lowered { op: Op::new(system::undefined), ends: Ends::Yes },
    }
}

/// Lowers an instruction that the processor model has.
fn lower_offered(insn: &Instruction) -> Lowered {
    by_rule(insn).unwrap_or_else(|| {
        let mut op = Op::new(system::unsupported);
        op.imm = insn.code() as u64;
        Lowered { op, ends: Ends::Yes }
    })
}

/// Lowers an instruction by the tables; `None` for one that is not built.
fn by_rule(insn: &Instruction) -> Option<Lowered> {
    let rules = rules().get(insn.mnemonic() as usize)?;
    rules.iter().find_map(|rule| rule(insn))
}

/// Whether the tables have a rule for an instruction.
pub(crate) fn has_rule(insn: &Instruction) -> bool {
    by_rule(insn).is_some()
}

/// Instructions that read the clock start a block, so that the cycles before them
/// are complete.
pub(crate) fn must_start_block(insn: &Instruction) -> bool {
    matches!(insn.mnemonic(), Mnemonic::Rdtsc | Mnemonic::Rdtscp)
}

/// Whether a byte is a legacy prefix.
pub(crate) fn is_legacy_prefix(byte: u8) -> bool {
    matches!(byte, 0x26 | 0x2e | 0x36 | 0x3e | 0x64..=0x67 | 0xf0 | 0xf2 | 0xf3)
}

/// The kind of branch that an instruction is.
pub(crate) fn branch_kind(insn: &Instruction) -> Option<BranchKind> {
    match insn.flow_control() {
        FlowControl::ConditionalBranch => Some(BranchKind::Conditional),
        FlowControl::UnconditionalBranch => Some(BranchKind::Direct),
        FlowControl::IndirectBranch => Some(BranchKind::Indirect),
        FlowControl::Call if insn.mnemonic() == Mnemonic::Call => Some(BranchKind::Call),
        FlowControl::IndirectCall => Some(BranchKind::IndirectCall),
        FlowControl::Return if insn.mnemonic() == Mnemonic::Ret => Some(BranchKind::Return),
        _ => None,
    }
}

/// Ops that tell the timing model of an instruction's memory operands.
pub(crate) fn memory_probes(insn: &Instruction) -> Vec<Op> {
    let mut factory = iced_x86::InstructionInfoFactory::new();
    let info = factory.info(insn);
    info.used_memory()
        .iter()
        // A gather tells of its elements itself.
        .filter(|used| used.vsib_size() == 0)
        .filter_map(|used| {
            let mut op = Op::new(match used.access() {
                OpAccess::Read | OpAccess::CondRead | OpAccess::ReadWrite => timing_probe::load,
                OpAccess::Write | OpAccess::CondWrite | OpAccess::ReadCondWrite => {
                    timing_probe::store
                }
                OpAccess::None | OpAccess::NoMemAccess => return None,
            });
            op.base = register(used.base())?;
            op.index = register(used.index())?;
            op.scale = used.scale().trailing_zeros() as u8;
            op.disp = used.displacement();
            op.seg = segment(insn, used.segment());
            op.address = address_size(insn, used.address_size());
            op.imm = used.memory_size().size() as u64;
            Some(op)
        })
        .collect()
}

/// Fills an op with the operands of `insn`: registers in their order, one memory
/// operand, one immediate or branch target. `None` for operands of other kinds.
pub(crate) fn operands(insn: &Instruction, run: OpFn) -> Option<Op> {
    let mut op = Op::new(run);
    for index in 0..insn.op_count() {
        match insn.op_kind(index) {
            OpKind::Register => {
                let reg = register(insn.op_register(index))?;
                match index {
                    0 => op.dst = reg,
                    1 => op.src = reg,
                    2 => op.third = reg,
                    // Only instructions without an immediate have a fourth register.
                    _ => op.imm = u64::from(reg),
                }
            }
            OpKind::Memory => memory(insn, &mut op)?,
            OpKind::NearBranch16 | OpKind::NearBranch32 | OpKind::NearBranch64 => {
                op.imm = insn.near_branch_target();
            }
            OpKind::Immediate8
            | OpKind::Immediate16
            | OpKind::Immediate32
            | OpKind::Immediate64
            | OpKind::Immediate8to16
            | OpKind::Immediate8to32
            | OpKind::Immediate8to64
            | OpKind::Immediate32to64 => op.imm = insn.immediate(index),
            // String operands: the functions know their registers.
            OpKind::MemorySegSI
            | OpKind::MemorySegESI
            | OpKind::MemorySegRSI
            | OpKind::MemorySegDI
            | OpKind::MemorySegEDI
            | OpKind::MemorySegRDI => op.seg = segment(insn, insn.memory_segment()),
            OpKind::MemoryESDI | OpKind::MemoryESEDI | OpKind::MemoryESRDI => {}
            OpKind::Immediate8_2nd | OpKind::FarBranch16 | OpKind::FarBranch32 => return None,
        }
    }
    Some(op)
}

/// Fills in the memory operand.
fn memory(insn: &Instruction, op: &mut Op) -> Option<()> {
    op.seg = segment(insn, insn.memory_segment());
    op.disp = insn.memory_displacement64();
    op.address = address_size(insn, explicit_address_size(insn));
    if insn.is_ip_rel_memory_operand() {
        return Some(());
    }
    op.base = register(insn.memory_base())?;
    op.index = register(insn.memory_index())?;
    op.scale = insn.memory_index_scale().trailing_zeros() as u8;
    Some(())
}

/// The address size of the memory operand, as its registers or the size of its
/// displacement tell.
fn explicit_address_size(insn: &Instruction) -> CodeSize {
    let of_register = |register: Register| match register.size() {
        2 => CodeSize::Code16,
        4 => CodeSize::Code32,
        _ => CodeSize::Code64,
    };
    match (insn.memory_base(), insn.memory_index()) {
        (Register::None, index) if index.is_gpr() => of_register(index),
        (Register::None, _) => match insn.memory_displ_size() {
            2 => CodeSize::Code16,
            4 => CodeSize::Code32,
            _ => CodeSize::Code64,
        },
        (base, _) => of_register(base),
    }
}

/// The address size of a string operand; 64 bits for all others.
pub(crate) fn implicit_address_size(kind: OpKind) -> CodeSize {
    match kind {
        OpKind::MemorySegSI | OpKind::MemorySegDI | OpKind::MemoryESDI => CodeSize::Code16,
        OpKind::MemorySegESI | OpKind::MemorySegEDI | OpKind::MemoryESEDI => CodeSize::Code32,
        _ => CodeSize::Code64,
    }
}

/// An address size as ops know it.
pub(crate) fn address_size(insn: &Instruction, size: CodeSize) -> AddressSize {
    match (is_legacy(insn), size) {
        (true, CodeSize::Code16) => AddressSize::Legacy16,
        (true, _) => AddressSize::Legacy32,
        (false, CodeSize::Code32) => AddressSize::Bits32,
        (false, _) => AddressSize::Bits64,
    }
}

/// The segment as ops name it: only FS and GS add a base in 64-bit mode.
pub(crate) fn segment(insn: &Instruction, register: Register) -> u8 {
    match register {
        Register::FS => 4,
        Register::GS => 5,
        _ if !is_legacy(insn) => FLAT,
        Register::ES => 0,
        Register::CS => 1,
        Register::SS => 2,
        _ => FLAT,
    }
}

/// The register as ops name it; `None` for kinds that need their own plumbing.
fn register(register: Register) -> Option<u8> {
    if register == Register::None || register == Register::RIP || register == Register::EIP {
        return Some(ZERO);
    }
    if matches!(register, Register::AH | Register::CH | Register::DH | Register::BH) {
        return Some(HIGH_BYTE + register.number() as u8 - 4);
    }
    let plain = register.is_gpr() || register.is_xmm() || register.is_ymm();
    let stored = register.is_segment_register() || register.is_cr() || register.is_dr();
    let other = register.is_mm() || register.is_st();
    // The whole register has the manual's number; iced counts byte registers through
    // AH to BH.
    (plain || stored || other).then(|| register.full_register().number() as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_registers_have_the_manuals_numbers() {
        let numbers = [
            (Register::BL, 3),
            (Register::AH, HIGH_BYTE),
            (Register::BH, HIGH_BYTE + 3),
            (Register::SPL, 4),
            (Register::DIL, 7),
            (Register::R8L, 8),
            (Register::R15L, 15),
            (Register::R15W, 15),
        ];
        for (name, number) in numbers {
            assert_eq!(register(name), Some(number), "{name:?}");
        }
    }
}
