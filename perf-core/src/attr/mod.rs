//! `struct perf_event_attr`: layout, copy-in size rules, and the checks that need nothing but the
//! attribute itself (linux-hw-breakpoint rules 1.1 and 1.2 step 3).
//!
//! Neighbours: `abi` has the bits, `layout` the bytes, `check` the checks.
//! Source: Linux 6.18 include/uapi/linux/perf_event.h.

pub mod abi;
mod check;
mod layout;

pub use check::{AttrLimits, Credentials};

use crate::errno::Errno;
use abi::AttrFlags;

/// Size of the structure on 6.18, written back with E2BIG.
pub const PERF_ATTR_SIZE: u32 = 136;
/// The smallest and the default size (`PERF_ATTR_SIZE_VER0`).
pub const PERF_ATTR_SIZE_VER0: u32 = 64;
/// The largest size looked at (one page).
pub const PERF_ATTR_SIZE_MAX: u32 = 4096;

/// `struct perf_event_attr`, 136 bytes. Fields have the ABI's names.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct PerfEventAttr {
    /// `PERF_TYPE_*`.
    pub attr_type: u32,
    /// Size as given by the user (0 has become 64).
    pub size: u32,
    /// Event number within the type; ignored for breakpoints.
    pub config: u64,
    /// `sample_period`, or `sample_freq` in Hz when the `freq` flag is set.
    pub sample_period: u64,
    /// `PERF_SAMPLE_*` bits.
    pub sample_type: u64,
    /// `PERF_FORMAT_*` bits.
    pub read_format: u64,
    /// The flag word at offset 40.
    pub flags: AttrFlags,
    /// `wakeup_events`, or `wakeup_watermark` in bytes when the `watermark` flag is set.
    pub wakeup_events: u32,
    /// `HW_BREAKPOINT_*`.
    pub bp_type: u32,
    /// Breakpoint address (`config1` of other types).
    pub bp_addr: u64,
    /// Breakpoint length in bytes (`config2` of other types).
    pub bp_len: u64,
    /// `PERF_SAMPLE_BRANCH_*` bits.
    pub branch_sample_type: u64,
    /// Registers to dump for `PERF_SAMPLE_REGS_USER`.
    pub sample_regs_user: u64,
    /// Bytes of user stack to dump for `PERF_SAMPLE_STACK_USER`.
    pub sample_stack_user: u32,
    /// Clock id, used with the `use_clockid` flag.
    pub clockid: i32,
    /// Registers to dump for `PERF_SAMPLE_REGS_INTR`.
    pub sample_regs_intr: u64,
    /// Wake-up watermark of the AUX area in bytes.
    pub aux_watermark: u32,
    /// Callchain depth limit; 0 means the sysctl's.
    pub sample_max_stack: u16,
    /// Must be 0.
    pub reserved_2: u16,
    /// Bytes of AUX data to sample.
    pub aux_sample_size: u32,
    /// AUX actions (bits 0..=2); the rest must be 0.
    pub aux_action: u32,
    /// Passed to the SIGTRAP handler of sigtrap events as `si_perf_data`.
    pub sig_data: u64,
    /// `config3`.
    pub config3: u64,
}

/// Why an attribute could not be copied in (rule 1.2 step 2).
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AttrError {
    /// Fewer bytes were readable than `size` asks for: EFAULT.
    #[error("attribute is not readable")]
    Fault,
    /// Size outside 64..=4096, or a nonzero tail beyond what this kernel knows: E2BIG, and the
    /// kernel's size is to be written to the user's `size` field.
    #[error("attribute size not supported, {write_back_size} expected")]
    TooBig {
        /// Value to write to the user's `attr.size`.
        write_back_size: u32,
    },
}

impl AttrError {
    /// The error number of the system call.
    #[must_use]
    pub const fn errno(self) -> Errno {
        match self {
            AttrError::Fault => Errno::EFAULT,
            AttrError::TooBig { .. } => Errno::E2BIG,
        }
    }
}

impl PerfEventAttr {
    /// A breakpoint attribute of full size with everything else zero.
    #[must_use]
    pub fn breakpoint(bp_addr: u64, bp_len: u64, bp_type: u32) -> Self {
        PerfEventAttr {
            attr_type: abi::PERF_TYPE_BREAKPOINT,
            size: PERF_ATTR_SIZE,
            bp_addr,
            bp_len,
            bp_type,
            ..Default::default()
        }
    }

    /// A counting event on the processor's counters: `config` is one of [`abi::hw`].
    #[must_use]
    pub fn hardware(config: u64) -> Self {
        PerfEventAttr { attr_type: abi::PERF_TYPE_HARDWARE, ..Self::software(config) }
    }

    /// A software event attribute (`PERF_COUNT_SW_*`) of full size with everything else zero.
    #[must_use]
    pub fn software(config: u64) -> Self {
        PerfEventAttr {
            attr_type: abi::PERF_TYPE_SOFTWARE,
            size: PERF_ATTR_SIZE,
            config,
            ..Default::default()
        }
    }

    /// The same attribute with `flags` set in addition.
    #[must_use]
    pub fn with(mut self, flags: AttrFlags) -> Self {
        self.flags = self.flags | flags;
        self
    }

    /// Whether all of `flags` are set.
    #[must_use]
    pub const fn has(&self, flags: AttrFlags) -> bool {
        self.flags.contains(flags)
    }

    /// Whether the event takes samples (`is_sampling_event`): nonzero period or frequency.
    #[must_use]
    pub const fn is_sampling(&self) -> bool {
        self.sample_period != 0
    }

    /// Whether `PERF_SAMPLE_*` bit `bit` is selected.
    #[must_use]
    pub const fn samples(&self, bit: u64) -> bool {
        self.sample_type & bit != 0
    }

    /// Copies the fields `hw_breakpoint_copy_attr` copies: `bp_addr`, `bp_type`, `bp_len`,
    /// `disabled` (rule 3.7.2 d).
    pub fn copy_breakpoint_fields(&mut self, from: &PerfEventAttr) {
        self.bp_addr = from.bp_addr;
        self.bp_type = from.bp_type;
        self.bp_len = from.bp_len;
        self.flags = self.flags.with_from(from.flags, AttrFlags::DISABLED);
    }
}
