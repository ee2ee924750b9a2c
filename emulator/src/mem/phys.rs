//! Guest-physical memory: one flat range of RAM from address 0.
//!
//! Accesses beyond RAM behave as an empty bus: reads give ones, writes vanish. Those of
//! instructions go to the machine's devices, where it has any.
//! Two sets of frames are kept beside the bytes: those written since the last
//! digest, and those that hold translated code (with the 64-byte lines that do).

use bitvec::prelude::{BitVec, bitvec};

use super::{PAGE_OFFSET_MASK, PAGE_SHIFT, PAGE_SIZE};
use crate::bus::Bus;

/// Lines of 64 bytes in a frame, as bits of a word.
type LineSet = u64;

/// Bytes a bit of [`LineSet`] stands for, as a shift.
const LINE_SHIFT: u64 = 6;

/// What is known about translated code in a frame.
#[derive(Clone, Copy, Debug, Default)]
struct CodeFrame {
    /// Lines from which code has been translated since the last change.
    lines: LineSet,
    /// Counts changes to translated lines; blocks of older generations are stale.
    generation: u32,
}

/// RAM of the machine.
#[derive(Debug)]
pub struct PhysMem {
    bytes: Vec<u8>,
    written: BitVec,
    code: Vec<CodeFrame>,
    is_code: BitVec,
    code_epoch: u64,
    write_tlb_epoch: u64,
    bus: Option<Box<dyn Bus>>,
}

impl PhysMem {
    /// `size` bytes of zeroed RAM, rounded up to whole frames.
    #[must_use]
    pub fn new(size: u64) -> Self {
        let frames = usize::try_from(size.div_ceil(PAGE_SIZE)).unwrap_or(usize::MAX >> PAGE_SHIFT);
        Self {
            bytes: vec![0; frames << PAGE_SHIFT],
            written: bitvec![0; frames],
            code: vec![CodeFrame::default(); frames],
            is_code: bitvec![0; frames],
            code_epoch: 0,
            write_tlb_epoch: 0,
            bus: None,
        }
    }

    /// Connects devices. Accesses beyond RAM by instructions go to them from now on.
    pub fn set_bus(&mut self, bus: Box<dyn Bus>) {
        self.bus = Some(bus);
    }

    /// The devices.
    #[must_use]
    pub fn bus(&self) -> Option<&dyn Bus> {
        self.bus.as_deref()
    }

    /// The devices, to be changed.
    pub fn bus_mut(&mut self) -> Option<&mut (dyn Bus + 'static)> {
        self.bus.as_deref_mut()
    }

    /// Bytes of RAM.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Number of 4 KiB frames.
    #[must_use]
    pub fn nr_frames(&self) -> u64 {
        self.size() >> PAGE_SHIFT
    }

    /// The bytes `[physical, physical + N)`, where they are all RAM.
    #[inline(always)]
    pub(crate) fn array<const N: usize>(&self, physical: u64) -> Option<[u8; N]> {
        let start = physical as usize;
        self.bytes.get(start..start.checked_add(N)?)?.try_into().ok()
    }

    /// The same, to be changed: its frames must be noted as written and free of code.
    #[inline(always)]
    pub(crate) fn array_mut<const N: usize>(&mut self, physical: u64) -> Option<&mut [u8; N]> {
        let start = physical as usize;
        self.bytes.get_mut(start..start.checked_add(N)?)?.try_into().ok()
    }

    /// A slice of RAM, where the whole range is RAM.
    #[must_use]
    pub fn slice(&self, physical: u64, len: u64) -> Option<&[u8]> {
        let start = usize::try_from(physical).ok()?;
        let end = usize::try_from(physical.checked_add(len)?).ok()?;
        self.bytes.get(start..end)
    }

    /// The same, to be changed: its frames count as written, and code
    /// translated from them is dropped.
    pub fn slice_mut(&mut self, physical: u64, len: u64) -> Option<&mut [u8]> {
        let start = usize::try_from(physical).ok()?;
        let end = usize::try_from(physical.checked_add(len)?).ok()?;
        if end > self.bytes.len() {
            return None;
        }
        self.note_write(physical, len);
        self.bytes.get_mut(start..end)
    }

    /// Reads `out.len()` bytes; ones where there is no RAM.
    pub fn read(&self, physical: u64, out: &mut [u8]) {
        match self.slice(physical, out.len() as u64) {
            Some(bytes) => out.copy_from_slice(bytes),
            None => {
                for (offset, byte) in out.iter_mut().enumerate() {
                    let at = physical.checked_add(offset as u64).map(|at| at as usize);
                    *byte = at.and_then(|at| self.bytes.get(at)).copied().unwrap_or(0xff);
                }
            }
        }
    }

    /// Writes `data`; bytes beyond RAM vanish.
    pub fn write(&mut self, physical: u64, data: &[u8]) {
        let room = self.size().saturating_sub(physical).min(data.len() as u64);
        if let Some(place) = self.slice_mut(physical, room) {
            place.copy_from_slice(&data[..room as usize]);
        }
    }

    /// Reads a little-endian 64-bit word.
    #[must_use]
    pub fn read_u64(&self, physical: u64) -> u64 {
        let mut bytes = [0; 8];
        self.read(physical, &mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// Writes a little-endian 64-bit word.
    pub fn write_u64(&mut self, physical: u64, value: u64) {
        self.write(physical, &value.to_le_bytes());
    }

    /// Notes that `[physical, physical + len)` is about to change.
    pub(crate) fn note_write(&mut self, physical: u64, len: u64) {
        if len == 0 {
            return;
        }
        let last = physical.saturating_add(len - 1).min(self.size().saturating_sub(1));
        for frame in (physical >> PAGE_SHIFT)..=(last >> PAGE_SHIFT) {
            self.mark_written(frame);
            if self.is_code(frame) {
                let base = frame << PAGE_SHIFT;
                let from = physical.max(base) - base;
                let to = last.min(base | PAGE_OFFSET_MASK) - base;
                self.change_code(frame, lines_between(from, to));
            }
        }
    }

    /// Adds a frame to the set of those written since the last digest.
    pub(crate) fn mark_written(&mut self, frame: u64) {
        if let Some(mut bit) = self.written.get_mut(frame as usize) {
            bit.set(true);
        }
    }

    /// Whether the frame holds translated code.
    #[must_use]
    pub(crate) fn is_code(&self, frame: u64) -> bool {
        self.is_code.get(frame as usize).is_some_and(|bit| *bit)
    }

    /// Notes that code was translated from the bytes `from..=to` of a frame.
    /// Stores to the frame must take the slow path from now on.
    pub(crate) fn add_code(&mut self, frame: u64, from: u64, to: u64) {
        let Some(entry) = self.code.get_mut(frame as usize) else { return };
        entry.lines |= lines_between(from, to);
        if !self.is_code.replace(frame as usize, true) {
            self.write_tlb_epoch += 1;
        }
    }

    /// Drops translations of a frame if a written line holds any.
    fn change_code(&mut self, frame: u64, lines: LineSet) {
        let Some(entry) = self.code.get_mut(frame as usize) else { return };
        if entry.lines & lines != 0 {
            entry.lines = 0;
            entry.generation = entry.generation.wrapping_add(1);
            self.is_code.set(frame as usize, false);
            self.code_epoch += 1;
        }
    }

    /// Generation of the code in a frame.
    #[must_use]
    pub(crate) fn code_generation(&self, frame: u64) -> u32 {
        self.code.get(frame as usize).map_or(0, |entry| entry.generation)
    }

    /// Counts changes to translated code anywhere.
    #[must_use]
    pub(crate) fn code_epoch(&self) -> u64 {
        self.code_epoch
    }

    /// Counts frames that became code: fast write translations are stale then.
    #[must_use]
    pub(crate) fn write_tlb_epoch(&self) -> u64 {
        self.write_tlb_epoch
    }

    /// Calls `each` with the number and bytes of every frame written since the
    /// last call, in ascending order, and empties the set. The caller must make
    /// sure that stores reach [`Self::mark_written`] again (flush write TLBs).
    pub(crate) fn drain_written(&mut self, mut each: impl FnMut(u64, &[u8])) {
        for frame in self.written.iter_ones() {
            let start = frame << PAGE_SHIFT;
            if let Some(bytes) = self.bytes.get(start..start + PAGE_SIZE as usize) {
                each(frame as u64, bytes);
            }
        }
        self.written.fill(false);
        self.write_tlb_epoch += 1;
    }
}

/// The lines that the byte offsets `from..=to` of a frame touch.
fn lines_between(from: u64, to: u64) -> LineSet {
    let (first, last) = (from >> LINE_SHIFT, to >> LINE_SHIFT);
    (LineSet::MAX << first) & (LineSet::MAX >> (63 - last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_ram_is_an_empty_bus() {
        let mut mem = PhysMem::new(PAGE_SIZE);
        mem.write(4094, &[1, 2, 3, 4]);
        let mut out = [0; 4];
        mem.read(4094, &mut out);
        assert_eq!(out, [1, 2, 0xff, 0xff]);
        assert_eq!(mem.read_u64(u64::MAX - 3), u64::MAX);
    }

    #[test]
    fn a_write_beside_translated_lines_keeps_them() {
        let mut mem = PhysMem::new(2 * PAGE_SIZE);
        mem.add_code(1, 0, 63);
        let before = mem.code_generation(1);
        mem.write(PAGE_SIZE + 64, &[0; 8]);
        assert_eq!(mem.code_generation(1), before);
        mem.write(PAGE_SIZE + 60, &[0; 8]);
        assert_eq!(mem.code_generation(1), before + 1);
    }

    #[test]
    fn written_frames_are_told_once_in_order() {
        let mut mem = PhysMem::new(4 * PAGE_SIZE);
        mem.write(3 * PAGE_SIZE, &[1]);
        mem.write(PAGE_SIZE - 1, &[1, 2]);
        let mut frames = Vec::new();
        mem.drain_written(|frame, _| frames.push(frame));
        assert_eq!(frames, [0, 1, 3]);
        mem.drain_written(|_, _| panic!("the set is empty"));
    }
}
