//! Perf events that count on debug registers: the breakpoint PMU, its slots, and the kernel's
//! side of `perf_event_open`.

pub mod bp_slots;
pub mod hw_breakpoint;
pub mod overflow_handler;
pub mod perf_bridge;
pub mod rings;
