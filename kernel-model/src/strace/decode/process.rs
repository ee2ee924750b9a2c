//! Processes: programs, clones, waits, limits, what the system is.
//! Source of the layouts: Linux 6.18 `include/uapi/linux/{sched,resource,utsname,sysinfo,capability}.h`.

use super::super::call::{Call, LIST_ITEMS, Raw};
use super::super::names::process as names;
use super::super::names::ptrace::EVENTS;
use super::super::value::{Value, hex};
use super::signal::name;
use super::time::timestamp_field;
use crate::uapi::clone::{
    CLONE_CHILD_CLEARTID, CLONE_CHILD_SETTID, CLONE_PARENT_SETTID, CLONE_PIDFD, CLONE_SETTLS,
};

/// Bytes of a field of `struct new_utsname`.
const UTS_FIELD: u64 = 65;
/// No limit.
const RLIM_INFINITY: u64 = u64::MAX;
/// Low bits of clone's flags: the signal at the child's end.
const CSIGNAL: u64 = 0xff;

/// Arguments of a program.
pub(in super::super) fn argv(call: &Call<'_>, value: u64) -> Value {
    if value == 0 {
        return Value::address(0);
    }
    let mut items = Vec::new();
    for index in 0..LIST_ITEMS as u64 {
        match call.raw(value.wrapping_add(8 * index), 8).map(|raw| raw.u64(0)) {
            Some(0) => return Value::list(items),
            Some(string) => items.push(super::text(call, string)),
            None if items.is_empty() => return Value::address(value),
            None => break,
        }
    }
    Value::List { items, is_cut: true }
}

/// Variables of a program: how many.
pub(in super::super) fn envp(call: &Call<'_>, value: u64) -> Value {
    if value == 0 {
        return Value::address(0);
    }
    let mut count = 0_u64;
    while call.raw(value.wrapping_add(8 * count), 8).is_some_and(|raw| raw.u64(0) != 0) {
        count += 1;
    }
    let plural = if count == 1 { "" } else { "s" };
    Value::Word(format!("{value:#x} /* {count} var{plural} */"))
}

/// Flags of clone with the signal at the child's end.
pub(in super::super) fn clone_flags(_: &Call<'_>, value: u64) -> Value {
    let (flags, signal) = (value & !CSIGNAL & 0xffff_ffff, (value & CSIGNAL) as u32);
    match (flags, signal) {
        (0, 0) => Value::word("0"),
        (0, _) => Value::Word(name(signal)),
        (_, 0) => names::CLONE.bits_of(flags),
        _ => Value::Word(format!("{}|{}", names::CLONE.bits(flags), name(signal))),
    }
}

/// `struct clone_args`.
pub(in super::super) fn clone_args(call: &Call<'_>, value: u64) -> Value {
    let size = call.args[1].min(88) as usize;
    if size < 64 {
        return Value::address(value);
    }
    call.at(value, size, |raw| {
        let flags = raw.u64(0);
        let mut fields = vec![("flags", names::CLONE.bits_of(flags))];
        if flags & CLONE_PIDFD != 0 {
            fields.push(("pidfd", Value::address(raw.u64(8))));
        }
        if flags & (CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID) != 0 {
            fields.push(("child_tid", Value::address(raw.u64(16))));
        }
        if flags & CLONE_PARENT_SETTID != 0 {
            fields.push(("parent_tid", Value::address(raw.u64(24))));
        }
        fields.push(("exit_signal", Value::Word(name(raw.u64(32) as u32))));
        fields.push(("stack", Value::address(raw.u64(40))));
        fields.push(("stack_size", Value::hex(raw.u64(48))));
        if flags & CLONE_SETTLS != 0 {
            fields.push(("tls", Value::address(raw.u64(56))));
        }
        Value::whole(fields)
    })
}

/// What clone3 wrote where `struct clone_args` points to.
pub(in super::super) fn clone_results(call: &Call<'_>, value: u64) -> Option<Value> {
    let raw = call.raw(value, 64)?;
    let flags = raw.u64(0);
    let mut fields = Vec::new();
    if flags & CLONE_PIDFD != 0 {
        fields.push(("pidfd", super::int_at(call, raw.u64(8))));
    }
    if flags & CLONE_PARENT_SETTID != 0 {
        fields.push(("parent_tid", super::int_at(call, raw.u64(24))));
    }
    (!fields.is_empty()).then(|| Value::whole(fields))
}

/// A child's status, where a child was found.
pub(in super::super) fn wait_status(call: &Call<'_>, value: u64) -> Value {
    if call.count() == 0 {
        return Value::address(value);
    }
    call.at(value, 4, |raw| Value::list(vec![Value::Word(status_words(raw.u32(0)))]))
}

fn status_words(status: u32) -> String {
    let (low, high) = (status & 0x7f, status >> 8 & 0xff);
    let text = match (status & 0xff, low) {
        (0x7f, _) => {
            let stop = name(high & 0x7f);
            let good = if high & 0x80 != 0 { " | 0x80" } else { "" };
            format!("{{WIFSTOPPED(s) && WSTOPSIG(s) == {stop}{good}}}")
        }
        (_, 0) => format!("{{WIFEXITED(s) && WEXITSTATUS(s) == {high}}}"),
        (0xff, _) => String::from("{WIFCONTINUED(s)}"),
        _ => {
            let core = if status & 0x80 != 0 { " && WCOREDUMP(s)" } else { "" };
            format!("{{WIFSIGNALED(s) && WTERMSIG(s) == {}{core}}}", name(low))
        }
    };
    match status >> 16 {
        0 | 0xffff => text,
        event => format!("{text}|{}<<16", EVENTS.one(u64::from(event))),
    }
}

/// `struct rusage`.
pub(in super::super) fn rusage(call: &Call<'_>, value: u64) -> Value {
    call.at(value, 144, |raw| {
        Value::abridged(vec![
            ("ru_utime", timestamp_field(raw, 0, "tv_usec")),
            ("ru_stime", timestamp_field(raw, 16, "tv_usec")),
        ])
    })
}

/// `struct rusage` of a child that was found.
pub(in super::super) fn rusage_of_child(call: &Call<'_>, value: u64) -> Value {
    if call.count() == 0 { Value::address(value) } else { rusage(call, value) }
}

/// `struct rlimit64`.
pub(in super::super) fn rlimit(call: &Call<'_>, value: u64) -> Value {
    call.at(value, 16, |raw| {
        let limit = |at| match raw.u64(at) {
            RLIM_INFINITY => Value::word("RLIM64_INFINITY"),
            limit => limit_words(limit),
        };
        Value::whole(vec![("rlim_cur", limit(0)), ("rlim_max", limit(8))])
    })
}

/// `struct rlimit` of the older calls.
pub(in super::super) fn old_rlimit(call: &Call<'_>, value: u64) -> Value {
    call.at(value, 16, |raw| {
        let limit = |at| match raw.u64(at) {
            RLIM_INFINITY => Value::word("RLIM_INFINITY"),
            limit => limit_words(limit),
        };
        Value::whole(vec![("rlim_cur", limit(0)), ("rlim_max", limit(8))])
    })
}

fn limit_words(limit: u64) -> Value {
    if limit > 1024 && limit.is_multiple_of(1024) {
        Value::Word(format!("{}*1024", limit / 1024))
    } else {
        Value::decimal(limit)
    }
}

/// `struct new_utsname`.
pub(in super::super) fn utsname(call: &Call<'_>, value: u64) -> Value {
    if call.raw(value, 6 * UTS_FIELD as usize).is_none() {
        return Value::address(value);
    }
    let field = |index: u64| call.text(value + index * UTS_FIELD, UTS_FIELD as usize);
    Value::abridged(vec![("sysname", field(0)), ("nodename", field(1))])
}

/// `struct sysinfo`.
pub(in super::super) fn sysinfo(call: &Call<'_>, value: u64) -> Value {
    call.at(value, 112, |raw| {
        let number = |at| Value::decimal(raw.u64(at));
        let loads = vec![number(8), number(16), number(24)];
        Value::whole(vec![
            ("uptime", number(0)),
            ("loads", Value::list(loads)),
            ("totalram", number(32)),
            ("freeram", number(40)),
            ("sharedram", number(48)),
            ("bufferram", number(56)),
            ("totalswap", number(64)),
            ("freeswap", number(72)),
            ("procs", Value::decimal(raw.u16(80))),
            ("totalhigh", number(88)),
            ("freehigh", number(96)),
            ("mem_unit", Value::decimal(raw.u32(104))),
        ])
    })
}

/// Group ids, as many as the first argument says.
pub(in super::super) fn groups_in(call: &Call<'_>, value: u64) -> Value {
    call.array(value, call.args[0], 4, |raw| Value::decimal(raw.u32(0)))
}

/// Group ids, as many as there are.
pub(in super::super) fn groups_out(call: &Call<'_>, value: u64) -> Value {
    if call.args[0] == 0 {
        return Value::address(value);
    }
    call.array(value, call.count(), 4, |raw| Value::decimal(raw.u32(0)))
}

/// A set of CPUs as long as the second argument says.
pub(in super::super) fn cpu_set_in(call: &Call<'_>, value: u64) -> Value {
    cpu_set(call, value, call.args[1])
}

/// A set of CPUs as long as the result says.
pub(in super::super) fn cpu_set_out(call: &Call<'_>, value: u64) -> Value {
    cpu_set(call, value, call.count())
}

fn cpu_set(call: &Call<'_>, addr: u64, len: u64) -> Value {
    let bytes = call.view(addr, len.min(1024) as usize);
    if bytes.is_empty() {
        return Value::address(addr);
    }
    let cpus = (0..bytes.len() * 8).filter(|cpu| bytes[cpu / 8] >> (cpu % 8) & 1 != 0);
    let words: Vec<String> = cpus.map(|cpu| cpu.to_string()).collect();
    Value::Word(format!("[{}]", words.join(" ")))
}

/// `struct sched_param`.
pub(in super::super) fn sched_param(call: &Call<'_>, value: u64) -> Value {
    call.at(value, 4, |raw| Value::list(vec![Value::decimal(raw.i32(0))]))
}

/// `struct __user_cap_header_struct`.
pub(in super::super) fn cap_header(call: &Call<'_>, value: u64) -> Value {
    call.at(value, 8, |raw| {
        Value::whole(vec![
            ("version", names::CAP_VERSIONS.one_of(u64::from(raw.u32(0)))),
            ("pid", Value::decimal(raw.i32(4))),
        ])
    })
}

/// `struct __user_cap_data_struct`, both halves of version 3.
pub(in super::super) fn cap_data(call: &Call<'_>, value: u64) -> Value {
    call.at(value, 24, |raw: &Raw| {
        let set = |at: usize| u64::from(raw.u32(at)) | u64::from(raw.u32(at + 12)) << 32;
        Value::whole(vec![
            ("effective", Value::Word(hex(set(0)))),
            ("permitted", Value::Word(hex(set(4)))),
            ("inheritable", Value::Word(hex(set(8)))),
        ])
    })
}

/// Options of wait4: WSTOPPED has an older name there.
pub(in super::super) fn wait_options(_: &Call<'_>, value: u64) -> Value {
    names::WAIT.bits_of(u64::from(value as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_in_words() {
        for (status, want) in [
            (0x300, "{WIFEXITED(s) && WEXITSTATUS(s) == 3}"),
            (9, "{WIFSIGNALED(s) && WTERMSIG(s) == SIGKILL}"),
            (0x8b, "{WIFSIGNALED(s) && WTERMSIG(s) == SIGSEGV && WCOREDUMP(s)}"),
            (0x137f, "{WIFSTOPPED(s) && WSTOPSIG(s) == SIGSTOP}"),
            (0x857f, "{WIFSTOPPED(s) && WSTOPSIG(s) == SIGTRAP | 0x80}"),
            (0xffff, "{WIFCONTINUED(s)}"),
            (0x4057f, "{WIFSTOPPED(s) && WSTOPSIG(s) == SIGTRAP}|PTRACE_EVENT_EXEC<<16"),
        ] {
            assert_eq!(status_words(status), want, "{status:#x}");
        }
    }

    #[test]
    fn limits_in_kibibytes() {
        assert_eq!(limit_words(8 << 20), Value::word("8192*1024"));
        assert_eq!(limit_words(1024), Value::word("1024"));
        assert_eq!(limit_words(1025), Value::word("1025"));
    }
}
