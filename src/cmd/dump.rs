//! `dr7 dump`: what a recording holds.

use std::io::{self, Write};

use serde_json::json;

use super::{CommandError, Outcome, replay};
use crate::cli::DumpArgs;
use crate::recording::{FORMAT_VERSION, Recording};
use crate::report::describe::{done_line, entry_line};
use crate::report::{Streams, json};
use crate::session::plan::{Plan, access_letters};
use crate::symbols::Symbols;

pub(super) fn dump(args: &DumpArgs, streams: Streams<'_>) -> Result<Outcome, CommandError> {
    let recording = replay::read(&args.file)?;
    let symbols = Symbols::read(&recording.plan().image.bytes);
    let mut out = io::BufWriter::new(streams.out);
    let written = if args.json {
        write_json(&mut out, &recording, &symbols)
    } else {
        write_text(&mut out, &recording, &symbols)
    };
    written.and_then(|()| out.flush()).map_err(CommandError::Output)?;
    Ok(Outcome::Shown)
}

fn image_hash(plan: &Plan) -> String {
    blake3::hash(&plan.image.bytes).to_hex().to_string()
}

fn lossy(words: &[Vec<u8>]) -> Vec<String> {
    words.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}

fn write_text(
    out: &mut impl Write,
    recording: &Recording,
    symbols: &Symbols<'_>,
) -> io::Result<()> {
    let plan = recording.plan();
    writeln!(out, "recording, format version {FORMAT_VERSION}, {} bytes", recording.file_bytes())?;
    for section in recording.sections() {
        let (name, offset) = (section.name, section.offset);
        let (stored, raw) = (section.stored_bytes, section.raw_bytes);
        writeln!(out, "  section {name} at {offset}: {stored} bytes, {raw} decompressed")?;
    }
    write_plan(out, plan, symbols)?;
    let counts = recording.counts();
    writeln!(out, "inputs: {}, {} bytes", counts.inputs, counts.input_bytes)?;
    writeln!(out, "events: {}, of which {} hits", counts.events, counts.hits)?;
    writeln!(out, "marks: {}, every {} steps", counts.marks, plan.mark_every)?;
    writeln!(out, "log:")?;
    for (index, entry) in recording.entries().enumerate() {
        // The log was decoded when the file was checked.
        let entry = entry.map_err(io::Error::other)?;
        writeln!(out, "{index:>8}  {}", entry_line(&entry, symbols))?;
    }
    writeln!(out, "          {}", done_line(recording.done()))
}

fn write_plan(out: &mut impl Write, plan: &Plan, symbols: &Symbols<'_>) -> io::Result<()> {
    let machine = &plan.machine;
    writeln!(
        out,
        "machine: {} CPUs, processor {} ({}), {} bytes of memory, timing {}, seed {}, kernel {}",
        machine.nr_cpus,
        machine.model,
        machine.vendor,
        machine.ram_bytes,
        machine.timing.name(),
        machine.seed,
        machine.generation
    )?;
    let defects: Vec<_> = machine.defects.iter().map(|defect| defect.info().name).collect();
    writeln!(out, "defects: {}", defects.join(" "))?;
    if let Some(seed) = machine.sched_seed {
        writeln!(out, "scheduler's seed: {seed}")?;
    }
    if let Some(max_insns) = plan.max_insns {
        writeln!(out, "limit: {max_insns} instructions")?;
    }
    let (path, len) = (&plan.image.path, plan.image.bytes.len());
    writeln!(out, "program: {path}, {len} bytes, BLAKE3 {}", image_hash(plan))?;
    writeln!(out, "arguments: {:?}", lossy(&plan.argv))?;
    writeln!(out, "environment: {:?}", lossy(&plan.envp))?;
    if !plan.counters.is_empty() {
        let texts: Vec<_> = plan.counters.iter().map(|counter| counter.text.as_str()).collect();
        writeln!(out, "counters: {}", texts.join(" "))?;
    }
    writeln!(out, "watches: {}", plan.watches.len())?;
    for (index, watch) in plan.watches.iter().enumerate() {
        let request = &watch.request;
        let name = symbols.near(request.addr).map_or(String::new(), |near| format!(" {near}"));
        let access = access_letters(request.access);
        writeln!(
            out,
            "  #{index} {}: {:#x}{name}, {} bytes, {access}",
            watch.text, request.addr, request.len
        )?;
    }
    Ok(())
}

fn write_json(
    out: &mut impl Write,
    recording: &Recording,
    symbols: &Symbols<'_>,
) -> io::Result<()> {
    let plan = recording.plan();
    let counts = recording.counts();
    let head = json!({
        "type": "recording",
        "version": FORMAT_VERSION,
        "bytes": recording.file_bytes(),
        "image_bytes": plan.image.bytes.len(),
        "image_blake3": image_hash(plan),
        "envp": lossy(&plan.envp),
        "mark_every": plan.mark_every,
        "max_insns": plan.max_insns,
        "inputs": counts.inputs,
        "input_bytes": counts.input_bytes,
        "events": counts.events,
        "hits": counts.hits,
        "marks": counts.marks,
    });
    writeln!(out, "{head}")?;
    writeln!(out, "{}", json::start(plan, symbols))?;
    for entry in recording.entries() {
        let entry = entry.map_err(io::Error::other)?;
        writeln!(out, "{}", json::entry(&entry, symbols))?;
    }
    writeln!(out, "{}", json::end(recording.done()))
}
