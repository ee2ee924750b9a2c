//! Where the bytes of perf ring buffers are: guest frames, control page first.

use std::collections::BTreeMap;

use perf_core::{BufferId, BufferMemory};

use crate::arch::x86::hw::{Hw, PAGE_SIZE};
use crate::mm::frame::Pfn;

/// Frames of each ring buffer.
pub type Rings = BTreeMap<BufferId, Vec<Pfn>>;

/// Access of the perf core to ring buffers.
#[derive(Debug)]
pub struct RingMemory<'a> {
    /// The machine whose memory holds the buffers.
    pub hw: &'a mut Hw,
    /// Their frames.
    pub rings: &'a Rings,
}

/// The pieces of `[offset, offset + len)` that lie in one frame each: physical
/// address, and the range within the data. Bytes beyond the buffer are left out.
fn pieces(frames: &[Pfn], offset: u64, len: usize) -> Vec<(u64, std::ops::Range<usize>)> {
    let mut pieces = Vec::new();
    let mut done = 0;
    while done < len {
        let at = offset + done as u64;
        let Some(frame) = frames.get((at / PAGE_SIZE) as usize) else { break };
        let within = at % PAGE_SIZE;
        let size = ((PAGE_SIZE - within) as usize).min(len - done);
        pieces.push((frame.physical() + within, done..done + size));
        done += size;
    }
    pieces
}

impl BufferMemory for RingMemory<'_> {
    fn read(&self, buffer: BufferId, offset: u64, out: &mut [u8]) {
        out.fill(0);
        let Some(frames) = self.rings.get(&buffer) else { return };
        for (physical, range) in pieces(frames, offset, out.len()) {
            self.hw.read_phys(physical, &mut out[range]);
        }
    }

    fn write(&mut self, buffer: BufferId, offset: u64, data: &[u8]) {
        let Some(frames) = self.rings.get(&buffer) else { return };
        for (physical, range) in pieces(frames, offset, data.len()) {
            self.hw.write_phys(physical, &data[range]);
        }
    }
}
