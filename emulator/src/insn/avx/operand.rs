//! Lengths, sources and op functions that VEX instructions share.
//!
//! In an op, `dst` is the destination, `src` the first source (VEX.vvvv) and `third`
//! the register of the last source, also where an instruction has only one source.
//! A fourth register (VBLENDVPS and its like) is in `imm`.

use iced_x86::{EncodingKind, Instruction, OpKind};

use crate::alu::float::{Env, FloatOp};
use crate::alu::simd::VectorOp;
use crate::cpu::Cpu;
use crate::dispatch::lower::Lowered;
use crate::event::exception::Faulted;
use crate::event::{Exception, Vector};
use crate::insn::sse::operand::commit;
use crate::mem::phys::PhysMem;
use crate::mem::tlb::NEVER_FAST;
use crate::op::{Flow, Op, OpFn};
use crate::regs::control::{cr0, cr4, xcr0};
use crate::regs::vector::VectorReg;

/// Refuses to start where the system has not enabled AVX, or wants to know of its
/// use (SDM vol. 1, 14.3; vol. 3A, 13.1). CR0.EM is not looked at.
#[inline(always)]
pub(crate) fn check_enabled(cpu: &mut Cpu) -> Result<(), Faulted> {
    let control = &cpu.regs.control;
    let off = control.cr0 & cr0::TS | !control.cr4 & cr4::OSXSAVE | !control.xcr0 & xcr0::AVX_STATE;
    if off == 0 { Ok(()) } else { Err(refuse(cpu)) }
}

#[cold]
fn refuse(cpu: &mut Cpu) -> Faulted {
    let control = &cpu.regs.control;
    let absent = !control.cr4 & cr4::OSXSAVE | !control.xcr0 & xcr0::AVX_STATE != 0;
    cpu.raise(if absent { Exception::ud() } else { Exception::new(Vector::DeviceNotAvailable) })
}

/// Does accesses whose alignment is not checked, whatever RFLAGS.AC says.
#[inline(always)]
pub(crate) fn without_alignment_check<T>(cpu: &mut Cpu, accesses: impl FnOnce(&mut Cpu) -> T) -> T {
    let checks = cpu.mode & NEVER_FAST;
    cpu.mode &= !NEVER_FAST;
    let result = accesses(cpu);
    cpu.mode |= checks;
    result
}

/// VEX.L: how many halves an instruction works on.
pub(crate) trait Length: 'static {
    /// Bytes of a full vector.
    const BYTES: u64;

    /// The result of both halves; the upper one is zero where it is not worked on.
    fn halves(low: impl FnOnce() -> u128, high: impl FnOnce() -> u128) -> VectorReg;

    /// Loads a full vector.
    fn load(cpu: &mut Cpu, mem: &mut PhysMem, linear: u64) -> Result<VectorReg, Faulted>;

    /// Stores a full vector.
    fn store(
        cpu: &mut Cpu,
        mem: &mut PhysMem,
        linear: u64,
        value: VectorReg,
    ) -> Result<(), Faulted>;
}

/// VEX.128.
pub(crate) struct L128;
/// VEX.256.
pub(crate) struct L256;

/// A value that is zero above bit 127.
#[inline(always)]
pub(crate) fn low(value: u128) -> VectorReg {
    VectorReg { lo: value, hi: 0 }
}

impl Length for L128 {
    const BYTES: u64 = 16;

    #[inline(always)]
    fn halves(lower: impl FnOnce() -> u128, _high: impl FnOnce() -> u128) -> VectorReg {
        low(lower())
    }

    #[inline(always)]
    fn load(cpu: &mut Cpu, mem: &mut PhysMem, linear: u64) -> Result<VectorReg, Faulted> {
        cpu.load_bytes(mem, linear).map(|bytes| low(u128::from_le_bytes(bytes)))
    }

    #[inline(always)]
    fn store(
        cpu: &mut Cpu,
        mem: &mut PhysMem,
        linear: u64,
        value: VectorReg,
    ) -> Result<(), Faulted> {
        cpu.store_bytes(mem, linear, value.lo.to_le_bytes())
    }
}

impl Length for L256 {
    const BYTES: u64 = 32;

    #[inline(always)]
    fn halves(lower: impl FnOnce() -> u128, high: impl FnOnce() -> u128) -> VectorReg {
        let lo = lower();
        VectorReg { lo, hi: high() }
    }

    #[inline(always)]
    fn load(cpu: &mut Cpu, mem: &mut PhysMem, linear: u64) -> Result<VectorReg, Faulted> {
        cpu.load_bytes(mem, linear).map(VectorReg::from_le_bytes)
    }

    #[inline(always)]
    fn store(
        cpu: &mut Cpu,
        mem: &mut PhysMem,
        linear: u64,
        value: VectorReg,
    ) -> Result<(), Faulted> {
        cpu.store_bytes(mem, linear, value.to_le_bytes())
    }
}

/// Where the last source of an op is.
pub(crate) trait Source: 'static {
    /// Gets it; what it has not is zero.
    fn fetch<L: Length>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<VectorReg, Faulted>;
    /// How the instruction goes on.
    fn flow(cpu: &Cpu) -> Flow;
}

/// A vector register.
pub(crate) struct Reg;
/// A full vector in memory.
pub(crate) struct Mem;
/// 16 bytes of memory, whatever the length.
pub(crate) struct Mem128;
/// 8 bytes of memory.
pub(crate) struct Mem64;
/// 4 bytes of memory.
pub(crate) struct Mem32;
/// 2 bytes of memory.
pub(crate) struct Mem16;
/// 1 byte of memory.
pub(crate) struct Mem8;

impl Source for Reg {
    #[inline(always)]
    fn fetch<L: Length>(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<VectorReg, Faulted> {
        Ok(cpu.regs.vector.ymm(op.third))
    }

    #[inline(always)]
    fn flow(_cpu: &Cpu) -> Flow {
        Flow::Next
    }
}

impl Source for Mem {
    #[inline(always)]
    fn fetch<L: Length>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<VectorReg, Faulted> {
        L::load(cpu, mem, op.linear(cpu))
    }

    #[inline(always)]
    fn flow(cpu: &Cpu) -> Flow {
        cpu.completed()
    }
}

/// Implements [`Source`] for a number of bytes of memory.
macro_rules! narrow_source {
    ($source:ty, $int:ty) => {
        impl Source for $source {
            #[inline(always)]
            fn fetch<L: Length>(
                cpu: &mut Cpu,
                mem: &mut PhysMem,
                op: &Op,
            ) -> Result<VectorReg, Faulted> {
                let bytes = cpu.load_bytes(mem, op.linear(cpu))?;
                Ok(low(<$int>::from_le_bytes(bytes) as u128))
            }

            #[inline(always)]
            fn flow(cpu: &Cpu) -> Flow {
                cpu.completed()
            }
        }
    };
}

narrow_source!(Mem128, u128);
narrow_source!(Mem64, u64);
narrow_source!(Mem32, u32);
narrow_source!(Mem16, u16);
narrow_source!(Mem8, u8);

/// What the upper half takes for its immediate byte.
pub(crate) trait HighImm: 'static {
    /// Bits of the immediate that belong to the lower half alone.
    const SHIFT: u32;
}

/// The same as the lower half.
pub(crate) struct SameImm;
/// The bits after those of the lower half.
pub(crate) struct NextBits<const BITS: u32>;

impl HighImm for SameImm {
    const SHIFT: u32 = 0;
}

impl<const BITS: u32> HighImm for NextBits<BITS> {
    const SHIFT: u32 = BITS;
}

/// Instances of an op function: `[L128, L256]` by `[register, memory]`.
pub(crate) type Instances = [[OpFn; 2]; 2];

/// The instances of a generic op function, its last two parameters being length and
/// source; the parameters before are given.
macro_rules! instances {
    ($function:ident $(, $param:ty)*; $memory:ty) => {
        [
            [
                $function::<$($param,)* $crate::insn::avx::operand::L128,
                    $crate::insn::avx::operand::Reg> as $crate::op::OpFn,
                $function::<$($param,)* $crate::insn::avx::operand::L128, $memory>,
            ],
            [
                $function::<$($param,)* $crate::insn::avx::operand::L256,
                    $crate::insn::avx::operand::Reg>,
                $function::<$($param,)* $crate::insn::avx::operand::L256, $memory>,
            ],
        ]
    };
}
pub(crate) use instances;

/// Whether an instruction works on 256 bits: one of its operands is a YMM register or
/// as large.
pub(crate) fn is_256(insn: &Instruction) -> bool {
    insn.memory_size().size() == L256::BYTES as usize
        || (0..insn.op_count()).any(|index| {
            insn.op_kind(index) == OpKind::Register && insn.op_register(index).is_ymm()
        })
}

/// The op of a VEX instruction whose last source is operand `last` (1 or 2): the
/// instance by length and by where that source is.
pub(crate) fn vex(insn: &Instruction, last: u32, instances: Instances) -> Option<Lowered> {
    let source = match insn.op_kind(last) {
        OpKind::Register => 0,
        OpKind::Memory => 1,
        _ => return None,
    };
    let mut lowered = encoded(insn, instances[usize::from(is_256(insn))][source])?;
    if last == 1 && source == 0 {
        lowered.op.third = lowered.op.src;
    }
    Some(lowered)
}

/// The same for an instruction that never works on more than 128 bits: the instances
/// by where the last source is.
pub(crate) fn vex_128(insn: &Instruction, last: u32, instances: [OpFn; 2]) -> Option<Lowered> {
    vex(insn, last, [instances; 2])
}

/// A plain op, if the instruction is in VEX encoding.
pub(crate) fn encoded(insn: &Instruction, run: OpFn) -> Option<Lowered> {
    (insn.encoding() == EncodingKind::VEX).then(|| Lowered::plain(insn, run))?
}

/// Two sources, each half by itself.
pub(crate) fn binary_rule<O: VectorOp>(insn: &Instruction) -> Option<Lowered> {
    vex(insn, 2, instances!(packed, O, SameImm; Mem))
}

/// Two sources, and an immediate with bits for each half.
pub(crate) fn binary_imm_rule<O: VectorOp, H: HighImm>(insn: &Instruction) -> Option<Lowered> {
    vex(insn, 2, instances!(packed, O, H; Mem))
}

/// One source, each half by itself: the second operand of the operation.
pub(crate) fn unary_rule<O: VectorOp>(insn: &Instruction) -> Option<Lowered> {
    vex(insn, 1, instances!(packed, O, SameImm; Mem))
}

/// Applies the operation to both halves of two sources.
pub(crate) fn packed<O: VectorOp, H: HighImm, L: Length, S: Source>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let b = S::fetch::<L>(cpu, mem, op)?;
    let a = cpu.regs.vector.ymm(op.src);
    let imm = op.imm as u8;
    let result = L::halves(|| O::apply(a.lo, b.lo, imm), || O::apply(a.hi, b.hi, imm >> H::SHIFT));
    cpu.regs.vector.set_ymm(op.dst, result);
    Ok(S::flow(cpu))
}

/// Two sources of floating-point numbers, each half by itself.
pub(crate) fn float_rule<O: FloatOp>(insn: &Instruction) -> Option<Lowered> {
    vex(insn, 2, instances!(float, O; Mem))
}

/// One source of floating-point numbers, each half by itself.
pub(crate) fn float_unary_rule<O: FloatOp>(insn: &Instruction) -> Option<Lowered> {
    vex(insn, 1, instances!(float, O; Mem))
}

/// A scalar operation: the low lane of the last source, which is `M` in memory; the
/// lanes above are those of the first source, up to bit 127.
pub(crate) fn scalar_rule<O: FloatOp, M: Source>(insn: &Instruction) -> Option<Lowered> {
    vex_128(insn, 2, [scalar::<O, Reg>, scalar::<O, M>])
}

/// Applies the operation to 128 bits. Not inlined: the lanes of a vector are much
/// code, which lengths and sources share.
#[inline(never)]
fn half<O: FloatOp>(env: &mut Env, a: u128, b: u128, imm: u8) -> u128 {
    O::apply(env, a, b, imm)
}

/// Applies the operation to both halves; an unmasked exception in either leaves the
/// destination alone.
pub(crate) fn float<O: FloatOp, L: Length, S: Source>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let b = S::fetch::<L>(cpu, mem, op)?;
    let a = cpu.regs.vector.ymm(op.src);
    let imm = op.imm as u8;
    let mut env = Env::new(cpu.regs.vector.mxcsr);
    let lo = half::<O>(&mut env, a.lo, b.lo, imm);
    let result = L::halves(|| lo, || half::<O>(&mut env, a.hi, b.hi, imm));
    commit(cpu, env)?;
    cpu.regs.vector.set_ymm(op.dst, result);
    Ok(S::flow(cpu))
}

/// Applies the operation to the low lane, and keeps the first source's others.
fn scalar<O: FloatOp, S: Source>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let b = S::fetch::<L128>(cpu, mem, op)?.lo;
    let a = cpu.regs.vector.xmm(op.src);
    let mut env = Env::new(cpu.regs.vector.mxcsr);
    let result = O::apply(&mut env, a, b, op.imm as u8);
    commit(cpu, env)?;
    cpu.regs.vector.set_ymm(op.dst, low(result));
    Ok(S::flow(cpu))
}
