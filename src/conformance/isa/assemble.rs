//! From instructions to bytes at an address.

use iced_x86::{Decoder, DecoderOptions, Encoder, Instruction, OpKind};

use super::super::case::{Case, Patch, Registers, Step};
use super::super::layout::MAX_CODE;
use super::super::rng::Rng;

/// Where a direct branch goes that leaves nothing out by number: past the case.
const PAST_THE_END: u64 = 40;

/// Instructions that become bytes one after the other.
pub(super) struct Assembler {
    encoder: Encoder,
    rip: u64,
    steps: Vec<Step>,
    code: Vec<u8>,
    offsets: Vec<usize>,
}

impl Assembler {
    /// Nothing yet; the first instruction will be at `rip`.
    pub(super) fn new(rip: u64) -> Self {
        let encoder = Encoder::new(64);
        Self { encoder, rip, steps: Vec::new(), code: Vec::new(), offsets: Vec::new() }
    }

    /// Chooses among encodings of VEX that mean the same: W and L where they are
    /// ignored, and the long prefix for the short one.
    pub(super) fn vary_vex(&mut self, rng: &mut Rng) {
        self.encoder.set_vex_wig(rng.below(2) as u32);
        self.encoder.set_vex_lig(rng.below(2) as u32);
        self.encoder.set_prevent_vex2(rng.chance(30));
    }

    /// Instructions so far.
    pub(super) fn len(&self) -> usize {
        self.steps.len()
    }

    /// Adds an instruction; `None`, and nothing added, if it cannot be encoded, is
    /// read as another form, or takes too many bytes.
    pub(super) fn push(&mut self, step: Step) -> Option<()> {
        let at = self.rip + self.code.len() as u64;
        // Branches keep their length whatever their target: first any target.
        let insn = with_target(step.insn, at + PAST_THE_END);
        let bytes = self.encode(&insn, at)?;
        let read = Decoder::with_ip(64, &bytes, at, DecoderOptions::NONE).decode();
        let is_same = read.code() == insn.code() && read.len() == bytes.len();
        if !is_same || self.code.len() + bytes.len() > MAX_CODE {
            return None;
        }
        self.offsets.push(self.code.len());
        self.code.extend(bytes);
        self.steps.push(step);
        Some(())
    }

    fn encode(&mut self, insn: &Instruction, at: u64) -> Option<Vec<u8>> {
        let done = self.encoder.encode(insn, at);
        let bytes = self.encoder.take_buffer();
        done.ok().map(|_| bytes)
    }

    /// The case, with its branches' targets filled in.
    pub(super) fn finish(mut self, start: Registers, patches: Vec<Patch>) -> Option<Case> {
        for nth in 0..self.steps.len() {
            let at = self.offsets[nth];
            let target = match self.steps[nth].skip {
                Some(skip) => self.offsets.get(nth + 1 + usize::from(skip)),
                None => Some(&(self.code.len() + PAST_THE_END as usize)),
            };
            let target = self.rip + *target.unwrap_or(&self.code.len()) as u64;
            let insn = with_target(self.steps[nth].insn, target);
            self.steps[nth].insn = insn;
            if is_direct_branch(&insn) {
                let bytes = self.encode(&insn, self.rip + at as u64)?;
                self.code.get_mut(at..at + bytes.len())?.copy_from_slice(&bytes);
            }
        }
        let Self { steps, code, offsets, .. } = self;
        Some(Case { steps, code, offsets, start, patches })
    }
}

/// A case of these instructions; `None` if one of them cannot be encoded or they
/// take too many bytes.
pub(super) fn assemble(steps: &[Step], start: Registers, patches: Vec<Patch>) -> Option<Case> {
    let mut assembler = Assembler::new(start.rip);
    steps.iter().try_for_each(|step| assembler.push(*step))?;
    assembler.finish(start, patches)
}

/// The bytes of an instruction that processors may refuse.
pub(super) fn encode_any(insn: &Instruction, rip: u64) -> Option<Vec<u8>> {
    let mut encoder = Encoder::new(64);
    encoder.encode(insn, rip).ok().map(|_| encoder.take_buffer())
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

#[cfg(test)]
mod tests {
    use super::*;
    use iced_x86::Code;

    #[test]
    fn branches_leave_out_what_they_say() {
        let nop = Step { insn: Instruction::with(Code::Nopd), skip: None };
        let branch = Instruction::with_branch(Code::Je_rel8_64, 0).unwrap();
        let jump = |skip| Step { insn: branch, skip };
        let code = |steps: &[Step]| assemble(steps, Registers::default(), vec![]).unwrap().code;
        assert_eq!(code(&[jump(Some(1)), nop, nop]), [0x74, 1, 0x90, 0x90]);
        assert_eq!(code(&[jump(Some(0)), nop]), [0x74, 0, 0x90]);
        // More than there are: to the end.
        assert_eq!(code(&[nop, jump(Some(3)), nop]), [0x90, 0x74, 1, 0x90]);
        assert_eq!(code(&[jump(None)]), [0x74, 40]);
    }
}
