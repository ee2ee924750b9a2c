//! How the META, IMAG and DONE sections are laid out.

use kernel_model::observe::{CounterRequest, WatchAccess, WatchRequest};
use perf_core::Defect;
use perf_core::attr::abi::AttrFlags;

use super::decode::{Decoder, PayloadError};
use super::encode::Encoder;
use super::{entry, host};
use crate::session::config::{MachineConfig, Timing};
use crate::session::event::{Count, CpuWork, Digest, Done, Ending, Entry, Event, Totals};
use crate::session::plan::{Counter, Image, Plan, Watch};

/// How many entries of each kind a log holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Answers given to the guest.
    pub inputs: u64,
    /// Bytes of those answers.
    pub input_bytes: u64,
    /// Hits, spans, output, exits.
    pub events: u64,
    /// Hits alone.
    pub hits: u64,
    /// Digests of machine state.
    pub marks: u64,
}

impl Counts {
    /// Counts one more entry.
    pub fn add(&mut self, entry: &Entry) {
        use crate::session::event::Input;
        match entry {
            Entry::Input(input) => {
                self.inputs += 1;
                self.input_bytes += match input {
                    Input::Stdin { bytes, .. } | Input::Random { bytes } => bytes.len() as u64,
                    Input::BootRealtime { .. } => 8,
                    Input::HostEntry { answer, .. } => u64::from(answer.is_ok()),
                    Input::HostDirectory { answer, .. } => {
                        answer.as_ref().map_or(0, |names| names.len() as u64)
                    }
                    Input::HostRead { answer, .. } => answer
                        .as_ref()
                        .ok()
                        .and_then(|content| content.bytes.as_ref())
                        .map_or(0, |bytes| bytes.len() as u64),
                };
            }
            Entry::Event(event) => {
                self.events += 1;
                self.hits += u64::from(matches!(event, Event::Hit(_)));
            }
            Entry::Mark(_) => self.marks += 1,
        }
    }
}

/// META: everything of the plan save the image.
pub(super) fn put_meta(out: &mut Encoder, plan: &Plan) {
    out.text(plan.machine.generation.name());
    let defects: Vec<Defect> = plan.machine.defects.iter().collect();
    out.list(&defects, |out, defect| out.text(defect.info().name));
    out.u32(plan.machine.nr_cpus);
    out.u64(plan.machine.ram_bytes);
    out.text(plan.machine.timing.name());
    out.text(plan.machine.model.name());
    out.text(plan.machine.vendor.name());
    out.u64(plan.machine.seed);
    out.option(plan.machine.sched_seed, Encoder::u64);
    out.list(&plan.argv, |out, word| out.bytes(word));
    out.list(&plan.envp, |out, word| out.bytes(word));
    out.list(&plan.watches, |out, watch| {
        out.text(&watch.text);
        out.u64(watch.request.addr);
        out.u64(watch.request.len);
        out.u8(match watch.request.access {
            WatchAccess::Write => 2,
            WatchAccess::ReadWrite => 3,
            WatchAccess::Execute => 4,
        });
    });
    out.u64(plan.mark_every);
    out.option(plan.max_insns, Encoder::u64);
    // Runs without mounts and without counters are laid out as before there were any.
    if !plan.machine.mounts.is_empty() || !plan.counters.is_empty() {
        out.list(&plan.machine.mounts, host::put_mount);
    }
    if !plan.counters.is_empty() {
        out.list(&plan.counters, put_counter);
    }
}

fn put_counter(out: &mut Encoder, counter: &Counter) {
    out.text(&counter.text);
    out.u32(counter.request.attr_type);
    out.u64(counter.request.config);
    out.u64(counter.request.flags.0);
    out.option(counter.request.leader, Encoder::u32);
}

/// META, with an empty image.
pub(super) fn get_meta(from: &mut Decoder<'_>) -> Result<Plan, PayloadError> {
    let mut machine = get_machine(from)?;
    let argv = from.list("arguments", 8, |from| from.bytes("argument"))?;
    let envp = from.list("environment", 8, |from| from.bytes("environment variable"))?;
    let watches = from.list("watches", 25, get_watch)?;
    let mark_every = match from.u64("steps between marks")? {
        0 => {
            return Err(PayloadError::Range { what: "steps between marks", value: 0 });
        }
        steps => steps,
    };
    let max_insns =
        from.option("limit on instructions", |from| from.u64("limit on instructions"))?;
    if from.left() > 0 {
        machine.mounts = from.list("mounts", 17, host::get_mount)?;
    }
    let counters = get_counters(from)?;
    from.finish()?;
    let image = Image { path: String::new(), bytes: Vec::new() };
    Ok(Plan { machine, image, argv, envp, watches, counters, mark_every, max_insns })
}

fn get_machine(from: &mut Decoder<'_>) -> Result<MachineConfig, PayloadError> {
    let generation = from.text("kernel generation")?;
    let generation = generation
        .parse()
        .map_err(|_| PayloadError::UnknownName { what: "kernel generation", name: generation })?;
    let defects = from.list("defects", 8, |from| {
        let name = from.text("defect")?;
        name.parse::<Defect>().map_err(|_| PayloadError::UnknownName { what: "defect", name })
    })?;
    let nr_cpus = from.u32("CPUs")?;
    let ram_bytes = from.u64("memory")?;
    let timing = from.text("timing model")?;
    let timing = Timing::from_name(&timing)
        .ok_or(PayloadError::UnknownName { what: "timing model", name: timing })?;
    let model = from.text("processor model")?;
    let model = model
        .parse()
        .map_err(|_| PayloadError::UnknownName { what: "processor model", name: model })?;
    let vendor = from.text("processor vendor")?;
    let vendor = vendor
        .parse()
        .map_err(|_| PayloadError::UnknownName { what: "processor vendor", name: vendor })?;
    let seed = from.u64("seed")?;
    let sched_seed = from.option("scheduler's seed", |from| from.u64("scheduler's seed"))?;
    let defects = defects.into_iter().collect();
    let mounts = Vec::new();
    Ok(MachineConfig {
        nr_cpus,
        ram_bytes,
        timing,
        model,
        vendor,
        seed,
        sched_seed,
        generation,
        defects,
        mounts,
    })
}

/// A member of a group comes after its leader.
fn get_counters(from: &mut Decoder<'_>) -> Result<Vec<Counter>, PayloadError> {
    if from.left() == 0 {
        return Ok(Vec::new());
    }
    let counters = from.list("counters", 29, get_counter)?;
    for (index, counter) in (0..).zip(&counters) {
        if let Some(leader) = counter.request.leader.filter(|leader| *leader >= index) {
            return Err(PayloadError::Range { what: "group leader", value: u64::from(leader) });
        }
    }
    Ok(counters)
}

fn get_counter(from: &mut Decoder<'_>) -> Result<Counter, PayloadError> {
    let text = from.text("counter")?;
    let attr_type = from.u32("type of a counter")?;
    let config = from.u64("number of a counter")?;
    let flags = AttrFlags(from.u64("flags of a counter")?);
    if flags != flags.without(CounterRequest::FLAGS.complement()) {
        return Err(PayloadError::Range { what: "flags of a counter", value: flags.0 });
    }
    let leader = from.option("group leader", |from| from.u32("group leader"))?;
    Ok(Counter { text, request: CounterRequest { attr_type, config, flags, leader } })
}

fn get_watch(from: &mut Decoder<'_>) -> Result<Watch, PayloadError> {
    let text = from.text("watch")?;
    let addr = from.u64("watched address")?;
    let len = from.u64("watched length")?;
    let access = match from.u8("watched access")? {
        2 => WatchAccess::Write,
        3 => WatchAccess::ReadWrite,
        4 => WatchAccess::Execute,
        value => {
            return Err(PayloadError::Unknown { what: "watched access", value: u64::from(value) });
        }
    };
    Ok(Watch { text, request: WatchRequest { addr, len, access } })
}

/// IMAG: the path, then the file.
pub(super) fn put_image(out: &mut Encoder, image: &Image) {
    out.text(&image.path);
    out.bytes(&image.bytes);
}

pub(super) fn get_image(from: &mut Decoder<'_>) -> Result<Image, PayloadError> {
    let path = from.text("path of the program")?;
    let bytes = from.bytes("program")?;
    from.finish()?;
    Ok(Image { path, bytes })
}

/// DONE: the end, and how much the log holds.
pub(super) fn put_done(out: &mut Encoder, done: &Done, counts: &Counts) {
    match &done.ending {
        Ending::Exited(status) => {
            out.u8(0);
            entry::put_status(out, *status);
        }
        Ending::Stopped { reason } => {
            out.u8(1);
            out.text(reason);
        }
        Ending::Limit { max_insns } => {
            out.u8(2);
            out.u64(*max_insns);
        }
    }
    out.u64(done.steps);
    out.u64(done.totals.time_ns);
    out.list(&done.totals.cpus, |out, cpu| {
        out.u64(cpu.insns);
        out.u64(cpu.cycles);
        out.u64(cpu.time_ns);
    });
    out.raw(&done.digest.0);
    for count in [counts.inputs, counts.input_bytes, counts.events, counts.hits, counts.marks] {
        out.u64(count);
    }
    if !done.counts.is_empty() {
        out.list(&done.counts, |out, count| {
            out.u64(count.value);
            out.u64(count.enabled_ns);
            out.u64(count.running_ns);
        });
    }
}

pub(super) fn get_done(from: &mut Decoder<'_>) -> Result<(Done, Counts), PayloadError> {
    let ending = match from.u8("kind of end")? {
        0 => Ending::Exited(entry::get_status(from)?),
        1 => Ending::Stopped { reason: from.text("reason")? },
        2 => Ending::Limit { max_insns: from.u64("limit on instructions")? },
        value => {
            return Err(PayloadError::Unknown { what: "kind of end", value: u64::from(value) });
        }
    };
    let steps = from.u64("steps")?;
    let time_ns = from.u64("guest time")?;
    let cpus = from.list("CPUs", 24, |from| {
        Ok(CpuWork {
            insns: from.u64("instructions")?,
            cycles: from.u64("cycles")?,
            time_ns: from.u64("time of a CPU")?,
        })
    })?;
    let digest = Digest(from.array("digest")?);
    let counts = Counts {
        inputs: from.u64("count of inputs")?,
        input_bytes: from.u64("bytes of inputs")?,
        events: from.u64("count of events")?,
        hits: from.u64("count of hits")?,
        marks: from.u64("count of marks")?,
    };
    let counted = if from.left() == 0 { Vec::new() } else { from.list("counts", 24, get_count)? };
    from.finish()?;
    let totals = Totals { cpus, time_ns };
    Ok((Done { ending, steps, totals, counts: counted, digest }, counts))
}

fn get_count(from: &mut Decoder<'_>) -> Result<Count, PayloadError> {
    Ok(Count {
        value: from.u64("count")?,
        enabled_ns: from.u64("time enabled")?,
        running_ns: from.u64("time running")?,
    })
}
