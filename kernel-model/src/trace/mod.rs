//! ftrace: the tracers and the files of the tracing directory.
//!
//! One tracer is built, [`ksym`]; its files are [`crate::fs`]'s pseudo files.

pub mod ksym;
