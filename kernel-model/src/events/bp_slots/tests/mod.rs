//! Tests of the slot constraints: `scenarios` has the worked examples, `random` compares against
//! the twin in `twin`, `long` on a larger machine, `generations` has section 2.4, `invariants` recomputes the histograms, `cases` has single rules.

mod cases;
mod generations;
mod invariants;
mod long;
mod random;
mod scenarios;
mod twin;

use perf_core::{CpuId, EventId, Target, TaskId};

fn wide(cpu: u32) -> Target {
    Target::Cpu(CpuId(cpu))
}

fn any_cpu(task: u32) -> Target {
    Target::Task(TaskId(task), None)
}

fn bound(task: u32, cpu: u32) -> Target {
    Target::Task(TaskId(task), Some(CpuId(cpu)))
}

fn event(number: usize) -> EventId {
    EventId(number as u32)
}
