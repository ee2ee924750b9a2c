//! Tests of the register writes, on a port that only remembers.

use proptest::prelude::*;

use super::*;
use crate::arch::x86::debugreg::{BreakpointLen, BreakpointType, DR_GLOBAL_SLOWDOWN};
use crate::arch::x86::hw_breakpoint::port_log::PortLog;

const CPU: CpuId = CpuId(0);

fn owner(number: u32, address: u64, len: BreakpointLen, kind: BreakpointType) -> Owner {
    Owner { event: EventId(number), info: ArchHwBreakpoint { address, len, kind } }
}

fn write4(number: u32) -> Owner {
    owner(number, 0x1000 * u64::from(number + 1), BreakpointLen::Len4, BreakpointType::Write)
}

fn setup(nr_installed: u32) -> (PortLog, CpuBreakpoints) {
    let (mut port, mut state) = (PortLog::new(1), CpuBreakpoints::default());
    initialize_debug_regs(&mut port, CPU);
    for number in 0..nr_installed {
        arch_install_hw_breakpoint(&mut port, CPU, &mut state, write4(number)).unwrap();
    }
    port.writes.clear();
    (port, state)
}

/// Rules 4.2.1 and 4.2.2: address before enable; disable leaves the address and GE.
#[test]
fn order_of_writes() {
    let (mut port, mut state) = setup(0);
    assert_eq!(arch_install_hw_breakpoint(&mut port, CPU, &mut state, write4(0)), Ok(0));
    assert_eq!(port.writes, [(0, 0, 0x1000), (0, 7, 0x000d_0602)]);
    port.writes.clear();
    assert_eq!(arch_install_hw_breakpoint(&mut port, CPU, &mut state, write4(1)), Ok(1));
    assert_eq!(port.writes, [(0, 1, 0x2000), (0, 7, 0x00dd_060a)]);
    port.writes.clear();
    assert_eq!(arch_uninstall_hw_breakpoint(&mut port, CPU, &mut state, EventId(0)), Some(0));
    assert_eq!(port.writes, [(0, 7, 0x00d0_0608)]);
    assert_eq!(state.cpu_debugreg(), &[0x1000, 0x2000, 0, 0]);
    port.writes.clear();
    assert_eq!(arch_uninstall_hw_breakpoint(&mut port, CPU, &mut state, EventId(1)), Some(1));
    assert_eq!(port.writes, [(0, 7, 0x600)]);
    assert_eq!(state.cpu_dr7() & DR_GLOBAL_SLOWDOWN, DR_GLOBAL_SLOWDOWN);
    assert!(!state.hw_breakpoint_active());
    assert_eq!(arch_uninstall_hw_breakpoint(&mut port, CPU, &mut state, EventId(1)), None);
}

/// Rule 4.2.1: the lowest free register; EBUSY when there is none, and nothing written.
#[test]
fn choice_of_register() {
    let (mut port, mut state) = setup(4);
    let fifth = arch_install_hw_breakpoint(&mut port, CPU, &mut state, write4(4));
    assert_eq!((fifth, port.writes.len()), (Err(Errno::EBUSY), 0));
    for freed in [2, 1] {
        arch_uninstall_hw_breakpoint(&mut port, CPU, &mut state, EventId(freed)).unwrap();
    }
    assert_eq!(arch_install_hw_breakpoint(&mut port, CPU, &mut state, write4(4)), Ok(1));
    assert_eq!(state.register_of(EventId(3)), Some(3));
    assert_eq!(state.register_of(EventId(2)), None);
}

/// Rules 4.2.4, 4.2.5 and 6.5.1.
#[test]
fn restore_disable_initialize() {
    let (mut port, state) = setup(2);
    let live = port.registers.clone();
    hw_breakpoint_disable(&mut port, CPU);
    assert_eq!(port.writes, [(0, 7, 0x400), (0, 0, 0), (0, 1, 0), (0, 2, 0), (0, 3, 0)]);
    port.writes.clear();
    hw_breakpoint_restore(&mut port, CPU, &state);
    let numbers: Vec<_> = port.writes.iter().map(|(_, number, _)| *number).collect();
    assert_eq!(numbers, [0, 1, 2, 3, 6, 7]);
    assert_eq!(port.registers, live);
    initialize_debug_regs(&mut port, CPU);
    assert_eq!(port.registers, [[0, 0, 0, 0, 0, 0, 0xffff_0ff0, 0x400]]);
}

/// Rule 4.3.2, first sentence.
#[test]
fn dr7_is_zero_in_a_kernel_debug_exception() {
    for (nr_installed, platform, writes) in [
        (2, Platform::BareMetal, 2),
        (2, Platform::Guest, 2),
        (0, Platform::BareMetal, 0),
        (0, Platform::Guest, 0),
    ] {
        let (mut port, state) = setup(nr_installed);
        let before = port.registers.clone();
        let saved = local_db_save(&mut port, CPU, &state, platform);
        assert_eq!(port.registers[0][7], 0x400);
        local_db_restore(&mut port, CPU, saved);
        assert_eq!(port.registers, before);
        assert_eq!(port.writes.len(), writes, "{nr_installed} {platform:?}");
    }
    // Left-overs of somebody else: seen on bare metal, not looked for in a guest.
    for (platform, dr7) in [(Platform::BareMetal, 0x400), (Platform::Guest, 0x401)] {
        let (mut port, state) = setup(0);
        port.registers[0][7] = 0x401;
        let _not_restored = local_db_save(&mut port, CPU, &state, platform);
        assert_eq!(port.registers[0][7], dr7);
    }
}

#[derive(Clone, Copy, Debug)]
enum Op {
    Install(u64, BreakpointLen, BreakpointType),
    Uninstall(usize),
    DisableAndRestore,
}

fn op() -> impl Strategy<Value = Op> {
    use BreakpointLen::{Len1, Len2, Len4, Len8};
    use BreakpointType::{Execute, ReadWrite, Write};
    let data = (
        prop::sample::select(vec![Len1, Len2, Len4, Len8]),
        prop::sample::select(vec![Write, ReadWrite]),
    );
    let field = prop_oneof![data, Just((BreakpointLen::LEN_X, Execute))];
    prop_oneof![
        4 => (any::<u64>(), field).prop_map(|(addr, (len, kind))| Op::Install(addr, len, kind)),
        3 => (0..HBP_NUM).prop_map(Op::Uninstall),
        1 => Just(Op::DisableAndRestore),
    ]
}

/// The registers that `state` promises, from the owners alone.
fn expected_dr7(state: &CpuBreakpoints) -> u64 {
    let owned = state.owners().iter().enumerate();
    let bits = owned.filter_map(|(i, o)| o.map(|o| encode_dr7(i, o.info.len, o.info.kind)));
    bits.fold(0, |dr7, bits| dr7 | bits) & !DR_GLOBAL_SLOWDOWN
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Rules 4.2 and 6.4.2: hardware equals shadow, and holds exactly the owners.
    #[test]
    fn hardware_equals_shadow(ops in prop::collection::vec(op(), 1..40)) {
        let (mut port, mut state) = setup(0);
        for (number, op) in (0u32..).zip(ops) {
            match op {
                Op::Install(address, len, kind) => {
                    let full = state.owners().iter().all(Option::is_some);
                    let new = owner(number, address, len, kind);
                    let result = arch_install_hw_breakpoint(&mut port, CPU, &mut state, new);
                    prop_assert_eq!(result.is_err(), full);
                }
                Op::Uninstall(register) => {
                    if let Some(o) = state.owners()[register] {
                        let from =
                            arch_uninstall_hw_breakpoint(&mut port, CPU, &mut state, o.event);
                        prop_assert_eq!(from, Some(register));
                    }
                }
                Op::DisableAndRestore => {
                    hw_breakpoint_disable(&mut port, CPU);
                    prop_assert_eq!(port.registers[0][7], DR7_FIXED_1);
                    hw_breakpoint_restore(&mut port, CPU, &state);
                }
            }
            prop_assert_eq!(port.registers[0][7], state.cpu_dr7());
            prop_assert_eq!(&port.registers[0][..HBP_NUM], &state.cpu_debugreg()[..]);
            let dr7 = state.cpu_dr7() & !(DR_GLOBAL_SLOWDOWN | DR7_FIXED_1);
            prop_assert_eq!(dr7, expected_dr7(&state));
            for (register, owner) in state.owners().iter().enumerate() {
                if let Some(owner) = owner {
                    prop_assert_eq!(state.cpu_debugreg()[register], owner.info.address);
                }
            }
            let owned = state.owners().iter().any(Option::is_some);
            prop_assert_eq!(state.hw_breakpoint_active(), owned);
        }
    }
}

/// S13: the first removal takes GE away from the breakpoint that stays.
#[test]
fn global_exact_goes_with_the_first() {
    for (defects, expected) in [
        (Defects::NONE, 0x00d0_0608),
        (Defects::NONE.with(Defect::GlobalExactCleared), 0x00d0_0408),
    ] {
        let (mut port, mut state) = (PortLog::new(1), CpuBreakpoints::of_kernel(defects));
        for number in [0, 1] {
            arch_install_hw_breakpoint(&mut port, CPU, &mut state, write4(number)).unwrap();
        }
        arch_uninstall_hw_breakpoint(&mut port, CPU, &mut state, EventId(0)).unwrap();
        assert_eq!(port.registers[0][7], expected);
        assert_eq!(state.cpu_dr7(), expected);
    }
}
