//! Conformance: the emulator beside what it emulates.
//!
//! [`isa`] compares user instructions with this processor; [`debug`] plays debug-register
//! cases that were measured on one; [`ring0`] runs an image that checks the same rules in ring 0;
//! [`slots`] plays random breakpoint operations beside the running kernel.

pub mod case;
pub mod debug;
pub mod emulated;
pub mod fields;
pub mod isa;
pub mod layout;
pub mod native;
pub mod ring0;
pub mod rng;
pub mod slots;
pub mod x87;
