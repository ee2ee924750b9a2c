//! Cases on the processor: a child process is taken over with ptrace once, gets the
//! areas of [`super::layout`] and a stub, and then runs batches of cases by itself,
//! each from a signal frame to a signal frame. No code of ours is unsafe: everything
//! that is, happens in the child.
//!
//! [`remote`] makes system calls in the child, [`tracee`] prepares it, [`stub`] is
//! what it runs, [`frame`] writes and reads the frames.

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod frame;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod places;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod processor;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub(in crate::conformance) mod remote;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod stub;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod tracee;

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
#[path = "absent.rs"]
mod processor;

pub use processor::Native;

use std::sync::OnceLock;

use super::case::Ending;

/// Why nothing can be run natively.
#[derive(Debug, thiserror::Error)]
pub enum NativeError {
    /// The host cannot run the cases at all.
    #[error("the host is not x86-64 Linux")]
    OtherHost,
    /// No child process.
    #[error("cannot start a process: {0}")]
    Spawn(#[source] std::io::Error),
    /// The kernel does not allow it.
    #[cfg(target_os = "linux")]
    #[error("{what}: {errno}")]
    Refused {
        /// The call.
        what: &'static str,
        /// What it answered.
        errno: nix::errno::Errno,
    },
    /// The child did something else.
    #[error("the child process: {0}")]
    Unexpected(String),
    /// Part of the child's memory could not be reached.
    #[error("the child's memory cannot be reached")]
    Short,
    /// The stub could not be assembled.
    #[error("the stub cannot be assembled: {0}")]
    Stub(String),
}

/// Whether user code may read and write the bases of FS and GS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BaseAccess {
    /// RDFSBASE and its like work.
    Present,
    /// They do not: cases that change segment registers are not compared.
    Absent,
}

impl BaseAccess {
    /// What the kernel says of this host.
    #[must_use]
    pub fn on_host() -> Self {
        static KNOWN: OnceLock<BaseAccess> = OnceLock::new();
        *KNOWN.get_or_init(Self::ask)
    }

    fn ask() -> Self {
        let known = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let flags = known.lines().find(|line| line.starts_with("flags")).unwrap_or_default();
        if flags.split_whitespace().any(|flag| flag == "fsgsbase") {
            Self::Present
        } else {
            Self::Absent
        }
    }
}

/// How a case ended on the processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "the large variant is the one that every case makes")]
pub enum NativeEnd {
    /// With an exception, and all state known.
    Ended(Ending),
    /// The child did not survive it.
    Lost,
}

/// Makes an error of what a call answered.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn refused(what: &'static str) -> impl Fn(nix::errno::Errno) -> NativeError {
    move |errno| NativeError::Refused { what, errno }
}
