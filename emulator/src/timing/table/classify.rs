//! Which class an instruction belongs to: `mnemonics.csv` and `classes.csv`.
//!
//! A mnemonic has a few lines, each a class and a condition on the operands; the first line whose condition
//! holds decides. A class has a latency, micro-operations with their ports, perhaps a unit that is not
//! pipelined, and a kind that says how the block model treats it.
//!
//! Key types: [`Classes`], [`Class`], [`Kind`]. Neighbours: `when` (the conditions), `costs` (the figures), `lower`, `block`.

use std::collections::BTreeMap;

use iced_x86::{Instruction, Mnemonic};

use super::costs::Costs;
use super::data::{DataError, Ticks, rows};
use super::when::{When, has_vector_operand};

/// The classes.
const CLASSES: &str = include_str!("../data/classes.csv");
/// The mnemonics of each class.
const MNEMONICS: &str = include_str!("../data/mnemonics.csv");

/// The class of integer instructions without a line.
const DEFAULT_GPR: &str = "default_gpr";
/// The class of vector instructions without a line.
const DEFAULT_VECTOR: &str = "default_vector";

/// How the block model treats a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Waits for its inputs, executes, has a result.
    Normal,
    /// As normal; its store can be the source, and its load the destination, of memory renaming.
    Renamed,
    /// Issues and is done.
    Nop,
    /// A result that depends on nothing, made at rename.
    Zero,
    /// A copy of a register, made at rename.
    Move,
    /// Addition of a constant, made at rename while the sum of constants is small.
    Fold,
    /// As normal, with a latency that includes the access to memory.
    Whole,
    /// Waits for all instructions before it; those after it wait for it.
    Serial,
    /// Charged by the emulator as a fixed event: only issues.
    Event,
}

/// A unit that takes a new operation only when it is done with the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// The integer divider.
    Divider,
    /// The floating-point divider.
    FpDivider,
    /// The microcode sequencer, and the bus for locked operations.
    Microcode,
}

/// A class of instructions.
#[derive(Debug, Clone)]
pub(super) struct Class {
    /// Its name in `classes.csv`.
    pub(super) name: &'static str,
    /// How it is treated.
    pub(super) kind: Kind,
    /// From the last input to the result.
    pub(super) latency: Ticks,
    /// A unit that it holds, and for how long.
    pub(super) unit: Option<(Unit, Ticks)>,
    /// The ports that each micro-operation can go to, a bit a port: see [`port_bit`].
    pub(super) ports: Vec<u16>,
    /// Extra latency when an input has a folded constant pending.
    pub(super) after_fold: Ticks,
}

/// Index of a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ClassId(u16);

/// All classes and the mnemonics' lines.
#[derive(Debug, Clone)]
pub(super) struct Classes {
    classes: Vec<Class>,
    /// By mnemonic number; empty where there is no line.
    lines: Vec<Vec<(When, ClassId)>>,
    default_gpr: ClassId,
    default_vector: ClassId,
}

impl Classes {
    /// Parses the data files.
    pub(super) fn load(costs: &Costs) -> Result<Classes, DataError> {
        let classes = parse_classes(costs)?;
        let by_name: BTreeMap<&str, ClassId> =
            classes.iter().zip(0..).map(|(class, index)| (class.name, ClassId(index))).collect();
        let class_named = |name: &str, line| {
            let word = name.to_owned();
            by_name.get(name).copied().ok_or(DataError::Word { file: "mnemonics.csv", line, word })
        };
        let mut by_mnemonic: BTreeMap<&'static str, Vec<(When, ClassId)>> = BTreeMap::new();
        for (line, [class, when, mnemonics]) in
            rows("mnemonics.csv", MNEMONICS, ["class", "when", "mnemonics"])?
        {
            let class = class_named(class, line)?;
            let word = || DataError::Word { file: "mnemonics.csv", line, word: when.to_owned() };
            let when = When::parse(when).ok_or_else(word)?;
            for mnemonic in mnemonics.split(' ') {
                by_mnemonic.entry(mnemonic).or_default().push((when, class));
            }
        }
        Ok(Classes {
            lines: spread_over_mnemonics(by_mnemonic)?,
            default_gpr: class_named(DEFAULT_GPR, 0)?,
            default_vector: class_named(DEFAULT_VECTOR, 0)?,
            classes,
        })
    }

    /// The class of an instruction.
    pub(super) fn classify(&self, insn: &Instruction) -> ClassId {
        let lines = self.lines.get(insn.mnemonic() as usize).map_or(&[][..], Vec::as_slice);
        let line = lines.iter().find(|(when, _)| when.holds(insn));
        match line {
            Some((_, class)) => *class,
            None if has_vector_operand(insn) => self.default_vector,
            None => self.default_gpr,
        }
    }

    /// A class by its index.
    pub(super) fn class(&self, id: ClassId) -> &Class {
        &self.classes[usize::from(id.0)]
    }
}

/// Gives every mnemonic its lines, those of the name without V included; every name must be a mnemonic.
fn spread_over_mnemonics(
    by_name: BTreeMap<&'static str, Vec<(When, ClassId)>>,
) -> Result<Vec<Vec<(When, ClassId)>>, DataError> {
    let mut known = std::collections::BTreeSet::new();
    let lines = Mnemonic::values()
        .map(|mnemonic| {
            let name = format!("{mnemonic:?}");
            if let Some((name, lines)) = by_name.get_key_value(name.as_str()) {
                known.insert(*name);
                return lines.clone();
            }
            let legacy = name.strip_prefix('V').map(capitalised);
            legacy.and_then(|legacy| by_name.get(legacy.as_str())).cloned().unwrap_or_default()
        })
        .collect();
    match by_name.keys().find(|name| !known.contains(*name)) {
        Some(name) => {
            Err(DataError::Word { file: "mnemonics.csv", line: 0, word: (*name).to_owned() })
        }
        None => Ok(lines),
    }
}

fn capitalised(name: &str) -> String {
    let mut letters = name.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + letters.as_str())
}

fn parse_classes(costs: &Costs) -> Result<Vec<Class>, DataError> {
    const FILE: &str = "classes.csv";
    const HEADING: [&str; 7] = ["class", "kind", "latency", "unit", "busy", "ports", "after_fold"];
    let mut classes: Vec<Class> = Vec::new();
    for (line, [name, kind, latency, unit, busy, ports, after_fold]) in
        rows(FILE, CLASSES, HEADING)?
    {
        let bad = |word: &str| DataError::Word { file: FILE, line, word: word.to_owned() };
        if classes.iter().any(|class| class.name == name) {
            return Err(DataError::Duplicate { file: FILE, line, name: name.to_owned() });
        }
        classes.push(Class {
            name,
            kind: parse_kind(kind).ok_or_else(|| bad(kind))?,
            latency: costs.evaluate(latency)?,
            unit: parse_unit(unit)
                .ok_or_else(|| bad(unit))?
                .map(|unit| costs.evaluate(busy).map(|busy| (unit, busy)))
                .transpose()?,
            ports: parse_ports(ports).ok_or_else(|| bad(ports))?,
            after_fold: costs.evaluate(after_fold)?,
        });
    }
    Ok(classes)
}

fn parse_kind(word: &str) -> Option<Kind> {
    Some(match word {
        "normal" => Kind::Normal,
        "renamed" => Kind::Renamed,
        "nop" => Kind::Nop,
        "zero" => Kind::Zero,
        "move" => Kind::Move,
        "fold" => Kind::Fold,
        "whole" => Kind::Whole,
        "serial" => Kind::Serial,
        "event" => Kind::Event,
        _ => return None,
    })
}

fn parse_unit(word: &str) -> Option<Option<Unit>> {
    Some(match word {
        "-" => None,
        "D" => Some(Unit::Divider),
        "F" => Some(Unit::FpDivider),
        "M" => Some(Unit::Microcode),
        _ => return None,
    })
}

/// The bit of a port, named by its hexadecimal digit.
pub(super) fn port_bit(port: char) -> Option<u16> {
    port.to_digit(12).map(|number| 1 << number)
}

fn parse_ports(words: &str) -> Option<Vec<u16>> {
    if words == "-" {
        return Some(Vec::new());
    }
    words
        .split(' ')
        .map(|word| word.chars().try_fold(0, |mask, port| Some(mask | port_bit(port)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use iced_x86::{Decoder, DecoderOptions};

    use super::super::costs::snippets;
    use super::*;

    fn class_of(classes: &Classes, code: &[u8]) -> &'static str {
        let insn = Decoder::new(64, code, DecoderOptions::NONE).decode();
        assert!(!insn.is_invalid(), "{code:02x?}");
        classes.class(classes.classify(&insn)).name
    }

    #[test]
    fn operands_decide_the_class() {
        let classes = Classes::load(&Costs::load().unwrap()).unwrap();
        let cases: &[(&[u8], &str)] = &[
            (&[0x48, 0x83, 0xc0, 0x01], "fold"),
            (&[0x83, 0xc0, 0x01], "alu"),
            (&[0x04, 0x01], "alu_narrow"),
            (&[0x48, 0x83, 0x03, 0x01], "alu_memory_imm"),
            (&[0x66, 0x41, 0x83, 0x01, 0x01], "alu_narrow"),
            (&[0xf0, 0x48, 0x01, 0x03], "lock_add"),
            (&[0x48, 0x87, 0x03], "lock_xchg"),
            (&[0x48, 0x91], "xchg"),
            (&[0x31, 0xc0], "zero"),
            (&[0x30, 0xc0], "logic"),
            (&[0x48, 0x19, 0xc0], "alu_carry"),
            (&[0x48, 0x89, 0xc8], "move"),
            (&[0x89, 0xc0], "mov_self"),
            (&[0x88, 0xc4], "mov_high"),
            (&[0xb0, 0x05], "mov_narrow"),
            (&[0xb8, 5, 0, 0, 0], "mov_imm"),
            (&[0x48, 0x8b, 0x03], "memory_move"),
            (&[0x8a, 0x03], "memory_move_narrow"),
            (&[0x88, 0x03], "memory_move"),
            (&[0xc6, 0x03, 0x01], "memory_move"),
            (&[0x0f, 0x23, 0xf8], "event"),
            (&[0x0f, 0x20, 0xc0], "event"),
            (&[0x8e, 0xd8], "segment_load"),
            (&[0xf3, 0xa4], "rep_movs"),
            (&[0xa4], "string_once"),
            (&[0xf2, 0x0f, 0x10, 0xc1], "vec_merge"),
            (&[0x66, 0x48, 0x0f, 0x6e, 0xc0], "gpr_to_vec"),
            (&[0x66, 0x48, 0x0f, 0x7e, 0xc0], "vec_to_gpr"),
            (&[0xc5, 0xfd, 0x58, 0xc1], "fp_add_y"),
            (&[0xc5, 0xf9, 0x58, 0xc1], "fp_add_pd"),
            (&[0x66, 0x0f, 0xef, 0xc0], "zero"),
            (&[0xc5, 0xf9, 0xef, 0xc0], "zero"),
            (&[0xc5, 0xf1, 0xef, 0xc1], "zero"),
            (&[0xc5, 0xf9, 0xef, 0xc1], "vec_logic"),
            (&[0x4a, 0x8d, 0x04, 0x30], "lea_pair"),
            (&[0x48, 0x8d, 0x40, 0x08], "fold_lea"),
            (&[0x8d, 0x40, 0x08], "lea_32"),
            (&[0x49, 0x8d, 0x04, 0x86], "lea_scaled"),
            (&[0x48, 0xf7, 0xf1], "div_64"),
            (&[0xf7, 0xf1], "div_32"),
            (&[0xf6, 0xf1], "div_narrow"),
            (&[0x0f, 0x05], "event"),
            (&[0xcc], "event"),
        ];
        for (code, expected) in cases {
            assert_eq!(class_of(&classes, code), *expected, "{code:02x?}");
        }
    }

    #[test]
    fn every_measured_form_has_a_class_of_its_own() {
        let classes = Classes::load(&Costs::load().unwrap()).unwrap();
        for snippet in snippets().unwrap() {
            for insn in Decoder::new(64, &snippet.code, DecoderOptions::NONE) {
                let class = classes.classify(&insn);
                let is_default = class == classes.default_gpr || class == classes.default_vector;
                assert!(!is_default, "{}: {insn:?}", snippet.name);
            }
        }
    }

    #[test]
    fn every_class_is_used() {
        let classes = Classes::load(&Costs::load().unwrap()).unwrap();
        let used: std::collections::BTreeSet<u16> =
            classes.lines.iter().flatten().map(|(_, class)| class.0).collect();
        for (index, class) in (0u16..).zip(&classes.classes) {
            let is_default = index == classes.default_gpr.0 || index == classes.default_vector.0;
            assert!(used.contains(&index) || is_default, "{}", class.name);
        }
    }
}
