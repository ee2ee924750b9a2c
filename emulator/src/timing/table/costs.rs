//! The figures: three CSV files of named costs, and the small expressions that combine them.
//!
//! `instructions.csv` and `events.csv` are measured, `estimates.csv` is not and gives a reason for each
//! figure; the three share one name space, so a name says where a figure comes from. `rules.csv` maps each
//! rule of the model to an expression over these names. No figure is typed a second time elsewhere.
//!
//! Key type: [`Costs`]. Neighbours: `classify` (maps instruction classes to expressions), `block`, `memory`.

use std::collections::BTreeMap;

use iced_x86::{Decoder, DecoderOptions};
use thiserror::Error;

/// Time within the model: ten-thousandths of a core cycle, the resolution of the measurements.
pub(super) type Ticks = u64;

/// Ticks in one core cycle.
pub(super) const TICKS_PER_CYCLE: Ticks = 10_000;

/// Digits after the decimal point that a figure may have.
const DECIMALS: usize = 4;

/// The measured instruction forms.
const INSTRUCTIONS: &str = include_str!("../data/instructions.csv");
/// The measured events.
const EVENTS: &str = include_str!("../data/events.csv");
/// What was not measured.
const ESTIMATES: &str = include_str!("../data/estimates.csv");
/// The model's rules as expressions.
const RULES: &str = include_str!("../data/rules.csv");

/// What is wrong with a data file.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DataError {
    /// The first line that is no comment is not the expected heading.
    #[error("{file}: the heading is not {expected:?}")]
    Heading {
        /// The file.
        file: &'static str,
        /// The heading that was expected.
        expected: String,
    },
    /// A line has the wrong number of fields.
    #[error("{file}:{line}: {found} fields, not {expected}")]
    Fields {
        /// The file.
        file: &'static str,
        /// Line number, from 1.
        line: usize,
        /// Fields found.
        found: usize,
        /// Fields expected.
        expected: usize,
    },
    /// A field is no number of cycles.
    #[error("{file}:{line}: {text:?} is no number of cycles")]
    Number {
        /// The file.
        file: &'static str,
        /// Line number, from 1.
        line: usize,
        /// The field.
        text: String,
    },
    /// A field is not the hexadecimal bytes of as many instructions as the row says.
    #[error("{file}:{line}: {text:?} is not the machine code of the row")]
    Hex {
        /// The file.
        file: &'static str,
        /// Line number, from 1.
        line: usize,
        /// The field.
        text: String,
    },
    /// A name occurs twice.
    #[error("{file}:{line}: {name:?} occurs twice")]
    Duplicate {
        /// The file.
        file: &'static str,
        /// Line number, from 1.
        line: usize,
        /// The name.
        name: String,
    },
    /// An expression does not parse, goes below zero, or names a figure that does not exist.
    #[error("the cost {expression:?} cannot be evaluated")]
    Expression {
        /// The expression.
        expression: String,
    },
    /// A word is not one of those that a column allows.
    #[error("{file}:{line}: unknown word {word:?}")]
    Word {
        /// The file.
        file: &'static str,
        /// Line number, from 1.
        line: usize,
        /// The word.
        word: String,
    },
    /// A rule of the model has no line.
    #[error("rules.csv has no rule {rule:?}")]
    MissingRule {
        /// The rule.
        rule: String,
    },
}

/// One row of `instructions.csv`.
#[derive(Debug, Clone)]
pub(super) struct Snippet {
    /// Name of the row.
    pub(super) name: &'static str,
    /// Machine code of the snippet.
    pub(super) code: Vec<u8>,
    /// Instructions in it.
    pub(super) nr_insns: usize,
    /// Cost of one copy in straight-line code.
    pub(super) unrolled: Ticks,
    /// Cost of one copy in a hot loop, where measured.
    pub(super) looped: Option<Ticks>,
}

impl Snippet {
    /// The figure that the model uses: the hot loop's where there is one.
    pub(super) fn cost(&self) -> Ticks {
        self.looped.unwrap_or(self.unrolled)
    }

    /// Whether the code is as many whole instructions as the row says.
    fn decodes(&self) -> bool {
        let mut decoder = Decoder::new(64, &self.code, DecoderOptions::NONE);
        let nr_valid = decoder.iter().take_while(|insn| !insn.is_invalid()).count();
        nr_valid == self.nr_insns && !decoder.can_decode()
    }
}

/// All named costs and the rules over them.
#[derive(Debug, Clone)]
pub(super) struct Costs {
    figures: BTreeMap<&'static str, Ticks>,
    rules: BTreeMap<&'static str, Ticks>,
}

impl Costs {
    /// Parses the data files.
    pub(super) fn load() -> Result<Costs, DataError> {
        let mut figures = BTreeMap::new();
        for snippet in snippets()? {
            figures.insert(snippet.name, snippet.cost());
        }
        add_figures(&mut figures, "events.csv", EVENTS, ["name", "cycles", "note"])?;
        add_figures(&mut figures, "estimates.csv", ESTIMATES, ["name", "cycles", "reason"])?;
        let mut costs = Costs { figures, rules: BTreeMap::new() };
        for (line, [rule, expression]) in rows("rules.csv", RULES, ["rule", "cost"])? {
            let cost = costs.evaluate(expression)?;
            if costs.rules.insert(rule, cost).is_some() {
                return Err(DataError::Duplicate { file: "rules.csv", line, name: rule.to_owned() });
            }
        }
        Ok(costs)
    }

    /// The value of a cost expression: names joined by ` + ` and ` - `, each perhaps with ` / integer`;
    /// `-` alone is zero. A value below zero is an error.
    pub(super) fn evaluate(&self, expression: &str) -> Result<Ticks, DataError> {
        if expression == "-" {
            return Ok(0);
        }
        self.sum(expression).ok_or_else(|| DataError::Expression { expression: expression.to_owned() })
    }

    fn sum(&self, expression: &str) -> Option<Ticks> {
        let mut words = expression.split(' ').peekable();
        let mut value = self.term(&mut words)?;
        while let Some(operator) = words.next() {
            let term = self.term(&mut words)?;
            value = match operator {
                "+" => value.checked_add(term)?,
                "-" => value.checked_sub(term)?,
                _ => return None,
            };
        }
        Some(value)
    }

    fn term<'a>(&self, words: &mut std::iter::Peekable<impl Iterator<Item = &'a str>>) -> Option<Ticks> {
        let figure = *self.figures.get(words.next()?)?;
        if words.next_if_eq(&"/").is_none() {
            return Some(figure);
        }
        figure.checked_div(words.next()?.parse().ok()?)
    }

    /// The cost of a rule in ticks.
    pub(super) fn rule(&self, rule: &str) -> Result<Ticks, DataError> {
        self.rules.get(rule).copied().ok_or_else(|| DataError::MissingRule { rule: rule.to_owned() })
    }

    /// The cost of a rule in whole cycles, rounded to the nearest.
    pub(super) fn rule_cycles(&self, rule: &str) -> Result<u32, DataError> {
        self.rule(rule).map(to_cycles)
    }
}

/// Whole cycles nearest to `ticks`.
pub(super) fn to_cycles(ticks: Ticks) -> u32 {
    u32::try_from(ticks.saturating_add(TICKS_PER_CYCLE / 2) / TICKS_PER_CYCLE).unwrap_or(u32::MAX)
}

/// The measured instruction forms, in the file's order. The code of each must decode to as many instructions
/// as its row says.
pub(super) fn snippets() -> Result<Vec<Snippet>, DataError> {
    const FILE: &str = "instructions.csv";
    const HEADING: [&str; 5] = ["name", "hex", "ninsn", "cyc_unrolled", "cyc_loop_per_copy"];
    let mut snippets: Vec<Snippet> = Vec::new();
    for (line, [name, hex, nr_insns, unrolled, looped]) in rows(FILE, INSTRUCTIONS, HEADING)? {
        if snippets.iter().any(|snippet| snippet.name == name) {
            return Err(DataError::Duplicate { file: FILE, line, name: name.to_owned() });
        }
        let number = |text: &str| DataError::Number { file: FILE, line, text: text.to_owned() };
        let snippet = Snippet {
            name,
            code: parse_hex(hex).ok_or_else(|| DataError::Hex { file: FILE, line, text: hex.to_owned() })?,
            nr_insns: nr_insns.parse().map_err(|_| number(nr_insns))?,
            unrolled: parse_ticks(unrolled).ok_or_else(|| number(unrolled))?,
            looped: match looped {
                "" => None,
                text => Some(parse_ticks(text).ok_or_else(|| number(text))?),
            },
        };
        if !snippet.decodes() {
            return Err(DataError::Hex { file: FILE, line, text: hex.to_owned() });
        }
        snippets.push(snippet);
    }
    Ok(snippets)
}

fn add_figures(
    figures: &mut BTreeMap<&'static str, Ticks>,
    file: &'static str,
    text: &'static str,
    heading: [&'static str; 3],
) -> Result<(), DataError> {
    for (line, [name, cycles, _]) in rows(file, text, heading)? {
        let ticks = parse_ticks(cycles)
            .ok_or_else(|| DataError::Number { file, line, text: cycles.to_owned() })?;
        if figures.insert(name, ticks).is_some() {
            return Err(DataError::Duplicate { file, line, name: name.to_owned() });
        }
    }
    Ok(())
}

/// The rows of a data file with their line numbers: `#` lines, the heading, then rows of exactly `N` fields
/// without quoting.
pub(super) fn rows<const N: usize>(
    file: &'static str,
    text: &'static str,
    heading: [&'static str; N],
) -> Result<Vec<(usize, [&'static str; N])>, DataError> {
    let mut lines = text.lines().enumerate().skip_while(|(_, line)| line.starts_with('#'));
    let expected = heading.join(",");
    if lines.next().is_none_or(|(_, line)| line != expected) {
        return Err(DataError::Heading { file, expected });
    }
    lines
        .map(|(index, line)| {
            let line_number = index + 1;
            let fields: Vec<&'static str> = line.split(',').collect();
            let found = fields.len();
            let fields = fields
                .try_into()
                .map_err(|_| DataError::Fields { file, line: line_number, found, expected: N })?;
            Ok((line_number, fields))
        })
        .collect()
}

/// A decimal number of cycles with at most [`DECIMALS`] digits after the point.
fn parse_ticks(text: &str) -> Option<Ticks> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > DECIMALS {
        return None;
    }
    let fraction: Ticks = format!("{fraction:0<DECIMALS$}").parse().ok()?;
    whole.parse::<Ticks>().ok()?.checked_mul(TICKS_PER_CYCLE)?.checked_add(fraction)
}

fn parse_hex(text: &str) -> Option<Vec<u8>> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok().filter(|_| pair.len() == 2)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_parses_wholly() {
        assert_eq!(snippets().unwrap().len(), 221);
        Costs::load().unwrap();
    }

    #[test]
    fn a_row_must_decode_to_its_number_of_instructions() {
        let snippet = |code: &[u8], nr_insns| Snippet { name: "", code: code.to_vec(), nr_insns, unrolled: 0, looped: None };
        assert!(snippet(&[0x90, 0x48, 0x91], 2).decodes());
        assert!(!snippet(&[0x90, 0x48, 0x91], 1).decodes());
        assert!(!snippet(&[0x90, 0x48], 2).decodes());
        assert!(!snippet(&[0x90, 0x06], 1).decodes());
    }

    #[test]
    fn every_estimate_has_a_reason() {
        for (line, [_, _, reason]) in rows("estimates.csv", ESTIMATES, ["name", "cycles", "reason"]).unwrap() {
            assert!(!reason.is_empty(), "estimates.csv:{line}");
        }
    }

    #[test]
    fn numbers_are_read_strictly() {
        assert_eq!(parse_ticks("7.346"), Some(73_460));
        assert_eq!(parse_ticks("3.0284"), Some(30_284));
        assert_eq!(parse_ticks("16"), Some(160_000));
        for bad in ["", ".", "1.", ".5", "1.23456", "-1", "1e3", " 1", "0x1"] {
            assert_eq!(parse_ticks(bad), None, "{bad:?}");
        }
        assert_eq!(parse_hex("48ff"), Some(vec![0x48, 0xff]));
        for bad in ["", "4", "48f", "zz", "+1"] {
            assert_eq!(parse_hex(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_broken_file_is_refused_with_its_line() {
        let heading = ["a", "b"];
        assert_eq!(rows("x.csv", "# c\na,b\n1,2\n", heading), Ok(vec![(3, ["1", "2"])]));
        assert!(matches!(rows("x.csv", "a,c\n", heading), Err(DataError::Heading { .. })));
        assert!(matches!(rows("x.csv", "a,b\n1\n", heading), Err(DataError::Fields { line: 2, found: 1, .. })));
        assert!(matches!(rows("x.csv", "a,b\n\n", heading), Err(DataError::Fields { line: 2, .. })));
    }

    #[test]
    fn expressions_combine_figures() {
        let costs = Costs::load().unwrap();
        assert_eq!(costs.evaluate("movq_x2g / 2"), Ok(20_000));
        assert_eq!(costs.evaluate("l2_load - l1_load"), Ok(110_000));
        assert_eq!(costs.evaluate("-"), Ok(0));
        for bad in ["", "no_such", "l1_load - l2_load", "l1_load +", "l1_load l2_load", "l1_load / 0", "5"] {
            assert!(costs.evaluate(bad).is_err(), "{bad:?}");
        }
    }
}
