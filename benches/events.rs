//! The event layer's hot paths: events coming and going with a task, records into a ring buffer,
//! rotation. The slots themselves are in `slots.rs`.

#![allow(missing_docs)]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use dr7::event_stands::PerfStand;

fn sched_in_out(c: &mut Criterion) {
    let mut group = c.benchmark_group("sched/in_out");
    for nr_breakpoints in 0..=4 {
        let mut stand = PerfStand::with_events(nr_breakpoints, 0).expect("four slots");
        group.bench_function(BenchmarkId::from_parameter(nr_breakpoints), |b| {
            b.iter(|| stand.switch_in_out());
        });
    }
    group.finish();
    let mut group = c.benchmark_group("sched/in_out_software");
    for nr_software in [0, 4, 16, 64] {
        let mut stand = PerfStand::with_events(1, nr_software).expect("one slot");
        group.bench_function(BenchmarkId::from_parameter(nr_software), |b| {
            b.iter(|| stand.switch_in_out());
        });
    }
    group.finish();
}

fn ring_buffer_write(c: &mut Criterion) {
    let mut stand = PerfStand::sampling().expect("one slot and a buffer");
    let mut group = c.benchmark_group("ring_buffer");
    group.throughput(Throughput::Elements(1));
    group.bench_function("write_sample", |b| b.iter(|| stand.overflow()));
    group.finish();
}

fn rotate(c: &mut Criterion) {
    let mut stand = PerfStand::crowded().expect("counters need no slot");
    c.bench_function("sched/rotate", |b| b.iter(|| stand.rotate()));
}

criterion_group!(benches, sched_in_out, ring_buffer_write, rotate);
criterion_main!(benches);
