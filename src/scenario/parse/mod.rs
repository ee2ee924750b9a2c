//! Reading scenarios. Every error has its line and column.

mod event;
mod kernel;
mod op;
#[cfg(test)]
mod tests;
mod words;

use kernel_model::events::hw_breakpoint::Support;
use kernel_model::scenario::StageConfig;
use perf_core::{Defect, Defects, Generation};

pub use op::VERBS;

use super::{Expected, Scenario, Step};
use words::Words;

/// What is wrong with a scenario's text, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: {reason}")]
pub struct ParseError {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong there.
    pub reason: ParseReason,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseReason {
    /// The line ends too soon.
    #[error("the line ends where {0} is missing")]
    Missing(&'static str),
    /// A word that means nothing there.
    #[error("'{word}' is no {wanted}")]
    Unknown {
        /// The word.
        word: String,
        /// What would mean something.
        wanted: &'static str,
    },
    /// Words after the end of an operation.
    #[error("'{0}' does not belong here")]
    TooMuch(String),
    /// A setting of the machine after the first operation.
    #[error("'{0}' comes before the first operation")]
    LateSetting(String),
    /// An option that was given before.
    #[error("'{0}' is given twice")]
    Twice(String),
}

/// Reads a scenario.
///
/// # Errors
/// [`ParseError`] at the first line that means nothing.
pub fn scenario(text: &str) -> Result<Scenario, ParseError> {
    let mut config = StageConfig::default();
    let mut steps: Vec<Step> = Vec::new();
    for (line, text) in (1..).zip(text.lines()) {
        let mut words = Words::new(line, text);
        let Some(first) = words.peek() else { continue };
        if is_setting(first) {
            if !steps.is_empty() {
                return Err(words.error_here(ParseReason::LateSetting(first.to_owned())));
            }
            setting(&mut words, &mut config)?;
            words.end()?;
            continue;
        }
        let op = op::op(&mut words)?;
        let expected = expected(&mut words)?;
        steps.push(Step { line, op, expected });
    }
    Ok(Scenario { config, steps })
}

fn is_setting(word: &str) -> bool {
    matches!(word, "cpus" | "kernel" | "defect" | "support")
}

/// A line about the machine.
fn setting(words: &mut Words<'_>, config: &mut StageConfig) -> Result<(), ParseError> {
    match words.next("a setting")? {
        "cpus" => {
            config.nr_cpus = words.number("a number of CPUs")? as u32;
            if !(1..=64).contains(&config.nr_cpus) {
                return Err(words.unknown("number of CPUs (1 to 64)"));
            }
            Ok(())
        }
        "support" => {
            config.support = match on_or_off(words)? {
                true => Support::Built,
                false => Support::Absent,
            };
            Ok(())
        }
        "kernel" => kernel(words, config),
        _ => defect(words, config),
    }
}

fn on_or_off(words: &mut Words<'_>) -> Result<bool, ParseError> {
    match words.next("'on' or 'off'")? {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(words.unknown("'on' or 'off'")),
    }
}

/// `kernel 6.x|2.6.33`: with that generation's defects, which later lines may change.
fn kernel(words: &mut Words<'_>, config: &mut StageConfig) -> Result<(), ParseError> {
    let Ok(generation) = words.next("a kernel generation")?.parse::<Generation>() else {
        return Err(words.unknown("kernel generation"));
    };
    (config.generation, config.defects) = (generation, Defects::of(generation));
    Ok(())
}

/// `defect NAME on|off`.
fn defect(words: &mut Words<'_>, config: &mut StageConfig) -> Result<(), ParseError> {
    let name = words.next("the name of a defect")?;
    let Ok(defect) = name.parse::<Defect>() else {
        return Err(words.unknown("defect"));
    };
    config.defects = match on_or_off(words)? {
        true => config.defects.with(defect),
        false => config.defects.without(defect),
    };
    Ok(())
}

/// What follows `=`.
fn expected(words: &mut Words<'_>) -> Result<Option<Expected>, ParseError> {
    let Some(word) = words.peek() else { return Ok(None) };
    if word != "=" {
        return Err(words.error_here(ParseReason::TooMuch(word.to_owned())));
    }
    words.next("'='")?;
    let first = words.next("an answer")?;
    if let Some(limit) = first.strip_prefix('>') {
        let limit = words::number_of(limit).ok_or_else(|| words.unknown("number"))?;
        words.end()?;
        return Ok(Some(Expected::Above(limit)));
    }
    let mut text = first.to_owned();
    while let Some(word) = words.peek() {
        text.push(' ');
        text.push_str(word);
        words.next("a word")?;
    }
    Ok(Some(Expected::Text(text)))
}
