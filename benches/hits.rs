//! What a hit costs: a loop of stores to one word, without a breakpoint, and with one
//! that is counted, sampled into a ring buffer, or stops the guest as a tracer wants it.
//! Prints hits a second, and the share of the time that is not the store's own.

#![allow(missing_docs)]

mod machine;

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use emulator::debug::dr6;
use emulator::machine::Machine;
use emulator::run::Exit;
use iced_x86::IcedError;
use iced_x86::code_asm::*;
use kernel_model::kernel::Kernel;
use machine::process::{self, IMAGE, image, run};
use machine::stepping;

/// Stores of a run.
const STORES: u32 = 2000;
/// Runs behind a figure of the table.
const RUNS: usize = 15;

/// Where the program has its data.
const ATTR: u64 = IMAGE + 0x800;
const WORD: u64 = IMAGE + 0x900;

/// System calls of x86-64.
const MMAP: u32 = 9;
const EXIT: u32 = 60;
const PERF_EVENT_OPEN: u32 = 298;

/// How hits of the guest program are delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Delivery {
    /// There is no breakpoint.
    None,
    /// An event counts them.
    Counting,
    /// Every one is a sample in a ring buffer, which is never read.
    Sampling,
}

/// The program: opens its event, maps its buffer, stores.
fn program(a: &mut CodeAssembler, delivery: Delivery) -> Result<(), IcedError> {
    if delivery != Delivery::None {
        a.mov(eax, PERF_EVENT_OPEN)?;
        a.mov(edi, ATTR as u32)?;
        a.xor(esi, esi)?;
        a.mov(rdx, -1i64 as u64)?;
        a.mov(r10, -1i64 as u64)?;
        a.xor(r8d, r8d)?;
        a.syscall()?;
    }
    if delivery == Delivery::Sampling {
        a.mov(r8, rax)?;
        a.mov(eax, MMAP)?;
        a.xor(edi, edi)?;
        a.mov(esi, 9 * 4096)?;
        a.mov(edx, 1)?;
        a.mov(r10d, 1)?;
        a.xor(r9d, r9d)?;
        a.syscall()?;
    }
    let mut top = a.create_label();
    a.mov(ecx, STORES)?;
    a.set_label(&mut top)?;
    a.mov(dword_ptr(WORD), ecx)?;
    a.dec(ecx)?;
    a.jne(top)?;
    a.mov(eax, EXIT)?;
    a.xor(edi, edi)?;
    a.syscall()
}

/// `struct perf_event_attr` of a write breakpoint on [`WORD`] for user mode.
fn attr(delivery: Delivery) -> [u8; 128] {
    const TYPE_BREAKPOINT: u32 = 5;
    const SAMPLE_IP: u64 = 1;
    const EXCLUDE_KERNEL_AND_HV: u64 = 1 << 5 | 1 << 6;
    const BREAKPOINT_W: u32 = 2;
    let mut bytes = [0; 128];
    let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
    put(0, &TYPE_BREAKPOINT.to_le_bytes());
    put(4, &128u32.to_le_bytes());
    if delivery == Delivery::Sampling {
        put(16, &1u64.to_le_bytes());
        put(24, &SAMPLE_IP.to_le_bytes());
    }
    put(40, &EXCLUDE_KERNEL_AND_HV.to_le_bytes());
    put(52, &BREAKPOINT_W.to_le_bytes());
    put(56, &WORD.to_le_bytes());
    put(64, &4u64.to_le_bytes());
    bytes
}

/// A kernel with the program ready to run.
fn boot(delivery: Delivery) -> Kernel {
    process::boot(&image(|a| program(a, delivery), &[(ATTR, &attr(delivery))]))
}

/// Lets the guest stop at each hit, reads what a tracer reads, and goes on.
fn trace(machine: &mut Machine) -> u32 {
    let mut stops = 0;
    loop {
        match machine.run(0, u64::MAX) {
            Exit::Hypercall => {
                let cpu = machine.cpu_mut(0);
                black_box((cpu.debug().dr6(), cpu.regs.gpr.all(), cpu.regs.rflags()));
                cpu.set_dr6(dr6::RESET);
                stops += 1;
            }
            _ => return stops,
        }
    }
}

fn hits(c: &mut Criterion) {
    let mut group = c.benchmark_group("hits");
    group.sample_size(15);
    group.throughput(Throughput::Elements(u64::from(STORES)));
    for (name, delivery) in [
        ("unwatched", Delivery::None),
        ("counting", Delivery::Counting),
        ("sampling", Delivery::Sampling),
    ] {
        group.bench_function(name, |b| {
            b.iter_batched_ref(|| boot(delivery), run, BatchSize::PerIteration);
        });
    }
    group.bench_function("stop", |b| {
        b.iter_batched_ref(|| stepping(STORES, true), trace, BatchSize::PerIteration);
    });
    group.finish();
    table();
}

/// The median time of a run.
fn median<T>(mut make: impl FnMut() -> T, mut run: impl FnMut(&mut T)) -> Duration {
    let mut times: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let mut made = make();
            let start = Instant::now();
            run(&mut made);
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[RUNS / 2]
}

/// Hits a second by delivery, beside the same stores without a breakpoint.
#[expect(clippy::print_stdout, reason = "what the bench is for")]
fn table() {
    let kernel = |delivery| median(|| boot(delivery), run);
    let guest = |armed| {
        let traced = |machine: &mut Machine| {
            black_box(trace(machine));
        };
        median(|| stepping(STORES, armed), traced)
    };
    let rows = [
        ("counting", kernel(Delivery::Counting), kernel(Delivery::None)),
        ("sampling", kernel(Delivery::Sampling), kernel(Delivery::None)),
        ("stop", guest(true), guest(false)),
    ];
    println!("delivery      hits/s   ns a hit   outside the store");
    for (name, with, without) in rows {
        let hit = with.as_nanos() as f64 / f64::from(STORES);
        let store = without.as_nanos() as f64 / f64::from(STORES);
        println!(
            "{name:<10} {:>9.0} {hit:>10.0} {:>18.1}%",
            1e9 / hit,
            100.0 * (1.0 - store / hit)
        );
    }
}

criterion_group!(benches, hits);
criterion_main!(benches);
