//! What depends on the processor: the one place that knows the emulator.

pub mod x86;
