//! The data set: a few cases of every form, with this processor's answers.

use std::collections::BTreeMap;

use emulator::regs::RFlags;
use emulator::regs::vector::MXCSR_RESET;
use iced_x86::{
    Code, EncodingKind, Instruction, InstructionInfoFactory, Mnemonic, OpAccess, Register,
    UsedMemory,
};

use super::super::super::case::{Case, Ending, Patch, Registers};
use super::super::super::layout::{CODE, FS_BASE, GS_BASE, IMAGE_BYTES, READ_ONLY_BYTES};
use super::super::super::native::{NativeEnd, NativeError};
use super::super::super::rng::Rng;
use super::super::super::x87::X87;
use super::super::compare::{self, Strictness};
use super::super::driver::built_forms;
use super::super::gather::lane;
use super::super::generate::single;
use super::super::report::disassemble;
use super::super::sides::{Sides, Verdict};
use super::super::system;
use super::super::tally::Tally;
use super::super::undefined;
use super::families::family;
use super::line::{Line, stores};

/// Candidates for each case that is kept.
const CANDIDATES: u64 = 4;
/// One form in so many has a case that faults, though others do not.
const FAULTS_EVERY: u64 = 3;
/// More than the candidates of any form.
const MAX_CANDIDATES: u64 = 1 << 16;
/// Streams of random numbers for data, away from the runs'.
const DATA_STREAM: u64 = 1 << 62;
/// Bytes of an FXSAVE area.
const FXSAVE_AREA: usize = 512;
/// Vector of the INT3 behind every case.
const BREAKPOINT: u8 = 3;

/// Lines by file name (without ending), sorted by form.
pub type DataSet = BTreeMap<&'static str, Vec<Line>>;

/// Makes `per_form` cases of each form that the emulator has, out of those named by
/// `filter`, and asks this processor. Cases on which the emulator differs are not
/// written; their number is the second result.
///
/// # Errors
/// [`NativeError`] where the host does not allow it.
pub fn data_set(
    seed: u64,
    per_form: usize,
    filter: Option<&str>,
) -> Result<(DataSet, usize), NativeError> {
    let mut sides = blank_sides()?;
    let mut set = DataSet::new();
    let mut differing = 0;
    for code in built_forms(filter, &mut Tally::default()) {
        let (lines, differ) = lines_of(&mut sides, seed, code, per_form)?;
        differing += differ;
        set.entry(family(code)).or_default().extend(lines);
    }
    Ok((set, differing))
}

/// Lines of one form, and the number of cases on which the emulator differs.
fn lines_of(
    sides: &mut Sides,
    seed: u64,
    code: Code,
    per_form: usize,
) -> Result<(Vec<Line>, usize), NativeError> {
    let mut lines = Vec::new();
    let mut differing = 0;
    for nth in 0..per_form as u64 * CANDIDATES {
        let stream = DATA_STREAM + code as u64 * MAX_CANDIDATES + nth;
        let made = single(&mut Rng::new(seed, stream), code, CODE);
        let Some(case) = made.and_then(reduced) else { continue };
        let verdict = sides.compare_one(&case, Strictness::Defined)?;
        differing += usize::from(verdict.is_mismatch());
        if verdict == Verdict::Same
            && let NativeEnd::Ended(ending) = sides.native.run(std::slice::from_ref(&case))?[0]
        {
            lines.push(line(&case, &ending, sides.native.memory(0)));
        }
    }
    let faults = if (code as u64).is_multiple_of(FAULTS_EVERY) { 1 } else { 0 };
    Ok((chosen(lines, per_form, faults), differing))
}

/// The first lines that do not fault, and so many that do; more of these only where
/// the others are few.
fn chosen(lines: Vec<Line>, per_form: usize, faults: usize) -> Vec<Line> {
    let (mut going, faulting): (Vec<Line>, Vec<Line>) =
        lines.into_iter().partition(|line| line.end.fault.vector == BREAKPOINT);
    going.dedup_by(|a, b| a.to_string() == b.to_string());
    let faults = per_form.saturating_sub(going.len()).max(faults).min(faulting.len());
    going.truncate(per_form - faults);
    going.extend(faulting.into_iter().take(faults));
    going
}

fn line(case: &Case, ending: &Ending, memory: &[u8]) -> Line {
    let before = case.memory(&[0; IMAGE_BYTES]);
    let ignored = compare::ignored_flags(case, ending.registers.rip, Strictness::Defined);
    let mut end = *ending;
    end.fault = end.fault.as_told();
    // Flags that no user code sees change (RF) are not part of a line.
    end.registers.rflags &= !RFlags::RF;
    Line {
        code: case.code.clone(),
        text: disassemble(&case.steps[0].insn),
        start: case.start,
        memory: case.patches.clone(),
        end,
        stores: stores(&before, memory),
        ignored,
    }
}

/// The case with only that state that its instruction looks at. `None` for what does
/// not belong into data files.
fn reduced(case: Case) -> Option<Case> {
    let insn = case.steps.first()?.insn;
    let has_ac = case.start.rflags & RFlags::AC != 0;
    if has_ac || undefined::has_undefined_result(&insn, Some(case.start.gpr[1] as u8)) {
        return None;
    }
    if system::saves_or_loads_state(insn.code()) {
        let start = Registers { rip: CODE, ..case.start };
        return Some(Case { start, ..case });
    }
    let mut factory = InstructionInfoFactory::new();
    let info = factory.info(&insn);
    let mut start = Registers {
        rip: CODE,
        rflags: case.start.rflags,
        mxcsr: if uses_mxcsr(&insn) { case.start.mxcsr } else { MXCSR_RESET },
        ..Registers::default()
    };
    for used in info.used_registers() {
        keep(&mut start, &case.start, used.register());
    }
    if insn.op_code().encoding() == EncodingKind::VEX {
        // Upper halves that are cleared.
        for (kept, given) in start.vector.iter_mut().zip(case.start.vector) {
            if kept[0] != 0 {
                *kept = given;
            }
        }
    }
    if insn.is_stack_instruction() {
        keep(&mut start, &case.start, Register::RSP);
    }
    let read = |used: &UsedMemory| {
        !matches!(used.access(), OpAccess::Write | OpAccess::NoMemAccess | OpAccess::None)
    };
    let used = info.used_memory().iter().filter(|used| read(used));
    let mut patches: Vec<Patch> = used.flat_map(|used| seen(used, &case, &insn)).collect();
    // What was prepared lies in no operand that is listed: areas, frames.
    let others = case.patches.iter().filter(|given| !patches.iter().any(|p| p.at == given.at));
    let others: Vec<Patch> = others.cloned().collect();
    patches.extend(others);
    Some(Case { start, patches, ..case })
}

/// Whether an instruction may look at MXCSR.
fn uses_mxcsr(insn: &Instruction) -> bool {
    let name = family(insn.code());
    let names_it = matches!(insn.mnemonic(), Mnemonic::Ldmxcsr | Mnemonic::Stmxcsr)
        || name == "other" && insn.memory_size().size() == FXSAVE_AREA;
    names_it
        || matches!(name, "sse_float" | "sse_convert" | "fma" | "system")
        || name.starts_with("avx")
}

/// Takes over one register that the instruction uses.
fn keep(start: &mut Registers, from: &Registers, register: Register) {
    let number = register.full_register().number();
    if register.is_gpr() {
        start.gpr[number] = from.gpr[number];
    } else if register.is_xmm() {
        start.vector[number][0] = from.vector[number][0];
    } else if register.is_ymm() {
        start.vector[number] = from.vector[number];
    } else if register.is_mm() {
        start.x87 = from.x87;
    } else if register.is_st() {
        start.x87 = X87 { st: start.x87.st, ..from.x87 };
        start.x87.st[number] = from.x87.st[number];
    }
}

/// The bytes that an instruction reads from memory.
fn seen(used: &UsedMemory, case: &Case, insn: &Instruction) -> Vec<Patch> {
    let index = used.index();
    if !index.is_vector_register() {
        return seen_at(used, case, insn, 0).into_iter().collect();
    }
    let lanes = (8 * index.size() as u32 / lane_bits(used)).min(Patch::MAX_NUMBER as u32);
    (0..lanes).filter_map(|lane| seen_at(used, case, insn, lane as usize)).collect()
}

/// Bits of an index lane.
fn lane_bits(used: &UsedMemory) -> u32 {
    if used.vsib_size() == 8 { 64 } else { 32 }
}

fn seen_at(used: &UsedMemory, case: &Case, insn: &Instruction, nth: usize) -> Option<Patch> {
    let address = used.virtual_address(nth, |register, lane_nth, _| match register {
        Register::FS => Some(FS_BASE),
        Register::GS => Some(GS_BASE),
        _ if register.is_segment_register() => Some(0),
        _ if register.is_vector_register() => {
            let vector = &case.start.vector[register.number() % 16];
            let bits = lane_bits(used);
            let value = lane(vector, lane_nth as u32, bits);
            // Index lanes are signed.
            Some(if bits == 32 { i64::from(value as i32) as u64 } else { value })
        }
        _ if register.is_gpr() => {
            let value = case.start.gpr[register.full_register().number()];
            Some(if register.size() == 4 { value & 0xffff_ffff } else { value })
        }
        _ => None,
    })?;
    let repeats = insn.has_rep_prefix() || insn.has_repne_prefix();
    let size = if repeats { 16 } else { used.memory_size().size().clamp(1, Patch::MAX_BYTES) };
    let mut bytes = vec![0; size];
    super::super::values::memory(&mut Rng::new(address, DATA_STREAM), &mut bytes);
    // What the case has there, wherever its patches begin.
    for (at, value) in case.patches.iter().flat_map(|patch| (patch.at..).zip(&patch.bytes)) {
        let place = usize::try_from(at.wrapping_sub(address)).ok();
        if let Some(byte) = place.and_then(|place| bytes.get_mut(place)) {
            *byte = *value;
        }
    }
    Patch::new(address, &bytes)
}

/// The failures of a run as lines for `tests/insn/regressions.insn`, as far as they fail
/// in memory that is zero as well.
///
/// # Errors
/// [`NativeError`] where the host does not allow it.
pub fn regressions(tally: &Tally) -> Result<Vec<Line>, NativeError> {
    let failures = tally.by_mnemonic.values().flat_map(|counts| &counts.failures);
    let lines = failures.map(|failure| regression(&failure.case));
    lines.filter_map(Result::transpose).collect()
}

/// A failing case as a line with this processor's answer. `None` where it fails only in
/// its run's memory.
fn regression(failure: &Case) -> Result<Option<Line>, NativeError> {
    let mut sides = blank_sides()?;
    let candidates = [reduced(failure.clone()), Some(failure.clone())];
    for case in candidates.into_iter().flatten().filter(|case| case.steps.len() == 1) {
        // Lines run at the start of the code area.
        let case = Case { start: Registers { rip: CODE, ..case.start }, ..case };
        if sides.compare_one(&case, Strictness::Defined)?.is_mismatch()
            && let NativeEnd::Ended(ending) = sides.native.run(std::slice::from_ref(&case))?[0]
        {
            return Ok(Some(line(&case, &ending, sides.native.memory(0))));
        }
    }
    Ok(None)
}

/// Both sides with memory that is zero.
fn blank_sides() -> Result<Sides, NativeError> {
    let blank = vec![0; IMAGE_BYTES + READ_ONLY_BYTES as usize];
    let (image, read_only) = blank.split_at(IMAGE_BYTES);
    Sides::with_memory(image, read_only)
}
