//! `kind: case`: registers, breakpoints and stops.

use super::super::fields::{BadField, Field, Object};
use super::super::row::{Action, Case, Stepping, StopRow};
use super::{Trouble, bytes_at, gprs, program, protection, unknown};
use emulator::debug::dr6;
use emulator::regs::RFlags;

/// The vectors by the manual's mnemonics (SDM vol. 3A, table 6-1).
const VECTORS: [(&str, u8); 18] = [
    ("#DE", 0),
    ("#DB", 1),
    ("NMI", 2),
    ("#BP", 3),
    ("#OF", 4),
    ("#BR", 5),
    ("#UD", 6),
    ("#NM", 7),
    ("#DF", 8),
    ("#TS", 10),
    ("#NP", 11),
    ("#SS", 12),
    ("#GP", 13),
    ("#PF", 14),
    ("#MF", 16),
    ("#AC", 17),
    ("#MC", 18),
    ("#XM", 19),
];
/// G0, and GE, in DR7.
const G0: u64 = 2;
const GE: u64 = 1 << 9;
/// Bit 10 of DR7, always set.
const DR7_FIXED: u64 = 1 << 10;

pub(super) fn case(row: &Object<'_>) -> Result<Case, Trouble> {
    let flag = |name: &str| row.find(name).map_or(Ok(false), |field| field.flag());
    let [dr0, dr1, dr2, dr3] = row.get("dr")?.array()?;
    let dr7 = match row.find("dr7_hw") {
        Some(loaded) => loaded.number()?,
        None => loaded_by_linux(row.get("dr7")?.number()?),
    };
    let microarch = match row.find("microarch") {
        None => None,
        Some(why) => match (why.flag(), why.text()) {
            (Ok(marked), _) => marked.then(|| String::from("another processor may differ")),
            (_, text) => Some(text?.to_owned()),
        },
    };
    let trap_flag = if flag("tf")? { RFlags::TF } else { 0 };
    Ok(Case {
        program: program(row)?,
        rflags: row.get("rflags")?.number()? | trap_flag,
        dr: [dr0.number()?, dr1.number()?, dr2.number()?, dr3.number()?],
        dr7,
        stepping: row.find("ptrace_mode").map_or(Ok(Stepping::No), |mode| stepping(&mode))?,
        stops: stops(&row.get("stops")?)?,
        final_mem: row.get("final_mem")?.list_of(bytes_at)?,
        microarch,
    })
}

/// What Linux loads for a value that the tracer pokes: G for each enabled entry, and the
/// types and lengths of these only (rule K1).
fn loaded_by_linux(poked: u64) -> u64 {
    let entry = |index: u64| match poked >> (2 * index) & 3 {
        0 => 0,
        _ => G0 << (2 * index) | GE | poked & 0xf << (16 + 4 * index),
    };
    (0..4).fold(DR7_FIXED, |loaded, index| loaded | entry(index))
}

fn stepping(mode: &Field<'_>) -> Result<Stepping, Trouble> {
    match mode.text()? {
        "CONT" => Ok(Stepping::No),
        "SINGLESTEP" | "SINGLEBLOCK" => Ok(Stepping::ByTracer),
        other => Err(unknown("ptrace mode", other).into()),
    }
}

fn stops(field: &Field<'_>) -> Result<Vec<StopRow>, Trouble> {
    let rows: Vec<Field<'_>> = field.list()?.collect();
    rows.iter().map(|row| stop(&row.object()?)).collect()
}

fn stop(row: &Object<'_>) -> Result<StopRow, Trouble> {
    let flag = |name: &str| row.find(name).map_or(Ok(false), |field| field.flag());
    let name = row.get("vector")?.text()?;
    let (_, vector) = VECTORS
        .into_iter()
        .find(|(known, _)| *known == name)
        .ok_or_else(|| unknown("vector", name))?;
    let signal = match (row.find("sig"), row.find("si_code")) {
        (Some(signal), Some(code)) => Some((signal.number()?, code.signed()?)),
        _ => None,
    };
    let (b, bs) = if vector == 1 { debug_status(row)? } else { (0, false) };
    Ok(StopRow {
        vector,
        signal,
        rip: row.get("rip")?.number()?,
        rflags: row.get("rflags")?.number()?,
        cs: row.get("cs")?.number()?,
        b,
        bs,
        cr2: row.find("cr2").map(|cr2| cr2.number()).transpose()?,
        rf_by_linux: flag("rf_by_linux")?,
        hidden_exec: flag("hidden_exec")?,
        regs: gprs(&row.get("regs")?.object()?)?,
        masks: row.find("k").map_or(Ok(Vec::new()), |masks| masks.list_of(Field::number))?,
        ymm: row.find("ymm0_3").map_or(Ok(Vec::new()), |regs| regs.list_of(Field::bytes))?,
        action: row.find("action").map(|taken| action(&taken.object()?)).transpose()?,
    })
}

/// B0 to B3 and BS: from `b` and `bs`, or from `dr6` where they are not there.
fn debug_status(row: &Object<'_>) -> Result<(u64, bool), BadField> {
    let (Some(bits), Some(bs)) = (row.find("b"), row.find("bs")) else {
        let value = row.get("dr6")?.number()?;
        return Ok((value & dr6::B_MASK, value & dr6::BS != 0));
    };
    let mut b = 0;
    for bit in bits.list()? {
        match bit.signed()? {
            index @ 0..=3 => b |= 1 << index,
            other => return Err(bit.out_of_range(other)),
        }
    }
    Ok((b, bs.flag()?))
}

fn action(row: &Object<'_>) -> Result<Action, Trouble> {
    Ok(match row.get("do")?.text()? {
        "goto" => Action::Goto(row.get("to")?.number()?),
        "gotorf" => Action::GotoRf(row.get("to")?.number()?),
        "mprotect" => {
            let rights = row.find("prot").map_or(Ok("rw"), |prot| prot.text())?;
            Action::Protect(row.get("page")?.number()?, protection(rights)?)
        }
        "clearrf" => Action::ClearRf,
        "setrf" => Action::SetRf,
        "cleartf" => Action::ClearTf,
        "settf" => Action::SetTf,
        "stop" => Action::Stop,
        other => return Err(unknown("action", other).into()),
    })
}
