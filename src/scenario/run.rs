//! Playing a scenario, and what is told of it.

use std::fmt::Write as _;

use kernel_model::kernel::BootError;
use kernel_model::scenario::op::{Answer, Op};
use kernel_model::scenario::{ScenarioError, Stage};
use perf_core::{CpuId, Errno};
use serde_json::{Value, json};

use super::{Expected, Scenario, Step, print};

/// What became of one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Played {
    /// Line in the file.
    pub line: usize,
    /// The operation as text.
    pub op: String,
    /// The answer as text, or why there is none.
    pub got: Result<String, ScenarioError>,
    /// What was expected, as text.
    pub expected: Option<String>,
    /// Who holds the slots, where that was asked for or a refusal is to be explained.
    pub report: Option<String>,
    /// Whether the answer is what was expected, or nothing was.
    pub is_right: bool,
}

/// What became of a scenario.
#[derive(Debug)]
pub struct Outcome {
    /// Its steps.
    pub steps: Vec<Played>,
    /// The machine at the end.
    pub stage: Stage,
    nr_cpus: u32,
}

impl Outcome {
    /// Steps whose answer was wrong.
    pub fn wrong(&self) -> impl Iterator<Item = &Played> {
        self.steps.iter().filter(|step| !step.is_right)
    }
}

/// Whether refusals are explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusals {
    /// Only the error number is told.
    Bare,
    /// Each ENOSPC is followed by who holds the slots.
    Explained,
}

/// Plays a scenario to its end, wrong answers or not.
///
/// # Errors
/// A machine that is not possible.
pub fn play(scenario: &Scenario, refusals: Refusals) -> Result<Outcome, BootError> {
    let mut stage = Stage::new(scenario.config)?;
    let play = |step| play_step(&mut stage, step, refusals);
    let steps = scenario.steps.iter().map(play).collect();
    Ok(Outcome { steps, stage, nr_cpus: scenario.config.nr_cpus })
}

fn play_step(stage: &mut Stage, step: &Step, refusals: Refusals) -> Played {
    let got = stage.apply(&step.op);
    let report = match &got {
        Ok(Answer::Report(Some(report))) => Some(report.explanation()),
        Ok(Answer::Errno(Errno::ENOSPC)) if refusals == Refusals::Explained => {
            match stage.apply(&Op::Explain { target: None }) {
                Ok(Answer::Report(Some(report))) => Some(report.explanation()),
                Ok(_) | Err(_) => None,
            }
        }
        Ok(_) | Err(_) => None,
    };
    let is_right = match (&got, &step.expected) {
        (Err(_), _) => false,
        (Ok(_), None) => true,
        (Ok(answer), Some(Expected::Text(text))) => print::answer(answer) == *text,
        (Ok(answer), Some(Expected::Above(limit))) => {
            matches!(answer, Answer::Count(count) if count > limit)
        }
    };
    Played {
        line: step.line,
        op: print::op(&step.op),
        got: got.map(|answer| print::answer(&answer)),
        expected: step.expected.as_ref().map(|expected| match expected {
            Expected::Text(text) => text.clone(),
            Expected::Above(limit) => format!(">{limit}"),
        }),
        report,
        is_right,
    }
}

/// What happened line by line, and where the registers stand at the end.
#[must_use]
pub fn report(file: &str, outcome: &Outcome) -> String {
    let mut text = String::new();
    for step in &outcome.steps {
        let place = format!("{file}:{}", step.line);
        let _ = match (&step.got, &step.expected) {
            (Err(error), _) => writeln!(text, "{place}: {}: {error}", step.op),
            (Ok(got), Some(expected)) if !step.is_right => {
                writeln!(text, "{place}: {}: expected {expected}, got {got}", step.op)
            }
            (Ok(got), _) => writeln!(text, "{place}: {} = {got}", step.op),
        };
        for line in step.report.iter().flat_map(|report| report.lines()) {
            let _ = writeln!(text, "    {line}");
        }
    }
    for cpu in (0..outcome.nr_cpus).map(CpuId) {
        let view = outcome.stage.registers_view(cpu);
        let _ = writeln!(text, "{cpu}: {}; DR7 {:#x}", print::registers(&view), view.dr7);
    }
    let nr_wrong = outcome.wrong().count();
    let _ = writeln!(text, "{file}: {} steps, {nr_wrong} wrong", outcome.steps.len());
    text
}

/// The same as JSON objects: one for each step (`type` "step"), one for each CPU ("cpu").
#[must_use]
pub fn json(file: &str, outcome: &Outcome) -> Vec<Value> {
    let steps = outcome.steps.iter().map(|step| {
        json!({
            "type": "step",
            "file": file,
            "line": step.line,
            "op": step.op,
            "answer": step.got.as_ref().ok(),
            "error": step.got.as_ref().err().map(ToString::to_string),
            "expected": step.expected,
            "report": step.report,
            "right": step.is_right,
        })
    });
    let cpus = (0..outcome.nr_cpus).map(|cpu| {
        let view = outcome.stage.registers_view(CpuId(cpu));
        let slots: Vec<Value> = view
            .slots
            .iter()
            .map(|slot| {
                slot.as_ref().map_or(Value::Null, |holder| {
                    json!({
                        "owner": holder.owner,
                        "bp_type": holder.bp_type,
                        "len": holder.len,
                        "addr": format!("{:#x}", holder.address),
                    })
                })
            })
            .collect();
        json!({
            "type": "cpu",
            "file": file,
            "cpu": cpu,
            "registers": slots,
            "dr7": format!("{:#x}", view.dr7),
            "dr6": format!("{:#x}", view.dr6),
            "shadow_equal": view.is_shadow_equal,
        })
    });
    steps.chain(cpus).collect()
}
