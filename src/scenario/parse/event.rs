//! Targets, breakpoints, places and options of events.

use kernel_model::scenario::op::{
    BreakpointSpec, EventKind, EventOption, OpenOp, OpenTarget, Place, PlaceBase,
};
use perf_core::CpuId;

use super::ParseError;
use super::words::{Words, is_name, number_of};

/// What a target looks like.
const TARGET: &str = "target (T@*, T@CPU or C and a CPU's number)";
/// What a breakpoint looks like.
const BREAKPOINT: &str = "breakpoint (w4:x, rw8:x+8, x:f, bp7/3:x)";

/// `EVENT TARGET KIND OPTION...`.
pub(super) fn open(words: &mut Words<'_>) -> Result<OpenOp, ParseError> {
    let event = words.name("an event's name")?;
    let target = target(words)?;
    let kind = kind(words)?;
    let mut options: Vec<EventOption> = Vec::new();
    while words.has_more() {
        let option = option(words)?;
        let same =
            |known: &EventOption| std::mem::discriminant(known) == std::mem::discriminant(&option);
        if options.iter().any(same) {
            return Err(words.twice());
        }
        options.push(option);
    }
    Ok(OpenOp { event, target, kind, options })
}

/// `T0@*`, `T0@1`, `C0`.
pub(super) fn target(words: &mut Words<'_>) -> Result<OpenTarget, ParseError> {
    target_of(words.next("a target")?).ok_or_else(|| words.unknown(TARGET))
}

fn target_of(word: &str) -> Option<OpenTarget> {
    let cpu = |text: &str| u32::try_from(number_of(text)?).ok().map(CpuId);
    let Some((task, place)) = word.split_once('@') else {
        return word.strip_prefix('C').and_then(cpu).map(OpenTarget::Cpu);
    };
    if !is_name(task) {
        return None;
    }
    match place {
        "*" => Some(OpenTarget::Task(task.into())),
        place => cpu(place).map(|cpu| OpenTarget::TaskOnCpu(task.into(), cpu)),
    }
}

fn kind(words: &mut Words<'_>) -> Result<EventKind, ParseError> {
    if let Some(config) = words.peek().and_then(|word| word.strip_prefix("software:")) {
        words.next("a kind")?;
        return number_of(config)
            .map(EventKind::Software)
            .ok_or_else(|| words.unknown("number of a software event"));
    }
    breakpoint(words).map(EventKind::Breakpoint)
}

/// `w4:x`.
pub(super) fn breakpoint(words: &mut Words<'_>) -> Result<BreakpointSpec, ParseError> {
    breakpoint_of(words.next("a breakpoint")?).ok_or_else(|| words.unknown(BREAKPOINT))
}

fn breakpoint_of(word: &str) -> Option<BreakpointSpec> {
    let (what, place) = word.split_once(':')?;
    let place = place_of(place)?;
    if let Some(raw) = what.strip_prefix("bp") {
        let (bp_type, bp_len) = raw.split_once('/')?;
        let bp_type = u32::try_from(number_of(bp_type)?).ok()?;
        return Some(BreakpointSpec { bp_type, bp_len: number_of(bp_len)?, place });
    }
    let letters = what.trim_end_matches(|c: char| c.is_ascii_digit());
    let bp_type = match letters {
        "r" => 1,
        "w" => 2,
        "rw" => 3,
        "x" => 4,
        _ => return None,
    };
    let bp_len = match &what[letters.len()..] {
        "" if bp_type == 4 => 8,
        len => number_of(len)?,
    };
    Some(BreakpointSpec { bp_type, bp_len, place })
}

/// `x`, `x+3`, `0x7000`.
pub(super) fn place(words: &mut Words<'_>) -> Result<Place, ParseError> {
    place_of(words.next("a place")?).ok_or_else(|| words.unknown("place (x, x+3 or an address)"))
}

fn place_of(text: &str) -> Option<Place> {
    let (base, offset) = match text.split_once('+') {
        Some((base, offset)) => (base, number_of(offset)?),
        None => (text, 0),
    };
    let base = match number_of(base) {
        Some(address) => PlaceBase::Address(address),
        None if is_name(base) => PlaceBase::Symbol(base.into()),
        None => return None,
    };
    Some(Place { base, offset })
}

fn option(words: &mut Words<'_>) -> Result<EventOption, ParseError> {
    option_of(words.next("an option")?).ok_or_else(|| words.unknown("option of an event"))
}

fn option_of(word: &str) -> Option<EventOption> {
    if let Some((name, value)) = word.split_once('=') {
        return Some(match name {
            "period" => EventOption::Period(number_of(value)?),
            "sig_data" => EventOption::SigData(number_of(value)?),
            "sample_type" => EventOption::SampleType(number_of(value)?),
            "group" if is_name(value) => EventOption::Group(value.into()),
            _ => return None,
        });
    }
    Some(match word {
        "inherit" => EventOption::Inherit,
        "inherit_thread" => EventOption::InheritThread,
        "pinned" => EventOption::Pinned,
        "exclusive" => EventOption::Exclusive,
        "disabled" => EventOption::Disabled,
        "exclude_user" => EventOption::ExcludeUser,
        "exclude_kernel" => EventOption::ExcludeKernel,
        "enable_on_exec" => EventOption::EnableOnExec,
        "remove_on_exec" => EventOption::RemoveOnExec,
        "sigtrap" => EventOption::Sigtrap,
        _ => return None,
    })
}
