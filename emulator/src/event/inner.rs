//! New stacks: those of a more privileged handler or procedure, from the TSS, and the words
//! that are pushed onto them (SDM vol. 3A, 5.8.5, 6.12.1 and 8.7).

use super::exception::Faulted;
use super::{Exception, Vector};
use crate::cpu::Cpu;
use crate::mem::access::MemWidth;
use crate::mem::phys::PhysMem;
use crate::mem::segment::Intent;
use crate::mem::tlb::Privilege;
use crate::regs::{B16, B32, Segment, SegmentReg};

/// A stack outside 64-bit mode, or of 64-bit code.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewStack {
    /// What SS will hold.
    pub(crate) segment: Segment,
    /// Where the first word goes below.
    pub(crate) pointer: u64,
    /// The privilege that it belongs to.
    pub(crate) target: u8,
}

/// Why words could not be pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoPush {
    /// The segment ends before them.
    NoRoom,
    /// The fault is in the CPU.
    Faulted,
}

impl Cpu {
    /// A word of the TSS; `None` where the TSS ends before it.
    ///
    /// # Errors
    /// The page fault.
    pub(crate) fn tss_word<W: MemWidth>(
        &mut self,
        mem: &mut PhysMem,
        offset: u64,
    ) -> Result<Option<u64>, Faulted> {
        let control = &self.regs.control;
        if offset + u64::from(W::BYTES) - 1 > u64::from(control.tss_limit) {
            return Ok(None);
        }
        let at = control.tss_base.wrapping_add(offset);
        self.with_system_rights(|cpu| W::load(cpu, mem, at)).map(Some)
    }

    /// The same; #TS with TR's selector where the TSS ends before it. `ext` is the EXT bit
    /// of error codes.
    pub(crate) fn needed_tss_word<W: MemWidth>(
        &mut self,
        mem: &mut PhysMem,
        offset: u64,
        ext: u32,
    ) -> Result<u64, Faulted> {
        match self.tss_word::<W>(mem, offset)? {
            Some(word) => Ok(word),
            None => Err(refuse(self, Vector::InvalidTss, self.regs.control.tr, ext)),
        }
    }

    /// The stack of an inner privilege outside IA-32e mode.
    ///
    /// # Errors
    /// #TS where the TSS or its selector will not do, #SS where the segment is not present.
    pub(crate) fn inner_stack(
        &mut self,
        mem: &mut PhysMem,
        target: u8,
        ext: u32,
    ) -> Result<NewStack, Faulted> {
        let level = u64::from(target);
        let wide = self.regs.control.has_wide_tss();
        let (pointer, selector) = if wide {
            let pointer = self.needed_tss_word::<B32>(mem, 4 + 8 * level, ext)?;
            (pointer, self.needed_tss_word::<B16>(mem, 8 + 8 * level, ext)?)
        } else {
            let pointer = self.needed_tss_word::<B16>(mem, 2 + 4 * level, ext)?;
            (pointer, self.needed_tss_word::<B16>(mem, 4 + 4 * level, ext)?)
        };
        let selector = selector as u16;
        let is_null = selector & !3 == 0;
        let word = if is_null { None } else { self.load_descriptor(mem, selector)? };
        let Some(word) = word else {
            return Err(refuse(self, Vector::InvalidTss, selector, ext));
        };
        let segment = Segment::from_descriptor(selector, word);
        let writable_data = segment.access & 0x1a == 0x12;
        if (selector & 3) as u8 != target || segment.dpl() != target || !writable_data {
            return Err(refuse(self, Vector::InvalidTss, selector, ext));
        }
        if segment.access & Segment::PRESENT == 0 {
            return Err(refuse(self, Vector::StackFault, selector, ext));
        }
        Ok(NewStack { segment, pointer, target })
    }

    /// Pushes words with the rights of the stack's privilege; the pointer behind them.
    pub(crate) fn push_words<W: MemWidth>(
        &mut self,
        mem: &mut PhysMem,
        stack: &NewStack,
        words: impl Iterator<Item = u64>,
    ) -> Result<u64, NoPush> {
        let quad = W::BYTES == 8;
        let mask = if quad { u64::MAX } else { stack.segment.stack_mask() };
        let rights = if stack.target == 3 { Privilege::User } else { Privilege::Supervisor };
        let mut pointer = stack.pointer & mask;
        for word in words {
            pointer = pointer.wrapping_sub(u64::from(W::BYTES)) & mask;
            let mut linear = pointer;
            if !quad {
                self.check_room(stack, pointer, W::BYTES)?;
                linear = stack.segment.base.wrapping_add(pointer) & 0xffff_ffff;
            }
            if self.with_rights(rights, |cpu| W::store(cpu, mem, linear, word)).is_err() {
                self.blame_stack();
                return Err(NoPush::Faulted);
            }
        }
        Ok(pointer)
    }

    /// Whether a stack that is not yet the CPU's has room for a word.
    fn check_room(&mut self, stack: &NewStack, pointer: u64, bytes: u32) -> Result<(), NoPush> {
        let ss = SegmentReg::Ss;
        let present = std::mem::replace(&mut self.regs.seg[ss as usize], stack.segment);
        let checked = self.check_segment(ss as u8, pointer, u64::from(bytes), Intent::Write);
        self.regs.seg[ss as usize] = present;
        checked.map_err(|Faulted| NoPush::NoRoom)
    }
}

/// Raises a fault whose error code is a selector.
fn refuse(cpu: &mut Cpu, vector: Vector, selector: u16, ext: u32) -> Faulted {
    cpu.raise(Exception::with_error(vector, u32::from(selector & !3) | ext))
}
