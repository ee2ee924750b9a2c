//! PCMPESTRI, PCMPESTRM, PCMPISTRI, PCMPISTRM (SDM vol. 1, 12.10.4.2).

use iced_x86::{Instruction, Mnemonic};

use super::operand::{Loose128, Operand, Source, Xmm, check_enabled, operands};
use crate::alu::simd::strings::{Comparison, Lengths, compare};
use crate::cpu::Cpu;
use crate::dispatch::lower::{Family, Lowered};
use crate::event::exception::Faulted;
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op, OpFn};
use crate::regs::gpr::reg::{RAX, RCX, RDX};
use crate::regs::{B32, B64, LazyFlags, RFlags, Width};

/// Instructions of this family.
pub(crate) const FAMILY: Family = &[
    (Mnemonic::Pcmpistri, rule::<Terminated, Index>),
    (Mnemonic::Pcmpistrm, rule::<Terminated, Mask>),
    (Mnemonic::Pcmpestri, rule::<Counted<B32>, Index>),
    (Mnemonic::Pcmpestrm, rule::<Counted<B32>, Mask>),
    (Mnemonic::Pcmpestri64, rule::<Counted<B64>, Index>),
    (Mnemonic::Pcmpestrm64, rule::<Counted<B64>, Mask>),
];

/// Where the lengths of the strings are.
pub(crate) trait Measure: 'static {
    /// Gets them.
    fn lengths(cpu: &Cpu) -> Lengths;
}

/// In the strings: they end before the first zero.
pub(crate) struct Terminated;
/// In EAX and EDX, or RAX and RDX.
pub(crate) struct Counted<W>(std::marker::PhantomData<W>);

impl Measure for Terminated {
    #[inline(always)]
    fn lengths(_cpu: &Cpu) -> Lengths {
        Lengths::Implicit
    }
}

impl<W: Width> Measure for Counted<W> {
    #[inline(always)]
    fn lengths(cpu: &Cpu) -> Lengths {
        let signed = |reg: u8| W::sign_extend(cpu.regs.gpr.get(reg)) as i64;
        Lengths::Explicit { a: signed(RAX), b: signed(RDX) }
    }
}

/// Where the result goes.
pub(crate) trait Target: 'static {
    /// Writes it.
    fn write(cpu: &mut Cpu, comparison: &Comparison, imm: u8);
}

/// To ECX, as a number.
pub(crate) struct Index;
/// To XMM0, as a mask.
struct Mask;

impl Target for Index {
    #[inline(always)]
    fn write(cpu: &mut Cpu, comparison: &Comparison, imm: u8) {
        cpu.regs.gpr.set(RCX, u64::from(comparison.index(imm)));
    }
}

impl Target for Mask {
    #[inline(always)]
    fn write(cpu: &mut Cpu, comparison: &Comparison, imm: u8) {
        cpu.regs.vector.set_xmm(0, comparison.mask(imm));
    }
}

fn rule<M: Measure, T: Target>(insn: &Instruction) -> Option<Lowered> {
    let run: OpFn = match operands(insn) {
        (Operand::Xmm, Operand::Xmm) => compare_strings::<M, T, Xmm>,
        (Operand::Xmm, Operand::Memory) => compare_strings::<M, T, Loose128>,
        _ => return None,
    };
    Lowered::plain(insn, run)
}

fn compare_strings<M: Measure, T: Target, S: Source>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let b = S::fetch(cpu, mem, op)?;
    let imm = op.imm as u8;
    let comparison = compare(cpu.regs.vector.xmm(op.dst), b, M::lengths(cpu), imm);
    T::write(cpu, &comparison, imm);
    cpu.regs.status = flags_of(&comparison);
    Ok(S::flow(cpu))
}

/// How a comparison shows in RFLAGS; PF and AF are cleared.
#[inline(always)]
pub(crate) fn flags_of(comparison: &Comparison) -> LazyFlags {
    let bit = |set: bool, flag: u64| if set { flag } else { 0 };
    LazyFlags::from_image(
        bit(comparison.found(), RFlags::CF)
            | bit(comparison.ends_b, RFlags::ZF)
            | bit(comparison.ends_a, RFlags::SF)
            | bit(comparison.first(), RFlags::OF),
    )
}
