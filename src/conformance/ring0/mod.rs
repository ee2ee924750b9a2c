//! The ring-0 conformance image on this emulator and on others.
//!
//! The image (`workloads/ring0`) checks the rules of debug registers and #DB at every
//! privilege level and prints a line for each check. [`toolchain`] builds it from
//! [`sources`], [`emulated`] and [`peers`] run it, [`results`] reads what it printed, and
//! [`table`] sets the implementations side by side. `cmd::ring0` joins them.

pub mod disk;
pub mod emulated;
pub mod peers;
pub mod results;
pub mod rules;
pub mod sources;
pub mod table;
pub mod toolchain;

/// How the image is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    /// ELF32 with a multiboot-1 header: entered in 32-bit protected mode.
    Multiboot,
    /// Plain ELF64: entered in 64-bit mode.
    Elf64,
}
