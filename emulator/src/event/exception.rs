//! Exception vectors and their classes (SDM vol. 3A, 6.3 and 6.15).

use crate::cpu::Cpu;

/// Exceptions that the processor raises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Vector {
    /// #DE: divide error.
    DivideError = 0,
    /// #DB: debug.
    Debug = 1,
    /// NMI.
    Nmi = 2,
    /// #BP: INT3.
    Breakpoint = 3,
    /// #OF: INTO.
    Overflow = 4,
    /// #BR: BOUND.
    BoundRange = 5,
    /// #UD: invalid opcode.
    InvalidOpcode = 6,
    /// #NM: no x87.
    DeviceNotAvailable = 7,
    /// #DF: double fault.
    DoubleFault = 8,
    /// #TS: invalid TSS.
    InvalidTss = 10,
    /// #NP: segment not present.
    SegmentNotPresent = 11,
    /// #SS: stack fault.
    StackFault = 12,
    /// #GP: general protection.
    GeneralProtection = 13,
    /// #PF: page fault.
    PageFault = 14,
    /// #MF: x87 error.
    X87Error = 16,
    /// #AC: alignment check.
    AlignmentCheck = 17,
    /// #MC: machine check.
    MachineCheck = 18,
    /// #XM: SIMD error.
    SimdError = 19,
}

impl Vector {
    /// Whether delivery pushes an error code.
    #[must_use]
    pub const fn has_error_code(self) -> bool {
        matches!(
            self,
            Self::DoubleFault
                | Self::InvalidTss
                | Self::SegmentNotPresent
                | Self::StackFault
                | Self::GeneralProtection
                | Self::PageFault
                | Self::AlignmentCheck
        )
    }

    /// Whether a second exception of this kind during delivery of a first makes
    /// a double fault (SDM vol. 3A, table 6-5).
    #[must_use]
    pub const fn is_contributory(self) -> bool {
        matches!(
            self,
            Self::DivideError
                | Self::InvalidTss
                | Self::SegmentNotPresent
                | Self::StackFault
                | Self::GeneralProtection
        )
    }
}

/// A fault raised by an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exception {
    /// Which.
    pub vector: Vector,
    /// Error code, where the vector has one.
    pub error: u32,
    /// For page faults: the linear address that goes to CR2. For #GP by a data
    /// access to an address that is not canonical: that address. Otherwise 0.
    pub address: u64,
}

impl Exception {
    /// An exception without error code.
    #[must_use]
    pub const fn new(vector: Vector) -> Self {
        Self { vector, error: 0, address: 0 }
    }

    /// An exception with an error code.
    #[must_use]
    pub const fn with_error(vector: Vector, error: u32) -> Self {
        Self { vector, error, address: 0 }
    }

    /// #GP(0).
    #[must_use]
    pub const fn gp0() -> Self {
        Self::with_error(Vector::GeneralProtection, 0)
    }

    /// #GP(0) for a data access to an address that is not canonical; it becomes
    /// #SS(0) where the access belongs to the stack segment (SDM vol. 1, 3.3.7.1).
    #[must_use]
    pub const fn non_canonical(address: u64) -> Self {
        Self { vector: Vector::GeneralProtection, error: 0, address }
    }

    /// #UD.
    #[must_use]
    pub const fn ud() -> Self {
        Self::new(Vector::InvalidOpcode)
    }

    /// A page fault at `address`.
    #[must_use]
    pub const fn page_fault(address: u64, error: u32) -> Self {
        Self { vector: Vector::PageFault, error, address }
    }
}

/// Marker of a raised fault; the exception itself is in [`crate::cpu::Cpu`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Faulted;

impl Cpu {
    /// Makes the #SS(0) of a stack access of the #GP(0) that the data port raised
    /// for an address that is not canonical. Other faults stay.
    #[cold]
    pub(crate) fn blame_stack(&mut self) -> Faulted {
        if let Some(fault) = &mut self.fault
            && fault.vector == Vector::GeneralProtection
            && fault.address != 0
        {
            *fault = Exception::with_error(Vector::StackFault, 0);
        }
        Faulted
    }
}
