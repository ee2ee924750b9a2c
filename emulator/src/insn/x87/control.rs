//! Control and status words, the stack pointer, and environments in memory.

use iced_x86::{Instruction, Mnemonic, OpKind};

use super::operand::{After, Keep, Pop, begin, check_enabled, end, lowered, wait};
use crate::alu::x87::format::F80;
use crate::cpu::Cpu;
use crate::dispatch::lower::{Family, Lowered};
use crate::event::exception::Faulted;
use crate::event::{Exception, Vector};
use crate::mem::paging::Want;
use crate::mem::phys::PhysMem;
use crate::mem::tlb::NEVER_FAST;
use crate::mem::{PAGE_OFFSET_MASK, is_canonical};
use crate::op::{Flow, Op, OpFn};
use crate::regs::control::cr0;
use crate::regs::gpr::reg::RAX;
use crate::regs::x87::X87;

/// Instructions of this family.
pub(crate) const FAMILY: Family = &[
    (Mnemonic::Fnstcw, |insn| Lowered::plain(insn, fnstcw)),
    (Mnemonic::Fldcw, |insn| Lowered::plain(insn, fldcw)),
    (Mnemonic::Fnstsw, fnstsw_rule),
    (Mnemonic::Fnclex, |insn| Lowered::plain(insn, fnclex)),
    (Mnemonic::Fninit, |insn| Lowered::plain(insn, fninit)),
    (Mnemonic::Wait, |insn| Lowered::plain(insn, fwait)),
    // Without effect since the 80387.
    (Mnemonic::Fneni, |insn| Lowered::plain(insn, obsolete)),
    (Mnemonic::Fndisi, |insn| Lowered::plain(insn, obsolete)),
    (Mnemonic::Fnsetpm, |insn| Lowered::plain(insn, obsolete)),
    (Mnemonic::Fnop, |insn| lowered(insn, fnop)),
    (Mnemonic::Ffree, |insn| lowered(insn, ffree::<Keep>)),
    (Mnemonic::Ffreep, |insn| lowered(insn, ffree::<Pop>)),
    (Mnemonic::Fincstp, |insn| lowered(insn, rotate::<1>)),
    (Mnemonic::Fdecstp, |insn| lowered(insn, rotate::<7>)),
    (Mnemonic::Fnstenv, |insn| sized(insn, 28, fnstenv::<Long, 28>, fnstenv::<Short, 14>)),
    (Mnemonic::Fldenv, |insn| sized(insn, 28, fldenv::<Long, 28>, fldenv::<Short, 14>)),
    (Mnemonic::Fnsave, |insn| sized(insn, 108, fnsave::<Long, 108>, fnsave::<Short, 94>)),
    (Mnemonic::Frstor, |insn| sized(insn, 108, frstor::<Long, 108>, frstor::<Short, 94>)),
];

/// CR0.MP: FWAIT heeds TS.
const MONITOR: u64 = 1 << 1;

/// Chooses by the size of the memory operand: `bytes`, or the shorter form.
fn sized(insn: &Instruction, bytes: usize, long: OpFn, short: OpFn) -> Option<Lowered> {
    Lowered::plain(insn, if insn.memory_size().size() == bytes { long } else { short })
}

fn fnstcw(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let control = cpu.regs.x87.control();
    cpu.store_bytes(mem, op.linear(cpu), control.to_le_bytes())?;
    Ok(cpu.completed())
}

fn fldcw(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    wait(cpu)?;
    let bytes = cpu.load_bytes(mem, op.linear(cpu))?;
    cpu.regs.x87.set_control(u16::from_le_bytes(bytes));
    Ok(cpu.completed())
}

fn fnstsw_rule(insn: &Instruction) -> Option<Lowered> {
    match insn.op0_kind() {
        OpKind::Register => Lowered::plain(insn, fnstsw_ax),
        _ => Lowered::plain(insn, fnstsw),
    }
}

fn fnstsw(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let word = cpu.regs.x87.status_word();
    cpu.store_bytes(mem, op.linear(cpu), word.to_le_bytes())?;
    Ok(cpu.completed())
}

fn fnstsw_ax(cpu: &mut Cpu, _mem: &mut PhysMem, _op: &Op) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let word = u64::from(cpu.regs.x87.status_word());
    let rax = cpu.regs.gpr.get(RAX);
    cpu.regs.gpr.set(RAX, rax & !0xffff | word);
    Ok(Flow::Next)
}

fn fnclex(cpu: &mut Cpu, _mem: &mut PhysMem, _op: &Op) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    cpu.regs.x87.clear_exceptions();
    Ok(Flow::Next)
}

fn fninit(cpu: &mut Cpu, _mem: &mut PhysMem, _op: &Op) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    cpu.regs.x87.init();
    Ok(Flow::Next)
}

/// FWAIT does not heed EM, and TS only with MP (SDM vol. 3A, table 2-2).
fn fwait(cpu: &mut Cpu, _mem: &mut PhysMem, _op: &Op) -> Result<Flow, Faulted> {
    let both = cr0::TS | MONITOR;
    if cpu.regs.control.cr0 & both == both {
        return Err(cpu.raise(Exception::new(Vector::DeviceNotAvailable)));
    }
    if cpu.regs.x87.has_error() {
        return Err(cpu.raise(Exception::new(Vector::X87Error)));
    }
    Ok(Flow::Next)
}

/// FNENI, FNDISI, FNSETPM: do not wait for exceptions and do nothing (measured).
fn obsolete(cpu: &mut Cpu, _mem: &mut PhysMem, _op: &Op) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    Ok(Flow::Next)
}

fn fnop(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    wait(cpu)?;
    cpu.regs.x87.last_ip = op.imm;
    Ok(Flow::Next)
}

/// FFREE; FFREEP (DF C0+i, not in the manual) pops as well.
fn ffree<P: After>(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let env = begin(cpu)?;
    cpu.regs.x87.free(op.dst);
    P::pop(&mut cpu.regs.x87);
    Ok(end(cpu, op, &env))
}

/// FINCSTP and FDECSTP.
fn rotate<const BY: u8>(cpu: &mut Cpu, _mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let env = begin(cpu)?;
    cpu.regs.x87.rotate(BY);
    Ok(end(cpu, op, &env))
}

/// The two forms of an environment in protected mode (SDM vol. 1, 8.1.10).
trait Layout: 'static {
    /// Bytes of a field.
    const FIELD: usize;
    /// Writes it.
    fn store(x87: &X87, image: &mut [u8]);
    /// Reads it.
    fn load(x87: &mut X87, image: &[u8]);
}

/// Seven fields of 32 bits.
struct Long;
/// Seven of 16.
struct Short;

/// Fields of an environment.
const FIELDS: usize = 7;
/// Bytes of a register.
const REGISTER: usize = 10;

impl Layout for Long {
    const FIELD: usize = 4;

    fn store(x87: &X87, image: &mut [u8]) {
        /// Words without meaning read as ones.
        const ONES: u32 = 0xffff_0000;
        let fields = [
            ONES | u32::from(x87.control()),
            ONES | u32::from(x87.status_word()),
            ONES | u32::from(x87.tag_word()),
            x87.last_ip as u32,
            u32::from(x87.last_opcode) << 16,
            x87.last_dp as u32,
            ONES,
        ];
        for (place, field) in image.chunks_exact_mut(4).zip(fields) {
            place.copy_from_slice(&field.to_le_bytes());
        }
    }

    fn load(x87: &mut X87, image: &[u8]) {
        let (fields, _) = image.as_chunks::<4>();
        let [control, status, tags, ip, selector, dp, _] =
            std::array::from_fn(|index| u32::from_le_bytes(fields[index]));
        x87.set_control(control as u16);
        x87.set_status_word(status as u16);
        x87.set_tag_word(tags as u16);
        x87.last_ip = u64::from(ip);
        x87.last_opcode = (selector >> 16 & 0x7ff) as u16;
        x87.last_dp = u64::from(dp);
    }
}

impl Layout for Short {
    const FIELD: usize = 2;

    fn store(x87: &X87, image: &mut [u8]) {
        let fields = [
            x87.control(),
            x87.status_word(),
            x87.tag_word(),
            x87.last_ip as u16,
            0,
            x87.last_dp as u16,
            0,
        ];
        for (place, field) in image.chunks_exact_mut(2).zip(fields) {
            place.copy_from_slice(&field.to_le_bytes());
        }
    }

    fn load(x87: &mut X87, image: &[u8]) {
        let (fields, _) = image.as_chunks::<2>();
        let [control, status, tags, ip, _, dp, _] =
            std::array::from_fn(|index| u16::from_le_bytes(fields[index]));
        x87.set_control(control);
        x87.set_status_word(status);
        x87.set_tag_word(tags);
        x87.last_ip = u64::from(ip);
        x87.last_dp = u64::from(dp);
    }
}

fn check_canonical(cpu: &mut Cpu, linear: u64) -> Result<(), Faulted> {
    if is_canonical(linear) { Ok(()) } else { Err(cpu.raise(Exception::non_canonical(linear))) }
}

/// Address of an environment after the checks that come before any access: its first
/// field, then its last byte (measured).
fn probe_area<L: Layout>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
    bytes: usize,
    want: Want,
) -> Result<u64, Faulted> {
    let linear = op.linear(cpu);
    let privilege = cpu.privilege();
    let first_end = linear.wrapping_add(L::FIELD as u64 - 1);
    let last = linear.wrapping_add(bytes as u64 - 1);
    check_canonical(cpu, linear)?;
    if cpu.mode & NEVER_FAST != 0 && !linear.is_multiple_of(L::FIELD as u64) {
        return Err(cpu.raise(Exception::with_error(Vector::AlignmentCheck, 0)));
    }
    check_canonical(cpu, first_end)?;
    cpu.translate(mem, linear, want, privilege)?;
    // A fault in the second page of the first field names that page's first byte.
    cpu.translate(mem, linear.max(first_end & !PAGE_OFFSET_MASK), want, privilege)?;
    check_canonical(cpu, last)?;
    cpu.translate(mem, last, want, privilege)?;
    Ok(linear)
}

fn fnstenv<L: Layout, const N: usize>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let mut image = [0; N];
    L::store(&cpu.regs.x87, &mut image);
    let linear = probe_area::<L>(cpu, mem, op, N, Want::Write)?;
    cpu.store_bytes(mem, linear, image)?;
    cpu.regs.x87.mask_all();
    Ok(cpu.completed())
}

fn fldenv<L: Layout, const N: usize>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    wait(cpu)?;
    let linear = probe_area::<L>(cpu, mem, op, N, Want::Read)?;
    let image: [u8; N] = cpu.load_bytes(mem, linear)?;
    L::load(&mut cpu.regs.x87, &image);
    Ok(cpu.completed())
}

fn fnsave<L: Layout, const N: usize>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    check_enabled(cpu)?;
    let mut image = [0; N];
    let (head, tail) = image.split_at_mut(L::FIELD * FIELDS);
    L::store(&cpu.regs.x87, head);
    for (i, place) in tail.chunks_exact_mut(REGISTER).enumerate() {
        place.copy_from_slice(&cpu.regs.x87.raw(i as u8).to_bytes());
    }
    let linear = probe_area::<L>(cpu, mem, op, N, Want::Write)?;
    cpu.store_bytes(mem, linear, image)?;
    cpu.regs.x87.init();
    Ok(cpu.completed())
}

fn frstor<L: Layout, const N: usize>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    wait(cpu)?;
    let linear = probe_area::<L>(cpu, mem, op, N, Want::Read)?;
    let image: [u8; N] = cpu.load_bytes(mem, linear)?;
    let (head, tail) = image.split_at(L::FIELD * FIELDS);
    let (registers, _) = tail.as_chunks::<REGISTER>();
    L::load(&mut cpu.regs.x87, head);
    for (i, bytes) in registers.iter().enumerate() {
        cpu.regs.x87.set_raw(i as u8, F80::from_bytes(*bytes));
    }
    Ok(cpu.completed())
}
