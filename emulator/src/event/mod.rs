//! Events: exceptions, what is pending at an instruction boundary, and delivery.
//! Source: SDM vol. 3A, chapter 6.

pub(crate) mod delivery;
mod enter;
pub mod exception;
pub(crate) mod inner;
pub mod pending;

pub use exception::{Exception, Vector};
pub use pending::{KeptHits, Pending};
