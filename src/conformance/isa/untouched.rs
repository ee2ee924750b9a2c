//! What an instruction must leave alone: registers, flags and memory that iced's
//! tables do not list as written. A property of the emulator by itself, held for
//! every case of one instruction, whatever the processor says.

use std::fmt;

use emulator::regs::RFlags;
use iced_x86::{
    Instruction, InstructionInfo, InstructionInfoFactory, Mnemonic, OpAccess, Register, RflagsBits,
    UsedMemory,
};

use super::super::case::{Case, Registers};
use super::super::fields::GPR_NAMES;
use super::super::layout::{DATA_BYTES, FS_BASE, GS_BASE, image_address};
use super::compare::Side;
use super::undefined;

/// Something that changed and is not listed as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Touched {
    /// A general register, by number.
    General(usize),
    /// The low or high half of a YMM register, by number.
    Vector(usize, usize),
    /// Status flags.
    Flags(u64),
    /// MXCSR.
    Mxcsr,
    /// x87 or MMX state.
    X87,
    /// Segment registers.
    Segments,
    /// A byte of memory, by address.
    Memory(u64),
}

impl fmt::Display for Touched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::General(reg) => write!(f, "{} has changed", GPR_NAMES[reg % 16]),
            Self::Vector(reg, 0) => write!(f, "xmm{reg} has changed"),
            Self::Vector(reg, _) => write!(f, "ymm{reg}'s upper half has changed"),
            Self::Flags(bits) => write!(f, "flags {bits:#x} have changed"),
            Self::Mxcsr => f.write_str("mxcsr has changed"),
            Self::X87 => f.write_str("x87 state has changed"),
            Self::Segments => f.write_str("segment registers have changed"),
            Self::Memory(at) => write!(f, "[{at:#x}] has changed"),
        }
    }
}

/// Knows what instructions write.
pub struct Tables {
    factory: InstructionInfoFactory,
}

impl Default for Tables {
    fn default() -> Self {
        Self { factory: InstructionInfoFactory::new() }
    }
}

impl fmt::Debug for Tables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tables").finish_non_exhaustive()
    }
}

impl Tables {
    /// What the emulator has changed in a case of one instruction though it is not
    /// listed as written. `image` is the memory that cases are patched into.
    pub fn check(&mut self, case: &Case, after: Side<'_>, image: &[u8]) -> Vec<Touched> {
        let [step] = &case.steps[..] else { return Vec::new() };
        let insn = step.insn;
        if insn.is_invalid() {
            return nothing_changes(case, after, image);
        }
        let info = self.factory.info(&insn);
        let written = Written::of(&insn, info);
        let mut found = written.registers(&case.start, &after.ending.registers);
        if !reaches_further(&insn) {
            let ranges: Vec<_> =
                info.used_memory().iter().filter_map(|used| range(used, &case.start)).collect();
            memory(case, after, image, &ranges, &mut found);
        }
        found
    }
}

/// An encoding that nobody has changes nothing.
fn nothing_changes(case: &Case, after: Side<'_>, image: &[u8]) -> Vec<Touched> {
    let mut found = Written::default().registers(&case.start, &after.ending.registers);
    memory(case, after, image, &[], &mut found);
    found
}

/// What an instruction writes besides memory.
#[derive(Default)]
struct Written {
    general: u16,
    vectors: [[bool; 2]; 16],
    flags: u64,
    mxcsr: bool,
    x87: bool,
    segments: bool,
}

impl Written {
    fn of(insn: &Instruction, info: &InstructionInfo) -> Self {
        let mut written = Self {
            flags: undefined::rflags(insn.rflags_modified()),
            mxcsr: may_write_mxcsr(insn),
            ..Self::default()
        };
        if insn.rflags_modified() & RflagsBits::DF != 0 {
            written.flags |= RFlags::DF;
        }
        for used in info.used_registers() {
            if !matches!(used.access(), OpAccess::Read | OpAccess::CondRead | OpAccess::None) {
                written.add(used.register());
            }
        }
        // Every x87 and MMX instruction changes tags, pointers or the status word.
        written.x87 |= uses_x87(insn);
        if saves_or_loads_all(insn) {
            written = Self { vectors: [[true; 2]; 16], mxcsr: true, x87: true, ..written };
        }
        written
    }

    fn add(&mut self, register: Register) {
        let number = register.full_register().number();
        if register.is_gpr() {
            self.general |= 1 << number;
        } else if register.is_xmm() {
            self.vectors[number % 16][0] = true;
        } else if register.is_ymm() || register.is_zmm() {
            self.vectors[number % 16] = [true; 2];
        } else if register.is_segment_register() {
            self.segments = true;
        } else {
            self.x87 = true;
        }
    }

    fn registers(&self, before: &Registers, after: &Registers) -> Vec<Touched> {
        let mut found = Vec::new();
        for reg in 0..16 {
            if before.gpr[reg] != after.gpr[reg] && self.general >> reg & 1 == 0 {
                found.push(Touched::General(reg));
            }
            for half in 0..2 {
                let same = before.vector[reg][half] == after.vector[reg][half];
                if !same && !self.vectors[reg][half] {
                    found.push(Touched::Vector(reg, half));
                }
            }
        }
        let flags = (before.rflags ^ after.rflags) & (RFlags::STATUS | RFlags::DF) & !self.flags;
        if flags != 0 {
            found.push(Touched::Flags(flags));
        }
        if before.mxcsr != after.mxcsr && !self.mxcsr {
            found.push(Touched::Mxcsr);
        }
        if before.x87 != after.x87 && !self.x87 {
            found.push(Touched::X87);
        }
        let segments = |registers: &Registers| (registers.selectors, registers.bases);
        if segments(before) != segments(after) && !self.segments && !may_write_bases(before, after)
        {
            found.push(Touched::Segments);
        }
        found
    }
}

/// Bases that change while no selector does: WRFSBASE and WRGSBASE, which iced does
/// not list.
fn may_write_bases(before: &Registers, after: &Registers) -> bool {
    before.selectors == after.selectors
}

/// Floating-point instructions set flags in MXCSR; iced does not list that.
fn may_write_mxcsr(insn: &Instruction) -> bool {
    let features = insn.cpuid_features();
    let is_vector = features.iter().any(|feature| {
        let name = format!("{feature:?}");
        ["SSE", "AVX", "FMA", "F16C"].iter().any(|start| name.starts_with(start))
    });
    is_vector && !matches!(insn.mnemonic(), Mnemonic::Stmxcsr | Mnemonic::Vstmxcsr)
}

fn uses_x87(insn: &Instruction) -> bool {
    let is_mm = |nth| insn.op_register(nth).is_mm();
    let is_x87 = insn.cpuid_features().iter().any(|feature| {
        let name = format!("{feature:?}");
        name.starts_with("FPU") || name == "MMX"
    });
    is_x87 || (0..insn.op_count()).any(is_mm)
}

fn saves_or_loads_all(insn: &Instruction) -> bool {
    use Mnemonic::*;
    matches!(insn.mnemonic(), Fxrstor | Fxrstor64 | Xrstor | Xrstor64)
}

/// Instructions whose memory is not what their operand names: repeated, bit strings,
/// frames, areas whose size depends on registers, lanes that are masked.
fn reaches_further(insn: &Instruction) -> bool {
    use Mnemonic::*;
    insn.has_rep_prefix()
        || insn.has_repne_prefix()
        || matches!(
            insn.mnemonic(),
            Bt | Bts
                | Btr
                | Btc
                | Enter
                | Xsave
                | Xsave64
                | Xsavec
                | Xsavec64
                | Xsaveopt
                | Xsaveopt64
                | Fxsave
                | Fxsave64
                | Maskmovdqu
                | Maskmovq
                | Vmaskmovdqu
        )
}

/// First byte and length of memory that is written.
fn range(used: &UsedMemory, start: &Registers) -> Option<(u64, u64)> {
    if matches!(used.access(), OpAccess::Read | OpAccess::CondRead | OpAccess::NoMemAccess) {
        return None;
    }
    let address = used.virtual_address(0, |register, _, _| match register {
        Register::FS => Some(FS_BASE),
        Register::GS => Some(GS_BASE),
        _ if register.is_segment_register() => Some(0),
        _ if register.is_gpr() => {
            let value = start.gpr[register.full_register().number()];
            Some(if register.size() == 4 { value & 0xffff_ffff } else { value })
        }
        _ => None,
    })?;
    Some((address, used.memory_size().size() as u64))
}

fn memory(
    case: &Case,
    after: Side<'_>,
    image: &[u8],
    ranges: &[(u64, u64)],
    found: &mut Vec<Touched>,
) {
    let before = case.memory(image);
    let (data, stack) = before.split_at(DATA_BYTES as usize);
    if data == after.data && stack == after.stack {
        return;
    }
    let now = after.data.iter().chain(after.stack);
    for (offset, _) in before.iter().zip(now).enumerate().filter(|(_, (a, b))| a != b) {
        let at = image_address(offset);
        let listed = ranges.iter().any(|&(from, bytes)| at.wrapping_sub(from) < bytes);
        if !listed {
            found.push(Touched::Memory(at));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::case::{Ending, Fault, RSP};
    use super::super::super::layout::{DATA, IMAGE_BYTES};
    use super::*;
    use crate::conformance::case::Step;
    use iced_x86::{Code, MemoryOperand};

    /// What the tables say of a change that an instruction has made.
    fn touched(insn: Instruction, change: impl Fn(&mut Registers, &mut [u8])) -> Vec<Touched> {
        let mut start = Registers::default();
        start.gpr[1] = DATA;
        let steps = vec![Step { insn, skip: None }];
        let case = Case { steps, code: vec![], offsets: vec![0], start, patches: vec![] };
        let image = vec![0; IMAGE_BYTES];
        let mut memory = image.clone();
        let fault = Fault { vector: 3, error: 0, address: 0 };
        let mut ending = Ending { fault, registers: start };
        change(&mut ending.registers, &mut memory);
        Tables::default().check(&case, Side::new(&ending, &memory), &image)
    }

    #[test]
    fn legacy_sse_leaves_upper_halves_and_vex_does_not() {
        use Register::{XMM1, XMM2};
        let legacy = Instruction::with2(Code::Paddb_xmm_xmmm128, XMM1, XMM2).unwrap();
        let upper = |registers: &mut Registers, _: &mut [u8]| registers.vector[1] = [1, 1];
        assert_eq!(touched(legacy, upper), [Touched::Vector(1, 1)]);
        let vex = Code::VEX_Vpaddb_xmm_xmm_xmmm128;
        let vex = Instruction::with3(vex, XMM1, XMM1, XMM2).unwrap();
        assert_eq!(touched(vex, upper), []);
    }

    #[test]
    fn a_store_changes_its_bytes_and_nothing_else() {
        let at = MemoryOperand::with_base(Register::RCX);
        let store = Instruction::with2(Code::Mov_rm32_r32, at, Register::EAX).unwrap();
        let bytes = |registers: &mut Registers, memory: &mut [u8]| {
            registers.rflags |= RFlags::CF;
            registers.gpr[RSP] += 8;
            memory[..5].fill(1);
        };
        let found = touched(store, bytes);
        assert_eq!(
            found,
            [Touched::General(RSP), Touched::Flags(RFlags::CF), Touched::Memory(DATA + 4)]
        );
    }
}
