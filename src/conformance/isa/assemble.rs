//! From instructions to bytes at an address.

use iced_x86::{Encoder, Instruction, OpKind};

use super::super::case::{Case, Patch, Registers, Step};
use super::super::layout::MAX_CODE;

/// Where a direct branch goes that leaves nothing out by number: past the case.
const PAST_THE_END: u64 = 40;

/// A case of these instructions; `None` if one of them cannot be encoded or they
/// take too many bytes.
pub(super) fn assemble(steps: &[Step], start: Registers, patches: Vec<Patch>) -> Option<Case> {
    let mut offsets = Vec::with_capacity(steps.len() + 1);
    let mut code = Vec::new();
    // Branches keep their length whatever their target: first with any target.
    for step in steps {
        offsets.push(code.len());
        let at = start.rip + code.len() as u64;
        code.extend(encode(&with_target(step.insn, at + PAST_THE_END), at)?);
    }
    offsets.push(code.len());
    if code.len() > MAX_CODE {
        return None;
    }
    let mut steps = steps.to_vec();
    for nth in 0..steps.len() {
        let at = start.rip + offsets[nth] as u64;
        let target = match steps[nth].skip {
            Some(skip) => offsets[(nth + 1 + usize::from(skip)).min(steps.len())],
            None => code.len() + PAST_THE_END as usize,
        };
        steps[nth].insn = with_target(steps[nth].insn, start.rip + target as u64);
        let bytes = encode(&steps[nth].insn, at)?;
        if bytes.len() != offsets[nth + 1] - offsets[nth] {
            return None;
        }
        code[offsets[nth]..offsets[nth + 1]].copy_from_slice(&bytes);
    }
    offsets.pop();
    Some(Case { steps, code, offsets, start, patches })
}

/// The instruction with another branch target, where it is a direct branch.
fn with_target(mut insn: Instruction, target: u64) -> Instruction {
    if is_direct_branch(&insn) {
        insn.set_near_branch64(target);
    }
    insn
}

/// Whether the instruction goes to an address that it names.
pub(super) fn is_direct_branch(insn: &Instruction) -> bool {
    insn.op_count() > 0 && insn.op0_kind() == OpKind::NearBranch64
}

fn encode(insn: &Instruction, at: u64) -> Option<Vec<u8>> {
    let mut encoder = Encoder::new(64);
    encoder.encode(insn, at).ok()?;
    Some(encoder.take_buffer())
}
