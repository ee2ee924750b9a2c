//! Signals: names, sets, actions.
//! Source of the layouts: Linux 6.18 `include/linux/signal_types.h`, `include/uapi/asm-generic/signal.h`.

use super::super::call::{Call, Raw};
use super::super::names::signal as names;
use super::super::value::Value;
use crate::arch::x86::pt_regs::RSP;
use crate::signal::frame::UC_SIGMASK;
use crate::uapi::signal::{NSIG, SIG_DFL, SIG_IGN, SIGRTMIN, sigmask};

/// The name of a signal; a number where it has none.
#[must_use]
pub fn name(signal: u32) -> String {
    match names::SIGNALS.find(u64::from(signal)) {
        Some(name) => name.to_owned(),
        None if (SIGRTMIN..=NSIG).contains(&signal) && signal > SIGRTMIN => {
            format!("SIGRT_{}", signal - SIGRTMIN)
        }
        None if signal == SIGRTMIN => String::from("SIGRTMIN"),
        None => (signal as i32).to_string(),
    }
}

/// A set: its members, or `~` and those that are not in it where these are fewer.
pub(in super::super) fn set(mask: u64) -> Value {
    let members = (1..=NSIG).filter(|signal| mask & sigmask(*signal) != 0).count();
    let (lead, shown) = if members >= (NSIG as usize) * 2 / 3 { ("~", !mask) } else { ("", mask) };
    let members = (1..=NSIG).filter(|signal| shown & sigmask(*signal) != 0);
    let words: Vec<String> =
        members.map(|signal| name(signal).trim_start_matches("SIG").to_owned()).collect();
    Value::Word(format!("{lead}[{}]", words.join(" ")))
}

fn set_of_size(call: &Call<'_>, addr: u64, size: u64) -> Value {
    if size == 8 { call.at(addr, 8, |raw| set(raw.u64(0))) } else { Value::address(addr) }
}

/// A set whose size is the second argument.
pub(in super::super) fn set_of_arg1(call: &Call<'_>, value: u64) -> Value {
    set_of_size(call, value, call.args[1])
}

/// A set whose size is the third argument.
pub(in super::super) fn set_of_arg2(call: &Call<'_>, value: u64) -> Value {
    set_of_size(call, value, call.args[2])
}

/// A set whose size is the fourth argument.
pub(in super::super) fn set_of_arg3(call: &Call<'_>, value: u64) -> Value {
    set_of_size(call, value, call.args[3])
}

/// A set whose size is the fifth argument.
pub(in super::super) fn set_of_arg4(call: &Call<'_>, value: u64) -> Value {
    set_of_size(call, value, call.args[4])
}

/// A set whose size is the sixth argument.
pub(in super::super) fn set_of_arg5(call: &Call<'_>, value: u64) -> Value {
    set_of_size(call, value, call.args[5])
}

/// The set and its size of pselect6.
pub(in super::super) fn set_and_size(call: &Call<'_>, value: u64) -> Value {
    call.at(value, 16, |raw| {
        Value::whole(vec![
            ("sigmask", set_of_size(call, raw.u64(0), raw.u64(8))),
            ("sigsetsize", Value::decimal(raw.u64(8))),
        ])
    })
}

/// `struct sigaction` of the kernel.
pub(in super::super) fn action(call: &Call<'_>, value: u64) -> Value {
    call.at(value, 32, |raw| {
        let handler = match raw.u64(0) {
            SIG_DFL => Value::word("SIG_DFL"),
            SIG_IGN => Value::word("SIG_IGN"),
            handler => Value::address(handler),
        };
        let mut fields = vec![
            ("sa_handler", handler),
            ("sa_mask", set(raw.u64(24))),
            ("sa_flags", names::ACTION.bits_of(raw.u64(8))),
        ];
        if raw.u64(8) & crate::uapi::signal::sa::RESTORER != 0 {
            fields.push(("sa_restorer", Value::address(raw.u64(16))));
        }
        Value::whole(fields)
    })
}

/// `stack_t`.
pub(in super::super) fn altstack(call: &Call<'_>, value: u64) -> Value {
    call.at(value, 24, stack_fields)
}

fn stack_fields(raw: &Raw) -> Value {
    Value::whole(vec![
        ("ss_sp", Value::address(raw.u64(0))),
        ("ss_flags", names::ALTSTACK.bits_of(u64::from(raw.u32(8)))),
        ("ss_size", Value::decimal(raw.u64(16))),
    ])
}

/// The frame that rt_sigreturn goes back by: its mask.
pub(in super::super) fn frame(call: &Call<'_>, _: u64) -> Value {
    // The handler's return has taken the restorer's address off the stack.
    let frame = call.task.regs.gpr[RSP].wrapping_sub(8);
    call.at(frame.wrapping_add(UC_SIGMASK as u64), 8, |raw| {
        Value::whole(vec![("mask", set(raw.u64(0)))])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_sets() {
        assert_eq!(name(17), "SIGCHLD");
        assert_eq!(name(32), "SIGRTMIN");
        assert_eq!(name(34), "SIGRT_2");
        assert_eq!(name(0), "0");
        assert_eq!(name(65), "65");
        assert_eq!(set(0), Value::word("[]"));
        assert_eq!(set(sigmask(17) | sigmask(2)), Value::word("[INT CHLD]"));
        assert_eq!(set(u64::MAX), Value::word("~[]"));
        assert_eq!(set(!(sigmask(9) | sigmask(33))), Value::word("~[KILL RT_1]"));
    }
}
