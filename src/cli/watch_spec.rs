//! `mem:ADDR_OR_SYMBOL[+OFF][/LEN][:ACCESS]`, as perf writes breakpoint events.
//!
//! Rules 6.7.1, 1.3 and 1.4 of linux-hw-breakpoint: ACCESS has the letters r, w
//! and x in any order without repeats and defaults to rw; LEN defaults to 4, or
//! to 8 (`sizeof(long)`) for x. A symbol with an offset is dr7's own addition.

use kernel_model::observe::WatchAccess;

/// The place that an event watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A linear address.
    Address(u64),
    /// A symbol and an offset from it.
    Symbol {
        /// Its name in the symbol table.
        name: String,
        /// Where the name starts in the event, from 0.
        at: usize,
        /// Bytes from its start.
        offset: u64,
    },
}

/// An event as it was typed, checked as far as it can be without the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchSpec {
    /// As typed.
    pub text: String,
    /// What it watches.
    pub place: Place,
    /// Bytes watched.
    pub len: u64,
    /// The accesses that match.
    pub access: WatchAccess,
}

/// An event that says nothing, with the column of what is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("-e {text}: column {}: {reason}\n  {text}\n  {:>width$}", .at + 1, "^", width = .at + 1)]
pub struct WatchSpecError {
    /// As typed.
    pub text: String,
    /// Where, in characters from 0.
    pub at: usize,
    /// What is wrong there.
    pub reason: SpecReason,
}

/// What can be wrong with an event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecReason {
    /// Another kind of event.
    #[error("an event is mem:ADDR_OR_SYMBOL[+OFF][/LEN][:rwx]")]
    NotMem,
    /// A name that no event has.
    #[error(
        "there is no event \"{name}\"; there are mem:ADDR_OR_SYMBOL[+OFF][/LEN][:rwx] and {known}",
        name = .0, known = super::count_spec::known_names()
    )]
    UnknownEvent(String),
    /// No name.
    #[error("the name of an event is missing")]
    NoEvent,
    /// A watch among counters.
    #[error("mem: cannot be part of a list; give it its own -e")]
    MemInList,
    /// A character that belongs elsewhere.
    #[error("'{0}' does not belong here: a list is EVENT[:ukhDe],{{EVENT,...}}[:ukhDe],...")]
    ListChar(char),
    /// A brace that is not closed.
    #[error("this group has no '}}'")]
    OpenGroup,
    /// No letters.
    #[error("the modifier is missing: letters of u, k, h, D and e")]
    NoModifier,
    /// Another letter.
    #[error("'{0}' is not a modifier: the letters are u, k, h, D and e")]
    Modifier(char),
    /// Nothing to watch.
    #[error("an address or a symbol is missing")]
    NoPlace,
    /// A number that is none.
    #[error("\"{0}\" is not a number (decimal, or hexadecimal after 0x)")]
    Number(String),
    /// A number beyond 64 bits.
    #[error("\"{0}\" does not fit into 64 bits")]
    TooBig(String),
    /// A character that no symbol has.
    #[error("'{0}' cannot be part of a symbol")]
    SymbolChar(char),
    /// Two events in one.
    #[error("an event ends here; give each its own -e")]
    Comma,
    /// A length that debug registers do not have.
    #[error("a debug register watches 1, 2, 4 or 8 bytes, not {0}")]
    Len(u64),
    /// A length for execution.
    #[error("an execution breakpoint has length 8 (sizeof(long)), not {0}")]
    ExecuteLen(u64),
    /// No letters.
    #[error("the access is missing: letters of r, w and x")]
    NoAccess,
    /// Another letter.
    #[error("'{0}' is not an access: the letters are r, w and x")]
    AccessLetter(char),
    /// A letter twice.
    #[error("'{0}' is there twice")]
    AccessTwice(char),
    /// Reads alone.
    #[error("x86 has no read-only watch: use rw, or w")]
    ReadOnly,
    /// Execution with data.
    #[error("x cannot be combined with r or w: a debug register has one condition")]
    ExecuteAndData,
}

impl WatchSpec {
    /// Reads one event.
    ///
    /// # Errors
    /// The first thing that is wrong, with its column.
    pub fn parse(text: &str) -> Result<Self, WatchSpecError> {
        parse(text).map_err(|wrong| WatchSpecError::new(text, wrong))
    }
}

impl WatchSpecError {
    /// What is wrong at a byte of an event.
    pub(super) fn new(text: &str, (byte, reason): (usize, SpecReason)) -> Self {
        Self { text: text.to_owned(), at: text[..byte].chars().count(), reason }
    }
}

/// A part of an event, or what is wrong at which byte.
pub(super) type At<T> = Result<T, (usize, SpecReason)>;

fn parse(text: &str) -> At<WatchSpec> {
    let Some(rest) = text.strip_prefix("mem:") else {
        return Err((0, SpecReason::NotMem));
    };
    let start = "mem:".len();
    if let Some(comma) = rest.find(',') {
        return Err((start + comma, SpecReason::Comma));
    }
    let (before, access) = match rest.split_once(':') {
        None => (rest, None),
        Some((before, letters)) => (before, Some((start + before.len() + 1, letters))),
    };
    let (place, len) = match before.split_once('/') {
        None => (before, None),
        Some((place, len)) => (place, Some((start + place.len() + 1, len))),
    };
    let place = parse_place(start, place)?;
    let access = match access {
        None => WatchAccess::ReadWrite,
        Some((at, letters)) => parse_access(at, letters)?,
    };
    let len = match len {
        None => default_len(access),
        Some((at, len)) => parse_len(at, len, access)?,
    };
    Ok(WatchSpec { text: text.to_owned(), place, len, access })
}

const fn default_len(access: WatchAccess) -> u64 {
    match access {
        WatchAccess::Execute => 8,
        WatchAccess::Write | WatchAccess::ReadWrite => 4,
    }
}

fn parse_place(at: usize, text: &str) -> At<Place> {
    let (base, offset) = match text.split_once('+') {
        None => (text, None),
        Some((base, offset)) => (base, Some((at + base.len() + 1, offset))),
    };
    let offset = offset.map_or(Ok(0), |(at, offset)| parse_number(at, offset))?;
    let Some(first) = base.chars().next() else {
        return Err((at, SpecReason::NoPlace));
    };
    if first.is_ascii_digit() {
        let address = parse_number(at, base)?;
        let sum = address.checked_add(offset);
        return sum.map(Place::Address).ok_or_else(|| (at, SpecReason::TooBig(text.to_owned())));
    }
    match base.char_indices().find(|(_, char)| !is_symbol_char(*char)) {
        Some((inside, char)) => Err((at + inside, SpecReason::SymbolChar(char))),
        None => Ok(Place::Symbol { name: base.to_owned(), at, offset }),
    }
}

/// What assemblers take unquoted, and what mangled names need.
fn is_symbol_char(char: char) -> bool {
    char.is_alphanumeric() || matches!(char, '_' | '.' | '$' | '@')
}

fn parse_number(at: usize, text: &str) -> At<u64> {
    let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None => (text, 10),
    };
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return Err((at, SpecReason::Number(text.to_owned())));
    }
    u64::from_str_radix(digits, radix).map_err(|_| (at, SpecReason::TooBig(text.to_owned())))
}

fn parse_len(at: usize, text: &str, access: WatchAccess) -> At<u64> {
    let len = parse_number(at, text)?;
    match (access, len) {
        (WatchAccess::Execute, 8) => Ok(len),
        (WatchAccess::Execute, _) => Err((at, SpecReason::ExecuteLen(len))),
        (WatchAccess::Write | WatchAccess::ReadWrite, 1 | 2 | 4 | 8) => Ok(len),
        (WatchAccess::Write | WatchAccess::ReadWrite, _) => Err((at, SpecReason::Len(len))),
    }
}

fn parse_access(at: usize, letters: &str) -> At<WatchAccess> {
    for (inside, letter) in letters.char_indices() {
        if !matches!(letter, 'r' | 'w' | 'x') {
            return Err((at + inside, SpecReason::AccessLetter(letter)));
        }
        if letters[..inside].contains(letter) {
            return Err((at + inside, SpecReason::AccessTwice(letter)));
        }
    }
    let has = |letter| letters.contains(letter);
    match (has('r'), has('w'), has('x')) {
        (false, false, false) => Err((at, SpecReason::NoAccess)),
        (true, false, false) => Err((at, SpecReason::ReadOnly)),
        (false, true, false) => Ok(WatchAccess::Write),
        (true, true, false) => Ok(WatchAccess::ReadWrite),
        (false, false, true) => Ok(WatchAccess::Execute),
        (_, _, true) => Err((at, SpecReason::ExecuteAndData)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn symbol(name: &str, offset: u64) -> Place {
        Place::Symbol { name: name.to_owned(), at: 4, offset }
    }

    #[test]
    fn what_perf_takes() {
        use WatchAccess::{Execute, ReadWrite, Write};
        let cases = [
            ("mem:0x601040", Place::Address(0x60_1040), 4, ReadWrite),
            ("mem:0x601040/8:w", Place::Address(0x60_1040), 8, Write),
            ("mem:6295616/1", Place::Address(6_295_616), 1, ReadWrite),
            ("mem:0x10+0x20/2:wr", Place::Address(0x30), 2, ReadWrite),
            ("mem:main:x", symbol("main", 0), 8, Execute),
            ("mem:main+4/8:x", symbol("main", 4), 8, Execute),
            ("mem:counter:rw", symbol("counter", 0), 4, ReadWrite),
            ("mem:counter/8", symbol("counter", 0), 8, ReadWrite),
            ("mem:buf.1+0x10/1:w", symbol("buf.1", 16), 1, Write),
        ];
        for (text, place, len, access) in cases {
            let spec = WatchSpec::parse(text).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!((spec.place, spec.len, spec.access), (place, len, access), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_and_where() {
        use SpecReason as R;
        let cases = [
            ("", 0, R::NotMem),
            ("cycles", 0, R::NotMem),
            ("mem:", 4, R::NoPlace),
            ("mem:/4", 4, R::NoPlace),
            ("mem:+4", 4, R::NoPlace),
            ("mem:0x", 4, R::Number("0x".into())),
            ("mem:12z", 4, R::Number("12z".into())),
            ("mem:0x12345678123456789", 4, R::TooBig("0x12345678123456789".into())),
            ("mem:0xffffffffffffffff+1", 4, R::TooBig("0xffffffffffffffff+1".into())),
            ("mem:a b", 5, R::SymbolChar(' ')),
            ("mem:a+", 6, R::Number(String::new())),
            ("mem:a+b", 6, R::Number("b".into())),
            ("mem:a/", 6, R::Number(String::new())),
            ("mem:a/3", 6, R::Len(3)),
            ("mem:a/0", 6, R::Len(0)),
            ("mem:a/16:w", 6, R::Len(16)),
            ("mem:a/4:x", 6, R::ExecuteLen(4)),
            ("mem:a:", 6, R::NoAccess),
            ("mem:a:r", 6, R::ReadOnly),
            ("mem:a:rq", 7, R::AccessLetter('q')),
            ("mem:a:rwr", 8, R::AccessTwice('r')),
            ("mem:a:wx", 6, R::ExecuteAndData),
            ("mem:a/4:rw,mem:b", 10, R::Comma),
            ("mem:a:w:u", 7, R::AccessLetter(':')),
            ("mem:é:q", 6, R::AccessLetter('q')),
        ];
        for (text, at, reason) in cases {
            let error = WatchSpec::parse(text).expect_err(text);
            assert_eq!((error.at, error.reason), (at, reason), "{text}");
        }
    }

    #[test]
    fn the_message_points_at_the_column() {
        let error = WatchSpec::parse("mem:counter/3:w").unwrap_err();
        assert_eq!(
            error.to_string(),
            "-e mem:counter/3:w: column 13: a debug register watches 1, 2, 4 or 8 bytes, not 3\n  \
             mem:counter/3:w\n              ^"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn any_text_is_answered(text in "(mem:)?[a-f0-9x+/:rwé, ]{0,12}") {
            if let Err(error) = WatchSpec::parse(&text) {
                prop_assert!(error.at <= text.chars().count());
            }
        }

        #[test]
        fn what_is_written_is_read(addr: u64, len in 0..4u32, write: bool) {
            let letters = if write { "w" } else { "wr" };
            let text = format!("mem:{addr:#x}/{}:{letters}", 1 << len);
            let spec = WatchSpec::parse(&text).unwrap();
            prop_assert_eq!(spec.place, Place::Address(addr));
            prop_assert_eq!(spec.len, 1 << len);
            prop_assert_eq!(spec.access == WatchAccess::Write, write);
        }
    }
}
