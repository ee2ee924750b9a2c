//! Processes, threads, ids, limits, scheduling, tracing.

use super::super::call::Call;
use super::super::decode::process as p;
use super::super::decode::{
    address, address_at, files, hex, id, int, int_at, path, ptrace, siginfo, text, uint, uint_at,
    ulong,
};
use super::super::names::{files as fnames, process as n};
use super::super::value::Value;
use super::Kind::{self, Flags, In, InOut, One, Out};
use super::{Arg, Base, Classes, Ret, Returned, Signature, call, chosen};

const P: Classes = Classes::PROCESS;
const FP: Classes = P.and(Classes::FILE);
const PD: Classes = P.and(Classes::DESC);
const D: Classes = Classes::DESC;
const NONE: Classes = Classes::NONE;

#[rustfmt::skip]
pub(super) const CALLS: &[Signature] = &[
    call("execve", FP, &[In(path), In(p::argv), In(p::envp)], Ret::Dec),
    call("execveat", FP.and(PD), &[In(files::dir_fd), In(path), In(p::argv), In(p::envp), Flags(&fnames::AT)], Ret::Dec),
    chosen("clone", P, clone, Ret::Dec),
    chosen("clone3", P, clone3, Ret::Dec),
    call("fork", P, &[], Ret::Dec),
    call("vfork", P, &[], Ret::Dec),
    call("exit", P, &[In(int)], Ret::Dec),
    call("exit_group", P, &[In(int)], Ret::Dec),
    call("wait4", P, &[In(int), Out(p::wait_status), In(p::wait_options), Out(p::rusage_of_child)], Ret::Dec),
    call("waitid", P, &[One(&n::WAITID), In(int), Out(siginfo::at), Flags(&n::WAIT), Out(p::rusage)], Ret::Dec),
    call("unshare", P, &[Flags(&n::CLONE)], Ret::Dec),
    call("setns", D, &[In(int), Flags(&n::CLONE)], Ret::Dec),
    call("pidfd_open", D, &[In(int), Flags(&n::PIDFD)], Ret::Dec),
    call("pidfd_getfd", D, &[In(int), In(int), In(hex)], Ret::Dec),
    call("kcmp", NONE, &[In(int), In(int), In(int), In(ulong), In(ulong)], Ret::Dec),
    call("process_mrelease", D, &[In(int), In(hex)], Ret::Dec),
    call("process_vm_readv", NONE, &[In(int), Out(files::iovec_out), In(ulong), In(files::remote_iovec), In(ulong), In(hex)], Ret::Dec),
    call("process_vm_writev", NONE, &[In(int), In(files::iovec_in), In(ulong), In(files::remote_iovec), In(ulong), In(hex)], Ret::Dec),
    chosen("ptrace", NONE, ptrace::arguments, Ret::Dec),
    chosen("arch_prctl", NONE, arch_prctl, Ret::Dec),
    chosen("prctl", NONE, prctl, Ret::Noted(prctl_result)),
    call("set_tid_address", NONE, &[In(address)], Ret::Dec),
    call("getpid", NONE, &[], Ret::Dec),
    call("getppid", NONE, &[], Ret::Dec),
    call("gettid", NONE, &[], Ret::Dec),
    call("getpgrp", NONE, &[], Ret::Dec),
    call("getpgid", NONE, &[In(int)], Ret::Dec),
    call("setpgid", NONE, &[In(int), In(int)], Ret::Dec),
    call("getsid", NONE, &[In(int)], Ret::Dec),
    call("setsid", NONE, &[], Ret::Dec),
    call("getuid", NONE, &[], Ret::Dec),
    call("geteuid", NONE, &[], Ret::Dec),
    call("getgid", NONE, &[], Ret::Dec),
    call("getegid", NONE, &[], Ret::Dec),
    call("setuid", NONE, &[In(id)], Ret::Dec),
    call("setgid", NONE, &[In(id)], Ret::Dec),
    call("setreuid", NONE, &[In(id), In(id)], Ret::Dec),
    call("setregid", NONE, &[In(id), In(id)], Ret::Dec),
    call("setresuid", NONE, &[In(id), In(id), In(id)], Ret::Dec),
    call("setresgid", NONE, &[In(id), In(id), In(id)], Ret::Dec),
    call("getresuid", NONE, &[Out(uint_at), Out(uint_at), Out(uint_at)], Ret::Dec),
    call("getresgid", NONE, &[Out(uint_at), Out(uint_at), Out(uint_at)], Ret::Dec),
    call("setfsuid", NONE, &[In(id)], Ret::Dec),
    call("setfsgid", NONE, &[In(id)], Ret::Dec),
    call("getgroups", NONE, &[In(int), Out(p::groups_out)], Ret::Dec),
    call("setgroups", NONE, &[In(int), In(p::groups_in)], Ret::Dec),
    call("capget", NONE, &[In(p::cap_header), Out(p::cap_data)], Ret::Dec),
    call("capset", NONE, &[In(p::cap_header), In(p::cap_data)], Ret::Dec),
    call("getrlimit", NONE, &[One(&n::RESOURCES), Out(p::old_rlimit)], Ret::Dec),
    call("setrlimit", NONE, &[One(&n::RESOURCES), In(p::old_rlimit)], Ret::Dec),
    call("prlimit64", NONE, &[In(int), One(&n::RESOURCES), In(p::rlimit), Out(p::rlimit)], Ret::Dec),
    call("getrusage", NONE, &[One(&n::RUSAGE), Out(p::rusage)], Ret::Dec),
    call("getpriority", NONE, &[One(&n::PRIORITY), In(int)], Ret::Dec),
    call("setpriority", NONE, &[One(&n::PRIORITY), In(int), In(int)], Ret::Dec),
    call("sched_yield", NONE, &[], Ret::Dec),
    call("sched_getaffinity", NONE, &[In(int), In(ulong), Out(p::cpu_set_out)], Ret::Dec),
    call("sched_setaffinity", NONE, &[In(int), In(ulong), In(cpu_set)], Ret::Dec),
    call("sched_getscheduler", NONE, &[In(int)], Ret::Noted(scheduler)),
    call("sched_setscheduler", NONE, &[In(int), One(&n::SCHEDULERS), In(p::sched_param)], Ret::Dec),
    call("sched_getparam", NONE, &[In(int), Out(p::sched_param)], Ret::Dec),
    call("sched_setparam", NONE, &[In(int), In(p::sched_param)], Ret::Dec),
    call("sched_get_priority_max", NONE, &[One(&n::SCHEDULERS)], Ret::Dec),
    call("sched_get_priority_min", NONE, &[One(&n::SCHEDULERS)], Ret::Dec),
    call("sched_rr_get_interval", NONE, &[In(int), Out(super::super::decode::time::timespec)], Ret::Dec),
    call("sched_setattr", NONE, &[In(int), In(address), In(hex)], Ret::Dec),
    call("sched_getattr", NONE, &[In(int), In(address), In(uint), In(hex)], Ret::Dec),
    call("getcpu", NONE, &[Out(uint_at), Out(uint_at), In(address)], Ret::Dec),
    call("ioprio_get", NONE, &[In(int), In(int)], Ret::Dec),
    call("ioprio_set", NONE, &[In(int), In(int), In(hex)], Ret::Dec),
    call("personality", NONE, &[In(personality)], Ret::Noted(old_personality)),
    call("uname", NONE, &[Out(p::utsname)], Ret::Dec),
    call("sysinfo", NONE, &[Out(p::sysinfo)], Ret::Dec),
    call("syslog", NONE, &[In(int), In(address), In(int)], Ret::Dec),
    call("set_thread_area", NONE, &[In(address)], Ret::Dec),
    call("get_thread_area", NONE, &[In(address)], Ret::Dec),
    call("seccomp", NONE, &[One(&n::SECCOMP), Flags(&n::SECCOMP_FLAGS), In(address)], Ret::Dec),
    call("modify_ldt", NONE, &[In(int), In(address), In(ulong)], Ret::Dec),
    call("iopl", NONE, &[In(uint)], Ret::Dec),
    call("ioperm", NONE, &[In(hex), In(hex), In(int)], Ret::Dec),
    call("vhangup", NONE, &[], Ret::Dec),
    call("reboot", NONE, &[In(hex), In(hex), In(hex), In(address)], Ret::Dec),
];

/// By names, the stack first, and only what the flags say that it is used.
fn clone(args: &[u64; 6]) -> Vec<Arg> {
    use crate::uapi::clone::{
        CLONE_CHILD_CLEARTID, CLONE_CHILD_SETTID, CLONE_PARENT_SETTID, CLONE_PIDFD, CLONE_SETTLS,
    };
    let named = |nr, label, kind| Arg { nr, label, kind };
    let mut list =
        vec![named(1, "child_stack", In(address)), named(0, "flags", In(p::clone_flags))];
    let has = |flags: u64| args[0] & flags != 0;
    if has(CLONE_PARENT_SETTID | CLONE_PIDFD) {
        list.push(named(2, "parent_tid", Out(int_at)));
    }
    if has(CLONE_SETTLS) {
        list.push(named(4, "tls", In(address)));
    }
    if has(CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID) {
        list.push(named(3, "child_tidptr", In(address)));
    }
    list
}

fn clone3(_: &[u64; 6]) -> Vec<Arg> {
    vec![Arg::at(0, InOut(clone_args)), Arg::at(1, In(ulong))]
}

/// Before the call what it asks for, after it what it wrote.
fn clone_args(call: &Call<'_>, value: u64) -> Value {
    match call.result {
        Some(_) => p::clone_results(call, value).unwrap_or_else(|| p::clone_args(call, value)),
        None => p::clone_args(call, value),
    }
}

fn cpu_set(call: &Call<'_>, value: u64) -> Value {
    p::cpu_set_in(call, value)
}

fn arch_prctl(args: &[u64; 6]) -> Vec<Arg> {
    let kind: Kind = match args[0] {
        // ARCH_GET_FS, ARCH_GET_GS
        0x1003 | 0x1004 => Out(address_at),
        // ARCH_GET_CPUID, ARCH_SET_CPUID
        0x1011 | 0x1012 => In(ulong),
        // ARCH_GET_XCOMP_SUPP, ARCH_GET_XCOMP_PERM
        0x1021 | 0x1022 => Out(address_at),
        _ => In(address),
    };
    vec![Arg::at(0, One(&n::ARCH_PRCTL)), Arg::at(1, kind)]
}

fn prctl(args: &[u64; 6]) -> Vec<Arg> {
    let second: &[Kind] = match args[0] {
        // PR_SET_PDEATHSIG
        1 => &[In(super::super::decode::signal_number)],
        // PR_GET_PDEATHSIG, PR_GET_TSC, PR_GET_CHILD_SUBREAPER
        2 | 25 | 37 => &[Out(int_at)],
        // PR_SET_NAME, PR_GET_NAME
        15 => &[In(text)],
        16 => &[Out(text)],
        // PR_GET_DUMPABLE, PR_GET_KEEPCAPS, PR_GET_TIMING, PR_GET_SECCOMP, PR_GET_SECUREBITS,
        // PR_GET_TIMERSLACK, PR_TASK_PERF_EVENTS_DISABLE, PR_TASK_PERF_EVENTS_ENABLE
        3 | 7 | 13 | 21 | 27 | 30 | 31 | 32 => &[],
        // PR_SET_DUMPABLE, PR_SET_KEEPCAPS, PR_SET_TIMING, PR_CAPBSET_READ, PR_SET_TIMERSLACK,
        // PR_SET_CHILD_SUBREAPER
        4 | 8 | 14 | 23 | 24 | 29 | 36 => &[In(ulong)],
        // PR_SET_NO_NEW_PRIVS, PR_GET_NO_NEW_PRIVS
        38 | 39 => &[In(ulong), In(ulong), In(ulong), In(ulong)],
        40 => &[Out(address_at)],
        _ => &[In(hex), In(hex), In(hex), In(hex)],
    };
    let mut list = vec![Arg::at(0, One(&n::PRCTL))];
    list.extend(second.iter().enumerate().map(|(index, kind)| Arg::at(index + 1, *kind)));
    list
}

fn prctl_result(call: &Call<'_>) -> Returned {
    // PR_GET_DUMPABLE
    let note = match (call.args[0], call.result) {
        (3, Some(0)) => Some("SUID_DUMP_DISABLE"),
        (3, Some(1)) => Some("SUID_DUMP_USER"),
        (3, Some(2)) => Some("SUID_DUMP_ROOT"),
        _ => None,
    };
    Returned::dec(note.map(Value::word))
}

fn scheduler(call: &Call<'_>) -> Returned {
    Returned::dec((!call.failed()).then(|| n::SCHEDULERS.one_of(call.count())))
}

fn personality(_: &Call<'_>, value: u64) -> Value {
    match value as u32 {
        u32::MAX => Value::hex(0xffff_ffff),
        value => Value::Word(personality_words(value.into())),
    }
}

fn personality_words(value: u64) -> String {
    let kind = match value & 0xff {
        0 => String::from("PER_LINUX"),
        8 => String::from("PER_LINUX32"),
        kind => super::super::value::hex(kind),
    };
    match value & !0xff {
        0 => kind,
        flags => format!("{kind}|{}", n::PERSONALITY.bits(flags)),
    }
}

fn old_personality(call: &Call<'_>) -> Returned {
    let note = (!call.failed()).then(|| Value::Word(personality_words(call.count())));
    Returned { base: Base::Hex, note }
}
