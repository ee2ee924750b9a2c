//! Cases from a seed: one instruction, or a block of several.

use iced_x86::{Code, Decoder, DecoderOptions};

use super::super::case::{Case, Step};
use super::super::layout::code_slot;
use super::super::rng::Rng;
use super::assemble::{assemble, is_direct_branch};
use super::operands::Draft;
use super::setting::Setting;
use super::undefined;
use super::values;
use emulator::regs::RFlags;

/// Choices of operands that may turn out impossible before a form is given up.
const ATTEMPTS: usize = 16;
/// Streams of random numbers that are not a case's.
const IMAGE_STREAM: u64 = u64::MAX;

/// Makes cases.
#[derive(Clone, Debug)]
pub struct Generator {
    seed: u64,
    forms: Vec<Code>,
    /// Forms that blocks are made of.
    block_forms: Vec<Code>,
    max_block: u64,
}

/// The memory that every case of a run finds: data and stack, then what can only be
/// read.
#[must_use]
pub fn image(seed: u64, bytes: usize) -> Vec<u8> {
    let mut image = vec![0; bytes];
    values::memory(&mut Rng::new(seed, IMAGE_STREAM), &mut image);
    image
}

impl Generator {
    /// Cases of these forms, in blocks of at most `max_block` instructions.
    #[must_use]
    pub fn new(seed: u64, forms: Vec<Code>, max_block: u64) -> Self {
        let block_forms = forms.clone();
        Self { seed, forms, block_forms, max_block: max_block.max(1) }
    }

    /// The case with a number. `None` where chance has chosen operands that no
    /// encoding has.
    #[must_use]
    pub fn case(&self, index: u64) -> Option<Case> {
        let mut rng = Rng::new(self.seed, index);
        let rip = code_slot(index) + rng.below(16);
        if self.max_block > 1 && rng.chance(50) {
            let len = 2 + rng.below(self.max_block - 1);
            return self.block(&mut rng, rip, len);
        }
        let code = rng.pick(&self.forms);
        single(&mut rng, code, rip)
    }

    /// Several instructions with branches among them that go forward.
    fn block(&self, rng: &mut Rng, rip: u64, len: u64) -> Option<Case> {
        let mut draft = Draft::new(rng, Setting::Block, rip);
        let mut steps: Vec<Step> = Vec::new();
        let mut tries = len * 8;
        while (steps.len() as u64) < len && tries > 0 {
            tries -= 1;
            let code = draft.rng.pick(&self.block_forms);
            let Some(insn) = draft.instruction(code) else { continue };
            let skip = is_direct_branch(&insn).then(|| draft.rng.below(4) as u8);
            // A step that cannot be encoded would spoil the whole block.
            let alone = assemble(&[Step { insn, skip }], draft.start, Vec::new());
            if !alone.is_some_and(|case| decodes_as(&case, code)) {
                continue;
            }
            steps.push(Step { insn, skip });
            if !is_comparable(&steps) {
                steps.pop();
            }
        }
        draft.patches.clear();
        let (start, patches) = (draft.start, draft.patches);
        assemble(&steps, start, patches)
    }
}

/// One instruction of a form, with a state in which it does something.
#[must_use]
pub fn single(rng: &mut Rng, code: Code, rip: u64) -> Option<Case> {
    for _ in 0..ATTEMPTS {
        let mut draft = Draft::new(rng, Setting::Single, rip);
        let insn = draft.instruction(code)?;
        // Alignment checks, seldom: they fault nearly always.
        if draft.rng.chance(2) {
            draft.start.rflags |= RFlags::AC;
        }
        let (start, patches) = (draft.start, draft.patches);
        let Some(case) = assemble(&[Step { insn, skip: None }], start, patches) else { continue };
        if decodes_as(&case, code) {
            return Some(case);
        }
    }
    None
}

/// Whether the bytes are read as the form that they were made for.
fn decodes_as(case: &Case, code: Code) -> bool {
    let decoded = Decoder::with_ip(64, &case.code, case.start.rip, DecoderOptions::NONE).decode();
    decoded.code() == code && decoded.len() == case.code.len()
}

/// Whether nothing undefined goes into the last instruction, or comes out of it as a
/// value.
fn is_comparable(steps: &[Step]) -> bool {
    let Some((last, before)) = steps.split_last() else { return true };
    let undefined = undefined::Undefined::of(before, None).at_end();
    let reads = undefined::flags_read(&last.insn);
    undefined & reads == 0 && !undefined::has_undefined_result(&last.insn, None)
}
