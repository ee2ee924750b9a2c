//! DR0 to DR3 with DR6 and DR7, and the comparison of accesses with them.
//! Rules M1 to M11.

use super::dr6;
use super::dr7::{Dr7, EntryKind};
use crate::cpuid::CpuVendor;

/// The debug registers of one vCPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DebugRegs {
    address: [u64; 4],
    dr6: u64,
    dr7: Dr7,
    vendor: CpuVendor,
    /// Whether IA-32e mode is active.
    long_mode: bool,
}

impl Default for DebugRegs {
    fn default() -> Self {
        let vendor = CpuVendor::default();
        Self { address: [0; 4], dr6: dr6::RESET, dr7: Dr7::RESET, vendor, long_mode: false }
    }
}

/// What a data access does, for matching.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataAccess {
    /// A load matches read-write entries.
    Load,
    /// A store matches write and read-write entries.
    Store,
}

impl DebugRegs {
    /// DR0 to DR3.
    #[must_use]
    pub fn address(&self, index: usize) -> u64 {
        self.address[index & 3]
    }

    /// DR6.
    #[must_use]
    pub fn dr6(&self) -> u64 {
        self.dr6
    }

    /// DR7.
    #[must_use]
    pub fn dr7(&self) -> Dr7 {
        self.dr7
    }

    pub(crate) fn set_vendor(&mut self, vendor: CpuVendor) {
        self.vendor = vendor;
    }

    /// Says whether IA-32e mode is active.
    pub(crate) fn set_long_mode(&mut self, active: bool) {
        self.long_mode = active;
    }

    /// Whether an entry's length exists: that of eight bytes is AMD's in IA-32e mode only,
    /// and Intel's in every mode (rule R6).
    fn has_length(&self, index: usize) -> bool {
        self.dr7.len(index) != 8 || self.vendor == CpuVendor::Intel || self.long_mode
    }

    pub(crate) fn set_address(&mut self, index: usize, value: u64) {
        self.address[index & 3] = value;
    }

    pub(crate) fn set_dr6(&mut self, value: u64) {
        self.dr6 = value;
    }

    pub(crate) fn set_dr7(&mut self, value: Dr7) {
        self.dr7 = value;
    }

    /// First and last byte that entry `index` covers: low bits of its address
    /// that its length makes meaningless are ignored (section 2 of the rules).
    #[must_use]
    pub fn range(&self, index: usize) -> (u64, u64) {
        let len = self.dr7.len(index);
        let base = self.address[index] & !(len - 1);
        (base, base + (len - 1))
    }

    /// B bits of the entries that an access of `size` bytes at `linear` matches (rules
    /// M3, M10, M11).
    #[must_use]
    pub fn match_data(&self, linear: u64, size: u64, access: DataAccess) -> u64 {
        self.collect(|index, kind| {
            let applies = match kind {
                EntryKind::Write => access == DataAccess::Store,
                EntryKind::ReadWrite => true,
                EntryKind::Execute | EntryKind::Io => false,
            };
            // Two ranges share a byte if one of them starts within the other; the
            // address space is a circle.
            let (watched, last_watched) = self.range(index);
            let starts_within = linear.wrapping_sub(watched) <= last_watched - watched;
            applies && (starts_within || watched.wrapping_sub(linear) < size)
        })
    }

    /// B bits of the enabled I/O entries that an access to `size` ports from `port` on
    /// matches (rule X1). The entries exist while CR4.DE is set.
    #[must_use]
    pub fn match_port(&self, port: u16, size: u32) -> u64 {
        self.collect(|index, kind| {
            let (first, last) = self.range(index);
            let (port, size) = (u64::from(port), u64::from(size));
            kind == EntryKind::Io && port <= last && first < port + size
        })
    }

    /// B bits of the entries that an instruction at `linear` matches (rule M1).
    #[must_use]
    pub fn match_execute(&self, linear: u64) -> u64 {
        self.collect(|index, kind| {
            // The length should be one byte; bits that another makes meaningless are so on
            // both sides.
            let (first, last) = self.range(index);
            kind == EntryKind::Execute && (first..=last).contains(&linear)
        })
    }

    /// B bits of the entries that match, where one of them is enabled. Intel's processors
    /// report disabled entries beside it, AMD's do not (rule M11).
    fn collect(&self, matches: impl Fn(usize, EntryKind) -> bool) -> u64 {
        let bits = (0..4)
            .filter(|&index| matches(index, self.dr7.kind(index)) && self.has_length(index))
            .fold(0, |bits, index| bits | 1 << index);
        let enabled = (0..4)
            .filter(|&index| self.dr7.is_enabled(index))
            .fold(0, |bits, index| bits | 1 << index);
        match self.vendor {
            _ if bits & enabled == 0 => 0,
            CpuVendor::Intel => bits,
            CpuVendor::Amd => bits & enabled,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Rule M3, byte by byte: the definition, without any arithmetic on ranges.
    fn naive(debug: &DebugRegs, linear: u64, size: u64, access: DataAccess) -> u64 {
        let (mut bits, mut enabled) = (0, false);
        for index in 0..4 {
            let len = debug.dr7().len(index);
            let base = debug.address(index) / len * len;
            for byte in 0..size {
                for watched in 0..len {
                    let same = linear.wrapping_add(byte) == base + watched;
                    let kind = match debug.dr7().kind(index) {
                        EntryKind::Write => access == DataAccess::Store,
                        EntryKind::ReadWrite => true,
                        _ => false,
                    };
                    if same && kind {
                        bits |= 1 << index;
                        enabled |= debug.dr7().is_enabled(index);
                    }
                }
            }
        }
        // Rule M11: a disabled entry counts beside an enabled one.
        if enabled { bits } else { 0 }
    }

    proptest! {
        /// The ranges of rule M3 against its definition, also where an access goes
        /// around the end of the address space.
        #[test]
        fn ranges_agree_with_bytes(
            middle in prop::sample::select(vec![0, 0x7ffe_1000u64]),
            addresses in prop::array::uniform4(-0x10i64..0x30),
            dr7: u32,
            linear in -0x20i64..0x40,
            size in 1u64..65,
            store: bool,
        ) {
            let mut debug = DebugRegs::default();
            for (index, address) in addresses.into_iter().enumerate() {
                debug.set_address(index, middle.wrapping_add_signed(address));
            }
            debug.set_dr7(Dr7::write(u64::from(dr7)));
            let linear = middle.wrapping_add_signed(linear);
            let access = if store { DataAccess::Store } else { DataAccess::Load };
            prop_assert_eq!(
                debug.match_data(linear, size, access),
                naive(&debug, linear, size, access)
            );
        }
    }
}
