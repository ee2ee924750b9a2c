//! Where two endings of a case differ.

use std::fmt;

use super::super::case::{COMPARED_FLAGS, Case, Ending, Fault};
use super::super::fields::{BASE_NAMES, GPR_NAMES, SELECTOR_NAMES};
use super::super::layout::{DATA_BYTES, image_address};
use super::super::x87::X87;
use super::undefined::Undefined;
pub use super::undefined::X87_FLAGS;

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strictness {
    /// What the manual defines.
    Defined,
    /// Everything: this processor's choices as well.
    Everything,
}

/// A difference: first the processor's, then the emulator's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// The exception that ended the case.
    Fault(Fault, Fault),
    /// RIP.
    Rip(u64, u64),
    /// A general register, by number.
    General(usize, u64, u64),
    /// RFLAGS bits that are not equal, and both images.
    Flags(u64, u64, u64),
    /// A YMM register, by number: low and high half.
    Vector(usize, [u128; 2], [u128; 2]),
    /// MXCSR.
    Mxcsr(u32, u32),
    /// x87 control word.
    X87Control(u16, u16),
    /// x87 status word.
    X87Status(u16, u16),
    /// x87 registers in use.
    X87Used(u8, u8),
    /// An x87 data register, by its distance from the top.
    X87Data(usize, u128, u128),
    /// A selector, by its place in [`SELECTOR_NAMES`].
    Selector(usize, u16, u16),
    /// A segment base, by its place in [`BASE_NAMES`].
    Base(usize, u64, u64),
    /// A byte of memory, by address.
    Memory(u64, u8, u8),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fault = |fault: &Fault| {
            format!("#{} error {:#x} address {:#x}", fault.vector, fault.error, fault.address)
        };
        match self {
            Self::Fault(a, b) => write!(f, "exception: {}, not {}", fault(a), fault(b)),
            Self::Rip(a, b) => write!(f, "rip: {a:#x}, not {b:#x}"),
            Self::General(reg, a, b) => write!(f, "{}: {a:#x}, not {b:#x}", GPR_NAMES[reg % 16]),
            Self::Flags(bits, a, b) => write!(f, "rflags: {a:#x}, not {b:#x} (bits {bits:#x})"),
            Self::Vector(reg, a, b) if a[1] == b[1] => {
                write!(f, "xmm{reg}: {:#034x}, not {:#034x}", a[0], b[0])
            }
            Self::Vector(reg, a, b) => write!(f, "ymm{reg}: {a:x?}, not {b:x?}"),
            Self::Mxcsr(a, b) => write!(f, "mxcsr: {a:#x}, not {b:#x}"),
            Self::X87Control(a, b) => write!(f, "fcw: {a:#x}, not {b:#x}"),
            Self::X87Status(a, b) => write!(f, "fsw: {a:#x}, not {b:#x}"),
            Self::X87Used(a, b) => write!(f, "ftw: {a:#x}, not {b:#x}"),
            Self::X87Data(i, a, b) => write!(f, "st{i}: {a:#022x}, not {b:#022x}"),
            Self::Selector(reg, a, b) => {
                write!(f, "{}: {a:#x}, not {b:#x}", SELECTOR_NAMES[reg % 4])
            }
            Self::Base(reg, a, b) => write!(f, "{}: {a:#x}, not {b:#x}", BASE_NAMES[reg % 2]),
            Self::Memory(at, a, b) => write!(f, "[{at:#x}]: {a:#04x}, not {b:#04x}"),
        }
    }
}

/// An ending with the memory after it: data, and stack.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// Registers and exception.
    pub ending: &'a Ending,
    /// Data area.
    pub data: &'a [u8],
    /// Stack.
    pub stack: &'a [u8],
}

impl<'a> Side<'a> {
    /// From memory in one piece.
    #[must_use]
    pub fn new(ending: &'a Ending, memory: &'a [u8]) -> Self {
        let (data, stack) = memory.split_at(DATA_BYTES as usize);
        Self { ending, data, stack }
    }
}

/// Whether the high halves of YMM registers exist on both sides.
fn vectors_to_compare(native: [u128; 2], emulated: [u128; 2]) -> ([u128; 2], [u128; 2]) {
    #[cfg(target_arch = "x86_64")]
    if !std::arch::is_x86_feature_detected!("avx") {
        return ([native[0], 0], [emulated[0], 0]);
    }
    (native, emulated)
}

/// Flags that are not compared when `case` has ended at `rip`: RFLAGS bits, and bits
/// of the x87 status word from [`X87_FLAGS`] on.
#[must_use]
pub fn ignored_flags(case: &Case, rip: u64, strictness: Strictness) -> u64 {
    match strictness {
        Strictness::Everything => 0,
        Strictness::Defined => {
            let cl = case.start.gpr[1] as u8;
            Undefined::of(&case.steps, Some(cl)).when_ended(case, rip)
        }
    }
}

/// All differences between two endings of a case, but for `ignored` flags.
#[must_use]
pub fn compare(native: Side<'_>, emulated: Side<'_>, ignored: u64) -> Vec<Difference> {
    let (a, b) = (&native.ending.registers, &emulated.ending.registers);
    let mut found = Vec::new();
    let (fault, other) = (native.ending.fault.as_told(), emulated.ending.fault.as_told());
    if fault != other {
        found.push(Difference::Fault(fault, other));
    }
    if a.rip != b.rip {
        found.push(Difference::Rip(a.rip, b.rip));
    }
    for (reg, (&a, &b)) in a.gpr.iter().zip(&b.gpr).enumerate() {
        if a != b {
            found.push(Difference::General(reg, a, b));
        }
    }
    let flags = (a.rflags ^ b.rflags) & COMPARED_FLAGS & !ignored;
    if flags != 0 {
        found.push(Difference::Flags(flags, a.rflags, b.rflags));
    }
    for (reg, (&a, &b)) in a.vector.iter().zip(&b.vector).enumerate() {
        let (a, b) = vectors_to_compare(a, b);
        if a != b {
            found.push(Difference::Vector(reg, a, b));
        }
    }
    if a.mxcsr != b.mxcsr {
        found.push(Difference::Mxcsr(a.mxcsr, b.mxcsr));
    }
    x87(&a.x87, &b.x87, (ignored >> X87_FLAGS) as u16, &mut found);
    for (reg, (&a, &b)) in a.selectors.iter().zip(&b.selectors).enumerate() {
        let (a, b) = (as_returned(a), as_returned(b));
        if a != b {
            found.push(Difference::Selector(reg, a, b));
        }
    }
    for (reg, (&a, &b)) in a.bases.iter().zip(&b.bases).enumerate() {
        if a != b {
            found.push(Difference::Base(reg, a, b));
        }
    }
    memory(native.data, emulated.data, 0, &mut found);
    memory(native.stack, emulated.stack, DATA_BYTES as usize, &mut found);
    found
}

/// A selector as it is after a return from the kernel: IRET makes every null selector
/// zero, whatever its lowest bits were.
fn as_returned(selector: u16) -> u16 {
    if selector & !3 == 0 { 0 } else { selector }
}

fn x87(a: &X87, b: &X87, undefined: u16, found: &mut Vec<Difference>) {
    if a.control != b.control {
        found.push(Difference::X87Control(a.control, b.control));
    }
    if (a.status ^ b.status) & !undefined != 0 {
        found.push(Difference::X87Status(a.status, b.status));
    }
    if a.used != b.used {
        found.push(Difference::X87Used(a.used, b.used));
    }
    for (i, (&a, &b)) in a.st.iter().zip(&b.st).enumerate() {
        if a != b {
            found.push(Difference::X87Data(i, a, b));
        }
    }
}

fn memory(native: &[u8], emulated: &[u8], offset: usize, found: &mut Vec<Difference>) {
    if native == emulated {
        return;
    }
    for (at, (&a, &b)) in native.iter().zip(emulated).enumerate().filter(|(_, (a, b))| a != b) {
        found.push(Difference::Memory(image_address(offset + at), a, b));
    }
}
