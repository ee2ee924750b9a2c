//! Which instructions are built, as data: what a table of the instruction set is made
//! of. Neighbours: [`crate::cpuid`] says which models have an instruction at all.

use iced_x86::Instruction;

use crate::dispatch::lower;

/// Whether the emulator has an instruction of this form with operands of these kinds.
/// One that is not built stops a run and is named
/// ([`Exit::Unsupported`](crate::run::Exit::Unsupported)).
#[must_use]
pub fn is_built(insn: &Instruction) -> bool {
    lower::has_rule(insn)
}
