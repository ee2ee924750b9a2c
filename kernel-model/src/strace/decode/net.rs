//! Sockets: addresses and messages.
//! Source of the layouts: Linux 6.18 `include/uapi/linux/{socket,un,in,in6,netlink}.h`, `include/linux/socket.h`.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::super::call::Call;
use super::super::names::net as names;
use super::super::value::Value;

/// Bytes of the largest address (`sockaddr_storage`).
const ADDRESS_BYTES: u64 = 128;
const AF_UNIX: u16 = 1;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
const AF_NETLINK: u16 = 16;

/// A kind of socket with the flags of a new one.
pub(in super::super) fn socket_type(_: &Call<'_>, value: u64) -> Value {
    let value = u64::from(value as u32);
    let kind = names::TYPES.one(value & 0xf);
    match value & !0xf {
        0 => Value::Word(kind),
        flags => Value::Word(format!("{kind}|{}", names::TYPE_FLAGS.bits(flags))),
    }
}

/// A protocol, by name where the family is the Internet's.
pub(in super::super) fn protocol(call: &Call<'_>, value: u64) -> Value {
    match call.args[0] as u16 {
        AF_INET | AF_INET6 => names::INET_PROTOCOLS.one_of(u64::from(value as u32)),
        _ => Value::decimal(value as i32),
    }
}

/// An address whose length is the third argument.
pub(in super::super) fn address_of_arg2(call: &Call<'_>, value: u64) -> Value {
    address(call, value, u64::from(call.args[2] as u32))
}

/// An address whose length is the sixth argument.
pub(in super::super) fn address_of_arg5(call: &Call<'_>, value: u64) -> Value {
    address(call, value, u64::from(call.args[5] as u32))
}

/// An address whose length is behind the third argument.
pub(in super::super) fn address_of_ptr2(call: &Call<'_>, value: u64) -> Value {
    let len = call.raw(call.args[2], 4).map_or(0, |raw| u64::from(raw.u32(0)));
    address(call, value, len)
}

/// An address whose length is behind the sixth argument.
pub(in super::super) fn address_of_ptr5(call: &Call<'_>, value: u64) -> Value {
    let len = call.raw(call.args[5], 4).map_or(0, |raw| u64::from(raw.u32(0)));
    address(call, value, len)
}

fn address(call: &Call<'_>, addr: u64, len: u64) -> Value {
    if len < 2 {
        return Value::address(addr);
    }
    let len = len.min(ADDRESS_BYTES) as usize;
    call.at(addr, len, |raw| {
        let family = raw.u16(0);
        let mut fields = vec![("sa_family", names::FAMILIES.one_of(u64::from(family)))];
        match family {
            AF_UNIX if len > 2 => fields.push(("sun_path", unix_path(&raw.bytes()[2..]))),
            AF_INET if len >= 16 => {
                let [a, b, c, d] = raw.u32(4).to_le_bytes();
                fields.push(("sin_port", port(raw.u16(2))));
                let text = format!("inet_addr(\"{}\")", Ipv4Addr::new(a, b, c, d));
                fields.push(("sin_addr", Value::Word(text)));
            }
            AF_INET6 if len >= 24 => {
                let mut octets = [0; 16];
                octets.copy_from_slice(&raw.bytes()[8..24]);
                fields.push(("sin6_port", port(raw.u16(2))));
                let flow = u32::from_be(raw.u32(4));
                fields.push(("sin6_flowinfo", Value::Word(format!("htonl({flow})"))));
                let text = format!("inet_pton(AF_INET6, \"{}\")", Ipv6Addr::from(octets));
                fields.push(("sin6_addr", Value::Word(text)));
                fields.push(("sin6_scope_id", Value::decimal(raw.u32(24))));
            }
            AF_NETLINK if len >= 12 => {
                fields.push(("nl_pid", Value::decimal(raw.i32(4))));
                let groups = format!("{:08x}", raw.u32(8));
                fields.push(("nl_groups", Value::Word(groups)));
            }
            _ => {
                if len > 2 {
                    let bytes = raw.bytes()[2..].to_vec();
                    fields.push(("sa_data", Value::Bytes { bytes, is_cut: false }));
                }
            }
        }
        Value::whole(fields)
    })
}

fn port(network_order: u16) -> Value {
    Value::Word(format!("htons({})", u16::from_be(network_order)))
}

/// A path, or after a NUL a name that is no path.
fn unix_path(bytes: &[u8]) -> Value {
    if let [0, name @ ..] = bytes {
        let quoted = super::super::text::quote(name);
        return Value::Word(format!("@{quoted}"));
    }
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    Value::Bytes { bytes: bytes[..end].to_vec(), is_cut: false }
}

/// `struct msghdr` that is sent.
pub(in super::super) fn message_in(call: &Call<'_>, value: u64) -> Value {
    message(call, value, u64::MAX)
}

/// `struct msghdr` that was received into.
pub(in super::super) fn message_out(call: &Call<'_>, value: u64) -> Value {
    message(call, value, call.count())
}

fn message(call: &Call<'_>, value: u64, valid: u64) -> Value {
    call.at(value, 56, |raw| {
        let (name_len, control_len) = (raw.u32(8), raw.u64(40));
        let mut fields = vec![
            ("msg_name", address(call, raw.u64(0), u64::from(name_len))),
            ("msg_namelen", Value::decimal(name_len)),
            ("msg_iov", super::files::iovec(call, raw.u64(16), raw.u64(24), valid)),
            ("msg_iovlen", Value::decimal(raw.u64(24))),
        ];
        if control_len != 0 {
            fields.push(("msg_control", control(call, raw.u64(32), control_len)));
        }
        fields.push(("msg_controllen", Value::decimal(control_len)));
        fields.push(("msg_flags", names::MSG.bits_of(u64::from(raw.u32(48)))));
        Value::whole(fields)
    })
}

/// Ancillary data: descriptors by number.
fn control(call: &Call<'_>, addr: u64, len: u64) -> Value {
    let (mut items, mut at) = (Vec::new(), 0);
    while at + 16 <= len {
        let Some(head) = call.raw(addr.wrapping_add(at), 16) else { break };
        let size = head.u64(0);
        if size < 16 || size > len - at {
            break;
        }
        let mut fields = vec![
            ("cmsg_len", Value::decimal(size)),
            ("cmsg_level", names::LEVELS.one_of(u64::from(head.u32(8)))),
            ("cmsg_type", names::CMSG_TYPES.one_of(u64::from(head.u32(12)))),
        ];
        let data = addr.wrapping_add(at + 16);
        if (head.u32(8), head.u32(12)) == (1, 1) {
            let fds = call.array(data, (size - 16) / 4, 4, |raw| Value::decimal(raw.i32(0)));
            fields.push(("cmsg_data", fds));
        } else if size > 16 {
            fields.push(("cmsg_data", call.buffer(data, size - 16)));
        }
        items.push(Value::whole(fields));
        at += size.next_multiple_of(8);
    }
    if items.is_empty() { Value::address(addr) } else { Value::list(items) }
}

/// An option of a socket: by name for the level of sockets.
pub(in super::super) fn option_name(call: &Call<'_>, value: u64) -> Value {
    let value = u64::from(value as u32);
    match call.args[1] {
        1 => names::SOCKET_OPTIONS.one_of(value),
        _ => Value::hex(value),
    }
}

/// A value whose length is the fifth argument.
pub(in super::super) fn option_in(call: &Call<'_>, value: u64) -> Value {
    option(call, value, u64::from(call.args[4] as u32))
}

/// A value whose length is behind the fifth argument.
pub(in super::super) fn option_out(call: &Call<'_>, value: u64) -> Value {
    let len = call.raw(call.args[4], 4).map_or(0, |raw| u64::from(raw.u32(0)));
    option(call, value, len)
}

fn option(call: &Call<'_>, value: u64, len: u64) -> Value {
    if len == 4 { super::int_at(call, value) } else { call.buffer(value, len) }
}
