//! Perf events on hardware: the breakpoint PMU with its slots, the processor's counters, and the
//! kernel's side of `perf_event_open`.

pub mod bp_slots;
pub mod cpu_pmu;
pub mod hw_breakpoint;
pub mod overflow_handler;
pub mod perf_bridge;
pub mod pmus;
pub mod rings;
