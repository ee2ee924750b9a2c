//! ptrace: the user area by field, debug registers by what they say.
//! Source: Linux 6.18 `arch/x86/include/asm/user_64.h`; the debug registers are those of the
//! Intel SDM volume 3, 18.2.

use super::super::call::{Call, Raw};
use super::super::names::ptrace as names;
use super::super::table::{Arg, Kind};
use super::super::value::{Value, hex};
use super::{address, address_at, hex as hexadecimal, int, siginfo, signal, signal_number};
use crate::uapi::ptrace::request;

/// Offset of `u_debugreg` in `struct user`.
const DEBUGREG: u64 = 848;
/// Offset of DR6 and DR7.
const DR6: u64 = DEBUGREG + 6 * 8;
const DR7: u64 = DEBUGREG + 7 * 8;
/// Bytes of `struct user`.
const USER_BYTES: u64 = 912;
/// Fields of `struct user` behind the registers, by offset.
const FIELDS: [(u64, &str); 14] = [
    (216, "u_fpvalid"),
    (224, "i387"),
    (736, "u_tsize"),
    (744, "u_dsize"),
    (752, "u_ssize"),
    (760, "start_code"),
    (768, "start_stack"),
    (776, "signal"),
    (784, "reserved"),
    (792, "u_ar0"),
    (800, "u_fpstate"),
    (808, "magic"),
    (816, "u_comm"),
    (DEBUGREG, "u_debugreg"),
];

/// The arguments that a request has.
pub(in super::super) fn arguments(args: &[u64; 6]) -> Vec<Arg> {
    let mut list = vec![Arg::at(0, Kind::One(&names::REQUESTS))];
    if args[0] == request::TRACEME {
        return list;
    }
    list.push(Arg::at(1, Kind::In(int)));
    let (third, fourth) = match args[0] {
        request::ATTACH | request::INTERRUPT | request::KILL | request::LISTEN => return list,
        request::PEEKTEXT | request::PEEKDATA => (Kind::In(address), Kind::Out(address_at)),
        request::PEEKUSR => (Kind::In(user_area), Kind::Out(peeked)),
        request::POKEUSR => (Kind::In(user_area), Kind::In(poked)),
        request::CONT
        | request::DETACH
        | request::SYSCALL
        | request::SINGLESTEP
        | request::SINGLEBLOCK
        | request::SYSEMU
        | request::SYSEMU_SINGLESTEP => (Kind::In(address), Kind::In(signal_number)),
        request::SEIZE | request::SETOPTIONS => (Kind::In(address), Kind::Flags(&names::OPTIONS)),
        request::GETEVENTMSG => (Kind::In(address), Kind::Out(super::long_at)),
        request::GETSIGINFO => (Kind::In(address), Kind::Out(siginfo::at)),
        request::SETSIGINFO => (Kind::In(address), Kind::In(siginfo::at)),
        request::GETSIGMASK => (Kind::In(hexadecimal), Kind::Out(signal::set_of_arg2)),
        request::SETSIGMASK => (Kind::In(hexadecimal), Kind::In(signal::set_of_arg2)),
        request::GETREGS => {
            list.push(Arg::at(3, Kind::Out(registers)));
            return list;
        }
        request::SETREGS => {
            list.push(Arg::at(3, Kind::In(registers)));
            return list;
        }
        request::GETREGSET | request::SETREGSET => (Kind::One(&names::NOTES), Kind::In(address)),
        _ => (Kind::In(address), Kind::In(address)),
    };
    list.extend([Arg::at(2, third), Arg::at(3, fourth)]);
    list
}

/// A place in `struct user`.
fn user_area(_: &Call<'_>, value: u64) -> Value {
    if let Some(name) = names::USER_AREA.find(value) {
        return Value::word(name);
    }
    if value >= USER_BYTES {
        return Value::address(value);
    }
    if value < FIELDS[0].0 {
        let within = value % 8;
        let name = names::USER_AREA.find(value - within).unwrap_or_default();
        return Value::Word(format!("{name} + {within}"));
    }
    let field = FIELDS.iter().rev().find(|(at, _)| *at <= value);
    let (at, name) = field.copied().unwrap_or(FIELDS[0]);
    let name = format!("offsetof(struct user, {name})");
    match value - at {
        0 => Value::Word(name),
        within if at == DEBUGREG && within.is_multiple_of(8) => {
            Value::Word(format!("{name} + {}*8", within / 8))
        }
        within => Value::Word(format!("{name} + {within}")),
    }
}

/// What is written there.
fn poked(call: &Call<'_>, value: u64) -> Value {
    noted(call.args[2], value)
}

/// What was read there.
fn peeked(call: &Call<'_>, value: u64) -> Value {
    call.at(value, 8, |raw| Value::list(vec![noted(call.args[2], raw.u64(0))]))
}

/// A value with what it means, where its place is a debug register.
fn noted(place: u64, value: u64) -> Value {
    let words = match place {
        DR6 => dr6_words(value),
        DR7 => dr7_words(value),
        _ => String::new(),
    };
    if words.is_empty() {
        return Value::address(value);
    }
    Value::Word(format!("{} /* {words} */", hex(value)))
}

/// The bits of DR6 that say what happened; BLD and RTM do so when they are clear.
fn dr6_words(value: u64) -> String {
    let bits = [(0, "B0"), (1, "B1"), (2, "B2"), (3, "B3"), (13, "BD"), (14, "BS"), (15, "BT")];
    let set = bits.iter().filter(|(bit, _)| value >> bit & 1 != 0).map(|(_, name)| *name);
    set.collect::<Vec<_>>().join("|")
}

/// What DR7 arms: each enabled register with what it looks for and its length.
fn dr7_words(value: u64) -> String {
    let mut words = Vec::new();
    for register in 0..4_u32 {
        let enabled = match value >> (2 * register) & 3 {
            0 => continue,
            1 => "L",
            2 => "G",
            _ => "LG",
        };
        let control = value >> (16 + 4 * register);
        let kind = ["x", "w", "io", "rw"][(control & 3) as usize];
        let len = [1, 2, 8, 4][(control >> 2 & 3) as usize];
        words.push(format!("{enabled}{register}:{kind}/{len}"));
    }
    for (bit, name) in [(8, "LE"), (9, "GE"), (11, "RTM"), (13, "GD")] {
        if value >> bit & 1 != 0 {
            words.push(name.to_owned());
        }
    }
    words.join(" ")
}

/// `struct user_regs_struct`, in its order.
const REGISTERS: [&str; 27] = [
    "r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi",
    "rdi", "orig_rax", "rip", "cs", "eflags", "rsp", "ss", "fs_base", "gs_base", "ds", "es", "fs",
    "gs",
];

fn registers(call: &Call<'_>, value: u64) -> Value {
    call.at(value, 8 * REGISTERS.len(), |raw: &Raw| {
        let fields = REGISTERS.into_iter().enumerate();
        Value::whole(fields.map(|(index, name)| (name, Value::hex(raw.u64(8 * index)))).collect())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_registers_in_words() {
        assert_eq!(dr7_words(0), "");
        assert_eq!(dr7_words(0xd_0001), "L0:w/4");
        assert_eq!(dr7_words(0x0f00_0320), "G2:rw/4 LE GE");
        assert_eq!(dr7_words(0x0000_0080), "G3:x/1");
        assert_eq!(dr6_words(0xffff_0ff0), "");
        assert_eq!(dr6_words(0xffff_4ff1), "B0|BS");
    }
}
