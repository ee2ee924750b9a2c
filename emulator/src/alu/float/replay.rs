//! Replays operations measured on a processor.

use super::approx::{Reciprocal, ReciprocalRoot};
use super::arith::{Add, Div, Mul, Sqrt, Sub};
use super::compare::{Compare, Max, Min, NanRule, Relation, relation};
use super::convert::{ToInt, from_int, to_int};
use super::env::{Env, Outcome};
use super::lanes::{FloatOp, LaneOp};
use super::vectors::{
    Current, DoublesOfInts, DoublesOfSingles, IntsOfDoubles, IntsOfSingles, Narrow,
    SinglesOfDoubles, SinglesOfInts, Truncated, Widen,
};
use super::{Double, Format, PackedOf, ScalarOf, Single};

const MEASURED: &str = include_str!("../testdata/float.txt");

/// An operation as the data names it: the result of two operands.
type Operation = Box<dyn Fn(&mut Env, u128, u128) -> u128>;

/// A LaneOp in the four forms: PS, PD, SS, SD.
fn four<O: LaneOp>(form: &str, imm: u8) -> Option<Operation> {
    fn of<O: FloatOp>(imm: u8) -> Operation {
        Box::new(move |env, a, b| O::apply(env, a, b, imm))
    }
    Some(match form {
        "ps" => of::<PackedOf<Single, O>>(imm),
        "pd" => of::<PackedOf<Double, O>>(imm),
        "ss" => of::<ScalarOf<Single, O>>(imm),
        "sd" => of::<ScalarOf<Double, O>>(imm),
        _ => return None,
    })
}

fn arithmetic(name: &str) -> Option<Operation> {
    if let Some((form, predicate)) =
        name.strip_prefix("cmp").and_then(|rest| rest.split_at_checked(2))
    {
        return four::<Compare>(form, predicate.parse().ok()?);
    }
    let (stem, form) = name.split_at_checked(name.len().checked_sub(2)?)?;
    match stem {
        "add" => four::<Add>(form, 0),
        "sub" => four::<Sub>(form, 0),
        "mul" => four::<Mul>(form, 0),
        "div" => four::<Div>(form, 0),
        "sqrt" => four::<Sqrt>(form, 0),
        "min" => four::<Min>(form, 0),
        "max" => four::<Max>(form, 0),
        "rcp" => four::<Reciprocal>(form, 0),
        "rsqrt" => four::<ReciprocalRoot>(form, 0),
        _ => None,
    }
}

fn vector_conversion(name: &str) -> Option<Operation> {
    let apply: fn(&mut Env, u128, u128, u8) -> u128 = match name {
        "cvtss2sd" => Widen::apply,
        "cvtsd2ss" => Narrow::apply,
        "cvtps2pd" => DoublesOfSingles::apply,
        "cvtpd2ps" => SinglesOfDoubles::apply,
        "cvtdq2ps" => SinglesOfInts::apply,
        "cvtdq2pd" => DoublesOfInts::apply,
        "cvtps2dq" => IntsOfSingles::<Current>::apply,
        "cvttps2dq" => IntsOfSingles::<Truncated>::apply,
        "cvtpd2dq" => IntsOfDoubles::<Current>::apply,
        "cvttpd2dq" => IntsOfDoubles::<Truncated>::apply,
        _ => return None,
    };
    Some(Box::new(move |env, a, b| apply(env, a, b, 0)))
}

/// Conversions between a scalar and a general register.
fn scalar_conversion(name: &str) -> Option<Operation> {
    fn to<F: Format>(width: u32, how: ToInt) -> Operation {
        Box::new(move |env, _, b| u128::from(to_int::<F>(env, b as u64 & F::MASK, width, how)))
    }
    fn from<F: Format>(width: u32) -> Operation {
        Box::new(move |env, a, b| {
            let value = if width == 32 { i64::from(b as i32) } else { b as i64 };
            a & !u128::from(F::MASK) | u128::from(from_int::<F>(env, value))
        })
    }
    let (stem, width) = name.strip_suffix('q').map_or((name, 32), |stem| (stem, 64));
    Some(match stem {
        "cvtss2si" => to::<Single>(width, ToInt::Current),
        "cvtsd2si" => to::<Double>(width, ToInt::Current),
        "cvttss2si" => to::<Single>(width, ToInt::Truncate),
        "cvttsd2si" => to::<Double>(width, ToInt::Truncate),
        "cvtsi2ss" => from::<Single>(width),
        "cvtsi2sd" => from::<Double>(width),
        _ => return None,
    })
}

fn flags_comparison(name: &str) -> Option<Operation> {
    fn compare<F: Format>(nans: NanRule) -> Operation {
        Box::new(move |env, a, b| {
            match relation::<F>(env, a as u64 & F::MASK, b as u64 & F::MASK, nans) {
                Relation::Greater => 0,
                Relation::Less => 0x01,
                Relation::Equal => 0x40,
                Relation::Unordered => 0x45,
            }
        })
    }
    Some(match name {
        "comiss" => compare::<Single>(NanRule::Signalling),
        "comisd" => compare::<Double>(NanRule::Signalling),
        "ucomiss" => compare::<Single>(NanRule::Quiet),
        "ucomisd" => compare::<Double>(NanRule::Quiet),
        _ => return None,
    })
}

fn operation(name: &str) -> Operation {
    vector_conversion(name)
        .or_else(|| scalar_conversion(name))
        .or_else(|| flags_comparison(name))
        .or_else(|| arithmetic(name))
        .unwrap_or_else(|| panic!("no operation {name}"))
}

#[test]
fn measured_operations() {
    let mut nr_cases = 0;
    for line in MEASURED.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split(' ').collect();
        let [name, a, b, before, result, after] = fields[..] else { panic!("fields of {line}") };
        let number = |text: &str| u128::from_str_radix(text, 16).expect(line);
        let mut env = Env::new(number(before) as u32);
        let value = operation(name)(&mut env, number(a), number(b));
        let expected = number(after) as u32;
        if result == "trap" {
            assert_eq!(env.outcome(), Outcome::Trap(expected), "{line}");
        } else {
            assert_eq!(env.outcome(), Outcome::Done(expected), "{line}");
            assert_eq!(format!("{value:x}"), format!("{:x}", number(result)), "{line}");
        }
        nr_cases += 1;
    }
    assert!(nr_cases > 400, "{nr_cases} cases");
}
