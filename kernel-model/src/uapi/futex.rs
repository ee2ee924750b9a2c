//! Operations of futex.
//! Source: Linux 6.18 `include/uapi/linux/futex.h`.

/// Waits while the word has a value.
pub const FUTEX_WAIT: u64 = 0;
/// Wakes waiters.
pub const FUTEX_WAKE: u64 = 1;
/// Wakes some and moves others to another word.
pub const FUTEX_REQUEUE: u64 = 3;
/// The same, if the word has a value.
pub const FUTEX_CMP_REQUEUE: u64 = 4;
/// Changes a word and wakes waiters of two.
pub const FUTEX_WAKE_OP: u64 = 5;
/// As WAIT, with a mask and an absolute time.
pub const FUTEX_WAIT_BITSET: u64 = 9;
/// As WAKE, with a mask.
pub const FUTEX_WAKE_BITSET: u64 = 10;
/// The word is not shared between processes.
pub const FUTEX_PRIVATE_FLAG: u64 = 128;
/// The absolute time is of the real-time clock.
pub const FUTEX_CLOCK_REALTIME: u64 = 256;
/// The mask that everything matches.
pub const FUTEX_BITSET_MATCH_ANY: u32 = u32::MAX;

/// The owner of a robust futex has ended.
pub const FUTEX_OWNER_DIED: u32 = 0x4000_0000;
/// A robust futex has waiters.
pub const FUTEX_WAITERS: u32 = 0x8000_0000;
/// The owner's thread id.
pub const FUTEX_TID_MASK: u32 = 0x3fff_ffff;
/// Most entries of a robust list that are looked at.
pub const ROBUST_LIST_LIMIT: u32 = 2048;
/// Bytes of `struct robust_list_head`.
pub const ROBUST_LIST_HEAD_BYTES: u64 = 24;
