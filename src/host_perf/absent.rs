//! Hosts without `perf_event_open`.

use perf_core::attr::PerfEventAttr;

use super::{HostCount, HostPerfError, HostTarget};

/// Never held on this host.
#[derive(Debug)]
pub enum BreakpointLock {}

impl BreakpointLock {
    /// There are no breakpoints to use.
    ///
    /// # Errors
    /// Always [`std::io::ErrorKind::Unsupported`].
    pub fn take() -> std::io::Result<Self> {
        Err(std::io::ErrorKind::Unsupported.into())
    }
}

/// Never made on this host.
#[derive(Debug)]
pub enum HostEvent {}

impl HostEvent {
    /// There is no such call here.
    ///
    /// # Errors
    /// Always [`HostPerfError::OtherHost`].
    pub fn open(
        _attr: &PerfEventAttr,
        _target: HostTarget,
        _leader: Option<&mut HostEvent>,
    ) -> Result<Self, HostPerfError> {
        Err(HostPerfError::OtherHost)
    }

    /// Reads nothing.
    ///
    /// # Errors
    /// Never called.
    pub fn read(&mut self) -> Result<HostCount, HostPerfError> {
        match *self {}
    }

    /// Enables nothing.
    ///
    /// # Errors
    /// Never called.
    pub fn enable(&mut self) -> Result<(), HostPerfError> {
        match *self {}
    }

    /// Disables nothing.
    ///
    /// # Errors
    /// Never called.
    pub fn disable(&mut self) -> Result<(), HostPerfError> {
        match *self {}
    }

    /// Resets nothing.
    ///
    /// # Errors
    /// Never called.
    pub fn reset(&mut self) -> Result<(), HostPerfError> {
        match *self {}
    }
}
