//! Implementations side by side: a row for each rule, then what fails and what differs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::results::{Line, Results, Verdict};
use super::rules::RULES;

/// One implementation's results.
#[derive(Clone, Debug)]
pub struct Column {
    /// How it is called in the table.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What the image printed.
    pub results: Results,
    /// How it ended, if not as the image asked for.
    pub trouble: Option<String>,
}

/// How many checks of a rule came out how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Cell {
    passed: usize,
    failed: usize,
    told: usize,
    skipped: usize,
}

impl Cell {
    fn count(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Pass => self.passed += 1,
            Verdict::Fail => self.failed += 1,
            Verdict::Info => self.told += 1,
            Verdict::Skip => self.skipped += 1,
        }
    }

    fn text(self) -> String {
        let judged = self.passed + self.failed;
        let mut parts = Vec::new();
        if self.failed > 0 {
            parts.push(format!("**{} of {judged}**", self.passed));
        } else if judged > 0 {
            parts.push(format!("{judged}"));
        }
        if self.told > 0 {
            parts.push(format!("{} told", self.told));
        }
        if self.skipped > 0 {
            parts.push(format!("{} skipped", self.skipped));
        }
        if parts.is_empty() { "-".to_owned() } else { parts.join(", ") }
    }
}

/// A rule's place in the table and its subject.
fn place(rule: &str) -> (usize, &'static str) {
    let known = RULES.iter().position(|(number, _)| *number == rule);
    known.map_or((RULES.len(), ""), |at| (at, RULES[at].1))
}

fn rules_of(columns: &[Column]) -> Vec<&str> {
    let lines = columns.iter().flat_map(|column| &column.results.lines);
    let all: BTreeSet<(usize, &str)> =
        lines.flat_map(|line| &line.rules).map(|rule| (place(rule).0, rule.as_str())).collect();
    all.into_iter().map(|(_, rule)| rule).collect()
}

fn cell(results: &Results, rule: &str) -> Cell {
    let mut cell = Cell::default();
    for line in results.lines.iter().filter(|line| line.rules.iter().any(|of| of == rule)) {
        cell.count(line.verdict);
    }
    cell
}

fn row(cells: impl IntoIterator<Item = String>) -> String {
    let cells: Vec<String> = cells.into_iter().collect();
    format!("| {} |\n", cells.join(" | "))
}

/// The table of rules, with the totals in its last row.
#[must_use]
pub fn rules(columns: &[Column]) -> String {
    let names = columns.iter().map(|column| column.name.clone());
    let mut text = row(["rule".to_owned(), "subject".to_owned()].into_iter().chain(names));
    text.push_str(&row(vec!["---".to_owned(); columns.len() + 2]));
    for rule in rules_of(columns) {
        let cells = columns.iter().map(|column| cell(&column.results, rule).text());
        let head = [rule.to_owned(), place(rule).1.to_owned()];
        text.push_str(&row(head.into_iter().chain(cells)));
    }
    let totals = columns.iter().map(|column| {
        let count = |verdict| column.results.count(verdict);
        let (passed, failed) = (count(Verdict::Pass), count(Verdict::Fail));
        let (told, skipped) = (count(Verdict::Info), count(Verdict::Skip));
        format!("{passed} passed, {failed} failed, {told} told, {skipped} skipped")
    });
    text.push_str(&row(["all".to_owned(), String::new()].into_iter().chain(totals)));
    text
}

/// A check's lines with one verdict, joined: the places where they came, and one reason.
struct Joined<'a> {
    first: &'a Line,
    places: BTreeSet<String>,
}

fn joined(results: &Results, verdict: Verdict) -> Vec<Joined<'_>> {
    let mut order: Vec<Joined<'_>> = Vec::new();
    let mut known: BTreeMap<(&str, &[String]), usize> = BTreeMap::new();
    for line in results.lines.iter().filter(|line| line.verdict == verdict) {
        let at = *known.entry((line.check(), &line.rules)).or_insert_with(|| {
            order.push(Joined { first: line, places: BTreeSet::new() });
            order.len() - 1
        });
        order[at].places.insert(line.place());
    }
    order
}

/// What an implementation fails, a line for each check.
#[must_use]
pub fn failures(column: &Column) -> String {
    let mut text = String::new();
    if let Some(trouble) = &column.trouble {
        let _ = writeln!(text, "- {trouble}");
    }
    for line in &column.results.other {
        let _ = writeln!(text, "- it printed `{line}`");
    }
    if column.results.totals.is_none() {
        text.push_str("- the image did not come to its end\n");
    }
    for Joined { first, places } in joined(&column.results, Verdict::Fail) {
        let places: Vec<String> = places.into_iter().filter(|place| !place.is_empty()).collect();
        let places =
            if places.is_empty() { String::new() } else { format!(" ({})", places.join(", ")) };
        let rules = first.rules.join(",");
        let reason = shortened(&first.reason);
        let _ = writeln!(text, "- {rules} {}{places}: `{reason}`", first.check());
    }
    text
}

/// Long lists of events say no more at their end.
fn shortened(reason: &str) -> String {
    const LONGEST: usize = 240;
    match reason.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{} ...", &reason[..end]),
        None => reason.to_owned(),
    }
}

/// What is told and not judged: a row for each check, as each implementation has it.
#[must_use]
pub fn differences(columns: &[Column]) -> String {
    let told: Vec<&str> = {
        let mut seen = BTreeSet::new();
        let lines = columns.iter().flat_map(|column| &column.results.lines);
        let told = lines.filter(|line| line.verdict == Verdict::Info);
        told.map(Line::check).filter(|check| seen.insert(*check)).collect()
    };
    let names = columns.iter().map(|column| column.name.clone());
    let mut text = row(["check".to_owned()].into_iter().chain(names));
    text.push_str(&row(vec!["---".to_owned(); columns.len() + 1]));
    for check in told {
        let cells = columns.iter().map(|column| answer(&column.results, check));
        let rules = columns.iter().flat_map(|column| &column.results.lines);
        let rules = rules.into_iter().find(|line| line.check() == check);
        let rules = rules.map_or_else(String::new, |line| line.rules.join(","));
        text.push_str(&row([format!("{rules} {check}")].into_iter().chain(cells)));
    }
    text
}

/// What an implementation answers to a check, in the first place where it was asked.
fn answer(results: &Results, check: &str) -> String {
    let Some(line) = results.lines.iter().find(|line| line.check() == check) else {
        return "-".to_owned();
    };
    match line.verdict {
        Verdict::Pass => "as the rule says".to_owned(),
        Verdict::Skip => "skipped".to_owned(),
        Verdict::Info | Verdict::Fail => shortened(&line.reason).replace('|', "\\|"),
    }
}

/// Plain text from a table: columns aligned, without marks.
#[must_use]
pub fn plain(markdown: &str) -> String {
    let rows: Vec<Vec<String>> = markdown
        .lines()
        .filter(|line| !line.contains("---"))
        .map(|line| {
            let inner = line.trim_matches('|').replace("**", "");
            inner.split(" | ").map(|cell| cell.trim().to_owned()).collect()
        })
        .collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|at| rows.iter().filter_map(|row| row.get(at)).map(String::len).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, report: &str) -> Column {
        Column {
            name: name.to_owned(),
            version: name.to_owned(),
            results: Results::parse(report),
            trouble: None,
        }
    }

    fn two() -> [Column; 2] {
        [
            column(
                "one",
                "PASS T3,M1 a/cpl0\nPASS T3,M1 a/cpl3\nINFO S6 b/cpl0: lost\n\
                 2 passed, 0 failed, 0 skipped\n",
            ),
            column(
                "two",
                "FAIL T3,M1 a/cpl0: x\nFAIL T3,M1 cpu1:a/cpl3: y\nPASS S6 b/cpl0\nSKIP ZZ c: no\n",
            ),
        ]
    }

    #[test]
    fn a_row_for_each_rule_in_order() {
        let text = rules(&two());
        let rows: Vec<&str> = text.lines().skip(2).collect();
        let firsts: Vec<&str> = rows
            .iter()
            .map(|row| row.split(" | ").next().unwrap().trim_start_matches("| "))
            .collect();
        assert_eq!(firsts, ["M1", "T3", "S6", "ZZ", "all"]);
        assert!(rows[0].ends_with("| 2 | **0 of 2** |"), "{}", rows[0]);
        assert!(rows[2].ends_with("| 1 told | 1 |"), "{}", rows[2]);
        assert!(rows[3].ends_with("| - | 1 skipped |"), "{}", rows[3]);
    }

    #[test]
    fn failures_of_a_check_are_one_line() {
        let [one, two] = two();
        assert_eq!(failures(&one), "");
        assert_eq!(
            failures(&two),
            "- the image did not come to its end\n- T3,M1 a (cpl0, cpu1 cpl3): `x`\n"
        );
    }

    #[test]
    fn differences_name_every_answer() {
        let text = differences(&two());
        assert!(text.ends_with("| S6 b | lost | as the rule says |\n"), "{text}");
    }

    #[test]
    fn plain_text_is_aligned() {
        let text = plain("| a | b |\n| --- | --- |\n| **1 of 2** | - |\n");
        assert_eq!(text, "a       b\n1 of 2  -\n");
    }
}
