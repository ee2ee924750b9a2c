//! What is told of a call, and what is kept between its entry and its exit.

use std::collections::BTreeMap;

use perf_core::{Errno, TaskId};

use super::call::Call;
use super::table::{self, Arg, Args, Base, Kind, Ret, Returned, Signature};
use super::value::{Value, hex};
use crate::observe::{ExitStatus, TaskTag};
use crate::signal::SigInfo;
use crate::task::ProcessId;
use crate::uapi::syscall_nr;

/// Calls that are told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallSet {
    wanted: Vec<bool>,
    /// Those that no Linux has.
    others: bool,
}

impl CallSet {
    /// The calls for whose names `is_wanted` says so; a number without a name has none.
    #[must_use]
    pub fn of(is_wanted: impl Fn(Option<&str>) -> bool) -> Self {
        let wanted =
            (0..syscall_nr::NR_SYSCALLS as u64).map(|nr| is_wanted(syscall_nr::name(nr))).collect();
        Self { wanted, others: is_wanted(None) }
    }

    pub(super) fn has(&self, nr: u64) -> bool {
        let known = usize::try_from(nr).ok().and_then(|nr| self.wanted.get(nr));
        known.copied().unwrap_or(self.others)
    }
}

/// An argument as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallArg {
    /// Its name, where its place does not say enough.
    pub label: &'static str,
    /// What it is.
    pub value: Value,
}

/// What a call returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallResult {
    /// A value, in the base that is usual for it, and what it means.
    Value {
        /// The number.
        number: String,
        /// More about it.
        note: Option<Value>,
    },
    /// An error.
    Error(Errno),
    /// It was interrupted and may be made again: by what name, and when.
    Restart {
        /// Such as `ERESTARTSYS`.
        name: &'static str,
        /// When it is made again.
        when: &'static str,
    },
}

/// What follows of a call's arguments at its exit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// Nothing.
    Nothing,
    /// Other arguments.
    Arguments,
    /// What becomes of the last one, and maybe others.
    Change,
}

/// Something that a tracer is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallEvent {
    /// A call began.
    Entry {
        /// Its name.
        name: String,
        /// The arguments before the first one that the call writes.
        args: Vec<CallArg>,
        /// What follows at the exit.
        rest: Rest,
    },
    /// A call returned.
    Exit {
        /// What became of the last argument that was told of at the entry.
        change: Option<Value>,
        /// The arguments that were not told of at the entry.
        args: Vec<CallArg>,
        /// What it returned.
        result: CallResult,
    },
    /// A signal is delivered, or would be if it were not ignored.
    Signal {
        /// Its name.
        name: String,
        /// What it says about its cause.
        info: Value,
    },
    /// The process stopped.
    Stopped {
        /// The signal's name.
        name: String,
    },
    /// The task ended, maybe in a call.
    Ended(ExitStatus),
}

/// An event with its task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallTold {
    /// Who.
    pub task: TaskTag,
    /// Tasks that live.
    pub nr_tasks: usize,
    /// What.
    pub event: CallEvent,
}

/// A call between its entry and its exit.
#[derive(Debug)]
struct Open {
    nr: u64,
    args: [u64; 6],
    /// Values of `InOut` arguments at the entry, by place.
    before: Vec<(usize, Value)>,
}

/// What is kept for a tracer.
#[derive(Debug)]
pub(crate) struct CallTrace {
    pub(super) wanted: CallSet,
    open: BTreeMap<TaskId, Open>,
    /// Signals in no queue that are yet to be told.
    pub(super) unqueued: BTreeMap<ProcessId, Vec<SigInfo>>,
}

/// The kernel's errors that no program sees.
const RESTARTS: [(i64, &str, &str); 4] = [
    (-512, "ERESTARTSYS", "To be restarted if SA_RESTART is set"),
    (-513, "ERESTARTNOINTR", "To be restarted"),
    (-514, "ERESTARTNOHAND", "To be restarted if no handler"),
    (-516, "ERESTART_RESTARTBLOCK", "Interrupted by signal"),
];

impl CallTrace {
    pub(crate) const fn new(wanted: CallSet) -> Self {
        Self { wanted, open: BTreeMap::new(), unqueued: BTreeMap::new() }
    }

    /// A call begins, if it is one that is told of.
    pub(super) fn enter(&mut self, nr: u64, call: &Call<'_>) -> Option<CallEvent> {
        if !self.wanted.has(nr) {
            return None;
        }
        let list = arguments(nr, &call.args);
        let late = list.iter().filter_map(|arg| match arg.kind {
            Kind::InOut(decode) => Some((arg.nr, decode(call, call.args[arg.nr]))),
            _ => None,
        });
        let before = late.collect();
        let shown = shown_at_entry(&list);
        let args =
            list[..shown].iter().map(|arg| CallArg { label: arg.label, value: decode(call, arg) });
        let event = CallEvent::Entry {
            name: name_of(nr),
            args: args.collect(),
            rest: rest_after(&list, shown),
        };
        self.open.insert(call.task.id, Open { nr, args: call.args, before });
        Some(event)
    }

    /// The arguments at entry of the call that a task is in.
    pub(super) fn open_args(&self, task: TaskId) -> Option<[u64; 6]> {
        self.open.get(&task).map(|open| open.args)
    }

    /// The call that a task is in returns.
    pub(super) fn leave(&mut self, call: &Call<'_>) -> Option<CallEvent> {
        let open = self.open.remove(&call.task.id)?;
        let list = arguments(open.nr, &open.args);
        let shown = shown_at_entry(&list);
        let change = list[..shown].last().and_then(|arg| open.change(call, arg));
        let args = list[shown..]
            .iter()
            .map(|arg| CallArg { label: arg.label, value: open.late_value(call, arg) });
        let args = args.collect();
        Some(CallEvent::Exit { change, args, result: result_of(open.nr, call) })
    }

    /// A task has ended, and with it the call that it was in.
    pub(super) fn forget(&mut self, task: TaskId) {
        self.open.remove(&task);
    }
}

impl Open {
    fn before(&self, arg: &Arg) -> Option<&Value> {
        self.before.iter().find(|(nr, _)| *nr == arg.nr).map(|(_, value)| value)
    }

    /// What the call made of an argument, if that is something else.
    fn change(&self, call: &Call<'_>, arg: &Arg) -> Option<Value> {
        let before = self.before(arg)?;
        let after = decode(call, arg);
        (!call.failed() && after != *before).then_some(after)
    }

    fn late_value(&self, call: &Call<'_>, arg: &Arg) -> Value {
        match (arg.kind, self.before(arg)) {
            (Kind::Out(_), _) if call.failed() => Value::address(call.args[arg.nr]),
            (_, Some(before)) => match self.change(call, arg) {
                Some(after) => Value::Becomes(Box::new(before.clone()), Box::new(after)),
                None => before.clone(),
            },
            _ => decode(call, arg),
        }
    }
}

fn name_of(nr: u64) -> String {
    syscall_nr::name(nr).map_or_else(|| format!("syscall_{}", hex(nr)), str::to_owned)
}

fn signature(nr: u64) -> Option<&'static Signature> {
    syscall_nr::name(nr).and_then(table::find)
}

/// The arguments of a call; of one without a line all six, as they are.
fn arguments(nr: u64, args: &[u64; 6]) -> Vec<Arg> {
    match signature(nr) {
        Some(signature) => signature.args.list(args),
        None => Args::InOrder(&[Kind::In(super::decode::hex); 6]).list(args),
    }
}

/// How many arguments are told of at the entry: those before the first that the call writes, and
/// it too if it is known before.
fn shown_at_entry(list: &[Arg]) -> usize {
    let is_late = |arg: &Arg| matches!(arg.kind, Kind::Out(_) | Kind::Late(_) | Kind::InOut(_));
    match list.iter().position(is_late) {
        Some(at) if matches!(list[at].kind, Kind::InOut(_)) => at + 1,
        Some(at) => at,
        None => list.len(),
    }
}

fn rest_after(list: &[Arg], shown: usize) -> Rest {
    match list[..shown].last() {
        Some(Arg { kind: Kind::InOut(_), .. }) => Rest::Change,
        _ if shown == list.len() => Rest::Nothing,
        _ => Rest::Arguments,
    }
}

fn decode(call: &Call<'_>, arg: &Arg) -> Value {
    let value = call.args[arg.nr];
    match arg.kind {
        Kind::In(decode) | Kind::Out(decode) | Kind::Late(decode) | Kind::InOut(decode) => {
            decode(call, value)
        }
        Kind::Flags(names) => names.bits_of(value & 0xffff_ffff),
        Kind::One(names) => names.one_of(value & 0xffff_ffff),
    }
}

fn result_of(nr: u64, call: &Call<'_>) -> CallResult {
    let result = call.result.unwrap_or(0);
    if let Some((_, name, when)) = RESTARTS.iter().find(|(number, ..)| *number == result) {
        return CallResult::Restart { name, when };
    }
    let errno = i32::try_from(result).ok().and_then(|result| Errno::from_number(-result));
    if let Some(errno) = errno {
        return CallResult::Error(errno);
    }
    let returned = match signature(nr).map(|signature| signature.ret) {
        Some(Ret::Noted(note)) => note(call),
        Some(Ret::Hex) => Returned { base: Base::Hex, note: None },
        Some(Ret::Octal) => Returned { base: Base::Octal, note: None },
        Some(Ret::Dec) | None => Returned::DEC,
    };
    let number = match returned.base {
        Base::Dec => result.to_string(),
        Base::Hex => hex(result as u64),
        Base::Octal => format!("0{result:02o}"),
    };
    CallResult::Value { number, note: returned.note }
}
