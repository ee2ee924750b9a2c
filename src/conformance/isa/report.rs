//! A run's result in words.

use std::fmt::Write;

use iced_x86::{FastFormatter, Instruction};

use super::super::case::{Case, Registers};
use super::super::fields::fields;
use super::shrink::Failure;
use super::sides::Verdict;
use super::tally::{Tally, name};

/// An instruction as the manual writes it.
#[must_use]
pub fn disassemble(insn: &Instruction) -> String {
    let mut text = String::new();
    FastFormatter::new().format(insn, &mut text);
    text
}

/// Bytes in hexadecimal, with spaces.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    let words: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    words.join(" ")
}

/// The registers that have not their default, as `name=value`.
#[must_use]
pub fn registers(registers: &Registers) -> Vec<String> {
    let plain = Registers::default();
    let mut words: Vec<String> = fields(registers)
        .into_iter()
        .zip(fields(&plain))
        .filter(|((_, value), (_, plain))| value != plain)
        .map(|((name, value), _)| format!("{name}={value:x}"))
        .collect();
    if registers.rflags != plain.rflags {
        words.push(format!("rflags={:x}", registers.rflags));
    }
    words
}

/// A failure: its instructions, its state, what differs.
#[must_use]
pub fn failure(failure: &Failure) -> String {
    let mut text = String::new();
    let case = &failure.case;
    for (nth, step) in case.steps.iter().enumerate() {
        let (at, bytes) = bytes_of(case, nth);
        let _ = writeln!(text, "    {at:#x}: {:<32} {}", hex(bytes), disassemble(&step.insn));
    }
    let _ = writeln!(text, "    in: {}", registers(&case.start).join(" "));
    for patch in &case.patches {
        let _ = writeln!(text, "    in: [{:#x}]={}", patch.at, hex(&patch.bytes));
    }
    match &failure.verdict {
        Verdict::Differs(differences) => {
            for difference in differences.iter().take(8) {
                let _ = writeln!(text, "    {difference}");
            }
        }
        Verdict::Touches(touched) => {
            for touched in touched.iter().take(8) {
                let _ = writeln!(text, "    not listed as written: {touched}");
            }
        }
        other => {
            let _ = writeln!(text, "    {other:?}");
        }
    }
    text
}

/// Address and bytes of an instruction of a case.
fn bytes_of(case: &Case, nth: usize) -> (u64, &[u8]) {
    let from = case.offsets[nth];
    let to = case.offsets.get(nth + 1).copied().unwrap_or(case.code.len());
    (case.start.rip + from as u64, &case.code[from..to])
}

/// The whole result.
#[must_use]
pub fn summary(tally: &Tally) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "cases: {} compared ({} blocks), {} mismatches, {} skipped; {} forms of {} instructions",
        tally.compared,
        tally.blocks,
        tally.mismatches,
        tally.skipped.values().sum::<u64>(),
        tally.nr_forms,
        tally.by_mnemonic.len(),
    );
    for (reason, count) in &tally.skipped {
        let _ = writeln!(text, "skipped: {count} cases: {reason}");
    }
    for (reason, count) in &tally.forms_left_out {
        let _ = writeln!(text, "left out: {count} forms: {reason}");
    }
    let families = tally.families();
    let words: Vec<String> = families
        .iter()
        .map(|(name, (compared, mismatches))| format!("{name} {compared}/{mismatches}"))
        .collect();
    let _ = writeln!(text, "instructions compared/mismatches: {}", words.join(", "));
    if !tally.not_built.is_empty() {
        let names: Vec<&str> = tally.not_built.keys().map(String::as_str).collect();
        let _ = writeln!(text, "not built: {}", names.join(" "));
    }
    for (&mnemonic, counts) in tally.by_mnemonic.iter().filter(|(_, counts)| counts.mismatches > 0)
    {
        let (name, found) = (name(mnemonic), counts.mismatches);
        let _ = writeln!(text, "mismatch: {name}: {found} of {}", counts.compared);
        for found in &counts.failures {
            text.push_str(&failure(found));
        }
    }
    text
}
