//! What a signal says about its cause.
//! Source of the layout: Linux 6.18 `include/uapi/asm-generic/siginfo.h`.

use super::super::call::{Call, Raw};
use super::super::names::{Names, perf, signal as names};
use super::super::value::Value;
use super::signal::name;
use super::time::ticks;
use crate::signal::info::SIGINFO_BYTES;
use crate::uapi::signal::{
    SIGBUS, SIGCHLD, SIGFPE, SIGILL, SIGIO, SIGSEGV, SIGSYS, SIGTRAP, si_code,
};

type Fields = Vec<(&'static str, Value)>;

/// `siginfo_t` behind a pointer.
pub(in super::super) fn at(call: &Call<'_>, value: u64) -> Value {
    call.at(value, SIGINFO_BYTES, decode)
}

/// `siginfo_t`.
pub(in super::super) fn decode(raw: &Raw) -> Value {
    let (signal, code) = (raw.u32(0), raw.i32(8));
    if signal == 0 {
        return Value::whole(Vec::new());
    }
    let mut fields =
        vec![("si_signo", Value::Word(name(signal))), ("si_code", code_name(signal, code))];
    if raw.u32(4) != 0 {
        fields.push(("si_errno", Value::decimal(raw.u32(4))));
    }
    if code <= si_code::SI_USER {
        from_user(code, raw, &mut fields);
    } else {
        from_kernel(signal, code, raw, &mut fields);
    }
    Value::whole(fields)
}

fn code_name(signal: u32, code: i32) -> Value {
    let code = u64::from(code as u32);
    let by_signal: Option<&Names> = match signal {
        SIGCHLD => Some(&names::CHILD_CODES),
        SIGTRAP => Some(&names::TRAP_CODES),
        SIGSEGV => Some(&names::SEGV_CODES),
        SIGBUS => Some(&names::BUS_CODES),
        SIGFPE => Some(&names::FPE_CODES),
        SIGILL => Some(&names::ILL_CODES),
        SIGIO => Some(&names::POLL_CODES),
        SIGSYS => Some(&names::SYS_CODES),
        _ => None,
    };
    let found = names::CODES.find(code).or_else(|| by_signal.and_then(|names| names.find(code)));
    found.map_or_else(|| Value::hex(code), Value::word)
}

fn sender(raw: &Raw, fields: &mut Fields) {
    fields.push(("si_pid", Value::decimal(raw.i32(16))));
    fields.push(("si_uid", Value::decimal(raw.u32(20))));
}

fn value(raw: &Raw, fields: &mut Fields) {
    fields.push(("si_int", Value::decimal(raw.i32(24))));
    fields.push(("si_ptr", Value::address(raw.u64(24))));
}

fn from_user(code: i32, raw: &Raw, fields: &mut Fields) {
    match code {
        si_code::SI_USER | si_code::SI_TKILL => sender(raw, fields),
        // A timer.
        -2 => {
            fields.push(("si_timerid", Value::hex(u64::from(raw.u32(16)))));
            fields.push(("si_overrun", Value::decimal(raw.i32(20))));
            value(raw, fields);
        }
        _ => {
            sender(raw, fields);
            if raw.u64(24) != 0 {
                value(raw, fields);
            }
        }
    }
}

fn from_kernel(signal: u32, code: i32, raw: &Raw, fields: &mut Fields) {
    match signal {
        SIGCHLD => {
            sender(raw, fields);
            let status = raw.u32(24);
            let shown = if code == si_code::CLD_EXITED {
                Value::decimal(status as i32)
            } else {
                Value::Word(name(status))
            };
            fields.push(("si_status", shown));
            fields.push(("si_utime", ticks(raw.i64(32))));
            fields.push(("si_stime", ticks(raw.i64(40))));
        }
        SIGILL | SIGFPE | SIGBUS | SIGSEGV | SIGTRAP => {
            fields.push(("si_addr", Value::address(raw.u64(16))));
            if signal == SIGTRAP && code == si_code::TRAP_PERF {
                let (kind, flags) = (raw.u32(32).into(), raw.u32(36).into());
                fields.push(("si_perf_data", Value::hex(raw.u64(24))));
                fields.push(("si_perf_type", perf::TYPES.one_of(kind)));
                fields.push(("si_perf_flags", names::TRAP_PERF_FLAGS.bits_of(flags)));
            }
        }
        SIGIO if (1..=6).contains(&code) => {
            fields.push(("si_band", Value::decimal(raw.i64(16))));
            fields.push(("si_fd", Value::decimal(raw.i32(24))));
        }
        SIGSYS => {
            fields.push(("si_call_addr", Value::address(raw.u64(16))));
            let call = raw.u32(24);
            let named = crate::syscalls::name_of(call.into());
            let shown =
                named.map_or_else(|| Value::hex(call.into()), |n| Value::word(format!("__NR_{n}")));
            fields.push(("si_syscall", shown));
            fields.push(("si_arch", Value::hex(raw.u32(28).into())));
        }
        _ => {
            if raw.u64(16) != 0 {
                sender(raw, fields);
            }
            if raw.u64(24) != 0 {
                value(raw, fields);
            }
        }
    }
}
