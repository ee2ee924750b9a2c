//! The instructions that are built, by family.

use super::lower::Family;
use crate::insn::{
    alu, atomic, bits, branch, flags, mov, muldiv, shift, sse, stack, string, system, x87,
};

/// Every family.
pub(crate) static FAMILIES: &[Family] = &[
    alu::FAMILY,
    atomic::FAMILY,
    bits::FAMILY,
    branch::FAMILY,
    flags::FAMILY,
    mov::FAMILY,
    muldiv::FAMILY,
    shift::FAMILY,
    sse::convert::FAMILY,
    sse::float::FAMILY,
    sse::integer::FAMILY,
    sse::moves::FAMILY,
    sse::state::FAMILY,
    sse::transfer::FAMILY,
    stack::FAMILY,
    string::FAMILY,
    system::FAMILY,
    x87::arith::FAMILY,
    x87::compare::FAMILY,
    x87::control::FAMILY,
    x87::load::FAMILY,
    x87::transcendental::FAMILY,
];
