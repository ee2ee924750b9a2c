//! ftrace: the tracers and the files of the tracing directory.
//!
//! One tracer is built, [`ksym`]; its files are in `files`.

pub(crate) mod files;
pub mod ksym;
