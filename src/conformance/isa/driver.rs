//! A run: forms that both sides have, cases from the seed, batches, counts.

use iced_x86::{Code, Instruction, Mnemonic};

use super::super::case::Case;
use super::super::emulated::{Emulated, EmulatedEnd};
use super::super::layout::{BATCH, IMAGE_BYTES, READ_ONLY_BYTES, code_slot};
use super::super::native::NativeError;
use super::super::rng::Rng;
use super::compare::Strictness;
use super::forms::{self, Exclusion};
use super::generate::{Generator, single};
use super::shrink::{Failure, shrink};
use super::sides::{Sides, Verdict};
use super::tally::{self, KEPT_FAILURES, Tally};
use super::undefined;

/// What is to be run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Number of cases.
    pub cases: u64,
    /// Number of the first one.
    pub from: u64,
    /// Where the cases come from.
    pub seed: u64,
    /// Only instructions of this name.
    pub filter: Option<String>,
    /// Most instructions in a case.
    pub max_block: u64,
    /// What is compared.
    pub strictness: Strictness,
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The processor cannot be asked.
    #[error("{0}")]
    Native(#[from] NativeError),
    /// Nothing to run.
    #[error("no instruction form of this name is built and can be compared")]
    NoForms,
}

/// Operand choices after which a form that the emulator refuses counts as not built.
const PROBES: u64 = 8;
/// Streams for probes, away from the cases'.
const PROBE_STREAM: u64 = 1 << 63;

/// The forms that the emulator has, out of those that are compared; the rest is
/// counted in `tally`.
#[must_use]
pub fn built_forms(filter: Option<&str>, tally: &mut Tally) -> Vec<Code> {
    let blank = vec![0; IMAGE_BYTES + READ_ONLY_BYTES as usize];
    let (image, read_only) = blank.split_at(IMAGE_BYTES);
    let mut emulated = Emulated::new(image, read_only);
    let wanted = |code: &Code| filter.is_none_or(|name| tally::name(code.mnemonic()) == name);
    let mut built = Vec::new();
    for code in forms::all().filter(wanted) {
        if let Some(exclusion) = forms::exclusion(code).or_else(|| is_absent(&emulated, code)) {
            *tally.forms_left_out.entry(exclusion.reason().to_owned()).or_default() += 1;
        } else if is_built(&mut emulated, code) {
            built.push(code);
        } else {
            *tally.not_built.entry(tally::name(code.mnemonic())).or_default() += 1;
        }
    }
    tally.nr_forms = built.len();
    built
}

/// What the emulated model has not: #UD, or another instruction.
fn is_absent(emulated: &Emulated, code: Code) -> Option<Exclusion> {
    let mut insn = Instruction::default();
    insn.set_code(code);
    let model = emulated.model();
    let is_alias = matches!(code.mnemonic(), Mnemonic::Tzcnt | Mnemonic::Lzcnt)
        && !code.cpuid_features().iter().all(|&feature| model.has(feature));
    (is_alias || model.missing(&insn).is_some()).then_some(Exclusion::NotOnThisModel)
}

fn is_built(emulated: &mut Emulated, code: Code) -> bool {
    (0..PROBES).any(|nth| {
        let mut rng = Rng::new(PROBE_STREAM, code as u64 * PROBES + nth);
        let case = single(&mut rng, code, code_slot(0));
        case.is_some_and(|case| !matches!(emulated.run(&case), EmulatedEnd::Unsupported(_)))
    })
}

/// Runs a plan. `progress` hears how many cases are done, after each batch.
///
/// # Errors
/// [`RunError::Native`] where the host does not allow it.
pub fn run(plan: &Plan, mut progress: impl FnMut(u64)) -> Result<Tally, RunError> {
    let mut tally = Tally::default();
    let built = built_forms(plan.filter.as_deref(), &mut tally);
    if built.is_empty() {
        return Err(RunError::NoForms);
    }
    let mut sides = Sides::start(plan.seed)?;
    let generator = Generator::new(plan.seed, built, plan.max_block);
    let end = plan.from.saturating_add(plan.cases);
    let mut next = plan.from;
    let mut batch: Vec<Case> = Vec::with_capacity(BATCH);
    while next < end {
        batch.clear();
        let stop = end.min(next + BATCH as u64);
        for index in next..stop {
            match generator.case(index).filter(|case| !case.steps.is_empty()) {
                None => tally.skip("operands that no encoding has"),
                Some(case) if !is_defined(&case, plan.strictness) => tally.skip("undefined result"),
                Some(case) => batch.push(case),
            }
        }
        let verdicts = sides.compare(&batch, plan.strictness)?;
        for (case, verdict) in batch.iter().zip(verdicts) {
            count(&mut tally, &mut sides, case, verdict, plan.strictness)?;
        }
        next = stop;
        progress(next - plan.from);
    }
    Ok(tally)
}

/// Whether the manual says what a single instruction gives.
fn is_defined(case: &Case, strictness: Strictness) -> bool {
    let cl = case.start.gpr[1] as u8;
    strictness == Strictness::Everything
        || !case.steps.iter().any(|step| undefined::has_undefined_result(&step.insn, Some(cl)))
}

/// Counts a verdict; a mismatch is made small first, to know whose it is.
fn count(
    tally: &mut Tally,
    sides: &mut Sides,
    case: &Case,
    verdict: Verdict,
    strictness: Strictness,
) -> Result<(), NativeError> {
    match &verdict {
        Verdict::Unsupported(name) => {
            tally.skip(&format!("not built: {name}"));
            return Ok(());
        }
        Verdict::Lost => {
            tally.skip("the child process did not survive");
            return Ok(());
        }
        Verdict::Same | Verdict::Differs(_) | Verdict::Touches(_) | Verdict::Stuck(_) => {}
    }
    tally.compared += 1;
    if case.steps.len() > 1 {
        tally.blocks += 1;
    }
    let Some(last) = case.steps.last() else { return Ok(()) };
    if !verdict.is_mismatch() {
        for step in &case.steps {
            tally.counts(step.insn.code()).compared += 1;
        }
        return Ok(());
    }
    tally.mismatches += 1;
    let known = tally.counts(last.insn.code());
    if case.steps.len() == 1 && known.failures.len() >= KEPT_FAILURES {
        known.compared += 1;
        known.mismatches += 1;
        return Ok(());
    }
    let failure = Failure { case: case.clone(), verdict };
    let small = shrink(sides, failure, strictness)?;
    let code = small.case.steps.last().map_or(last.insn.code(), |step| step.insn.code());
    let counts = tally.counts(code);
    counts.compared += 1;
    counts.mismatches += 1;
    if counts.failures.len() < KEPT_FAILURES {
        counts.failures.push(small);
    }
    Ok(())
}
