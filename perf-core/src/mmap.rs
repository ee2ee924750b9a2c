//! Mapping an event: creating its ring buffer, sharing it, redirecting others into it
//! (rules 3.10.1, 3.10.5, 3.7 SET_OUTPUT and PAUSE_OUTPUT).
//!
//! Source: `perf_mmap`, `perf_event_set_output`, Linux 6.18 kernel/events/core.c.

use crate::attr::abi::AttrFlags;
use crate::errno::Errno;
use crate::event::PerfEvent;
use crate::ids::{BufferId, EventId};
use crate::install::Detached;
use crate::perf::Perf;
use crate::ring_buffer::{BufferMemory, ControlPage, Direction, Fill, PAGE_SIZE, RingBuffer};

/// `MAP_SHARED` or `MAP_PRIVATE`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MmapSharing {
    /// Required.
    Shared,
    /// Refused.
    Private,
}

/// Whether the mapping has `PROT_WRITE`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MmapAccess {
    /// The buffer overwrites old records.
    ReadOnly,
    /// The reader confirms by `data_tail`; records that do not fit are lost.
    Writable,
}

/// The arguments of mmap() that matter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MmapRequest {
    /// Length in bytes.
    pub length: u64,
    /// Offset in bytes.
    pub offset: u64,
    /// Shared or private.
    pub sharing: MmapSharing,
    /// Writable or not.
    pub access: MmapAccess,
}

/// What the caller must map.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mapped {
    /// A new buffer: provide `bytes` of zeroed memory for it, then call
    /// [`Perf::init_userpage`].
    New {
        /// The buffer.
        buffer: BufferId,
        /// Control page and data, bytes.
        bytes: u64,
    },
    /// The event's buffer, mapped once more.
    Again {
        /// The buffer.
        buffer: BufferId,
    },
}

/// Argument of PAUSE_OUTPUT.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Output {
    /// Records count as lost.
    Paused,
    /// Records are written.
    Running,
}

fn direction(e: &PerfEvent) -> Direction {
    if e.attr.has(AttrFlags::WRITE_BACKWARD) { Direction::Backward } else { Direction::Forward }
}

impl Perf {
    /// mmap() of an event. The rules on locked memory (EPERM) are the caller's.
    pub fn mmap(&mut self, event: EventId, request: &MmapRequest) -> Result<Mapped, Errno> {
        let e = self.event(event).ok_or(Errno::EBADF)?;
        let pages = request.length / PAGE_SIZE;
        let nr_pages = pages.saturating_sub(1);
        let bad = e.target.cpu().is_none() && e.attr.has(AttrFlags::INHERIT)
            || request.sharing == MmapSharing::Private
            || request.offset != 0
            || pages == 0
            || !request.length.is_multiple_of(PAGE_SIZE)
            || nr_pages != 0 && !nr_pages.is_power_of_two();
        if bad {
            return Err(Errno::EINVAL);
        }
        let mapped = match e.rb {
            Some(buffer) => self.mmap_again(event, buffer, nr_pages)?,
            None => self.mmap_new(event, nr_pages, request.access)?,
        };
        self.ev_mut(event).mmap_count += 1;
        Ok(mapped)
    }

    fn mmap_again(&self, event: EventId, buffer: BufferId, nr_pages: u64) -> Result<Mapped, Errno> {
        let existing = self.buffers[buffer.index()].as_ref().ok_or(Errno::EINVAL)?;
        if existing.nr_pages != nr_pages {
            return Err(Errno::EINVAL);
        }
        if self.ev(event).mmap_count == 0 {
            return Err(Errno::EBUSY);
        }
        Ok(Mapped::Again { buffer })
    }

    fn mmap_new(
        &mut self,
        event: EventId,
        nr_pages: u64,
        access: MmapAccess,
    ) -> Result<Mapped, Errno> {
        let id = u32::try_from(self.buffers.len()).map_err(|_| Errno::ENOMEM)?;
        let buffer = BufferId(id);
        let e = self.ev_mut(event);
        e.rb = Some(buffer);
        let by_bytes = e.attr.has(AttrFlags::WATERMARK);
        let watermark = if by_bytes { u64::from(e.attr.wakeup_events) } else { 0 };
        let fill = match access {
            MmapAccess::ReadOnly => Fill::Overwrite,
            MmapAccess::Writable => Fill::Bounded,
        };
        let direction = direction(e);
        let new = RingBuffer::new(buffer, event, nr_pages, watermark, fill, direction);
        self.buffers.push(Some(new));
        Ok(Mapped::New { buffer, bytes: (nr_pages + 1) * PAGE_SIZE })
    }

    /// Fills the control page of a new buffer (rule 3.10.2). Its memory must be zero.
    pub fn init_userpage(&mut self, now: u64, event: EventId, mem: &mut dyn BufferMemory) {
        let Some(buffer) = self.event(event).and_then(|e| e.rb) else {
            return;
        };
        if let Some(b) = &self.buffers[buffer.index()] {
            ControlPage::new(mem, buffer).init(b.data_size());
        }
        self.update_userpage(now, event, mem);
    }

    /// Refreshes count and times in the control page: at mmap and after RESET.
    pub fn update_userpage(&mut self, now: u64, event: EventId, mem: &mut dyn BufferMemory) {
        let Some(e) = self.event(event) else { return };
        let Some(buffer) = e.rb else { return };
        let count = e.count.wrapping_add(e.child_count);
        let (enabled, running) = self.total_times_at(event, now);
        ControlPage::new(mem, buffer).update(count, enabled, running);
    }

    /// A mapping was duplicated (fork, split).
    pub fn mmap_open(&mut self, event: EventId) {
        if self.event(event).is_some_and(|e| e.mmap_count > 0) {
            self.ev_mut(event).mmap_count += 1;
        }
    }

    /// A mapping went away. With the last one the buffer goes, also for events redirected to it.
    pub fn mmap_close(&mut self, event: EventId) -> Detached {
        let mut detached = Detached::default();
        let Some(e) = self.event(event) else {
            return detached;
        };
        let (count, buffer) = (e.mmap_count, e.rb);
        if count > 0 {
            self.ev_mut(event).mmap_count -= 1;
        }
        if count == 1
            && let Some(buffer) = buffer
        {
            self.free_buffer(buffer, &mut detached);
        }
        detached
    }

    pub(crate) fn free_buffer(&mut self, buffer: BufferId, detached: &mut Detached) {
        let Some(gone) = self.buffers[buffer.index()].take() else {
            return;
        };
        self.ev_mut(gone.owner).mmap_count = 0;
        for &event in &gone.events {
            self.ev_mut(event).rb = None;
        }
        detached.wake.extend(gone.events);
        detached.freed_buffers.push(buffer);
    }

    /// Every event whose records go to `buffer`: their pollers are woken together.
    #[must_use]
    pub fn buffer_events(&self, buffer: BufferId) -> &[EventId] {
        let buffer = self.buffers.get(buffer.index()).and_then(Option::as_ref);
        buffer.map_or(&[], |b| &b.events)
    }

    /// SET_OUTPUT: the event's records go to `output`'s buffer, or nowhere. EINVAL for itself, a
    /// target without buffer, another CPU, task, clock or direction, and when the event is
    /// mapped itself.
    pub fn set_output(&mut self, event: EventId, output: Option<EventId>) -> Result<(), Errno> {
        let e = self.event(event).ok_or(Errno::EBADF)?;
        let buffer = match output {
            None => None,
            Some(output) => {
                let o = self.event(output).ok_or(Errno::EBADF)?;
                let fits = output != event
                    && o.target.cpu() == e.target.cpu()
                    && (o.target.cpu().is_some() || o.target.task() == e.target.task())
                    && o.clock == e.clock
                    && direction(o) == direction(e);
                if !fits {
                    return Err(Errno::EINVAL);
                }
                Some(o.rb.ok_or(Errno::EINVAL)?)
            }
        };
        if e.mmap_count > 0 {
            return Err(Errno::EINVAL);
        }
        if let Some(old) = e.rb
            && let Some(old) = self.buffers[old.index()].as_mut()
        {
            old.detach(event);
        }
        self.ev_mut(event).rb = buffer;
        if let Some(new) = buffer.and_then(|b| self.buffers[b.index()].as_mut()) {
            new.events.push(event);
        }
        Ok(())
    }

    /// PAUSE_OUTPUT. EINVAL without data pages.
    pub fn pause_output(&mut self, event: EventId, output: Output) -> Result<(), Errno> {
        let e = self.event(event).ok_or(Errno::EBADF)?;
        let buffer = e.rb.and_then(|b| self.buffers[b.index()].as_mut());
        let buffer = buffer.filter(|b| b.nr_pages > 0).ok_or(Errno::EINVAL)?;
        buffer.paused = output == Output::Paused;
        Ok(())
    }
}
