//! A failing case made small: fewer instructions, then less state.

use super::super::case::{Case, Registers, Step};
use super::super::native::NativeError;
use super::assemble::assemble;
use super::compare::Strictness;
use super::sides::{Sides, Verdict};

/// A case that fails, and how.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The case.
    pub case: Case,
    /// Its mismatch.
    pub verdict: Verdict,
}

/// Makes a failure small. What is left still fails, maybe in another way.
///
/// # Errors
/// [`NativeError`] where the child process cannot be reached.
pub fn shrink(
    sides: &mut Sides,
    failure: Failure,
    strictness: Strictness,
) -> Result<Failure, NativeError> {
    let mut best = failure;
    shortest_prefix(sides, &mut best, strictness)?;
    for nth in (0..best.case.steps.len()).rev() {
        let steps = without(&best.case.steps, nth);
        if !steps.is_empty() {
            let (start, patches) = (best.case.start, best.case.patches.clone());
            attempt(sides, &mut best, assemble(&steps, start, patches), strictness)?;
        }
    }
    less_state(sides, &mut best, strictness)?;
    Ok(best)
}

/// Keeps `candidate` if it fails.
fn attempt(
    sides: &mut Sides,
    best: &mut Failure,
    candidate: Option<Case>,
    strictness: Strictness,
) -> Result<bool, NativeError> {
    let Some(case) = candidate else { return Ok(false) };
    let verdict = sides.compare_one(&case, strictness)?;
    let fails = verdict.is_mismatch();
    if fails {
        *best = Failure { case, verdict };
    }
    Ok(fails)
}

fn shortest_prefix(
    sides: &mut Sides,
    best: &mut Failure,
    strictness: Strictness,
) -> Result<(), NativeError> {
    let case = best.case.clone();
    for len in 1..case.steps.len() {
        let prefix = assemble(&case.steps[..len], case.start, case.patches.clone());
        if attempt(sides, best, prefix, strictness)? {
            break;
        }
    }
    Ok(())
}

/// The steps without one; branches over it go as far as before.
fn without(steps: &[Step], gone: usize) -> Vec<Step> {
    let mut left = steps.to_vec();
    left.remove(gone);
    for (nth, step) in left.iter_mut().enumerate().take(gone) {
        if let Some(skip) = &mut step.skip
            && nth + usize::from(*skip) >= gone
        {
            *skip -= 1;
        }
    }
    left
}

/// A change that makes a case simpler.
type Simplification = Box<dyn Fn(&mut Case)>;

/// Gives every register that does not matter its default, and takes patches away.
fn less_state(
    sides: &mut Sides,
    best: &mut Failure,
    strictness: Strictness,
) -> Result<(), NativeError> {
    let plain = Registers::default();
    let mut changes: Vec<Simplification> = vec![
        Box::new(move |case| case.start.rflags = plain.rflags),
        Box::new(move |case| case.start.mxcsr = plain.mxcsr),
        Box::new(move |case| case.start.x87 = plain.x87),
    ];
    for reg in 0..16 {
        changes.push(Box::new(move |case| case.start.gpr[reg] = plain.gpr[reg]));
        changes.push(Box::new(move |case| case.start.vector[reg] = [0; 2]));
        changes.push(Box::new(move |case| case.start.vector[reg][1] = 0));
        changes.push(Box::new(move |case| case.start.vector[reg][0] = 0));
    }
    for nth in (0..best.case.patches.len()).rev() {
        changes.push(Box::new(move |case| {
            case.patches.remove(nth);
        }));
    }
    for change in changes {
        let mut case = best.case.clone();
        change(&mut case);
        attempt(sides, best, Some(case), strictness)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use iced_x86::{Code, Instruction};

    #[test]
    fn branches_keep_their_target() {
        let nop = Step { insn: Instruction::with(Code::Nopd), skip: None };
        let jump = Instruction::with_branch(Code::Jmp_rel8_64, 0).unwrap();
        let steps = [Step { insn: jump, skip: Some(2) }, nop, nop, nop];
        assert_eq!(without(&steps, 2)[0].skip, Some(1));
        assert_eq!(without(&steps, 3)[0].skip, Some(2));
        assert_eq!(without(&steps, 0).len(), 3);
    }
}
