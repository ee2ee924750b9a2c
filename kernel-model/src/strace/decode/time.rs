//! Times. Source of the layouts: Linux 6.18 `include/uapi/linux/{time,time_types,timex}.h`.

use super::super::call::{Call, Raw};
use super::super::value::Value;

/// Two words, seconds and a part of a second, at an offset.
pub(super) fn timestamp_field(raw: &Raw, at: usize, part: &'static str) -> Value {
    Value::whole(vec![
        ("tv_sec", Value::decimal(raw.i64(at))),
        (part, Value::decimal(raw.i64(at + 8))),
    ])
}

/// `struct timespec`.
pub(in super::super) fn timespec(call: &Call<'_>, value: u64) -> Value {
    call.at(value, 16, |raw| timestamp_field(raw, 0, "tv_nsec"))
}

/// `struct timeval`.
pub(in super::super) fn timeval(call: &Call<'_>, value: u64) -> Value {
    call.at(value, 16, |raw| timestamp_field(raw, 0, "tv_usec"))
}

/// Two of them.
pub(in super::super) fn timevals(call: &Call<'_>, value: u64) -> Value {
    call.array(value, 2, 16, |raw| timestamp_field(raw, 0, "tv_usec"))
}

/// What is left of a sleep, which only an interrupted one writes.
pub(in super::super) fn time_left(call: &Call<'_>, value: u64) -> Value {
    if call.result.is_some_and(|result| (-516..=-512).contains(&result) || result == -4) {
        return timespec(call, value);
    }
    Value::address(value)
}

fn interval(raw: &Raw, part: &'static str) -> Value {
    Value::whole(vec![
        ("it_interval", timestamp_field(raw, 0, part)),
        ("it_value", timestamp_field(raw, 16, part)),
    ])
}

/// `struct itimerval`.
pub(in super::super) fn itimerval(call: &Call<'_>, value: u64) -> Value {
    call.at(value, 32, |raw| interval(raw, "tv_usec"))
}

/// `struct itimerspec`.
pub(in super::super) fn itimerspec(call: &Call<'_>, value: u64) -> Value {
    call.at(value, 32, |raw| interval(raw, "tv_nsec"))
}

/// `struct timezone`.
pub(in super::super) fn timezone(call: &Call<'_>, value: u64) -> Value {
    call.at(value, 8, |raw| {
        Value::whole(vec![
            ("tz_minuteswest", Value::decimal(raw.i32(0))),
            ("tz_dsttime", Value::decimal(raw.i32(4))),
        ])
    })
}

/// `struct tms`.
pub(in super::super) fn tms(call: &Call<'_>, value: u64) -> Value {
    call.at(value, 32, |raw| {
        let names = ["tms_utime", "tms_stime", "tms_cutime", "tms_cstime"];
        let fields = names.into_iter().enumerate();
        Value::whole(fields.map(|(index, name)| (name, ticks(raw.i64(8 * index)))).collect())
    })
}

/// Ticks of 10 ms, with seconds behind them.
pub(super) fn ticks(ticks: i64) -> Value {
    if ticks == 0 {
        return Value::word("0");
    }
    let seconds = ticks as f64 / 100.0;
    Value::Word(format!("{ticks} /* {seconds} s */"))
}

/// `time_t` behind a pointer.
pub(in super::super) fn time_at(call: &Call<'_>, value: u64) -> Value {
    call.at(value, 8, |raw| Value::list(vec![Value::decimal(raw.i64(0))]))
}
