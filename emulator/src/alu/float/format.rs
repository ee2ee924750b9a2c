//! The formats, as constants and as the host's arithmetic.

/// A binary interchange format. Values travel as bits, zero-extended in a `u64`.
pub trait Layout: Copy + 'static {
    /// Bits of a value.
    const BITS: u32;
    /// Stored bits of the fraction.
    const FRACTION_BITS: u32;
    /// The sign bit.
    const SIGN: u64 = 1 << (Self::BITS - 1);
    /// The fraction.
    const FRACTION: u64 = (1 << Self::FRACTION_BITS) - 1;
    /// Exponent field of infinities and NaNs.
    const EXPONENT_MAX: u64 = (1 << (Self::BITS - 1 - Self::FRACTION_BITS)) - 1;
    /// Plus infinity.
    const INFINITY: u64 = Self::EXPONENT_MAX << Self::FRACTION_BITS;
    /// The bit that makes a NaN quiet.
    const QUIET: u64 = 1 << (Self::FRACTION_BITS - 1);
    /// The NaN of an invalid operation: negative, quiet, no payload.
    const DEFAULT_NAN: u64 = Self::SIGN | Self::INFINITY | Self::QUIET;
    /// Exponent of the value whose exponent field is 0 would be minus this.
    const BIAS: i32 = (Self::EXPONENT_MAX >> 1) as i32;
    /// Exponent of the least normal number.
    const MIN_EXPONENT: i32 = 1 - Self::BIAS;
    /// All bits of a value.
    const MASK: u64 = u64::MAX >> (64 - Self::BITS);

    /// The exponent field.
    #[inline(always)]
    fn exponent_field(bits: u64) -> u64 {
        bits >> Self::FRACTION_BITS & Self::EXPONENT_MAX
    }

    /// Whether a value is a NaN.
    #[inline(always)]
    fn is_nan(bits: u64) -> bool {
        bits & !Self::SIGN > Self::INFINITY
    }

    /// Whether a value is a signalling NaN.
    #[inline(always)]
    fn is_signalling(bits: u64) -> bool {
        Self::is_nan(bits) && bits & Self::QUIET == 0
    }

    /// Whether a value is a zero.
    #[inline(always)]
    fn is_zero(bits: u64) -> bool {
        bits & !Self::SIGN == 0
    }

    /// Whether a value is denormal.
    #[inline(always)]
    fn is_denormal(bits: u64) -> bool {
        Self::exponent_field(bits) == 0 && bits & Self::FRACTION != 0
    }

    /// Whether a value is a normal number.
    #[inline(always)]
    fn is_normal(bits: u64) -> bool {
        Self::exponent_field(bits).wrapping_sub(1) < Self::EXPONENT_MAX - 1
    }
}

/// A format that SSE computes in, with the host's arithmetic.
pub trait Format: Layout {
    /// The host's sum of two values.
    fn host_add(a: u64, b: u64) -> u64;
    /// The host's difference.
    fn host_sub(a: u64, b: u64) -> u64;
    /// The host's product.
    fn host_mul(a: u64, b: u64) -> u64;
    /// The host's quotient.
    fn host_div(a: u64, b: u64) -> u64;
    /// The host's sum of a product and a third value, rounded once.
    fn host_mul_add(a: u64, b: u64, c: u64) -> u64;
    /// The host's square root.
    fn host_sqrt(a: u64) -> u64;
    /// The host's conversion of an integer.
    fn host_from_int(value: i64) -> u64;
    /// Applies `f` to every lane.
    fn zip(a: u128, b: u128, f: impl FnMut(u64, u64) -> u64) -> u128;
}

/// Binary32.
#[derive(Clone, Copy, Debug)]
pub struct Single;
/// Binary64.
#[derive(Clone, Copy, Debug)]
pub struct Double;

#[inline(always)]
fn f32_of(bits: u64) -> f32 {
    f32::from_bits(bits as u32)
}

#[inline(always)]
fn of_f32(value: f32) -> u64 {
    u64::from(value.to_bits())
}

/// Binary16: F16C converts from and to it.
#[derive(Clone, Copy, Debug)]
pub struct Half;

impl Layout for Half {
    const BITS: u32 = 16;
    const FRACTION_BITS: u32 = 10;
}

impl Layout for Single {
    const BITS: u32 = 32;
    const FRACTION_BITS: u32 = 23;
}

impl Format for Single {
    #[inline(always)]
    fn host_add(a: u64, b: u64) -> u64 {
        of_f32(f32_of(a) + f32_of(b))
    }

    #[inline(always)]
    fn host_sub(a: u64, b: u64) -> u64 {
        of_f32(f32_of(a) - f32_of(b))
    }

    #[inline(always)]
    fn host_mul(a: u64, b: u64) -> u64 {
        of_f32(f32_of(a) * f32_of(b))
    }

    #[inline(always)]
    fn host_div(a: u64, b: u64) -> u64 {
        of_f32(f32_of(a) / f32_of(b))
    }

    #[inline(always)]
    fn host_mul_add(a: u64, b: u64, c: u64) -> u64 {
        of_f32(f32_of(a).mul_add(f32_of(b), f32_of(c)))
    }

    #[inline(always)]
    fn host_sqrt(a: u64) -> u64 {
        of_f32(f32_of(a).sqrt())
    }

    #[inline(always)]
    fn host_from_int(value: i64) -> u64 {
        of_f32(value as f32)
    }

    #[inline(always)]
    fn zip(a: u128, b: u128, mut f: impl FnMut(u64, u64) -> u64) -> u128 {
        let lane = |value: u128, index: u32| u64::from((value >> (32 * index)) as u32);
        let mut result = 0;
        for index in 0..4 {
            result |= u128::from(f(lane(a, index), lane(b, index))) << (32 * index);
        }
        result
    }
}

impl Layout for Double {
    const BITS: u32 = 64;
    const FRACTION_BITS: u32 = 52;
}

impl Format for Double {
    #[inline(always)]
    fn host_add(a: u64, b: u64) -> u64 {
        (f64::from_bits(a) + f64::from_bits(b)).to_bits()
    }

    #[inline(always)]
    fn host_sub(a: u64, b: u64) -> u64 {
        (f64::from_bits(a) - f64::from_bits(b)).to_bits()
    }

    #[inline(always)]
    fn host_mul(a: u64, b: u64) -> u64 {
        (f64::from_bits(a) * f64::from_bits(b)).to_bits()
    }

    #[inline(always)]
    fn host_div(a: u64, b: u64) -> u64 {
        (f64::from_bits(a) / f64::from_bits(b)).to_bits()
    }

    #[inline(always)]
    fn host_mul_add(a: u64, b: u64, c: u64) -> u64 {
        f64::from_bits(a).mul_add(f64::from_bits(b), f64::from_bits(c)).to_bits()
    }

    #[inline(always)]
    fn host_sqrt(a: u64) -> u64 {
        f64::from_bits(a).sqrt().to_bits()
    }

    #[inline(always)]
    fn host_from_int(value: i64) -> u64 {
        (value as f64).to_bits()
    }

    #[inline(always)]
    fn zip(a: u128, b: u128, mut f: impl FnMut(u64, u64) -> u64) -> u128 {
        let low = f(a as u64, b as u64);
        let high = f((a >> 64) as u64, (b >> 64) as u64);
        u128::from(low) | u128::from(high) << 64
    }
}
