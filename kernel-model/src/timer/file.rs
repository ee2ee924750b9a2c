//! Timer descriptors: reads answer how often the timer has ended.
//! Source: Linux 6.18 `fs/timerfd.c`.

use perf_core::{CpuId, Errno};

use super::{Expiry, TimerKey};
use crate::kernel::Kernel;
use crate::task::wait::Channel;

/// Number of a timer descriptor's timer. Used again after its last use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimerFdId(pub u32);

/// A timer with a descriptor (`struct timerfd_ctx`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerFd {
    /// What its clock showed at boot, ns.
    pub epoch_ns: u64,
    /// Its end, ns since boot. A periodic one stands at its last end until that is read.
    pub expiry: Expiry,
    /// Whether it has ended since it was last looked at.
    pub has_expired: bool,
    /// Ends that nobody has read.
    pub ticks: u64,
    /// The number of the clock, and the flags with which it was set last.
    pub clock_id: u64,
    /// See there.
    pub set_flags: u64,
    /// The CPU that set it.
    pub cpu: CpuId,
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub struct TimerFds {
    slots: Vec<Option<TimerFd>>,
}

impl TimerFds {
    /// Adds one.
    pub fn add(&mut self, timer: TimerFd) -> TimerFdId {
        let free = self.slots.iter().position(Option::is_none).unwrap_or(self.slots.len());
        if free == self.slots.len() {
            self.slots.push(None);
        }
        self.slots[free] = Some(timer);
        TimerFdId(free as u32)
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, id: TimerFdId) -> Option<&TimerFd> {
        self.slots.get(id.0 as usize)?.as_ref()
    }

    /// One of them, to be changed.
    pub fn get_mut(&mut self, id: TimerFdId) -> Option<&mut TimerFd> {
        self.slots.get_mut(id.0 as usize)?.as_mut()
    }

    /// Takes one out.
    pub fn remove(&mut self, id: TimerFdId) -> Option<TimerFd> {
        self.slots.get_mut(id.0 as usize)?.take()
    }
}

impl TimerFd {
    /// Counts the periods that have passed, and goes on behind them; tells the next end.
    fn catch_up(&mut self, now_ns: u64) -> Option<u64> {
        if !self.has_expired || self.expiry.interval_ns == 0 {
            return None;
        }
        self.has_expired = false;
        self.ticks += self.expiry.forward(now_ns).saturating_sub(1);
        self.expiry.deadline_ns
    }
}

impl Kernel {
    pub(super) fn expire_timerfd(&mut self, id: TimerFdId) {
        let Some(timer) = self.timerfds.get_mut(id) else { return };
        timer.has_expired = true;
        timer.ticks += 1;
        if timer.expiry.interval_ns == 0 {
            timer.expiry.deadline_ns = None;
        }
        self.wake(Channel::TimerFd(id));
    }

    /// Arms or disarms it; what was unread is forgotten.
    pub(crate) fn set_timerfd(&mut self, id: TimerFdId, expiry: Expiry, flags: u64) {
        let cpu = self.this_cpu;
        let Some(timer) = self.timerfds.get_mut(id) else { return };
        let old = timer.expiry.deadline_ns;
        (timer.expiry, timer.set_flags, timer.cpu) = (expiry, flags, cpu);
        (timer.has_expired, timer.ticks) = (false, 0);
        if let Some(deadline) = old {
            self.timers.remove(deadline, TimerKey::File(id));
        }
        if let Some(deadline) = expiry.deadline_ns {
            self.timers.add(deadline, TimerKey::File(id));
        }
    }

    /// What is left until its end, and its period.
    pub(crate) fn timerfd_left(&mut self, id: TimerFdId) -> Expiry {
        let now = self.now_ns();
        let Some(timer) = self.timerfds.get_mut(id) else { return Expiry::default() };
        let again = timer.catch_up(now);
        let left = timer.expiry.remaining_ns(now);
        let expiry = Expiry { deadline_ns: Some(left), interval_ns: timer.expiry.interval_ns };
        if let Some(deadline) = again {
            self.timers.add(deadline, TimerKey::File(id));
        }
        expiry
    }

    /// Reads how often it has ended; `None` while it has not.
    ///
    /// # Errors
    /// EINVAL for less room than 8 bytes.
    pub(crate) fn read_timerfd(
        &mut self,
        id: TimerFdId,
        room: usize,
    ) -> Result<Option<u64>, Errno> {
        if room < 8 {
            return Err(Errno::EINVAL);
        }
        let now = self.now_ns();
        let Some(timer) = self.timerfds.get_mut(id) else { return Ok(None) };
        if timer.ticks == 0 {
            return Ok(None);
        }
        let again = timer.catch_up(now);
        timer.has_expired = false;
        let ticks = std::mem::take(&mut timer.ticks);
        if let Some(deadline) = again {
            self.timers.add(deadline, TimerKey::File(id));
        }
        Ok(Some(ticks))
    }

    /// Its last descriptor is closed.
    pub(crate) fn release_timerfd(&mut self, id: TimerFdId) {
        if let Some(timer) = self.timerfds.remove(id)
            && let Some(deadline) = timer.expiry.deadline_ns
        {
            self.timers.remove(deadline, TimerKey::File(id));
        }
    }
}
