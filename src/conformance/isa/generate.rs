//! Cases from a seed: one instruction, or a block of several.

use emulator::regs::RFlags;
use iced_x86::Code;

use super::super::case::{Case, Step};
use super::super::layout::code_slot;
use super::super::rng::Rng;
use super::assemble::{Assembler, assemble, is_direct_branch};
use super::operands::Draft;
use super::setting::Setting;
use super::undefined::{self, Undefined};
use super::values;

/// Choices of operands that may turn out impossible before a form is given up.
const ATTEMPTS: usize = 16;
/// Choices of operands for each instruction of a block before it stays shorter.
const TRIES_A_STEP: u64 = 8;
/// Streams of random numbers that are not a case's.
const IMAGE_STREAM: u64 = u64::MAX;

/// Makes cases.
#[derive(Clone, Debug)]
pub struct Generator {
    seed: u64,
    forms: Vec<Code>,
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
        Self { seed, forms, max_block: max_block.max(1) }
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
        let mut assembler = Assembler::new(rip);
        let mut undefined = Undefined::default();
        for _ in 0..len * TRIES_A_STEP {
            let code = draft.rng.pick(&self.forms);
            let Some(insn) = draft.instruction(code) else { continue };
            // Nothing undefined goes in, or comes out as a value.
            let reads = undefined::flags_read(&insn) & undefined.next();
            if reads != 0 || undefined::has_undefined_result(&insn, None) {
                continue;
            }
            let skip = is_direct_branch(&insn).then(|| draft.rng.below(4) as u8);
            let step = Step { insn, skip };
            if assembler.push(step).is_some() {
                undefined.push(&step, None);
            }
            if assembler.len() as u64 == len {
                break;
            }
        }
        // Patches were chosen for single operands: the run's image does here.
        assembler.finish(draft.start, Vec::new())
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
        if let Some(case) = assemble(&[Step { insn, skip: None }], start, patches) {
            return Some(case);
        }
    }
    None
}
