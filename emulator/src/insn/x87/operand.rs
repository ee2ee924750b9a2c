//! What comes before every x87 instruction, operands, and what comes after.

use iced_x86::{Instruction, MemorySize};

use crate::alu::x87::convert::{from_bcd, from_integer, load, widen};
use crate::alu::x87::env::{Env, StackFault, flag};
use crate::alu::x87::format::F80;
use crate::alu::x87::round::Narrow;
use crate::cpu::Cpu;
use crate::dispatch::lower::Lowered;
use crate::event::exception::Faulted;
use crate::event::{Exception, Vector};
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op, OpFn};
use crate::regs::control::cr0;
use crate::regs::x87::{X87, status};

/// Lowers an instruction and notes its address for [`begin`].
pub(super) fn lowered(insn: &Instruction, run: OpFn) -> Option<Lowered> {
    let mut lowered = Lowered::plain(insn, run)?;
    lowered.op.imm = insn.ip();
    Some(lowered)
}

/// Refuses to start where the system wants to know of x87 use.
pub(super) fn check_enabled(cpu: &mut Cpu) -> Result<(), Faulted> {
    if cpu.regs.control.cr0 & (cr0::TS | cr0::EM) != 0 {
        return Err(cpu.raise(Exception::new(Vector::DeviceNotAvailable)));
    }
    Ok(())
}

/// The same, and raises #MF where an exception is pending: before any access to
/// memory (x86-debug rule P5).
pub(crate) fn wait(cpu: &mut Cpu) -> Result<(), Faulted> {
    check_enabled(cpu)?;
    if cpu.regs.x87.has_error() {
        return Err(cpu.raise(Exception::new(Vector::X87Error)));
    }
    Ok(())
}

/// Starts an instruction that is not a control instruction.
pub(super) fn begin(cpu: &mut Cpu) -> Result<Env, Faulted> {
    wait(cpu)?;
    Ok(Env::new(cpu.regs.x87.control()))
}

/// Ends an instruction that began with [`begin`].
pub(super) fn end(cpu: &mut Cpu, op: &Op, env: &Env) -> Flow {
    cpu.regs.x87.last_ip = op.imm;
    cpu.regs.x87.note(env);
    cpu.completed()
}

/// The same for FCMOVcc and FCOMI, which write C1 only for a stack fault (measured).
pub(super) fn end_without_c1(cpu: &mut Cpu, op: &Op, env: &Env) -> Flow {
    let mut env = *env;
    if env.raised & flag::SF == 0 {
        env.rounded_up = cpu.regs.x87.status_word() & status::C1 != 0;
    }
    end(cpu, op, &env)
}

/// What is done with the stack after an operation.
pub(super) trait After: 'static {
    /// How many times it is popped.
    const POPS: u8;
    /// Pops.
    fn pop(x87: &mut X87) {
        for _ in 0..Self::POPS {
            x87.pop();
        }
    }
}

/// The stack stays.
pub(super) struct Keep;
/// One pop.
pub(super) struct Pop;
/// Two.
pub(super) struct PopTwice;

impl After for Keep {
    const POPS: u8 = 0;
}

impl After for Pop {
    const POPS: u8 = 1;
}

impl After for PopTwice {
    const POPS: u8 = 2;
}

/// The second operand of an operation.
pub(super) trait Source: 'static {
    /// Gets it as it is; `None` for an empty register.
    fn fetch(
        cpu: &mut Cpu,
        mem: &mut PhysMem,
        op: &Op,
        env: &mut Env,
    ) -> Result<Option<F80>, Faulted>;
    /// What loading it on the stack makes of it.
    fn load(env: &mut Env, value: F80) -> F80 {
        let _ = env;
        value
    }
}

/// ST(src).
pub(super) struct St;
/// A 32-bit number.
pub(super) struct Float32;
/// A 64-bit number.
pub(super) struct Float64;
/// An 80-bit number.
pub(super) struct Float80;
/// A 16-bit integer.
pub(super) struct Int16;
/// A 32-bit integer.
pub(super) struct Int32;
/// A 64-bit integer.
pub(super) struct Int64;
/// A packed decimal.
pub(super) struct Bcd;
/// +0.
pub(super) struct Zero;

impl Source for St {
    fn fetch(
        cpu: &mut Cpu,
        _mem: &mut PhysMem,
        op: &Op,
        _env: &mut Env,
    ) -> Result<Option<F80>, Faulted> {
        Ok(cpu.regs.x87.st(op.src))
    }
}

impl Source for Zero {
    fn fetch(
        _cpu: &mut Cpu,
        _mem: &mut PhysMem,
        _op: &Op,
        _env: &mut Env,
    ) -> Result<Option<F80>, Faulted> {
        Ok(Some(F80::ZERO))
    }
}

/// Implements [`Source`] for the narrow formats.
macro_rules! float_source {
    ($source:ty, $int:ty, $format:expr) => {
        impl Source for $source {
            fn fetch(
                cpu: &mut Cpu,
                mem: &mut PhysMem,
                op: &Op,
                env: &mut Env,
            ) -> Result<Option<F80>, Faulted> {
                let bits = <$int>::from_le_bytes(cpu.load_bytes(mem, op.linear(cpu))?);
                Ok(Some(widen(env, $format, u64::from(bits))))
            }

            fn load(env: &mut Env, value: F80) -> F80 {
                load(env, value)
            }
        }
    };
}

float_source!(Float32, u32, Narrow::Single);
float_source!(Float64, u64, Narrow::Double);

/// Implements [`Source`] for operands that become a number without exceptions.
macro_rules! exact_source {
    ($source:ty, |$bytes:ident| $value:expr) => {
        impl Source for $source {
            fn fetch(
                cpu: &mut Cpu,
                mem: &mut PhysMem,
                op: &Op,
                _env: &mut Env,
            ) -> Result<Option<F80>, Faulted> {
                let $bytes = cpu.load_bytes(mem, op.linear(cpu))?;
                Ok(Some($value))
            }
        }
    };
}

exact_source!(Int16, |bytes| from_integer(i64::from(i16::from_le_bytes(bytes))));
exact_source!(Int32, |bytes| from_integer(i64::from(i32::from_le_bytes(bytes))));
exact_source!(Int64, |bytes| from_integer(i64::from_le_bytes(bytes)));

/// Bytes of an 80-bit operand.
const TEN: usize = 10;
/// Bytes of its significand, which is an access of its own (measured: a fault on the
/// rest comes after it, and leaves it stored).
const EIGHT: usize = 8;

/// Loads an 80-bit operand.
fn load_ten(cpu: &mut Cpu, mem: &mut PhysMem, linear: u64) -> Result<[u8; TEN], Faulted> {
    let low: [u8; EIGHT] = cpu.load_bytes(mem, linear)?;
    let high: [u8; TEN - EIGHT] = cpu.load_bytes(mem, linear.wrapping_add(EIGHT as u64))?;
    let mut bytes = [0; TEN];
    bytes[..EIGHT].copy_from_slice(&low);
    bytes[EIGHT..].copy_from_slice(&high);
    Ok(bytes)
}

/// Stores an 80-bit operand.
pub(super) fn store_ten(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    linear: u64,
    bytes: [u8; TEN],
) -> Result<(), Faulted> {
    let [a, b, c, d, e, f, g, h, high @ ..] = bytes;
    cpu.store_bytes(mem, linear, [a, b, c, d, e, f, g, h])?;
    cpu.store_bytes(mem, linear.wrapping_add(EIGHT as u64), high)
}

impl Source for Float80 {
    fn fetch(
        cpu: &mut Cpu,
        mem: &mut PhysMem,
        op: &Op,
        _env: &mut Env,
    ) -> Result<Option<F80>, Faulted> {
        load_ten(cpu, mem, op.linear(cpu)).map(|bytes| Some(F80::from_bytes(bytes)))
    }
}

impl Source for Bcd {
    fn fetch(
        cpu: &mut Cpu,
        mem: &mut PhysMem,
        op: &Op,
        _env: &mut Env,
    ) -> Result<Option<F80>, Faulted> {
        load_ten(cpu, mem, op.linear(cpu)).map(|bytes| Some(from_bcd(bytes)))
    }
}

/// The memory operand's format, if there is one.
pub(super) fn memory_size(insn: &Instruction) -> Option<MemorySize> {
    (0..insn.op_count())
        .any(|index| insn.op_kind(index) == iced_x86::OpKind::Memory)
        .then(|| insn.memory_size())
}

/// Both operands, or the result of a stack fault.
pub(super) fn both(env: &mut Env, a: Option<F80>, b: Option<F80>) -> Result<(F80, F80), F80> {
    match (a, b) {
        (Some(a), Some(b)) => Ok((a, b)),
        _ => Err(env.stack_fault(StackFault::Underflow)),
    }
}
