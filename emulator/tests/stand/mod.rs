//! The stand on which `dr7 conformance debug` plays its cases, for the emulator's tests.

#[path = "../../../src/conformance/debug/stand/mod.rs"]
mod shared;

pub(crate) use shared::*;
