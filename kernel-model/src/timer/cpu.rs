//! Timers on CPU time, looked at when a tick comes while a task runs.
//! Source: Linux 6.18 `kernel/time/posix-cpu-timers.c` (`run_posix_cpu_timers`).

use perf_core::CpuId;

use super::process::TimerClock;
use super::{Expiry, TimerKey};
use crate::kernel::Kernel;
use crate::signal::SigInfo;
use crate::task::ProcessId;
use crate::task::limits::{RLIM_INFINITY, Resource, Rlimit};
use crate::task::wait::Channel;
use crate::uapi::signal::{SIGKILL, SIGPROF, SIGVTALRM, SIGXCPU};
use crate::uapi::time::NSEC_PER_SEC;

impl Kernel {
    /// Fires what the running task's time has brought to its end.
    pub(crate) fn run_cpu_timers(&mut self, cpu: CpuId) {
        let Some(task) = self.current_on(cpu) else { return };
        let process = self.tasks.task(task).process;
        let usage = self.process_usage(task);
        let timers = &mut self.tasks.process_of_mut(task).timers;
        let virt = end_of(&mut timers.virt, usage.user_ns());
        let prof = end_of(&mut timers.prof, usage.runtime_ns);
        for (is_over, signal) in [(virt, SIGVTALRM), (prof, SIGPROF)] {
            if is_over {
                self.send_signal_to_process(process, SigInfo::from_kernel(signal));
            }
        }
        self.check_cpu_limit(process, usage.runtime_ns);
        for key in self.posix_cpu_timers_over() {
            self.expire_timer(key);
        }
        self.wake(Channel::CpuTime(process));
    }

    /// Timers on CPU time that have come to their ends.
    fn posix_cpu_timers_over(&self) -> Vec<TimerKey> {
        let mut over = Vec::new();
        for (&process, entry) in &self.tasks.processes {
            for (&id, timer) in &entry.timers.posix {
                let TimerClock::Cpu { clock, target } = timer.clock else { continue };
                let lives = self.tasks.tasks.contains_key(&target);
                let waits = timer.is_pending || timer.is_ignored;
                if lives && !waits && timer.expiry.is_over(self.cpu_time_ns(target, clock)) {
                    over.push(TimerKey::Posix(process, id));
                }
            }
        }
        over
    }

    /// SIGXCPU each second behind the soft limit, SIGKILL at the hard one (`check_rlimit`).
    fn check_cpu_limit(&mut self, process: ProcessId, runtime_ns: u64) {
        let Some(entry) = self.tasks.processes.get_mut(&process) else { return };
        let Rlimit { soft, hard } = entry.limits.get(Resource::Cpu);
        let is_past = |limit: u64| {
            limit != RLIM_INFINITY && runtime_ns >= limit.max(1).saturating_mul(NSEC_PER_SEC)
        };
        if is_past(hard) {
            self.send_signal_to_process(process, SigInfo::from_kernel(SIGKILL));
        } else if is_past(soft) {
            entry.limits.set_soft(Resource::Cpu, soft.max(1) + 1);
            self.send_signal_to_process(process, SigInfo::from_kernel(SIGXCPU));
        }
    }
}

/// Whether an interval timer has come to its end; it goes on with its period.
fn end_of(expiry: &mut Expiry, now_ns: u64) -> bool {
    let is_over = expiry.is_over(now_ns);
    if is_over && expiry.interval_ns == 0 {
        expiry.deadline_ns = None;
    } else if let Some(deadline) = expiry.deadline_ns.filter(|_| is_over) {
        expiry.deadline_ns = Some(deadline.saturating_add(expiry.interval_ns));
    }
    is_over
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_timer_ends_once_a_tick() {
        let mut once = Expiry { deadline_ns: Some(5), interval_ns: 0 };
        assert_eq!([4, 5, 6].map(|now| end_of(&mut once, now)), [false, true, false]);
        let mut again = Expiry { deadline_ns: Some(5), interval_ns: 10 };
        assert_eq!([5, 14, 15].map(|now| end_of(&mut again, now)), [true, false, true]);
        assert_eq!(again.deadline_ns, Some(25));
    }
}
