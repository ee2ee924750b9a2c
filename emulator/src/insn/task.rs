//! Hardware task switches, which exist outside IA-32e mode only (SDM vol. 3A, chapter 7;
//! rule X2).

use super::descriptor::{self, Kind, TSS_AVAILABLE, TSS16_AVAILABLE, is_null, kind, rpl};
use super::segload::{NullStack, data_segment, stack_segment};
use super::system::refuse_by_name;
use crate::cpu::Cpu;
use crate::debug::dr6;
use crate::event::delivery;
use crate::event::exception::Faulted;
use crate::event::pending::Attention;
use crate::event::{Exception, Vector};
use crate::mem::access::MemWidth;
use crate::mem::phys::PhysMem;
use crate::op::{Flow, Op};
use crate::regs::control::cr0;
use crate::regs::{B16, B32, RFlags, Segment, SegmentReg};

/// What a task switch comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// JMP.
    Jump,
    /// CALL.
    Call,
    /// IRET with RFLAGS.NT set.
    Return,
    /// An event through a task gate, with the EXT bit of its error codes.
    Event(u32),
}

impl Cause {
    fn ext(self) -> u32 {
        if let Self::Event(ext) = self { ext } else { 0 }
    }

    /// Whether the new task is to return to the old one.
    fn nests(self) -> bool {
        matches!(self, Self::Call | Self::Event(_))
    }
}

/// Least limits.
const MIN_LIMIT_32: u32 = 0x67;
const MIN_LIMIT_16: u32 = 0x2b;
/// L0 to L3 and LE of DR7, which a task switch clears.
const LOCAL_ENABLES: u64 = 0x155;
/// Segment registers in the order of a TSS; that of 16 bits has the first four.
const SEGMENTS: [SegmentReg; 6] = [
    SegmentReg::Es,
    SegmentReg::Cs,
    SegmentReg::Ss,
    SegmentReg::Ds,
    SegmentReg::Fs,
    SegmentReg::Gs,
];

/// A task state segment in memory.
#[derive(Clone, Copy, Debug)]
struct Tss {
    base: u64,
    wide: bool,
}

/// What a TSS holds of a task.
#[derive(Clone, Copy, Debug, Default)]
struct Image {
    cr3: u64,
    rip: u64,
    flags: u64,
    gpr: [u64; 8],
    selectors: [u16; 6],
    ldtr: u16,
    traps: bool,
}

impl Tss {
    fn load<W: MemWidth>(self, cpu: &mut Cpu, mem: &mut PhysMem, at: u64) -> Result<u64, Faulted> {
        let linear = self.base.wrapping_add(at) & 0xffff_ffff;
        cpu.with_system_rights(|cpu| W::load(cpu, mem, linear))
    }

    fn store<W: MemWidth>(
        self,
        cpu: &mut Cpu,
        mem: &mut PhysMem,
        at: u64,
        value: u64,
    ) -> Result<(), Faulted> {
        let linear = self.base.wrapping_add(at) & 0xffff_ffff;
        cpu.with_system_rights(|cpu| W::store(cpu, mem, linear, value))
    }

    /// Offsets of the general registers and of the selectors, with their strides.
    fn layout(self) -> (u64, u64, u64, u64) {
        if self.wide { (0x28, 4, 0x48, 4) } else { (0x12, 2, 0x22, 2) }
    }

    /// A word of the task's size.
    fn word(self, cpu: &mut Cpu, mem: &mut PhysMem, at: u64) -> Result<u64, Faulted> {
        if self.wide { self.load::<B32>(cpu, mem, at) } else { self.load::<B16>(cpu, mem, at) }
    }

    fn set_word(
        self,
        cpu: &mut Cpu,
        mem: &mut PhysMem,
        at: u64,
        value: u64,
    ) -> Result<(), Faulted> {
        if self.wide {
            self.store::<B32>(cpu, mem, at, value)
        } else {
            self.store::<B16>(cpu, mem, at, value)
        }
    }

    fn nr_selectors(self) -> usize {
        if self.wide { 6 } else { 4 }
    }

    /// Reads a task.
    fn read(self, cpu: &mut Cpu, mem: &mut PhysMem) -> Result<Image, Faulted> {
        let (gpr_at, gpr_step, sel_at, sel_step) = self.layout();
        let mut image = Image::default();
        let (rip_at, flags_at, ldt_at) =
            if self.wide { (0x20, 0x24, 0x60) } else { (0xe, 0x10, 0x2a) };
        if self.wide {
            image.cr3 = self.load::<B32>(cpu, mem, 0x1c)?;
            image.traps = self.load::<B16>(cpu, mem, 0x64)? & 1 != 0;
        }
        image.rip = self.word(cpu, mem, rip_at)?;
        image.flags = self.word(cpu, mem, flags_at)?;
        for (at, word) in (gpr_at..).step_by(gpr_step as usize).zip(&mut image.gpr) {
            *word = self.word(cpu, mem, at)?;
        }
        let selectors = &mut image.selectors[..self.nr_selectors()];
        for (at, selector) in (sel_at..).step_by(sel_step as usize).zip(selectors) {
            *selector = self.load::<B16>(cpu, mem, at)? as u16;
        }
        image.ldtr = self.load::<B16>(cpu, mem, ldt_at)? as u16;
        Ok(image)
    }

    /// Saves the present task.
    fn save(self, cpu: &mut Cpu, mem: &mut PhysMem, flags: u64) -> Result<(), Faulted> {
        let (gpr_at, gpr_step, sel_at, sel_step) = self.layout();
        let (rip_at, flags_at) = if self.wide { (0x20, 0x24) } else { (0xe, 0x10) };
        let rip = cpu.regs.rip;
        self.set_word(cpu, mem, rip_at, rip)?;
        self.set_word(cpu, mem, flags_at, flags)?;
        for (at, reg) in (gpr_at..).step_by(gpr_step as usize).zip(0..8) {
            let value = cpu.regs.gpr.get(reg);
            self.set_word(cpu, mem, at, value)?;
        }
        for (at, reg) in (sel_at..).step_by(sel_step as usize).zip(&SEGMENTS[..self.nr_selectors()])
        {
            let selector = cpu.regs.seg[*reg as usize].selector;
            self.store::<B16>(cpu, mem, at, u64::from(selector))?;
        }
        Ok(())
    }
}

/// The descriptor of the new task's TSS, checked.
fn new_task(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    selector: u16,
    cause: Cause,
) -> Result<Segment, Faulted> {
    let returns = cause == Cause::Return;
    let wrong = if returns { Vector::InvalidTss } else { Vector::GeneralProtection };
    let error = u32::from(selector & !3) | cause.ext();
    let refuse = |cpu: &mut Cpu, vector| Err(cpu.raise(Exception::with_error(vector, error)));
    if selector & 4 != 0 || is_null(selector) || cpu.descriptor_address(selector).is_none() {
        return refuse(cpu, wrong);
    }
    let segment = descriptor::read(cpu, mem, selector)?;
    let busy = if returns { Segment::BUSY_TSS as u8 } else { 0 };
    let Kind::System(found) = kind(&segment) else { return refuse(cpu, wrong) };
    if found != TSS_AVAILABLE | busy && found != TSS16_AVAILABLE | busy {
        return refuse(cpu, wrong);
    }
    if segment.access & Segment::PRESENT == 0 {
        return refuse(cpu, Vector::SegmentNotPresent);
    }
    let least = if segment.access & Segment::WIDE_TSS != 0 { MIN_LIMIT_32 } else { MIN_LIMIT_16 };
    if segment.limit < least {
        return refuse(cpu, Vector::InvalidTss);
    }
    Ok(segment)
}

/// Switches to the task whose TSS `selector` names; RIP must be where the old task is to
/// go on. A fault before the new task is there leaves the old one as it was.
///
/// # Errors
/// The fault; where [`Cpu::regs`] are the new task's already, it belongs to that.
pub(crate) fn switch(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    selector: u16,
    cause: Cause,
) -> Result<(), Faulted> {
    let segment = new_task(cpu, mem, selector, cause)?;
    let new = Tss { base: segment.base, wide: segment.access & Segment::WIDE_TSS != 0 };
    let control = &cpu.regs.control;
    let old_selector = control.tr;
    let old = Tss { base: control.tss_base, wide: control.has_wide_tss() };
    let image = new.read(cpu, mem)?;
    if image.flags & RFlags::VM != 0 {
        // No fault is raised: the run ends.
        refuse_by_name(cpu, "task switch to virtual-8086 mode");
        return Err(Faulted);
    }
    let mut flags = cpu.regs.rflags();
    if cause == Cause::Return {
        flags &= !RFlags::NT;
    }
    old.save(cpu, mem, flags)?;
    if matches!(cause, Cause::Jump | Cause::Return) {
        let access = cpu.regs.control.tr_access & !Segment::BUSY_TSS;
        descriptor::set_access_byte(cpu, mem, old_selector, access)?;
    }
    if cause.nests() {
        new.store::<B16>(cpu, mem, 0, u64::from(old_selector))?;
    }
    let access = segment.access | Segment::BUSY_TSS;
    if cause != Cause::Return {
        descriptor::set_access_byte(cpu, mem, selector, access)?;
    }
    commit(cpu, &image, cause, Segment { selector, access, ..segment });
    load_segments(cpu, mem, &image, cause)?;
    if image.traps {
        cpu.pending.debug |= dr6::BT;
        cpu.attention.raise(Attention::DEBUG);
    }
    Ok(())
}

/// Everything of the new task that needs no check.
fn commit(cpu: &mut Cpu, image: &Image, cause: Cause, tss: Segment) {
    let control = &mut cpu.regs.control;
    control.tr = tss.selector & !3;
    control.tss_base = tss.base;
    control.tss_limit = tss.limit;
    control.tr_access = tss.access;
    control.cr0 |= cr0::TS;
    let wide = tss.access & Segment::WIDE_TSS != 0;
    if wide && control.cr0 & cr0::PG != 0 {
        cpu.set_cr3(image.cr3);
    }
    cpu.regs.rip = image.rip;
    for (reg, value) in (0..8u8).zip(image.gpr) {
        let kept = if wide { 0 } else { cpu.regs.gpr.get(reg) & 0xffff_0000 };
        cpu.regs.gpr.set(reg, kept | value);
    }
    for (reg, selector) in SEGMENTS.into_iter().zip(image.selectors) {
        // Until it is loaded with its descriptor, a segment has none.
        cpu.regs.seg[reg as usize] = Segment { selector, ..Segment::default() };
    }
    let kept = if wide { 0 } else { cpu.regs.system_flags & !0xffff };
    let nested = if cause.nests() { RFlags::NT } else { 0 };
    cpu.set_dr7(cpu.debug.dr7().0 & !LOCAL_ENABLES);
    cpu.set_rflags(kept | image.flags | nested);
}

/// LDTR and the segment registers; the fault of a bad selector is #TS.
fn load_segments(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    image: &Image,
    cause: Cause,
) -> Result<(), Faulted> {
    super::systable::load_ldtr(cpu, mem, image.ldtr)
        .map_err(|_| blame_task(cpu, image.ldtr, cause))?;
    let cs = image.selectors[1];
    let cpl = rpl(cs);
    let code = match descriptor::read(cpu, mem, cs) {
        Ok(code) if !is_null(cs) => code,
        _ => return Err(invalid(cpu, cs, cause)),
    };
    let fits = match kind(&code) {
        Kind::Code { conforming, .. } => code.dpl() == cpl || (conforming && code.dpl() < cpl),
        Kind::System(_) | Kind::Data { .. } => false,
    };
    if !fits {
        return Err(invalid(cpu, cs, cause));
    }
    if code.access & Segment::PRESENT == 0 {
        return Err(descriptor::refuse(cpu, Vector::SegmentNotPresent, cs));
    }
    cpu.regs.seg[SegmentReg::Cs as usize] = code;
    cpu.sync_mode();
    let ss = image.selectors[2];
    let stack = stack_segment(cpu, mem, ss, cpl, NullStack::Refused)
        .map_err(|_| blame_task(cpu, ss, cause))?;
    cpu.regs.seg[SegmentReg::Ss as usize] = stack;
    for (reg, selector) in SEGMENTS.into_iter().zip(image.selectors) {
        if matches!(reg, SegmentReg::Cs | SegmentReg::Ss) || is_null(selector) {
            continue;
        }
        let segment =
            data_segment(cpu, mem, selector).map_err(|_| blame_task(cpu, selector, cause))?;
        cpu.regs.seg[reg as usize] = segment;
    }
    cpu.sync_mode();
    if cpu.regs.rip > cpu.code.limit {
        return Err(cpu.raise(Exception::gp0()));
    }
    Ok(())
}

/// #TS with a selector.
fn invalid(cpu: &mut Cpu, selector: u16, cause: Cause) -> Faulted {
    let error = u32::from(selector & !3) | cause.ext();
    cpu.raise(Exception::with_error(Vector::InvalidTss, error))
}

/// Makes #TS of the #GP that an ordinary load of the selector would raise.
fn blame_task(cpu: &mut Cpu, selector: u16, cause: Cause) -> Faulted {
    if cpu.fault.is_some_and(|fault| fault.vector == Vector::GeneralProtection) {
        return invalid(cpu, selector, cause);
    }
    Faulted
}

/// JMP and CALL to another task, whose first boundary follows.
pub(super) fn transfer(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    selector: u16,
    cause: Cause,
) -> Result<Flow, Faulted> {
    let old = cpu.regs.control.tr;
    match switch(cpu, mem, selector, cause) {
        Ok(()) => Ok(Flow::JumpBoundary),
        // The old task is still there.
        Err(Faulted) if cpu.exit.is_some() => Ok(Flow::Refused),
        Err(Faulted) if cpu.regs.control.tr == old => Err(Faulted),
        Err(Faulted) => {
            cpu.drop_hits();
            match delivery::deliver_fault(cpu, mem) {
                None => Ok(Flow::JumpBoundary),
                Some(exit) => {
                    cpu.exit = Some(exit);
                    Ok(Flow::Exit)
                }
            }
        }
    }
}

/// IRET with RFLAGS.NT: back to the task that the link names.
pub(super) fn leave(cpu: &mut Cpu, mem: &mut PhysMem, op: &Op) -> Result<Flow, Faulted> {
    let at = cpu.regs.control.tss_base & 0xffff_ffff;
    let link = cpu.with_system_rights(|cpu| B16::load(cpu, mem, at))? as u16;
    let behind = u64::from(op.offset) + u64::from(op.len);
    cpu.regs.rip = cpu.code.wrap(cpu.regs.rip.wrapping_add(behind));
    transfer(cpu, mem, link, Cause::Return)
}
