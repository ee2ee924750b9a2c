//! The longer texts of `/proc/PID`: status, limits, mounts, descriptors.
//! Source: Linux 6.18 `fs/proc/array.c`, `fs/proc/base.c`, `fs/proc/fd.c`, `fs/proc_namespace.c`.

use std::fmt::Write;

use perf_core::Errno;

use super::inode::Mount;
use super::proc::ProcNode;
use super::proc_memory;
use super::proc_text::state_letter;
use super::stat::FIRST_MOUNT_DEVICE;
use crate::kernel::Kernel;
use crate::task::cred::Ids;
use crate::task::limits::RLIM_INFINITY;
use crate::task::{Process, Task};

/// The handler of an ignored signal.
const SIG_IGN: u64 = 1;
/// Signals of which a set tells.
const NR_SIGNALS: u32 = 64;

/// The signals whose handlers are wanted, as a mask.
fn signals_with(process: &Process, wanted: impl Fn(u64) -> bool) -> u64 {
    (1..=NR_SIGNALS)
        .filter(|signal| wanted(process.handlers.get(*signal).handler))
        .fold(0, |mask, signal| mask | 1 << (signal - 1))
}

/// The ids of a task.
fn identity(text: &mut String, process: &Process, entry: &Task) {
    let ids =
        |ids: Ids| [ids.real, ids.effective, ids.saved, ids.fs].map(|id| id.to_string()).join("\t");
    let groups: String = entry.cred.groups.iter().map(|group| format!("{group} ")).collect();
    let groups = if groups.is_empty() { " ".to_owned() } else { groups };
    let _fits = write!(
        text,
        "Uid:\t{}\nGid:\t{}\nFDSize:\t64\nGroups:\t{groups}\nNStgid:\t{}\nNSpid:\t{}\n\
         NSpgid:\t{}\nNSsid:\t{}\nKthread:\t0\n",
        ids(entry.cred.user),
        ids(entry.cred.group),
        process.pid,
        entry.tid,
        process.pgid,
        process.sid,
    );
}

fn signals(text: &mut String, process: &Process, entry: &Task) {
    let nr_queued = process.limits.soft(crate::task::limits::Resource::Sigpending);
    let _fits = write!(text, "Threads:\t{}\nSigQ:\t0/{nr_queued}\n", process.threads.len());
    for (name, mask) in [
        ("SigPnd", entry.pending.mask()),
        ("ShdPnd", process.pending.mask()),
        ("SigBlk", entry.blocked),
        ("SigIgn", signals_with(process, |handler| handler == SIG_IGN)),
        ("SigCgt", signals_with(process, |handler| handler > SIG_IGN)),
        ("CapInh", entry.cred.inheritable.0),
        ("CapPrm", entry.cred.permitted.0),
        ("CapEff", entry.cred.effective.0),
        ("CapBnd", entry.cred.bounding.0),
        ("CapAmb", 0),
    ] {
        let _fits = writeln!(text, "{name}:\t{mask:016x}");
    }
}

/// `status`.
pub(super) fn status(kernel: &mut Kernel, node: ProcNode) -> Result<String, Errno> {
    let task = kernel.proc_task(node)?;
    let memory = proc_memory::status_lines(kernel, node);
    let (letter, state) = state_letter(kernel, task);
    let (_, process) = kernel.proc_process(node)?;
    let entry = kernel.tasks.task(task);
    let parent = process.parent.map_or(0, |parent| parent.0);
    let tracer = entry.trace.tracer().map_or(0, |tracer| kernel.tasks.process_of(tracer).pid);
    let mut text = format!(
        "Name:\t{}\nUmask:\t{:04o}\nState:\t{letter} ({state})\nTgid:\t{}\nNgid:\t0\nPid:\t{}\n\
         PPid:\t{parent}\nTracerPid:\t{tracer}\n",
        entry.comm, process.umask, process.pid, entry.tid,
    );
    identity(&mut text, process, entry);
    if !memory.is_empty() {
        text.push_str(&memory);
        text.push_str("HugetlbPages:\t       0 kB\nCoreDumping:\t0\nTHP_enabled:\t0\nuntag_mask:\t0xffffffffffffffff\n");
    }
    signals(&mut text, process, entry);
    let _fits = write!(
        text,
        "NoNewPrivs:\t{}\nSeccomp:\t0\nSeccomp_filters:\t0\nSpeculation_Store_Bypass:\tnot vulnerable\n\
         SpeculationIndirectBranch:\tnot affected\nCpus_allowed:\t{:x}\nCpus_allowed_list:\t{}\n\
         Mems_allowed:\t1\nMems_allowed_list:\t0\nvoluntary_ctxt_switches:\t0\n\
         nonvoluntary_ctxt_switches:\t0\n",
        u8::from(entry.cred.no_new_privs),
        entry.affinity,
        cpu_list(entry.affinity),
    );
    Ok(text)
}

/// The CPUs of a mask as a list of ranges.
fn cpu_list(mask: u64) -> String {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for cpu in (0..64).filter(|cpu| mask >> cpu & 1 != 0) {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == cpu => *last = cpu,
            _ => ranges.push((cpu, cpu)),
        }
    }
    let shown = |(first, last): &(u32, u32)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    };
    ranges.iter().map(shown).collect::<Vec<_>>().join(",")
}

/// Names and units of the limits, by number.
const LIMITS: [(&str, &str); 16] = [
    ("Max cpu time", "seconds"),
    ("Max file size", "bytes"),
    ("Max data size", "bytes"),
    ("Max stack size", "bytes"),
    ("Max core file size", "bytes"),
    ("Max resident set", "bytes"),
    ("Max processes", "processes"),
    ("Max open files", "files"),
    ("Max locked memory", "bytes"),
    ("Max address space", "bytes"),
    ("Max file locks", "locks"),
    ("Max pending signals", "signals"),
    ("Max msgqueue size", "bytes"),
    ("Max nice priority", ""),
    ("Max realtime priority", ""),
    ("Max realtime timeout", "us"),
];

/// `limits`.
pub(super) fn limits(kernel: &Kernel, node: ProcNode) -> Result<String, Errno> {
    let (_, process) = kernel.proc_process(node)?;
    let mut limits = process.limits;
    let line = |name: &str, soft: &str, hard: &str, unit: &str| {
        format!("{name:<25} {soft:<20} {hard:<20} {unit:<10}\n")
    };
    let mut text = line("Limit", "Soft Limit", "Hard Limit", "Units");
    let shown = |value: u64| match value {
        RLIM_INFINITY => "unlimited".to_owned(),
        value => value.to_string(),
    };
    for (number, (name, unit)) in (0..).zip(LIMITS) {
        let Some(limit) = limits.by_number(number) else { continue };
        text += &line(name, &shown(limit.soft), &shown(limit.hard), unit);
    }
    Ok(text)
}

/// `io`: nothing of it is counted.
pub(super) fn io() -> String {
    let names =
        ["rchar", "wchar", "syscr", "syscw", "read_bytes", "write_bytes", "cancelled_write_bytes"];
    names.map(|name| format!("{name}: 0\n")).concat()
}

/// The mounts that are there, with their numbers.
fn mounted(kernel: &Kernel) -> impl Iterator<Item = (u64, &Mount)> {
    (0..).zip(&kernel.vfs.mounts).filter(|(_, mount)| !mount.is_gone)
}

/// `mounts`.
pub(super) fn mounts(kernel: &Kernel) -> String {
    let line = |(_, mount): (u64, &Mount)| {
        let rights = if mount.read_only { "ro" } else { "rw" };
        let target = String::from_utf8_lossy(&mount.target);
        format!("{} {target} {} {rights},relatime 0 0\n", mount.kind, mount.kind)
    };
    mounted(kernel).map(line).collect()
}

/// `mountinfo`.
pub(super) fn mountinfo(kernel: &Kernel) -> String {
    let line = |(number, mount): (u64, &Mount)| {
        let rights = if mount.read_only { "ro" } else { "rw" };
        let target = String::from_utf8_lossy(&mount.target);
        let parent = u64::from(number != 0);
        format!(
            "{} {parent} 0:{} / {target} {rights},relatime - {} {} {rights}\n",
            number + 1,
            FIRST_MOUNT_DEVICE + number,
            mount.kind,
            mount.kind,
        )
    };
    mounted(kernel).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpus_are_told_in_ranges() {
        for (mask, want) in
            [(1, "0"), (0b11, "0-1"), (0b1101, "0,2-3"), (u64::MAX, "0-63"), (0, "")]
        {
            assert_eq!(cpu_list(mask), want, "{mask:b}");
        }
    }
}
