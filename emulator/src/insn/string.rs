//! String instructions, alone and repeated (SDM vol. 1, 7.3.9; rules R8.1 to R8.5).
//!
//! A repeated instruction leaves its loop as soon as anything waits at the boundary
//! between two iterations, with its registers as of the completed iterations.

use iced_x86::{CodeSize, Instruction, Mnemonic, OpKind};

use super::port;
use crate::alu::arith::{Binary, Cmp};
use crate::cpu::Cpu;
use crate::dispatch::lower::{
    Ends, Family, Lowered, address_size, implicit_address_size, operands,
};
use crate::event::exception::Faulted;
use crate::mem::access::MemWidth;
use crate::mem::phys::PhysMem;
use crate::mem::segment::Intent;
use crate::op::{AddressSize, Flow, Op, OpFn};
use crate::regs::gpr::reg::{RAX, RCX, RDI, RSI};
use crate::regs::{B8, B16, B32, B64, RFlags, SegmentReg};
use crate::timing::AccessKind;

/// Instructions of this family.
pub(crate) const FAMILY: Family = &[
    (Mnemonic::Movsb, |insn| rule::<Movs, B8>(insn)),
    (Mnemonic::Movsw, |insn| rule::<Movs, B16>(insn)),
    (Mnemonic::Movsd, |insn| rule::<Movs, B32>(insn)),
    (Mnemonic::Movsq, |insn| rule::<Movs, B64>(insn)),
    (Mnemonic::Stosb, |insn| rule::<Stos, B8>(insn)),
    (Mnemonic::Stosw, |insn| rule::<Stos, B16>(insn)),
    (Mnemonic::Stosd, |insn| rule::<Stos, B32>(insn)),
    (Mnemonic::Stosq, |insn| rule::<Stos, B64>(insn)),
    (Mnemonic::Lodsb, |insn| rule::<Lods, B8>(insn)),
    (Mnemonic::Lodsw, |insn| rule::<Lods, B16>(insn)),
    (Mnemonic::Lodsd, |insn| rule::<Lods, B32>(insn)),
    (Mnemonic::Lodsq, |insn| rule::<Lods, B64>(insn)),
    (Mnemonic::Cmpsb, |insn| rule::<Cmps, B8>(insn)),
    (Mnemonic::Cmpsw, |insn| rule::<Cmps, B16>(insn)),
    (Mnemonic::Cmpsd, |insn| rule::<Cmps, B32>(insn)),
    (Mnemonic::Cmpsq, |insn| rule::<Cmps, B64>(insn)),
    (Mnemonic::Scasb, |insn| rule::<Scas, B8>(insn)),
    (Mnemonic::Scasw, |insn| rule::<Scas, B16>(insn)),
    (Mnemonic::Scasd, |insn| rule::<Scas, B32>(insn)),
    (Mnemonic::Scasq, |insn| rule::<Scas, B64>(insn)),
    (Mnemonic::Insb, |insn| port_rule::<Ins, B8>(insn)),
    (Mnemonic::Insw, |insn| port_rule::<Ins, B16>(insn)),
    (Mnemonic::Insd, |insn| port_rule::<Ins, B32>(insn)),
    (Mnemonic::Outsb, |insn| port_rule::<Outs, B8>(insn)),
    (Mnemonic::Outsw, |insn| port_rule::<Outs, B16>(insn)),
    (Mnemonic::Outsd, |insn| port_rule::<Outs, B32>(insn)),
];

/// A repeated instruction lets the run loop look at the clock whenever its count is a
/// multiple of this...
const PACE: u64 = 4096;
/// ...and takes these cycles then, so that any deadline comes: a function of the
/// count alone, so that it does not matter where runs begin and end.
const PACE_CYCLES: u64 = 1024;

/// What one iteration does.
trait Iteration: 'static {
    /// Whether REPE and REPNE end it by ZF.
    const COMPARES: bool = false;
    /// Index registers that a repetition with 32-bit addresses zero-extends before its
    /// first iteration, as RCX (measured); others are when they move.
    const EXTENDED: &[u8] = &[];
    /// What is checked even where the count is zero.
    #[inline(always)]
    fn check<W: MemWidth>(_cpu: &mut Cpu, _mem: &mut PhysMem) -> Result<(), Faulted> {
        Ok(())
    }

    /// One iteration, without counting.
    fn once<W: MemWidth>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<(), Faulted>;
}

struct Movs;
struct Stos;
struct Lods;
struct Cmps;
struct Scas;
struct Ins;
struct Outs;

/// An index register with the address size of the instruction.
#[inline(always)]
fn index(cpu: &Cpu, op: &Op, reg: u8) -> u64 {
    let value = cpu.regs.gpr.get(reg);
    value & op.address.mask()
}

/// Sets as much of a register as the address size has; 32 bits clear the upper half.
#[inline(always)]
pub(super) fn set_index(cpu: &mut Cpu, op: &Op, reg: u8, value: u64) {
    let kept =
        if op.address == AddressSize::Legacy16 { cpu.regs.gpr.get(reg) & !0xffff } else { 0 };
    cpu.regs.gpr.set(reg, kept | value & op.address.mask());
}

/// Moves an index register by one element.
#[inline(always)]
fn advance<W: MemWidth>(cpu: &mut Cpu, op: &Op, reg: u8) {
    let bytes = u64::from(W::BYTES);
    let backwards = cpu.regs.system_flags & RFlags::DF != 0;
    let step = if backwards { bytes.wrapping_neg() } else { bytes };
    let next = index(cpu, op, reg).wrapping_add(step);
    set_index(cpu, op, reg, next);
}

#[inline(always)]
fn source<W: MemWidth>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<u64, Faulted> {
    let offset = index(cpu, op, RSI);
    cpu.check_operand(op, op.seg, offset, W::BYTES, Intent::Read)?;
    let linear = op.linear_of(cpu, offset);
    cpu.time_access(mem, AccessKind::Load, linear, W::BYTES);
    W::load(cpu, mem, linear)
}

/// Linear address of the element at rDI, which is always in ES.
#[inline(always)]
fn destination_address(cpu: &mut Cpu, op: &Op, bytes: u32, intent: Intent) -> Result<u64, Faulted> {
    let offset = index(cpu, op, RDI);
    if !op.address.is_legacy() {
        return Ok(offset);
    }
    let es = SegmentReg::Es as u8;
    cpu.check_operand(op, es, offset, bytes, intent)?;
    Ok(offset.wrapping_add(cpu.regs.seg[usize::from(es)].base) & 0xffff_ffff)
}

#[inline(always)]
fn destination<W: MemWidth>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<u64, Faulted> {
    let linear = destination_address(cpu, op, W::BYTES, Intent::Read)?;
    cpu.time_access(mem, AccessKind::Load, linear, W::BYTES);
    W::load(cpu, mem, linear)
}

#[inline(always)]
fn store<W: MemWidth>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
    value: u64,
) -> Result<(), Faulted> {
    let linear = destination_address(cpu, op, W::BYTES, Intent::Write)?;
    cpu.time_access(mem, AccessKind::Store, linear, W::BYTES);
    W::store(cpu, mem, linear, value)
}

impl Iteration for Movs {
    const EXTENDED: &[u8] = &[RSI, RDI];

    #[inline(always)]
    fn once<W: MemWidth>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<(), Faulted> {
        let value = source::<W>(cpu, mem, op)?;
        store::<W>(cpu, mem, op, value)?;
        advance::<W>(cpu, op, RSI);
        advance::<W>(cpu, op, RDI);
        Ok(())
    }
}

impl Iteration for Stos {
    const EXTENDED: &[u8] = &[RDI];

    #[inline(always)]
    fn once<W: MemWidth>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<(), Faulted> {
        let value = W::get(&cpu.regs.gpr, RAX);
        store::<W>(cpu, mem, op, value)?;
        advance::<W>(cpu, op, RDI);
        Ok(())
    }
}

impl Iteration for Lods {
    #[inline(always)]
    fn once<W: MemWidth>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<(), Faulted> {
        let value = source::<W>(cpu, mem, op)?;
        W::set(&mut cpu.regs.gpr, RAX, value);
        advance::<W>(cpu, op, RSI);
        Ok(())
    }
}

impl Iteration for Cmps {
    const COMPARES: bool = true;

    #[inline(always)]
    fn once<W: MemWidth>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<(), Faulted> {
        // The second operand is read first (measured: its fault is the one taken).
        let b = destination::<W>(cpu, mem, op)?;
        let a = source::<W>(cpu, mem, op)?;
        Cmp::apply::<W>(&mut cpu.regs.status, a, b);
        advance::<W>(cpu, op, RSI);
        advance::<W>(cpu, op, RDI);
        Ok(())
    }
}

impl Iteration for Scas {
    const COMPARES: bool = true;

    #[inline(always)]
    fn once<W: MemWidth>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<(), Faulted> {
        let a = W::get(&cpu.regs.gpr, RAX);
        let b = destination::<W>(cpu, mem, op)?;
        Cmp::apply::<W>(&mut cpu.regs.status, a, b);
        advance::<W>(cpu, op, RDI);
        Ok(())
    }
}

impl Iteration for Ins {
    fn check<W: MemWidth>(cpu: &mut Cpu, mem: &mut PhysMem) -> Result<(), Faulted> {
        port::check::<W>(cpu, mem, port::dx(cpu))
    }

    /// The port is read only when the store is known to succeed.
    fn once<W: MemWidth>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<(), Faulted> {
        let port = port::dx(cpu);
        let linear = destination_address(cpu, op, W::BYTES, Intent::Write)?;
        cpu.probe_store(mem, linear, u64::from(W::BYTES))?;
        let value = port::read::<W>(cpu, mem, port);
        store::<W>(cpu, mem, op, value)?;
        advance::<W>(cpu, op, RDI);
        Ok(())
    }
}

impl Iteration for Outs {
    fn check<W: MemWidth>(cpu: &mut Cpu, mem: &mut PhysMem) -> Result<(), Faulted> {
        port::check::<W>(cpu, mem, port::dx(cpu))
    }

    fn once<W: MemWidth>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<(), Faulted> {
        let port = port::dx(cpu);
        let value = source::<W>(cpu, mem, op)?;
        port::write::<W>(cpu, mem, port, value);
        advance::<W>(cpu, op, RSI);
        Ok(())
    }
}

/// Ends of a comparing repetition: the ZF that goes on.
const WHILE_EQUAL: u64 = 1;
const WHILE_NOT_EQUAL: u64 = 2;

fn rule<I: Iteration, W: MemWidth>(insn: &Instruction) -> Option<Lowered> {
    if !is_string(insn) {
        return None;
    }
    let repeats = insn.has_rep_prefix() || insn.has_repne_prefix();
    let run: OpFn = if repeats { repeated::<I, W> } else { single::<I, W> };
    let mut op = operands(insn, run)?;
    op.imm = if insn.has_repne_prefix() { WHILE_NOT_EQUAL } else { WHILE_EQUAL };
    op.address = string_address_size(insn);
    Some(Lowered { op, ends: if repeats { Ends::Yes } else { Ends::No } })
}

/// INS and OUTS end their block: devices may have changed what comes next.
fn port_rule<I: Iteration, W: MemWidth>(insn: &Instruction) -> Option<Lowered> {
    rule::<I, W>(insn).map(|lowered| Lowered { ends: Ends::Yes, ..lowered })
}

/// The address size of a string instruction.
pub(super) fn string_address_size(insn: &Instruction) -> AddressSize {
    let sizes = (0..insn.op_count()).map(|index| implicit_address_size(insn.op_kind(index)));
    address_size(insn, sizes.min().unwrap_or(CodeSize::Code64))
}

/// Tells string instructions from the SSE instructions of the same name.
fn is_string(insn: &Instruction) -> bool {
    (0..insn.op_count()).any(|index| {
        !matches!(insn.op_kind(index), OpKind::Register | OpKind::Memory | OpKind::Immediate8)
    })
}

fn single<I: Iteration, W: MemWidth>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    I::check::<W>(cpu, mem)?;
    I::once::<W>(cpu, mem, op)?;
    Ok(cpu.completed())
}

fn repeated<I: Iteration, W: MemWidth>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    if op.address.mask() == 0xffff_ffff {
        for &reg in [RCX].iter().chain(I::EXTENDED) {
            let short = index(cpu, op, reg);
            cpu.regs.gpr.set(reg, short);
        }
    }
    I::check::<W>(cpu, mem)?;
    // CMPS and SCAS show flags only when the repetition is over (measured).
    let kept = cpu.regs.status;
    loop {
        let count = index(cpu, op, RCX);
        if count == 0 {
            return Ok(cpu.completed());
        }
        I::once::<W>(cpu, mem, op).inspect_err(|_| cpu.regs.status = kept)?;
        set_index(cpu, op, RCX, count - 1);
        let goes_on = !I::COMPARES || cpu.regs.status.zero() == (op.imm == WHILE_EQUAL);
        if count == 1 || !goes_on {
            return Ok(cpu.completed());
        }
        let paces = (count - 1).is_multiple_of(PACE);
        if paces {
            cpu.charge(PACE_CYCLES);
        }
        if paces || !cpu.attention.is_quiet() {
            cpu.regs.status = kept;
            return Ok(Flow::Again);
        }
    }
}
