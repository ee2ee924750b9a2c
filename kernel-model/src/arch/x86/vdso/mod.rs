//! The vDSO: a shared object that every program finds mapped, with clocks that need no system
//! call.
//!
//! [`image`] makes it: [`code`] assembles the functions, [`elf`] puts headers, symbols and
//! versions around them. It is data, so that programs parse and call it as they do Linux's; what
//! it cannot answer it asks the kernel. Time is the TSC's: cycles at 3 GHz since boot.
//! Neighbour: `kernel/exec.rs` maps it and tells its address (AT_SYSINFO_EHDR).
//! Source: Linux 6.18 `arch/x86/entry/vdso/`, vdso(7).

mod code;
mod elf;
#[cfg(test)]
mod tests;

use super::hw::PAGE_SIZE;

/// Bytes of the image: two pages, as Linux's.
pub const VDSO_BYTES: u64 = 2 * PAGE_SIZE;
/// Name in `/proc/PID/maps` and in perf's records.
pub const VDSO_NAME: &str = "[vdso]";

/// The image for a machine that was booted so many ns after 1970.
#[must_use]
pub fn image(boot_realtime_ns: u64) -> Vec<u8> {
    let functions = code::functions(boot_realtime_ns);
    elf::shared_object(&functions)
}

/// A function of the vDSO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Function {
    name: &'static str,
    /// Offset in the text.
    at: u64,
    /// Bytes.
    len: u64,
}

/// The text, and the functions in it.
#[derive(Clone, Debug)]
struct Text {
    bytes: Vec<u8>,
    functions: Vec<Function>,
}
