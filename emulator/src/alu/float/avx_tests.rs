//! What came with AVX and F16C: predicates against the manual's table, binary16
//! against its definition.

use super::compare::{Compare, ComparePredicate};
use super::env::Outcome;
use super::half::{HalvesOfSingles, SinglesOfHalves};
use super::{Double, Env, FloatOp, Half, LaneOp, Layout, mxcsr};

/// Number, name, whether it holds for greater, less, equal and unordered operands, and
/// whether a quiet NaN is invalid (SDM vol. 2A, CMPPD, table 3-1).
const PREDICATES: &str = "\
00 EQ_OQ    - - = -  quiet
01 LT_OS    - < - -  signals
02 LE_OS    - < = -  signals
03 UNORD_Q  - - - u  quiet
04 NEQ_UQ   > < - u  quiet
05 NLT_US   > - = u  signals
06 NLE_US   > - - u  signals
07 ORD_Q    > < = -  quiet
08 EQ_UQ    - - = u  quiet
09 NGE_US   - < - u  signals
0a NGT_US   - < = u  signals
0b FALSE_OQ - - - -  quiet
0c NEQ_OQ   > < - -  quiet
0d GE_OS    > - = -  signals
0e GT_OS    > - - -  signals
0f TRUE_UQ  > < = u  quiet
10 EQ_OS    - - = -  signals
11 LT_OQ    - < - -  quiet
12 LE_OQ    - < = -  quiet
13 UNORD_S  - - - u  signals
14 NEQ_US   > < - u  signals
15 NLT_UQ   > - = u  quiet
16 NLE_UQ   > - - u  quiet
17 ORD_S    > < = -  signals
18 EQ_US    - - = u  signals
19 NGE_UQ   - < - u  quiet
1a NGT_UQ   - < = u  quiet
1b FALSE_OS - - - -  signals
1c NEQ_OS   > < - -  signals
1d GE_OQ    > - = -  quiet
1e GT_OQ    > - - -  quiet
1f TRUE_US  > < = u  signals
";

fn compare<O: LaneOp>(a: f64, b: u64, imm: u8) -> (bool, u32) {
    let mut env = Env::new(mxcsr::MASKS);
    let mask = O::lane::<Double>(&mut env, a.to_bits(), b, imm);
    assert!(mask == 0 || mask == u64::MAX);
    (mask != 0, env.raised())
}

#[test]
fn predicates() {
    const SIGNALLING: u64 = Double::INFINITY | 1;
    let one = 1.0f64.to_bits();
    let mut nr_predicates = 0;
    for line in PREDICATES.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [number, _name, greater, less, equal, unordered, nans] = fields[..] else {
            panic!("{line}")
        };
        let number = u8::from_str_radix(number, 16).expect(line);
        let invalid = if nans == "signals" { mxcsr::IE } else { 0 };
        let quiet_nan = Double::DEFAULT_NAN;
        let cases = [
            (2.0, one, greater, 0),
            (0.5, one, less, 0),
            (1.0, one, equal, 0),
            (1.0, quiet_nan, unordered, invalid),
            (1.0, SIGNALLING, unordered, mxcsr::IE),
        ];
        for (a, b, holds, raised) in cases {
            let expected = (holds != "-", raised);
            assert_eq!(compare::<ComparePredicate>(a, b, number), expected, "{line}: {a} {b:x}");
            // Bits above the number are not looked at.
            assert_eq!(compare::<ComparePredicate>(a, b, number | 0xe0), expected, "{line}");
            if number < 8 {
                assert_eq!(compare::<Compare>(a, b, number | 0xf8), expected, "{line}");
            }
        }
        nr_predicates += 1;
    }
    assert_eq!(nr_predicates, 32);
}

/// The value of a finite binary16, from its definition.
fn value(half: u64) -> f64 {
    let fraction = (half & Half::FRACTION) as f64;
    let field = Half::exponent_field(half) as i32;
    let magnitude = if field == 0 {
        fraction * 2f64.powi(-24)
    } else {
        (1024.0 + fraction) * 2f64.powi(field - 25)
    };
    if half & Half::SIGN != 0 { -magnitude } else { magnitude }
}

#[test]
fn every_half_and_back() {
    for half in 0..=0xffffu64 {
        let mut env = Env::new(mxcsr::MASKS | mxcsr::DAZ | mxcsr::FTZ);
        let single = SinglesOfHalves::apply(&mut env, 0, u128::from(half), 0) as u32;
        let invalid = if Half::is_signalling(half) { mxcsr::IE } else { 0 };
        assert_eq!(env.raised(), invalid, "{half:x}");
        if Half::exponent_field(half) < Half::EXPONENT_MAX {
            assert_eq!(f64::from(f32::from_bits(single)).to_bits(), value(half).to_bits());
        }
        for imm in 0..=4 {
            let mut env = Env::new(mxcsr::MASKS | mxcsr::FTZ);
            let back = HalvesOfSingles::apply(&mut env, 0, u128::from(single), imm);
            assert_eq!(back as u64, if invalid == 0 { half } else { half | Half::QUIET });
            assert_eq!(env.raised(), 0, "{half:x}");
        }
    }
}

/// Measured: tininess is found after rounding, FTZ does not count, DAZ does.
#[test]
fn small_singles() {
    let cases = [
        (0x0000_0001, mxcsr::MASKS, 0x0000, mxcsr::DE | mxcsr::UE | mxcsr::PE),
        (0x0000_0001, mxcsr::MASKS | mxcsr::DAZ, 0x0000, 0),
        (0x3300_0001, mxcsr::MASKS | mxcsr::FTZ, 0x0001, mxcsr::UE | mxcsr::PE),
        (0x387f_e000, mxcsr::MASKS, 0x0400, mxcsr::UE | mxcsr::PE),
        (0x387f_ffff, mxcsr::MASKS, 0x0400, mxcsr::PE),
        (0x3800_0000, mxcsr::MASKS | mxcsr::FTZ, 0x0200, 0),
        (0x477f_f000, mxcsr::MASKS, 0x7c00, mxcsr::OE | mxcsr::PE),
    ];
    for (single, control, half, raised) in cases {
        let mut env = Env::new(control);
        let result = HalvesOfSingles::apply(&mut env, 0, single, 0);
        assert_eq!((result, env.outcome()), (half, Outcome::Done(control | raised)), "{single:x}");
    }
}

#[test]
fn the_immediate_rounds() {
    // 1 + 2^-11 lies between two halves; MXCSR says up.
    let single = u128::from((1.0f32 + 2f32.powi(-11)).to_bits());
    let control = mxcsr::MASKS | 2 << mxcsr::RC_SHIFT;
    for (imm, half) in [(0, 0x3c00), (1, 0x3c00), (2, 0x3c01), (3, 0x3c00), (4, 0x3c01)] {
        let result = HalvesOfSingles::apply(&mut Env::new(control), 0, single, imm);
        assert_eq!(result, half, "{imm}");
    }
}
