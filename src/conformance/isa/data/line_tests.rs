//! Lines of any state: what is written is what is read.

use emulator::regs::RFlags;
use proptest::array::{uniform2, uniform4, uniform8};
use proptest::collection::vec;
use proptest::prelude::*;

use super::super::super::case::{Ending, Fault, Patch, Registers};
use super::super::super::layout::{CODE, DATA};
use super::super::super::x87::X87;
use super::line::Line;

/// Words at the edges of the operand widths, small ones, and any.
fn word() -> impl Strategy<Value = u64> {
    let edges = prop::sample::select(vec![0, 1, 0x7f, 0x80, 0xffff, 1 << 31, 1 << 63, u64::MAX]);
    prop_oneof![2 => edges, 1 => 0u64..256, 2 => any::<u64>()]
}

fn wide() -> impl Strategy<Value = u128> {
    uniform2(word()).prop_map(|[low, high]| u128::from(high) << 64 | u128::from(low))
}

fn x87() -> impl Strategy<Value = X87> {
    let st = uniform8(wide().prop_map(|value| value & ((1 << 80) - 1)));
    (any::<u16>(), any::<u16>(), any::<u8>(), st).prop_map(|(control, status, used, st)| X87 {
        control,
        status,
        used,
        st,
    })
}

prop_compose! {
    fn registers()(
        gpr in vec(word(), 16),
        vector in vec(uniform2(wide()), 16),
        flags in any::<u64>(),
        mxcsr in any::<u32>(),
        x87 in x87(),
        selectors in uniform4(any::<u16>()),
        bases in uniform2(word()),
    ) -> Registers {
        let changeable = RFlags::STATUS | RFlags::DF | RFlags::AC | RFlags::ID;
        let rflags = RFlags::FIXED | RFlags::IF | flags & changeable;
        // Made on the heap: as arrays of strategies they are too much for a test's stack.
        let gpr = gpr.try_into().expect("sixteen registers");
        let vector = vector.try_into().expect("sixteen registers");
        Registers { gpr, rip: CODE, rflags, vector, mxcsr, x87, selectors, bases }
    }
}

prop_compose! {
    fn patch()(at in 0u64..0x1f00, bytes in vec(any::<u8>(), 1..64)) -> Patch {
        Patch { at: DATA + at, bytes }
    }
}

prop_compose! {
    fn line()(
        code in vec(any::<u8>(), 1..15),
        start in registers().boxed(),
        end in registers().boxed(),
        memory in vec(patch(), 0..3),
        stores in vec(patch(), 0..3),
        vector in 0u8..32,
        error in any::<u32>(),
        address in word(),
        rip in word(),
        ignored in any::<u64>(),
    ) -> Line {
        let ended = vector == 3;
        let fault = Fault {
            vector,
            error: if ended { 0 } else { error },
            address: if ended { 0 } else { address },
        };
        // An undefined flag has no value.
        let ignored = ignored & (RFlags::STATUS | RFlags::DF);
        let registers = Registers { rip, rflags: end.rflags & !ignored, ..end };
        let end = Ending { fault, registers };
        Line { code, text: String::from("any"), start, memory, end, stores, ignored }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read(line in line()) {
        let again: Line = line.to_string().parse().unwrap();
        prop_assert_eq!(again, line);
    }
}
