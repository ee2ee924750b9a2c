//! IN and OUT, and what INS and OUTS share with them: the permission, the bus, and I/O
//! breakpoints (SDM vol. 1, 19.5; rule X1).

use iced_x86::{Instruction, Mnemonic, OpKind};

use crate::cpu::Cpu;
use crate::dispatch::lower::{Ends, Family, Lowered};
use crate::event::Exception;
use crate::event::exception::Faulted;
use crate::event::pending::Attention;
use crate::mem::access::MemWidth;
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op, OpFn};
use crate::regs::control::{cr0, cr4};
use crate::regs::gpr::reg::{RAX, RDX};
use crate::regs::{B8, B16, B32, RFlags, Width};

/// Instructions of this family.
pub(crate) const FAMILY: Family = &[(Mnemonic::In, input_rule), (Mnemonic::Out, output_rule)];

/// The instances of a function for 1, 2 and 4 bytes.
macro_rules! port_widths {
    ($function:ident, $port:ty) => {
        [
            $function::<$port, B8> as OpFn,
            $function::<$port, B16> as OpFn,
            $function::<$port, B32> as OpFn,
        ]
    };
}

/// Where the number of the port is.
trait Port: 'static {
    fn number(cpu: &Cpu, op: &Op) -> u16;
}

/// In the instruction.
struct Immediate;
/// In DX.
struct InDx;

impl Port for Immediate {
    fn number(_cpu: &Cpu, op: &Op) -> u16 {
        op.imm as u16 & 0xff
    }
}

impl Port for InDx {
    fn number(cpu: &Cpu, _op: &Op) -> u16 {
        dx(cpu)
    }
}

/// The port in DX.
pub(super) fn dx(cpu: &Cpu) -> u16 {
    B16::get(&cpu.regs.gpr, RDX) as u16
}

fn rule(
    insn: &Instruction,
    data: u32,
    at_immediate: [OpFn; 3],
    at_dx: [OpFn; 3],
) -> Option<Lowered> {
    let has_immediate = (0..insn.op_count()).any(|at| insn.op_kind(at) == OpKind::Immediate8);
    let functions = if has_immediate { at_immediate } else { at_dx };
    let [byte, word, double] = functions;
    let mut op = Op::new(match insn.op_register(data).size() {
        1 => byte,
        2 => word,
        _ => double,
    });
    if has_immediate {
        op.imm = u64::from(insn.immediate8());
    }
    Some(Lowered { op, ends: Ends::Yes })
}

fn input_rule(insn: &Instruction) -> Option<Lowered> {
    rule(insn, 0, port_widths!(input, Immediate), port_widths!(input, InDx))
}

fn output_rule(insn: &Instruction) -> Option<Lowered> {
    rule(insn, 1, port_widths!(output, Immediate), port_widths!(output, InDx))
}

fn input<P: Port, W: MemWidth>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let port = P::number(cpu, op);
    check::<W>(cpu, mem, port)?;
    let value = read::<W>(cpu, mem, port);
    W::set(&mut cpu.regs.gpr, RAX, value);
    Ok(Flow::Boundary)
}

fn output<P: Port, W: MemWidth>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    let port = P::number(cpu, op);
    check::<W>(cpu, mem, port)?;
    let value = W::get(&cpu.regs.gpr, RAX);
    write::<W>(cpu, mem, port, value);
    Ok(Flow::Boundary)
}

/// Reads a port that may be read.
pub(super) fn read<W: Width>(cpu: &mut Cpu, mem: &mut PhysMem, port: u16) -> u64 {
    let from = cpu.bus_cycle();
    let bus = mem.bus_mut();
    let value = bus.map_or(u32::MAX, |bus| bus.read_port(from, port, W::BYTES as u8));
    note_hits::<W>(cpu, port);
    cpu.after_bus(mem);
    u64::from(value) & W::MASK
}

/// Writes a port that may be written.
pub(super) fn write<W: Width>(cpu: &mut Cpu, mem: &mut PhysMem, port: u16, value: u64) {
    let from = cpu.bus_cycle();
    if let Some(bus) = mem.bus_mut() {
        bus.write_port(from, port, W::BYTES as u8, value as u32);
    }
    note_hits::<W>(cpu, port);
    cpu.after_bus(mem);
}

/// Compares an access with the I/O breakpoints, which exist while CR4.DE is set.
fn note_hits<W: Width>(cpu: &mut Cpu, port: u16) {
    if cpu.regs.control.cr4 & cr4::DE == 0 {
        return;
    }
    let hits = cpu.debug.match_port(port, W::BYTES);
    if hits != 0 {
        cpu.pending.debug |= hits;
        cpu.attention.raise(Attention::DEBUG);
    }
}

/// Offset in the TSS of the word that says where the I/O bitmap begins.
const BITMAP_OFFSET: u64 = 102;

/// Refuses ports that neither IOPL nor the bitmap allows: two bytes of it are read
/// whatever the width, and both must be within the TSS.
pub(super) fn check<W: Width>(cpu: &mut Cpu, mem: &mut PhysMem, port: u16) -> Result<(), Faulted> {
    let real = cpu.regs.control.cr0 & cr0::PE == 0;
    let iopl = (cpu.regs.system_flags & RFlags::IOPL) >> 12;
    if real || u64::from(cpu.regs.cpl()) <= iopl {
        return Ok(());
    }
    let port = u64::from(port);
    let begin = tss_word(cpu, mem, BITMAP_OFFSET)?;
    let bits = tss_word(cpu, mem, begin + port / 8)?;
    let wanted = ((1u64 << W::BYTES) - 1) << (port % 8);
    if bits & wanted != 0 {
        return Err(cpu.raise(Exception::gp0()));
    }
    Ok(())
}

/// A word of the TSS, which must have it.
fn tss_word(cpu: &mut Cpu, mem: &mut PhysMem, offset: u64) -> Result<u64, Faulted> {
    let word = cpu.tss_word::<B16>(mem, offset)?;
    word.ok_or_else(|| cpu.raise(Exception::gp0()))
}
