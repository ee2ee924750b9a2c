//! Another interleaving for each seed: what `--sched-seed` makes of the scheduler's choices.
//!
//! [`Shuffle`] is all of its state, and its numbers follow from the seed alone. It varies what
//! Linux leaves open: how long a task runs before another one may, which of the runnable tasks
//! runs next, which CPU a woken task goes to, and whether it preempts its waker. So that races
//! which need a long delay show as well, it holds a task back for a while, and for a while gives
//! some tasks a low priority, after the chaos mode of rr (O'Callahan, "Introducing rr Chaos Mode").
//! A CPU that has only a task that is held back stands still while its clock runs on, as one does
//! whose hypervisor runs something else.

use std::collections::VecDeque;

use perf_core::{CpuId, TaskId};

use crate::random::SplitMix;

/// Quanta are up to 2^n cycles for an n of these; a seed has one.
const QUANTUM_LOG2: [u32; 4] = [6, 10, 12, 15];
/// Priorities are dealt again after up to 2^n ns, for an n between these.
const EPOCH_LOG2: (u32, u32) = (12, 20);
/// A task is held back for up to 2^n ns, for an n between these.
const HOLD_LOG2: (u32, u32) = (12, 23);
/// One choice of a task in so many holds another one back.
const HOLD_ONE_IN: u64 = 48;
/// One task in so many has a low priority.
const LOW_ONE_IN: u64 = 6;
/// One quantum in so many ends in a choice where nobody else waits for the CPU.
const PAUSE_ONE_IN: u64 = 32;
/// One wakeup in so many chooses any CPU.
const ANY_CPU_ONE_IN: u64 = 2;
/// One wakeup in so many preempts the task that runs.
const PREEMPT_ONE_IN: u64 = 3;

/// A task that does not run for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Hold {
    task: TaskId,
    until_ns: u64,
}

/// What a CPU does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pick {
    /// It runs this task, which is current now.
    Task(TaskId),
    /// Nothing waits for it.
    Idle,
    /// Its tasks are held back until then, ns since boot.
    Held(u64),
}

/// The seeded choices.
#[derive(Clone, Debug)]
pub struct Shuffle {
    random: SplitMix,
    quantum_log2: u32,
    /// From this and a task's number its priority follows.
    priorities: u64,
    /// When priorities are dealt again, ns since boot.
    epoch_end_ns: u64,
    hold: Option<Hold>,
    /// A task became runnable: the quantum is cut short.
    is_cut: bool,
}

impl Shuffle {
    /// The choices of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        // Neighbouring seeds are to have nothing in common.
        let mut random = SplitMix::new(SplitMix::new(seed).word());
        let quantum_log2 = QUANTUM_LOG2[random.below(QUANTUM_LOG2.len() as u64) as usize];
        let priorities = random.word();
        Self { random, quantum_log2, priorities, epoch_end_ns: 0, hold: None, is_cut: false }
    }

    /// Everything that later choices follow from.
    pub(crate) fn digest(&self, update: &mut dyn FnMut(&[u8])) {
        let (held, until) =
            self.hold.map_or((u64::MAX, 0), |hold| (hold.task.0.into(), hold.until_ns));
        for word in [
            self.random.state(),
            u64::from(self.quantum_log2),
            self.priorities,
            self.epoch_end_ns,
            held,
            until,
            u64::from(self.is_cut),
        ] {
            update(&word.to_le_bytes());
        }
    }

    /// Cycles that a task runs before another one may.
    pub(crate) fn quantum(&mut self) -> u64 {
        self.is_cut = false;
        self.random.spread(0, self.quantum_log2)
    }

    /// Whether a quantum ends in a choice although nobody else waits for the CPU.
    pub(crate) fn pauses(&mut self) -> bool {
        self.random.one_in(PAUSE_ONE_IN)
    }

    /// A task became runnable; whether it preempts the task that runs.
    pub(crate) fn woken(&mut self) -> bool {
        self.is_cut = true;
        self.random.one_in(PREEMPT_ONE_IN)
    }

    /// Whether a task became runnable since the quantum began, once.
    pub(crate) fn take_cut(&mut self) -> bool {
        std::mem::take(&mut self.is_cut)
    }

    /// The CPU of `allowed` that a task goes to, where it is not the usual one.
    pub(crate) fn other_cpu(&mut self, allowed: &[CpuId]) -> Option<CpuId> {
        if allowed.len() < 2 || !self.random.one_in(ANY_CPU_ONE_IN) {
            return None;
        }
        allowed.get(self.random.below(allowed.len() as u64) as usize).copied()
    }

    /// Takes one of the tasks that wait for a CPU out of its queue.
    pub(crate) fn pick(&mut self, waiting: &mut VecDeque<TaskId>, now_ns: u64) -> Pick {
        if now_ns >= self.epoch_end_ns {
            self.priorities = self.random.word();
            self.epoch_end_ns = now_ns + self.random.spread(EPOCH_LOG2.0, EPOCH_LOG2.1);
        }
        self.hold = self.hold.filter(|hold| now_ns < hold.until_ns);
        if self.hold.is_none() && !waiting.is_empty() && self.random.one_in(HOLD_ONE_IN) {
            let task = waiting[self.random.below(waiting.len() as u64) as usize];
            let until_ns = now_ns + self.random.spread(HOLD_LOG2.0, HOLD_LOG2.1);
            self.hold = Some(Hold { task, until_ns });
        }
        let ready: Vec<usize> = (0..waiting.len()).filter(|&at| !self.holds(waiting[at])).collect();
        let high: Vec<usize> =
            ready.iter().copied().filter(|&at| !self.is_low(waiting[at])).collect();
        let among = if high.is_empty() { &ready } else { &high };
        if let Some(&at) = among.get(self.random.below(among.len() as u64) as usize) {
            return waiting.remove(at).map_or(Pick::Idle, Pick::Task);
        }
        match self.hold {
            Some(hold) if !waiting.is_empty() => Pick::Held(hold.until_ns),
            _ => Pick::Idle,
        }
    }

    fn holds(&self, task: TaskId) -> bool {
        self.hold.is_some_and(|hold| hold.task == task)
    }

    fn is_low(&self, task: TaskId) -> bool {
        SplitMix::new(self.priorities ^ u64::from(task.0)).one_in(LOW_ONE_IN)
    }

    /// The task that is held back may run: nothing else can.
    pub(crate) fn release(&mut self) {
        self.hold = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(shuffle: &Shuffle) -> Vec<u8> {
        let mut bytes = Vec::new();
        shuffle.digest(&mut |part| bytes.extend_from_slice(part));
        bytes
    }

    /// Every task gets its turn, whatever is held back and whatever has a low priority.
    #[test]
    fn nobody_starves() {
        for seed in 0..50 {
            let mut shuffle = Shuffle::new(seed);
            let mut waiting: VecDeque<TaskId> = (1..=4).map(TaskId).collect();
            let (mut turns, mut now_ns) = ([0_u32; 5], 0);
            for _ in 0..20_000 {
                now_ns += 10_000;
                match shuffle.pick(&mut waiting, now_ns) {
                    Pick::Task(task) => {
                        turns[task.0 as usize] += 1;
                        waiting.push_back(task);
                    }
                    other => panic!("{other:?} of four tasks"),
                }
            }
            assert!(turns[1..].iter().all(|&turns| turns > 500), "seed {seed}: {turns:?}");
        }
    }

    #[test]
    fn one_task_is_held_until_it_is_released() {
        let mut shuffle = Shuffle::new(1);
        let mut waiting = VecDeque::from([TaskId(7)]);
        let held = (0..1000).find_map(|_| match shuffle.pick(&mut waiting, 5) {
            Pick::Task(task) => {
                waiting.push_back(task);
                None
            }
            Pick::Held(until_ns) => Some(until_ns),
            Pick::Idle => panic!("a task waits"),
        });
        let until_ns = held.expect("one in 48 is held");
        assert!(until_ns > 5);
        assert_eq!(shuffle.pick(&mut waiting, until_ns - 1), Pick::Held(until_ns));
        assert_eq!(shuffle.pick(&mut VecDeque::new(), until_ns - 1), Pick::Idle);
        shuffle.release();
        assert!(!shuffle.holds(TaskId(7)));
    }

    #[test]
    fn the_digest_tells_seeds_and_steps_apart() {
        let mut shuffle = Shuffle::new(1);
        let before = digest(&shuffle);
        assert_eq!(before, digest(&Shuffle::new(1)));
        assert_ne!(before, digest(&Shuffle::new(2)));
        let quantum = shuffle.quantum();
        assert!((1..=1 << 15).contains(&quantum));
        assert_ne!(before, digest(&shuffle));
    }
}
