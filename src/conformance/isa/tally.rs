//! What a run has found, by instruction.

use std::collections::BTreeMap;

use iced_x86::{Code, Mnemonic};

use super::data::families::family;
use super::shrink::Failure;

/// Failures of one instruction that are kept with their details.
pub const KEPT_FAILURES: usize = 3;

/// Counts of one instruction.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// A form of it, for its family.
    pub code: Code,
    /// Times that it was part of a case that was compared.
    pub compared: u64,
    /// Those that differed.
    pub mismatches: u64,
    /// The first few, made small.
    pub failures: Vec<Failure>,
}

/// Counts of a run.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Cases that were compared.
    pub compared: u64,
    /// Of these, blocks of several instructions.
    pub blocks: u64,
    /// Of all, those that differed.
    pub mismatches: u64,
    /// By instruction.
    pub by_mnemonic: BTreeMap<Mnemonic, Counts>,
    /// Cases that could not be compared, by reason.
    pub skipped: BTreeMap<String, u64>,
    /// Forms that are never compared, by reason.
    pub forms_left_out: BTreeMap<String, u64>,
    /// Names of the instructions that the emulator has not, with the number of forms.
    pub not_built: BTreeMap<String, u64>,
    /// Forms that are compared.
    pub nr_forms: usize,
}

/// An instruction's name as in the manual.
#[must_use]
pub fn name(mnemonic: Mnemonic) -> String {
    format!("{mnemonic:?}").to_lowercase()
}

impl Tally {
    /// Counts a case that was not compared.
    pub fn skip(&mut self, reason: &str) {
        *self.skipped.entry(reason.to_owned()).or_default() += 1;
    }

    /// The counts of the instruction of a form.
    pub fn counts(&mut self, code: Code) -> &mut Counts {
        self.by_mnemonic
            .entry(code.mnemonic())
            .or_insert_with(|| Counts { code, ..Counts::default() })
    }

    /// Times compared and mismatches, by the family of the data files.
    #[must_use]
    pub fn families(&self) -> BTreeMap<&'static str, (u64, u64)> {
        let mut found: BTreeMap<&'static str, (u64, u64)> = BTreeMap::new();
        for counts in self.by_mnemonic.values() {
            let (compared, mismatches) = found.entry(family(counts.code)).or_default();
            *compared += counts.compared;
            *mismatches += counts.mismatches;
        }
        found
    }
}
