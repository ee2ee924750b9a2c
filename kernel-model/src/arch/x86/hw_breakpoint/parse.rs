//! Which attributes this processor and kernel can watch (linux-hw-breakpoint rules 1.3 to 1.5).
//!
//! Source: `arch_build_bp_info`, `hw_breakpoint_arch_parse`, Linux 6.x
//! arch/x86/kernel/hw_breakpoint.c.

use std::ops::RangeInclusive;

use perf_core::attr::abi::{HW_BREAKPOINT_RW, HW_BREAKPOINT_W, HW_BREAKPOINT_X};
use perf_core::{Errno, PerfEventAttr};

use super::ArchHwBreakpoint;
use crate::arch::x86::debugreg::{BreakpointLen, BreakpointType};

/// First address that is not a user's: the 64-bit limit, for 32-bit tasks too (rule 1.5.1).
pub const TASK_SIZE_MAX: u64 = 0x7fff_ffff_f000;
/// The CPU entry area: entry stacks, IDT and GDT as the user's page tables map them.
pub const CPU_ENTRY_AREA: RangeInclusive<u64> = 0xffff_fe00_0000_0000..=0xffff_fe7f_ffff_ffff;
/// `sizeof(long)`: the only length of an execution breakpoint (rule 1.4.1).
const SIZEOF_LONG: u64 = 8;

/// Where execution breakpoints may be in kernel space (rule 1.5.2).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum KernelExec {
    /// Nowhere: a kernel without kprobes.
    #[default]
    Refused,
    /// Wherever kprobes may be, that is not in these ranges.
    Outside(Vec<RangeInclusive<u64>>),
}

impl KernelExec {
    fn allows(&self, address: u64) -> bool {
        match self {
            Self::Refused => false,
            Self::Outside(blacklist) => !blacklist.iter().any(|range| range.contains(&address)),
        }
    }
}

/// Addresses that may not be watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressRules {
    /// Bytes that no breakpoint may overlap, since the entry code touches them before it can
    /// take a #DB: the CPU entry area, and the kernel's GDTs, TSSs and debug register shadows
    /// (rule 1.5.3). Last byte included.
    pub forbidden: Vec<RangeInclusive<u64>>,
    /// Execution in kernel space.
    pub kernel_exec: KernelExec,
}

impl Default for AddressRules {
    /// The CPU entry area is forbidden, and there are no kprobes.
    fn default() -> Self {
        Self { forbidden: vec![CPU_ENTRY_AREA], kernel_exec: KernelExec::default() }
    }
}

impl AddressRules {
    pub(super) fn forbids(&self, first: u64, last: u64) -> bool {
        let overlaps =
            |range: &RangeInclusive<u64>| first <= *range.end() && *range.start() <= last;
        self.forbidden.iter().any(overlaps)
    }
}

/// `hw_breakpoint_arch_parse`: what a register has to hold for this attribute.
///
/// # Errors
/// EINVAL, or EOPNOTSUPP for aligned power-of-two ranges of 16 bytes and more, which only AMD's
/// BPEXT could watch. The order of checks is Linux's: range, forbidden addresses, type, length,
/// alignment.
pub fn hw_breakpoint_arch_parse(
    attr: &PerfEventAttr,
    rules: &AddressRules,
) -> Result<ArchHwBreakpoint, Errno> {
    let address = attr.bp_addr;
    let last = address.wrapping_add(attr.bp_len).wrapping_sub(1);
    if last < address || rules.forbids(address, last) {
        return Err(Errno::EINVAL);
    }
    let (kind, len) = match attr.bp_type {
        HW_BREAKPOINT_W => (BreakpointType::Write, data_len(attr)?),
        HW_BREAKPOINT_RW => (BreakpointType::ReadWrite, data_len(attr)?),
        HW_BREAKPOINT_X => (BreakpointType::Execute, exec_len(attr, rules)?),
        _ => return Err(Errno::EINVAL),
    };
    if !address.is_multiple_of(len.bytes()) {
        return Err(Errno::EINVAL);
    }
    Ok(ArchHwBreakpoint { address, len, kind })
}

/// Rule 1.4.
fn exec_len(attr: &PerfEventAttr, rules: &AddressRules) -> Result<BreakpointLen, Errno> {
    let in_kernel = attr.bp_addr >= TASK_SIZE_MAX;
    if in_kernel && !rules.kernel_exec.allows(attr.bp_addr) || attr.bp_len != SIZEOF_LONG {
        return Err(Errno::EINVAL);
    }
    Ok(BreakpointLen::LEN_X)
}

/// Rule 1.3, and 1.3.1 for ranges.
fn data_len(attr: &PerfEventAttr) -> Result<BreakpointLen, Errno> {
    match attr.bp_len {
        1 => Ok(BreakpointLen::Len1),
        2 => Ok(BreakpointLen::Len2),
        4 => Ok(BreakpointLen::Len4),
        8 => Ok(BreakpointLen::Len8),
        len if len.is_power_of_two() && attr.bp_addr.is_multiple_of(len) => Err(Errno::EOPNOTSUPP),
        _ => Err(Errno::EINVAL),
    }
}

/// `arch_check_bp_in_kernelspace`: whether any byte watched is not a user's. Uses the length in
/// the register, so execution at the last user byte is a user's (rule 1.4.3).
#[must_use]
pub fn arch_check_bp_in_kernelspace(bp: &ArchHwBreakpoint) -> bool {
    let last = bp.address.wrapping_add(bp.len.bytes() - 1);
    bp.address >= TASK_SIZE_MAX || last >= TASK_SIZE_MAX
}

#[cfg(test)]
mod tests {
    use super::*;
    use Errno::{EINVAL, EOPNOTSUPP};

    const R: u32 = 1;
    const W: u32 = HW_BREAKPOINT_W;
    const RW: u32 = HW_BREAKPOINT_RW;
    const X: u32 = HW_BREAKPOINT_X;

    fn parse(bp_type: u32, addr: u64, len: u64) -> Result<ArchHwBreakpoint, Errno> {
        let attr = PerfEventAttr::breakpoint(addr, len, bp_type);
        hw_breakpoint_arch_parse(&attr, &AddressRules::default())
    }

    fn errno(bp_type: u32, addr: u64, len: u64) -> Option<Errno> {
        parse(bp_type, addr, len).err()
    }

    /// The table of rule 1.3, at every offset in 32 bytes.
    #[test]
    fn types_lengths_and_alignments() {
        for offset in 0u64..32 {
            let addr = 0x60_0000 + offset;
            for bp_type in [W, RW] {
                for len in [1, 2, 4, 8] {
                    let expected = (!offset.is_multiple_of(len)).then_some(EINVAL);
                    assert_eq!(errno(bp_type, addr, len), expected, "{bp_type} {addr:#x}/{len}");
                }
                for len in [16, 32, 1 << 20] {
                    let aligned = addr.is_multiple_of(len);
                    let expected = if aligned { EOPNOTSUPP } else { EINVAL };
                    assert_eq!(errno(bp_type, addr, len), Some(expected), "{addr:#x}/{len}");
                }
                for len in [0, 3, 5, 6, 7, 9, 12, 24, 33] {
                    assert_eq!(errno(bp_type, addr, len), Some(EINVAL), "{addr:#x}/{len}");
                }
            }
            assert_eq!(errno(X, addr, 8), None);
            for len in [0, 1, 2, 3, 4, 16, 32] {
                assert_eq!(errno(X, addr, len), Some(EINVAL), "x {addr:#x}/{len}");
            }
            for bp_type in [0, R, 5, 6, 7, 8, 9, u32::MAX] {
                for len in [1, 2, 4, 8, 16] {
                    assert_eq!(errno(bp_type, addr, len), Some(EINVAL), "{bp_type}");
                }
            }
        }
    }

    #[test]
    fn edges_of_the_address_space() {
        let top = TASK_SIZE_MAX;
        for (bp_type, addr, len, expected) in [
            // 1.3.2: the last bytes are legal, wrapping is not, nor is no byte at all.
            (W, 0xffff_ffff_ffff_fff8, 8, None),
            (W, u64::MAX, 1, None),
            (W, u64::MAX, 2, Some(EINVAL)),
            (W, 0xffff_ffff_ffff_fffc, 8, Some(EINVAL)),
            (W, 0, 0, Some(EINVAL)),
            (W, 0, u64::MAX, Some(EINVAL)),
            // 1.5, first two rows; non-canonical is fine.
            (W, 0, 1, None),
            (X, 0, 8, None),
            (W, top - 8, 8, None),
            (W, top, 8, None),
            (RW, 0x8000_0000_0000, 8, None),
            (RW, 0x8000_0000_0000_0000, 4, None),
            (W, 0xffff_ffff_8100_0000, 8, None),
            // 1.5, the CPU entry area and its edges.
            (W, 0xffff_fe00_0000_0000, 1, Some(EINVAL)),
            (W, 0xffff_fe7f_ffff_ffff, 1, Some(EINVAL)),
            (W, 0xffff_fe40_0000_0000, 8, Some(EINVAL)),
            (W, 0xffff_fdff_ffff_fff8, 8, None),
            (W, 0xffff_fe80_0000_0000, 8, None),
            // An overlap is refused before the range's length is looked at (order of checks).
            (W, 0xffff_fe00_0000_0000, 16, Some(EINVAL)),
            (W, 0xffff_fd00_0000_0000, 1 << 41, Some(EINVAL)),
            // 1.5.2: no kprobes, no execution breakpoints; 1.4.3: the last user byte is fine.
            (X, top - 1, 8, None),
            (X, top, 8, Some(EINVAL)),
            (X, 0xffff_ffff_8100_0000, 8, Some(EINVAL)),
        ] {
            assert_eq!(errno(bp_type, addr, len), expected, "{bp_type} {addr:#x}/{len}");
        }
    }

    /// Rules 1.4.3 and 1.5.1.
    #[test]
    fn kernel_space() {
        let top = TASK_SIZE_MAX;
        for (bp_type, addr, len, in_kernel) in [
            (X, top - 1, 8, false),
            (W, top - 8, 8, false),
            (W, top - 1, 1, false),
            (W, top, 1, true),
            (W, 0x1_0000_0000, 8, false),
            (W, u64::MAX, 1, true),
        ] {
            let bp = parse(bp_type, addr, len).unwrap();
            assert_eq!(arch_check_bp_in_kernelspace(&bp), in_kernel, "{addr:#x}/{len}");
        }
        // Ptrace stores any address with length 1 before DR7 gives the real one.
        let straddling = ArchHwBreakpoint {
            address: top - 1,
            len: BreakpointLen::Len2,
            kind: BreakpointType::Write,
        };
        assert!(arch_check_bp_in_kernelspace(&straddling));
    }

    /// Rules 1.5.2 and 1.5.3 with a kernel that has kprobes and a GDT of its own.
    #[test]
    fn kernel_specific_rules() {
        let rules = AddressRules {
            forbidden: vec![CPU_ENTRY_AREA, 0xffff_8880_0000_1000..=0xffff_8880_0000_1fff],
            kernel_exec: KernelExec::Outside(vec![0xffff_ffff_8180_0000..=0xffff_ffff_8180_0fff]),
        };
        for (bp_type, addr, expected) in [
            (W, 0xffff_8880_0000_0ff8, None),
            (W, 0xffff_8880_0000_1000, Some(EINVAL)),
            (W, 0xffff_8880_0000_1ff8, Some(EINVAL)),
            (W, 0xffff_8880_0000_2000, None),
            (X, 0xffff_ffff_8100_0000, None),
            (X, 0xffff_ffff_8180_0001, Some(EINVAL)),
        ] {
            let attr = PerfEventAttr::breakpoint(addr, 8, bp_type);
            assert_eq!(hw_breakpoint_arch_parse(&attr, &rules).err(), expected, "{addr:#x}");
        }
    }

    #[test]
    fn execution_is_programmed_with_one_byte() {
        let bp = parse(X, 0x40_1003, 8).unwrap();
        assert_eq!((bp.len, bp.kind), (BreakpointLen::Len1, BreakpointType::Execute));
    }
}
