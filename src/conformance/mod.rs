//! Conformance: the emulator beside what it emulates.
//!
//! [`isa`] compares user instructions with this processor.

pub mod case;
pub mod emulated;
pub mod fields;
pub mod isa;
pub mod layout;
pub mod native;
pub mod rng;
pub mod x87;
