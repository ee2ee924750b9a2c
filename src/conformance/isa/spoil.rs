//! Encodings with something wrong about them: prefixes that do not belong, bits that
//! are reserved, more than 15 bytes. Both sides decode the bytes by themselves.
//!
//! iced reads them first: what turns out another instruction is kept only if that
//! instruction is one of those that are compared and needs no prepared state.

use std::collections::BTreeSet;
use std::ops::Range;

use iced_x86::{Code, Decoder, DecoderOptions, Instruction, Mnemonic, OpKind};

use super::super::case::{Case, Step};
use super::super::layout::FILLER;
use super::super::rng::Rng;
use super::system;

/// Legacy prefixes.
const PREFIXES: [u8; 11] = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3];
/// LOCK.
const LOCK: u8 = 0xf0;
/// First bytes of VEX prefixes, and the bytes that follow.
const VEX: [(u8, usize); 2] = [(0xc5, 1), (0xc4, 2)];
/// Most bytes of an instruction.
const MAX_BYTES: usize = 15;

/// Spoils a case of one instruction. `None` where nothing came out that may run.
pub(super) fn spoil(rng: &mut Rng, case: Case, compared: &BTreeSet<Code>) -> Option<Case> {
    let mut code = case.code.clone();
    let opcode = opcode_at(&code);
    match rng.below(12) {
        0..=2 => insert(rng, &mut code, opcode),
        3 => code.insert(0, LOCK),
        // Between the other prefixes, REX is ignored.
        4 => code.insert(rng.below(opcode as u64 + 1) as usize, 0x40 | rng.word() as u8 & 0xf),
        5 => {
            let prefix = rng.pick(&PREFIXES);
            let wanted = MAX_BYTES - 1 + rng.below(4) as usize;
            while code.len() < wanted {
                code.insert(0, prefix);
            }
        }
        6..=9 => flip_vex(rng, &mut code, opcode),
        _ => {
            let range = opcode..code.len();
            flip(rng, &mut code, range);
        }
    }
    case_of(case, code, compared)
}

/// A case with other bytes, as long as these may run.
pub(super) fn case_of(case: Case, code: Vec<u8>, compared: &BTreeSet<Code>) -> Option<Case> {
    let rip = case.start.rip;
    let insn = read(&code, rip, DecoderOptions::NONE);
    let meant = match insn.is_invalid() {
        true => read(&code, rip, DecoderOptions::NO_INVALID_CHECK),
        false => insn,
    };
    let is_known = compared.contains(&meant.code()) && is_harmless(&meant, rip);
    if !meant.is_invalid() && !is_known {
        return None;
    }
    let mut code = code;
    if !insn.is_invalid() {
        // What is left over, or missing, is INT3.
        code.resize(insn.len(), FILLER);
    }
    let steps = vec![Step { insn, skip: None }];
    Some(Case { steps, offsets: vec![0], code, ..case })
}

/// Reads the bytes with what follows them in a code slot.
fn read(code: &[u8], rip: u64, options: u32) -> Instruction {
    let mut bytes = code.to_vec();
    bytes.resize(code.len() + MAX_BYTES, FILLER);
    Decoder::with_ip(64, &bytes, rip, options).decode()
}

/// Whether an instruction ends soon and does not depend on what a case prepares.
fn is_harmless(insn: &Instruction, rip: u64) -> bool {
    let prepared = system::needs_preparation(insn.code())
        || matches!(insn.mnemonic(), Mnemonic::Fxrstor | Mnemonic::Fxrstor64);
    let branch = (0..insn.op_count()).any(|nth| insn.op_kind(nth) == OpKind::NearBranch64);
    // Back into its own bytes, it may not end.
    let again = branch && insn.near_branch_target().wrapping_sub(rip) < MAX_BYTES as u64;
    !(prepared || again)
}

/// Bytes before the opcode, or before the first byte of a VEX prefix.
fn opcode_at(code: &[u8]) -> usize {
    let is_prefix = |byte: &u8| PREFIXES.contains(byte) || byte & 0xf0 == 0x40;
    code.iter().take_while(|byte| is_prefix(byte)).count().min(code.len() - 1)
}

fn insert(rng: &mut Rng, code: &mut Vec<u8>, opcode: usize) {
    for _ in 0..1 + rng.below(3) {
        code.insert(rng.below(opcode as u64 + 1) as usize, rng.pick(&PREFIXES));
    }
}

/// Flips a bit of a VEX prefix, or of any byte where there is none.
fn flip_vex(rng: &mut Rng, code: &mut [u8], opcode: usize) {
    let payload = VEX.iter().find(|(first, _)| *first == code[opcode]);
    match payload {
        Some(&(_, bytes)) => flip(rng, code, opcode + 1..opcode + 1 + bytes),
        None => flip(rng, code, opcode..code.len()),
    }
}

fn flip(rng: &mut Rng, code: &mut [u8], range: Range<usize>) {
    let at = range.start + rng.below(range.len().max(1) as u64) as usize;
    if let Some(byte) = code.get_mut(at) {
        *byte ^= 1 << rng.below(8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::case::Registers;

    fn case(code: &[u8]) -> Case {
        Case {
            steps: Vec::new(),
            code: code.to_vec(),
            offsets: vec![0],
            start: Registers { rip: 0x1000, ..Registers::default() },
            patches: Vec::new(),
        }
    }

    #[test]
    fn only_what_is_compared_runs() {
        let compared = BTreeSet::from([Code::Jmp_rel8_64, Code::Add_rm32_r32]);
        let runs = |code: &[u8]| case_of(case(code), code.to_vec(), &compared).is_some();
        assert!(runs(&[0x01, 0xc0]));
        assert!(!runs(&[0x0f, 0x05]), "SYSCALL");
        assert!(!runs(&[0xf0, 0x0f, 0x05]), "LOCK SYSCALL");
        assert!(runs(&[0xf0, 0x01, 0xc0]), "#UD");
        assert!(runs(&[0xeb, 0x20]));
        assert!(!runs(&[0xeb, 0xfe]), "a loop");
    }

    #[test]
    fn what_follows_prefixes_is_found() {
        assert_eq!(opcode_at(&[0x66, 0x48, 0x0f]), 2);
        assert_eq!(opcode_at(&[0xc5, 0xf8, 0x77]), 0);
        assert_eq!(opcode_at(&[0x66]), 0);
    }
}
