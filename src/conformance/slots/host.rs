//! Whether this host can be the oracle: rights, free slots, CPUs, kernel.

use kernel_model::scenario::StageConfig;
use perf_core::attr::abi::HW_BREAKPOINT_W;
use perf_core::{Defect, PerfEventAttr};

use super::native::NativeError;
use super::places::KERNEL_TEXT;
use crate::host_perf::{
    BreakpointLock, HBP_NUM, HostEvent, HostPerfError, HostTarget, Unavailable, free_slots, probe,
};

/// The oldest kernel whose rules the model has.
const OLDEST: (u32, u32) = (6, 1);
/// The first kernel on which an exhausted REFRESH budget is a dead end (rule 3.5.9).
const REFRESH_DEAD_END: (u32, u32) = (6, 17);
/// More CPUs than a native affinity mask has.
const MAX_CPUS: u32 = 64;

/// Why nothing is compared; that is no failure.
#[derive(Debug, thiserror::Error)]
pub enum SkipReason {
    /// No breakpoints.
    #[error("{0}")]
    Unavailable(#[from] Unavailable),
    /// Somebody else uses breakpoints.
    #[error("{free} of {HBP_NUM} breakpoint slots are free on CPU {cpu}")]
    SlotsTaken {
        /// Which CPU.
        cpu: u32,
        /// What is left.
        free: usize,
    },
    /// Somebody else began or ceased to use breakpoints.
    #[error("somebody else's breakpoints came or went meanwhile")]
    Disturbed,
    /// No breakpoints on kernel addresses.
    #[error("perf_event_open of a breakpoint on a kernel address: {0}")]
    Unprivileged(HostPerfError),
    /// CPUs that the model does not have in this way.
    #[error("CPUs: possible {possible}, online {online}, allowed {allowed}: not all the same")]
    Cpus {
        /// `/sys/devices/system/cpu/possible`.
        possible: String,
        /// `/sys/devices/system/cpu/online`.
        online: String,
        /// `Cpus_allowed_list` of this process.
        allowed: String,
    },
    /// Another kernel.
    #[error("Linux {release} is older than the model's {}.{}", OLDEST.0, OLDEST.1)]
    OldKernel {
        /// Its release.
        release: String,
    },
    /// Others cannot be kept away.
    #[error("the lock of the machine's breakpoints: {0}")]
    Lock(#[source] std::io::Error),
    /// No tasks.
    #[error("{0}")]
    Native(#[source] NativeError),
}

/// A host that answers, and is nobody else's while this lives.
#[derive(Debug)]
pub struct Host {
    /// Its release.
    pub release: String,
    /// Its CPUs, all online.
    pub nr_cpus: u32,
    /// The stage that is its model.
    pub stage: StageConfig,
    /// Breakpoints that a task of somebody else's has.
    pub others: usize,
    _lock: BreakpointLock,
}

impl Host {
    /// Looks at the host, and waits until no other process of dr7 uses its breakpoints.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn take() -> Result<Self, SkipReason> {
        probe()?;
        let release = read("/proc/sys/kernel/osrelease");
        let version = version(&release);
        if version < OLDEST {
            return Err(SkipReason::OldKernel { release });
        }
        let nr_cpus = nr_cpus()?;
        let lock = BreakpointLock::take().map_err(SkipReason::Lock)?;
        let others = others(nr_cpus)?;
        let attr = PerfEventAttr::breakpoint(KERNEL_TEXT, 1, HW_BREAKPOINT_W);
        HostEvent::open(&attr, HostTarget::Task(0), None).map_err(SkipReason::Unprivileged)?;
        let mut stage = StageConfig { nr_cpus, ..StageConfig::default() };
        if version < REFRESH_DEAD_END {
            stage.defects = stage.defects.without(Defect::RefreshDeadEnd);
        }
        Ok(Self { release, nr_cpus, stage, others, _lock: lock })
    }
}

/// How many breakpoints somebody else's task has, on any CPU: what a debugger left behind, for
/// instance. They count only against CPU-wide ones (rule 2.1.1), so the model can have such a
/// task too.
///
/// # Errors
/// [`SkipReason::SlotsTaken`] for what no single task can have.
pub fn others(nr_cpus: u32) -> Result<usize, SkipReason> {
    let first = free_slots(HostTarget::Cpu(0))?;
    for cpu in 0..nr_cpus {
        let free = free_slots(HostTarget::Cpu(cpu))?;
        if free != first || free_slots(HostTarget::TaskOnCpu(0, cpu))? < HBP_NUM {
            return Err(SkipReason::SlotsTaken { cpu, free });
        }
    }
    Ok(HBP_NUM - first)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

fn version(release: &str) -> (u32, u32) {
    let mut numbers = release.split(['.', '-', '+']).map_while(|part| part.parse().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// The number of CPUs, if they are all online and we may run on all.
fn nr_cpus() -> Result<u32, SkipReason> {
    let possible = read("/sys/devices/system/cpu/possible");
    let online = read("/sys/devices/system/cpu/online");
    let status = read("/proc/self/status");
    let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    let allowed = allowed.unwrap_or_default().trim().to_owned();
    let count = count(&possible).filter(|count| *count <= MAX_CPUS);
    match count {
        Some(count) if possible == online && possible == allowed => Ok(count),
        _ => Err(SkipReason::Cpus { possible, online, allowed }),
    }
}

/// How many CPUs a list has that begins at 0 and has no gap.
fn count(list: &str) -> Option<u32> {
    match list.split_once('-') {
        Some(("0", last)) => last.parse::<u32>().ok()?.checked_add(1),
        None if list == "0" => Some(1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cpus() {
        for (list, expected) in
            [("0", Some(1)), ("0-1", Some(2)), ("0-63", Some(64)), ("0,2", None), ("1-3", None)]
        {
            assert_eq!(count(list), expected, "{list}");
        }
    }

    #[test]
    fn releases() {
        assert_eq!(version("6.18.44-fc-v657"), (6, 18));
        assert_eq!(version("6.1-rc1"), (6, 1));
        assert_eq!(version("what"), (0, 0));
    }
}
