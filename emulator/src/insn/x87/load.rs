//! To the register stack and from it: FLD, FST, FILD, FIST, FISTTP, FBLD, FBSTP,
//! FXCH, FCMOVcc and the constants.

use iced_x86::{Instruction, MemorySize, Mnemonic};

use super::operand::{
    After, Bcd, Float32, Float64, Float80, Int16, Int32, Int64, Keep, Pop, Source, begin, both,
    end, end_without_c1, lowered, memory_size, store_ten,
};
use crate::alu::float::Rounding;
use crate::alu::x87::convert::{narrow, to_bcd, to_integer};
use crate::alu::x87::env::{Env, StackFault, flag};
use crate::alu::x87::format::F80;
use crate::alu::x87::round::Narrow;
use crate::cpu::Cpu;
use crate::dispatch::lower::{Family, Lowered};
use crate::event::exception::Faulted;
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op, OpFn};
use crate::regs::RFlags;

/// Instructions of this family.
pub(crate) const FAMILY: Family = &[
    (Mnemonic::Fld, fld_rule),
    (Mnemonic::Fild, fild_rule),
    (Mnemonic::Fbld, |insn| lowered(insn, push_from::<Bcd>)),
    (Mnemonic::Fst, fst_rule::<Keep>),
    (Mnemonic::Fstp, fst_rule::<Pop>),
    (Mnemonic::Fstpnce, |insn| lowered(insn, fstpnce)),
    (Mnemonic::Fist, fist_rule::<Current, Keep>),
    (Mnemonic::Fistp, fist_rule::<Current, Pop>),
    (Mnemonic::Fisttp, fist_rule::<Truncated, Pop>),
    (Mnemonic::Fbstp, |insn| lowered(insn, store::<Bcd, Pop>)),
    (Mnemonic::Fxch, |insn| lowered(insn, fxch)),
    (Mnemonic::Fld1, |insn| lowered(insn, constant::<0>)),
    (Mnemonic::Fldl2t, |insn| lowered(insn, constant::<1>)),
    (Mnemonic::Fldl2e, |insn| lowered(insn, constant::<2>)),
    (Mnemonic::Fldpi, |insn| lowered(insn, constant::<3>)),
    (Mnemonic::Fldlg2, |insn| lowered(insn, constant::<4>)),
    (Mnemonic::Fldln2, |insn| lowered(insn, constant::<5>)),
    (Mnemonic::Fldz, |insn| lowered(insn, constant::<6>)),
    (Mnemonic::Fcmovb, |insn| lowered(insn, cmov::<{ RFlags::CF }, true>)),
    (Mnemonic::Fcmove, |insn| lowered(insn, cmov::<{ RFlags::ZF }, true>)),
    (Mnemonic::Fcmovbe, |insn| lowered(insn, cmov::<{ RFlags::CF | RFlags::ZF }, true>)),
    (Mnemonic::Fcmovu, |insn| lowered(insn, cmov::<{ RFlags::PF }, true>)),
    (Mnemonic::Fcmovnb, |insn| lowered(insn, cmov::<{ RFlags::CF }, false>)),
    (Mnemonic::Fcmovne, |insn| lowered(insn, cmov::<{ RFlags::ZF }, false>)),
    (Mnemonic::Fcmovnbe, |insn| lowered(insn, cmov::<{ RFlags::CF | RFlags::ZF }, false>)),
    (Mnemonic::Fcmovnu, |insn| lowered(insn, cmov::<{ RFlags::PF }, false>)),
];

fn fld_rule(insn: &Instruction) -> Option<Lowered> {
    let run: OpFn = match memory_size(insn) {
        None => fld_st,
        Some(MemorySize::Float32) => push_from::<Float32>,
        Some(MemorySize::Float64) => push_from::<Float64>,
        Some(MemorySize::Float80) => push_from::<Float80>,
        Some(_) => return None,
    };
    lowered(insn, run)
}

fn fild_rule(insn: &Instruction) -> Option<Lowered> {
    let run: OpFn = match memory_size(insn)? {
        MemorySize::Int16 => push_from::<Int16>,
        MemorySize::Int32 => push_from::<Int32>,
        MemorySize::Int64 => push_from::<Int64>,
        _ => return None,
    };
    lowered(insn, run)
}

/// Pushes a value, or what a stack fault leaves.
fn push(cpu: &mut Cpu, env: &mut Env, value: impl FnOnce(&mut Env) -> F80) {
    let value =
        if cpu.regs.x87.has_room() { value(env) } else { env.stack_fault(StackFault::Overflow) };
    // A load is done in spite of an unmasked denormal exception (measured).
    if env.unmasked() & flag::IE == 0 {
        cpu.regs.x87.push(value);
    }
}

fn push_from<S: Source>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let mut env = begin(cpu)?;
    let value = S::fetch(cpu, mem, op, &mut env)?;
    push(cpu, &mut env, |env| S::load(env, value.unwrap_or(F80::INDEFINITE)));
    Ok(end(cpu, op, &env))
}

fn fld_st(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let mut env = begin(cpu)?;
    // An empty source comes before a full stack (measured).
    match cpu.regs.x87.st(op.dst) {
        Some(value) => push(cpu, &mut env, |_| value),
        None => {
            let indefinite = env.stack_fault(StackFault::Underflow);
            if !env.aborts() {
                cpu.regs.x87.push(indefinite);
            }
        }
    }
    Ok(end(cpu, op, &env))
}

/// A constant as 64 bits that are too small, and the rounding that adds one.
struct Constant {
    truncated: F80,
    /// What the bits below the last come to.
    below: Below,
}

/// Bits below the last kept one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Below {
    Nothing,
    UnderHalf,
    OverHalf,
}

/// log2 10, log2 e, pi, log10 2 and ln 2 between the exact 1 and 0.
const CONSTANTS: [Constant; 7] = [
    Constant { truncated: F80::ONE, below: Below::Nothing },
    Constant { truncated: F80 { sig: 0xd49a_784b_cd1b_8afe, se: 0x4000 }, below: Below::UnderHalf },
    Constant { truncated: F80 { sig: 0xb8aa_3b29_5c17_f0bb, se: 0x3fff }, below: Below::OverHalf },
    Constant { truncated: F80 { sig: 0xc90f_daa2_2168_c234, se: 0x4000 }, below: Below::OverHalf },
    Constant { truncated: F80 { sig: 0x9a20_9a84_fbcf_f798, se: 0x3ffd }, below: Below::OverHalf },
    Constant { truncated: F80 { sig: 0xb172_17f7_d1cf_79ab, se: 0x3ffe }, below: Below::OverHalf },
    Constant { truncated: F80::ZERO, below: Below::Nothing },
];

/// Pushes a constant, rounded as the control word says but without exceptions.
fn constant<const N: usize>(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let mut env = begin(cpu)?;
    let Constant { truncated, below } = CONSTANTS[N];
    let up = match env.rounding() {
        Rounding::Nearest => below == Below::OverHalf,
        Rounding::Up => below != Below::Nothing,
        Rounding::Down | Rounding::Zero => false,
    };
    push(cpu, &mut env, |_| F80 { sig: truncated.sig + u64::from(up), ..truncated });
    Ok(end(cpu, op, &env))
}

/// A format that ST(0) is stored in.
trait Target: 'static {
    /// The bytes as an array.
    type Bytes;
    /// Converts.
    fn convert(env: &mut Env, value: F80) -> Self::Bytes;
    /// Stores.
    fn write(
        cpu: &mut Cpu,
        mem: &mut PhysMem,
        linear: u64,
        bytes: Self::Bytes,
    ) -> Result<(), Faulted>;
}

/// Implements [`Target`] for a format that converts to an array.
macro_rules! target {
    ($target:ty, $bytes:literal, $store:expr, |$env:ident, $value:ident| $convert:expr) => {
        impl Target for $target {
            type Bytes = [u8; $bytes];

            fn convert($env: &mut Env, $value: F80) -> Self::Bytes {
                $convert
            }

            fn write(
                cpu: &mut Cpu,
                mem: &mut PhysMem,
                linear: u64,
                bytes: Self::Bytes,
            ) -> Result<(), Faulted> {
                $store(cpu, mem, linear, bytes)
            }
        }
    };
}

/// Rounding of an integer store by the control word.
struct Current;
/// Towards zero.
struct Truncated;

/// How an integer store rounds.
trait IntegerRounding: 'static {
    /// A signed integer of so many bits.
    fn integer(env: &mut Env, value: F80, bits: u32) -> i64;
}

impl IntegerRounding for Current {
    fn integer(env: &mut Env, value: F80, bits: u32) -> i64 {
        to_integer(env, value, bits)
    }
}

impl IntegerRounding for Truncated {
    fn integer(env: &mut Env, value: F80, bits: u32) -> i64 {
        let mut truncating = env.with_truncation();
        let result = to_integer(&mut truncating, value, bits);
        env.raised = truncating.raised;
        result
    }
}

/// An integer of `BITS` bits.
struct Integer<R, const BITS: u32>(std::marker::PhantomData<R>);

/// Implements [`Target`] for an integer of a width.
macro_rules! integer_target {
    ($int:ty, $bits:literal, $bytes:literal) => {
        impl<R: IntegerRounding> Target for Integer<R, $bits> {
            type Bytes = [u8; $bytes];

            fn convert(env: &mut Env, value: F80) -> Self::Bytes {
                (R::integer(env, value, $bits) as $int).to_le_bytes()
            }

            fn write(
                cpu: &mut Cpu,
                mem: &mut PhysMem,
                linear: u64,
                bytes: Self::Bytes,
            ) -> Result<(), Faulted> {
                cpu.store_bytes(mem, linear, bytes)
            }
        }
    };
}

target!(Float32, 4, Cpu::store_bytes, |env, value| {
    (narrow(env, Narrow::Single, value) as u32).to_le_bytes()
});
target!(Float64, 8, Cpu::store_bytes, |env, value| {
    narrow(env, Narrow::Double, value).to_le_bytes()
});
target!(Float80, 10, store_ten, |_env, value| value.to_bytes());
target!(Bcd, 10, store_ten, |env, value| to_bcd(env, value));
integer_target!(i16, 16, 2);
integer_target!(i32, 32, 4);
integer_target!(i64, 64, 8);

fn fst_rule<P: After>(insn: &Instruction) -> Option<Lowered> {
    let run: OpFn = match memory_size(insn) {
        None => fst_st::<P>,
        Some(MemorySize::Float32) => store::<Float32, P>,
        Some(MemorySize::Float64) => store::<Float64, P>,
        Some(MemorySize::Float80) => store::<Float80, P>,
        Some(_) => return None,
    };
    lowered(insn, run)
}

/// FSTPNCE, D9 D8+i: an FSTP that takes an empty ST(0) for no fault and then only
/// pops (measured; the manual lists it as reserved).
fn fstpnce(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let env = begin(cpu)?;
    if let Some(value) = cpu.regs.x87.st(0) {
        cpu.regs.x87.set_st(op.dst, value);
    }
    cpu.regs.x87.pop();
    Ok(end(cpu, op, &env))
}

fn fist_rule<R: IntegerRounding, P: After>(insn: &Instruction) -> Option<Lowered> {
    let run: OpFn = match memory_size(insn)? {
        MemorySize::Int16 => store::<Integer<R, 16>, P>,
        MemorySize::Int32 => store::<Integer<R, 32>, P>,
        MemorySize::Int64 => store::<Integer<R, 64>, P>,
        _ => return None,
    };
    lowered(insn, run)
}

/// Stores ST(0). An unmasked exception other than PE stores nothing and leaves
/// the stack.
fn store<T: Target, P: After>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    /// Exceptions that suppress the store.
    const SUPPRESS: u16 = flag::IE | flag::OE | flag::UE;
    let mut env = begin(cpu)?;
    let value = cpu.regs.x87.st(0);
    let value = value.unwrap_or_else(|| env.stack_fault(StackFault::Underflow));
    let bytes = T::convert(&mut env, value);
    if env.unmasked() & SUPPRESS == 0 {
        T::write(cpu, mem, op.linear(cpu), bytes)?;
        P::pop(&mut cpu.regs.x87);
    }
    Ok(end(cpu, op, &env))
}

fn fst_st<P: After>(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let mut env = begin(cpu)?;
    let value = cpu.regs.x87.st(0);
    let value = value.unwrap_or_else(|| env.stack_fault(StackFault::Underflow));
    if !env.aborts() {
        cpu.regs.x87.set_st(op.dst, value);
        P::pop(&mut cpu.regs.x87);
    }
    Ok(end(cpu, op, &env))
}

/// Exchanges; an empty register counts as the indefinite.
fn fxch(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let mut env = begin(cpu)?;
    let (a, b) = (cpu.regs.x87.st(0), cpu.regs.x87.st(op.src));
    if a.is_none() || b.is_none() {
        env.stack_fault(StackFault::Underflow);
    }
    if !env.aborts() {
        cpu.regs.x87.set_st(0, b.unwrap_or(F80::INDEFINITE));
        cpu.regs.x87.set_st(op.src, a.unwrap_or(F80::INDEFINITE));
    }
    Ok(end(cpu, op, &env))
}

/// Moves ST(i) to ST(0) if any of the flags (or none, for `WANTED` false) is set.
fn cmov<const FLAGS: u64, const WANTED: bool>(
    cpu: &mut Cpu,
    _mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    let mut env = begin(cpu)?;
    let taken = (cpu.regs.rflags() & FLAGS != 0) == WANTED;
    let (a, b) = (cpu.regs.x87.st(0), cpu.regs.x87.st(op.src));
    let result = match both(&mut env, a, b) {
        Ok((_, b)) if taken => b,
        Ok((a, _)) => a,
        Err(indefinite) => indefinite,
    };
    if !env.aborts() {
        cpu.regs.x87.set_st(0, result);
    }
    Ok(end_without_c1(cpu, op, &env))
}
