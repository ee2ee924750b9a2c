//! Data files: cases with the processor's answers, replayed on every host.
//!
//! A file holds one instruction family, a case a line ([`mod@line`]). [`mod@write`] fills the
//! files on a host that can be asked; [`replay`] reads them.

pub mod families;
pub mod line;
#[cfg(test)]
mod line_tests;
pub mod replay;
pub mod write;
