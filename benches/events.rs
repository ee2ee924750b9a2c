//! The event layer's hot paths: slot reservation with many tasks, breakpoints and
//! counters coming and going with a task, rotation, and records into a ring buffer.

#![allow(missing_docs)]

use std::collections::BTreeMap;
use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use kernel_model::arch::x86::hw::{Hw, TimingChoice};
use kernel_model::arch::x86::hw_breakpoint::AddressRules;
use kernel_model::events::bp_slots::{BpSlots, RegisterPools};
use kernel_model::events::cpu_pmu::{CounterKinds, CpuPmu};
use kernel_model::events::hw_breakpoint::{BreakpointPmu, CapSysAdmin, HwBreakpoints};
use perf_core::{
    BufferId, BufferMemory, CpuId, EventId, HitRegs, Mapped, MmapAccess, MmapRequest, MmapSharing,
    Mode, Perf, PerfConfig, PerfEventAttr, Target, TaskId,
};

/// `HW_BREAKPOINT_W`.
const WRITE: u32 = 2;
/// A watched address in user space.
const ADDRESS: u64 = 0x40_0000;
/// `PERF_SAMPLE_IP`.
const SAMPLE_IP: u64 = 1;

fn reserve_release(c: &mut Criterion) {
    let mut group = c.benchmark_group("slots/reserve_release");
    for nr_tasks in [1u32, 64, 4096] {
        let mut slots = BpSlots::new(RegisterPools::X86, 2);
        for task in 0..nr_tasks {
            let target = Target::Task(TaskId(task), None);
            slots.reserve_bp_slot(EventId(task), target, WRITE).expect("a free slot");
        }
        let event = EventId(nr_tasks);
        let target = Target::Task(TaskId(nr_tasks / 2), None);
        group.bench_function(BenchmarkId::from_parameter(nr_tasks), |b| {
            b.iter(|| {
                slots.reserve_bp_slot(event, black_box(target), WRITE).expect("a free slot");
                slots.release_bp_slot(event);
            });
        });
    }
    group.finish();
}

fn sched_in_out(c: &mut Criterion) {
    let mut group = c.benchmark_group("sched/in_out");
    for nr_breakpoints in 0..=4u64 {
        let mut hw = Hw::boot(1, 4 << 20, TimingChoice::None);
        let mut state = HwBreakpoints::new(1, AddressRules::default());
        let mut perf = Perf::new(PerfConfig::default());
        let mut pmu = BreakpointPmu { hw: &mut hw, state: &mut state, caller: CapSysAdmin::Held };
        let (task, cpu) = (TaskId(0), CpuId(0));
        for nth in 0..nr_breakpoints {
            let attr = PerfEventAttr::breakpoint(ADDRESS + 8 * nth, 8, WRITE);
            perf.create_kernel_counter(&mut pmu, 0, &attr, Target::Task(task, None), None)
                .expect("a free slot");
        }
        let mut now = 0;
        group.bench_function(BenchmarkId::from_parameter(nr_breakpoints), |b| {
            b.iter(|| {
                now += 1000;
                perf.task_sched_in(&mut pmu, now, cpu, task);
                perf.task_sched_out(&mut pmu, now + 500, cpu);
                black_box(pmu.state.take_arm_log());
            });
        });
    }
    group.finish();
}

/// A task with `nr` events on the processor's counters, running.
fn with_counters(nr: u64) -> (Perf, CpuPmu) {
    let mut pmu = CpuPmu::new(1, CounterKinds::WorkBranchesCaches);
    let mut perf = Perf::new(PerfConfig::default());
    for nth in 0..nr {
        let attr = PerfEventAttr::hardware(nth % 6);
        perf.create_kernel_counter(&mut pmu, 0, &attr, Target::Task(TaskId(0), None), None)
            .expect("the processor has these events");
    }
    perf.task_sched_in(&mut pmu, 0, CpuId(0), TaskId(0));
    (perf, pmu)
}

fn counters_in_out(c: &mut Criterion) {
    let mut group = c.benchmark_group("sched/counters_in_out");
    for nr_events in [0, 1, 4, 8, 16, 64] {
        let (mut perf, mut pmu) = with_counters(nr_events);
        let mut now = 0;
        group.bench_function(BenchmarkId::from_parameter(nr_events), |b| {
            b.iter(|| {
                now += 1000;
                perf.task_sched_out(&mut pmu, now, CpuId(0));
                perf.task_sched_in(&mut pmu, now + 500, CpuId(0), TaskId(0));
            });
        });
    }
    group.finish();
}

fn rotate(c: &mut Criterion) {
    let mut group = c.benchmark_group("sched/rotate");
    for nr_events in [8, 64] {
        let (mut perf, mut pmu) = with_counters(nr_events);
        let mut now = 0;
        group.bench_function(BenchmarkId::from_parameter(nr_events), |b| {
            b.iter(|| {
                now += 4_000_000;
                assert!(perf.rotation_due(CpuId(0)));
                perf.rotate(&mut pmu, now, CpuId(0));
            });
        });
    }
    group.finish();
}

/// Buffers as plain bytes.
#[derive(Default)]
struct Bytes(BTreeMap<BufferId, Vec<u8>>);

impl BufferMemory for Bytes {
    fn read(&self, buffer: BufferId, offset: u64, out: &mut [u8]) {
        let at = offset as usize;
        out.copy_from_slice(&self.0[&buffer][at..at + out.len()]);
    }

    fn write(&mut self, buffer: BufferId, offset: u64, data: &[u8]) {
        let at = offset as usize;
        if let Some(bytes) = self.0.get_mut(&buffer) {
            bytes[at..at + data.len()].copy_from_slice(data);
        }
    }
}

fn ring_buffer_write(c: &mut Criterion) {
    let mut hw = Hw::boot(1, 4 << 20, TimingChoice::None);
    let mut state = HwBreakpoints::new(1, AddressRules::default());
    let mut perf = Perf::new(PerfConfig::default());
    let mut pmu = BreakpointPmu { hw: &mut hw, state: &mut state, caller: CapSysAdmin::Held };
    let (task, cpu) = (TaskId(0), CpuId(0));
    let mut attr = PerfEventAttr::breakpoint(ADDRESS, 8, WRITE);
    attr.sample_period = 1;
    attr.sample_type = SAMPLE_IP;
    let event = perf
        .create_kernel_counter(&mut pmu, 0, &attr, Target::Task(task, None), None)
        .expect("a free slot");
    // Overwrite mode, so that the buffer never fills.
    let request = MmapRequest {
        length: 9 * 4096,
        offset: 0,
        sharing: MmapSharing::Shared,
        access: MmapAccess::ReadOnly,
    };
    let mut memory = Bytes::default();
    if let Ok(Mapped::New { buffer, bytes }) = perf.mmap(event, &request) {
        memory.0.insert(buffer, vec![0; bytes as usize]);
    }
    perf.init_userpage(0, event, &mut memory);
    perf.task_sched_in(&mut pmu, 1, cpu, task);
    let regs = HitRegs {
        ip: 0x40_1000,
        mode: Mode::User,
        pid: 1,
        tid: 1,
        cpu,
        now: 2,
        addr: ADDRESS,
        source: None,
    };
    let mut group = c.benchmark_group("ring_buffer");
    group.throughput(Throughput::Elements(1));
    group.bench_function("write_sample", |b| {
        b.iter(|| black_box(perf.event_hit(event, &regs, &mut memory)));
    });
    group.finish();
}

criterion_group!(
    benches,
    reserve_release,
    sched_in_out,
    counters_in_out,
    rotate,
    ring_buffer_write
);
criterion_main!(benches);
