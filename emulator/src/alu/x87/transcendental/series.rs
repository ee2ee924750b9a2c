//! The power series behind the functions.

use super::wide::Wide;

/// Terms below this fraction of the sum do not count.
const PRECISION: i32 = 130;
/// More terms than any of the series needs.
const MAX_TERMS: i64 = 200;

/// Sums terms until they do not count.
fn sum(first: Wide, mut next: impl FnMut(i64) -> Wide) -> Wide {
    let mut total = first;
    for n in 1..MAX_TERMS {
        let term = next(n);
        if term.sig == 0 || term.exponent < total.exponent - PRECISION {
            break;
        }
        total = total.add(term);
    }
    total
}

/// e^y - 1.
pub(super) fn exp_minus_one(y: Wide) -> Wide {
    let mut power = y;
    sum(y, |n| {
        power = power.mul(y).div(Wide::int(n + 1));
        power
    })
}

/// (1 + t) / (1 - t), its natural logarithm.
fn log_of_ratio(t: Wide) -> Wide {
    let square = t.mul(t);
    let mut power = t;
    let half = sum(t, |n| {
        power = power.mul(square);
        power.div(Wide::int(2 * n + 1))
    });
    half.scaled(1)
}

/// log2(m) for m between a half and two.
pub(super) fn log2(m: Wide) -> Wide {
    let t = m.sub(Wide::ONE).div(m.add(Wide::ONE));
    log_of_ratio(t).div(Wide::LN2)
}

/// log2(1 + x) for x between -0.5 and 1.
pub(super) fn log2_plus_one(x: Wide) -> Wide {
    let t = x.div(x.add(Wide::int(2)));
    log_of_ratio(t).div(Wide::LN2)
}

/// Sine of at most pi / 4.
pub(super) fn sin(x: Wide) -> Wide {
    let square = x.mul(x).neg();
    let mut power = x;
    sum(x, |n| {
        power = power.mul(square).div(Wide::int(2 * n * (2 * n + 1)));
        power
    })
}

/// Cosine of at most pi / 4.
pub(super) fn cos(x: Wide) -> Wide {
    let square = x.mul(x).neg();
    let mut power = Wide::ONE;
    sum(Wide::ONE, |n| {
        power = power.mul(square).div(Wide::int(2 * n * (2 * n - 1)));
        power
    })
}

/// Arc tangent of a number from 0 to 1.
pub(super) fn atan(z: Wide) -> Wide {
    // Above tan(pi / 8) the argument is turned by pi / 4.
    let turned = z.exponent == -1 && z.sig >> 124 >= 0xe || z.exponent >= 0;
    if turned {
        let rest = z.sub(Wide::ONE).div(z.add(Wide::ONE));
        return Wide::PI.scaled(-2).add(atan_series(rest));
    }
    atan_series(z)
}

fn atan_series(z: Wide) -> Wide {
    let square = z.mul(z).neg();
    let mut power = z;
    sum(z, |n| {
        power = power.mul(square);
        power.div(Wide::int(2 * n + 1))
    })
}
