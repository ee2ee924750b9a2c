//! One line for each entry of a log, with every field, for `dr7 dump` and for
//! the two sides of a divergence.

use kernel_model::inputs::HostPlace;
use kernel_model::observe::AccessKind;
use perf_core::Errno;
use serde_json::Value;

use super::disassembly::disassemble;
use super::json;
use super::numbers::{counted, seconds};
use super::tally::{status_text, task_name};
use crate::session::event::{At, Done, Ending, Entry, Event, Hit, Input, Origin};
use crate::symbols::Symbols;

/// Bytes of input or output that are shown.
const SHOWN_BYTES: usize = 48;

/// The line, without its end.
#[must_use]
pub fn entry_line(entry: &Entry, symbols: &Symbols<'_>) -> String {
    match entry {
        Entry::Input(input) => input_line(input),
        Entry::Event(event) => event_line(event, symbols),
        Entry::Mark(mark) => {
            let insns = counted(mark.at.insns, "instruction", "instructions");
            format!("mark   step {}, {insns}: {}", mark.at.step, mark.digest)
        }
    }
}

fn input_line(input: &Input) -> String {
    let question = input.question();
    match input {
        Input::Stdin { max, bytes } => {
            format!("input  {question}, at most {max}: {}", shown(bytes))
        }
        Input::Random { bytes } => {
            let len = counted(bytes.len() as u64, "byte", "bytes");
            format!("input  {question}, {len}: {}", hex_start(bytes))
        }
        Input::BootRealtime { ns } => format!("input  {question}: {} s since 1970", seconds(*ns)),
        Input::HostEntry { place, answer } => {
            format!("input  {question}, mount {}: {}", place.mount, refusal(answer))
        }
        Input::HostDirectory { place, answer } => {
            let names = counted(answer.as_ref().map_or(0, Vec::len) as u64, "name", "names");
            format!("input  {question}, {}: {names}{}", host_path(place), refusal(answer))
        }
        Input::HostRead { place, offset, max, answer } => {
            let hash = answer.as_ref().map_or(String::new(), |content| hex_start(&content.hash));
            let path = host_path(place);
            format!("input  {question}, {path}, {max} from {offset}: {hash}{}", refusal(answer))
        }
    }
}

fn host_path(place: &HostPlace) -> String {
    format!("mount {} /{}", place.mount, String::from_utf8_lossy(&place.path))
}

/// The errno of an answer that is none.
fn refusal<T>(answer: &Result<T, Errno>) -> &'static str {
    answer.as_ref().err().map_or("", |errno| errno.name())
}

fn event_line(event: &Event, symbols: &Symbols<'_>) -> String {
    match event {
        Event::Hit(hit) => hit_line(hit, symbols),
        Event::Span(span) => format!(
            "span   #{} in DR{} of CPU {} for {}, icount {}..{}",
            span.watch,
            span.slot,
            span.cpu,
            task_name(&span.who),
            span.from_icount,
            span.to_icount
        ),
        Event::Output { fd, bytes } => format!("output {fd}: {}", shown(bytes)),
        Event::Exit { at, who, status } => {
            format!("exit   {} {} {}", at_text(at), task_name(who), status_text(*status))
        }
        Event::UndefinedInsn { ip, insn_bytes, who } => {
            let text = disassemble(*ip, insn_bytes);
            let text = text.as_deref().unwrap_or("an instruction");
            format!("undefined {text} at {ip:#x} in {}", task_name(who))
        }
        Event::OutOfMemory { who, resident_bytes, ram_bytes } => format!(
            "out of memory: killed {}, which had {resident_bytes} of {ram_bytes} bytes",
            task_name(who)
        ),
        Event::UnsupportedSyscall { nr, name, who } => format!(
            "syscall {nr} ({}) of {} is not supported",
            name.as_deref().unwrap_or("no name"),
            task_name(who)
        ),
    }
}

fn at_text(at: &At) -> String {
    format!("{} CPU {} icount {} cycle {}", seconds(at.time_ns), at.cpu, at.icount, at.cycles)
}

fn hit_line(hit: &Hit, symbols: &Symbols<'_>) -> String {
    let letter = match hit.kind {
        AccessKind::Execute => 'X',
        AccessKind::Read => 'R',
        AccessKind::Write => 'W',
    };
    let origin = match &hit.origin {
        Origin::User => "user",
        Origin::Kernel { syscall } => syscall.as_deref().unwrap_or("kernel"),
    };
    let place = symbols.place(hit.insn_ip).map_or(String::new(), |place| format!(" {place}"));
    format!(
        "hit    #{} {} {} ip {:#x}{place} {origin} {letter} {:#x}/{} {:#x} -> {:#x}",
        hit.watch,
        at_text(&hit.at),
        task_name(&hit.who),
        hit.insn_ip,
        hit.access_addr,
        hit.access_len,
        hit.old,
        hit.new
    )
}

/// Bytes as text, the start of many.
fn shown(bytes: &[u8]) -> String {
    let len = counted(bytes.len() as u64, "byte", "bytes");
    let start = &bytes[..bytes.len().min(SHOWN_BYTES)];
    let more = if bytes.len() > SHOWN_BYTES { "..." } else { "" };
    format!("{len} \"{}\"{more}", start.escape_ascii())
}

fn hex_start(bytes: &[u8]) -> String {
    let start = &bytes[..bytes.len().min(16)];
    let more = if bytes.len() > 16 { "..." } else { "" };
    let digits: String = start.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{digits}{more}")
}

/// How a run ended, in words.
#[must_use]
pub fn ending_text(ending: &Ending) -> String {
    match ending {
        Ending::Exited(status) => status_text(*status),
        Ending::Stopped { reason } => format!("stopped: {reason}"),
        Ending::Limit { max_insns } => {
            format!(
                "stopped at the limit of {}",
                counted(*max_insns, "instruction", "instructions")
            )
        }
    }
}

/// The end of a run in one line.
#[must_use]
pub fn done_line(done: &Done) -> String {
    format!(
        "end    {}; {}, {}, {} cycles, {} s of guest time, digest {}",
        ending_text(&done.ending),
        counted(done.steps, "step", "steps"),
        counted(done.totals.insns(), "instruction", "instructions"),
        done.totals.cycles(),
        seconds(done.totals.time_ns),
        done.digest
    )
}

/// The fields, by their JSON names, in which two entries differ.
#[must_use]
pub fn differing_fields(recorded: &Entry, replayed: &Entry) -> Vec<String> {
    let nothing_known = Symbols::default();
    differing(&json::entry(recorded, &nothing_known), &json::entry(replayed, &nothing_known))
}

/// The fields in which two ends differ.
#[must_use]
pub fn differing_ends(recorded: &Done, replayed: &Done) -> Vec<String> {
    differing(&json::end(recorded), &json::end(replayed))
}

fn differing(recorded: &Value, replayed: &Value) -> Vec<String> {
    let (Value::Object(recorded), Value::Object(replayed)) = (recorded, replayed) else {
        return Vec::new();
    };
    let mut names: Vec<_> = recorded.keys().chain(replayed.keys()).cloned().collect();
    names.sort();
    names.dedup();
    names.retain(|name| recorded.get(name) != replayed.get(name));
    names
}
