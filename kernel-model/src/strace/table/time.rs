//! Clocks, sleeps and timers.

use super::super::decode::time::{
    itimerspec, itimerval, time_at, time_left, timespec, timeval, timezone, tms,
};
use super::super::decode::{address, int, uint};
use super::super::names::files::{TIMERFD, TIMERFD_SET};
use super::super::names::process as n;
use super::Kind::{Flags, In, Late, One, Out};
use super::{Classes, Ret, Signature, call};

const D: Classes = Classes::DESC;
const NONE: Classes = Classes::NONE;

#[rustfmt::skip]
pub(super) const CALLS: &[Signature] = &[
    call("nanosleep", NONE, &[In(timespec), Late(time_left)], Ret::Dec),
    call("clock_nanosleep", NONE, &[One(&n::CLOCKS), Flags(&n::TIMER_FLAGS), In(timespec), Late(time_left)], Ret::Dec),
    call("clock_gettime", NONE, &[One(&n::CLOCKS), Out(timespec)], Ret::Dec),
    call("clock_settime", NONE, &[One(&n::CLOCKS), In(timespec)], Ret::Dec),
    call("clock_getres", NONE, &[One(&n::CLOCKS), Out(timespec)], Ret::Dec),
    call("clock_adjtime", NONE, &[One(&n::CLOCKS), In(address)], Ret::Dec),
    call("adjtimex", NONE, &[In(address)], Ret::Dec),
    call("gettimeofday", NONE, &[Out(timeval), Out(timezone)], Ret::Dec),
    call("settimeofday", NONE, &[In(timeval), In(timezone)], Ret::Dec),
    call("time", NONE, &[Out(time_at)], Ret::Dec),
    call("times", NONE, &[Out(tms)], Ret::Dec),
    call("alarm", NONE, &[In(uint)], Ret::Dec),
    call("getitimer", NONE, &[One(&n::ITIMERS), Out(itimerval)], Ret::Dec),
    call("setitimer", NONE, &[One(&n::ITIMERS), In(itimerval), Out(itimerval)], Ret::Dec),
    call("timer_create", NONE, &[One(&n::CLOCKS), In(address), Out(super::super::decode::int_at)], Ret::Dec),
    call("timer_settime", NONE, &[In(int), Flags(&n::TIMER_FLAGS), In(itimerspec), Out(itimerspec)], Ret::Dec),
    call("timer_gettime", NONE, &[In(int), Out(itimerspec)], Ret::Dec),
    call("timer_getoverrun", NONE, &[In(int)], Ret::Dec),
    call("timer_delete", NONE, &[In(int)], Ret::Dec),
    call("timerfd_create", D, &[One(&n::CLOCKS), Flags(&TIMERFD)], Ret::Dec),
    call("timerfd_settime", D, &[In(int), Flags(&TIMERFD_SET), In(itimerspec), Out(itimerspec)], Ret::Dec),
    call("timerfd_gettime", D, &[In(int), Out(itimerspec)], Ret::Dec),
];
