//! The scheduler: one first-in first-out queue a CPU, and sleepers by time.
//!
//! Deterministic by construction: queues keep the order in which tasks became
//! runnable, and the CPU whose clock is furthest behind runs next. A task gets
//! [`TIMESLICE_TICKS`] ticks before the next one of its queue. With a seed the choices are
//! another's, and as deterministic ([`shuffle`]).

pub mod shuffle;

use std::collections::{BTreeMap, VecDeque};

use perf_core::{CpuId, TaskId};

use shuffle::{Pick, Shuffle};

/// Timer ticks a second (`CONFIG_HZ`).
pub const HZ: u64 = 250;
/// Nanoseconds between ticks.
pub const TICK_NS: u64 = 1_000_000_000 / HZ;
/// Ticks that a task runs while others wait for its CPU.
pub const TIMESLICE_TICKS: u32 = 1;

/// The queue of one CPU.
#[derive(Clone, Debug, Default)]
struct RunQueue {
    current: Option<TaskId>,
    waiting: VecDeque<TaskId>,
    /// When the next tick is due, ns since boot.
    next_tick_ns: u64,
    ticks_left: u32,
    need_resched: bool,
}

/// Run queues and sleepers.
#[derive(Clone, Debug)]
pub struct Scheduler {
    queues: Vec<RunQueue>,
    sleepers: BTreeMap<(u64, TaskId), ()>,
    /// CPUs that are down, a bit each.
    offline: u64,
    /// The choices of a seed, where there is one.
    shuffle: Option<Shuffle>,
}

impl Scheduler {
    /// Empty queues for `nr_cpus` CPUs; with a seed its interleaving.
    #[must_use]
    pub fn new(nr_cpus: u32, seed: Option<u64>) -> Self {
        let queue = RunQueue { next_tick_ns: TICK_NS, ..RunQueue::default() };
        Self {
            queues: vec![queue; nr_cpus as usize],
            sleepers: BTreeMap::new(),
            offline: 0,
            shuffle: seed.map(Shuffle::new),
        }
    }

    fn queue(&mut self, cpu: CpuId) -> &mut RunQueue {
        &mut self.queues[cpu.0 as usize]
    }

    /// The task on a CPU.
    #[must_use]
    pub fn current(&self, cpu: CpuId) -> Option<TaskId> {
        self.queues[cpu.0 as usize].current
    }

    /// Whether a CPU has something to run.
    #[must_use]
    pub fn is_busy(&self, cpu: CpuId) -> bool {
        let queue = &self.queues[cpu.0 as usize];
        queue.current.is_some() || !queue.waiting.is_empty()
    }

    /// Tasks on a CPU and in its queue.
    #[must_use]
    pub fn load(&self, cpu: CpuId) -> usize {
        let queue = &self.queues[cpu.0 as usize];
        usize::from(queue.current.is_some()) + queue.waiting.len()
    }

    /// The least loaded CPU that `affinity` allows, the lowest of several; the
    /// preferred one where it is among them.
    #[must_use]
    pub fn select_cpu(&mut self, affinity: u64, preferred: CpuId) -> CpuId {
        let cpus = self.allowed_cpus(affinity);
        if let Some(cpu) = self.shuffle.as_mut().and_then(|shuffle| shuffle.other_cpu(&cpus)) {
            return cpu;
        }
        let least = cpus.into_iter().min_by_key(|&cpu| (self.load(cpu), cpu != preferred, cpu));
        least.unwrap_or(preferred)
    }

    /// The CPU of a task that wakes up: the one where it ran last, if it may.
    #[must_use]
    pub fn select_wake_cpu(&mut self, affinity: u64, last: CpuId) -> CpuId {
        let cpus = self.allowed_cpus(affinity);
        let other = self.shuffle.as_mut().and_then(|shuffle| shuffle.other_cpu(&cpus));
        match other {
            Some(cpu) => cpu,
            None if affinity >> last.0 & 1 != 0 => last,
            None => self.select_cpu(affinity, last),
        }
    }

    /// The CPUs where a task may run. One whose CPUs are all down may go anywhere
    /// (`select_fallback_rq`).
    fn allowed_cpus(&self, affinity: u64) -> Vec<CpuId> {
        let online = affinity & !self.offline;
        let affinity = if online == 0 { !self.offline } else { online };
        let all = (0..self.queues.len() as u32).map(CpuId);
        all.filter(|cpu| affinity >> cpu.0 & 1 != 0).collect()
    }

    /// A CPU goes down: no task is put on it.
    pub fn set_offline(&mut self, cpu: CpuId) {
        self.offline |= 1 << cpu.0;
    }

    /// A CPU comes up.
    pub fn set_online(&mut self, cpu: CpuId) {
        self.offline &= !(1 << cpu.0);
    }

    /// Takes all tasks out of the queue of a CPU, in their order.
    pub fn take_waiting(&mut self, cpu: CpuId) -> Vec<TaskId> {
        self.queue(cpu).waiting.drain(..).collect()
    }

    /// Puts a runnable task at the end of a CPU's queue.
    pub fn enqueue(&mut self, cpu: CpuId, task: TaskId) {
        let queue = self.queue(cpu);
        debug_assert!(!queue.waiting.contains(&task) && queue.current != Some(task));
        queue.waiting.push_back(task);
    }

    /// Takes a task out of the queue of a CPU, if it waits there.
    pub fn dequeue(&mut self, cpu: CpuId, task: TaskId) {
        self.queue(cpu).waiting.retain(|&waiting| waiting != task);
    }

    /// Takes the current task off a CPU.
    pub fn clear_current(&mut self, cpu: CpuId) -> Option<TaskId> {
        let queue = self.queue(cpu);
        queue.need_resched = false;
        queue.current.take()
    }

    /// Makes the first waiting task current, or the one that the seed chooses.
    pub fn pick_next(&mut self, cpu: CpuId, now_ns: u64) -> Pick {
        let queue = &mut self.queues[cpu.0 as usize];
        debug_assert!(queue.current.is_none());
        let pick = match &mut self.shuffle {
            Some(shuffle) => shuffle.pick(&mut queue.waiting, now_ns),
            None => queue.waiting.pop_front().map_or(Pick::Idle, Pick::Task),
        };
        if let Pick::Task(task) = pick {
            queue.current = Some(task);
            queue.ticks_left = TIMESLICE_TICKS;
        }
        pick
    }

    /// The choices of the seed, where there is one.
    pub(crate) fn shuffle_mut(&mut self) -> Option<&mut Shuffle> {
        self.shuffle.as_mut()
    }

    /// Whether a task waits for a CPU that another one has.
    #[must_use]
    pub(crate) fn is_contended(&self, cpu: CpuId) -> bool {
        !self.queues[cpu.0 as usize].waiting.is_empty()
    }

    /// Whether a CPU has a task that is not held back.
    #[must_use]
    pub(crate) fn can_run(&self, cpu: CpuId) -> bool {
        let queue = &self.queues[cpu.0 as usize];
        let is_held =
            |task: &TaskId| self.shuffle.as_ref().is_some_and(|shuffle| shuffle.holds(*task));
        queue.current.is_some() || !queue.waiting.iter().all(is_held)
    }

    /// Whether more than one task runs, waits for a CPU or sleeps until some time.
    #[must_use]
    pub(crate) fn has_company(&self) -> bool {
        let runnable: usize = (0..self.queues.len() as u32).map(|cpu| self.load(CpuId(cpu))).sum();
        runnable + self.sleepers.len() > 1
    }

    /// What the seed's later choices follow from.
    pub(crate) fn digest(&self, update: &mut dyn FnMut(&[u8])) {
        if let Some(shuffle) = &self.shuffle {
            shuffle.digest(update);
        }
    }

    /// Makes a task current on a CPU that has none, whatever waits.
    pub fn set_current(&mut self, cpu: CpuId, task: TaskId) {
        let queue = self.queue(cpu);
        debug_assert!(queue.current.is_none());
        queue.current = Some(task);
        queue.ticks_left = TIMESLICE_TICKS;
    }

    /// When a CPU's next tick is due, ns since boot.
    #[must_use]
    pub fn next_tick_ns(&self, cpu: CpuId) -> u64 {
        self.queues[cpu.0 as usize].next_tick_ns
    }

    /// A tick at `now_ns`: counts down the time slice.
    pub fn tick(&mut self, cpu: CpuId, now_ns: u64) {
        let queue = self.queue(cpu);
        queue.next_tick_ns = (now_ns / TICK_NS + 1) * TICK_NS;
        queue.ticks_left = queue.ticks_left.saturating_sub(1);
        if queue.ticks_left == 0 && !queue.waiting.is_empty() {
            queue.need_resched = true;
        }
    }

    /// Asks for another task at the next return to user mode (`set_tsk_need_resched`).
    pub fn set_need_resched(&mut self, cpu: CpuId) {
        self.queue(cpu).need_resched = true;
    }

    /// Whether another task should run.
    #[must_use]
    pub fn need_resched(&self, cpu: CpuId) -> bool {
        self.queues[cpu.0 as usize].need_resched
    }

    /// Lets a task sleep until `deadline_ns`.
    pub fn add_sleeper(&mut self, deadline_ns: u64, task: TaskId) {
        self.sleepers.insert((deadline_ns, task), ());
    }

    /// Takes a task out of the sleepers.
    pub fn remove_sleeper(&mut self, deadline_ns: u64, task: TaskId) {
        self.sleepers.remove(&(deadline_ns, task));
    }

    /// The sleeper that is due first.
    #[must_use]
    pub fn first_sleeper(&self) -> Option<(u64, TaskId)> {
        self.sleepers.keys().next().copied()
    }
}
