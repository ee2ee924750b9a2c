//! What the kernel model's own paths cost: system calls, page faults, processes.
//! `dr7 bench linux` measures the same beside the running kernel.

#![allow(missing_docs)]

mod machine;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use iced_x86::IcedError;
use iced_x86::code_asm::*;
use machine::process::{boot, image, run};

const MMAP: u32 = 9;
const FORK: u32 = 57;
const EXIT: u32 = 60;
const WAIT4: u32 = 61;
const GETPPID: u32 = 110;

/// Rounds of each program.
const CALLS: u32 = 2000;
const PAGES: u32 = 512;
const PROCESSES: u32 = 40;

fn exit(a: &mut CodeAssembler) -> Result<(), IcedError> {
    a.mov(eax, EXIT)?;
    a.xor(edi, edi)?;
    a.syscall()
}

fn calls(a: &mut CodeAssembler) -> Result<(), IcedError> {
    let mut top = a.create_label();
    a.mov(ebx, CALLS)?;
    a.set_label(&mut top)?;
    a.mov(eax, GETPPID)?;
    a.syscall()?;
    a.dec(ebx)?;
    a.jne(top)?;
    exit(a)
}

fn faults(a: &mut CodeAssembler) -> Result<(), IcedError> {
    let mut top = a.create_label();
    a.mov(eax, MMAP)?;
    a.xor(edi, edi)?;
    a.mov(esi, PAGES * 4096)?;
    // PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS.
    a.mov(edx, 3)?;
    a.mov(r10d, 0x22)?;
    a.mov(r8, u64::MAX)?;
    a.xor(r9d, r9d)?;
    a.syscall()?;
    a.mov(ebx, PAGES)?;
    a.set_label(&mut top)?;
    a.mov(byte_ptr(rax), 1)?;
    a.add(rax, 4096)?;
    a.dec(ebx)?;
    a.jne(top)?;
    exit(a)
}

fn processes(a: &mut CodeAssembler) -> Result<(), IcedError> {
    let (mut top, mut end) = (a.create_label(), a.create_label());
    a.mov(ebx, PROCESSES)?;
    a.set_label(&mut top)?;
    a.mov(eax, FORK)?;
    a.syscall()?;
    a.test(eax, eax)?;
    a.je(end)?;
    a.mov(edi, eax)?;
    a.mov(eax, WAIT4)?;
    a.xor(esi, esi)?;
    a.xor(edx, edx)?;
    a.xor(r10d, r10d)?;
    a.syscall()?;
    a.dec(ebx)?;
    a.jne(top)?;
    a.set_label(&mut end)?;
    exit(a)
}

type Program = fn(&mut CodeAssembler) -> Result<(), IcedError>;

fn kernel(c: &mut Criterion) {
    let mut group = c.benchmark_group("kernel");
    group.sample_size(15);
    for (name, rounds, program) in [
        ("calls", CALLS, calls as Program),
        ("faults", PAGES, faults),
        ("processes", PROCESSES, processes),
    ] {
        let image = image(program, &[]);
        group.throughput(Throughput::Elements(u64::from(rounds)));
        group.bench_function(name, |b| {
            b.iter_batched_ref(|| boot(&image), run, BatchSize::PerIteration);
        });
    }
    group.finish();
}

criterion_group!(benches, kernel);
criterion_main!(benches);
