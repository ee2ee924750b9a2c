//! The devices of a bare machine.
