//! 80-bit arithmetic as the x87 FPU does it, in integers, with its exceptions.
//! Source: SDM vol. 1, chapter 8; what it leaves open is measured.
//!
//! [`format`](mod@format) has the number, [`env`](mod@env) the control word and the
//! exceptions, [`round`](mod@round) the way from exact numbers to formats. Operations
//! are in [`arith`], [`compare`], [`convert`], [`partial`] and [`transcendental`].

pub mod arith;
pub mod compare;
pub mod convert;
pub mod env;
pub mod format;
pub mod partial;
pub mod round;
pub mod transcendental;

pub use env::{Env, Precision, StackFault, flag};
pub use format::{Class, F80};
