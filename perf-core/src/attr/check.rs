//! Checks on an attribute alone: rule 1.2 step 3 (`perf_copy_attr`) and steps 4 and 5
//! (`perf_event_open` before any lookup).

use super::PerfEventAttr;
use super::abi::{
    AttrFlags, PERF_FORMAT_MAX, PERF_SAMPLE_BRANCH_MAX, PERF_SAMPLE_BRANCH_PLM_ALL,
    PERF_SAMPLE_BRANCH_STACK, PERF_SAMPLE_MAX, PERF_SAMPLE_PHYS_ADDR, PERF_SAMPLE_REGS_INTR,
    PERF_SAMPLE_REGS_USER, PERF_SAMPLE_STACK_USER, PERF_SAMPLE_WEIGHT, PERF_SAMPLE_WEIGHT_STRUCT,
};
use crate::errno::Errno;

/// Limits that depend on the machine or on sysctls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AttrLimits {
    /// Registers that exist for `sample_regs_user` and `sample_regs_intr`.
    pub valid_regs: u64,
    /// `kernel.perf_event_max_sample_rate`, Hz.
    pub max_sample_rate: u64,
    /// `kernel.perf_event_max_stack`, frames.
    pub max_stack: u16,
}

impl Default for AttrLimits {
    fn default() -> Self {
        AttrLimits { valid_regs: !0, max_sample_rate: 100_000, max_stack: 127 }
    }
}

/// What the opener may do, as far as perf asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Credentials {
    /// `kernel.perf_event_paranoid`.
    pub paranoid: i32,
    /// CAP_PERFMON or CAP_SYS_ADMIN (`perfmon_capable`).
    pub perfmon_capable: bool,
}

impl Credentials {
    /// May the opener count kernel-mode hits (`perf_allow_kernel`)?
    pub fn allow_kernel(self) -> Result<(), Errno> {
        self.allow_up_to(1)
    }

    /// May the opener create CPU-wide events (`perf_allow_cpu`)? Rule 1.2 step 19.
    pub fn allow_cpu(self) -> Result<(), Errno> {
        self.allow_up_to(0)
    }

    fn allow_up_to(self, level: i32) -> Result<(), Errno> {
        if self.paranoid > level && !self.perfmon_capable { Err(Errno::EACCES) } else { Ok(()) }
    }
}

impl PerfEventAttr {
    /// Step 3: bits that do not exist or do not go together. All EINVAL.
    pub fn check(&self, limits: &AttrLimits) -> Result<(), Errno> {
        let regs_ok = |mask: u64| mask != 0 && mask & !limits.valid_regs == 0;
        let stack = self.sample_stack_user;
        let bad = self.flags.intersects(AttrFlags::RESERVED)
            || self.reserved_2 != 0
            || self.aux_action & !0b111 != 0
            || self.sample_type & !(PERF_SAMPLE_MAX - 1) != 0
            || self.read_format & !(PERF_FORMAT_MAX - 1) != 0
            || self.samples(PERF_SAMPLE_BRANCH_STACK) && !self.branch_type_ok()
            || self.samples(PERF_SAMPLE_REGS_USER) && !regs_ok(self.sample_regs_user)
            || self.samples(PERF_SAMPLE_STACK_USER)
                && (stack >= u32::from(u16::MAX) || !stack.is_multiple_of(8))
            || self.samples(PERF_SAMPLE_REGS_INTR) && !regs_ok(self.sample_regs_intr)
            || self.samples(PERF_SAMPLE_WEIGHT) && self.samples(PERF_SAMPLE_WEIGHT_STRUCT)
            || self.has(AttrFlags::INHERIT_THREAD) && !self.has(AttrFlags::INHERIT)
            || self.has(AttrFlags::REMOVE_ON_EXEC) && self.has(AttrFlags::ENABLE_ON_EXEC)
            || self.has(AttrFlags::SIGTRAP) && !self.has(AttrFlags::REMOVE_ON_EXEC);
        if bad { Err(Errno::EINVAL) } else { Ok(()) }
    }

    fn branch_type_ok(&self) -> bool {
        let mask = self.branch_sample_type;
        mask & !(PERF_SAMPLE_BRANCH_MAX - 1) == 0 && mask & !PERF_SAMPLE_BRANCH_PLM_ALL != 0
    }

    /// Steps 4 and 5, in order: kernel-mode hits, namespaces records and physical addresses need
    /// rights (EACCES); then frequency and period ranges (EINVAL).
    pub fn check_access(&self, who: Credentials, limits: &AttrLimits) -> Result<(), Errno> {
        if !self.has(AttrFlags::EXCLUDE_KERNEL) {
            who.allow_kernel()?;
        }
        if self.has(AttrFlags::NAMESPACES) && !who.perfmon_capable {
            return Err(Errno::EACCES);
        }
        self.check_period(self.sample_period, limits)?;
        if self.samples(PERF_SAMPLE_PHYS_ADDR) {
            who.allow_kernel()?;
        }
        Ok(())
    }

    /// Whether `value` may be this event's frequency or period (0 included: counting).
    pub(crate) fn check_period(&self, value: u64, limits: &AttrLimits) -> Result<(), Errno> {
        let bad = if self.has(AttrFlags::FREQ) {
            value > limits.max_sample_rate
        } else {
            value >> 63 != 0
        };
        if bad { Err(Errno::EINVAL) } else { Ok(()) }
    }

    /// What `perf_copy_attr` fills in after the checks: a call chain depth of 0 becomes the
    /// sysctl's.
    #[must_use]
    pub fn with_defaults(mut self, limits: &AttrLimits) -> Self {
        if self.sample_max_stack == 0 {
            self.sample_max_stack = limits.max_stack;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attr::abi::{PERF_SAMPLE_IP, PERF_SAMPLE_TID};

    fn bp() -> PerfEventAttr {
        PerfEventAttr::breakpoint(0x1000, 4, 2)
    }

    /// Rule 1.2 step 3, and "read_format=0x20 : EINVAL" as measured.
    #[test]
    fn step_3() {
        let limits = AttrLimits { valid_regs: 0x1ff, ..Default::default() };
        let cases: [(PerfEventAttr, bool); 14] = [
            (bp(), true),
            (PerfEventAttr { read_format: 0x1f, ..bp() }, true),
            (PerfEventAttr { read_format: 0x20, ..bp() }, false),
            (PerfEventAttr { sample_type: 1 << 25, ..bp() }, false),
            (PerfEventAttr { sample_type: PERF_SAMPLE_IP | PERF_SAMPLE_TID, ..bp() }, true),
            (PerfEventAttr { sample_type: PERF_SAMPLE_REGS_USER, ..bp() }, false),
            (
                PerfEventAttr {
                    sample_type: PERF_SAMPLE_REGS_USER,
                    sample_regs_user: 0x101,
                    ..bp()
                },
                true,
            ),
            (
                PerfEventAttr {
                    sample_type: PERF_SAMPLE_REGS_INTR,
                    sample_regs_intr: 0x201,
                    ..bp()
                },
                false,
            ),
            (bp().with(AttrFlags::INHERIT_THREAD), false),
            (bp().with(AttrFlags::INHERIT_THREAD | AttrFlags::INHERIT), true),
            (bp().with(AttrFlags::SIGTRAP), false),
            (bp().with(AttrFlags::SIGTRAP | AttrFlags::REMOVE_ON_EXEC), true),
            (bp().with(AttrFlags::ENABLE_ON_EXEC | AttrFlags::REMOVE_ON_EXEC), false),
            (bp().with(AttrFlags(1 << 38)), false),
        ];
        for (attr, ok) in cases {
            assert_eq!(attr.check(&limits).is_ok(), ok, "{attr:?}");
        }
        let stack =
            |n| PerfEventAttr { sample_type: PERF_SAMPLE_STACK_USER, sample_stack_user: n, ..bp() };
        assert!(stack(16).check(&limits).is_ok());
        assert_eq!(stack(12).check(&limits), Err(Errno::EINVAL));
        assert_eq!(stack(65_536).check(&limits), Err(Errno::EINVAL));
    }

    /// Rule 1.6, first two rows, and the order of steps 4 and 5.
    #[test]
    fn steps_4_and_5() {
        let limits = AttrLimits::default();
        let user = bp().with(AttrFlags::EXCLUDE_KERNEL);
        for (paranoid, perfmon_capable, any_mode) in [
            (0, false, true),
            (1, false, true),
            (2, false, false),
            (4, false, false),
            (2, true, true),
        ] {
            let who = Credentials { paranoid, perfmon_capable };
            assert!(user.check_access(who, &limits).is_ok());
            assert_eq!(bp().check_access(who, &limits).is_ok(), any_mode, "{who:?}");
        }
        let nobody = Credentials { paranoid: 2, perfmon_capable: false };
        let bad_period = PerfEventAttr { sample_period: 1 << 63, ..bp() };
        assert_eq!(bad_period.check_access(nobody, &limits), Err(Errno::EACCES));
        let bad_period = bad_period.with(AttrFlags::EXCLUDE_KERNEL);
        assert_eq!(bad_period.check_access(nobody, &limits), Err(Errno::EINVAL));
        let freq = |hz| PerfEventAttr { sample_period: hz, ..user.clone() }.with(AttrFlags::FREQ);
        assert!(freq(100_000).check_access(nobody, &limits).is_ok());
        assert_eq!(freq(100_001).check_access(nobody, &limits), Err(Errno::EINVAL));
        assert_eq!(nobody.allow_cpu(), Err(Errno::EACCES));
        assert_eq!(Credentials { paranoid: 1, ..nobody }.allow_cpu(), Err(Errno::EACCES));
        assert!(Credentials { paranoid: 0, ..nobody }.allow_cpu().is_ok());
    }
}
