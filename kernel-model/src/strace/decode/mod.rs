//! Decoders: one for each kind of argument.
//!
//! A decoder gets the call and the argument, and may look at the other arguments and, at the
//! call's exit, at its result.

pub(super) mod files;
pub(super) mod ioctl;
pub(super) mod net;
pub(super) mod perf;
pub(super) mod poll;
pub(super) mod process;
pub(super) mod ptrace;
pub(super) mod siginfo;
pub(super) mod signal;
pub(super) mod time;

use super::call::Call;
use super::value::Value;
pub use signal::name as signal_name;

/// Decodes an argument.
pub(super) type Decoder = fn(&Call<'_>, u64) -> Value;

pub(super) fn int(_: &Call<'_>, value: u64) -> Value {
    Value::decimal(value as i32)
}

pub(super) fn uint(_: &Call<'_>, value: u64) -> Value {
    Value::decimal(value as u32)
}

pub(super) fn long(_: &Call<'_>, value: u64) -> Value {
    Value::decimal(value as i64)
}

pub(super) fn ulong(_: &Call<'_>, value: u64) -> Value {
    Value::decimal(value)
}

pub(super) fn hex(_: &Call<'_>, value: u64) -> Value {
    Value::hex(value)
}

pub(super) fn address(_: &Call<'_>, value: u64) -> Value {
    Value::address(value)
}

/// A user or group id: -1 means none.
pub(super) fn id(_: &Call<'_>, value: u64) -> Value {
    let value = value as u32;
    if value == u32::MAX { Value::word("-1") } else { Value::decimal(value) }
}

/// A signal's number.
pub(super) fn signal_number(_: &Call<'_>, value: u64) -> Value {
    Value::Word(signal::name(value as u32))
}

/// A path.
pub(super) fn path(call: &Call<'_>, value: u64) -> Value {
    call.path(value)
}

/// A string that is no path.
pub(super) fn text(call: &Call<'_>, value: u64) -> Value {
    call.text(value, super::call::STRING_BYTES)
}

/// A buffer whose length is the second argument.
pub(super) fn buffer_of_arg1(call: &Call<'_>, value: u64) -> Value {
    call.buffer(value, call.args[1])
}

/// A buffer whose length is the third argument.
pub(super) fn buffer_of_arg2(call: &Call<'_>, value: u64) -> Value {
    call.buffer(value, call.args[2])
}

/// A buffer whose length is the fourth argument.
pub(super) fn buffer_of_arg3(call: &Call<'_>, value: u64) -> Value {
    call.buffer(value, call.args[3])
}

/// A buffer as long as the call says that it is.
pub(super) fn filled(call: &Call<'_>, value: u64) -> Value {
    call.buffer(value, call.count())
}

/// The same of what is no text.
pub(super) fn filled_binary(call: &Call<'_>, value: u64) -> Value {
    match call.buffer(value, call.count()) {
        Value::Bytes { bytes, is_cut } => Value::Binary { bytes, is_cut },
        other => other,
    }
}

/// `[number]` behind a pointer.
pub(super) fn int_at(call: &Call<'_>, value: u64) -> Value {
    call.at(value, 4, |raw| Value::list(vec![Value::decimal(raw.i32(0))]))
}

/// The same, unsigned.
pub(super) fn uint_at(call: &Call<'_>, value: u64) -> Value {
    call.at(value, 4, |raw| Value::list(vec![Value::decimal(raw.u32(0))]))
}

/// The same, of 64 bits.
pub(super) fn long_at(call: &Call<'_>, value: u64) -> Value {
    call.at(value, 8, |raw| Value::list(vec![Value::decimal(raw.i64(0))]))
}

/// An address behind a pointer.
pub(super) fn address_at(call: &Call<'_>, value: u64) -> Value {
    call.at(value, 8, |raw| Value::list(vec![Value::address(raw.u64(0))]))
}
