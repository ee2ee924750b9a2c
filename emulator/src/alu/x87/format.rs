//! The 80-bit format: a sign, 15 exponent bits, and a significand whose leading
//! bit is written out (SDM vol. 1, 4.2.2 and 8.2.2).

/// Exponent field of 1.0.
pub const BIAS: i32 = 16383;
/// Exponent field of infinities and NaNs.
pub const EXPONENT_MAX: u16 = 0x7fff;
/// Exponent of the least normal number.
pub const MIN_EXPONENT: i32 = 1 - BIAS;
/// The sign in [`F80::se`].
pub const SIGN: u16 = 0x8000;
/// The integer bit of the significand.
pub const INTEGER: u64 = 1 << 63;
/// The significand bit that makes a NaN quiet.
pub const QUIET: u64 = 1 << 62;

/// An 80-bit register value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct F80 {
    /// Significand with its integer bit.
    pub sig: u64,
    /// Sign (bit 15) and biased exponent.
    pub se: u16,
}

/// Kinds of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Zero.
    Zero,
    /// A denormal or pseudo-denormal number.
    Denormal,
    /// A normal number.
    Normal,
    /// An infinity.
    Infinity,
    /// A quiet NaN.
    Quiet,
    /// A signalling NaN.
    Signalling,
    /// An encoding that the processor refuses: unnormal, pseudo-NaN, pseudo-infinity.
    Unsupported,
}

impl F80 {
    /// +0.
    pub const ZERO: Self = Self { sig: 0, se: 0 };
    /// +1.
    pub const ONE: Self = Self { sig: INTEGER, se: BIAS as u16 };
    /// Plus infinity.
    pub const INFINITY: Self = Self { sig: INTEGER, se: EXPONENT_MAX };
    /// The result of invalid operations: the real indefinite.
    pub const INDEFINITE: Self = Self { sig: INTEGER | QUIET, se: SIGN | EXPONENT_MAX };

    /// The value of the ten bytes in memory.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 10]) -> Self {
        let [s0, s1, s2, s3, s4, s5, s6, s7, e0, e1] = bytes;
        Self {
            sig: u64::from_le_bytes([s0, s1, s2, s3, s4, s5, s6, s7]),
            se: u16::from_le_bytes([e0, e1]),
        }
    }

    /// The ten bytes in memory.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 10] {
        let mut bytes = [0; 10];
        bytes[..8].copy_from_slice(&self.sig.to_le_bytes());
        bytes[8..].copy_from_slice(&self.se.to_le_bytes());
        bytes
    }

    /// Whether the sign bit is set.
    #[must_use]
    pub fn is_negative(self) -> bool {
        self.se & SIGN != 0
    }

    /// The exponent field.
    #[must_use]
    pub fn field(self) -> u16 {
        self.se & EXPONENT_MAX
    }

    /// The same value with the sign given.
    #[must_use]
    pub fn with_sign(self, negative: bool) -> Self {
        Self { sig: self.sig, se: self.field() | if negative { SIGN } else { 0 } }
    }

    /// The same value with the other sign.
    #[must_use]
    pub fn negated(self) -> Self {
        Self { sig: self.sig, se: self.se ^ SIGN }
    }

    /// Its kind.
    #[must_use]
    pub fn class(self) -> Class {
        match self.field() {
            0 if self.sig == 0 => Class::Zero,
            0 => Class::Denormal,
            _ if self.sig & INTEGER == 0 => Class::Unsupported,
            EXPONENT_MAX if self.sig == INTEGER => Class::Infinity,
            EXPONENT_MAX if self.sig & QUIET != 0 => Class::Quiet,
            EXPONENT_MAX => Class::Signalling,
            _ => Class::Normal,
        }
    }

    /// Whether it is a NaN of the two supported kinds.
    #[must_use]
    pub fn is_nan(self) -> bool {
        matches!(self.class(), Class::Quiet | Class::Signalling)
    }

    /// Exponent and significand of a finite number other than zero: significand
    /// (bit 63 set) times 2 to the power of (exponent - 63).
    #[must_use]
    pub fn finite(self) -> (i32, u64) {
        let shift = self.sig.leading_zeros();
        let field = i32::from(self.field().max(1));
        (field - BIAS - shift as i32, self.sig.checked_shl(shift).unwrap_or(0))
    }
}
