//! What is counted for the summary: hits and armed times of each watch, exits.

use std::collections::BTreeMap;

use kernel_model::observe::ExitStatus;
use serde::Serialize;

use crate::session::event::{Hit, Origin, Span, Who};

/// One watch's hits and the registers that held it.
#[derive(Clone, Debug, Default)]
pub(super) struct WatchTally {
    pub(super) hits: u64,
    pub(super) user: u64,
    pub(super) kernel: u64,
    pub(super) shown: u64,
    pub(super) armed: BTreeMap<(u32, u8), ArmedIn>,
}

/// The time that a watch spent in one register of one CPU, all spans together.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct ArmedIn {
    /// Spans merged.
    pub(super) spans: u64,
    /// The CPU's icount at the first arming.
    pub(super) from_icount: u64,
    /// The CPU's icount at the last disarming.
    pub(super) to_icount: u64,
    /// Instructions of the CPU while it was armed.
    pub(super) insns: u64,
    /// The tasks for which it was armed: `comm/pid`, with `/tid` for other threads.
    pub(super) tasks: Vec<String>,
}

impl WatchTally {
    pub(super) fn hit(&mut self, hit: &Hit) {
        self.hits += 1;
        match hit.origin {
            Origin::User => self.user += 1,
            Origin::Kernel { .. } => self.kernel += 1,
        }
    }

    pub(super) fn span(&mut self, span: &Span) {
        let armed = self.armed.entry((span.cpu, span.slot)).or_default();
        if armed.spans == 0 || span.from_icount < armed.from_icount {
            armed.from_icount = span.from_icount;
        }
        armed.to_icount = armed.to_icount.max(span.to_icount);
        armed.insns = armed.insns.saturating_add(span.to_icount.saturating_sub(span.from_icount));
        armed.spans += 1;
        let task = task_name(&span.who);
        if !armed.tasks.contains(&task) {
            armed.tasks.push(task);
        }
    }
}

/// A process that ended.
#[derive(Clone, Debug)]
pub(super) struct Exited {
    pub(super) who: Who,
    pub(super) status: ExitStatus,
}

/// `comm/pid`, and the thread where it is not the first.
pub(super) fn task_name(who: &Who) -> String {
    if who.tid == who.pid {
        format!("{}/{}", who.comm, who.pid)
    } else {
        format!("{}/{}/{}", who.comm, who.pid, who.tid)
    }
}

/// How a process ended, in words.
pub(super) fn status_text(status: ExitStatus) -> String {
    match status {
        ExitStatus::Exited(code) => format!("exited with {code}"),
        ExitStatus::Signaled { signal, core } => {
            let core = if core { " (core dumped)" } else { "" };
            match signal_name(signal) {
                Some(name) => format!("killed by {name}{core}"),
                None => format!("killed by signal {signal}{core}"),
            }
        }
    }
}

/// The names of the signals that end programs (Linux, asm-generic/signal.h).
fn signal_name(signal: u8) -> Option<&'static str> {
    const NAMES: [(u8, &str); 14] = [
        (1, "SIGHUP"),
        (2, "SIGINT"),
        (3, "SIGQUIT"),
        (4, "SIGILL"),
        (5, "SIGTRAP"),
        (6, "SIGABRT"),
        (7, "SIGBUS"),
        (8, "SIGFPE"),
        (9, "SIGKILL"),
        (11, "SIGSEGV"),
        (13, "SIGPIPE"),
        (14, "SIGALRM"),
        (15, "SIGTERM"),
        (31, "SIGSYS"),
    ];
    NAMES.iter().find(|(number, _)| *number == signal).map(|(_, name)| *name)
}
