//! The ABI: numbers and structures that guest programs see.

pub mod clone;
pub mod epoll;
pub mod fcntl;
pub mod futex;
pub mod ipc;
pub mod poll;
pub mod ptrace;
pub mod signal;
pub mod socket;
pub mod stat;
pub mod syscall_nr;
pub mod time;
pub mod wait;

/// Reads a 64-bit word of a structure; its place must lie within.
#[must_use]
pub(crate) fn word_at(bytes: &[u8], at: usize) -> u64 {
    bytes[at..at + 8].iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

/// Writes a field of a structure; its place must lie within.
pub(crate) fn put<const N: usize>(bytes: &mut [u8], at: usize, field: [u8; N]) {
    bytes[at..at + N].copy_from_slice(&field);
}
