//! Pure integer arithmetic: values in, value and flags out. No CPU, no memory.

pub mod arith;
pub mod bits;
pub mod bmi;
pub mod crc;
pub mod float;
pub mod muldiv;
pub mod shift;
pub mod simd;
pub mod x87;
