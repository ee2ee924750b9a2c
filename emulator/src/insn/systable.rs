//! The descriptor table registers and the machine status word: SGDT, SIDT, SLDT, STR and
//! SMSW, which CR4.UMIP reserves to CPL 0, and LGDT, LIDT, LLDT, LTR and LMSW
//! (SDM vol. 2).

use iced_x86::{Instruction, Mnemonic, OpKind};

use super::descriptor::{
    self, Kind, LDT, TSS_AVAILABLE, TSS16_AVAILABLE, is_null, kind, refuse_gp, set_access_byte,
};
use super::far::check_protected;
use super::forms::{wide_widths, width_index};
use super::system::check_cpl0;
use crate::cpu::Cpu;
use crate::dispatch::lower::{Family, Lowered};
use crate::event::exception::Faulted;
use crate::event::{Exception, Vector};
use crate::mem::access::MemWidth;
use crate::mem::is_canonical;
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op};
use crate::regs::control::{Control, TableReg, cr0, cr4};
use crate::regs::{B16, B32, B64, Segment, Width};

/// Instructions of this family.
pub(crate) const FAMILY: Family = &[
    (Mnemonic::Sgdt, |insn| Lowered::plain(insn, table::<Gdtr>)),
    (Mnemonic::Sidt, |insn| Lowered::plain(insn, table::<Idtr>)),
    (Mnemonic::Sldt, word_rule::<Ldtr>),
    (Mnemonic::Str, word_rule::<Tr>),
    (Mnemonic::Smsw, word_rule::<MachineStatus>),
    (Mnemonic::Lgdt, |insn| load_rule::<Gdtr>(insn)),
    (Mnemonic::Lidt, |insn| load_rule::<Idtr>(insn)),
    (Mnemonic::Lldt, loaded_rule::<Ldtr>),
    (Mnemonic::Ltr, loaded_rule::<Tr>),
    (Mnemonic::Lmsw, loaded_rule::<MachineStatus>),
];

fn check_stored<S: Stored>(cpu: &mut Cpu) -> Result<(), Faulted> {
    if !S::IN_REAL_MODE {
        check_protected(cpu)?;
    }
    check_umip(cpu)
}

fn check_umip(cpu: &mut Cpu) -> Result<(), Faulted> {
    if cpu.regs.control.cr4 & cr4::UMIP != 0 && cpu.regs.cpl() != 0 {
        return Err(cpu.raise(Exception::gp0()));
    }
    Ok(())
}

/// A descriptor table register.
trait Table: 'static {
    fn of(control: &Control) -> TableReg;
    fn set(control: &mut Control, table: TableReg);
}

struct Gdtr;
struct Idtr;

impl Table for Gdtr {
    fn of(control: &Control) -> TableReg {
        control.gdtr
    }

    fn set(control: &mut Control, table: TableReg) {
        control.gdtr = table;
    }
}

impl Table for Idtr {
    fn of(control: &Control) -> TableReg {
        control.idtr
    }

    fn set(control: &mut Control, table: TableReg) {
        control.idtr = table;
    }
}

/// Stores the limit in two bytes and the base in eight, or in four outside 64-bit mode.
fn table<T: Table>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    check_umip(cpu)?;
    let table = T::of(&cpu.regs.control);
    let mut image = [0; 10];
    image[..2].copy_from_slice(&table.limit.to_le_bytes());
    image[2..].copy_from_slice(&table.base.to_le_bytes());
    let linear = op.linear(cpu);
    if op.address.is_legacy() {
        let short: [u8; 6] = std::array::from_fn(|at| image[at]);
        cpu.store_bytes(mem, linear, short)?;
    } else {
        cpu.store_bytes(mem, linear, image)?;
    }
    Ok(cpu.completed())
}

/// LGDT and LIDT: bases of 64, 32 or 24 bits.
fn load_rule<T: Table>(insn: &Instruction) -> Option<Lowered> {
    let mut lowered = Lowered::last(insn, load::<T>)?;
    lowered.op.third = match insn.op_code().operand_size() {
        16 => 3,
        32 => 4,
        _ => 8,
    };
    Some(lowered)
}

fn load<T: Table>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    check_cpl0(cpu)?;
    let linear = op.linear(cpu);
    let limit = B16::load(cpu, mem, linear)? as u16;
    let at = linear.wrapping_add(2);
    let base = match op.third {
        8 => B64::load(cpu, mem, at)?,
        3 => B32::load(cpu, mem, at)? & 0xff_ffff,
        _ => B32::load(cpu, mem, at)?,
    };
    if !is_canonical(base) {
        return Err(cpu.raise(Exception::gp0()));
    }
    T::set(&mut cpu.regs.control, TableReg { base, limit });
    Ok(cpu.completed())
}

/// A register that is loaded from a word.
trait Loaded: 'static {
    fn load(cpu: &mut Cpu, mem: &mut PhysMem, word: u16) -> Result<(), Faulted>;
}

impl Loaded for Ldtr {
    fn load(cpu: &mut Cpu, mem: &mut PhysMem, selector: u16) -> Result<(), Faulted> {
        check_protected(cpu)?;
        load_ldtr(cpu, mem, selector)
    }
}

fn loaded_rule<L: Loaded>(insn: &Instruction) -> Option<Lowered> {
    let in_memory = insn.op0_kind() == OpKind::Memory;
    Lowered::last(insn, if in_memory { from_memory::<L> } else { from_register::<L> })
}

fn from_register<L: Loaded>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    check_cpl0(cpu)?;
    let word = B16::get(&cpu.regs.gpr, op.dst) as u16;
    L::load(cpu, mem, word).map(|()| Flow::Boundary)
}

fn from_memory<L: Loaded>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    check_cpl0(cpu)?;
    let word = B16::load(cpu, mem, op.linear(cpu))? as u16;
    L::load(cpu, mem, word).map(|()| Flow::Boundary)
}

/// Loads LDTR. A null selector leaves no LDT.
pub(super) fn load_ldtr(cpu: &mut Cpu, mem: &mut PhysMem, selector: u16) -> Result<(), Faulted> {
    if is_null(selector) {
        let control = &mut cpu.regs.control;
        (control.ldtr, control.ldt_base, control.ldt_limit) = (selector, 0, 0);
        return Ok(());
    }
    let segment = system_segment(cpu, mem, selector, &[LDT])?;
    let control = &mut cpu.regs.control;
    control.ldtr = selector;
    (control.ldt_base, control.ldt_limit) = (segment.base, segment.limit);
    Ok(())
}

/// LTR marks the TSS busy.
impl Loaded for Tr {
    fn load(cpu: &mut Cpu, mem: &mut PhysMem, selector: u16) -> Result<(), Faulted> {
        check_protected(cpu)?;
        if is_null(selector) {
            return Err(cpu.raise(Exception::gp0()));
        }
        let old = if cpu.in_long_mode() { TSS_AVAILABLE } else { TSS16_AVAILABLE };
        let mut segment = system_segment(cpu, mem, selector, &[TSS_AVAILABLE, old])?;
        segment.access |= Segment::BUSY_TSS;
        set_access_byte(cpu, mem, selector, segment.access)?;
        let control = &mut cpu.regs.control;
        control.tr = selector;
        control.tr_access = segment.access;
        (control.tss_base, control.tss_limit) = (segment.base, segment.limit);
        Ok(())
    }
}

/// Reads a descriptor of the GDT of one of some system types, in IA-32e mode with the
/// upper half of its base.
fn system_segment(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    selector: u16,
    types: &[u8],
) -> Result<Segment, Faulted> {
    if selector & 4 != 0 {
        return Err(refuse_gp(cpu, selector));
    }
    let mut segment = descriptor::read(cpu, mem, selector)?;
    let fits = matches!(kind(&segment), Kind::System(found) if types.contains(&found));
    if !fits {
        return Err(refuse_gp(cpu, selector));
    }
    if segment.access & Segment::PRESENT == 0 {
        return Err(descriptor::refuse(cpu, Vector::SegmentNotPresent, selector));
    }
    if cpu.in_long_mode() {
        let upper = descriptor::read_upper(cpu, mem, selector)?;
        segment.base |= upper << 32;
        if !is_canonical(segment.base) || upper >> 40 & 0x1f != 0 {
            return Err(refuse_gp(cpu, selector));
        }
    }
    Ok(segment)
}

/// LMSW sets PE, MP, EM and TS, and cannot clear PE.
impl Loaded for MachineStatus {
    fn load(cpu: &mut Cpu, mem: &mut PhysMem, word: u16) -> Result<(), Faulted> {
        let old = cpu.regs.control.cr0;
        let loaded = u64::from(word) & 0xf | old & cr0::PE;
        if !cpu.write_cr0(mem, old & !0xf | loaded) {
            return Err(cpu.raise(Exception::gp0()));
        }
        Ok(())
    }
}

/// A register that is stored as a word to memory and extended to a register.
trait Stored: 'static {
    /// Whether there is an instruction for it in real mode.
    const IN_REAL_MODE: bool = false;
    fn of(control: &Control) -> u64;
}

struct Ldtr;
struct Tr;
/// CR0, of which SMSW gives as much as the register holds.
struct MachineStatus;

impl Stored for Ldtr {
    fn of(control: &Control) -> u64 {
        u64::from(control.ldtr)
    }
}

impl Stored for Tr {
    fn of(control: &Control) -> u64 {
        u64::from(control.tr)
    }
}

impl Stored for MachineStatus {
    const IN_REAL_MODE: bool = true;

    fn of(control: &Control) -> u64 {
        control.cr0
    }
}

fn word_rule<S: Stored>(insn: &Instruction) -> Option<Lowered> {
    if insn.op0_kind() == OpKind::Memory {
        return Lowered::plain(insn, to_memory::<S>);
    }
    let functions = wide_widths!(to_register, S);
    Lowered::plain(insn, functions[width_index(insn, 0)?])
}

fn to_memory<S: Stored>(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    check_stored::<S>(cpu)?;
    let value = S::of(&cpu.regs.control);
    B16::store(cpu, mem, op.linear(cpu), value)?;
    Ok(cpu.completed())
}

fn to_register<S: Stored, W: Width>(
    cpu: &mut Cpu,
    _mem: &mut PhysMem,
    op: &Op,
) -> Result<Flow, Faulted> {
    check_stored::<S>(cpu)?;
    let value = S::of(&cpu.regs.control);
    W::set(&mut cpu.regs.gpr, op.dst, value & W::MASK);
    Ok(Flow::Next)
}
