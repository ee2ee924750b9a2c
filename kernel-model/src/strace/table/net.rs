//! Sockets.

use super::super::decode::files::fd_pair;
use super::super::decode::net as a;
use super::super::decode::{address, buffer_of_arg2, filled, int, int_at, time, uint, ulong};
use super::super::names::net as n;
use super::Kind::{Flags, In, InOut, One, Out};
use super::{Classes, Ret, Signature, call};

const N: Classes = Classes::NETWORK.and(Classes::DESC);

#[rustfmt::skip]
pub(super) const CALLS: &[Signature] = &[
    call("socket", N, &[One(&n::FAMILIES), In(a::socket_type), In(a::protocol)], Ret::Dec),
    call("socketpair", N, &[One(&n::FAMILIES), In(a::socket_type), In(a::protocol), Out(fd_pair)], Ret::Dec),
    call("bind", N, &[In(int), In(a::address_of_arg2), In(int)], Ret::Dec),
    call("connect", N, &[In(int), In(a::address_of_arg2), In(int)], Ret::Dec),
    call("listen", N, &[In(int), In(int)], Ret::Dec),
    call("accept", N, &[In(int), Out(a::address_of_ptr2), InOut(int_at)], Ret::Dec),
    call("accept4", N, &[In(int), Out(a::address_of_ptr2), InOut(int_at), Flags(&n::TYPE_FLAGS)], Ret::Dec),
    call("getsockname", N, &[In(int), Out(a::address_of_ptr2), InOut(int_at)], Ret::Dec),
    call("getpeername", N, &[In(int), Out(a::address_of_ptr2), InOut(int_at)], Ret::Dec),
    call("sendto", N, &[In(int), In(buffer_of_arg2), In(ulong), Flags(&n::MSG), In(a::address_of_arg5), In(uint)], Ret::Dec),
    call("recvfrom", N, &[In(int), Out(filled), In(ulong), Flags(&n::MSG), Out(a::address_of_ptr5), InOut(int_at)], Ret::Dec),
    call("sendmsg", N, &[In(int), In(a::message_in), Flags(&n::MSG)], Ret::Dec),
    call("recvmsg", N, &[In(int), Out(a::message_out), Flags(&n::MSG)], Ret::Dec),
    call("sendmmsg", N, &[In(int), In(address), In(uint), Flags(&n::MSG)], Ret::Dec),
    call("recvmmsg", N, &[In(int), In(address), In(uint), Flags(&n::MSG), In(time::timespec)], Ret::Dec),
    call("shutdown", N, &[In(int), One(&n::SHUTDOWN)], Ret::Dec),
    call("setsockopt", N, &[In(int), One(&n::LEVELS), In(a::option_name), In(a::option_in), In(int)], Ret::Dec),
    call("getsockopt", N, &[In(int), One(&n::LEVELS), In(a::option_name), Out(a::option_out), InOut(int_at)], Ret::Dec),
];
