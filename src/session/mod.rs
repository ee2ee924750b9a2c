//! A run, from validated objects to its end.
//!
//! [`plan::Plan`] is everything that decides a run; [`drive::Session`] boots it
//! and tells an [`drive::Observer`] what happens; [`event`] has the values told.
//! [`guest`] is what a session needs of a machine, [`inputs`] where the guest's
//! answers come from.
//!
//! Neighbours: `cli` says what was typed, `cmd` joins the parts, `report` and
//! `recording` observe.

pub mod config;
pub mod drive;
pub mod event;
pub mod guest;
pub mod host_tree;
pub mod inputs;
pub mod kernel_guest;
pub mod plan;
pub mod program;
pub mod watch;

#[cfg(test)]
pub(crate) mod script;

/// The machine that programs run on.
#[must_use]
pub fn machine() -> impl guest::Machine {
    kernel_guest::KernelMachine
}
