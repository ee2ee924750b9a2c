//! The bits of `struct perf_event_attr` and of the records it selects.
//!
//! Source: Linux 6.18 include/uapi/linux/perf_event.h, include/uapi/linux/hw_breakpoint.h.

use std::ops::BitOr;

/// `PERF_TYPE_HARDWARE`.
pub const PERF_TYPE_HARDWARE: u32 = 0;
/// `PERF_TYPE_SOFTWARE`.
pub const PERF_TYPE_SOFTWARE: u32 = 1;
/// `PERF_TYPE_TRACEPOINT`.
pub const PERF_TYPE_TRACEPOINT: u32 = 2;
/// `PERF_TYPE_HW_CACHE`.
pub const PERF_TYPE_HW_CACHE: u32 = 3;
/// `PERF_TYPE_RAW`.
pub const PERF_TYPE_RAW: u32 = 4;
/// `PERF_TYPE_BREAKPOINT`.
pub const PERF_TYPE_BREAKPOINT: u32 = 5;

/// `PERF_COUNT_HW_*`: `attr.config` of PERF_TYPE_HARDWARE.
pub mod hw {
    /// `PERF_COUNT_HW_CPU_CYCLES`.
    pub const CPU_CYCLES: u64 = 0;
    /// `PERF_COUNT_HW_INSTRUCTIONS`.
    pub const INSTRUCTIONS: u64 = 1;
    /// `PERF_COUNT_HW_CACHE_REFERENCES`: accesses to the last-level cache.
    pub const CACHE_REFERENCES: u64 = 2;
    /// `PERF_COUNT_HW_CACHE_MISSES`: misses of the last-level cache.
    pub const CACHE_MISSES: u64 = 3;
    /// `PERF_COUNT_HW_BRANCH_INSTRUCTIONS`.
    pub const BRANCH_INSTRUCTIONS: u64 = 4;
    /// `PERF_COUNT_HW_BRANCH_MISSES`.
    pub const BRANCH_MISSES: u64 = 5;
    /// `PERF_COUNT_HW_BUS_CYCLES`.
    pub const BUS_CYCLES: u64 = 6;
    /// `PERF_COUNT_HW_REF_CPU_CYCLES`: cycles at the rate of the time-stamp counter.
    pub const REF_CPU_CYCLES: u64 = 9;
    /// First number that names nothing (`PERF_COUNT_HW_MAX`).
    pub const MAX: u64 = 10;
}

/// `HW_BREAKPOINT_EMPTY`.
pub const HW_BREAKPOINT_EMPTY: u32 = 0;
/// `HW_BREAKPOINT_R`.
pub const HW_BREAKPOINT_R: u32 = 1;
/// `HW_BREAKPOINT_W`.
pub const HW_BREAKPOINT_W: u32 = 2;
/// `HW_BREAKPOINT_RW`.
pub const HW_BREAKPOINT_RW: u32 = 3;
/// `HW_BREAKPOINT_X`.
pub const HW_BREAKPOINT_X: u32 = 4;
/// `HW_BREAKPOINT_INVALID`.
pub const HW_BREAKPOINT_INVALID: u32 = 7;

macro_rules! bits {
    ($($name:ident = $bit:literal, $doc:literal;)*) => {
        $(#[doc = $doc] pub const $name: u64 = 1 << $bit;)*
    };
}

bits! {
    PERF_SAMPLE_IP = 0, "Instruction pointer.";
    PERF_SAMPLE_TID = 1, "pid and tid.";
    PERF_SAMPLE_TIME = 2, "Time of the event's clock.";
    PERF_SAMPLE_ADDR = 3, "Address; for breakpoints always `bp_addr`.";
    PERF_SAMPLE_READ = 4, "Counter values, laid out as by read().";
    PERF_SAMPLE_CALLCHAIN = 5, "Call chain.";
    PERF_SAMPLE_ID = 6, "Id of the root event.";
    PERF_SAMPLE_CPU = 7, "CPU number.";
    PERF_SAMPLE_PERIOD = 8, "Sampling period.";
    PERF_SAMPLE_STREAM_ID = 9, "Id of the event itself (a copy's own).";
    PERF_SAMPLE_RAW = 10, "Raw data.";
    PERF_SAMPLE_BRANCH_STACK = 11, "Branch stack.";
    PERF_SAMPLE_REGS_USER = 12, "User registers.";
    PERF_SAMPLE_STACK_USER = 13, "User stack bytes.";
    PERF_SAMPLE_WEIGHT = 14, "Hardware weight.";
    PERF_SAMPLE_DATA_SRC = 15, "Memory hierarchy source.";
    PERF_SAMPLE_IDENTIFIER = 16, "Id at a fixed place in the record.";
    PERF_SAMPLE_TRANSACTION = 17, "Transaction abort flags.";
    PERF_SAMPLE_REGS_INTR = 18, "Registers at the interrupt.";
    PERF_SAMPLE_PHYS_ADDR = 19, "Physical address of the data address.";
    PERF_SAMPLE_AUX = 20, "AUX area snapshot.";
    PERF_SAMPLE_CGROUP = 21, "Cgroup id.";
    PERF_SAMPLE_DATA_PAGE_SIZE = 22, "Page size of the data address.";
    PERF_SAMPLE_CODE_PAGE_SIZE = 23, "Page size of the instruction pointer.";
    PERF_SAMPLE_WEIGHT_STRUCT = 24, "Hardware weight as a structure.";
}

/// First unknown `sample_type` bit (`PERF_SAMPLE_MAX`).
pub const PERF_SAMPLE_MAX: u64 = 1 << 25;

bits! {
    PERF_FORMAT_TOTAL_TIME_ENABLED = 0, "Time enabled, ns.";
    PERF_FORMAT_TOTAL_TIME_RUNNING = 1, "Time running, ns.";
    PERF_FORMAT_ID = 2, "Event id.";
    PERF_FORMAT_GROUP = 3, "All members of the group.";
    PERF_FORMAT_LOST = 4, "Number of lost samples.";
}

/// First unknown `read_format` bit (`PERF_FORMAT_MAX`).
pub const PERF_FORMAT_MAX: u64 = 1 << 5;

/// Privilege level bits of `branch_sample_type` (user, kernel, hv).
pub const PERF_SAMPLE_BRANCH_PLM_ALL: u64 = 0b111;
/// First unknown `branch_sample_type` bit.
pub const PERF_SAMPLE_BRANCH_MAX: u64 = 1 << 20;

/// The flag word of the attribute, offset 40 (rule 1.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct AttrFlags(pub u64);

macro_rules! flags {
    ($($name:ident = $bit:literal, $doc:literal;)*) => {
        impl AttrFlags {
            $(#[doc = $doc] pub const $name: AttrFlags = AttrFlags(1 << $bit);)*
        }
    };
}

flags! {
    DISABLED = 0, "Created OFF.";
    INHERIT = 1, "Children inherit the event.";
    PINNED = 2, "Must always be on the PMU.";
    EXCLUSIVE = 3, "Only group on the PMU.";
    EXCLUDE_USER = 4, "Do not count hits in user mode.";
    EXCLUDE_KERNEL = 5, "Do not count hits in kernel mode.";
    EXCLUDE_HV = 6, "No effect here.";
    EXCLUDE_IDLE = 7, "No effect here.";
    MMAP = 8, "MMAP records for executable mappings.";
    COMM = 9, "COMM records.";
    FREQ = 10, "`sample_period` is a frequency in Hz.";
    INHERIT_STAT = 11, "Per-task counts; no READ record on 6.18 (rule 3.6.8).";
    ENABLE_ON_EXEC = 12, "Enabled by the next exec.";
    TASK = 13, "FORK and EXIT records.";
    WATERMARK = 14, "`wakeup_events` is a watermark in bytes.";
    PRECISE_IP_LOW = 15, "Low bit of precise_ip.";
    PRECISE_IP_HIGH = 16, "High bit of precise_ip.";
    MMAP_DATA = 17, "MMAP records for other mappings.";
    SAMPLE_ID_ALL = 18, "Identity fields on every record.";
    EXCLUDE_HOST = 19, "No effect here.";
    EXCLUDE_GUEST = 20, "No effect here.";
    EXCLUDE_CALLCHAIN_KERNEL = 21, "No kernel part in call chains.";
    EXCLUDE_CALLCHAIN_USER = 22, "No user part in call chains.";
    MMAP2 = 23, "MMAP2 instead of MMAP records.";
    COMM_EXEC = 24, "COMM records flag exec.";
    USE_CLOCKID = 25, "Use `clockid`.";
    CONTEXT_SWITCH = 26, "SWITCH records.";
    WRITE_BACKWARD = 27, "Write the ring buffer from end to beginning.";
    NAMESPACES = 28, "NAMESPACES records.";
    KSYMBOL = 29, "KSYMBOL records.";
    BPF_EVENT = 30, "BPF_EVENT records.";
    AUX_OUTPUT = 31, "AUX records instead of samples.";
    CGROUP = 32, "CGROUP records.";
    TEXT_POKE = 33, "TEXT_POKE records.";
    BUILD_ID = 34, "Build ids in MMAP2.";
    INHERIT_THREAD = 35, "Only threads inherit.";
    REMOVE_ON_EXEC = 36, "Removed by exec.";
    SIGTRAP = 37, "Synchronous SIGTRAP on overflow.";
}

impl AttrFlags {
    /// Bits that must be zero (`__reserved_1`).
    pub const RESERVED: AttrFlags = AttrFlags(!0 << 38);

    /// Whether all bits of `other` are set.
    #[must_use]
    pub const fn contains(self, other: AttrFlags) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any bit of `other` is set.
    #[must_use]
    pub const fn intersects(self, other: AttrFlags) -> bool {
        self.0 & other.0 != 0
    }

    /// Without the bits of `other`.
    #[must_use]
    pub const fn without(self, other: AttrFlags) -> AttrFlags {
        AttrFlags(self.0 & !other.0)
    }

    /// All bits but these.
    #[must_use]
    pub const fn complement(self) -> AttrFlags {
        AttrFlags(!self.0)
    }

    /// With the bits of `mask` taken from `from`.
    #[must_use]
    pub const fn with_from(self, from: AttrFlags, mask: AttrFlags) -> AttrFlags {
        AttrFlags(self.0 & !mask.0 | from.0 & mask.0)
    }
}

impl BitOr for AttrFlags {
    type Output = AttrFlags;
    fn bitor(self, other: AttrFlags) -> AttrFlags {
        AttrFlags(self.0 | other.0)
    }
}
