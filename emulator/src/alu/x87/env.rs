//! What an x87 operation depends on besides its operands, and what it leaves.

use super::format::{Class, F80, QUIET};
use crate::alu::float::Rounding;

/// Bits that the status word and (as masks) the control word share.
pub mod flag {
    /// Invalid operation.
    pub const IE: u16 = 1 << 0;
    /// Denormal operand.
    pub const DE: u16 = 1 << 1;
    /// Division by zero.
    pub const ZE: u16 = 1 << 2;
    /// Overflow.
    pub const OE: u16 = 1 << 3;
    /// Underflow.
    pub const UE: u16 = 1 << 4;
    /// Precision: the result is inexact.
    pub const PE: u16 = 1 << 5;
    /// Stack fault; status word only.
    pub const SF: u16 = 1 << 6;
    /// The six exceptions.
    pub const ALL: u16 = 0x3f;
    /// Exceptions found before the operation: unmasked, they suppress it.
    pub const BEFORE: u16 = IE | DE | ZE;
}

/// Rounding precision of add, subtract, multiply, divide and square root
/// (SDM vol. 1, 8.1.5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// 24 bits.
    Single,
    /// 53 bits.
    Double,
    /// 64 bits.
    Extended,
}

impl Precision {
    /// Significand bits.
    #[must_use]
    pub fn bits(self) -> u32 {
        match self {
            Self::Single => 24,
            Self::Double => 53,
            Self::Extended => 64,
        }
    }
}

/// Environment of one operation.
#[derive(Clone, Copy, Debug)]
pub struct Env {
    control: u16,
    /// Exceptions raised so far ([`flag`]), SF included.
    pub raised: u16,
    /// Condition code C1: whether the result was rounded up.
    pub rounded_up: bool,
    /// Whether the memory operand was a denormal of its own, narrower format.
    pub denormal_source: bool,
}

impl Env {
    /// The environment of a control word; nothing raised.
    #[must_use]
    pub fn new(control: u16) -> Self {
        Self { control, raised: 0, rounded_up: false, denormal_source: false }
    }

    /// The rounding direction.
    #[must_use]
    pub fn rounding(&self) -> Rounding {
        match self.control >> 10 & 3 {
            0 => Rounding::Nearest,
            1 => Rounding::Down,
            2 => Rounding::Up,
            _ => Rounding::Zero,
        }
    }

    /// The precision control; the reserved encoding counts as extended.
    #[must_use]
    pub fn precision(&self) -> Precision {
        match self.control >> 8 & 3 {
            0 => Precision::Single,
            2 => Precision::Double,
            _ => Precision::Extended,
        }
    }

    /// The same environment, rounding towards zero.
    #[must_use]
    pub fn with_truncation(self) -> Self {
        Self { control: self.control | 3 << 10, ..self }
    }

    /// Raises exceptions.
    pub fn raise(&mut self, flags: u16) {
        self.raised |= flags;
    }

    /// Whether all of `flags` are masked.
    #[must_use]
    pub fn masks(&self, flags: u16) -> bool {
        self.control & flags == flags
    }

    /// Exceptions raised that are not masked.
    #[must_use]
    pub fn unmasked(&self) -> u16 {
        self.raised & flag::ALL & !self.control
    }

    /// Whether an unmasked exception suppresses the operation.
    #[must_use]
    pub fn aborts(&self) -> bool {
        self.unmasked() & flag::BEFORE != 0
    }

    /// The result of an invalid operation.
    pub fn invalid(&mut self) -> F80 {
        self.raise(flag::IE);
        F80::INDEFINITE
    }

    /// The result of a stack fault; an overflow sets C1.
    pub fn stack_fault(&mut self, fault: StackFault) -> F80 {
        self.raise(flag::SF);
        self.rounded_up = fault == StackFault::Overflow;
        self.invalid()
    }

    /// The result where the operand is a NaN or an unsupported encoding.
    pub fn check_one(&mut self, a: F80) -> Option<F80> {
        match a.class() {
            Class::Unsupported => Some(self.invalid()),
            Class::Quiet => Some(a),
            Class::Signalling => {
                self.raise(flag::IE);
                Some(F80 { sig: a.sig | QUIET, ..a })
            }
            _ => None,
        }
    }

    /// The result where an operand is a NaN or an unsupported encoding. Of two
    /// NaNs of one kind that with the larger significand is taken; a quiet one
    /// before a signalling one (SDM vol. 1, table 4-7).
    pub fn check_two(&mut self, a: F80, b: F80) -> Option<F80> {
        use Class::{Quiet, Signalling, Unsupported};
        let quieted = |nan: F80| F80 { sig: nan.sig | QUIET, ..nan };
        let larger = |a: F80, b: F80| {
            let (key_a, key_b) = ((a.sig, !a.se), (b.sig, !b.se));
            if key_a >= key_b { a } else { b }
        };
        let classes = (a.class(), b.class());
        if matches!(classes, (Unsupported, _) | (_, Unsupported)) {
            return Some(self.invalid());
        }
        if matches!(classes, (Signalling, _) | (_, Signalling)) {
            self.raise(flag::IE);
        }
        Some(quieted(match classes {
            (Quiet, Signalling) => a,
            (Signalling, Quiet) => b,
            (Quiet, Quiet) | (Signalling, Signalling) => larger(quieted(a), quieted(b)),
            (Quiet | Signalling, _) => a,
            (_, Quiet | Signalling) => b,
            _ => return None,
        }))
    }

    /// Raises the denormal exception where an operand is one.
    pub fn check_denormal(&mut self, operands: &[F80]) {
        if self.denormal_source || operands.iter().any(|value| value.class() == Class::Denormal) {
            self.raise(flag::DE);
        }
    }
}

/// The two stack faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StackFault {
    /// A push onto a register in use.
    Overflow,
    /// An operand in an empty register.
    Underflow,
}
