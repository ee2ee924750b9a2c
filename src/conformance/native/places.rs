//! Where the parts of the harness lie in the tracee, far from what cases address.

use super::super::layout::{BATCH, IMAGE_BYTES};

/// The stub's code.
pub(super) const STUB: u64 = 0x5a5a_0000_0000;
/// Bytes of the stub's page.
pub(super) const STUB_BYTES: u64 = 0x1000;
/// What the stub reads and counts.
pub(super) const CONTROL: u64 = STUB + 0x1000;
/// Offset in the control page: number of cases in the batch.
pub(super) const COUNT: u64 = 0;
/// Offset in the control page: cases that have ended.
pub(super) const INDEX: u64 = 8;
/// Offset in the control page: arguments of injected system calls.
pub(super) const SCRATCH: u64 = 0x100;
/// Signal stack.
pub(super) const SIGNAL_STACK: u64 = STUB + 0x1_0000;
/// Bytes of the signal stack.
pub(super) const SIGNAL_STACK_BYTES: u64 = 0x1_0000;
/// The run's memory image.
pub(super) const IMAGE: u64 = STUB + 0x10_0000;
/// One slot a case: patches, and the signal frame that starts it.
pub(super) const INPUT: u64 = STUB + 0x20_0000;
/// Bytes of an input slot.
pub(super) const INPUT_STRIDE: u64 = 0x1000;
/// One slot a case: the signal frame that ended it, then its memory.
pub(super) const OUTPUT: u64 = STUB + 0x40_0000;
/// Bytes of a signal frame that are kept: to the end of the AVX state.
pub(super) const FRAME_BYTES: u64 = 0x600;
/// Bytes of an output slot.
pub(super) const OUTPUT_STRIDE: u64 = FRAME_BYTES + IMAGE_BYTES as u64;
/// Bytes of all input slots.
pub(super) const INPUT_BYTES: u64 = INPUT_STRIDE * BATCH as u64;
/// Bytes of all output slots.
pub(super) const OUTPUT_BYTES: u64 = OUTPUT_STRIDE * BATCH as u64;

/// Offset in an input slot: number of patches.
pub(super) const PATCH_COUNT: usize = 0;
/// Offset in an input slot: `struct ucontext`.
pub(super) const CONTEXT: usize = 64;
/// Offset in an input slot: XSAVE area, aligned to 64 bytes.
pub(super) const XSAVE: usize = 512;
/// Offset in an input slot: the patches: address, length, bytes.
pub(super) const PATCHES: usize = 1408;

/// Offset in a frame where the stub leaves four selectors: `uc_link`.
pub(super) const SELECTORS_AT: usize = 16;
/// Offset in a frame where the stub leaves two segment bases: `uc_stack`.
pub(super) const BASES_AT: usize = 24;
