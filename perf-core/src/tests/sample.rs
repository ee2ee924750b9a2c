//! SAMPLE records: rules 3.11.1 to 3.11.3, measured sizes and words.

use super::rig::{ADDR, C0, IP, PID, Rig, sampling};
use crate::attr::abi::*;
use crate::{HitRegs, MmapAccess, Mode, PerfEventAttr, SampleSource};

const STACK: u64 = 0x7fff_5937_d470;
const REG_0: u64 = 0x7fcf_434b_f000;

/// Answers like the measured task.
struct Task;

impl SampleSource for Task {
    fn callchain_kernel(&self, _max: usize) -> Vec<u64> {
        vec![0xffff_ffff_8100_0000]
    }
    fn callchain_user(&self, max: usize) -> Vec<u64> {
        let mut chain = vec![IP, 0x20, 0x4550_0055_5043_004e];
        chain.truncate(max);
        chain
    }
    fn user_abi(&self) -> u64 {
        2
    }
    fn user_reg(&self, index: u32) -> u64 {
        if index == 0 { REG_0 } else { IP }
    }
    fn intr_abi(&self) -> u64 {
        2
    }
    fn intr_reg(&self, index: u32) -> u64 {
        self.user_reg(index)
    }
    fn user_stack(&self, max: usize) -> Vec<u8> {
        let mut bytes = [0u64.to_le_bytes(), STACK.to_le_bytes()].concat();
        bytes.truncate(max);
        bytes
    }
    fn user_stack_room(&self) -> u64 {
        1 << 20
    }
    fn phys_addr(&self, _addr: u64) -> u64 {
        0x2_1e09_6400
    }
    fn page_size(&self, _addr: u64) -> u64 {
        4096
    }
    fn cgroup(&self) -> u64 {
        1
    }
}

fn one_sample(
    attr: &PerfEventAttr,
    mode: Mode,
    source: Option<&dyn SampleSource>,
) -> super::rig::Rec {
    let mut rig = Rig::new();
    rig.now = 0x01ce_d81a_960d;
    let event = rig.open(attr);
    let buffer = rig.map(event, 4, MmapAccess::Writable);
    let regs = HitRegs { source, ..rig.regs(C0, mode) };
    let out = rig.perf.event_hit(event, &regs, &mut rig.mem);
    assert!(out.counted);
    let records = rig.drain(buffer);
    assert_eq!(records.len(), 1);
    records.into_iter().next().unwrap()
}

/// "ALL sample": size 80 and its words, ids aside.
#[test]
fn all_identity_fields() {
    let all = PERF_SAMPLE_IP
        | PERF_SAMPLE_TID
        | PERF_SAMPLE_TIME
        | PERF_SAMPLE_ADDR
        | PERF_SAMPLE_ID
        | PERF_SAMPLE_CPU
        | PERF_SAMPLE_PERIOD
        | PERF_SAMPLE_STREAM_ID
        | PERF_SAMPLE_IDENTIFIER;
    let record = one_sample(&sampling(1, all), Mode::User, None);
    assert_eq!((record.kind, record.misc, record.size), (9, 2, 80));
    let pid_tid = u64::from(PID) << 32 | u64::from(PID);
    assert_eq!(record.words, [1, IP, pid_tid, 0x01ce_d81a_960d, ADDR, 1, 1, 0, 1]);
}

/// "sample_type X: open OK misc=0x2 size=N words", each type alone.
#[test]
fn each_sample_type_alone() {
    let cases: [(u64, u16, &[u64]); 20] = [
        (PERF_SAMPLE_IP, 16, &[IP]),
        (PERF_SAMPLE_ADDR, 16, &[ADDR]),
        (PERF_SAMPLE_READ, 40, &[1, 0, 0, 1]),
        (PERF_SAMPLE_CALLCHAIN, 48, &[4, 0xffff_ffff_ffff_fe00, IP, 0x20, 0x4550_0055_5043_004e]),
        (PERF_SAMPLE_CPU, 16, &[0]),
        (PERF_SAMPLE_PERIOD, 16, &[1]),
        (PERF_SAMPLE_STREAM_ID, 16, &[1]),
        (PERF_SAMPLE_RAW, 16, &[4]),
        (PERF_SAMPLE_REGS_USER, 32, &[2, REG_0, IP]),
        (PERF_SAMPLE_STACK_USER, 40, &[16, 0, STACK, 16]),
        (PERF_SAMPLE_WEIGHT, 16, &[0]),
        (PERF_SAMPLE_WEIGHT_STRUCT, 16, &[0]),
        (PERF_SAMPLE_DATA_SRC, 16, &[0x1e_0508_0021]),
        (PERF_SAMPLE_IDENTIFIER, 16, &[1]),
        (PERF_SAMPLE_TRANSACTION, 16, &[0]),
        (PERF_SAMPLE_REGS_INTR, 32, &[2, REG_0, IP]),
        (PERF_SAMPLE_PHYS_ADDR, 16, &[0x2_1e09_6400]),
        (PERF_SAMPLE_AUX, 16, &[0]),
        (PERF_SAMPLE_CGROUP, 16, &[1]),
        (PERF_SAMPLE_DATA_PAGE_SIZE | PERF_SAMPLE_CODE_PAGE_SIZE, 24, &[4096, 4096]),
    ];
    for (sample_type, size, words) in cases {
        let attr = PerfEventAttr {
            sample_regs_user: 0x101,
            sample_regs_intr: 0x101,
            sample_stack_user: 16,
            read_format: 7,
            ..sampling(1, sample_type)
        };
        let record = one_sample(&attr, Mode::User, Some(&Task));
        assert_eq!((record.misc, record.size), (2, size), "sample_type {sample_type:#x}");
        assert_eq!(record.words, words, "sample_type {sample_type:#x}");
    }
}

/// Kernel-mode hits: misc 1, kernel part of the chain first.
#[test]
fn kernel_mode() {
    let mut attr = sampling(1, PERF_SAMPLE_CALLCHAIN);
    attr.flags = AttrFlags(0);
    let record = one_sample(&attr, Mode::Kernel, Some(&Task));
    assert_eq!(record.misc, 1);
    let kernel = [0xffff_ffff_ffff_ff80, 0xffff_ffff_8100_0000];
    assert_eq!(record.words[..3], [6, kernel[0], kernel[1]]);
    assert_eq!(record.words[3..5], [0xffff_ffff_ffff_fe00, IP]);
    let no_user = attr.clone().with(AttrFlags::EXCLUDE_CALLCHAIN_USER);
    assert_eq!(one_sample(&no_user, Mode::Kernel, Some(&Task)).words[0], 2);
    let none = no_user.with(AttrFlags::EXCLUDE_CALLCHAIN_KERNEL);
    assert_eq!(one_sample(&none, Mode::Kernel, Some(&Task)).words, [0]);
}

/// Without a source the fields say "not available".
#[test]
fn without_a_source() {
    let registers = PERF_SAMPLE_REGS_USER | PERF_SAMPLE_STACK_USER | PERF_SAMPLE_REGS_INTR;
    let attr = PerfEventAttr {
        sample_regs_user: 1,
        sample_regs_intr: 1,
        sample_stack_user: 64,
        ..sampling(1, registers)
    };
    assert_eq!(one_sample(&attr, Mode::User, None).words, [0, 0, 0]);
}

/// A stack dump never makes a record outgrow its 16-bit size.
#[test]
fn largest_stack_dump() {
    struct Big;
    impl SampleSource for Big {
        fn callchain_kernel(&self, _: usize) -> Vec<u64> {
            Vec::new()
        }
        fn callchain_user(&self, _: usize) -> Vec<u64> {
            Vec::new()
        }
        fn user_abi(&self) -> u64 {
            2
        }
        fn user_reg(&self, _: u32) -> u64 {
            0
        }
        fn intr_abi(&self) -> u64 {
            2
        }
        fn intr_reg(&self, _: u32) -> u64 {
            0
        }
        fn user_stack(&self, max: usize) -> Vec<u8> {
            vec![0xaa; max]
        }
        fn user_stack_room(&self) -> u64 {
            u64::MAX
        }
        fn phys_addr(&self, _: u64) -> u64 {
            0
        }
        fn page_size(&self, _: u64) -> u64 {
            0
        }
        fn cgroup(&self) -> u64 {
            0
        }
    }
    let attr = PerfEventAttr {
        sample_stack_user: 65_528,
        ..sampling(1, PERF_SAMPLE_STACK_USER | PERF_SAMPLE_IP)
    };
    let mut rig = Rig::new();
    let event = rig.open(&attr);
    let buffer = rig.map(event, 32, MmapAccess::Writable);
    let regs = HitRegs { source: Some(&Big), ..rig.regs(C0, Mode::User) };
    let _out = rig.perf.event_hit(event, &regs, &mut rig.mem);
    let record = &rig.drain(buffer)[0];
    let dumped = record.words[1];
    assert_eq!(u64::from(record.size), 8 + 8 + 8 + dumped + 8);
    assert_eq!(record.words.last(), Some(&dumped));
    assert!(dumped > 65_000);
}

/// "group SAMPLE_READ: size=64 nr=2 ... value 1 id, value 2 id".
#[test]
fn group_read_in_a_sample() {
    let mut rig = Rig::new();
    let attr = PerfEventAttr { read_format: 0xf, ..sampling(1, PERF_SAMPLE_READ) };
    let leader = rig.open(&attr);
    let sibling = rig.join(leader, &attr);
    let buffer = rig.map(leader, 1, MmapAccess::Writable);
    rig.hits(sibling, 2);
    rig.now += 40_647;
    rig.hits(leader, 1);
    let records = rig.drain(buffer);
    assert_eq!((records.len(), records[0].size), (1, 64));
    assert_eq!(records[0].words, [2, 40_647, 40_647, 1, 1, 2, 2]);
}

#[test]
fn chosen_clock_stamps_the_sample() {
    let mut rig = Rig::new();
    rig.perf.config.clock_offsets.monotonic_ns = 5_000;
    let attr = PerfEventAttr { clockid: 1, ..sampling(1, PERF_SAMPLE_TIME) };
    let event = rig.open(&attr.with(AttrFlags::USE_CLOCKID));
    let buffer = rig.map(event, 1, MmapAccess::Writable);
    rig.hits(event, 1);
    assert_eq!(rig.drain(buffer)[0].words, [rig.now + 5_000]);
}
