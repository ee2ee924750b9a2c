//! What the manual leaves undefined, so that it is not compared.
//! Source: iced's tables, and SDM vol. 2 for shifts, whose flags depend on the count.

use emulator::regs::RFlags;
use iced_x86::{Instruction, Mnemonic, OpKind, Register, RflagsBits};

use super::super::case::{Case, Step};

/// Where the x87 status word stands in sets of flags.
pub const X87_FLAGS: u32 = 32;

/// iced's flag bits as RFLAGS bits and bits of the x87 status word.
const BITS: [(u32, u64); 12] = [
    (RflagsBits::OF, RFlags::OF),
    (RflagsBits::SF, RFlags::SF),
    (RflagsBits::ZF, RFlags::ZF),
    (RflagsBits::AF, RFlags::AF),
    (RflagsBits::CF, RFlags::CF),
    (RflagsBits::PF, RFlags::PF),
    (RflagsBits::DF, RFlags::DF),
    (RflagsBits::AC, RFlags::AC),
    (RflagsBits::C0, 1 << (X87_FLAGS + 8)),
    (RflagsBits::C1, 1 << (X87_FLAGS + 9)),
    (RflagsBits::C2, 1 << (X87_FLAGS + 10)),
    (RflagsBits::C3, 1 << (X87_FLAGS + 14)),
];

/// iced's flag bits in the places of RFLAGS and of the x87 status word.
pub(super) fn rflags(bits: u32) -> u64 {
    BITS.iter().filter(|(bit, _)| bits & bit != 0).fold(0, |flags, (_, flag)| flags | flag)
}

/// A shift's count after masking: `None` where it is in CL and CL is not known.
fn shift_count(insn: &Instruction, cl: Option<u8>) -> Option<u8> {
    let last = insn.op_count() - 1;
    let count = match insn.op_kind(last) {
        OpKind::Register if insn.op_register(last) == Register::CL => cl?,
        OpKind::Immediate8 => insn.immediate8(),
        _ => return None,
    };
    Some(count & if operand_bits(insn) == 64 { 63 } else { 31 })
}

fn operand_bits(insn: &Instruction) -> usize {
    8 * match insn.op0_kind() {
        OpKind::Register => insn.op0_register().size(),
        _ => insn.memory_size().size(),
    }
}

fn is_shift(insn: &Instruction) -> bool {
    use Mnemonic::*;
    matches!(insn.mnemonic(), Shl | Sal | Shr | Sar | Rol | Ror | Rcl | Rcr | Shld | Shrd)
}

/// Flags that a shift by `count` (masked) leaves undefined.
fn after_shift(insn: &Instruction, count: u8) -> u64 {
    use Mnemonic::*;
    let width = operand_bits(insn);
    let count = usize::from(count);
    let not_by_one = if count > 1 { RFlags::OF } else { 0 };
    if count == 0 {
        return 0;
    }
    match insn.mnemonic() {
        Rol | Ror | Rcl | Rcr => not_by_one,
        Shl | Sal | Shr if count >= width => not_by_one | RFlags::AF | RFlags::CF,
        Shld | Shrd if count > width => RFlags::STATUS,
        _ => not_by_one | RFlags::AF,
    }
}

/// Flags that an instruction leaves undefined; `cl` is CL before it, where known.
pub(super) fn flags_after(insn: &Instruction, cl: Option<u8>) -> u64 {
    if is_shift(insn) {
        return match shift_count(insn, cl) {
            Some(count) => after_shift(insn, count),
            None => after_shift(insn, 31) | after_shift(insn, 2) | rflags(insn.rflags_undefined()),
        };
    }
    rflags(insn.rflags_undefined())
}

/// Whether the result itself is undefined, or an [approximation](is_approximation).
pub(super) fn has_undefined_result(insn: &Instruction, cl: Option<u8>) -> bool {
    use Mnemonic::*;
    match insn.mnemonic() {
        Shld | Shrd => {
            let width = operand_bits(insn);
            shift_count(insn, cl).map_or(width == 16, |count| usize::from(count) > width)
        }
        Bswap => operand_bits(insn) == 16,
        other => is_approximation(other),
    }
}

/// Whether an instruction's result is an approximation of the maker's choice.
pub(super) fn is_approximation(mnemonic: Mnemonic) -> bool {
    use Mnemonic::*;
    matches!(mnemonic, Rcpps | Rcpss | Rsqrtps | Rsqrtss | Vrcpps | Vrcpss | Vrsqrtps | Vrsqrtss)
        || matches!(mnemonic, F2xm1 | Fcos | Fpatan | Fptan | Fsin | Fsincos | Fyl2x | Fyl2xp1)
}

/// Flags that an instruction reads.
pub(super) fn flags_read(insn: &Instruction) -> u64 {
    rflags(insn.rflags_read())
}

/// Flags that an instruction gives a defined value, whatever its operands.
fn flags_defined(insn: &Instruction, cl: Option<u8>) -> u64 {
    let may_keep_all = (is_shift(insn) && shift_count(insn, cl).is_none_or(|count| count == 0))
        || insn.has_rep_prefix()
        || insn.has_repne_prefix();
    if may_keep_all {
        return 0;
    }
    rflags(insn.rflags_written() | insn.rflags_cleared() | insn.rflags_set())
        & !flags_after(insn, cl)
}

/// Undefined flags at each instruction of a case.
#[derive(Clone, Debug, Default)]
pub(super) struct Undefined {
    /// Before each instruction, and before those that branches reach.
    before: Vec<u64>,
    /// What each leaves undefined.
    own: Vec<u64>,
}

impl Undefined {
    /// Follows the flags through the instructions; `cl` is CL before the first, where
    /// known. Branches may leave some out: where they meet again, what is undefined on
    /// either way is undefined.
    pub(super) fn of(steps: &[Step], cl: Option<u8>) -> Self {
        let mut undefined = Self::default();
        for (nth, step) in steps.iter().enumerate() {
            undefined.push(step, cl.filter(|_| nth == 0));
        }
        undefined
    }

    /// Goes on by an instruction.
    pub(super) fn push(&mut self, step: &Step, cl: Option<u8>) {
        let after = flags_after(&step.insn, cl);
        let now = self.next() & !flags_defined(&step.insn, cl) | after;
        self.own.push(after);
        let behind = self.own.len();
        self.reach(behind, now);
        if let Some(skip) = step.skip {
            self.reach(behind + usize::from(skip), now);
        }
    }

    /// Notes that the instruction with this number may be reached with these flags
    /// undefined.
    fn reach(&mut self, nth: usize, undefined: u64) {
        if self.before.len() <= nth {
            self.before.resize(nth + 1, 0);
        }
        self.before[nth] |= undefined;
    }

    /// Flags that are undefined before the instruction that is pushed next.
    pub(super) fn next(&self) -> u64 {
        self.before.get(self.own.len()).copied().unwrap_or(0)
    }

    /// Flags that are undefined behind the last instruction: branches that leave out
    /// more end there.
    pub(super) fn at_end(&self) -> u64 {
        self.before.iter().skip(self.own.len()).fold(0, |all, flags| all | flags)
    }

    /// Flags that are undefined when `case` has ended at `rip`.
    pub(super) fn when_ended(&self, case: &Case, rip: u64) -> u64 {
        let offset = rip.wrapping_sub(case.start.rip);
        let fault_at = case.offsets.iter().position(|&start| start as u64 == offset);
        match fault_at {
            Some(nth) => self.before[nth] | self.own[nth],
            None => self.at_end(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use iced_x86::Code;

    fn insn(code: Code, first: Register, second: Register) -> Instruction {
        Instruction::with2(code, first, second).unwrap()
    }

    #[test]
    fn a_shift_by_nothing_defines_nothing() {
        let shl = insn(Code::Shl_rm8_CL, Register::AL, Register::CL);
        assert_eq!(flags_after(&shl, Some(0)), 0);
        assert_eq!(flags_after(&shl, Some(33)), RFlags::AF);
        assert_eq!(flags_after(&shl, Some(8)), RFlags::AF | RFlags::OF | RFlags::CF);
        assert_eq!(flags_defined(&shl, Some(32)), 0);
        assert_eq!(flags_defined(&shl, None), 0);
        let ror = Instruction::with2(Code::Ror_rm16_imm8, Register::AX, 5).unwrap();
        assert_eq!(flags_after(&ror, None), RFlags::OF);
    }

    #[test]
    fn undefined_flags_last_until_they_are_written() {
        let step = |insn| Step { insn, skip: None };
        let and = insn(Code::And_r64_rm64, Register::RAX, Register::RCX);
        let add = insn(Code::Add_r64_rm64, Register::RAX, Register::RCX);
        let mov = insn(Code::Mov_r64_rm64, Register::RAX, Register::RCX);
        assert_eq!(Undefined::of(&[step(and), step(mov)], None).at_end(), RFlags::AF);
        assert_eq!(Undefined::of(&[step(and), step(add)], None).at_end(), 0);
        let jump =
            Step { insn: Instruction::with_branch(Code::Je_rel8_64, 0).unwrap(), skip: Some(1) };
        assert_eq!(Undefined::of(&[step(and), jump, step(add)], None).at_end(), RFlags::AF);
    }
}
