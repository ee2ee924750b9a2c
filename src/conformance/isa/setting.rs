//! What registers and memory are prepared for: one instruction, or one among many.
//!
//! Alone, an instruction may use every register, and what its address needs is
//! solved for. Among others it finds registers that earlier ones have changed, so a
//! few registers are kept for addresses, and no other instruction writes them.

use iced_x86::{Instruction, Mnemonic, OpKind};

use super::super::layout::{CODE_STRIDE, DATA, STACK, STACK_BYTES};
use super::super::rng::Rng;
use super::operands::Draft;
use super::registers::{Address, RAX, RBP, RBX, RCX, RDI, RDX, RSI, RSP, general};
use super::{lanes, system, values};

/// Whether an instruction is alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Setting {
    /// It is the whole case.
    Single,
    /// It is one of several.
    Block,
}

/// Bases of addresses in blocks: R12 and R13.
const BASES: [(usize, u64); 2] = [(12, DATA + 0x800), (13, DATA + 0x1800)];
/// Index in blocks: R14.
const INDEX: (usize, u64) = (14, 24);
/// What RBP has in blocks, for LEAVE.
const FRAME: u64 = STACK + STACK_BYTES / 2 + 0x100;
/// Registers that instructions of a block may name.
const FREE: [usize; 11] = [0, 1, 2, 3, 6, 7, 8, 9, 10, 11, 15];

impl Setting {
    pub(super) fn percent_mxcsr_as_reset(self) -> u64 {
        match self {
            Self::Single => 50,
            Self::Block => 80,
        }
    }

    /// Registers that hold addresses from the start.
    pub(super) fn pointers(self) -> Vec<(usize, u64)> {
        match self {
            Self::Single => Vec::new(),
            Self::Block => {
                let others = [INDEX, (RBP, FRAME), (RSI, DATA + 0x400), (RDI, DATA + 0xc00)];
                BASES.into_iter().chain(others).collect()
            }
        }
    }

    /// The number of a general register as an operand.
    pub(super) fn number(self, rng: &mut Rng) -> usize {
        match self {
            Self::Block if rng.chance(99) => rng.pick(&FREE),
            _ => rng.below(16) as usize,
        }
    }

    /// Gives the registers that the instruction uses without naming them values with
    /// which it does something. `None` where it has no place in a block.
    pub(super) fn prepare(self, draft: &mut Draft<'_>, insn: &Instruction) -> Option<()> {
        match self {
            Self::Single => prepare_single(draft, insn),
            Self::Block => return fits_block(draft, insn).then_some(()),
        }
        Some(())
    }

    /// Fills in base, index, scale and displacement.
    pub(super) fn address(
        self,
        draft: &mut Draft<'_>,
        insn: &mut Instruction,
        target: u64,
        address: Address,
    ) {
        match self {
            Self::Single => solve_address(draft, insn, target, address),
            Self::Block => fixed_address(draft, insn, target, address),
        }
    }
}

/// Whether the instruction can be one of many: it goes on behind itself (or behind
/// some of the next), and what it needs is there.
fn fits_block(draft: &mut Draft<'_>, insn: &Instruction) -> bool {
    use Mnemonic::*;
    let indirect = matches!(insn.mnemonic(), Jmp | Call) && insn.op0_kind() != OpKind::NearBranch64;
    let repeats = insn.has_rep_prefix() || insn.has_repne_prefix();
    let far_bit = matches!(insn.mnemonic(), Bt | Bts | Btr | Btc)
        && insn.op0_kind() == OpKind::Memory
        && insn.op1_kind() == OpKind::Register;
    let unfit = matches!(
        insn.mnemonic(),
        Ret | Int3
            | Ud0
            | Ud1
            | Ud2
            | Popf
            | Popfq
            | Enter
            | Fxrstor
            | Fxrstor64
            | Ldmxcsr
            | Xlatb
            // These store where the last x87 instruction was.
            | Fnstenv
            | Fstenv
            | Fnsave
            | Fsave
            | Fxsave
            | Fxsave64
    );
    // Half of all divisions fault; a block would end at its first.
    let rare = matches!(insn.mnemonic(), Div | Idiv) && draft.rng.chance(90);
    let near_system = system::needs_preparation(insn.code());
    !(indirect || repeats || far_bit || unfit || rare || near_system)
}

/// An address from the registers that blocks keep for it.
fn fixed_address(draft: &mut Draft<'_>, insn: &mut Instruction, target: u64, address: Address) {
    let bits = if address.short { 32 } else { 64 };
    let (base, base_value) = draft.rng.pick(&BASES);
    let mut rest = target.wrapping_sub(base_value);
    insn.set_memory_base(general(bits, base));
    if address.with_index {
        let scale = draft.rng.below(4) as u32;
        insn.set_memory_index(general(bits, INDEX.0));
        insn.set_memory_index_scale(1 << scale);
        rest = rest.wrapping_sub(INDEX.1 << scale);
    }
    insn.set_memory_displ_size(if address.short { 4 } else { 8 });
    insn.set_memory_displacement64(if address.short { rest & 0xffff_ffff } else { rest });
}

/// Any registers, with values that make `target`.
fn solve_address(draft: &mut Draft<'_>, insn: &mut Instruction, target: u64, address: Address) {
    let bits = if address.short { 32 } else { 64 };
    let free: Vec<usize> = (0..16).filter(|&reg| draft.is_free(reg)).collect();
    let base = draft.rng.pick(&free);
    let displacement = match draft.rng.below(3) {
        0 => 0,
        1 => i64::from(draft.rng.word() as i8),
        _ => i64::from(draft.rng.word() as i32),
    } as u64;
    let mut value = target.wrapping_sub(displacement);
    insn.set_memory_base(general(bits, base));
    let indices: Vec<usize> = free.into_iter().filter(|&reg| reg != base && reg != RSP).collect();
    if address.with_index && !indices.is_empty() {
        let index = draft.rng.pick(&indices);
        let scale = draft.rng.below(4) as u32;
        insn.set_memory_index(general(bits, index));
        insn.set_memory_index_scale(1 << scale);
        draft.set(index, draft.start.gpr[index]);
        value = value.wrapping_sub(draft.start.gpr[index] << scale);
    }
    if address.short {
        // What is above the 32 bits does not count.
        value = value & 0xffff_ffff | draft.rng.word() << 32;
    }
    draft.set(base, value);
    let size = if displacement == 0 { 0 } else { 1 };
    insn.set_memory_displ_size(size);
    let shown = if address.short { displacement & 0xffff_ffff } else { displacement };
    insn.set_memory_displacement64(shown);
}

/// Registers that single instructions use without naming them.
fn prepare_single(draft: &mut Draft<'_>, insn: &Instruction) {
    use Mnemonic::*;
    prepare_strings(draft, insn);
    lanes::prepare(draft, insn);
    system::prepare(draft, insn);
    match insn.mnemonic() {
        Div | Idiv => prepare_division(draft),
        Shl | Sal | Shr | Sar | Rol | Ror | Rcl | Rcr | Shld | Shrd if draft.rng.chance(70) => {
            let count = draft.rng.below(70);
            let any = draft.start.gpr[RCX];
            draft.suggest(RCX, any & !0xff | count);
        }
        Loop | Loope | Loopne | Jrcxz | Jecxz => {
            let count = draft.rng.pick(&[0, 1, 2, u64::MAX, 1 << 32, (1 << 32) + 1]);
            draft.suggest(RCX, count);
        }
        Bt | Bts | Btr | Btc => prepare_bit_offset(draft, insn),
        Bextr | Bzhi => prepare_bit_field(draft, insn),
        Cmpxchg | Cmpxchg8b | Cmpxchg16b => prepare_exchange(draft),
        Leave => {
            let frame = STACK + draft.rng.below(STACK_BYTES);
            draft.suggest(RBP, frame);
        }
        Ret => {
            let top = draft.start.gpr[RSP];
            let target = landing(draft);
            draft.patch(top, &target.to_le_bytes());
        }
        Jmp | Call if !system::needs_preparation(insn.code()) => prepare_indirect(draft, insn),
        _ => {}
    }
}

/// What the memory operand at `at` holds.
pub(super) fn prepare_operand(draft: &mut Draft<'_>, insn: &Instruction, at: u64, size: u64) {
    use Mnemonic::*;
    /// Offset of MXCSR in an FXSAVE area.
    const MXCSR_AT: u64 = 24;
    let valid = values::mxcsr(draft.rng, 10);
    if system::needs_preparation(insn.code()) {
        return system::prepare_operand(draft, insn.code(), at, size);
    }
    match insn.mnemonic() {
        Jmp | Call => {
            let target = landing(draft);
            draft.patch(at, &target.to_le_bytes());
        }
        Ldmxcsr | Vldmxcsr if draft.rng.chance(80) => draft.patch(at, &valid.to_le_bytes()),
        Fxrstor | Fxrstor64 => draft.patch(at.wrapping_add(MXCSR_AT), &valid.to_le_bytes()),
        Cmpxchg | Cmpxchg8b | Cmpxchg16b if draft.rng.chance(70) => {
            let byte = draft.rng.pick(&[0, 0xff]);
            draft.patch(at, &[byte; 16][..(size as usize).min(16)]);
        }
        _ if size > 0 && size <= 64 && draft.rng.chance(60) => {
            let mut bytes = [0; 64];
            values::memory(draft.rng, &mut bytes);
            if let Some(wide) = lanes::memory(draft.rng, insn.mnemonic()) {
                bytes[..16].copy_from_slice(&wide.to_le_bytes());
            }
            if size <= 8 {
                bytes[..8].copy_from_slice(&values::integer(draft.rng).to_le_bytes());
            }
            draft.patch(at, &bytes[..size as usize]);
        }
        _ => {}
    }
}

/// An address in the INT3s behind the case, sometimes none that exists.
pub(super) fn landing(draft: &mut Draft<'_>) -> u64 {
    if draft.rng.chance(10) {
        return values::integer(draft.rng);
    }
    draft.start.rip + CODE_STRIDE / 2 + draft.rng.below(CODE_STRIDE / 4)
}

fn prepare_indirect(draft: &mut Draft<'_>, insn: &Instruction) {
    if insn.op0_kind() == OpKind::Register {
        let target = landing(draft);
        draft.set(insn.op0_register().number(), target);
    }
}

fn prepare_division(draft: &mut Draft<'_>) {
    let high = match draft.rng.below(4) {
        0 => 0,
        1 => u64::MAX,
        2 => draft.rng.below(256),
        _ => return,
    };
    draft.suggest(RDX, high);
    if draft.rng.chance(50) {
        // The high half of AX, for divisions of bytes.
        let low = draft.start.gpr[RAX] & !0xff00 | (high & 0xff) << 8;
        draft.suggest(RAX, low);
    }
}

/// The bit offset of a bit test is signed and reaches far.
fn prepare_bit_offset(draft: &mut Draft<'_>, insn: &Instruction) {
    if insn.op0_kind() == OpKind::Memory
        && insn.op1_kind() == OpKind::Register
        && draft.rng.chance(90)
    {
        let offset = draft.rng.below(0x8000).wrapping_sub(0x4000);
        draft.suggest(insn.op1_register().full_register().number(), offset);
    }
}

/// Start and length of a bit field: mostly within the operand or just outside.
fn prepare_bit_field(draft: &mut Draft<'_>, insn: &Instruction) {
    if insn.op_count() == 3 && insn.op_kind(2) == OpKind::Register && draft.rng.chance(80) {
        let field = draft.rng.below(72) | draft.rng.below(72) << 8 | draft.rng.word() << 16;
        draft.suggest(insn.op2_register().full_register().number(), field);
    }
}

/// The comparison of CMPXCHG fails nearly always with random operands.
fn prepare_exchange(draft: &mut Draft<'_>) {
    if draft.rng.chance(50) {
        let value = draft.rng.pick(&[0, u64::MAX]);
        draft.suggest(RAX, value);
        draft.suggest(RDX, value);
    }
}

fn prepare_strings(draft: &mut Draft<'_>, insn: &Instruction) {
    let uses = |kinds: &[OpKind]| (0..insn.op_count()).any(|i| kinds.contains(&insn.op_kind(i)));
    let short = uses(&[OpKind::MemorySegESI, OpKind::MemoryESEDI, OpKind::MemorySegEDI]);
    let source = uses(&[OpKind::MemorySegRSI, OpKind::MemorySegESI]);
    let destination = uses(&[
        OpKind::MemoryESRDI,
        OpKind::MemoryESEDI,
        OpKind::MemorySegRDI,
        OpKind::MemorySegEDI,
    ]);
    for (used, reg) in [(source, RSI), (destination, RDI)] {
        if used {
            let size = insn.memory_size().size() as u64;
            let mut at = draft.reachable(size, short);
            if short {
                at = at & 0xffff_ffff | draft.rng.word() << 32;
            }
            draft.set(reg, at);
        }
    }
    if insn.has_rep_prefix() || insn.has_repne_prefix() {
        let count =
            if draft.rng.chance(10) { values::integer(draft.rng) } else { draft.rng.below(40) };
        let garbage = if short { draft.rng.word() << 32 } else { 0 };
        draft.set(RCX, garbage | count);
    }
    if insn.mnemonic() == Mnemonic::Xlatb {
        let at = draft.target(256);
        draft.set(RBX, at);
    }
}
