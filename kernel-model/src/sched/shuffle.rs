//! Another interleaving for each seed: what `--sched-seed` makes of the scheduler's choices.
//!
//! [`Shuffle`] is all of its state, and its numbers follow from the seed alone. It varies what
//! Linux leaves open: how long a task runs before another one may, which of the runnable tasks
//! runs next, which CPU a woken task goes to, and whether it preempts its waker. So that races
//! which need a long delay show as well, it holds a task back for a while, and for a while gives
//! some tasks a low priority, after the chaos mode of rr (O'Callahan, "Introducing rr Chaos Mode").
//! A CPU that has only a task that is held back stands still while its clock runs on, as one does
//! whose hypervisor runs something else.

use std::collections::{BTreeMap, VecDeque};

use perf_core::{CpuId, TaskId};

use crate::random::SplitMix;

/// Quanta are up to 2^n cycles for an n of these.
const QUANTUM_LOG2: [u32; 6] = [4, 5, 6, 8, 11, 15];
/// While a task is held back, half of the quanta are up to 2^n cycles for an n between these:
/// what the others do meanwhile is to have room.
const LONG_QUANTUM_LOG2: (u32, u32) = (8, 15);
/// One choice of a task in so many holds one back.
const HOLD_ONE_IN: [u64; 4] = [4, 16, 64, 4096];
/// A task is held back for up to 2^n ns, for an n between these.
const HOLD_LOG2: (u32, u32) = (8, 23);
/// One new task in so many is held back before its first instruction. Where all are, they start
/// together when their maker waits for them.
const HOLD_NEW_ONE_IN: [u64; 3] = [1, 4, 4096];
/// One quantum in so many ends in a choice where nobody else waits for the CPU.
const PAUSE_ONE_IN: [u64; 4] = [2, 8, 32, 256];
/// Priorities are dealt again after up to 2^n ns, for an n between these.
const EPOCH_LOG2: (u32, u32) = (12, 20);
/// One task in so many has a low priority.
const LOW_ONE_IN: u64 = 6;
/// One wakeup in so many chooses any CPU.
const ANY_CPU_ONE_IN: u64 = 2;
/// One wakeup in so many preempts the task that runs.
const PREEMPT_ONE_IN: u64 = 3;

/// What a seed does often and what seldom: some races show under the one, some under the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Style {
    quantum_log2: u32,
    hold_one_in: u64,
    hold_new_one_in: u64,
    pause_one_in: u64,
}

impl Style {
    fn deal(random: &mut SplitMix) -> Self {
        Self {
            quantum_log2: random.pick(QUANTUM_LOG2),
            hold_one_in: random.pick(HOLD_ONE_IN),
            hold_new_one_in: random.pick(HOLD_NEW_ONE_IN),
            pause_one_in: random.pick(PAUSE_ONE_IN),
        }
    }
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
    /// Follows from the seed, and never changes.
    style: Style,
    /// From this and a task's number its priority follows.
    priorities: u64,
    /// When priorities are dealt again, ns since boot.
    epoch_end_ns: u64,
    /// Tasks that do not run for a while, and until when, ns since boot.
    held: BTreeMap<TaskId, u64>,
    /// A task became runnable: the quantum is cut short.
    is_cut: bool,
}

impl Shuffle {
    /// The choices of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        // Neighbouring seeds are to have nothing in common.
        let mut random = SplitMix::new(SplitMix::new(seed).word());
        let style = Style::deal(&mut random);
        let priorities = random.word();
        Self { random, style, priorities, epoch_end_ns: 0, held: BTreeMap::new(), is_cut: false }
    }

    /// Everything that later choices follow from.
    pub(crate) fn digest(&self, update: &mut dyn FnMut(&[u8])) {
        let words = [
            self.random.state(),
            self.priorities,
            self.epoch_end_ns,
            u64::from(self.is_cut),
            self.held.len() as u64,
        ];
        let held = self.held.iter().flat_map(|(task, until)| [u64::from(task.0), *until]);
        for word in words.into_iter().chain(held) {
            update(&word.to_le_bytes());
        }
    }

    /// Cycles that a task runs before another one may.
    pub(crate) fn quantum(&mut self) -> u64 {
        self.is_cut = false;
        if !self.held.is_empty() && self.random.one_in(2) {
            return self.random.spread(LONG_QUANTUM_LOG2.0, LONG_QUANTUM_LOG2.1);
        }
        self.random.spread(0, self.style.quantum_log2)
    }

    /// Whether a quantum ends in a choice although nobody else waits for the CPU.
    pub(crate) fn pauses(&mut self) -> bool {
        self.random.one_in(self.style.pause_one_in)
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
        self.held.retain(|_, until| now_ns < *until);
        if !waiting.is_empty() && self.random.one_in(self.style.hold_one_in) {
            // Half of them where they have just been preempted: these came last.
            let last = waiting.len() - 1;
            let any = self.random.below(waiting.len() as u64) as usize;
            let at = if self.random.one_in(2) { last } else { any };
            self.hold(waiting[at], now_ns);
        }
        let ready: Vec<usize> = (0..waiting.len()).filter(|&at| !self.holds(waiting[at])).collect();
        let high: Vec<usize> =
            ready.iter().copied().filter(|&at| !self.is_low(waiting[at])).collect();
        let among = if high.is_empty() { &ready } else { &high };
        if let Some(&at) = among.get(self.random.below(among.len() as u64) as usize) {
            return waiting.remove(at).map_or(Pick::Idle, Pick::Task);
        }
        let first = waiting.iter().filter_map(|task| self.held.get(task)).min();
        first.map_or(Pick::Idle, |until| Pick::Held(*until))
    }

    /// Holds a task back for a while, unless it is already.
    fn hold(&mut self, task: TaskId, now_ns: u64) {
        let until_ns = now_ns + self.random.spread(HOLD_LOG2.0, HOLD_LOG2.1);
        self.held.entry(task).or_insert(until_ns);
    }

    /// A task is new: some start late.
    pub(crate) fn started(&mut self, task: TaskId, now_ns: u64) {
        if self.style.hold_new_one_in == 1 {
            self.held.insert(task, now_ns + (1 << HOLD_LOG2.1));
        } else if self.random.one_in(self.style.hold_new_one_in) {
            self.hold(task, now_ns);
        }
    }

    /// Whether a task is held back.
    pub(crate) fn holds(&self, task: TaskId) -> bool {
        self.held.contains_key(&task)
    }

    fn is_low(&self, task: TaskId) -> bool {
        SplitMix::new(self.priorities ^ u64::from(task.0)).one_in(LOW_ONE_IN)
    }

    /// Nothing else can run: those that are held back may, all together or the first of them.
    pub(crate) fn release(&mut self) {
        let first = self.held.values().min().copied();
        if self.random.one_in(2) {
            self.held.clear();
        } else if let Some(first) = first {
            self.held.retain(|_, until| *until > first);
        }
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
                    Pick::Held(until_ns) => {
                        assert!(until_ns > now_ns);
                        shuffle.release();
                    }
                    Pick::Idle => panic!("four tasks wait"),
                }
            }
            assert!(turns[1..].iter().all(|&turns| turns > 500), "seed {seed}: {turns:?}");
        }
    }

    #[test]
    fn one_task_is_held_until_it_is_released() {
        let mut shuffle = Shuffle::new(1);
        let mut waiting = VecDeque::from([TaskId(7)]);
        shuffle.style.hold_one_in = 4;
        let held = (0..1000).find_map(|_| match shuffle.pick(&mut waiting, 5) {
            Pick::Task(task) => {
                waiting.push_back(task);
                None
            }
            Pick::Held(until_ns) => Some(until_ns),
            Pick::Idle => panic!("a task waits"),
        });
        let until_ns = held.expect("one in four is held");
        assert!(until_ns > 5);
        assert_eq!(shuffle.pick(&mut waiting, until_ns - 1), Pick::Held(until_ns));
        assert_eq!(shuffle.pick(&mut VecDeque::new(), until_ns - 1), Pick::Idle);
        shuffle.release();
        assert!(shuffle.held.is_empty());
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
