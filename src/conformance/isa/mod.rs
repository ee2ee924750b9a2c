//! User instructions on this processor and on the emulator: the same bytes from the
//! same state, and all that comes out compared.
//!
//! [`forms`] says which instruction forms are compared, [`generate`] makes cases from
//! a seed, [`sides`] runs them, [`compare`] tells differences, [`shrink`] makes a
//! failing case small, [`driver`] is the loop around these.

mod assemble;
pub mod compare;
pub mod data;
pub mod driver;
mod features;
pub mod forms;
mod gather;
pub mod generate;
mod lanes;
mod operands;
mod registers;
pub mod report;
mod setting;
pub mod shrink;
pub mod sides;
mod spoil;
mod system;
pub mod tally;
mod undefined;
pub mod untouched;
mod values;

pub use compare::Strictness;
pub use driver::{Plan, RunError, run};
