//! The running kernel's `perf_event_open`, for breakpoint events: what the model is
//! measured against (`dr7 conformance slots`, `dr7 bench slots`).
//!
//! [`HostEvent`] is an open event; dropping it closes it. [`probe`] says whether this host
//! gives breakpoints at all, [`free_slots`] how many are left on a CPU, [`BreakpointLock`] keeps
//! other processes of dr7 away. The system calls are behind the safe functions of perf-event2.

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod breakpoint_lock;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod linux;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub use breakpoint_lock::BreakpointLock;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub use linux::HostEvent;

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
mod absent;
#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
pub use absent::{BreakpointLock, HostEvent};

use std::fmt;

use perf_core::Errno;
use perf_core::attr::PerfEventAttr;
use perf_core::attr::abi::{AttrFlags, HW_BREAKPOINT_W};

/// Breakpoint registers of an x86 CPU (`HBP_NUM`).
pub const HBP_NUM: usize = 4;

/// What an event watches: the pid and cpu arguments of `perf_event_open`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostTarget {
    /// A task, on whatever CPU it runs; 0 is the calling thread.
    Task(i32),
    /// A task while it runs on one CPU.
    TaskOnCpu(i32, u32),
    /// All tasks on one CPU.
    Cpu(u32),
}

impl fmt::Display for HostTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Task(pid) => write!(f, "task {pid}"),
            Self::TaskOnCpu(pid, cpu) => write!(f, "task {pid} on CPU {cpu}"),
            Self::Cpu(cpu) => write!(f, "CPU {cpu}"),
        }
    }
}

/// Count and times of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostCount {
    /// Hits counted, those of inherited copies included.
    pub value: u64,
    /// Nanoseconds enabled.
    pub time_enabled_ns: u64,
    /// Nanoseconds on a CPU.
    pub time_running_ns: u64,
}

/// What the kernel answered instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostPerfError {
    /// There is no such call here.
    #[error("the host is not x86-64 Linux")]
    OtherHost,
    /// An error number.
    #[error("{0}")]
    Refused(Errno),
    /// An error without a Linux error number that is known here.
    #[error("an error that is not one of Linux's")]
    Unknown,
}

/// Why the host's breakpoints cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// Not even a breakpoint on this process: no rights, no such PMU, or all slots taken.
    #[error("perf_event_open of a breakpoint on this process: {0}")]
    Task(HostPerfError),
    /// No breakpoint on a target.
    #[error("perf_event_open of a breakpoint on {target}: {error}")]
    Target {
        /// The target.
        target: HostTarget,
        /// What the kernel answered.
        error: HostPerfError,
    },
}

/// A disabled one-byte write watchpoint at address 0, user mode only.
fn smallest() -> PerfEventAttr {
    PerfEventAttr::breakpoint(0, 1, HW_BREAKPOINT_W)
        .with(AttrFlags::DISABLED)
        .with(AttrFlags::EXCLUDE_KERNEL)
}

/// Whether the kernel opens breakpoints on the calling thread.
///
/// # Errors
/// [`Unavailable::Task`], with what it answers.
pub fn probe() -> Result<(), Unavailable> {
    HostEvent::open(&smallest(), HostTarget::Task(0), None).map(drop).map_err(Unavailable::Task)
}

/// How many more breakpoints `target` takes (0 to [`HBP_NUM`]): what other users of the machine
/// leave.
///
/// # Errors
/// [`Unavailable::Target`] for anything but a lack of room.
pub fn free_slots(target: HostTarget) -> Result<usize, Unavailable> {
    let mut held = Vec::with_capacity(HBP_NUM);
    while held.len() < HBP_NUM {
        match HostEvent::open(&smallest(), target, None) {
            Ok(event) => held.push(event),
            Err(HostPerfError::Refused(Errno::ENOSPC)) => break,
            Err(error) => return Err(Unavailable::Target { target, error }),
        }
    }
    Ok(held.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The reason for which nothing can be tested here.
    fn skipped() -> bool {
        match probe() {
            Ok(()) => false,
            Err(reason) => {
                eprintln!("skipped: {reason}");
                true
            }
        }
    }

    #[test]
    fn refusals_are_the_kernels_error_numbers() {
        if skipped() {
            return;
        }
        let refusal = |attr: &PerfEventAttr, target| {
            HostEvent::open(attr, target, None).map(drop).unwrap_err()
        };
        let mut invalid = smallest();
        invalid.bp_type = 7;
        let refused = HostPerfError::Refused;
        assert_eq!(refusal(&invalid, HostTarget::Task(0)), refused(Errno::EINVAL), "rule 1.2");
        assert_eq!(refusal(&smallest(), HostTarget::Task(-2)), refused(Errno::ESRCH), "rule 1.2");
        let mut larger = smallest();
        larger.size = 1;
        assert_eq!(refusal(&larger, HostTarget::Task(0)), refused(Errno::E2BIG), "rule 1.1.1");
    }

    #[test]
    fn a_fresh_disabled_event_reads_zero() {
        if skipped() {
            return;
        }
        let mut event = HostEvent::open(&smallest(), HostTarget::Task(0), None).unwrap();
        let zero = HostCount { value: 0, time_enabled_ns: 0, time_running_ns: 0 };
        assert_eq!(event.read(), Ok(zero), "rule 3.4.2");
        for change in [HostEvent::enable, HostEvent::disable, HostEvent::reset] {
            assert_eq!(change(&mut event), Ok(()), "rule 3.7");
        }
        let sibling = smallest();
        assert!(HostEvent::open(&sibling, HostTarget::Task(0), Some(&mut event)).is_ok());
    }
}
