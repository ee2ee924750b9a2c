//! The debug registers as Linux writes them: bits, fields of DR7, and the door to the hardware.
//!
//! [`encode_dr7`] and [`decode_dr7`] are the two directions of rule 4.1; [`DebugPort`] is what
//! the code beside this module needs of the hardware, so that tests can watch the order of writes.
//! Source: Intel SDM vol. 3B 17.2, Linux 6.x arch/x86/include/uapi/asm/debugreg.h,
//! arch/x86/kernel/hw_breakpoint.c.

use perf_core::attr::abi::{HW_BREAKPOINT_RW, HW_BREAKPOINT_W, HW_BREAKPOINT_X};
use perf_core::{CpuId, Errno};

use super::hw::Hw;

/// Number of breakpoint registers (`HBP_NUM`).
pub const HBP_NUM: usize = 4;
/// B0 to B3 of DR6 (`DR_TRAP_BITS`).
pub const DR_TRAP_BITS: u64 = 0xf;
/// Bus lock (`DR_BUS_LOCK`), after the polarity flip.
pub const DR_BUS_LOCK: u64 = 1 << 11;
/// BS, single step (`DR_STEP`).
pub const DR_STEP: u64 = 1 << 14;
/// What DR6 holds when nothing has happened (`DR6_RESERVED`); also the bits that are active low.
pub const DR6_RESERVED: u64 = 0xffff_0ff0;
/// The bit of DR7 that always reads as one (`DR7_FIXED_1`).
pub const DR7_FIXED_1: u64 = 0x400;
/// G0 to G3 of DR7 (`DR_GLOBAL_ENABLE_MASK`).
pub const DR_GLOBAL_ENABLE_MASK: u64 = 0xaa;
/// GE, exact data breakpoints (`DR_GLOBAL_SLOWDOWN`).
pub const DR_GLOBAL_SLOWDOWN: u64 = 0x200;
/// Number of DR6, for [`DebugPort`].
pub const DR_STATUS: usize = 6;
/// Number of DR7, for [`DebugPort`].
pub const DR_CONTROL: usize = 7;

const DR_CONTROL_SHIFT: usize = 16;
const DR_CONTROL_SIZE: usize = 4;
const DR_ENABLE_SIZE: usize = 2;
const DR_GLOBAL_ENABLE: u64 = 2;
const SIZEOF_LONG: u64 = 8;

/// Bytes that an entry covers, with Linux's internal code `0x40 | LEN << 2` (rule 4.1.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum BreakpointLen {
    /// One byte. Execution has the same code (`X86_BREAKPOINT_LEN_X`).
    Len1 = 0x40,
    /// Two bytes.
    Len2 = 0x44,
    /// Eight bytes.
    Len8 = 0x48,
    /// Four bytes.
    Len4 = 0x4c,
}

impl BreakpointLen {
    /// The only length of an execution breakpoint in the register.
    pub const LEN_X: Self = Self::Len1;

    /// Number of bytes (`arch_bp_generic_len`): 1, 2, 4 or 8.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        match self {
            Self::Len1 => 1,
            Self::Len2 => 2,
            Self::Len4 => 4,
            Self::Len8 => 8,
        }
    }

    const fn from_field(field: u64) -> Self {
        match field & 3 {
            0 => Self::Len1,
            1 => Self::Len2,
            2 => Self::Len8,
            _ => Self::Len4,
        }
    }
}

/// What an entry looks for, with Linux's internal code `0x80 | RW`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum BreakpointType {
    /// Execution.
    Execute = 0x80,
    /// Writes.
    Write = 0x81,
    /// I/O ports. Linux never writes it and refuses it in a user's DR7.
    Io = 0x82,
    /// Reads and writes.
    ReadWrite = 0x83,
}

impl BreakpointType {
    const fn from_field(field: u64) -> Self {
        match field & 3 {
            0 => Self::Execute,
            1 => Self::Write,
            2 => Self::Io,
            _ => Self::ReadWrite,
        }
    }
}

/// Whether an entry of DR7 has its L or G bit set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryState {
    /// Neither.
    Disabled,
    /// L, G or both.
    Enabled,
}

/// One entry of a DR7 value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dr7Entry {
    /// LEN field.
    pub len: BreakpointLen,
    /// R/W field.
    pub kind: BreakpointType,
    /// L and G bits.
    pub state: EntryState,
}

/// Bits of entry `drnum` (0 to 3) without GE (`__encode_dr7`).
const fn encode_entry(drnum: usize, len: BreakpointLen, kind: BreakpointType) -> u64 {
    let fields = (len as u64 | kind as u64) & 0xf;
    fields << (DR_CONTROL_SHIFT + drnum * DR_CONTROL_SIZE)
        | DR_GLOBAL_ENABLE << (drnum * DR_ENABLE_SIZE)
}

/// What entry `drnum` (0 to 3) adds to DR7: its fields, its G bit, and GE (rule 4.1.2).
#[must_use]
pub const fn encode_dr7(drnum: usize, len: BreakpointLen, kind: BreakpointType) -> u64 {
    encode_entry(drnum, len, kind) | DR_GLOBAL_SLOWDOWN
}

/// All bits of `dr7` that belong to entry `drnum` (0 to 3): LEN, R/W, L and G.
#[must_use]
pub const fn entry_bits(drnum: usize) -> u64 {
    0xf << (DR_CONTROL_SHIFT + drnum * DR_CONTROL_SIZE) | 3 << (drnum * DR_ENABLE_SIZE)
}

/// Entry `bpnum` (0 to 3) of a DR7 value, whether Linux wrote it or a user (rule 4.1.3).
#[must_use]
pub const fn decode_dr7(dr7: u64, bpnum: usize) -> Dr7Entry {
    let fields = dr7 >> (DR_CONTROL_SHIFT + bpnum * DR_CONTROL_SIZE);
    Dr7Entry {
        kind: BreakpointType::from_field(fields),
        len: BreakpointLen::from_field(fields >> 2),
        state: match dr7 >> (bpnum * DR_ENABLE_SIZE) & 3 {
            0 => EntryState::Disabled,
            _ => EntryState::Enabled,
        },
    }
}

/// `arch_bp_generic_fields`: the `bp_len` and `bp_type` of an attribute for an entry's fields.
///
/// # Errors
/// EINVAL for execution with a length, and for I/O (rule 4.1.3).
pub const fn arch_bp_generic_fields(
    len: BreakpointLen,
    kind: BreakpointType,
) -> Result<(u64, u32), Errno> {
    match (kind, len) {
        (BreakpointType::Execute, BreakpointLen::LEN_X) => Ok((SIZEOF_LONG, HW_BREAKPOINT_X)),
        (BreakpointType::Execute, _) | (BreakpointType::Io, _) => Err(Errno::EINVAL),
        (BreakpointType::Write, len) => Ok((len.bytes(), HW_BREAKPOINT_W)),
        (BreakpointType::ReadWrite, len) => Ok((len.bytes(), HW_BREAKPOINT_RW)),
    }
}

/// The debug registers of the CPUs, and how far each CPU has got.
pub trait DebugPort {
    /// Reads DR0 to DR3, DR6 or DR7.
    fn get_debugreg(&self, cpu: CpuId, number: usize) -> u64;
    /// Writes DR0 to DR3, DR6 or DR7.
    fn set_debugreg(&mut self, cpu: CpuId, number: usize, value: u64);
    /// Instructions that the CPU has retired since boot.
    fn icount(&self, cpu: CpuId) -> u64;
    /// Cycles of the CPU since boot.
    fn cycles(&self, cpu: CpuId) -> u64;
}

impl DebugPort for Hw {
    fn get_debugreg(&self, cpu: CpuId, number: usize) -> u64 {
        Hw::get_debugreg(self, cpu, number)
    }
    fn set_debugreg(&mut self, cpu: CpuId, number: usize, value: u64) {
        Hw::set_debugreg(self, cpu, number, value);
    }
    fn icount(&self, cpu: CpuId) -> u64 {
        Hw::icount(self, cpu)
    }
    fn cycles(&self, cpu: CpuId) -> u64 {
        Hw::cycles(self, cpu)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use BreakpointLen::{Len1, Len2, Len4, Len8};
    use BreakpointType::{Execute, Io, ReadWrite, Write};

    const LENS: [BreakpointLen; 4] = [Len1, Len2, Len4, Len8];
    const KINDS: [BreakpointType; 4] = [Execute, Write, Io, ReadWrite];

    /// The examples of rule 4.1.2.
    #[test]
    fn encoding_examples() {
        for (drnum, len, kind, dr7) in [
            (0, Len4, Write, 0x000d_0202),
            (1, Len8, ReadWrite, 0x00b0_0208),
            (2, BreakpointLen::LEN_X, Execute, 0x0000_0220),
            (3, Len1, Write, 0x1000_0280),
        ] {
            assert_eq!(encode_dr7(drnum, len, kind), dr7, "register {drnum}");
        }
    }

    /// Rules 4.1.1 and 4.1.4: the tags hold the hardware's fields.
    #[test]
    fn tags() {
        assert_eq!(LENS.map(|len| len as u8), [0x40, 0x44, 0x4c, 0x48]);
        assert_eq!(KINDS.map(|kind| kind as u8), [0x80, 0x81, 0x82, 0x83]);
        for len in LENS {
            assert_eq!(BreakpointLen::from_field(u64::from(len as u8 >> 2)), len);
        }
        for kind in KINDS {
            assert_eq!(BreakpointType::from_field(u64::from(kind as u8)), kind);
        }
    }

    /// Every entry comes back as it went in, and touches nothing of the others.
    #[test]
    fn decode_is_the_inverse_of_encode() {
        for drnum in 0..HBP_NUM {
            for (len, kind) in LENS.iter().flat_map(|len| KINDS.map(|kind| (*len, kind))) {
                let dr7 = encode_dr7(drnum, len, kind);
                let entry = Dr7Entry { len, kind, state: EntryState::Enabled };
                assert_eq!(decode_dr7(dr7, drnum), entry);
                assert_eq!(dr7 & !entry_bits(drnum), DR_GLOBAL_SLOWDOWN);
                for other in (0..HBP_NUM).filter(|other| *other != drnum) {
                    let empty = Dr7Entry { len: Len1, kind: Execute, state: EntryState::Disabled };
                    assert_eq!(decode_dr7(dr7, other), empty);
                    assert_eq!(entry_bits(other) & entry_bits(drnum), 0);
                }
            }
        }
    }

    /// Rules 4.1.3 and 5.2.1: L, G or both enable; reserved bits do not matter.
    #[test]
    fn decoding_a_users_value() {
        for (dr7, bpnum, state) in [
            (0x1, 0, EntryState::Enabled),
            (0x2, 0, EntryState::Enabled),
            (0x3, 0, EntryState::Enabled),
            (0x3, 1, EntryState::Disabled),
            (0x40, 3, EntryState::Enabled),
            (0xffff_ffff_0000_ff00, 2, EntryState::Disabled),
        ] {
            assert_eq!(decode_dr7(dr7, bpnum).state, state, "{dr7:#x}");
        }
        let entry = decode_dr7(0x000d_0001, 0);
        assert_eq!((entry.len, entry.kind), (Len4, Write));
    }

    /// Rules 4.1.3 and 5.2.5.
    #[test]
    fn generic_fields() {
        assert_eq!(arch_bp_generic_fields(Len1, Execute), Ok((8, HW_BREAKPOINT_X)));
        for len in [Len2, Len4, Len8] {
            assert_eq!(arch_bp_generic_fields(len, Execute), Err(Errno::EINVAL));
        }
        for (len, bytes) in LENS.into_iter().zip([1, 2, 4, 8]) {
            assert_eq!(arch_bp_generic_fields(len, Io), Err(Errno::EINVAL));
            assert_eq!(arch_bp_generic_fields(len, Write), Ok((bytes, HW_BREAKPOINT_W)));
            assert_eq!(arch_bp_generic_fields(len, ReadWrite), Ok((bytes, HW_BREAKPOINT_RW)));
        }
    }
}
