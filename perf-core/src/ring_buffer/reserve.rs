//! Reserving room, filling it, publishing it (rules 3.10.3, 3.9.4).
//!
//! Source: `__perf_output_begin`, `perf_output_put_handle`, Linux 6.x
//! kernel/events/ring_buffer.c.

use super::{BufferMemory, ControlPage, Direction, Fill, PAGE_SIZE, RingBuffer};

/// The record did not fit; it counts as lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct NoSpace;

/// Whether pollers are to be woken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(crate) enum Wake {
    No,
    Yes,
}

/// Room for one or more records. Must be committed: dropping it otherwise leaves a hole that the
/// reader would see, and panics in debug builds.
#[must_use]
pub(crate) struct Reservation<'a> {
    buffer: &'a mut RingBuffer,
    mem: &'a mut dyn BufferMemory,
    at: u64,
    left: u64,
    wakeup_before: u64,
    committed: bool,
}

impl RingBuffer {
    /// Free bytes between `head` and a reader at `tail`. One byte always stays free. `tail`
    /// comes from user space and may be anything.
    fn has_space(&self, tail: u64, size: u64) -> bool {
        let mask = self.data_size().wrapping_sub(1);
        let free = match self.direction {
            Direction::Forward => tail.wrapping_sub(self.head).wrapping_sub(1) & mask,
            Direction::Backward => self.head.wrapping_sub(tail).wrapping_sub(1) & mask,
        };
        free >= size
    }

    /// Reserves `size` bytes. On `Err` nothing has changed.
    pub(crate) fn reserve<'a>(
        &'a mut self,
        mem: &'a mut dyn BufferMemory,
        size: u64,
    ) -> Result<Reservation<'a>, NoSpace> {
        if self.nr_pages == 0 {
            return Err(NoSpace);
        }
        if self.fill == Fill::Bounded {
            let tail = ControlPage::new(mem, self.id).data_tail();
            if !self.has_space(tail, size) {
                return Err(NoSpace);
            }
        }
        let wakeup_before = self.wakeup;
        let at = match self.direction {
            Direction::Forward => self.head,
            Direction::Backward => self.head.wrapping_sub(size),
        };
        let written = match self.direction {
            Direction::Forward => {
                self.head = self.head.wrapping_add(size);
                self.head
            }
            Direction::Backward => {
                self.head = at;
                at.wrapping_neg()
            }
        };
        if written.wrapping_sub(self.wakeup) > self.watermark {
            self.wakeup = self.wakeup.wrapping_add(self.watermark);
        }
        Ok(Reservation { buffer: self, mem, at, left: size, wakeup_before, committed: false })
    }
}

impl Reservation<'_> {
    /// Appends bytes. What exceeds the reservation is a bug of the caller and is cut off.
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        debug_assert!(bytes.len() as u64 <= self.left, "record larger than its reservation");
        let size = self.buffer.data_size();
        let mut rest = &bytes[..bytes.len().min(self.left as usize)];
        while !rest.is_empty() {
            let at = self.at & (size - 1);
            let (now, later) = rest.split_at(rest.len().min((size - at) as usize));
            self.mem.write(self.buffer.id, PAGE_SIZE + at, now);
            self.at = self.at.wrapping_add(now.len() as u64);
            self.left -= now.len() as u64;
            rest = later;
        }
    }

    /// A sample was written: counts it towards `wakeup_events`, unless that is 0.
    pub(crate) fn count_sample(&mut self, wakeup_events: u32) {
        if wakeup_events == 0 {
            return;
        }
        let nr = self.buffer.events_since_wakeup.wrapping_add(1);
        self.buffer.events_since_wakeup = nr;
        if nr >= wakeup_events {
            self.buffer.events_since_wakeup = nr - wakeup_events;
            self.buffer.wakeup = self.buffer.wakeup.wrapping_add(1);
        }
    }

    /// Publishes the new head.
    pub(crate) fn commit(mut self) -> Wake {
        debug_assert_eq!(self.left, 0, "reservation committed before it was filled");
        self.committed = true;
        let head = self.buffer.head;
        ControlPage::new(self.mem, self.buffer.id).set_data_head(head);
        if self.buffer.wakeup == self.wakeup_before {
            return Wake::No;
        }
        self.buffer.poll = crate::poll::PollEvents::IN_RDNORM.0;
        Wake::Yes
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        debug_assert!(
            self.committed || std::thread::panicking(),
            "ring buffer reservation dropped without commit"
        );
    }
}
