//! From decoded instructions to what the block model simulates: class, inputs, outputs, memory operands.
//!
//! Key types: [`Op`], [`Effect`]. Which registers an instruction reads and writes
//! comes from iced-x86's instruction information. Neighbours: `classify`, `operand`, `block`.

use iced_x86::{
    Instruction, InstructionInfo, InstructionInfoFactory, Mnemonic, OpKind, RflagsBits,
};

use super::classify::{ClassId, Classes, Kind};
use super::operand::{MemOperand, MemUse, RegId, is_read, is_write, memory_operands};

/// What an instruction does to the value of a register, where the model follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing that is followed.
    None,
    /// `to = from + constant`, all 64 bits.
    Add {
        /// Destination.
        to: RegId,
        /// Source.
        from: RegId,
        /// The constant.
        constant: i64,
    },
    /// The low part of `from`, or all of it.
    Copy {
        /// Destination.
        to: RegId,
        /// Source.
        from: RegId,
        /// Whether all 64 bits.
        is_whole: bool,
    },
    /// A 64-bit register loaded from memory.
    Reload {
        /// Destination.
        to: RegId,
    },
    /// LEAVE: RSP is RBP's old value plus 8, RBP is loaded.
    Leave,
    /// A 64-bit register stored to memory.
    Save {
        /// Source.
        from: RegId,
    },
}

/// An instruction as the block model sees it.
#[derive(Debug, Clone)]
pub(super) struct Op {
    /// Its class.
    pub(super) class: ClassId,
    /// Issue slots it takes.
    pub(super) nr_slots: u32,
    /// Length in bytes.
    pub(super) nr_bytes: u32,
    /// Whether an operand-size prefix changes its length.
    pub(super) has_lcp: bool,
    /// A compare or the like that is one micro-operation with the conditional jump after it.
    pub(super) is_fused_head: bool,
    /// The conditional jump of such a pair.
    pub(super) is_fused_tail: bool,
    /// Registers that the operation waits for, those of addresses excluded.
    pub(super) reads: Vec<RegId>,
    /// Registers that get the result.
    pub(super) writes: Vec<RegId>,
    /// Memory accesses, loads first.
    pub(super) memory: Vec<MemOperand>,
    /// What it does to the value of a register.
    pub(super) effect: Effect,
    /// What it adds to RSP as a push or pop does.
    pub(super) stack_increment: i64,
}

/// Lowers a block.
pub(super) fn lower(
    insns: &[Instruction],
    classes: &Classes,
    factory: &mut InstructionInfoFactory,
) -> Vec<Op> {
    let mut ops: Vec<Op> =
        insns.iter().map(|insn| lower_one(insn, classes, factory.info(insn))).collect();
    for tail in 1..ops.len() {
        if fuses(&insns[tail - 1], &insns[tail]) {
            ops[tail - 1].is_fused_head = true;
            ops[tail].is_fused_tail = true;
            ops[tail].nr_slots = 0;
        }
    }
    ops
}

fn lower_one(insn: &Instruction, classes: &Classes, info: &InstructionInfo) -> Op {
    let class = classes.classify(insn);
    let kind = classes.class(class).kind;
    let stack_increment = i64::from(insn.stack_pointer_increment());
    let memory = memory_operands(insn, info, kind);
    let mut op = Op {
        class,
        nr_slots: nr_slots(classes.class(class).ports.len(), &memory),
        nr_bytes: insn.len() as u32,
        has_lcp: has_length_changing_prefix(insn),
        is_fused_head: false,
        is_fused_tail: false,
        reads: Vec::new(),
        writes: Vec::new(),
        effect: effect(insn, kind),
        memory,
        stack_increment,
    };
    add_registers(&mut op, insn, info);
    add_flags(&mut op, insn);
    if kind == Kind::Zero || op.effect == Effect::Leave || is_ones_idiom(insn) {
        op.reads.clear();
    }
    op
}

/// Micro-fused issue slots: a load joins the operation that uses it, a store's two halves are one.
fn nr_slots(nr_uops: usize, memory: &[MemOperand]) -> u32 {
    let nr_stores = memory.iter().filter(|operand| operand.usage == MemUse::Store).count();
    let nr_loads = memory.len() - nr_stores;
    let front = nr_uops.max(nr_loads);
    u32::try_from(front + nr_stores).unwrap_or(u32::MAX).max(1)
}

fn add_registers(op: &mut Op, insn: &Instruction, info: &InstructionInfo) {
    let moves_stack = op.stack_increment != 0;
    let is_implicit_stack = |id| moves_stack && id == RegId::RSP;
    for operand in (0..insn.op_count()).filter(|operand| insn.op_kind(*operand) == OpKind::Register)
    {
        let register = insn.op_register(operand);
        let access = info.op_access(operand);
        let merges = is_write(access) && register.is_gpr() && register.size() < 4;
        if let Some(id) = RegId::of(register).filter(|_| is_read(access) || merges) {
            add(&mut op.reads, id);
        }
        if let Some(id) = RegId::of(register).filter(|_| is_write(access)) {
            add(&mut op.writes, id);
        }
    }
    for used in info.used_registers() {
        let Some(id) = RegId::of(used.register()).filter(|id| !is_implicit_stack(*id)) else {
            continue;
        };
        let is_address =
            op.memory.iter().any(|operand| operand.base == Some(id) || operand.index == Some(id));
        let is_lea = insn.mnemonic() == Mnemonic::Lea;
        let is_explicit = (0..insn.op_count()).any(|operand| {
            insn.op_kind(operand) == OpKind::Register
                && RegId::of(insn.op_register(operand)) == Some(id)
        });
        if is_read(used.access()) && !is_address && (!is_explicit || is_lea) {
            add(&mut op.reads, id);
        }
        if is_write(used.access()) {
            add(&mut op.writes, id);
        }
    }
}

fn add_flags(op: &mut Op, insn: &Instruction) {
    let parts = [(RflagsBits::CF, RegId::CARRY), (!RflagsBits::CF & STATUS_FLAGS, RegId::STATUS)];
    for (bits, id) in parts {
        if insn.rflags_read() & bits != 0 {
            add(&mut op.reads, id);
        }
        if insn.rflags_modified() & bits != 0 {
            add(&mut op.writes, id);
        }
    }
}

/// The status flags.
const STATUS_FLAGS: u32 = RflagsBits::OF
    | RflagsBits::SF
    | RflagsBits::ZF
    | RflagsBits::AF
    | RflagsBits::CF
    | RflagsBits::PF;

fn add(ids: &mut Vec<RegId>, id: RegId) {
    if !ids.contains(&id) {
        ids.push(id);
    }
}

/// Whether an operand-size prefix changes the length of the immediate: a 16-bit immediate beside a 16-bit operand.
fn has_length_changing_prefix(insn: &Instruction) -> bool {
    insn.op_count() > 1
        && insn.op_kind(insn.op_count() - 1) == OpKind::Immediate16
        && insn.mnemonic() != Mnemonic::Enter
}

fn effect(insn: &Instruction, kind: Kind) -> Effect {
    let register =
        |operand| match insn.op_count() > operand && insn.op_kind(operand) == OpKind::Register {
            true => RegId::of(insn.op_register(operand)),
            false => None,
        };
    let is_gpr64 = |operand| register(operand).is_some() && insn.op_register(operand).is_gpr64();
    let is_memory = |operand| insn.op_count() > operand && insn.op_kind(operand) == OpKind::Memory;
    match (insn.mnemonic(), register(0), register(1)) {
        (Mnemonic::Lea, Some(to), _) if kind == Kind::Fold => match RegId::of(insn.memory_base()) {
            Some(from) => Effect::Add { to, from, constant: insn.memory_displacement64() as i64 },
            None => Effect::None,
        },
        (mnemonic, Some(to), _) if kind == Kind::Fold => {
            Effect::Add { to, from: to, constant: addend(insn, mnemonic) }
        }
        (_, Some(to), Some(from)) if kind == Kind::Move => {
            Effect::Copy { to, from, is_whole: is_gpr64(0) && is_gpr64(1) }
        }
        (Mnemonic::Leave, ..) => Effect::Leave,
        (Mnemonic::Mov, Some(to), None) if is_gpr64(0) && is_memory(1) => Effect::Reload { to },
        (Mnemonic::Pop, Some(to), None) if is_gpr64(0) => Effect::Reload { to },
        (Mnemonic::Mov, None, Some(from)) if is_gpr64(1) && is_memory(0) => Effect::Save { from },
        (Mnemonic::Push, Some(from), None) if is_gpr64(0) => Effect::Save { from },
        _ => Effect::None,
    }
}

/// Whether an instruction compares a vector register with itself for equality: its result is known.
fn is_ones_idiom(insn: &Instruction) -> bool {
    let compares = matches!(
        insn.mnemonic(),
        Mnemonic::Pcmpeqb
            | Mnemonic::Pcmpeqw
            | Mnemonic::Pcmpeqd
            | Mnemonic::Vpcmpeqb
            | Mnemonic::Vpcmpeqw
            | Mnemonic::Vpcmpeqd
    );
    let last = insn.op_count().saturating_sub(1);
    compares
        && (last - 1..=last).all(|operand| insn.op_kind(operand) == OpKind::Register)
        && insn.op_register(last - 1) == insn.op_register(last)
}

/// What an ADD, SUB, INC or DEC of the fold class adds.
fn addend(insn: &Instruction, mnemonic: Mnemonic) -> i64 {
    match mnemonic {
        Mnemonic::Inc => 1,
        Mnemonic::Dec => -1,
        Mnemonic::Sub => (insn.immediate(1) as i64).wrapping_neg(),
        _ => insn.immediate(1) as i64,
    }
}

/// Whether two instructions are one micro-operation (Intel optimization manual, macro-fusion).
fn fuses(head: &Instruction, tail: &Instruction) -> bool {
    let is_head = matches!(
        head.mnemonic(),
        Mnemonic::Cmp
            | Mnemonic::Test
            | Mnemonic::Add
            | Mnemonic::Sub
            | Mnemonic::And
            | Mnemonic::Inc
            | Mnemonic::Dec
    );
    let nr_operands = head.op_count();
    let stores = nr_operands > 0 && head.op_kind(0) == OpKind::Memory;
    let compares = matches!(head.mnemonic(), Mnemonic::Cmp | Mnemonic::Test);
    let has_immediate = nr_operands > 1 && head.try_immediate(1).is_ok();
    is_head && tail.is_jcc_short_or_near() && (!stores || compares && !has_immediate)
}

#[cfg(test)]
mod tests {
    use iced_x86::{Decoder, DecoderOptions, Register};

    use super::super::costs::Costs;
    use super::*;

    fn lowered(code: &[u8]) -> Vec<Op> {
        let insns: Vec<Instruction> =
            Decoder::new(64, code, DecoderOptions::NONE).into_iter().collect();
        let classes = Classes::load(&Costs::load().unwrap()).unwrap();
        lower(&insns, &classes, &mut InstructionInfoFactory::new())
    }

    fn gpr(register: Register) -> RegId {
        RegId::of(register).unwrap()
    }

    #[test]
    fn addresses_and_data_are_told_apart() {
        use Register::{RAX, RBX};
        // mov rax, [rax]; add rax, [rbx]; mov [rbx], rax; mov al, bl; mov eax, ebx; push rax; lea rax, [rax+rbx]
        let ops = lowered(&[
            0x48, 0x8b, 0x00, 0x48, 0x03, 0x03, 0x48, 0x89, 0x03, 0x88, 0xd8, 0x89, 0xd8, 0x50,
            0x48, 0x8d, 0x04, 0x18,
        ]);
        let reads: Vec<Vec<RegId>> = ops.iter().map(|op| op.reads.clone()).collect();
        let (rax, rbx) = (gpr(RAX), gpr(RBX));
        assert_eq!(
            reads,
            [vec![], vec![rax], vec![rax], vec![rax, rbx], vec![rbx], vec![rax], vec![rax, rbx]]
        );
        assert_eq!(ops[0].memory[0].base, Some(rax));
        assert_eq!(ops[2].memory[0].usage, MemUse::Store);
        assert_eq!(ops[5].stack_increment, -8);
    }

    #[test]
    fn compare_and_jump_are_one() {
        // cmp rax, rbx; jne; cmp dword [rbx], 1; jne; mov eax, ebx; jne
        let ops = lowered(&[
            0x48, 0x39, 0xd8, 0x75, 0x00, 0x83, 0x3b, 0x01, 0x75, 0x00, 0x89, 0xd8, 0x75, 0x00,
        ]);
        let tails: Vec<bool> = ops.iter().map(|op| op.is_fused_tail).collect();
        assert_eq!(tails, [false, true, false, false, false, false]);
        assert_eq!(ops[1].nr_slots, 0);
    }
}
