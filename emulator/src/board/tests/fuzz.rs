//! Whatever a guest does, the board stays up and its timers lie in the future.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Copy, Debug)]
enum Step {
    In(u16, u8),
    Out(u16, u8, u32),
    Load(u64, usize),
    Store(u64, usize, u64),
    Rdmsr(u32),
    Wrmsr(u32, u64),
    Priority(u8),
    Acknowledge,
    Feed(u8),
    Pass(u64),
}

/// Ports of the devices more often than others.
fn port() -> impl Strategy<Value = u16> {
    prop_oneof![
        Just(0x20u16),
        Just(0x21),
        Just(0xa0),
        Just(0xa1),
        0x40u16..0x44,
        Just(0x61),
        Just(0x60),
        Just(0x64),
        Just(0x70),
        Just(0x71),
        Just(0x92),
        0xe0u16..0xf8,
        0x3f6u16..0x402,
        0x4cfu16..0x4d3,
        0x50fu16..0x513,
        0x5feu16..0x60e,
        0xcf7u16..0xd01,
        0x2000u16..0x201a,
        any::<u16>(),
        Just(u16::MAX),
    ]
}

fn address() -> impl Strategy<Value = u64> {
    let register = (0u64..0x44).prop_map(|number| number << 4);
    prop_oneof![
        4 => register.prop_map(|offset| APIC + offset),
        2 => (0u64..5).prop_map(|number| IOAPIC + (number << 4)),
        1 => (0u64..0x1000).prop_map(|offset| APIC + offset),
        1 => (0u64..0x2_0000).prop_map(|offset| 0xff00_0000 + offset),
        1 => any::<u64>(),
    ]
}

fn msr() -> impl Strategy<Value = u32> {
    prop_oneof![3 => Just(0x1bu32), 2 => Just(0x6e0), 6 => 0x800u32..0x840, 1 => any::<u32>()]
}

fn value() -> impl Strategy<Value = u64> {
    prop_oneof![
        any::<u64>(),
        0u64..0x200,
        (0u64..0x10_0000),
        prop_oneof![Just(0xfee0_0900u64), Just(0xfee0_0d00), Just(0xfee0_0100)],
        Just(u64::MAX),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let size = || prop_oneof![Just(1u8), Just(2), Just(4)];
    prop_oneof![
        2 => (port(), size()).prop_map(|(port, size)| Step::In(port, size)),
        4 => (port(), size(), value())
            .prop_map(|(port, size, value)| Step::Out(port, size, value as u32)),
        2 => (address(), 0usize..70).prop_map(|(address, len)| Step::Load(address, len)),
        4 => (address(), 0usize..9, value())
            .prop_map(|(address, len, value)| Step::Store(address, len, value)),
        1 => msr().prop_map(Step::Rdmsr),
        3 => (msr(), value()).prop_map(|(msr, value)| Step::Wrmsr(msr, value)),
        1 => any::<u8>().prop_map(Step::Priority),
        2 => Just(Step::Acknowledge),
        1 => any::<u8>().prop_map(Step::Feed),
        3 => prop_oneof![0u64..10_000, any::<u64>(), 0u64..1 << 40].prop_map(Step::Pass),
    ]
}

fn take(board: &mut Board, from: BusCycle, step: Step) {
    match step {
        Step::In(port, size) => drop(board.read_port(from, port, size)),
        Step::Out(port, size, value) => board.write_port(from, port, size, value),
        Step::Load(address, len) => board.read_memory(from, address, &mut vec![0; len]),
        Step::Store(address, len, value) => {
            board.write_memory(from, address, &value.to_le_bytes()[..len]);
        }
        Step::Rdmsr(index) => drop(board.read_msr(from, index)),
        Step::Wrmsr(index, value) => drop(board.write_msr(from, index, value)),
        Step::Priority(class) => board.set_task_priority(from, class),
        Step::Acknowledge => drop(board.acknowledge(from)),
        Step::Feed(byte) => board.feed_serial(&[byte]),
        Step::Pass(_) => {}
    }
}

/// What the owner must hear of, seen from one processor.
fn outlook(board: &Board, cpu: usize) -> (Option<u64>, Option<BoardEnding>, Vec<bool>) {
    let others = (0..board.interrupts.nr_cpus()).filter(|other| *other != cpu);
    let lines = others.map(|other| board.has_interrupt(other)).collect();
    (board.next_event(), board.ending(), lines)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn the_board_stays_up(steps in prop::collection::vec((0usize..4, step()), 1..120)) {
        let mut board = board(3);
        let mut now = 0u64;
        for (cpu, step) in steps {
            let before = outlook(&board, cpu);
            board.take_changed();
            take(&mut board, at(cpu, now), step);
            let signals = !board.take_signals().is_empty();
            let fed = matches!(step, Step::Feed(_));
            let differs = signals || outlook(&board, cpu) != before;
            prop_assert!(board.take_changed() || fed || !differs, "{step:?}");
            if let Step::Pass(cycles) = step {
                now = now.saturating_add(cycles);
                board.advance(now);
                let future = board.next_event().is_none_or(|next| next > now || now == u64::MAX);
                prop_assert!(future, "{:?} at {now}", board.next_event());
            }
            for cpu in 0..4 {
                prop_assert!(board.task_priority(cpu) < 16);
                board.has_interrupt(cpu);
                board.has_local_apic(cpu);
            }
            if let Some(vector) = board.has_interrupt(cpu).then(|| board.acknowledge(at(cpu, now))) {
                prop_assert!(vector.is_some());
            }
        }
    }
}
