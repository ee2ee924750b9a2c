//! The figures: three CSV files of named costs, and the small expressions that combine them.
//!
//! `instructions.csv` and `events.csv` are measured, `estimates.csv` is not and gives a reason for each
//! figure; the three share one name space, so a name says where a figure comes from. `rules.csv` maps each
//! rule of the model to an expression over these names. No figure is typed a second time elsewhere.
//!
//! Key type: [`Costs`]. Neighbours: `classify` (maps instruction classes to expressions), `block`, `memory`.

use std::collections::BTreeMap;

use iced_x86::{Decoder, DecoderOptions};

use super::data::{DataError, TICKS_PER_CYCLE, Ticks, parse_hex, parse_ticks, rows};

/// The measured instruction forms.
const INSTRUCTIONS: &str = include_str!("../data/instructions.csv");
/// The measured events.
const EVENTS: &str = include_str!("../data/events.csv");
/// What was not measured.
const ESTIMATES: &str = include_str!("../data/estimates.csv");
/// The model's rules as expressions.
const RULES: &str = include_str!("../data/rules.csv");

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
        let insns: Vec<_> =
            Decoder::new(64, &self.code, DecoderOptions::NONE).into_iter().collect();
        insns.len() == self.nr_insns && insns.iter().all(|insn| !insn.is_invalid())
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
                return Err(DataError::Duplicate {
                    file: "rules.csv",
                    line,
                    name: rule.to_owned(),
                });
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
        self.sum(expression)
            .ok_or_else(|| DataError::Expression { expression: expression.to_owned() })
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

    fn term<'a>(
        &self,
        words: &mut std::iter::Peekable<impl Iterator<Item = &'a str>>,
    ) -> Option<Ticks> {
        let figure = *self.figures.get(words.next()?)?;
        if words.next_if_eq(&"/").is_none() {
            return Some(figure);
        }
        figure.checked_div(words.next()?.parse().ok()?)
    }

    /// The cost of a rule in ticks.
    pub(super) fn rule(&self, rule: &str) -> Result<Ticks, DataError> {
        self.rules
            .get(rule)
            .copied()
            .ok_or_else(|| DataError::MissingRule { rule: rule.to_owned() })
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
            code: parse_hex(hex).ok_or_else(|| DataError::Hex {
                file: FILE,
                line,
                text: hex.to_owned(),
            })?,
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
        let ticks = parse_ticks(cycles).ok_or_else(|| DataError::Number {
            file,
            line,
            text: cycles.to_owned(),
        })?;
        if figures.insert(name, ticks).is_some() {
            return Err(DataError::Duplicate { file, line, name: name.to_owned() });
        }
    }
    Ok(())
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
        let snippet = |code: &[u8], nr_insns| Snippet {
            name: "",
            code: code.to_vec(),
            nr_insns,
            unrolled: 0,
            looped: None,
        };
        assert!(snippet(&[0x90, 0x48, 0x91], 2).decodes());
        assert!(!snippet(&[0x90, 0x48, 0x91], 1).decodes());
        assert!(!snippet(&[0x90, 0x48], 2).decodes());
        assert!(!snippet(&[0x90, 0x06], 1).decodes());
    }

    #[test]
    fn every_estimate_has_a_reason() {
        for (line, [_, _, reason]) in
            rows("estimates.csv", ESTIMATES, ["name", "cycles", "reason"]).unwrap()
        {
            assert!(!reason.is_empty(), "estimates.csv:{line}");
        }
    }

    #[test]
    fn every_event_and_estimate_is_used() {
        let text = [include_str!("../data/classes.csv"), RULES].concat();
        let used: Vec<&str> = text.split([',', ' ', '\n']).collect();
        for (file, data, heading) in [
            ("events.csv", EVENTS, ["name", "cycles", "note"]),
            ("estimates.csv", ESTIMATES, ["name", "cycles", "reason"]),
        ] {
            for (line, [name, ..]) in rows(file, data, heading).unwrap() {
                assert!(used.contains(&name), "{file}:{line}: {name}");
            }
        }
    }

    #[test]
    fn expressions_combine_figures() {
        let costs = Costs::load().unwrap();
        assert_eq!(costs.evaluate("movq_x2g / 2"), Ok(20_000));
        assert_eq!(costs.evaluate("l2_load - l1_load"), Ok(110_000));
        assert_eq!(costs.evaluate("-"), Ok(0));
        for bad in
            ["", "no_such", "l1_load - l2_load", "l1_load +", "l1_load l2_load", "l1_load / 0", "5"]
        {
            assert!(costs.evaluate(bad).is_err(), "{bad:?}");
        }
    }
}
