//! Semaphores: operations that are done all at once or wait, and what is undone.
//! Source: Linux 6.18 `ipc/sem.c` (`perform_atomic_semop`, `do_smart_update`, `exit_sem`).

use std::collections::{BTreeMap, VecDeque};

use perf_core::{Errno, TaskId};

use crate::task::ProcessId;
use crate::uapi::ipc::{IPC_NOWAIT, SEM_UNDO, SEMVMX};

/// Bytes that a semaphore takes of the kernel's memory (a cache line).
const SEM_BYTES: u64 = 64;

/// A semaphore.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sem {
    /// Its value, 0 to SEMVMX.
    pub value: i32,
    /// The process that operated on it last.
    pub pid: u32,
}

/// An operation (`struct sembuf`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SemOp {
    /// Which semaphore of the set.
    pub num: u16,
    /// What is added; 0 waits for zero.
    pub op: i16,
    /// IPC_NOWAIT and SEM_UNDO.
    pub flags: u16,
}

/// Who operates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operator {
    /// The thread.
    pub task: TaskId,
    /// Whose undo list it is.
    pub process: ProcessId,
    /// Its process id.
    pub pid: u32,
}

/// What became of a call's operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// All are done.
    Done,
    /// None is; the operation at this place has to wait.
    Blocked(usize),
    /// None is, and none will be.
    Failed(Errno),
}

/// A call that waits.
#[derive(Clone, Debug)]
struct Pending {
    by: Operator,
    ops: Vec<SemOp>,
    blocking: usize,
}

/// A set of semaphores.
#[derive(Clone, Debug)]
pub struct SemArray {
    sems: Vec<Sem>,
    pending: VecDeque<Pending>,
    undo: BTreeMap<ProcessId, BTreeMap<u16, i32>>,
    /// Time of the last operation, s since 1970; 0 without any.
    pub otime: u64,
    /// Time of the last change by semctl.
    pub ctime: u64,
}

impl SemArray {
    /// A set of zeroes.
    #[must_use]
    pub fn new(nr: usize, now_s: u64) -> Self {
        Self {
            sems: vec![Sem::default(); nr],
            pending: VecDeque::new(),
            undo: BTreeMap::new(),
            otime: 0,
            ctime: now_s,
        }
    }

    /// Bytes that a set takes of the kernel's memory.
    #[must_use]
    pub const fn charged_bytes(nr: u64) -> u64 {
        nr * SEM_BYTES
    }

    /// The semaphores.
    #[must_use]
    pub fn sems(&self) -> &[Sem] {
        &self.sems
    }

    /// Calls that wait for a semaphore to grow.
    #[must_use]
    pub fn nr_waiting_to_take(&self, num: u16) -> usize {
        self.nr_blocked_at(num, |op| op < 0)
    }

    /// Calls that wait for a semaphore to become zero.
    #[must_use]
    pub fn nr_waiting_for_zero(&self, num: u16) -> usize {
        self.nr_blocked_at(num, |op| op == 0)
    }

    fn nr_blocked_at(&self, num: u16, wanted: impl Fn(i16) -> bool) -> usize {
        let blocked = self.pending.iter().map(|pending| pending.ops[pending.blocking]);
        blocked.filter(|op| op.num == num && wanted(op.op)).count()
    }

    /// Tries all operations. The places must be those of the set.
    pub fn try_ops(&mut self, by: Operator, ops: &[SemOp]) -> Attempt {
        for (at, op) in ops.iter().enumerate() {
            let outcome = self.try_one(by, *op);
            if outcome == Attempt::Done {
                continue;
            }
            for done in ops[..at].iter().rev() {
                self.add(by, *done, -i32::from(done.op));
            }
            return match outcome {
                Attempt::Blocked(_) if u64::from(op.flags) & IPC_NOWAIT != 0 => {
                    Attempt::Failed(Errno::EAGAIN)
                }
                Attempt::Blocked(_) => Attempt::Blocked(at),
                other => other,
            };
        }
        for op in ops {
            self.sems[usize::from(op.num)].pid = by.pid;
        }
        Attempt::Done
    }

    fn try_one(&mut self, by: Operator, op: SemOp) -> Attempt {
        let value = self.sems[usize::from(op.num)].value;
        let result = value + i32::from(op.op);
        if op.op == 0 && value != 0 || result < 0 {
            return Attempt::Blocked(0);
        }
        if result > SEMVMX {
            return Attempt::Failed(Errno::ERANGE);
        }
        if op.flags & SEM_UNDO != 0 {
            let undo = self.undo_of(by.process, op.num) - i32::from(op.op);
            if !(-SEMVMX - 1..=SEMVMX).contains(&undo) {
                return Attempt::Failed(Errno::ERANGE);
            }
        }
        self.add(by, op, i32::from(op.op));
        Attempt::Done
    }

    fn undo_of(&self, process: ProcessId, num: u16) -> i32 {
        self.undo.get(&process).and_then(|list| list.get(&num)).copied().unwrap_or(0)
    }

    /// Adds to a semaphore, and what undoes that to the process's list.
    fn add(&mut self, by: Operator, op: SemOp, amount: i32) {
        self.sems[usize::from(op.num)].value += amount;
        if op.flags & SEM_UNDO != 0 && amount != 0 {
            *self.undo.entry(by.process).or_default().entry(op.num).or_insert(0) -= amount;
        }
    }

    /// Puts a call behind those that wait.
    pub fn wait(&mut self, by: Operator, ops: Vec<SemOp>, blocking: usize) {
        self.pending.push_back(Pending { by, ops, blocking });
    }

    /// A task waits no longer.
    pub fn cancel(&mut self, task: TaskId) {
        self.pending.retain(|pending| pending.by.task != task);
    }

    /// All that wait, for an array that is removed.
    #[must_use]
    pub fn waiting(&self) -> Vec<TaskId> {
        self.pending.iter().map(|pending| pending.by.task).collect()
    }

    /// Completes the waiting calls that can be after a change: first those that only wait for
    /// zeroes, then the others in the order of their coming, from the first again after each
    /// that changes something.
    pub fn settle(&mut self) -> Vec<(TaskId, Result<(), Errno>)> {
        let mut completed = Vec::new();
        while let Some(next) = self.settle_one(Alters::No).or_else(|| self.settle_one(Alters::Yes))
        {
            completed.push(next);
        }
        completed
    }

    fn settle_one(&mut self, alters: Alters) -> Option<(TaskId, Result<(), Errno>)> {
        for at in 0..self.pending.len() {
            if Alters::of(&self.pending[at].ops) != alters {
                continue;
            }
            let Pending { by, ops, .. } = self.pending[at].clone();
            let result = match self.try_ops(by, &ops) {
                Attempt::Blocked(place) => {
                    self.pending[at].blocking = place;
                    continue;
                }
                Attempt::Done => Ok(()),
                Attempt::Failed(errno) => Err(errno),
            };
            self.pending.remove(at);
            return Some((by.task, result));
        }
        None
    }

    /// SETVAL: nothing of it is undone any more.
    pub fn set_value(&mut self, num: u16, value: i32, pid: u32) {
        self.sems[usize::from(num)] = Sem { value, pid };
        for list in self.undo.values_mut() {
            list.remove(&num);
        }
    }

    /// SETALL.
    pub fn set_all(&mut self, values: &[u16], pid: u32) {
        for (sem, value) in self.sems.iter_mut().zip(values) {
            *sem = Sem { value: i32::from(*value), pid };
        }
        self.undo.clear();
    }

    /// A process has ended: what it did with SEM_UNDO is undone. Whether there was something.
    pub fn exit(&mut self, process: ProcessId, pid: u32) -> bool {
        let Some(list) = self.undo.remove(&process) else { return false };
        for (num, amount) in list.into_iter().filter(|(_, amount)| *amount != 0) {
            let sem = &mut self.sems[usize::from(num)];
            sem.value = (sem.value + amount).clamp(0, SEMVMX);
            sem.pid = pid;
        }
        true
    }
}

/// Whether a call changes anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alters {
    /// All its operations wait for zero.
    No,
    /// It takes or gives.
    Yes,
}

impl Alters {
    /// Of these operations.
    #[must_use]
    pub fn of(ops: &[SemOp]) -> Self {
        if ops.iter().any(|op| op.op != 0) { Self::Yes } else { Self::No }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn by(number: u32) -> Operator {
        Operator { task: TaskId(number), process: ProcessId(number), pid: number }
    }

    fn op(num: u16, op: i16, flags: u16) -> SemOp {
        SemOp { num, op, flags }
    }

    #[test]
    fn a_call_is_done_whole_or_not_at_all() {
        let mut set = SemArray::new(2, 0);
        let both = [op(0, 1, SEM_UNDO), op(1, -1, 0)];
        assert_eq!(set.try_ops(by(1), &both), Attempt::Blocked(1));
        assert_eq!(set.sems()[0], Sem::default());
        let no_wait = [op(0, -1, IPC_NOWAIT as u16)];
        assert_eq!(set.try_ops(by(1), &no_wait), Attempt::Failed(Errno::EAGAIN));
        set.set_value(1, SEMVMX, 3);
        assert_eq!(set.try_ops(by(1), &[op(1, 1, 0)]), Attempt::Failed(Errno::ERANGE));
        assert_eq!(set.try_ops(by(1), &both), Attempt::Done);
        assert_eq!(set.sems(), [Sem { value: 1, pid: 1 }, Sem { value: SEMVMX - 1, pid: 1 }]);
        assert!(set.exit(ProcessId(1), 1));
        assert_eq!(set.sems()[0].value, 0);
    }

    #[test]
    fn waiters_come_in_their_order_and_zeroes_first() {
        let mut set = SemArray::new(1, 0);
        for (task, amount) in [(1, -2), (2, -1), (3, 0)] {
            let ops = vec![op(0, amount, 0)];
            if let Attempt::Blocked(at) = set.try_ops(by(task), &ops) {
                set.wait(by(task), ops, at);
            }
        }
        assert_eq!(set.waiting(), [TaskId(1), TaskId(2)]);
        assert_eq!((set.nr_waiting_to_take(0), set.nr_waiting_for_zero(0)), (2, 0));
        set.set_value(0, 3, 9);
        let zero = vec![op(0, 0, 0)];
        set.wait(by(3), zero, 0);
        assert_eq!(set.nr_waiting_for_zero(0), 1);
        let order: Vec<u32> = set.settle().into_iter().map(|(task, _)| task.0).collect();
        assert_eq!(order, [1, 2, 3]);
    }

    /// What try_ops should do, said plainly.
    fn twin(values: &[i32], ops: &[SemOp]) -> Result<Vec<i32>, Attempt> {
        let mut new = values.to_vec();
        for (at, op) in ops.iter().enumerate() {
            let value = &mut new[usize::from(op.num)];
            *value += i32::from(op.op);
            let waits = *value < 0 || op.op == 0 && *value != 0;
            if waits && u64::from(op.flags) & IPC_NOWAIT != 0 {
                return Err(Attempt::Failed(Errno::EAGAIN));
            } else if waits {
                return Err(Attempt::Blocked(at));
            } else if *value > SEMVMX {
                return Err(Attempt::Failed(Errno::ERANGE));
            }
        }
        Ok(new)
    }

    proptest! {
        #[test]
        fn operations_agree_with_a_plain_model(
            calls in prop::collection::vec(
                prop::collection::vec((0u16..3, -4i16..5, prop::bool::ANY), 1..5), 0..40)
        ) {
            let mut set = SemArray::new(3, 0);
            let mut values = vec![0; 3];
            for call in calls {
                let flag = |waits| if waits { 0 } else { IPC_NOWAIT as u16 };
                let ops: Vec<SemOp> =
                    call.into_iter().map(|(num, amount, waits)| op(num, amount, flag(waits))).collect();
                let got = set.try_ops(by(1), &ops);
                match twin(&values, &ops) {
                    Ok(new) => {
                        prop_assert_eq!(got, Attempt::Done);
                        values = new;
                    }
                    Err(want) => prop_assert_eq!(got, want),
                }
                let now: Vec<i32> = set.sems().iter().map(|sem| sem.value).collect();
                prop_assert_eq!(&now, &values);
            }
        }

        #[test]
        fn the_end_of_all_processes_undoes_everything(
            calls in prop::collection::vec((0u32..4, 0u16..3, -4i16..5), 0..60)
        ) {
            let mut set = SemArray::new(3, 0);
            for (who, num, amount) in calls {
                let ops = vec![op(num, amount, SEM_UNDO)];
                if let Attempt::Blocked(at) = set.try_ops(by(who), &ops)
                    && !set.waiting().contains(&TaskId(who))
                {
                    set.wait(by(who), ops, at);
                }
                set.settle();
            }
            for who in 0..4 {
                set.cancel(TaskId(who));
            }
            // In any order; a value never becomes negative on the way up.
            for who in 0..4 {
                set.exit(ProcessId(who), who);
            }
            prop_assert!(set.sems().iter().all(|sem| (0..=SEMVMX).contains(&sem.value)));
            prop_assert!(set.undo.is_empty());
        }
    }
}
