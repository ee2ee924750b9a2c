//! Descriptors of the GDT and the LDT: reading them, and what LAR, LSL, VERR and VERW tell
//! of them (SDM vol. 3A, 3.4.5 and 5.2; vol. 2, LAR).
//!
//! Reads of the tables are the processor's own: supervisor rights, and matched as data
//! (rule M12).

use iced_x86::{Instruction, Mnemonic, OpKind};

use super::far::check_protected;
use super::forms::{wide_widths, width_index};
use crate::cpu::Cpu;
use crate::dispatch::lower::{Family, Lowered};
use crate::event::exception::Faulted;
use crate::event::{Exception, Vector};
use crate::mem::access::MemWidth;
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op, OpFn};
use crate::regs::{B8, B16, B64, LazyFlags, RFlags, Segment};

/// Instructions of this family.
pub(crate) const FAMILY: Family = &[
    (Mnemonic::Lar, |insn| table_rule::<AccessRights>(insn)),
    (Mnemonic::Lsl, |insn| table_rule::<Limit>(insn)),
    (Mnemonic::Verr, |insn| verify_rule::<Readable>(insn)),
    (Mnemonic::Verw, |insn| verify_rule::<Writable>(insn)),
];

/// What a descriptor describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A system segment or gate, with its type.
    System(u8),
    /// Data.
    Data {
        /// May be written.
        writable: bool,
    },
    /// Code.
    Code {
        /// May be read.
        readable: bool,
        /// Runs with the privilege of its caller.
        conforming: bool,
    },
}

/// Types of system descriptors in 64-bit mode (SDM vol. 3A, table 3-2).
pub(super) const CALL_GATE: u8 = 0xc;
pub(super) const LDT: u8 = 2;
pub(super) const TSS_AVAILABLE: u8 = 9;
const TSS_BUSY: u8 = 0xb;
/// Further types outside IA-32e mode.
pub(super) const TSS16_AVAILABLE: u8 = 1;
const TSS16_BUSY: u8 = 3;
pub(super) const CALL_GATE_16: u8 = 4;
pub(super) const TASK_GATE: u8 = 5;

/// Accessed bit of code and data.
const ACCESSED: u16 = 1;
/// Offset of the byte of a descriptor that has it.
const ACCESS_BYTE: u64 = 5;

/// What the access rights of a descriptor say.
pub(super) fn kind(segment: &Segment) -> Kind {
    let access = segment.access;
    let (bit1, bit2) = (access & 2 != 0, access & 4 != 0);
    match access >> 3 & 3 {
        2 => Kind::Data { writable: bit1 },
        3 => Kind::Code { readable: bit1, conforming: bit2 },
        _ => Kind::System((access & 0xf) as u8),
    }
}

/// The requested privilege of a selector.
pub(super) fn rpl(selector: u16) -> u8 {
    (selector & 3) as u8
}

/// Whether a selector is null.
pub(super) fn is_null(selector: u16) -> bool {
    selector & !3 == 0
}

/// Raises a fault whose error code is a selector.
pub(super) fn refuse(cpu: &mut Cpu, vector: Vector, selector: u16) -> Faulted {
    cpu.raise(Exception::with_error(vector, u32::from(selector & !3)))
}

/// #GP with a selector.
pub(super) fn refuse_gp(cpu: &mut Cpu, selector: u16) -> Faulted {
    refuse(cpu, Vector::GeneralProtection, selector)
}

/// Reads the descriptor that a selector names.
pub(super) fn read(cpu: &mut Cpu, mem: &mut PhysMem, selector: u16) -> Result<Segment, Faulted> {
    read_raw(cpu, mem, selector).map(|word| Segment::from_descriptor(selector, word))
}

/// Reads the second half of a descriptor of 16 bytes, which those of system segments and
/// call gates have in IA-32e mode.
pub(super) fn read_upper(cpu: &mut Cpu, mem: &mut PhysMem, selector: u16) -> Result<u64, Faulted> {
    let upper = (selector & !7).checked_add(8).map(|next| next | selector & 7);
    let word = match upper {
        Some(upper) => cpu.load_descriptor(mem, upper)?,
        None => None,
    };
    word.ok_or_else(|| refuse_gp(cpu, selector))
}

/// Reads a descriptor's eight bytes as they are in the table.
pub(super) fn read_raw(cpu: &mut Cpu, mem: &mut PhysMem, selector: u16) -> Result<u64, Faulted> {
    cpu.load_descriptor(mem, selector)?.ok_or_else(|| refuse_gp(cpu, selector))
}

impl Cpu {
    /// The descriptor that a selector names; `None` where its table ends before it.
    ///
    /// # Errors
    /// The page fault.
    pub(crate) fn load_descriptor(
        &mut self,
        mem: &mut PhysMem,
        selector: u16,
    ) -> Result<Option<u64>, Faulted> {
        let Some(at) = self.descriptor_address(selector) else { return Ok(None) };
        self.with_system_rights(|cpu| B64::load(cpu, mem, at)).map(Some)
    }

    /// Linear address of the descriptor that a selector names, where its table has it.
    pub(crate) fn descriptor_address(&self, selector: u16) -> Option<u64> {
        let control = &self.regs.control;
        let (base, limit) = if selector & 4 == 0 {
            (control.gdtr.base, u32::from(control.gdtr.limit))
        } else if is_null(control.ldtr) {
            return None;
        } else {
            (control.ldt_base, control.ldt_limit)
        };
        let offset = u32::from(selector & !7);
        let at = base.wrapping_add(u64::from(offset));
        let at = if self.in_long_mode() { at } else { at & 0xffff_ffff };
        (offset + 7 <= limit).then_some(at)
    }
}

/// Sets the accessed bit of a segment that is being loaded, in the table too.
pub(super) fn mark_accessed(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    segment: &mut Segment,
) -> Result<(), Faulted> {
    if segment.access & ACCESSED != 0 {
        return Ok(());
    }
    segment.access |= ACCESSED;
    set_access_byte(cpu, mem, segment.selector, segment.access)
}

/// Writes the byte of a descriptor that has its type.
pub(super) fn set_access_byte(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    selector: u16,
    access: u16,
) -> Result<(), Faulted> {
    let Some(at) = cpu.descriptor_address(selector) else {
        return Err(refuse_gp(cpu, selector));
    };
    let at = at.wrapping_add(ACCESS_BYTE);
    cpu.with_system_rights(|cpu| B8::store(cpu, mem, at, u64::from(access)))
}

/// The descriptor that a selector names, if the table has it; a look that faults only
/// by paging.
fn look_up(cpu: &mut Cpu, mem: &mut PhysMem, selector: u16) -> Result<Option<Segment>, Faulted> {
    if is_null(selector) {
        return Ok(None);
    }
    let word = cpu.load_descriptor(mem, selector)?;
    Ok(word.map(|word| Segment::from_descriptor(selector, word)))
}

/// Whether the privilege rules let LAR, LSL, VERR and VERW see a segment.
fn is_visible(cpu: &Cpu, segment: &Segment) -> bool {
    let conforming = matches!(kind(segment), Kind::Code { conforming: true, .. });
    conforming || cpu.regs.cpl().max(rpl(segment.selector)) <= segment.dpl()
}

/// What an instruction tells of a descriptor; `None` where it has nothing of the kind.
trait Told: 'static {
    fn of(cpu: &Cpu, kind: Kind, segment: &Segment) -> Option<u64>;
}

/// Whether LAR and LSL tell of a system segment: LDTs and TSSs, those of 16 bits only
/// outside IA-32e mode.
fn is_told(cpu: &Cpu, kind: u8) -> bool {
    matches!(kind, LDT | TSS_AVAILABLE | TSS_BUSY)
        || (!cpu.in_long_mode() && matches!(kind, TSS16_AVAILABLE | TSS16_BUSY))
}

/// Whether LAR tells of a gate that exists only outside IA-32e mode.
fn is_old_gate(cpu: &Cpu, kind: u8) -> bool {
    !cpu.in_long_mode() && matches!(kind, CALL_GATE_16 | TASK_GATE)
}

/// LAR: bits 8 to 23 of the second doubleword, the limit's among them (measured).
struct AccessRights;
/// LSL: the last valid offset.
struct Limit;

impl Told for AccessRights {
    fn of(cpu: &Cpu, kind: Kind, segment: &Segment) -> Option<u64> {
        let known = match kind {
            Kind::System(kind) => is_told(cpu, kind) || kind == CALL_GATE || is_old_gate(cpu, kind),
            Kind::Data { .. } | Kind::Code { .. } => true,
        };
        let granular = segment.access & 0x8000 != 0;
        let raw_limit = if granular { segment.limit >> 12 } else { segment.limit };
        known.then(|| u64::from(segment.access) << 8 | u64::from(raw_limit & 0xf_0000))
    }
}

impl Told for Limit {
    fn of(cpu: &Cpu, kind: Kind, segment: &Segment) -> Option<u64> {
        let known = match kind {
            Kind::System(kind) => is_told(cpu, kind),
            Kind::Data { .. } | Kind::Code { .. } => true,
        };
        known.then(|| u64::from(segment.limit))
    }
}

/// The selector is 16 bits of the second operand.
fn table_rule<T: Told>(insn: &Instruction) -> Option<Lowered> {
    let functions = if insn.op1_kind() == OpKind::Memory {
        wide_widths!(tell_mem, T)
    } else {
        wide_widths!(tell_reg, T)
    };
    Lowered::plain(insn, functions[width_index(insn, 0)?])
}

fn tell_reg<T: Told, W: MemWidth>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    check_protected(cpu)?;
    let selector = cpu.regs.gpr.get(op.src) as u16;
    tell::<T, W>(cpu, mem, op, selector)
}

fn tell_mem<T: Told, W: MemWidth>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    check_protected(cpu)?;
    let selector = B16::load(cpu, mem, op.linear(cpu))? as u16;
    tell::<T, W>(cpu, mem, op, selector)
}

/// ZF tells whether the destination was written.
fn tell<T: Told, W: MemWidth>(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    op: &Op,
    selector: u16,
) -> Result<Flow, Faulted> {
    let segment = look_up(cpu, mem, selector)?.filter(|segment| is_visible(cpu, segment));
    let told = segment.and_then(|segment| T::of(cpu, kind(&segment), &segment));
    if let Some(value) = told {
        W::set(&mut cpu.regs.gpr, op.dst, value & W::MASK);
    }
    set_zero(cpu, told.is_some());
    Ok(cpu.completed())
}

fn set_zero(cpu: &mut Cpu, zero: bool) {
    let rest = cpu.regs.status.image() & !RFlags::ZF;
    cpu.regs.status = LazyFlags::from_image(rest | if zero { RFlags::ZF } else { 0 });
}

/// What VERR and VERW ask.
trait Asked: 'static {
    fn holds(kind: Kind) -> bool;
}

/// VERR.
struct Readable;
/// VERW.
struct Writable;

impl Asked for Readable {
    fn holds(kind: Kind) -> bool {
        matches!(kind, Kind::Data { .. } | Kind::Code { readable: true, .. })
    }
}

impl Asked for Writable {
    fn holds(kind: Kind) -> bool {
        matches!(kind, Kind::Data { writable: true })
    }
}

fn verify_rule<A: Asked>(insn: &Instruction) -> Option<Lowered> {
    let in_memory = insn.op0_kind() == OpKind::Memory;
    let run: OpFn = if in_memory { verify_mem::<A> } else { verify_reg::<A> };
    Lowered::plain(insn, run)
}

fn verify_reg<A: Asked>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    check_protected(cpu)?;
    let selector = cpu.regs.gpr.get(op.dst) as u16;
    verify::<A>(cpu, mem, selector)
}

fn verify_mem<A: Asked>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    check_protected(cpu)?;
    let selector = B16::load(cpu, mem, op.linear(cpu))? as u16;
    verify::<A>(cpu, mem, selector)
}

fn verify<A: Asked>(cpu: &mut Cpu, mem: &mut PhysMem, selector: u16) -> Result<Flow, Faulted> {
    let segment = look_up(cpu, mem, selector)?.filter(|segment| is_visible(cpu, segment));
    set_zero(cpu, segment.is_some_and(|segment| A::holds(kind(&segment))));
    Ok(cpu.completed())
}
