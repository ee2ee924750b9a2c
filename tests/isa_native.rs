//! A short comparison with the processor that the tests run on. Where another
//! process cannot be taken over, it says `skipped` and holds.
//!
//! A failure is made small and shown as a line for `tests/insn/regressions.insn`,
//! which every host replays from then on.

use dr7::conformance::case::{Case, Registers};
use dr7::conformance::emulated::EmulatedEnd;
use dr7::conformance::isa::compare::{Difference, Side, compare};
use dr7::conformance::isa::data::write::regressions;
use dr7::conformance::isa::sides::Sides;
use dr7::conformance::isa::tally::Tally;
use dr7::conformance::isa::{Plan, RunError, Strictness, report, run};
use dr7::conformance::layout::CODE;
use dr7::conformance::native::NativeEnd;

/// Cases: a moment's work.
const CASES: u64 = if cfg!(debug_assertions) { 4_000 } else { 20_000 };

fn run_and_compare(seed: u64, max_block: u64) {
    let plan = Plan {
        cases: CASES,
        from: 0,
        seed,
        filter: None,
        max_block,
        strictness: Strictness::Defined,
    };
    match run(&plan, |_| {}) {
        Ok(tally) => {
            assert!(tally.compared > CASES / 2, "{}", report::summary(&tally));
            assert_eq!(tally.mismatches, 0, "{}\n{}", report::summary(&tally), lines(&tally));
        }
        Err(RunError::Native(reason)) => eprintln!("skipped: {reason}"),
        Err(error @ RunError::NoForms) => panic!("{error}"),
    }
}

/// The failures as lines for `tests/insn/regressions.insn`.
fn lines(tally: &Tally) -> String {
    let lines: Vec<String> =
        regressions(tally).unwrap_or_default().iter().map(ToString::to_string).collect();
    format!("for tests/insn/regressions.insn:\n{}", lines.join("\n"))
}

#[test]
fn single_instructions() {
    run_and_compare(1, 1);
}

#[test]
fn blocks() {
    run_and_compare(2, 30);
}

/// A NOP, so that an ending is its start.
fn nop(start: Registers) -> Case {
    let start = Registers { rip: CODE, ..start };
    Case { steps: Vec::new(), code: vec![0x90], offsets: vec![0], start, patches: Vec::new() }
}

/// A state with something in every register, upper halves included.
fn full() -> Registers {
    let mut start = Registers::default();
    for (nth, vector) in start.vector.iter_mut().enumerate() {
        *vector = [0x1111 * (nth as u128 + 1), u128::MAX - nth as u128];
    }
    start
}

#[test]
fn both_sides_carry_all_registers_and_a_planted_fault_is_found() {
    let blank = vec![0; 0x4000];
    let mut sides = match Sides::with_memory(&blank[..0x3000], &blank[0x3000..]) {
        Ok(sides) => sides,
        Err(reason) => return eprintln!("skipped: {reason}"),
    };
    let case = nop(full());
    let NativeEnd::Ended(native) = sides.native.run(std::slice::from_ref(&case)).unwrap()[0] else {
        panic!("a NOP ends");
    };
    assert_eq!(native.registers.vector, full().vector);
    let mut planted = case.clone();
    planted.start.vector[5][1] ^= 1 << 127;
    for (case, expected) in [(&case, 0), (&planted, 1)] {
        let EmulatedEnd::Ended(emulated) = sides.emulated.run(case) else { panic!("a NOP ends") };
        assert_eq!(emulated.registers.vector, case.start.vector);
        let memory = vec![0; 0x3000];
        let found = compare(Side::new(&native, &memory), Side::new(&emulated, &memory), 0);
        assert_eq!(found.len(), expected, "{found:?}");
        assert!(found.iter().all(|found| matches!(found, Difference::Vector(5, ..))));
    }
}
