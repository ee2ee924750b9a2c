//! What people and programs are told about a run.
//!
//! [`Report`] observes a run: the guest's output passes through, hits are
//! printed as they happen, and a summary follows at the end. [`json`] has the
//! same as JSON lines, [`describe`] one line for each entry of a log.
//!
//! Standard output is the guest's alone; dr7's own words go to standard error.
//! The host's clock is read in `host_time.rs` only and reaches the summary only.

pub mod describe;
mod disassembly;
mod hit;
pub mod host_time;
pub mod json;
mod numbers;
mod observer;
pub mod progress;
mod strace;
mod streams;
mod summary;
mod tally;

pub use observer::{HitLimit, Report, ReportError};
pub use strace::StraceTo;
pub use streams::Streams;
