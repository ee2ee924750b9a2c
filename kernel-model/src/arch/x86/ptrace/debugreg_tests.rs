//! `tests-data/ptrace_debugreg.scn`, line by line; and DR7 against a twin.

use perf_core::{Defect, Defects, Errno, Generation, TaskId};
use proptest::prelude::*;

use crate::exec::tiny_elf::TinyElf;
use crate::inputs::FixedInputs;
use crate::kernel::{Kernel, KernelConfig};
use crate::syscalls::clone::copy_process;
use crate::uapi::clone::CloneArgs;
use crate::uapi::signal::SIGCHLD;

const SCENARIOS: &str = include_str!("../../../../tests-data/ptrace_debugreg.scn");

/// A machine of some generation with one task.
fn stand_of(generation: Generation, defects: Defects) -> (Kernel, TaskId) {
    let config =
        KernelConfig { ram_bytes: 8 << 20, generation, defects, ..KernelConfig::default() };
    let mut kernel = Kernel::boot(&config, Box::new(FixedInputs::new(0))).unwrap();
    let task = kernel.spawn_init("/tracee", Some(&TinyElf::default().bytes()), &[], &[]).unwrap();
    (kernel, task)
}

fn stand() -> (Kernel, TaskId) {
    stand_of(Generation::V6, Defects::LINUX_6)
}

/// A machine without one of the defects of its generation.
fn without(switch: &str) -> (Kernel, TaskId) {
    let defect: Defect = switch.parse().expect(switch);
    let generation = if switch.starts_with('K') { Generation::V6 } else { Generation::V2_6_33 };
    stand_of(generation, Defects::of(generation).without(defect))
}

fn describe(result: Result<(), Errno>) -> &'static str {
    result.map_or_else(Errno::name, |()| "ok")
}

#[test]
fn rules() {
    let (mut kernel, mut task) = stand();
    let mut nr_cases = 0;
    for line in SCENARIOS.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let hex = |text: &str| u64::from_str_radix(text, 16).expect(line);
        let number = |text: &str| text.parse::<usize>().expect(line);
        let words: Vec<_> = line.split_whitespace().skip(1).collect();
        match words[..] {
            ["new"] => (kernel, task) = stand(),
            ["seed"] => {
                (kernel, task) = stand_of(Generation::V2_6_33, Defects::LINUX_2_6_33);
            }
            ["without", switch] => (kernel, task) = without(switch),
            ["poke", n, value, "=", want] => {
                let got = kernel.ptrace_set_debugreg(task, number(n), hex(value));
                assert_eq!(describe(got), want, "{line}");
            }
            ["peek", n, "=", want] => {
                assert_eq!(kernel.ptrace_get_debugreg(task, number(n)), hex(want), "{line}");
            }
            ["held", "=", want] => {
                assert_eq!(kernel.breakpoints.slots().nr_held(), number(want), "{line}");
            }
            ["fork"] => {
                let exit_signal = u64::from(SIGCHLD);
                let request = CloneArgs { exit_signal, ..CloneArgs::default() };
                task = copy_process(&mut kernel, task, &request).expect(line);
            }
            ["flush"] => kernel.flush_ptrace_hw_breakpoint(task),
            ["detach"] => kernel.detach_traps(task),
            _ => panic!("{line:?}"),
        }
        nr_cases += 1;
    }
    assert!(nr_cases > 120, "only {nr_cases} cases");
}

/// Whether the entry of a register with a breakpoint at `address` is accepted (rules 5.2.2,
/// 5.2.5), for addresses of user space.
fn is_legal(dr7: u64, number: usize, address: u64) -> bool {
    let fields = dr7 >> (16 + 4 * number) & 0xf;
    let len = [1, 2, 8, 4][(fields >> 2) as usize];
    match fields & 3 {
        0 => len == 1,
        2 => false,
        _ => address.is_multiple_of(len),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any sequence of addresses and DR7 values: a value is accepted where every entry that
    /// counts is legal, and a refused one changes nothing that can be read.
    #[test]
    fn dr7_agrees_with_its_definition(
        steps in prop::collection::vec(
            prop_oneof![
                (0usize..4, 0u64..16).prop_map(|(number, low)| (number, 0x60_0000 + low)),
                any::<u64>().prop_map(|value| (7, value)),
                (any::<u8>(), prop::array::uniform4(prop::sample::select(vec![0u64, 1, 3, 5, 13])))
                    .prop_map(|(enabled, entries)| {
                        let fields = (0..4).map(|n| entries[n] << (16 + 4 * n));
                        (7, fields.sum::<u64>() | u64::from(enabled))
                    }),
            ],
            1..12,
        ),
    ) {
        let (mut kernel, task) = stand();
        let mut addresses = [None; 4];
        let mut dr7 = 0;
        for (number, value) in steps {
            // A first address may be odd; a move to a multiple of 8 suits every length.
            let moves = number < 4 && addresses[number].is_some();
            let value = if moves { value & !7 } else { value };
            let got = kernel.ptrace_set_debugreg(task, number, value);
            if number < 4 {
                prop_assert_eq!(got, Ok(()));
                addresses[number] = Some(value);
            } else {
                let known = addresses;
                let enabled = |n: usize| value >> (2 * n) & 3 != 0;
                let counts = |n: &usize| known[*n].is_some() || enabled(*n);
                let legal = (0..4)
                    .filter(counts)
                    .all(|n| is_legal(value, n, known[n].unwrap_or(0)));
                prop_assert_eq!(got.is_ok(), legal, "{:#x} {:?}", value, known);
                if !legal {
                    // A slot that an entry before the illegal one took stays (rule 5.3.3).
                    for n in 0..4 {
                        let before = (0..n).filter(counts)
                            .all(|m| is_legal(value, m, known[m].unwrap_or(0)));
                        if enabled(n) && before && is_legal(value, n, known[n].unwrap_or(0)) {
                            addresses[n].get_or_insert(0);
                        }
                    }
                } else {
                    dr7 = value;
                    for (n, address) in addresses.iter_mut().enumerate() {
                        if enabled(n) {
                            address.get_or_insert(0);
                        }
                    }
                }
                prop_assert_eq!(kernel.ptrace_get_debugreg(task, 7), dr7);
            }
            for (n, address) in addresses.iter().enumerate() {
                prop_assert_eq!(kernel.ptrace_get_debugreg(task, n), address.unwrap_or(0));
            }
        }
    }
}
