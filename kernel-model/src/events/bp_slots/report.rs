//! Who holds the breakpoint slots: what a user is told with ENOSPC.
//!
//! Key type: [`SlotReport`], a matrix of CPUs (columns) against the holders (rows): the CPU-wide
//! events of each CPU, and the tasks whose events stood in the way.

use std::collections::BTreeMap;
use std::fmt;

use perf_core::{CpuId, EventId, Target, TaskId};

use super::scheme::InTheWay;
use super::{BpSlots, SlotRefusal};

/// Rows of tasks that are printed at most.
const MAX_TASK_ROWS: usize = 16;

/// What a CPU's slots are taken by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpuHolders {
    /// The CPU.
    pub cpu: CpuId,
    /// Its CPU-wide events.
    pub wide: Vec<EventId>,
    /// Slots that the refused event saw taken: the CPU-wide ones, and those of its own task or,
    /// for a CPU-wide event, of the task that has most.
    pub taken: usize,
}

/// What a task holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskHolders {
    /// The task.
    pub task: TaskId,
    /// Its events, and for each the CPU that it is bound to.
    pub events: Vec<(EventId, Option<CpuId>)>,
}

impl TaskHolders {
    /// The task's events that count on a CPU.
    fn on(&self, cpu: CpuId) -> impl Iterator<Item = EventId> + '_ {
        let here = move |bound: &Option<CpuId>| bound.is_none_or(|bound| bound == cpu);
        self.events.iter().filter(move |(_, bound)| here(bound)).map(|(event, _)| *event)
    }
}

/// Names of holders, for people.
pub trait HolderNames {
    /// A task, such as `make (4711)`.
    fn task(&self, task: TaskId) -> String;
    /// An event, such as what the user asked for.
    fn event(&self, event: EventId) -> String;
}

/// Who held the slots when a reservation was refused. `Display` prints it as a matrix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotReport {
    /// What was refused.
    pub refusal: SlotRefusal,
    /// The CPUs that the refused event would have counted on.
    pub cpus: Vec<CpuHolders>,
    /// For a task's event that task alone (what others hold does not matter, property P5 of
    /// section 2.1); for a CPU-wide event every task with a slot on that CPU, fullest first. In
    /// older generations others' events matter more.
    pub tasks: Vec<TaskHolders>,
    /// Slots that are lost until reboot.
    pub nr_leaked: usize,
    task_names: BTreeMap<TaskId, String>,
    event_names: BTreeMap<EventId, String>,
}

impl SlotReport {
    pub(super) fn new(slots: &BpSlots, refusal: SlotRefusal) -> Self {
        let target = refusal.target;
        let all = (0..slots.scheme.nr_cpus() as u32).map(CpuId);
        let cpus = all.filter(|cpu| target.cpu().is_none_or(|bound| bound == *cpu));
        let held: Vec<_> = slots.held_in_pool(refusal.idx).collect();
        let wide = |cpu| {
            let on_it = held.iter().filter(move |(_, target)| *target == Target::Cpu(cpu));
            on_it.map(|(event, _)| *event).collect()
        };
        let taken = |cpu| slots.scheme.taken_on(refusal.idx, target, cpu);
        let cpus = cpus.map(|cpu| CpuHolders { cpu, wide: wide(cpu), taken: taken(cpu) });
        Self {
            refusal,
            cpus: cpus.collect(),
            tasks: task_rows(&held, target.task(), slots.scheme.in_the_way(target)),
            nr_leaked: slots.nr_leaked(),
            task_names: BTreeMap::new(),
            event_names: BTreeMap::new(),
        }
    }

    /// The same report with names instead of ids.
    #[must_use]
    pub fn with_names(mut self, names: &dyn HolderNames) -> Self {
        let requester = self.refusal.target.task();
        let tasks = self.tasks.iter().map(|row| row.task).chain(requester);
        self.task_names = tasks.map(|task| (task, names.task(task))).collect();
        let wide = self.cpus.iter().flat_map(|row| row.wide.iter().copied());
        let bound = self.tasks.iter().flat_map(|row| row.events.iter().map(|(event, _)| *event));
        self.event_names = wide.chain(bound).map(|event| (event, names.event(event))).collect();
        self
    }

    fn task_name(&self, task: TaskId) -> String {
        self.task_names.get(&task).cloned().unwrap_or_else(|| task.to_string())
    }

    fn event_list(&self, events: impl Iterator<Item = EventId>) -> String {
        let name = |event: EventId| match self.event_names.get(&event) {
            Some(name) => name.clone(),
            None => event.to_string(),
        };
        let names: Vec<_> = events.map(name).collect();
        if names.is_empty() { "-".to_owned() } else { names.join(", ") }
    }

    /// The first line: what was asked for, and where there is no room.
    fn headline(&self) -> String {
        let wanted = match self.refusal.target {
            Target::Cpu(cpu) => format!("everything on {cpu}"),
            Target::Task(task, None) => format!("{} on any CPU", self.task_name(task)),
            Target::Task(task, Some(cpu)) => format!("{} on {cpu}", self.task_name(task)),
        };
        let SlotRefusal { needed, slots, .. } = self.refusal;
        if !self.is_refused() {
            return format!(
                "a breakpoint slot is free for {wanted}: {needed} of {slots} taken then"
            );
        }
        let full = self.cpus.iter().filter(|row| row.taken >= slots);
        let full: Vec<_> = full.map(|row| row.cpu.to_string()).collect();
        let full = full.join(", ");
        format!("no breakpoint slot for {wanted}: {full} would need {needed}, has {slots}")
    }

    /// The matrix alone: who holds what, a line a row, each after a line feed.
    #[must_use]
    pub fn matrix(&self) -> String {
        let rows = self.rows();
        let width_of = |column: usize| {
            rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
        };
        let widths: Vec<_> = (0..=self.cpus.len()).filter_map(width_of).collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
            format!("\n  {}", cells.collect::<Vec<_>>().join("  ").trim_end())
        };
        let mut matrix: String = rows.iter().map(line).collect();
        if let more @ 1.. = self.tasks.len().saturating_sub(MAX_TASK_ROWS) {
            matrix.push_str(&format!("\n  and {more} more tasks"));
        }
        if let lost @ 1.. = self.nr_leaked {
            matrix.push_str(&format!("\n  {lost} lost to opens that failed"));
        }
        matrix
    }

    /// All cells, row by row; the first of each row is its name.
    fn rows(&self) -> Vec<Vec<String>> {
        let row = |name: &str, cell: &dyn Fn(&CpuHolders) -> String| {
            let cells = self.cpus.iter().map(cell);
            std::iter::once(name.to_owned()).chain(cells).collect::<Vec<_>>()
        };
        let mut rows = vec![
            row("", &|column| column.cpu.to_string()),
            row("CPU-wide", &|column| self.event_list(column.wide.iter().copied())),
        ];
        for task in self.tasks.iter().take(MAX_TASK_ROWS) {
            let name = self.task_name(task.task);
            rows.push(row(&name, &|column| self.event_list(task.on(column.cpu))));
        }
        let slots = self.refusal.slots;
        rows.push(row("taken", &|column| format!("{} of {slots}", column.taken)));
        rows
    }
}

/// The tasks to show, from all events that hold a slot.
fn task_rows(
    held: &[(EventId, Target)],
    own: Option<TaskId>,
    in_the_way: InTheWay,
) -> Vec<TaskHolders> {
    let mut tasks: BTreeMap<TaskId, Vec<(EventId, Option<CpuId>)>> = BTreeMap::new();
    tasks.extend(own.map(|task| (task, Vec::new())));
    for (event, target) in held {
        if let Target::Task(task, cpu) = *target {
            tasks.entry(task).or_default().push((*event, cpu));
        }
    }
    let rows = tasks.into_iter().map(|(task, events)| TaskHolders { task, events });
    let mut rows: Vec<_> = rows
        .filter(|row| match in_the_way {
            InTheWay::OwnTask => Some(row.task) == own,
            InTheWay::OnCpu(cpu) => Some(row.task) == own || row.on(cpu).next().is_some(),
            InTheWay::All => true,
        })
        .collect();
    rows.sort_by_key(|row| {
        let nr_events = match in_the_way {
            InTheWay::OnCpu(cpu) => row.on(cpu).count(),
            InTheWay::OwnTask | InTheWay::All => row.events.len(),
        };
        std::cmp::Reverse(nr_events)
    });
    rows
}

impl fmt::Display for SlotReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.headline())?;
        f.write_str(&self.matrix())
    }
}
