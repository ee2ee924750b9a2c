//! The ring buffer user space maps: a control page, then 2^k data pages.
//!
//! `RingBuffer` is the kernel's side; the bytes are in [`BufferMemory`]. Room is reserved, the
//! record written into the `Reservation`, and the new head published by committing it.
//! Source: Linux 6.x kernel/events/ring_buffer.c; linux-hw-breakpoint rule 3.10.

pub mod control;
mod memory;
mod reserve;
#[cfg(test)]
mod tests;

pub use control::ControlPage;
pub use memory::BufferMemory;
pub(crate) use reserve::Wake;

use crate::ids::{BufferId, EventId};

/// Size of a page, control page included, in bytes.
pub const PAGE_SIZE: u64 = 4096;

/// What happens when the buffer is full.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fill {
    /// New records are lost until the reader moves `data_tail` (writable mapping).
    Bounded,
    /// Old records are overwritten (read-only mapping).
    Overwrite,
}

/// Direction of writing (`attr.write_backward`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Direction {
    Forward,
    Backward,
}

/// The kernel's side of a ring buffer.
#[derive(Clone, Debug)]
pub(crate) struct RingBuffer {
    pub(crate) id: BufferId,
    /// Data pages; 0 or a power of two.
    pub(crate) nr_pages: u64,
    pub(crate) fill: Fill,
    pub(crate) direction: Direction,
    pub(crate) paused: bool,
    /// Free-running write position, bytes.
    pub(crate) head: u64,
    /// Position of the last wake-up; changes whenever pollers are to be woken.
    pub(crate) wakeup: u64,
    /// Bytes between wake-ups.
    pub(crate) watermark: u64,
    /// Samples since the last wake-up by `wakeup_events`.
    pub(crate) events_since_wakeup: u32,
    /// Records lost since the last LOST record.
    pub(crate) lost: u64,
    /// Poll bits not yet seen by a poller.
    pub(crate) poll: u32,
    /// The event that is mapped; others may be redirected here.
    pub(crate) owner: EventId,
    /// Every event that writes here, owner included.
    pub(crate) events: Vec<EventId>,
}

impl RingBuffer {
    /// A new buffer of `nr_pages` data pages. `watermark` in bytes; 0 for half the buffer
    /// (rule 3.9.4).
    pub(crate) fn new(
        id: BufferId,
        owner: EventId,
        nr_pages: u64,
        watermark: u64,
        fill: Fill,
        direction: Direction,
    ) -> Self {
        let size = nr_pages * PAGE_SIZE;
        let watermark = match watermark.min(size) {
            0 => size / 2,
            bytes => bytes,
        };
        RingBuffer {
            id,
            nr_pages,
            fill,
            direction,
            paused: nr_pages == 0,
            head: 0,
            wakeup: 0,
            watermark,
            events_since_wakeup: 0,
            lost: 0,
            poll: 0,
            owner,
            events: vec![owner],
        }
    }

    /// Bytes of data area.
    pub(crate) const fn data_size(&self) -> u64 {
        self.nr_pages * PAGE_SIZE
    }

    pub(crate) fn detach(&mut self, event: EventId) {
        self.events.retain(|e| *e != event);
    }
}
