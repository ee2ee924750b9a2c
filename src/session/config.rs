//! The machine that a run asks for: what `--cpus`, `--cpu`, `--mem`, `--timing`,
//! `--seed`, `--sched-seed`, `--kernel` and `--defect` say.

use emulator::cpuid::{CpuModel, CpuVendor};
use perf_core::{Defects, Generation};

use super::host_tree::Mount;

/// How cycles are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Timing {
    /// One cycle an instruction.
    #[default]
    None,
    /// Tables of latency, throughput, caches and branches.
    Table,
}

impl Timing {
    /// The name on the command line and in recordings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Table => "table",
        }
    }

    /// The model of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::None, Self::Table].into_iter().find(|timing| timing.name() == name)
    }
}

/// The most CPUs that a machine can have.
pub const MAX_CPUS: u32 = 64;
/// The least memory that a machine can have.
pub const MIN_RAM_BYTES: u64 = 16 << 20;
/// The most memory that a machine can have.
pub const MAX_RAM_BYTES: u64 = 64 << 30;

/// Everything about the machine that is chosen before boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineConfig {
    /// CPUs, 1 to [`MAX_CPUS`].
    pub nr_cpus: u32,
    /// Guest memory, [`MIN_RAM_BYTES`] to [`MAX_RAM_BYTES`].
    pub ram_bytes: u64,
    /// The timing model.
    pub timing: Timing,
    /// The processor model.
    pub model: CpuModel,
    /// Whose rules hold where processors' makers differ.
    pub vendor: CpuVendor,
    /// Where the guest's random numbers start from.
    pub seed: u64,
    /// Where the scheduler's choices start from; the usual ones without.
    pub sched_seed: Option<u64>,
    /// The generation of the kernel layer.
    pub generation: Generation,
    /// Which of Linux's defects it shows.
    pub defects: Defects,
    /// Directories and files of the host that the guest sees, in the order of mounting.
    pub mounts: Vec<Mount>,
}

impl Default for MachineConfig {
    fn default() -> Self {
        Self {
            nr_cpus: 1,
            ram_bytes: 512 << 20,
            timing: Timing::None,
            model: CpuModel::default(),
            vendor: CpuVendor::default(),
            seed: 0,
            sched_seed: None,
            generation: Generation::default(),
            defects: Defects::default(),
            mounts: Vec::new(),
        }
    }
}

/// A machine that cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Too few or too many CPUs.
    #[error("--cpus {0}: a machine has 1 to {MAX_CPUS} CPUs")]
    Cpus(u32),
    /// Too little or too much memory.
    #[error(
        "--mem {bytes}: a machine has {} MiB to {} GiB of memory",
        MIN_RAM_BYTES >> 20,
        MAX_RAM_BYTES >> 30
    )]
    Ram {
        /// What was asked for.
        bytes: u64,
    },
    /// Memory that is not a whole number of pages.
    #[error("--mem {0}: memory comes in pages of 4096 bytes")]
    RamPages(u64),
}

impl MachineConfig {
    /// Whether the guest's root directory is the host's: then its program is there too.
    #[must_use]
    pub fn has_root(&self) -> bool {
        self.mounts.iter().any(|mount| mount.guest.target == b"/")
    }

    /// Refuses what the machine cannot be.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.nr_cpus == 0 || self.nr_cpus > MAX_CPUS {
            return Err(ConfigError::Cpus(self.nr_cpus));
        }
        if self.ram_bytes < MIN_RAM_BYTES || self.ram_bytes > MAX_RAM_BYTES {
            return Err(ConfigError::Ram { bytes: self.ram_bytes });
        }
        if !self.ram_bytes.is_multiple_of(4096) {
            return Err(ConfigError::RamPages(self.ram_bytes));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_inclusive() {
        let with = |nr_cpus, ram_bytes| MachineConfig { nr_cpus, ram_bytes, ..Default::default() };
        assert_eq!(with(1, MIN_RAM_BYTES).check(), Ok(()));
        assert_eq!(with(64, MAX_RAM_BYTES).check(), Ok(()));
        assert_eq!(with(0, MIN_RAM_BYTES).check(), Err(ConfigError::Cpus(0)));
        assert_eq!(with(65, MIN_RAM_BYTES).check(), Err(ConfigError::Cpus(65)));
        assert!(matches!(with(1, MIN_RAM_BYTES - 1).check(), Err(ConfigError::Ram { .. })));
        assert!(matches!(with(1, MIN_RAM_BYTES + 1).check(), Err(ConfigError::RamPages(_))));
    }

    #[test]
    fn names_come_back() {
        for timing in [Timing::None, Timing::Table] {
            assert_eq!(Timing::from_name(timing.name()), Some(timing));
        }
        assert_eq!(Timing::from_name("exact"), None);
    }
}
