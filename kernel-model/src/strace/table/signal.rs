//! Signals.

use super::super::decode::signal as s;
use super::super::decode::{int, siginfo, signal_number, time, ulong};
use super::super::names::signal as n;
use super::Kind::{In, One, Out};
use super::{Classes, Ret, Signature, call};

const S: Classes = Classes::SIGNAL;
const SP: Classes = S.and(Classes::PROCESS);
const SD: Classes = S.and(Classes::DESC);

#[rustfmt::skip]
pub(super) const CALLS: &[Signature] = &[
    call("rt_sigaction", S, &[In(signal_number), In(s::action), Out(s::action), In(ulong)], Ret::Dec),
    call("rt_sigprocmask", S, &[One(&n::PROCMASK), In(s::set_of_arg3), Out(s::set_of_arg3), In(ulong)], Ret::Dec),
    call("rt_sigreturn", S, &[In(s::frame)], Ret::Dec),
    call("rt_sigpending", S, &[Out(s::set_of_arg1), In(ulong)], Ret::Dec),
    call("rt_sigsuspend", S, &[In(s::set_of_arg1), In(ulong)], Ret::Dec),
    call("rt_sigtimedwait", S, &[In(s::set_of_arg3), Out(siginfo::at), In(time::timespec), In(ulong)], Ret::Noted(taken)),
    call("rt_sigqueueinfo", SP, &[In(int), In(signal_number), In(siginfo::at)], Ret::Dec),
    call("rt_tgsigqueueinfo", SP, &[In(int), In(int), In(signal_number), In(siginfo::at)], Ret::Dec),
    call("sigaltstack", S, &[In(s::altstack), Out(s::altstack)], Ret::Dec),
    call("pause", S, &[], Ret::Dec),
    call("kill", SP, &[In(int), In(signal_number)], Ret::Dec),
    call("tkill", SP, &[In(int), In(signal_number)], Ret::Dec),
    call("tgkill", SP, &[In(int), In(int), In(signal_number)], Ret::Dec),
    call("pidfd_send_signal", SP.and(SD), &[In(int), In(signal_number), In(siginfo::at), In(super::super::decode::hex)], Ret::Dec),
    call("restart_syscall", Classes::NONE, &[], Ret::Dec),
];

/// The signal that rt_sigtimedwait took.
fn taken(call: &super::Call<'_>) -> super::Returned {
    let name = (!call.failed()).then(|| s::name(call.count() as u32));
    super::Returned::dec(name.map(super::Value::Word))
}
