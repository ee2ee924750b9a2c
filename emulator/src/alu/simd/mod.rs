//! Integer operations on 128-bit vectors: values in, value out.
//! Source: SDM vol. 1, 9.4, 10.4.6 and 11.4.2.
//!
//! [`lane`] says what a vector is made of and has the tricks that treat all lanes
//! at once in one wide integer; [`integer`], [`shift`], [`multiply`], [`pack`] and
//! [`shuffle`] have the operations. Every operation works within 128 bits, so that
//! a 256-bit instruction is the same operation on both halves.

pub mod integer;
pub mod lane;
pub mod multiply;
pub mod pack;
pub mod shift;
pub mod shuffle;

pub use lane::Lane;

#[cfg(test)]
mod tests;

/// An operation on 128 bits without flags and exceptions.
pub trait VectorOp: 'static {
    /// The result. `imm` is the immediate byte, for operations that have one.
    fn apply(a: u128, b: u128, imm: u8) -> u128;
}
