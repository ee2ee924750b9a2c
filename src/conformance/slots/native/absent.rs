//! Hosts that have no such kernel.

use kernel_model::scenario::op::{Answer, Op};

/// Why an operation could not be played natively.
#[derive(Debug, thiserror::Error)]
pub enum NativeError {
    /// The host cannot play any.
    #[error("the host is not x86-64 Linux")]
    OtherHost,
}

/// Never made on this host.
#[derive(Debug)]
pub enum Program {}

impl Program {
    /// There is no such kernel here.
    ///
    /// # Errors
    /// Always [`NativeError::OtherHost`].
    pub fn write() -> Result<Self, NativeError> {
        Err(NativeError::OtherHost)
    }
}

/// Never made on this host.
#[derive(Debug)]
pub enum Machine {}

impl Machine {
    /// Starts nothing.
    ///
    /// # Errors
    /// Never called.
    pub fn new(program: &Program) -> Result<Self, NativeError> {
        match *program {}
    }

    /// Counts nothing.
    #[must_use]
    pub fn nr_spurious(&self) -> u64 {
        match *self {}
    }

    /// Plays nothing.
    ///
    /// # Errors
    /// Never called.
    pub fn apply(&mut self, _op: &Op) -> Result<Answer, NativeError> {
        match *self {}
    }
}
