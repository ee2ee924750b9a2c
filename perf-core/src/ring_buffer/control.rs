//! The control page, `struct perf_event_mmap_page` (linux-hw-breakpoint rule 3.10.2).

use super::{BufferMemory, PAGE_SIZE};
use crate::ids::BufferId;

/// Offset of the sequence lock (u32).
pub const LOCK: u64 = 8;
/// Offset of `index` (u32): always 0, there is no user-readable counter.
pub const INDEX: u64 = 12;
/// Offset of `offset` (i64): the count.
pub const OFFSET: u64 = 16;
/// Offset of `time_enabled` (u64, ns).
pub const TIME_ENABLED: u64 = 24;
/// Offset of `time_running` (u64, ns).
pub const TIME_RUNNING: u64 = 32;
/// Offset of `capabilities` (u64).
pub const CAPABILITIES: u64 = 40;
/// Offset of `size` (u32): bytes of this structure in use.
pub const SIZE: u64 = 72;
/// Offset of `data_head` (u64).
pub const DATA_HEAD: u64 = 1024;
/// Offset of `data_tail` (u64), written by the reader.
pub const DATA_TAIL: u64 = 1032;
/// Offset of `data_offset` (u64).
pub const DATA_OFFSET: u64 = 1040;
/// Offset of `data_size` (u64).
pub const DATA_SIZE: u64 = 1048;

/// `cap_bit0_is_deprecated`.
const CAPABILITIES_VALUE: u64 = 2;
/// Value of `size`: up to and including `time_mask`.
const SIZE_VALUE: u32 = 96;

/// Access to the control page of one buffer.
pub struct ControlPage<'a> {
    mem: &'a mut dyn BufferMemory,
    buffer: BufferId,
}

impl<'a> ControlPage<'a> {
    /// The control page of `buffer`.
    pub fn new(mem: &'a mut dyn BufferMemory, buffer: BufferId) -> Self {
        ControlPage { mem, buffer }
    }

    fn u64_at(&self, offset: u64) -> u64 {
        let mut bytes = [0; 8];
        self.mem.read(self.buffer, offset, &mut bytes);
        u64::from_le_bytes(bytes)
    }

    fn put_u64(&mut self, offset: u64, value: u64) {
        self.mem.write(self.buffer, offset, &value.to_le_bytes());
    }

    fn put_u32(&mut self, offset: u64, value: u32) {
        self.mem.write(self.buffer, offset, &value.to_le_bytes());
    }

    /// Where the reader says it has read to. Any value is possible.
    #[must_use]
    pub fn data_tail(&self) -> u64 {
        self.u64_at(DATA_TAIL)
    }

    /// The published write position.
    #[must_use]
    pub fn data_head(&self) -> u64 {
        self.u64_at(DATA_HEAD)
    }

    pub(crate) fn set_data_head(&mut self, head: u64) {
        self.put_u64(DATA_HEAD, head);
    }

    /// Fields that never change (`perf_event_init_userpage`).
    pub(crate) fn init(&mut self, data_size: u64) {
        self.put_u64(CAPABILITIES, CAPABILITIES_VALUE);
        self.put_u32(SIZE, SIZE_VALUE);
        self.put_u64(DATA_OFFSET, PAGE_SIZE);
        self.put_u64(DATA_SIZE, data_size);
    }

    /// Count and times, between two increments of the lock (`perf_event_update_userpage`).
    pub(crate) fn update(&mut self, count: u64, enabled_ns: u64, running_ns: u64) {
        let mut lock = [0; 4];
        self.mem.read(self.buffer, LOCK, &mut lock);
        let lock = u32::from_le_bytes(lock);
        self.put_u32(LOCK, lock.wrapping_add(1));
        self.put_u32(INDEX, 0);
        self.put_u64(OFFSET, count);
        self.put_u64(TIME_ENABLED, enabled_ns);
        self.put_u64(TIME_RUNNING, running_ns);
        self.put_u32(LOCK, lock.wrapping_add(2));
    }
}
