//! Ops with one memory operand.
//!
//! In a chain such an op has only the fast path, a tag compare and the bytes, and so
//! needs no stack frame; where that is not enough, the function of the op alone does it
//! through every check. After the fast path the next op follows without a look: only
//! the checks can raise attention.

use crate::cpu::Cpu;
use crate::dispatch::lower::Lowered;
use crate::event::exception::Faulted;
use crate::mem::access::MemWidth;
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op, alone, go_on};
use crate::regs::{LazyFlags, Width as _};

use iced_x86::Instruction;

/// How a chain computes the address of the operand.
pub(crate) trait Addressing: 'static {
    /// The linear address.
    fn linear(op: &Op, cpu: &Cpu) -> u64;
}

/// [`AddressKind::Plain`].
pub(crate) struct Plain;
/// [`AddressKind::Indexed`].
pub(crate) struct Indexed;

impl Addressing for Plain {
    #[inline(always)]
    fn linear(op: &Op, cpu: &Cpu) -> u64 {
        cpu.regs.gpr.get(op.base).wrapping_add(op.disp)
    }
}

impl Addressing for Indexed {
    #[inline(always)]
    fn linear(op: &Op, cpu: &Cpu) -> u64 {
        let index = cpu.regs.gpr.get(op.index) << (op.scale & 3);
        Plain::linear(op, cpu).wrapping_add(index)
    }
}

/// What an op does with a value that it loads; it cannot fault.
pub(crate) trait Load: 'static {
    /// Width of the operand.
    type Width: MemWidth;

    /// Uses the value.
    fn apply(cpu: &mut Cpu, op: &Op, value: u64);
}

/// What an op stores.
pub(crate) trait Store: 'static {
    /// Width of the operand.
    type Width: MemWidth;

    /// The value.
    fn value(cpu: &Cpu, op: &Op) -> u64;
}

/// How an op changes its operand.
pub(crate) trait Update: 'static {
    /// Width of the operand.
    type Width: MemWidth;

    /// The second operand.
    fn operand(cpu: &Cpu, op: &Op) -> u64;

    /// The new value, and its flags.
    fn change(flags: &mut LazyFlags, old: u64, operand: u64) -> u64;
}

/// The chain for the kind of address that an op has.
macro_rules! by_address {
    ($op:expr, $chain:ident $(, $param:ty)*) => {
        match $op.address_kind() {
            $crate::op::AddressKind::Plain => {
                $chain::<$($param,)* $crate::insn::memory::Plain> as $crate::op::ChainFn
            }
            $crate::op::AddressKind::Indexed => {
                $chain::<$($param,)* $crate::insn::memory::Indexed>
            }
            $crate::op::AddressKind::Other => $crate::op::alone,
        }
    };
}

/// An op that loads.
pub(crate) fn load_rule<T: Load>(insn: &Instruction) -> Option<Lowered> {
    let mut lowered = Lowered::plain(insn, load_checked::<T>)?;
    lowered.op.chain = by_address!(&lowered.op, load, T);
    Some(lowered)
}

/// An op that stores.
pub(crate) fn store_rule<T: Store>(insn: &Instruction) -> Option<Lowered> {
    let mut lowered = Lowered::plain(insn, store_checked::<T>)?;
    lowered.op.chain = by_address!(&lowered.op, store, T);
    Some(lowered)
}

/// An op that reads and writes.
pub(crate) fn update_rule<T: Update>(insn: &Instruction) -> Option<Lowered> {
    let mut lowered = Lowered::plain(insn, update_checked::<T>)?;
    lowered.op.chain = by_address!(&lowered.op, update, T);
    Some(lowered)
}

fn load<T: Load, A: Addressing>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
    rest: &[Op],
) -> Result<Flow, Faulted> {
    let Some(value) = T::Width::load_fast(cpu, mem, A::linear(op, cpu)) else {
        return alone(cpu, mem, op, rest);
    };
    T::apply(cpu, op, value);
    go_on(cpu, mem, rest)
}

fn load_checked<T: Load>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let value = T::Width::load(cpu, mem, op.linear(cpu))?;
    T::apply(cpu, op, value);
    Ok(cpu.completed())
}

fn store<T: Store, A: Addressing>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
    rest: &[Op],
) -> Result<Flow, Faulted> {
    let value = T::value(cpu, op);
    match T::Width::store_fast(cpu, mem, A::linear(op, cpu), value) {
        Some(()) => go_on(cpu, mem, rest),
        None => alone(cpu, mem, op, rest),
    }
}

fn store_checked<T: Store>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let value = T::value(cpu, op);
    T::Width::store(cpu, mem, op.linear(cpu), value)?;
    Ok(cpu.completed())
}

fn update<T: Update, A: Addressing>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
    rest: &[Op],
) -> Result<Flow, Faulted> {
    let linear = A::linear(op, cpu);
    let operand = T::operand(cpu, op);
    let Some(place) = cpu.tlbs.write.fast(linear, u64::from(T::Width::BYTES), cpu.mode) else {
        return alone(cpu, mem, op, rest);
    };
    let flags = &mut cpu.regs.status;
    match T::Width::replace(mem, place, |old| T::change(flags, old, operand)) {
        Some(()) => go_on(cpu, mem, rest),
        None => alone(cpu, mem, op, rest),
    }
}

fn update_checked<T: Update>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let linear = op.linear(cpu);
    let operand = T::operand(cpu, op);
    super::forms::update::<T::Width>(cpu, mem, linear, |flags, old| {
        T::change(flags, old, operand)
    })?;
    Ok(cpu.completed())
}
