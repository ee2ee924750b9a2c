//! Hosts that cannot run the cases.

use super::super::case::Case;
use super::{NativeEnd, NativeError};

/// Never made on this host.
#[derive(Debug)]
pub enum Native {}

impl Native {
    /// There is no such processor here.
    ///
    /// # Errors
    /// Always [`NativeError::OtherHost`].
    pub fn start(_image: &[u8], _read_only: &[u8]) -> Result<Self, NativeError> {
        Err(NativeError::OtherHost)
    }

    /// Runs nothing.
    ///
    /// # Errors
    /// Never called.
    pub fn run(&mut self, _cases: &[Case]) -> Result<Vec<NativeEnd>, NativeError> {
        match *self {}
    }

    /// Memory of nothing.
    #[must_use]
    pub fn memory(&self, _nth: usize) -> &[u8] {
        match *self {}
    }
}
