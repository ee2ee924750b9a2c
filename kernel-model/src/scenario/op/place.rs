//! Places in a task's memory, and accesses to them.

use std::fmt;

use super::SymbolName;

/// What a place counts from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlaceBase {
    /// A variable or function of the scenario, else a symbol of the kernel.
    Symbol(SymbolName),
    /// A linear address.
    Address(u64),
}

/// A linear address as a scenario writes it: `x`, `x+3`, `0x7000`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// What it counts from.
    pub base: PlaceBase,
    /// Bytes added.
    pub offset: u64,
}

impl Place {
    /// `offset` bytes into a symbol.
    #[must_use]
    pub fn at(symbol: &str, offset: u64) -> Self {
        Self { base: PlaceBase::Symbol(symbol.into()), offset }
    }

    /// An address.
    #[must_use]
    pub const fn address(address: u64) -> Self {
        Self { base: PlaceBase::Address(address), offset: 0 }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.base {
            PlaceBase::Symbol(name) => write!(f, "{name}")?,
            PlaceBase::Address(address) => write!(f, "{address:#x}")?,
        }
        if self.offset > 0 { write!(f, "+{}", self.offset) } else { Ok(()) }
    }
}

/// What an access does. Sizes are 1, 2, 4, 8 or 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AccessKind {
    /// MOV (for 16 bytes MOVUPS) to memory.
    Store(u8),
    /// MOV (MOVUPS) from memory.
    Load(u8),
    /// INC of memory: a load and a store in one instruction. Not for 16 bytes.
    Increment(u8),
    /// The instruction at the place is executed: a function declared with `code`.
    Exec,
    /// The kernel writes so many bytes for the task, as read() does.
    KernelStore(u8),
    /// The kernel reads so many bytes for the task, as write() does.
    KernelLoad(u8),
}

/// An access to a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// What is done.
    pub kind: AccessKind,
    /// Where.
    pub place: Place,
}
