//! What follows from the end of a timer, and from the taking of its signal.
//! Source: Linux 6.18 `kernel/time/posix-timers.c` (`posix_timer_event`,
//! `posixtimer_deliver_signal`), `kernel/time/itimer.c` (`it_real_fn`,
//! `posixtimer_rearm_itimer`), `kernel/signal.c` (`dequeue_signal`).

use perf_core::{CpuId, TaskId};

use super::TimerKey;
use super::process::{PosixTimer, TimerClock, TimerNotify};
use crate::kernel::Kernel;
use crate::signal::send::Queue;
use crate::signal::{SigFields, SigInfo};
use crate::task::ProcessId;
use crate::uapi::signal::{SIGALRM, sigmask};

/// Most overruns that are told (`DELAYTIMER_MAX`).
const DELAYTIMER_MAX: u64 = i32::MAX as u64;

impl Kernel {
    /// Fires the first timer, whose time has come.
    pub(crate) fn fire_timer(&mut self, deadline_ns: u64, key: TimerKey) {
        self.timers.remove(deadline_ns, key);
        let cpu = self.timer_cpu(key);
        self.this_cpu = cpu;
        if !self.sched.is_busy(cpu) {
            self.idle_until(cpu, deadline_ns);
        }
        match key {
            TimerKey::Real(process) => {
                let Some(entry) = self.tasks.processes.get_mut(&process) else { return };
                entry.timers.real.deadline_ns = None;
                entry.timers.real_ended_ns = deadline_ns;
                self.send_signal_to_process(process, SigInfo::from_kernel(SIGALRM));
            }
            TimerKey::Posix(..) => self.expire_timer(key),
            TimerKey::File(id) => self.expire_timerfd(id),
        }
    }

    /// The CPU that serves a timer: that of the first thread it is for.
    fn timer_cpu(&self, key: TimerKey) -> CpuId {
        match key {
            TimerKey::Real(process) | TimerKey::Posix(process, _) => {
                let entry = self.tasks.processes.get(&process);
                let first = entry.and_then(|entry| entry.threads.first().copied());
                first.map_or(CpuId(0), |task| self.tasks.task(task).cpu)
            }
            TimerKey::File(id) => self.timerfds.get(id).map_or(CpuId(0), |timer| timer.cpu),
        }
    }

    fn posix_timer(&mut self, process: ProcessId, id: i32) -> Option<&mut PosixTimer> {
        self.tasks.processes.get_mut(&process)?.timers.posix.get_mut(&id)
    }

    /// The end of a POSIX timer: its signal is sent. It goes on when that is taken.
    pub(crate) fn expire_timer(&mut self, key: TimerKey) {
        let TimerKey::Posix(process, id) = key else { return };
        let Some(timer) = self.posix_timer(process, id) else { return };
        if timer.expiry.interval_ns == 0 {
            timer.ended();
        }
        timer.is_pending = true;
        let notify = timer.notify;
        let is_sent = match notify {
            TimerNotify::Nothing => true,
            TimerNotify::Process(info) => {
                let first = self.tasks.processes.get(&process);
                let first = first.and_then(|entry| entry.threads.first().copied());
                first.is_some_and(|task| self.send_timer_signal(task, info, Queue::Process))
            }
            TimerNotify::Thread(task, info) => {
                self.tasks.tasks.contains_key(&task)
                    && self.send_timer_signal(task, info, Queue::Thread)
            }
        };
        if !is_sent && let Some(timer) = self.posix_timer(process, id) {
            // Nobody takes an ignored signal: the timer waits for a change of that.
            timer.is_pending = false;
            timer.is_ignored = true;
        }
    }

    /// Takes the next signal that `blocked` lets through, own queue first; a timer whose
    /// signal that is goes on (`dequeue_signal`).
    pub(crate) fn dequeue_signal(&mut self, task: TaskId, blocked: u64) -> Option<SigInfo> {
        let own = self.tasks.task_mut(task).pending.dequeue(blocked);
        let info = own.or_else(|| self.tasks.process_of_mut(task).pending.dequeue(blocked))?;
        Some(self.signal_taken(task, info))
    }

    /// What a signal says once it is taken: a timer's tells its overruns.
    pub(crate) fn signal_taken(&mut self, task: TaskId, mut info: SigInfo) -> SigInfo {
        let process = self.tasks.task(task).process;
        if info.si_signo == SIGALRM {
            self.rearm_itimer(process);
        }
        if let SigFields::Timer { id, value, .. } = info.fields {
            let overrun = self.rearm_timer(process, id);
            info.fields = SigFields::Timer { id, overrun, value };
        }
        info
    }

    fn rearm_itimer(&mut self, process: ProcessId) {
        let now = self.now_ns();
        let Some(entry) = self.tasks.processes.get_mut(&process) else { return };
        let timers = &mut entry.timers;
        if timers.real.deadline_ns.is_some() || timers.real.interval_ns == 0 {
            return;
        }
        timers.real.deadline_ns = Some(timers.real_ended_ns);
        timers.real.forward(now);
        let deadline = timers.real.deadline_ns.unwrap_or(now);
        self.timers.add(deadline, TimerKey::Real(process));
    }

    /// A periodic timer whose signal has been taken goes on; tells how many ends were missed.
    fn rearm_timer(&mut self, process: ProcessId, id: i32) -> i32 {
        let Some(timer) = self.posix_timer(process, id).copied() else { return 0 };
        let now = match timer.clock {
            TimerClock::Machine { .. } => self.now_ns(),
            TimerClock::Cpu { clock, target } if self.tasks.tasks.contains_key(&target) => {
                self.cpu_time_ns(target, clock)
            }
            TimerClock::Cpu { .. } => 0,
        };
        let Some(entry) = self.posix_timer(process, id) else { return 0 };
        entry.is_pending = false;
        let periods = entry.expiry.forward(now);
        entry.overrun = periods.saturating_sub(1).min(DELAYTIMER_MAX) as i32;
        let (overrun, deadline) = (entry.overrun, entry.expiry.deadline_ns);
        if let (TimerClock::Machine { .. }, Some(deadline)) = (timer.clock, deadline) {
            self.timers.add(deadline, TimerKey::Posix(process, id));
        }
        overrun
    }

    /// Timers whose signal is no longer ignored go on (`posixtimer_sig_unignore`).
    pub(crate) fn unignore_timers(&mut self, task: TaskId, signal: u32) {
        let process = self.tasks.task(task).process;
        let timers = &self.tasks.process_of(task).timers.posix;
        let ignored: Vec<i32> = timers
            .iter()
            .filter(|(_, timer)| timer.is_ignored && timer.signal() == Some(signal))
            .map(|(id, _)| *id)
            .collect();
        for id in ignored {
            if let Some(timer) = self.posix_timer(process, id) {
                timer.is_ignored = false;
            }
            self.rearm_timer(process, id);
        }
    }

    /// Timers whose pending signals have just been dropped because they are ignored.
    pub(crate) fn ignore_timers(&mut self, task: TaskId, set: u64) {
        let timers = &mut self.tasks.process_of_mut(task).timers.posix;
        for timer in timers.values_mut() {
            if timer.is_pending && timer.signal().is_some_and(|signal| sigmask(signal) & set != 0) {
                timer.is_pending = false;
                timer.is_ignored = true;
            }
        }
    }

    /// Takes a POSIX timer out of the queue, and its signal back.
    pub(crate) fn disarm_timer(&mut self, process: ProcessId, id: i32) {
        let Some(entry) = self.tasks.processes.get_mut(&process) else { return };
        let Some(timer) = entry.timers.posix.get_mut(&id) else { return };
        (timer.is_pending, timer.is_ignored) = (false, false);
        let deadline = timer.expiry.deadline_ns.take();
        entry.pending.drop_timer(id);
        let threads = entry.threads.clone();
        for thread in threads {
            self.tasks.task_mut(thread).pending.drop_timer(id);
        }
        if let Some(deadline) = deadline {
            self.timers.remove(deadline, TimerKey::Posix(process, id));
        }
    }

    /// POSIX timers end with a program (`exit_itimers`).
    pub(crate) fn delete_posix_timers(&mut self, process: ProcessId) {
        let Some(entry) = self.tasks.processes.get(&process) else { return };
        let ids: Vec<i32> = entry.timers.posix.keys().copied().collect();
        for id in ids {
            self.disarm_timer(process, id);
        }
        if let Some(entry) = self.tasks.processes.get_mut(&process) {
            entry.timers.posix.clear();
        }
    }

    /// All timers end with a process.
    pub(crate) fn delete_timers(&mut self, process: ProcessId) {
        self.delete_posix_timers(process);
        let Some(entry) = self.tasks.processes.get_mut(&process) else { return };
        if let Some(deadline) = entry.timers.real.deadline_ns.take() {
            self.timers.remove(deadline, TimerKey::Real(process));
        }
    }
}

impl PosixTimer {
    /// The signal that it sends.
    #[must_use]
    pub const fn signal(&self) -> Option<u32> {
        match &self.notify {
            TimerNotify::Nothing => None,
            TimerNotify::Process(info) | TimerNotify::Thread(_, info) => Some(info.si_signo),
        }
    }

    const fn ended(&mut self) {
        self.expiry.deadline_ns = None;
    }
}
