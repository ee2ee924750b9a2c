//! Integer operations on 128-bit vectors: values in, value out.
//! Source: SDM vol. 1, 9.4, 10.4.6 and 11.4.2.
//!
//! [`lane`] says what a vector is made of and has the tricks that treat all lanes
//! at once in one wide integer; [`integer`], [`shift`], [`multiply`], [`pack`] and
//! [`shuffle`] have those of SSE2, [`horizontal`], [`product`], [`select`] and
//! [`extend`] those that came later, [`strings`] the comparisons of SSE4.2, [`aes`],
//! [`carryless`] and [`sha`] cryptography, [`variable`] the shifts of AVX2. Every
//! operation works within 128 bits, so that a 256-bit instruction is the same operation
//! on both halves, but for those of [`cross`].

pub mod aes;
pub mod carryless;
pub mod cross;
pub mod extend;
pub mod horizontal;
pub mod integer;
pub mod lane;
pub mod multiply;
pub mod pack;
pub mod permute;
pub mod product;
pub mod select;
pub mod sha;
pub mod shift;
pub mod shuffle;
pub mod strings;
pub mod variable;

pub use lane::Lane;

#[cfg(test)]
mod crypto_tests;
#[cfg(test)]
mod later_tests;
#[cfg(test)]
mod strings_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod wide_tests;

/// An operation on 128 bits without flags and exceptions.
pub trait VectorOp: 'static {
    /// The result. `imm` is the immediate byte, for operations that have one.
    fn apply(a: u128, b: u128, imm: u8) -> u128;
}

/// An operation on three vectors of 128 bits: legacy encodings have the third in
/// XMM0.
pub trait VectorOp3: 'static {
    /// The result; `a` is the destination of the legacy form.
    fn apply(a: u128, b: u128, c: u128) -> u128;
}
