//! A run as JSON lines, one object each, told apart by `type`.
//!
//! | type | fields |
//! |---|---|
//! | `start` | `program`, `argv`, `cpus`, `mem_bytes`, `timing`, `processor`, `seed`, `kernel`, `watches`: a list of `watch`, `event`, `addr`, `addr_symbol`, `len`, `access`; where events are counted, `counters`: a list of their texts |
//! | `hit` | `watch`, `time_ns`, `cycles`, `icount`, `cpu`, `pid`, `tid`, `comm`, `ip`, `symbol`, `file`, `line`, `insn`, `insn_bytes`, `origin` (`user`, `kernel`), `syscall`, `access` (`read`, `write`, `execute`), `addr`, `addr_symbol`, `len`, `old`, `new` |
//! | `span` | `watch`, `cpu`, `slot`, `pid`, `tid`, `comm`, `from_icount`, `to_icount` |
//! | `exit` | `time_ns`, `cycles`, `icount`, `cpu`, `pid`, `tid`, `comm`, `code` or `signal` with `core` |
//! | `undefined_insn` | `ip`, `insn_bytes`, `pid`, `tid`, `comm` |
//! | `unsupported_syscall` | `nr`, `name`, `pid`, `tid`, `comm` |
//! | `input` | `question`, `max`, `bytes` (hexadecimal) or `ns`; in `dr7 dump` only |
//! | `output` | `fd`, `text`; in `dr7 dump` only |
//! | `mark` | `step`, `insns`, `digest`; in `dr7 dump` only |
//! | `summary` | `end` (`exited`, `stopped`, `limit`), `code`, `signal`, `reason`, `steps`, `insns`, `cycles`, `time_ns`, `digest`, `cpus`: a list of `insns`, `cycles`, `time_ns`; where events are counted, `counts` in the order of `counters`: a list of `value`, `enabled_ns`, `running_ns`, `scaled`; `watches`: a list of `watch`, `event`, `hits`, `user`, `kernel`, `armed`: a list of `cpu`, `slot`, `spans`, `from_icount`, `to_icount`, `insns`, `tasks` |
//!
//! Addresses and values are hexadecimal text, since JSON's numbers are exact to
//! 53 bits only. A field that is not known is null. Nothing here depends on the
//! host: two runs of one plan write the same bytes.

use kernel_model::observe::{AccessKind, ExitStatus};
use serde_json::{Map, Value, json};

use super::disassembly::disassemble;
use super::tally::WatchTally;
use crate::session::event::{
    At, Count, CpuWork, Done, Ending, Entry, Event, Hit, Input, Origin, Span, Who,
};
use crate::session::plan::{Plan, access_letters};
use crate::symbols::Symbols;

fn hex(number: u64) -> String {
    format!("{number:#x}")
}

fn hex_bytes(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn name_of(addr: u64, symbols: &Symbols<'_>) -> Option<String> {
    symbols.place(addr)
}

/// The fields of the second object, after those of the first.
fn joined(first: Value, second: Value) -> Value {
    let mut fields = Map::new();
    for value in [first, second] {
        if let Value::Object(more) = value {
            fields.extend(more);
        }
    }
    Value::Object(fields)
}

fn at_fields(at: &At) -> Value {
    json!({ "time_ns": at.time_ns, "cycles": at.cycles, "icount": at.icount, "cpu": at.cpu })
}

fn who_fields(who: &Who) -> Value {
    json!({ "pid": who.pid, "tid": who.tid, "comm": who.comm })
}

/// The `start` object.
#[must_use]
pub fn start(plan: &Plan, symbols: &Symbols<'_>) -> Value {
    let watches: Vec<_> = plan
        .watches
        .iter()
        .enumerate()
        .map(|(watch, about)| {
            json!({
                "watch": watch,
                "event": about.text,
                "addr": hex(about.request.addr),
                "addr_symbol": name_of(about.request.addr, symbols),
                "len": about.request.len,
                "access": access_letters(about.request.access),
            })
        })
        .collect();
    let argv: Vec<_> = plan.argv.iter().map(|word| String::from_utf8_lossy(word)).collect();
    let defects: Vec<_> = plan.machine.defects.iter().map(|defect| defect.info().name).collect();
    let start = json!({
        "type": "start",
        "program": plan.image.path,
        "argv": argv,
        "cpus": plan.machine.nr_cpus,
        "mem_bytes": plan.machine.ram_bytes,
        "timing": plan.machine.timing.name(),
        "processor": plan.machine.model.name(),
        "vendor": plan.machine.vendor.name(),
        "seed": plan.machine.seed,
        "kernel": plan.machine.generation.name(),
        "defects": defects,
        "watches": watches,
    });
    if plan.counters.is_empty() {
        return start;
    }
    let counters: Vec<_> = plan.counters.iter().map(|counter| &counter.text).collect();
    joined(start, json!({ "counters": counters }))
}

/// The object of one entry of a log.
#[must_use]
pub fn entry(entry: &Entry, symbols: &Symbols<'_>) -> Value {
    match entry {
        Entry::Input(input) => input_object(input),
        Entry::Event(happened) => event(happened, symbols),
        Entry::Mark(mark) => json!({
            "type": "mark",
            "step": mark.at.step,
            "insns": mark.at.insns,
            "digest": mark.digest.to_string(),
        }),
    }
}

fn input_object(input: &Input) -> Value {
    let question = input.question();
    match input {
        Input::Stdin { max, bytes } => json!({
            "type": "input", "question": question, "max": max, "bytes": hex_bytes(bytes),
        }),
        Input::Random { bytes } => json!({
            "type": "input", "question": question, "bytes": hex_bytes(bytes),
        }),
        Input::BootRealtime { ns } => json!({ "type": "input", "question": question, "ns": ns }),
        Input::HostEntry { place, answer } => json!({
            "type": "input", "question": question, "mount": place.mount,
            "errno": answer.as_ref().err().map(|errno| errno.name()),
        }),
        Input::HostDirectory { place, answer } => json!({
            "type": "input", "question": question, "mount": place.mount,
            "path": String::from_utf8_lossy(&place.path),
            "names": answer.as_ref().map_or(0, Vec::len),
            "errno": answer.as_ref().err().map(|errno| errno.name()),
        }),
        Input::HostRead { place, offset, max, answer } => json!({
            "type": "input", "question": question, "mount": place.mount,
            "path": String::from_utf8_lossy(&place.path), "offset": offset, "max": max,
            "hash": answer.as_ref().ok().map(|content| hex_bytes(&content.hash)),
            "errno": answer.as_ref().err().map(|errno| errno.name()),
        }),
    }
}

/// The object of one event.
#[must_use]
pub fn event(event: &Event, symbols: &Symbols<'_>) -> Value {
    match event {
        Event::Hit(hit) => hit_object(hit, symbols),
        Event::Span(span) => span_object(span),
        Event::Output { fd, bytes } => json!({
            "type": "output", "fd": fd, "text": String::from_utf8_lossy(bytes),
        }),
        Event::Exit { at, who, status } => {
            let place = joined(at_fields(at), who_fields(who));
            joined(json!({ "type": "exit" }), joined(place, status_fields(*status)))
        }
        Event::UndefinedInsn { ip, insn_bytes, who } => {
            let bytes = hex_bytes(insn_bytes);
            let what = json!({ "type": "undefined_insn", "ip": hex(*ip), "insn_bytes": bytes });
            joined(what, who_fields(who))
        }
        Event::OutOfMemory { who, resident_bytes, ram_bytes } => {
            let sizes = json!({ "resident_bytes": resident_bytes, "ram_bytes": ram_bytes });
            joined(joined(json!({ "type": "out_of_memory" }), sizes), who_fields(who))
        }
        Event::UnsupportedSyscall { nr, name, who } => joined(
            json!({ "type": "unsupported_syscall", "nr": nr, "name": name }),
            who_fields(who),
        ),
    }
}

fn status_fields(status: ExitStatus) -> Value {
    match status {
        ExitStatus::Exited(code) => json!({ "code": code }),
        ExitStatus::Signaled { signal, core } => json!({ "signal": signal, "core": core }),
    }
}

fn hit_object(hit: &Hit, symbols: &Symbols<'_>) -> Value {
    let line = symbols.line(hit.insn_ip);
    let (origin, syscall) = match &hit.origin {
        Origin::User => ("user", None),
        Origin::Kernel { syscall } => ("kernel", syscall.as_deref()),
    };
    let access = match hit.kind {
        AccessKind::Execute => "execute",
        AccessKind::Read => "read",
        AccessKind::Write => "write",
    };
    let place = joined(at_fields(&hit.at), who_fields(&hit.who));
    let what = json!({
        "ip": hex(hit.insn_ip),
        "symbol": name_of(hit.insn_ip, symbols),
        "file": line.as_ref().map(|line| line.file.as_str()),
        "line": line.as_ref().map(|line| line.line),
        "insn": disassemble(hit.insn_ip, &hit.insn_bytes),
        "insn_bytes": hex_bytes(&hit.insn_bytes),
        "origin": origin,
        "syscall": syscall,
        "access": access,
        "addr": hex(hit.access_addr),
        "addr_symbol": name_of(hit.access_addr, symbols),
        "len": hit.access_len,
        "old": hex(hit.old),
        "new": hex(hit.new),
    });
    joined(json!({ "type": "hit", "watch": hit.watch }), joined(place, what))
}

fn span_object(span: &Span) -> Value {
    let fields = json!({
        "type": "span",
        "watch": span.watch,
        "cpu": span.cpu,
        "slot": span.slot,
        "from_icount": span.from_icount,
        "to_icount": span.to_icount,
    });
    joined(fields, who_fields(&span.who))
}

/// What the counters have counted; nothing where there are none.
fn counts_object(counts: &[Count]) -> Value {
    if counts.is_empty() {
        return json!({});
    }
    let counts: Vec<_> = counts
        .iter()
        .map(|count| {
            json!({
                "value": count.value,
                "enabled_ns": count.enabled_ns,
                "running_ns": count.running_ns,
                "scaled": count.scaled(),
            })
        })
        .collect();
    json!({ "counts": counts })
}

/// The `summary` object without what was counted for each watch.
#[must_use]
pub fn end(done: &Done) -> Value {
    let ending = match &done.ending {
        Ending::Exited(status) => joined(json!({ "end": "exited" }), status_fields(*status)),
        Ending::Stopped { reason } => json!({ "end": "stopped", "reason": reason }),
        Ending::Limit { .. } => json!({ "end": "limit" }),
    };
    let cpus: Vec<_> = done.totals.cpus.iter().map(cpu_object).collect();
    let totals = json!({
        "steps": done.steps,
        "insns": done.totals.insns(),
        "cycles": done.totals.cycles(),
        "time_ns": done.totals.time_ns,
        "digest": done.digest.to_string(),
        "cpus": cpus,
    });
    let counted = joined(totals, counts_object(&done.counts));
    joined(json!({ "type": "summary" }), joined(ending, counted))
}

fn cpu_object(cpu: &CpuWork) -> Value {
    json!({ "insns": cpu.insns, "cycles": cpu.cycles, "time_ns": cpu.time_ns })
}

/// The `summary` object.
pub(super) fn summary(done: &Done, plan: &Plan, tallies: &[WatchTally]) -> Value {
    let watches: Vec<_> = plan
        .watches
        .iter()
        .zip(tallies)
        .enumerate()
        .map(|(watch, (about, tally))| {
            json!({
                "watch": watch,
                "event": about.text,
                "hits": tally.hits,
                "user": tally.user,
                "kernel": tally.kernel,
                "armed": armed_list(tally),
            })
        })
        .collect();
    joined(end(done), json!({ "watches": watches }))
}

fn armed_list(tally: &WatchTally) -> Vec<Value> {
    let armed = tally.armed.iter();
    armed
        .map(|((cpu, slot), armed)| {
            let rest = serde_json::to_value(armed).unwrap_or(Value::Null);
            joined(json!({ "cpu": cpu, "slot": slot }), rest)
        })
        .collect()
}
