//! The slot constraints: what opening and closing a breakpoint costs by the number of tasks that
//! hold one, and by the number of CPUs. `dr7 bench slots` shows the same as a table of medians.

#![allow(missing_docs)]

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use dr7::event_stands::{Opening, PerfStand, SlotsStand};

/// Tasks that hold a breakpoint.
const TASKS: [u32; 6] = [0, 1, 64, 1024, 16_384, 100_000];
/// CPUs of the machine.
const CPUS: [u32; 4] = [2, 16, 64, 256];
/// Tasks where the CPUs vary, and CPUs where the tasks do.
const SOME_TASKS: u32 = 1024;
const SOME_CPUS: u32 = 2;

fn reserve_release(c: &mut Criterion) {
    for opening in Opening::ALL {
        let mut by_tasks = c.benchmark_group(format!("slots/{}/tasks", opening.name()));
        for nr_tasks in TASKS {
            let mut stand = SlotsStand::new(opening, nr_tasks, SOME_CPUS);
            by_tasks.bench_function(BenchmarkId::from_parameter(nr_tasks), |b| {
                b.iter(|| stand.reserve_release());
            });
        }
        by_tasks.finish();
        let mut by_cpus = c.benchmark_group(format!("slots/{}/cpus", opening.name()));
        for nr_cpus in CPUS {
            let mut stand = SlotsStand::new(opening, SOME_TASKS, nr_cpus);
            by_cpus.bench_function(BenchmarkId::from_parameter(nr_cpus), |b| {
                b.iter(|| stand.reserve_release());
            });
        }
        by_cpus.finish();
    }
}

fn open_close(c: &mut Criterion) {
    let mut group = c.benchmark_group("perf/open_close/tasks");
    for nr_tasks in TASKS {
        let mut stand = PerfStand::with_tasks(nr_tasks).expect("a free slot for each task");
        group.bench_function(BenchmarkId::from_parameter(nr_tasks), |b| {
            b.iter(|| stand.open_close());
        });
    }
    group.finish();
}

criterion_group!(benches, reserve_release, open_close);
criterion_main!(benches);
