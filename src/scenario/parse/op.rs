//! Operations, by their first word.

use kernel_model::scenario::op::{Access, AccessKind, ForkKind, Op, TrapAction};
use perf_core::Scope;

use super::words::{Words, number_of};
use super::{ParseError, event, kernel};

const TASK: &str = "a task's name";
const EVENT: &str = "an event's name";

/// The first words of all operations.
pub const VERBS: [&str; 45] = [
    "var",
    "code",
    "open",
    "task",
    "run",
    "idle",
    "fork",
    "clone",
    "exec",
    "exit",
    "reap",
    "ontrap",
    "signals",
    "dup",
    "close",
    "enable",
    "disable",
    "reset",
    "refresh",
    "period",
    "modify",
    "read",
    "state",
    "poll",
    "hit",
    "cpu",
    "suspend",
    "resume",
    "kexec",
    "guest",
    "textpoke",
    "register",
    "remodify",
    "unregister",
    "log",
    "notifier",
    "calls",
    "used",
    "poke",
    "peek",
    "debugreg",
    "registers",
    "slots",
    "free",
    "explain",
];

/// Reads one operation up to `=` or the end of the line.
pub(super) fn op(words: &mut Words<'_>) -> Result<Op, ParseError> {
    let verb = words.next("an operation")?;
    Ok(match verb {
        "var" => Op::Var { name: words.name("a variable's name")? },
        "code" => Op::Code { name: words.name("a function's name")? },
        "open" => Op::Open(event::open(words)?),
        "task" | "run" | "idle" | "fork" | "clone" | "exec" | "exit" | "reap" | "ontrap"
        | "signals" => task_op(verb, words)?,
        "dup" | "close" | "enable" | "disable" | "reset" | "refresh" | "period" | "modify"
        | "read" | "state" | "poll" => event_op(verb, words)?,
        "hit" => Op::Hit { task: words.name(TASK)?, access: access(words)? },
        "cpu" | "suspend" | "resume" | "kexec" | "guest" | "textpoke" => {
            kernel::machine_op(verb, words)?
        }
        "register" | "remodify" | "unregister" | "log" | "notifier" | "calls" | "used" | "poke"
        | "peek" | "debugreg" => kernel::kernel_op(verb, words)?,
        "explain" if words.has_more() => Op::Explain { target: Some(event::target(words)?) },
        "explain" => Op::Explain { target: None },
        "registers" => Op::Registers { cpu: words.cpu()? },
        "slots" => Op::Slots,
        "free" => Op::Free { target: event::target(words)? },
        _ => return Err(words.unknown("operation")),
    })
}

fn task_op(verb: &str, words: &mut Words<'_>) -> Result<Op, ParseError> {
    if verb == "idle" {
        return Ok(Op::Idle { cpu: words.cpu()? });
    }
    let task = words.name(TASK)?;
    Ok(match verb {
        "task" => Op::Task { task },
        "run" => {
            words.expect("on")?;
            Op::Run { task, cpu: words.cpu()? }
        }
        "fork" | "clone" => {
            words.expect("as")?;
            let child = words.name(TASK)?;
            let kind = match verb {
                "clone" => ForkKind::Thread,
                _ if words.take("clear_handlers") => ForkKind::ClearHandlers,
                _ => ForkKind::Process,
            };
            Op::Fork { parent: task, child, kind }
        }
        "exec" => Op::Exec { task },
        "exit" => Op::Exit { task },
        "reap" => Op::Reap { task },
        "ontrap" => {
            let action = match words.next("what is done with SIGTRAP")? {
                "default" => TrapAction::Default,
                "handle" => TrapAction::Handle,
                "ignore" => TrapAction::Ignore,
                "block" => TrapAction::Block,
                "unblock" => TrapAction::Unblock,
                _ => return Err(words.unknown("action (default, handle, ignore, block, unblock)")),
            };
            Op::OnTrap { task, action }
        }
        _ => Op::Signals { task },
    })
}

fn event_op(verb: &str, words: &mut Words<'_>) -> Result<Op, ParseError> {
    let event = words.name(EVENT)?;
    Ok(match verb {
        "dup" => {
            words.expect("as")?;
            Op::Dup { event, copy: words.name(EVENT)? }
        }
        "close" => Op::Close { event },
        "enable" => Op::Enable { event, scope: scope(words) },
        "disable" => Op::Disable { event, scope: scope(words) },
        "reset" => Op::Reset { event, scope: scope(words) },
        "refresh" => {
            let budget = words.number("a budget")?;
            let budget = i32::try_from(budget).map_err(|_| words.unknown("budget"))?;
            Op::Refresh { event, budget }
        }
        "period" => Op::Period { event, period: words.number("a period")? },
        "modify" => {
            let breakpoint = event::breakpoint(words)?;
            Op::Modify { event, breakpoint, enabled: kernel::enabled(words) }
        }
        "read" => Op::Read { event },
        "state" => Op::State { event },
        _ => Op::Poll { event },
    })
}

fn scope(words: &mut Words<'_>) -> Scope {
    if words.take("group") { Scope::Group } else { Scope::Event }
}

/// `store4 x`.
fn access(words: &mut Words<'_>) -> Result<Access, ParseError> {
    let word = words.next("an access")?;
    let kind = access_kind(word)
        .ok_or_else(|| words.unknown("access (store4, load4, inc4, exec, kstore4, kload4)"))?;
    Ok(Access { kind, place: event::place(words)? })
}

fn access_kind(word: &str) -> Option<AccessKind> {
    if word == "exec" {
        return Some(AccessKind::Exec);
    }
    let verb = word.trim_end_matches(|c: char| c.is_ascii_digit());
    let len = u8::try_from(number_of(&word[verb.len()..])?).ok()?;
    Some(match verb {
        "store" => AccessKind::Store(len),
        "load" => AccessKind::Load(len),
        "inc" => AccessKind::Increment(len),
        "kstore" => AccessKind::KernelStore(len),
        "kload" => AccessKind::KernelLoad(len),
        _ => return None,
    })
}
