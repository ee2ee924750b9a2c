//! kernel-model: the Linux layer that programs the debug registers.
pub mod inputs;
pub mod observe;
