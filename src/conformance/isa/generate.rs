//! Cases from a seed: one instruction, or a block of several.

use std::collections::BTreeSet;

use emulator::regs::RFlags;
use iced_x86::{Code, Instruction};

use super::super::case::{Case, Step};
use super::super::layout::code_slot;
use super::super::rng::Rng;
use super::assemble::{Assembler, encode_any, is_direct_branch};
use super::gather::{self, GatherRegisters};
use super::operands::Draft;
use super::setting::Setting;
use super::spoil;
use super::undefined::{self, Undefined};
use super::values;

/// Choices of operands that may turn out impossible before a form is given up.
const ATTEMPTS: usize = 16;
/// Cases of one instruction whose encoding has something wrong about it.
const PERCENT_SPOILED: u64 = 6;
/// Choices of operands for each instruction of a block before it stays shorter.
const TRIES_A_STEP: u64 = 8;
/// Streams of random numbers that are not a case's.
const IMAGE_STREAM: u64 = u64::MAX;

/// Makes cases.
#[derive(Clone, Debug)]
pub struct Generator {
    seed: u64,
    forms: Vec<Code>,
    compared: BTreeSet<Code>,
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
        let compared = forms.iter().copied().collect();
        Self { seed, forms, compared, max_block: max_block.max(1) }
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
        if !rng.chance(PERCENT_SPOILED) {
            return single(&mut rng, code, rip);
        }
        if code.op_code().op_kinds().iter().any(|&kind| gather::vsib(kind).is_some()) {
            return same_registers(&mut rng, code, rip, &self.compared);
        }
        let case = single(&mut rng, code, rip)?;
        spoil::spoil(&mut rng, case, &self.compared)
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
        let mut assembler = Assembler::new(rip);
        assembler.vary_vex(draft.rng);
        if assembler.push(Step { insn, skip: None }).is_some() {
            return assembler.finish(draft.start, draft.patches);
        }
    }
    None
}

/// An instruction of a form with any operands; `None` where such are not made.
#[must_use]
pub fn sample(rng: &mut Rng, code: Code) -> Option<Instruction> {
    Draft::new(rng, Setting::Single, code_slot(0)).instruction(code)
}

/// A gather with a register named twice, which is #UD; or one with a wrong prefix.
fn same_registers(rng: &mut Rng, code: Code, rip: u64, compared: &BTreeSet<Code>) -> Option<Case> {
    if rng.chance(50) {
        let case = single(rng, code, rip)?;
        return spoil::spoil(rng, case, compared);
    }
    let mut draft = Draft::new(rng, Setting::Single, rip);
    draft.gather_registers = GatherRegisters::Same;
    let insn = draft.instruction(code)?;
    let bytes = encode_any(&insn, rip)?;
    let (start, patches) = (draft.start, draft.patches);
    let case = Case { steps: Vec::new(), code: Vec::new(), offsets: vec![0], start, patches };
    spoil::case_of(case, bytes, compared)
}
