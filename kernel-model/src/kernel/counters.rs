//! The processor's counters and the kernel's main loop: which mode they count, when their
//! interrupt is due, and what it does.
//!
//! A counter that runs out in user mode raises an NMI at that very instruction boundary. In
//! kernel mode, most of whose work is charged and not executed, the interrupt is taken at the
//! end of that work, in the kernel's entry code. Neighbours: [`crate::events::cpu_pmu`], `hits`.
//! Source: Linux 6.x arch/x86/events/core.c (`x86_pmu_handle_irq`, `perf_event_nmi_handler`).

use perf_core::attr::abi::AttrFlags;
use perf_core::{
    CpuId, Errno, EventId, HitRegs, Mode, PerfEventAttr, SampleSource, Target, TaskId, Totals,
};

use super::Kernel;
use super::hits::HitPlace;
use crate::arch::x86::costs::Work;
use crate::arch::x86::entry::TrapFrame;
use crate::arch::x86::layout::EntryPoint;
use crate::observe::CounterRequest;

/// Why an event cannot be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CounterError {
    /// The processor has no such counter.
    #[error("this processor does not count it (ENOENT); branches and caches need a timing model")]
    NoSuchEvent,
    /// `perf_event_open` refuses it for another reason.
    #[error("the event is refused ({})", .0.name())]
    Refused(Errno),
}

/// What is asked for from outside.
impl Kernel {
    /// Opens an event on a task as `perf stat` would: inherited by its children, counting at
    /// once.
    ///
    /// # Errors
    /// The processor has no such counter, or the group is one that it cannot have.
    pub fn open_counter(
        &mut self,
        task: TaskId,
        request: &CounterRequest,
    ) -> Result<(), CounterError> {
        let flags = AttrFlags::INHERIT | request.flags;
        let attr = PerfEventAttr {
            attr_type: request.attr_type,
            ..PerfEventAttr::software(request.config).with(flags)
        };
        let leader = request.leader.map(|leader| {
            self.counters.get(leader as usize).copied().ok_or(CounterError::Refused(Errno::EBADF))
        });
        let (leader, target) = (leader.transpose()?, Target::Task(task, None));
        let now = self.now_ns();
        let opened = self.with_pmu(|perf, pmu| {
            perf.create_grouped_counter(pmu, now, &attr, target, leader, None)
        });
        match opened {
            Ok(event) => {
                self.counters.push(event);
                Ok(())
            }
            Err(Errno::ENOENT) => Err(CounterError::NoSuchEvent),
            Err(errno) => Err(CounterError::Refused(errno)),
        }
    }

    /// What the events have counted, in the order in which they were opened.
    pub fn read_counters(&mut self) -> Vec<Totals> {
        let now = self.now_ns();
        let counters = self.counters.clone();
        self.with_pmu(|perf, pmu| {
            let read = |event| perf.read_totals(pmu, now, event).unwrap_or_default();
            counters.into_iter().map(read).collect()
        })
    }
}

impl Kernel {
    /// Tells the `cpu` PMU where the counters of all CPUs stand.
    pub(crate) fn sync_counters(&mut self) {
        for cpu in self.hw.cpus() {
            self.cpu_pmu.sync(cpu, self.hw.counts(cpu));
        }
    }

    /// Brings the counts of a CPU's events up to date, where any count by themselves: before a
    /// hit, a tick, or the counters' interrupt.
    pub(crate) fn update_counts(&mut self, cpu: CpuId) {
        if self.perf.counts_by_itself(cpu) {
            self.cpu_pmu.sync(cpu, self.hw.counts(cpu));
            let now = self.hw.time_ns(cpu);
            self.perf.update_counts(&mut self.cpu_pmu, now, cpu);
        }
    }

    /// The CPU has come from user mode.
    pub(super) fn count_kernel(&mut self, cpu: CpuId, entry: EntryPoint) {
        if self.cpu_pmu.is_active(cpu) {
            let share = self.hw.entry_share(cpu, entry);
            self.cpu_pmu.enter_kernel(cpu, self.hw.counts(cpu), share);
        } else {
            self.cpu_pmu.note_kernel_mode(cpu);
        }
    }

    /// The CPU is on its way to user mode.
    pub(super) fn count_user(&mut self, cpu: CpuId) {
        if self.cpu_pmu.is_active(cpu) {
            let share = self.hw.exit_share(cpu);
            self.cpu_pmu.enter_user(cpu, self.hw.counts(cpu), share);
        } else {
            self.cpu_pmu.note_user_mode(cpu);
        }
    }

    /// Lets an idle CPU's clock run on; a halted CPU counts nothing.
    pub(crate) fn idle_until(&mut self, cpu: CpuId, time_ns: u64) {
        self.cpu_pmu.sync(cpu, self.hw.counts(cpu));
        self.hw.idle_until(cpu, time_ns);
        self.cpu_pmu.skip_idle(cpu, self.hw.counts(cpu));
    }

    /// The cycle at which a counter of the CPU may run out in user mode; `None` when none
    /// samples. Not before the CPU can make a step.
    pub(super) fn counter_deadline(&mut self, cpu: CpuId) -> Option<u64> {
        if !self.cpu_pmu.is_active(cpu) {
            return None;
        }
        let left = self.first_to_run_out(cpu)?;
        let from = self.cpu_pmu.seen_cycles(cpu).max(self.hw.cycles(cpu));
        let deadline = from.saturating_add(left);
        // On the way back to user mode one instruction is still the kernel's.
        let next = self.hw.cycles(cpu) + u64::from(!self.hw.in_user_mode(cpu));
        Some(deadline.max(next))
    }

    /// The fewest cycles until a counter runs out; 0 when one has.
    fn first_to_run_out(&mut self, cpu: CpuId) -> Option<u64> {
        self.cpu_pmu.sync(cpu, self.hw.counts(cpu));
        let mut first = None;
        for event in self.cpu_pmu.active(cpu) {
            let (Some(until), Some(counter)) =
                (self.perf.until_interrupt(event), self.cpu_pmu.counter(event))
            else {
                continue;
            };
            if !self.cpu_pmu.counts_user(event) {
                continue;
            }
            let left = until.saturating_sub(self.cpu_pmu.unread(cpu, event));
            let cycles = if left == 0 { 0 } else { self.hw.cycles_for(counter, left) };
            first = Some(first.map_or(cycles, |first: u64| first.min(cycles)));
        }
        first
    }

    /// Whether a counter has run out in user mode; then its NMI is on the way.
    pub(super) fn raise_counter_nmi(&mut self, cpu: CpuId) -> bool {
        let due = self.cpu_pmu.is_active(cpu)
            && self.hw.in_user_mode(cpu)
            && self.first_to_run_out(cpu) == Some(0);
        if due {
            self.hw.raise_nmi(cpu);
        }
        due
    }

    /// `perf_event_nmi_handler`, at the boundary at which the NMI was taken.
    pub(crate) fn counter_nmi(&mut self, cpu: CpuId, task: TaskId, frame: &TrapFrame) {
        self.hw.end_nmi(cpu);
        self.hw.charge_work(cpu, Work::CounterInterrupt);
        let mode = if frame.from_user() { Mode::User } else { Mode::Kernel };
        self.counter_interrupts(cpu, task, mode, frame.ip);
    }

    /// The end of kernel work: counters that ran out meanwhile have their interrupt now. What
    /// counts user mode only ran out on the way in, and samples the place the task goes back to.
    pub(crate) fn counters_after_kernel_work(&mut self, cpu: CpuId, task: TaskId) {
        if self.cpu_pmu.is_active(cpu) {
            let ip = self.hw.ip(cpu);
            self.counter_interrupts(cpu, task, Mode::Kernel, ip);
        }
    }

    /// Gives every counter of the CPU that has run out to perf core.
    fn counter_interrupts(&mut self, cpu: CpuId, task: TaskId, mode: Mode, ip: u64) {
        let samples = |event: &EventId| self.perf.until_interrupt(*event).is_some();
        let sampling: Vec<EventId> = self.cpu_pmu.active(cpu).into_iter().filter(samples).collect();
        if sampling.is_empty() {
            return;
        }
        self.update_counts(cpu);
        let tag = self.tasks.tag(task);
        for event in sampling {
            let only_user = mode == Mode::Kernel && !self.cpu_pmu.counts_kernel(event);
            let (mode, ip) =
                if only_user { (Mode::User, self.tasks.task(task).regs.ip) } else { (mode, ip) };
            let place = HitPlace { mode, ip };
            let gathered = self.gather_sample(event, task, place, 0);
            let source = gathered.as_ref().map(|gathered| gathered as &dyn SampleSource);
            let regs = HitRegs { source, ..self.hit_regs(cpu, &tag, place, 0) };
            let outcome =
                self.with_rings(|perf, memory| perf.counter_interrupt(event, &regs, memory));
            self.carry_out(cpu, task, &outcome);
        }
    }
}
