//! The kernels: sources from `workloads/speed`, and how often each runs.
//!
//! The counts make 20 to 50 milliseconds of work for a processor of 2023: enough
//! to time, and not too much for an interpreter that is a hundred times slower.

/// A program that does one kind of work a given number of times.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kernel {
    /// Its name, and that of its source.
    pub(super) name: &'static str,
    /// C.
    pub(super) source: &'static str,
    /// Rounds of work.
    pub(super) count: u64,
}

/// What every source includes.
pub(super) const HEADER: &str = include_str!("../../../workloads/speed/speed.h");
/// The header's file name.
pub(super) const HEADER_NAME: &str = "speed.h";
/// Runs a static program under Unicorn.
pub(super) const UNICORN_SCRIPT: &str = include_str!("../../../workloads/speed/unicorn_run.py");

/// All, in the order of the table.
pub(super) const KERNELS: [Kernel; 8] = [
    Kernel { name: "sieve", source: include_str!("../../../workloads/speed/sieve.c"), count: 150 },
    Kernel {
        name: "quicksort",
        source: include_str!("../../../workloads/speed/quicksort.c"),
        count: 60,
    },
    Kernel {
        name: "sha256",
        source: include_str!("../../../workloads/speed/sha256.c"),
        count: 1000,
    },
    Kernel { name: "mix", source: include_str!("../../../workloads/speed/mix.c"), count: 2000 },
    Kernel {
        name: "bytecode",
        source: include_str!("../../../workloads/speed/bytecode.c"),
        count: 600,
    },
    Kernel { name: "nbody", source: include_str!("../../../workloads/speed/nbody.c"), count: 2000 },
    Kernel {
        name: "strings",
        source: include_str!("../../../workloads/speed/strings.c"),
        count: 1000,
    },
    Kernel { name: "hash", source: include_str!("../../../workloads/speed/hash.c"), count: 200 },
];

/// The place that the silent watch watches, in the middle of a page that the
/// header sets aside.
pub(super) const QUIET_WATCH: &str = "mem:speed_quiet+2048/8:w";
