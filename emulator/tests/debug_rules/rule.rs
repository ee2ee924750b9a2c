//! The notation of `data/debug-rules.txt`.

use std::collections::BTreeMap;

/// Where programs start.
pub(crate) const CODE: u64 = 0x1000_0000;

/// Names with numbers.
pub(crate) type Values = BTreeMap<String, u64>;

/// A program and what is expected of it.
#[derive(Debug, Default)]
pub(crate) struct Rule {
    /// Rule numbers and name.
    pub(crate) name: String,
    /// The program.
    pub(crate) code: Vec<u8>,
    /// Whether it runs at CPL 3.
    pub(crate) user: bool,
    /// Initial values.
    pub(crate) set: Values,
    /// Initial memory.
    pub(crate) mem: Vec<(u64, Vec<u8>)>,
    /// Expected stops.
    pub(crate) stops: Vec<Expected>,
    /// Expected values at the end, where the program reaches it.
    pub(crate) end: Option<Values>,
}

/// Which handler a stop is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handler {
    /// That of a vector.
    Vector(u8),
    /// SYSCALL's target.
    Syscall,
}

/// An expected stop.
#[derive(Debug)]
pub(crate) struct Expected {
    /// The handler.
    pub(crate) handler: Handler,
    /// Saved RIP.
    pub(crate) rip: u64,
    /// Words without value: what is pushed as 1, and what the handler does.
    pub(crate) words: Vec<String>,
    /// Expected values, or registers to set for SYSCALL; and `skip`.
    pub(crate) values: Values,
}

impl Expected {
    /// Whether a word is there.
    pub(crate) fn has(&self, word: &str) -> bool {
        self.words.iter().any(|known| known == word)
    }
}

/// Reads the file.
pub(crate) fn parse(text: &str) -> Vec<Rule> {
    let mut rules: Vec<Rule> = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some((key, rest)) = line.trim().split_once(' ').or(match line.trim() {
            "" => None,
            word => Some((word, "")),
        }) else {
            continue;
        };
        if key == "rule" {
            rules.push(Rule { name: rest.to_owned(), ..Rule::default() });
            continue;
        }
        let rule = rules.last_mut().expect("a rule comes first");
        match key {
            // For the reader; the bytes are in the next line.
            "asm" => {}
            "code" => rule.code = bytes(rest),
            "cpl" => rule.user = rest == "3",
            "set" => rule.set.extend(values(rest).1),
            "mem" => {
                let (at, data) = rest.split_once(' ').expect("address and bytes");
                rule.mem.push((number(at), bytes(data)));
            }
            "stop" => rule.stops.push(stop(rest)),
            "end" => rule.end = Some(values(rest).1),
            other => panic!("{}: unknown line {other}", rule.name),
        }
    }
    rules
}

fn stop(text: &str) -> Expected {
    let (mut words, values) = values(text);
    let name = words.remove(0);
    let handler = if name == "sys" { Handler::Syscall } else { Handler::Vector(vector(&name)) };
    let rip = words.iter().position(|word| word.starts_with('@')).map(|at| words.remove(at));
    Expected { handler, rip: rip.map_or(0, |place| address(&place[1..])), words, values }
}

/// A saved RIP: an offset in the program, or a place of the stand.
fn address(place: &str) -> u64 {
    use crate::stand::layout::{STUBS, SYSCALL_STUB};
    match place.strip_prefix("stub") {
        Some(vector) => STUBS + 16 * number(vector),
        None if place == "lstar" => SYSCALL_STUB,
        None => CODE + number(place),
    }
}

fn vector(name: &str) -> u8 {
    match name {
        "db" => 1,
        "bp" => 3,
        "ud" => 6,
        "ss" => 12,
        "gp" => 13,
        "pf" => 14,
        other => number(other) as u8,
    }
}

/// Splits words from `name=number`.
fn values(text: &str) -> (Vec<String>, Values) {
    let mut words = Vec::new();
    let mut values = Values::new();
    for token in text.split_whitespace() {
        match token.split_once('=') {
            Some((name, value)) => {
                values.insert(name.to_owned(), number(value));
            }
            None => words.push(token.to_owned()),
        }
    }
    (words, values)
}

fn number(digits: &str) -> u64 {
    u64::from_str_radix(digits, 16).unwrap_or_else(|_| panic!("{digits}: hexadecimal"))
}

fn bytes(digits: &str) -> Vec<u8> {
    (0..digits.len()).step_by(2).map(|at| number(&digits[at..at + 2]) as u8).collect()
}
