//! The timer of a local APIC: it counts 1 GHz, divided, or waits for a value of the TSC.
//!
//! Nothing counts: the current count is computed from the cycle of the next expiry.
//! Source: SDM vol. 3A 11.5.4.

/// IA32_TSC_DEADLINE.
pub(in crate::board) const DEADLINE_MSR: u32 = 0x6e0;
/// Cycles in a tick of the undivided clock.
const CYCLES_PER_TICK: u64 = 3;

/// What the timer does when it expires: bits 17 and 18 of its vector table entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum TimerMode {
    #[default]
    OneShot,
    Periodic,
    TscDeadline,
}

impl TimerMode {
    /// The mode of an entry; the reserved one is as one-shot.
    pub(super) fn of_entry(entry: u32) -> Self {
        match entry >> 17 & 3 {
            1 => Self::Periodic,
            2 => Self::TscDeadline,
            _ => Self::OneShot,
        }
    }
}

/// The timer.
#[derive(Debug, Default)]
pub(super) struct Timer {
    mode: TimerMode,
    /// TDCR.
    divide: u32,
    initial: u32,
    expires: Option<u64>,
}

impl Timer {
    pub(super) fn divide(&self) -> u32 {
        self.divide
    }

    pub(super) fn initial(&self) -> u32 {
        self.initial
    }

    /// When it expires next.
    pub(super) fn expires(&self) -> Option<u64> {
        self.expires
    }

    /// The current count.
    pub(super) fn current(&self, now: u64) -> u32 {
        match (self.mode, self.expires) {
            (TimerMode::OneShot | TimerMode::Periodic, Some(expires)) => {
                let left = expires.saturating_sub(now).div_ceil(self.cycles_per_count());
                u32::try_from(left).unwrap_or(u32::MAX).min(self.initial)
            }
            _ => 0,
        }
    }

    /// IA32_TSC_DEADLINE: 0 while nothing is waited for.
    pub(super) fn deadline(&self) -> u64 {
        match self.mode {
            TimerMode::TscDeadline => self.expires.unwrap_or(0),
            TimerMode::OneShot | TimerMode::Periodic => 0,
        }
    }

    /// Sets IA32_TSC_DEADLINE; without effect in other modes.
    pub(super) fn set_deadline(&mut self, tsc: u64) {
        if self.mode == TimerMode::TscDeadline {
            self.expires = (tsc != 0).then_some(tsc);
        }
    }

    /// Starts counting from `count`; 0 stops.
    pub(super) fn start(&mut self, count: u32, now: u64) {
        self.initial = count;
        if self.mode != TimerMode::TscDeadline {
            self.expires = (count != 0).then(|| self.after(count, now));
        }
    }

    /// Changes the rate from the current count on.
    pub(super) fn set_divide(&mut self, divide: u32, now: u64) {
        let left = self.current(now);
        self.divide = divide;
        if self.mode != TimerMode::TscDeadline && self.expires.is_some() {
            self.expires = Some(self.after(left, now));
        }
    }

    /// Changes the mode. Going to or from the deadline stops the timer.
    pub(super) fn set_mode(&mut self, mode: TimerMode) {
        let deadline = TimerMode::TscDeadline;
        if (self.mode == deadline) != (mode == deadline) {
            self.expires = None;
        }
        self.mode = mode;
    }

    /// Lets time pass: whether the timer expired.
    pub(super) fn advance(&mut self, now: u64) -> bool {
        let Some(expires) = self.expires.filter(|expires| *expires <= now) else { return false };
        self.expires = match self.mode {
            TimerMode::Periodic if self.initial != 0 => {
                let period = self.cycles_per_count() * u64::from(self.initial);
                let periods = (now - expires) / period + 1;
                periods.checked_mul(period).and_then(|passed| expires.checked_add(passed))
            }
            _ => None,
        };
        true
    }

    fn cycles_per_count(&self) -> u64 {
        // Divide by 2, 4, 8 and so on to 128, then 1.
        let code = self.divide & 3 | self.divide >> 1 & 4;
        CYCLES_PER_TICK << ((code + 1) & 7)
    }

    fn after(&self, count: u32, now: u64) -> u64 {
        now.saturating_add(self.cycles_per_count() * u64::from(count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timer(mode: TimerMode, divide: u32) -> Timer {
        let mut timer = Timer::default();
        timer.set_mode(mode);
        timer.set_divide(divide, 0);
        timer
    }

    #[test]
    fn one_shot_counts_down_once() {
        let mut timer = timer(TimerMode::OneShot, 0xb);
        timer.start(100, 1000);
        assert_eq!(timer.current(1000), 100);
        assert_eq!((timer.current(1003), timer.current(1299)), (99, 1));
        assert!(!timer.advance(1299) && timer.advance(1300));
        assert_eq!((timer.current(1300), timer.expires()), (0, None));
    }

    #[test]
    fn dividers() {
        for (code, by) in [(0, 2), (1, 4), (2, 8), (3, 16), (8, 32), (9, 64), (10, 128), (11, 1)] {
            let mut timer = timer(TimerMode::OneShot, code);
            timer.start(1, 0);
            assert_eq!(timer.expires(), Some(3 * by), "{code}");
        }
    }

    #[test]
    fn periodic_keeps_its_phase() {
        let mut timer = timer(TimerMode::Periodic, 0xb);
        timer.start(10, 5);
        assert!(timer.advance(35));
        assert_eq!(timer.current(35), 10);
        assert!(timer.advance(1000));
        assert_eq!(timer.expires(), Some(1025));
    }

    #[test]
    fn a_change_of_mode_keeps_the_count() {
        let mut timer = timer(TimerMode::OneShot, 0xb);
        timer.start(100, 0);
        timer.set_mode(TimerMode::Periodic);
        assert_eq!(timer.current(240), 20);
        assert!(timer.advance(300));
        assert_eq!(timer.current(300), 100);
        timer.set_mode(TimerMode::OneShot);
        assert!(timer.advance(600));
        timer.set_mode(TimerMode::Periodic);
        assert_eq!(timer.current(600), 0);
    }

    #[test]
    fn a_new_rate_goes_on_from_the_count() {
        let mut timer = timer(TimerMode::OneShot, 0xb);
        timer.start(100, 0);
        timer.set_divide(0, 150);
        assert_eq!((timer.current(150), timer.expires()), (50, Some(450)));
    }

    #[test]
    fn the_deadline_is_a_value_of_the_tsc() {
        let mut timer = timer(TimerMode::OneShot, 0);
        timer.set_deadline(500);
        assert_eq!(timer.expires(), None);
        timer.set_mode(TimerMode::TscDeadline);
        timer.set_deadline(500);
        timer.start(7, 0);
        assert_eq!((timer.deadline(), timer.current(0)), (500, 0));
        assert!(timer.advance(501));
        assert_eq!(timer.deadline(), 0);
        timer.set_deadline(900);
        timer.set_mode(TimerMode::Periodic);
        assert_eq!(timer.expires(), None);
    }
}
