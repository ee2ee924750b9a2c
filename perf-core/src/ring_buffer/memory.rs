//! Where a ring buffer's bytes live: in frames owned by the caller, because user space maps them.

use crate::ids::BufferId;

/// Access to the memory of ring buffers. Offset 0 is the control page; data pages follow at
/// [`crate::ring_buffer::PAGE_SIZE`]. Offsets stay within what [`crate::Perf::mmap`] announced.
/// User space may write the same memory at any time: nothing read from it is trusted.
pub trait BufferMemory {
    /// Reads `out.len()` bytes at `offset`.
    fn read(&self, buf: BufferId, offset: u64, out: &mut [u8]);
    /// Writes `data` at `offset`.
    fn write(&mut self, buf: BufferId, offset: u64, data: &[u8]);
}
