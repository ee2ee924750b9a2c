//! Operations on the machine, and of code in the kernel.

use kernel_model::scenario::op::{
    Enabled, GuestStep, NotifierVerdict, Op, RegisterTarget, TextPokeStep,
};

use super::words::Words;
use super::{ParseError, event};

/// `cpu 1 down`, `suspend`, `guest 0 enter`.
pub(super) fn machine_op(verb: &str, words: &mut Words<'_>) -> Result<Op, ParseError> {
    Ok(match verb {
        "cpu" => {
            let cpu = words.cpu()?;
            match words.next("'up' or 'down'")? {
                "up" => Op::CpuUp { cpu },
                "down" => Op::CpuDown { cpu },
                _ => return Err(words.unknown("'up' or 'down'")),
            }
        }
        "guest" => {
            let cpu = words.cpu()?;
            let step = match words.next("'enter' or 'exit'")? {
                "enter" if words.take("debug") => GuestStep::EnterWithDebug,
                "enter" => GuestStep::Enter,
                "exit" => GuestStep::Exit,
                _ => return Err(words.unknown("'enter' or 'exit'")),
            };
            Op::Guest { cpu, step }
        }
        "textpoke" => {
            let cpu = words.cpu()?;
            let step = match words.next("'begin' or 'end'")? {
                "begin" => TextPokeStep::Begin,
                "end" => TextPokeStep::End,
                _ => return Err(words.unknown("'begin' or 'end'")),
            };
            Op::TextPoke { cpu, step }
        }
        "suspend" => Op::Suspend,
        "resume" => Op::Resume,
        _ => Op::Kexec,
    })
}

/// `register k user T0 w4:x`, `notifier n 5 stop`, `poke T0 7 0x1`.
pub(super) fn kernel_op(verb: &str, words: &mut Words<'_>) -> Result<Op, ParseError> {
    match verb {
        "poke" | "peek" | "debugreg" => debugreg_op(verb, words),
        "notifier" | "calls" => notifier_op(verb, words),
        "used" => Ok(Op::Used),
        _ => registered_op(verb, words),
    }
}

fn registered_op(verb: &str, words: &mut Words<'_>) -> Result<Op, ParseError> {
    let name = words.name("an event's name")?;
    Ok(match verb {
        "register" => {
            let target = match words.next("'user' or 'wide'")? {
                "user" => RegisterTarget::User(words.name("a task's name")?),
                "wide" => RegisterTarget::Wide,
                _ => return Err(words.unknown("'user' or 'wide'")),
            };
            let breakpoint = event::breakpoint(words)?;
            Op::Register { name, target, breakpoint, enabled: enabled(words) }
        }
        "remodify" => {
            let breakpoint = event::breakpoint(words)?;
            Op::ModifyRegistered { name, breakpoint, enabled: enabled(words) }
        }
        "unregister" => Op::Unregister { name },
        _ => Op::Log { name },
    })
}

/// `disabled`, or nothing.
pub(super) fn enabled(words: &mut Words<'_>) -> Enabled {
    if words.take("disabled") { Enabled::No } else { Enabled::Yes }
}

fn notifier_op(verb: &str, words: &mut Words<'_>) -> Result<Op, ParseError> {
    let name = words.name("a notifier's name")?;
    if verb == "calls" {
        return Ok(Op::Calls { name });
    }
    let priority = words.next("a priority")?;
    let priority = priority.parse().map_err(|_| words.unknown("priority"))?;
    let verdict = match words.next("'done' or 'stop'")? {
        "done" => NotifierVerdict::Done,
        "stop" => NotifierVerdict::Stop,
        _ => return Err(words.unknown("'done' or 'stop'")),
    };
    Ok(Op::Notifier { name, priority, verdict })
}

fn debugreg_op(verb: &str, words: &mut Words<'_>) -> Result<Op, ParseError> {
    if verb == "debugreg" {
        let cpu = words.cpu()?;
        return Ok(Op::DebugRegister { cpu, number: register(words)? });
    }
    let task = words.name("a task's name")?;
    let number = register(words)?;
    Ok(match verb {
        "poke" => Op::Poke { task, number, value: words.number("a value")? },
        _ => Op::Peek { task, number },
    })
}

fn register(words: &mut Words<'_>) -> Result<u8, ParseError> {
    let number = words.number("a register's number")?;
    u8::try_from(number).map_err(|_| words.unknown("register's number"))
}
