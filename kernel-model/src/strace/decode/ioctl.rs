//! ioctl: the command by name, and what its argument is.
//! Source: Linux 6.18 `include/uapi/asm-generic/ioctls.h`, `include/uapi/linux/perf_event.h`.

use super::super::call::Call;
use super::super::names::{files as names, perf as perf_names};
use super::super::table::{Arg, Kind};
use super::super::value::{Value, hex};
use super::{int, int_at, long_at, perf, text, ulong};

/// Commands, by number.
mod command {
    pub(super) const TCGETS: u32 = 0x5401;
    pub(super) const TIOCSCTTY: u32 = 0x540e;
    pub(super) const TIOCGPGRP: u32 = 0x540f;
    pub(super) const TIOCSPGRP: u32 = 0x5410;
    pub(super) const TIOCGWINSZ: u32 = 0x5413;
    pub(super) const TIOCSWINSZ: u32 = 0x5414;
    pub(super) const FIONREAD: u32 = 0x541b;
    pub(super) const FIONBIO: u32 = 0x5421;
    pub(super) const TIOCNOTTY: u32 = 0x5422;
    pub(super) const TIOCGSID: u32 = 0x5429;
    pub(super) const FIONCLEX: u32 = 0x5450;
    pub(super) const FIOCLEX: u32 = 0x5451;
    pub(super) const ENABLE: u32 = 0x2400;
    pub(super) const DISABLE: u32 = 0x2401;
    pub(super) const REFRESH: u32 = 0x2402;
    pub(super) const RESET: u32 = 0x2403;
    pub(super) const PERIOD: u32 = 0x4008_2404;
    pub(super) const SET_OUTPUT: u32 = 0x2405;
    pub(super) const SET_FILTER: u32 = 0x4008_2406;
    pub(super) const ID: u32 = 0x8008_2407;
    pub(super) const PAUSE_OUTPUT: u32 = 0x4004_2409;
    pub(super) const MODIFY_ATTRIBUTES: u32 = 0x4008_240b;
}

/// The arguments that a command has.
pub(in super::super) fn arguments(args: &[u64; 6]) -> Vec<Arg> {
    let third = match args[1] as u32 {
        command::FIOCLEX | command::FIONCLEX | command::TIOCNOTTY => None,
        command::TCGETS => Some(Kind::Out(termios)),
        command::TIOCGPGRP | command::TIOCGSID | command::FIONREAD => Some(Kind::Out(int_at)),
        command::TIOCSPGRP | command::FIONBIO => Some(Kind::In(int_at)),
        command::TIOCGWINSZ => Some(Kind::Out(winsize)),
        command::TIOCSWINSZ => Some(Kind::In(winsize)),
        command::TIOCSCTTY | command::REFRESH | command::SET_OUTPUT => Some(Kind::In(int)),
        command::ENABLE | command::DISABLE | command::RESET => {
            Some(Kind::Flags(&perf_names::IOCTL_FLAGS))
        }
        command::PERIOD => Some(Kind::In(long_at)),
        command::ID => Some(Kind::Out(long_at)),
        command::SET_FILTER => Some(Kind::In(text)),
        command::PAUSE_OUTPUT => Some(Kind::In(ulong)),
        command::MODIFY_ATTRIBUTES => Some(Kind::In(perf::attr)),
        _ => Some(Kind::In(super::hex)),
    };
    let mut list = vec![Arg::at(0, Kind::In(int)), Arg::at(1, Kind::In(command_name))];
    list.extend(third.map(|kind| Arg::at(2, kind)));
    list
}

/// The name of a command, or its parts.
fn command_name(_: &Call<'_>, value: u64) -> Value {
    let value = value as u32;
    if let Some(name) = names::IOCTLS.find(u64::from(value)) {
        return Value::word(name);
    }
    let direction = ["_IOC_NONE", "_IOC_WRITE", "_IOC_READ", "_IOC_READ|_IOC_WRITE"];
    let part = |shift: u32, mask: u32| hex(u64::from(value >> shift & mask));
    Value::Word(format!(
        "_IOC({}, {}, {}, {})",
        direction[(value >> 30) as usize],
        part(8, 0xff),
        part(0, 0xff),
        part(16, 0x3fff)
    ))
}

/// `struct termios` of the kernel: its flag words.
fn termios(call: &Call<'_>, value: u64) -> Value {
    call.at(value, 36, |raw| {
        let names = ["c_iflag", "c_oflag", "c_cflag", "c_lflag"].into_iter().enumerate();
        Value::abridged(
            names.map(|(index, name)| (name, Value::hex(raw.u32(4 * index).into()))).collect(),
        )
    })
}

/// `struct winsize`.
fn winsize(call: &Call<'_>, value: u64) -> Value {
    call.at(value, 8, |raw| {
        let names = ["ws_row", "ws_col", "ws_xpixel", "ws_ypixel"].into_iter().enumerate();
        Value::whole(
            names.map(|(index, name)| (name, Value::decimal(raw.u16(2 * index)))).collect(),
        )
    })
}
