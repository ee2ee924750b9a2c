//! The defects of Linux that the model shows, each a switch, and the generations of the kernel
//! that had them (linux-hw-breakpoint section 8). This is the one list of them for the whole
//! workspace: whatever shows a defect asks [`Defects::has`].
//!
//! Key types: [`Defect`] (a switch), [`Defects`] (a set of them), [`Generation`] (which set a
//! kernel starts from). `docs/kernel-generations.md` has the list as a table; a test keeps it so.

use std::fmt;
use std::str::FromStr;

/// A generation of the kernel layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Generation {
    /// 6.1 to 6.18.
    #[default]
    V6,
    /// The commit that put breakpoints on perf events (24f1e32c60c4, November 2009), in spirit.
    V2_6_33,
}

/// A generation that is not modelled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\": the kernel generations are 6.x and 2.6.33")]
pub struct UnknownGeneration(pub String);

impl Generation {
    /// All, newest first.
    pub const ALL: [Self; 2] = [Self::V6, Self::V2_6_33];

    /// Its name on the command line and in recordings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::V6 => "6.x",
            Self::V2_6_33 => "2.6.33",
        }
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Generation {
    type Err = UnknownGeneration;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = Self::ALL.into_iter().find(|generation| generation.name() == text);
        named.ok_or_else(|| UnknownGeneration(text.to_owned()))
    }
}

/// What is known of a defect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DefectInfo {
    /// Its name on the command line: `S1` to `S16`, `B1` to `B4`, `C1`, `C2`, `K1` to `K12`.
    pub name: &'static str,
    /// The rule of linux-hw-breakpoint that describes it.
    pub rule: &'static str,
    /// What it does.
    pub what: &'static str,
    /// On by default in 6.x.
    pub in_6: bool,
    /// On by default in 2.6.33.
    pub in_2_6_33: bool,
    /// The source file that shows it, a path from the repository's root, or below `arch/` in the
    /// kernel model's architecture; empty where nothing does.
    pub place: &'static str,
}

impl DefectInfo {
    /// Whether the switch does anything.
    #[must_use]
    pub const fn is_modelled(&self) -> bool {
        !self.place.is_empty()
    }
}

macro_rules! defects {
    ($($variant:ident = $name:literal $rule:literal, $in_6:ident $in_2_6_33:ident,
        $place:literal, $what:literal;)*) => {
        /// A defect that can be switched on and off.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Defect {
            $(#[doc = concat!($name, ", rule ", $rule, ": ", $what, ".")] $variant,)*
        }

        impl Defect {
            /// All, in the order of the specification.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// What is known of it.
            #[must_use]
            pub const fn info(self) -> DefectInfo {
                match self {
                    $(Self::$variant => DefectInfo {
                        name: $name,
                        rule: $rule,
                        what: $what,
                        in_6: default::$in_6,
                        in_2_6_33: default::$in_2_6_33,
                        place: $place,
                    },)*
                }
            }
        }
    };
}

/// The two words of the table's default columns.
mod default {
    pub(super) const ON: bool = true;
    pub(super) const OFF: bool = false;
}

defects! {
    // The seed commit. Columns: rule; default in 6.x and in 2.6.33; where; what.
    GlobalSlotCounter = "S1" "2.4.1", OFF ON, "kernel-model/src/events/bp_slots/scheme.rs",
        "one counter for the whole machine, of which only 3 units can be taken";
    WideTakesUnitPerCpu = "S2" "2.4.2", OFF ON, "kernel-model/src/events/bp_slots/unit_counter.rs",
        "with that counter, a wide breakpoint takes a unit for each possible CPU instead of one";
    SlotLeaksOnFailure = "S3" "2.4.3", OFF ON, "kernel-model/src/events/hw_breakpoint/mod.rs",
        "an open that fails after its reservation, in validation or for want of a descriptor, \
         never gives it back";
    DisabledNotValidated = "S4" "1.8", OFF ON, "kernel-model/src/events/hw_breakpoint/pmu.rs",
        "an event opened disabled is not validated; enabling it watches execution at address 0";
    OpenedNeverCount = "S5" "1.8.1", OFF ON, "perf-core/src/count.rs",
        "breakpoints opened by the system call never count or sample";
    ModifyLosesSlot = "S6" "5.6.1", OFF ON,
        "arch/ptrace/early_debugreg.rs",
        "changing a ptrace breakpoint unregisters it first, and a failure loses it";
    AddressRewriteInverts = "S7" "5.6.2", OFF ON,
        "arch/ptrace/early_debugreg.rs",
        "rewriting the address of a ptrace breakpoint inverts whether it is enabled";
    NullInsteadOfError = "S8" "6.1.3", OFF ON,
        "kernel-model/src/kernel/in_kernel_breakpoint.rs",
        "the in-kernel calls that create breakpoints fail without an error number";
    GroupFlagIgnoresSiblings = "S9" "3.3.4", OFF ON, "perf-core/src/ioctl.rs",
        "an ioctl for the whole group acts on the leader only";
    PeriodAlwaysFaults = "S10" "3.7.1", OFF ON, "perf-core/src/period.rs",
        "changing the period gives EFAULT";
    KsymChangeBugs = "S11" "6.2.5", OFF ON, "kernel-model/src/trace/ksym/mod.rs",
        "changing a ksym filter leaks its breakpoint, or keeps the entry of one that is gone";
    HandlerStopsAtEmpty = "S12" "4.3.9", OFF ON,
        "arch/debug_trap/handler.rs",
        "a hit in a register without an owner ends the handler and swallows the other hits";
    GlobalExactCleared = "S13" "4.2.2", OFF ON,
        "arch/hw_breakpoint/install.rs",
        "removing a breakpoint clears the global exact bit, and the shadow is written first";
    NoResumeFlag = "S14" "4.3", OFF ON, "arch/debug_trap/handler.rs",
        "an execution breakpoint does not set the resume flag and is hit again for ever";
    PidIgnoredWithCpu = "S15" "1.8", OFF ON, "kernel-model/src/events/perf_bridge/mod.rs",
        "with a CPU the pid is ignored, and the event is CPU-wide";
    PollSaysSix = "S16" "3.9.3", OFF ON, "perf-core/src/poll.rs",
        "poll reports the number 6 (POLLPRI and POLLOUT) where POLLHUP is meant";

    // The table of slots that came next. They show where S1 is off.
    TaskLimitedByOthers = "B1" "2.4.5", OFF ON, "kernel-model/src/events/bp_slots/cpu_table.rs",
        "a task's event is refused because of what another task holds";
    ExitedTaskNotReleased = "B2" "2.4.6", OFF ON, "kernel-model/src/events/bp_slots/cpu_table.rs",
        "releasing an event whose task has exited leaves the table as it was";
    OnlineCpusOnly = "B3" "2.4.7", OFF ON, "kernel-model/src/events/bp_slots/cpu_table.rs",
        "only CPUs that are online are looked at and changed";
    TableLeaksOnFailure = "B4" "2.4.8", OFF ON, "kernel-model/src/events/hw_breakpoint/mod.rs",
        "as S3, for the table";

    // 2.6.37 to 3.10.
    TaskCountIgnoresCpu = "C1" "2.4.10", OFF OFF, "kernel-model/src/events/bp_slots/cpu_table.rs",
        "a task's events count on every CPU, whichever they are bound to";
    HistogramCorruption = "C2" "2.4.11", OFF OFF, "kernel-model/src/events/bp_slots/cpu_table.rs",
        "the table is updated with that count and ends up with counts below zero";

    // 6.18, measured.
    RefreshDeadEnd = "K1" "3.5.9", ON OFF, "perf-core/src/pmu_ops.rs",
        "an exhausted REFRESH budget leaves an event stopped; only PERIOD revives it";
    ForeignLeaderSibling = "K2" "3.2.6", ON OFF, "perf-core/src/sched.rs",
        "a sibling under a running leader of another PMU does not start";
    OffLeaderCloseStrands = "K3" "3.2.7", ON ON, "perf-core/src/install.rs",
        "siblings of a closed leader that was off wait for the next scheduling point";
    FailedModifyFlips = "K4" "3.7.2", ON OFF, "perf-core/src/modify.rs",
        "a failing MODIFY_ATTRIBUTES sets the enable state by the attribute and keeps sig_data";
    ForkNeedsKernelRight = "K5" "1.6.2", ON OFF, "kernel-model/src/kernel/perf_tasks.rs",
        "fork fails with EPERM where an inherited breakpoint is on a kernel address";
    SamplePeriodOverrides = "K6" "3.5.3", ON OFF, "perf-core/src/count.rs",
        "with PERF_SAMPLE_PERIOD every hit is a sample, whatever the period";
    PeriodOneIntervalLate = "K7" "3.7.1", ON OFF, "perf-core/src/period.rs",
        "after PERIOD the next hit overflows and the interval after it has the old length";
    DeadTargetsHoldSlots = "K8" "2.5.3", ON ON, "kernel-model/src/events/hw_breakpoint/mod.rs",
        "events of a task that has exited hold their slots until they are closed";
    ForkCopiesVirtualDr = "K9" "5.5.1", ON ON, "kernel-model/src/syscalls/clone.rs",
        "a child starts with its parent's virtual debug status and control";
    DisabledSlotsValidated = "K10" "5.2.2", ON OFF, "arch/ptrace/debugreg.rs",
        "ptrace breakpoints are validated when the control register is written, enabled or not";
    DetachLeavesTraps = "K11" "5.5.4", ON ON, "arch/ptrace/debugreg.rs",
        "a tracer that detaches leaves its breakpoints armed";
    ContextSwapBookkeeping = "K12" "3.6.6", OFF OFF, "",
        "contexts of clones are exchanged at a switch, which moves counts between their events";
}

/// A defect that is not on the list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no defect \"{0}\": they are {names}", names = names())]
pub struct UnknownDefect(pub String);

fn names() -> String {
    let names: Vec<_> = Defect::ALL.iter().map(|defect| defect.info().name).collect();
    names.join(", ")
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.info().name)
    }
}

impl FromStr for Defect {
    type Err = UnknownDefect;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = Self::ALL.iter().find(|defect| defect.info().name == text);
        named.copied().ok_or_else(|| UnknownDefect(text.to_owned()))
    }
}

/// Which defects a kernel shows.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Defects(u64);

impl Defects {
    /// A kernel without any of them.
    pub const NONE: Self = Self(0);
    /// As measured on 6.18.
    pub const LINUX_6: Self = Self::of(Generation::V6);
    /// The seed commit's.
    pub const LINUX_2_6_33: Self = Self::of(Generation::V2_6_33);

    /// What a generation has.
    #[must_use]
    pub const fn of(generation: Generation) -> Self {
        let mut set = Self::NONE;
        let mut at = 0;
        while at < Defect::ALL.len() {
            let info = Defect::ALL[at].info();
            let has = match generation {
                Generation::V6 => info.in_6,
                Generation::V2_6_33 => info.in_2_6_33,
            };
            if has {
                set = set.with(Defect::ALL[at]);
            }
            at += 1;
        }
        set
    }

    /// Whether the kernel shows it.
    #[must_use]
    pub const fn has(self, defect: Defect) -> bool {
        self.0 & 1 << defect as u64 != 0
    }

    /// The same with one more.
    #[must_use]
    pub const fn with(self, defect: Defect) -> Self {
        Self(self.0 | 1 << defect as u64)
    }

    /// The same with one less.
    #[must_use]
    pub const fn without(self, defect: Defect) -> Self {
        Self(self.0 & !(1 << defect as u64))
    }

    /// Its members, in the order of the list.
    pub fn iter(self) -> impl Iterator<Item = Defect> {
        Defect::ALL.iter().copied().filter(move |defect| self.has(*defect))
    }
}

impl Default for Defects {
    fn default() -> Self {
        Self::LINUX_6
    }
}

impl fmt::Debug for Defects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl FromIterator<Defect> for Defects {
    fn from_iter<T: IntoIterator<Item = Defect>>(defects: T) -> Self {
        defects.into_iter().fold(Self::NONE, Self::with)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_specification() {
        let numbered = |letter, count| (1..=count).map(move |n| format!("{letter}{n}"));
        let expected = numbered('S', 16).chain(numbered('B', 4)).chain(numbered('C', 2));
        let expected: Vec<_> = expected.chain(numbered('K', 12)).collect();
        let found: Vec<_> = Defect::ALL.iter().map(ToString::to_string).collect();
        assert_eq!(found, expected);
        for defect in Defect::ALL {
            assert_eq!(defect.info().name.parse(), Ok(*defect));
        }
        let unknown = "S17".parse::<Defect>().unwrap_err().to_string();
        assert!(unknown.contains("\"S17\"") && unknown.contains("S16, B1"), "{unknown}");
        assert_eq!("2.6.33".parse(), Ok(Generation::V2_6_33));
        assert!("2.4".parse::<Generation>().unwrap_err().to_string().contains("6.x and 2.6.33"));
    }

    #[test]
    fn sets() {
        for generation in Generation::ALL {
            let set = Defects::of(generation);
            assert_eq!(set.iter().collect::<Defects>(), set);
            for &defect in Defect::ALL {
                assert!(set.with(defect).has(defect) && !set.without(defect).has(defect));
            }
        }
        assert_eq!(Defects::default(), Defects::of(Generation::V6));
        assert_eq!(Defects::NONE.iter().count(), 0);
    }
}
