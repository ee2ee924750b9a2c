//! Speed of the run loop: three kinds of loop, without and with the timing model,
//! and with four breakpoints armed on pages that the loop does not touch.

#![allow(missing_docs)]

mod machine;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use emulator::timing::TimingChoice;
use machine::{Body, ELSEWHERE, arm_four, finish, looping};

const ROUNDS: u32 = 200_000;

fn loops(c: &mut Criterion) {
    let mut group = c.benchmark_group("interpreter");
    group.sample_size(20);
    for body in [Body::Integer, Body::Memory, Body::Branchy] {
        let insns = finish(&mut looping(body, ROUNDS, TimingChoice::None));
        group.throughput(Throughput::Elements(insns));
        let plain = || looping(body, ROUNDS, TimingChoice::None);
        let watched = || {
            let mut machine = plain();
            arm_four(&mut machine, ELSEWHERE);
            machine
        };
        let timed = || looping(body, ROUNDS, TimingChoice::Table);
        group.bench_function(format!("{}/unwatched", body.name()), |b| {
            b.iter_batched_ref(plain, finish, BatchSize::PerIteration);
        });
        group.bench_function(format!("{}/four_watches_elsewhere", body.name()), |b| {
            b.iter_batched_ref(watched, finish, BatchSize::PerIteration);
        });
        group.bench_function(format!("{}/table_timing", body.name()), |b| {
            b.iter_batched_ref(timed, finish, BatchSize::PerIteration);
        });
    }
    group.finish();
}

criterion_group!(benches, loops);
criterion_main!(benches);
