//! The arguments of every system call, as data: a line a call.
//!
//! A new call is a line in the table of its group; what its arguments are made of is in
//! [`super::decode`].

mod files;
mod memory;
mod net;
mod process;
mod signal;
mod time;

use super::call::Call;
use super::decode::Decoder;
use super::names::Names;
use super::value::Value;

/// What an argument is.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// Known at the call's entry.
    In(Decoder),
    /// Written by the call: known at its exit, and an address if the call failed.
    Out(Decoder),
    /// Known at the call's exit, whether it failed or not.
    Late(Decoder),
    /// Known at the entry, and changed by the call.
    InOut(Decoder),
    /// Bits of 32 by name.
    Flags(&'static Names),
    /// One of several numbers of 32 bits by name.
    One(&'static Names),
}

/// An argument: which, and what it is.
#[derive(Clone, Copy)]
pub(super) struct Arg {
    pub(super) nr: usize,
    /// What stands before it, where that says more than its place.
    pub(super) label: &'static str,
    pub(super) kind: Kind,
}

impl Arg {
    /// An argument without a label.
    pub(super) const fn at(nr: usize, kind: Kind) -> Self {
        Self { nr, label: "", kind }
    }
}

/// The arguments of a call.
#[derive(Clone, Copy)]
pub(super) enum Args {
    /// These, in order.
    InOrder(&'static [Kind]),
    /// What they are depends on some of them.
    Chosen(fn(&[u64; 6]) -> Vec<Arg>),
}

impl Args {
    /// The arguments that are shown, in their order.
    pub(super) fn list(&self, args: &[u64; 6]) -> Vec<Arg> {
        match self {
            Self::InOrder(kinds) => {
                kinds.iter().enumerate().map(|(nr, kind)| Arg::at(nr, *kind)).collect()
            }
            Self::Chosen(choose) => choose(args),
        }
    }
}

/// What a call returns.
#[derive(Clone, Copy)]
pub(super) enum Ret {
    /// A number.
    Dec,
    /// An address.
    Hex,
    /// A mode.
    Octal,
    /// A number, and what it means.
    Noted(fn(&Call<'_>) -> Returned),
}

/// How a number is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Base {
    Dec,
    Hex,
    Octal,
}

/// How a result is shown, and what it means.
pub(super) struct Returned {
    pub(super) base: Base,
    pub(super) note: Option<Value>,
}

impl Returned {
    /// A decimal number that says all.
    pub(super) const DEC: Self = Self { base: Base::Dec, note: None };

    /// A decimal number with a note.
    pub(super) const fn dec(note: Option<Value>) -> Self {
        Self { base: Base::Dec, note }
    }
}

/// Classes of calls, as filters name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Classes(u16);

impl Classes {
    /// None of them.
    pub(super) const NONE: Self = Self(0);
    /// Takes a path.
    pub const FILE: Self = Self(1);
    /// Takes or makes a descriptor.
    pub const DESC: Self = Self(2);
    /// Makes, ends or awaits processes.
    pub const PROCESS: Self = Self(4);
    /// Changes memory mappings.
    pub const MEMORY: Self = Self(8);
    /// Signals.
    pub const SIGNAL: Self = Self(16);
    /// Sockets.
    pub const NETWORK: Self = Self(32);
    /// System V IPC.
    pub const IPC: Self = Self(64);

    /// Both.
    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether a call is in one of these.
    #[must_use]
    pub const fn meet(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// A system call's arguments and result.
#[derive(Clone, Copy)]
pub(super) struct Signature {
    pub(super) name: &'static str,
    pub(super) classes: Classes,
    pub(super) args: Args,
    pub(super) ret: Ret,
}

/// A call with fixed arguments.
const fn call(name: &'static str, classes: Classes, args: &'static [Kind], ret: Ret) -> Signature {
    Signature { name, classes, args: Args::InOrder(args), ret }
}

/// A call whose arguments depend on some of them.
const fn chosen(
    name: &'static str,
    classes: Classes,
    choose: fn(&[u64; 6]) -> Vec<Arg>,
    ret: Ret,
) -> Signature {
    Signature { name, classes, args: Args::Chosen(choose), ret }
}

/// All tables.
const TABLES: [&[Signature]; 6] =
    [files::CALLS, memory::CALLS, process::CALLS, signal::CALLS, time::CALLS, net::CALLS];

/// The line of a call.
pub(super) fn find(name: &str) -> Option<&'static Signature> {
    TABLES.into_iter().flatten().find(|signature| signature.name == name)
}

/// The classes of a call, none for one without a line.
#[must_use]
pub fn classes(name: &str) -> Classes {
    find(name).map_or(Classes::NONE, |signature| signature.classes)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::syscalls::table::{Support, all};
    use crate::uapi::syscall_nr;

    #[test]
    fn every_line_is_of_a_call_and_there_is_one_for_each() {
        let known: BTreeSet<&str> = syscall_nr::all().map(|(_, name)| name).collect();
        let mut seen = BTreeSet::new();
        for signature in TABLES.into_iter().flatten() {
            assert!(known.contains(signature.name), "{}", signature.name);
            assert!(seen.insert(signature.name), "{} twice", signature.name);
        }
        for entry in all().filter(|e| matches!(e.support, Support::Full | Support::Partial(_))) {
            assert!(seen.contains(entry.name), "{} has no line", entry.name);
        }
    }
}
