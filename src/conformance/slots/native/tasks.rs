//! Tasks of the native machine.

use std::collections::BTreeSet;

use kernel_model::scenario::op::{
    Access, AccessKind, Answer, ForkKind, SignalSeen, TaskName, TrapAction,
};
use nix::libc;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use perf_core::attr::abi::AttrFlags;
use perf_core::{CpuId, PerfEventAttr};

use super::agent::{Agent, Clone};
use super::machine::{Machine, answer_of, error_of, start};
use super::message::Message;
use super::places::*;
use super::{NativeError, stub};
use crate::conformance::native::remote;

/// `PERF_COUNT_SW_DUMMY`.
const DUMMY: u64 = 9;
/// What a store puts into memory.
const STORED: u64 = 0x0123_4567_89ab_cdef;
/// `si_code` of a SIGTRAP with nothing in DR6.
const TRAP_BRKPT: i32 = 1;
/// `si_code` of a sigtrap event.
const TRAP_PERF: i32 = 6;

/// How far a task has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    Alive,
    Ended,
    Reaped,
}

/// A task of the scenario.
#[derive(Debug)]
pub(super) struct NativeTask {
    pub(super) agent: Agent,
    life: Life,
    /// The process that forked its process; `None` for the scenario's first ones.
    parent: Option<i32>,
    cpu: Option<CpuId>,
    /// SIGTRAPs of its process that have been looked at.
    seen: u64,
    /// SIGTRAPs of its process so far.
    signals: u64,
}

impl NativeTask {
    fn new(agent: Agent) -> Self {
        Self { agent, life: Life::Alive, parent: None, cpu: None, seen: 0, signals: 0 }
    }
}

impl Machine {
    pub(super) fn task(&mut self, name: &TaskName) -> Result<&mut NativeTask, NativeError> {
        self.tasks.get_mut(name).ok_or_else(|| NativeError::NoSuchTask(name.clone()))
    }

    /// Has a task make calls.
    fn send(&mut self, name: &TaskName, message: &Message) -> Result<i64, NativeError> {
        let task = self.task(name)?;
        let reply = task.agent.send(message)?;
        task.signals = reply.signals();
        self.note_spurious(name)?;
        Ok(reply.result(0))
    }

    pub(super) fn make_task(&mut self, name: &TaskName) -> Result<Answer, NativeError> {
        let agent = start(&self.program)?;
        self.add_task(name, NativeTask::new(agent))
    }

    fn add_task(&mut self, name: &TaskName, task: NativeTask) -> Result<Answer, NativeError> {
        let tid = task.agent.tid;
        self.tasks.insert(name.clone(), task);
        self.keep_context(tid)?;
        Ok(Answer::Ok)
    }

    /// Gives the task an event that is not inherited, and uses no breakpoint: contexts of parent
    /// and child are then never exchanged (linux-hw-breakpoint 3.6.6).
    fn keep_context(&mut self, tid: i32) -> Result<(), NativeError> {
        let attr = PerfEventAttr::software(DUMMY).with(AttrFlags::DISABLED);
        let opened = self.open_raw(&attr, (i64::from(tid), -1), -1)?;
        match error_of(opened) {
            None => Ok(()),
            Some(_) => Err(NativeError::Unexpected("no event can be opened on a task")),
        }
    }

    pub(super) fn run(&mut self, name: &TaskName, cpu: CpuId) -> Result<Answer, NativeError> {
        if self.task(name)?.cpu == Some(cpu) {
            return Ok(Answer::Ok);
        }
        let mut message = Message::default();
        let mask = message.bytes(&(1_u64 << cpu.0).to_le_bytes());
        let at = mask.address(self.task(name)?.agent.buffer);
        message.call(libc::SYS_sched_setaffinity, &[0, 8, at]);
        let result = self.send(name, &message)?;
        self.task(name)?.cpu = Some(cpu);
        Ok(answer_of(result))
    }

    pub(super) fn fork(
        &mut self,
        parent: &TaskName,
        child: &TaskName,
        kind: ForkKind,
    ) -> Result<Answer, NativeError> {
        let what = match kind {
            ForkKind::Process => Clone::Process,
            ForkKind::ClearHandlers => {
                return Err(NativeError::NotForPrograms("a clone without handlers"));
            }
            ForkKind::Thread if self.nr_threads >= MAX_THREADS => return Err(NativeError::TooMany),
            ForkKind::Thread => Clone::Thread { buffer: THREADS + self.nr_threads * THREAD_BYTES },
        };
        if matches!(what, Clone::Thread { .. }) {
            self.nr_threads += 1;
        }
        let from = self.task(parent)?;
        let (cpu, seen, signals) = (from.cpu, from.seen, from.signals);
        let parent = match what {
            Clone::Process => Some(from.agent.pid),
            Clone::Thread { .. } => from.parent,
        };
        match from.agent.clone_task(what)? {
            Ok(agent) => {
                let task = NativeTask { parent, cpu, seen, signals, ..NativeTask::new(agent) };
                self.add_task(child, task)
            }
            Err(refused) => Ok(answer_of(refused)),
        }
    }

    pub(super) fn exec(&mut self, name: &TaskName) -> Result<Answer, NativeError> {
        let task = self.task(name)?;
        match task.agent.exec()? {
            Ok(()) => {
                (task.seen, task.signals) = (0, 0);
                let tid = task.agent.tid;
                self.clear_enable_on_exec(tid);
                Ok(Answer::Ok)
            }
            Err(refused) => Ok(answer_of(refused)),
        }
    }

    pub(super) fn exit(&mut self, name: &TaskName) -> Result<Answer, NativeError> {
        let mut message = Message::default();
        message.call(libc::SYS_exit, &[0]);
        let task = self.task(name)?;
        task.agent.post(&message)?;
        wait_for_end(&task.agent);
        task.life = Life::Ended;
        self.reap_orphans()?;
        Ok(Answer::Ok)
    }

    pub(super) fn reap(&mut self, name: &TaskName) -> Result<Answer, NativeError> {
        let task = self.task(name)?;
        if task.life == Life::Reaped || task.agent.tid != task.agent.pid {
            return Ok(Answer::Errno(perf_core::Errno::ECHILD));
        }
        wait_for(task)?;
        Ok(Answer::Ok)
    }

    /// All tasks are our children; those whose parent has ended are the init process's in the
    /// model, which waits for them at once.
    fn reap_orphans(&mut self) -> Result<(), NativeError> {
        let alive: BTreeSet<i32> = self
            .tasks
            .values()
            .filter(|task| task.life == Life::Alive)
            .map(|task| task.agent.pid)
            .collect();
        for task in self.tasks.values_mut() {
            let is_orphan = task.parent.is_some_and(|parent| !alive.contains(&parent));
            let is_first = task.agent.tid == task.agent.pid;
            if is_orphan && is_first && task.life == Life::Ended && !alive.contains(&task.agent.pid)
            {
                wait_for(task)?;
            }
        }
        Ok(())
    }

    /// Whether a task of the scenario has this id, and has ended.
    pub(super) fn has_ended(&self, tid: i64) -> bool {
        let mut tasks = self.tasks.values().filter(|task| i64::from(task.agent.tid) == tid);
        tasks.any(|task| task.life != Life::Alive)
    }

    pub(super) fn on_trap(
        &mut self,
        name: &TaskName,
        action: TrapAction,
    ) -> Result<Answer, NativeError> {
        const SIGTRAP: u64 = libc::SIGTRAP as u64;
        let buffer = self.task(name)?.agent.buffer;
        let mut message = Message::default();
        let set = message.bytes(&(1_u64 << (SIGTRAP - 1)).to_le_bytes()).address(buffer);
        match action {
            TrapAction::Block | TrapAction::Unblock => {
                let how =
                    if action == TrapAction::Block { libc::SIG_BLOCK } else { libc::SIG_UNBLOCK };
                message.call(libc::SYS_rt_sigprocmask, &[how as u64, set, 0, 8])
            }
            TrapAction::Handle => message.call(libc::SYS_rt_sigaction, &[SIGTRAP, ACTION, 0, 8]),
            TrapAction::Default | TrapAction::Ignore => {
                let handler = if action == TrapAction::Ignore { libc::SIG_IGN } else { 0 };
                let words = [handler as u64, 0, 0, 0];
                let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
                let action = message.bytes(&bytes).address(buffer);
                message.call(libc::SYS_rt_sigaction, &[SIGTRAP, action, 0, 8])
            }
        };
        self.send(name, &message).map(answer_of)
    }

    pub(super) fn hit(&mut self, name: &TaskName, access: &Access) -> Result<Answer, NativeError> {
        let address = self.resolve(&access.place)?;
        let before = self.total_count()?;
        let mut message = Message::default();
        match access.kind {
            AccessKind::KernelStore(_) | AccessKind::KernelLoad(_) => {
                return Err(NativeError::NotForPrograms("a copy of the kernel's"));
            }
            AccessKind::Exec => message.jump(address, address, STORED),
            kind => {
                let piece = stub::piece(kind);
                let to = piece.ok_or(NativeError::NotForPrograms("such an access"))?;
                message.jump(to, address, STORED)
            }
        };
        self.send(name, &message)?;
        self.are_counts_known = false;
        Ok(Answer::Count(self.total_count()?.wrapping_sub(before)))
    }

    /// SIGTRAPs of sigtrap events; the others are counted as spurious when they come.
    pub(super) fn signals(&mut self, name: &TaskName) -> Result<Answer, NativeError> {
        let task = self.task(name)?;
        let new = log(task)?;
        task.seen = task.signals;
        Ok(Answer::Signals(new.into_iter().filter(|seen| seen.code != TRAP_BRKPT).collect()))
    }

    fn note_spurious(&mut self, name: &TaskName) -> Result<(), NativeError> {
        let task = self.task(name)?;
        if task.signals == task.seen {
            return Ok(());
        }
        let log = log(task)?;
        if log.iter().all(|seen| seen.code == TRAP_BRKPT) {
            task.seen = task.signals;
        }
        let last = log.last().is_some_and(|seen| seen.code == TRAP_BRKPT);
        self.nr_spurious += u64::from(last);
        Ok(())
    }
}

/// The SIGTRAPs that have not been looked at.
fn log(task: &NativeTask) -> Result<Vec<SignalSeen>, NativeError> {
    let pid = Pid::from_raw(task.agent.pid);
    let first = task.seen.max(task.signals.saturating_sub(LOG_ROOM));
    (first..task.signals)
        .map(|nth| {
            let mut info = [0; LOG_ENTRY_BYTES as usize];
            let at = LOG + LOG_ENTRIES + nth % LOG_ROOM * LOG_ENTRY_BYTES;
            remote::read(pid, at, &mut info)
                .map_err(|_| NativeError::Unexpected("a task's memory cannot be read"))?;
            let word = |at: usize| {
                let word = info.get(at..).and_then(<[u8]>::first_chunk);
                word.map_or(0, |word| u64::from_le_bytes(*word))
            };
            let code = word(8) as i32;
            let is_perf = code == TRAP_PERF;
            Ok(SignalSeen {
                code,
                addr: word(16),
                sig_data: if is_perf { word(24) } else { 0 },
                flags: if is_perf { (word(32) >> 32) as u32 } else { 0 },
            })
        })
        .collect()
}

/// Takes a zombie away.
fn wait_for(task: &mut NativeTask) -> Result<(), NativeError> {
    waitpid(Pid::from_raw(task.agent.pid), None)
        .map_err(|errno| NativeError::Refused { what: "waitpid", errno })?;
    task.life = Life::Reaped;
    Ok(())
}

/// Waits until the kernel has ended a task: it is a zombie, or gone.
fn wait_for_end(agent: &Agent) {
    const PAUSE: std::time::Duration = std::time::Duration::from_micros(50);
    let path = format!("/proc/{}/task/{}/stat", agent.pid, agent.tid);
    loop {
        let stat = std::fs::read_to_string(&path).unwrap_or_default();
        let state = stat.rsplit(')').next().and_then(|rest| rest.trim_start().chars().next());
        if matches!(state, None | Some('Z' | 'X')) {
            return;
        }
        std::thread::sleep(PAUSE);
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let mut pids: Vec<i32> = self
            .tasks
            .values()
            .filter(|task| task.life != Life::Reaped && task.agent.tid == task.agent.pid)
            .map(|task| task.agent.pid)
            .collect();
        pids.push(self.opener.pid);
        for pid in pids.into_iter().map(Pid::from_raw) {
            // A child that was not waited for can be killed and waited for.
            let _ = kill(pid, Signal::SIGKILL);
            let _ = waitpid(pid, None);
        }
    }
}
