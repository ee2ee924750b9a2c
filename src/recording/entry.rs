//! How one entry of the log is laid out: a kind byte, then its fields in order.

use kernel_model::observe::{AccessKind, ExitStatus};

use super::decode::{Decoder, PayloadError};
use super::encode::Encoder;
use super::host;
use crate::session::event::{
    At, Digest, Entry, Event, Hit, Input, Mark, Origin, Position, Span, Who,
};

const INPUT_STDIN: u8 = 1;
const INPUT_RANDOM: u8 = 2;
const INPUT_BOOT_REALTIME: u8 = 3;
const INPUT_HOST_ENTRY: u8 = 4;
const INPUT_HOST_DIRECTORY: u8 = 5;
const INPUT_HOST_READ: u8 = 6;
const EVENT_HIT: u8 = 16;
const EVENT_SPAN: u8 = 17;
const EVENT_OUTPUT: u8 = 18;
const EVENT_EXIT: u8 = 19;
const EVENT_UNSUPPORTED_SYSCALL: u8 = 20;
const EVENT_UNDEFINED_INSN: u8 = 21;
const EVENT_OUT_OF_MEMORY: u8 = 22;
const MARK: u8 = 32;

/// Appends one entry.
pub(super) fn put(out: &mut Encoder, entry: &Entry) {
    match entry {
        Entry::Input(input) => put_input(out, input),
        Entry::Event(event) => put_event(out, event),
        Entry::Mark(mark) => {
            out.u8(MARK);
            out.u64(mark.at.step);
            out.u64(mark.at.insns);
            out.raw(&mark.digest.0);
        }
    }
}

/// Reads one entry of a run with `nr_watches` watches.
pub(super) fn get(from: &mut Decoder<'_>, nr_watches: u32) -> Result<Entry, PayloadError> {
    let kind = from.u8("kind of entry")?;
    let entry = match kind {
        INPUT_STDIN => Entry::Input(Input::Stdin {
            max: from.u64("most bytes of standard input")?,
            bytes: from.bytes("standard input")?,
        }),
        INPUT_RANDOM => Entry::Input(Input::Random { bytes: from.bytes("random bytes")? }),
        INPUT_BOOT_REALTIME => Entry::Input(Input::BootRealtime { ns: from.u64("date of boot")? }),
        INPUT_HOST_ENTRY => Entry::Input(Input::HostEntry {
            place: host::get_place(from)?,
            answer: host::get_answer(from, host::get_entry)?,
        }),
        INPUT_HOST_DIRECTORY => Entry::Input(Input::HostDirectory {
            place: host::get_place(from)?,
            answer: host::get_answer(from, host::get_entries)?,
        }),
        INPUT_HOST_READ => Entry::Input(Input::HostRead {
            place: host::get_place(from)?,
            offset: from.u64("offset in a file")?,
            max: from.u64("most bytes of a file")?,
            answer: host::get_answer(from, host::get_content)?,
        }),
        EVENT_HIT => Entry::Event(Event::Hit(Box::new(get_hit(from, nr_watches)?))),
        EVENT_SPAN => Entry::Event(Event::Span(Box::new(get_span(from, nr_watches)?))),
        EVENT_OUTPUT => Entry::Event(Event::Output {
            fd: from.u8("output descriptor")?,
            bytes: from.bytes("output")?,
        }),
        EVENT_EXIT => Entry::Event(Event::Exit {
            at: get_at(from)?,
            who: get_who(from)?,
            status: get_status(from)?,
        }),
        EVENT_UNSUPPORTED_SYSCALL => Entry::Event(Event::UnsupportedSyscall {
            nr: from.u64("system call number")?,
            name: from.option("system call name", |from| from.text("system call name"))?,
            who: get_who(from)?,
        }),
        EVENT_UNDEFINED_INSN => Entry::Event(Event::UndefinedInsn {
            ip: from.u64("instruction address")?,
            insn_bytes: from.bytes("instruction bytes")?,
            who: get_who(from)?,
        }),
        EVENT_OUT_OF_MEMORY => Entry::Event(Event::OutOfMemory {
            who: get_who(from)?,
            resident_bytes: from.u64("bytes of a process")?,
            ram_bytes: from.u64("bytes of memory")?,
        }),
        MARK => Entry::Mark(Mark {
            at: Position { step: from.u64("step")?, insns: from.u64("instructions")? },
            digest: Digest(from.array("digest")?),
        }),
        value => {
            return Err(PayloadError::Unknown { what: "kind of entry", value: u64::from(value) });
        }
    };
    Ok(entry)
}

fn put_input(out: &mut Encoder, input: &Input) {
    match input {
        Input::Stdin { max, bytes } => {
            out.u8(INPUT_STDIN);
            out.u64(*max);
            out.bytes(bytes);
        }
        Input::Random { bytes } => {
            out.u8(INPUT_RANDOM);
            out.bytes(bytes);
        }
        Input::BootRealtime { ns } => {
            out.u8(INPUT_BOOT_REALTIME);
            out.u64(*ns);
        }
        Input::HostEntry { place, answer } => {
            out.u8(INPUT_HOST_ENTRY);
            host::put_place(out, place);
            host::put_answer(out, answer, host::put_entry);
        }
        Input::HostDirectory { place, answer } => {
            out.u8(INPUT_HOST_DIRECTORY);
            host::put_place(out, place);
            host::put_answer(out, answer, |out, names| host::put_entries(out, names));
        }
        Input::HostRead { place, offset, max, answer } => {
            out.u8(INPUT_HOST_READ);
            host::put_place(out, place);
            out.u64(*offset);
            out.u64(*max);
            host::put_answer(out, answer, host::put_content);
        }
    }
}

fn put_event(out: &mut Encoder, event: &Event) {
    match event {
        Event::Hit(hit) => {
            out.u8(EVENT_HIT);
            put_hit(out, hit);
        }
        Event::Span(span) => {
            out.u8(EVENT_SPAN);
            out.u32(span.watch);
            out.u32(span.cpu);
            out.u8(span.slot);
            put_who(out, &span.who);
            out.u64(span.from_icount);
            out.u64(span.to_icount);
        }
        Event::Output { fd, bytes } => {
            out.u8(EVENT_OUTPUT);
            out.u8(*fd);
            out.bytes(bytes);
        }
        Event::Exit { at, who, status } => {
            out.u8(EVENT_EXIT);
            put_at(out, at);
            put_who(out, who);
            put_status(out, *status);
        }
        Event::UndefinedInsn { ip, insn_bytes, who } => {
            out.u8(EVENT_UNDEFINED_INSN);
            out.u64(*ip);
            out.bytes(insn_bytes);
            put_who(out, who);
        }
        Event::OutOfMemory { who, resident_bytes, ram_bytes } => {
            out.u8(EVENT_OUT_OF_MEMORY);
            put_who(out, who);
            out.u64(*resident_bytes);
            out.u64(*ram_bytes);
        }
        Event::UnsupportedSyscall { nr, name, who } => {
            out.u8(EVENT_UNSUPPORTED_SYSCALL);
            out.u64(*nr);
            out.option(name.as_deref(), Encoder::text);
            put_who(out, who);
        }
    }
}

fn put_hit(out: &mut Encoder, hit: &Hit) {
    out.u32(hit.watch);
    put_at(out, &hit.at);
    put_who(out, &hit.who);
    out.u64(hit.insn_ip);
    out.bytes(&hit.insn_bytes);
    match &hit.origin {
        Origin::User => out.u8(0),
        Origin::Kernel { syscall } => {
            out.u8(1);
            out.option(syscall.as_deref(), Encoder::text);
        }
    }
    out.u8(match hit.kind {
        AccessKind::Execute => 0,
        AccessKind::Read => 1,
        AccessKind::Write => 2,
    });
    out.u64(hit.access_addr);
    out.u32(hit.access_len);
    out.u64(hit.old);
    out.u64(hit.new);
}

fn get_hit(from: &mut Decoder<'_>, nr_watches: u32) -> Result<Hit, PayloadError> {
    Ok(Hit {
        watch: get_watch(from, nr_watches)?,
        at: get_at(from)?,
        who: get_who(from)?,
        insn_ip: from.u64("instruction address")?,
        insn_bytes: from.bytes("instruction bytes")?,
        origin: match from.u8("origin")? {
            0 => Origin::User,
            1 => Origin::Kernel {
                syscall: from.option("system call name", |from| from.text("system call name"))?,
            },
            value => return Err(unknown("origin", value)),
        },
        kind: match from.u8("access")? {
            0 => AccessKind::Execute,
            1 => AccessKind::Read,
            2 => AccessKind::Write,
            value => return Err(unknown("access", value)),
        },
        access_addr: from.u64("access address")?,
        access_len: from.u32("access length")?,
        old: from.u64("old value")?,
        new: from.u64("new value")?,
    })
}

fn get_span(from: &mut Decoder<'_>, nr_watches: u32) -> Result<Span, PayloadError> {
    Ok(Span {
        watch: get_watch(from, nr_watches)?,
        cpu: from.u32("CPU")?,
        slot: match from.u8("debug register")? {
            slot @ 0..=3 => slot,
            value => {
                return Err(PayloadError::Range {
                    what: "debug register",
                    value: u64::from(value),
                });
            }
        },
        who: get_who(from)?,
        from_icount: from.u64("first instruction count")?,
        to_icount: from.u64("last instruction count")?,
    })
}

fn get_watch(from: &mut Decoder<'_>, nr_watches: u32) -> Result<u32, PayloadError> {
    let watch = from.u32("watch")?;
    if watch < nr_watches {
        Ok(watch)
    } else {
        Err(PayloadError::Range { what: "watch", value: u64::from(watch) })
    }
}

fn put_at(out: &mut Encoder, at: &At) {
    out.u64(at.time_ns);
    out.u64(at.cycles);
    out.u64(at.icount);
    out.u32(at.cpu);
}

fn get_at(from: &mut Decoder<'_>) -> Result<At, PayloadError> {
    Ok(At {
        time_ns: from.u64("time")?,
        cycles: from.u64("cycles")?,
        icount: from.u64("instruction count")?,
        cpu: from.u32("CPU")?,
    })
}

fn put_who(out: &mut Encoder, who: &Who) {
    out.u32(who.pid);
    out.u32(who.tid);
    out.text(&who.comm);
}

fn get_who(from: &mut Decoder<'_>) -> Result<Who, PayloadError> {
    Ok(Who { pid: from.u32("pid")?, tid: from.u32("tid")?, comm: from.text("comm")? })
}

pub(super) fn put_status(out: &mut Encoder, status: ExitStatus) {
    match status {
        ExitStatus::Exited(code) => {
            out.u8(0);
            out.u8(code);
        }
        ExitStatus::Signaled { signal, core } => {
            out.u8(if core { 2 } else { 1 });
            out.u8(signal);
        }
    }
}

pub(super) fn get_status(from: &mut Decoder<'_>) -> Result<ExitStatus, PayloadError> {
    let kind = from.u8("kind of exit")?;
    let number = from.u8("exit code or signal")?;
    match kind {
        0 => Ok(ExitStatus::Exited(number)),
        1 => Ok(ExitStatus::Signaled { signal: number, core: false }),
        2 => Ok(ExitStatus::Signaled { signal: number, core: true }),
        value => Err(unknown("kind of exit", value)),
    }
}

fn unknown(what: &'static str, value: u8) -> PayloadError {
    PayloadError::Unknown { what, value: u64::from(value) }
}
