//! What became of a row: [`Verdict`], with what differs or why it was not compared.

use emulator::run::Exit;

use super::row::{GPR_NAMES, GprValues, Unknown};

/// What became of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Everything is as measured.
    Passed,
    /// Something is not.
    Failed(Difference),
    /// It was not compared, or differs where it may.
    Skipped(Skip),
}

/// Why a row was not compared to its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Skip {
    /// An instruction of another processor.
    #[error("needs {0}, which the processor has not")]
    Feature(String),
    /// An instruction that the emulator has not built.
    #[error("the emulator has not built {0}")]
    NotBuilt(String),
    /// The file says that other processors may differ, and this one does.
    #[error("microarchitectural: {0}")]
    Microarchitectural(String),
    /// It saves or restores state of AVX-512 and beyond.
    #[error("needs state components beyond AVX, which the processor has not")]
    StateComponents,
    /// A place outside the memory that the header describes.
    #[error("uses memory outside the header's layout")]
    OutsideLayout,
    /// A descriptor of the LDT that the stand has no room for.
    #[error("uses an LDT entry beyond the table")]
    LdtEntry,
    /// Nothing was measured.
    #[error("has no stops")]
    NoStops,
    /// The row has no program and its name says nothing.
    #[error("gives no program")]
    NoProgram,
    /// Something of the row.
    #[error("{0}")]
    Unknown(Unknown),
}

/// What a stop is compared in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Vector.
    Vector,
    /// RIP in the frame.
    Rip,
    /// CS in the frame.
    Cs,
    /// RFLAGS in the frame, RF as pushed.
    Rflags,
    /// DR6.BS.
    Bs,
    /// DR6.B0 to B3.
    BreakpointBits,
    /// The rest of DR6.
    RestOfDr6,
    /// CR2.
    Cr2,
    /// A mask register.
    MaskRegister(usize),
    /// Entries hit.
    Hits,
    /// How many #DBs.
    Count,
}

impl std::fmt::Display for What {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Vector => f.write_str("vector"),
            Self::Rip => f.write_str("rip"),
            Self::Cs => f.write_str("cs"),
            Self::Rflags => f.write_str("rflags"),
            Self::Bs => f.write_str("dr6.bs"),
            Self::BreakpointBits => f.write_str("dr6.b0-3"),
            Self::RestOfDr6 => f.write_str("rest of dr6"),
            Self::Cr2 => f.write_str("cr2"),
            Self::MaskRegister(index) => write!(f, "k{index}"),
            Self::Hits => f.write_str("entries hit"),
            Self::Count => f.write_str("number of #DBs"),
        }
    }
}

/// What differs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// A number.
    #[error("{what}: expected {expected:#x}, got {got:#x}")]
    Number {
        /// Which.
        what: What,
        /// As measured.
        expected: u64,
        /// Of the emulator.
        got: u64,
    },
    /// General registers that changed.
    #[error("registers that changed: expected [{}], got [{}]", show(expected), show(got))]
    Registers {
        /// As measured.
        expected: GprValues,
        /// Of the emulator.
        got: GprValues,
    },
    /// A vector register.
    #[error("ymm{number}: expected {}, got {}", hex(expected), hex(got))]
    Vector {
        /// Its number.
        number: u8,
        /// As measured.
        expected: Vec<u8>,
        /// Of the emulator.
        got: Vec<u8>,
    },
    /// A byte of memory at the end.
    #[error("byte at {address:#x}: expected {expected:#x}, got {got:#x}")]
    Byte {
        /// Where.
        address: u64,
        /// As measured.
        expected: u8,
        /// Of the emulator.
        got: u8,
    },
    /// Byte ranges of a sweep.
    #[error("{area}, {kind}: expected {expected:?}, got {got:?}")]
    Ranges {
        /// The area.
        area: String,
        /// `w` or `rw`.
        kind: &'static str,
        /// As measured.
        expected: Vec<(i64, i64)>,
        /// Of the emulator.
        got: Vec<(i64, i64)>,
    },
    /// A frame in the file's words.
    #[error("expected {expected:?}, got {got:?}")]
    Frame {
        /// As measured.
        expected: String,
        /// Of the emulator.
        got: String,
    },
    /// No exception.
    #[error("expected an exception, got {0:?}")]
    NoStop(Exit),
    /// An access of the matrix faulted.
    #[error("expected an access, got a fault")]
    Fault,
    /// Exceptions without end.
    #[error("does not end")]
    Endless,
}

/// What differs, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Number of the stop, from 0, if it is one.
    pub stop: Option<usize>,
    /// What differs.
    pub mismatch: Mismatch,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.stop {
            Some(stop) => write!(f, "stop {stop}: {}", self.mismatch),
            None => self.mismatch.fmt(f),
        }
    }
}

impl From<Mismatch> for Difference {
    fn from(mismatch: Mismatch) -> Self {
        Self { stop: None, mismatch }
    }
}

impl From<Mismatch> for Verdict {
    fn from(mismatch: Mismatch) -> Self {
        Self::Failed(mismatch.into())
    }
}

impl From<Skip> for Verdict {
    fn from(skip: Skip) -> Self {
        Self::Skipped(skip)
    }
}

/// Compares two numbers.
pub(super) fn equal(what: What, expected: u64, got: u64) -> Result<(), Mismatch> {
    if expected == got { Ok(()) } else { Err(Mismatch::Number { what, expected, got }) }
}

fn show(values: &GprValues) -> String {
    let one = |(reg, value): (&u8, &u64)| format!("{}={value:#x}", GPR_NAMES[usize::from(*reg)]);
    values.iter().map(one).collect::<Vec<_>>().join(" ")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
