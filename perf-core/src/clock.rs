//! Clocks an event may stamp its records with.
//!
//! Time enters perf core as `now`: nanoseconds of the perf clock (`perf_clock()`), passed by the
//! caller with every operation. The other clocks a user may choose with `use_clockid` are that
//! clock plus an offset the caller keeps in [`ClockOffsets`].
//! Source: `perf_event_set_clock`, Linux 6.x kernel/events/core.c.

use crate::errno::Errno;
use crate::pmu::NmiSafety;

/// The clock of an event (`attr.use_clockid`, `attr.clockid`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum EventClock {
    /// `perf_clock()`: the default.
    #[default]
    Perf,
    /// `CLOCK_MONOTONIC` (1).
    Monotonic,
    /// `CLOCK_MONOTONIC_RAW` (4).
    MonotonicRaw,
    /// `CLOCK_REALTIME` (0).
    Realtime,
    /// `CLOCK_BOOTTIME` (7).
    Boottime,
    /// `CLOCK_TAI` (11).
    Tai,
}

impl EventClock {
    /// The clock for a user's clockid. EINVAL for an unknown id, and for a clock that cannot be
    /// read from NMI context when the PMU needs that.
    pub fn from_clockid(clockid: i32, pmu: NmiSafety) -> Result<Self, Errno> {
        let (clock, nmi_safe) = match clockid {
            0 => (Self::Realtime, false),
            1 => (Self::Monotonic, true),
            4 => (Self::MonotonicRaw, true),
            7 => (Self::Boottime, false),
            11 => (Self::Tai, false),
            _ => return Err(Errno::EINVAL),
        };
        if nmi_safe || pmu == NmiSafety::NotNeeded { Ok(clock) } else { Err(Errno::EINVAL) }
    }
}

/// What to add to the perf clock, in nanoseconds, to get each of the other clocks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ClockOffsets {
    /// To `CLOCK_MONOTONIC`.
    pub monotonic_ns: i64,
    /// To `CLOCK_MONOTONIC_RAW`.
    pub monotonic_raw_ns: i64,
    /// To `CLOCK_REALTIME`.
    pub realtime_ns: i64,
    /// To `CLOCK_BOOTTIME`.
    pub boottime_ns: i64,
    /// To `CLOCK_TAI`.
    pub tai_ns: i64,
}

impl ClockOffsets {
    /// `clock` at the moment when the perf clock reads `now`.
    #[must_use]
    pub fn read(&self, clock: EventClock, now: u64) -> u64 {
        let offset = match clock {
            EventClock::Perf => 0,
            EventClock::Monotonic => self.monotonic_ns,
            EventClock::MonotonicRaw => self.monotonic_raw_ns,
            EventClock::Realtime => self.realtime_ns,
            EventClock::Boottime => self.boottime_ns,
            EventClock::Tai => self.tai_ns,
        };
        now.wrapping_add_signed(offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// linux-hw-breakpoint rule 1.2 step 18, and the NMI rule of `perf_event_set_clock`.
    #[test]
    fn clockids() {
        use NmiSafety::{Needed, NotNeeded};
        for (id, hw, sw) in [
            (0, None, Some(EventClock::Realtime)),
            (1, Some(EventClock::Monotonic), Some(EventClock::Monotonic)),
            (4, Some(EventClock::MonotonicRaw), Some(EventClock::MonotonicRaw)),
            (7, None, Some(EventClock::Boottime)),
            (11, None, Some(EventClock::Tai)),
            (2, None, None),
            (-1, None, None),
        ] {
            assert_eq!(EventClock::from_clockid(id, Needed).ok(), hw, "clockid {id}");
            assert_eq!(EventClock::from_clockid(id, NotNeeded).ok(), sw, "clockid {id}");
        }
    }

    #[test]
    fn offsets_apply() {
        let offsets = ClockOffsets { monotonic_ns: -5, realtime_ns: 1_000, ..Default::default() };
        assert_eq!(offsets.read(EventClock::Perf, 100), 100);
        assert_eq!(offsets.read(EventClock::Monotonic, 100), 95);
        assert_eq!(offsets.read(EventClock::Realtime, 100), 1_100);
    }
}
