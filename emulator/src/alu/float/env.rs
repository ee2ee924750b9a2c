//! What arithmetic depends on besides its operands, and what it leaves behind.

/// Bits of MXCSR (SDM vol. 1, 10.2.3).
pub mod mxcsr {
    /// Invalid operation.
    pub const IE: u32 = 1 << 0;
    /// Denormal operand.
    pub const DE: u32 = 1 << 1;
    /// Division by zero.
    pub const ZE: u32 = 1 << 2;
    /// Overflow.
    pub const OE: u32 = 1 << 3;
    /// Underflow.
    pub const UE: u32 = 1 << 4;
    /// Precision: the result is inexact.
    pub const PE: u32 = 1 << 5;
    /// Denormal operands count as zeroes.
    pub const DAZ: u32 = 1 << 6;
    /// The six exception masks.
    pub const MASKS: u32 = 0x3f << MASK_SHIFT;
    /// The underflow mask.
    pub const UM: u32 = UE << MASK_SHIFT;
    /// Rounding control, two bits.
    pub const RC: u32 = 3 << RC_SHIFT;
    /// Tiny results are flushed to zero while underflow is masked.
    pub const FTZ: u32 = 1 << 15;
    /// Every bit that exists.
    pub const ALL: u32 = 0xffff;
    /// From an exception flag to its mask.
    pub const MASK_SHIFT: u32 = 7;
    /// Exceptions found before the operation: they suppress it in every lane.
    pub const BEFORE: u32 = IE | DE | ZE;
    /// Lowest bit of the rounding control.
    pub const RC_SHIFT: u32 = 13;
}

/// Rounding directions, numbered as in MXCSR.RC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// To nearest, ties to even.
    Nearest,
    /// Towards minus infinity.
    Down,
    /// Towards plus infinity.
    Up,
    /// Towards zero.
    Zero,
}

/// Arithmetic environment of one instruction.
#[derive(Clone, Copy, Debug)]
pub struct Env {
    control: u32,
    raised: u32,
    settled: u32,
}

/// What an instruction's exceptions come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The result is written; MXCSR becomes this.
    Done(u32),
    /// An unmasked exception: no result is written; MXCSR becomes this.
    Trap(u32),
}

impl Env {
    /// The environment that `control` (an MXCSR image) describes; nothing raised.
    #[inline(always)]
    #[must_use]
    pub fn new(control: u32) -> Self {
        Self { control, raised: 0, settled: 0 }
    }

    /// The MXCSR image that it was made of.
    #[inline(always)]
    #[must_use]
    pub fn control(&self) -> u32 {
        self.control
    }

    /// The rounding direction.
    #[inline]
    #[must_use]
    pub fn rounding(&self) -> Rounding {
        match (self.control & mxcsr::RC) >> mxcsr::RC_SHIFT {
            0 => Rounding::Nearest,
            1 => Rounding::Down,
            2 => Rounding::Up,
            _ => Rounding::Zero,
        }
    }

    /// Whether denormal operands count as zeroes.
    #[inline(always)]
    #[must_use]
    pub fn denormals_are_zeroes(&self) -> bool {
        self.control & mxcsr::DAZ != 0
    }

    /// Whether tiny results become zero.
    #[inline(always)]
    #[must_use]
    pub fn flushes_to_zero(&self) -> bool {
        self.control & (mxcsr::FTZ | mxcsr::UM) == mxcsr::FTZ | mxcsr::UM
    }

    /// Whether an exception is masked.
    #[inline(always)]
    #[must_use]
    pub fn masks(&self, exception: u32) -> bool {
        self.control & exception << mxcsr::MASK_SHIFT != 0
    }

    /// Whether rounding is to nearest and every exception is masked: then the
    /// host's arithmetic gives the same value (but not the flags).
    #[inline(always)]
    pub(super) fn is_default(&self) -> bool {
        self.control & (mxcsr::RC | mxcsr::MASKS) == mxcsr::MASKS
    }

    /// Whether the precision flag is set already, so that nobody can see whether
    /// an operation was inexact.
    #[inline(always)]
    pub(super) fn inexact_is_known(&self) -> bool {
        self.control & mxcsr::PE != 0
    }

    /// Raises exceptions.
    #[inline(always)]
    pub fn raise(&mut self, exceptions: u32) {
        self.raised |= exceptions;
    }

    /// The exceptions raised so far.
    #[inline(always)]
    #[must_use]
    pub fn raised(&self) -> u32 {
        self.raised
    }

    /// Ends a step of an instruction of several; whether there is a next one. What was
    /// raised stays, also where a later step traps.
    pub(super) fn ends_step(&mut self) -> bool {
        let goes_on = matches!(self.outcome(), Outcome::Done(_));
        if goes_on {
            self.settled = self.raised;
        }
        goes_on
    }

    /// Ends the instruction. Where an exception of the first kind traps, those of
    /// the second kind are not looked for in any lane (SDM vol. 1, E.4.2).
    #[inline(always)]
    #[must_use]
    pub fn outcome(self) -> Outcome {
        if self.raised == 0 {
            return Outcome::Done(self.control);
        }
        let unmasked = self.raised & !(self.control >> mxcsr::MASK_SHIFT);
        if unmasked == 0 {
            Outcome::Done(self.control | self.raised)
        } else if unmasked & mxcsr::BEFORE != 0 {
            Outcome::Trap(self.control | self.settled | self.raised & mxcsr::BEFORE)
        } else {
            Outcome::Trap(self.control | self.raised)
        }
    }
}
