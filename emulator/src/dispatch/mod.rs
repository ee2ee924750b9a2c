//! From bytes to blocks of lowered ops: decode once, execute many times.
//!
//! [`lower`] turns one decoded instruction into an [`crate::op::Op`] with the help
//! of the tables by family in [`table`]; [`block`] strings ops together;
//! [`cache`] finds a block again.

pub(crate) mod block;
pub(crate) mod cache;
pub(crate) mod lower;
pub(crate) mod table;
