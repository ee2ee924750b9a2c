//! What `dr7 bench slots` measures: rows, and the cells of each.

use perf_core::PerfEventAttr;
use perf_core::attr::abi::{AttrFlags, HW_BREAKPOINT_W};

use super::BenchError;
use crate::event_stands::{Opening, PerfStand, SlotsStand};
use crate::host_perf::{HostEvent, HostTarget};

/// Tasks that hold a breakpoint, besides the most.
const TASKS: [u32; 5] = [0, 1, 64, 1024, 16_384];
/// CPUs of the machine.
const CPUS: [u32; 4] = [2, 16, 64, 256];
/// Tasks where the CPUs vary, and CPUs where the tasks do.
const SOME_TASKS: u32 = 1024;
const SOME_CPUS: u32 = 2;
/// Software events of a task.
const SOFTWARE: [u64; 4] = [0, 4, 16, 64];
/// An address that nobody touches.
const UNTOUCHED: u64 = 0x1000;

/// What the cells of a row differ in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    /// Tasks that hold a breakpoint.
    Tasks,
    /// CPUs of the machine.
    Cpus,
    /// Breakpoints of the task.
    Breakpoints,
    /// Software events of the task.
    Software,
    /// Nothing: one cell.
    Once,
}

impl Column {
    /// The heading.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Tasks => "tasks that hold a breakpoint",
            Self::Cpus => "CPUs of the machine",
            Self::Breakpoints => "breakpoints of the task",
            Self::Software => "software events of the task, besides a breakpoint",
            Self::Once => "",
        }
    }
}

/// An operation that is measured, and its samples.
pub(super) struct Cell {
    pub(super) row: String,
    pub(super) column: Column,
    pub(super) number: u64,
    /// `false` if it did not do what it is measured for.
    pub(super) operation: Box<dyn FnMut() -> bool>,
    pub(super) operations: u32,
    /// ns for one operation, by round.
    pub(super) samples: Vec<f64>,
    pub(super) failed: bool,
}

/// The row of the model's own open and close, and of the running kernel's.
pub(super) const OPEN_CLOSE: &str = "open + close on self";
pub(super) const HOST_OPEN_CLOSE: &str = "this kernel: perf_event_open + close";

fn cell(row: &str, column: Column, number: u64, operation: impl FnMut() -> bool + 'static) -> Cell {
    Cell {
        row: row.to_owned(),
        column,
        number,
        operation: Box::new(operation),
        operations: 1,
        samples: Vec::new(),
        failed: false,
    }
}

/// All cells, row by row. `most_tasks` is the last of the numbers of tasks.
pub(super) fn cells(most_tasks: u32, with_host: bool) -> Result<Vec<Cell>, BenchError> {
    let tasks: Vec<u32> =
        TASKS.into_iter().filter(|nr_tasks| *nr_tasks < most_tasks).chain([most_tasks]).collect();
    let mut cells = Vec::new();
    for opening in Opening::ALL {
        let row = format!("reserve + release, {}", opening.name());
        for &nr_tasks in &tasks {
            let mut stand = SlotsStand::new(opening, nr_tasks, SOME_CPUS);
            let operation = move || stand.reserve_release();
            cells.push(cell(&row, Column::Tasks, u64::from(nr_tasks), operation));
        }
    }
    for &nr_tasks in &tasks {
        let mut stand = PerfStand::with_tasks(nr_tasks)?;
        let operation = move || stand.open_close();
        cells.push(cell(OPEN_CLOSE, Column::Tasks, u64::from(nr_tasks), operation));
    }
    for opening in Opening::ALL {
        let row = format!("reserve + release, {}", opening.name());
        for nr_cpus in CPUS {
            let mut stand = SlotsStand::new(opening, SOME_TASKS, nr_cpus);
            let operation = move || stand.reserve_release();
            cells.push(cell(&row, Column::Cpus, u64::from(nr_cpus), operation));
        }
    }
    cells.extend(behind_the_slots()?);
    if with_host {
        cells.push(cell(HOST_OPEN_CLOSE, Column::Once, 0, host_open_close));
    }
    Ok(cells)
}

/// Context switches, overflows, rotation.
fn behind_the_slots() -> Result<Vec<Cell>, BenchError> {
    let mut cells = Vec::new();
    for nr_breakpoints in 0..=4 {
        let mut stand = PerfStand::with_events(nr_breakpoints, 0)?;
        let operation = move || stand.switch_in_out();
        cells.push(cell("context switch in + out", Column::Breakpoints, nr_breakpoints, operation));
    }
    for nr_software in SOFTWARE {
        let mut stand = PerfStand::with_events(1, nr_software)?;
        let operation = move || stand.switch_in_out();
        cells.push(cell("context switch in + out", Column::Software, nr_software, operation));
    }
    let mut sampling = PerfStand::sampling()?;
    cells.push(cell("overflow into the ring buffer", Column::Once, 0, move || sampling.overflow()));
    let mut crowded = PerfStand::crowded()?;
    cells.push(cell("rotation of 12 counters", Column::Once, 0, move || crowded.rotate()));
    Ok(cells)
}

/// The running kernel's, on the calling thread.
fn host_open_close() -> bool {
    let attr =
        PerfEventAttr::breakpoint(UNTOUCHED, 8, HW_BREAKPOINT_W).with(AttrFlags::EXCLUDE_KERNEL);
    HostEvent::open(&attr, HostTarget::Task(0), None).is_ok()
}
