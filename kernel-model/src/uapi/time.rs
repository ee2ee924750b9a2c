//! `struct timespec` and `struct timeval`, clock numbers.
//! Source: Linux 6.18 `include/uapi/linux/time.h`.

use perf_core::Errno;

use super::word_at;

/// Nanoseconds in a second.
pub const NSEC_PER_SEC: u64 = 1_000_000_000;
/// `KTIME_SEC_MAX`: more seconds mean for ever.
const KTIME_SEC_MAX: u64 = i64::MAX as u64 / NSEC_PER_SEC;
/// Bytes of a timespec or timeval.
pub const TIME_BYTES: usize = 16;

/// `CLOCK_REALTIME`.
pub const CLOCK_REALTIME: u64 = 0;
/// `CLOCK_MONOTONIC`.
pub const CLOCK_MONOTONIC: u64 = 1;
/// `CLOCK_PROCESS_CPUTIME_ID`.
pub const CLOCK_PROCESS_CPUTIME_ID: u64 = 2;
/// `CLOCK_THREAD_CPUTIME_ID`.
pub const CLOCK_THREAD_CPUTIME_ID: u64 = 3;
/// `CLOCK_MONOTONIC_RAW`.
pub const CLOCK_MONOTONIC_RAW: u64 = 4;
/// `CLOCK_REALTIME_COARSE`.
pub const CLOCK_REALTIME_COARSE: u64 = 5;
/// `CLOCK_MONOTONIC_COARSE`.
pub const CLOCK_MONOTONIC_COARSE: u64 = 6;
/// `CLOCK_BOOTTIME`.
pub const CLOCK_BOOTTIME: u64 = 7;
/// `CLOCK_TAI`.
pub const CLOCK_TAI: u64 = 11;

/// `TIMER_ABSTIME`.
pub const TIMER_ABSTIME: u64 = 1;

/// Nanoseconds of a timespec; the far future is cut off where Linux cuts it.
///
/// # Errors
/// EINVAL for negative times and for nanoseconds beyond a second.
pub fn timespec_to_ns(bytes: &[u8; TIME_BYTES]) -> Result<u64, Errno> {
    to_ns(word_at(bytes, 0), word_at(bytes, 8), NSEC_PER_SEC)
}

/// Nanoseconds of a timeval.
///
/// # Errors
/// EINVAL for negative times. Microseconds beyond a second count as Linux's select
/// counts them.
pub fn select_timeval_to_ns(bytes: &[u8; TIME_BYTES]) -> Result<u64, Errno> {
    let (seconds, micros) = (word_at(bytes, 0) as i64, word_at(bytes, 8) as i64);
    let carried = seconds.saturating_add(micros / 1_000_000);
    to_ns(carried as u64, ((micros % 1_000_000) * 1000) as u64, NSEC_PER_SEC)
}

/// Nanoseconds of a timeval.
///
/// # Errors
/// EINVAL for negative times and for microseconds beyond a second.
pub fn timeval_to_ns(bytes: &[u8; TIME_BYTES]) -> Result<u64, Errno> {
    let (seconds, micros) = (word_at(bytes, 0), word_at(bytes, 8));
    to_ns(seconds, micros.saturating_mul(1000), NSEC_PER_SEC)
}

/// Bytes of `struct itimerspec`: period, then time.
pub const ITIMERSPEC_BYTES: usize = 2 * TIME_BYTES;

/// Nanoseconds of an itimerspec's period and time.
///
/// # Errors
/// EINVAL as for a timespec.
pub fn itimerspec_to_ns(bytes: &[u8; ITIMERSPEC_BYTES]) -> Result<(u64, u64), Errno> {
    let part = |at: usize| to_ns(word_at(bytes, at), word_at(bytes, at + 8), NSEC_PER_SEC);
    Ok((part(0)?, part(TIME_BYTES)?))
}

/// An itimerspec.
#[must_use]
pub fn itimerspec(interval_ns: u64, value_ns: u64) -> [u8; ITIMERSPEC_BYTES] {
    let mut bytes = [0; ITIMERSPEC_BYTES];
    super::put::<TIME_BYTES>(&mut bytes, 0, timespec(interval_ns));
    super::put::<TIME_BYTES>(&mut bytes, TIME_BYTES, timespec(value_ns));
    bytes
}

fn to_ns(seconds: u64, nanos: u64, limit: u64) -> Result<u64, Errno> {
    if (seconds as i64) < 0 || nanos >= limit {
        return Err(Errno::EINVAL);
    }
    if seconds >= KTIME_SEC_MAX {
        return Ok(i64::MAX as u64);
    }
    Ok(seconds * NSEC_PER_SEC + nanos)
}

/// A timespec.
#[must_use]
pub fn timespec(ns: u64) -> [u8; TIME_BYTES] {
    pair(ns / NSEC_PER_SEC, ns % NSEC_PER_SEC)
}

/// A timeval.
#[must_use]
pub fn timeval(ns: u64) -> [u8; TIME_BYTES] {
    pair(ns / NSEC_PER_SEC, ns % NSEC_PER_SEC / 1000)
}

fn pair(first: u64, second: u64) -> [u8; TIME_BYTES] {
    let mut bytes = [0; TIME_BYTES];
    super::put(&mut bytes, 0, first.to_le_bytes());
    super::put(&mut bytes, 8, second.to_le_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timespecs_are_checked_as_linux_checks_them() {
        for (seconds, nanos, want) in [
            (0, 0, Ok(0)),
            (1, 999_999_999, Ok(1_999_999_999)),
            (1, NSEC_PER_SEC, Err(Errno::EINVAL)),
            (u64::MAX, 0, Err(Errno::EINVAL)),
            (0, u64::MAX, Err(Errno::EINVAL)),
            (i64::MAX as u64, 0, Ok(i64::MAX as u64)),
        ] {
            assert_eq!(timespec_to_ns(&pair(seconds, nanos)), want, "{seconds} {nanos}");
        }
    }

    #[test]
    fn select_carries_microseconds() {
        assert_eq!(select_timeval_to_ns(&pair(1, 2_500_000)), Ok(3_500_000_000));
        assert_eq!(select_timeval_to_ns(&pair(0, -1_i64 as u64)), Err(Errno::EINVAL));
        assert_eq!(select_timeval_to_ns(&pair(-1_i64 as u64, 0)), Err(Errno::EINVAL));
    }

    #[test]
    fn times_go_there_and_back() {
        assert_eq!(timespec_to_ns(&timespec(12_345_678_901)), Ok(12_345_678_901));
        assert_eq!(timeval(1_999_999_999), pair(1, 999_999));
    }
}
