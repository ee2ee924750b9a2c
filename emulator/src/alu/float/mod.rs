//! IEEE 754 arithmetic as SSE does it, bit for bit and with its flags.
//! Source: SDM vol. 1, 4.8, 11.5 and appendix E.
//!
//! [`env`](mod@env) holds rounding, DAZ, FTZ and the exceptions raised; [`format`](mod@format)
//! the formats; [`unpack`] and [`round`] the way from bits to numbers and back.
//! The operations are in [`arith`], [`compare`], [`convert`], [`integral`] and [`approx`],
//! each on one lane; [`lanes`] and [`vectors`] spread them over a vector, and [`across`]
//! adds lanes of one vector. [`fma`] has fused products
//! and sums, [`half`] the conversions from and to binary16. [`quick`] decides
//! when the host's arithmetic gives the same answer.

pub mod across;
pub mod approx;
pub mod arith;
pub mod compare;
pub mod convert;
pub mod env;
pub mod fma;
pub mod format;
pub mod half;
pub mod integral;
pub mod lanes;
pub mod quick;
pub mod round;
pub mod unpack;
pub mod vectors;

pub use env::{Env, Rounding, mxcsr};
pub use format::{Double, Format, Half, Layout, Single};
pub use lanes::{FloatOp, LaneOp, PackedOf, ScalarOf};

#[cfg(test)]
mod across_tests;
#[cfg(test)]
mod avx_tests;
#[cfg(test)]
mod fma_tests;
#[cfg(test)]
mod replay;
#[cfg(test)]
mod tests;
