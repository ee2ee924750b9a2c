//! `tests-data/debug_trap.scn`, line by line; and what holds for every #DB.

use perf_core::{Defect, EventId};
use proptest::prelude::*;

use super::*;

const SCENARIOS: &str = include_str!("../../../../tests-data/debug_trap.scn");

/// Event ids in the tests say which register they are in.
fn event_in(register: usize) -> EventId {
    EventId(100 + register as u32)
}

fn parse_owner(register: usize, text: &str) -> Option<TrapOwner> {
    let (letter, number) = text.split_at(1);
    let number = || number.parse().unwrap_or_else(|_| panic!("owner {text:?}"));
    let (kind, consumer) = match letter {
        "-" => return None,
        "w" => (BreakpointType::Write, Consumer::Perf),
        "x" => (BreakpointType::Execute, Consumer::Perf),
        "p" => (BreakpointType::ReadWrite, Consumer::Ptrace { slot: number() }),
        "P" => (BreakpointType::Execute, Consumer::Ptrace { slot: number() }),
        "k" => (BreakpointType::Write, Consumer::Kgdb { enabled: number() }),
        _ => panic!("owner {text:?}"),
    };
    Some(TrapOwner { event: event_in(register), kind, consumer })
}

fn parse_owners(text: &str) -> TrapOwners {
    let mut owners = [None; HBP_NUM];
    for (register, text) in text.split(',').enumerate() {
        owners[register] = parse_owner(register, text);
    }
    owners
}

/// What a decision looks like in the file: hits, RF, virtual DR6, end.
fn describe(hits: &[TrapHit], resume: ResumeFlag, virtual_dr6: u64, end: &str) -> [String; 4] {
    let number = |hit: &TrapHit| {
        assert_eq!(hit.event, event_in(hit.register));
        hit.register.to_string()
    };
    let numbers = hits.iter().map(number).collect::<Vec<_>>().join(",");
    let hits = if numbers.is_empty() { "-".to_owned() } else { numbers };
    let resume = match resume {
        ResumeFlag::Keep => "keep",
        ResumeFlag::Set => "set",
    };
    [hits, resume.to_owned(), format!("{virtual_dr6:x}"), end.to_owned()]
}

fn user(dr6: u64, owners: &TrapOwners) -> [String; 4] {
    let debug = exc_debug_user(dr6, owners, Defects::LINUX_6);
    let end = match debug.signal {
        None => "none",
        Some(TrapCode::Breakpoint) => "brkpt",
        Some(TrapCode::Trace) => "trace",
        Some(TrapCode::HwBreakpoint) => "hwbkpt",
    };
    describe(&debug.hits, debug.resume_flag, debug.virtual_dr6, end)
}

fn kernel(dr6: u64, origin: KernelOrigin, owners: &TrapOwners, virtual_dr6: u64) -> [String; 4] {
    let debug = exc_debug_kernel(dr6, origin, owners, virtual_dr6, Defects::LINUX_6);
    let end = match debug.outcome {
        KernelOutcome::Empty => "empty",
        KernelOutcome::Handled => "handled",
        KernelOutcome::UnexpectedStep => "step",
    };
    describe(&debug.hits, debug.resume_flag, debug.virtual_dr6, end)
}

#[test]
fn decisions() {
    let is_case = |line: &&str| !line.is_empty() && !line.starts_with('#');
    let mut nr_cases = 0;
    for line in SCENARIOS.lines().filter(is_case) {
        let words: Vec<_> = line.split_whitespace().collect();
        let [_rule, mode, dr6, owners, before, "=>", hits, resume, after, end] = words[..] else {
            panic!("{line:?}");
        };
        let hex = |text: &str| u64::from_str_radix(text, 16).expect(line);
        let (dr6, owners, before) = (hex(dr6), parse_owners(owners), hex(before));
        let decision = match mode {
            "user" => user(dr6, &owners),
            "kernel" => kernel(dr6, KernelOrigin::Elsewhere, &owners, before),
            "entry" => kernel(dr6, KernelOrigin::EntryStub, &owners, before),
            _ => panic!("{line:?}"),
        };
        assert_eq!(decision, [hits, resume, after, end], "{line}");
        nr_cases += 1;
    }
    assert!(nr_cases > 30, "only {nr_cases} cases");
}

/// Rule 4.3.8: the numbers.
#[test]
fn si_codes() {
    let codes = [TrapCode::Breakpoint, TrapCode::Trace, TrapCode::HwBreakpoint];
    assert_eq!(codes.map(TrapCode::si_code), [1, 2, 4]);
}

/// Rule 4.3.3: the bus-lock hook runs unless a breakpoint was all there was.
#[test]
fn bus_locks() {
    let owners = parse_owners("w,-,-,-");
    assert_eq!(exc_debug_user(0xffff_07f0, &owners, Defects::LINUX_6).bus_lock, BusLock::Detected);
    assert_eq!(exc_debug_user(0xffff_07f1, &owners, Defects::LINUX_6).bus_lock, BusLock::Detected);
    assert_eq!(exc_debug_user(0xffff_0ff1, &owners, Defects::LINUX_6).bus_lock, BusLock::None);
}

/// Rule 4.3.1: DR6 is reset as soon as it has been read.
#[test]
fn dr6_is_reset() {
    let mut port = crate::arch::x86::hw_breakpoint::port_log::PortLog::new(1);
    port.registers[0][6] = 0xffff_4ff2;
    assert_eq!(debug_read_reset_dr6(&mut port, CpuId(0)), 0xffff_4ff2);
    assert_eq!(port.writes, [(0, 6, 0xffff_0ff0)]);
}

/// S12: DR1 has no owner, so DR2 is not looked at; and nobody is signalled for DR1.
#[test]
fn an_empty_register_ends_the_older_handler() {
    let owners = parse_owners("w,-,w,-");
    let hits = |defects| {
        let debug = exc_debug_user(0xffff_0ff7, &owners, defects);
        let registers: Vec<_> = debug.hits.iter().map(|hit| hit.register).collect();
        (registers, debug.signal)
    };
    assert_eq!(hits(Defects::NONE), (vec![0, 2], Some(TrapCode::HwBreakpoint)));
    let stops = Defects::NONE.with(Defect::HandlerStopsAtEmpty);
    assert_eq!(hits(stops), (vec![0], None));
}

/// S14: the saved flags stay as they are, so the instruction is hit again.
#[test]
fn without_the_resume_flag() {
    let owners = parse_owners("x,-,-,-");
    for (defects, expected) in [
        (Defects::NONE, ResumeFlag::Set),
        (Defects::NONE.with(Defect::NoResumeFlag), ResumeFlag::Keep),
    ] {
        assert_eq!(exc_debug_user(0xffff_0ff1, &owners, defects).resume_flag, expected);
    }
}

fn owner_text() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["-", "w", "x", "p0", "p1", "p2", "p3", "P0", "P3", "k5"])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// For any DR6 and any owners: only owned registers whose bit is set are hit, each once and
    /// in order; a perf-only hit never signals; ptrace is never silent in user mode.
    #[test]
    fn every_user_debug_exception(
        bits in 0u64..16,
        others in 0u64..16,
        texts in prop::array::uniform4(owner_text()),
    ) {
        let owners = parse_owners(&texts.join(","));
        let step = others & 1 << 1 != 0;
        let dr6 = 0xffff_0ff0 | bits | (others & 7) << 13;
        let debug = exc_debug_user(dr6, &owners, Defects::LINUX_6);
        let hit: Vec<_> = debug.hits.iter().map(|hit| hit.register).collect();
        prop_assert!(hit.windows(2).all(|pair| pair[0] < pair[1]));
        for (register, owner) in owners.iter().enumerate() {
            let fired = bits >> register & 1 != 0;
            let deferred = owner.is_some_and(|o| o.kind == BreakpointType::Execute) && step;
            prop_assert_eq!(hit.contains(&register), fired && owner.is_some() && !deferred);
            prop_assert_eq!(debug.spurious >> register & 1 != 0, fired && owner.is_none());
        }
        let hit_owners = || hit.iter().filter_map(|register| owners[*register]);
        let only_perf = hit_owners().all(|o| o.consumer == Consumer::Perf);
        if only_perf && !hit.is_empty() && debug.spurious == 0 && !step {
            prop_assert_eq!(debug.signal, None);
        }
        if !only_perf || step {
            prop_assert!(debug.signal.is_some());
        }
        let executed = hit_owners().any(|o| o.kind == BreakpointType::Execute);
        prop_assert_eq!(debug.resume_flag == ResumeFlag::Set, executed);
    }
}
