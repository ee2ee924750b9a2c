//! Reads the lines of a case file into [`Row`]s.
//!
//! What a row says in good form and is not known here makes that row
//! [`Content::Unknown`]; what is not in good form is a [`FileError`].

mod case;
mod sweep;

use serde_json::Value;

use super::fields::{BadField, Field, Object};
use super::row::{
    Bytes, CodeSize, Content, GPR_NAMES, GprValues, LdtEntry, Program, Protection, RawFrame, Row,
    SEGMENT_NAMES, StartRegs, Unknown,
};

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// A line is not as it should be.
    #[error("line {line}: {source}")]
    Line {
        /// Number of the line, from 1.
        line: usize,
        /// What is wrong.
        source: LineError,
    },
    /// There is no row at all.
    #[error("no rows")]
    Empty,
}

/// What is wrong with a line.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// It is not JSON.
    #[error("not JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// A field.
    #[error("{0}")]
    Field(#[from] BadField),
}

/// Why a row cannot be played.
#[derive(Debug)]
enum Trouble {
    Bad(BadField),
    Unknown(Unknown),
}

impl From<BadField> for Trouble {
    fn from(bad: BadField) -> Self {
        Self::Bad(bad)
    }
}

impl From<Unknown> for Trouble {
    fn from(unknown: Unknown) -> Self {
        Self::Unknown(unknown)
    }
}

fn unknown(what: &'static str, word: &str) -> Unknown {
    Unknown { what, word: word.to_owned() }
}

/// Reads a file; blank lines are passed over.
///
/// # Errors
/// Names the first line that is not as it should be.
pub fn read(file: &[u8]) -> Result<Vec<Row>, FileError> {
    let lines = file.split(|&byte| byte == b'\n').zip(1..);
    let mut rows = Vec::new();
    for (text, line) in lines.filter(|(text, _)| !text.trim_ascii().is_empty()) {
        rows.push(read_line(text, line).map_err(|source| FileError::Line { line, source })?);
    }
    if rows.is_empty() { Err(FileError::Empty) } else { Ok(rows) }
}

fn read_line(text: &[u8], line: usize) -> Result<Row, LineError> {
    let value: Value = serde_json::from_slice(text)?;
    let object = Object::of_line(&value)?;
    let kind = object.get("kind")?.text()?;
    let name = match object.find("name") {
        Some(name) => name.text()?.to_owned(),
        None => kind.to_owned(),
    };
    let content = match read_content(kind, &object) {
        Ok(content) => content,
        Err(Trouble::Unknown(unknown)) => Content::Unknown(unknown),
        Err(Trouble::Bad(bad)) => return Err(bad.into()),
    };
    Ok(Row { line, name, content })
}

fn read_content(kind: &str, row: &Object<'_>) -> Result<Content, Trouble> {
    match kind {
        "header" => Ok(Content::Header),
        "case" => {
            row.get("name")?;
            Ok(Content::Case(Box::new(case::case(row)?)))
        }
        "sweep" => {
            row.get("name")?;
            Ok(Content::Sweep(Box::new(sweep::sweep(row)?)))
        }
        "matrix" => Ok(Content::Matrix(sweep::matrix(&row.get("rows")?)?)),
        "raw_frame" => {
            let hits = row.get("hits")?.list_of(|hit| hit.text().map(str::to_owned))?;
            Ok(Content::RawFrame(RawFrame { hits }))
        }
        other => Err(unknown("kind", other).into()),
    }
}

/// The fields that a case and a sweep share.
fn program(row: &Object<'_>) -> Result<Program, Trouble> {
    let bits = row.get("bits")?;
    let size = match bits.number()? {
        64 => CodeSize::Bits64,
        16 | 32 => CodeSize::Compatibility,
        other => return Err(bits.out_of_range(other as i64).into()),
    };
    let mut prot = Vec::new();
    for entry in optional_list(row, "prot")? {
        let [page, rights] = entry.array()?;
        prot.push((page.number()?, protection(rights.text()?)?));
    }
    let ldt = optional_list(row, "ldt")?;
    Ok(Program {
        size,
        code: row.get("code")?.bytes()?,
        regs: start_regs(&row.get("regs")?.object()?)?,
        mem: row.get("mem")?.list_of(bytes_at)?,
        prot,
        ldt: ldt.iter().map(ldt_entry).collect::<Result<_, _>>()?,
    })
}

/// The values of a list that may be absent.
fn optional_list<'a>(row: &Object<'a>, name: &str) -> Result<Vec<Field<'a>>, BadField> {
    row.find(name).map_or_else(|| Ok(Vec::new()), |field| Ok(field.list()?.collect()))
}

fn start_regs(regs: &Object<'_>) -> Result<StartRegs, Trouble> {
    let mut start = StartRegs::default();
    for (name, field) in regs.entries() {
        let value = field.number()?;
        if let Some(reg) = position(&GPR_NAMES, name) {
            start.gprs.insert(reg, value);
        } else if let Some(reg) = position(&SEGMENT_NAMES, name) {
            start.segments.insert(reg, selector(&field)?);
        } else if name == "rip" {
            start.rip = Some(value);
        } else {
            return Err(unknown("register", name).into());
        }
    }
    Ok(start)
}

/// General registers by name.
fn gprs(regs: &Object<'_>) -> Result<GprValues, Trouble> {
    let mut values = GprValues::new();
    for (name, field) in regs.entries() {
        let value = field.number()?;
        let reg = position(&GPR_NAMES, name).ok_or_else(|| unknown("register", name))?;
        values.insert(reg, value);
    }
    Ok(values)
}

fn position(names: &[&str], name: &str) -> Option<u8> {
    (0..).zip(names).find(|(_, known)| **known == name).map(|(number, _)| number)
}

fn selector(field: &Field<'_>) -> Result<u16, BadField> {
    let value = field.number()?;
    u16::try_from(value).map_err(|_| field.out_of_range(value as i64))
}

fn bytes_at(entry: &Field<'_>) -> Result<Bytes, BadField> {
    let [address, bytes] = entry.array()?;
    Ok((address.number()?, bytes.bytes()?))
}

fn protection(word: &str) -> Result<Protection, Unknown> {
    match word {
        "none" => Ok(Protection::None),
        "r" | "ro" => Ok(Protection::Read),
        "rw" | "w" => Ok(Protection::Write),
        "x" | "rx" | "rwx" => Ok(Protection::Execute),
        other => Err(unknown("protection", other)),
    }
}

/// A descriptor as `modify_ldt` makes it (Linux `fill_ldt`): DPL 3, accessed, writable or
/// readable; a limit is cut to 20 bits.
fn ldt_entry(entry: &Field<'_>) -> Result<LdtEntry, Trouble> {
    const USER_ACCESSED_OPEN: u64 = 0x73;
    let entry = entry.object()?;
    let flag = |name: &str, default| entry.find(name).map_or(Ok(default), |field| field.flag());
    let base = entry.get("base")?;
    let (address, limit) = (base.number()?, entry.get("limit")?.number()?);
    if address > u64::from(u32::MAX) {
        return Err(base.out_of_range(address as i64).into());
    }
    let contents = match entry.get("type")?.text()? {
        "data" => 0,
        "stack" | "expand_down" => 4,
        "code" => 8,
        "conforming" => 0xc,
        other => return Err(unknown("segment type", other).into()),
    };
    let access = USER_ACCESSED_OPEN
        | contents
        | u64::from(flag("present", true)?) << 7
        | u64::from(flag("d32", true)?) << 14
        | u64::from(flag("gran4k", false)?) << 15;
    let low = limit & 0xffff | (address & 0xff_ffff) << 16;
    let high = (limit & 0xf_0000) << 32 | (address & 0xff00_0000) << 32;
    let descriptor = low | access << 40 | high;
    Ok(LdtEntry { selector: selector(&entry.get("sel")?)?, descriptor })
}
