//! Waiting for descriptors: poll, select, epoll.
//! Source of the layouts: Linux 6.18 `include/uapi/asm-generic/poll.h`, `include/uapi/linux/eventpoll.h`.

use super::super::call::{Call, LIST_ITEMS, Raw};
use super::super::names::files as names;
use super::super::table::Returned;
use super::super::value::Value;

/// Most descriptors of select.
const FD_SETSIZE: u64 = 1024;

/// `struct pollfd`, as many as the second argument says, with what is waited for.
pub(in super::super) fn poll_fds(call: &Call<'_>, value: u64) -> Value {
    call.array(value, call.args[1], 8, |raw| {
        let mut fields = vec![("fd", Value::decimal(raw.i32(0)))];
        if raw.i32(0) >= 0 {
            fields.push(("events", names::POLL.bits_of(u64::from(raw.u16(4)))));
        }
        Value::whole(fields)
    })
}

/// Which descriptors are ready.
pub(in super::super) fn polled(call: &Call<'_>) -> Returned {
    Returned::dec(ready(call))
}

fn ready(call: &Call<'_>) -> Option<Value> {
    if call.failed() {
        return None;
    }
    if call.count() == 0 {
        return Some(Value::word("Timeout"));
    }
    let (mut items, mut left) = (Vec::new(), call.count());
    for index in 0..call.args[1].min(FD_SETSIZE) {
        let Some(raw) = call.raw(call.args[0].wrapping_add(8 * index), 8) else { break };
        if raw.u16(6) == 0 || raw.i32(0) < 0 {
            continue;
        }
        if items.len() == LIST_ITEMS {
            return Some(Value::List { items, is_cut: true });
        }
        left = left.saturating_sub(1);
        items.push(Value::whole(vec![
            ("fd", Value::decimal(raw.i32(0))),
            ("revents", names::POLL.bits_of(u64::from(raw.u16(6)))),
        ]));
    }
    Some(Value::list(items))
}

/// A set of descriptors, as many as the first argument says.
pub(in super::super) fn fd_set(call: &Call<'_>, value: u64) -> Value {
    match members(call, value) {
        Some(members) => Value::Word(format!("[{}]", words(&members))),
        None => Value::address(value),
    }
}

fn members(call: &Call<'_>, addr: u64) -> Option<Vec<u64>> {
    let nr_fds = u64::from(call.args[0] as u32).min(FD_SETSIZE);
    // Whole words, as the kernel copies them.
    let raw = call.raw(addr, (nr_fds.div_ceil(64) * 8) as usize)?;
    Some((0..nr_fds).filter(|fd| raw.bytes()[*fd as usize / 8] >> (fd % 8) & 1 != 0).collect())
}

fn words(members: &[u64]) -> String {
    members.iter().map(u64::to_string).collect::<Vec<_>>().join(" ")
}

/// What is left in the sets of select, and how much time.
pub(in super::super) fn selected(call: &Call<'_>) -> Returned {
    Returned::dec(left_in_sets(call, "tv_usec"))
}

/// The same for pselect6.
pub(in super::super) fn pselected(call: &Call<'_>) -> Returned {
    Returned::dec(left_in_sets(call, "tv_nsec"))
}

/// `part` is the name of the smaller unit of the timeout.
fn left_in_sets(call: &Call<'_>, part: &str) -> Option<Value> {
    if call.failed() {
        return None;
    }
    let mut parts = Vec::new();
    if call.count() == 0 {
        parts.push(String::from("Timeout"));
    } else {
        for (name, addr) in [("in", call.args[1]), ("out", call.args[2]), ("except", call.args[3])]
        {
            if let Some(members) = members(call, addr).filter(|members| !members.is_empty()) {
                parts.push(format!("{name} [{}]", words(&members)));
            }
        }
        parts.extend(time_left(call, part));
    }
    Some(Value::Word(parts.join(", ")))
}

/// What is left of the timeout, which the call has written.
fn time_left(call: &Call<'_>, part: &str) -> Option<String> {
    let raw = call.raw(call.args[4], 16)?;
    Some(format!("left {{tv_sec={}, {part}={}}}", raw.i64(0), raw.i64(8)))
}

fn epoll(raw: &Raw) -> Value {
    let data = vec![("u32", Value::decimal(raw.u32(4))), ("u64", Value::decimal(raw.u64(4)))];
    Value::whole(vec![
        ("events", names::EPOLL.bits_of(u64::from(raw.u32(0)))),
        ("data", Value::whole(data)),
    ])
}

/// `struct epoll_event`.
pub(in super::super) fn epoll_event(call: &Call<'_>, value: u64) -> Value {
    call.at(value, 12, epoll)
}

/// As many as were ready.
pub(in super::super) fn epoll_events(call: &Call<'_>, value: u64) -> Value {
    call.array(value, call.count(), 12, epoll)
}
