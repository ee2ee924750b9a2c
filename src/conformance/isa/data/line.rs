//! One case as a line of text:
//!
//! ```text
//! bytes ; disassembly ; in: name=value ... ; out: name=value ...
//! ```
//!
//! Registers have the names of [`fields`](super::super::super::fields). What `in`
//! leaves out is zero, but for RSP and the control words; what `out` leaves out is as
//! before. `fl` is the flags `odszapc`, in capitals where they are set and `?` where
//! the manual leaves them undefined; `sys` the other RFLAGS bits that user code
//! changes; `[address]` bytes of memory. Without `fault` the case has gone on to the
//! byte behind it; `fault=vector:error@address` is the exception that it raised.
//! `rip` is given as a distance from the first byte where it is not the usual one.
//! `fsw` may have `/mask` behind it: the bits that are defined.

use std::fmt::Write;

use emulator::regs::RFlags;

use super::super::super::case::{COMPARED_FLAGS, Case, Ending, Fault, Patch, Registers};
use super::super::super::fields::{fields, set_field};
use super::super::super::layout::CODE;
use super::super::compare::X87_FLAGS;
use super::super::report::hex;

/// Flags as letters, in the order of their bits from above.
const LETTERS: [(char, u64); 7] = [
    ('o', RFlags::OF),
    ('d', RFlags::DF),
    ('s', RFlags::SF),
    ('z', RFlags::ZF),
    ('a', RFlags::AF),
    ('p', RFlags::PF),
    ('c', RFlags::CF),
];
/// The flags that have letters.
const LETTERED: u64 = RFlags::STATUS | RFlags::DF;
/// Vector of the INT3 behind every case.
const BREAKPOINT: u8 = 3;
/// Bytes of a patch in one field.
const FIELD_BYTES: usize = Patch::MAX_BYTES;

/// A case with its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The instruction's bytes; they run at the start of the code area.
    pub code: Vec<u8>,
    /// The instruction in words.
    pub text: String,
    /// Registers at the start.
    pub start: Registers,
    /// Memory at the start; the rest is zero.
    pub memory: Vec<Patch>,
    /// Exception and registers at the end.
    pub end: Ending,
    /// Memory that has changed.
    pub stores: Vec<Patch>,
    /// Flags that are undefined, as for
    /// [`ignored_flags`](super::super::compare::ignored_flags).
    pub ignored: u64,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// Not four parts.
    #[error("a line is bytes ; disassembly ; in: ... ; out: ...")]
    Parts,
    /// The bytes.
    #[error("these are not bytes in hexadecimal: {0}")]
    Bytes(String),
    /// A field.
    #[error("this is no register, memory or flag with a value: {0}")]
    Field(String),
}

impl Line {
    /// The case to be run.
    #[must_use]
    pub fn case(&self) -> Case {
        Case {
            steps: Vec::new(),
            code: self.code.clone(),
            offsets: vec![0],
            start: self.start,
            patches: self.memory.clone(),
        }
    }

    /// Where RIP is after an ending of that kind, if nothing is said.
    fn usual_rip(&self) -> u64 {
        match self.end.fault.vector {
            BREAKPOINT => CODE + self.code.len() as u64 + 1,
            _ => CODE,
        }
    }
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ; {} ; in:", hex(&self.code), self.text)?;
        let plain = Registers { rip: CODE, ..Registers::default() };
        f.write_str(&changed(&plain, &self.start, 0))?;
        f.write_str(&memory(&self.memory))?;
        f.write_str(" ; out:")?;
        f.write_str(&changed(&self.start, &self.end.registers, self.ignored))?;
        f.write_str(&memory(&self.stores))?;
        let Fault { vector, error, address } = self.end.fault;
        if vector != BREAKPOINT {
            write!(f, " fault={vector}:{error:x}@{address:x}")?;
        }
        if self.end.registers.rip != self.usual_rip() {
            write!(f, " rip={:x}", self.end.registers.rip.wrapping_sub(CODE))?;
        }
        Ok(())
    }
}

/// Registers of `after` that differ from `before`, and flags.
fn changed(before: &Registers, after: &Registers, ignored: u64) -> String {
    let mut text = String::new();
    let undefined_status = (ignored >> X87_FLAGS) as u16;
    for ((name, value), (_, old)) in fields(after).into_iter().zip(fields(before)) {
        if name == "fsw" && undefined_status != 0 {
            let mask = !undefined_status;
            let _ = write!(text, " fsw={:x}/{mask:x}", after.x87.status & mask);
        } else if value != old {
            let _ = write!(text, " {name}={value:x}");
        }
    }
    let undefined = ignored & LETTERED;
    if undefined != 0 || (before.rflags ^ after.rflags) & LETTERED != 0 {
        let letter = |&(letter, flag): &(char, u64)| match flag {
            _ if undefined & flag != 0 => '?',
            _ if after.rflags & flag != 0 => letter.to_ascii_uppercase(),
            _ => letter,
        };
        let _ = write!(text, " fl={}", LETTERS.iter().map(letter).collect::<String>());
    }
    let system = COMPARED_FLAGS & !LETTERED;
    if (before.rflags ^ after.rflags) & system != 0 {
        let _ = write!(text, " sys={:x}", after.rflags & system);
    }
    text
}

fn memory(patches: &[Patch]) -> String {
    patches.iter().fold(String::new(), |mut text, patch| {
        let _ = write!(text, " [{:x}]={}", patch.at, hex(&patch.bytes).replace(' ', ""));
        text
    })
}

impl std::str::FromStr for Line {
    type Err = LineError;

    fn from_str(text: &str) -> Result<Self, LineError> {
        let parts: Vec<&str> = text.split(';').map(str::trim).collect();
        let [code, disassembly, before, after] = parts[..] else { return Err(LineError::Parts) };
        let before = before.strip_prefix("in:").ok_or(LineError::Parts)?;
        let after = after.strip_prefix("out:").ok_or(LineError::Parts)?;
        let fault = Fault { vector: BREAKPOINT, error: 0, address: 0 };
        let mut start = Reading {
            registers: Registers { rip: CODE, ..Registers::default() },
            memory: Vec::new(),
            fault,
            rip: None,
            ignored: 0,
        };
        start.read(before)?;
        let mut end = Reading { memory: Vec::new(), ..start.clone() };
        end.read(after)?;
        let mut line = Self {
            code: bytes(&code.replace(' ', ""))?,
            text: disassembly.to_owned(),
            start: start.registers,
            memory: start.memory,
            end: Ending { fault: end.fault, registers: end.registers },
            stores: end.memory,
            ignored: end.ignored,
        };
        line.end.registers.rip = end.rip.map_or(line.usual_rip(), |at| CODE.wrapping_add(at));
        Ok(line)
    }
}

/// A half of a line while it is read.
#[derive(Clone)]
struct Reading {
    registers: Registers,
    memory: Vec<Patch>,
    fault: Fault,
    rip: Option<u64>,
    ignored: u64,
}

impl Reading {
    fn read(&mut self, text: &str) -> Result<(), LineError> {
        text.split_whitespace().try_for_each(|field| {
            self.field(field).ok_or_else(|| LineError::Field(field.to_owned()))
        })
    }

    fn field(&mut self, field: &str) -> Option<()> {
        let (name, value) = field.split_once('=')?;
        let number = |text: &str| u64::from_str_radix(text, 16).ok();
        if let Some(at) = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
            self.memory.push(Patch::new(number(at)?, &bytes(value).ok()?)?);
            return Some(());
        }
        match name {
            "fl" => self.flags(value)?,
            "sys" => {
                let kept = self.registers.rflags & !(COMPARED_FLAGS & !LETTERED);
                self.registers.rflags = kept | number(value)?;
            }
            "rip" => self.rip = Some(number(value)?),
            "fault" => {
                let (vector, rest) = value.split_once(':')?;
                let (error, address) = rest.split_once('@')?;
                self.fault = Fault {
                    vector: vector.parse().ok()?,
                    error: u32::from_str_radix(error, 16).ok()?,
                    address: number(address)?,
                };
            }
            _ => {
                let (value, mask) = value.split_once('/').unwrap_or((value, ""));
                if name == "fsw" && !mask.is_empty() {
                    let mask = u16::from_str_radix(mask, 16).ok()?;
                    self.ignored |= u64::from(!mask) << X87_FLAGS;
                }
                let value = u128::from_str_radix(value, 16).ok()?;
                set_field(&mut self.registers, name, value)?;
            }
        }
        Some(())
    }

    fn flags(&mut self, value: &str) -> Option<()> {
        if value.chars().count() != LETTERS.len() {
            return None;
        }
        for (&(letter, flag), given) in LETTERS.iter().zip(value.chars()) {
            self.registers.rflags &= !flag;
            match given {
                '?' => self.ignored |= flag,
                _ if given == letter => {}
                _ if given == letter.to_ascii_uppercase() => self.registers.rflags |= flag,
                _ => return None,
            }
        }
        Some(())
    }
}

fn bytes(text: &str) -> Result<Vec<u8>, LineError> {
    let wrong = || LineError::Bytes(text.to_owned());
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return Err(wrong());
    }
    let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).map_err(|_| wrong());
    (0..text.len()).step_by(2).map(byte).collect()
}

/// Where two memories differ, as patches of at most a field's size.
#[must_use]
pub fn stores(before: &[u8], after: &[u8]) -> Vec<Patch> {
    use super::super::super::layout::image_address;
    let mut found: Vec<Patch> = Vec::new();
    for at in (0..before.len()).filter(|&at| before[at] != after[at]) {
        let address = image_address(at);
        match found.last_mut() {
            Some(last)
                if last.bytes.len() < FIELD_BYTES
                    && last.at + last.bytes.len() as u64 == address =>
            {
                last.bytes.push(after[at]);
            }
            _ => found.push(Patch { at: address, bytes: vec![after[at]] }),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXTS: [&str; 4] = [
        "48 01 d8 ; add rax,rbx ; in: rax=1 rbx=2 fl=odszapC ; out: rax=3 fl=odszaPc",
        "f7 f1 ; div ecx ; in: rax=5 ; out: fl=?d????? fault=0:0@0",
        "89 08 ; mov [rax],ecx ; in: rcx=1234 rax=20000010 [20000010]=ffffffff ; out: [20000010]=34120000",
        "d9 c0 ; fld st(0) ; in: ftw=80 st0=3fff8000000000000000 ; out: fsw=3800/b8ff ftw=c0 rip=7",
    ];

    #[test]
    fn a_line_reads_as_it_was_written() {
        for text in TEXTS {
            let line: Line = text.parse().unwrap();
            let again: Line = line.to_string().parse().unwrap();
            assert_eq!(again, line, "{text}");
        }
        let line: Line = TEXTS[0].parse().unwrap();
        assert_eq!(line.to_string(), TEXTS[0]);
        assert_eq!(line.end.registers.rip, CODE + 4);
        assert_eq!(line.end.registers.rflags & RFlags::STATUS, RFlags::PF);
        let line: Line = TEXTS[1].parse().unwrap();
        assert_eq!(line.ignored, RFlags::STATUS);
        assert_eq!(line.end.registers.rip, CODE);
    }

    #[test]
    fn nonsense_is_named() {
        let wrong = |text: &str| text.parse::<Line>().unwrap_err();
        assert_eq!(wrong("90 ; nop ; in:"), LineError::Parts);
        assert_eq!(wrong("9 ; nop ; in: ; out:"), LineError::Bytes(String::from("9")));
        for field in ["rax", "rxx=1", "fl=odszap", "[0]=00", "fault=1", "xmm99=0"] {
            let text = format!("90 ; nop ; in: {field} ; out:");
            assert_eq!(wrong(&text), LineError::Field(field.to_owned()));
        }
    }

    #[test]
    fn stores_are_runs_of_changed_bytes() {
        let mut after = vec![0; 16];
        after[1] = 1;
        after[2] = 2;
        after[9] = 9;
        let found = stores(&[0; 16], &after);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].bytes, [1, 2]);
    }
}
