//! The table in words: a line a form, or a page by CPUID feature.

use std::collections::BTreeMap;
use std::fmt::Write;

use emulator::cpuid::CpuModel;

use super::{Entry, Reason, Support};

/// The mnemonic in lower case.
#[must_use]
pub fn mnemonic(entry: &Entry) -> String {
    format!("{:?}", entry.code.mnemonic()).to_lowercase()
}

/// The first model that has a form.
fn since(entry: &Entry) -> &'static str {
    entry.since.map_or("none", CpuModel::name)
}

/// How far a form is supported, in words.
#[must_use]
pub fn support(support: Support) -> String {
    match support {
        Support::Compared => String::from("full"),
        Support::NotCompared(why) => format!("full (not compared: {why})"),
        Support::Refused(reason) => format!("refused ({})", reason.words()),
    }
}

/// A line a form, and the counts.
#[must_use]
pub fn lines(entries: &[Entry]) -> String {
    let mut text = String::new();
    for entry in entries {
        let (support, features) = (support(entry.support), entry.features());
        let _ =
            writeln!(text, "{support:<44} {:<4} {features:<20} {}", since(entry), entry.syntax());
    }
    let full = entries.iter().filter(|entry| entry.support.is_full()).count();
    let _ = writeln!(text, "{} forms, {full} full", entries.len());
    text
}

/// Forms of one CPUID feature (or several that are needed together).
#[derive(Default)]
struct Group<'a> {
    entries: Vec<&'a Entry>,
}

impl Group<'_> {
    /// Mnemonics with their number of forms, by support, sorted.
    fn by_support(&self) -> BTreeMap<Support, BTreeMap<String, usize>> {
        let mut found: BTreeMap<Support, BTreeMap<String, usize>> = BTreeMap::new();
        for entry in &self.entries {
            *found.entry(entry.support).or_default().entry(mnemonic(entry)).or_default() += 1;
        }
        found
    }
}

/// Groups by feature, those of the oldest models first.
fn groups(entries: &[Entry]) -> BTreeMap<(Option<CpuModel>, String), Group<'_>> {
    let mut groups: BTreeMap<_, Group<'_>> = BTreeMap::new();
    for entry in entries {
        groups.entry((entry.since, entry.features())).or_default().entries.push(entry);
    }
    groups
}

/// The page `docs/instructions.md`.
#[must_use]
pub fn markdown(entries: &[Entry]) -> String {
    let mut text = String::from(HEAD);
    let counted =
        |wanted: fn(Support) -> bool| entries.iter().filter(|entry| wanted(entry.support)).count();
    let compared = counted(|support| support == Support::Compared);
    let others = counted(|support| matches!(support, Support::NotCompared(_)));
    let refused = counted(|support| !support.is_full());
    let _ = writeln!(
        text,
        "{} forms in 64-bit mode: {compared} built and compared, {others} built and not \
         compared, {refused} refused.\n",
        entries.len(),
    );
    let groups = groups(entries);
    for model in CpuModel::ALL {
        let _ = writeln!(text, "## Since model {model}\n");
        for ((_, feature), group) in groups.iter().filter(|((since, _), _)| *since == Some(model)) {
            feature_section(&mut text, feature, group);
        }
    }
    in_no_model(&mut text, entries);
    text
}

const HEAD: &str = "# Instructions

Written by `dr7 instructions --markdown`, from the tables that the emulator dispatches by; \
a test compares this page with them. `dr7 instructions FILTER` lists single forms, with their \
operands.

A form is one opcode with one set of operand kinds, as the decoder (iced-x86) counts them; the \
number behind a mnemonic says how many of its forms are meant, where it is not one. **Compared** \
forms are checked against a processor bit by bit by `dr7 conformance isa`. A form that is \
refused is #UD where no processor model has it, and otherwise stops the run and is named.

";

fn feature_section(text: &mut String, feature: &str, group: &Group<'_>) {
    let _ = writeln!(text, "### {feature}\n");
    for (support, mnemonics) in group.by_support() {
        let title = match support {
            Support::Compared => String::from("Compared"),
            Support::NotCompared(why) => format!("Built, not compared: {why}"),
            Support::Refused(reason) => format!("Refused: {}", reason.words()),
        };
        let _ = writeln!(text, "- {title}: {}", listed(&mnemonics));
    }
    text.push('\n');
}

/// Mnemonics with their numbers of forms.
fn listed(mnemonics: &BTreeMap<String, usize>) -> String {
    let word = |(name, count): (&String, &usize)| match count {
        1 => name.clone(),
        _ => format!("{name} ({count})"),
    };
    mnemonics.iter().map(word).collect::<Vec<_>>().join(", ")
}

/// What is in no model, by reason and feature.
fn in_no_model(text: &mut String, entries: &[Entry]) {
    text.push_str("## In no model\n\n| reason | features | forms |\n|---|---|---|\n");
    for reason in Reason::ALL {
        let refused = Support::Refused(reason);
        let found = || entries.iter().filter(|e| e.since.is_none() && e.support == refused);
        let mut features: Vec<String> =
            found().flat_map(|e| e.code.cpuid_features()).map(|f| format!("{f:?}")).collect();
        features.sort();
        features.dedup();
        if !features.is_empty() {
            let _ = writeln!(
                text,
                "| {} | {} | {} |",
                reason.words(),
                features.join(", "),
                found().count()
            );
        }
    }
    let hints = entries.iter().filter(|e| e.since.is_none() && e.support.is_full());
    let mut names: Vec<String> = hints.map(mnemonic).collect();
    names.sort();
    names.dedup();
    if !names.is_empty() {
        let _ = writeln!(
            text,
            "\nBuilt although no model tells of them (hints that do nothing, and what a guest \
             calls its monitor with): {}.",
            names.join(", ")
        );
    }
}
