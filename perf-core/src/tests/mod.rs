//! Tests of the core through its public surface, with a mock PMU of four registers per CPU.
//! Expected values marked "measured" are from Linux 6.18.

mod counters;
mod group;
mod inherit;
mod lifecycle;
mod mmap;
mod modify;
mod owner;
mod period;
mod pmu;
mod priority;
mod read;
mod rig;
mod sample;
mod sideband;
mod sigtrap;
mod soup;
mod swevent;
mod times;
mod twin;
mod wakeup;
